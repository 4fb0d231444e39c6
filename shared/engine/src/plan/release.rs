//! Tasks that deploy a release, and tasks whose guards ask what became of it.

use std::collections::BTreeMap;

use tidemill_messages::release::RESULT_STATUS;

use super::{Definition, Plan};
use crate::resolution::{Answer, Resolution};
use crate::substitution::walk;

/// Tekton's catalog: what a Task is for, and words to find it by; both lists.
const CATEGORIES: &str = "tekton.dev/categories";
const TAGS: &str = "tekton.dev/tags";
const CATEGORY: &str = "Deployment";
const TAG: &str = "helm";

impl Plan {
    /// Marks the tasks that deploy, and those that wait to hear how that went.
    pub(super) fn mark_releases(&mut self, resolution: &Resolution) {
        for node in 0..self.nodes.len() as u32 {
            // Of a matrix there are several releases, and no guard can tell which is meant.
            let deploys = self.task(node).matrix.is_none() && self.is_deploy(node, resolution);
            self.nodes[node as usize].deploys = deploys;
        }
        if self.nodes.iter().any(|node| node.deploys) {
            for node in 0..self.graph_length() as u32 {
                self.nodes[node as usize].awaits = self.asked_by(node);
            }
            self.keep_first_in_line();
        }
    }

    fn is_deploy(&self, node: u32, resolution: &Resolution) -> bool {
        let declares = self
            .results_of(node, resolution)
            .iter()
            .any(|result| result.name == RESULT_STATUS);
        declares
            || match self.nodes[node as usize].definition {
                Definition::Embedded => {
                    let embedded = self.task(node).task_spec.as_ref();
                    embedded.is_some_and(|task| is_tagged(&task.metadata.annotations))
                }
                Definition::Found(answer) => match resolution.found.get(answer).map(|found| &found.answer) {
                    Some(Answer::Task { annotations, .. }) => is_tagged(annotations),
                    _ => false,
                },
            }
    }

    /// The deploy tasks whose status the guards of a task read.
    fn asked_by(&self, node: u32) -> Vec<u32> {
        let mut names = Vec::new();
        let Ok(()) = walk::when(&mut self.task(node).when.clone(), &mut walk::gathering(&mut names));
        let mut asked: Vec<u32> = names
            .iter()
            .filter_map(|name| status_of(name))
            .filter_map(|task| self.index.get(task).copied())
            .filter(|producer| self.nodes[*producer as usize].deploys)
            .collect();
        asked.sort_unstable();
        asked.dedup();
        asked
    }

    /// Nothing that depends on a task decided while the run stops starts: of tasks that ask about
    /// the same release only the first in line are.
    fn keep_first_in_line(&mut self) {
        let asking: Vec<Vec<u32>> = self.nodes.iter().map(|node| node.awaits.clone()).collect();
        for node in 0..self.graph_length() as u32 {
            if asking[node as usize].is_empty() {
                continue;
            }
            let before = self.ancestors(node);
            let first = |release: &u32| !before.iter().any(|one| asking[*one as usize].contains(release));
            self.nodes[node as usize].awaits.retain(first);
        }
    }

    fn ancestors(&self, node: u32) -> Vec<u32> {
        let mut found: Vec<u32> = Vec::new();
        let mut open = self.nodes[node as usize].parents.clone();
        while let Some(one) = open.pop() {
            if !found.contains(&one) {
                found.push(one);
                open.extend(&self.nodes[one as usize].parents);
            }
        }
        found
    }

    /// The tasks that are decided when the status of this release is known.
    pub(crate) fn asking(&self, release: u32) -> impl Iterator<Item = u32> {
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(move |(_, node)| node.awaits.contains(&release))
            .map(|(position, _)| position as u32)
    }
}

/// The task whose status a variable is: `tasks.<task>.results.helm-status`, or with brackets.
pub(crate) fn status_of(variable: &str) -> Option<&str> {
    let (task, rest) = super::graph::read(variable)?;
    let name = rest.strip_prefix('.').or_else(|| {
        let quoted = rest.strip_prefix('[')?.strip_suffix(']')?;
        let unquoted = |quote| quoted.strip_prefix(quote)?.strip_suffix(quote);
        unquoted('\'').or_else(|| unquoted('"'))
    })?;
    (name == RESULT_STATUS).then_some(task)
}

fn is_tagged(annotations: &BTreeMap<String, String>) -> bool {
    let has = |key: &str, word: &str| {
        let list = annotations.get(key).map(String::as_str).unwrap_or_default();
        list.split(',').any(|one| one.trim().eq_ignore_ascii_case(word))
    };
    has(TAGS, TAG) && has(CATEGORIES, CATEGORY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_recognised_however_it_is_written() {
        for name in [
            "tasks.5-deploy.results.helm-status",
            "tasks.5-deploy.results['helm-status']",
            "tasks.5-deploy.results[\"helm-status\"]",
        ] {
            assert_eq!(status_of(name), Some("5-deploy"), "{name}");
        }
        for name in ["tasks.5-deploy.results.helm", "tasks.a.status", "params.helm-status"] {
            assert_eq!(status_of(name), None, "{name}");
        }
    }
}
