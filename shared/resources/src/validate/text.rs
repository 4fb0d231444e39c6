//! The shapes names may have.

/// A DNS label: lower case, digits and inner dashes, at most 63.
pub(super) fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && is_framed(text, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), |c| c == '-')
}

/// DNS labels joined by dots, at most 253.
pub(super) fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text
            .split('.')
            .all(|part| is_framed(part, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), |c| c == '-'))
}

/// A name a parameter may have.
pub(super) fn is_param_name(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// A name a result may have.
pub(super) fn is_result_name(text: &str) -> bool {
    is_framed(text, |c| c.is_ascii_alphanumeric(), |c| matches!(c, '-' | '_' | '.'))
}

/// A value a label may have; empty is one.
pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || text.len() <= 63 && is_result_name(text)
}

/// A key of a label or annotation: a name, with or without `<domain>/` before it.
pub(super) fn is_label_key(text: &str) -> bool {
    let (domain, name) = match text.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, text),
    };
    !name.is_empty() && is_label_value(name) && domain.is_none_or(is_dns_subdomain)
}

/// A key of a Secret or ConfigMap, which becomes a file name.
pub(super) fn is_data_key(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text != "."
        && text != ".."
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Whether variables may still change the text.
pub(super) fn has_variable(text: &str) -> bool {
    text.contains("$(")
}

/// Whether one of the folders of a path is `..`.
pub(super) fn climbs(path: &str) -> bool {
    path.split('/').any(|folder| folder == "..")
}

/// Not empty, `edge` at both ends, `edge` or `inner` between.
fn is_framed(text: &str, edge: impl Fn(char) -> bool, inner: impl Fn(char) -> bool) -> bool {
    text.starts_with(&edge) && text.ends_with(&edge) && text.chars().all(|c| edge(c) || inner(c))
}

#[cfg(test)]
mod tests {
    use super::{is_dns_label, is_dns_subdomain, is_label_key, is_label_value, is_param_name, is_result_name};

    #[test]
    fn names_have_the_shapes_of_kubernetes_and_tekton() {
        let long = "a".repeat(63);
        for (check, good, bad) in [
            (
                is_dns_label as fn(&str) -> bool,
                vec!["a", "1-clone", &long],
                vec!["", "-a", "a-", "A", "a.b", "a_b"],
            ),
            (is_dns_subdomain, vec!["a.b", "a"], vec!["a..b", ".a", "a.", "A"]),
            (
                is_param_name,
                vec!["_a", "A.b-c", "git_url"],
                vec!["", "1a", "-a", "a b", "ä"],
            ),
            (
                is_result_name,
                vec!["a", "1", "helm-status", "a.b_c"],
                vec!["", "a-", ".a", "_a"],
            ),
            (is_label_value, vec!["", "0.3", "a_b"], vec!["-a", "a b"]),
            (
                is_label_key,
                vec!["a", "tekton.dev/git-0", "A_b"],
                vec!["", "/a", "a/", "a/b/c", "A.b/"],
            ),
        ] {
            assert!(good.iter().all(|name| check(name)), "{good:?}");
            assert!(bad.iter().all(|name| !check(name)), "{bad:?}");
        }
        assert!(!is_dns_label(&"a".repeat(64)));
    }
}
