//! Parts of values: `.name`, `['name']`, `["name"]`, then `[i]`, `[*]` or `.key`.

use std::borrow::Cow;

use tidemill_resources::ParamValue;

use super::{OutOfRange, Picked};

/// What `rest`, the part of a variable's name after `params` or `results`, means among the values
/// that `get` knows. `variable` is the whole name, for errors.
pub(crate) fn pick<'v>(
    variable: &str,
    rest: &str,
    get: impl Fn(&str) -> Option<&'v ParamValue>,
) -> Result<Option<Picked<'v>>, OutOfRange> {
    let Some((name, tail)) = split(rest) else {
        return Ok(None);
    };
    if let Some(value) = get(name) {
        return part(variable, value, tail);
    }
    // A dot may be part of the name or stand before an object's key.
    let Some((name, key)) = name.rsplit_once('.').filter(|_| tail.is_empty()) else {
        return Ok(None);
    };
    Ok(get(name).and_then(|value| entry(value, key)))
}

/// The name a variable's rest asks for first, without index or key in brackets; for scopes that hide
/// outer ones.
pub(crate) fn split(rest: &str) -> Option<(&str, &str)> {
    match rest.as_bytes().first()? {
        b'.' => {
            let body = &rest[1..];
            Some(body.split_at(body.find('[').unwrap_or(body.len())))
        }
        b'[' => {
            let quote = rest[1..].chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
            let (name, tail) = rest[2..].split_once(quote)?;
            Some((name, tail.strip_prefix(']')?))
        }
        _ => None,
    }
}

fn part<'v>(variable: &str, value: &'v ParamValue, tail: &str) -> Result<Option<Picked<'v>>, OutOfRange> {
    if let Some(key) = tail.strip_prefix('.') {
        return Ok(entry(value, key));
    }
    let inside = match tail {
        "" => None,
        _ => match tail.strip_prefix('[').and_then(|tail| tail.strip_suffix(']')) {
            Some(inside) => Some(inside),
            None => return Ok(None),
        },
    };
    Ok(match (value, inside) {
        (ParamValue::String(text), None) => Some(Picked::Text(Cow::Borrowed(text))),
        (ParamValue::Array(items), None | Some("*")) => Some(Picked::List(Cow::Borrowed(items))),
        (ParamValue::Object(entries), None | Some("*")) => Some(Picked::Map(Cow::Borrowed(entries))),
        (ParamValue::Array(items), Some(digits)) => return indexed(variable, items, digits),
        (ParamValue::String(_) | ParamValue::Object(_), Some(_)) => None,
    })
}

fn entry<'v>(value: &'v ParamValue, key: &str) -> Option<Picked<'v>> {
    match value {
        ParamValue::Object(entries) => entries.get(key).map(|text| Picked::Text(Cow::Borrowed(text))),
        ParamValue::String(_) | ParamValue::Array(_) => None,
    }
}

fn indexed<'v>(variable: &str, items: &'v [String], digits: &str) -> Result<Option<Picked<'v>>, OutOfRange> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Ok(None);
    }
    let item = digits.parse::<usize>().ok().and_then(|index| items.get(index));
    match item {
        Some(text) => Ok(Some(Picked::Text(Cow::Borrowed(text)))),
        None => Err(OutOfRange {
            variable: variable.to_owned(),
            length: items.len(),
        }),
    }
}
