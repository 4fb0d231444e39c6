//! A listener that takes only so many connections at once, and encrypts them where it has a certificate.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::server::TlsStream;

use super::tls::Acceptor;
use crate::access::{User, certificate};
use crate::cluster::RemoteHeaders;

/// How long a client may take to agree on encryption.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Connections that are ready and not taken yet.
const READY: usize = 64;
/// Pause after the system could not accept, so that its lack of descriptors does not fill the log.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// The first byte of a client that speaks TLS.
const TLS_HANDSHAKE: u8 = 0x16;
/// Most bytes that are taken from a client that does not.
const MAX_UNREAD: usize = 256 * 1_024;
/// What the others are told.
const NOT_ENCRYPTED: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\
    Content-Length: 50\r\n\r\nClient sent an HTTP request to an HTTPS server.   ";

/// At most so many connections; others wait in the system's queue.
pub(super) struct Limited {
    ready: mpsc::Receiver<(Connection, Peer)>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    /// The user its certificate names, which a known authority signed.
    pub(crate) user: Option<Arc<User>>,
    /// A proxy that says who asks, by a certificate its authority signed.
    pub(crate) proxy: Option<Arc<Proxy>>,
}

/// A proxy, such as kube-apiserver for the APIs it passes requests on to.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    /// Whom its certificate names.
    pub(crate) user: User,
    /// Names it may have; empty: any.
    pub(crate) names: Vec<String>,
    /// Where it says who asks.
    pub(crate) headers: RemoteHeaders,
}

/// How connections are encrypted from now on.
pub(super) type Acceptors = watch::Receiver<Acceptor>;

/// A connection and the slot it holds.
pub(super) struct Connection {
    stream: Stream,
    _slot: OwnedSemaphorePermit,
}

enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Limited {
    pub(super) fn new(
        listener: TcpListener,
        address: SocketAddr,
        connections: usize,
        acceptors: Option<Acceptors>,
    ) -> Self {
        let (sender, ready) = mpsc::channel(READY);
        Self {
            ready,
            address,
            accepting: tokio::spawn(accept_all(listener, connections, acceptors, sender)),
        }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // The accepting task ends with this listener only.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        tracing::trace!(address = %self.address, "The address was asked for.");
        Ok(Peer::default())
    }
}

impl Connected<IncomingStream<'_, Limited>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Limited>) -> Self {
        stream.remote_addr().clone()
    }
}

/// Accepts for ever. Each client agrees on encryption in a task of its own: a slow one keeps no other
/// waiting.
async fn accept_all(
    listener: TcpListener,
    connections: usize,
    acceptors: Option<Acceptors>,
    sender: mpsc::Sender<(Connection, Peer)>,
) {
    let slots = Arc::new(Semaphore::new(connections));
    loop {
        // The semaphore is never closed.
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "A connection was not accepted.");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "A connection does not send at once.");
        }
        let acceptor = acceptors.as_ref().map(|acceptors| acceptors.borrow().clone());
        let sender = sender.clone();
        tokio::spawn(async move {
            let agreed = tokio::time::timeout(HANDSHAKE_LIMIT, agree(stream, acceptor)).await;
            if let Ok(Some((stream, peer))) = agreed {
                let connection = Connection { stream, _slot: slot };
                // Fails only when the gateway stops, which ends the connection too.
                let _stopped = sender.send((connection, peer)).await;
            }
        });
    }
}

/// The stream as the client wants it; `None` when the two cannot agree.
async fn agree(mut stream: TcpStream, acceptor: Option<Acceptor>) -> Option<(Stream, Peer)> {
    let Some((acceptor, vouchers)) = acceptor else {
        return Some((Stream::Plain(stream), Peer::default()));
    };
    let mut first = [0];
    if stream.peek(&mut first).await.ok()? == 1 && first[0] != TLS_HANDSHAKE {
        tell_to_encrypt(&mut stream).await.ok()?;
        return None;
    }
    let stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "A client could not agree on encryption.");
            return None;
        }
    };
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let named = shown.first().and_then(|own| certificate::user(own));
    let proxy = named
        .as_ref()
        .and_then(|named| vouchers.proxy(shown, named))
        .map(Arc::new);
    let user = named
        .filter(|_| proxy.is_none() && vouchers.is_client(shown))
        .map(Arc::new);
    let peer = Peer { user, proxy };
    Some((Stream::Encrypted(Box::new(stream)), peer))
}

/// Says so to a client that does not, and waits until it has hung up: closed before, what it sent and
/// nobody read would take the answer away from it.
async fn tell_to_encrypt(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(NOT_ENCRYPTED).await?;
    stream.shutdown().await?;
    let mut rest = [0; 4_096];
    let mut read = 0;
    while read < MAX_UNREAD {
        match stream.read(&mut rest).await? {
            0 => break,
            more => read += more,
        }
    }
    Ok(())
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
            Stream::Encrypted(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Encrypted(stream) => stream.is_write_vectored(),
        }
    }
}
