//! A GitLab push through a listener and a template as people write them.

use std::error::Error;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};
use tidemill_resources::Object;
use tidemill_triggers::{Decision, Event, Headers, Known, Listener, Making, Request, evaluate, validate};

const LISTENER: &str = r#"
apiVersion: triggers.tekton.dev/v1beta1
kind: EventListener
metadata: {name: gitlab-listener}
spec:
  serviceAccountName: builder
  triggers:
    - name: push
      interceptors:
        - ref: {name: gitlab}
          params:
            - {name: secretRef, value: {secretName: gitlab-secret, secretKey: secretToken}}
            - {name: eventTypes, value: [Push Hook]}
      bindings:
        - {name: gitrevision, value: $(body.checkout_sha)}
        - {name: gitrepositoryurl, value: $(body.repository.git_http_url)}
      template: {ref: gitlab-template}
"#;

const TEMPLATE: &str = r#"
apiVersion: triggers.tekton.dev/v1beta1
kind: TriggerTemplate
metadata: {name: gitlab-template}
spec:
  params: [{name: gitrevision}, {name: gitrepositoryurl}]
  resourcetemplates:
    - apiVersion: tekton.dev/v1beta1
      kind: PipelineRun
      metadata: {generateName: gitlab-run-}
      spec:
        pipelineRef: {name: pipeline}
        params:
          - {name: git_url, value: $(tt.params.gitrepositoryurl)}
          - {name: image, value: "registry.example.com/demo:$(tt.params.gitrevision)"}
"#;

/// The files of people, when they lie beside this repository, else our own.
fn read(file: &str, own: &str) -> Result<Object, Box<dyn Error>> {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let theirs = folders
        .map(|folder| folder.join("shared/seed").join(file))
        .find_map(|path| std::fs::read_to_string(path).ok());
    let mut object: Object = serde_saphyr::from_str(theirs.as_deref().unwrap_or(own))?;
    object.metadata.namespace = Some("default".to_owned());
    Ok(object)
}

fn push(sha: &str) -> Value {
    json!({
        "object_kind": "push", "event_name": "push", "before": "0000", "after": sha, "ref": "refs/heads/main",
        "checkout_sha": sha, "user_username": "root", "project_id": 15,
        "project": {"id": 15, "name": "devops-demo", "path_with_namespace": "course/devops-demo"},
        "repository": {
            "name": "devops-demo", "url": "git@git.k8s.local:course/devops-demo.git",
            "git_http_url": "http://git.k8s.local/course/devops-demo.git", "visibility_level": 0,
        },
        "commits": [{"id": sha, "message": "It's \"good\"", "added": ["a"], "modified": [], "removed": []}],
        "total_commits_count": 1,
    })
}

fn decide(headers: &[(&str, &str)]) -> Result<Decision, Box<dyn Error>> {
    let object = read("gitlab-listener.yaml", LISTENER)?;
    let template = read("gitlab-template.yaml", TEMPLATE)?;
    assert_eq!(validate(&object), vec![]);
    assert_eq!(validate(&template), vec![]);
    let mut known = Known::complete();
    known.add_object(template);
    known.add_secret("default", "gitlab-secret", "secretToken", "1234567");
    let request = Request {
        url: "/".to_owned(),
        headers: Headers::from_iter(headers.iter().copied()),
        body: push("3f2c1aa9d0b5e7c4").to_string().into_bytes(),
    };
    let event = Event::read(&request, "e-1".to_owned(), Timestamp::UNIX_EPOCH, true)?;
    let mut outcomes = evaluate(&Listener::read(&object)?, &[], &known, &event);
    assert_eq!(outcomes.len(), 1);
    Ok(outcomes.remove(0).decision)
}

#[test]
fn a_push_makes_a_run() {
    let made = decide(&[("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", "1234567")]).unwrap();
    let Decision::Accepted { objects } = made else {
        panic!("{made:?}")
    };
    let [run] = &objects[..] else { panic!("{objects:?}") };
    assert_eq!(run["kind"], "PipelineRun");
    assert_eq!(run["metadata"]["generateName"], "gitlab-run-");
    assert_eq!(run["metadata"]["namespace"], "default");
    assert_eq!(
        run["metadata"]["labels"]["triggers.tekton.dev/eventlistener"],
        "gitlab-listener"
    );
    let params = run["spec"]["params"].as_array().unwrap();
    assert_eq!(params[0]["value"], "http://git.k8s.local/course/devops-demo.git");
    let image = params[1]["value"].as_str().unwrap();
    assert!(image.ends_with("demo:3f2c1aa9d0b5e7c4"), "{image}");
    let making = Making {
        event_key: "key",
        namespace: "default",
        trigger: "push",
        index: 0,
    };
    let marked = making.mark(run.clone(), 0).unwrap();
    let name = marked["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("gitlab-run-") && name.len() == 16, "{name}");
}

#[test]
fn a_wrong_token_and_another_event_make_none() {
    let wrong = decide(&[("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", "7654321")]).unwrap();
    assert_eq!(
        wrong.describe(),
        "refused by gitlab: X-Gitlab-Token does not match Secret gitlab-secret/secretToken"
    );
    let other = decide(&[("X-Gitlab-Event", "Tag Push Hook"), ("X-Gitlab-Token", "1234567")]).unwrap();
    assert_eq!(
        other.describe(),
        "filtered by gitlab: event \"Tag Push Hook\" is none of Push Hook"
    );
}
