//! get and list.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use tidemill_objects::ListQuery;
use tidemill_resources::Object;

use super::Call;
use crate::render::ListHead;
use crate::status::{Refusal, json_response};
use crate::{object_events, pods};

impl Call<'_> {
    /// One object.
    pub(crate) async fn get(&self) -> Result<Response, Refusal> {
        self.part()?;
        let key = self.target.key().ok_or_else(Refusal::not_found)?;
        let found = if self.target.is_pod() {
            pods::find(&self.app.objects, &key.namespace, &key.name)
                .await?
                .map(|pod| pod.to_value())
        } else {
            self.app.objects.get(&key).await?.as_ref().map(Object::to_value)
        };
        let object = found.ok_or_else(|| Refusal::from(key.not_found()))?;
        Ok(json_response(StatusCode::OK, &self.renderer()?.value(object)))
    }

    /// A page of a collection.
    pub(crate) async fn list(&self) -> Result<Response, Refusal> {
        let renderer = self.renderer()?;
        let token = self.parameters.text("continue");
        let query = ListQuery {
            scope: self.scope()?,
            limit: self.parameters.parsed("limit")?.unwrap_or_default(),
            continue_token: Some(token.to_owned()).filter(|token| !token.is_empty()),
            resource_version: self.parameters.parsed("resourceVersion")?,
        };
        let (objects, head) = if self.target.is_pod() {
            pods::list(&self.app.objects, &query).await?
        } else {
            let list = self.app.objects.list(&query).await?;
            let mut objects: Vec<Value> = list.items.iter().map(Object::to_value).collect();
            if (query.scope.group.as_str(), query.scope.resource.as_str()) == ("", "events") && token.is_empty() {
                objects.extend(object_events::selected(&self.app.objects, &query.scope).await?);
            }
            let head = ListHead {
                version: list.resource_version,
                continue_token: list.continue_token,
                remaining: list.remaining,
            };
            (objects, head)
        };
        Ok(json_response(StatusCode::OK, &renderer.list(objects, &head)))
    }
}
