//! The runner: takes tasks as long as there is room, and keeps every attempt in its hands in a task
//! of its own.
//!
//! The core never waits for the bus: what does (claims, facts, sweeps) is done by the tasks it
//! started. All it knows it could forget: claims and sandboxes say who owns what.

mod late;
mod owners;
mod setup;
mod stop;
mod table;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tidemill_bus::Bus;
use tidemill_messages::{AttemptKey, CancelReason};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::ahead::Go;
use crate::attempt::{Context, End, Task};
use crate::backend::Backend;
use crate::identity::Identity;
use crate::intake::{Batch, LOOKAHEAD, Waiting};
use crate::lease::Hold;
use crate::peers::Peers;
use crate::slots::Slots;
use crate::sweep::{Findings, Suspects};
use crate::{Error, Settings};

use late::Late;
use table::Table;

/// How often the place is searched for what nobody owns.
const SWEEP: Duration = Duration::from_secs(60);
/// After an attempt was lost sight of.
const SWEEP_SOON: Duration = Duration::from_secs(2);

/// When a task comes again whose place is in trouble.
const TROUBLE_RETRY: Duration = Duration::from_secs(1);

/// Cancel commands as they come.
type Cancels = mpsc::Receiver<(AttemptKey, CancelReason)>;

/// A runner of one or more classes of tasks.
pub struct Runner {
    settings: Settings,
    bus: Bus,
    backends: Vec<Arc<dyn Backend>>,
    drain: CancellationToken,
}

/// What a running runner knows.
struct Core {
    settings: Settings,
    me: Identity,
    bus: Bus,
    hold: Hold,
    slots: Slots,
    /// By class.
    contexts: BTreeMap<String, Arc<Context>>,
    peers: watch::Receiver<Peers>,
    batches: mpsc::Receiver<Batch>,
    /// Pullers that wait to know what room there is.
    unsettled: Vec<oneshot::Sender<()>>,
    cancels: Cancels,
    goes: mpsc::Receiver<Go>,
    /// Ended before their task's message came.
    late: Late,
    /// How many tasks the pullers may bring.
    room: watch::Sender<usize>,
    waiting: Waiting,
    table: Table,
    attempts: JoinSet<(AttemptKey, End)>,
    sweeps: JoinSet<(String, Findings)>,
    sweep_at: Instant,
    /// By class: nobody's at the last sweep.
    suspects: HashMap<String, Suspects>,
    /// Dead runners whose attempts can be adopted here.
    dead: HashSet<String>,
    /// No other runner of these classes lives.
    is_alone: bool,
    /// `None`: the lease holds.
    lost_since: Option<Instant>,
    /// Let go of since then, with their class.
    let_go: HashMap<AttemptKey, String>,
    /// A place is well again.
    mended: Arc<Notify>,
    /// Cancelled: nothing more is started.
    drain: CancellationToken,
}

impl Runner {
    /// Takes the tasks of the backends' classes, within the settings' slots in sum.
    pub fn new(settings: Settings, bus: Bus, backends: Vec<Arc<dyn Backend>>) -> Self {
        Self {
            settings,
            bus,
            backends,
            drain: CancellationToken::new(),
        }
    }

    /// Once `drain` is cancelled, starts nothing more and ends when nothing of its own runs.
    #[must_use]
    pub fn with_drain(self, drain: CancellationToken) -> Self {
        Self { drain, ..self }
    }

    /// Runs until `stop`, then lets go of all attempts: they run on, and the next owner adopts them.
    ///
    /// # Errors
    /// [`Error::Locked`] and [`Error::Usurped`] when the id is in use; [`Error::Bus`] when streams are
    /// missing. Lost connections are waited out.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        let mut assembled = self.assemble().await?;
        let ended = assembled.core.serve(&mut assembled.helpers, stop).await;
        assembled.stop().await;
        ended
    }
}

