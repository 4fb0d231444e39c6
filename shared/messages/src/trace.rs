//! W3C trace context: the `traceparent` that every message carries, and who is which span.
//!
//! Ids are digests of what a span is about, never drawn: a span is made from facts, by whoever reads them,
//! as often as need be, and is the same span every time.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::envelope::TRACEPARENT;

/// Annotation of a PipelineRun: the trace it is part of, [`Traceparent::to_json`]. Tekton's.
pub const ANNOTATION_PIPELINE_RUN: &str = "tekton.dev/pipelinerunSpanContext";
/// The same of a TaskRun.
pub const ANNOTATION_TASK_RUN: &str = "tekton.dev/taskrunSpanContext";

/// Trace, span and whether it is sampled, as in the header `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Traceparent {
    trace: u128,
    span: u64,
    sampled: bool,
}

/// What a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span<'a> {
    /// A webhook, by the dedupe key of its event.
    Event {
        /// The key.
        key: &'a str,
    },
    /// What triggers made of it.
    Evaluation {
        /// The key of the event.
        key: &'a str,
    },
    /// A run.
    Run {
        /// UID of its object.
        uid: &'a str,
    },
    /// The search for what a run refers to.
    Resolution {
        /// UID of the run.
        uid: &'a str,
    },
    /// An attempt of a task.
    Attempt {
        /// UID of the run.
        uid: &'a str,
        /// Key of the task.
        task: &'a str,
        /// The attempt, from 0.
        attempt: u32,
    },
    /// An attempt's wait for a runner.
    Queue {
        /// UID of the run.
        uid: &'a str,
        /// Key of the task.
        task: &'a str,
        /// The attempt, from 0.
        attempt: u32,
    },
    /// The start of an attempt's pod, until its first step runs.
    PodStart {
        /// UID of the run.
        uid: &'a str,
        /// Key of the task.
        task: &'a str,
        /// The attempt, from 0.
        attempt: u32,
    },
    /// A step of an attempt.
    Step {
        /// UID of the run.
        uid: &'a str,
        /// Key of the task.
        task: &'a str,
        /// The attempt, from 0.
        attempt: u32,
        /// Its container, `step-<name>`.
        step: &'a str,
    },
    /// A transition of a revision of a release.
    Release {
        /// UID of its record.
        record: &'a str,
        /// The revision.
        revision: u32,
        /// Where it stands then.
        status: &'a str,
    },
}

/// The annotations of an object, made if there are none; `None` where they cannot be.
pub fn annotations_of(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    metadata
        .entry("annotations")
        .or_insert_with(|| json!({}))
        .as_object_mut()
}

/// A text that is no trace context.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no traceparent; expected `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`, ids not zero")]
pub struct Malformed {
    /// The text.
    pub value: String,
}

impl Traceparent {
    /// A new, sampled trace whose ids follow from what it is about: any process at any time makes the same.
    pub fn root(of: Span<'_>) -> Self {
        Self {
            trace: non_zero(&digest("trace", of)),
            span: of.id(),
            sampled: true,
        }
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn span(&self, of: Span<'_>) -> Self {
        Self { span: of.id(), ..*self }
    }

    /// `of` as part of the trace a message or object carries; as a trace of its own where that carries none,
    /// or a malformed one.
    pub fn continued(carried: Option<&str>, of: Span<'_>) -> Self {
        let parent = carried.and_then(|value| value.parse::<Self>().ok());
        parent.map_or_else(|| Self::root(of), |parent| parent.span(of))
    }

    /// The span of a webhook's event, given what its request carried.
    pub fn of_event(carried: Option<&str>, key: &str) -> Self {
        Self::continued(carried, Span::Event { key })
    }

    /// The span of what triggers make of it: the parent of the runs they start.
    pub fn of_evaluation(carried: Option<&str>, key: &str) -> Self {
        Self::of_event(carried, key).span(Span::Evaluation { key })
    }

    /// What an annotation in Tekton's form carries, [`Traceparent::to_json`].
    pub fn from_json(text: &str) -> Option<Self> {
        let carrier: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
        carrier.get(TRACEPARENT)?.parse().ok()
    }

    /// As Tekton has it in annotations: a JSON object with the one key `traceparent`.
    pub fn to_json(&self) -> String {
        format!("{{\"{TRACEPARENT}\":\"{self}\"}}")
    }

    /// As Tekton has it in `status.spanContext`.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(TRACEPARENT.to_owned(), self.to_string())])
    }

