//! The pod template: the installation's under the run's, then onto the pod.

use k8s_openapi::api::core::v1::{EnvVar, PodSpec};
use tidemill_resources::pod_template::PodTemplate;

/// `over` wins field by field; variables and volumes are merged by name, `over`'s last.
pub(crate) fn merge(base: &PodTemplate, over: Option<&PodTemplate>) -> PodTemplate {
    let Some(over) = over else { return base.clone() };
    PodTemplate {
        node_selector: pick(&base.node_selector, &over.node_selector),
        env: merge_env(&base.env, &over.env),
        tolerations: pick(&base.tolerations, &over.tolerations),
        affinity: pick(&base.affinity, &over.affinity),
        security_context: pick(&base.security_context, &over.security_context),
        volumes: merge_by(&base.volumes, &over.volumes, |volume| &volume.name),
        runtime_class_name: pick(&base.runtime_class_name, &over.runtime_class_name),
        automount_service_account_token: pick(
            &base.automount_service_account_token,
            &over.automount_service_account_token,
        ),
        dns_policy: pick(&base.dns_policy, &over.dns_policy),
        dns_config: pick(&base.dns_config, &over.dns_config),
        enable_service_links: pick(&base.enable_service_links, &over.enable_service_links),
        priority_class_name: pick(&base.priority_class_name, &over.priority_class_name),
        scheduler_name: pick(&base.scheduler_name, &over.scheduler_name),
        image_pull_secrets: pick(&base.image_pull_secrets, &over.image_pull_secrets),
        host_aliases: pick(&base.host_aliases, &over.host_aliases),
        host_network: base.host_network || over.host_network,
        host_users: pick(&base.host_users, &over.host_users),
        topology_spread_constraints: pick(&base.topology_spread_constraints, &over.topology_spread_constraints),
    }
}

/// Variables of `base` and then those of `over`, of which each name stands once.
pub(crate) fn merge_env(base: &[EnvVar], over: &[EnvVar]) -> Vec<EnvVar> {
    merge_by(base, over, |variable| &variable.name)
}

/// Writes everything but variables and volumes onto the pod.
pub(crate) fn apply(template: &PodTemplate, spec: &mut PodSpec) {
    spec.node_selector = filled(template.node_selector.clone());
    spec.tolerations = filled(template.tolerations.clone());
    spec.affinity.clone_from(&template.affinity);
    spec.security_context.clone_from(&template.security_context);
    spec.runtime_class_name.clone_from(&template.runtime_class_name);
    spec.automount_service_account_token = template.automount_service_account_token;
    spec.dns_policy.clone_from(&template.dns_policy);
    spec.dns_config.clone_from(&template.dns_config);
    spec.enable_service_links = template.enable_service_links;
    spec.priority_class_name.clone_from(&template.priority_class_name);
    spec.scheduler_name.clone_from(&template.scheduler_name);
    spec.image_pull_secrets = filled(template.image_pull_secrets.clone());
    spec.host_aliases = filled(template.host_aliases.clone());
    spec.host_network = template.host_network.then_some(true);
    spec.host_users = template.host_users;
    spec.topology_spread_constraints = filled(template.topology_spread_constraints.clone());
}

/// `Some` unless it is empty: the API leaves empty lists out.
pub(crate) fn filled<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

fn pick<T: Default + PartialEq + Clone>(base: &T, over: &T) -> T {
    if *over == T::default() {
        base.clone()
    } else {
        over.clone()
    }
}

fn merge_by<T: Clone>(base: &[T], over: &[T], name: impl Fn(&T) -> &String) -> Vec<T> {
    let kept = base
        .iter()
        .filter(|entry| !over.iter().any(|other| name(other) == name(entry)));
    kept.chain(over).cloned().collect()
}
