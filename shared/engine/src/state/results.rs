//! What tasks left behind, as variables: results, how many combinations, how they ended.

use std::borrow::Cow;

use tidemill_resources::ParamValue;

use super::{NodePhase, RunState};
use crate::child::Child;
use crate::decision::Verdict;
use crate::plan::graph;
use crate::plan::release::status_of;
use crate::substitution::{Lookup, OutOfRange, Picked, pick};

/// Results of tasks as variables `tasks.<task>.…`.
pub(crate) struct Results<'a>(pub(crate) &'a RunState);

/// Results and ends of tasks, for `finally`.
pub(crate) struct Ends<'a>(pub(crate) &'a RunState);

impl Lookup for Results<'_> {
    fn find(&self, name: &str) -> Result<Option<Picked<'_>>, OutOfRange> {
        let Some((task, rest)) = graph::read(name) else {
            return Ok(None);
        };
        let Some(node) = self.0.plan().and_then(|plan| plan.index.get(task)) else {
            return Ok(None);
        };
        let children = self.0.children_of(*node);
        if name[task.len() + "tasks.".len()..].starts_with(".matrix") {
            return Ok(self
                .0
                .length(*node, rest)
                .map(|length| Picked::Text(length.to_string().into())));
        }
        if self.0.is_matrix(*node) {
            return self.0.gathered(*node, name, rest);
        }
        let results = children
            .first()
            .and_then(Child::outcome)
            .map(|outcome| &outcome.results);
        let found = pick(name, rest, |wanted| {
            results?
                .iter()
                .find(|result| result.name == wanted)
                .map(|result| &result.value)
        })?;
        // What a failed deployment did not get to write itself.
        Ok(match found {
            None if status_of(name).is_some() => self.0.release_status(*node).map(|text| Picked::Text(text.into())),
            found => found,
        })
    }
}

impl Lookup for Ends<'_> {
    fn find(&self, name: &str) -> Result<Option<Picked<'_>>, OutOfRange> {
        let Some(rest) = name.strip_prefix("tasks.") else {
            return Ok(None);
        };
        let text = |text: &'static str| Ok(Some(Picked::Text(Cow::Borrowed(text))));
        if rest == "status" {
            return text(self.0.aggregate());
        }
        let Some((task, what)) = rest.split_once('.') else {
            return Ok(None);
        };
        let node = self.0.plan().and_then(|plan| plan.index.get(task)).copied();
        match (node, what) {
            (Some(node), "status") => text(self.0.task_status(node)),
            (Some(node), "reason") => Ok(Some(Picked::Text(self.0.task_reason(node).into()))),
            _ => Ok(None),
        }
    }
}

impl RunState {
    /// The children of a node, in order.
    pub(crate) fn children_of(&self, node: u32) -> &[Child] {
        match self.nodes[node as usize] {
            NodePhase::Active { first, count, .. } | NodePhase::Done { first, count } => {
                &self.children[first as usize..(first + count) as usize]
            }
            _ => &[],
        }
    }

    fn is_matrix(&self, node: u32) -> bool {
        self.plan().is_some_and(|plan| plan.task(node).matrix.is_some())
    }

    /// `matrix.length` and `matrix.<result>.length`.
    fn length(&self, node: u32, rest: &str) -> Option<usize> {
        let children = self.children_of(node);
        match rest.strip_prefix('.')? {
            "length" if !children.is_empty() => Some(children.len()),
            other => {
                let result = other.strip_suffix(".length")?;
                let has = |child: &&Child| {
                    child
                        .outcome()
                        .is_some_and(|outcome| outcome.results.iter().any(|one| one.name == result))
                };
                Some(children.iter().filter(has).count()).filter(|length| *length > 0)
            }
        }
    }

    /// One result of all combinations, in the order of their TaskRuns' names.
    fn gathered(&self, node: u32, name: &str, rest: &str) -> Result<Option<Picked<'_>>, OutOfRange> {
        let children = self.children_of(node);
        let mut named: Vec<(String, &Child)> = (0..children.len())
            .map(|index| (self.child_name(node, index), &children[index]))
            .collect();
        named.sort_by(|left, right| left.0.cmp(&right.0));
        let of = |wanted: &str| -> Option<ParamValue> {
            let results = named.iter().filter_map(|(_, child)| child.outcome());
            let values: Vec<String> = results
                .filter_map(|outcome| outcome.results.iter().find(|result| result.name == wanted))
                .map(|result| result.value.to_text())
                .collect();
            Some(ParamValue::Array(values))
                .filter(|_| !children.is_empty() && named.iter().all(|(_, child)| child.is_over()))
        };
        let Some(result) = rest.strip_suffix("[*]").and_then(|rest| rest.strip_prefix('.')) else {
            return Ok(None);
        };
        let Some(value) = of(result) else { return Ok(None) };
        let found = pick(name, rest, |_| Some(&value))?;
        Ok(match found {
            Some(Picked::List(items)) if !items.is_empty() => Some(Picked::List(Cow::Owned(items.into_owned()))),
            _ => None,
        })
    }

    /// `Succeeded`, `Failed`, `Completed` or `None` of all tasks together.
    fn aggregate(&self) -> &'static str {
        let counts = &self.live.graph_counts;
        if self.live.graph_left > 0 {
            "None"
        } else if counts.failed + counts.ignored + counts.cancelled + counts.invalid > 0 {
            "Failed"
        } else if counts.skipped > 0 {
            "Completed"
        } else {
            "Succeeded"
        }
    }

    fn task_status(&self, node: u32) -> &'static str {
        match self.verdict(node) {
            Some(Verdict::Succeeded) => "Succeeded",
            Some(Verdict::Failed | Verdict::Cancelled) => "Failed",
            _ => "None",
        }
    }

    /// Reason of the first TaskRun that did not succeed, else of the first.
    fn task_reason(&self, node: u32) -> String {
        let children = self.children_of(node);
        let failed = children
            .iter()
            .position(|child| child.verdict() != Some(Verdict::Succeeded));
        let Some(child) = children.get(failed.unwrap_or(0)).filter(|child| child.exists()) else {
            return String::new();
        };
        self.child_condition(child).reason
    }
}
