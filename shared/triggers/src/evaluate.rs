//! What each trigger of a listener makes of an event.

mod outcome;

use std::borrow::Cow;

pub use outcome::{Decision, TriggerOutcome};

use crate::bind::{self, Document};
use crate::event::Event;
use crate::interceptor::{Extensions, Passage, Stop};
use crate::key::firing_uid;
use crate::kinds::{InterceptorUse, Listener, Template, TemplateUse, Trigger, TriggerGroup, TriggerSpec};
use crate::lookup::{Found, Lookups, Need};
use crate::select::{in_group, selected};
use crate::template::{Firing, Used};

/// Most triggers of one listener that are evaluated for one event.
pub const TRIGGERS_MAX: usize = 1000;

/// Evaluates every trigger of a listener, independently of each other.
///
/// `triggers` are the Trigger objects of the namespaces named by
/// [`reach`](crate::reach); which of them are meant is found out here. The
/// same arguments give the same outcomes. An outcome that is
/// [`Decision::Pending`] names what `lookups` has to know before the next call.
#[must_use]
pub fn evaluate(
    listener: &Listener,
    triggers: &[Trigger],
    lookups: &dyn Lookups,
    event: &Event,
) -> Vec<TriggerOutcome> {
    let run = Run {
        listener,
        lookups,
        event,
    };
    let plain = Passage {
        event: Cow::Borrowed(event),
        extensions: Extensions::new(),
    };
    let written = listener.spec.triggers.iter().map(|trigger| run.written(trigger));
    let objects = selected(listener, triggers).into_iter();
    let objects = objects.map(|trigger| run.object(trigger, plain.clone()));
    let groups = listener.spec.trigger_groups.iter().enumerate();
    let groups = groups.flat_map(|(index, group)| run.group(index, group, triggers, plain.clone()));
    let mut all = written.chain(objects).chain(groups);
    let mut outcomes: Vec<TriggerOutcome> = all.by_ref().take(TRIGGERS_MAX).collect();
    if all.next().is_some() {
        let why = format!("only the first {TRIGGERS_MAX} triggers are evaluated; spread them over listeners");
        outcomes.push(TriggerOutcome::new(listener.namespace(), "", failed("listener", why)));
    }
    outcomes
}

struct Run<'a> {
    listener: &'a Listener,
    lookups: &'a dyn Lookups,
    event: &'a Event,
}

/// A trigger with the names it goes by.
struct Named<'a> {
    namespace: &'a str,
    name: &'a str,
    spec: &'a TriggerSpec,
}

impl<'a> Run<'a> {
    /// A trigger that stands in the listener.
    fn written(&self, spec: &TriggerSpec) -> TriggerOutcome {
        let namespace = self.listener.namespace();
        let passage = Passage {
            event: Cow::Borrowed(self.event),
            extensions: Extensions::new(),
        };
        if spec.trigger_ref.is_empty() {
            let named = Named {
                namespace,
                name: &spec.name,
                spec,
            };
            return self.one(&named, passage);
        }
        let need = Need::Object {
            kind: "Trigger".to_owned(),
            namespace: namespace.to_owned(),
            name: spec.trigger_ref.clone(),
        };
        let decision = match self.lookups.look(&need) {
            Some(Found::Object(object)) => match Trigger::read(&object) {
                Ok(trigger) => return self.object(&trigger, passage),
                Err(error) => failed("triggerRef", error.to_string()),
            },
            None => Decision::Pending { need },
            Some(_) => failed("triggerRef", format!("there is no {}", need.describe())),
        };
        TriggerOutcome::new(namespace, &spec.trigger_ref, decision)
    }

    fn object(&self, trigger: &Trigger, passage: Passage<'_>) -> TriggerOutcome {
        let named = Named {
            namespace: trigger.namespace(),
            name: trigger.name(),
            spec: &trigger.spec,
        };
        self.one(&named, passage)
    }

    /// The triggers of a group: they share its interceptors, and where one stops.
    fn group(
        &self,
        index: usize,
        group: &TriggerGroup,
        triggers: &[Trigger],
        mut passage: Passage<'_>,
    ) -> Vec<TriggerOutcome> {
        let namespace = self.listener.namespace();
        let label = match group.name.as_str() {
            "" => format!("triggerGroups[{index}]"),
            name => name.to_owned(),
        };
        let members = in_group(&group.trigger_selector, namespace, triggers);
        if members.is_empty() {
            let decision = Decision::Filtered {
                by: label.clone(),
                why: "its selector finds no trigger".to_owned(),
            };
            return vec![TriggerOutcome::new(namespace, &label, decision)];
        }
        let stopped = pass(&group.interceptors, &mut passage, namespace, &label, self.lookups);
        members
            .into_iter()
            .map(|trigger| match &stopped {
                Ok(()) => self.object(trigger, passage.clone()),
                Err((by, stop)) => {
                    let by = format!("{label}/{by}");
                    TriggerOutcome::new(trigger.namespace(), trigger.name(), stop.clone().at(&by))
                }
            })
            .collect()
    }

