//! What the replicas of one gateway share: covenants, party records, and with whom traffic is stopped. Judged on what the store holds,
//! logged and stored in one commit, and only then in force here; another replica sees it at its next [`Desk::refresh`].

use std::collections::BTreeMap;
use std::sync::Arc;

use schakel_domain::audit::entry::{Decision, NO_PROTOCOL, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::{Act, Caller, Role};
use schakel_domain::covenant::{Book, CovenantId, Installed as Changed, SignedCovenant, Standing, Stored};
use schakel_domain::id::{Hash, OrgId, RequestId};
use schakel_domain::party_record::{Accepted, RecordBook, SignedPartyRecord};
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};
use schakel_domain::signature::PublicKey;

use super::Desk;
use super::clock::Action;
use super::draft::{Draft, Stop, internal, store_refusal};
use super::trace::{By, Party};
use crate::agreements::Held;
use crate::store::{Kind, Page, Record, Replay, Store};

/// Raised by every change of what replicas share.
const GENERATION: &str = "generation";
/// Where the stops are kept.
const STOPS: &str = "stops";
/// What is kept of an installation under its key: it was new, or held already.
const NEW: &str = "new";
const HELD: &str = "held";

/// A document as it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper<'a> {
    /// A covenant bundle.
    Covenant(&'a [u8]),
    /// A signed party record.
    PartyRecord(&'a [u8]),
}

impl Paper<'_> {
    /// What an operator does who installs it; a peer hands it over, as [`Act::ExchangeDocuments`].
    fn act(self) -> Act {
        match self {
            Paper::Covenant(_) => Act::InstallCovenant,
            Paper::PartyRecord(_) => Act::InstallPartyRecord,
        }
    }
}

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installed {
    /// It was not held before, or a part of it was not.
    pub is_new: bool,
    /// This is the answer to an earlier, equal request.
    pub replayed: bool,
}

impl Desk {
    /// Reads back what is held. What no longer holds stays in the book as broken, and denies.
    ///
    /// # Errors
    /// When the store cannot be read, or the stops in it: without them traffic would go on with a peer that an operator stopped.
    pub async fn read_agreements(store: &dyn Store, me: &OrgId, our_keys: Vec<PublicKey>) -> Result<Held, Refusal> {
        let failed = |error: &_| store_refusal(error);
        // First: what changes while the rest is read is noticed as a newer generation.
        let generation = store.record(Kind::Gateway, GENERATION).await.map_err(|error| failed(&error))?;
        let covenants = all(store, Kind::Covenant).await.map_err(|error| failed(&error))?;
        let stored = covenants.iter().filter_map(|record| {
            let (id, version) = record.id.rsplit_once('/')?;
            Some(Stored { id: id.parse::<CovenantId>().ok()?, version: version.parse().ok()?, bundle: record.clear.as_bytes() })
        });
        let book = Book::load(me.clone(), our_keys, stored);
        let records = all(store, Kind::PartyRecord).await.map_err(|error| failed(&error))?;
        let stops = store.record(Kind::Gateway, STOPS).await.map_err(|error| failed(&error))?;
        let stopped = stops.map_or_else(|| Ok(BTreeMap::new()), |record| serde_json::from_str(&record.clear)).map_err(|error| {
            tracing::error!(%error, "the stops of peers cannot be read");
            Refusal::new(Stage::Store, Reason::Internal).because("the stops of peers cannot be read")
        })?;
        let generation = generation.map_or(0, |record| record.version);
        Ok(Held { records: restored(&book, &records), book: Some(book), stopped, generation })
    }

