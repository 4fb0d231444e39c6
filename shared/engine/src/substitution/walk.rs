//! The fields in which variables are replaced; all others keep their text.

mod container;
pub(crate) mod volume;

use std::convert::Infallible;

use tidemill_resources::step::{Sidecar, Step, StepTemplate};
use tidemill_resources::{Matrix, Param, ParamValue, PipelineSpec, PipelineTask, TaskSpec, WhenExpression};

use super::{Lookup, OutOfRange, Picked};

/// One place that accepts variables.
pub(crate) enum Slot<'a> {
    /// A text.
    Text(&'a mut String),
    /// A list whose elements may become several.
    List(&'a mut Vec<String>),
    /// A value whose type may change.
    Value(&'a mut ParamValue),
    /// Text in which a list is written as JSON.
    Input(&'a mut String),
}

/// Takes each place, or the first error.
pub(crate) type Visit<'v, E> = dyn FnMut(Slot<'_>) -> Result<(), E> + 'v;

/// All places of a task, but not of its step template.
pub(crate) fn task<E>(spec: &mut TaskSpec, visit: &mut Visit<'_, E>) -> Result<(), E> {
    spec.steps.iter_mut().try_for_each(|one| step(one, visit))?;
    spec.sidecars.iter_mut().try_for_each(|one| sidecar(one, visit))?;
    spec.volumes.iter_mut().try_for_each(|one| volume::volume(one, visit))?;
    for workspace in &mut spec.workspaces {
        visit(Slot::Text(&mut workspace.mount_path))?;
    }
    Ok(())
}

/// All places of a step.
pub(crate) fn step<E>(step: &mut Step, visit: &mut Visit<'_, E>) -> Result<(), E> {
    for text in [
        &mut step.name,
        &mut step.image,
        &mut step.image_pull_policy,
        &mut step.script,
        &mut step.working_dir,
    ] {
        visit(Slot::Text(text))?;
    }
    visit(Slot::List(&mut step.command))?;
    visit(Slot::List(&mut step.args))?;
    container::environment(&mut step.env, &mut step.env_from, visit)?;
    container::mounts(&mut step.volume_mounts, visit)?;
    for usage in &mut step.workspaces {
        visit(Slot::Text(&mut usage.mount_path))?;
    }
    for config in [&mut step.stdout_config, &mut step.stderr_config].into_iter().flatten() {
        visit(Slot::Text(&mut config.path))?;
    }
    if let Some(on_error) = &mut step.on_error {
        let mut text = on_error.as_str().to_owned();
        visit(Slot::Text(&mut text))?;
        *on_error = text.as_str().into();
    }
    params(&mut step.params, visit)?;
    if let Some(reference) = &mut step.reference {
        params(&mut reference.params, visit)?;
    }
    when(&mut step.when, visit)
}

/// All places of a sidecar.
pub(crate) fn sidecar<E>(sidecar: &mut Sidecar, visit: &mut Visit<'_, E>) -> Result<(), E> {
    for text in [
        &mut sidecar.name,
        &mut sidecar.image,
        &mut sidecar.image_pull_policy,
        &mut sidecar.script,
        &mut sidecar.working_dir,
    ] {
        visit(Slot::Text(text))?;
    }
    visit(Slot::List(&mut sidecar.command))?;
    visit(Slot::List(&mut sidecar.args))?;
    container::environment(&mut sidecar.env, &mut sidecar.env_from, visit)?;
    container::mounts(&mut sidecar.volume_mounts, visit)?;
    for usage in &mut sidecar.workspaces {
        visit(Slot::Text(&mut usage.mount_path))?;
    }
    Ok(())
}

/// All places of a step template.
pub(crate) fn template<E>(template: &mut StepTemplate, visit: &mut Visit<'_, E>) -> Result<(), E> {
    for text in [
        &mut template.image,
        &mut template.image_pull_policy,
        &mut template.working_dir,
    ] {
        visit(Slot::Text(text))?;
    }
    visit(Slot::List(&mut template.command))?;
    visit(Slot::List(&mut template.args))?;
    container::environment(&mut template.env, &mut template.env_from, visit)?;
    container::mounts(&mut template.volume_mounts, visit)
}

/// Values of parameters.
pub(crate) fn params<E>(params: &mut [Param], visit: &mut Visit<'_, E>) -> Result<(), E> {
    params
        .iter_mut()
        .try_for_each(|param| visit(Slot::Value(&mut param.value)))
}

/// Guards.
pub(crate) fn when<E>(guards: &mut [WhenExpression], visit: &mut Visit<'_, E>) -> Result<(), E> {
    for guard in guards {
        visit(Slot::Input(&mut guard.input))?;
        visit(Slot::List(&mut guard.values))?;
        visit(Slot::Text(&mut guard.cel))?;
    }
    Ok(())
}

/// A matrix.
pub(crate) fn matrix<E>(matrix: &mut Matrix, visit: &mut Visit<'_, E>) -> Result<(), E> {
    params(&mut matrix.params, visit)?;
    matrix
        .include
        .iter_mut()
        .try_for_each(|include| params(&mut include.params, visit))
}

/// The places of a pipeline task whose results make it wait, all but the embedded task.
pub(crate) fn inputs<E>(task: &mut PipelineTask, visit: &mut Visit<'_, E>) -> Result<(), E> {
    params(&mut task.params, visit)?;
    if let Some(fan) = &mut task.matrix {
        matrix(fan, visit)?;
    }
    when(&mut task.when, visit)?;
    if let Some(reference) = &mut task.task_ref {
        params(&mut reference.params, visit)?;
    }
    Ok(())
}

/// The other places of a pipeline task.
pub(crate) fn outputs<E>(task: &mut PipelineTask, visit: &mut Visit<'_, E>) -> Result<(), E> {
    visit(Slot::Text(&mut task.display_name))?;
    for workspace in &mut task.workspaces {
        visit(Slot::Text(&mut workspace.sub_path))?;
    }
    if let Some(reference) = &mut task.task_ref {
        visit(Slot::Text(&mut reference.name))?;
    }
    if let Some(on_error) = &mut task.on_error {
        let mut text = on_error.as_str().to_owned();
        visit(Slot::Text(&mut text))?;
        *on_error = text.as_str().into();
    }
    Ok(())
}

/// All places of a pipeline except those of embedded tasks.
pub(crate) fn pipeline<E>(spec: &mut PipelineSpec, visit: &mut Visit<'_, E>) -> Result<(), E> {
    for task in spec.tasks.iter_mut().chain(&mut spec.finally) {
        inputs(task, visit)?;
        outputs(task, visit)?;
    }
    spec.results
        .iter_mut()
        .try_for_each(|result| visit(Slot::Value(&mut result.value)))
}

/// The visit that replaces variables.
pub(crate) fn replacing<'l>(lookup: &'l dyn Lookup) -> impl FnMut(Slot<'_>) -> Result<(), OutOfRange> + 'l {
    move |slot| match slot {
        Slot::Text(content) => super::text(content, lookup),
        Slot::List(items) => super::list(items, lookup),
        Slot::Value(content) => super::value(content, lookup),
        Slot::Input(content) => input(content, lookup),
    }
}

/// A guard's input that is nothing but a list's variable becomes the list's JSON.
fn input(content: &mut String, lookup: &dyn Lookup) -> Result<(), OutOfRange> {
    if let Some(name) = super::whole(content) {
        match lookup.find(name)? {
            Some(Picked::List(items)) => *content = ParamValue::Array(items.into_owned()).to_text(),
            Some(Picked::Map(entries)) => *content = ParamValue::Object(entries.into_owned()).to_text(),
            Some(Picked::Text(text)) => *content = text.into_owned(),
            None => {}
        }
        return Ok(());
    }
    super::text(content, lookup)
}

/// The visit that gathers the names of variables.
pub(crate) fn gathering(names: &mut Vec<String>) -> impl FnMut(Slot<'_>) -> Result<(), Infallible> {
    let mut add = |text: &str| names.extend(super::names(text).map(str::to_owned));
    move |slot| {
        match slot {
            Slot::Text(content) | Slot::Input(content) => add(content),
            Slot::List(items) => items.iter().for_each(|item| add(item)),
            Slot::Value(ParamValue::String(content)) => add(content),
            Slot::Value(ParamValue::Array(items)) => items.iter().for_each(|item| add(item)),
            Slot::Value(ParamValue::Object(entries)) => entries.values().for_each(|entry| add(entry)),
        }
        Ok(())
    }
}
