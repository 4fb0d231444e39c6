//! What people see of events: as wide as the terminal, without colour, in a pipe.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Rows, Shown, Width, outcome, page, plain_line};
use crate::describe::View;
use crate::output::{Palette, width};

const ID: &str = "41c9f0ab-1111-5222-8333-444455556666";

fn now() -> Timestamp {
    "2026-11-23T13:10:02Z".parse().unwrap()
}

fn event(branch: &str, status: Value) -> Value {
    json!({
        "metadata": {"name": ID, "namespace": "default", "resourceVersion": "7"},
        "spec": {
            "listener": "gitlab-listener", "from": "gitlab", "event": "Push Hook", "branch": branch,
            "revision": "3f2c1aa9d0b5", "repository": "course/demo", "receivedAt": "2026-11-23T13:05:02Z",
            "sender": "10.0.0.7",
        },
        "status": status,
    })
}

fn accepted() -> Value {
    let made = json!({"kind": "PipelineRun", "namespace": "default", "name": "gitlab-run-j77rx", "uid": "u-1"});
    let trigger = json!({
        "namespace": "default", "name": "gitlab-push-events-trigger", "outcome": "accepted", "text": "accepted, 1 objects",
        "objects": [made],
    });
    event("main", json!({"outcome": "accepted", "triggers": [trigger]}))
}

fn filtered() -> Value {
    let trigger = json!({
        "name": "gitlab-push-events-trigger", "outcome": "filtered",
        "text": "filtered by cel: body.ref == 'refs/heads/main' was false",
    });
    event("docs", json!({"outcome": "filtered", "triggers": [trigger]}))
}

fn all() -> Vec<Value> {
    let mut unknown = event(
        "",
        json!({"outcome": "refused", "code": 413, "reason": "the body is too large", "unstored": 12}),
    );
    unknown["metadata"]["name"] = json!("r-17");
    unknown["spec"] = json!({"receivedAt": "2026-11-23T12:00:00Z", "listener": "gitlab-listener"});
    vec![
        accepted(),
        filtered(),
        event(
            "main",
            json!({"outcome": "redelivered", "redeliveryOf": "41c9e1aa-1111-5222-8333-444455556666"}),
        ),
        unknown,
    ]
}

fn rows(columns: Width, palette: Palette) -> String {
    let rows = Rows {
        palette,
        now: now(),
        width: columns,
        namespaces: false,
        wide: false,
    };
    rows.render(&all(), true)
}

#[test]
fn eighty_columns_hold_a_table() {
    let text = rows(Width::Columns(80), Palette::SIGNS);
    let expected = "\
ID        AGE  FROM    WHAT                    OUTCOME
41c9f0ab  5m   gitlab  Push Hook main 3f2c1aa  gitlab-push-events-trigger →
                                               pipelinerun/gitlab-run-j77rx
41c9f0ab  5m   gitlab  Push Hook docs 3f2c1aa  filtered by cel: body.ref ==
                                               'refs/heads/main' was false
41c9f0ab  5m   gitlab  Push Hook main 3f2c1aa  redelivery of 41c9e1aa, nothing
                                               started
r-17      1h   ?       –                       refused 413: the body is too
                                               large (12 more like it before)
";
    assert_eq!(text, expected);
}

#[test]
fn no_line_is_wider_than_its_terminal() {
    for columns in [200, 120, 80, 72, 60, 40, 30] {
        for palette in [Palette::SIGNS, Palette::PLAIN] {
            for line in rows(Width::Columns(columns), palette).lines() {
                assert!(width(line) <= columns, "{columns}: {line}");
            }
        }
    }
}

#[test]
fn a_narrow_terminal_has_what_became_of_it_below() {
    let text = rows(Width::Columns(44), Palette::PLAIN);
    assert!(
        text.contains("41c9f0ab  5m   gitlab  Push Hook main 3f2c1~\n  gitlab-push-events-trigger ->\n  pipelinerun/gitlab-run-j77rx\n"),
        "{text}"
    );
}

