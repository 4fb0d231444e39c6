//! Guards.

use super::scope::{Place, Scope};
use super::variable;
use crate::path::At;
use crate::pipeline::WhenExpression;
use crate::problem::{Problem, Problems};

/// Checks the guards of a step or pipeline task.
pub(super) fn guards(when: &[WhenExpression], scope: &Scope<'_>, at: At<'_>, problems: &mut Problems) {
    for (index, guard) in when.iter().enumerate() {
        let at = at.index(index);
        shape(guard, at, problems);
        scope.check(&guard.input, Place::Element, at.key("input"), problems);
        variable::known_root(&guard.input, at.key("input"), problems);
        let values = at.key("values");
        for (index, value) in guard.values.iter().enumerate() {
            scope.check(value, Place::Element, values.index(index), problems);
            variable::known_root(value, values.index(index), problems);
        }
    }
}

fn shape(guard: &WhenExpression, at: At<'_>, problems: &mut Problems) {
    let compares = !guard.input.is_empty() || guard.operator.is_some() || !guard.values.is_empty();
    if !guard.cel.is_empty() {
        if compares {
            problems.add(
                Problem::error(at.key("cel"), "stands beside input, operator or values").expected("one or the other"),
            );
        }
        return;
    }
    if guard.operator.is_none() {
        let missing = Problem::error(at.key("operator"), "is missing");
        problems.add(missing.expected("in or notin").hint("or use `cel:`"));
    }
    if guard.values.is_empty() {
        problems.add(Problem::error(at.key("values"), "is missing").expected("at least one value"));
    }
}
