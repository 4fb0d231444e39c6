use std::time::Duration;

use rustix::process::Signal;

use super::{Private, find, supervise};
use crate::state::{Process, StateDir};

/// No start may take longer.
const LIMIT: Duration = Duration::from_secs(60);

/// A directory of its own, and what is needed to start a server there.
fn private() -> (tempfile::TempDir, Private) {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::resolve(Some(folder.path())).unwrap();
    let private = Private::new(&state, find(None).unwrap()).unwrap();
    (folder, private)
}

/// Whether every thread of the process stands still.
fn is_stopped(pid: i32) -> bool {
    let states = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let stat = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
    states
        .map(stat)
        .all(|stat| stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T')))
}

#[tokio::test]
async fn a_server_that_is_killed_comes_back_on_the_same_port() {
    let (_folder, private) = private();
    let start = private.start().await.unwrap();
    let (port, first) = (start.port, start.process);
    let supervisor = supervise(private, start);
    let mut pid = supervisor.pid();
    first.signal(Signal::KILL);
    tokio::time::timeout(LIMIT, pid.changed()).await.unwrap().unwrap();
    let second = Process::of(*pid.borrow()).unwrap();
    assert_ne!(second, first);
    let address = (std::net::Ipv4Addr::LOCALHOST, port).into();
    assert!(super::info::ask(address).await.unwrap().jetstream);
    supervisor.end().await;
    assert!(!second.is_alive());
}

#[tokio::test]
async fn an_orphan_is_adopted_and_ends_with_its_new_owner() {
    let (_folder, private) = private();
    let first = private.start().await.unwrap();
    let second = private.start().await.unwrap();
    assert!(second.adopted && !first.adopted);
    assert_eq!((second.process, second.port), (first.process, first.port));
    let process = second.process;
    supervise(private, second).end().await;
    assert!(!process.is_alive());
    first.end().await;
}

#[tokio::test]
async fn an_orphan_that_does_not_answer_is_replaced() {
    let (_folder, private) = private();
    let first = private.start().await.unwrap();
    // It holds its port but answers nobody.
    first.process.signal(Signal::STOP);
    while !is_stopped(first.process.pid) {
        tokio::task::yield_now().await;
    }
    let second = private.start().await.unwrap();
    assert!(!second.adopted);
    assert_ne!(second.process, first.process);
    assert!(!first.process.is_alive());
    first.end().await;
    second.end().await;
}

#[tokio::test]
async fn a_server_that_does_not_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::resolve(Some(folder.path())).unwrap();
    let private = Private::new(&state, "/bin/false".into()).unwrap();
    let error = private.start().await.unwrap_err();
    assert!(error.to_string().contains("nats-server did not start"), "{error}");
    assert!(error.hint().unwrap().contains("nats/nats.log"));
}
