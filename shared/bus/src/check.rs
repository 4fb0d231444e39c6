//! What is refused before it reaches a transport; the same on both.

use crate::{ConsumerSpec, Error, MAX_MESSAGE_BYTES, Message, StreamSpec, subject};

/// All headers of a message together, in bytes; the server refuses more than 64 KiB.
const MAX_HEADER_BYTES: usize = 32 * 1024;

pub(crate) fn message(message: &Message) -> Result<(), Error> {
    literal(&message.subject)?;
    let size = message.payload.len();
    if size > MAX_MESSAGE_BYTES {
        return Err(too_large(message, size, MAX_MESSAGE_BYTES));
    }
    let mut header_bytes = 0;
    for (name, value) in &message.headers {
        header(name, value)?;
        header_bytes += name.len() + value.len() + 4;
    }
    if header_bytes > MAX_HEADER_BYTES {
        return Err(too_large(message, header_bytes, MAX_HEADER_BYTES));
    }
    Ok(())
}

pub(crate) fn literal(value: &str) -> Result<(), Error> {
    let expected = "tokens of printable ASCII, dots between, no wildcard, no leading `$`, at most 512 bytes";
    refuse_unless(subject::is_literal(value), "subject", value, expected)
}

pub(crate) fn filter(value: &str) -> Result<(), Error> {
    let expected = "a subject whose tokens may be `*`, and the last one `>`";
    refuse_unless(subject::is_filter(value), "filter", value, expected)
}

pub(crate) fn name(what: &'static str, value: &str) -> Result<(), Error> {
    let expected = "1 to 128 letters, digits, `-` and `_`";
    refuse_unless(subject::is_name(value), what, value, expected)
}

pub(crate) fn stream(spec: &StreamSpec) -> Result<(), Error> {
    name("stream name", &spec.name)?;
    for value in &spec.subjects {
        filter(value)?;
    }
    refuse_unless(!spec.subjects.is_empty(), "stream", &spec.name, "at least one subject")?;
    refuse_unless(
        spec.max_bytes > 0,
        "stream",
        &spec.name,
        "a limit in bytes: no stream is unlimited",
    )
}

pub(crate) fn consumer(spec: &ConsumerSpec) -> Result<(), Error> {
    name("stream name", &spec.stream)?;
    name("consumer name", &spec.name)?;
    for value in &spec.filters {
        filter(value)?;
    }
    let limited = spec.max_ack_pending > 0;
    refuse_unless(limited, "consumer", &spec.name, "max_ack_pending of at least 1")
}

/// `Nats-` headers steer the server: it would forge, roll up or schedule in our name.
fn header(name: &str, value: &str) -> Result<(), Error> {
    let token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    let steering = name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("nats-"));
    let expected = "a header name of printable ASCII without `:` that does not start with `Nats-`";
    refuse_unless(token && !steering, "header", name, expected)?;
    let one_line = !value.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) && value.trim() == value;
    refuse_unless(one_line, "header value", value, "one line without surrounding blanks")
}

fn too_large(message: &Message, size: usize, limit: usize) -> Error {
    Error::TooLarge {
        subject: message.subject.clone(),
        size,
        limit,
    }
}

fn refuse_unless(holds: bool, what: &'static str, value: &str, expected: &'static str) -> Result<(), Error> {
    if holds {
        return Ok(());
    }
    Err(Error::Invalid {
        what,
        value: value.to_owned(),
        expected,
    })
}
