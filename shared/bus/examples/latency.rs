//! Measures the floor of everything Tidemill does: `cargo run --release -p tidemill-bus --example latency`.
//!
//! A disposable nats-server on this machine; with an address as argument, that server instead (its
//! stream `latency` is deleted afterwards). Each line: p50, p99 and the greatest of the samples.

use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tidemill_bus::{Bus, Connect, Consumer, ConsumerSpec, Message, StreamSpec};
use tidemill_kit::NatsServer;

const SAMPLES: usize = 2_000;
const WARM_UP: usize = 200;
const PAYLOAD: [u8; 256] = [b'x'; 256];
const STREAM: &str = "latency";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if let Some(address) = env::args().nth(1) {
        return measure("as the server is set", &address).await;
    }
    conditions();
    for (label, sync) in [("sync_interval: always", "always"), ("sync_interval: 2m", "2m")] {
        let lines = format!("jetstream {{ sync_interval: {sync}, max_file: 4GB, max_mem: 64MB }}");
        let server = NatsServer::start_with(&lines)?;
        measure(label, &server.url()).await?;
    }
    Ok(())
}

async fn measure(label: &str, address: &str) -> anyhow::Result<()> {
    let (one, other) = (connect(address).await?, connect(address).await?);
    one.ensure_stream(&StreamSpec::plain(STREAM, &["latency.>"], 1 << 30))
        .await?;
    println!("{label}, {SAMPLES} samples each, payload {} bytes", PAYLOAD.len());
    publish(&one).await?;
    leader_read(&one).await?;
    read_short_log(&one).await?;
    deliver(&one, &other).await?;
    hop(&one, &other).await?;
    pipeline(&one).await?;
    one.delete_stream(STREAM).await?;
    one.close(Duration::from_secs(1)).await;
    other.close(Duration::from_secs(1)).await;
    Ok(())
}

/// Publish with an expectation, until acknowledged.
async fn publish(bus: &Bus) -> anyhow::Result<()> {
    let mut samples = Samples::new("publish + ack, expected 0");
    for n in 0..SAMPLES + WARM_UP {
        let message = Message::new(format!("latency.publish.{n}"), &PAYLOAD[..]).expecting(0);
        let started = Instant::now();
        bus.publish(message).await?;
        samples.add(started);
    }
    samples.print();
    Ok(())
}

async fn leader_read(bus: &Bus) -> anyhow::Result<()> {
    let mut samples = Samples::new("last (leader read)");
    for n in 0..SAMPLES + WARM_UP {
        let subject = format!("latency.publish.{n}");
        let started = Instant::now();
        bus.last(STREAM, &subject).await?.context("published before")?;
        samples.add(started);
    }
    samples.print();
    Ok(())
}

/// What loading a run's state costs.
async fn read_short_log(bus: &Bus) -> anyhow::Result<()> {
    for _ in 0..20 {
        bus.publish(Message::new("latency.log", &PAYLOAD[..])).await?;
    }
    let mut samples = Samples::new("read_all of 20 messages");
    for _ in 0..SAMPLES + WARM_UP {
        let started = Instant::now();
        anyhow::ensure!(
            bus.read_all(STREAM, "latency.log", 0, false).await?.len() == 20,
            "20 messages"
        );
        samples.add(started);
    }
    samples.print();
    Ok(())
}

/// Publish (not waiting for the acknowledgement) until delivered to a waiting consumer.
async fn deliver(sender: &Bus, receiver: &Bus) -> anyhow::Result<()> {
    let mut consumer = receiver.consumer(&consumer("deliver", "latency.deliver")).await?;
    let mut samples = Samples::new("publish → delivered");
    for _ in 0..SAMPLES + WARM_UP {
        let started = Instant::now();
        let acknowledged = sender.publish_pipelined(Message::new("latency.deliver", &PAYLOAD[..]));
        take(&mut consumer).await?;
        samples.add(started);
        acknowledged.await?;
    }
    samples.print();
    Ok(())
}

