//! W3C trace context: the `traceparent` that every message carries.

use std::fmt;
use std::str::FromStr;

/// Trace, span and whether it is sampled, as in the header `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Traceparent {
    trace: u128,
    span: u64,
    sampled: bool,
}

/// A text that is no trace context.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no traceparent; expected `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`, ids not zero")]
pub struct Malformed {
    /// The text.
    pub value: String,
}

impl Traceparent {
    /// The start of a new, sampled trace.
    pub fn root() -> Self {
        Self {
            trace: non_zero(rand::random::<u128>),
            span: non_zero(rand::random::<u64>),
            sampled: true,
        }
    }

    /// A new span of the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span: non_zero(rand::random::<u64>),
            ..*self
        }
    }

    /// The child of what a message carries; a new trace where it carries none or a malformed one.
    pub fn continued(header: Option<&str>) -> Self {
        header
            .and_then(|value| value.parse::<Self>().ok())
            .map_or_else(Self::root, |parent| parent.child())
    }

    /// The trace's id, 32 hex digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }

    /// The span's id, 16 hex digits.
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span)
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace,
            self.span,
            u8::from(self.sampled)
        )
    }
}

impl FromStr for Traceparent {
    type Err = Malformed;

    /// Versions after `00` may have more fields at the end; they are read by the first four, as the
    /// standard asks.
    fn from_str(value: &str) -> Result<Self, Malformed> {
        read(value).ok_or_else(|| Malformed {
            value: value.to_owned(),
        })
    }
}

fn read(value: &str) -> Option<Traceparent> {
    let mut fields = value.split('-');
    let version = fields.next()?;
    let (trace, span, flags) = (fields.next()?, fields.next()?, fields.next()?);
    let lengths = [version.len(), trace.len(), span.len(), flags.len()];
    let digits = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if lengths != [2, 32, 16, 2] || ![version, trace, span, flags].into_iter().all(digits) || version == "ff" {
        return None;
    }
    if version == "00" && fields.next().is_some() {
        return None;
    }
    let read = Traceparent {
        trace: u128::from_str_radix(trace, 16).ok()?,
        span: u64::from_str_radix(span, 16).ok()?,
        sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
    };
    (read.trace != 0 && read.span != 0).then_some(read)
}

/// All-zero ids are invalid in W3C's format.
fn non_zero<T: PartialEq + Default>(mut draw: impl FnMut() -> T) -> T {
    loop {
        let drawn = draw();
        if drawn != T::default() {
            return drawn;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(EXAMPLE.parse::<Traceparent>().unwrap().to_string(), EXAMPLE);
        let root = Traceparent::root();
        assert_eq!(root.to_string().parse(), Ok(root));
    }

    #[test]
    fn a_child_keeps_the_trace_and_has_a_span_of_its_own() {
        let parent: Traceparent = EXAMPLE.parse().unwrap();
        let child = Traceparent::continued(Some(EXAMPLE));
        assert_eq!(child.trace_id(), parent.trace_id());
        assert_ne!(child.span_id(), parent.span_id());
        assert_ne!(Traceparent::continued(Some("?")), Traceparent::continued(None));
    }

    #[test]
    fn malformed_context_is_refused() {
        for value in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(value.parse::<Traceparent>().is_err(), "{value}");
        }
        assert!(
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"
                .parse::<Traceparent>()
                .is_ok()
        );
    }
}
