//! Requests and limits: what the run says about steps, sidecars and the task as a whole.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use tidemill_resources::step::{Sidecar, Step};
use tidemill_resources::task_run::{SidecarSpecOverride, StepSpecOverride};

use crate::{Error, quantity};

type Quantities = BTreeMap<String, Quantity>;

/// Resources of each step, in order. The task-level value excludes all others: requests are spread
/// evenly (steps' containers run at once, so Kubernetes adds them up), limits hold for each.
pub(crate) fn of_steps(
    steps: &[Step],
    overrides: &[StepSpecOverride],
    task_level: Option<&ResourceRequirements>,
) -> Result<Vec<Option<ResourceRequirements>>, Error> {
    if let Some(whole) = task_level.filter(|whole| whole.requests.is_some() || whole.limits.is_some()) {
        let share = spread(whole, steps.len())?;
        return Ok(vec![Some(share); steps.len()]);
    }
    let of = |step: &Step| {
        let found = overrides
            .iter()
            .find(|entry| !step.name.is_empty() && entry.name == step.name);
        merge(
            step.compute_resources.as_ref(),
            found.map(|entry| &entry.compute_resources),
        )
    };
    Ok(steps.iter().map(of).collect())
}

/// Resources of one sidecar.
pub(crate) fn of_sidecar(sidecar: &Sidecar, overrides: &[SidecarSpecOverride]) -> Option<ResourceRequirements> {
    let found = overrides.iter().find(|entry| entry.name == sidecar.name);
    merge(
        sidecar.compute_resources.as_ref(),
        found.map(|entry| &entry.compute_resources),
    )
}

fn spread(whole: &ResourceRequirements, steps: usize) -> Result<ResourceRequirements, Error> {
    // Without requests Kubernetes would request the limits once per step; their shares are enough.
    let basis = whole.requests.as_ref().or(whole.limits.as_ref());
    let requests = basis
        .into_iter()
        .flatten()
        .map(|(name, value)| Ok((name.clone(), quantity::divide(value, steps)?)))
        .collect::<Result<Quantities, Error>>()?;
    Ok(ResourceRequirements {
        claims: None,
        limits: whole.limits.clone(),
        requests: Some(requests),
    })
}

/// `over` wins key by key.
fn merge(base: Option<&ResourceRequirements>, over: Option<&ResourceRequirements>) -> Option<ResourceRequirements> {
    let (Some(base), Some(over)) = (base, over) else {
        return over.or(base).cloned();
    };
    Some(ResourceRequirements {
        claims: over.claims.clone().or_else(|| base.claims.clone()),
        limits: merge_quantities(base.limits.as_ref(), over.limits.as_ref()),
        requests: merge_quantities(base.requests.as_ref(), over.requests.as_ref()),
    })
}

fn merge_quantities(base: Option<&Quantities>, over: Option<&Quantities>) -> Option<Quantities> {
    if base.is_none() && over.is_none() {
        return None;
    }
    let mut merged = base.cloned().unwrap_or_default();
    merged.extend(over.cloned().unwrap_or_default());
    Some(merged)
}
