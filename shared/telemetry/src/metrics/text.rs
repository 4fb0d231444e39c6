//! Metrics in Prometheus' text form.

use std::fmt::Write as _;

use super::catalogue::ALL;
use super::family::{BOUNDS_S, Family, Kind, Snapshot};

/// All metrics in Prometheus' text form, version 0.0.4.
pub fn render() -> String {
    let mut text = String::with_capacity(8 * 1024);
    for family in ALL {
        for name in family.names() {
            // Writing to a string does not fail.
            one(&mut text, family, name).ok();
        }
    }
    text
}

fn one(text: &mut String, family: &Family, name: &str) -> std::fmt::Result {
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Seconds => "histogram",
    };
    writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", family.help)?;
    for snapshot in family.snapshot() {
        match family.kind {
            Kind::Counter | Kind::Gauge => {
                writeln!(text, "{name}{} {}", labels(&snapshot, None), snapshot.value)?;
            }
            Kind::Seconds => times(text, name, &snapshot)?,
        }
    }
    Ok(())
}

fn times(text: &mut String, name: &str, snapshot: &Snapshot) -> std::fmt::Result {
    let mut count = 0;
    let bounds = BOUNDS_S.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
    for (bound, bucket) in bounds.zip(&snapshot.buckets) {
        count += bucket;
        writeln!(text, "{name}_bucket{} {count}", labels(snapshot, Some(&bound)))?;
    }
    let own = labels(snapshot, None);
    writeln!(text, "{name}_sum{own} {}\n{name}_count{own} {count}", snapshot.sum_s)
}

fn labels(snapshot: &Snapshot, bound: Option<&str>) -> String {
    let own = snapshot
        .labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\""));
    let all: Vec<String> = own.chain(bound.map(|bound| format!("le=\"{bound}\""))).collect();
    match all.is_empty() {
        true => String::new(),
        false => format!("{{{}}}", all.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::catalogue;
    use super::*;

    #[test]
    fn the_text_is_prometheus() {
        catalogue::QUEUE_WAIT.of(&["process"]).observe(Duration::from_millis(3));
        let text = render();
        assert!(
            text.contains("# TYPE tidemill_queue_wait_seconds histogram\n"),
            "{text}"
        );
        assert!(
            text.contains("tidemill_queue_wait_seconds_bucket{class=\"process\",le=\"0.0025\"} 0\n"),
            "{text}"
        );
        assert!(
            text.contains("tidemill_queue_wait_seconds_bucket{class=\"process\",le=\"+Inf\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("tidemill_queue_wait_seconds_count{class=\"process\"} 1\n"),
            "{text}"
        );
        assert!(text.contains("tidemill_build_info{version=\""), "{text}");
        assert!(
            text.contains("# TYPE tekton_pipelines_controller_running_taskruns_count gauge\n"),
            "{text}"
        );
    }

    #[test]
    fn names_are_unique_and_labels_closed() {
        let mut names: Vec<&str> = ALL.iter().flat_map(|family| family.names()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for family in ALL {
            let cells: usize = family.labels.iter().map(|(_, values)| values.len()).product();
            assert!((1..=128).contains(&cells), "{} has {cells} combinations", family.name);
        }
    }
}
