//! CONFIG: one TOML file says who we are, where things are kept and which doors are open. It never holds a secret, only names of files.
//!
//! [`Config::parse`] judges the shape, [`Config::check`] what the file speaks of: keys, certificates, addresses, covenants. Both say everything
//! that is wrong at once. Paths are relative to the folder of the file. An annotated example is [`EXAMPLE`].

pub mod check;
pub mod keys;
mod problem;
mod shape;
mod telemetry;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use jsonwebtoken::Algorithm;
use schakel_domain::audit::entry::Responsible;
use schakel_domain::covenant::time::Period;
use schakel_domain::id::OrgId;
use schakel_domain::person::{Actor, PersonId};
use serde::Deserialize;

pub use problem::{Problem, Severity};
pub use telemetry::Telemetry;

use crate::bounded;
use crate::doors::caller::IssuerConfig;
use crate::fetch::{Fetch, Network, Url, system_resolver};
use crate::store::postgres::PostgresOptions;
use crate::store::sqlite::SqliteOptions;
use crate::tls::{Clock, Files, Http2Limits, Limits as AcceptLimits, RevocationFiles};

/// A commented configuration of one gateway: `deploy/example/schakel.toml`.
pub const EXAMPLE: &str = include_str!("../../deploy/example/schakel.toml");

/// Largest configuration that is read, in bytes.
pub const MAX_CONFIG_BYTES: usize = 256 << 10;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there, too large, or not text.
    #[error("{path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// It was read and cannot be used.
    #[error("{} problem(s) in the configuration, the first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Wrong(Vec<Problem>),
}

/// The configuration of one gateway.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Our organisation.
    pub organization: OrgId,
    /// Name of this gateway (replica), as in the log.
    pub gateway: String,
    /// Folder of this gateway's own files; exists, and nobody else may read it.
    pub data: PathBuf,
    /// Who answers for what the gateway does by itself.
    pub responsible: ResponsibleConfig,
    /// Where our keys are.
    pub keys: KeyFiles,
    /// Where state and log are kept; without it SQLite in the data folder.
    #[serde(default)]
    pub store: StoreConfig,
    /// Documents taken in at the start, unless held already.
    #[serde(default)]
    pub agreements: AgreementFiles,
    /// The door for other organisations' gateways.
    pub federation: FederationDoor,
    /// The door for our own systems.
    pub care: LocalDoor,
    /// The door for auditors.
    pub audit: LocalDoor,
    /// The door for operators.
    pub admin: AdminDoor,
    /// Exchange of files with a system of our own; without it, none.
    #[serde(default)]
    pub file_drop: Option<FileDrop>,
    /// Bounds on connections.
    #[serde(default)]
    pub limits: Limits,
    /// What is done with revocation lists.
    #[serde(default)]
    pub revocation: RevocationRules,
    /// When somebody is warned.
    #[serde(default)]
    pub alarms: Alarms,
    /// Where traces, metrics and log lines go for operators; without it, nowhere.
    #[serde(default)]
    pub telemetry: Option<Telemetry>,
}

/// The natural person who answers for what the gateway does by itself (NEN 7513 7.3.6).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponsibleConfig {
    /// Staff number: `local:7001`.
    pub person: PersonId,
    /// Function.
    pub function: String,
}

/// Files with our keys. Private ones have mode 0600 or 0400.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFiles {
    /// Key-encryption key of what is sealed at rest.
    pub vault: PathBuf,
    /// Ed25519 key that signs messages, as in our party record.
    pub signing: PathBuf,
    /// Ed25519 key that signs checkpoints of our log.
    pub log: PathBuf,
    /// Our public root keys, now and earlier: a covenant that names us under any other key is refused. The private one stays elsewhere.
    pub root: Vec<PathBuf>,
}

/// Which kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// One file on a local disk.
    #[default]
    Sqlite,
    /// A server, for several replicas.
    Postgres,
}

/// Where state and log are kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// Which kind.
    #[serde(default)]
    pub kind: StoreKind,
    /// File of the SQLite store; `schakel.db` in the data folder without it.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// File of mode 0600 that holds the PostgreSQL URL.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// Connections that read.
    #[serde(default)]
    pub readers: Option<u32>,
    /// MiB set aside for reading a case and accepting when the disk is full (SQLite).
    #[serde(default)]
    pub reserve_mib: Option<u32>,
}

/// Documents taken in at the start.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgreementFiles {
    /// Covenant bundles, an earlier version before a later one.
    #[serde(default)]
    pub covenants: Vec<PathBuf>,
    /// Signed party records: our own and those of others.
    #[serde(default)]
    pub records: Vec<PathBuf>,
}

