//! Opens the doors and runs what goes on beside them.

use std::net::TcpListener as StdListener;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::net::TcpListener;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;

use super::issuers::Issuers;
use super::link::Link;
use super::trust::{IssuerFrom, Parts};
use super::{Addresses, Listeners, StartError};
use crate::adapter_door::file_drop::FileDropDoor;
use crate::adapter_door::{AdapterStatus, Describer, Execute, Feed, Profile};
use crate::config::{Config, FileDrop, LocalDoor};
use crate::courier::TlsDial;
use crate::desk::{Desk, Source};
use crate::doors::caller::Authentication;
use crate::doors::caller::keys::Keys;
use crate::doors::health::{Able, Board};
use crate::doors::{Door, FrontDesk, admin, audit, care, federation, health};
use crate::front_desk::Front;
use crate::peers::Directory;
use crate::supervisor::Supervisor;
use crate::telemetry::calls::Calls;
use crate::tls::{self, Admit, ClientAuth, ClientTls, Files, Material, PeerStream, ServerTls};

/// Our end of connections to peers.
pub(super) fn dial(config: &Config, directory: &Arc<dyn Directory>, source: &Arc<dyn Source>) -> Result<TlsDial, StartError> {
    let material = Material::from_files(&config.federation_files()).map_err(|error| StartError::part("federation certificate", error))?;
    let tls = ClientTls::new(material, tls_clock(source)).map_err(|error| StartError::part("federation certificate", error))?;
    Ok(TlsDial { tls, directory: Arc::clone(directory) })
}

/// The file drop's door.
pub(super) fn file_drop(
    config: &Config,
    drop: &FileDrop,
    desk: &Arc<Desk>,
    status: Arc<AdapterStatus>,
) -> Result<FileDropDoor, StartError> {
    use crate::adapter_door::file_drop::{Config as DropConfig, Whom};
    let mut settings = DropConfig::new(drop.folder.clone(), config.organization.clone(), &drop.client);
    settings.interval = Duration::try_from(drop.poll.duration()).unwrap_or(settings.interval);
    let own = Arc::clone(desk);
    settings.call = Whom::new(move || own.agreements().call(own.me()));
    let execute: Arc<dyn Execute> = Arc::clone(desk) as Arc<dyn Execute>;
    let profile = Profile { caller: settings.caller.clone(), responsible: drop.responsible(), content: drop.content };
    let describer = Describer::new(Arc::clone(&execute), profile);
    FileDropDoor::open(settings, execute, Arc::clone(desk) as Arc<dyn Feed>, Arc::new(describer), status)
        .map_err(|error| StartError::part("file drop", error))
}

/// Opens every door.
pub(super) async fn open(
    config: &Config,
    listeners: Listeners,
    front: &Arc<Front>,
    link: &Link,
    source: &Arc<dyn Source>,
    tasks: &mut Supervisor,
    able: Able,
) -> Result<Opened, StartError> {
    let issuers = Issuers::new(&front.desk);
    let mut opener = Opener { config, source, able, boards: Vec::new(), parts: Parts::default(), issuers };
    let federation = opener.federation(listeners.federation, link, tasks).await?;
    let care_authentication = opener.authentication("care", &config.care.issuers)?;
    let audit_authentication = opener.authentication("audit", config.audit_issuers())?;
    let admin_authentication = opener.authentication("admin", &config.care.issuers)?;
    let issuers = std::mem::replace(&mut opener.issuers, Issuers::new(&front.desk));
    issuers.start(tasks).await;
    let desk = || Arc::clone(front) as Arc<dyn FrontDesk>;
    let care_door = Door::new("care", desk(), care_authentication);
    let (health, routes) = care::care_routes(&care_door).map_err(|error| StartError::part("reflection", error))?;
    opener.tell(health).await;
    let care = opener.local("care", &config.care, listeners.care, routes, tasks).await?;
    let (health, routes) = audit::audit_routes(&Door::new("audit", desk(), audit_authentication));
    opener.tell(health).await;
    let audit = opener.local("audit", &config.audit, listeners.audit, routes, tasks).await?;
    let (health, routes) = admin::admin_routes(&Door::new("admin", desk(), admin_authentication));
    opener.tell(health).await;
    let admin = opener.admin(listeners.admin, routes, tasks).await?;
    opener.parts.documents(&config.agreements.covenants, &config.agreements.records);
    Ok(Opened { addresses: Addresses { federation, care, audit, admin }, boards: opener.boards, parts: opener.parts })
}

/// What is known of doors that are open.
pub(super) struct Opened {
    pub(super) addresses: Addresses,
    pub(super) boards: Vec<Board>,
    pub(super) parts: Parts,
}

