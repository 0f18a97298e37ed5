//! The client side: a channel to one peer that knows whom it must find there, and remembers why it failed.
//!
//! In TLS 1.3 a client learns that its certificate was refused only with its first read; the RPC library turns that into
//! "cancelled" or "transport error", at random. The [`Tap`] keeps the true reason.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, ClientConfig};
use schakel_certs::identity::{Identity, Subject};
use schakel_domain::id::{Hash, OrgId};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use super::material::Material;
use super::trust::{Condition, ServerVerifier};
use super::{ALPN_H2, Clock, TlsError, provider};

/// Longest wait for TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(5);
/// A ping this often, also when nothing is under way: without it a channel never notices a silent partition.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Without an answer to it the connection is given up after this time.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Size of all headers of one answer, in bytes.
const HEADER_LIST: u32 = 16 * 1024;

/// Host and port of a gateway; written `host:port`, IPv6 in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PeerAddress {
    host: ServerName<'static>,
    port: u16,
}

impl FromStr for PeerAddress {
    type Err = TlsError;

    fn from_str(text: &str) -> Result<Self, TlsError> {
        let wrong = || TlsError::Address(text.chars().take(260).collect());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        // An IPv6 address without brackets would be cut at the wrong colon.
        if bare.contains(':') != host.starts_with('[') {
            return Err(wrong());
        }
        Ok(Self { host: ServerName::try_from(bare.to_owned()).map_err(|_| wrong())?, port })
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.to_str();
        if host.contains(':') { write!(f, "[{host}]:{}", self.port) } else { write!(f, "{host}:{}", self.port) }
    }
}

/// Whom a channel must find at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The organisation in the certificate.
    pub org: OrgId,
    /// SHA-256 of the SubjectPublicKeyInfo of each key bound in its party record: two during a rotation.
    pub spki: Vec<Hash>,
}

/// Asked at every connection, so that a new party record takes effect; `None` refuses to connect (no record held).
pub type Expectation = Arc<dyn Fn() -> Option<Expected> + Send + Sync>;

/// Our client certificate and the CAs of our peers; shared by all channels, replaced by [`ClientTls::reload`].
pub struct ClientTls {
    material: ArcSwap<Material>,
    clock: Clock,
}

impl ClientTls {
    /// TLS with this material.
    #[must_use]
    pub fn new(material: Material, clock: Clock) -> Arc<Self> {
        Arc::new(Self { material: ArcSwap::from_pointee(material), clock })
    }

    /// Uses other material from the next connection on.
    pub fn reload(&self, material: Material) {
        self.material.store(Arc::new(material));
    }

    fn config(&self, expected: Expected) -> Result<ClientConfig, TlsError> {
        let material = self.material.load();
        let condition: Condition = Arc::new(move |identity| is_expected(identity, &expected));
        let verifier = ServerVerifier::new(material.anchors.clone(), condition)?;
        let config = ClientConfig::builder_with_details(provider(), Arc::clone(&self.clock))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| TlsError::Material(e.to_string()))?
            .dangerous() // The name of the method; our verifier demands more than the usual one, never less.
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&material.credentials.certified))));
        Ok(as_we_speak(config))
    }
}

/// What holds for every connection we open: HTTP/2 alone, no resumption, no early data.
pub(super) fn as_we_speak(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("material", &self.material.load()).finish_non_exhaustive()
    }
}

fn is_expected(identity: &Identity, expected: &Expected) -> Result<(), String> {
    match &identity.subject {
        Subject::Organization(org) if *org != expected.org => Err(format!("expected {}, found the certificate of {org}", expected.org)),
        Subject::Client(name) => Err(format!("expected {}, found the local system {name}", expected.org)),
        Subject::Organization(org) if !expected.spki.contains(&identity.spki) => {
            Err(format!("the key of {org} is not the one in its party record (found {})", identity.spki))
        }
        Subject::Organization(_) => Ok(()),
    }
}

/// A lazy channel to a peer: it connects at the first call and again after every loss. A deadline per call is the caller's.
///
/// # Errors
/// When the address cannot be written as a URI.
pub fn channel(address: &PeerAddress, tls: Arc<ClientTls>, expectation: Expectation) -> Result<(Channel, Tap), TlsError> {
    let configure: Configure = Arc::new(move || {
        let expected = expectation().ok_or_else(|| io::Error::other("no valid party record of this organisation"))?;
        tls.config(expected).map_err(io::Error::other)
    });
    open(address, configure)
}

