//! Releases: what became of them, and what planner and deployer tell each other about them.
//!
//! An event lies on `release.<namespace>.<name>.<revision>.<status>` and is stored once for each
//! transition. A release that is uninstalled and installed again begins at revision 1 again: events
//! carry the UID of the record they were read from, and the later one expects the earlier one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidemill_resources::pod_template::PodTemplate;

use crate::command::{RunReference, TaskRunIdentity};
use crate::identity::AttemptKey;
use crate::trace::Span;

/// Annotation of run or task: the release it deploys, `name` or `namespace/name`, for tasks without
/// the parameter `release_name`.
pub const ANNOTATION_RELEASE: &str = "tidemill.dev/release";
/// Annotation of run or task: `auto` lets the deployer roll a failed release back.
pub const ANNOTATION_ROLLBACK: &str = "tidemill.dev/rollback";
/// Annotation of a TaskRun that rolls back: the attempt it undoes, `<run uid>/<task>/<attempt>`.
pub const ANNOTATION_ROLLBACK_OF: &str = "tidemill.dev/rollback-of";
/// Annotation of a run that a release's event started: the trace context of that event.
pub const ANNOTATION_RELEASE_EVENT: &str = "tidemill.dev/release-event";
/// Type of the CloudEvents of releases, before the status.
pub const CLOUD_EVENT_TYPE: &str = "dev.tidemill.release";
/// The result by which tasks tell what became of a release.
pub const RESULT_STATUS: &str = "helm-status";

/// Where a revision of a release stands: Helm's words, then ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseStatus {
    /// Helm does not know.
    Unknown,
    /// It is the one in force.
    Deployed,
    /// It is gone, and its record was kept.
    Uninstalled,
    /// A later revision is in force.
    Superseded,
    /// It could not be made so.
    Failed,
    /// It is being removed.
    Uninstalling,
    /// The first revision is being made.
    PendingInstall,
    /// A later revision is being made.
    PendingUpgrade,
    /// An earlier revision is being made again.
    PendingRollback,
    /// Its record is gone: it was uninstalled, or Helm keeps fewer revisions.
    Removed,
    /// Everything it is made of was seen ready: a revision to go back to.
    Verified,
    /// It is in force, and something it is made of is not ready any more.
    Degraded,
    /// All of it is ready again.
    Recovered,
    /// Left pending by an attempt of ours that is over; marked failed.
    Unlocked,
    /// The deployer began to go back from it.
    RollbackStarted,
    /// An earlier revision is in force again.
    RolledBack,
    /// Going back did not work. An end: nothing more is tried.
    RollbackFailed,
}

impl ReleaseStatus {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Unknown,
        Self::Deployed,
        Self::Uninstalled,
        Self::Superseded,
        Self::Failed,
        Self::Uninstalling,
        Self::PendingInstall,
        Self::PendingUpgrade,
        Self::PendingRollback,
        Self::Removed,
        Self::Verified,
        Self::Degraded,
        Self::Recovered,
        Self::Unlocked,
        Self::RollbackStarted,
        Self::RolledBack,
        Self::RollbackFailed,
    ];

    /// The word, as Helm's label `status` and our subjects have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Deployed => "deployed",
            Self::Uninstalled => "uninstalled",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
            Self::Removed => "removed",
            Self::Verified => "verified",
            Self::Degraded => "degraded",
            Self::Recovered => "recovered",
            Self::Unlocked => "unlocked",
            Self::RollbackStarted => "rollback-started",
            Self::RolledBack => "rolled-back",
            Self::RollbackFailed => "rollback-failed",
        }
    }

    /// The status of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether Helm is at work on it, or died at it: nobody else can change the release.
    #[must_use]
    pub fn is_pending(self) -> bool {
        matches!(
            self,
            Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback
        )
    }
}

impl std::fmt::Display for ReleaseStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for ReleaseName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What in the cluster keeps a release from being ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// One word, such as `CrashLoopBackOff`, `ImagePullBackOff`, `Unschedulable`, `QuotaExceeded`.
    pub reason: String,
    /// The pod, or the workload that got none.
    pub object: String,
    /// The container; empty where none is at fault.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container: String,
    /// The cluster's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The last lines the container wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.object)?;
        if !self.container.is_empty() {
            write!(f, ": container {}", self.container)?;
        }
        write!(f, ": {}", self.reason)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match self.log.iter().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => write!(f, ": {:?}", line.trim()),
            None => Ok(()),
        }
    }
}

/// The attempt of a run that a transition happened under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// The run.
    pub run: RunReference,
    /// Key of the task.
    pub task: String,
    /// Attempt.
    pub attempt: u32,
    /// Trace context of the attempt; empty where it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub traceparent: String,
}

/// One transition of one revision of a release, in stream `releases`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseEvent {
    /// Version of this payload.
    pub version: u64,
    /// Which release.
    pub release: ReleaseName,
    /// The revision.
    pub revision: u32,
    /// Where it stands now.
    pub status: ReleaseStatus,
    /// UID of the record's Secret: another one is another life of a release of that name.
    pub record_uid: String,
    /// When it happened, by the cluster's clock where the cluster says so.
    pub at: Timestamp,
    /// Chart and version, `name-version`; empty where the record could not be read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub chart: String,
    /// Version of what the chart deploys.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    /// Helm's own sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The revision it makes again, or is to be replaced by; 0: none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rollback_to: u32,
    /// Why, where the cluster shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The attempt at work on the release at that time; none for what others did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
}

impl ReleaseEvent {
    /// Its span.
    #[must_use]
    pub fn span(&self) -> Span<'_> {
        Span::Release {
            record: &self.record_uid,
            revision: self.revision,
            status: self.status.as_str(),
        }
    }
}

