//! One service in a process of its own, on a nats-server that runs.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tidemill_bus::Bus;
use tidemill_deployer::Cluster;
use tidemill_objects::Objects;
use tidemill_runner::Runner;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::CLOSE_GRACE;
use super::backends::Backends;
use super::bus::{Nats, join};
use super::gateway;
use super::health;
use super::ingest;
use super::parts::Parts;
use super::pods::NatsPlace;
use super::settings::Settings;
use super::telemetry;
use crate::error::Error;
use crate::say;
use crate::state::StateDir;

/// Tasks at once of a runner whose tasks all run on other machines, unless the settings say otherwise.
const SLOTS_ELSEWHERE: usize = 256;

/// Between two questions to the deployer's cluster.
const CLUSTER_PAUSE: Duration = Duration::from_secs(10);
/// How long its answer may take.
const CLUSTER_LIMIT: Duration = Duration::from_secs(5);

/// A process with one service.
pub(crate) struct Service {
    name: &'static str,
    state: StateDir,
    settings: Settings,
    bus: Bus,
    objects: Objects,
    nats: NatsPlace,
    parts: Parts,
    announced: bool,
    troubles: Vec<health::Trouble>,
    health: Option<AbortOnDropHandle<()>>,
}

impl Service {
    /// Connects to the nats-server that was named, else to the private one of the state directory.
    ///
    /// # Errors
    /// [`Error::Usage`], [`Error::Bus`], [`Error::NotRunning`].
    pub(crate) async fn open(
        state: &StateDir,
        nats: &Nats,
        settings: Option<&Path>,
        name: &'static str,
    ) -> Result<Self, Error> {
        let settings = Settings::load(state, settings)?;
        let opened = join(state, nats).await?;
        let (bus, objects) = opened.connect(&format!("tidemill {name}"), &settings).await?;
        let mut parts = Parts::default();
        telemetry::attend(&settings.telemetry, &mut parts).await?;
        Ok(Self {
            name,
            state: state.clone(),
            settings,
            bus,
            objects,
            nats: opened.place(),
            parts,
            announced: false,
            troubles: Vec::new(),
            health: None,
        })
    }

    /// Which one.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// With a planner and the intake that tells it of new objects.
    pub(crate) async fn planner(mut self) -> Result<Self, Error> {
        self.objects.ready().await.map_err(Error::service("objects"))?;
        let (settings, bus, objects) = (self.settings.planner.clone(), self.bus.clone(), self.objects.clone());
        self.parts
            .front("intake", |shutdown| tidemill_planner::run_intake(bus.clone(), shutdown));
        self.parts.front("planner", |shutdown| {
            tidemill_planner::run(settings, bus.clone(), objects, shutdown)
        });
        telemetry::trace(&self.settings.telemetry, &self.bus, &mut self.parts)?;
        Ok(self)
    }

    /// With a runner, of the `wanted` backends, or of all that work here.
    pub(crate) async fn runner(mut self, wanted: &[String]) -> Result<Self, Error> {
        self.state.create()?;
        self.objects.ready().await.map_err(Error::service("objects"))?;
        let settings = self.settings.runner(&self.state);
        let mut backends = Backends::find(&settings, &self.bus, &self.objects, &self.nats, wanted).await;
        backends.must_be(wanted)?;
        let missing = match backends.missing.is_empty() {
            true => String::new(),
            false => format!(" ({})", backends.missing.join("; ")),
        };
        say::line(&format!("backends: {}{missing}", backends.names()));
        let mut settings = self.settings.runner(&self.state);
        if backends.are_elsewhere() && settings.slots == tidemill_runner::Settings::default().slots {
            settings.slots = SLOTS_ELSEWHERE;
        }
        backends.attend(&mut self.parts);
        self.troubles = backends.found.iter().filter_map(|backend| backend.trouble()).collect();
        self.parts
            .runner(Runner::new(settings, self.bus.clone(), backends.found));
        Ok(self)
    }

