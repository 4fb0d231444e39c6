//! Tidemill in the cluster: installed by Helm from the chart, its services pods, asked as people ask a cluster.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tidemill_kit::{Cluster, wait_until};

use super::world::{RUN_LIMIT, Seed, condition, script};
use super::{clients, files, scaling};

const TEXT: &str = "Hello from the chart";
const LISTENER: &str = "el-gitlab-listener";
/// For a Service or a run to appear.
const SOON: Duration = Duration::from_secs(60);

/// The cluster with the chart in it, which goes with this.
struct Installed {
    cluster: Cluster,
    folder: TempDir,
}

/// A GitLab push to the listener's Service deploys its commit; nothing but pods takes part. What would scale the runners
/// fits what is there.
pub(super) fn a_push_goes_through_pods() -> Result<()> {
    scaling::define(&Cluster::up_for_the_seed()?)?;
    with_the_chart(&["--set", scaling::ENABLED], Installed::push)
}

/// kubectl and tkn work through kube-apiserver on tasks that are pods, gateways are killed, the chart is removed.
pub(super) fn people_are_served() -> Result<()> {
    with_the_chart(&[], Installed::serves_people)
}

fn with_the_chart(values: &[&str], work: fn(&Installed) -> Result<()>) -> Result<()> {
    let cluster = Cluster::up_for_the_seed()?;
    script("reset", &[])?;
    let folder = tempfile::Builder::new().prefix("tidemill-chart-").tempdir()?;
    let installed = Installed { cluster, folder };
    let result = script("install", values).and_then(|_| work(&installed));
    if result.is_err() {
        println!("{}", installed.told());
    }
    result
}

impl Installed {
    fn push(&self) -> Result<()> {
        scaling::every_field_is_known(&self.cluster, self.folder.path())?;
        self.apply_all()?;
        let commit = script("commit", &[TEXT])?.trim().to_owned();
        self.wait_for_listener()?;
        self.send(&commit)?;
        let name = self.new_run()?;
        let over = |run: &Value| matches!(condition(run)["status"].as_str(), Some("True" | "False"));
        let get = || self.cluster.get(&["pipelineruns.tekton.dev", &name, "-n", "default"]);
        let ended = wait_until(RUN_LIMIT, || get().is_ok_and(|run| over(&run)));
        let run = get()?;
        ensure!(
            ended && condition(&run)["status"] == "True",
            "{name}: {}",
            condition(&run)
        );
        let wanted = format!("{{\"msg\":\"{TEXT}\"}}");
        let answers = wait_until(SOON, || {
            self.ask("http://devops-demo.k8s.local", &[])
                .is_ok_and(|body| body.trim() == wanted)
        });
        ensure!(answers, "the service does not answer {wanted}");
        self.is_told_of_the_release()?;
        scaling::what_it_names_is_there(&self.cluster, |url| self.ask(url, &[]))?;
        self.services_go_with_their_listeners()
    }

    fn serves_people(&self) -> Result<()> {
        clients::work_through_the_cluster(&self.cluster, self.folder.path())?;
        clients::uninstalling_removes_the_registration_first(&self.cluster)
    }

    /// The seed's files and what the article leaves out, all of it by kubectl.
    fn apply_all(&self) -> Result<()> {
        let seed = Seed::find();
        let mut texts = vec![
            files::git_clone()?,
            files::docker(&seed)?,
            files::pipeline(&seed, None)?,
        ];
        for name in [
            "other.yaml",
            "other-triggers.yaml",
            "task-test.yaml",
            "task-build.yaml",
            "task-deploy.yaml",
            "task-rollback.yaml",
            "gitlab-template.yaml",
            "gitlab-listener.yaml",
        ] {
            texts.push(seed.file(name)?);
        }
        for text in texts {
            let file = self.folder.path().join("apply.yaml");
            fs::write(&file, text)?;
            self.cluster.kubectl(&["apply", "-f", &file.display().to_string()])?;
        }
        Ok(())
    }

    /// The Service appears, and `kubectl get eventlistener` shows where the listener is.
    fn wait_for_listener(&self) -> Result<()> {
        let there = || self.cluster.get(&["service", LISTENER, "-n", "default"]).is_ok();
        ensure!(wait_until(SOON, there), "there is no Service {LISTENER}");
        let url = format!("http://{LISTENER}.default.svc.cluster.local:8080");
        let table = || {
            self.cluster
                .kubectl(&["get", "eventlisteners.triggers.tekton.dev", "-n", "default"])
        };
        let shown = wait_until(SOON, || table().is_ok_and(|table| table.contains(&url)));
        ensure!(shown, "its address is not shown:\n{}", table()?);
        Ok(())
    }

