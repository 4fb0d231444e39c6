//! `tests/scenarios/NN_name`: a run as YAML, and what it must end in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use tidemill_kit::docker::Engine;
use tidemill_kit::{ask, command, get, tell, wait_until};

use crate::Test;
use crate::expected::{Act, Expected};
use crate::server::{Place, shared_state_of};

/// No scenario may take longer, with all others beside it.
const LIMIT: Duration = Duration::from_secs(120);
/// Label that names the pipeline task of a TaskRun.
const TASK_LABEL: &str = "tekton.dev/pipelineTask";

/// One test a folder.
pub fn tests() -> Vec<Test> {
    folders()
        .into_iter()
        .map(|folder| Test::new(format!("scenario::{}", name_of(&folder)), move || play(&folder)))
        .collect()
}

/// The folders of all scenarios.
pub fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut folders: Vec<PathBuf> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

/// A scenario's name.
pub fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn play(folder: &Path) -> Result<()> {
    play_bare(folder).map(drop)
}

type Played = Arc<OnceLock<std::result::Result<Scene, String>>>;

/// Scenarios that were played as processes, or are being.
static BARE: Mutex<BTreeMap<String, Played>> = Mutex::new(BTreeMap::new());

/// Plays a scenario as processes, once for all tests that want to know how it ends there.
fn play_bare(folder: &Path) -> Result<Played> {
    let name = name_of(folder);
    let mut all = BARE.lock().map_err(|_| anyhow!("a test has panicked"))?;
    let played = Arc::clone(all.entry(name.clone()).or_default());
    drop(all);
    let namespace = name.replace('_', "-");
    let ended =
        played.get_or_init(|| play_in(folder, Place::Process, &namespace).map_err(|error| format!("{error:#}")));
    match ended {
        Ok(_) => Ok(played),
        Err(message) => bail!("{message}"),
    }
}

/// Plays a scenario in containers and as processes: both must end as it says, and alike.
///
/// # Errors
/// With what is wrong, or what differs.
pub fn play_on_both(folder: &Path, engine: &Engine) -> Result<()> {
    let namespace = name_of(folder).replace('_', "-");
    let contained = play_in(folder, Place::Docker(engine), &namespace).context("in containers")?;
    let bare = play_bare(folder).context("as processes")?;
    let Some(Ok(bare)) = bare.get() else {
        bail!("it was not played as processes");
    };
    if contained.expected.refused.is_some() {
        return Ok(());
    }
    let (contained, bare) = (contained.account()?, bare.account()?);
    ensure!(
        contained == bare,
        "it ended otherwise in containers:\n{contained:#}\nthan as processes:\n{bare:#}"
    );
    Ok(())
}

fn play_in(folder: &Path, place: Place<'_>, namespace: &str) -> Result<Scene> {
    let state = shared_state_of(place)?;
    let text = fs::read_to_string(folder.join("expected.yaml"))?;
    let expected: Expected = serde_saphyr::from_str(&text).context("expected.yaml")?;
    make_namespace(&state, namespace)?;
    let scene = Scene {
        state,
        namespace: namespace.to_owned(),
        expected,
    };
    let file = folder.join("run.yaml");
    match &scene.expected.refused {
        Some(text) => scene.must_be_refused(&file, text)?,
        None => scene.must_end(&file)?,
    }
    Ok(scene)
}

fn make_namespace(state: &Path, name: &str) -> Result<()> {
    let file = state.with_file_name(format!("{name}.yaml"));
    fs::write(
        &file,
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"),
    )?;
    tell(state, &["create", "-f", &file.to_string_lossy()]).map(drop)
}

/// A scenario on its way.
struct Scene {
    state: PathBuf,
    namespace: String,
    expected: Expected,
}

