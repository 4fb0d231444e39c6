//! A cluster to run pods in: finding it, and the way of its pods to our nats-server.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use tidemill_bus::Bus;
use tidemill_bus::steps::Issuer;
use tidemill_objects::Objects;
use tidemill_runner::backend::Error;
use tidemill_runner::backend::kubernetes::{Cluster, ClusterLookup, KubernetesBackend};
use tidemill_runner::{ObjectLookup, Settings, StepLine};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Connections of pods at once through our own door to a private nats-server.
const MAX_CONNECTIONS: usize = 8192;

/// How long a cluster may take to say that it can be used.
const PROBE_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// File of the state directory with the port for pods.
const DOOR: &str = "pods.port";

/// Where nats-server is and how steps get in.
pub(super) struct NatsPlace {
    /// `host:port`, as this process reaches it.
    pub(super) address: String,
    /// The seed of the steps' issuer, where the server is ours.
    pub(super) steps_seed: Option<String>,
}

/// A cluster that can be used.
pub(super) struct Pods {
    pub(super) backend: KubernetesBackend,
    /// To be kept open: it lets steps in.
    pub(super) line: StepLine,
    /// To be kept open, where nats-server listens on loopback alone.
    pub(super) door: Option<Door>,
    /// What it is, for people.
    pub(super) said: String,
}

/// Leads pods to a nats-server on loopback, from one address of this machine.
pub(super) struct Door {
    listener: TcpListener,
    target: String,
}

impl Pods {
    /// The cluster of the settings, else of the kubeconfig, if it can be used.
    ///
    /// # Errors
    /// [`Error::Place`] with why not.
    pub(super) async fn find(
        settings: &Settings,
        bus: &Bus,
        objects: &Objects,
        nats: &NatsPlace,
    ) -> Result<Self, Error> {
        let own = &settings.kubernetes;
        let cluster = Cluster::find(own).await?;
        // Nobody is asked before it is wanted: a kubeconfig may name a cluster that does not answer.
        if own.delivery.is_none() {
            return Err(place(
                &format!("use the cluster {}", cluster.name),
                "say how the step binary gets into pods: runner.kubernetes.delivery",
            ));
        }
        let probed = tokio::time::timeout(PROBE_LIMIT, cluster.probe(&own.namespaces)).await;
        let version = probed.map_err(|late| place(&format!("reach the cluster {}", cluster.address), late))??;
        let said = format!("kubernetes ({} {version})", cluster.name);
        let seed = match own.steps_seed.expose() {
            "" => nats.steps_seed.as_deref().unwrap_or_default(),
            seed => seed,
        };
        if seed.is_empty() {
            let missing = "runner.kubernetes.steps-seed is not set; see deploy/nats/kubernetes.conf";
            return Err(place("let steps into nats-server", missing));
        }
        let issuer = Issuer::from_seed(seed).map_err(|error| place("let steps into nats-server", error))?;
        let (address, door) = way(settings, nats, &cluster).await?;
        let line = StepLine::new(bus.clone(), issuer, address);
        let records = Arc::new(ObjectLookup::new(objects.clone()));
        let lookup = Arc::new(ClusterLookup::new(cluster.clone()));
        let backend = KubernetesBackend::new(
            own.clone(),
            cluster,
            &settings.place_name(),
            line.clone(),
            lookup,
            records,
        )?;
        Ok(Self {
            backend,
            line,
            door,
            said,
        })
    }
}

/// The address for pods: the setting, else nats-server's own, else a door to it.
async fn way(settings: &Settings, nats: &NatsPlace, cluster: &Cluster) -> Result<(SocketAddr, Option<Door>), Error> {
    if let Some(set) = &settings.kubernetes.nats_address {
        return Ok((resolve(set).await?, None));
    }
    let own = resolve(&nats.address).await?;
    if !own.ip().is_loopback() {
        return Ok((own, None));
    }
    let here = address_towards(&cluster.address)
        .map_err(|error| place("find this machine's address towards the cluster", error))?;
    let listener = listen(here, &settings.state_dir.join(DOOR)).await;
    let listener = listener.map_err(|error| place(&format!("listen on {here} for pods"), error))?;
    let address = listener.local_addr().map_err(|error| place("listen for pods", error))?;
    let target = nats.address.clone();
    Ok((address, Some(Door { listener, target })))
}

/// Listens where it did the last time: steps that still run know no other place.
async fn listen(here: IpAddr, file: &Path) -> std::io::Result<TcpListener> {
    let before = std::fs::read_to_string(file)
        .ok()
        .and_then(|text| text.trim().parse::<u16>().ok());
    let kept = match before {
        Some(port) => TcpListener::bind((here, port)).await.ok(),
        None => None,
    };
    let listener = match kept {
        Some(listener) => listener,
        None => TcpListener::bind((here, 0)).await?,
    };
    std::fs::write(file, listener.local_addr()?.port().to_string())?;
    Ok(listener)
}

async fn resolve(address: &str) -> Result<SocketAddr, Error> {
    let asked = address.to_owned();
    let found = tokio::task::spawn_blocking(move || asked.to_socket_addrs().map(|mut all| all.next())).await;
    match found {
        Ok(Ok(Some(found))) => Ok(found),
        Ok(Ok(None)) => Err(place(&format!("resolve {address}"), "it has no address")),
        Ok(Err(error)) => Err(place(&format!("resolve {address}; expected host:port"), error)),
        Err(error) => Err(place(&format!("resolve {address}"), error)),
    }
}

/// The address this machine has on the way to the cluster; for a cluster on this machine, on the way out.
/// Nothing is sent.
fn address_towards(cluster: &str) -> std::io::Result<IpAddr> {
    let host = cluster.split("://").nth(1).unwrap_or(cluster);
    let host = host.split('/').next().unwrap_or(host);
    // Of a network that leads nowhere.
    let out: SocketAddr = ([192, 0, 2, 1], 9).into();
    let target = host.to_socket_addrs().ok().and_then(|mut all| all.next());
    for target in target
        .into_iter()
        .filter(|target| !target.ip().is_loopback())
        .chain([out])
    {
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        if socket.connect(target).is_ok() {
            return socket.local_addr().map(|address| address.ip());
        }
    }
    Err(std::io::Error::other(
        "no network but loopback; set runner.kubernetes.nats-address",
    ))
}

impl Door {
    /// Leads whoever comes to nats-server, which asks who it is.
    ///
    /// # Errors
    /// When it cannot listen any more.
    pub(super) async fn keep(self) -> std::io::Result<()> {
        let places = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return Ok(());
            };
            let (mut pod, _) = self.listener.accept().await?;
            let target = self.target.clone();
            tokio::spawn(async move {
                let _place = place;
                let led = async {
                    pod.set_nodelay(true)?;
                    let mut server = TcpStream::connect(target).await?;
                    server.set_nodelay(true)?;
                    copy_bidirectional(&mut pod, &mut server).await
                };
                if let Err(error) = led.await {
                    tracing::debug!(%error, "The connection of a pod broke.");
                }
            });
        }
    }
}

fn place(action: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Place {
        action: action.to_owned(),
        source: source.into(),
    }
}
