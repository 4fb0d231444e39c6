//! The sandbox of an attempt, as its backend made or found it.

use std::sync::Arc;

use tidemill_messages::plan::Plan;
use tidemill_messages::{AttemptKey, StartTask};
use tidemill_telemetry::Chain;
use tokio::sync::mpsc;

use super::Context;
use crate::backend::{self, Adoption, EVENT_QUEUE_LENGTH, Event, Play, Playing};
use crate::outcome::Progress;

/// A sandbox, and what is known of what happens in it.
pub(crate) struct Sandbox {
    pub(super) playing: Box<dyn Playing>,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) progress: Progress,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The task is at fault: it fails.
    Task { reason: String, message: String },
    /// The place is at fault: tried again.
    Place(String),
}

/// What was left of an attempt by the owner before.
pub(super) enum Found {
    Running(Sandbox),
    NotStarted,
    Gone { message: String, progress: Box<Progress> },
}

impl Sandbox {
    /// Makes one without starting any of the user's code.
    pub(crate) async fn prepare(
        context: &Context,
        key: &AttemptKey,
        command: &Arc<StartTask>,
    ) -> Result<Self, Trouble> {
        let (play, progress) = play(context, key, command)?;
        let (sender, events) = mpsc::channel(EVENT_QUEUE_LENGTH);
        let playing = context.backend.prepare(play, sender).await.map_err(trouble)?;
        Ok(Self {
            playing,
            events,
            progress,
        })
    }

    /// Looks for what the owner before left.
    pub(super) async fn adopt(context: &Context, key: &AttemptKey, command: &Arc<StartTask>) -> Result<Found, Trouble> {
        let (play, progress) = play(context, key, command)?;
        let (sender, events) = mpsc::channel(EVENT_QUEUE_LENGTH);
        let adoption = context.backend.adopt(play, sender).await.map_err(trouble)?;
        Ok(match adoption {
            Adoption::Playing(playing) => Found::Running(Self {
                playing,
                events,
                progress,
            }),
            Adoption::NotStarted => Found::NotStarted,
            Adoption::Gone { message } => Found::Gone {
                message,
                progress: Box::new(progress),
            },
        })
    }

    /// What is known of an attempt of which nothing has happened here.
    pub(super) fn progress(context: &Context, key: &AttemptKey, command: &Arc<StartTask>) -> Result<Progress, Trouble> {
        play(context, key, command).map(|(_, progress)| progress)
    }

    /// Removes every trace of it.
    pub(crate) async fn remove(self, key: &AttemptKey) {
        remove(self.playing, key).await;
    }
}

/// Removes what was played; what cannot be removed is left to the sweep of orphans.
pub(super) async fn remove(playing: Box<dyn Playing>, key: &AttemptKey) {
    if let Err(error) = playing.remove().await {
        tracing::warn!(attempt = %key, error = %Chain(&error), "What an attempt left could not be removed.");
    }
}

pub(super) fn trouble(error: backend::Error) -> Trouble {
    match error {
        backend::Error::Task { reason, message } => Trouble::Task { reason, message },
        place @ backend::Error::Place { .. } => Trouble::Place(Chain(&place).to_string()),
    }
}

fn play(context: &Context, key: &AttemptKey, command: &Arc<StartTask>) -> Result<(Play, Progress), Trouble> {
    let at_fault = |reason: &str, message: String| Trouble::Task {
        reason: reason.to_owned(),
        message,
    };
    let pod = tidemill_pod::build(command, &context.pods)
        .map_err(|error| at_fault(error.reason(), Chain(&error).to_string()))?;
    let plan = Plan::of(&pod).ok().flatten();
    let plan = plan.ok_or_else(|| at_fault("PodCreationFailed", "the pod holds no plan".to_owned()))?;
    let progress = Progress::new(&pod, plan);
    let play = Play {
        key: key.clone(),
        command: command.clone(),
        pod: Arc::new(pod),
    };
    Ok((play, progress))
}
