//! A span as it is told: made from what is stored, after the fact.

use jiff::Timestamp;
use tidemill_messages::Traceparent;

/// A span that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Who it is.
    pub context: Traceparent,
    /// Its parent; `None`: it begins its trace.
    pub parent: Option<Parent>,
    /// Which part of Tidemill it tells of, such as `tidemill.run`.
    pub scope: &'static str,
    /// Its name, of few different words.
    pub name: String,
    /// Its role.
    pub kind: Kind,
    /// When it began.
    pub start: Timestamp,
    /// When it ended, never before it began.
    pub end: Timestamp,
    /// What is known of it; names are OpenTelemetry's where it has one.
    pub attributes: Attributes,
    /// What happened while it lasted.
    pub events: Vec<Event>,
    /// Spans it has to do with, and how.
    pub links: Vec<Link>,
    /// Why it failed; `None`: it did not.
    pub error: Option<String>,
}

/// The span above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Who it is.
    pub context: Traceparent,
    /// Whether somebody else than Tidemill tells of it.
    pub is_remote: bool,
}

/// Role of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Work inside of Tidemill.
    Internal,
    /// It answers a request from outside.
    Server,
    /// It takes a message in.
    Consumer,
}

/// Names and values, in order.
pub type Attributes = Vec<(&'static str, Value)>;

/// Value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

/// Something that happened while a span lasted.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// What is known of it.
    pub attributes: Attributes,
}

/// A span that another has to do with.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The other.
    pub context: Traceparent,
    /// How it has to do with it.
    pub attributes: Attributes,
}

impl Span {
    /// A span without attributes; an end before the start, as clocks of two machines have it, is the start.
    pub fn new(
        scope: &'static str,
        name: impl Into<String>,
        context: Traceparent,
        times: (Timestamp, Timestamp),
    ) -> Self {
        let (start, end) = times;
        Self {
            context,
            parent: None,
            scope,
            name: name.into(),
            kind: Kind::Internal,
            start,
            end: end.max(start),
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            error: None,
        }
    }

    /// Below a span that Tidemill tells of.
    #[must_use]
    pub fn below(self, context: Traceparent) -> Self {
        self.under(Some(Parent {
            context,
            is_remote: false,
        }))
    }

    /// Below `parent`.
    #[must_use]
    pub fn under(mut self, parent: Option<Parent>) -> Self {
        self.parent = parent;
        self
    }

    /// In this role.
    #[must_use]
    pub fn role(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// With one attribute more; an empty text is none.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if value != Value::Text(String::new()) {
            self.attributes.push((name, value));
        }
        self
    }

    /// Failed, if there is a reason.
    #[must_use]
    pub fn failed(mut self, why: Option<String>) -> Self {
        self.error = why;
        self
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(i64::from(number))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}
