//! Questions about access, which are answered and not stored.

use serde_json::{Value, json};

use super::rule::Rule;
use super::{Action, User};
use crate::app::App;
use crate::status::Refusal;

/// Group of questions about what somebody may.
const AUTHORIZATION: &str = "authorization.k8s.io";
/// Group of questions about who somebody is.
const AUTHENTICATION: &str = "authentication.k8s.io";

/// A kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReviewKind {
    pub(crate) group: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) namespaced: bool,
}

const fn kind(group: &'static str, kind: &'static str, plural: &'static str, singular: &'static str) -> ReviewKind {
    ReviewKind {
        group,
        kind,
        plural,
        singular,
        namespaced: false,
    }
}

/// Every kind of question.
pub(crate) const ALL: [ReviewKind; 6] = [
    kind(
        AUTHORIZATION,
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        "selfsubjectaccessreview",
    ),
    kind(
        AUTHORIZATION,
        "SelfSubjectRulesReview",
        "selfsubjectrulesreviews",
        "selfsubjectrulesreview",
    ),
    kind(
        AUTHORIZATION,
        "SubjectAccessReview",
        "subjectaccessreviews",
        "subjectaccessreview",
    ),
    ReviewKind {
        namespaced: true,
        ..kind(
            AUTHORIZATION,
            "LocalSubjectAccessReview",
            "localsubjectaccessreviews",
            "localsubjectaccessreview",
        )
    },
    kind(
        AUTHENTICATION,
        "SelfSubjectReview",
        "selfsubjectreviews",
        "selfsubjectreview",
    ),
    kind(AUTHENTICATION, "TokenReview", "tokenreviews", "tokenreview"),
];

impl ReviewKind {
    /// The kind at an address.
    pub(crate) fn at(group: &str, plural: &str, namespaced: bool) -> Option<Self> {
        ALL.into_iter()
            .find(|kind| kind.group == group && kind.plural == plural && kind.namespaced == namespaced)
    }

    /// Whether everybody may ask it.
    pub(crate) fn is_about_oneself(group: &str, plural: &str) -> bool {
        ALL.iter()
            .any(|kind| kind.group == group && kind.plural == plural && kind.kind.starts_with("SelfSubject"))
    }
}

/// Answers a question: the question with its status.
///
/// # Errors
/// 400 for a question that is none; what a store that does not answer gives.
pub(crate) async fn answer(
    app: &App,
    kind: ReviewKind,
    namespace: &str,
    user: &User,
    asked: Value,
) -> Result<Value, Refusal> {
    let spec = asked.get("spec").cloned().unwrap_or_else(|| json!({}));
    let status = match kind.kind {
        "SelfSubjectAccessReview" => access(app, user, &spec).await?,
        "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            let about = subject(&spec)?;
            let of = spec.pointer("/resourceAttributes/namespace").and_then(Value::as_str);
            if kind.namespaced && of != Some(namespace) {
                return Err(Refusal::bad_request(
                    "spec.resourceAttributes.namespace must be the namespace of the address",
                ));
            }
            access(app, &about, &spec).await?
        }
        "SelfSubjectRulesReview" => rules(app, user, &spec).await?,
        "SelfSubjectReview" => json!({"userInfo": told(user)}),
        _ => {
            let token = spec.get("token").and_then(Value::as_str).unwrap_or_default();
            match super::authenticate::of_token(app, token.as_bytes()).await? {
                Some(user) => json!({"authenticated": true, "user": told(&user), "audiences": spec.get("audiences")}),
                None => json!({"authenticated": false, "user": {}, "error": "the token is not known or over"}),
            }
        }
    };
    Ok(json!({
        "kind": kind.kind, "apiVersion": format!("{}/v1", kind.group),
        "metadata": asked.get("metadata").cloned().unwrap_or_else(|| json!({})), "spec": spec, "status": status,
    }))
}

async fn access(app: &App, user: &User, spec: &Value) -> Result<Value, Refusal> {
    let text = |pointer: &str| {
        spec.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let action = if spec.get("nonResourceAttributes").is_some_and(Value::is_object) {
        Action {
            verb: text("/nonResourceAttributes/verb"),
            path: text("/nonResourceAttributes/path"),
            ..Action::default()
        }
    } else if spec.get("resourceAttributes").is_some_and(Value::is_object) {
        Action {
            subresource: text("/resourceAttributes/subresource"),
            ..Action::on(
                &text("/resourceAttributes/verb"),
                &text("/resourceAttributes/group"),
                &text("/resourceAttributes/resource"),
                &text("/resourceAttributes/namespace"),
                &text("/resourceAttributes/name"),
            )
        }
    } else {
        return Err(Refusal::bad_request(
            "spec: expected resourceAttributes or nonResourceAttributes",
        ));
    };
    let allowed = app.access.allows(&app.objects, user, &action).await?;
    Ok(json!({"allowed": allowed}))
}

/// Whom a question is about.
fn subject(spec: &Value) -> Result<User, Refusal> {
    let name = spec.get("user").and_then(Value::as_str).unwrap_or_default();
    let groups = spec.get("groups").cloned().unwrap_or_default();
    let groups: Vec<String> = serde_json::from_value(groups).unwrap_or_default();
    if name.is_empty() && groups.is_empty() {
        return Err(Refusal::bad_request("spec: expected user or groups"));
    }
    Ok(User {
        name: name.to_owned(),
        groups,
        ..User::default()
    })
}

/// Everything somebody may in a namespace.
async fn rules(app: &App, user: &User, spec: &Value) -> Result<Value, Refusal> {
    let namespace = spec.get("namespace").and_then(Value::as_str).unwrap_or_default();
    if namespace.is_empty() {
        return Err(Refusal::bad_request("spec.namespace: expected a namespace"));
    }
    let mut rules = app.access.roles(&app.objects).await?.rules_of(user, namespace);
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    if user.is_in(super::user::MASTERS) {
        rules.push(Rule {
            verbs: texts(&["*"]),
            api_groups: texts(&["*"]),
            resources: texts(&["*"]),
            ..Rule::default()
        });
        rules.push(Rule {
            verbs: texts(&["*"]),
            non_resource_urls: texts(&["*"]),
            ..Rule::default()
        });
    }
    let (paths, resources): (Vec<Rule>, Vec<Rule>) = rules.into_iter().partition(|rule| rule.resources.is_empty());
    Ok(json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false}))
}

fn told(user: &User) -> Value {
    json!({"username": user.name, "uid": user.uid, "groups": user.groups})
}