    /// Notices what another replica of this gateway changed: covenants, party records, stops, and whether messages are missing. One cheap
    /// read when nothing did.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn refresh(&self) -> Result<(), Refusal> {
        self.again_and_again(|| self.held()).await.map(drop)
    }

    /// What is held according to the store: judged on this, and committed by [`Desk::commit_shared`], a change never undoes that of another
    /// replica.
    pub(super) async fn held(&self) -> Result<Arc<Held>, Stop> {
        let held = self.parts.agreements.held();
        let newest = self.parts.store.record(Kind::Gateway, GENERATION).await?.map_or(0, |record| record.version);
        if newest == held.generation {
            return Ok(held);
        }
        let our_keys = held.book.as_ref().map(|book| book.our_keys().to_vec()).unwrap_or_default();
        let next = Self::read_agreements(&*self.parts.store, &self.parts.me, our_keys).await?;
        self.read_recovery().await?;
        self.parts.agreements.advance(next);
        self.signals.timers_moved();
        let next = self.parts.agreements.held();
        let changed = |org: &&OrgId| held.stopped.get(*org) != next.stopped.get(*org);
        held.stopped.keys().chain(next.stopped.keys()).filter(changed).for_each(|org| self.signals.retry(org.clone()));
        Ok(next)
    }

    /// Commits a change of what replicas share, judged on `held`: a change by anybody else meanwhile is a conflict. `next` is in force here
    /// after it.
    pub(super) async fn commit_shared(&self, mut draft: Draft<'_>, held: &Held, next: Held) -> Result<(), Stop> {
        draft.put_clear(Kind::Gateway, GENERATION, held.generation, false, "{}".to_owned());
        draft.commit().await?;
        self.parts.agreements.advance(Held { generation: held.generation + 1, ..next });
        Ok(())
    }

    /// Stops or resumes the traffic with a peer.
    pub(super) async fn set_stop(&self, mut draft: Draft<'_>, caller: &Caller, peer: &OrgId, reason: Option<String>) -> Result<(), Stop> {
        let held = self.held().await?;
        let mut stopped = held.stopped.clone();
        let code = match reason {
            Some(reason) => {
                stopped.insert(peer.clone(), reason);
                EventCode::PeerStopped
            }
            None => {
                stopped.remove(peer);
                EventCode::PeerResumed
            }
        };
        let version = self.version(Kind::Gateway, STOPS).await?;
        let clear = serde_json::to_string(&stopped).map_err(|_| internal("writing the stops"))?;
        draft.put_clear(Kind::Gateway, STOPS, version, false, clear);
        self.operator_entry(&mut draft, code, caller, Object::new("peer", "organization", peer.as_str(), NO_PROTOCOL), peer);
        self.commit_shared(draft, &held, Held { stopped, ..held.as_ref().clone() }).await?;
        self.signals.retry(peer.clone());
        Ok(())
    }

    async fn version(&self, kind: Kind, id: &str) -> Result<u64, Stop> {
        Ok(self.parts.store.record(kind, id).await?.map_or(0, |record| record.version))
    }

    /// Takes a covenant bundle in: a new covenant, the next version, or more signatures. True when something was new.
    ///
    /// # Errors
    /// The covenant's own refusal: older, altered, forked, not ours. It is logged; nothing changes.
    pub async fn install_covenant(&self, caller: &Caller, bundle: &[u8]) -> Result<bool, Refusal> {
        self.install(caller, Paper::Covenant(bundle), None).await.map(|installed| installed.is_new)
    }

    /// Takes a party record in, when it is newer and signed under its party's root key, whoever brings it. True when it was new.
    ///
    /// # Errors
    /// Why it was refused: older, altered, expired, no party of ours. It is logged; nothing changes.
    pub async fn install_party_record(&self, caller: &Caller, record: &[u8]) -> Result<bool, Refusal> {
        self.install(caller, Paper::PartyRecord(record), None).await.map(|installed| installed.is_new)
    }

    /// Takes a document in once per key, as an operator asks for it. The same key with the same content is answered as the first time.
    ///
    /// # Errors
    /// `REQUEST_ID_REUSED` for other content under the same key; otherwise as [`Desk::install_covenant`] and [`Desk::install_party_record`].
    pub async fn install_once(&self, caller: &Caller, paper: Paper<'_>, request: RequestId, body: Hash) -> Result<Installed, Refusal> {
        let scope = paper.act().name().to_owned();
        let once = Replay { scope, request_id: request.to_string(), body, outcome: String::new(), at: self.now() };
        self.install(caller, paper, Some(once)).await
    }

    async fn install(&self, caller: &Caller, paper: Paper<'_>, once: Option<Replay>) -> Result<Installed, Refusal> {
        let act = if caller.roles.contains(&Role::Peer) { Act::ExchangeDocuments } else { paper.act() };
        self.logged_when_refused(caller.may(act), By { caller, actor: None, second: None }, act, None).await?;
        match self.again_and_again(|| self.install_attempt(caller, paper, once.clone())).await {
            Err(refusal) if refusal.stage != Stage::Store => self.refuse_document(caller, paper, refusal).await,
            done => done,
        }
    }

    async fn install_attempt(&self, caller: &Caller, paper: Paper<'_>, once: Option<Replay>) -> Result<Installed, Stop> {
        if let Some(once) = &once
            && let Some(known) = self.parts.store.replay(&once.scope, &once.request_id).await?
        {
            if known.body != once.body {
                let reused = Refusal { field: Some("request_id".to_owned()), ..Refusal::new(Stage::Door, Reason::RequestIdReused) };
                return Err(reused.into());
            }
            return Ok(Installed { is_new: known.outcome == NEW, replayed: true });
        }
        let noted = |is_new: bool| once.clone().map(|once| Replay { outcome: if is_new { NEW } else { HELD }.to_owned(), ..once });
        let is_new = match paper {
            Paper::Covenant(bundle) => self.judge_covenant(caller, bundle, noted(true)).await?,
            Paper::PartyRecord(record) => self.judge_party_record(caller, record, noted(true)).await?,
        };
        if !is_new && once.is_some() {
            let mut draft = Draft::new(self);
            draft.commit.replay = noted(false);
            draft.commit().await?;
        }
        Ok(Installed { is_new, replayed: false })
    }

    async fn judge_covenant(&self, caller: &Caller, bundle: &[u8], once: Option<Replay>) -> Result<bool, Stop> {
        let held = self.held().await?;
        let mut book = held.book.clone().ok_or_else(|| Refusal::new(Stage::Covenant, Reason::CovenantMissing))?;
        let signed = SignedCovenant::from_json(bundle)?;
        let (id, version) = (signed.document.id.clone(), signed.document.version);
        let from_peer = caller.roles.contains(&Role::Peer);
        let installed = if from_peer { book.install_from(&caller.organization, signed) } else { book.install(signed) };
        let Changed::Changed(standing) = installed? else { return Ok(false) };
        let text = book.get(&id, version).and_then(|covenant| covenant.signed()).map(SignedCovenant::to_json);
        let text = text.ok_or_else(|| internal("writing a covenant"))?;
        let code = if standing == Standing::InForce { EventCode::CovenantActivated } else { EventCode::CovenantSigned };
        let mut draft = self.document(caller, Kind::Covenant, &format!("{id}/{version}"), text, code).await?;
        draft.commit.replay = once;
        self.commit_shared(draft, &held, Held { book: Some(book), ..held.as_ref().clone() }).await?;
        Ok(true)
    }

    async fn judge_party_record(&self, caller: &Caller, bytes: &[u8], once: Option<Replay>) -> Result<bool, Stop> {
        let held = self.held().await?;
        let (mut records, now) = (held.records.clone(), self.now());
        let signed = SignedPartyRecord::from_json(bytes)?;
        let org = signed.record.org.clone();
        let keys = held.book.as_ref().map(|book| book.root_keys(&org, now)).unwrap_or_default();
        if accept_under(&mut records, &signed, &keys, now)? != Accepted::Newer {
            return Ok(false);
        }
        let mut draft = self.document(caller, Kind::PartyRecord, org.as_str(), signed.to_json(), EventCode::PartyRecordAccepted).await?;
        draft.commit.replay = once;
        for (days, at) in signed.record.alarms().into_iter().filter(|(_, at)| *at > now) {
            let action = Action::RecordExpires { org: org.clone(), number: signed.record.number, days };
            draft.timer(format!("party-record/{org}/{days}"), at, &action);
        }
        self.commit_shared(draft, &held, Held { records, ..held.as_ref().clone() }).await?;
        Ok(true)
    }

    /// A draft that keeps a document, logs it and tells of it.
    async fn document(&self, caller: &Caller, kind: Kind, id: &str, text: String, code: EventCode) -> Result<Draft<'_>, Stop> {
        let mut draft = Draft::new(self);
        draft.put_clear(kind, id, self.version(kind, id).await?, true, text);
        let (object, resource, event) = match kind {
            Kind::Covenant => ("covenant", format!("covenants/{id}"), "covenant.installed"),
            _ => ("party-record", format!("organizations/{id}"), "party-record.installed"),
        };
        let decision = Decision::allowed(code.code(), code.words(Lang::Nl));
        let peer = caller.roles.contains(&Role::Peer).then(|| Party::from(&caller.organization));
        let by = By { caller, actor: None, second: None };
        self.note(&mut draft, code, by, Object::new(object, "name", id, NO_PROTOCOL), decision, peer);
        draft.event(event, resource, "installed");
        Ok(draft)
    }

    /// Logs that a document was refused; of a peer once a minute for the same one, because peers offer what they hold at every comparison.
    async fn refuse_document(&self, caller: &Caller, paper: Paper<'_>, refusal: Refusal) -> Result<Installed, Refusal> {
        let (code, kind, document) = match paper {
            Paper::Covenant(bundle) => (EventCode::CovenantRefused, "covenant", bundle),
            Paper::PartyRecord(record) => (EventCode::PartyRecordRefused, "party-record", record),
        };
        let (org, hash, now) = (&caller.organization, Hash::sha256(document), self.now());
        if caller.roles.contains(&Role::Peer) && self.refusals.was_logged(org, hash, now).is_some() {
            return Err(refusal);
        }
        let logged = self
            .again_and_again(|| async {
                let mut draft = Draft::new(self);
                let object = Object::new(kind, "name", "offered", NO_PROTOCOL);
                let decision = Decision::denied(refusal.reason.code(), refusal.sentence(Lang::Nl));
                let peer = caller.roles.contains(&Role::Peer).then(|| Party::from(&caller.organization));
                self.note(&mut draft, code, By { caller, actor: None, second: None }, object, decision, peer);
                let leaf = draft.leaf()?;
                draft.commit().await.map(|_| leaf)
            })
            .await;
        let leaf = logged.map_err(|_| Refusal::new(Stage::Store, Reason::AuditUnavailable))?;
        self.refusals.logged(org, hash, now, leaf);
        Err(refusal)
    }

    /// Fired some days before a party record expires; silent when a newer record took its place.
    pub(super) fn record_expires(&self, draft: &mut Draft<'_>, org: &OrgId, number: u64, days: u16) {
        let held = self.parts.agreements.held();
        if held.records.newest(org).is_some_and(|record| record.number == number) {
            draft.event("party-record.expiring", format!("organizations/{org}"), &format!("{days} days"));
        }
    }
}

