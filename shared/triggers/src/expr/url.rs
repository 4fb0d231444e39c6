//! Addresses taken apart as Go does.

use serde_json::{Map, Value, json};

/// The parts of an address; nothing when it has a control character or a broken escape.
pub(super) fn parse(text: &str) -> Option<Value> {
    if text.chars().any(char::is_control) {
        return None;
    }
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = scheme(rest);
    let (authority, path) = match rest.strip_prefix("//") {
        Some(after) => after.split_at(after.find('/').unwrap_or(after.len())),
        None => ("", rest),
    };
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let mut parts = json!({
        "scheme": scheme.to_lowercase(),
        "host": host,
        "path": decoded(path)?,
        "rawQuery": query,
        "fragment": decoded(fragment)?,
    });
    let (flat, lists) = queries(query);
    parts["query"] = Value::Object(flat);
    parts["queryStrings"] = Value::Object(lists);
    if let Some(user) = user {
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        parts["auth"] = json!({"username": decoded(name)?, "password": decoded(password)?});
    }
    Some(parts)
}

fn scheme(text: &str) -> (&str, &str) {
    let Some((scheme, rest)) = text.split_once(':') else {
        return ("", text);
    };
    let mut chars = scheme.chars();
    let is_scheme = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if is_scheme { (scheme, rest) } else { ("", text) }
}

/// The query's values, joined by commas and as lists.
fn queries(query: &str) -> (Map<String, Value>, Map<String, Value>) {
    let mut lists: Map<String, Value> = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let values = lists.entry(name).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(value.into());
        }
    }
    let flat = lists.iter().map(|(name, values)| {
        let texts: Vec<&str> = values
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        (name.clone(), texts.join(",").into())
    });
    (flat.collect(), lists)
}

/// A text with its `%xx` replaced; what is no UTF-8 then is replaced too.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.extend(hex::decode(digits).ok()?);
        rest = after;
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
