//! Who asks: by token or by client certificate.

use axum::http::{HeaderMap, HeaderValue, header};
use subtle::ConstantTimeEq as _;

use super::User;
use crate::app::App;
use crate::server::Peer;
use crate::status::Refusal;

/// Who sent a request. Somebody without token and certificate is anonymous; a token that is wrong is
/// refused even beside a good certificate.
///
/// # Errors
/// 401.
pub(crate) fn authenticate(app: &App, headers: &HeaderMap, peer: Option<&Peer>) -> Result<User, Refusal> {
    if let Some(proxy) = peer.and_then(|peer| peer.proxy.as_deref()) {
        return remote(&app.settings.proxy_names, proxy, headers).ok_or_else(Refusal::unauthorized);
    }
    match bearer(headers) {
        Some(token) => of_token(app, token).ok_or_else(Refusal::unauthorized),
        None => Ok(peer
            .and_then(|peer| peer.user.as_deref())
            .map_or_else(User::anonymous, Clone::clone)),
    }
}

/// Who a proxy says it is, if that one may say so.
fn remote(names: &[String], proxy: &User, headers: &HeaderMap) -> Option<User> {
    if !names.is_empty() && !names.contains(&proxy.name) {
        return None;
    }
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let name = text(headers.get("x-remote-user")?).filter(|name| !name.is_empty())?;
    let groups: Option<Vec<String>> = headers.get_all("x-remote-group").iter().map(text).collect();
    let groups = groups?;
    if groups.is_empty() && name == super::user::ANONYMOUS {
        return Some(User::anonymous());
    }
    Some(User {
        name,
        uid: String::new(),
        groups,
    })
}

/// Who a token is of.
pub(super) fn of_token(app: &App, token: &[u8]) -> Option<User> {
    if is_same(token, app.settings.token.expose().as_bytes()) {
        return Some(User::owner());
    }
    app.signer.user(token, &app.objects, app.bus.now().as_second())
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
