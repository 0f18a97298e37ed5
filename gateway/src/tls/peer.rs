//! One accepted connection: the stream the RPC server reads, and who is at the other end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use jiff::Timestamp;
use schakel_certs::identity::{ClientName, Identity, Subject};
use schakel_domain::id::{Hash, OrgId};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::frames::Frames;
use super::open::{Lease, Life};
use super::places::Place;

/// Length of the HTTP/2 client preface, in bytes (RFC 9113 §3.4).
const PREFACE: usize = 24;

/// Who is at the other end, parsed once per connection. A handler reads it with `request.extensions().get::<PeerInfo>()`.
///
/// It says what the certificate said at the handshake; whether that party may do something now is asked per request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// The door the connection came in at.
    pub door: &'static str,
    /// Address of the other end; none on a unix socket.
    pub remote: Option<SocketAddr>,
    /// The organisation whose gateway this is.
    pub org: Option<OrgId>,
    /// The local system this is.
    pub client: Option<ClientName>,
    /// The identity URI of the certificate.
    pub san: Option<String>,
    /// SHA-256 of the certificate's SubjectPublicKeyInfo: compare with the party record.
    pub spki: Option<Hash>,
    /// SHA-256 of the certificate: compare with `cnf.x5t#S256` of a token.
    pub thumbprint: Option<Hash>,
    /// End of the certificate's validity; a connection may outlive it, a request may not.
    pub not_after: Option<Timestamp>,
    /// User id of the process at the other end of a unix socket.
    pub uid: Option<u32>,
    /// Whether the certificate still counts: asked at every call.
    pub life: Life,
}

impl PeerInfo {
    /// Nobody identified yet.
    pub(super) fn anonymous(door: &'static str, remote: Option<SocketAddr>) -> Self {
        Self {
            door,
            remote,
            org: None,
            client: None,
            san: None,
            spki: None,
            thumbprint: None,
            not_after: None,
            uid: None,
            life: Life::default(),
        }
    }

    pub(super) fn identified(mut self, identity: Identity) -> Self {
        self.san = Some(identity.subject.uri());
        self.spki = Some(identity.spki);
        self.thumbprint = Some(identity.thumbprint);
        self.not_after = Some(identity.not_after);
        match identity.subject {
            Subject::Organization(org) => self.org = Some(org),
            Subject::Client(name) => self.client = Some(name),
        }
        self
    }
}

/// An accepted connection, for `serve_with_incoming_shutdown`.
pub struct PeerStream {
    io: Io,
    info: PeerInfo,
    preface: Option<Preface>,
    frames: Frames,
    /// Its place among the connections of the door, and among those that are judged again; given back when the stream is dropped.
    _held: (Place, Lease),
}

enum Io {
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// The RPC server waits for ever for the first bytes; this ends the wait.
struct Preface {
    deadline: Pin<Box<Sleep>>,
    seen: usize,
}

impl PeerStream {
    pub(super) fn tls(stream: TlsStream<TcpStream>, info: PeerInfo, preface: Duration, place: Place, lease: Lease) -> Self {
        Self::new(Io::Tls(Box::new(stream)), info, preface, (place, lease))
    }

    pub(super) fn unix(stream: UnixStream, info: PeerInfo, preface: Duration, place: Place) -> Self {
        Self::new(Io::Unix(stream), info, preface, (place, Lease::none()))
    }

    fn new(io: Io, info: PeerInfo, preface: Duration, held: (Place, Lease)) -> Self {
        let preface = Some(Preface { deadline: Box::pin(tokio::time::sleep(preface)), seen: 0 });
        Self { io, info, preface, frames: Frames::new(), _held: held }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn info(&self) -> &PeerInfo {
        &self.info
    }

    fn io(&mut self) -> Pin<&mut (dyn Stream + '_)> {
        match &mut self.io {
            Io::Tls(stream) => Pin::new(stream.as_mut()),
            Io::Unix(stream) => Pin::new(stream),
        }
    }
}

/// Both kinds of stream behind one pointer.
trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

impl Connected for PeerStream {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.info.clone()
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.info.life.check(cx)?;
        let before = buffer.filled().len();
        let read = self.io().poll_read(cx, buffer);
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        if !self.frames.accept(fresh) {
            return Poll::Ready(Err(busy()));
        }
        let Some(preface) = &mut self.preface else { return read };
        preface.seen += fresh.len();
        if preface.seen >= PREFACE {
            self.preface = None;
        } else if preface.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "no HTTP/2 preface in time")));
        }
        read
    }
}

impl PeerStream {
    /// Books what was written of these parts.
    fn count(&mut self, written: Poll<io::Result<usize>>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let Poll::Ready(Ok(mut left)) = written else { return written };
        for part in parts {
            let sent = part.get(..left.min(part.len())).unwrap_or_default();
            if !self.frames.sent(sent) {
                return Poll::Ready(Err(busy()));
            }
            left -= sent.len();
        }
        written
    }
}

fn busy() -> io::Error {
    io::Error::other("the other side only makes work")
}

impl AsyncWrite for PeerStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.io().poll_write(cx, bytes);
        self.count(written, &[io::IoSlice::new(bytes)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = self.io().poll_write_vectored(cx, parts);
        self.count(written, parts)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Tls(stream) => stream.is_write_vectored(),
            Io::Unix(stream) => stream.is_write_vectored(),
        }
    }
}
