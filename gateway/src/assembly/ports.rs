//! Joins the desk to the link: each side names what it needs as a trait of its own, and here the desk and the agreements answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::future::BoxFuture;
use schakel_domain::caller::Caller;
use schakel_domain::covenant::{Book, Document as CovenantText, SignedCovenant, Standing};
use schakel_domain::id::{Hash, OrgId};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::signature::SecretKey;

use crate::agreements::Agreements;
use crate::courier::{self, Courier};
use crate::desk::{self, Delivery, Desk, Receipt, Source};
use crate::doors::federation::{Highest, Receive};
use crate::peers::agreements as shown;
use crate::peers::{Directory, Peer, Signer};
use crate::store::OutboxRow;

/// What the link knows of peers: every party of a covenant that was ever in force, by its newest record. Whether something new may
/// start is the desk's to say; what is open always flows.
#[derive(Debug)]
pub(super) struct Parties {
    /// Covenants and party records.
    pub agreements: Arc<Agreements>,
    /// The clock.
    pub source: Arc<dyn Source>,
    /// Our organisation.
    pub me: OrgId,
}

impl Directory for Parties {
    fn peer(&self, org: &OrgId) -> Result<Peer, Refusal> {
        let held = self.agreements.held();
        let unknown = || Refusal::new(Stage::Peer, Reason::UnknownPeer);
        let named = texts(held.book.as_ref()).any(|text| text.party(org).is_some());
        let record = held.records.newest(org).filter(|_| named && *org != self.me).ok_or_else(unknown)?;
        let now = self.source.now();
        let counts = |key: &&schakel_domain::party_record::SigningKey| key.valid_at(now) || record.expires <= now;
        Ok(Peer {
            endpoint: record.endpoint.as_str().to_owned(),
            spki: record.tls.spki_sha256.clone(),
            keys: record.signing_keys.iter().filter(counts).map(|key| (key.kid(), key.key.0)).collect::<BTreeMap<_, _>>(),
            stopped: held.stopped.get(org).cloned(),
        })
    }

    fn peers(&self) -> Vec<OrgId> {
        let held = self.agreements.held();
        let named: BTreeSet<OrgId> = texts(held.book.as_ref()).flat_map(|text| &text.parties).map(|party| party.id.clone()).collect();
        named.into_iter().filter(|org| self.peer(org).is_ok()).collect()
    }
}

/// The text of every covenant version that all its parties signed, whether it applies now or has ended.
fn texts(book: Option<&Book>) -> impl Iterator<Item = &CovenantText> {
    let signed = book.into_iter().flat_map(Book::iter).filter(|(_, _, covenant)| *covenant.standing() == Standing::InForce);
    signed.filter_map(|(_, _, covenant)| covenant.signed()).map(|signed| &signed.document)
}

/// Our signing key, and the agreements that know our earlier ones.
pub(super) struct OrgSigner {
    /// The key we sign with.
    pub key: SecretKey,
    /// Where our party record is.
    pub agreements: Arc<Agreements>,
    /// Our organisation.
    pub me: OrgId,
}

impl Signer for OrgSigner {
    fn key_id(&self) -> String {
        self.key.public().key_id()
    }

    fn sign(&self, statement: &[u8]) -> Vec<u8> {
        self.key.sign(statement)
    }

    fn own_key(&self, key_id: &str) -> Option<[u8; 32]> {
        let held = self.agreements.held();
        let recorded = held.records.newest(&self.me).into_iter().flat_map(|record| &record.signing_keys).map(|key| key.key);
        recorded.chain([self.key.public()]).find(|key| key.key_id() == key_id).map(|key| key.0)
    }
}

/// The desk, as the link sees it.
#[derive(Debug)]
pub(super) struct DeskPort {
    /// The desk.
    pub desk: Arc<Desk>,
    /// The courier, once it exists: an inbound call of a peer proves that it can be reached.
    pub courier: OnceLock<Arc<Courier>>,
    /// The minute in which the refusal of a peer was logged last: one entry a minute, so that a peer cannot fill the log.
    pub refused: Mutex<BTreeMap<OrgId, i64>>,
}

impl Receive for DeskPort {
    fn receive<'a>(&'a self, caller: &'a Caller, deliveries: Vec<Delivery>) -> BoxFuture<'a, Vec<Receipt>> {
        Box::pin(self.desk.receive(caller, deliveries))
    }

    fn poison<'a>(&'a self, caller: &'a Caller, delivery: Delivery) -> BoxFuture<'a, Receipt> {
        Box::pin(async move { self.desk.poison(caller, &delivery).await })
    }

    fn highest<'a>(&'a self, peer: &'a OrgId) -> BoxFuture<'a, Result<Option<Highest>, Refusal>> {
        Box::pin(async move {
            let newest = self.desk.store().newest_received(peer).await;
            let newest = newest.map_err(|_| Refusal::new(Stage::Store, Reason::StoreUnavailable))?;
            Ok(newest.map(|row| Highest { number: row.number, proof: row.proof }))
        })
    }

    fn refused<'a>(&'a self, caller: &'a Caller, refusal: &'a Refusal) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if self.said_this_minute(&caller.organization) {
                return;
            }
            if let Err(unlogged) = self.desk.refused(caller, schakel_domain::caller::Act::Receive, refusal).await {
                tracing::error!(refusal = %unlogged, "the refusal of a peer could not be logged");
            }
        })
    }
}

