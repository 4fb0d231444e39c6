mod release;

use super::*;

fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn it_listens_survives_restarts_on_its_port_and_leaves_nothing() {
    let mut server = NatsServer::start().unwrap();
    let (url, first) = (server.url(), server.pid());
    assert!(alive(first));
    server.kill().unwrap();
    assert!(!alive(first));
    server.restart().unwrap();
    assert_eq!(server.url(), url);
    let (second, folder) = (server.pid(), server.folder().to_owned());
    assert!(second != first && alive(second) && folder.join("store").is_dir());
    drop(server);
    assert!(!alive(second) && !folder.exists());
}

#[test]
fn a_dead_test_leaves_no_server() {
    let mut server = NatsServer::start().unwrap();
    let (pid, folder) = (server.pid(), server.folder().to_owned());
    let mut guardian = server.guardian.take().unwrap();
    // What the kernel does to the pipes of a process that dies.
    drop(guardian.stdin.take());
    guardian.wait().unwrap();
    assert!(!alive(pid) && !folder.exists());
}

#[test]
fn a_refused_configuration_shows_the_servers_words() {
    let error = NatsServer::start_with("no_such_setting: 7").err().unwrap();
    assert!(format!("{error:#}").contains("no_such_setting"), "{error:#}");
}
