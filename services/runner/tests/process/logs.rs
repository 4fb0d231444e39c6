//! Output on its way to the log.

use std::time::{Duration, Instant};

use serde_json::json;
use tidemill_messages::report::{MAX_LOG_CHUNK_BYTES, ReportBody};
use tidemill_runner::backend::Event;
use tidemill_runner::backend::process::Settings;

use crate::kit::{Place, Task};

/// Most memory a supervisor may ever take: far less than the logs of these tests.
const PEAK_KILOBYTES: u64 = 24 * 1024;

#[tokio::test]
async fn secrets_are_masked_wherever_they_come_out() {
    let place = Place::new();
    place.objects.secret(
        "login",
        &[
            ("password", "s3cr3t-pass"),
            ("pin", "1234"),
            ("key", "line-one\nline-two\n"),
        ],
    );
    let container = json!({
        "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
                {"name": "PIN", "valueFrom": {"secretKeyRef": {"name": "login", "key": "pin"}}}],
        "envFrom": [{"prefix": "L_", "secretRef": {"name": "login"}}],
    });
    let script = r#"
        echo "plain $PASSWORD pin $PIN"
        printf 's3cr3'; sleep 0.1; echo 't-pass'
        printf %s "$PASSWORD" | base64; printf 'user:%s' "$PASSWORD" | base64
        echo "$L_key" | sed 's/^/  /'
        printf %s "$PASSWORD" > /tekton/results/out
    "#;
    let task = Task::new()
        .step_with("only", container, |step| step.script = Some(script.to_owned()))
        .result("out");
    let outcome = place.play(&task).await;
    let text = outcome.expect_success().text();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("plain *** pin 1234"));
    assert_eq!(lines.next(), Some("***"));
    for line in [lines.next(), lines.next()] {
        let line = line.unwrap();
        assert!(line.contains("***") && line.len() < 14, "{text}");
    }
    assert_eq!(lines.next(), Some("  ***"));
    assert_eq!(lines.next(), Some("  ***"));
    assert_eq!(outcome.result("out").as_deref(), Some("***"));
}

#[tokio::test]
async fn output_is_told_while_the_step_runs() {
    let place = Place::new();
    let mut run = place
        .prepare(&Task::script(
            "printf 'no newline'; read wait < /workspace/fifo || sleep 1000",
        ))
        .await;
    run.start().await;
    run.until_log("no newline").await;
    run.kill().await;
    run.ended().await;
}

#[tokio::test]
async fn a_line_is_told_soon_after_it_is_written() {
    let place = Place::new();
    let mut run = place
        .prepare(&Task::script(
            "for i in 1 2 3 4 5 6 7 8 9 10; do date +%s%N; sleep 0.03; done",
        ))
        .await;
    run.start().await;
    let mut delays = Vec::new();
    while delays.len() < 5 {
        let report = run.until(|body| matches!(body, ReportBody::Log { .. })).await;
        let ReportBody::Log { text, .. } = report.body else {
            unreachable!()
        };
        let written: u128 = text.lines().last().unwrap().parse().unwrap();
        let now = jiff::Timestamp::now().as_nanosecond().unsigned_abs();
        delays.push(Duration::from_nanos(
            u64::try_from(now.saturating_sub(written)).unwrap(),
        ));
    }
    run.ended().await;
    // The middle one: a busy machine may hold any single one up.
    delays.sort();
    assert!(delays[delays.len() / 2] < Duration::from_millis(250), "{delays:?}");
}

