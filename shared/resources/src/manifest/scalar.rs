//! What a plain scalar means: the same as to kubectl.
//!
//! kubectl reads YAML 1.1 as Go's yaml.v2 does: `y`, `yes`, `on`, `true` and
//! their opposites are booleans in three spellings each, `0644` is octal,
//! `1_000` is 1000, `1e3` is a number, dates are texts. So `on: push` has the
//! key `true`, and `value: yes` is the boolean true, which a parameter turns
//! into the text `true`.

use serde_json::{Number, Value};

/// A scalar that JSON has no value for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// `.nan` or `.inf`.
    #[error("is not a number JSON can hold")]
    NotFinite,
    /// `!!binary`.
    #[error("has the tag !!binary, which is not supported")]
    Binary,
    /// A tag that the text does not fit.
    #[error("does not fit its tag")]
    Tag,
}

/// The value of a plain scalar without tag.
///
/// # Errors
/// [`Error::NotFinite`] for infinities and not-a-number.
pub(super) fn plain(text: &str) -> Result<Value, Error> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
        | "-.INF" => return Err(Error::NotFinite),
        text => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    })
}

/// The value of a scalar with a tag of YAML's core schema.
///
/// # Errors
/// [`Error::Binary`], and [`Error::Tag`] when the text is not of the tag's type.
pub(super) fn tagged(text: &str, tag: &str) -> Result<Value, Error> {
    let value = match tag {
        "binary" => return Err(Error::Binary),
        "bool" | "int" | "float" | "null" => plain(text)?,
        _ => return Ok(Value::String(text.to_owned())),
    };
    let fits = match (tag, &value) {
        ("bool", Value::Bool(_)) | ("null", Value::Null) | ("float", Value::Number(_)) => true,
        ("int", Value::Number(number)) => !number.is_f64(),
        _ => false,
    };
    if fits { Ok(value) } else { Err(Error::Tag) }
}

fn number(text: &str) -> Option<Number> {
    match text.as_bytes()[0] {
        b'.' => float(text),
        b'+' | b'-' | b'0'..=b'9' => {
            let digits = text.replace('_', "");
            integer(&digits).or_else(|| float(&digits))
        }
        _ => None,
    }
}

/// Integers with the prefixes of Go: `0x`, `0o`, `0b`, and a plain 0 for octal.
fn integer(text: &str) -> Option<Number> {
    let (negative, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = magnitude.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        0_i64.checked_sub_unsigned(value).map(Number::from)
    } else {
        Some(Number::from(value))
    }
}

/// Decimal floats; one that is too large to hold is a text.
fn float(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if whole.len() + fraction.len() == 0
        || exponent.is_empty()
        || ![whole, fraction, exponent].into_iter().all(is_digits)
    {
        return None;
    }
    text.parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
        .and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Error, plain, tagged};

    #[test]
    fn plain_scalars_mean_what_they_mean_to_kubectl() {
        let golden = [
            ("", json!(null)),
            ("~", json!(null)),
            ("Null", json!(null)),
            ("nULL", json!("nULL")),
            ("yes", json!(true)),
            ("On", json!(true)),
            ("y", json!(true)),
            ("yEs", json!("yEs")),
            ("no", json!(false)),
            ("OFF", json!(false)),
            ("n", json!(false)),
            ("1", json!(1)),
            ("-1", json!(-1)),
            ("+7", json!(7)),
            ("1_000", json!(1000)),
            ("0644", json!(420)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("-0x10", json!(-16)),
            ("0", json!(0)),
            ("08", json!(8.0)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("1e3", json!(1000.0)),
            ("1e999", json!("1e999")),
            ("18446744073709551615", json!(u64::MAX)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("18446744073709551616", json!(18_446_744_073_709_552_000.0)),
            ("2026-01-31", json!("2026-01-31")),
            ("1.2.3", json!("1.2.3")),
            ("v1", json!("v1")),
            ("0x", json!("0x")),
            ("1:30", json!("1:30")),
            ("-", json!("-")),
            (".", json!(".")),
            ("+-1", json!("+-1")),
            ("1e", json!("1e")),
            ("3f2c1aa", json!("3f2c1aa")),
        ];
        for (text, expected) in golden {
            assert_eq!(plain(text), Ok(expected), "{text:?}");
        }
        assert_eq!(plain(".inf"), Err(Error::NotFinite));
    }

    #[test]
    fn tags_are_obeyed() {
        assert_eq!(tagged("yes", "str"), Ok(Value::from("yes")));
        assert_eq!(tagged("5", "int"), Ok(json!(5)));
        assert_eq!(tagged("5", "float"), Ok(json!(5)));
        assert_eq!(tagged("five", "int"), Err(Error::Tag));
        assert_eq!(tagged("eA==", "binary"), Err(Error::Binary));
        assert_eq!(tagged("2026-01-31", "timestamp"), Ok(json!("2026-01-31")));
    }
}
