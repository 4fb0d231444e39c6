//! What came in: `/apis/events.tidemill.dev/v1/receivedevents`.
//!
//! Nothing of it is stored by the gateway: an event, what became of it, redeliveries and refused
//! requests are read from the stream `events` when they are asked for. Newest first; lists and
//! watches take filters as parameters ([`filter`]).

mod detail;
mod filter;
mod list;
mod object;
mod retry;
mod scan;
mod table;
mod watch;

pub(crate) use object::KIND;

use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::Value;

use crate::access::Action;
use crate::app::App;
use crate::discovery;
use crate::negotiate::Form;
use crate::query::Parameters;
use crate::status::Refusal;

/// The API group.
pub(crate) const GROUP: &str = "events.tidemill.dev";
/// Its only version.
const VERSION: &str = "v1";
/// Name in addresses.
pub(crate) const PLURAL: &str = "receivedevents";

/// A path of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// The group.
    Group,
    /// Its resources.
    Resources,
    /// The events of a namespace, or of all.
    List { namespace: Option<String> },
    /// One of them.
    One { namespace: String, name: String },
    /// The request to evaluate it again.
    Retry { namespace: String, name: String },
}

/// What a request for events is answered with.
struct Call<'a> {
    app: &'a App,
    parameters: Parameters,
    form: Form,
}

/// Reads a path below `/apis/events.tidemill.dev`; `None` when nothing is there.
pub(crate) fn parse(rest: &[&str]) -> Option<Path> {
    match *rest {
        [] => Some(Path::Group),
        [VERSION] => Some(Path::Resources),
        [VERSION, PLURAL] => Some(Path::List { namespace: None }),
        [VERSION, "namespaces", namespace, PLURAL, ref rest @ ..] => {
            let namespace = namespace.to_owned();
            match *rest {
                [] => Some(Path::List {
                    namespace: Some(namespace),
                }),
                [name] => Some(Path::One {
                    namespace,
                    name: name.to_owned(),
                }),
                [name, "retry"] => Some(Path::Retry {
                    namespace,
                    name: name.to_owned(),
                }),
                _ => None,
            }
        }
        _ => None,
    }
}

impl Path {
    /// What a request on it does, as roles know it.
    ///
    /// # Errors
    /// 400 for parameters that cannot be read, 405.
    pub(crate) fn action(&self, method: &Method, parameters: &Parameters) -> Result<Action, Refusal> {
        let (namespace, name) = match self {
            Self::Group | Self::Resources => ("", ""),
            Self::List { namespace } => (namespace.as_deref().unwrap_or_default(), ""),
            Self::One { namespace, name } | Self::Retry { namespace, name } => (namespace.as_str(), name.as_str()),
        };
        let verb = match *method {
            Method::GET if !name.is_empty() => "get",
            Method::GET if parameters.flag("watch")? => "watch",
            Method::GET => "list",
            Method::POST => "create",
            _ => return Err(Refusal::method()),
        };
        let mut action = Action::on(verb, GROUP, PLURAL, namespace, name);
        if matches!(self, Self::Retry { .. }) {
            "retry".clone_into(&mut action.subresource);
        }
        Ok(action)
    }
}

/// What anybody may ask: which group and resources there are.
pub(crate) fn described(path: &Path) -> Option<Value> {
    match path {
        Path::Group => Some(discovery::group(GROUP)),
        Path::Resources => Some(discovery::resources(GROUP, VERSION, discovery::Offer::Everything)),
        _ => None,
    }
}

/// Answers a request for events.
pub(crate) async fn answer(app: &App, parts: &Parts, path: Path) -> Result<Response, Refusal> {
    let call = Call {
        app,
        parameters: Parameters::of(&parts.uri)?,
        form: Form::of(&parts.headers)?,
    };
    match (&parts.method, path) {
        (&Method::GET, Path::List { namespace }) if call.parameters.flag("watch")? => call.watch(namespace).await,
        (&Method::GET, Path::List { namespace }) => call.list(namespace).await,
        (&Method::GET, Path::One { namespace, name }) => call.get(&namespace, &name).await,
        (&Method::POST, Path::Retry { namespace, name }) => call.retry(&namespace, &name).await,
        _ => Err(Refusal::method()),
    }
}

/// A read of the stream that failed.
fn unreadable(error: tidemill_bus::Error) -> Refusal {
    Refusal::from(tidemill_objects::Error::from(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_events() {
        let segments = |path: &'static str| -> Vec<&str> { path.split('/').filter(|part| !part.is_empty()).collect() };
        let of = |path| parse(&segments(path));
        assert_eq!(of(""), Some(Path::Group));
        assert_eq!(of("v1/receivedevents"), Some(Path::List { namespace: None }));
        let (namespace, name) = ("ci".to_owned(), "e".to_owned());
        assert_eq!(
            of("v1/namespaces/ci/receivedevents/e/retry"),
            Some(Path::Retry { namespace, name })
        );
        for path in [
            "v2",
            "v1/namespaces/ci",
            "v1/namespaces/ci/receivedevents/e/other",
            "v1/runs",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }
}
