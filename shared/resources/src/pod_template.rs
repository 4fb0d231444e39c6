//! What a run may say about its pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, EnvVar, HostAlias, LocalObjectReference, PodDNSConfig, PodSecurityContext, Toleration,
    TopologySpreadConstraint, Volume,
};

record! {
    /// Settings of the pod a task is played in.
    pub struct PodTemplate {
        /// Labels a node must have.
        pub node_selector: BTreeMap<String, String>,
        /// Variables for all steps; they win over the steps' own.
        pub env: Vec<EnvVar>,
        /// Taints the pod bears.
        pub tolerations: Vec<Toleration>,
        /// Where the pod may go.
        pub affinity: Option<Affinity>,
        /// Defaults for all containers.
        pub security_context: Option<PodSecurityContext>,
        /// Volumes beside those of the Task.
        pub volumes: Vec<Volume>,
        /// Container runtime.
        pub runtime_class_name: Option<String>,
        /// Whether the account's token is mounted.
        pub automount_service_account_token: Option<bool>,
        /// Source of name resolution.
        pub dns_policy: Option<String>,
        /// Details of name resolution.
        pub dns_config: Option<PodDNSConfig>,
        /// Whether services appear as variables.
        pub enable_service_links: Option<bool>,
        /// Priority.
        pub priority_class_name: Option<String>,
        /// Scheduler.
        pub scheduler_name: Option<String>,
        /// Credentials for pulling images.
        pub image_pull_secrets: Vec<LocalObjectReference>,
        /// Lines for the hosts file.
        pub host_aliases: Vec<HostAlias>,
        /// Whether the node's network is used.
        pub host_network: bool,
        /// Whether the node's user namespace is used.
        pub host_users: Option<bool>,
        /// How pods spread over nodes.
        pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    }
}