#[tokio::test]
async fn a_huge_log_is_cut_and_takes_no_memory() {
    let place = Place::with(Settings {
        log_bytes: 1_000_000,
        ..Settings::default()
    });
    let mut run = place
        .prepare(
            &Task::script(
                "head -c 200000000 /dev/zero | tr '\\0' 'x'; grep VmHWM /proc/1/status > /tekton/results/peak",
            )
            .result("peak"),
        )
        .await;
    run.start().await;
    let outcome = run.ended().await;
    let text = outcome.expect_success().text();
    let (log, rest) = text.split_at(1_000_000);
    assert!(log.bytes().all(|byte| byte == b'x'));
    assert!(
        rest.contains("bytes are not shown: the limit of a task's log is 1000000 (setting process.log-bytes)"),
        "{rest}"
    );
    let longest = outcome.heard.iter().map(|report| match &report.body {
        ReportBody::Log { text, .. } => text.len(),
        _ => 0,
    });
    assert!(longest.max().unwrap() <= MAX_LOG_CHUNK_BYTES);
    let peak = outcome.result("peak").unwrap();
    assert!(kilobytes(&peak) < PEAK_KILOBYTES, "the supervisor took {peak}");
}

/// What `VmHWM: <number> kB` says.
fn kilobytes(line: &str) -> u64 {
    let number = line.split_whitespace().find_map(|word| word.parse().ok());
    number.unwrap()
}

#[tokio::test]
async fn a_step_waits_for_a_runner_that_does_not_store() {
    let place = Place::new();
    // 32 MiB, far more than may wait; the step marks its end in a place the test can see.
    let script = "head -c 33554432 /dev/zero | tr '\\0' 'y'; grep VmHWM /proc/1/status >&2; touch /workspace/over";
    let mut run = place.prepare(&Task::script(script)).await;
    run.start().await;
    let mut waiting = Vec::new();
    let mut bytes = 0;
    // Everything the supervisor says without being answered.
    while let Ok(event) = tokio::time::timeout(Duration::from_millis(500), run.event()).await {
        if let Event::Report(report) = event {
            if let ReportBody::Log { text, .. } = &report.body {
                bytes += text.len();
            }
            waiting.push(report.sequence);
        }
    }
    assert!((1 << 19..8 << 20).contains(&bytes), "{bytes} bytes were not stored");
    for sequence in waiting {
        run.playing.stored(sequence).await;
    }
    let outcome = run.ended().await;
    let text = outcome.expect_success().text();
    assert_eq!(text.bytes().filter(|byte| *byte == b'y').count(), 33_554_432);
    let peak = text.split("VmHWM:").nth(1).unwrap();
    assert!(kilobytes(peak) < PEAK_KILOBYTES, "the supervisor took {peak}");
}

#[tokio::test]
async fn output_is_copied_to_files() {
    let place = Place::new();
    let task = Task::new()
        .step_with("writes", json!({}), |step| {
            step.script = Some("echo out; echo err >&2; echo out again".to_owned());
            step.stdout_path = Some("/workspace/out".to_owned());
            step.stderr_path = Some("/tekton/results/err".to_owned());
        })
        .step("reads", "cat out")
        .step_with("both", json!({}), |step| {
            step.script = Some("echo one; echo two >&2".to_owned());
            step.stdout_path = Some("/tmp/../workspace/both".to_owned());
            step.stderr_path = Some("/tmp/../workspace/both".to_owned());
        })
        .step("counts", "sort both")
        .result("err");
    let outcome = place.play(&task).await;
    outcome.expect_success();
    assert_eq!(outcome.log("step-reads"), "out\nout again\n");
    assert_eq!(outcome.result("err").as_deref(), Some("err\n"));
    assert_eq!(outcome.log("step-counts"), "one\ntwo\n");
    assert!(outcome.log("step-writes").contains("err\n"));
}

#[tokio::test]
async fn a_copy_to_a_place_that_is_not_there_fails_its_step() {
    let task = Task::new().step_with("only", json!({}), |step| {
        step.script = Some("echo out".to_owned());
        step.stdout_path = Some("/workspace/no/such/file".to_owned());
    });
    let before = Instant::now();
    let outcome = Place::new().play(&task).await;
    assert!(outcome.failure().0 == "Failed" && before.elapsed() < Duration::from_secs(20));
    assert!(
        outcome
            .text()
            .contains("cannot copy the output to `/workspace/no/such/file`"),
        "{}",
        outcome.text()
    );
}
