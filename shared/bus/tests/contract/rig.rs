//! One server of either kind, and the waiting the tests share.

use std::future::Future;
use std::time::Duration;

use tidemill_bus::{Bus, Connect, Consumer, ConsumerSpec, Delivery, Memory, StreamSpec};
use tidemill_kit::NatsServer;

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough to see that nothing comes. A test that relies on it also shows that something does.
pub(crate) const SILENCE: Duration = Duration::from_millis(300);

pub(crate) enum Rig {
    Memory(Memory),
    Nats(NatsServer),
}

impl Rig {
    pub(crate) fn memory() -> Self {
        Self::Memory(Memory::default())
    }

    pub(crate) fn nats() -> Self {
        Self::Nats(NatsServer::start().expect("nats-server"))
    }

    pub(crate) async fn connect(&self) -> Bus {
        match self {
            Self::Memory(memory) => memory.connect(),
            Self::Nats(server) => Bus::connect(Connect::new(server.url())).await.expect("connected"),
        }
    }

    /// A connection, and on the server the plain stream `runs` with subjects `run.>`.
    pub(crate) async fn with_runs(&self) -> Bus {
        let bus = self.connect().await;
        bus.ensure_stream(&runs()).await.expect("stream `runs`");
        bus
    }
}

pub(crate) fn runs() -> StreamSpec {
    StreamSpec::plain("runs", &["run.>"], 64 * 1024 * 1024)
}

pub(crate) fn consumer(name: &str) -> ConsumerSpec {
    ConsumerSpec {
        stream: "runs".to_owned(),
        name: name.to_owned(),
        filters: Vec::new(),
        ack_wait: Duration::from_secs(60),
        max_ack_pending: 1_000,
        pinned: None,
        from_start: true,
    }
}

/// The outcome of `future`, which must come in time.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("{what}: nothing within {PATIENCE:?}"))
}

/// Asks again until `condition` gives a value.
pub(crate) async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let asked = async {
        let mut pause = tokio::time::interval(Duration::from_millis(10));
        loop {
            pause.tick().await;
            if let Some(value) = condition().await {
                return value;
            }
        }
    };
    within(what, asked).await
}

/// The payloads of the next messages until there are `count`; each is acknowledged.
pub(crate) async fn take(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut taken = Vec::new();
    while taken.len() < count {
        for delivery in next(consumer, count - taken.len()).await {
            delivery.ack().await;
            taken.push(text(&delivery));
        }
    }
    taken
}

pub(crate) async fn next(consumer: &mut Consumer, limit: usize) -> Vec<Delivery> {
    let batch = within("a batch", consumer.next_batch(limit)).await.expect("batch");
    assert!(
        !batch.is_empty() && batch.len() <= limit,
        "{} of at most {limit}",
        batch.len()
    );
    batch
}

/// Whether nothing comes for a while.
pub(crate) async fn is_silent(consumer: &mut Consumer) -> bool {
    tokio::time::timeout(SILENCE, consumer.next_batch(1)).await.is_err()
}

pub(crate) fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.message.payload.to_vec()).expect("text")
}
