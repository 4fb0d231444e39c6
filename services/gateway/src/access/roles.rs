//! All roles and bindings at one moment. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use tidemill_resources::Object;

use super::rule::Rule;
use super::{Action, User};

/// Group of roles and bindings.
pub(crate) const GROUP: &str = "rbac.authorization.k8s.io";

type Place = (String, String);

/// Roles and bindings; those of the cluster have an empty namespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roles {
    roles: BTreeMap<Place, Role>,
    bindings: BTreeMap<String, Vec<Binding>>,
}

#[derive(Clone, Debug, Default)]
struct Role {
    labels: BTreeMap<String, String>,
    rules: Vec<Rule>,
    /// Labels of the roles whose rules are added.
    aggregated: Vec<BTreeMap<String, String>>,
}

/// Who is given which role.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Binding {
    subjects: Vec<Subject>,
    role_ref: RoleReference,
}

/// The role of a binding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct RoleReference {
    pub(super) kind: String,
    pub(super) name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Subject {
    kind: String,
    name: String,
    namespace: String,
}

impl Roles {
    /// Takes in a role or binding.
    pub(crate) fn insert(&mut self, object: &Object) {
        let namespace = object.namespace().to_owned();
        let field = |name: &str| object.rest.get(name).cloned().unwrap_or_default();
        if matches!(object.kind.as_str(), "Role" | "ClusterRole") {
            let selectors = field("aggregationRule");
            let selectors = selectors.get("clusterRoleSelectors").cloned().unwrap_or_default();
            let selectors: Vec<Selector> = serde_json::from_value(selectors).unwrap_or_default();
            let role = Role {
                labels: object.metadata.labels.clone().unwrap_or_default(),
                // What cannot be read allows nothing.
                rules: serde_json::from_value(field("rules")).unwrap_or_default(),
                aggregated: selectors.into_iter().map(|selector| selector.match_labels).collect(),
            };
            self.roles.insert((namespace, object.name().to_owned()), role);
        } else if let Ok(binding) = serde_json::from_value(object.to_value()) {
            self.bindings.entry(namespace).or_default().push(binding);
        }
    }

    /// Whether a role allows the action to the user.
    pub(crate) fn allow(&self, user: &User, action: &Action) -> bool {
        self.given(user, &action.namespace)
            .any(|(role, home)| self.rules(&role.role_ref, home).any(|rule| rule.allows(action)))
    }

    /// Everything the user is allowed in a namespace.
    pub(crate) fn rules_of(&self, user: &User, namespace: &str) -> Vec<Rule> {
        self.given(user, namespace)
            .flat_map(|(binding, home)| self.rules(&binding.role_ref, home).cloned())
            .collect()
    }

    /// The rules of a role that a binding in `home` names.
    pub(super) fn rules<'a>(&'a self, role: &RoleReference, home: &str) -> impl Iterator<Item = &'a Rule> + use<'a> {
        let home = if role.kind == "ClusterRole" { "" } else { home };
        let found = self.roles.get(&(home.to_owned(), role.name.clone()));
        let added = found
            .into_iter()
            .flat_map(|found| &found.aggregated)
            .flat_map(move |labels| {
                let of_cluster = self.roles.iter().filter(|((namespace, _), _)| namespace.is_empty());
                of_cluster.map(|(_, role)| role).filter(move |role| {
                    !labels.is_empty() && labels.iter().all(|(key, value)| role.labels.get(key) == Some(value))
                })
            });
        found.into_iter().chain(added).flat_map(|role| &role.rules)
    }

    /// The bindings that count for a user in a namespace, with the namespace they are of.
    fn given<'a>(&'a self, user: &'a User, namespace: &'a str) -> impl Iterator<Item = (&'a Binding, &'a str)> {
        let of_cluster = self.bindings.get("").into_iter().flatten().map(|binding| (binding, ""));
        let own = self.bindings.get(namespace).filter(|_| !namespace.is_empty());
        let own = own.into_iter().flatten().map(move |binding| (binding, namespace));
        of_cluster
            .chain(own)
            .filter(move |(binding, home)| binding.subjects.iter().any(|subject| subject.is(user, home)))
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    match_labels: BTreeMap<String, String>,
}

