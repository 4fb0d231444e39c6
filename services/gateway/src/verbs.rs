//! The verbs on objects.

pub(crate) mod read;
pub(crate) mod watch;
pub(crate) mod write;

use tidemill_messages::Traceparent;
use tidemill_objects::{Part, Scope, WriteOptions};

use crate::access::{Action, User};
use crate::app::App;
use crate::negotiate::Form;
use crate::query::{Parameters, Validation};
use crate::render::Renderer;
use crate::route::Target;
use crate::status::Refusal;

/// Longest name of who writes, as in Kubernetes.
const MAX_MANAGER_BYTES: usize = 128;

/// A request on objects, read as far as its head goes.
pub(crate) struct Call<'a> {
    pub(crate) app: &'a App,
    pub(crate) target: Target,
    pub(crate) parameters: Parameters,
    pub(crate) form: Form,
    /// What the client calls itself.
    pub(crate) agent: String,
    /// The span of this request, if the client is traced.
    pub(crate) traceparent: Option<Traceparent>,
    pub(crate) user: User,
    /// What the user does, as roles know it.
    pub(crate) action: Action,
}

impl Call<'_> {
    pub(crate) fn renderer(&self) -> Result<Renderer, Refusal> {
        Renderer::new(&self.target, self.form, &self.parameters, self.app.bus.now())
    }

    /// The collection with the selectors of the request.
    pub(crate) fn scope(&self) -> Result<Scope, Refusal> {
        let kind = self.target.kind;
        let scope = Scope::new(kind.group, kind.plural, self.target.namespace.as_deref());
        let (labels, fields) = (
            self.parameters.text("labelSelector"),
            self.parameters.text("fieldSelector"),
        );
        Ok(scope.select(labels, fields)?)
    }

    pub(crate) fn write_options(&self) -> Result<WriteOptions, Refusal> {
        Ok(WriteOptions {
            manager: self.manager()?,
            dry_run: self.parameters.dry_run()?,
            strict: self.parameters.validation()? == Validation::Strict,
        })
    }

    /// Who writes: the parameter, else the first word of the client's name.
    fn manager(&self) -> Result<String, Refusal> {
        let named = self.parameters.text("fieldManager");
        if named.is_empty() {
            let agent = self.agent.split('/').next().unwrap_or_default();
            return Ok(agent.chars().take(MAX_MANAGER_BYTES).collect());
        }
        if named.len() > MAX_MANAGER_BYTES {
            return Err(Refusal::bad_request(format!(
                "fieldManager has {} bytes; the limit is {MAX_MANAGER_BYTES}",
                named.len()
            )));
        }
        Ok(named.to_owned())
    }

    /// The part of the object the address names.
    pub(crate) fn part(&self) -> Result<Part, Refusal> {
        match self.target.subresource.as_deref() {
            None => Ok(Part::Main),
            Some("status") if self.target.kind.has_status => Ok(Part::Status),
            Some(_) => Err(Refusal::not_found()),
        }
    }
}