/// Says on every door what the gateway can do.
pub(super) async fn say(boards: &[Board], able: Able) {
    for board in boards {
        board.say(able).await;
    }
}

struct Opener<'a> {
    config: &'a Config,
    source: &'a Arc<dyn Source>,
    /// What the gateway can do at this moment.
    able: Able,
    boards: Vec<Board>,
    parts: Parts,
    /// Those whose keys are fetched, until they are.
    issuers: Issuers,
}

impl Opener<'_> {
    /// Health says what is so before its door is open.
    async fn tell(&mut self, board: Board) {
        board.say(self.able).await;
        self.boards.push(board);
    }

    async fn federation(
        &mut self,
        listener: Option<StdListener>,
        link: &Link,
        tasks: &mut Supervisor,
    ) -> Result<std::net::SocketAddr, StartError> {
        let door = &self.config.federation;
        let (listener, address) = bound(listener, door.listen, "federation door").await?;
        let directory = Arc::clone(&link.directory);
        let admit: Admit = Arc::new(move |identity| admit_peer(&*directory, identity));
        let files = self.config.federation_files();
        let tls = self.server_tls("federation", ClientAuth::Organization, Some(admit), &files)?;
        if tls.material().revocation.is_empty() {
            tracing::warn!("no revocation list (federation.crls): a revoked certificate of a peer is accepted until it ends");
        }
        self.parts.tls("federation", files, &tls, link.tls.as_ref());
        let (board, health) = health::health(federation::SERVICES);
        self.tell(board).await;
        let mut routes = Routes::new(link.door.exchange()).add_service(link.door.sync()).add_service(health);
        if let Some(witness) = &link.witness {
            routes = routes.add_service(link.door.witness(Arc::clone(witness)));
        }
        self.run("federation door", listener, tls, routes.prepare(), tasks);
        Ok(address)
    }

    async fn local(
        &mut self,
        name: &'static str,
        door: &LocalDoor,
        listener: Option<StdListener>,
        routes: Routes,
        tasks: &mut Supervisor,
    ) -> Result<std::net::SocketAddr, StartError> {
        let (listener, address) = bound(listener, door.listen, "local door").await?;
        let auth = if door.trust.is_some() { ClientAuth::OptionalClient } else { ClientAuth::Off };
        let files = self.config.local_files(door);
        let tls = self.server_tls(name, auth, None, &files)?;
        self.parts.tls(name, files, &tls, None);
        self.run(if name == "care" { "care door" } else { "audit door" }, listener, tls, routes, tasks);
        Ok(address)
    }

    async fn admin(
        &mut self,
        listener: Option<StdListener>,
        routes: Routes,
        tasks: &mut Supervisor,
    ) -> Result<Option<std::net::SocketAddr>, StartError> {
        if let Some((listen, files)) = self.config.admin_tls() {
            let (listener, address) = bound(listener, listen, "admin door").await?;
            let tls = self.server_tls("admin", ClientAuth::Client, None, &files)?;
            self.parts.tls("admin", files, &tls, None);
            self.run("admin door", listener, tls, routes, tasks);
            return Ok(Some(address));
        }
        let Some(path) = &self.config.admin.socket else { return Ok(None) };
        remove_old_socket(path).map_err(|why| StartError::part("admin socket", why))?;
        let listener = tokio::net::UnixListener::bind(path).map_err(|error| StartError::part("admin socket", error))?;
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .map_err(|error| StartError::part("admin socket", error))?;
        let incoming = tls::accept_unix(listener, "admin", self.config.limits.accept());
        self.serve("admin door", incoming, routes, tasks);
        Ok(None)
    }

    fn server_tls(&self, name: &'static str, auth: ClientAuth, admit: Option<Admit>, files: &Files) -> Result<Arc<ServerTls>, StartError> {
        let material = Material::from_files(files).map_err(|error| StartError::part("certificate", error))?;
        ServerTls::new(name, auth, admit, material, tls_clock(self.source)).map_err(|error| StartError::part("certificate", error))
    }

    fn run(&self, door: &'static str, listener: TcpListener, tls: Arc<ServerTls>, routes: Routes, tasks: &mut Supervisor) {
        self.serve(door, tls::accept(listener, tls, self.config.limits.accept()), routes, tasks);
    }

    fn serve(&self, door: &'static str, incoming: ReceiverStream<std::io::Result<PeerStream>>, routes: Routes, tasks: &mut Supervisor) {
        let accepting = tasks.alarm(door);
        // The server lets go of the stream when it stops; that the stream ends means that nobody accepts any more. The server itself would
        // first wait for its connections, which may last for hours.
        let ended = stream::poll_fn(move |_| {
            accepting.raise();
            Poll::Ready(None)
        });
        let serve = tls::http2_server(&self.config.limits.http2())
            .layer(Calls::of(door.trim_end_matches(" door")))
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming.chain(ended), tasks.stopped());
        tasks.spawn_finishing(door, async move { report(serve.await) });
    }

    fn authentication(&mut self, door: &str, issuers: &[crate::config::Issuer]) -> Result<Arc<Authentication>, StartError> {
        let (mut ready, mut all) = (Vec::with_capacity(issuers.len()), Vec::with_capacity(issuers.len()));
        for issuer in issuers {
            let settings = IssuerFrom { settings: issuer.settings(), fetched: self.fetched(issuer) };
            ready.push(settings.load().map_err(|error| StartError::part("identity provider", error))?);
            all.push(settings);
        }
        let operators = self.config.admin.operators.clone();
        let authentication = Arc::new(Authentication::new(self.config.organization.clone(), ready, operators));
        self.parts.tokens(door, all, &authentication);
        Ok(authentication)
    }

    /// The keys of an issuer that publishes them at an address.
    fn fetched(&mut self, issuer: &crate::config::Issuer) -> Option<Arc<Keys>> {
        issuer.fetched().map(|settings| self.issuers.keys(settings, tls_clock(self.source)))
    }
}

