//! `$(steps.<step>.results.<result>)`: known only once the step has run.
//!
//! A string is put in as it is. `[*]`, alone in an argument or in a guard's values, becomes one element
//! for each of the array's; `[<number>]` and `.<key>` pick from an array or an object. One pass, as
//! everywhere in Tekton: what is put in is not looked at again.

use serde_json::Value;

use crate::error::Error;

const OPEN: &str = "$(steps.";

/// The text of a result; `None` if it was not written.
type Found = Result<Option<String>, Error>;

/// Looks up results of steps.
pub(crate) struct Results<'a> {
    /// Reads one, by the names of step and result.
    pub(crate) read: &'a (dyn Fn(&str, &str) -> Found + 'a),
}

enum Pick<'a> {
    Whole,
    All,
    At(usize),
    Key(&'a str),
}

struct Reference<'a> {
    step: &'a str,
    result: &'a str,
    pick: Pick<'a>,
}

impl Results<'_> {
    /// `text` with every reference replaced.
    pub(crate) fn text(&self, text: &str) -> Result<String, Error> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(OPEN) {
            let (before, at) = rest.split_at(start);
            out.push_str(before);
            let Some(end) = at.find(')') else { break };
            let whole = &at[..=end];
            match parse(&at[2..end]) {
                Some(reference) => out.push_str(&self.value(&reference, whole)?),
                None => out.push_str(whole),
            }
            rest = &at[end + 1..];
            if rest.is_empty() {
                return Ok(out);
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Each text replaced; one that is exactly a reference to a whole array becomes its elements.
    pub(crate) fn texts(&self, texts: &[String]) -> Result<Vec<String>, Error> {
        let mut out = Vec::with_capacity(texts.len());
        for text in texts {
            match self.elements(text)? {
                Some(elements) => out.extend(elements),
                None => out.push(self.text(text)?),
            }
        }
        Ok(out)
    }

    fn elements(&self, text: &str) -> Result<Option<Vec<String>>, Error> {
        let inner = text.strip_prefix("$(").and_then(|rest| rest.strip_suffix(')'));
        let Some(reference) = inner.filter(|inner| !inner.contains(')')).and_then(parse) else {
            return Ok(None);
        };
        if !matches!(reference.pick, Pick::All) {
            return Ok(None);
        }
        match serde_json::from_str(&self.read(&reference, text)?) {
            Ok(Value::Array(elements)) => Ok(Some(elements.iter().map(plain).collect())),
            _ => Err(wrong(text, "is not a JSON array")),
        }
    }

    fn value(&self, reference: &Reference<'_>, whole: &str) -> Result<String, Error> {
        let text = self.read(reference, whole)?;
        let picked = match reference.pick {
            Pick::Whole | Pick::All => return Ok(text),
            Pick::At(position) => serde_json::from_str::<Vec<Value>>(&text).ok().and_then(|mut all| {
                if position < all.len() {
                    Some(all.swap_remove(position))
                } else {
                    None
                }
            }),
            Pick::Key(key) => serde_json::from_str::<Value>(&text)
                .ok()
                .and_then(|object| object.get(key).cloned()),
        };
        picked
            .map(|value| plain(&value))
            .ok_or_else(|| wrong(whole, "has no such element"))
    }

    fn read(&self, reference: &Reference<'_>, whole: &str) -> Result<String, Error> {
        let text = (self.read)(reference.step, reference.result)?;
        text.ok_or_else(|| {
            let (step, result) = (reference.step, reference.result);
            wrong(
                whole,
                &format!("was not written: step `{step}` made no result `{result}`"),
            )
        })
    }
}

/// `steps.<step>.results.<result>` with what is picked of it.
fn parse(inner: &str) -> Option<Reference<'_>> {
    let (step, result) = inner.strip_prefix("steps.")?.split_once(".results.")?;
    let (result, pick) = match result.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        Some((result, "*")) => (result, Pick::All),
        Some((result, number)) => (result, Pick::At(number.parse().ok()?)),
        None => match result.split_once('.') {
            Some((result, key)) => (result, Pick::Key(key)),
            None => (result, Pick::Whole),
        },
    };
    // `path` is a file's name, decided with the pod.
    let usable = !result.is_empty() && !step.is_empty() && !matches!(pick, Pick::Key("path"));
    usable.then_some(Reference { step, result, pick })
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn wrong(whole: &str, what: &str) -> Error {
    Error::task(format!("`{whole}` {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(step: &str, result: &str) -> Result<Option<String>, Error> {
        let text = match (step, result) {
            ("a", "plain") => "x$(steps.a.results.list)\n",
            ("a", "list") => r#"["one","two 2",3]"#,
            ("a", "object") => r#"{"key":"value"}"#,
            _ => return Ok(None),
        };
        Ok(Some(text.to_owned()))
    }

    fn text(text: &str) -> Result<String, String> {
        let results = Results { read: &read };
        results.text(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_result_is_put_in_once_and_verbatim() {
        assert_eq!(
            text("<$(steps.a.results.plain)>").unwrap(),
            "<x$(steps.a.results.list)\n>"
        );
        assert_eq!(text("$(steps.a.results.list[1])!").unwrap(), "two 2!");
        assert_eq!(text("$(steps.a.results.object.key)").unwrap(), "value");
        assert_eq!(text("$(steps.a $(params.x) $$").unwrap(), "$(steps.a $(params.x) $$");
        assert_eq!(text("$(steps.a.exitCode.path)").unwrap(), "$(steps.a.exitCode.path)");
        assert_eq!(text("$(steps.a.results.list").unwrap(), "$(steps.a.results.list");
    }

    #[test]
    fn an_array_becomes_arguments_only_when_it_stands_alone() {
        let results = Results { read: &read };
        let given = ["a", "$(steps.a.results.list[*])", "$(steps.a.results.list)"].map(str::to_owned);
        let expected = ["a", "one", "two 2", "3", r#"["one","two 2",3]"#];
        assert_eq!(results.texts(&given).unwrap(), expected);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = text("$(steps.b.results.r)").unwrap_err();
        assert!(error.contains("step `b` made no result `r`"), "{error}");
        assert!(
            text("$(steps.a.results.list[3])")
                .unwrap_err()
                .contains("no such element")
        );
    }
}