/// The door for other organisations' gateways: mutual TLS, always.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederationDoor {
    /// Address and port.
    pub listen: SocketAddr,
    /// Our gateway certificate and intermediates, PEM.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// CA certificates of the federation.
    pub trust: PathBuf,
    /// Revocation lists of those CAs and of the ones below them, PEM or DER. One that is named must be there for every CA of a chain.
    #[serde(default)]
    pub crls: Vec<PathBuf>,
}

/// A door for people and systems of our own organisation: a token, a client certificate, or both.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalDoor {
    /// Address and port.
    pub listen: SocketAddr,
    /// Certificate of the door, PEM.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// CA certificates of our own systems; without it no client certificate is accepted.
    #[serde(default)]
    pub trust: Option<PathBuf>,
    /// Revocation lists of those CAs.
    #[serde(default)]
    pub crls: Vec<PathBuf>,
    /// Whose tokens are accepted; an audit door without any uses those of the care door.
    #[serde(default)]
    pub issuers: Vec<Issuer>,
}

/// An identity provider of our organisation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The `iss` of its tokens, exactly.
    pub issuer: String,
    /// The `aud` we answer to.
    pub audience: String,
    /// The one algorithm it signs with; never a shared secret.
    pub algorithm: Algorithm,
    /// File with its public keys (JWKS); or the address below.
    #[serde(default)]
    pub jwks: Option<PathBuf>,
    /// Address at which it publishes them, `https`; or `http` on this machine.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// CA certificates that the server at that address may chain to, PEM.
    #[serde(default)]
    pub jwks_ca: Option<PathBuf>,
    /// Networks that are not public and to which that address may lead.
    #[serde(default)]
    pub jwks_networks: Vec<Network>,
    /// How often the keys are fetched.
    #[serde(default = "Issuer::five_minutes")]
    pub jwks_refresh: Period,
    /// How long fetched keys count while the issuer cannot be reached.
    #[serde(default = "Issuer::one_day")]
    pub jwks_usable: Period,
    /// Whether only tokens count that are bound to the caller's client certificate (RFC 8705).
    #[serde(default)]
    pub bound_tokens: bool,
    /// Values of `acr` that mean: logged in with two factors.
    #[serde(default)]
    pub two_factor_acr: Vec<String>,
}

/// How the keys of an issuer are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedKeys {
    /// Whose they are.
    pub issuer: String,
    /// Where.
    pub url: Url,
    /// CA certificates that server may chain to.
    pub trust: Option<PathBuf>,
    /// Networks that are not public and to which the address may lead.
    pub networks: Vec<Network>,
    /// The one algorithm they are for.
    pub algorithm: String,
    /// How often.
    pub refresh: Duration,
    /// How long they count after the issuer was last heard.
    pub usable: SignedDuration,
}

impl FetchedKeys {
    /// The same, ready to be fetched.
    #[must_use]
    pub fn fetch(&self, clock: Clock) -> Fetch {
        let (url, trust, networks) = (self.url.clone(), self.trust.clone(), self.networks.clone());
        Fetch { url, trust, networks, resolve: system_resolver(), clock }
    }
}

/// The door for operators: a unix socket, or an address with mutual TLS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminDoor {
    /// Path of the socket.
    #[serde(default)]
    pub socket: Option<PathBuf>,
    /// Address and port; then the three files below too.
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// Certificate of the door, PEM.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its private key.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// CA certificates of the operators.
    #[serde(default)]
    pub trust: Option<PathBuf>,
    /// Revocation lists of those CAs.
    #[serde(default)]
    pub crls: Vec<PathBuf>,
    /// The natural person behind each client certificate (its name) or user of the socket (`uid:1000`) that may run the gateway.
    #[serde(default)]
    pub operators: BTreeMap<String, PersonId>,
}

/// Exchange of files with a system of our own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDrop {
    /// The folder both sides reach.
    pub folder: PathBuf,
    /// How that system is called in the log.
    #[serde(default = "FileDrop::usual_client")]
    pub client: String,
    /// Who answers for the exchange itself.
    pub person: PersonId,
    /// That person's name, as the other organisation hears it.
    pub name: String,
    /// That person's function.
    pub function: String,
    /// Whether that system is told what comes in (question, dossier, advice) and not only that something did.
    #[serde(default)]
    pub content: bool,
    /// How often we look, besides being told.
    #[serde(default = "FileDrop::every_two_seconds")]
    pub poll: Period,
}

