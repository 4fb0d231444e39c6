//! Texts whose results can outgrow what they are made of, and patterns.

use std::sync::Arc;

use cel::common::types::{CelBool, CelList, CelString};
use cel::common::value::{CowVal, Val};
use cel::{Context, DeclarationError, ExecutionError};
use regex::{Regex, RegexBuilder};

use super::super::meter::Meter;
use super::super::say::own;
use super::{add_native, arguments, count, integer, list, text};

/// Steps to read a pattern.
const PATTERN_STEPS: u64 = 5_000;
/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1024;
/// Largest compiled pattern, in bytes.
const PATTERN_SIZE_MAX: usize = 1 << 20;
/// Steps a piece of a split text costs: each is a value of its own.
const PIECE_STEPS: u64 = 4;

pub(super) fn add(context: &mut Context<'_, '_>, meter: &Arc<Meter>) -> Result<(), DeclarationError> {
    add_native(context, meter, "@replace", |call, meter| {
        let args = arguments(call);
        count(&args, 3, 4)?;
        let (whole, from, to) = (text(&args, 0)?, text(&args, 1)?, text(&args, 2)?);
        let most = if args.len() == 4 { integer(&args, 3)? } else { -1 };
        replace(whole, from, to, most, meter)
    })?;
    add_native(context, meter, "@split", |call, meter| {
        let args = arguments(call);
        count(&args, 2, 3)?;
        let most = if args.len() == 3 { integer(&args, 2)? } else { -1 };
        split(text(&args, 0)?, text(&args, 1)?, most, meter)
    })?;
    add_native(context, meter, "@join", |call, meter| {
        let args = arguments(call);
        count(&args, 1, 2)?;
        let separator = if args.len() == 2 { text(&args, 1)? } else { "" };
        join(list(&args, 0)?, separator, meter)
    })?;
    add_native(context, meter, "@matches", |call, meter| {
        let args = arguments(call);
        count(&args, 2, 2)?;
        let is_match = pattern(text(&args, 1)?, meter)?.is_match(text(&args, 0)?);
        Ok(CowVal::owned(CelBool::from(is_match)))
    })?;
    add_native(context, meter, "translate", |call, meter| {
        let args = arguments(call);
        count(&args, 3, 3)?;
        translate(text(&args, 0)?, text(&args, 1)?, text(&args, 2)?, meter)
    })
}

fn made<'c, 'v>(text: String) -> Result<CowVal<'c, 'v>, ExecutionError> {
    Ok(CowVal::owned(CelString::from(text)))
}

fn replace<'c, 'v>(
    whole: &str,
    from: &str,
    to: &str,
    most: i64,
    meter: &Meter,
) -> Result<CowVal<'c, 'v>, ExecutionError> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let times = whole.matches(from).take(most).count();
    meter.pay_bytes(whole.len().saturating_add(times.saturating_mul(to.len())))?;
    made(whole.replacen(from, to, most))
}

fn split<'c, 'v>(whole: &str, separator: &str, most: i64, meter: &Meter) -> Result<CowVal<'c, 'v>, ExecutionError> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut pieces: Vec<Box<dyn Val>> = Vec::new();
    let mut rest = whole;
    if most == 0 {
        return Ok(CowVal::owned(CelList::from(pieces)));
    }
    loop {
        meter.pay(PIECE_STEPS)?;
        // An empty separator cuts after each character.
        let cut = match separator.is_empty() {
            true => rest.chars().next().map(|c| (c.len_utf8(), c.len_utf8())),
            false => rest.find(separator).map(|at| (at, at + separator.len())),
        };
        let is_end = separator.is_empty() && cut.is_some_and(|(end, _)| end == rest.len());
        match cut.filter(|_| pieces.len() + 1 < most && !is_end) {
            Some((end, next)) => {
                pieces.push(Box::new(CelString::from(rest[..end].to_owned())));
                rest = &rest[next..];
            }
            None => {
                if !(separator.is_empty() && rest.is_empty()) {
                    pieces.push(Box::new(CelString::from(rest.to_owned())));
                }
                break;
            }
        }
    }
    Ok(CowVal::owned(CelList::from(pieces)))
}

fn join<'c, 'v>(items: &[Box<dyn Val + '_>], separator: &str, meter: &Meter) -> Result<CowVal<'c, 'v>, ExecutionError> {
    meter.pay_bytes(items.len().saturating_mul(separator.len()))?;
    let mut joined = String::new();
    for (index, item) in items.iter().enumerate() {
        let item: &dyn Val = item.as_ref();
        let Some(text) = item.downcast_ref::<CelString<'_>>() else {
            return Err(super::wrong_type(item, "string"));
        };
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text.inner());
    }
    made(joined)
}

/// Replaces what a pattern matches; `$1` or `${name}` stand for its groups.
fn translate<'c, 'v>(
    whole: &str,
    expression: &str,
    replacement: &str,
    meter: &Meter,
) -> Result<CowVal<'c, 'v>, ExecutionError> {
    let pattern = pattern(expression, meter)?;
    let mut result = String::new();
    let mut end = 0;
    for groups in pattern.captures_iter(whole) {
        let Some(found) = groups.get(0) else { continue };
        result.push_str(&whole[end..found.start()]);
        let before = result.len();
        groups.expand(replacement, &mut result);
        meter.pay_bytes(result.len() - before)?;
        end = found.end();
    }
    result.push_str(&whole[end..]);
    made(result)
}

/// Reads a pattern; searching with it takes time linear in the text.
fn pattern(expression: &str, meter: &Meter) -> Result<Regex, ExecutionError> {
    if expression.len() > PATTERN_BYTES_MAX {
        return Err(own(format!("a pattern has more than {PATTERN_BYTES_MAX} bytes")));
    }
    meter.pay(PATTERN_STEPS)?;
    RegexBuilder::new(expression)
        .size_limit(PATTERN_SIZE_MAX)
        .build()
        .map_err(|_| own("a pattern cannot be read, or is too large"))
}
