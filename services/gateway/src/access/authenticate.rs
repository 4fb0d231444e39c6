//! Who asks: by token or by client certificate.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderValue, header};
use subtle::ConstantTimeEq as _;

use super::User;
use crate::app::App;
use crate::route;
use crate::server::{Peer, Proxy};
use crate::status::Refusal;

/// Who sent a request. Somebody without token and certificate is anonymous; a token that is wrong is
/// refused even beside a good certificate.
///
/// # Errors
/// 401; 503 when the cluster has to be asked and does not answer.
pub(crate) async fn authenticate(app: &App, headers: &HeaderMap, peer: Option<&Peer>) -> Result<User, Refusal> {
    if let Some(proxy) = peer.and_then(|peer| peer.proxy.as_ref()) {
        return remote(proxy, headers).ok_or_else(Refusal::unauthorized);
    }
    match bearer(headers) {
        Some(token) => of_token(app, token).await?.ok_or_else(Refusal::unauthorized),
        None => Ok(peer
            .and_then(|peer| peer.user.as_deref())
            .map_or_else(User::anonymous, Clone::clone)),
    }
}

/// Who a proxy says it is, if that one may say so.
fn remote(proxy: &Proxy, headers: &HeaderMap) -> Option<User> {
    if !proxy.names.is_empty() && !proxy.names.contains(&proxy.user.name) {
        return None;
    }
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let first = |names: &[String]| {
        let found = names.iter().find_map(|name| headers.get(name.as_str()));
        found.map(text)
    };
    let name = first(&proxy.headers.user)??;
    if name.is_empty() {
        return None;
    }
    let groups = proxy.headers.group.iter().map(|name| headers.get_all(name.as_str()));
    let groups: Option<Vec<String>> = groups.flatten().map(text).collect();
    let groups = groups?;
    if name == super::user::ANONYMOUS || groups.iter().any(|group| group == super::user::UNAUTHENTICATED) {
        return Some(User::anonymous());
    }
    Some(User {
        uid: first(&proxy.headers.uid).flatten().unwrap_or_default(),
        extra: extra(&proxy.headers.extra, headers)?,
        // The API server's own errands name a user and no group.
        ..User::proven(&name, groups)
    })
}

/// What else the proxy says, by name; `None` for what is no text. Names are percent-encoded.
fn extra(prefixes: &[String], headers: &HeaderMap) -> Option<BTreeMap<String, Vec<String>>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (header, value) in headers {
        let Some(name) = prefixes
            .iter()
            .find_map(|prefix| header.as_str().strip_prefix(prefix.as_str()))
        else {
            continue;
        };
        let name = route::decode(name)?;
        all.entry(name).or_default().push(value.to_str().ok()?.to_owned());
    }
    Some(all)
}

/// Who a token is of; `None` for nobody.
///
/// # Errors
/// 503 when the cluster has to be asked and does not answer.
pub(super) async fn of_token(app: &App, token: &[u8]) -> Result<Option<User>, Refusal> {
    if is_same(token, app.settings.token.expose().as_bytes()) {
        return Ok(Some(User::owner()));
    }
    match app.access.cluster() {
        Some(cluster) => cluster.user_of(token).await,
        None => Ok(app.signer.user(token, &app.objects, app.bus.now().as_second())),
    }
}

/// The token of a request; anything else in that header is as good as a wrong one.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let token = value
        .strip_prefix(b"Bearer ")
        .or_else(|| value.strip_prefix(b"bearer "))
        .unwrap_or_default();
    Some(token)
}

/// The comparison takes as long whatever is wrong. Nothing equals an empty token.
fn is_same(given: &[u8], expected: &[u8]) -> bool {
    !expected.is_empty() && bool::from(given.ct_eq(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_opens() {
        let given = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            is_same(bearer(&headers).unwrap(), b"abc")
        };
        assert!(given("Bearer abc") && given("bearer abc"));
        for wrong in ["Bearer ab", "Bearer abcd", "Bearer ", "Basic abc", "abc", "Bearer abd"] {
            assert!(!given(wrong), "{wrong}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
        assert!(!is_same(b"", b""));
    }
}
