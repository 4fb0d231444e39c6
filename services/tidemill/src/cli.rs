//! The command line: what can be asked for, and by which flags.

#[cfg(test)]
mod reference;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::client::{self, Client};
use crate::commands;
use crate::error::{Error, Exit};
use crate::output::ColourChoice;
use crate::say;
use crate::state::StateDir;

/// Runs Tekton pipelines as a stream of events, on one machine or many.
#[derive(Debug, Parser)]
#[command(
    name = "tidemill",
    version,
    disable_help_subcommand = true,
    before_help = "Example: tidemill run -f pipeline.yaml"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Where a server of this machine keeps everything [default: $XDG_DATA_HOME/tidemill, else
    /// ~/.local/share/tidemill]
    #[arg(
        long,
        global = true,
        env = "TIDEMILL_STATE_DIR",
        hide_env_values = true,
        value_name = "DIR"
    )]
    state_dir: Option<PathBuf>,
    /// Use the server of this kubeconfig instead of the one of the state directory
    #[arg(
        long,
        global = true,
        env = "TIDEMILL_KUBECONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    kubeconfig: Option<PathBuf>,
    /// Namespace [default: that of the kubeconfig]
    #[arg(short, long, global = true, value_name = "NAME")]
    namespace: Option<String>,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: ColourChoice,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(commands::up::Up),
    Run(commands::run::Run),
    Apply(commands::apply::Apply),
    Create(commands::create::Create),
    Get(commands::get::Get),
    Describe(commands::describe::Describe),
    Logs(commands::logs::Logs),
    Events(Box<commands::events::Events>),
    Trigger(commands::trigger::Trigger),
    Cancel(commands::cancel::Cancel),
    Patch(commands::patch::Patch),
    Delete(commands::delete::Delete),
    Import(commands::import::Import),
    Kubeconfig(commands::kubeconfig::Kubeconfig),
    Lint(commands::lint::Lint),
    Version(commands::version::Version),
    Health(commands::health::Health),
    Completion(commands::completion::Completion),
    Planner(commands::service::Planner),
    Runner(commands::service::Runner),
    Deployer(commands::service::Deployer),
    Gateway(commands::service::Gateway),
    Ingest(commands::service::Ingest),
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// What the person should read; its [`Error::exit`] is how the process ends.
    pub(crate) async fn run(self) -> Result<Exit, Error> {
        say::set_colour(self.global.color);
        let global = &self.global;
        match self.command {
            Command::Up(up) => up.run(global).await,
            Command::Run(run) => run.run(global).await,
            Command::Apply(apply) => apply.run(global).await,
            Command::Create(create) => create.run(global).await,
            Command::Get(get) => get.run(global).await,
            Command::Describe(describe) => describe.run(global).await,
            Command::Logs(logs) => logs.run(global).await,
            Command::Events(events) => events.run(global).await,
            Command::Trigger(trigger) => trigger.run(global),
            Command::Cancel(cancel) => cancel.run(global).await,
            Command::Patch(patch) => patch.run(global).await,
            Command::Delete(delete) => delete.run(global).await,
            Command::Import(import) => import.run(global).await,
            Command::Kubeconfig(kubeconfig) => kubeconfig.run(global),
            Command::Lint(lint) => lint.run(global),
            Command::Version(version) => version.run(global).await,
            Command::Health(health) => health.run(global),
            Command::Completion(completion) => completion.run(),
            Command::Planner(planner) => planner.run(global).await,
            Command::Runner(runner) => runner.run(global).await,
            Command::Deployer(deployer) => deployer.run(global).await,
            Command::Gateway(gateway) => gateway.run(global).await,
            Command::Ingest(ingest) => ingest.run(global).await,
        }
    }
}

impl Global {
    /// The state directory.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub(crate) fn state(&self) -> Result<StateDir, Error> {
        StateDir::resolve(self.state_dir.as_deref())
    }

    /// The namespace of the command line.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Whether the server is named by a kubeconfig, so that none is started here.
    pub(crate) fn kubeconfig(&self) -> Option<&PathBuf> {
        self.kubeconfig.as_ref()
    }

    /// The server that was named, or the one of the state directory.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::Usage`].
    pub(crate) async fn client(&self) -> Result<Client, Error> {
        match &self.kubeconfig {
            Some(path) => client::from_kubeconfig(path, self.namespace()).await,
            None => client::from_state(&self.state()?, self.namespace()).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    /// `docs/command-line.md` is the help of all commands; `UPDATE=1` writes it.
    #[test]
    fn the_reference_is_current() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/command-line.md");
        let page = super::reference::page(Cli::command());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &page).unwrap();
        }
        assert!(
            std::fs::read_to_string(&path).unwrap() == page,
            "run this test with UPDATE=1"
        );
    }

    #[test]
    fn each_commands_help_begins_with_an_example() {
        for mut command in Cli::command().get_subcommands().cloned() {
            let help = command.render_help().to_string();
            assert!(
                help.starts_with("Example: tidemill "),
                "{}:\n{help}",
                command.get_name()
            );
        }
    }
}
