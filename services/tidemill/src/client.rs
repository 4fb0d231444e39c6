//! The way to a server: requests as JSON, watches, logs. There is no other way in.

mod answer;
mod connect;
mod events;
mod lines;
mod log;
mod resource;
mod watch;

use http::{HeaderValue, Request, Response, header};
use kube::client::Body;
use serde_json::{Value, json};

pub(crate) use connect::{from_kubeconfig, from_state};
pub(crate) use log::LogQuery;
pub(crate) use resource::{Address, encode};
pub(crate) use watch::{Change, Watch};

use answer::{read, refused, root_cause, say_warnings};

use crate::error::Error;

/// Objects asked for at a time.
const PAGE_LENGTH: usize = 500;
/// What asks for a Table.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
/// The body of a patch.
const MERGE_PATCH: &str = "application/merge-patch+json";

/// A server, its namespace and what it warned of. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    inner: kube::Client,
    address: String,
    namespace: String,
}

impl Client {
    /// The namespace of the kubeconfig, unless the command line said another.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Where the server is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether the server is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        let authority = self.address.split("://").nth(1).unwrap_or(&self.address);
        ["127.", "localhost", "[::1]"]
            .iter()
            .any(|local| authority.starts_with(local))
    }

    /// One object.
    ///
    /// # Errors
    /// [`Error::Refused`] with 404 when there is none.
    pub(crate) async fn get(&self, address: &Address) -> Result<Value, Error> {
        self.call("GET", &address.path(), "application/json", None).await
    }

    /// Whether the server answers and is ready.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub(crate) async fn version(&self) -> Result<Value, Error> {
        self.call("GET", "/version", "application/json", None).await
    }

    /// All objects of a collection that match `query` (already encoded, may be empty), page by page.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub(crate) async fn list(&self, address: &Address, query: &str) -> Result<Value, Error> {
        self.pages(address, query, "application/json", "items").await
    }

    /// The same as the server's Table; of one object when the address names it.
    ///
    /// # Errors
    /// As [`Client::list`].
    pub(crate) async fn table(&self, address: &Address, query: &str) -> Result<Value, Error> {
        if address.name.is_some() {
            return self.call("GET", &address.path(), TABLE, None).await;
        }
        self.pages(address, query, TABLE, "rows").await
    }

    /// Creates the object; `strict` refuses unknown fields.
    ///
    /// # Errors
    /// [`Error::Refused`], with reason `AlreadyExists` when the name is taken.
    pub(crate) async fn create(&self, address: &Address, object: &Value) -> Result<Value, Error> {
        let path = format!("{}?fieldValidation=Warn", address.collection());
        self.call("POST", &path, "application/json", Some(("application/json", object)))
            .await
    }

    /// The same without warnings; `dry` asks only whether it could be.
    ///
    /// # Errors
    /// As [`Client::create`].
    pub(crate) async fn create_quietly(&self, address: &Address, object: &Value, dry: bool) -> Result<Value, Error> {
        let dry = if dry { "&dryRun=All" } else { "" };
        let path = format!("{}?fieldValidation=Ignore{dry}", address.collection());
        self.call("POST", &path, "application/json", Some(("application/json", object)))
            .await
    }

    /// Changes the object's status by a JSON merge patch.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub(crate) async fn merge_status(&self, address: &Address, patch: &Value) -> Result<Value, Error> {
        let path = format!("{}/status?fieldValidation=Warn", address.path());
        self.call("PATCH", &path, "application/json", Some((MERGE_PATCH, patch)))
            .await
    }

    /// Changes the object by a JSON merge patch.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub(crate) async fn merge(&self, address: &Address, patch: &Value) -> Result<Value, Error> {
        let path = format!("{}?fieldValidation=Warn", address.path());
        self.call("PATCH", &path, "application/json", Some((MERGE_PATCH, patch)))
            .await
    }

    /// Deletes the object; in the background its dependents go too.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub(crate) async fn delete(&self, address: &Address) -> Result<Value, Error> {
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
        self.call(
            "DELETE",
            &address.path(),
            "application/json",
            Some(("application/json", &options)),
        )
        .await
    }

    async fn pages(&self, address: &Address, query: &str, accept: &str, key: &str) -> Result<Value, Error> {
        let mut result: Option<Value> = None;
        let mut token = String::new();
        loop {
            let mut path = format!("{}?limit={PAGE_LENGTH}", address.collection());
            for part in [query.to_owned(), token_parameter(&token)] {
                if !part.is_empty() {
                    path.push('&');
                    path.push_str(&part);
                }
            }
            let mut page = self.call("GET", &path, accept, None).await?;
            token = page
                .pointer("/metadata/continue")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            result = Some(match result {
                None => page,
                Some(mut whole) => {
                    extend(&mut whole, &mut page, key);
                    whole
                }
            });
            if token.is_empty() {
                return Ok(result.unwrap_or_default());
            }
        }
    }

    async fn call(&self, method: &str, path: &str, accept: &str, body: Option<(&str, &Value)>) -> Result<Value, Error> {
        let response = self.send(method, path, accept, body).await?;
        let bytes = read(response.into_body(), &self.address).await?;
        serde_json::from_slice(&bytes).map_err(|source| Error::internal("read the server's answer as JSON", source))
    }

    /// Sends and looks at the status; the body is still to be read. Warnings are said at once.
    async fn send(
        &self,
        method: &str,
        path: &str,
        accept: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Response<Body>, Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT, accept);
        if let Some(caller) = caller() {
            request = request.header("traceparent", caller);
        }
        let payload = match body {
            Some((kind, value)) => {
                request = request.header(header::CONTENT_TYPE, kind);
                value.to_string().into_bytes()
            }
            None => Vec::new(),
        };
        let request = request
            .body(Body::from(payload))
            .map_err(|source| Error::internal("build the request", source))?;
        let response = self
            .inner
            .send(request)
            .await
            .map_err(|source| self.unreachable(source))?;
        say_warnings(&response);
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = read(response.into_body(), &self.address).await?;
        Err(refused(status, &bytes))
    }

    fn unreachable(&self, source: kube::Error) -> Error {
        Error::Unreachable {
            address: self.address.clone(),
            source: root_cause(source),
        }
    }
}

/// The trace this command is a part of: the variable `TRACEPARENT`, as OpenTelemetry has it for processes.
/// What is none the server sets aside.
fn caller() -> Option<HeaderValue> {
    HeaderValue::from_str(&std::env::var("TRACEPARENT").ok()?).ok()
}

fn token_parameter(token: &str) -> String {
    if token.is_empty() {
        String::new()
    } else {
        format!("continue={}", resource::encode(token))
    }
}

fn extend(whole: &mut Value, page: &mut Value, key: &str) {
    if let (Some(Value::Array(all)), Some(Value::Array(more))) = (whole.get_mut(key), page.get_mut(key)) {
        all.append(more);
    }
}

#[cfg(test)]
pub(crate) mod script;
#[cfg(test)]
mod tests;
