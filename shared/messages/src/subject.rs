//! The subjects: how they are built and read back.

use crate::envelope::Error;
use crate::identity::{AttemptKey, Partition, partition_of};
use crate::release::{DeployStage, ReleaseName, ReleaseStatus};

/// Longest token; longer text is an error of the caller (Kubernetes names have at most 253).
pub const MAX_TOKEN_BYTES: usize = 768;

/// Encodes user text as one subject token: `A-Za-z0-9_-` stay, all else becomes `=XX` (hex of the
/// byte); the empty text becomes `=`.
pub fn token(text: &str) -> String {
    if text.is_empty() {
        return "=".to_owned();
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            encoded.push(char::from(byte));
        } else {
            encoded.push('=');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    encoded
}

/// Reads a token back.
pub fn text(token: &str) -> Option<String> {
    if token == "=" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'=' {
            bytes.push(*hex::decode(tail.get(..2)?).ok()?.first()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

/// `object.<group>.<resource>.<namespace>.<name>`; cluster-scoped objects have namespace `=`, the
/// core group is `core`.
pub fn object(group: &str, resource: &str, namespace: &str, name: &str) -> String {
    format!(
        "object.{}.{}.{}.{}",
        group_token(group),
        token(resource),
        token(namespace),
        token(name)
    )
}

/// All objects of a resource, in all namespaces.
pub fn objects_of(group: &str, resource: &str) -> String {
    format!("object.{}.{}.>", group_token(group), token(resource))
}

fn group_token(group: &str) -> String {
    if group.is_empty() {
        "core".to_owned()
    } else {
        token(group)
    }
}

/// Reads group, resource, namespace and name of an object's subject.
///
/// # Errors
/// [`Error::Subject`].
pub fn parse_object(subject: &str) -> Result<(String, String, String, String), Error> {
    let wrong = || Error::Subject {
        subject: subject.to_owned(),
        expected: "object.<group>.<resource>.<namespace>.<name>",
    };
    let parts: Vec<&str> = subject.split('.').collect();
    let ["object", group, resource, namespace, name] = parts[..] else {
        return Err(wrong());
    };
    let group = if group == "core" {
        String::new()
    } else {
        text(group).ok_or_else(wrong)?
    };
    let read = |part| text(part).ok_or_else(wrong);
    Ok((group, read(resource)?, read(namespace)?, read(name)?))
}

/// All facts of a partition: the filter of its consumer.
pub fn facts_of_partition(partition: Partition) -> String {
    format!("fact.{partition}.>")
}

/// All facts of a run.
pub fn facts_of_run(run_uid: &str) -> String {
    format!("fact.{}.{}.>", partition_of(run_uid), token(run_uid))
}

/// `fact.<p>.<run uid>.<task>.<attempt>.<what>`: a fact about one attempt.
pub fn attempt_fact(key: &AttemptKey, what: &str) -> String {
    format!(
        "fact.{}.{}.{}.{}.{what}",
        partition_of(&key.run_uid),
        token(&key.run_uid),
        token(&key.task),
        key.attempt
    )
}

/// `fact.<p>.<run uid>.=.0.<what>`: a fact about the run itself (`spec.<generation>`, `resolved`).
pub fn run_fact(run_uid: &str, what: &str) -> String {
    format!("fact.{}.{}.=.0.{what}", partition_of(run_uid), token(run_uid))
}

/// The run a subject of `facts`, `runs`, `timers` (both forms), `claims` or `logs` belongs to.
pub fn run_uid_of(subject: &str) -> Option<String> {
    let mut parts = subject.split('.');
    let position = match parts.next()? {
        "fact" | "run" | "timer" | "due" => 1,
        "claim" | "log" => 0,
        "hint" if parts.next() == Some("fact") => 0,
        _ => return None,
    };
    text(parts.nth(position)?)
}

/// The decisions of a run; compare-and-set is on this subject.
pub fn decision(run_uid: &str) -> String {
    format!("run.{}.{}.decision", partition_of(run_uid), token(run_uid))
}

/// Everything of a run in stream `runs`.
pub fn run_all(run_uid: &str) -> String {
    format!("run.{}.{}.>", partition_of(run_uid), token(run_uid))
}

/// The tasks of a run in stream `runs`.
pub fn tasks_of_run(run_uid: &str) -> String {
    format!("run.{}.{}.task.>", partition_of(run_uid), token(run_uid))
}

/// `run.<p>.<run uid>.task.<class>.<priority>.<task>.<attempt>`.
pub fn task(key: &AttemptKey, class: &str, priority: u8) -> String {
    let (partition, run) = (partition_of(&key.run_uid), token(&key.run_uid));
    format!(
        "run.{partition}.{run}.task.{}.{priority}.{}.{}",
        token(class),
        token(&key.task),
        key.attempt
    )
}

/// All tasks of a class: the filter of the class's consumer.
pub fn tasks_of_class(class: &str) -> String {
    format!("run.*.*.task.{}.>", token(class))
}

/// `run.<p>.<run uid>.cancel.<task>.<attempt>`.
pub fn cancel(key: &AttemptKey) -> String {
    let (partition, run) = (partition_of(&key.run_uid), token(&key.run_uid));
    format!("run.{partition}.{run}.cancel.{}.{}", token(&key.task), key.attempt)
}

/// Where planners announce tasks of a class before they are stored: core messages that may be lost, each
/// a [`crate::StartTask`].
pub fn hint(class: &str) -> String {
    format!("hint.task.{}", token(class))
}

/// Where planners say that a decision they announced tasks of is stored: core messages without payload
/// that may be lost, with the decision's id in a header.
pub fn go(class: &str) -> String {
    format!("hint.go.{}", token(class))
}

/// Where a runner says how an attempt ended while that fact is being stored: core messages that may be
/// lost, each a [`crate::Fact`].
pub fn ending_hint(run_uid: &str) -> String {
    format!("hint.fact.{}", token(run_uid))
}

/// What all runners say so: what a planner subscribes to.
pub const ALL_ENDING_HINTS: &str = "hint.fact.*";

/// All cancel commands: what a runner subscribes to.
pub const ALL_CANCELS: &str = "run.*.*.cancel.>";

/// The attempt a task or cancel subject names.
pub fn attempt_of_command(subject: &str) -> Option<AttemptKey> {
    let parts: Vec<&str> = subject.split('.').collect();
    let (run, task, attempt) = match parts[..] {
        ["run", _, run, "task", _, _, task, attempt] | ["run", _, run, "cancel", task, attempt] => (run, task, attempt),
        _ => return None,
    };
    Some(AttemptKey {
        run_uid: text(run)?,
        task: text(task)?,
        attempt: attempt.parse().ok()?,
    })
}

/// `run.<p>.<run uid>.deploy.<task>.<attempt>.<stage>`.
pub fn deploy(key: &AttemptKey, stage: DeployStage) -> String {
    let (partition, run) = (partition_of(&key.run_uid), token(&key.run_uid));
    format!(
        "run.{partition}.{run}.deploy.{}.{}.{}",
        token(&key.task),
        key.attempt,
        stage.as_str()
    )
}

/// What planners say about attempts that deploy: the filter of the deployer's consumer.
pub const ALL_DEPLOYS: &str = "run.*.*.deploy.>";

/// `release.<namespace>.<name>.<revision>.<status>`.
pub fn release(release: &ReleaseName, revision: u32, status: ReleaseStatus) -> String {
    format!(
        "release.{}.{}.{revision}.{status}",
        token(&release.namespace),
        token(&release.name)
    )
}

/// All events of a release.
pub fn events_of_release(release: &ReleaseName) -> String {
    format!("release.{}.{}.>", token(&release.namespace), token(&release.name))
}

/// All events of the releases of a namespace.
pub fn releases_of_namespace(namespace: &str) -> String {
    format!("release.{}.>", token(namespace))
}

/// Release, revision and status that a subject of stream `releases` names.
pub fn parse_release(subject: &str) -> Option<(ReleaseName, u32, ReleaseStatus)> {
    let parts: Vec<&str> = subject.split('.').collect();
    let ["release", namespace, name, revision, status] = parts[..] else {
        return None;
    };
    let release = ReleaseName {
        namespace: text(namespace)?,
        name: text(name)?,
    };
    Some((release, revision.parse().ok()?, ReleaseStatus::of(status)?))
}

/// `watching.<namespace>`: since when the deployer watches it.
pub fn watching(namespace: &str) -> String {
    format!("watching.{}", token(namespace))
}

/// `claim.<run uid>.<task>.<attempt>`.
pub fn claim(key: &AttemptKey) -> String {
    format!("claim.{}.{}.{}", token(&key.run_uid), token(&key.task), key.attempt)
}

/// All claims of a run.
pub fn claims_of_run(run_uid: &str) -> String {
    format!("claim.{}.>", token(run_uid))
}

/// The attempt a claim's subject names.
pub fn attempt_of_claim(subject: &str) -> Option<AttemptKey> {
    let parts: Vec<&str> = subject.split('.').collect();
    let ["claim", run, task, attempt] = parts[..] else {
        return None;
    };
    Some(AttemptKey {
        run_uid: text(run)?,
        task: text(task)?,
        attempt: attempt.parse().ok()?,
    })
}

/// `runner.<id>`: the lease of a runner.
pub fn lease(runner_id: &str) -> String {
    format!("runner.{}", token(runner_id))
}

/// `timer.<p>.<run uid>`: where the run's one schedule lies.
pub fn timer(run_uid: &str) -> String {
    format!("timer.{}.{}", partition_of(run_uid), token(run_uid))
}

/// `due.<p>.<run uid>`: where it arrives.
pub fn due(run_uid: &str) -> String {
    format!("due.{}.{}", partition_of(run_uid), token(run_uid))
}

/// All due timers: the filter of their consumer.
pub const ALL_DUE: &str = "due.>";

/// `log.<run uid>.<task>.<attempt>.<container>`.
pub fn log(key: &AttemptKey, container: &str) -> String {
    format!(
        "log.{}.{}.{}.{}",
        token(&key.run_uid),
        token(&key.task),
        key.attempt,
        token(container)
    )
}

/// All logs of a run.
pub fn logs_of_run(run_uid: &str) -> String {
    format!("log.{}.>", token(run_uid))
}

/// All logs of an attempt.
pub fn logs_of_attempt(key: &AttemptKey) -> String {
    format!("log.{}.{}.{}.*", token(&key.run_uid), token(&key.task), key.attempt)
}

/// `step.report.<run uid>.<task>.<attempt>`: where the steps of an attempt report, each to whoever owns it.
pub fn step_report(key: &AttemptKey) -> String {
    format!("step.report.{}", attempt_tokens(key))
}

/// `step.tell.<run uid>.<task>.<attempt>`: what the owner has to say without being asked.
pub fn step_tell(key: &AttemptKey) -> String {
    format!("step.tell.{}", attempt_tokens(key))
}

/// `step.inbox.<run uid>.<task>.<attempt>`: where answers come, below it one subject a container.
pub fn step_inbox(key: &AttemptKey) -> String {
    format!("step.inbox.{}", attempt_tokens(key))
}

/// All reports of steps: what their account may ask of ours.
pub const ALL_STEP_REPORTS: &str = "step.report.>";
/// All that is told to steps: what their account may hear of ours.
pub const ALL_STEP_TELLS: &str = "step.tell.>";

fn attempt_tokens(key: &AttemptKey) -> String {
    format!("{}.{}.{}", token(&key.run_uid), token(&key.task), key.attempt)
}

/// `blob.<sha256>.<chunk>`.
pub fn blob(sha256: &str, chunk: u32) -> String {
    format!("blob.{sha256}.{chunk}")
}

/// `event.<namespace>.<listener uid>.<dedupe key>`.
pub fn event(namespace: &str, listener_uid: &str, key: &str) -> String {
    format!("event.{}.{}.{}", token(namespace), token(listener_uid), token(key))
}

/// `outcome.<namespace>.<listener uid>.<dedupe key>`: what became of the event.
pub fn outcome(namespace: &str, listener_uid: &str, key: &str) -> String {
    format!("outcome.{}.{}.{}", token(namespace), token(listener_uid), token(key))
}

/// The subject of the outcome of the event on `subject`.
pub fn outcome_of_event(subject: &str) -> Option<String> {
    Some(format!("outcome.{}", subject.strip_prefix("event.")?))
}

/// The subject of the event that the outcome on `subject` is of.
pub fn event_of_outcome(subject: &str) -> Option<String> {
    Some(format!("event.{}", subject.strip_prefix("outcome.")?))
}

/// `retry.<namespace>.<listener uid>.<dedupe key>`: the event on `subject` is to be evaluated again.
pub fn retry_of_event(subject: &str) -> Option<String> {
    Some(format!("retry.{}", subject.strip_prefix("event.")?))
}

/// The subject of the event that the request on `subject` is about.
pub fn event_of_retry(subject: &str) -> Option<String> {
    Some(format!("event.{}", subject.strip_prefix("retry.")?))
}

/// All requests to evaluate an event again.
pub const ALL_RETRIES: &str = "retry.>";

/// `notice.<namespace>.<listener>`: requests that are no new events.
pub fn notice(namespace: &str, listener: &str) -> String {
    format!("notice.{}.{}", token(namespace), token(listener))
}

/// Everything about the events of a namespace: they, their outcomes, notices; of all without one.
pub fn all_about_events(namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("*.{}.>", token(namespace)),
        None => ">".to_owned(),
    }
}

/// All events: the filter of their consumer.
pub const ALL_EVENTS: &str = "event.>";

/// All events of a namespace.
pub fn events_of_namespace(namespace: &str) -> String {
    format!("event.{}.>", token(namespace))
}

/// All outcomes of a namespace.
pub fn outcomes_of_namespace(namespace: &str) -> String {
    format!("outcome.{}.>", token(namespace))
}

/// `cloudevent.<namespace>.<kind>.<uid>.<state>`: one state of one object, such as `successful`.
pub fn cloud_event(namespace: &str, kind: &str, uid: &str, state: &str) -> String {
    format!(
        "cloudevent.{}.{}.{}.{}",
        token(namespace),
        token(kind),
        token(uid),
        token(state)
    )
}

/// All states of all objects of a kind, in all namespaces.
pub fn cloud_events_of_kind(kind: &str) -> String {
    format!("cloudevent.*.{}.>", token(kind))
}

/// All states of one object.
pub fn cloud_events_of(namespace: &str, kind: &str, uid: &str) -> String {
    format!("cloudevent.{}.{}.{}.>", token(namespace), token(kind), token(uid))
}

/// `schedule.<namespace>.<listener>`: where a listener's next time lies.
pub fn schedule(namespace: &str, listener: &str) -> String {
    format!("schedule.{}.{}", token(namespace), token(listener))
}

/// `tick.<namespace>.<listener>`: where it arrives.
pub fn tick(namespace: &str, listener: &str) -> String {
    format!("tick.{}.{}", token(namespace), token(listener))
}

/// `fired.<namespace>.<listener>`: the last time that was fired for.
pub fn fired(namespace: &str, listener: &str) -> String {
    format!("fired.{}.{}", token(namespace), token(listener))
}

/// All times that arrived: the filter of their consumer.
pub const ALL_TICKS: &str = "tick.>";

/// Namespace and name of the listener that a subject of stream `schedules` is about.
pub fn listener_of_schedule(subject: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = subject.split('.').collect();
    let ["schedule" | "tick" | "fired", namespace, listener] = parts[..] else {
        return None;
    };
    Some((text(namespace)?, text(listener)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        for name in ["", "1-clone", "a.b", "ü *>", "=", "tekton.dev"] {
            let encoded = token(name);
            assert!(
                !encoded.is_empty() && !encoded.contains(['.', '*', '>', ' ']),
                "{encoded}"
            );
            assert_eq!(text(&encoded).as_deref(), Some(name));
        }
        assert_eq!(text("=Z"), None);
    }

    #[test]
    fn subjects_name_what_they_were_made_of() {
        let key = AttemptKey::new("u-1", "a.b", 3);
        assert_eq!(attempt_of_command(&task(&key, "process", 5)), Some(key.clone()));
        assert_eq!(attempt_of_command(&cancel(&key)), Some(key.clone()));
        assert_eq!(attempt_of_claim(&claim(&key)), Some(key.clone()));
        for subject in [
            attempt_fact(&key, "finished"),
            decision("u-1"),
            timer("u-1"),
            due("u-1"),
            claim(&key),
            log(&key, "step-a"),
        ] {
            assert_eq!(run_uid_of(&subject).as_deref(), Some("u-1"), "{subject}");
        }
        let name = ReleaseName {
            namespace: "kube-ops".to_owned(),
            name: "a.b".to_owned(),
        };
        assert_eq!(
            parse_release(&release(&name, 7, ReleaseStatus::PendingUpgrade)),
            Some((name, 7, ReleaseStatus::PendingUpgrade))
        );
        assert_eq!(run_uid_of(&deploy(&key, DeployStage::Ended)).as_deref(), Some("u-1"));
        let event = event("ci", "u.1", "ab");
        assert_eq!(outcome_of_event(&event), Some(outcome("ci", "u.1", "ab")));
        assert_eq!(outcome_of_event("fact.ci"), None);
        let outcome = outcome_of_event(&event).unwrap();
        assert_eq!(event_of_outcome(&outcome).as_ref(), Some(&event));
        let retry = retry_of_event(&event).unwrap();
        assert_eq!(event_of_retry(&retry), Some(event));
        for subject in [schedule("ci", "a.b"), tick("ci", "a.b"), fired("ci", "a.b")] {
            let listener = listener_of_schedule(&subject);
            assert_eq!(listener, Some(("ci".to_owned(), "a.b".to_owned())), "{subject}");
        }
        assert_eq!(listener_of_schedule("event.ci.a"), None);
        let subject = object("", "secrets", "default", "my.secret");
        assert_eq!(
            parse_object(&subject).unwrap(),
            (
                String::new(),
                "secrets".to_owned(),
                "default".to_owned(),
                "my.secret".to_owned()
            )
        );
    }
}
