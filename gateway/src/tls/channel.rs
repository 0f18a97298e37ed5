//! The client side: a channel to one peer that knows whom it must find there, and remembers why it failed.
//!
//! In TLS 1.3 a client learns that its certificate was refused only with its first read; the RPC library turns that into
//! "cancelled" or "transport error", at random. The [`Tap`] keeps the true reason.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use schakel_certs::identity::{Identity, Subject};
use schakel_domain::id::{Hash, OrgId};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use super::chains::Chains;
use super::ends::End;
use super::material::Material;
use super::open::{Lease, Life};
use super::side::{Made, Side};
use super::tap::{Tap, TapStream};
use super::trust::{Condition, ServerChains, ServerVerifier};
use super::{ALPN_H2, Clock, TlsError, provider, reasons};

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
    side: Side<State, Opened>,
    clock: Clock,
}

/// What one connection is made with.
struct State {
    material: Material,
    chains: Arc<ServerChains>,
}

/// What an open connection was judged by.
struct Opened {
    chain: Vec<CertificateDer<'static>>,
    host: ServerName<'static>,
    expectation: Expectation,
}

impl Made for State {
    fn material(&self) -> &Material {
        &self.material
    }
}

impl State {
    fn new(material: Material) -> Result<Self, TlsError> {
        let chains = Arc::new(Chains::new(material.anchors.clone(), material.revocation.clone())?);
        Ok(Self { material, chains })
    }

    fn verifier(&self, expected: Expected) -> ServerVerifier {
        let condition: Condition = Arc::new(move |identity| is_expected(identity, &expected));
        ServerVerifier::new(Arc::clone(&self.chains), condition)
    }
}

impl ClientTls {
    /// TLS with this material.
    ///
    /// # Errors
    /// When the material cannot be used.
    pub fn new(material: Material, clock: Clock) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self { side: Side::new(State::new(material)?), clock }))
    }

    /// Uses other material from the next connection on, and judges every open one by it: one that no longer stands is closed. On an
    /// error nothing changes. How many were closed.
    ///
    /// # Errors
    /// When the material cannot be used.
    pub fn reload(&self, material: Material) -> Result<usize, TlsError> {
        self.side.put(State::new(material)?);
        Ok(self.judge_again())
    }

    /// Judges every open connection again; how many were closed.
    pub fn judge_again(&self) -> usize {
        let closed = self.side.judge_again(|opened| self.judge(opened));
        if closed > 0 {
            tracing::warn!(closed, "connections to peers were closed: their certificates no longer count");
        }
        closed
    }

    /// What is used now.
    #[must_use]
    pub fn material(&self) -> Material {
        self.side.material()
    }

    /// The chain each organisation showed last.
    #[must_use]
    pub fn seen(&self) -> BTreeMap<OrgId, Vec<End>> {
        self.side.seen()
    }

    fn config(&self, expected: Expected) -> Result<ClientConfig, TlsError> {
        let state = self.side.state();
        let config = ClientConfig::builder_with_details(provider(), Arc::clone(&self.clock))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| TlsError::Material(e.to_string()))?
            .dangerous() // The name of the method; our verifier demands more than the usual one, never less.
            .with_custom_certificate_verifier(Arc::new(state.verifier(expected)))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&state.material.credentials.certified))));
        Ok(as_we_speak(config))
    }

    fn judge(&self, opened: &Opened) -> Result<(), Refusal> {
        let unusable = || reasons::refusal(Reason::PeerCertificateUnusable, "no certificate");
        let (leaf, rest) = opened.chain.split_first().ok_or_else(unusable)?;
        let expected = (opened.expectation)().ok_or_else(nobody)?;
        let now = self.clock.current_time().unwrap_or_else(|| UnixTime::since_unix_epoch(Duration::ZERO));
        let verifier = self.side.state().verifier(expected);
        verifier.judge(leaf, rest, &opened.host, now).map_err(|error| reasons::of_tls(&error))
    }

    /// Takes up a connection that began at this generation.
    fn opened(&self, opened: Opened, generation: u64) -> Result<(Life, Lease), Refusal> {
        if let Some(expected) = (opened.expectation)() {
            self.side.seen.note(&expected.org, &opened.chain);
        }
        let again = Opened { chain: opened.chain.clone(), host: opened.host.clone(), expectation: Arc::clone(&opened.expectation) };
        self.side.opened(opened, generation, || self.judge(&again))
    }
}

/// No party record is held.
fn nobody() -> Refusal {
    Refusal::new(Stage::Peer, Reason::UnknownPeer).because("no valid party record of this organisation")
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
        f.debug_struct("ClientTls").field("material", &self.side.state().material).finish_non_exhaustive()
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
    let host = address.host.clone();
    let configure: Configure = Arc::new(move || {
        let generation = tls.side.generation();
        let expected = expectation().ok_or_else(|| io::Error::other(nobody()))?;
        let config = tls.config(expected).map_err(io::Error::other)?;
        let (tls, host, expectation) = (Arc::clone(&tls), host.clone(), Arc::clone(&expectation));
        let opened: OnOpen = Box::new(move |chain| tls.opened(Opened { chain, host, expectation }, generation));
        Ok((config, opened))
    });
    open(address, configure)
}

/// What is done with the chain of a connection that was made.
pub(super) type OnOpen = Box<dyn FnOnce(Vec<CertificateDer<'static>>) -> Result<(Life, Lease), Refusal> + Send>;

/// Asked at every connection: how TLS is to be spoken now.
pub(super) type Configure = Arc<dyn Fn() -> io::Result<(ClientConfig, OnOpen)> + Send + Sync>;

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
        Ok((stream, life, lease)) => Ok(TapStream::new(stream, tap, life, lease)),
        Err(error) => {
            tap.note(&error);
            Err(error)
        }
    }
}

async fn handshake(address: &PeerAddress, configure: &Configure) -> io::Result<(TlsStream<TcpStream>, Life, Lease)> {
    let (config, opened) = configure()?;
    let stream = TcpStream::connect((&*address.host.to_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(address.host.clone(), stream).await?;
    let session = stream.get_ref().1;
    if session.alpn_protocol() != Some(ALPN_H2) {
        let no_http2 = reasons::refusal(Reason::TlsIncompatible, "the other side does not speak h2 (no ALPN)");
        return Err(io::Error::other(no_http2));
    }
    let chain = session.peer_certificates().map(|chain| chain.iter().map(|der| der.clone().into_owned()).collect());
    let (life, lease) = opened(chain.unwrap_or_default()).map_err(io::Error::other)?;
    Ok((stream, life, lease))
}
