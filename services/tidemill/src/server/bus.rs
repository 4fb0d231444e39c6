//! Which nats-server, and the way onto its streams.

use std::path::PathBuf;
use std::time::Duration;

use tidemill_bus::layout::{self, Limits};
use tidemill_bus::{Bus, Connect, Credentials};
use tidemill_objects::Objects;

use super::pods::NatsPlace;
use super::settings::Settings;
use crate::error::Error;
use crate::nats::{Private, Supervisor, find, supervise};
use crate::state::StateDir;

/// Share of the store that is given to the streams, their largest left room for a second time.
const STREAMS_SHARE_PERCENT: u64 = 75;
/// How long a service waits for the nats-server that was named, unless told: it may be started beside it, or before it.
/// `tidemill up`, whose user looks on, waits as long as any connection.
const SERVICE_WAIT_SECONDS: u64 = 300;

/// Which nats-server to use.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "nats-server")]
pub(crate) struct Nats {
    /// Use this nats-server instead of a private one, such as nats://127.0.0.1:4222
    #[arg(long = "nats", env = "TIDEMILL_NATS", hide_env_values = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// User of --nats
    #[arg(
        long = "nats-user",
        env = "TIDEMILL_NATS_USER",
        hide_env_values = true,
        value_name = "NAME",
        requires = "url"
    )]
    user: Option<String>,
    /// Password of --nats-user; better set by the variable, as others see the command line
    #[arg(
        long = "nats-password",
        env = "TIDEMILL_NATS_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true,
        requires = "user"
    )]
    password: Option<String>,
    /// Credentials file of --nats
    #[arg(
        long = "nats-creds",
        env = "TIDEMILL_NATS_CREDS",
        hide_env_values = true,
        value_name = "FILE",
        requires = "url",
        conflicts_with = "user"
    )]
    creds: Option<PathBuf>,
    /// Allow --nats to name another machine without TLS
    #[arg(long = "nats-insecure", requires = "url")]
    insecure: bool,
    /// How long to wait at the start until --nats answers [default: 10 for `tidemill up`, 300 for a service]
    #[arg(
        long = "nats-wait",
        env = "TIDEMILL_NATS_WAIT",
        hide_env_values = true,
        value_name = "SECONDS",
        requires = "url"
    )]
    wait_seconds: Option<u64>,
    /// The nats-server to start [default: beside this command, on PATH, or the pinned one]
    #[arg(
        long = "nats-server",
        env = "TIDEMILL_NATS_SERVER",
        hide_env_values = true,
        value_name = "PROGRAM"
    )]
    binary: Option<PathBuf>,
}

/// A nats-server that answers.
pub(super) struct Opened {
    connect: Connect,
    limits: Limits,
    supervisor: Option<Supervisor>,
    /// The seed of the steps' issuer, of a private server.
    steps_seed: Option<String>,
    /// What it is, for people.
    pub(super) what: String,
}

/// Starts the private server, or makes ready to connect to the one that was named.
///
/// # Errors
/// [`Error::NatsServer`], [`Error::Io`].
pub(super) async fn open(state: &StateDir, nats: &Nats) -> Result<Opened, Error> {
    if nats.url.is_some() {
        return nats.named(None);
    }
    let private = Private::new(state, find(nats.binary.as_deref())?)?;
    let start = private.start().await?;
    let how = if start.adopted { "found running" } else { "private" };
    let what = format!("nats-server {} ({how}, port {})", start.info.version, start.port);
    let connect = private.connect(&start)?;
    let limits = fitting(&private);
    let steps_seed = Some(private.steps_seed(&start)?);
    Ok(Opened {
        connect,
        limits,
        steps_seed,
        supervisor: Some(supervise(private, start)),
        what,
    })
}

