//! Evaluating an expression for an event.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::{Context, Value as Cel};
use serde_json::Value;

use super::compile::{Compiled, compile, env};
use super::meter::Meter;
use super::secrets::{SECRETS_MAX, SecretKey, Secrets};
use super::{FUEL, Failure, convert, functions, say};
use crate::interceptor::{Asked, read_secret};

/// The value of an expression, as JSON.
pub(super) fn value(text: &str, asked: &Asked<'_>) -> Result<Value, Failure> {
    let compiled = compile(text).map_err(Failure::Fault)?;
    let mut known: BTreeMap<SecretKey, Vec<u8>> = BTreeMap::new();
    loop {
        let secrets = Arc::new(Secrets::new(known.clone()));
        let result = once(&compiled, asked, &secrets);
        let Some((name, key)) = secrets.asked() else {
            return result;
        };
        if known.len() >= SECRETS_MAX {
            return Err(Failure::Fault(format!("it asks for more than {SECRETS_MAX} Secrets")));
        }
        let secret = read_secret(asked.lookups, asked.namespace, &name, &key).map_err(Failure::Stop)?;
        known.insert((name, key), secret);
    }
}

pub(super) fn once(compiled: &Compiled, asked: &Asked<'_>, secrets: &Arc<Secrets>) -> Result<Value, Failure> {
    let meter = Arc::new(Meter::new(FUEL));
    let header = headers(asked);
    let extensions = Value::Object(asked.extensions.clone());
    let url = Value::String(asked.event.url.clone());
    let body = asked.event.payload().unwrap_or(&Value::Null);
    let mut context = Context::with_env(env());
    functions::add(&mut context, asked.namespace, &meter, secrets)
        .map_err(|error| Failure::Fault(error.to_string()))?;
    for (name, value) in [
        ("body", body),
        ("header", &header),
        ("extensions", &extensions),
        ("requestURL", &url),
    ] {
        // Turning a large body into values is dear; many expressions do without.
        if compiled.names.contains(name) {
            context.add_variable_as_val(name, convert::to_val(value));
        }
    }
    let found = Cel::resolve(&compiled.tree, &context);
    if meter.is_out() {
        return Err(Failure::Fault(format!("it takes more than {FUEL} steps")));
    }
    let found = found.map_err(|error| Failure::Undecided(say::words(&error)))?;
    convert::json_of(&found).map_err(Failure::Undecided)
}

fn headers(asked: &Asked<'_>) -> Value {
    let headers = asked.event.headers.iter();
    Value::Object(
        headers
            .map(|(name, values)| (name.to_owned(), values.to_vec().into()))
            .collect(),
    )
}