    /// Makes a run, as it is about to be created, a part of this trace, unless it says itself which it is a
    /// part of. Objects of other kinds stay as they are, and so does what is malformed: others refuse that by name.
    pub fn mark(&self, object: &mut Value) {
        let key = match object["kind"].as_str() {
            Some("PipelineRun") => ANNOTATION_PIPELINE_RUN,
            Some("TaskRun") => ANNOTATION_TASK_RUN,
            _ => return,
        };
        if let Some(annotations) = annotations_of(object) {
            annotations.entry(key).or_insert_with(|| self.to_json().into());
        }
    }

    /// The trace's id, 32 hex digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }

    /// The span's id, 16 hex digits.
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span)
    }

    /// The trace's id as bytes.
    pub fn trace_bytes(&self) -> [u8; 16] {
        self.trace.to_be_bytes()
    }

    /// The span's id as bytes.
    pub fn span_bytes(&self) -> [u8; 8] {
        self.span.to_be_bytes()
    }

    /// Whether its spans are recorded: who began the trace decides.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }
}

impl Span<'_> {
    /// The span's id: the same wherever and whenever it is asked for.
    pub fn id(&self) -> u64 {
        let digest = digest("span", *self);
        non_zero(&digest[..8]) as u64
    }
}

/// SHA-256 of what a span is about; no two things have the same text.
fn digest(what: &str, of: Span<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(what);
    let parts: [&str; 4] = match of {
        Span::Event { key } => ["event", key, "", ""],
        Span::Evaluation { key } => ["evaluation", key, "", ""],
        Span::Run { uid } => ["run", uid, "", ""],
        Span::Resolution { uid } => ["resolution", uid, "", ""],
        Span::Attempt { uid, task, .. } => ["attempt", uid, task, ""],
        Span::Queue { uid, task, .. } => ["queue", uid, task, ""],
        Span::PodStart { uid, task, .. } => ["pod-start", uid, task, ""],
        Span::Step { uid, task, step, .. } => ["step", uid, task, step],
        Span::Release { record, status, .. } => ["release", record, status, ""],
    };
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let number = match of {
        Span::Attempt { attempt, .. }
        | Span::Queue { attempt, .. }
        | Span::PodStart { attempt, .. }
        | Span::Step { attempt, .. } => attempt,
        Span::Release { revision, .. } => revision,
        _ => 0,
    };
    hash.update(number.to_be_bytes());
    hash.finalize().into()
}

/// The first 16 bytes as a number; all-zero ids are invalid in W3C's format.
fn non_zero(bytes: &[u8]) -> u128 {
    let number = bytes
        .iter()
        .take(16)
        .fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    number.max(1)
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

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_written_is_read_back() {
        let parsed: Traceparent = EXAMPLE.parse().unwrap();
        assert_eq!(parsed.to_string(), EXAMPLE);
        assert_eq!(Traceparent::from_json(&parsed.to_json()), Some(parsed));
        let root = Traceparent::root(Span::Run { uid: "u" });
        assert_eq!(root.to_string().parse(), Ok(root));
        assert!(root.is_sampled());
    }

    #[test]
    fn ids_follow_from_what_a_span_is_about() {
        let parent: Traceparent = EXAMPLE.parse().unwrap();
        let run = Span::Run { uid: "u" };
        let child = Traceparent::continued(Some(EXAMPLE), run);
        assert_eq!(child.trace_id(), parent.trace_id());
        assert_eq!(child.span_id(), Traceparent::continued(Some("?"), run).span_id());
        let attempt = |task, attempt| Span::Attempt {
            uid: "u",
            task,
            attempt,
        };
        let queue = Span::Queue {
            uid: "u",
            task: "a",
            attempt: 0,
        };
        let spans = [
            run,
            Span::Resolution { uid: "u" },
            attempt("a", 0),
            attempt("a", 1),
            attempt("a0", 0),
            queue,
        ];
        let ids: std::collections::BTreeSet<u64> = spans.iter().map(Span::id).collect();
        assert_eq!(ids.len(), spans.len());
        // Written into messages and objects: it must never change.
        assert_eq!(
            Traceparent::root(run).to_string(),
            "00-95c08ad6bbcaf083a9efa0028db9d8ee-942ef55c143e708d-01"
        );
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
