//! The verbs on objects.

pub(crate) mod read;
pub(crate) mod watch;
pub(crate) mod write;

use tidemill_objects::{Part, Scope, WriteOptions};

use crate::access::{Action, User};
use crate::app::App;
use crate::negotiate::Form;
use crate::query::{Parameters, Validation};
use crate::render::Renderer;
use crate::route::Target;
use crate::status::Refusal;

/// A request on objects, read as far as its head goes.
pub(crate) struct Call<'a> {
    pub(crate) app: &'a App,
    pub(crate) target: Target,
    pub(crate) parameters: Parameters,
    pub(crate) form: Form,
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
            dry_run: self.parameters.dry_run()?,
            strict: self.parameters.validation()? == Validation::Strict,
        })
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
