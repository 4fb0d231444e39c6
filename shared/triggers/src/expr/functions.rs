//! Functions beside CEL's own: Tekton's, sets, and bounded ones in place of some that are not.

mod lists;
mod tekton;
mod texts;

use std::sync::Arc;

use cel::common::types::{CelBool, CelInt, CelList, CelString};
use cel::common::value::{CowVal, Val};
use cel::{Context, DeclarationError, ExecutionError, FunctionContext};

use super::compile::{PAY, TICK};
use super::meter::Meter;
use super::say::own;
use super::secrets::Secrets;

type Answer<'c, 'v> = Result<CowVal<'c, 'v>, ExecutionError>;
type Native = Box<dyn for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Answer<'c, 'v> + Send + Sync>;

/// Adds all of them to a context. `namespace` is the Trigger's.
pub(super) fn add(
    context: &mut Context<'_, '_>,
    namespace: &str,
    meter: &Arc<Meter>,
    secrets: &Arc<Secrets>,
) -> Result<(), DeclarationError> {
    add_native(context, meter, PAY, |call, meter| {
        let value = call.args.pop().ok_or_else(|| wrong_count(1))?;
        meter.pay_for(&*value)?;
        Ok(value)
    })?;
    add_native(context, meter, TICK, |_, meter| {
        meter.pay(1)?;
        Ok(CowVal::owned(CelBool::from(true)))
    })?;
    lists::add(context, meter)?;
    texts::add(context, meter)?;
    tekton::add(context, meter)?;
    tekton::add_compare_secret(context, namespace, secrets)
}

/// Adds a function that pays.
fn add_native<F>(
    context: &mut Context<'_, '_>,
    meter: &Arc<Meter>,
    name: &str,
    function: F,
) -> Result<(), DeclarationError>
where
    F: for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>, &Meter) -> Answer<'c, 'v> + Send + Sync + 'static,
{
    let meter = Arc::clone(meter);
    let native: Native = native(move |call| function(call, &meter));
    context.add_function(name, native)
}

/// Says of a closure that it is a function, whatever the lifetimes.
fn native<F>(function: F) -> Native
where
    F: for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Answer<'c, 'v> + Send + Sync + 'static,
{
    Box::new(function)
}

/// All arguments, the one before the dot first.
fn arguments<'c, 'v>(call: &mut FunctionContext<'c, 'v>) -> Vec<CowVal<'c, 'v>> {
    let this = call.this.take();
    this.into_iter().chain(std::mem::take(&mut call.args)).collect()
}

fn text<'b>(call: &'b [CowVal<'_, '_>], index: usize) -> Result<&'b str, ExecutionError> {
    let value = call.get(index).ok_or_else(|| wrong_count(index + 1))?;
    let value: &'b dyn Val = &**value;
    value
        .downcast_ref::<CelString<'_>>()
        .map(CelString::inner)
        .ok_or_else(|| wrong_type(value, "string"))
}

fn integer(call: &[CowVal<'_, '_>], index: usize) -> Result<i64, ExecutionError> {
    let value = call.get(index).ok_or_else(|| wrong_count(index + 1))?;
    value
        .downcast_ref::<CelInt>()
        .map(|number| *number.inner())
        .ok_or_else(|| wrong_type(&**value, "int"))
}

fn list<'b, 'v>(call: &'b [CowVal<'_, 'v>], index: usize) -> Result<&'b [Box<dyn Val + 'v>], ExecutionError> {
    let value = call.get(index).ok_or_else(|| wrong_count(index + 1))?;
    value
        .downcast_ref::<CelList<'v>>()
        .map(CelList::inner)
        .ok_or_else(|| wrong_type(&**value, "list"))
}

fn count(call: &[CowVal<'_, '_>], least: usize, most: usize) -> Result<(), ExecutionError> {
    if (least..=most).contains(&call.len()) {
        return Ok(());
    }
    Err(ExecutionError::invalid_argument_count(most, call.len()))
}

fn wrong_count(expected: usize) -> ExecutionError {
    ExecutionError::invalid_argument_count(expected, expected.saturating_sub(1))
}

fn wrong_type(value: &dyn Val, wanted: &str) -> ExecutionError {
    own(format!("found {}, expected {wanted}", value.get_type().name()))
}
