//! kubectl and tkn through kube-apiserver, where tasks are pods with a kubelet and gateways are pods behind a Service.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;
use tidemill_kit::{Cluster, Running, wait_until};

use super::world::{script, tree};
use crate::clients::fixtures::{LONG, PIPELINE, TASK};

/// For what should come soon on a busy machine.
const SOON: Duration = Duration::from_secs(120);
/// Objects that are made while gateways are killed.
const CHANGES: usize = 90;
/// After how many of them one is.
const KILL_EVERY: usize = 30;
const GATEWAYS: &str = "app.kubernetes.io/component=gateway";
const TASKS: &str = "/apis/tekton.dev/v1/namespaces/default/tasks";

/// A person with kubectl and tkn.
struct Person<'a> {
    cluster: &'a Cluster,
    folder: &'a Path,
    tkn: PathBuf,
}

/// What people do with runs, whose tasks are pods here.
pub(super) fn work_through_the_cluster(cluster: &Cluster, folder: &Path) -> Result<()> {
    let tkn = std::env::var_os("TIDEMILL_TKN").context("TIDEMILL_TKN is not set: `make e2e-chart-clients` sets it")?;
    let tkn = PathBuf::from(tkn);
    let person = Person { cluster, folder, tkn };
    // What the node has of it has a version.
    for text in [TASK, PIPELINE] {
        person.apply(&text.replace("image: busybox", "image: busybox:1.35"))?;
    }
    person.starts_a_pipeline().context("a pipeline is started")?;
    person.follows_and_cancels().context("a run is followed")?;
    person.misses_nothing().context("gateways are killed during a watch")
}

/// The chart goes, its APIServices before what answers for them: else nothing in the cluster could be discovered.
pub(super) fn uninstalling_removes_the_registration_first(cluster: &Cluster) -> Result<()> {
    let service = "/apis/apiregistration.k8s.io/v1/apiservices?fieldSelector=metadata.name=v1.tekton.dev";
    let gateway = "/apis/apps/v1/namespaces/tidemill/deployments?fieldSelector=metadata.name=tidemill-gateway";
    let mut watches = Vec::new();
    for path in [service, gateway] {
        watches.push(watch(cluster, &format!("{path}&watch=true&resourceVersion=0"))?);
    }
    for each in &mut watches {
        each.wait_until_says("\"ADDED\"", SOON)?;
    }
    script("uninstall", &[])?;
    let mut gone = Vec::new();
    for each in &mut watches {
        each.wait_until_says("\"DELETED\"", SOON)?;
        let events = events(&each.spoken());
        let last = events.iter().find(|event| event["type"] == "DELETED");
        // Versions of one cluster are of one order.
        gone.push(last.map(version).transpose()?.context("its last version")?);
    }
    ensure!(gone[0] < gone[1], "the gateway went first: {gone:?}");
    Ok(())
}

