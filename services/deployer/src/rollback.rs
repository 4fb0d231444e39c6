//! The deployer's own rollback: a TaskRun that is seen, logged and traced like any other.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tidemill_messages::release::ANNOTATION_ROLLBACK_OF;
use tidemill_messages::trace::ANNOTATION_TASK_RUN;
use tidemill_messages::{ReleaseStatus, Rollback, Traceparent};
use tidemill_objects::{Key, WriteOptions};
use tidemill_resources::Object;

use crate::Error;
use crate::answer::Hearing;
use crate::record::{Head, Record};
use crate::retry::until_done;

/// What the TaskRun says it is for.
const ANNOTATION_REVISION: &str = "tidemill.dev/rollback-to";
const ANNOTATION_UNTIL: &str = "tidemill.dev/rollback-until";
/// Beside Helm's own time: a pod has to start, and Helm to end.
const SLACK: SignedDuration = SignedDuration::from_secs(60);
/// The TaskRun's time beyond Helm's.
const TASK_SLACK: Duration = Duration::from_secs(30);
/// How often the TaskRun is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Longest name of an object.
const NAME_BYTES_MAX: usize = 63;
/// Helm, with everything as arguments that no shell reads.
const SCRIPT: &str =
    "#!/bin/sh\nexec helm rollback \"$RELEASE\" \"$REVISION\" --namespace \"$NAMESPACE\" --wait --timeout \"$TIME\"\n";

/// A rollback that was begun.
pub(crate) struct Begun {
    task_run: Key,
    to: u32,
    until: Timestamp,
}

impl Begun {
    /// How it stands.
    pub(crate) fn running(&self) -> Rollback {
        Rollback::Running {
            task_run: self.task_run.name.clone(),
            to: self.to,
            until: self.until,
        }
    }
}

/// The rollback that was begun for this attempt already.
pub(crate) async fn begun(hearing: &Hearing<'_>) -> Result<Option<Begun>, Error> {
    if !hearing.report.rollback {
        return Ok(None);
    }
    let key = key(hearing);
    let found = until_done(&hearing.deployer.stopping, || async {
        Ok(hearing.deployer.objects.get(&key).await?)
    })
    .await?;
    Ok(found.and_then(|object| read(hearing, key, &object)))
}

fn read(hearing: &Hearing<'_>, task_run: Key, object: &Object) -> Option<Begun> {
    let annotations = object.metadata.annotations.as_ref()?;
    if annotations.get(ANNOTATION_ROLLBACK_OF)? != &attempt(hearing) {
        return None;
    }
    Some(Begun {
        task_run,
        to: annotations.get(ANNOTATION_REVISION)?.parse().ok()?,
        until: annotations.get(ANNOTATION_UNTIL)?.parse().ok()?,
    })
}

/// Begins to go back to the last revision that was verified; `Ok(Err)` says why not.
pub(crate) async fn begin(hearing: &Hearing<'_>, heads: &[Head]) -> Result<Result<Begun, String>, Error> {
    let deployer = hearing.deployer;
    let Some(head) = heads.last() else {
        return Ok(Err("there is no such release".to_owned()));
    };
    if !hearing.touched(head) {
        return Ok(Err(format!(
            "revision {} is older than the attempt: it was not the attempt that broke it",
            head.revision
        )));
    }
    let Some(to) = deployer.verified_before(heads, head.revision) else {
        let none = if heads.len() == 1 {
            "it is the first revision"
        } else {
            "no revision before it was ever verified"
        };
        return Ok(Err(format!("there is nothing to go back to: {none}")));
    };
    let budget = deployer.settings.rollback_timeout.duration();
    let until = deployer.bus.now() + SignedDuration::try_from(budget).unwrap_or(SignedDuration::MAX) + SLACK;
    let begun = Begun {
        task_run: key(hearing),
        to,
        until,
    };
    let object = task_run(hearing, &begun, budget);
    let created = until_done(&deployer.stopping, || async {
        match deployer
            .objects
            .create_with(object.clone(), WriteOptions::default())
            .await
        {
            Ok(_) => Ok(Ok(())),
            // Another deployer's, or ours whose answer was lost.
            Err(tidemill_objects::Error::AlreadyExists { .. }) => Ok(Ok(())),
            Err(error) if error.is_transient() => Err(error.into()),
            Err(error) => Ok(Err(format!("its TaskRun cannot be created: {error}"))),
        }
    })
    .await?;
    if let Err(why) = created {
        return Ok(Err(why));
    }
    say(hearing, head, ReleaseStatus::RollbackStarted, to).await?;
    deployer.probe.pass("deployer.rollback-begun").await?;
    Ok(Ok(begun))
}

