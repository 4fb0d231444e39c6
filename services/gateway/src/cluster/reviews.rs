//! Questions to the cluster: whose a token is, and what somebody may.

use std::collections::BTreeMap;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;
use sha2::{Digest as _, Sha256};

use super::Cluster;
use crate::access::{Action, User};
use crate::status::Refusal;

/// Longest token that is asked about, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1_024;

impl Cluster {
    /// Whose a token is; `None` when it is nobody's.
    ///
    /// # Errors
    /// 503 when the cluster does not answer.
    pub(crate) async fn user_of(&self, token: &[u8]) -> Result<Option<User>, Refusal> {
        let Some(text) = std::str::from_utf8(token)
            .ok()
            .filter(|text| !text.is_empty() && text.len() <= MAX_TOKEN_BYTES)
        else {
            return Ok(None);
        };
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(user) = self.tokens.get(&digest) {
            return Ok(Some(user));
        }
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(text.to_owned()),
                ..TokenReviewSpec::default()
            },
            ..TokenReview::default()
        };
        let asked = Api::all(self.client.clone())
            .create(&PostParams::default(), &review)
            .await;
        let asked = asked.map_err(|error| self.unavailable("whose the token is", &error))?;
        let status = asked.status.unwrap_or_default();
        let found = status.user.filter(|_| status.authenticated == Some(true));
        let user = found.and_then(user);
        if let Some(user) = &user {
            self.tokens.put(digest, user.clone());
        }
        Ok(user)
    }

    /// Whether the cluster's roles allow it. Leave is remembered for `gateway.decision-age`.
    ///
    /// # Errors
    /// 503 when the cluster does not answer: what cannot be asked is not allowed.
    pub(crate) async fn allows(&self, user: &User, action: &Action) -> Result<bool, Refusal> {
        if !action.name.is_empty() {
            // Who may do it with all of them, as most may, is asked about once and not for each.
            let all = Action {
                name: String::new(),
                ..action.clone()
            };
            let question = (user.clone(), all);
            if self.leave.get(&question).is_some() {
                return Ok(true);
            }
            if self.refused.get(&question).is_none() {
                if self.ask(&question).await? {
                    return Ok(true);
                }
                self.refused.put(question, ());
            }
        }
        let question = (user.clone(), action.clone());
        Ok(self.leave.get(&question).is_some() || self.ask(&question).await?)
    }

    async fn ask(&self, question: &(User, Action)) -> Result<bool, Refusal> {
        let review = review(&question.0, &question.1);
        let asked = Api::all(self.client.clone())
            .create(&PostParams::default(), &review)
            .await;
        let asked = asked.map_err(|error| self.unavailable("what the user may", &error))?;
        let allowed = asked
            .status
            .is_some_and(|status| status.allowed && status.denied != Some(true));
        if allowed {
            self.leave.put(question.clone(), ());
        }
        Ok(allowed)
    }
}

fn user(found: UserInfo) -> Option<User> {
    Some(User {
        name: found.username.filter(|name| !name.is_empty())?,
        uid: found.uid.unwrap_or_default(),
        groups: found.groups.unwrap_or_default(),
        extra: found.extra.unwrap_or_default(),
    })
}

fn review(user: &User, action: &Action) -> SubjectAccessReview {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let mut spec = SubjectAccessReviewSpec {
        user: some(&user.name),
        uid: some(&user.uid),
        groups: Some(user.groups.clone()),
        extra: Some(user.extra.clone()).filter(|extra: &BTreeMap<_, _>| !extra.is_empty()),
        ..SubjectAccessReviewSpec::default()
    };
    if action.path.is_empty() {
        spec.resource_attributes = Some(ResourceAttributes {
            verb: some(&action.verb),
            group: some(&action.group),
            version: Some("*".to_owned()),
            resource: some(&action.resource),
            subresource: some(&action.subresource),
            namespace: some(&action.namespace),
            name: some(&action.name),
            ..ResourceAttributes::default()
        });
    } else {
        spec.non_resource_attributes = Some(NonResourceAttributes {
            verb: some(&action.verb),
            path: some(&action.path),
        });
    }
    SubjectAccessReview {
        spec,
        ..SubjectAccessReview::default()
    }
}