impl Subject {
    fn is(&self, user: &User, home: &str) -> bool {
        match self.kind.as_str() {
            "User" => self.name == user.name,
            "Group" => user.is_in(&self.name),
            "ServiceAccount" => {
                let namespace = if self.namespace.is_empty() {
                    home
                } else {
                    &self.namespace
                };
                user.name == format!("system:serviceaccount:{namespace}:{}", self.name)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn roles(objects: &[serde_json::Value]) -> Roles {
        let mut roles = Roles::default();
        for object in objects {
            roles.insert(&serde_json::from_value(object.clone()).unwrap());
        }
        roles
    }

    fn get(namespace: &str) -> Action {
        Action::on("get", "", "secrets", namespace, "a")
    }

    #[test]
    fn a_binding_counts_where_it_is() {
        let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]);
        let roles = roles(&[
            json!({"kind": "ClusterRole", "metadata": {"name": "reader"}, "rules": rules}),
            json!({"kind": "Role", "metadata": {"name": "reader", "namespace": "ci"}, "rules": rules}),
            json!({
                "kind": "RoleBinding", "metadata": {"name": "a", "namespace": "ci"},
                "roleRef": {"kind": "Role", "name": "reader"},
                "subjects": [{"kind": "ServiceAccount", "name": "robot"}, {"kind": "Group", "name": "developers"}],
            }),
            json!({
                "kind": "ClusterRoleBinding", "metadata": {"name": "b"},
                "roleRef": {"kind": "ClusterRole", "name": "reader"}, "subjects": [{"kind": "User", "name": "jane"}],
            }),
            json!({
                "kind": "RoleBinding", "metadata": {"name": "c", "namespace": "other"},
                "roleRef": {"kind": "Role", "name": "reader"}, "subjects": [{"kind": "User", "name": "joe"}],
            }),
        ]);
        let robot = User::service_account("ci", "robot", "");
        assert!(roles.allow(&robot, &get("ci")) && !roles.allow(&robot, &get("other")));
        assert!(!roles.allow(&User::service_account("other", "robot", ""), &get("ci")));
        let developer = User::proven("x", ["developers".to_owned()]);
        assert!(roles.allow(&developer, &get("ci")) && !roles.allow(&developer, &get("")));
        let jane = User::proven("jane", []);
        assert!(roles.allow(&jane, &get("ci")) && roles.allow(&jane, &get("")) && roles.allow(&jane, &get("any")));
        // There is no such role in that namespace.
        assert!(!roles.allow(&User::proven("joe", []), &get("other")));
    }

    #[test]
    fn rules_of_labelled_roles_are_added() {
        let roles = roles(&[
            json!({
                "kind": "ClusterRole", "metadata": {"name": "sum"}, "rules": [],
                "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"add": "yes"}}, {"matchLabels": {}}]},
            }),
            json!({
                "kind": "ClusterRole", "metadata": {"name": "part", "labels": {"add": "yes"}},
                "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
            }),
            json!({
                "kind": "ClusterRole", "metadata": {"name": "other"},
                "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
            }),
            json!({
                "kind": "ClusterRoleBinding", "metadata": {"name": "b"},
                "roleRef": {"kind": "ClusterRole", "name": "sum"}, "subjects": [{"kind": "User", "name": "jane"}],
            }),
        ]);
        let jane = User::proven("jane", []);
        assert!(roles.allow(&jane, &get("ci")));
        assert!(!roles.allow(&jane, &Action::on("delete", "", "secrets", "ci", "a")));
        assert_eq!(roles.rules_of(&jane, "ci").len(), 1);
    }
}