/// Waits until the rollback is over, and says how it ended.
pub(crate) async fn follow(hearing: &Hearing<'_>, begun: &Begun) -> Result<Rollback, Error> {
    let deployer = hearing.deployer;
    let ended = loop {
        let found = until_done(&deployer.stopping, || async {
            Ok(deployer.objects.get(&begun.task_run).await?)
        })
        .await?;
        let Some(object) = found else {
            break Err(format!("TaskRun {:?} is gone", begun.task_run.name));
        };
        if let Some(ended) = outcome(&object) {
            break ended;
        }
        if deployer.bus.now() > begun.until {
            break Err(format!("TaskRun {:?} was not over in time", begun.task_run.name));
        }
        tokio::select! {
            () = deployer.stopping.cancelled() => return Err(Error::Stopping),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    };
    let heads = until_done(&deployer.stopping, || {
        deployer.cluster.revisions(&hearing.report.release)
    })
    .await?;
    let seen = match heads.last() {
        Some(head) => hearing.went_back(head).await?,
        None => Rollback::None,
    };
    let rollback = match (ended, seen) {
        // What the release became counts, not how a program ended.
        (_, Rollback::Done { to }) => Rollback::Done { to },
        (Err(message), _) => Rollback::Failed { message },
        (Ok(()), Rollback::Failed { message }) => Rollback::Failed { message },
        (Ok(()), _) => Rollback::Failed {
            message: "Helm ended well, but no revision makes an earlier one again".to_owned(),
        },
    };
    if let (Rollback::Failed { .. }, Some(head)) = (&rollback, heads.last()) {
        say(hearing, head, ReleaseStatus::RollbackFailed, begun.to).await?;
    }
    Ok(rollback)
}

fn outcome(object: &Object) -> Option<Result<(), String>> {
    let conditions = object.rest.get("status")?.get("conditions")?.as_array()?;
    let condition = conditions.iter().find(|condition| condition["type"] == "Succeeded")?;
    match condition["status"].as_str()? {
        "True" => Some(Ok(())),
        "False" => {
            let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
            Some(Err(format!("{}: {}", text("reason"), text("message"))))
        }
        _ => None,
    }
}

async fn say(hearing: &Hearing<'_>, head: &Head, status: ReleaseStatus, to: u32) -> Result<(), Error> {
    let deployer = hearing.deployer;
    let mut event = deployer.event(head, &Record::default(), status);
    (event.at, event.rollback_to) = (deployer.bus.now(), to);
    event.actor = Some(hearing.report.actor());
    until_done(&deployer.stopping, || deployer.ledger.say(&event))
        .await
        .map(drop)
}

fn attempt(hearing: &Hearing<'_>) -> String {
    let report = hearing.report;
    format!("{}/{}/{}", report.run.uid, report.task, report.attempt)
}

fn key(hearing: &Hearing<'_>) -> Key {
    Key {
        group: "tekton.dev".to_owned(),
        resource: "taskruns".to_owned(),
        namespace: hearing.report.run.namespace.clone(),
        name: name(&hearing.report.task_run.name, &attempt(hearing)),
    }
}

/// The TaskRun's name with `-rollback`; one that is too long is cut and ends with a digest.
fn name(task_run: &str, attempt: &str) -> String {
    let plain = format!("{task_run}-rollback");
    if plain.len() <= NAME_BYTES_MAX {
        return plain;
    }
    let digest = &hex::encode(Sha256::digest(attempt))[..8];
    let kept = NAME_BYTES_MAX - "-rollback-".len() - digest.len();
    format!("{}-rollback-{digest}", task_run[..kept].trim_end_matches(['-', '.']))
}

fn task_run(hearing: &Hearing<'_>, begun: &Begun, budget: Duration) -> Value {
    let (report, settings) = (hearing.report, &hearing.deployer.settings);
    let image = settings.rollback_image.clone().unwrap_or_else(|| report.image.clone());
    let variable = |name: &str, value: &str| json!({"name": name, "value": value});
    let mut annotations = json!({
        ANNOTATION_ROLLBACK_OF: attempt(hearing),
        ANNOTATION_REVISION: begun.to.to_string(),
        ANNOTATION_UNTIL: begun.until.to_string(),
        "tidemill.dev/release": report.release.to_string(),
    });
    if let Ok(context) = report.traceparent.parse::<Traceparent>() {
        annotations[ANNOTATION_TASK_RUN] = context.to_json().into();
    }
    if !report.class.is_empty() {
        annotations["tidemill.dev/class"] = report.class.as_str().into();
    }
    let mut spec = json!({
        "timeout": format!("{}s", (budget + TASK_SLACK).as_secs()),
        "taskSpec": {"steps": [{
            "name": "rollback",
            "image": image,
            "env": [
                variable("RELEASE", &report.release.name),
                variable("REVISION", &begun.to.to_string()),
                variable("NAMESPACE", &report.release.namespace),
                variable("TIME", &format!("{}s", budget.as_secs())),
            ],
            "script": SCRIPT,
        }]},
    });
    if let Some(template) = &report.pod_template {
        spec["podTemplate"] = json!(template);
    }
    if !report.service_account_name.is_empty() {
        spec["serviceAccountName"] = report.service_account_name.as_str().into();
    }
    json!({
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {
            "name": begun.task_run.name,
            "namespace": begun.task_run.namespace,
            "labels": {"tekton.dev/pipelineRun": cut(&report.run.name)},
            "annotations": annotations,
        },
        "spec": spec,
    })
}

/// Cut to what a label's value may be.
fn cut(text: &str) -> &str {
    text[..text.len().min(NAME_BYTES_MAX)].trim_end_matches(['-', '.', '_'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_enough_and_differ() {
        assert_eq!(name("r-deploy", "u/deploy/0"), "r-deploy-rollback");
        let long = "x".repeat(63);
        let (one, other) = (name(&long, "u/a/0"), name(&long, "u/b/0"));
        assert!(one.len() <= 63 && one != other && one.contains("-rollback-"), "{one}");
    }
}
