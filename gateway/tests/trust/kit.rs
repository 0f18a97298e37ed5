//! A door with the health service behind it and a client of ours before it, each from files, under a clock moved by hand.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};
use schakel::tls::{
    Admit, ClientAuth, ClientTls, Expectation, Expected, FailureKind, Files, Http2Limits, Limits, Material, PeerInfo, RevocationFiles,
    ServerTls, Tap, accept, channel, http2_server,
};
use schakel_certs::issue::{DevCa, Issued, Recipe};
use schakel_domain::id::{Hash, OrgId};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

pub(crate) const HOST: &str = "127.0.0.1";
/// Long enough for a busy machine; a test that needs it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn long() -> bool {
    std::env::var_os("TRUST_LONG").is_some()
}

pub(crate) fn now() -> Timestamp {
    "2026-11-22T08:00:00Z".parse().unwrap()
}

pub(crate) fn days(n: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * n)
}

pub(crate) fn us() -> OrgId {
    "ura:90000123".parse().unwrap()
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct Clock(AtomicU64);

impl Clock {
    pub(crate) fn standing() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(now().as_second().unsigned_abs())))
    }

    pub(crate) fn set(&self, moment: Timestamp) {
        self.0.store(moment.as_second().unsigned_abs(), Ordering::SeqCst);
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::SeqCst))))
    }
}

pub(crate) fn spki(issued: &Issued) -> Hash {
    schakel_certs::profile::identity(issued.chain_pem.as_bytes()).unwrap().spki
}

/// A gateway's certificate by the profile, with something changed.
pub(crate) fn changed(ca: &DevCa, change: impl FnOnce(&mut Recipe)) -> Issued {
    let mut recipe = Recipe::gateway(&us(), &[HOST.to_owned()], now());
    change(&mut recipe);
    ca.issue(&recipe).unwrap()
}

pub(crate) fn ca(name: &str) -> DevCa {
    DevCa::new(name, now()).unwrap()
}

/// The list of a CA that revokes these chains' first certificates; fresh for a day.
pub(crate) fn list(ca: &DevCa, revoked: &[&str]) -> String {
    ca.revocation_list(revoked, now() - SignedDuration::from_mins(1), days(1)).unwrap()
}

