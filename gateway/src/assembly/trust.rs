//! Keeps what we trust up to date while the gateway runs: certificates, keys, CAs, revocation lists, token keys, covenants and party
//! records are read again from their files, and whoever no longer stands is cut off.
//!
//! Files are looked at every two seconds and when an operator says so (SIGHUP). One that cannot be used is refused with its name and
//! the reason, and what was in force stays in force. Neighbours: `tls` judges and closes, the desk logs and tells.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schakel_certs::identity::Subject;
use schakel_domain::caller::Caller;
use schakel_domain::id::OrgId;
use schakel_domain::refusal::{Reason, Refusal, Stage};

use crate::bounded;
use crate::desk::Desk;
use crate::desk::endings::{Ending, Ends};
use crate::doors::caller::keys::Keys;
use crate::doors::caller::{Authentication, Issuer, IssuerConfig, IssuerError};
use crate::tls::{ClientTls, End, Files, ListState, Material, ServerTls};

/// How often files are looked at. A change counts when it was the same at two looks: a file is then not half written.
const LOOK: Duration = Duration::from_secs(2);
/// People are told this long before a revocation list ends, or at three quarters of its time when that is later.
const LIST_SOON: SignedDuration = SignedDuration::from_hours(24);
/// Looks between two rounds over what ends and who still stands.
const ROUND: u32 = 5;

/// What became of one part's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// Which part: a door, its token keys, or a document's file.
    pub part: String,
    /// Why its files were refused; none when they are in force.
    pub refused: Option<String>,
    /// Connections that were closed by it.
    pub closed: usize,
}

/// Whatever is read from files again.
enum What {
    Tls { files: Files, server: Arc<ServerTls>, client: Option<Arc<ClientTls>> },
    Tokens { issuers: Vec<IssuerFrom>, authentication: Arc<Authentication> },
    Covenant(PathBuf),
    PartyRecord(PathBuf),
}

/// Where an issuer's keys come from: its file, or what is fetched.
pub(super) struct IssuerFrom {
    pub(super) settings: IssuerConfig,
    pub(super) fetched: Option<Arc<Keys>>,
}

impl IssuerFrom {
    pub(super) fn load(&self) -> Result<Issuer, IssuerError> {
        match &self.fetched {
            Some(keys) => Issuer::with(&self.settings, Arc::clone(keys)),
            None => Issuer::load(&self.settings),
        }
    }

    fn file(&self) -> Option<&Path> {
        self.fetched.is_none().then_some(self.settings.jwks.as_path())
    }
}

/// One part, and the state of its files.
struct Part {
    name: String,
    what: What,
    marks: Mutex<Marks>,
}

/// Size, inode and time of change of each file; none for one that is not there.
type Mark = Vec<Option<(u64, u64, i64, i64)>>;

struct Marks {
    used: Mark,
    seen: Mark,
}

/// Everything this gateway trusts.
pub(super) struct Trust {
    me: OrgId,
    desk: Arc<Desk>,
    operator: Caller,
    parts: Vec<Part>,
}

/// Puts [`Trust`] together while the doors are opened.
#[derive(Default)]
pub(super) struct Parts(Vec<Part>);

impl Parts {
    pub(super) fn tls(&mut self, name: &str, files: Files, server: &Arc<ServerTls>, client: Option<&Arc<ClientTls>>) {
        let what = What::Tls { files, server: Arc::clone(server), client: client.map(Arc::clone) };
        self.add(name, what);
    }

    pub(super) fn tokens(&mut self, name: &str, issuers: Vec<IssuerFrom>, authentication: &Arc<Authentication>) {
        self.add(&format!("{name} token keys"), What::Tokens { issuers, authentication: Arc::clone(authentication) });
    }

    pub(super) fn documents(&mut self, covenants: &[PathBuf], records: &[PathBuf]) {
        let name = |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        covenants.iter().for_each(|path| self.add(&name(path), What::Covenant(path.clone())));
        records.iter().for_each(|path| self.add(&name(path), What::PartyRecord(path.clone())));
    }

    fn add(&mut self, name: &str, what: What) {
        let mark = mark(&what);
        self.0.push(Part { name: name.to_owned(), what, marks: Mutex::new(Marks { used: mark.clone(), seen: mark }) });
    }

