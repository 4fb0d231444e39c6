//! Names of children, and finding them again.

use jiff::Timestamp;
use tidemill_messages::RunKind;

use super::{NodePhase, RunState};
use crate::names;

impl RunState {
    /// Name of the TaskRun of a node's child; for a run of kind TaskRun its own.
    pub(crate) fn child_name(&self, node: u32, index: usize) -> String {
        let Some(plan) = self.plan() else { return String::new() };
        if plan.kind == RunKind::TaskRun {
            return self.name().to_owned();
        }
        let count = self.children_of(node).len();
        names::task_run_name(self.name(), plan.task_name(node), index, count)
    }

    /// UID of the TaskRun of that name.
    pub(crate) fn child_uid(&self, name: &str) -> String {
        match self.kind() {
            Some(RunKind::TaskRun) => self.uid.clone(),
            _ => names::child_uid(&self.uid, name),
        }
    }

    /// Position of a node's first child.
    pub(crate) fn first_child(&self, node: u32) -> Option<u32> {
        match self.nodes[node as usize] {
            NodePhase::Active { first, .. } | NodePhase::Done { first, .. } => Some(first),
            _ => None,
        }
    }

    /// Key of the task whose TaskRun has this name.
    pub(crate) fn task_of_child(&self, name: &str) -> Option<String> {
        let nodes = 0..self.nodes.len() as u32;
        nodes.into_iter().find_map(|node| {
            let children = self.children_of(node);
            let index = (0..children.len()).find(|index| self.child_name(node, *index) == name)?;
            Some(children[index].key.clone())
        })
    }

    /// Keys of running attempts whose time is over.
    pub(crate) fn attempts_due(&self, now: Timestamp) -> Vec<String> {
        let passed = self.live.deadlines.iter().take_while(|(at, _)| *at <= now);
        passed
            .map(|(_, position)| self.children[*position as usize].key.clone())
            .collect()
    }
}
