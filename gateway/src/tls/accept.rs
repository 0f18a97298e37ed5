//! The accept loops: TCP with TLS, and unix socket.
//!
//! Handshakes run in tasks of their own, so that a slow stranger holds up nobody; how many at once and how long is bounded.
//! Dropping the returned stream ends the loop and closes the listener: that is what the RPC server does at shutdown.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use schakel_certs::identity::identify;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;

use super::ALPN_H2;
use super::failures::FailureKind;
use super::peer::{PeerInfo, PeerStream};
use super::places::{Place, Places};
use super::server::ServerTls;

/// Bounds of one door.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest handshake.
    pub handshake: Duration,
    /// Longest wait for the first bytes of HTTP/2 after it.
    pub preface: Duration,
    /// Most handshakes at the same time; a further one takes the place of whoever has most of them, or is closed.
    pub handshakes: usize,
    /// Most connections at the same time; further ones are closed.
    pub connections: usize,
    /// Most connections of one source (an address; for IPv6 its /64), handshakes included; further ones are closed.
    pub per_source: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { handshake: Duration::from_secs(5), preface: Duration::from_secs(5), handshakes: 256, connections: 1024, per_source: 256 }
    }
}

/// Finished connections that wait until the RPC server takes them.
const FINISHED_MAX: usize = 16;
/// Pause after the system refused to give us a connection (no file descriptors left), instead of a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Such a refusal is told to the operator at most this often.
const TELL_AGAIN: Duration = Duration::from_secs(10);
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
    let places = Places::new(limits);
    let mut trouble = Trouble::new(tls.door());
    loop {
        let (stream, remote) = tokio::select! {
            () = sender.closed() => return,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    trouble.pause(&error).await;
                    continue;
                }
            },
        };
        let saturated = |source| tls.failures().record(tls.seconds(), source, FailureKind::Saturated);
        let Some((place, gone)) = places.enter(remote.ip()) else {
            // Dropped, which closes it; a stranger who has too many gets no word either.
            saturated(remote.ip());
            continue;
        };
        gone.into_iter().for_each(saturated);
        let key = place.key();
        let task = tokio::spawn(welcome(stream, remote, Arc::clone(&tls), limits, place, sender.clone()));
        places.attach(key, task.abort_handle());
    }
}

/// The system gives no connections.
struct Trouble {
    door: &'static str,
    told: Option<tokio::time::Instant>,
}

impl Trouble {
    fn new(door: &'static str) -> Self {
        Self { door, told: None }
    }

    async fn pause(&mut self, error: &io::Error) {
        if self.told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
            tracing::error!(door = self.door, %error, "cannot accept connections; raise the limit of open files when that is the cause");
            self.told = Some(tokio::time::Instant::now());
        }
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// One connection from its first byte until the RPC server has it.
async fn welcome(stream: TcpStream, remote: SocketAddr, tls: Arc<ServerTls>, limits: Limits, place: Place, sender: mpsc::Sender<Accepted>) {
    let outcome = tokio::select! {
        () = sender.closed() => return,
        outcome = handshake(stream, remote, &tls, limits, place) => outcome,
    };
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
    mut place: Place,
) -> Result<PeerStream, FailureKind> {
    // Small answers at once: a crisis is many short messages.
    stream.set_nodelay(true).map_err(|_| FailureKind::Gone)?;
    let generation = tls.generation();
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
    if !place.open() {
        close(&mut stream).await;
        return Err(FailureKind::Saturated);
    }
    let Ok((life, lease)) = tls.opened(stream.get_ref().1.peer_certificates(), info.org.as_ref(), generation) else {
        close(&mut stream).await;
        return Err(FailureKind::Certificate);
    };
    Ok(PeerStream::tls(stream, PeerInfo { life, ..info }, limits.preface, place, lease))
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
    // All come from this machine: the bound of one source is that of the door.
    let places = Places::new(Limits { per_source: limits.connections, ..limits });
    let mut trouble = Trouble::new(door);
    loop {
        let accepted = tokio::select! {
            () = sender.closed() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                trouble.pause(&error).await;
                continue;
            }
        };
        let place = places.enter(Ipv4Addr::LOCALHOST.into()).and_then(|(mut place, _)| place.open().then_some(place));
        // Without a user id, or without a place, the stream is dropped, which closes it.
        if let (Ok(credentials), Some(place)) = (stream.peer_cred(), place) {
            let info = PeerInfo { uid: Some(credentials.uid()), ..PeerInfo::anonymous(door, None) };
            if sender.send(Ok(PeerStream::unix(stream, info, limits.preface, place))).await.is_err() {
                return;
            }
        }
    }
}
