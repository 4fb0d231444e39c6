//! Reports on their way to whoever owns the attempt.
//!
//! Each is kept until an answer says that it is durable. A report nobody answers is sent again, over a
//! new connection where the old one failed: a step whose runner died keeps asking until the next owner
//! answers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tidemill_bus::lean::{self, Client};
use tidemill_messages::assignment::{Assignment, FROM, Line, PART, PART_BYTES, REPORTS_PER_STEP, Reply, SEQUENCE};
use tidemill_messages::report::{Answer, Report, ReportBody};
use tidemill_messages::{AttemptKey, subject};

use crate::error::{Doing, Error};

/// After this long without an answer everything is sent again.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// Pause after a failed connection, or when nobody listens.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// Bytes of reports above which no output is read until some are durable.
const WINDOW_BYTES: usize = 1 << 20;

/// The way to the owner, and what waits for it.
pub(super) struct Link {
    attempt: AttemptKey,
    position: usize,
    address: SocketAddr,
    token: String,
    client: Option<Client>,
    waiting: VecDeque<(u64, Vec<u8>)>,
    bytes: usize,
    last: u64,
    /// Reports of `waiting` that were sent over this connection.
    sent: usize,
    /// Nobody listens: nothing is sent before it is due.
    rests: bool,
    /// The owner is to know that we wait for its word.
    asks: bool,
    /// When to connect or to send again.
    again_at: Instant,
    /// Since when there is no way to the owner, or it owes an answer.
    alone_since: Option<Instant>,
    /// Why the last connection failed.
    pub(super) trouble: Option<String>,
}

impl Link {
    /// Nothing said yet.
    pub(super) fn new(assignment: &Assignment, position: usize, now: Instant) -> Result<Self, Error> {
        let Line::Nats { address, token } = &assignment.line else {
            return Err(Error::task(
                "the assignment names no way to the runner that this role knows",
            ));
        };
        let address = address.parse();
        Ok(Self {
            attempt: assignment.attempt.clone(),
            position,
            address: address.map_err(|_| Error::task("the assignment's address is not `<ip>:<port>`"))?,
            token: token.clone(),
            client: None,
            waiting: VecDeque::new(),
            bytes: 0,
            last: position as u64 * REPORTS_PER_STEP,
            sent: 0,
            rests: false,
            asks: false,
            again_at: now,
            alone_since: None,
            trouble: None,
        })
    }

    /// Adds a report.
    pub(super) fn report(&mut self, at: Timestamp, body: ReportBody) -> Result<(), Error> {
        self.last += 1;
        let report = Report {
            attempt: self.attempt.clone(),
            sequence: self.last,
            at,
            body,
        };
        let bytes = serde_json::to_vec(&report)
            .map_err(std::io::Error::from)
            .doing(|| "write a report")?;
        self.bytes += bytes.len();
        self.waiting.push_back((self.last, bytes));
        Ok(())
    }

    /// Asks the owner for its word, again and again, or not any more.
    pub(super) fn ask(&mut self, asks: bool) {
        self.asks = asks;
        self.again_at = Instant::now();
    }

