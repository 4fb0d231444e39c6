use jiff::Timestamp;
use serde_json::{Value, json};

use super::frame::Frame;
use super::model::Event;
use super::screen::event_line;
use super::{Model, Phase, summary};
use crate::describe::failures;
use crate::output::Palette;

/// Size of a usual terminal.
const USUAL: (usize, usize) = (80, 24);

/// The time `tenths` after the run began.
fn at(tenths: i64) -> Timestamp {
    Timestamp::from_millisecond(1_763_903_102_000 + tenths * 100).unwrap()
}

fn run() -> Value {
    json!({
        "kind": "PipelineRun",
        "metadata": {"name": "shop-x7k2p", "namespace": "default"},
        "spec": {"pipelineRef": {"name": "shop"}},
        "status": {
            "spanContext": {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
            "pipelineSpec": {"tasks": [
                {"name": "1-clone"},
                {"name": "2-build", "runAfter": ["1-clone"]},
                {"name": "3-deploy", "runAfter": ["2-build"]},
                {"name": "4-rollback", "when": [
                    {"input": "$(tasks.3-deploy.results.state)", "operator": "in", "values": ["failed"]}]},
            ], "finally": [{"name": "5-tell"}]},
        },
    })
}

fn child(task: &str, status: Value) -> Value {
    json!({"metadata": {"name": format!("shop-x7k2p-{task}"), "namespace": "default",
                        "labels": {"tekton.dev/pipelineTask": task}}, "status": status})
}

fn running(task: &str) -> Value {
    child(
        task,
        json!({"conditions": [{"status": "Unknown", "reason": "Running"}]}),
    )
}

fn succeeded(task: &str) -> Value {
    child(
        task,
        json!({"conditions": [{"status": "True", "reason": "Succeeded"}],
               "results": [{"name": "commit", "value": "3f2c1aa\n"}]}),
    )
}

fn failed(task: &str) -> Value {
    child(
        task,
        json!({"podName": "p", "conditions": [{"status": "False", "reason": "Failed", "message": "step up failed"}],
               "steps": [{"name": "up", "terminationReason": "Error", "terminated": {"exitCode": 1,
                          "startedAt": "2025-11-23T13:05:02Z", "finishedAt": "2025-11-23T13:05:33Z"}}]}),
    )
}

/// A run in the middle: cloned, building, the rest still to come.
fn midway() -> (Model, Vec<(Event, Timestamp)>) {
    let mut model = Model::default();
    let mut events = Vec::new();
    let mut keep = |found: Vec<Event>, time| events.extend(found.into_iter().map(|event| (event, time)));
    keep(model.observe_run(&run()), at(0));
    keep(model.observe_task_run(&running("1-clone"), at(1)), at(1));
    keep(model.observe_task_run(&running("1-clone"), at(2)), at(2));
    keep(model.observe_task_run(&succeeded("1-clone"), at(13)), at(13));
    keep(model.observe_task_run(&running("2-build"), at(14)), at(14));
    model.observe_log("2-build", "compile", "\x1b[32mdownloading\x1b[0m gin v1.9.1");
    model.observe_log("2-build", "compile", "   ");
    (model, events)
}

fn text(frame: &Frame) -> String {
    let lines = frame.settled.iter().chain(&frame.live);
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn midway_there_is_one_line_a_task() {
    let (model, _) = midway();
    let frame = model.frame(0, at(62), Palette::SIGNS, USUAL);
    assert_eq!(
        text(&frame),
        "  ✔ 1-clone       1.2s   commit=3f2c1aa
  ▸ 2-build       4.8s   compile │ downloading gin v1.9.1
  · 3-deploy             after 2-build
  · 4-rollback           when $(tasks.3-deploy.results.state) in [failed]
  · 5-tell               after all tasks
"
    );
    assert_eq!(frame.settled.len(), 1);
    assert_eq!(
        model.heading(Palette::SIGNS, 80),
        " run  shop-x7k2p   shop   trace 4bf92f3577b34da6a3ce929d0e0e4736"
    );
    assert_eq!(model.heading(Palette::SIGNS, 40), " run  shop-x7k2p   shop");
}

#[test]
fn a_settled_line_is_given_once() {
    let (mut model, _) = midway();
    let before = model.frame(1, at(62), Palette::SIGNS, USUAL);
    assert!(before.settled.is_empty());
    assert_eq!(before.live.len(), 4);
    model.observe_task_run(&succeeded("2-build"), at(70));
    let after = model.frame(1, at(99), Palette::SIGNS, USUAL);
    assert_eq!(after.settled.len(), 1);
    assert!(after.settled[0].contains("2-build       5.6s"), "{after:?}");
}

#[test]
fn narrow_lines_are_cut_and_ascii_is_ascii() {
    let (model, _) = midway();
    let frame = model.frame(0, at(62), Palette::PLAIN, (40, 24));
    assert_eq!(
        text(&frame),
        "  + 1-clone       1.2s   commit=3f2c1aa
  > 2-build       4.8s   compile | dow~
  . 3-deploy             after 2-build
  . 4-rollback           when $(tasks.~
  . 5-tell               after all tas~
"
    );
    assert!(frame.live.iter().all(|line| line.chars().count() < 40));
}

#[test]
fn many_tasks_are_counted() {
    let mut model = Model::default();
    let tasks: Vec<Value> = (0..100).map(|index| json!({"name": format!("t{index}")})).collect();
    model.observe_pipeline(&json!({"tasks": tasks}));
    for index in 1..31 {
        model.observe_task_run(&running(&format!("t{index}")), at(0));
    }
    let frame = model.frame(0, at(1), Palette::SIGNS, (80, 12));
    assert_eq!(frame.live.len(), 10);
    assert_eq!(frame.live[9], "  0 of 100 tasks are over, 30 run, 70 wait");
}

#[test]
fn without_a_terminal_there_is_one_line_an_event() {
    let (mut model, mut events) = midway();
    for (object, time) in [(failed("2-build"), at(30)), (failed("2-build"), at(31))] {
        events.extend(
            model
                .observe_task_run(&object, time)
                .into_iter()
                .map(|event| (event, time)),
        );
    }
    let mut ended = run();
    ended["status"]["skippedTasks"] = json!([{"name": "3-deploy", "reason": "PipelineRun was stopping"}]);
    for _ in 0..2 {
        events.extend(model.observe_run(&ended).into_iter().map(|event| (event, at(32))));
    }
    let lines: String = events.iter().map(|(event, time)| event_line(event, *time)).collect();
    assert_eq!(
        lines,
        "2025-11-23T13:05:02Z 1-clone started
2025-11-23T13:05:03Z 1-clone succeeded 1.2s commit=3f2c1aa
2025-11-23T13:05:03Z 2-build started
2025-11-23T13:05:05Z 2-build failed 1.6s up exited 1 after 31s
2025-11-23T13:05:05Z 3-deploy skipped PipelineRun was stopping
"
    );
}

#[test]
fn another_attempt_is_another_start() {
    let mut model = Model::default();
    model.observe_task_run(&running("a"), at(0));
    let mut again = running("a");
    again["status"]["retriesStatus"] = json!([{}]);
    let events = model.observe_task_run(&again, at(10));
    assert_eq!(
        events,
        [Event::Started {
            task: "a".to_owned(),
            attempt: 2
        }]
    );
    assert!(event_line(&events[0], at(10)).ends_with(" a started, attempt 2\n"));
}

#[test]
fn the_children_of_a_matrix_take_the_place_of_their_task() {
    let mut model = Model::default();
    model.observe_pipeline(&json!({"tasks": [{"name": "m"}, {"name": "z"}]}));
    for index in 0..2 {
        let mut object = running("m");
        object["metadata"]["name"] = json!(format!("shop-x7k2p-m-{index}"));
        model.observe_task_run(&object, at(0));
    }
    let frame = model.frame(0, at(0), Palette::PLAIN, USUAL);
    let names: Vec<&str> = frame
        .live
        .iter()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(names, ["m-0", "m-1", "z"]);
    assert_eq!(model.count(Phase::Running), 2);
}

#[test]
fn the_summary_says_what_to_look_at() {
    let (mut model, _) = midway();
    let object = failed("2-build");
    model.observe_task_run(&object, at(30));
    let mut ended = run();
    ended["status"]["skippedTasks"] = json!([
        {"name": "3-deploy", "reason": "PipelineRun was stopping"},
        {"name": "4-rollback", "reason": "PipelineRun was stopping"},
    ]);
    ended["status"]["startTime"] = json!("2025-11-23T13:05:02Z");
    ended["status"]["completionTime"] = json!("2025-11-23T13:06:14Z");
    ended["status"]["conditions"] = json!([{"status": "False", "reason": "Failed", "message": "Tasks Completed: 2"}]);
    model.observe_run(&ended);
    model.observe_task_run(&succeeded("5-tell"), at(40));
    let mut found = failures(&[object]);
    found[0].log = vec!["Error: out of \x1b[31mtime\x1b[0m".to_owned(), String::new()];
    assert_eq!(
        summary(&model, &ended, &found, Palette::SIGNS, 80),
        " ✘ Failed   1m12s   5 tasks: 2 succeeded, 1 failed, 2 skipped
   2-build / up exited 1 after 31s:
     Error: out of time
   hint: tidemill logs shop-x7k2p --task 2-build   ·   tidemill describe pr shop-x7k2p
"
    );
}

#[test]
fn a_run_that_never_began_says_why() {
    let run = json!({"kind": "PipelineRun", "metadata": {"name": "r", "namespace": "ci"}, "status": {"conditions": [
        {"status": "False", "reason": "CouldntGetTask", "message": "no Task \"a\" in namespace \"ci\""}]}});
    let model = Model::default();
    assert_eq!(
        summary(&model, &run, &[], Palette::PLAIN, 80),
        " x Failed
   CouldntGetTask: no Task \"a\" in namespace \"ci\"
   hint: tidemill describe pr r -n ci
"
    );
}
