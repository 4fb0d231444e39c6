//! A user, as Kubernetes knows one: a name and groups.

use std::collections::BTreeMap;

/// Group of everybody who proved who they are.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
/// Group of everybody else.
pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Group that may do everything, whatever the roles say.
pub(crate) const MASTERS: &str = "system:masters";
/// Name of those who did not prove who they are.
pub(crate) const ANONYMOUS: &str = "system:anonymous";

/// Somebody who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    /// What else who vouches for it says, such as scopes.
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Somebody who proved who they are.
    pub(crate) fn proven(name: &str, groups: impl IntoIterator<Item = String>) -> Self {
        let mut groups: Vec<String> = groups.into_iter().collect();
        if !groups.iter().any(|group| group == AUTHENTICATED) {
            groups.push(AUTHENTICATED.to_owned());
        }
        Self {
            name: name.to_owned(),
            groups,
            ..Self::default()
        }
    }

    /// Who has the gateway's own token.
    pub(crate) fn owner() -> Self {
        Self::proven("tidemill-admin", [MASTERS.to_owned()])
    }

    /// Who proved nothing.
    pub(crate) fn anonymous() -> Self {
        Self {
            name: ANONYMOUS.to_owned(),
            groups: vec![UNAUTHENTICATED.to_owned()],
            ..Self::default()
        }
    }

    /// A service account.
    pub(crate) fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        let groups = [
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
        ];
        Self {
            uid: uid.to_owned(),
            ..Self::proven(&format!("system:serviceaccount:{namespace}:{name}"), groups)
        }
    }

    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.is_in(UNAUTHENTICATED)
    }
}
