//! Settings of the Kubernetes backend.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tidemill_pod::kubernetes::Delivery;
use tidemill_settings::{Secret, Span};

/// Settings of the Kubernetes backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// The kubeconfig; by default `KUBECONFIG`, else `~/.kube/config`, else the ServiceAccount of the pod
    /// this runs in.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; by default its current one.
    pub context: Option<String>,
    /// Namespaces whose pods are watched; by default all, which needs a right in the whole cluster.
    pub namespaces: Vec<String>,
    /// How the step binary gets into pods: `{ host-path = { path = … } }`, a directory of every node;
    /// `{ copy = { image = … } }`, copied by an init container; `{ image = { reference = … } }`, an image
    /// mounted as a volume. Without it the backend takes no task.
    pub delivery: Option<Delivery>,
    /// `host:port` at which pods find nats-server. By default the host of `--nats`, or for a private
    /// server this machine's address towards the cluster.
    pub nats_address: Option<String>,
    /// The seed (`SA…`) of the key nats-server trusts for steps; by default that of the private server.
    pub steps_seed: Secret,
    /// Pods belong to their TaskRun: only where the cluster knows TaskRuns by this Tidemill's gateway.
    /// Elsewhere its garbage collector would delete the pods. Default false.
    pub owner_references: bool,
    /// Pods that share a claim that only one node can mount land on one node. Default true.
    pub coschedule: bool,
    /// How long a pod may be unschedulable before its task fails: an autoscaler may be bringing a node,
    /// a claim its volume. Default 30 s.
    pub unschedulable: Span,
    /// How long a volume or a sandbox may fail before the task does. Default 30 s.
    pub unready: Span,
    /// How long a pod may stay on a node that is lost before its task is. Default 10 s after the cluster
    /// noticed.
    pub node_lost: Span,
    /// How long steps have to end after a cancel before their pod is deleted. Default 1 s.
    pub kill_patience: Span,
    /// How long the pod of a task that ended by itself stays, so that `kubectl logs` and `tkn` find its logs at
    /// the kubelet; for pods without sidecars. `tidemill logs` needs no pod. Default 0, not at all.
    pub keep_pods: Span,
    /// How many pods stay so at most; beyond it the oldest go. Default 500.
    pub kept_pods_max: usize,
    /// What images run that no registry serves: by name, for steps without `command` and `script`.
    pub commands: BTreeMap<String, Vec<String>>,
    /// Registry, `host` or `host:port`, that is asked what images run whose names have none.
    pub default_registry: Option<String>,
    /// Registries that are asked without TLS what an image runs, `host` or `host:port`.
    pub insecure_registries: Vec<String>,
    /// A file of further root certificates for registries, PEM.
    pub registry_ca: Option<PathBuf>,
    /// Text a task may write to its log, in bytes: 64 MiB. The rest is counted and left out.
    pub log_bytes: u64,
    /// Size of one result, in bytes: 1 MiB.
    pub result_bytes: u64,
    /// Size of all results of a task, in bytes: 8 MiB.
    pub results_bytes: u64,
    /// Time between SIGTERM and SIGKILL when a task is cancelled, in milliseconds: 0, killed at once.
    pub kill_grace_ms: u64,
    /// Time a step goes on without a runner, in seconds: 3600.
    pub orphan_s: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            namespaces: Vec::new(),
            delivery: None,
            nats_address: None,
            steps_seed: Secret::default(),
            owner_references: false,
            coschedule: true,
            unschedulable: Span::seconds(30),
            unready: Span::seconds(30),
            node_lost: Span::seconds(10),
            kill_patience: Span::seconds(1),
            keep_pods: Span::seconds(0),
            kept_pods_max: 500,
            commands: BTreeMap::new(),
            default_registry: None,
            insecure_registries: Vec::new(),
            registry_ca: None,
            log_bytes: 64 << 20,
            result_bytes: 1 << 20,
            results_bytes: 8 << 20,
            kill_grace_ms: 0,
            orphan_s: 3600,
        }
    }
}

impl Settings {
    /// The certificates of `registry_ca`, as DER; none where it cannot be read, which the registry's
    /// refusal then shows.
    pub(super) fn registry_roots(&self) -> Option<Vec<Vec<u8>>> {
        let text = std::fs::read_to_string(self.registry_ca.as_ref()?).ok()?;
        let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
        let ders = blocks.filter_map(|block| {
            let body = block.split("-----END").next()?;
            let compact: String = body.split_whitespace().collect();
            STANDARD.decode(compact).ok()
        });
        Some(ders.collect())
    }
}
