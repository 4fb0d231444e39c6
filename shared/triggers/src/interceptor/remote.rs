//! Interceptors that run elsewhere: the request is built here, sent by the caller.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use tidemill_resources::ParamValue;

use super::{Asked, Extensions, Stop};
use crate::event::{Event, Headers};
use crate::kinds::{ClientConfig, Interceptor, InterceptorUse, ServiceReference, Webhook};
use crate::lookup::{Call, Found, Need, Reply, reply_json};
use crate::text::brief;

/// Port of a Service that names none.
const HTTP_PORT: u16 = 80;
/// Port of a Service with certificates that names none.
const HTTPS_PORT: u16 = 8443;

/// Asks an interceptor that is an object of the cluster.
pub(super) fn ask(
    interceptor: &InterceptorUse,
    parameters: Map<String, Value>,
    asked: &Asked<'_>,
) -> Result<Extensions, Stop> {
    let config = config(interceptor, asked)?;
    let url = address(&config)?;
    let headers: Map<String, Value> = asked
        .event
        .headers
        .iter()
        .map(|(name, values)| (name.to_owned(), values.to_vec().into()))
        .collect();
    let body = json!({
        "body": String::from_utf8_lossy(&asked.event.body),
        "header": headers,
        "extensions": asked.extensions,
        "interceptor_params": parameters,
        "context": {
            "event_url": asked.event.url,
            "event_id": asked.event.id,
            "trigger_id": format!("namespaces/{}/triggers/{}", asked.namespace, asked.trigger),
        },
    });
    let call = Call {
        url,
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
        ca_bundle: config.ca_bundle,
    };
    let reply = reply(call, asked)?;
    if reply.status != 200 {
        return Err(Stop::Failed(format!("it answered {}", reply.status)));
    }
    let Some(Value::Object(mut answer)) = reply_json(&reply) else {
        return Err(Stop::Failed("its answer is no JSON object".to_owned()));
    };
    if answer.get("continue") != Some(&Value::Bool(true)) {
        let message = answer.get("status").and_then(|status| status.get("message"));
        let message = message.and_then(Value::as_str).unwrap_or("it did not say why");
        return Err(Stop::Filtered(brief(message)));
    }
    match answer.remove("extensions") {
        Some(Value::Object(extensions)) => Ok(extensions),
        _ => Ok(Extensions::new()),
    }
}

/// Asks a service of the old kind; what it answers takes the place of the event.
pub(super) fn webhook(webhook: &Webhook, asked: &Asked<'_>) -> Result<Event, Stop> {
    let url = webhook_address(webhook, asked.namespace)?;
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, values) in asked.event.headers.iter() {
        headers.extend(values.iter().map(|value| (name.to_owned(), value.clone())));
    }
    headers.push(("Eventlistener-Request-Url".to_owned(), asked.event.url.clone()));
    for header in &webhook.header {
        match &header.value {
            ParamValue::Array(values) => {
                headers.extend(values.iter().map(|value| (header.name.clone(), value.clone())));
            }
            value => headers.push((header.name.clone(), value.to_text())),
        }
    }
    let call = Call {
        url,
        headers,
        body: extended(asked)?,
        ca_bundle: String::new(),
    };
    let reply = reply(call, asked)?;
    if !(200..300).contains(&reply.status) {
        return Err(Stop::Filtered(format!("it answered {}", reply.status)));
    }
    let headers: Headers = reply.headers;
    Ok(asked.event.replaced(headers, reply.body))
}

fn reply(call: Call, asked: &Asked<'_>) -> Result<Reply, Stop> {
    let need = Need::Call(call);
    match asked.lookups.look(&need) {
        None => Err(Stop::Pending(need)),
        Some(Found::Reply(reply)) => Ok(reply),
        Some(Found::Failed(why)) => Err(Stop::Failed(format!("{} was not to be had: {why}", need.describe()))),
        Some(_) => Err(Stop::Failed(format!("{} was not to be had", need.describe()))),
    }
}

/// The body with what interceptors added, under `extensions`.
fn extended(asked: &Asked<'_>) -> Result<Vec<u8>, Stop> {
    if asked.extensions.is_empty() {
        return Ok(asked.event.body.clone());
    }
    let Some(Value::Object(fields)) = asked.event.payload() else {
        return Err(Stop::Failed(
            "the body is no JSON object, so extensions cannot be added to it".to_owned(),
        ));
    };
    let mut fields = fields.clone();
    fields.insert("extensions".to_owned(), Value::Object(asked.extensions.clone()));
    Ok(Value::Object(fields).to_string().into_bytes())
}

fn config(interceptor: &InterceptorUse, asked: &Asked<'_>) -> Result<ClientConfig, Stop> {
    let reference = &interceptor.reference;
    let (kind, namespace) = match reference.kind.as_str() {
        "" | "ClusterInterceptor" => ("ClusterInterceptor", ""),
        "NamespacedInterceptor" | "Interceptor" => ("Interceptor", asked.namespace),
        other => return Err(Stop::Failed(format!("{other:?} is no kind of interceptor"))),
    };
    let need = Need::Object {
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: reference.name.clone(),
    };
    match asked.lookups.look(&need) {
        None => Err(Stop::Pending(need)),
        Some(Found::Object(object)) => Interceptor::read(&object)
            .map(|interceptor| interceptor.spec.client_config)
            .map_err(|error| Stop::Failed(error.to_string())),
        Some(Found::Failed(why)) => Err(Stop::Failed(format!("{} cannot be read: {why}", need.describe()))),
        Some(_) => Err(Stop::Failed(format!("there is no {}", need.describe()))),
    }
}

fn address(config: &ClientConfig) -> Result<String, Stop> {
    if let Some(url) = config.url.as_ref().filter(|url| !url.is_empty()) {
        return Ok(url.clone());
    }
    let Some(service) = &config.service else {
        return Err(Stop::Failed("it has neither url nor service".to_owned()));
    };
    let secure = BASE64_STANDARD
        .decode(&config.ca_bundle)
        .is_ok_and(|bundle| !bundle.is_empty());
    let (scheme, port) = if secure {
        ("https", HTTPS_PORT)
    } else {
        ("http", HTTP_PORT)
    };
    let ServiceReference {
        name, namespace, path, ..
    } = service;
    let port = service.port.unwrap_or(port);
    Ok(format!(
        "{scheme}://{name}.{namespace}.svc:{port}/{}",
        path.trim_start_matches('/')
    ))
}

fn webhook_address(webhook: &Webhook, namespace: &str) -> Result<String, Stop> {
    if let Some(url) = webhook.url.as_ref().filter(|url| !url.is_empty()) {
        return Ok(url.clone());
    }
    let Some(service) = webhook.object_ref.as_ref().filter(|service| !service.name.is_empty()) else {
        return Err(Stop::Failed("it has neither url nor objectRef".to_owned()));
    };
    let namespace = match service.namespace.as_str() {
        "" => namespace,
        named => named,
    };
    Ok(format!("http://{}.{namespace}.svc/", service.name))
}
