//! An attempt in the hands of a test that behaves as the runner's core.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tidemill_messages::report::{ContainerEnd, Report, ReportBody};
use tidemill_messages::{AttemptOutcome, CancelReason, Ending};
use tidemill_resources::param::ParamValue;
use tidemill_resources::task_run::StepState;
use tidemill_runner::backend::{Adoption, Backend, EVENT_QUEUE_LENGTH, Error, Event, Playing};
use tokio::sync::mpsc;

use super::Task;

/// Longest wait for anything in these tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An attempt.
pub(crate) struct Run {
    pub(crate) playing: Box<dyn Playing>,
    events: mpsc::Receiver<Event>,
    pub(crate) heard: Vec<Report>,
}

/// What came of an attempt.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) attempt: AttemptOutcome,
    pub(crate) heard: Vec<Report>,
}

impl Run {
    pub(crate) async fn prepare(backend: &dyn Backend, task: &Task) -> Result<Self, Error> {
        let (sender, events) = mpsc::channel(EVENT_QUEUE_LENGTH);
        let playing = backend.prepare(task.play(), sender).await?;
        Ok(Self {
            playing,
            events,
            heard: Vec::new(),
        })
    }

    /// Takes the attempt over.
    pub(crate) async fn adopt(backend: &dyn Backend, task: &Task) -> Self {
        match Self::try_adopt(backend, task).await {
            Ok(run) => run,
            Err(found) => panic!("there was nothing to adopt: {found}"),
        }
    }

    /// The same, or what was found instead.
    pub(crate) async fn try_adopt(backend: &dyn Backend, task: &Task) -> Result<Self, String> {
        let (sender, events) = mpsc::channel(EVENT_QUEUE_LENGTH);
        let adopted = backend.adopt(task.play(), sender).await;
        match adopted.map_err(|error| super::chain(&error))? {
            Adoption::Playing(playing) => Ok(Self {
                playing,
                events,
                heard: Vec::new(),
            }),
            Adoption::NotStarted => Err("not started".to_owned()),
            Adoption::Gone { message } => Err(format!("gone: {message}")),
        }
    }

    pub(crate) async fn start(&mut self) {
        self.playing.start().await.unwrap();
    }

    /// The next event; reports are kept, and not answered.
    pub(crate) async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        let event = event.expect("nothing happened").expect("no more events");
        if let Event::Report(report) = &event {
            self.heard.push(report.clone());
        }
        event
    }

    /// The events are over, without an end of the attempt.
    pub(crate) async fn expect_silence(&mut self) {
        while let Some(event) = tokio::time::timeout(PATIENCE, self.events.recv()).await.unwrap() {
            assert!(matches!(event, Event::Report(_)), "{event:?}");
        }
    }

    /// Hears and stores until a report is as wanted.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&ReportBody) -> bool) -> Report {
        loop {
            match self.event().await {
                Event::Report(report) => {
                    self.playing.stored(report.sequence).await;
                    if wanted(&report.body) {
                        return report;
                    }
                }
                other => panic!("ended too soon: {other:?}"),
            }
        }
    }

    /// Hears until the log says `text`.
    pub(crate) async fn until_log(&mut self, text: &str) {
        let mut log = String::new();
        loop {
            log.push_str(
                &match self.until(|body| matches!(body, ReportBody::Log { .. })).await.body {
                    ReportBody::Log { text, .. } => text,
                    _ => String::new(),
                },
            );
            if log.contains(text) {
                return;
            }
        }
    }

    /// Hears and stores until the end; then nothing is to be left.
    pub(crate) async fn ended(mut self) -> Outcome {
        let attempt = loop {
            match self.event().await {
                Event::Report(report) => self.playing.stored(report.sequence).await,
                Event::Finished(outcome) => break *outcome,
                Event::Gone { message, .. } => panic!("gone: {message}"),
            }
        };
        self.playing.remove().await.unwrap();
        Outcome {
            attempt,
            heard: self.heard,
        }
    }

    pub(crate) async fn kill(&mut self) {
        self.playing.kill(CancelReason::Cancelled).await;
    }
}

impl Outcome {
    /// Whether it succeeded; tells all when not.
    pub(crate) fn expect_success(&self) -> &Self {
        assert_eq!(self.attempt.ending, Ending::Succeeded, "{self:#?}");
        self
    }

    /// Reason and message of a failure.
    pub(crate) fn failure(&self) -> (&str, &str) {
        match &self.attempt.ending {
            Ending::Failed { reason, message } => (reason, message),
            other => panic!("it did not fail: {other:?}"),
        }
    }

    /// The log of a container.
    pub(crate) fn log(&self, container: &str) -> String {
        logs(&self.heard).remove(container).unwrap_or_default()
    }

    /// The log of the only step.
    pub(crate) fn text(&self) -> String {
        self.log("step-only")
    }

    /// Exit codes and reasons of the steps.
    pub(crate) fn steps(&self) -> Vec<(String, i32, String)> {
        let ends = self.attempt.steps.iter().map(|step: &StepState| {
            let ended = step.terminated.as_ref().unwrap();
            let reason = step.termination_reason.map(|reason| format!("{reason:?}"));
            (step.name.clone(), ended.exit_code, reason.unwrap_or_default())
        });
        ends.collect()
    }

    /// The end of a container as it was reported.
    pub(crate) fn end(&self, name: &str) -> &ContainerEnd {
        let mut ends = self.heard.iter().filter_map(|report| match &report.body {
            ReportBody::ContainerFinished { container, end } if container == name => Some(end),
            _ => None,
        });
        ends.next_back().unwrap()
    }

    /// A result of the task.
    pub(crate) fn result(&self, name: &str) -> Option<String> {
        let found = self.attempt.results.iter().find(|result| result.name == name)?;
        match &found.value {
            ParamValue::String(text) => Some(text.clone()),
            other => Some(format!("{other:?}")),
        }
    }

    /// When a container's program was launched.
    pub(crate) fn started_at(&self, name: &str) -> Timestamp {
        let mut started = self
            .heard
            .iter()
            .filter(|report| matches!(&report.body, ReportBody::ContainerStarted { container } if container == name));
        started.next().unwrap().at
    }
}

/// Text by container.
pub(crate) fn logs(heard: &[Report]) -> BTreeMap<String, String> {
    let mut logs: BTreeMap<String, String> = BTreeMap::new();
    for report in heard {
        if let ReportBody::Log { container, text } = &report.body {
            logs.entry(container.clone()).or_default().push_str(text);
        }
    }
    logs
}