/// A folder with the files of one side.
pub(crate) struct Folder {
    dir: TempDir,
    grace: Duration,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), grace: Duration::ZERO }
    }

    pub(crate) fn with_grace(grace: Duration) -> Self {
        Self { grace, ..Self::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes what this side shows, trusts and knows to be revoked, and reads it as a gateway would.
    pub(crate) fn write(&self, shown: &Issued, trust: &str, lists: &[String]) -> Material {
        self.put("side.key", shown.key_pem.as_bytes());
        std::fs::set_permissions(self.path("side.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        self.put("side.crt", shown.chain_pem.as_bytes());
        self.put("trust.crt", trust.as_bytes());
        let names: Vec<_> = (0..lists.len()).map(|at| format!("{at}.crl")).collect();
        names.iter().zip(lists).for_each(|(name, list)| self.put(name, list.as_bytes()));
        self.read(&names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Reads the files again, with these lists.
    pub(crate) fn read(&self, lists: &[&str]) -> Result<Material, String> {
        let files = Files {
            certificate: self.path("side.crt"),
            key: self.path("side.key"),
            trust: self.path("trust.crt"),
            revocation: RevocationFiles { lists: lists.iter().map(|name| self.path(name)).collect(), grace: self.grace },
        };
        Material::from_files(&files).map_err(|error| error.to_string())
    }
}

/// How a door is opened.
pub(crate) struct Settings {
    pub(crate) material: Material,
    pub(crate) admit: Option<Admit>,
    pub(crate) limits: Limits,
    pub(crate) http2: Http2Limits,
    pub(crate) clock: Arc<Clock>,
}

impl Settings {
    pub(crate) fn of(material: Material) -> Self {
        Self { material, admit: None, limits: Limits::default(), http2: Http2Limits::default(), clock: Clock::standing() }
    }
}

/// A running door. It stops when dropped.
pub(crate) struct Door {
    pub(crate) tls: Arc<ServerTls>,
    pub(crate) address: SocketAddr,
    entered: Arc<AtomicUsize>,
    last: Arc<Mutex<Option<PeerInfo>>>,
    _stop: oneshot::Sender<()>,
}

impl Door {
    pub(crate) async fn open(settings: Settings) -> Self {
        let Settings { material, admit, limits, http2, clock } = settings;
        let tls = ServerTls::new("federation", ClientAuth::Organization, admit, material, clock).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (entered, last): (Arc<AtomicUsize>, Arc<Mutex<Option<PeerInfo>>>) = Default::default();
        let note = {
            let (entered, last) = (Arc::clone(&entered), Arc::clone(&last));
            move |request: http::Request<tonic::body::Body>| {
                entered.fetch_add(1, Ordering::SeqCst);
                *last.lock().unwrap() = request.extensions().get::<PeerInfo>().cloned();
                request
            }
        };
        let (reporter, service) = tonic_health::server::health_reporter();
        let (stop, stopped) = oneshot::channel();
        let serve = http2_server(&http2)
            .layer(tower::util::MapRequestLayer::new(note))
            .add_service(service)
            .serve_with_incoming_shutdown(accept(listener, Arc::clone(&tls), limits), async move { drop(stopped.await) });
        tokio::spawn(async move {
            serve.await.unwrap();
            drop(reporter);
        });
        Self { tls, address, entered, last, _stop: stop }
    }

    /// Calls that reached a handler.
    pub(crate) fn entered(&self) -> usize {
        self.entered.load(Ordering::SeqCst)
    }

    /// Who reached a handler last.
    pub(crate) fn last(&self) -> PeerInfo {
        self.last.lock().unwrap().clone().unwrap()
    }

    /// A channel of ours to this door that expects these keys there.
    pub(crate) fn channel(&self, tls: &Arc<ClientTls>, keys: Vec<Hash>) -> (Channel, Tap) {
        let expectation: Expectation = Arc::new(move || Some(Expected { org: us(), spki: keys.clone() }));
        channel(&self.address.to_string().parse().unwrap(), Arc::clone(tls), expectation).unwrap()
    }

    /// Waits until failures were counted, and takes them: kinds and how often.
    pub(crate) async fn failed(&self, what: &str) -> Vec<(FailureKind, u64)> {
        let counted = || self.tls.failures().snapshot().into_iter().map(|row| (row.kind, row.count)).collect::<Vec<_>>();
        expect(what, async || !counted().is_empty()).await;
        let found = counted();
        drop(self.tls.failures().take_before(i64::MAX));
        found
    }
}

/// Lets in whoever shows one of these keys as this organisation.
pub(crate) fn bound_to(keys: Vec<Hash>) -> Admit {
    Arc::new(move |identity| {
        let fits = identity.subject == schakel::tls::Subject::Organization(us()) && keys.contains(&identity.spki);
        fits.then_some(()).ok_or_else(|| "not bound".to_owned())
    })
}

/// One call, to its end.
pub(crate) async fn call(channel: &Channel) -> Result<(), tonic::Status> {
    within(HealthClient::new(channel.clone()).check(HealthCheckRequest::default())).await.map(drop)
}

/// The outcome of something that must come to an end.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("must end in time")
}

/// Asks again until it is so.
pub(crate) async fn expect(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        let mut pulse = tokio::time::interval(Duration::from_millis(5));
        while !is_so().await {
            pulse.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("never came: {what}"));
}

/// A client that is not ours: any ALPN, with or without certificate, willing to resume and to send early data.
pub(crate) fn raw_client(trust: &str, shown: Option<&Issued>, alpn: &[&[u8]], clock: &Arc<Clock>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trust.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::clone(clock) as _)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(shown) => builder.with_client_auth_cert(chain(shown), key(shown)).unwrap(),
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.enable_early_data = true;
    Arc::new(config)
}

pub(crate) fn chain(issued: &Issued) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(issued.chain_pem.as_bytes()).map(Result::unwrap).collect()
}

pub(crate) fn key(issued: &Issued) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap()
}

/// A file's bytes.
pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
