//! `tidemill cancel`: end a run.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::kind_and_name;
use crate::cli::Global;
use crate::client::{Address, Client};
use crate::error::{Error, Exit};
use crate::{json, say};

/// End a run
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill cancel good")]
pub(crate) struct Cancel {
    /// Kind and name; a name alone is a pipelinerun's
    #[arg(required = true, num_args = 1..=2, value_name = "KIND NAME")]
    what: Vec<String>,
    /// What still runs: nothing, the finally tasks, or these after the tasks that run now
    #[arg(long, value_enum, default_value_t)]
    grace: Grace,
}

/// Tekton's three ways to end a PipelineRun, by the words of `spec.status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Grace {
    /// End all tasks, run nothing more.
    #[default]
    #[value(name = "Cancelled", alias = "cancelled")]
    Cancelled,
    /// End all tasks, then run the finally tasks.
    #[value(name = "CancelledRunFinally", alias = "cancelledrunfinally")]
    CancelledRunFinally,
    /// Let running tasks end, then run the finally tasks.
    #[value(name = "StoppedRunFinally", alias = "stoppedrunfinally")]
    StoppedRunFinally,
}

impl Cancel {
    /// Asks for the end; does not wait for it.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        let (kind, name) = kind_and_name(&self.what, "pipelinerun")?;
        let status = match (kind.kind, self.grace) {
            ("PipelineRun", Grace::Cancelled) => "Cancelled",
            ("PipelineRun", Grace::CancelledRunFinally) => "CancelledRunFinally",
            ("PipelineRun", Grace::StoppedRunFinally) => "StoppedRunFinally",
            ("TaskRun", Grace::Cancelled) => "TaskRunCancelled",
            ("TaskRun", _) => {
                return Err(Error::usage(
                    "--grace is for pipelineruns: a taskrun has no finally tasks",
                ));
            }
            _ => {
                return Err(Error::usage(format!(
                    "a {} cannot be cancelled, only a run can",
                    kind.singular
                )));
            }
        };
        let client = global.client().await?;
        let address = Address::object(kind, client.namespace(), &name);
        let run = client.get(&address).await?;
        if json::is_over(&run) {
            let (_, reason, _) = json::condition(&run);
            say::warning(&format!("{} is over already ({reason})", address.say()));
            return Ok(Exit::Success);
        }
        ask(&client, &address, status).await?;
        say::line(&format!("{} is being cancelled", address.say()));
        Ok(Exit::Success)
    }
}

/// Sets `spec.status`.
pub(crate) async fn ask(client: &Client, address: &Address, status: &str) -> Result<(), Error> {
    client
        .merge(address, &json!({"spec": {"status": status}}))
        .await
        .map(drop)
}
