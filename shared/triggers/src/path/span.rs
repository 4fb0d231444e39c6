//! Where `$(…)` stands in a text.

use super::parse::outside_quotes;

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// As it is.
    Text(&'a str),
    /// What stands between `$(` and its `)`.
    Expression(&'a str),
}

/// The pieces of a text in order. A `$(` that is never closed is text.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("$(") {
        let inside = &rest[at + 2..];
        let Some(end) = closing(inside) else { break };
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        pieces.push(Piece::Expression(&inside[..end]));
        rest = &inside[end + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Where the parenthesis opened before `text` closes; those in quotes do not count
/// unless the quote is never closed.
fn closing(text: &str) -> Option<usize> {
    balance(outside_quotes(text)).or_else(|| balance(text.char_indices()))
}

fn balance(mut chars: impl Iterator<Item = (usize, char)>) -> Option<usize> {
    let mut open = 1_usize;
    chars.find_map(|(at, c)| {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        (open == 0).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::{Piece, pieces};

    #[test]
    fn expressions_are_found_with_their_parentheses() {
        use Piece::{Expression, Text};
        for (text, expected) in [
            ("plain", vec![Text("plain")]),
            ("$(body.a)", vec![Expression("body.a")]),
            (
                "a$(b)$(c)d",
                vec![Text("a"), Expression("b"), Expression("c"), Text("d")],
            ),
            (
                "$(body[?(@.a==')')].b)!",
                vec![Expression("body[?(@.a==')')].b"), Text("!")],
            ),
            ("$(never", vec![Text("$(never")]),
            ("it's $(a) isn't", vec![Text("it's "), Expression("a"), Text(" isn't")]),
            ("", vec![]),
        ] {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }
}
