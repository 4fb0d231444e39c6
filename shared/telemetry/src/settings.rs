//! Where telemetry goes.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tidemill_settings::Span;

/// What turns the export on where no setting does; the exporter reads OpenTelemetry's other variables too
/// (`OTEL_EXPORTER_OTLP_HEADERS`, `…_TIMEOUT`, `…_INSECURE`).
const ENDPOINT_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
const PROTOCOL_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// Settings of telemetry, section `telemetry`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Where OTLP is taken in, such as `http://127.0.0.1:4317`. Default: none, nothing is exported;
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` stands in for it.
    pub endpoint: Option<String>,
    /// `grpc` or `http` (protobuf). Default: `OTEL_EXPORTER_OTLP_PROTOCOL`, else `grpc`.
    pub protocol: Option<Protocol>,
    /// Where this process answers `/metrics` (Prometheus' text form) and `/log`, such as `127.0.0.1:9464`.
    /// Default: nowhere.
    pub listen: Option<SocketAddr>,
    /// How often metrics are sent, where an endpoint is set. Default 60 s.
    pub interval: Span,
    /// How long a collector may take for a batch of spans. Default 10 s.
    pub timeout: Span,
    /// How long a batch that the collector does not take is sent again before it is dropped, and counted.
    /// Default 1 min.
    pub patience: Span,
}

/// Where something is sent.
pub(crate) struct Address {
    pub(crate) base: String,
    /// With the signal's path.
    pub(crate) is_whole: bool,
}

/// How OTLP is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// gRPC, usually on port 4317.
    Grpc,
    /// Protobuf over HTTP, usually on port 4318.
    Http,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: None,
            protocol: None,
            listen: None,
            interval: Span::seconds(60),
            timeout: Span::seconds(10),
            patience: Span::seconds(60),
        }
    }
}

impl tidemill_settings::Settings for Settings {
    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if let Some(endpoint) = &self.endpoint
            && !(endpoint.starts_with("http://") || endpoint.starts_with("https://"))
        {
            problems.push((
                "endpoint",
                format!("`{endpoint}` is no URL; expected such as `http://127.0.0.1:4317`"),
            ));
        }
        if self.interval < Span::millis(100) {
            problems.push(("interval", "must be at least 100ms".to_owned()));
        }
        if self.timeout < Span::millis(1) {
            problems.push(("timeout", "must be at least 1ms".to_owned()));
        }
        problems
    }
}

impl Settings {
    /// Whether anything is exported.
    pub fn is_on(&self) -> bool {
        self.is_on_with(|name| std::env::var(name).ok())
    }

    fn is_on_with(&self, variable: impl Fn(&str) -> Option<String>) -> bool {
        let is = |name: &str, value: &str| variable(name).is_some_and(|set| set.eq_ignore_ascii_case(value));
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return false;
        }
        let set = |name: &&str| variable(name).is_some_and(|value| !value.is_empty());
        self.endpoint.is_some() || ENDPOINT_VARIABLES.iter().any(set)
    }

    /// Where metrics are sent; `None`: nowhere.
    pub(crate) fn metrics_endpoint(&self) -> Option<Address> {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        if variable("OTEL_METRICS_EXPORTER").is_some_and(|value| value == "none") {
            return None;
        }
        let of_all = |base| Address { base, is_whole: false };
        let own = || variable("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT").map(|base| Address { base, is_whole: true });
        let general = || variable("OTEL_EXPORTER_OTLP_ENDPOINT").map(of_all);
        self.endpoint.clone().map(of_all).or_else(own).or_else(general)
    }

    /// Whether metrics are sent.
    pub fn pushes_metrics(&self) -> bool {
        self.is_on() && self.metrics_endpoint().is_some()
    }

    /// How it is sent.
    pub fn protocol(&self) -> Protocol {
        self.protocol_with(|name| std::env::var(name).ok())
    }

    fn protocol_with(&self, variable: impl Fn(&str) -> Option<String>) -> Protocol {
        let named = || PROTOCOL_VARIABLES.iter().find_map(|name| variable(name));
        self.protocol.unwrap_or_else(|| match named() {
            Some(name) if name.starts_with("http") => Protocol::Http,
            _ => Protocol::Grpc,
        })
    }
}

#[cfg(test)]
mod tests {
    use tidemill_settings::Settings as _;

    use super::*;

    fn with<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| {
            set.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn nothing_is_exported_unless_somebody_says_where_to() {
        let settings = Settings::default();
        assert_eq!(settings.problems(), []);
        assert!(!settings.is_on_with(with(&[])));
        assert!(!settings.is_on_with(with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")])));
        let there = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
        assert!(settings.is_on_with(with(&[there])));
        assert!(!settings.is_on_with(with(&[there, ("OTEL_SDK_DISABLED", "true")])));
        let settings = Settings {
            endpoint: Some("127.0.0.1:4317".to_owned()),
            ..settings
        };
        assert!(settings.is_on_with(with(&[])));
        assert_eq!(settings.problems().len(), 1);
    }

    #[test]
    fn the_protocol_is_the_setting_s_then_the_variable_s() {
        let http = [("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")];
        let settings = Settings::default();
        assert_eq!(settings.protocol_with(with(&[])), Protocol::Grpc);
        assert_eq!(settings.protocol_with(with(&http)), Protocol::Http);
        let settings = Settings {
            protocol: Some(Protocol::Grpc),
            ..settings
        };
        assert_eq!(settings.protocol_with(with(&http)), Protocol::Grpc);
    }
}
