//! Who may ask: whoever has the token.

use axum::http::{HeaderMap, header};
use tidemill_settings::Secret;

/// Whether the request carries the token. The comparison takes as long whatever is wrong.
pub(crate) fn is_authorized(headers: &HeaderMap, token: &Secret) -> bool {
    let given = headers
        .get(header::AUTHORIZATION)
        .map(axum::http::HeaderValue::as_bytes)
        .and_then(|value| {
            value
                .strip_prefix(b"Bearer ")
                .or_else(|| value.strip_prefix(b"bearer "))
        });
    let expected = token.expose().as_bytes();
    !expected.is_empty() && given.is_some_and(|given| same(given, expected))
}

fn same(given: &[u8], expected: &[u8]) -> bool {
    let mut difference = given.len() ^ expected.len();
    for (index, byte) in expected.iter().enumerate() {
        difference |= usize::from(byte ^ given.get(index).copied().unwrap_or(!*byte));
    }
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_opens() {
        let token = Secret::new("abc");
        let given = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            is_authorized(&headers, &token)
        };
        assert!(given("Bearer abc") && given("bearer abc"));
        for wrong in ["Bearer ab", "Bearer abcd", "Bearer ", "Basic abc", "abc", "Bearer abd"] {
            assert!(!given(wrong), "{wrong}");
        }
        assert!(!is_authorized(&HeaderMap::new(), &token));
        assert!(!is_authorized(&HeaderMap::new(), &Secret::default()));
    }
}