    fn one(&self, trigger: &Named<'_>, mut passage: Passage<'_>) -> TriggerOutcome {
        let mut outcome = TriggerOutcome::new(trigger.namespace, trigger.name, Decision::Accepted { objects: vec![] });
        outcome.service_account = match trigger.spec.service_account_name.as_str() {
            "" => self.listener.spec.service_account_name.clone(),
            named => named.to_owned(),
        };
        let passed = pass(
            &trigger.spec.interceptors,
            &mut passage,
            trigger.namespace,
            trigger.name,
            self.lookups,
        );
        let made = match passed {
            Err((by, stop)) => Err(stop.at(&by)),
            Ok(()) => self.make(trigger, &passage),
        };
        match made {
            Ok((objects, warnings)) => {
                outcome.decision = Decision::Accepted { objects };
                outcome.warnings = warnings;
            }
            Err(decision) => outcome.decision = decision,
        }
        outcome
    }

    fn make(
        &self,
        trigger: &Named<'_>,
        passage: &Passage<'_>,
    ) -> Result<(Vec<serde_json::Value>, Vec<String>), Decision> {
        let template = template(trigger.spec.template.as_ref(), trigger.namespace, self.lookups)
            .map_err(|stop| stop.at("template"))?;
        let params = bind::params(&trigger.spec.bindings, trigger.namespace, self.lookups)
            .map_err(|stop| stop.at("bindings"))?;
        let document = Document::new(&passage.event, &passage.extensions);
        let values = bind::values(&params, &template.spec.params, &document).map_err(|stop| stop.at("bindings"))?;
        let firing = Firing {
            listener: self.listener.name(),
            trigger: trigger.name,
            namespace: trigger.namespace,
            event_id: &self.event.id,
            uid: &firing_uid(&self.event.id, trigger.namespace, trigger.name),
        };
        template.make(&values, &firing).map_err(|stop| stop.at("template"))
    }
}

impl Stop {
    /// The decision, with where it fell.
    fn at(self, place: &str) -> Decision {
        let place = place.to_owned();
        match self {
            Self::Filtered(why) => Decision::Filtered { by: place, why },
            Self::Refused(why) => Decision::Refused { by: place, why },
            Self::Failed(why) => Decision::Failed { at: place, why },
            Self::Pending(need) => Decision::Pending { need },
        }
    }
}

fn failed(at: &str, why: String) -> Decision {
    Decision::Failed { at: at.to_owned(), why }
}

/// Passes interceptors in order; says which one stopped.
fn pass(
    interceptors: &[InterceptorUse],
    passage: &mut Passage<'_>,
    namespace: &str,
    trigger: &str,
    lookups: &dyn Lookups,
) -> Result<(), (String, Stop)> {
    for interceptor in interceptors {
        passage
            .pass(interceptor, namespace, trigger, lookups)
            .map_err(|stop| (interceptor.label().to_owned(), stop))?;
    }
    Ok(())
}

fn template(used: Option<&TemplateUse>, namespace: &str, lookups: &dyn Lookups) -> Result<Used, Stop> {
    let Some(used) = used else {
        return Err(Stop::Failed("the trigger has none".to_owned()));
    };
    if let Some(spec) = &used.spec {
        return Ok(Used::new(spec.clone(), None));
    }
    let need = Need::Object {
        kind: "TriggerTemplate".to_owned(),
        namespace: namespace.to_owned(),
        name: used.named().unwrap_or_default().to_owned(),
    };
    match lookups.look(&need) {
        None => Err(Stop::Pending(need)),
        Some(Found::Object(object)) => Template::read(&object)
            .map(|template| {
                let annotation = template.annotation(Used::ANNOTATION).map(str::to_owned);
                Used::new(template.spec, annotation.as_deref())
            })
            .map_err(|error| Stop::Failed(error.to_string())),
        Some(Found::Failed(why)) => Err(Stop::Failed(format!("{} cannot be read: {why}", need.describe()))),
        Some(_) => Err(Stop::Failed(format!("there is no {}", need.describe()))),
    }
}

#[cfg(test)]
mod tests;
