//! `tidemill import`: take over what a Tekton keeps as custom resources of a cluster.

mod object;
mod run;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use tidemill_resources::Kind;

use super::apply::{Outcome, say_written};
use crate::cli::Global;
use crate::client::{self, Address, Client};
use crate::error::{Error, Exit};
use crate::merge::three_way;
use crate::say;

/// Kinds that say what is run, in the order in which they refer to each other.
const DEFINITIONS: [&str; 10] = [
    "stepaction",
    "task",
    "pipeline",
    "interceptor",
    "clusterinterceptor",
    "clustertriggerbinding",
    "triggerbinding",
    "triggertemplate",
    "trigger",
    "eventlistener",
];
/// Kinds of the cluster itself that those may need.
const CORE: [&str; 5] = ["configmap", "secret", "serviceaccount", "role", "rolebinding"];

/// Take over the objects of a Tekton that is installed in a cluster
#[derive(Debug, Args)]
#[command(before_help = "Example: tidemill import --from ~/.kube/config --all-namespaces --runs")]
pub(crate) struct Import {
    /// Kubeconfig of that cluster; its current context counts, and --namespace is one of its namespaces
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Of all its namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Finished runs too, as history: they are shown and not run again
    #[arg(long)]
    runs: bool,
    /// ConfigMaps, Secrets, ServiceAccounts, Roles and their bindings too, for a server without a cluster
    #[arg(long)]
    core: bool,
    /// Replace what is there and differs
    #[arg(long)]
    overwrite: bool,
    /// Check everything, write nothing
    #[arg(long)]
    dry_run: bool,
}

/// What is to be written, and where.
pub(super) struct Taken {
    pub(super) address: Address,
    pub(super) object: Value,
}

impl Import {
    /// Takes everything over; all of it is checked first.
    pub(crate) async fn run(self, global: &Global) -> Result<Exit, Error> {
        let source = client::from_kubeconfig(&self.from, global.namespace()).await?;
        let target = global.client().await?;
        self.between(&source, &target).await
    }

    async fn between(&self, source: &Client, target: &Client) -> Result<Exit, Error> {
        let core: &[&str] = if self.core { &CORE } else { &[] };
        let mut taken = Vec::new();
        for name in core.iter().chain(&DEFINITIONS) {
            let found = self.list(source, super::kind(name)?).await?;
            taken.extend(found.iter().filter(|found| object::is_wanted(found)).map(object::clean));
        }
        let taken: Vec<Taken> = taken
            .into_iter()
            .map(|object| placed(object, target))
            .collect::<Result<_, _>>()?;
        check(target, &taken).await?;
        if self.dry_run {
            for taken in &taken {
                say::line(&format!("{} can be taken over", told(&taken.address)));
            }
        } else {
            self.write(target, &taken).await?;
        }
        if self.runs {
            run::take_over(self, source, target).await?;
        }
        Ok(Exit::Success)
    }

    /// All objects of a kind; none where the kind is not installed.
    async fn list(&self, source: &Client, kind: &'static Kind) -> Result<Vec<Value>, Error> {
        let namespace = (!self.all_namespaces).then(|| source.namespace());
        let mut list = match source.list(&Address::collection_of(kind, namespace), "").await {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            found => found?,
        };
        let mut items: Vec<Value> = serde_json::from_value(list["items"].take()).unwrap_or_default();
        for item in &mut items {
            // Items of a list say neither.
            item["apiVersion"] = json!(kind.api_version());
            item["kind"] = json!(kind.kind);
        }
        Ok(items)
    }

    async fn write(&self, target: &Client, taken: &[Taken]) -> Result<(), Error> {
        let mut written = Vec::new();
        for taken in taken {
            let outcome = match self.one(target, taken).await {
                Ok(outcome) => outcome,
                Err(error) => {
                    say_written(&written);
                    return Err(error);
                }
            };
            let word = match outcome {
                Some(outcome) => outcome.word(),
                None => "differs and is left; --overwrite replaces it",
            };
            say::line(&format!("{} {word}", told(&taken.address)));
            written.push(told(&taken.address));
        }
        Ok(())
    }

