//! Whether a service of this machine is well: what a health check in an image without a shell asks.
//!
//! A service listens on an abstract socket, which needs no file and goes with the process. It is named after
//! the service and the state directory: processes in another network, and so in another container, have
//! their own.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{ErrorKind, Read};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use crate::error::Error;
use crate::state::StateDir;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// The answer of a service that is well.
const WELL: &str = "well";
/// Longest answer that is read, in bytes.
const ANSWER_BYTES: u64 = 1024;

/// What is wrong with something the service needs; `None` while nothing is.
pub(super) type Trouble = watch::Receiver<Option<String>>;

/// Answers until it is dropped. A second service of that name and directory goes without.
pub(super) async fn answer(
    state: StateDir,
    service: &'static str,
    connected: watch::Receiver<bool>,
    troubles: Vec<Trouble>,
) {
    if let Err(error) = serve(&state, service, &connected, &troubles).await {
        tracing::debug!(service, %error, "Nobody can ask this service for its health.");
    }
}

async fn serve(
    state: &StateDir,
    service: &str,
    connected: &watch::Receiver<bool>,
    troubles: &[Trouble],
) -> std::io::Result<()> {
    let listener = UnixListener::bind_addr(&address(state, service)?)?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let answer = match *connected.borrow() {
            true => troubles.iter().find_map(|trouble| trouble.borrow().clone()),
            false => Some("its connection to nats-server is down".to_owned()),
        };
        let answer = answer.unwrap_or_else(|| WELL.to_owned());
        // Who asked may be gone; a few bytes never wait.
        drop(stream.write_all(answer.as_bytes()).await);
    }
}

/// Asks a service of this state directory.
///
/// # Errors
/// [`Error::Failed`] unless it is well, with what it or the system says.
pub(crate) fn ask(state: &StateDir, service: &str) -> Result<(), Error> {
    let failed = |why: String| Error::failed(format!("{service} is not well: {why}"), "its log says more");
    let mut answer = String::new();
    let asked = address(state, service).and_then(|address| {
        let stream = UnixStream::connect_addr(&address)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.take(ANSWER_BYTES).read_to_string(&mut answer)
    });
    match asked {
        Ok(_) if answer == WELL => Ok(()),
        Ok(_) => Err(failed(answer)),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Err(failed(format!(
            "no {service} that is ready runs here with the state directory {}",
            state.path().display()
        ))),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn address(state: &StateDir, service: &str) -> std::io::Result<SocketAddr> {
    // Whoever asks is the same program.
    let mut hasher = DefaultHasher::new();
    state.path().hash(&mut hasher);
    SocketAddr::from_abstract_name(format!("tidemill/{service}/{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::{answer, ask};
    use crate::state::StateDir;

    #[tokio::test]
    async fn a_service_is_well_while_it_is_connected() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::resolve(Some(folder.path())).unwrap();
        let asked = |state: &StateDir| {
            let state = state.clone();
            tokio::task::spawn_blocking(move || ask(&state, "planner").map_err(|error| error.to_string()))
        };
        let error = asked(&state).await.unwrap().unwrap_err();
        assert!(error.contains("no planner that is ready"), "{error}");
        let (connected, seen) = watch::channel(true);
        let (trouble, watched) = watch::channel(None);
        let service = tokio::spawn(answer(state.clone(), "planner", seen, vec![watched]));
        while asked(&state).await.unwrap().is_err() {
            assert!(!service.is_finished());
        }
        trouble.send_replace(Some("the engine does not answer".to_owned()));
        let error = asked(&state).await.unwrap().unwrap_err();
        assert!(error.contains("the engine does not answer"), "{error}");
        connected.send_replace(false);
        let error = asked(&state).await.unwrap().unwrap_err();
        assert!(error.contains("nats-server is down"), "{error}");
        service.abort();
    }
}
