//! Opens the doors and runs what goes on beside them.

use std::net::TcpListener as StdListener;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::service::Routes;

use super::front::Front;
use super::link::Link;
use super::trust::Parts;
use super::{Addresses, Listeners, StartError};
use crate::adapter_door::file_drop::FileDropDoor;
use crate::adapter_door::{AdapterStatus, Describer, Execute, Feed, Profile};
use crate::config::{Config, FileDrop, LocalDoor};
use crate::courier::TlsDial;
use crate::desk::{Desk, Source};
use crate::doors::caller::{Authentication, Issuer};
use crate::doors::{Door, FrontDesk, admin, audit, care, health};
use crate::peers::Directory;
use crate::telemetry::calls::Calls;
use crate::tls::{self, Admit, ClientAuth, ClientTls, Files, Material, ServerTls};

/// Resolves when the gateway stops.
pub(super) async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means the gateway is gone, which is a stop too.
    let _gone = stop.wait_for(|stop| *stop).await;
}

/// Runs something until the gateway stops.
pub(super) async fn until_stopped(stop: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stopped(stop) => {}
        () = work => {}
    }
}

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
    use crate::adapter_door::file_drop::Config as DropConfig;
    let mut settings = DropConfig::new(drop.folder.clone(), config.organization.clone(), &drop.client);
    settings.interval = Duration::try_from(drop.poll.duration()).unwrap_or(settings.interval);
    let execute: Arc<dyn Execute> = Arc::clone(desk) as Arc<dyn Execute>;
    let responsible =
        schakel_domain::person::Actor { person: drop.person.clone(), name: drop.client.clone(), function: drop.function.clone() };
    let profile = Profile { caller: settings.caller.clone(), responsible, content: drop.content };
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
    tasks: &mut JoinSet<()>,
    stop: &watch::Receiver<bool>,
) -> Result<(Addresses, Parts), StartError> {
    let mut opener = Opener { config, source, stop, parts: Parts::default() };
    let federation = opener.federation(listeners.federation, link, tasks).await?;
    let care_authentication = opener.authentication("care", &config.care.issuers)?;
    let audit_authentication = opener.authentication("audit", config.audit_issuers())?;
    let desk = || Arc::clone(front) as Arc<dyn FrontDesk>;
    let care_door = Door::new("care", desk(), care_authentication);
    let (_care_health, routes) = care::care_routes(&care_door).map_err(|error| StartError::part("reflection", error))?;
    let care = opener.local("care", &config.care, listeners.care, routes, tasks).await?;
    let (_audit_health, routes) = audit::audit_routes(&Door::new("audit", desk(), audit_authentication));
    let audit = opener.local("audit", &config.audit, listeners.audit, routes, tasks).await?;
    let admin_authentication = opener.authentication("admin", &config.care.issuers)?;
    let (_admin_health, routes) = admin::admin_routes(&Door::new("admin", desk(), admin_authentication));
    let admin = opener.admin(listeners.admin, routes, tasks).await?;
    opener.parts.documents(&config.agreements.covenants, &config.agreements.records);
    Ok((Addresses { federation, care, audit, admin }, opener.parts))
}

struct Opener<'a> {
    config: &'a Config,
    source: &'a Arc<dyn Source>,
    stop: &'a watch::Receiver<bool>,
    parts: Parts,
}

impl Opener<'_> {
    async fn federation(
        &mut self,
        listener: Option<StdListener>,
        link: &Link,
        tasks: &mut JoinSet<()>,
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
        let (reporter, health) = health::health();
        health::say(&reporter, true).await;
        let mut routes = Routes::new(link.door.exchange()).add_service(link.door.sync()).add_service(health);
        if let Some(witness) = &link.witness {
            routes = routes.add_service(link.door.witness(Arc::clone(witness)));
        }
        self.run(listener, tls, routes.prepare(), tasks);
        Ok(address)
    }

    async fn local(
        &mut self,
        name: &'static str,
        door: &LocalDoor,
        listener: Option<StdListener>,
        routes: Routes,
        tasks: &mut JoinSet<()>,
    ) -> Result<std::net::SocketAddr, StartError> {
        let (listener, address) = bound(listener, door.listen, "local door").await?;
        let auth = if door.trust.is_some() { ClientAuth::OptionalClient } else { ClientAuth::Off };
        let files = self.config.local_files(door);
        let tls = self.server_tls(name, auth, None, &files)?;
        self.parts.tls(name, files, &tls, None);
        self.run(listener, tls, routes, tasks);
        Ok(address)
    }

    async fn admin(
        &mut self,
        listener: Option<StdListener>,
        routes: Routes,
        tasks: &mut JoinSet<()>,
    ) -> Result<Option<std::net::SocketAddr>, StartError> {
        if let Some((listen, files)) = self.config.admin_tls() {
            let (listener, address) = bound(listener, listen, "admin door").await?;
            let tls = self.server_tls("admin", ClientAuth::Client, None, &files)?;
            self.parts.tls("admin", files, &tls, None);
            self.run(listener, tls, routes, tasks);
            return Ok(Some(address));
        }
        let Some(path) = &self.config.admin.socket else { return Ok(None) };
        remove_old_socket(path).map_err(|why| StartError::part("admin socket", why))?;
        let listener = tokio::net::UnixListener::bind(path).map_err(|error| StartError::part("admin socket", error))?;
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .map_err(|error| StartError::part("admin socket", error))?;
        let incoming = tls::accept_unix(listener, "admin", self.config.limits.accept());
        let serve = tls::http2_server(&self.config.limits.http2())
            .layer(Calls::of("admin"))
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, stopped(self.stop.clone()));
        tasks.spawn(async move { report(serve.await) });
        Ok(None)
    }

    fn server_tls(&self, name: &'static str, auth: ClientAuth, admit: Option<Admit>, files: &Files) -> Result<Arc<ServerTls>, StartError> {
        let material = Material::from_files(files).map_err(|error| StartError::part("certificate", error))?;
        ServerTls::new(name, auth, admit, material, tls_clock(self.source)).map_err(|error| StartError::part("certificate", error))
    }

    fn run(&self, listener: TcpListener, tls: Arc<ServerTls>, routes: Routes, tasks: &mut JoinSet<()>) {
        let door = tls.door();
        let incoming = tls::accept(listener, tls, self.config.limits.accept());
        let serve = tls::http2_server(&self.config.limits.http2())
            .layer(Calls::of(door))
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, stopped(self.stop.clone()));
        tasks.spawn(async move { report(serve.await) });
    }

    fn authentication(&mut self, door: &str, issuers: &[crate::config::Issuer]) -> Result<Arc<Authentication>, StartError> {
        let (mut ready, mut all) = (Vec::with_capacity(issuers.len()), Vec::with_capacity(issuers.len()));
        for issuer in issuers {
            let settings = issuer.settings();
            ready.push(Issuer::load(&settings).map_err(|error| StartError::part("identity provider", error))?);
            all.push(settings);
        }
        let operators = self.config.admin.operators.clone();
        let authentication = Arc::new(Authentication::new(self.config.organization.clone(), ready, operators));
        self.parts.tokens(door, all, &authentication);
        Ok(authentication)
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

/// Whether a peer's certificate is one of its party record. A party without a record may come in to bring one.
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
