//! Log messages: the payload is the text, what else there is to know is in headers.
//!
//! One message holds the text of one report of the step binary, masked, at most
//! [`crate::report::MAX_LOG_CHUNK_BYTES`]. Texts of a container follow each other without anything
//! between. After a runner was replaced a message may come twice, and after a lost connection one may
//! come late: [`REPORT`] tells, it grows with each message of an attempt.

/// Header: number of the report the text came with.
pub const REPORT: &str = "Tidemill-Report";
/// Header: when the text was written, by the container's clock (RFC 3339).
pub const AT: &str = "Tidemill-At";
