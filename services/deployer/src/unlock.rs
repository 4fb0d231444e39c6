//! Whose a pending revision is: what an attempt of ours left is unlocked, never what a person is at.

use jiff::SignedDuration;
use tidemill_messages::DeployReport;
use tidemill_messages::release::DeployEnd;

use crate::record::Head;

/// How far the clocks of cluster and planner may be apart.
const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// Why a pending revision is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// The attempt is not over.
    Running,
    /// The attempt ended by itself: Helm leaves nothing pending then, so it is somebody else's.
    EndedByItself,
    /// The revision is older or newer than the attempt.
    OutsideOfIt,
    /// Another attempt of ours is at work on the release.
    Others,
}

/// Whether the attempt left `head` pending. Evidence is asked for on every count: the attempt was
/// ended from outside, the record was made while it ran, and no other attempt is at work. Two writers
/// at once there cannot be: a pending revision makes any other Helm end by itself.
pub(crate) fn is_ours(head: &Head, report: &DeployReport, others_at_work: bool) -> Result<(), Left> {
    let (Some(end), Some(ended_at)) = (report.end, report.ended_at) else {
        return Err(Left::Running);
    };
    if end != DeployEnd::Killed {
        return Err(Left::EndedByItself);
    }
    let made_within = head
        .created
        .is_some_and(|created| created >= report.started_at - SKEW && created <= ended_at + SKEW);
    if !made_within {
        return Err(Left::OutsideOfIt);
    }
    if others_at_work { Err(Left::Others) } else { Ok(()) }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;
    use tidemill_messages::{ReleaseName, ReleaseStatus};

    use super::*;

    pub(crate) fn report(end: &str) -> DeployReport {
        serde_json::from_value(json!({
            "version": 1, "run": {"kind": "PipelineRun", "namespace": "ci", "name": "r", "uid": "u"}, "task": "deploy",
            "attempt": 0, "taskRun": {"name": "r-deploy", "uid": "t"}, "stage": "ended",
            "release": {"namespace": "ops", "name": "demo"}, "startedAt": "2026-11-23T13:00:00Z",
            "endedAt": "2026-11-23T13:01:00Z", "end": end,
        }))
        .unwrap()
    }

    fn pending(created: &str) -> Head {
        Head {
            release: ReleaseName {
                namespace: "ops".to_owned(),
                name: "demo".to_owned(),
            },
            revision: 5,
            status: ReleaseStatus::PendingUpgrade,
            secret: "s".to_owned(),
            uid: "u".to_owned(),
            resource_version: "1".to_owned(),
            created: Some(created.parse().unwrap()),
            modified: None,
        }
    }

    #[test]
    fn only_what_a_killed_attempt_made_is_its() {
        let within = pending("2026-11-23T13:00:30Z");
        assert_eq!(is_ours(&within, &report("killed"), false), Ok(()));
        assert_eq!(is_ours(&within, &report("killed"), true), Err(Left::Others));
        assert_eq!(is_ours(&within, &report("failed"), false), Err(Left::EndedByItself));
        assert_eq!(is_ours(&within, &report("succeeded"), false), Err(Left::EndedByItself));
        for outside in ["2026-11-23T12:59:00Z", "2026-11-23T13:01:10Z"] {
            assert_eq!(
                is_ours(&pending(outside), &report("killed"), false),
                Err(Left::OutsideOfIt)
            );
        }
        let mut running = report("killed");
        running.end = None;
        assert_eq!(is_ours(&within, &running, false), Err(Left::Running));
    }
}