    pub(super) fn into_trust(self, desk: &Arc<Desk>, operator: Caller) -> Trust {
        // Documents first: a new certificate is judged by the newest party record.
        let (mut documents, rest): (Vec<_>, Vec<_>) =
            self.0.into_iter().partition(|part| matches!(part.what, What::Covenant(_) | What::PartyRecord(_)));
        documents.extend(rest);
        Trust { me: desk.me().clone(), desk: Arc::clone(desk), operator, parts: documents }
    }
}

impl Trust {
    /// Goes on until it is dropped.
    pub(super) async fn keep(&self) {
        let mut agreements = self.desk.agreements().changes();
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut count = 0_u32;
        loop {
            tokio::select! {
                _ = looks.tick() => {
                    self.look(false).await;
                    if count.is_multiple_of(ROUND) {
                        self.judge_again().await;
                        self.tell().await;
                        self.tell_failures();
                    }
                    count = count.wrapping_add(1);
                }
                // Closed only when the gateway is gone.
                Ok(()) = agreements.changed() => self.judge_again().await,
            }
        }
    }

    /// Reads again what changed, or everything; tells what became of it.
    pub(super) async fn look(&self, all: bool) -> Vec<Reload> {
        let mut done = Vec::new();
        for part in &self.parts {
            if !part.take_mark(all) {
                continue;
            }
            let outcome = self.read(part).await;
            let refused = outcome.as_ref().err().map(ToString::to_string);
            let changed = !matches!(outcome, Ok(None));
            if changed {
                self.log(&part.name, refused.as_deref()).await;
            }
            done.push(Reload { part: part.name.clone(), refused, closed: outcome.ok().flatten().unwrap_or_default() });
        }
        if !done.is_empty() {
            self.tell().await;
        }
        done
    }

    /// Reads one part's files. `None`: it is what was held already.
    async fn read(&self, part: &Part) -> Result<Option<usize>, String> {
        match &part.what {
            What::Tls { files, server, client } => {
                let (files, server, client) = (files.clone(), Arc::clone(server), client.clone());
                let (me, now) = (client.is_some().then(|| self.me.clone()), self.desk.now());
                let ours = self.desk.agreements().held().records.newest(&self.me).map(|record| record.tls.spki_sha256.clone());
                let read = move || reload(&files, &server, client.as_deref(), &Ours { me, keys: ours, now });
                // Parsing is work, and a panic in it ends there.
                let read = tokio::task::spawn_blocking(read).await;
                read.unwrap_or_else(|_| Err("an error in this gateway while reading".to_owned())).map(Some)
            }
            What::Tokens { issuers, authentication } => {
                let read: Result<Vec<Issuer>, _> = issuers.iter().map(IssuerFrom::load).collect();
                authentication.reload(read.map_err(|error| error.to_string())?);
                Ok(Some(0))
            }
            What::Covenant(path) => {
                let bytes = document(path, schakel_domain::covenant::signed::MAX_BUNDLE_BYTES)?;
                taken(path, self.desk.install_covenant(&self.operator, &bytes).await)
            }
            What::PartyRecord(path) => {
                let bytes = document(path, schakel_domain::party_record::MAX_RECORD_BYTES)?;
                taken(path, self.desk.install_party_record(&self.operator, &bytes).await)
            }
        }
    }

    async fn log(&self, part: &str, refused: Option<&str>) {
        let refusal = refused.map(|why| {
            tracing::error!(part, why, "new files are refused; what was in force stays in force");
            Refusal::new(Stage::Door, Reason::ConfigurationRefused)
        });
        if refusal.is_none() {
            tracing::info!(part, "new files are in force");
        }
        if let Err(unlogged) = self.desk.files_read(part, refusal.as_ref()).await {
            tracing::error!(refusal = %unlogged, part, "reading files again could not be logged");
        }
    }

    /// Whoever no longer stands is cut off: a list ended, a certificate ended, an agreement changed.
    async fn judge_again(&self) {
        let sides: Vec<_> = self.sides().map(|(_, server, client)| (Arc::clone(server), client.map(Arc::clone))).collect();
        let judge = move || {
            for (server, client) in sides {
                server.judge_again();
                client.map(|client| client.judge_again());
            }
        };
        if tokio::task::spawn_blocking(judge).await.is_err() {
            tracing::error!("open connections could not be judged again");
        }
    }

