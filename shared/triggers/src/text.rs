//! JSON as Go prints it, and words for people.

use serde_json::{Number, Value};

/// Longest text out of an event or a secret's owner that stands in a message, in characters.
const QUOTED_CHARS: usize = 120;

/// What kind of JSON value it is, in words.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A parser's complaint without what it read.
pub(crate) fn json_error(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "it ends too early".to_owned();
    }
    format!("fault in line {}, column {}", error.line(), error.column())
}

/// A text cut to a length that fits into a sentence, on one line.
pub(crate) fn brief(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.replace(['\n', '\r'], " ")
}

/// Compact JSON with numbers as Go's encoder prints them.
pub(crate) fn go_json(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// A number as Go's encoder prints it: `1.0` is `1`, `1e21` is `1e+21`.
pub(crate) fn go_number(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let size = float.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{float:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent:0>2}"),
            Some((digits, exponent)) => format!("{digits}e-{}", exponent.trim_start_matches('-')),
            None => text,
        };
    }
    format!("{float}")
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Number(number) => out.push_str(&go_number(number)),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (index, (key, field)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write(field, out);
            }
            out.push('}');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::go_json;

    #[test]
    fn numbers_print_as_in_go() {
        for (value, text) in [
            (json!(1.0), "1"),
            (json!(-0.5), "-0.5"),
            (json!(1e20), "100000000000000000000"),
            (json!(1e21), "1e+21"),
            (json!(2.5e-7), "2.5e-7"),
            (json!(9_007_199_254_740_993_u64), "9007199254740993"),
            (json!({"b": [1.0, "x\n"], "a": null}), r#"{"a":null,"b":[1,"x\n"]}"#),
        ] {
            assert_eq!(go_json(&value), text);
        }
    }
}
