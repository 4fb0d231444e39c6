//! `tidemill run`: create a run, show its progress, end as it ends.

mod bindings;
mod claims;
mod follow;
mod plan;
mod session;

use clap::Args;
use serde_json::Value;

use super::{apply, create};
use crate::cli::Global;
use crate::client::Client;
use crate::error::{Error, Exit};
use crate::files::{Input, read};
use crate::output::Format;
use crate::server::Nats;

use bindings::{Binding, Setting};
use plan::Plan;
use session::Session;

/// Run a pipeline and show its progress
///
/// Uses the server that runs with the state directory; without one, brings one up for the run. The
/// exit code is 0 when the run succeeded, 1 when it failed, 130 when Ctrl-C ended it.
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill run -f tasks.yaml -f pipeline.yaml -f run.yaml -p port=8080")]
pub(crate) struct Run {
    /// Files or folders; - for standard input. A PipelineRun or TaskRun among them is created, all
    /// else is applied first; without one, a run of the Pipeline or Task is made
    #[arg(short, long = "file", required = true, value_name = "FILE")]
    files: Vec<Input>,
    /// Set a parameter; a list as a,b or as JSON
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    params: Vec<Setting>,
    /// Bind a workspace to a directory of this machine
    #[arg(short, long = "workspace", value_name = "NAME=DIR")]
    workspaces: Vec<Binding>,
    /// Name of the run, instead of what the file says
    #[arg(long)]
    name: Option<String>,
    /// Show also what the steps write
    #[arg(long)]
    logs: bool,
    /// Write the run when it is over
    #[arg(short, long, value_enum)]
    output: Option<Format>,
    #[command(flatten)]
    nats: Nats,
}

impl Run {
    /// Creates the run and follows it to its end.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        // Everything that can be wrong without a server is told before one is started.
        let plan = Plan::new(read(&self.files)?)?;
        let workspaces = self
            .workspaces
            .iter()
            .map(Binding::resolve)
            .collect::<Result<Vec<_>, _>>()?;
        let session = Session::open(global, &self.nats).await?;
        let outcome = self.play(session.client(), plan, &workspaces).await;
        session.close().await;
        outcome
    }

    async fn play(
        &self,
        client: &Client,
        plan: Plan,
        workspaces: &[(String, std::path::PathBuf)],
    ) -> Result<Exit, Error> {
        if !workspaces.is_empty() && !client.is_local() {
            return Err(Error::usage(format!(
                "-w binds a directory of this machine, but the server is at {}",
                client.address()
            )));
        }
        let mut written = Vec::new();
        for definition in &plan.definitions {
            match apply::one(client, definition).await {
                Ok((address, ..)) => written.push(address.say()),
                Err(error) => {
                    apply::say_written(&written);
                    return Err(error);
                }
            }
        }
        let mut run = plan.run.clone();
        if let Some(name) = &self.name {
            bindings::set_name(&mut run, name);
        }
        if !self.params.is_empty() {
            let declared = plan.declared_params(client).await?;
            bindings::set_params(&mut run, &self.params, &declared)?;
        }
        let claims = claims::make(client, &mut run, workspaces).await?;
        let created = match create::one(client, &run, "tidemill run").await {
            Ok(created) => created,
            Err(error) => {
                claims::remove(client, &claims).await;
                apply::say_written(&written);
                return Err(error);
            }
        };
        claims::give(client, &claims, &created).await;
        self.follow(client, &created, plan.pipeline_spec()).await
    }

    async fn follow(&self, client: &Client, created: &Value, spec: Option<&Value>) -> Result<Exit, Error> {
        let follow = follow::Follow::new(client, created, spec, self.logs)?;
        let ended = follow.until_over().await?;
        if let (Some(format), Some(run)) = (self.output, &ended.run) {
            crate::say::data(&crate::output::print_object(run, format)?);
        }
        Ok(ended.exit)
    }
}