fn accept_under(
    records: &mut RecordBook,
    signed: &SignedPartyRecord,
    keys: &[PublicKey],
    now: jiff::Timestamp,
) -> Result<Accepted, Refusal> {
    let mut last = Refusal::new(Stage::Peer, Reason::UnknownPeer).because(format!("no covenant in force names {}", signed.record.org));
    for key in keys {
        match records.accept(signed.clone(), &signed.record.org, key, now) {
            Ok(accepted) => return Ok(accepted),
            Err(refusal) => last = refusal,
        }
    }
    Err(last)
}

/// Party records as stored; one that no longer verifies under any root key of its party is left out, and its party is unknown.
fn restored(book: &Book, stored: &[Record]) -> RecordBook {
    let mut records = RecordBook::new();
    for record in stored {
        let Ok(signed) = SignedPartyRecord::from_json(record.clear.as_bytes()) else {
            tracing::error!(record = %record.id, "a stored party record cannot be read and does not count");
            continue;
        };
        let keys: Vec<PublicKey> =
            book.iter().filter_map(|(_, _, covenant)| covenant.in_force()?.party(&signed.record.org)?.root_key).collect();
        if !keys.iter().any(|key| records.restore(signed.clone(), key).is_ok()) {
            tracing::error!(record = %record.id, "a stored party record does not verify and does not count");
        }
    }
    records
}

async fn all(store: &dyn Store, kind: Kind) -> Result<Vec<Record>, crate::store::StoreError> {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let after = records.last().map(|record| record.id.clone()).unwrap_or_default();
        let page = store.records(kind, Page { open_only: false, after, limit: crate::store::MAX_ROWS }).await?;
        let done = page.len() < crate::store::MAX_ROWS as usize;
        records.extend(page);
        if done {
            return Ok(records);
        }
    }
}
