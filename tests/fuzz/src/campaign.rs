//! Trying inputs, with an eye on the clock.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::corpus;
use crate::mutate::Mutator;
use crate::target::Target;

/// How long one input may take, without optimisation on a busy machine.
pub const INPUT_LIMIT: Duration = Duration::from_secs(10);
/// Most memory all of it may take.
pub const MEMORY_MAX_KIB: u64 = 1 << 20;
/// Stack of the thread: that of a worker of ingest.
const STACK_BYTES: usize = 2 << 20;

/// So long at one target.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Which.
    pub target: Target,
    /// How long.
    pub time: Duration,
    /// Seed of the mutations.
    pub seed: u64,
    /// Where the input under way lies, and what was found.
    pub folder: PathBuf,
}

/// What the thread says about an input.
type Said = std::result::Result<Duration, String>;

impl Campaign {
    /// Tries the corpus, then mutations of it; gives how many inputs were tried and the longest time
    /// one took.
    ///
    /// # Errors
    /// Names the file of the first input that panics or takes too long. One that ends the process
    /// lies in `<folder>/<target>.current`.
    pub fn run(&self) -> Result<(usize, Duration)> {
        fs::create_dir_all(&self.folder)?;
        let corpus = corpus(&self.target)?;
        let mut mutator = Mutator::new(self.seed);
        let (ask, asked) = mpsc::sync_channel::<Vec<u8>>(0);
        let (say, said) = mpsc::sync_channel::<Said>(1);
        let target = self.target.clone();
        let working = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            for input in asked {
                let begin = Instant::now();
                let tried = catch_unwind(AssertUnwindSafe(|| (target.body)(&input)));
                let outcome = tried.map(|()| begin.elapsed()).map_err(|panic| message(&*panic));
                if say.send(outcome).is_err() {
                    return;
                }
            }
        });
        working.context("start a thread")?;
        let (begin, mut count, mut longest) = (Instant::now(), 0, Duration::ZERO);
        while count < corpus.len() || begin.elapsed() < self.time {
            let input = corpus.get(count).cloned().unwrap_or_else(|| mutator.next(&corpus));
            fs::write(self.current(), &input)?;
            ask.send(input.clone()).ok().context("the thread ended")?;
            match said.recv_timeout(INPUT_LIMIT) {
                Ok(Ok(took)) => longest = longest.max(took),
                Ok(Err(panic)) => bail!(
                    "{} panics: {panic}; input: {}",
                    self.target.name,
                    self.keep(&input)?.display()
                ),
                Err(_) => bail!(
                    "{} takes longer than {INPUT_LIMIT:?}; input: {}",
                    self.target.name,
                    self.keep(&input)?.display()
                ),
            }
            count += 1;
        }
        fs::remove_file(self.current())?;
        let memory = memory_kib()?;
        ensure!(
            memory <= MEMORY_MAX_KIB,
            "{} took {memory} KiB of memory",
            self.target.name
        );
        Ok((count, longest))
    }

    fn current(&self) -> PathBuf {
        self.folder.join(format!("{}.current", self.target.name))
    }

    fn keep(&self, input: &[u8]) -> Result<PathBuf> {
        let digest = hex::encode(&Sha256::digest(input)[..6]);
        let path = self.folder.join(format!("{}-{digest}", self.target.name));
        fs::write(&path, input)?;
        Ok(path)
    }
}

/// The most memory this process took so far.
///
/// # Errors
/// When the system does not tell.
pub fn memory_kib() -> Result<u64> {
    let status = fs::read_to_string(Path::new("/proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    peak.context("no VmHWM")
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
        .to_owned()
}