impl courier::Unseal for DeskPort {
    fn open<'a>(&'a self, row: &'a OutboxRow) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(async move { self.desk.unseal(&row.message.sealed).await.map_err(|refusal| refusal.to_string()) })
    }
}

impl courier::Outcome for DeskPort {
    fn delivered<'a>(&'a self, peer: &'a OrgId, messages: Vec<courier::Delivered>) -> BoxFuture<'a, Result<(), Refusal>> {
        let messages = messages.into_iter().map(|one| desk::Delivered { number: one.number, proof: one.proof }).collect();
        Box::pin(self.desk.delivered(peer, messages))
    }

    fn parked<'a>(&'a self, peer: &'a OrgId, message: courier::Parked) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move { self.desk.parked(peer, message.number, &message.reason, message.proof).await })
    }

    fn peer_knows_more<'a>(&'a self, peer: &'a OrgId, theirs: u64, ours: u64) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(refusal) = self.desk.knows_more(peer, theirs, ours).await {
                tracing::error!(refusal = %refusal, "recovery mode could not be logged");
            }
        })
    }

    fn peer_knows_less<'a>(&'a self, peer: &'a OrgId, theirs: u64) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(self.desk.knows_less(peer, theirs))
    }

    fn peer_disbelieved<'a>(&'a self, peer: &'a OrgId, theirs: u64, ours: u64) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if self.said_this_minute(peer) {
                return;
            }
            if let Err(refusal) = self.desk.disbelieved(peer, theirs, ours).await {
                tracing::error!(refusal = %refusal, "the false claim of a peer could not be logged");
            }
        })
    }
}

impl shown::Agreements for DeskPort {
    fn held<'a>(&'a self, peer: &'a OrgId) -> BoxFuture<'a, Result<shown::Held, Refusal>> {
        Box::pin(async move {
            let held = self.desk.agreements().held();
            let covenants = visible(held.book.as_ref(), peer).take(shown::MAX_HELD).map(|signed| shown::HeldCovenant {
                id: signed.document.id.to_string(),
                version: signed.document.version,
                hash: signed.document.hash(),
                bundle: Hash::sha256(signed.to_json().as_bytes()),
            });
            let known = self.sharing(peer);
            let records = held.records.iter().filter(|signed| known.contains(&signed.record.org)).take(shown::MAX_HELD);
            let records =
                records.map(|signed| shown::HeldRecord { org: signed.record.org.clone(), number: signed.record.number }).collect();
            Ok(shown::Held { covenants: covenants.collect(), records })
        })
    }

    fn covenant<'a>(&'a self, peer: &'a OrgId, id: &'a str, version: u32) -> BoxFuture<'a, Result<Vec<u8>, Refusal>> {
        Box::pin(async move {
            let held = self.desk.agreements().held();
            let mut found = visible(held.book.as_ref(), peer);
            let found = found.find(|signed| signed.document.id.as_str() == id && signed.document.version == version);
            found.map(|signed| signed.to_json().into_bytes()).ok_or_else(|| Refusal::new(Stage::State, Reason::NotFound))
        })
    }

    fn party_record<'a>(&'a self, peer: &'a OrgId, org: &'a OrgId) -> BoxFuture<'a, Result<Vec<u8>, Refusal>> {
        Box::pin(async move {
            let held = self.desk.agreements().held();
            let signed = held.records.signed(org).filter(|_| self.sharing(peer).contains(org));
            signed.map(|signed| signed.to_json().into_bytes()).ok_or_else(|| Refusal::new(Stage::State, Reason::NotFound))
        })
    }

    fn offered<'a>(&'a self, caller: &'a Caller, document: shown::Document) -> BoxFuture<'a, Result<bool, Refusal>> {
        Box::pin(async move {
            let before = self.desk.agreements().parties(self.desk.now());
            let new = match document {
                shown::Document::Covenant(bundle) => self.desk.install_covenant(caller, &bundle).await?,
                shown::Document::PartyRecord(record) => self.desk.install_party_record(caller, &record).await?,
            };
            if new && let Some(courier) = self.courier.get() {
                // What is new here may be new to others too; and a new record may open a way that was closed.
                before.iter().filter(|org| **org != caller.organization).for_each(|org| courier.sync(org));
                courier.wake(&self.desk.agreements().parties(self.desk.now()));
            }
            Ok(new)
        })
    }
}

impl DeskPort {
    fn said_this_minute(&self, org: &OrgId) -> bool {
        let minute = self.desk.now().as_second() / 60;
        let mut said = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, last| *last == minute);
        said.insert(org.clone(), minute).is_some()
    }

    /// Organisations with which a peer shares a covenant that we hold.
    fn sharing(&self, peer: &OrgId) -> BTreeSet<OrgId> {
        let held = self.desk.agreements().held();
        visible(held.book.as_ref(), peer).flat_map(|signed| &signed.document.parties).map(|party| party.id.clone()).collect()
    }
}

/// Covenants of which a peer is a party.
fn visible<'a>(book: Option<&'a Book>, peer: &'a OrgId) -> impl Iterator<Item = &'a SignedCovenant> {
    let signed = book.into_iter().flat_map(Book::iter).filter_map(|(_, _, covenant)| covenant.signed());
    signed.filter(move |signed| signed.document.party(peer).is_some())
}
