//! ASSEMBLY: puts a gateway together from its configuration, starts it and stops it. Nothing else knows every part.
//!
//! Order matters at the start: store, log, agreements, overdue timers, and only then the doors: nothing is decided on a database that is not
//! the one whose log was signed last. `ports` joins the desk to the link, `front` to the local doors; `background` is what goes on beside
//! them.

mod background;
mod gauges;
mod issuers;
pub mod link;
mod ports;
mod serve;
mod trust;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use schakel_domain::caller::{Caller, Role};
use schakel_domain::covenant::signed::MAX_BUNDLE_BYTES;
use schakel_domain::party_record::MAX_RECORD_BYTES;
use schakel_domain::refusal::Refusal;

use crate::adapter_door::AdapterStatus;
use crate::adapter_door::file_drop::FileDropDoor;
use crate::agreements::Agreements;
use crate::bounded;
use crate::config::{Config, StoreKind, keys};
use crate::cosigner::{self, Cosigner};
use crate::courier::{Courier, Dial, Heads};
use crate::desk::{Desk, Parts, Source};
use crate::doors::health::Board;
use crate::front_desk::{Checks, Front};
use crate::ledger::Ledger;
use crate::store::{Store, StoreError, postgres, sqlite};
use crate::supervisor::Supervisor;
use crate::vault::{FileKey, Vault};
use crate::witness::Witness;

use self::gauges::Gauges;
use self::link::Link;
pub use self::trust::Reload;
use self::trust::Trust;

/// Longest wait at a stop for calls that are under way.
const GRACE: Duration = Duration::from_secs(5);

/// Why a gateway does not start. The text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file, key or certificate cannot be used.
    #[error("{what}: {why}")]
    Part {
        /// Which part.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The store cannot be opened.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// A document in the configuration was refused.
    #[error("{path}: {refusal}")]
    Document {
        /// The file.
        path: PathBuf,
        /// Why.
        refusal: Refusal,
    },
    /// A desk that cannot start.
    #[error("start: {0}")]
    Desk(Refusal),
}

impl StartError {
    fn part(what: &'static str, why: impl std::fmt::Display) -> Self {
        StartError::Part { what, why: why.to_string() }
    }
}

/// Sockets that were bound before, in place of the addresses in the configuration: their ports are then known beforehand.
#[derive(Debug, Default)]
pub struct Listeners {
    /// For the federation door.
    pub federation: Option<TcpListener>,
    /// For the care door.
    pub care: Option<TcpListener>,
    /// For the audit door.
    pub audit: Option<TcpListener>,
    /// For the admin door.
    pub admin: Option<TcpListener>,
}

/// Where the doors of a running gateway are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Peers.
    pub federation: SocketAddr,
    /// Own systems.
    pub care: SocketAddr,
    /// Auditors.
    pub audit: SocketAddr,
    /// Operators; absent when it is a unix socket.
    pub admin: Option<SocketAddr>,
}

/// A running gateway. Dropping it without [`Running::stop`] ends its tasks at once; nothing durable is lost.
pub struct Running {
    /// Where its doors are.
    pub addresses: Addresses,
    /// Its desk.
    pub desk: Arc<Desk>,
    /// Its log.
    pub ledger: Arc<Ledger>,
    /// Has its log cosigned.
    pub cosigner: Arc<Cosigner>,
    /// Its courier.
    pub courier: Arc<Courier>,
    trust: Arc<Trust>,
    tasks: Supervisor,
    boards: Vec<Board>,
    store: Arc<dyn Store>,
}

/// Why a running gateway must end though nobody stopped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// What the kernel still held is unknown: nothing more may be asked of the store, not even to stop in good order.
    #[error("the store broke; this process ends so that a restart can recover what is durable")]
    Store,
    /// A part of the gateway is gone that everything else counts on.
    #[error("{0}: a part of this gateway ended that should go on, see the log; this process ends so that a restart begins anew")]
    Part(&'static str),
}

impl Running {
    /// Resolves when something broke that only a restart mends: the process must then end.
    pub async fn fatal(&self) -> Fatal {
        let mut gone = self.tasks.gone();
        tokio::select! {
            _why = self.store.fatal() => Fatal::Store,
            _why = self.ledger.fatal() => Fatal::Store,
            Ok(name) = gone.wait_for(Option::is_some) => Fatal::Part(name.unwrap_or_default()),
        }
    }

    /// Reads every certificate, key, CA, revocation list, token key, covenant and party record again, now. What cannot be used is
    /// refused, and what was in force stays. Calls that are under way go on.
    pub async fn reload(&self) -> Vec<Reload> {
        self.trust.look(true).await
    }