impl Person<'_> {
    fn apply(&self, text: &str) -> Result<String> {
        let file = self.folder.join("person.yaml");
        fs::write(&file, text)?;
        self.cluster
            .kubectl(&["apply", "-n", "default", "-f", &file.display().to_string()])
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.cluster.kubectl(&[arguments, &["-n", "default"]].concat())
    }

    fn tkn(&self, arguments: &[&str]) -> Result<String> {
        let output = self.tkn_command(arguments).output()?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "tkn {}: {error}", arguments.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn tkn_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.tkn);
        command.args(arguments).args(["-n", "default"]);
        command
            .env("KUBECONFIG", self.cluster.kubeconfig())
            .stdin(Stdio::null());
        command
    }

    fn starts_a_pipeline(&self) -> Result<()> {
        let said = self.tkn(&["pipeline", "start", "greetings", "-p", "who=Ann"])?;
        let name = said.lines().find_map(|line| line.strip_prefix("PipelineRun started: "));
        let name = name.context("no run was named")?.trim();
        let run = format!("pr/{name}");
        self.kubectl(&["wait", "--for=condition=Succeeded", "--timeout=120s", &run])?;
        // Pods stay after their tasks, so the kubelet still has what they said. It learns a second late that a
        // container ran at all, and so does tkn.
        let lines = ["[first : hello] Hello, Ann", "[second : goodbye] Goodbye, you too"];
        let logs = || self.tkn(&["pipelinerun", "logs", name]);
        let has_all = |text: &str| lines.iter().all(|line| text.contains(line));
        let there = wait_until(SOON, || logs().is_ok_and(|text| has_all(&text)));
        ensure!(there, "{lines:?} are not all in:\n{}", logs()?);
        let task = format!("{name}-first");
        let pod = self.kubectl(&["get", "taskrun", &task, "-o", "jsonpath={.status.podName}"])?;
        let log = self.kubectl(&["logs", &pod, "-c", "step-hello"])?;
        ensure!(log.trim() == "Hello, Ann", "kubectl logs {pod}: {log:?}");
        let described = self.tkn(&["pipelinerun", "describe", name])?;
        ensure!(
            described.contains("Succeeded") && described.contains("Ann"),
            "{described}"
        );
        self.has_events(name)?;
        self.kubectl(&["delete", "pipelinerun", name, "--timeout=60s"])?;
        let left = || {
            let selector = format!("tekton.dev/pipelineRun={name}");
            self.kubectl(&["get", "taskrun,pod", "-l", &selector, "-o", "name"])
        };
        let gone = wait_until(SOON, || left().is_ok_and(|names| names.trim().is_empty()));
        ensure!(gone, "what the run owned stays behind: {:?}", left());
        Ok(())
    }

    fn has_events(&self, name: &str) -> Result<()> {
        let told = || self.kubectl(&["describe", "pipelinerun.tekton.dev", name]);
        let events = |text: &str| text.split_once("\nEvents:").map(|(_, events)| events.to_owned());
        let came = wait_until(SOON, || {
            told().is_ok_and(|text| {
                events(&text).is_some_and(|events| events.contains("Started") && events.contains("Succeeded"))
            })
        });
        ensure!(came, "it has no events:\n{}", told()?);
        Ok(())
    }

    /// Followed by both; each ends with the run.
    fn follows_and_cancels(&self) -> Result<()> {
        self.apply(&LONG.replace("image: busybox", "image: busybox:1.35"))?;
        let mut by_tkn = Running::start(self.tkn_command(&["pipelinerun", "logs", "long", "-f"]))?;
        by_tkn.wait_until_says("[wait : wait] waiting", SOON)?;
        let pod = self.kubectl(&["get", "taskrun", "long-wait", "-o", "jsonpath={.status.podName}"])?;
        let mut follow = kubectl(self.cluster);
        follow.args(["logs", "-f", "-n", "default", &pod, "-c", "step-wait"]);
        let mut by_kubectl = Running::start(follow)?;
        by_kubectl.wait_until_says("waiting", SOON)?;
        let said = self.tkn(&["pipelinerun", "cancel", "long"])?;
        ensure!(said.contains("PipelineRun cancelled: long"), "{said}");
        by_kubectl.wait(SOON)?;
        by_tkn.wait(SOON)?;
        self.kubectl(&[
            "wait",
            "--for=jsonpath={.status.conditions[0].reason}=Cancelled",
            "pr/long",
        ])?;
        self.kubectl(&["delete", "pipelinerun", "long", "--timeout=60s"])
            .map(drop)
    }

    /// A watch that goes on where it ended sees each change once and in order, though the gateways die one by one.
    fn misses_nothing(&self) -> Result<()> {
        self.wait_for_gateways()?;
        let start = self.kubectl(&["get", "--raw", &format!("{TASKS}?limit=1")])?;
        let start: Value = serde_json::from_str(&start)?;
        let start = start["metadata"]["resourceVersion"]
            .as_str()
            .context("a version")?
            .to_owned();
        let mut watching = Watching::start(self.cluster, &start)?;
        for number in 0..CHANGES {
            if number % KILL_EVERY == KILL_EVERY / 2 {
                self.kill_a_gateway()?;
            }
            self.make(number)?;
            watching.go_on()?;
        }
        let mut failure = None;
        let all = wait_until(SOON, || match watching.go_on() {
            Ok(()) => watching.seen.len() >= CHANGES,
            Err(error) => {
                failure = Some(error);
                true
            }
        });
        failure.map_or(Ok(()), Err)?;
        ensure!(all, "only {} of {CHANGES} changes were seen", watching.seen.len());
        ensure!(watching.began > 1, "no watch ended, so nothing was shown");
        self.kubectl(&["delete", "tasks", "-l", "made=by-the-watch"])?;
        self.wait_for_gateways()
    }

    /// Who creates tries again, as clients do, while the dead one still is an endpoint.
    fn make(&self, number: usize) -> Result<()> {
        let text = format!(
            "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {{name: watched-{number}, labels: {{made: by-the-watch}}}}\n\
             spec: {{steps: [{{name: a, image: 'busybox:1.35', script: 'true'}}]}}\n"
        );
        let mut last = Ok(String::new());
        let made = wait_until(SOON, || {
            last = self.apply(&text);
            last.is_ok()
        });
        ensure!(made, "{last:?}");
        Ok(())
    }

    fn gateways(&self) -> Result<Vec<String>> {
        let shown = self.cluster.kubectl(&[
            "get",
            "pods",
            "-n",
            "tidemill",
            "-l",
            GATEWAYS,
            "-o",
            "jsonpath={range .items[?(@.status.containerStatuses[0].ready==true)]}{.metadata.name}{\"\\n\"}{end}",
        ])?;
        Ok(shown.lines().map(str::to_owned).collect())
    }

    fn wait_for_gateways(&self) -> Result<()> {
        let both = wait_until(SOON, || self.gateways().is_ok_and(|names| names.len() == 2));
        ensure!(both, "there are not two gateways: {:?}", self.gateways());
        Ok(())
    }

    /// The older of the two, without a farewell.
    fn kill_a_gateway(&self) -> Result<()> {
        self.wait_for_gateways()?;
        let names = self.cluster.kubectl(&[
            "get",
            "pods",
            "-n",
            "tidemill",
            "-l",
            GATEWAYS,
            "--sort-by=.metadata.creationTimestamp",
            "-o",
            "name",
        ])?;
        let oldest = names.lines().next().context("a gateway")?.to_owned();
        self.cluster
            .kubectl(&["delete", "-n", "tidemill", &oldest, "--grace-period=0", "--force"])
            .map(drop)
    }
}