impl Scene {
    fn must_be_refused(&self, file: &Path, text: &str) -> Result<()> {
        let output = ask(
            &self.state,
            &["run", "-n", &self.namespace, "-f", &file.to_string_lossy()],
        )?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(1),
            "exit code {:?}, expected 1; it said:\n{said}",
            output.status.code()
        );
        ensure!(said.contains(text), "its error does not say `{text}`:\n{said}");
        let stored = get(&self.state, &self.namespace, &[&self.expected.kind.to_lowercase()])?;
        ensure!(items(&stored).is_empty(), "something was stored: {stored}");
        Ok(())
    }

    fn must_end(&self, file: &Path) -> Result<()> {
        let mut run = command(
            &self.state,
            &["run", "-n", &self.namespace, "-f", &file.to_string_lossy()],
        )?
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
        if let Some(act) = &self.expected.act {
            self.act(act).inspect_err(|_| drop(run.kill()))?;
        }
        let said = self.wait(run)?;
        self.check().with_context(|| format!("it said:\n{said}"))
    }

    /// Waits for the command; its exit code must tell how the run ended.
    fn wait(&self, mut run: Child) -> Result<String> {
        if !wait_until(LIMIT, || !matches!(run.try_wait(), Ok(None))) {
            drop(run.kill());
            let output = run.wait_with_output()?;
            bail!(
                "it did not end within {LIMIT:?}:\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let output = run.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let code = if self.expected.status == "True" { 0 } else { 1 };
        ensure!(
            output.status.code() == Some(code),
            "exit code {:?}, expected {code}; it said:\n{said}",
            output.status.code()
        );
        Ok(said)
    }

    fn act(&self, act: &Act) -> Result<()> {
        let came = wait_until(LIMIT, || self.is_time_for(act).unwrap_or(false));
        ensure!(came, "the time to act never came: {act:?}");
        let resource = self.expected.kind.to_lowercase();
        if let Some(how) = &act.cancel {
            let mode = match how.as_str() {
                "CancelledRunFinally" => "--grace=CancelledRunFinally",
                "StoppedRunFinally" => "--grace=StoppedRunFinally",
                _ => "--grace=Cancelled",
            };
            let mut arguments = vec!["cancel", "-n", &self.namespace, &resource, &self.expected.run];
            if resource == "pipelinerun" {
                arguments.push(mode);
            }
            tell(&self.state, &arguments)?;
        }
        if let Some(patch) = &act.patch {
            let patch = patch.to_string();
            tell(
                &self.state,
                &[
                    "patch",
                    "-n",
                    &self.namespace,
                    &resource,
                    &self.expected.run,
                    "--patch",
                    &patch,
                ],
            )?;
        }
        Ok(())
    }

    fn is_time_for(&self, act: &Act) -> Result<bool> {
        if let Some(reason) = &act.when_reason {
            return Ok(condition(&self.run()?).1 == *reason);
        }
        let wanted = act.when_running.as_deref().unwrap_or_default();
        let runs = self.task_runs()?;
        Ok(runs.get(wanted).is_some_and(|run| condition(run).1 == "Running"))
    }

    fn run(&self) -> Result<Value> {
        get(
            &self.state,
            &self.namespace,
            &[&self.expected.kind.to_lowercase(), &self.expected.run],
        )
    }

    /// TaskRuns by the name of their task: the child's name without the run's, for a matrix with
    /// its index.
    fn task_runs(&self) -> Result<BTreeMap<String, Value>> {
        let list = get(&self.state, &self.namespace, &["taskrun"])?;
        let mut runs = BTreeMap::new();
        for item in items(&list) {
            let name = item["metadata"]["name"].as_str().unwrap_or_default();
            let task = item["metadata"]["labels"][TASK_LABEL].as_str().unwrap_or(name);
            let prefix = format!("{}-", self.expected.run);
            let of_matrix = name.strip_prefix(&prefix).filter(|rest| {
                let index = rest.strip_prefix(task).and_then(|tail| tail.strip_prefix('-'));
                index.is_some_and(|index| index.parse::<u32>().is_ok())
            });
            runs.insert(of_matrix.unwrap_or(task).to_owned(), item.clone());
        }
        Ok(runs)
    }

    fn check(&self) -> Result<()> {
        let expected = &self.expected;
        let run = self.run()?;
        let (status, reason, message) = condition(&run);
        ensure!(
            (status, reason) == (expected.status.as_str(), expected.reason.as_str()),
            "ended {status}/{reason} ({message}), expected {}/{}",
            expected.status,
            expected.reason
        );
        if let Some(text) = &expected.message {
            ensure!(message.contains(text), "message `{message}` does not hold `{text}`");
        }
        if let Some(skipped) = &expected.skipped {
            equal(
                "skipped tasks",
                &by_name(&run["status"]["skippedTasks"], "reason"),
                &of_texts(skipped),
            )?;
        }
        if let Some(results) = &expected.results {
            equal("results", &by_name(&run["status"]["results"], "value"), results)?;
        }
        self.check_tasks(&self.task_runs()?)
    }

    fn check_tasks(&self, runs: &BTreeMap<String, Value>) -> Result<()> {
        let expected = &self.expected;
        let reasons: BTreeMap<String, Value> = runs
            .iter()
            .map(|(task, run)| (task.clone(), Value::from(condition(run).1)))
            .collect();
        if let Some(tasks) = &expected.tasks {
            equal("tasks", &reasons, &of_texts(tasks))?;
        }
        for (task, text) in &expected.task_messages {
            let message = condition(find(runs, task)?).2;
            ensure!(
                message.contains(text),
                "message of {task}, `{message}`, does not hold `{text}`"
            );
        }
        for (task, results) in &expected.task_results {
            equal(
                task,
                &by_name(&find(runs, task)?["status"]["results"], "value"),
                results,
            )?;
        }
        for (task, wanted) in &expected.steps {
            let found = step_fields(find(runs, task)?, |step| step["terminationReason"].clone());
            ensure!(
                found == wanted.iter().map(|word| Value::from(word.as_str())).collect::<Vec<_>>(),
                "steps of {task}: {found:?}"
            );
        }
        for (task, wanted) in &expected.exit_codes {
            let found = step_fields(find(runs, task)?, |step| step["terminated"]["exitCode"].clone());
            ensure!(
                found == wanted.iter().map(|&code| Value::from(code)).collect::<Vec<_>>(),
                "exit codes of {task}: {found:?}"
            );
        }
        for (task, &wanted) in &expected.attempts {
            let before = find(runs, task)?["status"]["retriesStatus"]
                .as_array()
                .map_or(0, Vec::len);
            ensure!(
                before + 1 == wanted,
                "{task} has {} attempts, expected {wanted}",
                before + 1
            );
        }
        self.check_logs()
    }

    fn check_logs(&self) -> Result<()> {
        for (task, text) in &self.expected.logs {
            let text = text.replace("{namespace}", &self.namespace);
            let log = self.log(task)?;
            ensure!(log.contains(&text), "log of {task} does not hold `{text}`:\n{log}");
        }
        for (task, texts) in &self.expected.logs_without {
            let log = self.log(task)?;
            for text in texts {
                ensure!(!log.contains(text), "log of {task} holds `{text}`:\n{log}");
            }
        }
        Ok(())
    }

    /// Statuses, results and logs, for a comparison: no times, no messages, which name the place.
    fn account(&self) -> Result<Value> {
        let run = self.run()?;
        let (status, reason, _) = condition(&run);
        let mut tasks = serde_json::Map::new();
        for (task, run) in self.task_runs()? {
            let steps = step_fields(&run, |step| {
                json!([
                    step["name"],
                    step["terminationReason"],
                    step["terminated"]["exitCode"],
                    step["results"]
                ])
            });
            let mut lines: Vec<String> = self.log(&task).unwrap_or_default().lines().map(str::to_owned).collect();
            // Sidecars write beside the steps.
            lines.sort();
            let (status, reason, _) = condition(&run);
            // How far a step came that was ended from outside depends on how fast its place is.
            let is_ended = ["TaskRunTimeout", "TaskRunCancelled"].contains(&reason);
            let (steps, lines) = if is_ended { Default::default() } else { (steps, lines) };
            let told = json!({"status": status, "reason": reason, "steps": steps, "results": run["status"]["results"], "log": lines});
            tasks.insert(task, told);
        }
        let skipped = by_name(&run["status"]["skippedTasks"], "reason");
        Ok(json!({
            "status": status, "reason": reason, "skipped": skipped, "results": run["status"]["results"], "tasks": tasks,
        }))
    }

    fn log(&self, task: &str) -> Result<String> {
        let mut arguments = vec!["logs", "-n", &self.namespace, "--prefix=false"];
        if self.expected.kind == "TaskRun" {
            arguments.extend(["taskrun", &self.expected.run]);
        } else {
            arguments.extend([&self.expected.run, "--task", task]);
        }
        tell(&self.state, &arguments)
    }
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

fn condition(object: &Value) -> (&str, &str, &str) {
    let condition = &object["status"]["conditions"][0];
    let text = |field: &str| condition[field].as_str().unwrap_or_default();
    (text("status"), text("reason"), text("message"))
}

fn by_name(list: &Value, field: &str) -> BTreeMap<String, Value> {
    let entries = list.as_array().map_or(&[][..], Vec::as_slice);
    entries
        .iter()
        .map(|entry| {
            (
                entry["name"].as_str().unwrap_or_default().to_owned(),
                entry[field].clone(),
            )
        })
        .collect()
}

fn of_texts(texts: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    texts
        .iter()
        .map(|(name, text)| (name.clone(), Value::from(text.as_str())))
        .collect()
}

fn find<'a>(runs: &'a BTreeMap<String, Value>, task: &str) -> Result<&'a Value> {
    runs.get(task)
        .with_context(|| format!("no TaskRun of {task}; there are {:?}", runs.keys()))
}

fn step_fields(run: &Value, field: impl Fn(&Value) -> Value) -> Vec<Value> {
    run["status"]["steps"]
        .as_array()
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .map(field)
        .collect()
}

fn equal(what: &str, found: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) -> Result<()> {
    ensure!(found == expected, "{what}: found {found:?}, expected {expected:?}");
    Ok(())
}
