//! What tasks as pods cost beside bare pods, measured in the same minutes on the same cluster.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::world::World;

/// Tasks one after the other.
const CHAIN: usize = 20;
/// Tasks at once.
const FAN: usize = 50;
/// How long any of it may take.
const LIMIT: Duration = Duration::from_secs(300);

/// One kind of work: seconds, and writes to the API (leases aside, which come by the clock).
struct Cost {
    seconds: f64,
    writes: u64,
}

/// Measures chain and fan-out, bare and ours in turn, and prints the table.
pub(super) fn measure(world: &World) -> Result<()> {
    // The first pod of each kind meets cold caches.
    bare_chain(world, 1)?;
    ours(world, "warm", &chain(1))?;
    let chain_bare = costing(world, || bare_chain(world, CHAIN))?;
    let chain_ours = costing(world, || ours(world, "chain", &chain(CHAIN)))?;
    let fan_bare = costing(world, || bare_fan(world, FAN))?;
    let fan_ours = costing(world, || ours(world, "fan", &fan(FAN)))?;
    println!("| what | bare pods | tasks | ratio | writes a pod, bare | writes a task |\n|---|---|---|---|---|---|");
    print_row(&format!("chain of {CHAIN} `true`"), CHAIN, &chain_bare, &chain_ours);
    print_row(&format!("fan-out of {FAN} `true`"), FAN, &fan_bare, &fan_ours);
    println!("tidemill up, all services: {}", memory(world.up.process.pid())?);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of tens")]
fn print_row(what: &str, tasks: usize, bare: &Cost, ours: &Cost) {
    let each = |writes: u64| writes as f64 / tasks as f64;
    println!(
        "| {what} | {:.1} s | {:.1} s | {:.2} | {:.1} | {:.1} |",
        bare.seconds,
        ours.seconds,
        ours.seconds / bare.seconds,
        each(bare.writes),
        each(ours.writes),
    );
}

fn costing(world: &World, work: impl FnOnce() -> Result<()>) -> Result<Cost> {
    let (before, start) = (writes(world)?, Instant::now());
    work()?;
    let seconds = start.elapsed().as_secs_f64();
    // What follows an end, such as the deletion of pods, belongs to it.
    std::thread::park_timeout(Duration::from_secs(3));
    Ok(Cost {
        seconds,
        writes: writes(world)? - before,
    })
}

/// Requests that changed something, of all clients, since the API server started.
fn writes(world: &World) -> Result<u64> {
    let metrics = world.cluster.kubectl(&["get", "--raw", "/metrics"])?;
    let lines = metrics.lines().filter(|line| {
        line.starts_with("apiserver_request_total{")
            && ["POST", "PUT", "PATCH", "DELETE", "APPLY"]
                .iter()
                .any(|verb| line.contains(&format!("verb=\"{verb}\"")))
            && ![
                "leases",
                "tokenreviews",
                "subjectaccessreviews",
                "selfsubjectaccessreviews",
            ]
            .iter()
            .any(|resource| line.contains(&format!("resource=\"{resource}\"")))
    });
    let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counters")]
    Ok(counts.sum::<f64>() as u64)
}

fn bare_chain(world: &World, count: usize) -> Result<()> {
    for number in 0..count {
        let name = format!("bare-{number}");
        world.apply_to_cluster(&bare_pod(&name))?;
        succeeded(world, &[&format!("pod/{name}")])?;
    }
    world
        .cluster
        .kubectl(&["delete", "pods", "--selector", "bench=bare", "--wait=false"])?;
    Ok(())
}

fn bare_fan(world: &World, count: usize) -> Result<()> {
    let mut all = String::new();
    for number in 0..count {
        all.push_str(&bare_pod(&format!("bare-fan-{number}")));
    }
    world.apply_to_cluster(&all)?;
    succeeded(world, &["pods", "--selector", "bench=bare"])?;
    world
        .cluster
        .kubectl(&["delete", "pods", "--selector", "bench=bare", "--wait=false"])?;
    Ok(())
}

fn succeeded(world: &World, which: &[&str]) -> Result<()> {
    let mut arguments = vec!["wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=300s"];
    arguments.extend_from_slice(which);
    world.cluster.kubectl(&arguments)?;
    Ok(())
}

fn bare_pod(name: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{bench: bare}}}}\nspec:\n  restartPolicy: Never\n  \
         containers: [{{name: step, image: \"busybox:1.35\", command: [\"true\"]}}]\n"
    )
}

/// Runs a PipelineRun of these tasks to its end, and removes it.
fn ours(world: &World, name: &str, tasks: &str) -> Result<()> {
    let text = format!(
        "apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {{name: bench-{name}}}\nspec:\n  pipelineSpec:\n    tasks:\n{tasks}"
    );
    world.apply(&text)?;
    let name = format!("bench-{name}");
    let run = world.wait_for(&name, LIMIT)?;
    let ended = super::world::condition(&run)["status"] == "True";
    ensure!(ended, "{name} failed:\n{}", world.describe(&name)?);
    world.delete_run(&name)
}

fn chain(count: usize) -> String {
    let mut tasks = String::new();
    for number in 0..count {
        let after = number.checked_sub(1).map(|before| format!("runAfter: [t{before}], "));
        tasks.push_str(&task(number, &after.unwrap_or_default()));
        tasks.push('\n');
    }
    tasks
}

fn fan(count: usize) -> String {
    (0..count).map(|number| task(number, "") + "\n").collect()
}

fn task(number: usize, after: &str) -> String {
    format!(
        "    - {{name: t{number}, {after}taskSpec: {{steps: [{{name: step, image: \"busybox:1.35\", command: [\"true\"]}}]}}}}"
    )
}

/// Resident memory of a process, now and at its highest.
fn memory(pid: u32) -> Result<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.map(|line| line[name.len()..].trim().to_owned())
            .with_context(|| format!("no {name} in its status"))
    };
    Ok(format!("resident {}, at most {}", field("VmRSS:")?, field("VmHWM:")?))
}
