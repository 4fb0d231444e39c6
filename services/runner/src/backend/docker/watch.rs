//! Whether the engine answers.
//!
//! It is asked again and again. As long as it does not answer no task is taken: attempts that run go on without it,
//! since their supervisors speak with the runner themselves.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::engine::Engine;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What is known of an engine.
pub(super) struct Watch {
    trouble: watch::Receiver<Option<String>>,
    _asking: AbortOnDropHandle<()>,
}

impl Watch {
    /// Of an engine that has just answered.
    pub(super) fn start(engine: Engine) -> Self {
        let (sender, trouble) = watch::channel(None);
        Self {
            trouble,
            _asking: AbortOnDropHandle::new(tokio::spawn(ask(engine, sender))),
        }
    }

    /// Why it does not answer; `None` while it does.
    pub(super) fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.clone()
    }
}

async fn ask(engine: Engine, sender: watch::Sender<Option<String>>) {
    loop {
        sleep(PAUSE).await;
        let was = sender.borrow().is_some();
        match why_silent(&engine).await {
            Some(why) => {
                let trouble = format!("the engine at {} does not answer: {why}", engine.host());
                if !was {
                    tracing::warn!(
                        engine = engine.host(),
                        error = why,
                        "The engine does not answer: no task of class docker is taken until it does."
                    );
                }
                sender.send_replace(Some(trouble));
            }
            None if was => {
                tracing::warn!(engine = engine.host(), "The engine answers again.");
                sender.send_replace(None);
            }
            None => {}
        }
    }
}

/// Why the engine does not answer now; `None` if it does.
pub(super) async fn why_silent(engine: &Engine) -> Option<String> {
    match timeout(ANSWER_LIMIT, engine.api.ping()).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("nothing came within {ANSWER_LIMIT:?}")),
    }
}
