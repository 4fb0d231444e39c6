use serde_json::{Value, json};
use tidemill_messages::plan::PlanStep;
use tidemill_resources::TaskResult;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn plan(results: Value) -> Plan {
    let mut first = PlanStep::new("step-a");
    first.results = vec![TaskResult {
        name: "size".into(),
        ..TaskResult::default()
    }];
    Plan {
        version: 1,
        steps: vec![first, PlanStep::new("step-b")],
        sidecars: Vec::new(),
        results: serde_json::from_value(results).unwrap(),
    }
}

fn progress(results: Value) -> Progress {
    let mut progress = Progress::new(&Pod::default(), plan(results));
    progress.started(at(0));
    progress
}

fn end(exit_code: i32, reason: TerminationReason) -> ContainerEnd {
    ContainerEnd {
        started_at: Some(at(1)),
        exit_code,
        reason,
        message: String::new(),
        results: Vec::new(),
        out_of_memory: false,
    }
}

fn finish(progress: &mut Progress, container: &str, end: ContainerEnd) {
    let container = container.to_owned();
    progress.take(at(2), &ReportBody::ContainerFinished { container, end });
}

fn written(name: &str, value: &str) -> WrittenResult {
    WrittenResult {
        name: name.into(),
        value: value.into(),
    }
}

fn outcome_of(declared: Value, results: &[WrittenResult]) -> AttemptOutcome {
    let mut progress = progress(declared);
    finish(&mut progress, "step-a", end(0, TerminationReason::Completed));
    finish(&mut progress, "step-b", end(0, TerminationReason::Completed));
    progress.outcome(
        at(3),
        End {
            results,
            ..End::default()
        },
    )
}

#[test]
fn states_follow_the_reports() {
    let mut progress = progress(json!([]));
    assert!(!progress.has_step_started());
    let container = "step-a".to_owned();
    progress.take(at(1), &ReportBody::ContainerStarted { container });
    assert!(progress.has_step_started());
    assert!(progress.steps()[0].running.is_some() && progress.steps()[1].waiting.is_some());

    finish(&mut progress, "step-a", end(3, TerminationReason::Error));
    finish(&mut progress, "step-b", end(1, TerminationReason::Skipped));
    let outcome = progress.outcome(at(3), End::default());
    let Ending::Failed { reason, message } = &outcome.ending else {
        panic!("{:?}", outcome.ending)
    };
    assert_eq!(
        (reason.as_str(), message.as_str()),
        ("Failed", "step \"a\" exited with code 3")
    );
    let shown = serde_json::to_value(&outcome.steps).unwrap();
    assert_eq!(shown[0]["terminated"]["reason"], "Error");
    assert_eq!(shown[0]["terminationReason"], "Error");
    assert_eq!(shown[0]["name"], "a");
    assert_eq!(shown[1]["terminationReason"], "Skipped");
}

#[test]
fn a_failure_that_may_be_is_none() {
    let mut progress = progress(json!([]));
    finish(&mut progress, "step-a", end(3, TerminationReason::Continued));
    finish(&mut progress, "step-b", end(0, TerminationReason::Completed));
    let outcome = progress.outcome(at(3), End::default());
    assert_eq!(outcome.ending, Ending::Succeeded);
    let terminated = outcome.steps[0].terminated.as_ref().unwrap();
    assert_eq!(
        (terminated.exit_code, terminated.reason.as_deref()),
        (3, Some("Completed"))
    );
}

#[test]
fn a_step_limit_is_named() {
    let mut progress = progress(json!([]));
    finish(&mut progress, "step-a", end(1, TerminationReason::TimeoutExceeded));
    let outcome = progress.outcome(at(3), End::default());
    assert!(matches!(outcome.ending, Ending::Failed { message, .. } if message.contains("exceeded its time limit")));
}