/// Bounds on connections, the same at every door, and on what a peer sends.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Connections per door.
    #[serde(default)]
    pub connections: Option<usize>,
    /// Connections per door from one address (for IPv6: from one /64).
    #[serde(default)]
    pub connections_per_source: Option<usize>,
    /// Handshakes at the same time per door.
    #[serde(default)]
    pub handshakes: Option<usize>,
    /// Longest handshake.
    #[serde(default)]
    pub handshake: Option<Period>,
    /// Open calls per connection.
    #[serde(default)]
    pub streams: Option<u32>,
    /// Longest wait for the begin of an answer.
    #[serde(default)]
    pub request: Option<Period>,
    /// After this time a client is asked to connect anew.
    #[serde(default)]
    pub connection_age: Option<Period>,
    /// Messages that one peer may send each second; ten times as many may come at once.
    #[serde(default)]
    pub messages_per_second: Option<u32>,
}

/// What is done with revocation lists.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationRules {
    /// How long a list still counts after its end, with an alarm; without it not at all.
    #[serde(default)]
    pub grace: Option<Period>,
}

/// When somebody is warned.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alarms {
    /// Days before a certificate ends.
    pub certificate_days: u16,
}

impl Default for Alarms {
    /// 60 days, as for a party record.
    fn default() -> Self {
        Self { certificate_days: 60 }
    }
}

