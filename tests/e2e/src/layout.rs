//! The rules of the workspace, read from `cargo metadata`: who may depend on whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::Test;

/// Crates without async, clock, randomness and I/O.
const PURE: [&str; 5] = [
    "tidemill-resources",
    "tidemill-messages",
    "tidemill-engine",
    "tidemill-pod",
    "tidemill-triggers",
];
/// What a pure crate may not reach, by whatever way.
const IMPURE: [&str; 8] = [
    "tokio",
    "async-nats",
    "rand",
    "kube",
    "nix",
    "rustix",
    "futures-executor",
    "tracing-subscriber",
];
/// What their source may not name: clock, randomness, environment, files, network.
const IMPURE_WORDS: [&str; 8] = [
    "Timestamp::now",
    "SystemTime",
    "Instant::now",
    "new_v4",
    "std::env::",
    "std::fs",
    "std::net",
    "std::thread",
];
/// The only crate that may name the NATS client.
const OWNER_OF_NATS: &str = "tidemill-bus";

/// The rules, one test each.
pub fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "layout::pure_crates_reach_nothing_impure",
            pure_crates_reach_nothing_impure,
        ),
        Test::new(
            "layout::pure_crates_name_nothing_impure",
            pure_crates_name_nothing_impure,
        ),
        Test::new("layout::only_bus_knows_nats", only_bus_knows_nats),
        Test::new("layout::no_service_depends_on_another", no_service_depends_on_another),
        Test::new("layout::shared_depends_on_no_service", shared_depends_on_no_service),
    ]
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

/// Names and direct, normal dependencies.
struct Graph {
    edges: BTreeMap<String, BTreeSet<String>>,
    services: BTreeSet<String>,
    shared: BTreeSet<String>,
}

fn graph() -> Result<Graph> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform"])
        .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .output()
        .context("cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let names: BTreeMap<&str, &str> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package.name.as_str()))
        .collect();
    let name = |id: &str| names.get(id).copied().unwrap_or_default().to_owned();
    let normal = |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
    let edges = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| {
            (
                name(&node.id),
                node.deps
                    .iter()
                    .filter(normal)
                    .map(|dependency| name(&dependency.pkg))
                    .collect(),
            )
        })
        .collect();
    let below = |folder: &str| {
        let inside =
            |package: &&Package| package.manifest_path.contains(folder) && package.name.starts_with("tidemill-");
        metadata
            .packages
            .iter()
            .filter(inside)
            .map(|package| package.name.clone())
            .collect()
    };
    Ok(Graph {
        edges,
        services: below("/services/"),
        shared: below("/shared/"),
    })
}

impl Graph {
    fn reach(&self, from: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(next) = open.pop() {
            for edge in self.edges.get(next).into_iter().flatten() {
                if seen.insert(edge.as_str()) {
                    open.push(edge);
                }
            }
        }
        seen
    }
}

fn pure_crates_reach_nothing_impure() -> Result<()> {
    let graph = graph()?;
    for pure in PURE {
        ensure!(graph.edges.contains_key(pure), "{pure} is not in the workspace");
        let reached: Vec<&str> = graph
            .reach(pure)
            .into_iter()
            .filter(|name| IMPURE.contains(name))
            .collect();
        ensure!(
            reached.is_empty(),
            "{pure} reaches {reached:?}; see `cargo tree -p {pure} -i {}`",
            reached[0]
        );
    }
    Ok(())
}

fn pure_crates_name_nothing_impure() -> Result<()> {
    for pure in PURE {
        let folder = pure.strip_prefix("tidemill-").unwrap_or(pure);
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../shared")
            .join(folder)
            .join("src");
        let files = rust_files(&source)?;
        ensure!(!files.is_empty(), "no source in {}", source.display());
        for file in files {
            let text = fs::read_to_string(&file)?;
            // Tests may do what the crate may not.
            let own = text.split("#[cfg(test)]").next().unwrap_or_default();
            let named: Vec<&str> = IMPURE_WORDS.into_iter().filter(|word| own.contains(word)).collect();
            ensure!(named.is_empty(), "{} names {named:?}", file.display());
        }
    }
    Ok(())
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    Ok(files)
}

fn only_bus_knows_nats() -> Result<()> {
    let graph = graph()?;
    let known: Vec<&String> = graph
        .edges
        .iter()
        .filter(|(name, edges)| *name != OWNER_OF_NATS && edges.contains("async-nats"))
        .map(|(name, _)| name)
        .collect();
    ensure!(
        known.is_empty(),
        "{known:?} depend on async-nats; only {OWNER_OF_NATS} may"
    );
    Ok(())
}

fn no_service_depends_on_another() -> Result<()> {
    let graph = graph()?;
    ensure!(!graph.services.is_empty(), "no services found");
    for service in &graph.services {
        let others: Vec<&String> = graph.edges[service].intersection(&graph.services).collect();
        ensure!(
            others.is_empty(),
            "{service} depends on {others:?}; only the command `tidemill` assembles services"
        );
    }
    Ok(())
}

fn shared_depends_on_no_service() -> Result<()> {
    let graph = graph()?;
    for shared in &graph.shared {
        let above: Vec<&String> = graph.edges[shared].intersection(&graph.services).collect();
        ensure!(above.is_empty(), "{shared} depends on {above:?}");
    }
    Ok(())
}
