//! create, update, patch, delete.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use tidemill_objects::{DeleteOptions, Key, Part, Propagation, WriteOptions, Written};
use tidemill_resources::Object;

use super::Call;
use crate::access::{self, Action};
use crate::body::Content;
use crate::query::Validation;
use crate::render::{ListHead, warned};
use crate::status::{Refusal, json_response};

impl Call<'_> {
    /// A new object.
    pub(crate) async fn create(&self, content: &Content) -> Result<Response, Refusal> {
        if self.target.kind.namespaced && self.target.namespace.is_none() {
            return Err(Refusal::method());
        }
        let mut object = content.object(&self.target)?;
        if let Some(traceparent) = &self.traceparent {
            traceparent.mark(&mut object);
        }
        self.check_grant(&object).await?;
        if let Some(cluster) = self.app.access.cluster() {
            cluster.check_namespace(&self.action).await?;
        }
        let written = self.app.objects.create_with(object, self.write_options()?).await?;
        self.written(StatusCode::CREATED, written)
    }

    /// New content of an object, or of its status.
    pub(crate) async fn update(&self, content: &Content) -> Result<Response, Refusal> {
        let part = self.part()?;
        let object = content.object(&self.target)?;
        self.check_grant(&object).await?;
        let written = self
            .app
            .objects
            .update_with(object, part, self.write_options()?)
            .await?;
        self.written(StatusCode::OK, written)
    }

    /// A change of an object, or of its status.
    pub(crate) async fn patch(&self, content: &Content) -> Result<Response, Refusal> {
        let part = self.part()?;
        let key = self.target.key().ok_or_else(Refusal::method)?;
        if content.is_applied() {
            return self.apply(content, &key, part).await;
        }
        let patch = content.patch(self.target.kind)?;
        if self.action.group == access::RBAC_GROUP {
            // What comes out of the patch counts, so it is tried first.
            let dry = WriteOptions {
                dry_run: true,
                ..self.write_options()?
            };
            let tried = self.app.objects.patch(&key, &patch, part, dry).await?;
            self.check_grant(&tried.object.to_value()).await?;
        }
        let written = self
            .app
            .objects
            .patch(&key, &patch, part, self.write_options()?)
            .await?;
        self.written(StatusCode::OK, written)
    }

    /// What a manager says of an object. What is not there is created, by who may.
    async fn apply(&self, content: &Content, key: &Key, part: Part) -> Result<Response, Refusal> {
        let app = self.app;
        let config = content.applied(&self.target)?;
        let (force, mut options) = (self.parameters.flag("force")?, self.write_options()?);
        if self.parameters.text("fieldManager").is_empty() {
            // It has to be said.
            options.manager = String::new();
        }
        if app.objects.get(key).await?.is_none() {
            let create = Action {
                verb: "create".to_owned(),
                ..self.action.clone()
            };
            app.access.check(&app.objects, &self.user, &create).await?;
            if let Some(cluster) = app.access.cluster() {
                cluster.check_namespace(&create).await?;
            }
        }
        if self.action.group == access::RBAC_GROUP {
            let dry = WriteOptions {
                dry_run: true,
                ..options.clone()
            };
            let (tried, _) = app.objects.apply(key, config.clone(), part, force, &dry).await?;
            self.check_grant(&tried.object.to_value()).await?;
        }
        let (written, created) = app.objects.apply(key, config, part, force, &options).await?;
        self.written(if created { StatusCode::CREATED } else { StatusCode::OK }, written)
    }

    /// Deletes an object; the answer is the object while finalizers are waited for.
    pub(crate) async fn delete(&self, content: &Content) -> Result<Response, Refusal> {
        self.whole()?;
        let key = self.target.key().ok_or_else(Refusal::method)?;
        let deleted = self.app.objects.delete(&key, &self.delete_options(content)?).await?;
        let value = if deleted.removed {
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                "details": {
                    "name": key.name, "group": key.group, "kind": key.resource, "uid": deleted.object.metadata.uid,
                },
            })
        } else {
            deleted.object.to_value()
        };
        Ok(json_response(StatusCode::OK, &value))
    }

    /// Deletes what the selectors select; the answer is the list of it.
    pub(crate) async fn delete_collection(&self, content: &Content) -> Result<Response, Refusal> {
        if self.target.kind.namespaced && self.target.namespace.is_none() {
            return Err(Refusal::method());
        }
        let options = self.delete_options(content)?;
        let deleted = self.app.objects.delete_all(&self.scope()?, &options).await?;
        let head = ListHead {
            version: self.app.objects.version(),
            continue_token: None,
            remaining: None,
        };
        let objects = deleted.iter().map(Object::to_value).collect();
        Ok(json_response(StatusCode::OK, &self.renderer()?.list(objects, &head)))
    }

    /// A token of a service account.
    pub(crate) async fn token(&self, content: &Content) -> Result<Response, Refusal> {
        let key = self.target.key().ok_or_else(Refusal::method)?;
        let account = self.app.objects.get(&key).await?;
        let account = account.filter(|_| (key.group.as_str(), key.resource.as_str()) == ("", "serviceaccounts"));
        let account = account.ok_or_else(|| Refusal::from(key.not_found()))?;
        let now = self.app.bus.now();
        let answer = access::request_token(&self.app.signer, &account, &content.optional()?, now)?;
        Ok(json_response(StatusCode::CREATED, &answer))
    }

    async fn check_grant(&self, written: &Value) -> Result<(), Refusal> {
        let app = self.app;
        access::check_grant(&app.access, &app.objects, &self.user, &self.action, written).await
    }

    fn written(&self, code: StatusCode, written: Written) -> Result<Response, Refusal> {
        let warnings = match self.parameters.validation()? {
            Validation::Ignore => Vec::new(),
            Validation::Warn | Validation::Strict => written.warnings,
        };
        let value = self.renderer()?.value(written.object.to_value());
        Ok(warned(code, &value, &warnings))
    }

    /// # Errors
    /// 405 when the address names a part of an object.
    fn whole(&self) -> Result<(), Refusal> {
        match self.target.subresource {
            None => Ok(()),
            Some(_) => Err(Refusal::method()),
        }
    }

    /// From the body, else from the parameters. A grace period says nothing here.
    fn delete_options(&self, content: &Content) -> Result<DeleteOptions, Refusal> {
        let body = content.optional()?;
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let asked = text("/propagationPolicy").unwrap_or_else(|| self.parameters.text("propagationPolicy").to_owned());
        let orphan = body.get("orphanDependents").and_then(Value::as_bool);
        let propagation = match (asked.as_str(), orphan) {
            ("Background", _) | ("", Some(false)) => Some(Propagation::Background),
            ("Foreground", _) => Some(Propagation::Foreground),
            ("Orphan", _) | ("", Some(true)) => Some(Propagation::Orphan),
            ("", None) => None,
            (other, _) => {
                return Err(Refusal::bad_request(format!(
                    "propagationPolicy {other:?}: expected Background, Foreground or Orphan"
                )));
            }
        };
        let dry_run = self.parameters.dry_run()? || body.get("dryRun").is_some_and(|dry| *dry == json!(["All"]));
        Ok(DeleteOptions {
            uid: text("/preconditions/uid"),
            resource_version: text("/preconditions/resourceVersion"),
            propagation,
            dry_run,
        })
    }
}
