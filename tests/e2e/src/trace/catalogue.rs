//! What dashboard and alerts name exists, and every metric is shown somewhere.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use tidemill_telemetry::metrics::catalogue::ALL;
use tidemill_telemetry::metrics::{Family, Kind};

use crate::Test;

const FILES: [&str; 2] = ["deploy/grafana/dashboard.json", "deploy/grafana/alerts.yaml"];

pub(super) fn tests() -> Vec<Test> {
    vec![Test::new("trace::dashboard_and_alerts_name_real_metrics", names)]
}

fn names() -> Result<()> {
    let known: BTreeSet<String> = ALL.iter().flat_map(|family| series(family)).collect();
    let mut shown = BTreeSet::new();
    for file in FILES {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(file);
        let text = std::fs::read_to_string(&path).context(file)?;
        let named = metrics_of(&text);
        ensure!(named.len() > 4, "{file} names no metrics");
        let unknown: Vec<&String> = named.difference(&known).collect();
        ensure!(
            unknown.is_empty(),
            "{file} names metrics that do not exist: {unknown:?}"
        );
        shown.extend(named);
    }
    for family in ALL {
        let is_shown = series(family).iter().any(|name| shown.contains(name));
        ensure!(is_shown, "{} is on no dashboard and in no alert", family.name);
    }
    Ok(())
}

/// The names a metric has in queries.
fn series(family: &Family) -> Vec<String> {
    let ends: &[&str] = match family.kind {
        Kind::Seconds => &["_bucket", "_sum", "_count"],
        Kind::Counter | Kind::Gauge => &[""],
    };
    let all = family
        .names()
        .flat_map(|name| ends.iter().map(move |end| format!("{name}{end}")));
    all.collect()
}

/// Words that are metrics of ours, in expressions.
fn metrics_of(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("tekton_") || word.starts_with("tidemill_"));
    ours.map(str::to_owned).collect()
}