    /// Tells people of what ends soon.
    async fn tell(&self) {
        let endings: Vec<Ending> = self.endings();
        if let Err(refusal) = self.desk.tell_endings(&endings).await {
            tracing::error!(refusal = %refusal, "what ends soon could not be told");
        }
    }

    fn endings(&self) -> Vec<Ending> {
        let certificate = |org: &OrgId, end: &End| Ending {
            key: end.thumbprint.to_string(),
            org: org.clone(),
            what: Ends::Certificate(end.place.as_str()),
            ends: end.not_after,
        };
        let mut found: BTreeMap<String, Ending> = BTreeMap::new();
        let mut add = |ending: Ending| {
            found.entry(ending.key.clone()).or_insert(ending);
        };
        for (_, server, client) in self.sides() {
            let material = server.material();
            material.ends().iter().for_each(|end| add(certificate(&self.me, end)));
            for list in material.revocation.info() {
                let key = format!("crl {} {}", list.issuer, list.issued);
                let ending = |key: String, what, ends| Ending { key, org: self.me.clone(), what, ends };
                let early = LIST_SOON.min(list.issued.duration_until(list.ends) / 4);
                add(ending(format!("{key} soon"), Ends::ListSoon, list.ends - early));
                if list.refused_from > list.ends {
                    add(ending(key.clone(), Ends::List, list.ends));
                }
                add(ending(format!("{key} grace"), Ends::ListGrace, list.refused_from));
            }
            let seen = server.seen().into_iter().chain(client.map(|client| client.seen()).unwrap_or_default());
            seen.for_each(|(org, chain)| chain.iter().for_each(|end| add(certificate(&org, end))));
        }
        found.into_values().collect()
    }

    /// When the first certificate of each organisation's chain ends, as it was shown last.
    pub(super) fn certificate_ends(&self) -> BTreeMap<OrgId, Timestamp> {
        let mut ends: BTreeMap<OrgId, Timestamp> = BTreeMap::new();
        for (_, server, client) in self.sides() {
            let seen = server.seen().into_iter().chain(client.map(|client| client.seen()).unwrap_or_default());
            for (org, chain) in seen {
                let first = chain.iter().map(|end| end.not_after).min();
                let known = ends.get(&org).copied();
                ends.extend(first.into_iter().chain(known).min().map(|first| (org, first)));
            }
        }
        ends
    }

    /// When the first certificate of each organisation's chain ends, ours included.
    pub(super) fn first_ends(&self) -> BTreeMap<OrgId, Timestamp> {
        let mut ends: BTreeMap<OrgId, Timestamp> = BTreeMap::new();
        for ending in self.endings().into_iter().filter(|ending| matches!(ending.what, Ends::Certificate(_))) {
            let first = ends.entry(ending.org).or_insert(ending.ends);
            *first = ending.ends.min(*first);
        }
        ends
    }

    /// Connections that are open at each door and showed a certificate.
    pub(super) fn connections(&self) -> Vec<(String, usize)> {
        self.sides().map(|(door, server, _)| (door.to_owned(), server.connections())).collect()
    }

    /// One line per source, kind and minute that is over: before a caller is known, that takes the place of a log entry.
    fn tell_failures(&self) {
        let minute = self.desk.now().as_second().div_euclid(60);
        for (name, server, _) in self.sides() {
            for row in server.failures().take_before(minute) {
                tracing::warn!(door = name, minute = row.minute, source = ?row.source, kind = ?row.kind, count = row.count, "connections failed");
            }
        }
    }

    fn sides(&self) -> impl Iterator<Item = (&str, &Arc<ServerTls>, Option<&Arc<ClientTls>>)> {
        self.parts.iter().filter_map(|part| match &part.what {
            What::Tls { server, client, .. } => Some((part.name.as_str(), server, client.as_ref())),
            _ => None,
        })
    }
}