    /// Writes one; `None` when another one is there and stays.
    async fn one(&self, target: &Client, taken: &Taken) -> Result<Option<Outcome>, Error> {
        match create(target, &taken.address, &taken.object).await {
            Ok(_) => return Ok(Some(Outcome::Created)),
            Err(error) if error.is_already_exists() => {}
            Err(error) => return Err(error),
        }
        let live = target.get(&taken.address).await?;
        let patch = three_way(&object::clean(&live), &live, &taken.object);
        if patch.is_empty() {
            return Ok(Some(Outcome::Unchanged));
        }
        if !self.overwrite {
            return Ok(None);
        }
        target.merge(&taken.address, &Value::Object(patch)).await?;
        Ok(Some(Outcome::Configured))
    }
}

/// Where an object goes.
fn placed(object: Value, target: &Client) -> Result<Taken, Error> {
    let address = Address::of(&object, target.namespace())?;
    Ok(Taken { address, object })
}

/// Creates an object, and first its namespace where that is missing.
async fn create(target: &Client, address: &Address, object: &Value) -> Result<Value, Error> {
    match target.create_quietly(address, object, false).await {
        Err(error) if is_about_namespace(&error) => {}
        done => return done,
    }
    let name = address.namespace().unwrap_or_default();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    match target.create(&Address::of(&namespace, "")?, &namespace).await {
        Ok(_) => say::line(&format!("namespace/{name} created")),
        Err(error) if error.is_already_exists() => {}
        Err(error) => return Err(error),
    }
    target.create_quietly(address, object, false).await
}

fn is_about_namespace(error: &Error) -> bool {
    error.is_not_found() && error.to_string().starts_with("namespaces ")
}

/// Asks the server whether it would take all of them.
///
/// # Errors
/// [`Error::Failed`] with each that it would not.
async fn check(target: &Client, taken: &[Taken]) -> Result<(), Error> {
    let mut problems = Vec::new();
    for taken in taken {
        match target.create_quietly(&taken.address, &taken.object, true).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() || is_about_namespace(&error) => {}
            Err(error) if matches!(error, Error::Refused { .. }) => {
                problems.push(format!("{}: {error}", told(&taken.address)));
            }
            Err(error) => return Err(error),
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::failed(
        format!(
            "{} of {} objects cannot be taken over, and none was:\n  {}",
            problems.len(),
            taken.len(),
            problems.join("\n  ")
        ),
        "mend them where they are, or take namespaces one at a time with --namespace",
    ))
}

