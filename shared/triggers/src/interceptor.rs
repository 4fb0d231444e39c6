//! What an event passes before it is bound: built in, or running elsewhere.

mod bitbucket;
mod github;
mod gitlab;
mod remote;
mod secret;
mod slack;

pub(crate) use secret::{read as read_secret, same};

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tidemill_resources::Problems;
use tidemill_resources::decode::decode;

use crate::event::Event;
use crate::expr;
use crate::kinds::InterceptorUse;
use crate::lookup::{Lookups, Need};
use crate::text::brief;

/// Names of the interceptors that are built in.
pub const BUILT_IN: &[&str] = &["bitbucket", "cel", "github", "gitlab", "slack"];

/// What interceptors added, by key.
pub(crate) type Extensions = Map<String, Value>;

/// Why an event goes no further.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stop {
    /// It is not meant for this trigger.
    Filtered(String),
    /// Its sender could not prove to be one.
    Refused(String),
    /// The trigger is at fault, or something it relies on.
    Failed(String),
    /// Something has to be found out first.
    Pending(Need),
}

/// What an interceptor is asked about.
pub(crate) struct Asked<'a> {
    pub(crate) event: &'a Event,
    pub(crate) extensions: &'a Extensions,
    pub(crate) namespace: &'a str,
    pub(crate) trigger: &'a str,
    pub(crate) lookups: &'a dyn Lookups,
}

/// An event on its way through the interceptors.
#[derive(Clone)]
pub(crate) struct Passage<'a> {
    pub(crate) event: Cow<'a, Event>,
    pub(crate) extensions: Extensions,
}

impl Passage<'_> {
    /// Passes one interceptor; extensions of the same key are replaced.
    pub(crate) fn pass(
        &mut self,
        interceptor: &InterceptorUse,
        namespace: &str,
        trigger: &str,
        lookups: &dyn Lookups,
    ) -> Result<(), Stop> {
        let asked = Asked {
            event: &self.event,
            extensions: &self.extensions,
            namespace,
            trigger,
            lookups,
        };
        if let Some(webhook) = &interceptor.webhook {
            let replaced = remote::webhook(webhook, &asked)?;
            self.event = Cow::Owned(replaced);
            return Ok(());
        }
        let added = ask(interceptor, &asked)?;
        self.extensions.extend(added);
        Ok(())
    }
}

fn ask(interceptor: &InterceptorUse, asked: &Asked<'_>) -> Result<Extensions, Stop> {
    let parameters = interceptor.parameters();
    let is_cluster = matches!(interceptor.reference.kind.as_str(), "" | "ClusterInterceptor");
    match interceptor.interceptor() {
        "bitbucket" if is_cluster => bitbucket::ask(&read(parameters)?, asked),
        "cel" if is_cluster => expr::ask(&read(parameters)?, asked),
        "github" if is_cluster => github::ask(&read(parameters)?, asked),
        "gitlab" if is_cluster => gitlab::ask(&read(parameters)?, asked),
        "slack" if is_cluster => slack::ask(&read(parameters)?, asked),
        "" => Err(Stop::Failed("it names no interceptor".to_owned())),
        _ => remote::ask(interceptor, parameters, asked),
    }
}

/// The parameters of a built-in interceptor.
fn read<P: DeserializeOwned>(parameters: Map<String, Value>) -> Result<P, Stop> {
    let mut problems = Problems::default();
    decode(&Value::Object(parameters), false, &mut problems).ok_or_else(|| {
        let first = problems
            .into_vec()
            .into_iter()
            .find(tidemill_resources::Problem::is_error);
        Stop::Failed(format!(
            "its params cannot be read: {}",
            first.map(|problem| problem.to_string()).unwrap_or_default()
        ))
    })
}

/// Checks the event's type against those a trigger wants.
fn event_type(wanted: Option<&Vec<String>>, header: &str, event: &Event) -> Result<(), Stop> {
    let Some(wanted) = wanted else { return Ok(()) };
    let found = event.headers.first(header).unwrap_or_default();
    if wanted.iter().any(|word| word == found) {
        return Ok(());
    }
    let wanted = wanted.join(", ");
    Err(Stop::Filtered(if found.is_empty() {
        format!("there is no header {header}, wanted {wanted}")
    } else {
        format!("event {:?} is none of {wanted}", brief(found))
    }))
}

record! {
    /// Parameters the interceptors of forges share.
    pub(crate) struct ForgeParams {
        /// Where the secret is.
        pub(crate) secret_ref: Option<SecretRef>,
        /// Events that pass; absent: all.
        pub(crate) event_types: Option<Vec<String>>,
    }

    /// A key of a Secret in the Trigger's namespace.
    pub(crate) struct SecretRef {
        /// Name of the Secret.
        pub(crate) secret_name: String,
        /// Key in it.
        pub(crate) secret_key: String,
    }
}

#[cfg(test)]
mod tests;