impl Config {
    /// Reads and judges a file; the things it names are looked at by [`Config::check`].
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`] with the path, or [`ConfigError::Wrong`] with every problem.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let fail = |why: String| ConfigError::Unreadable { path: path.to_owned(), why };
        let text = bounded::read_text(path, MAX_CONFIG_BYTES).map_err(|error| fail(error.to_string()))?;
        Self::parse(&text, path.parent().unwrap_or(Path::new(""))).map_err(ConfigError::Wrong)
    }

    /// Judges the text of a configuration; its paths are relative to `base`.
    ///
    /// # Errors
    /// Every problem that can be seen without looking at a file.
    pub fn parse(text: &str, base: &Path) -> Result<Self, Vec<Problem>> {
        let mut config = shape::read(text)?;
        let problems = check::values(&config);
        if !problems.is_empty() {
            return Err(problems);
        }
        config.anchor(base);
        Ok(config)
    }

    /// Looks at everything the configuration names: see [`check::surroundings`].
    #[must_use]
    pub fn check(&self, now: jiff::Timestamp, ports: check::Ports) -> Vec<Problem> {
        check::surroundings(self, now, ports)
    }

    /// The responsible person as the log names them.
    #[must_use]
    pub fn responsible(&self) -> Responsible {
        Responsible::new(self.responsible.person.as_str(), self.responsible.function.as_str())
    }

    /// File of the SQLite store.
    #[must_use]
    pub fn sqlite_path(&self) -> PathBuf {
        self.store.path.clone().unwrap_or_else(|| self.data.join("schakel.db"))
    }

    /// Whose tokens the audit door accepts.
    #[must_use]
    pub fn audit_issuers(&self) -> &[Issuer] {
        if self.audit.issuers.is_empty() { &self.care.issuers } else { &self.audit.issuers }
    }

    /// Makes every path relative to the folder of the configuration.
    fn anchor(&mut self, base: &Path) {
        let keys = &mut self.keys;
        let mut paths: Vec<&mut PathBuf> = vec![&mut self.data, &mut keys.vault, &mut keys.signing, &mut keys.log];
        paths.extend(&mut keys.root);
        paths.extend([&mut self.store.path, &mut self.store.url_file].into_iter().flatten());
        paths.extend(self.telemetry.iter_mut().flat_map(Telemetry::paths));
        paths.extend(self.agreements.covenants.iter_mut().chain(&mut self.agreements.records));
        let FederationDoor { certificate, key, trust, crls, .. } = &mut self.federation;
        paths.extend([certificate, key, trust].into_iter().chain(crls));
        for door in [&mut self.care, &mut self.audit] {
            paths.extend([&mut door.certificate, &mut door.key]);
            paths.extend(door.trust.iter_mut().chain(&mut door.crls));
            paths.extend(door.issuers.iter_mut().flat_map(|issuer| issuer.jwks.iter_mut().chain(&mut issuer.jwks_ca)));
        }
        let AdminDoor { socket, certificate, key, trust, crls, .. } = &mut self.admin;
        paths.extend([socket, certificate, key, trust].into_iter().flatten().chain(crls));
        paths.extend(self.file_drop.as_mut().map(|drop| &mut drop.folder));
        for path in paths {
            *path = base.join(&*path);
        }
    }
}

impl Issuer {
    /// The same, as a door reads it.
    #[must_use]
    pub fn settings(&self) -> IssuerConfig {
        IssuerConfig {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            algorithm: format!("{:?}", self.algorithm),
            jwks: self.jwks.clone().unwrap_or_default(),
            two_factor: self.two_factor_acr.clone(),
            bound: self.bound_tokens,
        }
    }

    /// How its keys are fetched; none when they are in a file.
    #[must_use]
    pub fn fetched(&self) -> Option<FetchedKeys> {
        Some(FetchedKeys {
            issuer: self.issuer.clone(),
            url: Url::parse(self.jwks_url.as_deref()?).ok()?,
            trust: self.jwks_ca.clone(),
            networks: self.jwks_networks.clone(),
            algorithm: format!("{:?}", self.algorithm),
            refresh: self.jwks_refresh.duration().unsigned_abs(),
            usable: self.jwks_usable.duration(),
        })
    }

    fn five_minutes() -> Period {
        "5m".parse().expect("five minutes is a period")
    }

    fn one_day() -> Period {
        "24h".parse().expect("a day is a period")
    }
}

impl StoreConfig {
    /// How the SQLite store is opened.
    #[must_use]
    pub fn sqlite(&self) -> SqliteOptions {
        let default = SqliteOptions::default();
        let reserve_bytes = self.reserve_mib.map_or(default.reserve_bytes, |mib| u64::from(mib) << 20);
        SqliteOptions { readers: self.readers.unwrap_or(default.readers), reserve_bytes }
    }

    /// How the PostgreSQL store is opened.
    #[must_use]
    pub fn postgres(&self) -> PostgresOptions {
        PostgresOptions { readers: self.readers.unwrap_or(PostgresOptions::default().readers) }
    }
}

impl Config {
    /// The files of the federation door's TLS.
    #[must_use]
    pub fn federation_files(&self) -> Files {
        let FederationDoor { certificate, key, trust, crls, .. } = self.federation.clone();
        Files { certificate, key, trust, revocation: self.revocation_files(crls) }
    }

    /// The files of a local door's TLS. Without CAs of its own it asks for no client certificate, and those of the federation stand
    /// where they would.
    #[must_use]
    pub fn local_files(&self, door: &LocalDoor) -> Files {
        let LocalDoor { certificate, key, trust, crls, .. } = door.clone();
        let trust = trust.unwrap_or_else(|| self.federation.trust.clone());
        Files { certificate, key, trust, revocation: self.revocation_files(crls) }
    }

    /// Address and files of the admin door's TLS; none when it is a socket.
    #[must_use]
    pub fn admin_tls(&self) -> Option<(SocketAddr, Files)> {
        let AdminDoor { listen, certificate, key, trust, crls, .. } = self.admin.clone();
        let files = Files { certificate: certificate?, key: key?, trust: trust?, revocation: self.revocation_files(crls) };
        Some((listen?, files))
    }

    fn revocation_files(&self, lists: Vec<PathBuf>) -> RevocationFiles {
        RevocationFiles { lists, grace: seconds(self.revocation.grace).unwrap_or_default() }
    }
}

impl FileDrop {
    /// Whoever answers for the exchange itself, by name.
    #[must_use]
    pub fn responsible(&self) -> Actor {
        Actor { person: self.person.clone(), name: self.name.clone(), function: self.function.clone() }
    }

    fn usual_client() -> String {
        "file-drop".to_owned()
    }

    fn every_two_seconds() -> Period {
        "2s".parse().expect("two seconds is a period")
    }
}

impl Limits {
    /// Bounds while connections are accepted.
    #[must_use]
    pub fn accept(&self) -> AcceptLimits {
        let default = AcceptLimits::default();
        AcceptLimits {
            handshake: seconds(self.handshake).unwrap_or(default.handshake),
            handshakes: self.handshakes.unwrap_or(default.handshakes),
            connections: self.connections.unwrap_or(default.connections),
            per_source: self.connections_per_source.unwrap_or(default.per_source),
            ..default
        }
    }

    /// Bounds of each connection.
    #[must_use]
    pub fn http2(&self) -> Http2Limits {
        let default = Http2Limits::default();
        Http2Limits {
            streams: self.streams.unwrap_or(default.streams),
            request: seconds(self.request).unwrap_or(default.request),
            connection_age: seconds(self.connection_age).unwrap_or(default.connection_age),
            ..default
        }
    }
}

fn seconds(period: Option<Period>) -> Option<Duration> {
    period.map(|period| period.duration().unsigned_abs())
}
