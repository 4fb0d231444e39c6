//! Starting a supervisor.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidemill_messages::frame;
use tidemill_messages::sandbox::{HIDDEN, ProcessIdentity, Word};
use tokio::task::spawn_blocking;

use super::host::Hidden;
use super::spare::Spare;
use crate::backend::link::Link;
use crate::backend::{Error, place};

const BINARY: &str = "tidemill-step";
/// Age at which a supervisor gets no further attempt: it sees the host's mounts as they were when it
/// came into being, unless the host shares them.
const AGE_LIMIT: Duration = Duration::from_secs(600);
/// Supervisors that wait at most, however many attempts ended together. One holds less than a megabyte; to make one costs what
/// two small tasks do.
const KEPT_MAX: usize = 128;
/// How long more of them are kept than usual: whoever had so many tasks at once will have them again, and each costs three
/// processes and a root to make.
const BURST: Duration = Duration::from_secs(30);
/// Longest time a supervisor may take to come into being.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Where the step binary is: the setting `name`, else beside the running binary, else on `PATH`.
pub(in crate::backend) fn find_step_binary(setting: Option<&Path>, name: &str) -> Result<PathBuf, Error> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| Some(own.parent()?.join(BINARY)));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&on_path)
        .map(|directory| directory.join(BINARY))
        .collect::<Vec<_>>();
    let candidates = match setting {
        Some(path) => vec![path.to_owned()],
        None => beside.into_iter().chain(on_path).collect(),
    };
    let found = candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        place(format!("find {BINARY}"))(format!("put it beside the running binary or on PATH, or set {name}"))
    });
    std::path::absolute(found?).map_err(place(format!("find {BINARY}")))
}

/// Supervisors that have no attempt.
///
/// A supervisor needs three processes to come into being, one after the other, which takes longer than
/// to build a sandbox in it. So some wait for their attempts, and one whose attempt is over takes the
/// next. They end when this process does.
pub(super) struct Supervisors {
    binary: PathBuf,
    /// Where each of them mounts what it has in memory.
    place: PathBuf,
    /// What no attempt sees; what is known of it before the attempt is covered before.
    hidden: Arc<Hidden>,
    count: usize,
    waiting: Mutex<Vec<Free>>,
    /// Those beyond the usual number are about to be let go.
    thinning: AtomicBool,
    /// No attempt comes any more.
    closed: AtomicBool,
}

/// A supervisor that waits for an attempt.
pub(super) struct Free {
    /// The socket to it.
    pub(super) stream: UnixStream,
    /// What was read ahead from it.
    pub(super) reader: frame::Reader,
    /// Who it is.
    pub(super) supervisor: Supervisor,
    /// The directory of its last attempt, for the next.
    pub(super) spare: Option<Spare>,
}

impl Free {
    /// The link to it.
    pub(super) fn into_link(self) -> Result<Link, Error> {
        Link::new(self.stream, self.reader)
    }
}

/// A supervisor.
#[derive(Clone, Debug)]
pub(super) struct Supervisor {
    /// Who it is.
    pub(super) identity: ProcessIdentity,
    /// When it was started, as far as this process knows.
    pub(super) born: Instant,
}

impl Supervisors {
    /// At least `count` of them wait; the first are started behind the first attempt's back.
    pub(super) fn new(binary: PathBuf, place: PathBuf, hidden: Arc<Hidden>, count: usize) -> Arc<Self> {
        Arc::new(Self {
            binary,
            place,
            hidden,
            count,
            waiting: Mutex::new(Vec::new()),
            thinning: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        })
    }

