//! Settings of ingest, with their defaults.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use tidemill_settings::{Secret, Size, Span};
use tidemill_triggers::BODY_BYTES_MAX;

/// Settings of ingest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Where webhooks come in. Default `127.0.0.1:7781`; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether it may listen on other addresses than loopback. Default no: there is no TLS here.
    pub allow_remote: bool,
    /// What credentials are sealed with before they are stored: 64 hexadecimal digits. No default;
    /// `tidemill up` keeps one in its state directory.
    pub seal_key: Secret,
    /// Largest body. Default and most 10 MiB; larger ones are answered 413.
    pub body: Size,
    /// All headers of a request together. Default 64 KiB; more is answered 431.
    pub headers: Size,
    /// Time to send a request's body. Default 30 s.
    pub body_timeout: Span,
    /// Requests a second, over all listeners; as many may come at once. Default 2,000; more are
    /// answered 429.
    pub rate: u32,
    /// Requests under way at once. Default 64; more are answered 503.
    pub requests: usize,
    /// Events evaluated at once. Default 16.
    pub evaluations: usize,
    /// How long an interceptor that runs elsewhere may take to answer. Default 5 s, as Tekton has it;
    /// one that cannot be reached or does not answer is asked three times.
    pub interceptor_timeout: Span,
    /// Its largest answer. Default 4 MiB.
    pub interceptor_answer: Size,
    /// HTTP addresses that are told of every run and release, as CloudEvents. Default none.
    pub sinks: Vec<String>,
    /// How often one event is told a sink that does not take it, with growing pauses up to 5 min.
    /// Default 20, about an hour.
    pub sink_tries: u32,
    /// In a cluster: name of ingest's own Service, such as `tidemill-ingest.tidemill.svc.cluster.local`. Each
    /// EventListener of [`Settings::namespaces`] then has a Service `el-<listener>` on 8080 that leads there. Default
    /// none.
    pub service: Option<String>,
    /// Namespaces of the cluster in which those Services are kept. Default none.
    pub namespaces: Vec<String>,
    /// How long an orderly stop waits for requests under way. Default 5 s.
    pub stop_grace: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7781)),
            allow_remote: false,
            seal_key: Secret::default(),
            body: Size::new(BODY_BYTES_MAX as u64),
            headers: Size::new(64 << 10),
            body_timeout: Span::seconds(30),
            rate: 2_000,
            requests: 64,
            evaluations: 16,
            interceptor_timeout: Span::seconds(5),
            interceptor_answer: Size::new(4 << 20),
            sinks: Vec::new(),
            sink_tries: 20,
            service: None,
            namespaces: Vec::new(),
            stop_grace: Span::seconds(5),
        }
    }
}

impl tidemill_settings::Settings for Settings {
    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !self.listen.ip().is_loopback() && !self.allow_remote {
            let message = format!(
                "{} is no loopback address; webhooks would travel unencrypted: set allow-remote if that is meant",
                self.listen
            );
            problems.push(("listen", message));
        }
        for url in &self.sinks {
            if !url.starts_with("http://") && !url.starts_with("https://") {
                problems.push(("sinks", format!("{url:?} is no address; expected http:// or https://")));
            }
        }
        let counts = [("requests", self.requests), ("evaluations", self.evaluations)];
        for (key, value) in counts
            .into_iter()
            .chain([("rate", self.rate as usize), ("sink-tries", self.sink_tries as usize)])
        {
            if value == 0 {
                problems.push((key, "must be at least 1".to_owned()));
            }
        }
        if self.body.bytes() > BODY_BYTES_MAX as u64 {
            problems.push(("body", "may be at most 10 MiB".to_owned()));
        }
        problems
    }
}
