//! Settings of the deployer, with their defaults.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tidemill_settings::Span;

/// Settings of the deployer, section `deployer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Kubeconfig of the cluster whose releases are watched. Default: `KUBECONFIG`, else
    /// `~/.kube/config`, else the service account of the pod this runs in. `tidemill up` starts a
    /// deployer only where this, the context or namespaces are set.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig. Default: its current one.
    pub context: Option<String>,
    /// Namespaces whose releases are watched; `*` is all of them and needs the right to read Secrets
    /// everywhere. Default: the namespace of the context.
    pub namespaces: Vec<String>,
    /// How long everything a release is made of has to be ready before the revision counts as
    /// verified. Default 10 s.
    pub verify_for: Span,
    /// How often the workloads behind releases are looked at. Default 5 s.
    pub look_every: Span,
    /// Lines of a failing container's log that an event shows. Default 10.
    pub log_lines: u32,
    /// Time a rollback of the deployer's own may take. Default 5 min.
    pub rollback_timeout: Span,
    /// Image with Helm for the deployer's own rollbacks. Default: that of the task that deployed.
    pub rollback_image: Option<String>,
    /// Whether what an attempt of ours that is over left pending is marked failed, so that the next
    /// one can go on. Default yes.
    pub unlock: bool,
    /// Deploy tasks looked after at once. Default 32.
    pub concurrent_deploys: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            namespaces: Vec::new(),
            verify_for: Span::seconds(10),
            look_every: Span::seconds(5),
            log_lines: 10,
            rollback_timeout: Span::seconds(300),
            rollback_image: None,
            unlock: true,
            concurrent_deploys: 32,
        }
    }
}

impl tidemill_settings::Settings for Settings {
    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.concurrent_deploys == 0 {
            problems.push(("concurrent-deploys", "must be at least 1".to_owned()));
        }
        for (key, span, least) in [
            ("look-every", self.look_every, Span::millis(100)),
            ("rollback-timeout", self.rollback_timeout, Span::seconds(1)),
        ] {
            if span < least {
                problems.push((key, format!("must be at least {least}, is {span}")));
            }
        }
        if self.namespaces.len() > 1 && self.namespaces.iter().any(|namespace| namespace == "*") {
            problems.push(("namespaces", "`*` is all of them: name no other beside it".to_owned()));
        }
        problems
    }
}
