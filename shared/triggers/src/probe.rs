//! What a sender could do: values of a payload are replaced, one at a time, by what a hostile sender
//! would write, and what the triggers make of it is compared.
//!
//! A template's parameters are replaced in raw JSON, as Tekton does it. A text keeps its place, as its
//! quotes are escaped; an object or a list brings quotes that are not.

mod leaves;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::evaluate::{Decision, evaluate};
use crate::event::{Event, Request};
use crate::kinds::{InterceptorUse, Listener, Trigger};
use crate::lookup::Lookups;
use crate::template::differences;
use leaves::{leaves, replaced, twin};

/// Most values of one payload that are tried.
pub const PROBED_MAX: usize = 256;
/// What is added to a text to see where it arrives.
const MARK: &str = "tidemillprobe";
/// A text with all that could end the text it stands in.
const TEXT: &str = "\",\"probe\":\"\n$(params.x)";

/// A value of the payload by which its sender can do more than its author may expect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Risk {
    /// Namespace and name of the trigger.
    pub trigger: String,
    /// The value, such as `body.commits[0].message`.
    pub value: String,
    /// What it can do.
    pub danger: Danger,
}

/// What a value can do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Danger {
    /// Where it is not a text, the object has other fields.
    Shape {
        /// Kind of the object.
        kind: String,
        /// Where.
        at: String,
    },
    /// It stands in the text of a script.
    Script {
        /// Kind of the object.
        kind: String,
        /// Where.
        at: String,
    },
}

impl Risk {
    /// One sentence, with what to do.
    #[must_use]
    pub fn describe(&self) -> String {
        let Self { trigger, value, danger } = self;
        match danger {
            Danger::Shape { kind, at } => format!(
                "{trigger}: {value} can change the shape of the {kind} (at {at}) when it is no text; take a part of it by a CEL overlay with string(...)"
            ),
            Danger::Script { kind, at } => format!(
                "{trigger}: {value} stands in a script of the {kind} (at {at}), so its sender can run commands; hand it over as a param and read it from an environment variable"
            ),
        }
    }
}

/// Removes what proves the sender from an interceptor: in a payload that is tried nothing is signed.
/// Gives the Secret's name and key.
pub fn unverified(interceptor: &mut InterceptorUse) -> Option<(String, String)> {
    const FIELD: &str = "secretRef";
    let mut removed = None;
    interceptor.params.retain(|param| {
        let is_secret = param.name == FIELD;
        if is_secret {
            removed = Some(param.value.clone());
        }
        !is_secret
    });
    for inline in [
        &mut interceptor.github,
        &mut interceptor.gitlab,
        &mut interceptor.bitbucket,
    ] {
        if let Some(Value::Object(fields)) = inline {
            removed = fields.remove(FIELD).or(removed);
        }
    }
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    removed.map(|secret| (text(&secret, "secretName"), text(&secret, "secretKey")))
}

/// Tries the values of a payload, at most [`PROBED_MAX`] of them. The triggers should be
/// [`unverified`]; a trigger that does not accept the payload as it is has no risks.
#[must_use]
pub fn probe(listener: &Listener, triggers: &[Trigger], lookups: &dyn Lookups, request: &Request) -> Vec<Risk> {
    let Ok((_, Some(payload))) = request.payload(true) else {
        return Vec::new();
    };
    let bench = Bench {
        listener,
        triggers,
        lookups,
        request,
    };
    let usual = bench.made(&payload);
    let mut risks = Vec::new();
    for leaf in leaves(&payload).into_iter().take(PROBED_MAX) {
        let marked = match &leaf.value {
            Value::String(text) => json!(format!("{text}{MARK}")),
            _ => json!(MARK),
        };
        let arrived = bench.made(&replaced(&payload, &leaf.pointer, marked));
        for (trigger, objects) in &arrived {
            for object in objects {
                let scripts = leaves::places(object, MARK)
                    .into_iter()
                    .filter(|at| at.ends_with(".script"));
                risks.extend(scripts.map(|at| Risk {
                    trigger: trigger.clone(),
                    value: leaf.shown.clone(),
                    danger: Danger::Script { kind: kind(object), at },
                }));
            }
        }
        if arrived
            .iter()
            .all(|(_, objects)| objects.iter().all(|object| leaves::places(object, MARK).is_empty()))
        {
            continue;
        }
        let mut hostile = vec![
            replaced(&payload, &leaf.pointer, json!(TEXT)),
            replaced(&payload, &leaf.pointer, json!({",": ":"})),
            replaced(&payload, &leaf.pointer, json!([",", ":"])),
        ];
        hostile.extend(twin(&payload, &leaf.pointer, [json!(","), json!(":")]));
        risks.extend(hostile.iter().flat_map(|payload| {
            let made = bench.made(payload);
            changed(&usual, &made).into_iter().map(|(trigger, danger)| Risk {
                trigger,
                value: leaf.shown.clone(),
                danger,
            })
        }));
    }
    risks.sort();
    risks.dedup();
    risks
}

struct Bench<'a> {
    listener: &'a Listener,
    triggers: &'a [Trigger],
    lookups: &'a dyn Lookups,
    request: &'a Request,
}

/// What each trigger makes, by its name.
type Made = Vec<(String, Vec<Value>)>;

impl Bench<'_> {
    fn made(&self, payload: &Value) -> Made {
        let mut request = self.request.clone();
        request.body = payload.to_string().into_bytes();
        // A form was turned into JSON already.
        request.headers = request
            .headers
            .iter()
            .filter(|(name, _)| *name != "Content-Type")
            .flat_map(|(name, values)| values.iter().map(move |value| (name.to_owned(), value.clone())))
            .collect();
        let Ok(event) = Event::read(&request, "probe".to_owned(), Timestamp::UNIX_EPOCH, true) else {
            return Vec::new();
        };
        let outcomes = evaluate(self.listener, self.triggers, self.lookups, &event).into_iter();
        outcomes
            .filter_map(|outcome| match outcome.decision {
                Decision::Accepted { objects } => Some((outcome.trigger, objects)),
                _ => None,
            })
            .collect()
    }
}

/// Where objects have another shape than usual.
fn changed(usual: &Made, made: &Made) -> Vec<(String, Danger)> {
    let mut found = Vec::new();
    for (trigger, objects) in made {
        let Some((_, before)) = usual.iter().find(|(name, _)| name == trigger) else {
            continue;
        };
        for (before, object) in before.iter().zip(objects) {
            found.extend(
                differences(before, object)
                    .into_iter()
                    .map(|at| (trigger.clone(), Danger::Shape { kind: kind(before), at })),
            );
        }
    }
    found
}

fn kind(object: &Value) -> String {
    object["kind"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