    /// With a deployer, on the cluster that the settings name, else on the one around it.
    pub(crate) async fn deployer(mut self) -> Result<Self, Error> {
        let settings = self.settings.deployer.clone();
        let cluster = Cluster::connect(&settings).await.map_err(Error::service("deployer"))?;
        self.objects.ready().await.map_err(Error::service("objects"))?;
        say::line(&cluster.watched(&settings));
        let trouble = self.watch_cluster(cluster.clone()).await;
        self.troubles.push(trouble);
        let (bus, objects) = (self.bus.clone(), self.objects.clone());
        self.parts.front("deployer", |shutdown| {
            tidemill_deployer::run(settings, bus, objects, cluster, shutdown)
        });
        Ok(self)
    }

    /// Asks the cluster again and again whether it lets releases be read, and says so when it does not.
    async fn watch_cluster(&mut self, cluster: Cluster) -> health::Trouble {
        let settings = self.settings.deployer.clone();
        let first = answer_of(&cluster, &settings).await;
        say_trouble(None, first.as_deref());
        let (sender, trouble) = watch::channel(first);
        self.parts.front("cluster", |shutdown| async move {
            let asking = async {
                loop {
                    sleep(CLUSTER_PAUSE).await;
                    let found = answer_of(&cluster, &settings).await;
                    say_trouble(sender.borrow().as_deref(), found.as_deref());
                    sender.send_replace(found);
                }
            };
            shutdown.run_until_cancelled(asking).await;
            Ok::<_, Infallible>(())
        });
        trouble
    }

    /// With a gateway; the kubeconfig for it is written to the state directory.
    pub(crate) async fn gateway(mut self, listen: Option<SocketAddr>) -> Result<Self, Error> {
        self.state.create()?;
        let settings = self.settings.gateway(&self.state)?;
        let gateway::Bound {
            gateway,
            address,
            authority,
        } = gateway::bind(&settings, listen, &self.state, &self.bus, &self.objects).await?;
        self.parts.front("gateway", |shutdown| gateway.serve(shutdown));
        self.objects.ready().await.map_err(Error::service("objects"))?;
        self.state
            .announce(&address, authority.as_deref(), settings.token.expose())?;
        self.announced = true;
        Ok(self)
    }

    /// With ingest, which seals credentials with the key of the state directory unless the settings
    /// have one: several ingests need the same.
    pub(crate) async fn ingest(mut self, listen: Option<SocketAddr>) -> Result<Self, Error> {
        self.state.create()?;
        let mut settings = self.settings.ingest(&self.state)?;
        settings.listen = listen.unwrap_or(settings.listen);
        let ingest = ingest::bind(&settings, &self.bus, &self.objects).await?;
        say::line(&format!(
            "webhooks: http://{}/<namespace>/<listener>",
            ingest.local_addr()
        ));
        self.parts.front("ingest", |shutdown| ingest.serve(shutdown));
        self.objects.ready().await.map_err(Error::service("objects"))?;
        Ok(self)
    }

    /// Says that it is well to whoever asks on this machine.
    pub(crate) fn is_ready(&mut self) {
        let troubles = std::mem::take(&mut self.troubles);
        let answer = health::answer(self.state.clone(), self.name, self.bus.connected(), troubles);
        self.health = Some(AbortOnDropHandle::new(tokio::spawn(answer)));
    }

    /// Returns when the service ended without being asked to.
    pub(crate) async fn failed(&mut self) -> Error {
        self.parts.failed().await
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) {
        if self.announced {
            self.state.withdraw();
        }
        self.parts.end().await;
        drop(self.objects);
        self.bus.close(CLOSE_GRACE).await;
    }
}

async fn answer_of(cluster: &Cluster, settings: &tidemill_deployer::Settings) -> Option<String> {
    let asked = timeout(CLUSTER_LIMIT, cluster.trouble(settings)).await;
    asked.unwrap_or_else(|_| Some(format!("the cluster has not answered within {CLUSTER_LIMIT:?}")))
}

/// Says what has changed.
fn say_trouble(before: Option<&str>, now: Option<&str>) {
    match (before, now) {
        (None, Some(trouble)) => tracing::warn!(trouble, "Releases cannot be watched; the cluster is asked again."),
        (Some(_), None) => tracing::info!("Releases can be watched."),
        _ => {}
    }
}
