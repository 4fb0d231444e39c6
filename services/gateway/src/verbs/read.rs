//! get and list.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use tidemill_objects::ListQuery;
use tidemill_resources::Object;

use super::Call;
use crate::render::{ListHead, Renderer};
use crate::status::{Refusal, json_response, json_text};
use crate::{object_events, pods, versions};

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
        let object = found
            .or_else(|| versions::told(&key))
            .ok_or_else(|| Refusal::from(key.not_found()))?;
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
        let is_events = (query.scope.group.as_str(), query.scope.resource.as_str()) == ("", "events");
        if !(self.target.is_pod() || is_events) && renderer.is_as_stored() {
            return Ok(self.list_as_stored(&query, &renderer).await?);
        }
        let (objects, head) = if self.target.is_pod() {
            pods::list(&self.app.objects, &query).await?
        } else {
            let list = self.app.objects.list(&query).await?;
            let mut objects: Vec<Value> = list.items.iter().map(Object::to_value).collect();
            if is_events && token.is_empty() {
                objects.extend(object_events::selected(&self.app.objects, &query.scope, self.app.bus.now()).await?);
            }
            (objects, ListHead::of(list))
        };
        Ok(json_response(StatusCode::OK, &renderer.list(objects, &head)))
    }

    /// A page whose objects are answered as they are stored.
    async fn list_as_stored(
        &self,
        query: &ListQuery,
        renderer: &Renderer,
    ) -> Result<Response, tidemill_objects::Error> {
        let mut list = self.app.objects.list_json(query).await?;
        let items = std::mem::take(&mut list.items).join(",");
        let mut page = renderer.list(Vec::new(), &ListHead::of(list));
        page["items"] = Value::Null;
        // The one field that is null: of the metadata every entry says something.
        let page = page
            .to_string()
            .replacen(r#""items":null"#, &format!(r#""items":[{items}]"#), 1);
        Ok(json_text(StatusCode::OK, page))
    }
}