    /// Says on every door that it serves no more, closes the doors, finishes what is under way and lets go of the store. Streams that would last (a peer's exchange, somebody who
    /// watches events) are cut after a few seconds: whatever was acknowledged on them is durable, and the rest is sent again.
    pub async fn stop(self) {
        for board in &self.boards {
            board.close().await;
        }
        self.courier.stop();
        self.tasks.stop(GRACE).await;
        self.store.close().await;
    }
}

/// Starts a gateway.
///
/// # Errors
/// What is missing or wrong, in words for the operator. No door was opened.
pub async fn start(config: Config, listeners: Listeners, source: Arc<dyn Source>) -> Result<Running, StartError> {
    let store = open_store(&config).await?;
    // Before anything is decided on what the database holds: is it the one that was there last?
    let log_key = keys::read_log_signer(&config.keys.log, &config.organization).map_err(|error| StartError::part("log key", error))?;
    let ledger = Arc::new(Ledger::open(Arc::clone(&store), log_key, Some(config.data.join("checkpoint"))).await?);
    let random = SystemRandom::new();
    let wrap = FileKey::read(&config.keys.vault, random.clone()).map_err(|error| StartError::part("vault key", error))?;
    let vault = Arc::new(Vault::new(Box::new(wrap), Arc::clone(&store), random));
    let root_keys = config.keys.root.iter().map(|path| keys::read_public(path)).collect::<Result<Vec<_>, _>>();
    let root_keys = root_keys.map_err(|error| StartError::part("root keys", error))?;
    let held = Desk::read_agreements(&*store, &config.organization, root_keys).await.map_err(StartError::Desk)?;
    let agreements = Arc::new(Agreements::new(config.organization.clone(), held));
    let desk = Arc::new(Desk::new(Parts {
        me: config.organization.clone(),
        gateway: config.gateway.clone(),
        responsible: config.responsible(),
        store: Arc::clone(&store),
        vault,
        agreements,
        ids: Arc::clone(&source),
    }));
    desk.started().await.map_err(StartError::Desk)?;
    if let Some(fault) = ledger.fault() {
        desk.log_contradicted(&fault).await.map_err(StartError::Desk)?;
    }
    install_documents(&config, &desk).await?;
    desk.tick().await.map_err(StartError::Desk)?;

    let (link, heads) = connect(&config, &desk, &source)?;
    let cosigner = Arc::new(Cosigner::new(cosigner::Ports {
        ledger: Arc::clone(&ledger),
        store: Arc::clone(&store),
        agreements: Arc::clone(desk.agreements()),
        submit: heads,
        source: Arc::clone(&source),
        alarmed: Arc::clone(&desk) as Arc<dyn cosigner::Alarmed>,
    }));
    // How late it is counts before anybody can offer.
    cosigner.look().await?;
    let mut tasks = Supervisor::default();
    let adapters = file_drop(&config, &desk, &source)?;
    let trust: Arc<OnceLock<Arc<Trust>>> = Arc::default();
    let shown = Arc::clone(&trust);
    let front = Arc::new(Front {
        certificate_ends: Arc::new(move || shown.get().map(|trust| trust.certificate_ends()).unwrap_or_default()),
        checks: Checks::default(),
        desk: Arc::clone(&desk),
        ledger: Arc::clone(&ledger),
        courier: Arc::clone(&link.courier),
        adapters: adapters.iter().map(|(status, _)| Arc::clone(status)).collect(),
    });
    let opened = serve::open(&config, listeners, &front, &link, &source, &mut tasks, background::able(&desk)).await?;
    let (addresses, boards) = (opened.addresses, opened.boards);
    let trust = Arc::clone(trust.get_or_init(|| Arc::new(opened.parts.into_trust(&desk, configuration(&config)))));
    background::start(&mut tasks, &desk, &ledger, &link.courier, adapters, &boards);
    let (asks, keeper) = (Arc::clone(&cosigner), Arc::clone(&trust));
    tasks.spawn("cosigner", async move { asks.run().await });
    if config.telemetry.is_some() {
        let (desk, courier, ledger) = (Arc::clone(&desk), Arc::clone(&link.courier), Arc::clone(&ledger));
        let gauges = Gauges { desk, courier, ledger, cosigner: Arc::clone(&cosigner), trust: Arc::clone(&trust) };
        tasks.spawn("gauges", async move { gauges.keep().await });
    }
    tasks.spawn("trust keeper", async move { keeper.keep().await });
    link.courier.start().await?;
    Ok(Running { addresses, desk, ledger, cosigner, courier: link.courier, trust, tasks, boards, store })
}

