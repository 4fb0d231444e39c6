//! From the creation of a run to its last line.

mod end;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::client::{Address, Change, Client, Watch, encode};
use crate::commands::kind;
use crate::error::{Error, Exit};
use crate::follow::{Follower, LogLine, Wanted};
use crate::output::plain;
use crate::progress::{Model, Screen};
use crate::signals::Signals;
use crate::{json, names, say};

/// How often a terminal is redrawn for durations and log tails.
const REDRAW: Duration = Duration::from_millis(100);
/// Logs that are followed at the same time for the tails of a terminal; of more tasks than that the
/// line has no tail.
const TAILS: usize = 8;
/// Logs that are followed at the same time when they are shown.
const READERS: usize = 256;
/// How long the last status of a TaskRun may come after that of its run.
const GRACE: Duration = Duration::from_secs(2);

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// For the process.
    pub(crate) exit: Exit,
    /// The run as it was last; `None` when we left before its end.
    pub(crate) run: Option<Value>,
}

/// A run that is being followed.
pub(crate) struct Follow {
    client: Client,
    address: Address,
    runs: Watch,
    task_runs: Option<Watch>,
    run: Value,
    children: BTreeMap<String, Value>,
    model: Model,
    screen: Screen,
    follower: Option<Follower>,
    lines: mpsc::Receiver<LogLine>,
    show_logs: bool,
    interrupts: Signals,
    interrupted: bool,
}

impl Follow {
    /// Watches begin where the run was created. `spec` is the pipeline's, where it is known.
    ///
    /// # Errors
    /// [`Error::Io`] when signals cannot be caught.
    pub(crate) fn new(client: &Client, created: &Value, spec: Option<&Value>, show_logs: bool) -> Result<Self, Error> {
        let address = Address::of(created, client.namespace())?;
        let this = format!(
            "fieldSelector={}",
            encode(&format!("metadata.name={}", json::name(created)))
        );
        let of_run = format!(
            "labelSelector={}",
            encode(&format!("{}={}", names::PIPELINE_RUN, json::name(created)))
        );
        let version = json::text(created, "/metadata/resourceVersion");
        let namespace = Some(json::namespace(created));
        let runs = client
            .watch(&Address::collection_of(address.kind(), namespace), &this)
            .from(version);
        let task_runs = match address.kind().kind {
            "PipelineRun" => {
                let collection = Address::collection_of(kind("taskrun")?, namespace);
                Some(client.watch(&collection, &of_run).from(version))
            }
            _ => None,
        };
        let screen = Screen::new(say::stderr());
        let wanted = Wanted {
            follow: true,
            ..Wanted::default()
        };
        let readers = if show_logs { READERS } else { TAILS };
        let (follower, lines) = Follower::new(client, wanted, readers);
        let follower = (show_logs || screen.is_live()).then_some(follower);
        let mut model = Model::default();
        if let Some(spec) = spec {
            model.observe_pipeline(spec);
        }
        Ok(Self {
            client: client.clone(),
            runs,
            task_runs,
            run: created.clone(),
            children: BTreeMap::new(),
            model,
            screen,
            follower,
            lines,
            show_logs,
            interrupts: Signals::new()?,
            interrupted: false,
            address,
        })
    }

    /// Shows what happens until the run is over, then the summary. The first Ctrl-C cancels the run
    /// and waits for its end, the second leaves at once.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when the server stays away; [`Error::Failed`] when the run is deleted.
    pub(crate) async fn until_over(mut self) -> Result<Ended, Error> {
        self.begin();
        let mut redraw = ticks();
        let mut over_since: Option<Instant> = None;
        while !self.is_complete(over_since) {
            let live = self.screen.is_live();
            let grace = over_since.map_or_else(|| Instant::now() + Duration::from_secs(3600), |since| since + GRACE);
            tokio::select! {
                change = self.runs.next() => self.observe_run(change?)?,
                change = next(&mut self.task_runs) => self.observe_task_run(change?),
                Some(line) = self.lines.recv() => self.observe_line(&line),
                _ = redraw.tick(), if live => self.screen.draw(&self.model, Timestamp::now()),
                () = self.interrupts.next() => {
                    if self.interrupted {
                        self.leave();
                        return Ok(Ended { exit: Exit::Interrupted, run: None });
                    }
                    self.cancel().await;
                }
                () = tokio::time::sleep_until(grace), if over_since.is_some() => {}
            }
            if over_since.is_none() && json::is_over(&self.run) {
                over_since = Some(Instant::now());
            }
        }
        self.end().await
    }

    fn begin(&mut self) {
        let events = self.model.observe_run(&self.run);
        let now = Timestamp::now();
        if !self.screen.is_live() {
            say::line(&format!("{} {} created", crate::output::clock(now), self.address.say()));
        }
        self.screen.log(&events, now);
        self.screen.draw(&self.model, now);
    }

    fn observe_run(&mut self, change: Change) -> Result<(), Error> {
        let Change::Present(run) = change else {
            return Err(Error::failed(
                format!("{} was deleted while it ran", self.address.say()),
                "its tasks are being ended",
            ));
        };
        let now = Timestamp::now();
        let mut events = self.model.observe_run(&run);
        if self.task_runs.is_none() {
            events.extend(self.model.observe_task_run(&run, now));
            if let Some(follower) = &mut self.follower {
                follower.observe(&run);
            }
        }
        self.run = run;
        self.screen.log(&events, now);
        self.screen.draw(&self.model, now);
        Ok(())
    }

    fn observe_task_run(&mut self, change: Change) {
        let Change::Present(run) = change else {
            return;
        };
        let now = Timestamp::now();
        let events = self.model.observe_task_run(&run, now);
        if let Some(follower) = &mut self.follower {
            follower.observe(&run);
        }
        self.children.insert(json::name(&run).to_owned(), run);
        self.screen.log(&events, now);
        self.screen.draw(&self.model, now);
    }

    fn observe_line(&mut self, line: &LogLine) {
        let Some(text) = &line.text else { return };
        if self.show_logs {
            let palette = say::stderr().palette;
            let prefix = palette.by_key(&line.task, &format!("[{} : {}]", line.task, line.step));
            self.screen.say(&format!("{prefix} {}", plain(text)));
        }
        self.model.observe_log(&line.task, &line.step, text);
    }

    /// Whether the run is over and so is each of its TaskRuns, as far as we know, or will not be told.
    fn is_complete(&self, over_since: Option<Instant>) -> bool {
        let Some(since) = over_since else {
            return false;
        };
        let settled = |child: &Value| {
            let known = self.children.get(json::text(child, "/name"));
            known.is_some_and(json::is_over) || json::text(child, "/kind") != "TaskRun"
        };
        let all = json::list(&self.run, "/status/childReferences").iter().all(settled);
        all || since.elapsed() >= GRACE
    }
}

/// The next change of a watch there may be.
async fn next(watch: &mut Option<Watch>) -> Result<Change, Error> {
    match watch {
        Some(watch) => watch.next().await,
        None => std::future::pending().await,
    }
}

fn ticks() -> Interval {
    let mut ticks = tokio::time::interval(REDRAW);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}