#[test]
fn a_pipe_gets_one_line_an_event_and_no_sign_beyond_ascii() {
    let text = rows(Width::Free, Palette::PLAIN);
    assert_eq!(text.lines().count(), 5);
    assert!(text.is_ascii(), "{text}");
    assert!(
        text.contains("gitlab-push-events-trigger -> pipelinerun/gitlab-run-j77rx\n"),
        "{text}"
    );
    assert_eq!(
        plain_line(&filtered(), Palette::PLAIN),
        "2026-11-23T13:05:02Z 41c9f0ab gitlab Push Hook docs 3f2c1aa: filtered by cel: body.ref == 'refs/heads/main' was false"
    );
}

#[test]
fn what_a_sender_wrote_moves_no_cursor() {
    let mut event = event(
        "\u{1b}[2Jmain\r",
        json!({"outcome": "dead", "reason": "bad \u{1b}[31mred"}),
    );
    event["spec"]["from"] = json!("gitlab");
    let line = plain_line(&event, Palette::PLAIN);
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(line.ends_with("Push Hook main 3f2c1aa: given up: bad red"), "{line}");
}

#[test]
fn several_triggers_are_told_as_one() {
    let trigger = |name: &str, outcome: &str, error: &str| {
        json!({"name": name, "outcome": outcome, "text": format!("{outcome} by {name}"), "error": error,
            "objects": if outcome == "accepted" { json!([{"kind": "TaskRun", "name": format!("{name}-x")}]) } else { json!([]) }})
    };
    let of = |word: &str, triggers: Vec<Value>| {
        outcome(
            &event("main", json!({"outcome": word, "triggers": triggers})),
            Palette::PLAIN,
        )
    };
    let (a, b) = (trigger("a", "accepted", ""), trigger("b", "accepted", ""));
    let (c, d) = (trigger("c", "filtered", ""), trigger("d", "filtered", ""));
    assert_eq!(
        of("accepted", vec![a.clone(), c.clone(), b]),
        "a -> taskrun/a-x; b -> taskrun/b-x (1 more trigger)"
    );
    assert_eq!(
        of("filtered", vec![c.clone(), d.clone()]),
        "filtered by c (1 more trigger)"
    );
    let failed = trigger("f", "failed", "the name is taken");
    assert_eq!(
        of("failed", vec![a, failed, c, d]),
        "f failed: the name is taken (3 more triggers)"
    );
    assert_eq!(of("filtered", vec![]), "its listener has no trigger");
    assert_eq!(of("pending", vec![]), "being evaluated");
}

#[test]
fn a_page_tells_all_and_fits() {
    let mut event = accepted();
    event["spec"]["headers"] = json!({"X-Gitlab-Token": ["(sealed)"], "X-Gitlab-Event": ["Push Hook"]});
    event["spec"]["body"] = json!(json!({"ref": "refs/heads/main", "text": "x".repeat(200)}).to_string());
    event["status"]["redeliveredAt"] = json!(["2026-11-23T13:06:02Z", "2026-11-23T13:07:02Z"]);
    event["status"]["triggers"][0]["warnings"] =
        json!(["the value of \"message\" holds quotes, line breaks or an object: it can change an object's shape"]);
    let view = View {
        palette: Palette::PLAIN,
        now: now(),
        columns: 0,
    };
    let state = |made: &Value| (made["uid"] == "u-1").then(|| "Succeeded".to_owned());
    let text = page(
        view,
        &event,
        &state,
        Shown {
            columns: 80,
            body: false,
        },
    );
    for expected in [
        "Event:        41c9f0ab-1111-5222-8333-444455556666\n",
        "Received:     2026-11-23T13:05:02Z (5 minutes ago)\n",
        "From:         gitlab, sent by 10.0.0.7\n",
        "Redelivered:  2 times, last 3 minutes ago; nothing was started\n",
        "   made pipelinerun/gitlab-run-j77rx   Succeeded\n",
        "   warning: the value of \"message\" holds quotes, line breaks or an object: it\n   can change",
        "   X-Gitlab-Token: (sealed)\n",
        "     \"ref\": \"refs/heads/main\",\n",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    for columns in [80, 60, 40] {
        let text = page(view, &event, &state, Shown { columns, body: false });
        for line in text.lines() {
            assert!(width(line) <= columns, "{columns}: {line}");
        }
    }
    let whole = page(view, &event, &state, Shown { columns: 0, body: true });
    assert!(whole.contains(&"x".repeat(200)));
}
