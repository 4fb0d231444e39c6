//! Steps that take their program from a StepAction.

use tidemill_resources::TaskSpec;
use tidemill_resources::step::{Step, StepActionSpec};

use super::inputs::{Stacked, of_step};
use super::{Subject, invalid};
use crate::params;
use crate::plan::source::not_had;
use crate::plan::step_reference;
use crate::refusal::Refusal;
use crate::resolution::Answer;
use crate::substitution::{self, Lookup, OutOfRange, Picked, Scope, pick, walk};

/// Puts StepActions in the place of references; says which steps are thereby done.
pub(super) fn expand(subject: &Subject<'_>, spec: &mut TaskSpec, scope: &Scope<'_>) -> Result<Vec<bool>, Refusal> {
    let mut done = Vec::with_capacity(spec.steps.len());
    for (index, step) in spec.steps.iter_mut().enumerate() {
        let Some(reference) = step_reference(step) else {
            done.push(false);
            continue;
        };
        let answer = subject.state.resolution.answer(&reference);
        let Some(Answer::StepAction { spec: action }) = answer else {
            return Err(not_had(
                "TaskRunResolutionFailed",
                &reference,
                answer,
                Some(subject.run.namespace()),
            ));
        };
        *step = played(index, step, action, scope)?;
        done.push(true);
    }
    Ok(done)
}

/// The step with the action's program. The step's own fields see the task's variables, the action's
/// only its own parameters and what is no parameter.
fn played(index: usize, step: &Step, action: &StepActionSpec, scope: &Scope<'_>) -> Result<Step, Refusal> {
    let mut own = step.clone();
    let variables = of_step(index, step);
    walk::step(
        &mut own,
        &mut walk::replacing(&Stacked {
            own: variables,
            task: scope,
        }),
    )
    .map_err(invalid)?;
    let values = params::effective(&action.params, params::given(&own.params)).map_err(|refusal| {
        Refusal::new(
            "TaskRunValidationFailed",
            format!("step {:?}: {}", step.name, refusal.message),
        )
    })?;
    let mut program = Step {
        name: own.name.clone(),
        image: action.image.clone(),
        command: action.command.clone(),
        args: action.args.clone(),
        env: action.env.clone(),
        script: action.script.clone(),
        working_dir: action.working_dir.clone(),
        volume_mounts: action.volume_mounts.clone(),
        results: action.results.clone(),
        workspaces: own.workspaces.clone(),
        ..Step::default()
    };
    let variables = of_step(index, &program);
    let inner = Inner {
        values: &values,
        task: scope,
    };
    walk::step(
        &mut program,
        &mut walk::replacing(&Stacked {
            own: variables,
            task: &inner,
        }),
    )
    .map_err(invalid)?;
    own.reference = None;
    own.params = Vec::new();
    if !program.working_dir.is_empty() {
        own.working_dir = program.working_dir;
    }
    own.security_context = own.security_context.or_else(|| action.security_context.clone());
    own.volume_mounts.extend(program.volume_mounts);
    Ok(Step {
        image: program.image,
        command: program.command,
        args: program.args,
        env: program.env,
        script: program.script,
        results: program.results,
        ..own
    })
}

/// The action's parameters; of the task everything but parameters.
struct Inner<'a> {
    values: &'a params::Values,
    task: &'a Scope<'a>,
}

impl Lookup for Inner<'_> {
    fn find(&self, name: &str) -> Result<Option<Picked<'_>>, OutOfRange> {
        match substitution::param_rest(name) {
            Some(rest) => pick(name, rest, |name| self.values.get(name)),
            None => self.task.find(name),
        }
    }
}
