//! A federation door with the health service behind it, and clients that do it wrong.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};
use schakel_certs::issue::{DevCa, Issued};
use schakel_domain::id::OrgId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio_rustls::client::TlsStream;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::tls::{
    Admit, ClientAuth, ClientTls, Clock, Expectation, Expected, FailureCount, FailureKind, Http2Limits, Limits, Material, PeerAddress,
    PeerInfo, ServerTls, Tap, accept, channel, http2_server, provider,
};

pub(super) const HOST: &str = "127.0.0.1";
pub(super) const CA_NAME: &str = "root";
/// What an HTTP/2 client says first, with an empty settings frame.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Long enough for a busy machine; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn now() -> Timestamp {
    "2026-11-22T08:00:00Z".parse().unwrap()
}

pub(super) fn org() -> OrgId {
    "ura:90000123".parse().unwrap()
}

#[derive(Debug)]
struct Stopped;

impl TimeProvider for Stopped {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(now().as_second().unsigned_abs())))
    }
}

pub(super) fn clock() -> Clock {
    Arc::new(Stopped)
}

pub(super) fn own(issued: &Issued, trusted: &DevCa) -> Material {
    Material::from_pem(&issued.chain_pem, &issued.key_pem, &trusted.pem()).unwrap()
}

pub(super) struct Settings {
    pub(super) ca: Option<DevCa>,
    pub(super) server: Option<Issued>,
    pub(super) also_trusted: String,
    pub(super) auth: ClientAuth,
    pub(super) admit: Option<Admit>,
    pub(super) limits: Limits,
    pub(super) clock: Option<Clock>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ca: None,
            server: None,
            also_trusted: String::new(),
            auth: ClientAuth::Organization,
            admit: None,
            limits: Limits::default(),
            clock: None,
        }
    }
}

/// A running door. It stops when dropped.
pub(super) struct Door {
    pub(super) ca: DevCa,
    pub(super) tls: Arc<ServerTls>,
    pub(super) address: SocketAddr,
    pub(super) server: Issued,
    seen: Arc<Mutex<Vec<PeerInfo>>>,
    _stop: oneshot::Sender<()>,
}

impl Door {
    pub(super) async fn open(settings: Settings) -> Self {
        let ca = settings.ca.unwrap_or_else(|| DevCa::new(CA_NAME, now()).unwrap());
        let server = settings.server.unwrap_or_else(|| ca.gateway(&org(), &[HOST.to_owned()], now()).unwrap());
        let trusted = format!("{}{}", ca.pem(), settings.also_trusted);
        let material = Material::from_pem(&server.chain_pem, &server.key_pem, &trusted).unwrap();
        let clock = settings.clock.unwrap_or_else(clock);
        let tls = ServerTls::new("federation", settings.auth, settings.admit, material, clock).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<PeerInfo>>> = Arc::default();
        let (stop, stopped) = oneshot::channel();
        let (reporter, service) = tonic_health::server::health_reporter();
        let note = {
            let seen = Arc::clone(&seen);
            move |request: http::Request<tonic::body::Body>| {
                seen.lock().unwrap().push(request.extensions().get::<PeerInfo>().unwrap().clone());
                request
            }
        };
        let incoming = accept(listener, Arc::clone(&tls), settings.limits);
        let serve = http2_server(&Http2Limits::default())
            .layer(tower::util::MapRequestLayer::new(note))
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, async move { drop(stopped.await) });
        tokio::spawn(async move {
            serve.await.unwrap();
            drop(reporter);
        });
        Self { ca, tls, address, server, seen, _stop: stop }
    }

    /// One health check over the shipped client with this certificate.
    pub(super) async fn call(&self, issued: &Issued) -> (Result<(), tonic::Status>, Tap) {
        let (channel, tap) = self.channel(own(issued, &self.ca), self.expectation());
        (within(health(channel)).await, tap)
    }

    pub(super) fn channel(&self, material: Material, expectation: Expectation) -> (Channel, Tap) {
        channel(&self.peer_address(), ClientTls::new(material, clock()).unwrap(), expectation).unwrap()
    }

    pub(super) fn peer_address(&self) -> PeerAddress {
        self.address.to_string().parse().unwrap()
    }

    pub(super) fn expectation(&self) -> Expectation {
        let spki = schakel_certs::profile::identity(self.server.chain_pem.as_bytes()).unwrap().spki;
        Arc::new(move || Some(Expected { org: org(), spki: vec![spki] }))
    }

    /// Who reached a handler, in order.
    pub(super) fn seen(&self) -> Vec<PeerInfo> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn failures(&self) -> Vec<FailureCount> {
        self.tls.failures().snapshot()
    }

    /// Waits until this many failures of this kind were counted; more, or another kind, is wrong.
    pub(super) async fn failed(&self, kind: FailureKind, count: u64, what: &str) {
        expect(what, async || self.failures().iter().map(|row| row.count).sum::<u64>() >= count).await;
        let rows: Vec<_> = self.failures().into_iter().map(|row| (row.kind, row.count)).collect();
        assert_eq!(rows, [(kind, count)], "{what}");
    }
}