/// Asked at every connection: how TLS is to be spoken now.
pub(super) type Configure = Arc<dyn Fn() -> io::Result<ClientConfig> + Send + Sync>;

/// A lazy channel that asks at every connection how to speak.
pub(super) fn open(address: &PeerAddress, configure: Configure) -> Result<(Channel, Tap), TlsError> {
    let tap = Tap::default();
    let connector = {
        let (address, tap) = (address.clone(), tap.clone());
        tower::service_fn(move |_: Uri| {
            let (address, configure, tap) = (address.clone(), Arc::clone(&configure), tap.clone());
            async move { connect(&address, &configure, tap).await.map(TokioIo::new) }
        })
    };
    Ok((endpoint(&address.to_string())?.connect_with_connector_lazy(connector), tap))
}

/// A lazy channel to the unix socket of a gateway on this machine.
///
/// # Errors
/// Never in practice; the endpoint's name is fixed.
pub fn channel_unix(path: PathBuf) -> Result<Channel, TlsError> {
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    Ok(endpoint("localhost:1")?.connect_with_connector_lazy(connector))
}

fn endpoint(authority: &str) -> Result<Endpoint, TlsError> {
    let wrong = |_| TlsError::Address(authority.to_owned());
    let origin: Uri = format!("https://{authority}").parse().map_err(|_| TlsError::Address(authority.to_owned()))?;
    Ok(Endpoint::from_shared(format!("http://{authority}"))
        .map_err(wrong)?
        .origin(origin)
        .connect_timeout(CONNECT + Duration::from_secs(1))
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(HEADER_LIST))
}

async fn connect(address: &PeerAddress, configure: &Configure, tap: Tap) -> io::Result<TapStream> {
    let outcome = match tokio::time::timeout(CONNECT, handshake(address, configure)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {} s", CONNECT.as_secs()))),
    };
    match outcome {
        Ok(stream) => Ok(TapStream { stream, tap, noted: false, heard: false }),
        Err(error) => {
            tap.note(&error);
            Err(error)
        }
    }
}

async fn handshake(address: &PeerAddress, configure: &Configure) -> io::Result<TlsStream<TcpStream>> {
    let config = configure()?;
    let stream = TcpStream::connect((&*address.host.to_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(address.host.clone(), stream).await?;
    if stream.get_ref().1.alpn_protocol() != Some(ALPN_H2) {
        return Err(io::Error::other("the other side does not speak h2 (no ALPN)"));
    }
    Ok(stream)
}

/// Why the connection of one channel failed last. Empty again as soon as the peer answers.
#[derive(Clone, Default)]
pub struct Tap {
    last: Arc<Mutex<Option<String>>>,
}

impl Tap {
    /// The last TLS alert or IO error, for the operator and for whoever waits: `received fatal alert: AccessDenied`.
    #[must_use]
    pub fn last(&self) -> Option<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, error: &io::Error) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(explain(error));
    }

    fn clear(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tap").field(&self.last()).finish()
    }
}

/// Our own sentence when we refused, the library's otherwise.
fn explain(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(why))) => format!("invalid peer certificate: {}", why.0),
        _ => error.to_string(),
    }
}

/// A connection that tells its tap about the first error, and about an alert even when it comes second.
struct TapStream {
    stream: TlsStream<TcpStream>,
    tap: Tap,
    noted: bool,
    heard: bool,
}

impl TapStream {
    fn note(&mut self, error: &io::Error) {
        let alert = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
        if alert || !self.noted {
            self.tap.note(error);
        }
        self.noted = true;
    }

    fn watch<T>(&mut self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &outcome {
            self.note(error);
        }
        outcome
    }
}

impl AsyncRead for TapStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if !self.heard && matches!(outcome, Poll::Ready(Ok(()))) {
            if buffer.filled().len() > before {
                // Only now is it known that the other side accepted our certificate.
                self.heard = true;
                self.tap.clear();
            } else {
                self.note(&io::Error::new(io::ErrorKind::UnexpectedEof, "the other side closed the connection without a word"));
            }
        }
        self.watch(outcome)
    }
}

impl AsyncWrite for TapStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