impl Part {
    /// Whether the files are to be read now: they changed, and not since the last look; or all are wanted.
    fn take_mark(&self, all: bool) -> bool {
        let found = mark(&self.what);
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let settled = marks.seen == found;
        let changed = marks.used != found;
        marks.seen.clone_from(&found);
        if all || (changed && settled) {
            // Also when they turn out to be refused: they are then tried again when they change.
            marks.used = found;
            return true;
        }
        false
    }
}

fn mark(what: &What) -> Mark {
    let of = |path: &Path| fs::metadata(path).ok().map(|found| (found.len(), found.ino(), found.mtime(), found.mtime_nsec()));
    match what {
        What::Tls { files, .. } => files.all().map(of).collect(),
        What::Tokens { issuers, .. } => issuers.iter().filter_map(IssuerFrom::file).map(of).collect(),
        What::Covenant(path) | What::PartyRecord(path) => vec![of(path)],
    }
}

fn document(path: &Path, most: usize) -> Result<Vec<u8>, String> {
    bounded::read(path, most).map_err(|error| format!("{}: {error}", path.display()))
}

/// A document that is older than what is held, or has ended, is no fault of the file: it was good when it was put there.
fn taken(path: &Path, installed: Result<bool, Refusal>) -> Result<Option<usize>, String> {
    match installed {
        Ok(new) => Ok(new.then_some(0)),
        Err(refusal) if [Reason::CovenantOutdated, Reason::PartyRecordExpired].contains(&refusal.reason) => Ok(None),
        Err(refusal) => Err(format!("{}: {refusal}", path.display())),
    }
}

/// What a new certificate must fit.
struct Ours {
    /// Our organisation, at the door where peers look for it.
    me: Option<OrgId>,
    /// Keys in our own party record, when we hold one.
    keys: Option<Vec<schakel_domain::id::Hash>>,
    now: Timestamp,
}

/// Reads, judges and puts in force; how many connections that closed.
fn reload(files: &Files, server: &ServerTls, client: Option<&ClientTls>, ours: &Ours) -> Result<usize, String> {
    let material = Material::from_files(files).map_err(|error| error.to_string())?;
    check_own(files, &material, ours)?;
    check_lists(&material, &server.material(), ours.now)?;
    let closed = server.reload(material.clone()).map_err(|error| error.to_string())?;
    let closed_too = client.map(|client| client.reload(material)).transpose().map_err(|error| error.to_string())?;
    Ok(closed + closed_too.unwrap_or_default())
}

/// A certificate nobody would accept is not put in force: the one that is in force may still be.
fn check_own(files: &Files, material: &Material, ours: &Ours) -> Result<(), String> {
    let wrong = |why: String| Err(format!("{}: {why}", files.certificate.display()));
    let own = material.ends().into_iter().find(|end| end.place != crate::tls::Place::Root && end.not_after <= ours.now);
    if let Some(ended) = own {
        return wrong(format!("the {} has expired at {}", ended.place.as_str(), ended.not_after));
    }
    let (Some(me), identity) = (&ours.me, &material.credentials.identity) else { return Ok(()) };
    match identity {
        Some(identity) if identity.subject != Subject::Organization(me.clone()) => {
            wrong(format!("stands for {}, not for {me}", identity.subject.uri()))
        }
        Some(identity) if ours.keys.as_ref().is_some_and(|keys| !keys.contains(&identity.spki)) => {
            wrong("its key is not in our own party record: peers would refuse it; install a record with both keys first".to_owned())
        }
        Some(_) => Ok(()),
        None => wrong("names no organisation".to_owned()),
    }
}

/// A list that has ended, or is older than the one in force, says less than what we know.
fn check_lists(new: &Material, held: &Material, now: Timestamp) -> Result<(), String> {
    let held = held.revocation.info();
    for list in new.revocation.info() {
        let wrong = |why: String| Err(format!("{}: {why}", list.file.display()));
        if list.state(now) == ListState::Expired {
            return wrong(format!("the list has expired at {}", list.ends));
        }
        let newest = held.iter().filter(|known| known.issuer == list.issuer).map(|known| known.issued).max();
        let alone = new.revocation.info().iter().filter(|other| other.issuer == list.issuer).count() == 1;
        if alone && newest.is_some_and(|newest| list.issued < newest) {
            return wrong(format!("the list of {} is older than the one in force", list.issued));
        }
    }
    Ok(())
}
