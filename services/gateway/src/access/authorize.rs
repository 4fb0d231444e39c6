//! What users may, by the roles that are stored.

use std::sync::Arc;

use serde_json::Value;
use tidemill_objects::{Error, ListQuery, Objects, Scope};
use tokio::sync::Mutex;

use super::review::ReviewKind;
use super::roles::{GROUP, RoleReference, Roles};
use super::rule::{Rule, missing};
use super::user::{AUTHENTICATED, MASTERS};
use super::{Action, User};
use crate::cluster::Cluster;
use crate::status::Refusal;

const RESOURCES: [&str; 4] = ["roles", "rolebindings", "clusterroles", "clusterrolebindings"];
/// What everybody who proved who they are may read: what is served, and how it is.
const OPEN_PATHS: [&str; 8] = [
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/openapi",
    "/openapi/*",
    "/version",
    "/version/",
];

/// Who decides: the cluster, or the roles of the store, read again when one of them changed.
#[derive(Default)]
pub(crate) struct Access {
    known: Mutex<Option<Known>>,
    cluster: Option<Arc<Cluster>>,
}

struct Known {
    /// The last changes that the roles contain.
    changes: [u64; 4],
    roles: Arc<Roles>,
}

impl Access {
    /// The cluster decides, if there is one.
    pub(crate) fn new(cluster: Option<Arc<Cluster>>) -> Self {
        Self {
            cluster,
            ..Self::default()
        }
    }

    /// The cluster that this is a part of.
    pub(crate) fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.cluster.as_ref()
    }

    /// # Errors
    /// 403 when the user may not; what a store that does not answer gives.
    pub(crate) async fn check(&self, objects: &Objects, user: &User, action: &Action) -> Result<(), Refusal> {
        if self.allows(objects, user, action).await? {
            Ok(())
        } else {
            Err(forbidden(user, action))
        }
    }

    /// Whether the user may.
    pub(crate) async fn allows(&self, objects: &Objects, user: &User, action: &Action) -> Result<bool, Refusal> {
        if user.is_in(MASTERS) || is_open(user, action) {
            return Ok(true);
        }
        if let Some(cluster) = &self.cluster {
            return cluster.allows(user, action).await;
        }
        Ok(self.roles(objects).await?.allow(user, action))
    }

    /// The roles as they are now: a change that was answered counts.
    pub(crate) async fn roles(&self, objects: &Objects) -> Result<Arc<Roles>, Error> {
        let mut known = self.known.lock().await;
        // Read before the roles: what comes between is read twice rather than never.
        let changes = RESOURCES.map(|resource| objects.last_change(GROUP, resource));
        if let Some(known) = known.as_ref().filter(|known| known.changes == changes) {
            return Ok(known.roles.clone());
        }
        let roles = Arc::new(read(objects).await?);
        *known = Some(Known {
            changes,
            roles: roles.clone(),
        });
        Ok(roles)
    }
}

async fn read(objects: &Objects) -> Result<Roles, Error> {
    let mut roles = Roles::default();
    for resource in RESOURCES {
        let mut query = ListQuery {
            scope: Scope::new(GROUP, resource, None),
            // What the index has.
            resource_version: Some(0),
            ..ListQuery::default()
        };
        loop {
            let page = objects.list(&query).await?;
            page.items.iter().for_each(|object| roles.insert(object));
            let Some(token) = page.continue_token else { break };
            query.continue_token = Some(token);
        }
    }
    Ok(roles)
}

/// What needs no role: discovery, and questions about oneself.
fn is_open(user: &User, action: &Action) -> bool {
    if !user.is_in(AUTHENTICATED) {
        return false;
    }
    if !action.path.is_empty() {
        let rule = Rule {
            verbs: vec!["get".to_owned()],
            non_resource_urls: OPEN_PATHS.iter().map(|path| (*path).to_owned()).collect(),
            ..Rule::default()
        };
        return rule.allows(action);
    }
    action.verb == "create" && ReviewKind::is_about_oneself(&action.group, &action.resource)
}

/// Nobody gives away what he does not have: whoever writes a role must hold all of it or may `escalate`,
/// whoever binds one likewise or may `bind`.
///
/// # Errors
/// 403 naming what is missing.
pub(crate) async fn check_grant(
    access: &Access,
    objects: &Objects,
    user: &User,
    action: &Action,
    written: &Value,
) -> Result<(), Refusal> {
    let writes = matches!(action.verb.as_str(), "create" | "update" | "patch");
    if action.group != GROUP || !writes || user.is_in(MASTERS) {
        return Ok(());
    }
    let roles = access.roles(objects).await?;
    let (permission, wanted): (Action, Vec<Rule>) = match action.resource.as_str() {
        "roles" | "clusterroles" => {
            let rules = written.get("rules").cloned().unwrap_or_default();
            let escalate = Action {
                verb: "escalate".to_owned(),
                ..action.clone()
            };
            (escalate, serde_json::from_value(rules).unwrap_or_default())
        }
        _ => {
            let role = written.get("roleRef").cloned().unwrap_or_default();
            let role: RoleReference = serde_json::from_value(role).unwrap_or_default();
            let resource = if role.kind == "ClusterRole" {
                "clusterroles"
            } else {
                "roles"
            };
            let bind = Action::on("bind", GROUP, resource, &action.namespace, &role.name);
            (bind, roles.rules(&role, &action.namespace).cloned().collect())
        }
    };
    if roles.allow(user, &permission) {
        return Ok(());
    }
    let held = roles.rules_of(user, &action.namespace);
    match wanted.iter().find_map(|rule| missing(&held, rule)) {
        None => Ok(()),
        Some(lacking) => {
            let lacking = serde_json::to_string(&lacking).unwrap_or_default();
            let mut refusal = forbidden(user, action);
            refusal.add(&format!(": user cannot grant what he does not hold himself: {lacking}"));
            Err(refusal)
        }
    }
}

/// The refusal, in the words clients know.
pub(crate) fn forbidden(user: &User, action: &Action) -> Refusal {
    if !action.path.is_empty() {
        let message = format!(
            "forbidden: User \"{}\" cannot {} path \"{}\"",
            user.name, action.verb, action.path
        );
        return Refusal::new(403, "Forbidden", message);
    }
    let place = if action.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{}\"", action.namespace)
    };
    let message = format!(
        "{} is forbidden: User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {place}",
        action.whole_name(),
        user.name,
        action.verb,
        action.whole_resource(),
        action.group
    );
    Refusal::about(403, "Forbidden", message, &action.group, &action.resource, &action.name)
}
