//! Variables in texts: one pass, known names only, values are never read again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tidemill_resources::ParamValue;

mod pick;
mod scope;
pub(crate) mod walk;

pub(crate) use pick::pick;
pub(crate) use scope::{Scope, param_rest};

/// What a variable stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Picked<'a> {
    /// Text, put in place anywhere.
    Text(Cow<'a, str>),
    /// A list: takes the place of a whole element, or of a whole value.
    List(Cow<'a, [String]>),
    /// Texts by key: takes the place of a whole value.
    Map(Cow<'a, BTreeMap<String, String>>),
}

/// An index beyond the end of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("$({variable}) is beyond the end of a list of {length}")]
pub(crate) struct OutOfRange {
    /// The variable.
    pub(crate) variable: String,
    /// How long the list is.
    pub(crate) length: usize,
}

/// Finds what variables stand for.
pub(crate) trait Lookup {
    /// The value of `name`, the text between `$(` and `)`; `None` leaves the variable as it stands.
    fn find(&self, name: &str) -> Result<Option<Picked<'_>>, OutOfRange>;
}

/// Names between `$(` and `)`, in order. A name inside another counts: `$(a $(b))` gives `b`.
pub(crate) fn names(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find("$(")? + 2;
        let tail = &rest[start..];
        let Some(end) = tail.find(')') else {
            rest = "";
            return None;
        };
        let inner = &tail[..end];
        let name = inner.rfind("$(").map_or(inner, |nested| &inner[nested + 2..]);
        rest = &tail[end + 1..];
        Some(name)
    })
}

/// The name of the variable a text consists of, if it is nothing else.
pub(crate) fn whole(text: &str) -> Option<&str> {
    let name = text.strip_prefix("$(")?.strip_suffix(')')?;
    (!name.contains([')', '$'])).then_some(name)
}

/// Replaces the variables of a text; `None` when nothing changes. Lists and maps stay as they are:
/// they have no place inside a text.
pub(crate) fn replaced(text: &str, lookup: &dyn Lookup) -> Result<Option<String>, OutOfRange> {
    let mut out: Option<String> = None;
    let (mut copied, mut position) = (0, 0);
    while let Some(offset) = text[position..].find("$(") {
        let begin = position + offset;
        position = begin + 2;
        let Some(length) = text[position..].find(')') else {
            break;
        };
        if let Some(Picked::Text(value)) = lookup.find(&text[position..position + length])? {
            let out = out.get_or_insert_with(|| String::with_capacity(text.len() + value.len()));
            out.push_str(&text[copied..begin]);
            out.push_str(&value);
            position += length + 1;
            copied = position;
        }
    }
    Ok(out.map(|mut out| {
        out.push_str(&text[copied..]);
        out
    }))
}

/// Replaces in place.
pub(crate) fn text(text: &mut String, lookup: &dyn Lookup) -> Result<(), OutOfRange> {
    if let Some(new) = replaced(text, lookup)? {
        *text = new;
    }
    Ok(())
}

/// Replaces in a list; an element that is nothing but a list's variable becomes its 0..n elements.
pub(crate) fn list(items: &mut Vec<String>, lookup: &dyn Lookup) -> Result<(), OutOfRange> {
    if !items.iter().any(|item| item.contains("$(")) {
        return Ok(());
    }
    let mut out = Vec::with_capacity(items.len());
    for mut item in items.drain(..) {
        if let Some(name) = whole(&item)
            && let Some(Picked::List(elements)) = lookup.find(name)?
        {
            out.extend(elements.iter().cloned());
            continue;
        }
        text(&mut item, lookup)?;
        out.push(item);
    }
    *items = out;
    Ok(())
}

/// Replaces in a value; one that is nothing but a variable takes that variable's type.
pub(crate) fn value(value: &mut ParamValue, lookup: &dyn Lookup) -> Result<(), OutOfRange> {
    match value {
        ParamValue::String(content) => {
            if let Some(name) = whole(content)
                && let Some(picked) = lookup.find(name)?
            {
                *value = match picked {
                    Picked::Text(text) => ParamValue::String(text.into_owned()),
                    Picked::List(items) => ParamValue::Array(items.into_owned()),
                    Picked::Map(entries) => ParamValue::Object(entries.into_owned()),
                };
                return Ok(());
            }
            text(content, lookup)
        }
        ParamValue::Array(items) => list(items, lookup),
        ParamValue::Object(entries) => entries.values_mut().try_for_each(|entry| text(entry, lookup)),
    }
}

#[cfg(test)]
mod tests;
