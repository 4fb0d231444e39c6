//! The settings of all services, from defaults, the settings file and the environment.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tidemill_bus::layout::Limits;
use tidemill_settings::{Problems, Secret, Size, Sources, Span};

use crate::error::Error;
use crate::state::StateDir;

/// Sections a settings file may have.
const SECTIONS: [&str; 7] = [
    "deployer",
    "gateway",
    "ingest",
    "planner",
    "runner",
    "streams",
    "telemetry",
];

/// What was read.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The deployer's.
    pub(crate) deployer: tidemill_deployer::Settings,
    gateway: tidemill_gateway::Settings,
    ingest: tidemill_ingest::Settings,
    /// The planner's.
    pub(crate) planner: tidemill_planner::Settings,
    runner: tidemill_runner::Settings,
    streams: Streams,
    /// Where spans and metrics go.
    pub(crate) telemetry: tidemill_telemetry::settings::Settings,
}

/// Settings of the streams, section `streams`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Streams {
    /// What all streams together may hold. Default: 26.75 GiB, or what a private server has room for.
    store: Option<Size>,
    /// Servers that hold each stream, on a nats-server of one's own: 1, or 3 where there are three. Default 1.
    replicas: Option<usize>,
}

impl tidemill_settings::Settings for Streams {
    fn problems(&self) -> Vec<(&'static str, String)> {
        match self.replicas {
            None | Some(1 | 3 | 5) => Vec::new(),
            Some(other) => vec![(
                "replicas",
                format!("{other} cannot decide by majority; expected 1, 3 or 5"),
            )],
        }
    }
}

impl Settings {
    /// Reads all layers; `file` must be there, the state directory's own may be missing.
    ///
    /// # Errors
    /// [`Error::Usage`] with every problem at once.
    pub(crate) fn load(state: &StateDir, file: Option<&Path>) -> Result<Self, Error> {
        let wrong = |text: String| Error::usage_hint(text, "`tidemill up --help` names the settings file");
        tidemill_telemetry::fail::check().map_err(|error| Error::usage(error.to_string()))?;
        let mut sources = Sources::default();
        let own = state.settings();
        let path = file.or_else(|| own.is_file().then_some(own.as_path()));
        if let Some(path) = path {
            sources = sources.with_file(path).map_err(|error| {
                let cause = std::error::Error::source(&error)
                    .map(ToString::to_string)
                    .unwrap_or_default();
                wrong(format!("{error}: {cause}"))
            })?;
        }
        let sources = sources.with_environment(std::env::vars());
        let mut problems = Problems::default();
        let settings = Self {
            deployer: sources.read("deployer", &mut problems),
            gateway: sources.read("gateway", &mut problems),
            ingest: sources.read("ingest", &mut problems),
            planner: sources.read("planner", &mut problems),
            runner: sources.read("runner", &mut problems),
            streams: sources.read("streams", &mut problems),
            telemetry: sources.read("telemetry", &mut problems),
        };
        sources.check_sections(&SECTIONS, &mut problems);
        problems.check().map_err(|problems| wrong(problems.to_string()))?;
        Ok(settings)
    }

    /// The gateway's; with the state directory's token unless the settings have one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn gateway(&self, state: &StateDir) -> Result<tidemill_gateway::Settings, Error> {
        let mut settings = self.gateway.clone();
        if settings.token.expose().is_empty() {
            settings.token = Secret::new(state.token()?);
        }
        Ok(settings)
    }

    /// Whether namespaces and core kinds are a cluster's.
    pub(crate) fn is_aggregated(&self) -> bool {
        self.gateway.aggregated
    }

    /// The streams' limits, no larger than `limits`.
    pub(crate) fn limits(&self, limits: &Limits) -> Limits {
        let mut limits = match self.streams.store {
            Some(store) => limits.clone().fitting(store.bytes()),
            None => limits.clone(),
        };
        limits.replicas = self.streams.replicas.unwrap_or(limits.replicas);
        limits
    }

    /// The webhooks'; sealed with the state directory's key unless the settings have one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn ingest(&self, state: &StateDir) -> Result<tidemill_ingest::Settings, Error> {
        let mut settings = self.ingest.clone();
        if settings.seal_key.expose().is_empty() {
            settings.seal_key = Secret::new(state.seal_key()?);
        }
        Ok(settings)
    }

    /// The planner's where no deployer runs: there is nobody to wait for.
    pub(crate) fn planner_alone(&self) -> tidemill_planner::Settings {
        tidemill_planner::Settings {
            release_wait: Span::seconds(0),
            ..self.planner.clone()
        }
    }

    /// The runner's, completed by the state directory unless the settings name another.
    pub(crate) fn runner(&self, state: &StateDir) -> tidemill_runner::Settings {
        let mut settings = self.runner.clone();
        if settings.state_dir == tidemill_runner::Settings::default().state_dir {
            settings.state_dir = state.path().to_owned();
        }
        settings
    }
}