/// Removes a socket left by a process that is gone; a live one would still hold the store's lock. Whatever else has this name stays.
fn remove_old_socket(path: &Path) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(told(&error)),
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path).map_err(|error| told(&error)),
        Ok(_) => Err(told(&"is no socket and stays as it is; name another path in admin.socket, or remove it yourself")),
    }
}

/// Whether a peer's certificate is one of its party record. A key that no record binds does not come in at all: not even with the record
/// that would bind it, which another party or our own operator brings.
fn admit_peer(directory: &dyn Directory, identity: &schakel_certs::identity::Identity) -> Result<(), String> {
    let schakel_certs::identity::Subject::Organization(org) = &identity.subject else {
        return Err("not a gateway's certificate".to_owned());
    };
    let peer = directory.peer(org).map_err(|refusal| refusal.to_string())?;
    if peer.spki.contains(&identity.spki) { Ok(()) } else { Err(format!("the certificate is not in the party record of {org}")) }
}

async fn bound(
    listener: Option<StdListener>,
    listen: std::net::SocketAddr,
    what: &'static str,
) -> Result<(TcpListener, std::net::SocketAddr), StartError> {
    let listener = match listener {
        Some(listener) => {
            listener.set_nonblocking(true).map_err(|error| StartError::part(what, error))?;
            TcpListener::from_std(listener)
        }
        None => TcpListener::bind(listen).await,
    };
    let listener = listener.map_err(|error| StartError::part(what, format!("{listen}: {error}")))?;
    let address = listener.local_addr().map_err(|error| StartError::part(what, error))?;
    Ok((listener, address))
}

fn tls_clock(source: &Arc<dyn Source>) -> tls::Clock {
    Arc::new(SourceClock(Arc::clone(source)))
}

/// Certificates are judged by the same clock as everything else.
#[derive(Debug)]
struct SourceClock(Arc<dyn Source>);

impl rustls::time_provider::TimeProvider for SourceClock {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

fn report(served: Result<(), tonic::transport::Error>) {
    if let Err(error) = served {
        tracing::error!(error = %error, "a door closed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_drop_acts_in_the_name_of_the_person_who_answers_for_it() {
        let config = Config::parse(crate::config::EXAMPLE, Path::new("/etc/schakel")).unwrap();

        let responsible = config.file_drop.unwrap().responsible();

        assert_eq!((responsible.name.as_str(), responsible.function.as_str()), ("K. de Wit", "coördinator crisisdienst"));
    }

    #[test]
    fn only_a_socket_makes_place_for_the_socket() {
        let dir = tempfile::tempdir().unwrap();
        let (socket, file, link) = (dir.path().join("admin.sock"), dir.path().join("schakel.db"), dir.path().join("link"));
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        std::fs::write(&file, "care").unwrap();
        std::os::unix::fs::symlink(&socket, &link).unwrap();

        assert!(remove_old_socket(&link).is_err() && socket.exists());
        assert_eq!(remove_old_socket(&socket), Ok(()));
        assert_eq!(remove_old_socket(&socket), Ok(()), "there is none");
        let refused = remove_old_socket(&file).unwrap_err();

        assert!(!socket.exists());
        assert!(refused.contains("schakel.db: is no socket"), "{refused}");
        assert_eq!(std::fs::read(&file).unwrap(), b"care");
    }
}