impl Core {
    /// Until `stop`, or until a helper fails.
    async fn serve(&mut self, helpers: &mut JoinSet<Result<(), Error>>, stop: CancellationToken) -> Result<(), Error> {
        let mut connected = self.bus.connected();
        let mut slots = self.slots.changes();
        let hold = self.hold.clone();
        let drain = self.drain.clone();
        let mended = self.mended.clone();
        let mut is_draining = false;
        let keep_every = self.settings.ack_wait.duration() / 3;
        let mut keep_at = Instant::now() + keep_every;
        loop {
            self.start_waiting().await;
            if is_draining && self.attempts.is_empty() {
                return Ok(());
            }
            let end_at = self.end_let_go_at();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = drain.cancelled(), if !is_draining => is_draining = true,
                Some(helper) = helpers.join_next() => helper_ended(helper)?,
                Some(batch) = self.batches.recv() => self.arrived(batch).await,
                Some(ended) = self.attempts.join_next() => self.attempt_ended(ended).await,
                Some(go) = self.goes.recv() => self.go(&go),
                Some((key, reason)) = self.cancels.recv() => self.table.cancel(&key, reason),
                changed = slots.changed() => drop(changed),
                changed = self.peers.changed() => {
                    drop(changed);
                    self.peers_changed();
                }
                Ok(()) = connected.changed() => if *connected.borrow_and_update() {
                    self.table.reconnected();
                },
                // What could not be removed meanwhile is.
                () = mended.notified() => self.sweep(),
                Some(swept) = self.sweeps.join_next() => self.swept(swept),
                () = sleep_until(self.sweep_at) => self.sweep(),
                () = sleep_until(keep_at), if !self.waiting.is_empty() => {
                    keep_at = Instant::now() + keep_every;
                    self.waiting.keep().await;
                }
                () = hold.lost(), if self.lost_since.is_none() => self.lost().await,
                () = hold.regained(), if self.lost_since.is_some() => self.regained(),
                () = sleep_until(end_at.unwrap_or_else(Instant::now)), if end_at.is_some() => self.end_let_go().await,
            }
        }
    }

    /// Starts what waits as long as there are slots, then says how much more may come.
    async fn start_waiting(&mut self) {
        let may_start = self.lost_since.is_none() && !self.drain.is_cancelled();
        while may_start && self.slots.free() > 0 {
            let Some(task) = self.waiting.pop() else { break };
            if self.is_in_trouble(&task.class) {
                task.retry_after(TROUBLE_RETRY).await;
                continue;
            }
            // While it waited a sweep may have found what an earlier owner left of it.
            if let Some(task) = self.unless_here(task).await {
                self.begin(task);
            }
        }
        if !self.is_alone {
            // Another runner may be free.
            self.waiting.give_back().await;
        }
        let lookahead = if self.is_alone { LOOKAHEAD } else { 0 };
        let room = match may_start {
            true => (self.slots.free() + lookahead).saturating_sub(self.waiting.len()),
            false => 0,
        };
        self.room.send_if_modified(|was| {
            let is_new = *was != room;
            *was = room;
            is_new
        });
        self.unsettled.clear();
    }

    async fn arrived(&mut self, batch: Batch) {
        for task in batch.tasks {
            if let Some(task) = self.unless_here(task).await {
                self.waiting.push(task);
            }
        }
        self.unsettled.push(batch.settled);
    }

    /// The task, unless its attempt is in our hands: one attempt has one owner, here too.
    async fn unless_here(&mut self, task: Task) -> Option<Task> {
        let Some(post) = self.table.post(&task.key) else {
            // An attempt that was given back is dispatched again: that is another message.
            if task.dispatch() > 0 || !self.late.take(&task.key) {
                return Some(task);
            }
            task.ack().await;
            return None;
        };
        // It began before its message came, or the message came again since an acknowledgement was lost.
        if let Some(settled) = task.delivery.and_then(|delivery| post.put(delivery)) {
            settled.ack().await;
        }
        None
    }

    /// A decision is stored whose tasks may be claimed and prepared here: they begin before their
    /// messages come, if there is room and nothing was here before them. Else they begin as ever.
    fn go(&mut self, go: &Go) {
        let Some(context) = self.contexts.get(&go.class).cloned() else {
            return;
        };
        let may_start = self.lost_since.is_none() && !self.drain.is_cancelled() && self.waiting.is_empty();
        if !may_start || self.is_in_trouble(&go.class) {
            return;
        }
        for task in context.ahead.decided(go) {
            if self.slots.free() > 0 && !self.table.contains(&task.key) {
                self.begin(task);
            }
        }
    }

    /// Whether something is wrong with the place of a class.
    fn is_in_trouble(&self, class: &str) -> bool {
        let backend = self.contexts.get(class).map(|context| &context.backend);
        let trouble = backend.and_then(|backend| backend.trouble());
        trouble.is_some_and(|trouble| trouble.borrow().is_some())
    }

    fn begin(&mut self, task: Task) {
        let Some(context) = self.contexts.get(&task.class).cloned() else {
            return;
        };
        let slot = self.slots.take();
        let attempt = self.table.open(context, task.key.clone());
        let key = task.key.clone();
        self.attempts
            .spawn(async move { (key, attempt.begin(task, slot).await) });
    }
}

/// Helpers run as long as the runner does: one that ends well has lost its bus to an orderly stop.
fn helper_ended(ended: Result<Result<(), Error>, JoinError>) -> Result<(), Error> {
    match ended {
        Ok(result) => result,
        Err(error) => Err(Error::Helper(error)),
    }
}
