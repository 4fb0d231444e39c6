//! A burst of webhooks on a real ingest and a real nats-server, both killed in between.
//!
//! Half of the requests come at a steady rate, the rest as fast as it goes. One in ten is a
//! redelivery, one in a hundred is forged. Afterwards the streams are read: every request that was
//! answered 202 has come to its end, no object exists twice, no forged request made one, and ingest
//! stayed within its memory.

mod check;
mod deliveries;
mod report;
mod send;
mod stage;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::Instant;

use deliveries::{Deliveries, Request};
use send::{Pace, Sent};

pub use report::Report;
pub use stage::Stage;

/// Connections at once; as many as ingest takes by default.
pub const CONNECTIONS: usize = 64;

/// How large a burst is to be.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Requests in all.
    pub webhooks: usize,
    /// Requests a second in the first half.
    pub rate: u32,
    /// Seed of all that is random.
    pub seed: u64,
    /// How long what was accepted may take to come to its end, after the last request.
    pub limit: Duration,
}

/// Sends the burst and checks what became of it.
///
/// # Errors
/// The first promise that was not kept.
pub async fn run(plan: Plan) -> Result<Report> {
    let deliveries = Deliveries::new(plan.webhooks, plan.seed);
    let mut stage = Stage::start().await?;
    let begin = Instant::now();
    let requests = &deliveries.requests;
    let (steady, rest) = requests.split_at(requests.len() / 2);
    let mut sent = phase(&mut stage, steady, Pace::Rate(plan.rate))
        .await
        .context("steady half")?;
    let fast_begin = Instant::now();
    let fast = phase(&mut stage, rest, Pace::Fast).await.context("fast half")?;
    let fast_rate = rest.len() as f64 / fast_begin.elapsed().as_secs_f64();
    // What is left to evaluate survives one more end.
    stage.kill_ingest().await?;
    let steady_count = sent.len();
    sent.extend(fast);
    let took = check::settle(&stage, plan.limit).await?;
    let found = check::read(&stage).await?;
    found.check(&deliveries, &sent)?;
    let memory_kib = stage.memory_kib()?;
    Ok(Report::new(
        &sent,
        steady_count,
        fast_rate,
        &found,
        memory_kib,
        took,
        begin.elapsed(),
    ))
}

/// Sends requests; a third into them ingest is killed, two thirds into them nats-server.
async fn phase(stage: &mut Stage, requests: &[Request], pace: Pace) -> Result<Vec<Sent>> {
    let sending = send::start(stage.address(), Arc::from(requests), pace, CONNECTIONS);
    sending.reached(requests.len() / 3).await;
    stage.kill_ingest().await?;
    sending.reached(requests.len() * 2 / 3).await;
    stage.kill_nats_server().await?;
    sending.finish().await
}