/// A watch of the tasks as a controller keeps it: when it ends, the next begins at the last version that was seen.
struct Watching<'a> {
    cluster: &'a Cluster,
    running: Running,
    /// Events of the running watch that were read.
    read: usize,
    version: String,
    seen: HashMap<String, u64>,
    began: usize,
}

impl<'a> Watching<'a> {
    fn start(cluster: &'a Cluster, version: &str) -> Result<Self> {
        Ok(Self {
            cluster,
            running: Self::watch(cluster, version)?,
            read: 0,
            version: version.to_owned(),
            seen: HashMap::new(),
            began: 1,
        })
    }

    fn watch(cluster: &Cluster, version: &str) -> Result<Running> {
        watch(
            cluster,
            &format!("{TASKS}?watch=true&allowWatchBookmarks=true&resourceVersion={version}"),
        )
    }

    /// Takes in what came, and begins again where it ended.
    fn go_on(&mut self) -> Result<()> {
        // Asked first: what it said before its end is read below.
        let ended = self.running.has_ended();
        let events = events(&self.running.spoken());
        for event in &events[self.read..] {
            self.take(event)?;
        }
        self.read = events.len();
        if ended {
            self.running = Self::watch(self.cluster, &self.version)?;
            self.read = 0;
            self.began += 1;
        }
        Ok(())
    }

    fn take(&mut self, event: &Value) -> Result<()> {
        let version = version(event)?;
        let before: u64 = self.version.parse()?;
        ensure!(version >= before, "{version} came after {before}: {event}");
        self.version = version.to_string();
        if event["type"] == "BOOKMARK" {
            return Ok(());
        }
        ensure!(event["type"] == "ADDED", "{event}");
        let name = event["object"]["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let twice = self.seen.insert(name.clone(), version);
        ensure!(twice.is_none(), "{name} was seen twice");
        Ok(())
    }
}

/// The whole events of what a watch said.
fn events(spoken: &str) -> Vec<Value> {
    spoken
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn version(event: &Value) -> Result<u64> {
    let version = event["object"]["metadata"]["resourceVersion"].as_str();
    version
        .and_then(|version| version.parse().ok())
        .ok_or_else(|| anyhow!("no version in {event}"))
}

fn watch(cluster: &Cluster, path: &str) -> Result<Running> {
    let mut command = kubectl(cluster);
    command.args(["get", "--raw", path]);
    Running::start(command)
}

fn kubectl(cluster: &Cluster) -> Command {
    let mut command = Command::new(tree().join("tests/cluster/kubectl"));
    command.env("KUBECONFIG", cluster.kubeconfig()).stdin(Stdio::null());
    command
}
