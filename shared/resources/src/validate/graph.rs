//! The graph of a pipeline: who needs whom, and that nobody needs himself.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::path::At;
use crate::pipeline::{PipelineSpec, PipelineTask};
use crate::problem::{Problem, Problems};
use crate::reference::{find, texts};

/// Names of the tasks that come before this one: `runAfter`, and results read
/// in params, matrix, guards, an embedded task and parameters of a resolver.
#[must_use]
pub(super) fn parents(task: &PipelineTask) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = task.run_after.iter().cloned().collect();
    let mut collect = |text: &str| {
        for found in find(text) {
            if let Some((producer, _)) = found.reference.task_result() {
                names.insert(producer.to_owned());
            }
        }
    };
    each_text(&task.params, &mut collect);
    each_text(&task.matrix, &mut collect);
    each_text(&task.when, &mut collect);
    each_text(&task.task_spec, &mut collect);
    each_text(&task.task_ref.as_ref().map(|reference| &reference.params), &mut collect);
    names
}

fn each_text(part: &impl Serialize, collect: &mut dyn FnMut(&str)) {
    // These types are plain data: they always have a JSON form.
    texts(
        &serde_json::to_value(part).unwrap_or_default(),
        At::ROOT,
        &mut |_, text| collect(text),
    );
}

/// Reports one cycle, if there is one, at the first of its tasks.
pub(super) fn acyclic(spec: &PipelineSpec, at: At<'_>, problems: &mut Problems) {
    let names: Vec<&str> = spec.tasks.iter().map(|task| task.name.as_str()).collect();
    let index: BTreeMap<&str, usize> = names.iter().enumerate().map(|(index, name)| (*name, index)).collect();
    let edges: Vec<Vec<usize>> = spec
        .tasks
        .iter()
        .map(|task| {
            parents(task)
                .iter()
                .filter_map(|parent| index.get(parent.as_str()).copied())
                .collect()
        })
        .collect();
    if let Some(cycle) = cycle(&edges) {
        let first = cycle[0];
        let way: Vec<&str> = cycle.iter().chain([&first]).map(|task| names[*task]).collect();
        problems.add(
            Problem::error(
                at.index(first),
                format!("the tasks wait for each other: {}", way.join(" after ")),
            )
            .hint("remove a runAfter or a use of a result"),
        );
    }
}

/// The nodes of a cycle in order, beginning with the lowest; no recursion, as
/// a chain may be as long as a document allows.
fn cycle(edges: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut done = vec![false; edges.len()];
    for start in 0..edges.len() {
        let mut way = vec![(start, 0)];
        let mut on_way = vec![false; edges.len()];
        if done[start] {
            continue;
        }
        on_way[start] = true;
        while let Some((node, next)) = way.last_mut() {
            let node = *node;
            match edges[node].get(*next).copied() {
                Some(parent) if on_way[parent] => return Some(rotated(&way, parent)),
                Some(parent) => {
                    *next += 1;
                    if !done[parent] {
                        on_way[parent] = true;
                        way.push((parent, 0));
                    }
                }
                None => {
                    done[node] = true;
                    on_way[node] = false;
                    way.pop();
                }
            }
        }
    }
    None
}

fn rotated(way: &[(usize, usize)], entry: usize) -> Vec<usize> {
    let start = way.iter().position(|(node, _)| *node == entry).unwrap_or(0);
    let mut nodes: Vec<usize> = way[start..].iter().map(|(node, _)| *node).collect();
    let lowest = nodes
        .iter()
        .enumerate()
        .min_by_key(|(_, node)| **node)
        .map_or(0, |(position, _)| position);
    nodes.rotate_left(lowest);
    nodes
}

#[cfg(test)]
mod tests {
    use super::cycle;

    #[test]
    fn cycles_are_found_and_diamonds_are_none() {
        assert_eq!(cycle(&[vec![], vec![0], vec![0], vec![1, 2]]), None);
        assert_eq!(cycle(&[vec![0]]), Some(vec![0]));
        assert_eq!(cycle(&[vec![], vec![3, 0], vec![1], vec![2]]), Some(vec![1, 3, 2]));
    }

    #[test]
    fn a_long_chain_costs_neither_stack_nor_time() {
        let edges: Vec<Vec<usize>> = (0..20_000)
            .map(|node| if node == 0 { vec![] } else { vec![node - 1] })
            .collect();
        assert_eq!(cycle(&edges), None);
    }
}
