//! What a server answers: bodies, refusals, warnings.

use std::error::Error as StdError;

use futures::StreamExt as _;
use http::{Response, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Map, Value};

use crate::error::Error;

/// Largest answer that is read, in bytes; lists are paged and stay far below.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// The first I/O error of the chain says it best ("Connection refused"); without one, the whole.
pub(super) fn root_cause(error: kube::Error) -> Box<dyn StdError + Send + Sync> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(found) = cause {
        if let Some(io) = found.downcast_ref::<std::io::Error>() {
            return Box::new(std::io::Error::new(io.kind(), io.to_string()));
        }
        cause = found.source();
    }
    Box::new(error)
}

pub(super) async fn read(body: Body, address: &str) -> Result<Vec<u8>, Error> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|source| Error::Unreachable {
            address: address.to_owned(),
            source: source.into(),
        })?;
        if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Error::usage(format!(
                "the server's answer is larger than {} MiB; ask for less, by name or label",
                MAX_ANSWER_BYTES / (1024 * 1024)
            )));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Kubernetes' Status object, or whatever text came instead.
pub(super) fn refused(status: StatusCode, bytes: &[u8]) -> Error {
    let object: Map<String, Value> = serde_json::from_slice(bytes).unwrap_or_default();
    let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
    let message = text("message")
        .filter(|message| !message.is_empty())
        .unwrap_or_else(|| {
            let body = String::from_utf8_lossy(bytes);
            match body.trim() {
                "" => format!("the server answered {status}"),
                body => format!("the server answered {status}: {body}"),
            }
        });
    Error::Refused {
        message,
        reason: text("reason").unwrap_or_default(),
        code: status.as_u16(),
    }
}

/// `Warning: 299 - "text"`: the text goes to standard error.
pub(super) fn say_warnings(response: &Response<Body>) {
    for value in response.headers().get_all(header::WARNING) {
        if let Some(text) = value.to_str().ok().and_then(warning_text) {
            crate::say::warning(&text);
        }
    }
}

/// The quoted part of a warning header.
fn warning_text(header: &str) -> Option<String> {
    let quoted = header.split_once('"')?.1;
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
            '"' => return Some(text),
            character => text.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{refused, warning_text};

    #[test]
    fn warnings_are_unquoted() {
        assert_eq!(
            warning_text(r#"299 - "no Task \"docker-911\" in namespace \"default\"""#).as_deref(),
            Some(r#"no Task "docker-911" in namespace "default""#)
        );
        assert_eq!(warning_text("299 -"), None);
        assert_eq!(warning_text(r#"299 - "never ended"#), None);
    }

    #[test]
    fn a_status_speaks_for_itself_and_other_text_is_quoted() {
        let status =
            br#"{"kind":"Status","message":"tasks.tekton.dev \"a\" not found","reason":"NotFound","code":404}"#;
        let error = refused(StatusCode::NOT_FOUND, status);
        assert_eq!(error.to_string(), "tasks.tekton.dev \"a\" not found");
        assert!(error.is_not_found());
        let error = refused(StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!(error.to_string(), "the server answered 502 Bad Gateway: <html>");
        assert!(error.is_passing());
    }
}
