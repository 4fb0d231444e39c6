//! Sidecars.

use serde_json::json;

use crate::kit::{Place, Task};

/// A port nobody uses.
fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[tokio::test]
async fn the_first_step_waits_until_sidecars_are_ready() {
    let place = Place::new();
    let probe = json!({"readinessProbe": {"exec": {"command": ["test", "-e", "/shared/ready"]}}});
    let task = Task::new()
        .step("only", "cat /shared/ready")
        .sidecar(
            "slow",
            "sleep 0.4; echo yes > /shared/ready; exec tail -f /dev/null",
            probe,
        )
        .volume_everywhere(json!({"emptyDir": {}}), json!({"mountPath": "/shared"}));
    let outcome = place.play(&task).await;
    assert_eq!(outcome.expect_success().text(), "yes\n");
    let (sidecar, step) = (outcome.started_at("sidecar-slow"), outcome.started_at("step-only"));
    assert!(step.duration_since(sidecar).as_millis() >= 400);
    assert_eq!(outcome.end("sidecar-slow").exit_code, 0);
    assert_eq!(outcome.attempt.sidecars.len(), 1);
}

#[tokio::test]
async fn ports_are_asked_by_tcp_and_http() {
    let server = |port: u16| {
        format!(
            "#!/usr/bin/env python3\nimport http.server, time\ntime.sleep(0.2)\n\
             http.server.HTTPServer(('127.0.0.1', {port}), http.server.SimpleHTTPRequestHandler).serve_forever()"
        )
    };
    let (tcp, http) = (port(), port());
    let task = Task::new()
        .step("only", &format!("for p in {tcp} {http}; do python3 -c \"import socket; socket.create_connection(('127.0.0.1', $p)); print('up')\"; done"))
        .sidecar("tcp", &server(tcp), json!({"readinessProbe": {"tcpSocket": {"port": tcp}}}))
        .sidecar("http", &server(http), json!({
            "ports": [{"name": "web", "containerPort": http}],
            "readinessProbe": {"httpGet": {"port": "web", "path": "/"}, "periodSeconds": 1},
        }));
    assert_eq!(Place::new().play(&task).await.expect_success().text(), "up\nup\n");
}

#[tokio::test]
async fn a_sidecar_that_ends_holds_nothing_back_and_fails_nothing() {
    let probe = json!({"readinessProbe": {"exec": {"command": ["false"]}}});
    let task = Task::new()
        .step("only", "echo ran")
        .sidecar("bad", "echo gone; exit 5", probe);
    let outcome = Place::new().play(&task).await;
    assert_eq!(outcome.expect_success().text(), "ran\n");
    assert_eq!(outcome.end("sidecar-bad").exit_code, 5);
    assert_eq!(outcome.log("sidecar-bad"), "gone\n");
}

#[tokio::test]
async fn a_sidecar_has_neither_workspace_nor_results_of_the_steps() {
    let place = Place::new();
    let task = Task::new()
        .step("only", "touch mine; until test -s /shared/seen; do sleep 0.02; done; cat /shared/seen")
        .sidecar("looks", "until test -e /shared; do sleep 0.02; done; (ls /workspace | wc -l; touch /tekton/results/x 2>&1 || true) > /shared/.seen; mv /shared/.seen /shared/seen; exec tail -f /dev/null", json!({}))
        .volume_everywhere(json!({"emptyDir": {}}), json!({"mountPath": "/shared"}));
    let text = place.play(&task).await.expect_success().text();
    assert!(text.starts_with("0\n") && text.contains("Read-only"), "{text}");
}
