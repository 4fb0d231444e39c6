//! Label selectors: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.

use std::str::FromStr;

use crate::Error;

/// Longest selector in bytes.
const MAX_SELECTOR_BYTES: usize = 16 * 1024;

/// Requirements that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// It has one of these values.
    In(String, Vec<String>),
    /// It is absent or has none of these values.
    NotIn(String, Vec<String>),
    /// It is there.
    Exists(String),
    /// It is absent.
    Absent(String),
}

impl LabelSelector {
    /// Exactly these labels with these values.
    pub fn equal<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(
            labels
                .into_iter()
                .map(|(key, value)| Requirement::In(key.to_owned(), vec![value.to_owned()]))
                .collect(),
        )
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object with these labels is selected.
    pub fn matches<T: AsRef<str>>(&self, label: impl Fn(&str) -> Option<T>) -> bool {
        let is_one = |value: T, values: &[String]| values.iter().any(|one| one == value.as_ref());
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => label(key).is_some_and(|value| is_one(value, values)),
            Requirement::NotIn(key, values) => !label(key).is_some_and(|value| is_one(value, values)),
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
        })
    }
}

impl FromStr for LabelSelector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_SELECTOR_BYTES {
            return Err(Error::bad_request(format!(
                "the label selector has {} bytes; the limit is {MAX_SELECTOR_BYTES}",
                text.len()
            )));
        }
        let parts = split(text).into_iter().filter(|part| !part.trim().is_empty());
        parts
            .map(|part| {
                requirement(part.trim()).ok_or_else(|| {
                    Error::bad_request(format!(
                        "unable to parse requirement {:?}: expected key, !key, key=value, key!=value, \
                         key in (a,b) or key notin (a,b)",
                        part.trim()
                    ))
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Splits at commas that are not in parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(part: &str) -> Option<Requirement> {
    if let Some(key) = part.strip_prefix('!') {
        return Some(Requirement::Absent(word(key)?));
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Some(Requirement::NotIn(word(key)?, vec![value_word(value)?]));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Requirement::In(word(key)?, vec![value_word(value)?]));
    }
    let Some((key, rest)) = part.split_once(char::is_whitespace) else {
        return Some(Requirement::Exists(word(part)?));
    };
    let rest = rest.trim();
    if let Some(values) = rest.strip_prefix("notin") {
        return Some(Requirement::NotIn(word(key)?, set(values)?));
    }
    Some(Requirement::In(word(key)?, set(rest.strip_prefix("in")?)?))
}

fn set(text: &str) -> Option<Vec<String>> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    inner.split(',').map(value_word).collect()
}

fn word(text: &str) -> Option<String> {
    value_word(text).filter(|word| !word.is_empty())
}

fn value_word(text: &str) -> Option<String> {
    let text = text.trim();
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    text.bytes().all(usable).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_select() {
        let labels = [("app", "web"), ("tier", "a.b/c-d")];
        let label = |name: &str| labels.iter().find(|(key, _)| *key == name).map(|&(_, value)| value);
        for (text, expected) in [
            ("", true),
            ("app=web", true),
            ("app == web , tier", true),
            ("app=db", false),
            ("app!=db", true),
            ("other!=db", true),
            ("!other", true),
            ("!app", false),
            ("app in (db, web)", true),
            ("app in (db)", false),
            ("app notin (db,x),tier=a.b/c-d", true),
            ("other notin (db)", true),
            ("other in (db)", false),
            ("app=", false),
        ] {
            let selector: LabelSelector = text.parse().unwrap();
            assert_eq!(selector.matches(label), expected, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "=a",
            "a b",
            "a in b",
            "a in (b",
            "!",
            "a=b c",
            "a>1",
            "a=(b)",
            &"a,".repeat(9_000),
        ] {
            assert_eq!(text.parse::<LabelSelector>().unwrap_err().code(), 400, "{text:.20}");
        }
    }
}