    /// Whether more output may be read.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < WINDOW_BYTES
    }

    /// Whether everything is durable.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What to wait for: the socket, and whether it is to be written to.
    pub(super) fn socket(&self) -> Option<(BorrowedFd<'_>, bool)> {
        let client = self.client.as_ref()?;
        Some((client.as_fd(), client.has_unsent()))
    }

    /// When something is to be done even if nothing comes.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.is_due().then_some(self.again_at)
    }

    /// Something is to be said, or the way to hear the owner is to be made.
    fn is_due(&self) -> bool {
        self.asks || !self.waiting.is_empty() || self.client.is_none()
    }

    /// Since when nobody has answered what was to be answered.
    pub(super) fn alone_since(&self) -> Option<Instant> {
        self.alone_since
    }

    /// What the owner said.
    pub(super) fn hear(&mut self, now: Instant) -> Vec<Answer> {
        let Some(client) = &mut self.client else {
            return Vec::new();
        };
        let messages = match client.receive() {
            Ok(messages) => messages,
            Err(error) => {
                self.lose(&error, now);
                return Vec::new();
            }
        };
        let mut answers = Vec::new();
        for message in messages {
            if message.status.is_some() {
                // Nobody listens: the owner is gone, and the next one is not there yet.
                self.rests = true;
                self.again_at = now + PAUSE;
                continue;
            }
            let reply = serde_json::from_slice::<Reply>(&message.payload);
            let Ok(Reply { answer, .. }) = reply.filter_attempt(&self.attempt) else {
                continue;
            };
            self.alone_since = None;
            self.rests = false;
            if let Answer::Stored { sequence } = answer {
                self.stored(sequence, now);
            }
            answers.push(answer);
        }
        answers
    }

    /// Sends what is new, or everything again when it is time.
    pub(super) fn speak(&mut self, now: Instant) {
        if !self.is_due() {
            self.alone_since = None;
            self.flush(now);
            return;
        }
        self.alone_since.get_or_insert(now);
        let is_due = self.again_at <= now;
        if self.client.is_none() {
            if !is_due || !self.connect(now) {
                return;
            }
        } else if is_due {
            self.sent = 0;
        }
        if is_due {
            self.rests = false;
            self.again_at = now + ASK_AGAIN;
            if self.asks {
                self.send(None);
            }
        }
        while !self.rests && self.sent < self.waiting.len() {
            self.send(Some(self.sent));
            self.sent += 1;
        }
        self.flush(now);
    }

    fn stored(&mut self, sequence: u64, now: Instant) {
        while self.waiting.front().is_some_and(|(number, _)| *number <= sequence) {
            if let Some((_, bytes)) = self.waiting.pop_front() {
                self.bytes -= bytes.len();
                self.sent = self.sent.saturating_sub(1);
            }
        }
        self.again_at = now + ASK_AGAIN;
    }

    fn connect(&mut self, now: Instant) -> bool {
        let name = format!("step {} of {}", self.position, self.attempt);
        match Client::connect(self.address, &self.token, &name, CONNECT_LIMIT) {
            Ok(mut client) => {
                client.subscribe(&format!("{}.{}", subject::step_inbox(&self.attempt), self.position), 1);
                client.subscribe(&subject::step_tell(&self.attempt), 2);
                self.client = Some(client);
                self.sent = 0;
                self.trouble = None;
                true
            }
            Err(error) => {
                self.lose(&error, now);
                false
            }
        }
    }

    /// Sends a report, or, without one, the question for the owner's word.
    fn send(&mut self, index: Option<usize>) {
        let Some(client) = &mut self.client else { return };
        let subject = subject::step_report(&self.attempt);
        let reply = format!("{}.{}", subject::step_inbox(&self.attempt), self.position);
        let Some((sequence, bytes)) = index.and_then(|index| self.waiting.get(index)) else {
            client.request(&subject, &reply, &[], b"");
            return;
        };
        let from = self.waiting.front().map_or(*sequence, |(first, _)| *first);
        let parts = bytes.chunks(PART_BYTES);
        let count = parts.len();
        for (number, part) in parts.enumerate() {
            let mut headers = vec![(SEQUENCE, sequence.to_string()), (FROM, from.to_string())];
            if count > 1 {
                headers.push((PART, format!("{}/{count}", number + 1)));
            }
            client.request(&subject, &reply, &headers, part);
        }
    }

    fn flush(&mut self, now: Instant) {
        if let Some(client) = &mut self.client
            && let Err(error) = client.flush()
        {
            self.lose(&error, now);
        }
    }

    fn lose(&mut self, error: &lean::Error, now: Instant) {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
        self.trouble = Some(format!("{error}{}", cause.unwrap_or_default()));
        self.client = None;
        self.sent = 0;
        self.again_at = now + PAUSE;
    }
}

/// Answers that are meant for us.
trait FilterAttempt {
    fn filter_attempt(self, attempt: &AttemptKey) -> Result<Reply, ()>;
}

impl FilterAttempt for serde_json::Result<Reply> {
    fn filter_attempt(self, attempt: &AttemptKey) -> Result<Reply, ()> {
        self.ok().filter(|reply| reply.attempt == *attempt).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use tidemill_messages::envelope::VERSION;

    use super::*;

    /// Answers each request on `listener` as nats-server does when nobody listens; gives how many there were.
    fn nobody(listener: &TcpListener) -> usize {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"INFO {}\r\n").unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut requests = 0;
        for line in lines.map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["PING"] => stream.write_all(b"PONG\r\n").unwrap(),
                ["HPUB", _, reply, ..] => {
                    requests += 1;
                    refuse(&mut stream, reply);
                }
                _ => {}
            }
        }
        requests
    }

    fn refuse(stream: &mut TcpStream, reply: &str) {
        let head = "NATS/1.0 503\r\n\r\n";
        let answer = format!("HMSG {reply} 1 {0} {0}\r\n{head}\r\n", head.len());
        stream.write_all(answer.as_bytes()).unwrap();
    }

    fn assignment(address: &str) -> Assignment {
        let value = serde_json::json!({
            "version": VERSION, "attempt": {"runUid": "u", "task": "t", "attempt": 0},
            "plan": {"version": VERSION, "steps": []}, "line": {"nats": {"address": address, "token": ""}},
            "limits": {"logBytes": 1, "resultBytes": 1, "resultsBytes": 1, "killGraceMs": 1, "orphanS": 1},
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn who_finds_nobody_listening_says_it_again_after_a_pause_and_not_before() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = thread::spawn(move || nobody(&listener));
        let start = Instant::now();
        let mut link = Link::new(&assignment(&address), 0, start).unwrap();
        let container = "step-a".to_owned();
        link.report(Timestamp::UNIX_EPOCH, ReportBody::ContainerStarted { container })
            .unwrap();
        link.speak(start);
        while !link.rests {
            assert!(start.elapsed() < Duration::from_secs(10), "no answer came");
            assert!(link.hear(start).is_empty());
        }
        for _ in 0..100 {
            link.speak(start);
        }
        link.speak(start + PAUSE);
        drop(link);
        assert_eq!(served.join().unwrap(), 2);
    }
}