/// `ci task/build`.
fn told(address: &Address) -> String {
    match address.namespace() {
        Some(namespace) => format!("{namespace} {}", address.say()),
        None => address.say(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::script::{Exchange, Script};

    fn import(runs: bool) -> Import {
        Import {
            from: PathBuf::new(),
            all_namespaces: true,
            runs,
            core: false,
            overwrite: false,
            dry_run: false,
        }
    }

    fn list(items: Value) -> Value {
        json!({"kind": "List", "metadata": {}, "items": items})
    }

    fn source(task: &Value, pipeline_runs: &Value) -> Vec<Exchange> {
        let of = |path: &str, items: &Value| Exchange::new(&format!("GET /apis/{path}?limit=500"), list(items.clone()));
        let none = json!([]);
        let triggers = "triggers.tekton.dev";
        let mut all = vec![
            Exchange::refused("GET /apis/tekton.dev/v1beta1/stepactions?limit=500", 404, "NotFound"),
            of("tekton.dev/v1/tasks", task),
            of("tekton.dev/v1/pipelines", &none),
        ];
        for (version, plural) in [
            ("v1alpha1", "interceptors"),
            ("v1alpha1", "clusterinterceptors"),
            ("v1beta1", "clustertriggerbindings"),
            ("v1beta1", "triggerbindings"),
            ("v1beta1", "triggertemplates"),
            ("v1beta1", "triggers"),
            ("v1beta1", "eventlisteners"),
        ] {
            all.push(of(&format!("{triggers}/{version}/{plural}"), &none));
        }
        if !pipeline_runs.is_null() {
            all.push(of("tekton.dev/v1/pipelineruns", pipeline_runs));
            all.push(of("tekton.dev/v1/taskruns", &none));
        }
        all
    }

    #[tokio::test]
    async fn objects_are_checked_then_written_without_what_was_the_clusters() {
        let task = json!([{
            "metadata": {
                "name": "a", "namespace": "ci", "uid": "u", "resourceVersion": "7", "generation": 3,
                "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [], "labels": {"x": "1"},
            },
            "spec": {"steps": [{"image": "i", "script": "ls"}]},
        }]);
        let cleaned = json!({
            "apiVersion": "tekton.dev/v1", "kind": "Task",
            "metadata": {"name": "a", "namespace": "ci", "labels": {"x": "1"}},
            "spec": {"steps": [{"image": "i", "script": "ls"}]},
        });
        let from = Script::start(source(&task, &Value::Null)).await;
        let tasks = "POST /apis/tekton.dev/v1/namespaces/ci/tasks?fieldValidation=Ignore";
        let missing = json!({"code": 404, "reason": "NotFound", "message": "namespaces \"ci\" not found"});
        let no_namespace = |request: &str| Exchange {
            status: 404,
            ..Exchange::new(request, &missing)
        };
        let to = Script::start([
            no_namespace(&format!("{tasks}&dryRun=All")),
            no_namespace(tasks),
            Exchange::new("POST /api/v1/namespaces?fieldValidation=Warn", json!({})),
            Exchange::new(tasks, &cleaned).with(cleaned.clone()),
        ])
        .await;
        import(false).between(&from.client, &to.client).await.unwrap();
        from.must_be_over();
        to.must_be_over();
    }

    #[tokio::test]
    async fn nothing_is_written_when_something_would_be_refused() {
        let task = json!([{"metadata": {"name": "a", "namespace": "ci"}, "spec": {}}]);
        let from = Script::start(source(&task, &Value::Null)).await;
        let tasks = "POST /apis/tekton.dev/v1/namespaces/ci/tasks?fieldValidation=Ignore&dryRun=All";
        let to = Script::start([Exchange::refused(tasks, 422, "Invalid")]).await;
        let error = import(false).between(&from.client, &to.client).await.unwrap_err();
        assert!(error.to_string().contains("ci task/a"), "{error}");
        to.must_be_over();
    }

    #[tokio::test]
    async fn finished_runs_are_history_and_others_stay() {
        let ended =
            json!({"conditions": [{"type": "Succeeded", "status": "True"}], "completionTime": "2026-01-01T00:00:00Z"});
        let runs = json!([
            {"metadata": {"name": "old", "namespace": "ci", "uid": "u"}, "spec": {"pipelineRef": {"name": "p"}}, "status": ended},
            {"metadata": {"name": "running", "namespace": "ci"}, "spec": {}, "status": {"conditions": [{"type": "Succeeded", "status": "Unknown"}]}},
        ]);
        let from = Script::start(source(&json!([]), &runs)).await;
        let path = "/apis/tekton.dev/v1/namespaces/ci/pipelineruns";
        let to = Script::start([
            Exchange::new(
                &format!("POST {path}?fieldValidation=Ignore"),
                json!({"metadata": {"uid": "n"}}),
            )
            .with(json!({"spec": {"managedBy": "tidemill.dev/import"}})),
            Exchange::new(&format!("PATCH {path}/old/status?fieldValidation=Warn"), json!({}))
                .with(json!({"status": ended})),
        ])
        .await;
        import(true).between(&from.client, &to.client).await.unwrap();
        to.must_be_over();
    }
}