/// A completed task starts the next: fact → planner → decision by compare-and-set → task → runner.
async fn hop(runner: &Bus, planner: &Bus) -> anyhow::Result<()> {
    let mut facts = planner.consumer(&consumer("facts", "latency.fact.>")).await?;
    let mut tasks = runner.consumer(&consumer("tasks", "latency.task.>")).await?;
    let deciding = planner.clone();
    let decided = tokio::spawn(async move {
        let mut last = 0;
        for n in 0..SAMPLES + WARM_UP {
            take(&mut facts).await?;
            last = deciding
                .publish(Message::new("latency.decision", &PAYLOAD[..]).expecting(last))
                .await?;
            deciding
                .publish(Message::new(format!("latency.task.{n}"), &PAYLOAD[..]).expecting(0))
                .await?;
        }
        anyhow::Ok(())
    });
    let mut samples = Samples::new("hop: fact → decision → task delivered");
    for n in 0..SAMPLES + WARM_UP {
        let started = Instant::now();
        let stored = runner.publish_pipelined(Message::new(format!("latency.fact.{n}"), &PAYLOAD[..]).expecting(0));
        take(&mut tasks).await?;
        samples.add(started);
        stored.await?;
    }
    decided.await??;
    samples.print();
    Ok(())
}

/// Publishes a second with 256 under way.
async fn pipeline(bus: &Bus) -> anyhow::Result<()> {
    const COUNT: usize = 20_000;
    let started = Instant::now();
    let mut under_way = std::collections::VecDeque::new();
    for n in 0..COUNT {
        if under_way.len() == 256
            && let Some(oldest) = under_way.pop_front()
        {
            oldest.await?;
        }
        under_way
            .push_back(bus.publish_pipelined(Message::new(format!("latency.pipe.{n}"), &PAYLOAD[..]).expecting(0)));
    }
    for answer in under_way {
        answer.await?;
    }
    println!(
        "  {:<40} {:>8.0} /s",
        "publishes, 256 under way",
        COUNT as f64 / started.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn take(consumer: &mut Consumer) -> anyhow::Result<()> {
    for delivery in consumer.next_batch(1).await? {
        delivery.ack().await;
    }
    Ok(())
}

fn consumer(name: &str, filter: &str) -> ConsumerSpec {
    ConsumerSpec {
        stream: STREAM.to_owned(),
        name: name.to_owned(),
        filters: vec![filter.to_owned()],
        ack_wait: Duration::from_secs(30),
        max_ack_pending: 1_000,
        pinned: None,
        from_start: true,
    }
}

async fn connect(address: &str) -> anyhow::Result<Bus> {
    Bus::connect(Connect::new(address))
        .await
        .with_context(|| format!("connect to {address}"))
}

fn conditions() {
    let shell = "nproc; uname -r; cut -d' ' -f1-3 /proc/loadavg; df -T . | awk 'END {print $2}'";
    let seen = Command::new("/bin/sh").args(["-c", shell]).output();
    let seen = seen
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().replace('\n', ", "))
        .unwrap_or_default();
    println!("processors, kernel, load, file system: {seen}");
}

/// Latencies of one kind; the first [`WARM_UP`] do not count.
struct Samples {
    label: &'static str,
    all: Vec<Duration>,
    skipped: usize,
}

impl Samples {
    fn new(label: &'static str) -> Self {
        Self {
            label,
            all: Vec::with_capacity(SAMPLES),
            skipped: 0,
        }
    }

    fn add(&mut self, started: Instant) {
        if self.skipped < WARM_UP {
            self.skipped += 1;
        } else {
            self.all.push(started.elapsed());
        }
    }

    fn print(mut self) {
        self.all.sort();
        let at = |permille: usize| self.all[(self.all.len() - 1) * permille / 1_000].as_micros();
        println!(
            "  {:<40} {:>8} µs p50 {:>8} µs p99 {:>8} µs max",
            self.label,
            at(500),
            at(990),
            at(1_000)
        );
    }
}
