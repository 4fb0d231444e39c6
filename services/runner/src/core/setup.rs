//! Putting a runner together: lease first, then ears, then hands.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tidemill_messages::{stream, subject};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::late::Late;
use super::table::Table;
use super::{Core, Runner};
use crate::Error;
use crate::ahead::{self, Ahead, Go};
use crate::attempt::Context;
use crate::backend::Backend;
use crate::cancels;
use crate::identity::Identity;
use crate::intake::{Batch, Puller, Waiting};
use crate::lease::Keeper;
use crate::lock::Lock;
use crate::peers::Watcher;
use crate::slots::Slots;

/// Batches of tasks and cancel commands that may wait for the core.
const QUEUE_LENGTH: usize = 256;

/// A runner in parts; helpers end when it is dropped.
pub(super) struct Assembled {
    pub(super) core: Core,
    pub(super) helpers: JoinSet<Result<(), Error>>,
    /// The lease's keeper, who ends last.
    pub(super) keeping: JoinSet<()>,
    pub(super) leaving: CancellationToken,
    _lock: Lock,
}

/// What pullers need of the core.
struct Inlets {
    room: watch::Receiver<usize>,
    batches: mpsc::Sender<Batch>,
}

/// What the contexts of all classes are made of.
struct Shared<'a> {
    me: &'a Identity,
    slots: &'a Slots,
    keeper: &'a Keeper,
    watcher: &'a Watcher,
    before: u64,
}

impl Runner {
    pub(super) async fn assemble(self) -> Result<Assembled, Error> {
        let me = Identity::of(&self.settings);
        let lock = Lock::take(&self.settings.state_dir, &me.id)?;
        let slots = Slots::new(self.settings.slots);
        let keeper = Keeper::start(self.bus.clone(), me.clone(), self.classes(), slots.clone()).await?;
        let watcher = Watcher::new(self.bus.clone(), me.clone(), keeper.last());
        let mut helpers = JoinSet::new();
        // Before the first claim: no cancel command for one of ours is missed.
        let cancels = self.listen(&mut helpers).await?;
        let (room, room_receiver) = watch::channel(0);
        let (sender, batches) = mpsc::channel(QUEUE_LENGTH);
        let inlets = Inlets {
            room: room_receiver,
            batches: sender,
        };
        let shared = Shared {
            me: &me,
            slots: &slots,
            keeper: &keeper,
            watcher: &watcher,
            before: self.last_task().await?,
        };
        let mended = Arc::new(Notify::new());
        let (going, goes) = mpsc::channel(QUEUE_LENGTH);
        let mut contexts = BTreeMap::new();
        for backend in &self.backends {
            self.pull(backend.as_ref(), &inlets, &keeper, &mut helpers).await?;
            watch_place(backend.as_ref(), &mended, &mut helpers);
            let context = Arc::new(self.context(backend, &shared));
            self.hear_hints(&context, &going, &mut helpers).await?;
            contexts.insert(backend.class().to_owned(), context);
        }
        let core = Core {
            hold: keeper.hold(),
            peers: watcher.peers(),
            bus: self.bus,
            settings: self.settings,
            me,
            slots,
            contexts,
            batches,
            unsettled: Vec::new(),
            cancels,
            goes,
            late: Late::default(),
            room,
            waiting: Waiting::default(),
            table: Table::default(),
            attempts: JoinSet::new(),
            sweeps: JoinSet::new(),
            sweep_at: Instant::now(),
            suspects: HashMap::new(),
            dead: HashSet::new(),
            is_alone: true,
            lost_since: None,
            let_go: HashMap::new(),
            mended,
            drain: self.drain,
        };
        watch_others(watcher, &mut helpers);
        let (keeping, leaving) = keep(keeper, &mut helpers);
        Ok(Assembled {
            core,
            helpers,
            keeping,
            leaving,
            _lock: lock,
        })
    }

    /// Last sequence of the stream in which tasks come.
    async fn last_task(&self) -> Result<u64, Error> {
        let last = self.bus.last_sequence(stream::RUNS).await;
        last.map_err(|source| Error::Bus {
            action: "read the state of the tasks' stream",
            source,
        })
    }

