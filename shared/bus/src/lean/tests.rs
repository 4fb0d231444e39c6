use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

/// A server that says `first`, and `second` once the greeting has come; gives the greeting.
fn server(first: &'static str, second: &'static str) -> (SocketAddr, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(first.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let greeting = lines.next().unwrap().unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "PING");
        stream.write_all(second.as_bytes()).unwrap();
        // Until the client is gone.
        lines.for_each(drop);
        greeting
    });
    (address, served)
}

#[test]
fn the_token_is_in_the_greeting_and_a_pong_lets_in() {
    let (address, served) = server("INFO {}\r\n", "PONG\r\nMSG a 1 2\r\nhi\r\n");
    let mut client = Client::connect(address, "secret", "a step", LIMIT).unwrap();
    let until = Instant::now() + LIMIT;
    let mut messages = Vec::new();
    while messages.is_empty() && Instant::now() < until {
        messages = client.receive().unwrap();
    }
    assert_eq!(messages[0].payload, b"hi");
    drop(client);
    let greeting = served.join().unwrap();
    assert!(greeting.contains(r#""auth_token":"secret""#), "{greeting}");
}

#[test]
fn a_refusal_is_told_in_the_servers_words() {
    let (address, served) = server("INFO {}\r\n", "-ERR 'Authorization Violation'\r\n");
    let refused = Client::connect(address, "wrong", "a step", LIMIT).err().unwrap();
    assert!(
        matches!(&refused, Error::Refused(words) if words == "Authorization Violation"),
        "{refused}"
    );
    served.join().unwrap();
}

#[test]
fn who_speaks_no_nats_is_told_so() {
    let (address, served) = server("INFO {}\r\n", "HTTP/1.1 400 Bad Request\r\n");
    let error = Client::connect(address, "", "a step", LIMIT).err().unwrap();
    assert!(error.to_string().contains("does not speak NATS"), "{error}");
    served.join().unwrap();
}
