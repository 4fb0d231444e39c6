//! Asking as somebody else (`kubectl --as`): whoever may impersonate does as that one.

use axum::http::HeaderMap;

use super::user::{ANONYMOUS, MASTERS};
use super::{Access, Action, User};
use crate::status::Refusal;
use tidemill_objects::Objects;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
/// Other headers of impersonation, which are not served.
const OTHERS: [&str; 2] = ["impersonate-uid", "impersonate-extra-"];
/// Most groups that may be asked for.
const MAX_GROUPS: usize = 100;

/// The user the request is to be taken as: `user`, unless it names another.
///
/// # Errors
/// 403 when that is not allowed, 400 for headers that make no sense.
pub(crate) async fn impersonated(
    access: &Access,
    objects: &Objects,
    headers: &HeaderMap,
    user: User,
) -> Result<User, Refusal> {
    let text = |value: &axum::http::HeaderValue| value.to_str().map(str::to_owned);
    let groups: Result<Vec<String>, _> = headers.get_all(GROUP).iter().map(text).collect();
    let name = headers.get(USER).map(text).transpose();
    let (Ok(groups), Ok(name)) = (groups, name) else {
        return Err(Refusal::bad_request("the headers of impersonation are no text"));
    };
    let other = headers
        .keys()
        .any(|key| OTHERS.iter().any(|other| key.as_str().starts_with(other)));
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        if other || !groups.is_empty() {
            return Err(Refusal::bad_request(
                "impersonation needs a user: Impersonate-User is missing",
            ));
        }
        return Ok(user);
    };
    if other || groups.len() > MAX_GROUPS {
        return Err(Refusal::bad_request(
            "only a user and at most 100 groups can be impersonated",
        ));
    }
    let account = name
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'));
    let action = match account {
        Some((namespace, name)) => Action::on("impersonate", "", "serviceaccounts", namespace, name),
        None => Action::on("impersonate", "", "users", "", &name),
    };
    access.check(objects, &user, &action).await?;
    for group in &groups {
        access
            .check(objects, &user, &Action::on("impersonate", "", "groups", "", group))
            .await?;
    }
    tracing::info!(
        user = user.name,
        taken_as = name,
        masters = groups.iter().any(|group| group == MASTERS),
        "Somebody asks as another."
    );
    Ok(match account {
        _ if name == ANONYMOUS => User::anonymous(),
        Some((namespace, name)) if groups.is_empty() => User::service_account(namespace, name, ""),
        _ => User::proven(&name, groups),
    })
}
