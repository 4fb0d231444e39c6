//! Subjects and filters: what is well formed, what matches.

/// No subject is longer, in bytes.
pub const MAX_SUBJECT_BYTES: usize = 512;

/// Whether `subject` may be published on: tokens of printable ASCII separated by single dots, no
/// wildcard, not the server's own (`$…`).
pub fn is_literal(subject: &str) -> bool {
    is_filter(subject) && !subject.starts_with('$') && !has_wildcard(subject)
}

/// Whether `filter` is a subject in which `*` may stand for one token and a last `>` for the rest.
pub fn is_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.len() > MAX_SUBJECT_BYTES {
        return false;
    }
    let mut tokens = filter.split('.').peekable();
    while let Some(token) = tokens.next() {
        let wild = matches!(token, "*" | ">");
        let plain = !token.is_empty()
            && token
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'>'));
        if !(wild || plain) || (token == ">" && tokens.peek().is_some()) {
            return false;
        }
    }
    true
}

/// Whether some token of `filter` is a wildcard.
pub fn has_wildcard(filter: &str) -> bool {
    filter.split('.').any(|token| matches!(token, "*" | ">"))
}

/// Whether `name` may name a stream, a consumer or a queue group.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Whether the literal `subject` is covered by `filter`.
pub fn matches(filter: &str, subject: &str) -> bool {
    let mut wanted = filter.split('.');
    let mut given = subject.split('.');
    loop {
        match (wanted.next(), given.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(token), Some(other)) if token == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_cover_what_they_should() {
        for (filter, subject, covered) in [
            ("a.b", "a.b", true),
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            ("*.b", "a.b", true),
            (">", "a", true),
            ("a.b", "a.bc", false),
        ] {
            assert_eq!(matches(filter, subject), covered, "{filter} and {subject}");
        }
    }

    #[test]
    fn malformed_subjects_are_refused() {
        for bad in ["", ".a", "a.", "a..b", "a b", "a.>.b", "a.b*", "a\r\nb", "ä"] {
            assert!(!is_filter(bad), "{bad:?}");
        }
        assert!(!is_filter(&"x".repeat(MAX_SUBJECT_BYTES + 1)));
        for server_own in ["$JS.API.INFO", "$SYS.x", "a.*", ">"] {
            assert!(!is_literal(server_own), "{server_own}");
        }
        assert!(is_literal("run.3.0198f7c2-55aa.decision"));
        assert!(is_name("objects") && !is_name("a.b") && !is_name(""));
    }
}
