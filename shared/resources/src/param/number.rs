//! Numbers as Go prints them in JSON.

/// The text Go's encoder gives a number: shortest digits, no trailing `.0`,
/// exponents only from 1e21 up or below 1e-6.
#[must_use]
pub fn go_number(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        return exponent(number);
    }
    format!("{number}")
}

/// Go writes the sign of a positive exponent and pads negative ones to no fixed width.
fn exponent(number: f64) -> String {
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, power)) if !power.starts_with('-') => format!("{digits}e+{power}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::go_number;

    #[test]
    fn numbers_look_as_in_go() {
        let golden = [
            (1.0, "1"),
            (1.5, "1.5"),
            (0.0, "0"),
            (-2.25, "-2.25"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e-7, "1e-7"),
            (123456789.125, "123456789.125"),
        ];
        for (number, text) in golden {
            assert_eq!(go_number(number), text);
        }
    }
}
