//! Functions of Tekton's.

use std::sync::Arc;

use cel::common::types::{CelBool, CelList, CelMap, CelMapKey, CelString};
use cel::common::value::{CowVal, Val};
use cel::{Context, DeclarationError, ExecutionError};
use serde_json::Value;
use serde_saphyr::Options;

use super::super::convert::{to_json, to_owned_val};
use super::super::meter::Meter;
use super::super::say::own;
use super::super::secrets::Secrets;
use super::super::url;
use super::{add_native, arguments, count, integer, native, text, wrong_type};
use crate::event::canonical;
use crate::interceptor::same;
use crate::text::{go_json, json_error};

/// Steps a byte of parsed text costs more than one that is only read.
const PARSE_FACTOR: usize = 16;
/// Most aliases in a YAML text.
const YAML_ALIASES_MAX: usize = 1000;
/// Most nodes a YAML text may unfold to.
const YAML_NODES_MAX: usize = 100_000;
/// Most bytes of text a YAML text may unfold to.
const YAML_BYTES_MAX: usize = 8 * 1024 * 1024;

pub(super) fn add(context: &mut Context<'_, '_>, meter: &Arc<Meter>) -> Result<(), DeclarationError> {
    add_native(context, meter, "match", |call, _| {
        let args = arguments(call);
        count(&args, 3, 3)?;
        let value = header(&*args[0], text(&args, 1)?)?;
        let is_same = value == text(&args, 2)?;
        Ok(CowVal::owned(CelBool::from(is_same)))
    })?;
    add_native(context, meter, "canonical", |call, _| {
        let args = arguments(call);
        count(&args, 2, 2)?;
        let value = header(&*args[0], text(&args, 1)?)?;
        Ok(CowVal::owned(CelString::from(value)))
    })?;
    add_native(context, meter, "truncate", |call, _| {
        let args = arguments(call);
        count(&args, 2, 2)?;
        let whole = text(&args, 0)?;
        let most = usize::try_from(integer(&args, 1)?).unwrap_or(0);
        let end = (0..=most.min(whole.len())).rev().find(|at| whole.is_char_boundary(*at));
        Ok(CowVal::owned(CelString::from(whole[..end.unwrap_or(0)].to_owned())))
    })?;
    add_native(context, meter, "marshalJSON", |call, _| {
        let args = arguments(call);
        count(&args, 1, 1)?;
        let value: &dyn Val = &*args[0];
        if value.downcast_ref::<CelMap<'_>>().is_none() && value.downcast_ref::<CelList<'_>>().is_none() {
            return Err(wrong_type(value, "map or list"));
        }
        let json = to_json(value).map_err(own)?;
        Ok(CowVal::owned(CelString::from(go_json(&json))))
    })?;
    parsers(context, meter)
}

fn parsers(context: &mut Context<'_, '_>, meter: &Arc<Meter>) -> Result<(), DeclarationError> {
    add_native(context, meter, "parseJSON", |call, meter| {
        let args = arguments(call);
        count(&args, 1, 1)?;
        let text = text(&args, 0)?;
        meter.pay_bytes(text.len().saturating_mul(PARSE_FACTOR))?;
        let value: Value =
            serde_json::from_str(text).map_err(|error| own(format!("parseJSON: {}", json_error(&error))))?;
        object(value, "parseJSON")
    })?;
    add_native(context, meter, "parseYAML", |call, meter| {
        let args = arguments(call);
        count(&args, 1, 1)?;
        let text = text(&args, 0)?;
        meter.pay_bytes(text.len().saturating_mul(PARSE_FACTOR))?;
        let value: Value = serde_saphyr::from_str_with_options(text, yaml())
            .map_err(|_| own("parseYAML: the text is no YAML, or too deep"))?;
        object(value, "parseYAML")
    })?;
    add_native(context, meter, "parseURL", |call, meter| {
        let args = arguments(call);
        count(&args, 1, 1)?;
        let text = text(&args, 0)?;
        meter.pay_bytes(text.len().saturating_mul(PARSE_FACTOR))?;
        let value = url::parse(text).ok_or_else(|| own("parseURL: the text is no address"))?;
        Ok(CowVal::Owned(to_owned_val(value)))
    })
}

/// Adds `compareSecret(key, name)` and `compareSecret(key, name, namespace)`; the
/// namespace can only be the Trigger's own.
pub(super) fn add_compare_secret(
    context: &mut Context<'_, '_>,
    namespace: &str,
    secrets: &Arc<Secrets>,
) -> Result<(), DeclarationError> {
    let (namespace, secrets) = (namespace.to_owned(), Arc::clone(secrets));
    let compare = native(move |call| {
        let args = arguments(call);
        count(&args, 3, 4)?;
        let given = text(&args, 0)?;
        let (key, name) = (text(&args, 1)?.to_owned(), text(&args, 2)?.to_owned());
        if args.len() == 4 && text(&args, 3)? != namespace {
            return Err(own("compareSecret reads Secrets of the Trigger's namespace only"));
        }
        let secret = secrets
            .get((name, key))
            .ok_or_else(|| own("a Secret is not known yet"))?;
        Ok(CowVal::owned(CelBool::from(same(given.as_bytes(), secret))))
    });
    context.add_function("compareSecret", compare)
}

/// The first value of a header, or nothing.
fn header(headers: &dyn Val, name: &str) -> Result<String, ExecutionError> {
    let Some(map) = headers.downcast_ref::<CelMap<'_>>() else {
        return Err(wrong_type(headers, "map"));
    };
    let wanted = CelMapKey::from(canonical(name));
    let Some(values) = map.inner().get(&wanted) else {
        return Ok(String::new());
    };
    let values: &dyn Val = values.as_ref();
    let first = match values.downcast_ref::<CelList<'_>>() {
        Some(list) => list.inner().first().map(|first| &**first),
        None => Some(values),
    };
    let text = first.and_then(|first| first.downcast_ref::<CelString<'_>>());
    Ok(text.map(|text| text.inner().to_owned()).unwrap_or_default())
}

fn object<'c, 'v>(value: Value, function: &str) -> Result<CowVal<'c, 'v>, ExecutionError> {
    if !value.is_object() {
        return Err(own(format!("{function}: the text is no object")));
    }
    Ok(CowVal::Owned(to_owned_val(value)))
}

/// Limits on what a text may unfold to.
fn yaml() -> Options {
    let mut options = Options::default();
    options.with_snippet = false;
    if let Some(budget) = &mut options.budget {
        budget.max_aliases = YAML_ALIASES_MAX;
        budget.max_nodes = YAML_NODES_MAX;
        budget.max_total_scalar_bytes = YAML_BYTES_MAX;
    }
    options
}
