//! Payloads and headers as the forges document them.

use serde_json::{Value, json};

/// The commit of every payload.
pub(crate) const SHA: &str = "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5";

/// Headers of a webhook.
pub(crate) type Headers<'a> = Vec<(&'static str, &'a str)>;

/// GitLab: "Push events".
pub(crate) fn gitlab_push(branch: &str, message: &str) -> Value {
    json!({
        "object_kind": "push", "event_name": "push", "before": "95790bf891e76fee5e1747ab589903a6a1f80f22",
        "after": SHA, "ref": format!("refs/heads/{branch}"), "ref_protected": true, "checkout_sha": SHA,
        "message": null, "user_id": 4, "user_name": "Wren Lake", "user_username": "wren", "user_email": "",
        "user_avatar": "https://gitlab.example/uploads/wren.png", "project_id": 77,
        "project": {
            "id": 77, "name": "Boat", "description": "", "web_url": "https://gitlab.example/lake/boat",
            "avatar_url": null, "git_ssh_url": "git@gitlab.example:lake/boat.git",
            "git_http_url": "https://gitlab.example/lake/boat.git", "namespace": "Lake", "visibility_level": 0,
            "path_with_namespace": "lake/boat", "default_branch": "main", "ci_config_path": null,
        },
        "commits": [{
            "id": SHA, "message": message, "title": message, "timestamp": "2026-11-20T08:12:33+01:00",
            "url": format!("https://gitlab.example/lake/boat/-/commit/{SHA}"),
            "author": {"name": "Wren Lake", "email": "wren@lake.example"},
            "added": ["oars.txt"], "modified": ["hull.txt"], "removed": [],
        }],
        "total_commits_count": 1, "push_options": {},
        "repository": {
            "name": "Boat", "url": "git@gitlab.example:lake/boat.git", "description": "",
            "homepage": "https://gitlab.example/lake/boat", "git_http_url": "https://gitlab.example/lake/boat.git",
            "git_ssh_url": "git@gitlab.example:lake/boat.git", "visibility_level": 0,
        },
    })
}

/// GitLab's headers of a delivery.
pub(crate) fn gitlab_headers<'a>(event: &'a str, token: &'a str, delivery: &'a str) -> Headers<'a> {
    vec![
        ("Content-Type", "application/json"),
        ("User-Agent", "GitLab/18.6.0"),
        ("Idempotency-Key", delivery),
        ("X-Gitlab-Event", event),
        ("X-Gitlab-Webhook-UUID", "02affd2d-2cba-4033-917d-ec22d5dc4b38"),
        ("X-Gitlab-Event-UUID", "13792a34-cac6-4fda-95a8-c58e00a3954e"),
        ("X-Gitlab-Instance", "https://gitlab.example"),
        ("X-Gitlab-Token", token),
    ]
}

/// GitHub: "push".
pub(crate) fn github_push() -> Value {
    let commit = json!({
        "id": SHA, "tree_id": "f9d2a07e9488b91af2641b26b9407fe22a451433", "distinct": true,
        "message": "Row faster\n\nand \"straight\"", "timestamp": "2026-11-20T08:12:33+01:00",
        "url": format!("https://github.example/lake/boat/commit/{SHA}"),
        "author": {"name": "Wren Lake", "email": "wren@lake.example", "username": "wren"},
        "added": ["oars.txt"], "removed": ["old.txt"], "modified": ["hull.txt"],
    });
    json!({
        "ref": "refs/heads/main", "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246", "after": SHA,
        "repository": {
            "id": 186_853_002, "name": "boat", "full_name": "lake/boat", "private": false,
            "owner": {"name": "lake", "login": "lake", "id": 21_031_067, "type": "Organization"},
            "html_url": "https://github.example/lake/boat", "clone_url": "https://github.example/lake/boat.git",
            "default_branch": "main",
        },
        "pusher": {"name": "wren", "email": "wren@lake.example"}, "sender": {"login": "wren", "id": 5},
        "created": false, "deleted": false, "forced": false, "base_ref": null,
        "compare": "https://github.example/lake/boat/compare/6113728f27ae...59b20b8d5c6f",
        "commits": [commit], "head_commit": commit,
    })
}

/// GitHub's headers of a delivery.
pub(crate) fn github_headers<'a>(event: &'a str, delivery: &'a str, signature: &'a str) -> Headers<'a> {
    vec![
        ("Accept", "*/*"),
        ("Content-Type", "application/json"),
        ("User-Agent", "GitHub-Hookshot/0a1b2c3"),
        ("X-GitHub-Delivery", delivery),
        ("X-GitHub-Event", event),
        ("X-GitHub-Hook-ID", "4711"),
        ("X-GitHub-Hook-Installation-Target-Type", "repository"),
        ("X-Hub-Signature-256", signature),
    ]
}

/// Bitbucket Cloud: "Repository push".
pub(crate) fn bitbucket_push() -> Value {
    json!({
        "actor": {"type": "user", "nickname": "wren", "display_name": "Wren Lake"},
        "repository": {
            "type": "repository", "full_name": "lake/boat", "name": "boat", "is_private": true,
            "links": {"html": {"href": "https://bitbucket.example/lake/boat"}},
        },
        "push": {"changes": [{
            "new": {
                "type": "branch", "name": "main",
                "target": {"type": "commit", "hash": SHA, "message": "Row faster\n", "author": {"raw": "Wren Lake <wren@lake.example>"}},
            },
            "old": {"type": "branch", "name": "main", "target": {"type": "commit", "hash": "1e65c05c1d5171631d92438a13901ca7dae9618c"}},
            "created": false, "forced": false, "closed": false, "truncated": false,
            "commits": [{"hash": SHA, "type": "commit", "message": "Row faster\n"}],
        }]},
    })
}

/// Bitbucket Data Center: "Push".
pub(crate) fn bitbucket_server_push() -> Value {
    json!({
        "eventKey": "repo:refs_changed", "date": "2026-11-20T08:12:33+0100",
        "actor": {"name": "wren", "emailAddress": "wren@lake.example", "id": 1, "active": true, "type": "NORMAL"},
        "repository": {
            "slug": "boat", "id": 84, "name": "boat", "scmId": "git", "state": "AVAILABLE", "public": false,
            "project": {"key": "LAKE", "id": 84, "name": "Lake", "public": false, "type": "NORMAL"},
        },
        "changes": [{
            "ref": {"id": "refs/heads/main", "displayId": "main", "type": "BRANCH"}, "refId": "refs/heads/main",
            "fromHash": "ecddabb624f6f5ba43816f5926e580a5f680a932", "toHash": SHA, "type": "UPDATE",
        }],
    })
}

/// Bitbucket's headers of a delivery.
pub(crate) fn bitbucket_headers<'a>(event: &'a str, delivery: &'a str, signature: &'a str) -> Headers<'a> {
    vec![
        ("Content-Type", "application/json"),
        ("User-Agent", "Bitbucket-Webhooks/2.0"),
        ("X-Event-Key", event),
        ("X-Hook-UUID", "1a2b3c4d-0000-4000-8000-000000000000"),
        ("X-Request-UUID", delivery),
        ("X-Attempt-Number", "1"),
        ("X-Hub-Signature", signature),
    ]
}