/// Makes ready to connect to the server that was named, else to the private one that a running
/// `tidemill up` keeps in the state directory.
///
/// # Errors
/// [`Error::NotRunning`] when there is neither.
pub(super) async fn join(state: &StateDir, nats: &Nats) -> Result<Opened, Error> {
    if nats.url.is_some() {
        return nats.named(Some(SERVICE_WAIT_SECONDS));
    }
    let found = Private::found(state).await?;
    let Some((private, start)) = found else {
        return Err(Error::failed(
            format!("no nats-server runs in the state directory {}", state.path().display()),
            "name one with --nats, or start one with `tidemill up`",
        ));
    };
    Ok(Opened {
        connect: private.connect(&start)?,
        limits: fitting(&private),
        supervisor: None,
        steps_seed: Some(private.steps_seed(&start)?),
        what: format!("nats-server on port {}", start.port),
    })
}

/// The streams' limits for a private server. Each time a stream is asked for, the server compares its
/// limit and all that is reserved, this stream included, with its own: the largest must fit twice.
fn fitting(private: &Private) -> Limits {
    Limits::default().fitting(private.max_file_bytes() / 100 * STREAMS_SHARE_PERCENT)
}

impl Nats {
    /// The server that was named on the command line.
    ///
    /// # Errors
    /// [`Error::Io`] when the credentials cannot be read.
    fn named(&self, wait_seconds: Option<u64>) -> Result<Opened, Error> {
        let url = self.url.clone().unwrap_or_default();
        let mut connect = Connect::new(&url);
        if let Some(seconds) = self.wait_seconds.or(wait_seconds) {
            connect.first_connection_timeout = Duration::from_secs(seconds);
        }
        connect.insecure = self.insecure;
        if let Some(user) = &self.user {
            connect.credentials = Credentials::Password {
                user: user.clone(),
                password: self.password.clone().unwrap_or_default(),
            };
        }
        if let Some(path) = &self.creds {
            let text = std::fs::read_to_string(path).map_err(Error::io(format!("read {}", path.display())))?;
            connect.credentials = Credentials::Creds(text);
        }
        let shown = url.rsplit('@').next().unwrap_or_default().trim_start_matches("nats://");
        Ok(Opened {
            connect,
            limits: Limits::default(),
            supervisor: None,
            steps_seed: None,
            what: format!("nats-server at {shown}"),
        })
    }
}

impl Opened {
    /// Connects under `name`, makes the streams, starts the objects' index.
    ///
    /// # Errors
    /// [`Error::Service`]; [`Error::NatsServer`] when nobody answers or the server is too old.
    pub(super) async fn connect(&self, name: &str, settings: &Settings) -> Result<(Bus, Objects), Error> {
        let mut connect = self.connect.clone();
        connect.name = name.to_owned();
        let bus = Bus::connect(connect).await.map_err(|source| Error::Bus {
            what: self.what.clone(),
            source: Box::new(source),
        })?;
        let limits = settings.limits(&self.limits);
        if let Err(source) = layout::ensure(&bus, &limits).await {
            return Err(Error::Streams {
                what: self.what.clone(),
                wanted: limits.sum_bytes(),
                source: Box::new(source),
            });
        }
        let options = tidemill_objects::Options {
            own_namespaces: !settings.is_aggregated(),
            ..tidemill_objects::Options::default()
        };
        let objects = Objects::start(bus.clone(), options)
            .await
            .map_err(Error::service("objects"))?;
        Ok((bus, objects))
    }

    /// Where it is, for the steps of pods.
    pub(super) fn place(&self) -> NatsPlace {
        let first = self.connect.url.split(',').next().unwrap_or_default();
        let address = first.split("://").nth(1).unwrap_or(first);
        let address = address.rsplit('@').next().unwrap_or(address);
        let has_port = address
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        NatsPlace {
            address: if has_port {
                address.to_owned()
            } else {
                format!("{address}:4222")
            },
            steps_seed: self.steps_seed.clone(),
        }
    }

    /// Returns when the private server was given up.
    pub(super) async fn given_up(&mut self) -> Error {
        match &mut self.supervisor {
            Some(supervisor) => supervisor.given_up().await,
            None => std::future::pending().await,
        }
    }

    /// Ends the private server.
    pub(super) async fn end(self) {
        if let Some(supervisor) = self.supervisor {
            supervisor.end().await;
        }
    }
}