#[test]
fn what_was_cut_off_shows_why() {
    for (reason, ending, word) in [
        (CancelReason::Cancelled, Ending::Cancelled, "TaskRunCancelled"),
        (CancelReason::TimedOut, Ending::TimedOut, "TaskRunTimeout"),
    ] {
        let mut progress = progress(json!([]));
        finish(&mut progress, "step-a", end(0, TerminationReason::Completed));
        let outcome = progress.outcome(
            at(3),
            End {
                cancelled: Some(reason),
                ..End::default()
            },
        );
        assert_eq!(outcome.ending, ending);
        let cut_off = outcome.steps[1].terminated.as_ref().unwrap();
        assert_eq!(cut_off.reason.as_deref(), Some(word));
    }
}

#[test]
fn another_failure_comes_first() {
    let failure = Failure {
        reason: "TaskRunResultLargerThanAllowedLimit".into(),
        message: "result `x` has 2 MiB".into(),
    };
    let mut progress = progress(json!([]));
    finish(&mut progress, "step-a", end(1, TerminationReason::Error));
    let outcome = progress.outcome(
        at(3),
        End {
            failure: Some(&failure),
            ..End::default()
        },
    );
    assert!(matches!(outcome.ending, Ending::Failed { reason, .. } if reason == failure.reason));
}

#[test]
fn results_have_their_declared_types() {
    let declared = json!([
        {"name": "text"}, {"name": "list", "type": "array"}, {"name": "map", "properties": {"k": {}}}, {"name": "absent"},
    ]);
    let outcome = outcome_of(
        declared,
        &[
            written("list", r#"["a","b"]"#),
            written("text", "[1]\n"),
            written("map", r#"{"k":"v"}"#),
            written("undeclared", "x"),
        ],
    );
    assert_eq!(outcome.ending, Ending::Succeeded);
    assert_eq!(
        serde_json::to_value(&outcome.results).unwrap(),
        json!([
            {"name": "text", "type": "string", "value": "[1]\n"},
            {"name": "list", "type": "array", "value": ["a", "b"]},
            {"name": "map", "type": "object", "value": {"k": "v"}},
        ])
    );
}

#[test]
fn content_of_another_type_fails_the_task_and_is_no_result() {
    for (kind, content) in [
        ("array", "no json"),
        ("array", r#"{"k":"v"}"#),
        ("array", "[1]"),
        ("object", "[]"),
    ] {
        let outcome = outcome_of(json!([{"name": "r", "type": kind}]), &[written("r", content)]);
        let Ending::Failed { reason, message } = outcome.ending else {
            panic!("{kind} from {content} passed")
        };
        assert_eq!(reason, "TaskRunValidationFailed");
        assert!(message.contains("\"r\" is declared as"), "{message}");
        assert!(outcome.results.is_empty());
    }
    let outcome = outcome_of(
        json!([{"name": "r", "properties": {"k": {}, "l": {}}}]),
        &[written("r", r#"{"k":"v"}"#)],
    );
    assert!(matches!(outcome.ending, Ending::Failed { message, .. } if message.contains("lacks the keys l")));
}

#[test]
fn a_task_result_may_be_a_step_s() {
    for reference in [
        "$(steps.a.results.size)",
        "$(steps.a.results['size'])",
        "$(steps.a.results[\"size\"])",
    ] {
        let mut progress = progress(json!([{"name": "total", "value": reference}]));
        let mut first = end(0, TerminationReason::Completed);
        first.results = vec![written("size", "7"), written("other", "8")];
        finish(&mut progress, "step-a", first);
        finish(&mut progress, "step-b", end(0, TerminationReason::Completed));
        let outcome = progress.outcome(at(3), End::default());
        assert_eq!(
            serde_json::to_value(&outcome.results).unwrap(),
            json!([{"name": "total", "type": "string", "value": "7"}]),
            "{reference}"
        );
        assert_eq!(outcome.steps[0].results.len(), 1, "only the declared one");
    }
}
