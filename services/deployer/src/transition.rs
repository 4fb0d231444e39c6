//! From a record as it is now to the events it means. Pure.

use tidemill_messages::ReleaseStatus;

use crate::record::{Head, Record};

/// The statuses that a record's state stands for, in the order in which they are said: for a revision
/// that makes an earlier one again what that means, then Helm's own. Who finds Helm's own said knows
/// that nothing is left to say.
pub(crate) fn statuses(head: &Head, record: &Record) -> Vec<ReleaseStatus> {
    let mut said = Vec::new();
    match head.status {
        ReleaseStatus::Deployed if record.is_rollback => said.push(ReleaseStatus::RolledBack),
        ReleaseStatus::Failed if record.is_rollback => said.push(ReleaseStatus::RollbackFailed),
        _ => {}
    }
    said.push(head.status);
    said
}

/// Whether a record was last written before its namespace was watched: that is no event.
pub(crate) fn is_before(head: &Head, since: &str) -> bool {
    let number = |text: &str| text.parse::<u128>().ok();
    match (number(&head.resource_version), number(since)) {
        (Some(version), Some(since)) => version <= since,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_messages::ReleaseName;

    fn head(status: ReleaseStatus, version: &str) -> Head {
        Head {
            release: ReleaseName {
                namespace: "ops".to_owned(),
                name: "demo".to_owned(),
            },
            revision: 6,
            status,
            secret: "s".to_owned(),
            uid: "u".to_owned(),
            resource_version: version.to_owned(),
            created: None,
            modified: None,
        }
    }

    #[test]
    fn going_back_is_said_beside_helm_s_own_word() {
        let back = Record {
            is_rollback: true,
            rollback_to: 4,
            ..Record::default()
        };
        for (status, record, said) in [
            (
                ReleaseStatus::Deployed,
                &Record::default(),
                vec![ReleaseStatus::Deployed],
            ),
            (
                ReleaseStatus::Deployed,
                &back,
                vec![ReleaseStatus::RolledBack, ReleaseStatus::Deployed],
            ),
            (
                ReleaseStatus::Failed,
                &back,
                vec![ReleaseStatus::RollbackFailed, ReleaseStatus::Failed],
            ),
            (
                ReleaseStatus::PendingRollback,
                &back,
                vec![ReleaseStatus::PendingRollback],
            ),
            (ReleaseStatus::Superseded, &back, vec![ReleaseStatus::Superseded]),
        ] {
            assert_eq!(statuses(&head(status, "1"), record), said);
        }
    }

    #[test]
    fn what_was_there_before_is_no_event() {
        assert!(is_before(&head(ReleaseStatus::Deployed, "99"), "100"));
        assert!(is_before(&head(ReleaseStatus::Deployed, "100"), "100"));
        assert!(!is_before(&head(ReleaseStatus::Deployed, "101"), "100"));
        assert!(!is_before(&head(ReleaseStatus::Deployed, "x"), "100"));
    }
}