pub(super) async fn health(channel: Channel) -> Result<(), tonic::Status> {
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.map(drop)
}

/// The outcome of something that must come to an end.
pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("must end in time")
}

/// Asks again until it is so.
pub(super) async fn expect(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        let mut pulse = tokio::time::interval(Duration::from_millis(5));
        while !is_so().await {
            pulse.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never came: {what}"));
}

/// A client of its own making: any ALPN, with or without certificate, willing to resume.
pub(super) fn raw_client(trusted: &DevCa, issued: Option<&Issued>, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_details(provider(), clock())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match issued {
        None => builder.with_no_client_auth(),
        Some(issued) => {
            let chain = CertificateDer::pem_slice_iter(issued.chain_pem.as_bytes()).map(Result::unwrap).collect();
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap()).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

/// Connects and waits for the server's settings: in TLS 1.3 only the first read tells whether one was let in.
pub(super) async fn raw_connect(door: &Door, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(door.address).await?;
    let mut stream = tokio_rustls::TlsConnector::from(config).connect(HOST.try_into().unwrap(), stream).await?;
    stream.write_all(PREFACE).await?;
    within(stream.read_exact(&mut [0; 9])).await?;
    Ok(stream)
}

/// Keys, certificates and protocol versions that our own library refuses to make or speak.
pub(super) struct OpenSsl {
    dir: PathBuf,
}

impl OpenSsl {
    pub(super) fn new(dir: &Path) -> Self {
        let names = format!("subjectAltName=URI:urn:schakel:organization:{}\nextendedKeyUsage=clientAuth,serverAuth\n", org());
        std::fs::write(dir.join("names.cnf"), names).unwrap();
        Self { dir: dir.to_owned() }
    }

    pub(super) fn ca(&self) {
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key"];
        self.run(&[&["req", "-x509", "-days", "2", "-subj", "/CN=openssl", "-out", "ca.crt"], &key[..]].concat());
    }

    pub(super) fn leaf(&self, name: &str, key: &[&str], digest: &str) {
        let file = |end: &str| format!("{name}.{end}");
        let (key_file, csr, certificate) = (file("key"), file("csr"), file("crt"));
        self.run(&[&["genpkey", "-out", &key_file], key].concat());
        self.run(&["req", "-new", "-subj", "/", "-key", &key_file, "-out", &csr]);
        let sign = ["x509", "-req", "-days", "2", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names.cnf"];
        self.run(&[&sign[..], &[digest, "-in", &csr, "-out", &certificate]].concat());
    }

    /// Connects, says nothing, and returns what the tool printed.
    pub(super) async fn connect(&self, address: SocketAddr, leaf: &str, version: &str) -> String {
        let (certificate, key) = (format!("{leaf}.crt"), format!("{leaf}.key"));
        let output = Command::new("openssl")
            .current_dir(&self.dir)
            .args(["s_client", "-connect", &address.to_string(), "-cert", &certificate, "-key", &key])
            .args(["-alpn", "h2", "-cipher", "DEFAULT@SECLEVEL=0", version])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = within(output).await.expect("openssl must be installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn run(&self, args: &[&str]) {
        let output = std::process::Command::new("openssl").current_dir(&self.dir).args(args).output().expect("openssl must be installed");
        assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
