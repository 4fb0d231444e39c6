//! Finding what a run refers to.

use futures::future::try_join_all;
use tidemill_engine::{
    Answer, Found, Reference, ReferenceKind, Resolution, ResolveRequest, RunObject, RunState, missing,
};
use tidemill_messages::fact::FactBody;
use tidemill_messages::{encode, subject};
use tidemill_objects::Key;
use tidemill_resources::object::StepAction;
use tidemill_resources::pipeline_run::PipelineRunSpecStatus;
use tidemill_resources::task_run::TaskRunSpecStatus;
use tidemill_resources::{Object, Pipeline, Task};
use uuid::Uuid;

use crate::Error;
use crate::planner::Planner;
use crate::retry::until_done;

/// How deep definitions may refer to definitions (a Pipeline names Tasks, those name StepActions).
/// What is left after that the engine asks for again.
const ROUNDS_MAX: u32 = 8;

impl Planner {
    /// Answers `request` and all questions the answers open, by one fact.
    pub(crate) async fn resolve(
        &self,
        run_uid: &str,
        state: RunState,
        request: ResolveRequest,
        traceparent: &str,
    ) -> Result<(), Error> {
        let Ok(_permit) = self.resolving.acquire().await else {
            return Err(Error::Stopping);
        };
        let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, &encode("resolved", &request)?);
        let mut resolution = Resolution::default();
        let mut open = request.references;
        for _ in 0..ROUNDS_MAX {
            let found = open
                .into_iter()
                .map(|reference| self.look_up(state.namespace(), reference));
            resolution.found.extend(try_join_all(found).await?);
            open = missing(&state, &resolution);
            if open.is_empty() {
                break;
            }
        }
        let subject = subject::run_fact(run_uid, &format!("resolved.{}", name.simple()));
        let resolution = serde_json::to_value(resolution).map_err(|source| tidemill_messages::Error::Malformed {
            subject: subject.clone(),
            expected: "resolution",
            source,
        })?;
        self.store_fact(subject, FactBody::Resolved { resolution }, traceparent)
            .await
    }

    async fn look_up(&self, namespace: &str, reference: Reference) -> Result<Found, Error> {
        let answer = if reference.resolver.is_empty() {
            self.find(namespace, &reference).await?
        } else {
            Answer::Failed {
                message: format!("resolver {:?} is not available in this Tidemill", reference.resolver),
            }
        };
        Ok(Found { reference, answer })
    }

    async fn find(&self, namespace: &str, reference: &Reference) -> Result<Answer, Error> {
        let key = Key {
            group: "tekton.dev".to_owned(),
            resource: resource(reference.kind).to_owned(),
            namespace: namespace.to_owned(),
            name: reference.name.clone(),
        };
        let found = until_done(&self.stopping, || async { Ok(self.objects.get(&key).await?) }).await;
        match found {
            Ok(Some(object)) => Ok(answer(reference.kind, object)),
            Ok(None) => Ok(Answer::NotFound {
                names: self.objects.names_of(&key.group, &key.resource, namespace),
            }),
            Err(Error::Objects(error)) => Ok(Answer::Failed {
                message: error.to_string(),
            }),
            Err(error) => Err(error),
        }
    }
}

/// What a run that has not started still waits for, if it is not held by its user.
pub(crate) fn unanswered(state: &RunState) -> Vec<Reference> {
    let held = match state.run() {
        Some(RunObject::PipelineRun(run)) => run.spec.status == Some(PipelineRunSpecStatus::Pending),
        Some(RunObject::TaskRun(run)) => run.spec.status == Some(TaskRunSpecStatus::Pending),
        None => true,
    };
    if held || state.is_started() || state.is_over() {
        return Vec::new();
    }
    missing(state, &Resolution::default())
}

fn resource(kind: ReferenceKind) -> &'static str {
    match kind {
        ReferenceKind::Pipeline => "pipelines",
        ReferenceKind::Task => "tasks",
        ReferenceKind::StepAction => "stepactions",
    }
}

fn answer(kind: ReferenceKind, object: Object) -> Answer {
    let (labels, annotations) = (
        object.metadata.labels.clone().unwrap_or_default(),
        object.metadata.annotations.clone().unwrap_or_default(),
    );
    let read = match kind {
        ReferenceKind::Pipeline => Pipeline::try_from(&object).map(|found| Answer::Pipeline {
            spec: Box::new(found.spec),
            labels,
            annotations,
            source: None,
        }),
        ReferenceKind::Task => Task::try_from(&object).map(|found| Answer::Task {
            spec: Box::new(found.spec),
            labels,
            annotations,
            source: None,
        }),
        ReferenceKind::StepAction => StepAction::try_from(&object).map(|found| Answer::StepAction {
            spec: Box::new(found.spec),
        }),
    };
    read.unwrap_or_else(|error| Answer::Failed {
        message: format!("{} {:?} cannot be read: {error}", kind.as_str(), object.name()),
    })
}
