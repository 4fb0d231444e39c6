//! What no implementation over JetStream could be faster than, measured with the same server and
//! the same sync setting.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::stream::{FuturesUnordered, StreamExt};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tidemill_bus::{Bus, Message, StreamSpec};

use crate::stamp;

/// Publishes under way at once in [`publishes`].
const WINDOW: usize = 256;
/// Payload of a floor message: that of a small task, compressed.
const PAYLOAD_BYTES: usize = 512;

/// The stream the floors publish into.
pub(crate) async fn prepare(bus: &Bus) -> Result<()> {
    Ok(bus
        .ensure_stream(&StreamSpec::plain("floor", &["floor.>"], 64 * 1024 * 1024))
        .await?)
}

/// Milliseconds from a publish, acknowledged, to the begin of a process in namespaces of its own.
pub(crate) async fn publish_then_exec(bus: &Bus, program: &Path, file: &Path, name: &str) -> Result<f64> {
    let begin_ns = stamp::now_ns()?;
    let payload = payload(begin_ns);
    bus.publish(Message::new(format!("floor.hop.{name}"), payload)).await?;
    sandboxed(&[&program.to_string_lossy(), &file.to_string_lossy(), name])?;
    let stamps = stamp::read(file);
    let last = stamps
        .last()
        .filter(|stamp| stamp.name == name)
        .context("the floor's process left no stamp")?;
    Ok(milliseconds(Duration::from_nanos(
        last.begin_ns.saturating_sub(begin_ns),
    )))
}

/// Runs a command in user, mount and PID namespaces of its own, to its end.
pub(crate) fn sandboxed(command: &[&str]) -> Result<()> {
    let status = unshare().args(command).status().context("unshare")?;
    ensure!(status.success(), "the sandboxed command failed: {status}");
    Ok(())
}

/// How long `count` sandboxed processes of `program` take, `parallel` at a time, by xargs.
pub(crate) fn fan_out(program: &Path, file: &Path, count: usize, parallel: usize) -> Result<Duration> {
    let start = Instant::now();
    let script = format!(
        "seq {count} | xargs -P {parallel} -I {{}} unshare --user --map-root-user --mount --pid --fork --mount-proc {} {} {{}}",
        program.display(),
        file.display()
    );
    let status = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).status()?;
    ensure!(status.success(), "xargs failed: {status}");
    Ok(start.elapsed())
}

/// How long `count` publishes take, [`WINDOW`] under way at once.
pub(crate) async fn publishes(bus: &Bus, count: usize, round: usize) -> Result<Duration> {
    let start = Instant::now();
    let mut open = FuturesUnordered::new();
    for index in 0..count {
        if open.len() >= WINDOW {
            open.next().await.transpose()?;
        }
        let subject = format!("floor.fan.{round}.{index}");
        open.push(bus.publish_pipelined(Message::new(subject, payload(index as u64))));
    }
    while open.next().await.transpose()?.is_some() {}
    Ok(start.elapsed())
}

/// A duration in milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Bytes that nothing makes smaller: what ours stores is of this size after it was compressed.
fn payload(seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; PAYLOAD_BYTES];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
        ])
        .stdin(Stdio::null());
    command
}
