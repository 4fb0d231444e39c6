//! A small HTTP service: `/` says what it is, `/healthz` whether it is well.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

const MESSAGE: &str = include_str!("message.txt");

fn answer(path: &str) -> (&'static str, String) {
    match path {
        "/" => ("200 OK", MESSAGE.to_owned()),
        "/healthz" => health(),
        _ => ("404 Not Found", "no such page\n".to_owned()),
    }
}

fn health() -> (&'static str, String) {
    ("200 OK", "ok\n".to_owned())
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut line = String::new();
    BufReader::new(stream.try_clone()?).read_line(&mut line)?;
    let (status, body) = answer(line.split(' ').nth(1).unwrap_or("/"));
    write!(stream, "HTTP/1.0 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    for stream in listener.incoming() {
        if let Err(error) = stream.and_then(serve) {
            eprintln!("server: {error}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn pages() {
        assert_eq!(answer("/").0, "200 OK");
        assert_eq!(answer("/nowhere").0, "404 Not Found");
    }
}