    /// A listener's Service goes with it; a Service of such a name that somebody else made stays as it is.
    fn services_go_with_their_listeners(&self) -> Result<()> {
        let kubectl = |words: &[&str]| self.cluster.kubectl(words);
        kubectl(&[
            "create",
            "service",
            "clusterip",
            "el-taken",
            "--tcp=80",
            "-n",
            "default",
        ])?;
        let file = self.folder.path().join("taken.yaml");
        let text = Seed::find().file("gitlab-listener.yaml")?;
        fs::write(&file, text.replacen("name: gitlab-listener", "name: taken", 1))?;
        kubectl(&["apply", "-f", &file.display().to_string()])?;
        let listeners = "eventlisteners.triggers.tekton.dev";
        kubectl(&["delete", listeners, "gitlab-listener", "-n", "default"])?;
        let gone = || self.cluster.get(&["service", LISTENER, "-n", "default"]).is_err();
        ensure!(wait_until(SOON, gone), "{LISTENER} stays without its listener");
        kubectl(&["delete", listeners, "taken", "-n", "default"])?;
        let taken = self.cluster.get(&["service", "el-taken", "-n", "default"])?;
        ensure!(taken["spec"]["type"] == "ClusterIP", "it was changed: {taken}");
        kubectl(&["delete", "service", "el-taken", "-n", "default"]).map(drop)
    }

    /// Sends GitLab's push from a pod to the listener's Service.
    fn send(&self, commit: &str) -> Result<()> {
        let body = serde_json::json!({
            "object_kind": "push", "ref": "refs/heads/main", "checkout_sha": commit,
            "repository": {"git_http_url": "http://git.k8s.local/course/devops-demo.git"},
        });
        let post = [
            "--header=Content-Type: application/json".to_owned(),
            "--header=X-Gitlab-Event: Push Hook".to_owned(),
            "--header=X-Gitlab-Token: 1234567".to_owned(),
            format!("--post-data={body}"),
        ];
        self.ask(&format!("http://{LISTENER}.default.svc.cluster.local:8080"), &post)?;
        Ok(())
    }

    /// What an address in the cluster answers a pod.
    fn ask(&self, url: &str, options: &[String]) -> Result<String> {
        let mut words = vec!["exec", "-n", "forge", "deploy/git", "--", "wget", "-q", "-O", "-"];
        words.extend(options.iter().map(String::as_str));
        words.push(url);
        self.cluster.kubectl(&words)
    }

    fn new_run(&self) -> Result<String> {
        let name = || {
            let runs = self.cluster.get(&["pipelineruns.tekton.dev", "-n", "default"]).ok()?;
            let names = runs["items"].as_array()?.iter();
            let mut names = names.filter_map(|run| run["metadata"]["name"].as_str());
            names.find(|name| name.starts_with("gitlab-run-")).map(str::to_owned)
        };
        let appeared = wait_until(SOON, || name().is_some());
        ensure!(appeared, "the push started no run");
        name().context("its name")
    }

    /// The deployer saw what Helm did: the run says so.
    fn is_told_of_the_release(&self) -> Result<()> {
        let told = || {
            let runs = self.cluster.get(&["pipelineruns.tekton.dev", "-n", "default"]).ok()?;
            let annotations = &runs["items"][0]["metadata"]["annotations"];
            annotations["tidemill.dev/releases"].as_str().map(str::to_owned)
        };
        let said = wait_until(SOON, || {
            told().is_some_and(|text| text.contains("kube-ops/devops-demo"))
        });
        ensure!(said, "the run names no release: {:?}", told());
        Ok(())
    }

    /// What the services say, for whoever looks for a fault.
    fn told(&self) -> String {
        let mut text = String::new();
        for words in [
            &["get", "pods", "--all-namespaces", "-o", "wide"][..],
            &["get", "events", "-n", "tidemill", "--sort-by=.lastTimestamp"],
            &["get", "pipelineruns.tekton.dev,taskruns.tekton.dev", "-n", "default"],
            &[
                "logs",
                "-n",
                "tidemill",
                "-l",
                "app.kubernetes.io/name=tidemill",
                "--prefix",
                "--tail=30",
            ],
        ] {
            let said = self.cluster.kubectl(words).unwrap_or_else(|error| format!("{error:#}"));
            text.push_str(&said);
        }
        text
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if let Err(error) = script("uninstall", &[]) {
            eprintln!("the chart: {error:#}");
        }
    }
}
