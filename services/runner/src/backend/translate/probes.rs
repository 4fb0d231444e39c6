//! Readiness of sidecars.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Probe as PodProbe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tidemill_messages::sandbox::{Check, Probe, Variable};

use super::config_error;
use crate::backend::Error;

/// What holds the first step back: the sidecar's startup probe, then its readiness probe.
pub(in crate::backend) fn probes(container: &Container) -> Result<Vec<Probe>, Error> {
    let probes = [&container.startup_probe, &container.readiness_probe];
    let probes = probes
        .into_iter()
        .flatten()
        .map(|probe| translate_probe(container, probe));
    Ok(probes.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn translate_probe(container: &Container, probe: &PodProbe) -> Result<Option<Probe>, Error> {
    let Some(check) = check(container, probe)? else {
        return Ok(None);
    };
    let milliseconds =
        |seconds: Option<i32>, default: u64| seconds.map_or(default, |s| u64::from(s.unsigned_abs())) * 1000;
    Ok(Some(Probe {
        check,
        initial_delay_ms: milliseconds(probe.initial_delay_seconds, 0),
        period_ms: milliseconds(probe.period_seconds, 10),
        timeout_ms: milliseconds(probe.timeout_seconds, 1),
        successes: probe.success_threshold.unwrap_or(1).max(1).unsigned_abs(),
    }))
}

fn check(container: &Container, probe: &PodProbe) -> Result<Option<Check>, Error> {
    if let Some(exec) = &probe.exec {
        return Ok(exec.command.clone().filter(|argv| !argv.is_empty()).map(Check::Command));
    }
    if let Some(tcp) = &probe.tcp_socket {
        return Ok(Some(Check::Tcp {
            host: host(tcp.host.as_deref()),
            port: port(container, &tcp.port)?,
        }));
    }
    probe.http_get.as_ref().map(|get| http(container, get)).transpose()
}

fn http(container: &Container, get: &HTTPGetAction) -> Result<Check, Error> {
    if get.scheme.as_deref() == Some("HTTPS") {
        return Err(config_error(format!(
            "the readiness probe of {} asks by HTTPS, which this backend does not; use exec or tcpSocket",
            container.name
        )));
    }
    let headers = get.http_headers.iter().flatten().map(|header| Variable {
        name: header.name.clone(),
        value: header.value.clone(),
    });
    let path = get.path.as_deref().unwrap_or("/");
    Ok(Check::Http {
        host: host(get.host.as_deref()),
        port: port(container, &get.port)?,
        path: if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        },
        headers: headers.collect(),
    })
}

fn host(named: Option<&str>) -> String {
    named.filter(|host| !host.is_empty()).unwrap_or("127.0.0.1").to_owned()
}

fn port(container: &Container, port: &IntOrString) -> Result<u16, Error> {
    let ports: BTreeMap<&str, i32> = container
        .ports
        .iter()
        .flatten()
        .filter_map(|port| Some((port.name.as_deref()?, port.container_port)))
        .collect();
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => name.parse().ok().or_else(|| ports.get(name.as_str()).copied()),
    };
    number.and_then(|number| u16::try_from(number).ok()).ok_or_else(|| {
        config_error(format!(
            "the readiness probe of {} names a port it does not have",
            container.name
        ))
    })
}
