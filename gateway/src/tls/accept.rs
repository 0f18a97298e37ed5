//! The accept loops: TCP with TLS, and unix socket.
//!
//! Handshakes run in tasks of their own, so that a slow stranger holds up nobody; how many at once and how long is bounded.
//! Dropping the returned stream ends the loop and closes the listener: that is what the RPC server does at shutdown.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use schakel_certs::identity::identify;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;

use super::ALPN_H2;
use super::failures::FailureKind;
use super::peer::{PeerInfo, PeerStream};
use super::server::ServerTls;

/// Bounds of one door.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest handshake.
    pub handshake: Duration,
    /// Longest wait for the first bytes of HTTP/2 after it.
    pub preface: Duration,
    /// Most handshakes at the same time; further connections wait in the system's queue.
    pub handshakes: usize,
    /// Most connections at the same time; further ones are closed after their handshake.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { handshake: Duration::from_secs(5), preface: Duration::from_secs(5), handshakes: 256, connections: 1024 }
    }
}

/// Finished connections that wait until the RPC server takes them.
const FINISHED_MAX: usize = 16;
/// Pause after the system refused to give us a connection (no file descriptors left), instead of a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long, and for how many bytes, a refused client may still talk before we close. Closing with unread data resets the
/// connection: an alert lost on the way is then not sent again, and some systems throw away one that has arrived.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 * 1024;

type Accepted = io::Result<PeerStream>;

/// Accepts connections whose TLS handshake succeeded; failures are counted in [`ServerTls::failures`] and never seen here.
#[must_use]
pub fn accept(listener: TcpListener, tls: Arc<ServerTls>, limits: Limits) -> ReceiverStream<Accepted> {
    let (sender, receiver) = mpsc::channel(FINISHED_MAX);
    tokio::spawn(accept_loop(listener, tls, limits, sender));
    ReceiverStream::new(receiver)
}

/// Accepts connections of a unix socket; the other end is known by its user id alone.
#[must_use]
pub fn accept_unix(listener: UnixListener, door: &'static str, limits: Limits) -> ReceiverStream<Accepted> {
    let (sender, receiver) = mpsc::channel(FINISHED_MAX);
    tokio::spawn(accept_unix_loop(listener, door, limits, sender));
    ReceiverStream::new(receiver)
}

async fn accept_loop(listener: TcpListener, tls: Arc<ServerTls>, limits: Limits, sender: mpsc::Sender<Accepted>) {
    let handshakes = Arc::new(Semaphore::new(limits.handshakes));
    let places = Arc::new(Semaphore::new(limits.connections));
    let next = async || {
        let slot = Arc::clone(&handshakes).acquire_owned().await.map_err(io::Error::other)?;
        listener.accept().await.map(|(stream, remote)| (slot, stream, remote))
    };
    loop {
        let (slot, stream, remote) = tokio::select! {
            () = sender.closed() => return,
            accepted = next() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(door = tls.door(), %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        tokio::spawn(welcome(stream, remote, Arc::clone(&tls), limits, Arc::clone(&places), slot, sender.clone()));
    }
}

/// One connection from its first byte until the RPC server has it.
async fn welcome(
    stream: TcpStream,
    remote: SocketAddr,
    tls: Arc<ServerTls>,
    limits: Limits,
    places: Arc<Semaphore>,
    slot: OwnedSemaphorePermit,
    sender: mpsc::Sender<Accepted>,
) {
    let outcome = tokio::select! {
        () = sender.closed() => return,
        outcome = handshake(stream, remote, &tls, limits, places) => outcome,
    };
    drop(slot);
    match outcome {
        // A closed channel means that the server is shutting down: the stream is dropped and the client connects elsewhere.
        Ok(peer) => drop(sender.send(Ok(peer)).await),
        Err(kind) => tls.failures().record(tls.seconds(), remote.ip(), kind),
    }
}

async fn handshake(
    stream: TcpStream,
    remote: SocketAddr,
    tls: &ServerTls,
    limits: Limits,
    places: Arc<Semaphore>,
) -> Result<PeerStream, FailureKind> {
    // Small answers at once: a crisis is many short messages.
    stream.set_nodelay(true).map_err(|_| FailureKind::Gone)?;
    let accept = TlsAcceptor::from(tls.config()).accept(stream).into_fallible();
    let mut stream = match timeout(limits.handshake, accept).await {
        Ok(Ok(stream)) => stream,
        Ok(Err((error, stream))) => {
            linger(stream).await;
            return Err(classify(&error));
        }
        Err(_) => return Err(FailureKind::Timeout),
    };
    let info = match check(&stream, PeerInfo::anonymous(tls.door(), Some(remote))) {
        Ok(info) => info,
        Err(kind) => {
            close(&mut stream).await;
            return Err(kind);
        }
    };
    let Ok(place) = places.try_acquire_owned() else {
        close(&mut stream).await;
        return Err(FailureKind::Saturated);
    };
    Ok(PeerStream::tls(stream, info, limits.preface, place))
}

/// What the handshake itself does not demand: that ALPN was used at all. Then reads the identity.
fn check(stream: &TlsStream<TcpStream>, info: PeerInfo) -> Result<PeerInfo, FailureKind> {
    let (_, session) = stream.get_ref();
    if session.alpn_protocol() != Some(ALPN_H2) {
        return Err(FailureKind::NoHttp2);
    }
    match session.peer_certificates().and_then(<[_]>::first) {
        Some(leaf) => identify(leaf).map(|identity| info.identified(identity)).map_err(|_| FailureKind::Certificate),
        None => Ok(info),
    }
}

async fn close(stream: &mut TlsStream<TcpStream>) {
    // The other side may have gone; we are closing anyway.
    let _closed = timeout(LINGER, stream.shutdown()).await;
}

async fn linger(mut stream: TcpStream) {
    let drain = async {
        stream.shutdown().await?;
        let mut buffer = [0; 4096];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        io::Result::Ok(())
    };
    let _closed = timeout(LINGER, drain).await;
}

fn classify(error: &io::Error) -> FailureKind {
    use rustls::Error;
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(_) | Error::NoCertificatesPresented) => FailureKind::Certificate,
        Some(Error::NoApplicationProtocol) => FailureKind::NoHttp2,
        Some(Error::InvalidMessage(_)) => FailureKind::NotTls,
        Some(Error::AlertReceived(_)) => FailureKind::RefusedByPeer,
        Some(_) => FailureKind::Protocol,
        None => FailureKind::Gone,
    }
}

async fn accept_unix_loop(listener: UnixListener, door: &'static str, limits: Limits, sender: mpsc::Sender<Accepted>) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = tokio::select! {
            () = sender.closed() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(door, %error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Without a user id, or without a place, the stream is dropped, which closes it.
        if let (Ok(credentials), Ok(place)) = (stream.peer_cred(), Arc::clone(&places).try_acquire_owned()) {
            let info = PeerInfo { uid: Some(credentials.uid()), ..PeerInfo::anonymous(door, None) };
            if sender.send(Ok(PeerStream::unix(stream, info, limits.preface, place))).await.is_err() {
                return;
            }
        }
    }
}
