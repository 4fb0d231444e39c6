//! Fan-out.

use std::collections::BTreeSet;

use super::param;
use crate::param::ParamValue;
use crate::path::At;
use crate::pipeline::{Matrix, PipelineTask};
use crate::problem::{Problem, Problems};
use crate::reference::whole;

/// Combinations one task may fan out to.
pub const COMBINATIONS_MAX: usize = 256;

/// Checks the matrix of a pipeline task.
pub(super) fn matrix(task: &PipelineTask, at: At<'_>, problems: &mut Problems) {
    let Some(matrix) = &task.matrix else { return };
    let at = at.key("matrix");
    param::values(&matrix.params, at.key("params"), problems);
    if matrix.params.is_empty() && matrix.include.is_empty() {
        problems.add(Problem::error(at, "is empty").expected("params or include"));
    }
    lists(matrix, at.key("params"), problems);
    texts(matrix, at.key("include"), problems);
    given_twice(task, matrix, at, problems);
    if let Some(count) = combinations(matrix).filter(|count| *count > COMBINATIONS_MAX) {
        problems
            .add(Problem::error(at, format!("{count} combinations")).expected(format!("at most {COMBINATIONS_MAX}")));
    }
}

fn lists(matrix: &Matrix, at: At<'_>, problems: &mut Problems) {
    for (index, param) in matrix.params.iter().enumerate() {
        let is_list = match &param.value {
            ParamValue::Array(_) => true,
            ParamValue::String(text) => whole(text).is_some(),
            ParamValue::Object(_) => false,
        };
        if !is_list {
            problems.add(Problem::error(at.index(index).key("value"), "not a list").expected("a list of strings"));
        }
    }
}

fn texts(matrix: &Matrix, at: At<'_>, problems: &mut Problems) {
    for (index, include) in matrix.include.iter().enumerate() {
        let (at, params) = (at.index(index), "params");
        let at = at.key(params);
        param::values(&include.params, at, problems);
        for (index, param) in include.params.iter().enumerate() {
            if param.value.as_str().is_none() {
                problems.add(Problem::error(at.index(index).key("value"), "not a string").expected("a string"));
            }
        }
    }
}

fn given_twice(task: &PipelineTask, matrix: &Matrix, at: At<'_>, problems: &mut Problems) {
    let plain: BTreeSet<&str> = task.params.iter().map(|param| param.name.as_str()).collect();
    let fanned = matrix
        .params
        .iter()
        .chain(matrix.include.iter().flat_map(|include| &include.params));
    let twice: BTreeSet<&str> = fanned
        .map(|param| param.name.as_str())
        .filter(|name| plain.contains(name))
        .collect();
    for name in twice {
        problems
            .add(Problem::error(at, format!("parameter {name:?} stands in params too")).expected("one or the other"));
    }
}

/// How many combinations the literal lists give; absent while one is not known.
fn combinations(matrix: &Matrix) -> Option<usize> {
    let mut count: usize = if matrix.params.is_empty() { 0 } else { 1 };
    for param in &matrix.params {
        let ParamValue::Array(items) = &param.value else {
            return None;
        };
        count = count.saturating_mul(items.len());
    }
    Some(count.max(if matrix.params.is_empty() {
        matrix.include.len()
    } else {
        0
    }))
}
