//! What became of an event, in one line.

use serde_json::Value;

use super::{from, short_id, what};
use crate::json;
use crate::output::{Palette, clock, plain};

/// What matters most about an event: the objects that were made, or why there are none.
pub(crate) fn outcome(event: &Value, palette: Palette) -> String {
    plain(&told(event, palette))
}

fn told(event: &Value, palette: Palette) -> String {
    let text = |pointer: &str| json::text(event, pointer).to_owned();
    let of = json::text(event, "/status/redeliveryOf");
    if !of.is_empty() {
        let of: String = of.chars().take(super::ID_CHARS).collect();
        return format!("redelivery of {of}, nothing started{}", unstored(event));
    }
    if let Some(code) = event.pointer("/status/code") {
        return format!("refused {code}: {}{}", text("/status/reason"), unstored(event));
    }
    let word = json::text(event, "/status/outcome");
    match word {
        "dead" => return format!("given up: {}", text("/status/reason")),
        "pending" => return "being evaluated".to_owned(),
        _ => {}
    }
    let triggers = json::list(event, "/status/triggers");
    let is_told = |trigger: &&Value| json::text(trigger, "/outcome") == word;
    let told: Vec<String> = triggers
        .iter()
        .filter(is_told)
        .map(|trigger| verdict(trigger, palette))
        .collect();
    let others = triggers.len() - told.len();
    match (told.as_slice(), others) {
        ([], _) => "its listener has no trigger".to_owned(),
        ([first], 0) => first.clone(),
        ([first], more) => format!("{first} ({})", count(more)),
        (several, 0) if word == "accepted" => several.join("; "),
        (several, _) if word == "accepted" => format!("{} ({})", several.join("; "), count(others)),
        ([first, rest @ ..], _) => format!("{first} ({})", count(rest.len() + others)),
    }
}

/// What one trigger decided: `push → pipelinerun/run-x`, or why not.
pub(super) fn verdict(trigger: &Value, palette: Palette) -> String {
    let name = json::text(trigger, "/name");
    let error = json::text(trigger, "/error");
    if !error.is_empty() {
        return format!("{name} failed: {error}").trim_start().to_owned();
    }
    match made(trigger).as_slice() {
        [] if json::text(trigger, "/outcome") == "accepted" => {
            format!("{name} accepted it, its template makes nothing")
        }
        [] => json::text(trigger, "/text").to_owned(),
        objects => format!("{name} {} {}", palette.sign("→", "->"), objects.join(", "))
            .trim_start()
            .to_owned(),
    }
}

/// `pipelinerun/run-x` for each object a trigger made.
pub(super) fn made(trigger: &Value) -> Vec<String> {
    json::list(trigger, "/objects")
        .iter()
        .map(|made| {
            format!(
                "{}/{}",
                json::text(made, "/kind").to_lowercase(),
                json::text(made, "/name")
            )
        })
        .collect()
}

fn count(more: usize) -> String {
    match more {
        1 => "1 more trigger".to_owned(),
        more => format!("{more} more triggers"),
    }
}

/// How many alike were not kept.
fn unstored(event: &Value) -> String {
    match event.pointer("/status/unstored").and_then(Value::as_u64) {
        None | Some(0) => String::new(),
        Some(count) => format!(" ({count} more like it before)"),
    }
}

/// One line an event, for files and other programs.
pub(crate) fn plain_line(event: &Value, palette: Palette) -> String {
    let at = json::time(event, "/spec/receivedAt").map(clock).unwrap_or_default();
    let what = plain(&what(event, "-"));
    format!(
        "{at} {} {} {what}: {}",
        short_id(event),
        from(event),
        outcome(event, palette)
    )
}
