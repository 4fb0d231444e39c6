//! How following a run ends: its summary, or leaving it.

use jiff::Timestamp;
use serde_json::Value;

use super::{Ended, Follow};
use crate::commands::{cancel, describe};
use crate::error::{Error, Exit};
use crate::output::Surface;
use crate::{json, progress, say};

impl Follow {
    /// Asks for the end of the run; it is still waited for.
    pub(super) async fn cancel(&mut self) {
        self.interrupted = true;
        let status = if self.task_runs.is_some() {
            "Cancelled"
        } else {
            "TaskRunCancelled"
        };
        let name = self.address.say();
        match cancel::ask(&self.client, &self.address, status).await {
            Ok(()) => self.screen.say(&format!(
                " cancelling {name}; Ctrl-C again leaves at once, the run still ends"
            )),
            Err(error) => self
                .screen
                .say(&format!(" {name} cannot be cancelled and runs on: {error}")),
        }
    }

    /// Says what is left behind.
    pub(super) fn leave(&mut self) {
        let name = self.address.say();
        self.screen
            .say(&format!(" left before the end of {name}, which is being cancelled"));
    }

    /// What is left of the logs, the summary, the exit code.
    pub(super) async fn end(mut self) -> Result<Ended, Error> {
        if let Some(follower) = self.follower.take() {
            let readers = follower.finish();
            if self.show_logs {
                while let Some(line) = self.lines.recv().await {
                    self.observe_line(&line);
                }
            }
            drop(readers);
        }
        self.screen.draw(&self.model, Timestamp::now());
        let of_run: Vec<Value> = match self.task_runs {
            Some(_) => self.children.values().cloned().collect(),
            None => vec![self.run.clone()],
        };
        let failures = describe::read_failures(&self.client, &of_run).await;
        let (columns, _) = Surface::size();
        let palette = say::stderr().palette;
        say::talk(&progress::summary(&self.model, &self.run, &failures, palette, columns));
        let exit = match (self.interrupted, json::condition(&self.run).0) {
            (true, _) => Exit::Interrupted,
            (false, "True") => Exit::Success,
            _ => Exit::Failure,
        };
        Ok(Ended {
            exit,
            run: Some(self.run),
        })
    }
}