    fn context(&self, backend: &Arc<dyn Backend>, shared: &Shared<'_>) -> Context {
        Context {
            bus: self.bus.clone(),
            me: shared.me.clone(),
            hold: shared.keeper.hold(),
            slots: shared.slots.clone(),
            peers: shared.watcher.peers(),
            pods: self.settings.pod.clone(),
            before: shared.before,
            backend: backend.clone(),
            ahead: Ahead::default(),
        }
    }

    async fn hear_hints(
        &self,
        context: &Arc<Context>,
        going: &mpsc::Sender<Go>,
        helpers: &mut JoinSet<Result<(), Error>>,
    ) -> Result<(), Error> {
        if !context.backend.prepares_ahead() {
            return Ok(());
        }
        let class = context.backend.class();
        let (hint, go) = (subject::hint(class), subject::go(class));
        let subscribed = tokio::try_join!(self.bus.subscribe(&hint, None), self.bus.subscribe(&go, None));
        let (hints, goes) = subscribed.map_err(|source| Error::Bus {
            action: "subscribe to hints of tasks to come",
            source,
        })?;
        let (context, going) = (context.clone(), going.clone());
        helpers.spawn(async move {
            ahead::listen(context, hints, goes, going).await;
            Ok(())
        });
        Ok(())
    }

    fn classes(&self) -> Vec<String> {
        self.backends.iter().map(|backend| backend.class().to_owned()).collect()
    }

    async fn listen(&self, helpers: &mut JoinSet<Result<(), Error>>) -> Result<super::Cancels, Error> {
        let commands = self.bus.subscribe(subject::ALL_CANCELS, None).await;
        let commands = commands.map_err(|source| Error::Bus {
            action: "subscribe to cancel commands",
            source,
        })?;
        let (sender, cancels) = mpsc::channel(QUEUE_LENGTH);
        helpers.spawn(async move {
            cancels::listen(commands, sender).await;
            Ok(())
        });
        Ok(cancels)
    }

    async fn pull(
        &self,
        backend: &dyn Backend,
        inlets: &Inlets,
        keeper: &Keeper,
        helpers: &mut JoinSet<Result<(), Error>>,
    ) -> Result<(), Error> {
        let puller = Puller {
            bus: self.bus.clone(),
            class: backend.class().to_owned(),
            trouble: backend.trouble(),
            ack_wait: self.settings.ack_wait.duration(),
            capacity: self.settings.class_capacity,
            room: inlets.room.clone(),
            batches: inlets.batches.clone(),
        };
        let consumer = puller.consumer().await.map_err(|source| Error::Bus {
            action: "join the consumer of the class",
            source,
        })?;
        if keeper.is_return() {
            // What the life before had pulled and not claimed comes at once.
            puller.restart().await.map_err(|source| Error::Bus {
                action: "start the consumer of the class anew",
                source,
            })?;
        }
        helpers.spawn(async move {
            puller.run(consumer).await;
            Ok(())
        });
        Ok(())
    }
}

/// Says when a place is well again.
fn watch_place(backend: &dyn Backend, mended: &Arc<Notify>, helpers: &mut JoinSet<Result<(), Error>>) {
    let Some(mut trouble) = backend.trouble() else { return };
    let mended = mended.clone();
    helpers.spawn(async move {
        while trouble.wait_for(Option::is_some).await.is_ok() && trouble.wait_for(Option::is_none).await.is_ok() {
            mended.notify_one();
        }
        Ok(())
    });
}

fn watch_others(watcher: Watcher, helpers: &mut JoinSet<Result<(), Error>>) {
    helpers.spawn(async move {
        watcher.run().await.map_err(|source| Error::Bus {
            action: "watch the other runners",
            source,
        })
    });
}

/// The keeper goes on after the other helpers; its failure reaches the core through one of them.
fn keep(keeper: Keeper, helpers: &mut JoinSet<Result<(), Error>>) -> (JoinSet<()>, CancellationToken) {
    let leaving = CancellationToken::new();
    let (failed, failure) = tokio::sync::oneshot::channel();
    let mut keeping = JoinSet::new();
    let stop = leaving.clone();
    keeping.spawn(async move {
        if let Err(error) = keeper.run(stop).await {
            // Nobody listens during the stop.
            drop(failed.send(error));
        }
    });
    helpers.spawn(async move { failure.await.map_or(Ok(()), Err) });
    (keeping, leaving)
}