/// The deployer watches a namespace. Subject `watching.<namespace>`, stored once: what happened
/// before is no event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Watching {
    /// Version of this payload.
    pub version: u64,
    /// Since when.
    pub since: Timestamp,
    /// The same as the cluster's resource version: records written before are no events.
    pub resource_version: String,
}

/// How far an attempt that deploys is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeployStage {
    /// It was dispatched.
    Started,
    /// It is over.
    Ended,
    /// What the pipeline did about its failure is over too.
    Settled,
}

impl DeployStage {
    /// The last token of the subject.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ended => "ended",
            Self::Settled => "settled",
        }
    }
}

/// How an attempt that deploys ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeployEnd {
    /// Well.
    Succeeded,
    /// By itself, badly: what it left, it meant to leave, or others did.
    Failed,
    /// From outside: whatever it was at, it could not finish.
    Killed,
}

/// What the planner tells the deployer about an attempt that deploys. Subject
/// `run.<p>.<run uid>.deploy.<task>.<attempt>.<stage>`, expected sequence 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployReport {
    /// Version of this payload.
    pub version: u64,
    /// The run.
    pub run: RunReference,
    /// Key of the task.
    pub task: String,
    /// Attempt.
    pub attempt: u32,
    /// Its TaskRun.
    pub task_run: TaskRunIdentity,
    /// How far it is.
    pub stage: DeployStage,
    /// The release it deploys.
    pub release: ReleaseName,
    /// When the attempt was dispatched.
    pub started_at: Timestamp,
    /// When the attempt was over, by its runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<DeployEnd>,
    /// Until when the run waits for a [`ReleaseReport`]; `None`: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_by: Option<Timestamp>,
    /// Whether the deployer is to roll back itself.
    #[serde(default)]
    pub rollback: bool,
    /// Image of the task's first step: it has Helm.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// The run's service account.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service_account_name: String,
    /// The run's pod template: what its pods need, a pod that rolls back needs too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// Class of runners that took the task.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub class: String,
    /// Trace context of the attempt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub traceparent: String,
}

impl DeployReport {
    /// The attempt.
    #[must_use]
    pub fn key(&self) -> AttemptKey {
        AttemptKey::new(self.run.uid.clone(), self.task.clone(), self.attempt)
    }

    /// The attempt, as events name it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor {
            run: self.run.clone(),
            task: self.task.clone(),
            attempt: self.attempt,
            traceparent: self.traceparent.clone(),
        }
    }
}

/// How going back stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Rollback {
    /// Nobody went back.
    #[default]
    None,
    /// The deployer is at it.
    Running {
        /// The TaskRun that does it.
        task_run: String,
        /// The revision it goes back to.
        to: u32,
        /// Until when it may take.
        until: Timestamp,
    },
    /// An earlier revision is in force again.
    Done {
        /// Which.
        to: u32,
    },
    /// It did not work, or there is nothing to go back to.
    Failed {
        /// Why.
        message: String,
    },
}

/// What the deployer tells a run about the release of one of its attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseReport {
    /// Which release.
    pub release: ReleaseName,
    /// Its last revision; 0: there is no such release.
    pub revision: u32,
    /// Where that stands, in Helm's words; `None`: there is no such release.
    pub status: Option<ReleaseStatus>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// How going back stands.
    #[serde(default)]
    pub rollback: Rollback,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_come_back_and_are_those_of_the_payload() {
        for status in ReleaseStatus::ALL {
            assert_eq!(ReleaseStatus::of(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), json!(status.as_str()));
        }
        assert_eq!(ReleaseStatus::of("pending"), None);
    }

    #[test]
    fn payloads_of_version_1_are_read() {
        let run = json!({"kind": "PipelineRun", "namespace": "ci", "name": "r", "uid": "u"});
        let release = json!({"namespace": "kube-ops", "name": "devops-demo"});
        let event = json!({
            "version": 1, "release": release, "revision": 5, "status": "failed", "recordUid": "s",
            "at": "2026-11-23T13:05:02Z", "chart": "demo-0.1.0", "description": "Upgrade failed", "rollbackTo": 4,
            "cause": {"reason": "CrashLoopBackOff", "object": "pod demo-7c9d", "container": "demo", "message": "exit 2", "log": ["no file"]},
            "actor": {"run": run, "task": "5-deploy", "attempt": 0},
        });
        let read: ReleaseEvent = serde_json::from_value(event.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), event);
        assert_eq!(
            read.cause.unwrap().to_string(),
            "pod demo-7c9d: container demo: CrashLoopBackOff: exit 2: \"no file\""
        );
        let report = json!({
            "version": 1, "run": run, "task": "5-deploy", "attempt": 0, "taskRun": {"name": "r-5-deploy", "uid": "t"},
            "stage": "ended", "release": release, "startedAt": "2026-11-23T13:05:02Z", "endedAt": "2026-11-23T13:06:02Z",
            "end": "killed", "answerBy": "2026-11-23T13:06:32Z", "rollback": true, "image": "helm", "serviceAccountName": "bot",
            "podTemplate": {"nodeSelector": {"a": "b"}}, "class": "kubernetes",
        });
        let read: DeployReport = serde_json::from_value(report.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), report);
        let answer = json!({
            "release": release, "revision": 5, "status": "failed", "cause": "c",
            "rollback": {"running": {"taskRun": "t", "to": 4, "until": "2026-11-23T13:11:02Z"}},
        });
        let read: ReleaseReport = serde_json::from_value(answer.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), answer);
    }
}
