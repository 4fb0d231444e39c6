//! A matrix fanned out.

use std::collections::BTreeMap;

use tidemill_resources::{Matrix, Param, ParamValue};

use crate::guard;
use crate::plan::Plan;
use crate::refusal::Refusal;
use crate::state::{Ends, Results, RunState};
use crate::substitution::walk;

type Combination = BTreeMap<String, String>;

/// What each combination of a task's matrix adds to its parameters, sorted by name; empty if one of
/// its lists is.
///
/// # Errors
/// A parameter that is no list, more combinations than allowed.
pub(crate) fn combinations(state: &RunState, plan: &Plan, node: u32) -> Result<Vec<Vec<Param>>, Refusal> {
    let Some(mut matrix) = plan.task(node).matrix.clone() else {
        return Ok(Vec::new());
    };
    let (results, ends) = (Results(state), Ends(state));
    let scope = guard::task_scope(plan, node, &results, &ends);
    walk::matrix(&mut matrix, &mut walk::replacing(&scope))?;
    let limit = state.limits.matrix_combinations_max as usize;
    let combinations = fan_out(&matrix, limit).map_err(|refusal| {
        Refusal::new(
            refusal.reason,
            format!("task {:?}: {}", plan.task_name(node), refusal.message),
        )
    })?;
    Ok(combinations.into_iter().map(params).collect())
}

fn params(combination: Combination) -> Vec<Param> {
    let param = |(name, value)| Param {
        name,
        value: ParamValue::String(value),
    };
    combination.into_iter().map(param).collect()
}

/// The product, the first parameter varying fastest; each include changes the combinations it agrees
/// with, or is one more.
fn fan_out(matrix: &Matrix, limit: usize) -> Result<Vec<Combination>, Refusal> {
    let mut product = product(&matrix.params, limit)?;
    let plain = product.len();
    if plain == 0 && !matrix.params.is_empty() {
        return Ok(Vec::new());
    }
    for include in &matrix.include {
        let include: Combination = include
            .params
            .iter()
            .map(|param| (param.name.clone(), param.value.to_text()))
            .collect();
        let mut matched = false;
        for combination in &mut product[..plain] {
            let agrees = include
                .iter()
                .all(|(name, value)| combination.get(name).is_none_or(|known| known == value));
            if agrees {
                combination.extend(include.clone());
                matched = true;
            }
        }
        if !matched && !include.is_empty() {
            product.push(include);
        }
    }
    within(product.len(), limit)?;
    Ok(product)
}

fn product(params: &[Param], limit: usize) -> Result<Vec<Combination>, Refusal> {
    let mut product: Vec<Combination> = Vec::new();
    for (position, param) in params.iter().enumerate() {
        let ParamValue::Array(items) = &param.value else {
            let message = format!(
                "matrix param {:?} must be a list, but is of type {}",
                param.name,
                param.value.kind()
            );
            return Err(Refusal::new("InvalidMatrixParameterTypes", message));
        };
        if position == 0 {
            product.push(Combination::new());
        }
        within(product.len().saturating_mul(items.len()), limit)?;
        let mut next = Vec::with_capacity(product.len() * items.len());
        for item in items {
            for combination in &product {
                let mut combination = combination.clone();
                combination.insert(param.name.clone(), item.clone());
                next.push(combination);
            }
        }
        product = next;
    }
    Ok(product)
}

fn within(count: usize, limit: usize) -> Result<(), Refusal> {
    if count <= limit {
        return Ok(());
    }
    let message = format!("the matrix has {count} combinations, the limit (matrix-combinations-max) is {limit}");
    Err(Refusal::new("PipelineValidationFailed", message))
}

#[cfg(test)]
mod tests;
