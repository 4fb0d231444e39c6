//! From text to segments.

use super::PATH_BYTES_MAX;
use super::syntax::{Comparison, Fault, Filter, Operand, Segment, Slice};

/// Deepest filter within a filter.
const DEPTH_MAX: usize = 4;

const COMPARISONS: &[(&str, Comparison)] = &[
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// Reads `a.b`, `.a.b`, `{a.b}` or `{.a.b}`.
pub(super) fn path(text: &str) -> Result<Vec<Segment>, Fault> {
    if text.len() > PATH_BYTES_MAX {
        return Err(Fault::new(format!("longer than {PATH_BYTES_MAX} bytes")));
    }
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest
            .strip_suffix('}')
            .ok_or_else(|| Fault::new("the brace { is not closed"))?,
        None => text,
    };
    if inner.trim().is_empty() {
        return Err(Fault::new("it is empty"));
    }
    if inner.contains(['{', '}']) {
        return Err(Fault::new("only one pair of braces, around the whole path, is taken"));
    }
    let bare = !inner.starts_with(['.', '[', '$', '@']);
    let inner = if bare { format!(".{inner}") } else { inner.to_owned() };
    segments(&inner, 0)
}

/// Reads what follows the beginning of a path.
fn segments(text: &str, depth: usize) -> Result<Vec<Segment>, Fault> {
    let mut rest = text.strip_prefix(['$', '@']).unwrap_or(text);
    let mut found = Vec::new();
    while !rest.is_empty() {
        rest = if let Some(below) = rest.strip_prefix("..") {
            found.push(Segment::Below);
            match below.chars().next() {
                Some('[') => below,
                _ => field(below, &mut found)?,
            }
        } else if let Some(name) = rest.strip_prefix('.') {
            match name.chars().next() {
                Some('[') => name,
                _ => field(name, &mut found)?,
            }
        } else if let Some(inside) = rest.strip_prefix('[') {
            let end = closing(inside).ok_or_else(|| Fault::new("the bracket [ is not closed"))?;
            found.push(brackets(inside[..end].trim(), depth)?);
            &inside[end + 1..]
        } else {
            return Err(Fault::new(format!("unexpected {:?}", first(rest))));
        };
    }
    Ok(found)
}

/// Reads a field's name; a backslash takes the next character as it is.
fn field<'a>(text: &'a str, found: &mut Vec<Segment>) -> Result<&'a str, Fault> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    let mut end = text.len();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            '.' | '[' | ']' | '$' | '@' | ',' | '{' | '}' => {
                end = at;
                break;
            }
            c if c.is_whitespace() => return Err(Fault::new("a name has a space; write ['…']")),
            c => name.push(c),
        }
    }
    if name.is_empty() {
        return Err(Fault::new("a name is missing after a dot"));
    }
    let all = name == "*" && text.starts_with('*');
    found.push(if all { Segment::All } else { Segment::Field(name) });
    Ok(&text[end..])
}

/// Reads what stands between brackets.
fn brackets(inside: &str, depth: usize) -> Result<Segment, Fault> {
    if let Some(filter) = inside.strip_prefix("?(") {
        let filter = filter
            .strip_suffix(')')
            .ok_or_else(|| Fault::new("the filter ?( is not closed"))?;
        if depth >= DEPTH_MAX {
            return Err(Fault::new(format!("filters nested more than {DEPTH_MAX} deep")));
        }
        return filtered(filter, depth + 1).map(Segment::Filter);
    }
    let mut parts = split(inside, ',').into_iter().map(str::trim).map(element);
    match (parts.next(), parts.next()) {
        (Some(one), None) => one,
        (Some(one), Some(two)) => [one, two]
            .into_iter()
            .chain(parts)
            .collect::<Result<_, _>>()
            .map(Segment::Union),
        (None, _) => Err(Fault::new("nothing stands between brackets")),
    }
}

fn element(text: &str) -> Result<Segment, Fault> {
    if text == "*" {
        return Ok(Segment::All);
    }
    if let Some(name) = quoted(text) {
        return Ok(Segment::Field(name));
    }
    slice(text).ok_or_else(|| Fault::new(format!("{text:?} is no index, slice or quoted name")))
}

fn slice(text: &str) -> Option<Segment> {
    let number = |part: &str| match part.trim() {
        "" => Some(None),
        digits => digits.parse::<i64>().ok().map(Some),
    };
    let parts: Option<Vec<Option<i64>>> = text.split(':').map(number).collect();
    let slice = match parts?.as_slice() {
        [index @ Some(_)] => Slice {
            from: *index,
            single: true,
            ..Slice::default()
        },
        [from, to] => Slice {
            from: *from,
            to: *to,
            ..Slice::default()
        },
        [from, to, step] => Slice {
            from: *from,
            to: *to,
            step: *step,
            single: false,
        },
        _ => return None,
    };
    Some(Segment::Slice(slice))
}

fn filtered(text: &str, depth: usize) -> Result<Filter, Fault> {
    for (at, _) in outside_quotes(text) {
        let found = COMPARISONS.iter().find(|(word, _)| text[at..].starts_with(word));
        if let Some((word, comparison)) = found {
            let right = operand(text[at + word.len()..].trim(), depth)?;
            return Ok(Filter {
                left: operand(text[..at].trim(), depth)?,
                test: Some((*comparison, right)),
            });
        }
    }
    Ok(Filter {
        left: operand(text.trim(), depth)?,
        test: None,
    })
}

fn operand(text: &str, depth: usize) -> Result<Operand, Fault> {
    if let Some(text) = quoted(text) {
        return Ok(Operand::Text(text));
    }
    match text {
        "true" => return Ok(Operand::Bool(true)),
        "false" => return Ok(Operand::Bool(false)),
        _ => {}
    }
    if let Ok(number) = text.parse::<f64>() {
        return Ok(Operand::Number(number));
    }
    if !text.starts_with(['@', '$', '.']) {
        return Err(Fault::new(format!("{text:?} is no path, quoted text or number")));
    }
    Ok(Operand::Path {
        from_root: text.starts_with('$'),
        segments: segments(text, depth)?,
    })
}

fn quoted(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = text[1..].strip_suffix(quote)?;
    (!inner.contains(quote)).then(|| inner.to_owned())
}

/// Where the bracket that was opened before `text` closes.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    outside_quotes(text).find_map(|(at, c)| {
        match c {
            '[' => open += 1,
            ']' => open -= 1,
            _ => {}
        }
        (open == 0).then_some(at)
    })
}

/// Splits at a character that stands outside of quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, c) in outside_quotes(text) {
        if c == separator {
            parts.push(&text[from..at]);
            from = at + c.len_utf8();
        }
    }
    parts.push(&text[from..]);
    parts
}

/// The characters outside of quotes, with their places.
pub(super) fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote = None;
    text.char_indices().filter(move |(_, c)| match quote {
        Some(open) if open == *c => {
            quote = None;
            false
        }
        Some(_) => false,
        None if matches!(c, '\'' | '"') => {
            quote = Some(*c);
            false
        }
        None => true,
    })
}

fn first(text: &str) -> String {
    text.chars().take(10).collect()
}
