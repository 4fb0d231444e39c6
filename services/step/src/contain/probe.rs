//! Asking a sidecar whether it is ready.
//!
//! The first question comes after the probe's initial delay; the wait between questions grows from
//! [`FIRST_WAIT`] to the probe's period, so that a sidecar that is ready soon delays the first step
//! little.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tidemill_messages::sandbox::{Check, Probe, Variable};

use super::launch::command;
use super::order::Launch;
use crate::process::spawn;

/// Wait before the second question.
const FIRST_WAIT: Duration = Duration::from_millis(20);
/// Head of an HTTP answer that is read: its status line.
const STATUS_BYTES: usize = 12;

/// Asks one sidecar.
pub(super) struct Prober {
    probe: Probe,
    launch: Launch,
    wait: Duration,
    next_at: Instant,
    good: u32,
    running: Option<Pid>,
}

impl Prober {
    /// Starts with the probe's initial delay.
    pub(super) fn new(probe: Probe, launch: Launch, now: Instant) -> Self {
        let delay = Duration::from_millis(probe.initial_delay_ms);
        Self {
            probe,
            launch,
            wait: FIRST_WAIT,
            next_at: now + delay,
            good: 0,
            running: None,
        }
    }

    /// When there is something to do even if nothing happens.
    pub(super) fn next_at(&self) -> Instant {
        self.next_at
    }

    /// Asks if it is time; whether enough answers in a row were good.
    pub(super) fn is_ready(&mut self, now: Instant) -> bool {
        if now >= self.next_at && self.good < self.probe.successes {
            self.ask(now);
        }
        self.good >= self.probe.successes
    }

    /// A child ended: it may be the probe's command.
    pub(super) fn ended(&mut self, pid: Pid, good: bool, now: Instant) {
        if self.running == Some(pid) {
            self.running = None;
            self.answered(good, now);
        }
    }

    fn ask(&mut self, now: Instant) {
        let timeout = Duration::from_millis(self.probe.timeout_ms.max(1));
        match &self.probe.check {
            Check::Command(argv) => match self.running {
                // It took too long; its end will be the answer.
                Some(pid) => drop(kill(pid, Signal::SIGKILL)),
                None => self.run(argv.clone(), now + timeout, now),
            },
            Check::Tcp { host, port } => {
                let good = connect(host, *port, timeout).is_some();
                self.answered(good, Instant::now());
            }
            Check::Http {
                host,
                port,
                path,
                headers,
            } => {
                let good = get(host, *port, path, headers, timeout).is_some_and(|status| (200..400).contains(&status));
                self.answered(good, Instant::now());
            }
        }
    }

    fn run(&mut self, argv: Vec<String>, until: Instant, now: Instant) {
        let launch = Launch {
            argv,
            ..self.launch.clone()
        };
        let spawned = command(&launch).map(|mut command| spawn(command.stdout(Stdio::null()).stderr(Stdio::null())));
        match spawned {
            Ok(Ok(pid)) => {
                self.running = Some(pid);
                self.next_at = until;
            }
            _ => self.answered(false, now),
        }
    }

    fn answered(&mut self, good: bool, now: Instant) {
        self.good = if good { self.good + 1 } else { 0 };
        self.next_at = now + self.wait;
        self.wait = (self.wait * 2).min(Duration::from_millis(self.probe.period_ms.max(1)));
    }
}

fn connect(host: &str, port: u16, timeout: Duration) -> Option<TcpStream> {
    let addresses = (host, port).to_socket_addrs().ok()?;
    addresses
        .into_iter()
        .find_map(|address| TcpStream::connect_timeout(&address, timeout).ok())
}

/// Status of the answer to a GET.
fn get(host: &str, port: u16, path: &str, headers: &[Variable], timeout: Duration) -> Option<u16> {
    let mut stream = connect(host, port, timeout)?;
    stream.set_read_timeout(Some(timeout)).ok()?;
    let named = headers.iter().any(|header| header.name.eq_ignore_ascii_case("host"));
    let mut request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\nUser-Agent: tidemill-probe\r\n");
    if !named {
        request.push_str(&format!("Host: {host}:{port}\r\n"));
    }
    for header in headers {
        request.push_str(&format!("{}: {}\r\n", header.name, header.value));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut head = [0; STATUS_BYTES];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head).ok()?.split(' ').nth(1)?.parse().ok()
}
