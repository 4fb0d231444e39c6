//! `$(VAR)` as Kubernetes expands it in commands, arguments and values of variables.

/// `text` with every `$(NAME)` that `value_of` knows replaced; others stay. `$$` is a `$` that begins
/// nothing.
pub(in crate::backend) fn expand<'a>(text: &str, value_of: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        rest = match after.chars().next() {
            Some('$') => {
                out.push('$');
                &after[1..]
            }
            Some('(') => reference(&after[1..], &mut out, &value_of),
            _ => {
                out.push('$');
                after
            }
        };
    }
    out.push_str(rest);
    out
}

/// Puts in what stands between `$(` and `)`; what follows it.
fn reference<'t, 'a>(inside: &'t str, out: &mut String, value_of: &impl Fn(&str) -> Option<&'a str>) -> &'t str {
    let Some((name, rest)) = inside.split_once(')') else {
        out.push_str("$(");
        return inside;
    };
    match value_of(name) {
        Some(value) => out.push_str(value),
        None => {
            out.push_str("$(");
            out.push_str(name);
            out.push(')');
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in_and_everything_else_stays() {
        let cases = [
            ("$(A)-$(B)", "1-$(B)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$A ${A} $", "$A ${A} $"),
            ("$(A", "$(A"),
            ("$(steps.s.results.r)", "$(steps.s.results.r)"),
            ("cost: 5$$", "cost: 5$"),
            ("$()", "$()"),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text, |name| (name == "A").then_some("1")), expected, "{text}");
        }
    }
}
