//! Users, rights, resources and network of containers.

use bollard::models::ContainerCreateBody;
use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::images::Image;
use super::settings::Settings;
use crate::backend::Error;
use crate::backend::accounts;
use crate::backend::translate::config_error;

/// Shares of a processor that is asked for whole.
const SHARES: f64 = 1024.0;
/// Below this an engine refuses a limit of memory.
const MEMORY_MIN: i64 = 6 << 20;

/// The user the pod wants for a container; `None` leaves the image's.
pub(super) fn user(spec: &PodSpec, container: &Container) -> Option<i64> {
    let own = container.security_context.as_ref().and_then(|own| own.run_as_user);
    own.or_else(|| spec.security_context.as_ref()?.run_as_user)
}

/// Who reads the files of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Root.
    Root,
    /// A user by number.
    User(u32),
    /// The image's user by name, or a user to whom this runner may give no file.
    Unknown,
}

impl Reader {
    /// Of a container.
    pub(super) fn of(spec: &PodSpec, container: &Container, image: &Image) -> Self {
        let named = image.user.split(':').next().unwrap_or_default();
        let number = match user(spec, container) {
            Some(user) => u32::try_from(user).ok(),
            None if image.is_root() => Some(0),
            None => named.parse().ok(),
        };
        match number {
            Some(0) => Self::Root,
            // Only root may give files away.
            Some(user) if rustix::process::geteuid().is_root() => Self::User(user),
            _ => Self::Unknown,
        }
    }

    /// Name of the volume of credentials for it.
    pub(super) fn volume(self) -> String {
        match self {
            Self::Root => accounts::VOLUME.to_owned(),
            Self::User(user) => format!("{}-{user}", accounts::VOLUME),
            Self::Unknown => format!("{}-all", accounts::VOLUME),
        }
    }
}

/// Refuses what settings or the pod itself forbid.
pub(super) fn check(settings: &Settings, spec: &PodSpec, container: &Container, image: &Image) -> Result<(), Error> {
    let own = container.security_context.as_ref();
    if own.is_some_and(|own| own.privileged == Some(true)) && !settings.allow_privileged {
        return Err(config_error(format!(
            "container {} is privileged, which this runner does not allow (setting docker.allow-privileged)",
            container.name
        )));
    }
    let shared = spec.security_context.as_ref();
    let non_root = own
        .and_then(|own| own.run_as_non_root)
        .or_else(|| shared?.run_as_non_root);
    let is_root = user(spec, container).map_or(image.is_root(), |user| user == 0);
    if non_root == Some(true) && is_root {
        return Err(config_error(format!(
            "container {} has runAsNonRoot, and would run as root: name a user in runAsUser, or use an image with one",
            container.name
        )));
    }
    Ok(())
}

/// Users, groups, rights and resources of a container.
pub(super) fn apply(body: &mut ContainerCreateBody, spec: &PodSpec, container: &Container, image: &Image) {
    let own = container.security_context.as_ref();
    let shared = spec.security_context.as_ref();
    let group = own.and_then(|own| own.run_as_group).or_else(|| shared?.run_as_group);
    let user = user(spec, container).map(|user| user.to_string());
    body.user = match (user, group) {
        (Some(user), Some(group)) => Some(format!("{user}:{group}")),
        (None, Some(group)) => {
            let user = image.user.split(':').next().filter(|user| !user.is_empty());
            Some(format!("{}:{group}", user.unwrap_or("0")))
        }
        (user, None) => user,
    };
    let host = body.host_config.get_or_insert_default();
    let mut groups: Vec<i64> = shared
        .and_then(|shared| shared.supplemental_groups.clone())
        .unwrap_or_default();
    groups.extend(shared.and_then(|shared| shared.fs_group));
    host.group_add = Some(groups.iter().map(ToString::to_string).collect());
    if let Some(own) = own {
        host.privileged = own.privileged;
        host.readonly_rootfs = own.read_only_root_filesystem;
        if let Some(capabilities) = &own.capabilities {
            host.cap_add = capabilities.add.clone();
            host.cap_drop = capabilities.drop.clone();
        }
        let mut options = Vec::new();
        if own.allow_privilege_escalation == Some(false) {
            options.push("no-new-privileges".to_owned());
        }
        if own
            .seccomp_profile
            .as_ref()
            .is_some_and(|profile| profile.type_ == "Unconfined")
        {
            options.push("seccomp=unconfined".to_owned());
        }
        host.security_opt = Some(options);
    }
    let Some(resources) = &container.resources else { return };
    let limit = |name: &str| {
        resources
            .limits
            .as_ref()?
            .get(name)
            .and_then(|quantity| number(&quantity.0))
    };
    let request = |name: &str| {
        resources
            .requests
            .as_ref()?
            .get(name)
            .and_then(|quantity| number(&quantity.0))
    };
    if let Some(bytes) = limit("memory") {
        let bytes = (bytes as i64).max(MEMORY_MIN);
        host.memory = Some(bytes);
        // Without swap, as in a cluster.
        host.memory_swap = Some(bytes);
    }
    host.nano_cpus = limit("cpu").map(|processors| (processors * 1e9) as i64);
    host.cpu_shares = request("cpu").map(|processors| ((processors * SHARES) as i64).max(2));
}

/// The network of a pod.
pub(super) fn apply_network(body: &mut ContainerCreateBody, spec: &PodSpec, network: &str) {
    let host = body.host_config.get_or_insert_default();
    if spec.host_network == Some(true) {
        host.network_mode = Some("host".to_owned());
        body.hostname = None;
    } else {
        host.network_mode = Some(network.to_owned());
    }
    let aliases = spec.host_aliases.iter().flatten();
    let hosts = aliases.flat_map(|alias| {
        let names = alias.hostnames.iter().flatten();
        names.map(|name| format!("{name}:{}", alias.ip))
    });
    host.extra_hosts = Some(hosts.collect());
    if let Some(dns) = &spec.dns_config {
        host.dns = dns.nameservers.clone();
        host.dns_search = dns.searches.clone();
        let options = dns.options.iter().flatten();
        let options = options.filter_map(|option| {
            let name = option.name.clone()?;
            Some(
                option
                    .value
                    .as_ref()
                    .map_or(name.clone(), |value| format!("{name}:{value}")),
            )
        });
        host.dns_options = Some(options.collect());
    }
}

/// A quantity as a number: `1.5`, `500m`, `64Mi`, `2G`, `1e3`.
fn number(quantity: &str) -> Option<f64> {
    let split = quantity
        .find(|c: char| c.is_ascii_alphabetic() && c != 'e')
        .unwrap_or(quantity.len());
    let (digits, suffix) = quantity.split_at(split);
    let factor = match suffix {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(digits.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn quantities_are_numbers() {
        for (text, expected) in [
            ("500m", 0.5),
            ("2", 2.0),
            ("64Mi", 67_108_864.0),
            ("1.5G", 1.5e9),
            ("1e3", 1e3),
        ] {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        assert_eq!(number("much"), None);
    }
}
