//! Quantities of Kubernetes, as far as dividing one among steps needs them.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::Error;

/// Thousandths are the finest unit that is kept; smaller parts are cut off, as when Go divides
/// milli-values.
const MILLI: u128 = 1_000;

const DECIMAL: [(&str, u128); 7] = [
    ("E", 1_000_000_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
    ("", 1),
];

const BINARY: [(&str, u128); 6] = [
    ("Ei", 1 << 60),
    ("Pi", 1 << 50),
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
];

/// `quantity` divided by `parts`, in the notation it was written in where that is exact.
///
/// # Errors
/// [`Error::Quantity`] if it is not a quantity (they are positive here: requests and limits).
pub(crate) fn divide(quantity: &Quantity, parts: usize) -> Result<Quantity, Error> {
    let wrong = || Error::Quantity {
        text: quantity.0.clone(),
    };
    let (thousandths, is_binary) = parse(&quantity.0).ok_or_else(wrong)?;
    let part = thousandths / parts.max(1) as u128;
    Ok(Quantity(print(part, is_binary)))
}

/// Value in thousandths, and whether its suffix was a binary one.
fn parse(text: &str) -> Option<(u128, bool)> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '+'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.trim_start_matches('+').split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || whole.len() + fraction.len() > 18 {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let (factor, is_binary) = factor(suffix)?;
    Some((digits.checked_mul(factor)? / scale, is_binary))
}

/// What a suffix multiplies by, in thousandths.
fn factor(suffix: &str) -> Option<(u128, bool)> {
    if suffix == "m" {
        return Some((1, false));
    }
    if let Some((_, factor)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((factor * MILLI, true));
    }
    if let Some((_, factor)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((factor * MILLI, false));
    }
    let exponent: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((10_u128.checked_pow(exponent)?.checked_mul(MILLI)?, false))
}

/// The shortest exact form: whole multiples of a unit, else thousandths.
fn print(thousandths: u128, is_binary: bool) -> String {
    if thousandths == 0 {
        return "0".to_owned();
    }
    if !thousandths.is_multiple_of(MILLI) {
        return format!("{thousandths}m");
    }
    let value = thousandths / MILLI;
    let units: &[(&str, u128)] = if is_binary { &BINARY } else { &DECIMAL };
    units
        .iter()
        .find(|(_, unit)| value.is_multiple_of(*unit))
        .map_or_else(|| value.to_string(), |(name, unit)| format!("{}{name}", value / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_the_notation() {
        let golden = [
            ("1", 2, "500m"),
            ("300m", 3, "100m"),
            ("100m", 3, "33m"),
            ("1Gi", 2, "512Mi"),
            ("1Ki", 3, "341333m"),
            ("2G", 4, "500M"),
            ("1.5", 3, "500m"),
            ("1e3", 2, "500"),
            ("3Mi", 1, "3Mi"),
            ("0", 4, "0"),
        ];
        for (text, parts, expected) in golden {
            assert_eq!(
                divide(&Quantity(text.into()), parts).unwrap().0,
                expected,
                "{text}/{parts}"
            );
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "Gi", "1Zi", "one", "-1", "1e", "1..2", "99999999999999999999"] {
            assert!(divide(&Quantity(text.into()), 2).is_err(), "{text}");
        }
    }
}
