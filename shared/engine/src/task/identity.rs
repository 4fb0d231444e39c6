//! Who a TaskRun is: name, UID, labels, annotations, account and pod.

use std::collections::BTreeMap;

use tidemill_messages::{RunKind, RunReference, TaskRunIdentity};
use tidemill_resources::OnError;
use tidemill_resources::names as known;

use super::Subject;
use super::pod_settings::task_run_spec;
use crate::plan::Definition;
use crate::resolution::Answer;
use crate::state::RunState;

type Texts = BTreeMap<String, String>;

/// Annotations and labels that belong to one object only.
const NOT_PASSED_ON: [&str; 2] = ["kubectl.kubernetes.io/last-applied-configuration", "chains.tekton.dev/"];

impl Subject<'_> {
    /// Name of the TaskRun.
    pub(crate) fn name(&self) -> String {
        match self.state.child(self.key) {
            Some((position, child)) => {
                let first = self.state.first_child(self.node).unwrap_or(position);
                self.state.child_name(child.node, (position - first) as usize)
            }
            None => self.state.child_name(self.node, 0),
        }
    }

    /// UID of the TaskRun of that name.
    pub(crate) fn uid(&self, name: &str) -> String {
        self.state.child_uid(name)
    }

    /// Name of the Task; `None` for one that is written in place or comes from a resolver.
    pub(crate) fn task_name(&self) -> Option<String> {
        match self.plan.nodes[self.node as usize].definition {
            Definition::Embedded => None,
            Definition::Found(answer) => {
                let name = &self.state.resolution.found.get(answer)?.reference.name;
                Some(name.clone()).filter(|name| !name.is_empty())
            }
        }
    }

    /// Labels and annotations of the Task.
    fn definition_texts(&self) -> (Texts, Texts) {
        let Definition::Found(answer) = self.plan.nodes[self.node as usize].definition else {
            return Default::default();
        };
        match self.state.resolution.found.get(answer).map(|found| &found.answer) {
            Some(Answer::Task {
                labels, annotations, ..
            }) => (labels.clone(), annotations.clone()),
            _ => Default::default(),
        }
    }
}

/// The run, as commands name it.
pub(crate) fn run_reference(subject: &Subject<'_>) -> RunReference {
    RunReference {
        kind: subject.plan.kind,
        namespace: subject.run.namespace().to_owned(),
        name: subject.run.name().to_owned(),
        uid: subject.state.uid().to_owned(),
    }
}

/// The TaskRun of an attempt.
pub(crate) fn of(subject: &Subject<'_>) -> TaskRunIdentity {
    let name = subject.name();
    let (labels, annotations) = texts(subject);
    TaskRunIdentity {
        uid: subject.uid(&name),
        name,
        labels,
        annotations,
    }
}

/// An annotation of the TaskRuns of a pipeline task.
pub(crate) fn annotation(state: &RunState, node: u32, key: &str) -> Option<String> {
    let (plan, run) = (state.plan()?, state.run()?);
    let subject = Subject {
        state,
        plan,
        run,
        node,
        key: plan.task_name(node),
        attempt: 0,
    };
    texts(&subject).1.remove(key)
}

/// Labels and annotations: of Task, embedded task, Pipeline, run and the run's word for this task;
/// the later win. Then those that say what it is.
fn texts(subject: &Subject<'_>) -> (Texts, Texts) {
    let (mut labels, mut annotations) = subject.definition_texts();
    let mut add = |more_labels: &Texts, more_annotations: &Texts| {
        labels.extend(more_labels.iter().map(|(key, value)| (key.clone(), value.clone())));
        annotations.extend(more_annotations.iter().map(|(key, value)| (key.clone(), value.clone())));
    };
    let task = subject.plan.task(subject.node);
    if let Some(embedded) = &task.task_spec {
        add(&embedded.metadata.labels, &embedded.metadata.annotations);
    }
    add(&subject.plan.labels, &subject.plan.annotations);
    let metadata = subject.run.metadata();
    add(
        metadata.labels.as_ref().unwrap_or(&Texts::new()),
        metadata.annotations.as_ref().unwrap_or(&Texts::new()),
    );
    if let Some(own) = task_run_spec(subject).and_then(|spec| spec.metadata.as_ref()) {
        add(&own.labels, &own.annotations);
    }
    annotations.retain(|key, _| !NOT_PASSED_ON.iter().any(|prefix| key.starts_with(prefix)));
    labels
        .entry(known::LABEL_MANAGED_BY.to_owned())
        .or_insert_with(|| known::MANAGED_BY.to_owned());
    match subject.task_name() {
        Some(name) => labels.insert(known::LABEL_TASK.to_owned(), name),
        None => labels.remove(known::LABEL_TASK),
    };
    if subject.plan.kind == RunKind::PipelineRun {
        pipeline_labels(subject, &mut labels);
        if subject.key != subject.plan.task_name(subject.node) {
            // Of a matrix: readers of logs need the key.
            annotations.insert(known::ANNOTATION_TASK_KEY.to_owned(), subject.key.to_owned());
        }
        if task.on_error == Some(OnError::Continue) || subject.plan.nodes[subject.node as usize].continues {
            annotations.insert(
                known::ANNOTATION_PIPELINE_TASK_ON_ERROR.to_owned(),
                "continue".to_owned(),
            );
        }
    }
    (labels, annotations)
}

fn pipeline_labels(subject: &Subject<'_>, labels: &mut Texts) {
    let member_of = if subject.plan.nodes[subject.node as usize].is_finally {
        "finally"
    } else {
        "tasks"
    };
    for (label, value) in [
        (known::LABEL_PIPELINE, subject.plan.name.as_str()),
        (known::LABEL_PIPELINE_RUN, subject.run.name()),
        (known::LABEL_PIPELINE_RUN_UID, subject.state.uid()),
        (known::LABEL_PIPELINE_TASK, subject.plan.task_name(subject.node)),
        (known::LABEL_MEMBER_OF, member_of),
    ] {
        labels.insert(label.to_owned(), label_value(value));
    }
}

/// Cut to what a label's value may be.
pub(crate) fn label_value(text: &str) -> String {
    let mut end = text.len().min(63);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end]
        .trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
        .to_owned()
}