    /// One of them, or a new one.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Free, Error> {
        let waiting = self.newest();
        let free = match waiting {
            Some(free) => free,
            None => {
                let own = Arc::clone(self);
                let started = spawn_blocking(move || own.start());
                started.await.map_err(place("start a supervisor"))??
            }
        };
        if !self.closed.load(Ordering::Relaxed) && self.lock().len() < self.count {
            let own = Arc::clone(self);
            drop(spawn_blocking(move || own.fill()));
        }
        Ok(free)
    }

    /// The one that played last. Those over [`AGE_LIMIT`] are let go, which ends them.
    fn newest(&self) -> Option<Free> {
        let mut waiting = self.lock();
        waiting.retain(|free| free.supervisor.born.elapsed() < AGE_LIMIT);
        waiting.pop()
    }

    /// One whose attempt is over. Of more than twice as many as are to wait the oldest are let go after
    /// [`BURST`].
    pub(super) fn give_back(self: &Arc<Self>, free: Free) {
        let mut waiting = self.lock();
        if waiting.len() < KEPT_MAX && !self.closed.load(Ordering::Relaxed) {
            waiting.push(free);
        }
        let is_usual = waiting.len() <= self.count * 2;
        drop(waiting);
        if !is_usual && !self.thinning.swap(true, Ordering::Relaxed) {
            let own = Arc::clone(self);
            drop(tokio::spawn(async move {
                tokio::time::sleep(BURST).await;
                own.thin();
            }));
        }
    }

    fn thin(&self) {
        self.thinning.store(false, Ordering::Relaxed);
        let mut waiting = self.lock();
        let surplus = waiting.len().saturating_sub(self.count * 2);
        let gone: Vec<_> = waiting.drain(..surplus).collect();
        drop(waiting);
        drop(gone);
    }

    /// Whether one more may wait.
    pub(super) fn has_room(&self) -> bool {
        !self.closed.load(Ordering::Relaxed) && self.lock().len() < KEPT_MAX
    }

    /// Lets all of them go; none waits from then on.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        let gone = std::mem::take(&mut *self.lock());
        drop(gone);
    }

    /// Starts what is missing.
    fn fill(&self) {
        while self.lock().len() < self.count {
            match self.start() {
                // Those that have a directory go first.
                Ok(free) => self.lock().insert(0, free),
                Err(error) => return tracing::warn!(%error, "Cannot start a supervisor ahead of its attempt."),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Free>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts one and waits until it is free. Its first process ends as soon as it has made the namespaces.
    fn start(&self) -> Result<Free, Error> {
        std::fs::create_dir_all(&self.place).map_err(place(format!("make {}", self.place.display())))?;
        let (ours, theirs) = UnixStream::pair().map_err(place("make a pair of sockets"))?;
        let child = Command::new(&self.binary)
            .arg("supervise")
            .arg(&self.place)
            .env_clear()
            .env(
                HIDDEN,
                serde_json::to_string(&*self.hidden.places()).unwrap_or_default(),
            )
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.map_err(place(format!("start {}", self.binary.display())))?;
        child
            .wait()
            .map_err(place("wait for the first process of a supervisor"))?;
        hear_free(ours)
    }
}

fn hear_free(mut stream: UnixStream) -> Result<Free, Error> {
    stream
        .set_read_timeout(Some(START_LIMIT))
        .map_err(place("hear the supervisor"))?;
    let mut reader = frame::Reader::default();
    let mut bytes = [0; 1024];
    loop {
        match reader.take().map_err(place("understand the supervisor"))? {
            Some(Word::Free { supervisor, .. }) => {
                return Ok(Free {
                    stream,
                    reader,
                    supervisor: Supervisor {
                        identity: supervisor,
                        born: Instant::now(),
                    },
                    spare: None,
                });
            }
            Some(Word::Refused { message, .. }) => return Err(place("start the supervisor")(message)),
            Some(_) => return Err(place("start the supervisor")("it speaks out of turn")),
            None => {}
        }
        let count = match stream.read(&mut bytes) {
            // A read with a time limit is not started again after a signal, as one that a child ended.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(place("hear the supervisor"))?,
        };
        if count == 0 {
            return Err(place("start the supervisor")("it ended without a word"));
        }
        reader.push(&bytes[..count]);
    }
}
