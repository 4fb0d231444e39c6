//! Lists and sets.

use std::sync::Arc;

use cel::common::types::{CelBool, CelInt, CelList};
use cel::common::value::{CowVal, Val};
use cel::{Context, DeclarationError, ExecutionError};

use super::super::meter::Meter;
use super::super::say::own;
use super::{add_native, arguments, count, integer, list};

/// Longest range.
const RANGE_MAX: i64 = 100_000;

pub(super) fn add(context: &mut Context<'_, '_>, meter: &Arc<Meter>) -> Result<(), DeclarationError> {
    add_native(context, meter, "@range", |call, meter| {
        let args = arguments(call);
        count(&args, 1, 1)?;
        let end = integer(&args, 0)?;
        if !(0..=RANGE_MAX).contains(&end) {
            return Err(own(format!("a range ends at 0 to {RANGE_MAX}")));
        }
        meter.pay(end.unsigned_abs())?;
        let items: Vec<Box<dyn Val>> = (0..end)
            .map(|number| Box::new(CelInt::from(number)) as Box<dyn Val>)
            .collect();
        Ok(CowVal::owned(CelList::from(items)))
    })?;
    add_native(context, meter, "@distinct", |call, meter| {
        let args = arguments(call);
        count(&args, 1, 1)?;
        let items = list(&args, 0)?;
        let mut kept: Vec<Box<dyn Val + '_>> = Vec::new();
        for item in items {
            meter.pay(steps(kept.len()))?;
            if !kept.iter().any(|other| other.equals(item.as_ref())) {
                kept.push(item.clone());
            }
        }
        Ok(CowVal::owned(CelList::from(kept)))
    })?;
    add_native(context, meter, "first", |call, _| {
        let args = arguments(call);
        count(&args, 1, 1)?;
        end_of(list(&args, 0)?.first().cloned())
    })?;
    add_native(context, meter, "last", |call, _| {
        let args = arguments(call);
        count(&args, 1, 1)?;
        end_of(list(&args, 0)?.last().cloned())
    })?;
    sets(context, meter)
}

fn sets(context: &mut Context<'_, '_>, meter: &Arc<Meter>) -> Result<(), DeclarationError> {
    add_native(context, meter, "sets.contains", |call, meter| {
        let args = arguments(call);
        count(&args, 2, 2)?;
        within(list(&args, 1)?, list(&args, 0)?, meter)
            .map(CelBool::from)
            .map(CowVal::owned)
    })?;
    add_native(context, meter, "sets.equivalent", |call, meter| {
        let args = arguments(call);
        count(&args, 2, 2)?;
        let (left, right) = (list(&args, 0)?, list(&args, 1)?);
        let same = within(left, right, meter)? && within(right, left, meter)?;
        Ok(CowVal::owned(CelBool::from(same)))
    })?;
    add_native(context, meter, "sets.intersects", |call, meter| {
        let args = arguments(call);
        count(&args, 2, 2)?;
        let (left, right) = (list(&args, 0)?, list(&args, 1)?);
        meter.pay(steps(left.len().saturating_mul(right.len())))?;
        let meets = left.iter().any(|item| is_in(item.as_ref(), right));
        Ok(CowVal::owned(CelBool::from(meets)))
    })
}

/// Whether every item of the first list is in the second.
fn within(items: &[Box<dyn Val + '_>], list: &[Box<dyn Val + '_>], meter: &Meter) -> Result<bool, ExecutionError> {
    meter.pay(steps(items.len().saturating_mul(list.len())))?;
    Ok(items.iter().all(|item| is_in(item.as_ref(), list)))
}

fn is_in(item: &dyn Val, list: &[Box<dyn Val + '_>]) -> bool {
    list.iter().any(|other| item.equals(other.as_ref()))
}

fn end_of<'c, 'v>(item: Option<Box<dyn Val + 'v>>) -> Result<CowVal<'c, 'v>, ExecutionError> {
    item.map(CowVal::Owned).ok_or_else(|| own("the list is empty"))
}

fn steps(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