async fn open_store(config: &Config) -> Result<Arc<dyn Store>, StartError> {
    match config.store.kind {
        StoreKind::Sqlite => Ok(sqlite::open(&config.sqlite_path(), config.store.sqlite()).await?),
        StoreKind::Postgres => {
            let url = keys::read_url(config.store.url_file.as_deref().unwrap_or_else(|| std::path::Path::new("")))
                .map_err(|error| StartError::part("store url", error))?;
            Ok(postgres::open(&url, config.store.postgres()).await?)
        }
    }
}

/// The caller in whose name files of the configuration are taken in.
fn configuration(config: &Config) -> Caller {
    Caller {
        organization: config.organization.clone(),
        person: None,
        client: "configuration".to_owned(),
        roles: [Role::Operator].into(),
        two_factor: false,
        spki: None,
        door: "configuration",
    }
}

/// Covenants and records named in the configuration, in their order. One that is older than what is held is no reason not to start.
async fn install_documents(config: &Config, desk: &Arc<Desk>) -> Result<(), StartError> {
    let operator = configuration(config);
    for path in &config.agreements.covenants {
        let bytes = document(path, "covenant", MAX_BUNDLE_BYTES)?;
        kept(path, desk.install_covenant(&operator, &bytes).await)?;
    }
    for path in &config.agreements.records {
        let bytes = document(path, "party record", MAX_RECORD_BYTES)?;
        kept(path, desk.install_party_record(&operator, &bytes).await)?;
    }
    Ok(())
}

fn document(path: &std::path::Path, what: &'static str, most: usize) -> Result<Vec<u8>, StartError> {
    bounded::read(path, most).map_err(|error| StartError::part(what, format!("{}: {error}", path.display())))
}

fn kept(path: &std::path::Path, installed: Result<bool, Refusal>) -> Result<(), StartError> {
    use schakel_domain::refusal::Reason::{CovenantOutdated, PartyRecordExpired};
    match installed {
        Ok(_) => Ok(()),
        Err(refusal) if [CovenantOutdated, PartyRecordExpired].contains(&refusal.reason) => {
            tracing::warn!(path = %path.display(), refusal = %refusal, "a document of the configuration is not used");
            Ok(())
        }
        Err(refusal) => Err(StartError::Document { path: path.to_owned(), refusal }),
    }
}

/// The link, over TLS, with our witness behind its door; and the way to the witnesses of peers.
fn connect(config: &Config, desk: &Arc<Desk>, source: &Arc<dyn Source>) -> Result<(Link, Arc<Heads>), StartError> {
    let signing = keys::read_private(&config.keys.signing).map_err(|error| StartError::part("signing key", error))?;
    let directory = link::directory(desk, source);
    let dial = serve::dial(config, &directory, source)?;
    let tls = Some(Arc::clone(&dial.tls));
    let dial: Arc<dyn Dial> = Arc::new(dial);
    let heads = Arc::new(Heads { dial: Arc::clone(&dial), directory: Arc::clone(&directory) });
    let witness = Some(Arc::new(witness(config, desk, source)?));
    let mut link = Link { tls, witness, ..Link::new(desk, directory, source, signing, dial) };
    if let Some(messages) = config.limits.messages_per_second {
        link.door = link.door.with_messages_per_second(messages);
    }
    Ok((link, heads))
}

/// Cosigns the heads of peers' logs.
fn witness(config: &Config, desk: &Arc<Desk>, source: &Arc<dyn Source>) -> Result<Witness, StartError> {
    let key = keys::read_cosigner(&config.keys.log, &config.organization).map_err(|error| StartError::part("log key", error))?;
    let known = Arc::clone(desk.agreements());
    Ok(Witness {
        store: Arc::clone(desk.store()),
        key,
        logs: Arc::new(move |org| known.log_key(org)),
        source: Arc::clone(source),
        evident: Arc::clone(desk) as Arc<dyn crate::witness::Evident>,
    })
}

/// The file drop's door and how it stands, when there is one.
fn file_drop(
    config: &Config,
    desk: &Arc<Desk>,
    source: &Arc<dyn Source>,
) -> Result<Option<(Arc<AdapterStatus>, FileDropDoor)>, StartError> {
    let Some(drop) = &config.file_drop else { return Ok(None) };
    let clock = Arc::clone(source);
    let status = Arc::new(AdapterStatus::new(&drop.client, "file-drop", Box::new(move || clock.now())));
    serve::file_drop(config, drop, desk, Arc::clone(&status)).map(|door| Some((status, door)))
}
