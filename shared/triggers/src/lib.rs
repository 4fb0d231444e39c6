//! What becomes of a webhook: interceptors, bindings, templates, schedules.
//!
//! Pure: no clock, no randomness, no I/O. An [`Event`] and a listener's
//! triggers come in, a [`TriggerOutcome`] for each trigger goes out. What has
//! to be known of the world is asked of a [`Lookups`]; what that does not know
//! yet is named in the outcome, and the caller evaluates again.
//!
//! ```text
//! Request ─▶ Event ─▶ interceptors ─▶ bindings ─▶ template ─▶ objects
//!                     (filtered, refused)   (failed)
//! ```

#[macro_use]
mod record;

mod bind;
mod error;
mod evaluate;
mod event;
mod expr;
mod interceptor;
mod key;
pub mod kinds;
mod lookup;
mod making;
pub mod names;
mod path;
mod probe;
mod schedule;
mod select;
mod template;
mod text;
mod validate;

pub use bind::VALUES_BYTES_MAX;
pub use error::Error;
pub use evaluate::{Decision, TRIGGERS_MAX, TriggerOutcome, evaluate};
pub use event::{BODY_BYTES_MAX, Event, Headers, Origin, Request, canonical, forge, is_credential, is_signature};
pub use expr::{EXPRESSION_BYTES_MAX, FUEL, Search};
pub use interceptor::BUILT_IN;
pub use key::{delivery_id, derived_name, event_id, event_key, firing_uid};
pub use kinds::{Binding, Interceptor, Listener, Template, Trigger};
pub use lookup::{Call, Found, Known, Lookups, Need, ROUNDS_MAX, Reply};
pub use making::{Making, Receipt};
pub use path::{Fault, JsonPath, PATH_BYTES_MAX, STEPS_MAX};
pub use probe::{Danger, PROBED_MAX, Risk, probe, unverified};
pub use schedule::{LATE_SECONDS_MAX, MISSED_MAX, Missed, SCHEDULED, Schedule};
pub use select::{Reach, reach};
pub use template::{OBJECT_BYTES_MAX, OBJECTS_MAX};
pub use validate::validate;
