//! Installs covenants and party records: judged, logged and stored in one commit, and only then in force here.

use schakel_domain::audit::entry::{Decision, NO_PROTOCOL, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::{Act, Caller, Role};
use schakel_domain::covenant::{Book, CovenantId, Installed, SignedCovenant, Standing, Stored};
use schakel_domain::id::{Hash, OrgId};
use schakel_domain::party_record::{Accepted, RecordBook, SignedPartyRecord};
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};
use schakel_domain::signature::PublicKey;

use super::Desk;
use super::clock::Action;
use super::draft::{Draft, store_refusal};
use super::trace::By;
use crate::agreements::Held;
use crate::store::{Expect, Kind, Page, Record, Store};

impl Desk {
    /// Reads back what is held. What no longer holds stays in the book as broken, and denies.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read_agreements(store: &dyn Store, me: &OrgId, our_keys: Vec<PublicKey>) -> Result<Held, Refusal> {
        let failed = |error: &_| store_refusal(error);
        let covenants = all(store, Kind::Covenant).await.map_err(|error| failed(&error))?;
        let stored = covenants.iter().filter_map(|record| {
            let (id, version) = record.id.rsplit_once('/')?;
            Some(Stored { id: id.parse::<CovenantId>().ok()?, version: version.parse().ok()?, bundle: record.clear.as_bytes() })
        });
        let book = Book::load(me.clone(), our_keys, stored);
        let records = all(store, Kind::PartyRecord).await.map_err(|error| failed(&error))?;
        let stops = store.record(Kind::Gateway, super::operate::STOPS).await.map_err(|error| failed(&error))?;
        let stopped = stops.and_then(|record| serde_json::from_str(&record.clear).ok()).unwrap_or_default();
        Ok(Held { records: restored(&book, &records), book: Some(book), stopped })
    }

    /// Takes a covenant bundle in: a new covenant, the next version, or more signatures. True when something was new.
    ///
    /// # Errors
    /// The covenant's own refusal: older, altered, forked, not ours. It is logged; nothing changes.
    pub async fn install_covenant(&self, caller: &Caller, bundle: &[u8]) -> Result<bool, Refusal> {
        may_install(caller, Act::InstallCovenant)?;
        let _one_at_a_time = self.agreeing.lock().await;
        let held = self.parts.agreements.held();
        let from_peer = caller.roles.contains(&Role::Peer);
        let mut book = held.book.clone().ok_or_else(|| Refusal::new(Stage::Covenant, Reason::CovenantMissing))?;
        let judged = SignedCovenant::from_json(bundle).and_then(|signed| {
            let name = (signed.document.id.clone(), signed.document.version);
            let installed = if from_peer { book.install_from(&caller.organization, signed) } else { book.install(signed) };
            installed.map(|installed| (name, installed))
        });
        let ((id, version), standing) = match judged {
            Ok((name, Installed::Changed(standing))) => (name, standing),
            Ok((_, Installed::Unchanged)) => return Ok(false),
            Err(refusal) => return self.refuse_document(caller, EventCode::CovenantRefused, "covenant", bundle, refusal).await,
        };
        let text = book.get(&id, version).and_then(|covenant| covenant.signed()).map(SignedCovenant::to_json).unwrap_or_default();
        let code = if standing == Standing::InForce { EventCode::CovenantActivated } else { EventCode::CovenantSigned };
        let name = format!("{id}/{version}");
        self.keep_document(caller, Kind::Covenant, &name, text, code, "covenant.installed", &[]).await?;
        self.parts.agreements.replace(Held { book: Some(book), ..held.as_ref().clone() });
        Ok(true)
    }

    /// Takes a party record in, when it is newer and signed under its party's root key. True when it was new.
    ///
    /// # Errors
    /// Why it was refused: older, altered, expired, no party of ours. It is logged; nothing changes.
    pub async fn install_party_record(&self, caller: &Caller, bytes: &[u8]) -> Result<bool, Refusal> {
        may_install(caller, Act::InstallPartyRecord)?;
        let _one_at_a_time = self.agreeing.lock().await;
        let held = self.parts.agreements.held();
        let mut records = held.records.clone();
        let now = self.now();
        let keys = |org: &OrgId| held.book.as_ref().map(|book| book.root_keys(org, now)).unwrap_or_default();
        let judged = SignedPartyRecord::from_json(bytes)
            .and_then(|signed| accept_under(&mut records, &signed, &keys(&signed.record.org), now).map(|what| (signed, what)));
        let signed = match judged {
            Ok((signed, Accepted::Newer)) => signed,
            Ok((_, _)) => return Ok(false),
            Err(refusal) => return self.refuse_document(caller, EventCode::PartyRecordRefused, "party-record", bytes, refusal).await,
        };
        let org = signed.record.org.clone();
        let alarms: Vec<_> = signed.record.alarms().into_iter().filter(|(_, at)| *at > now).collect();
        let timers: Vec<_> = alarms
            .iter()
            .map(|(days, at)| {
                let action = Action::RecordExpires { org: org.clone(), number: signed.record.number, days: *days };
                (format!("party-record/{org}/{days}"), *at, action)
            })
            .collect();
        let code = EventCode::PartyRecordAccepted;
        self.keep_document(caller, Kind::PartyRecord, org.as_str(), signed.to_json(), code, "party-record.installed", &timers).await?;
        self.parts.agreements.replace(Held { records, ..held.as_ref().clone() });
        Ok(true)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one private place where a document becomes a commit; naming a struct for it would say no more"
    )]
    async fn keep_document(
        &self,
        caller: &Caller,
        kind: Kind,
        id: &str,
        text: String,
        code: EventCode,
        event: &str,
        timers: &[(String, jiff::Timestamp, Action)],
    ) -> Result<(), Refusal> {
        self.again_and_again(|| async {
            let mut draft = Draft::new(self);
            let version = self.parts.store.record(kind, id).await?.map_or(0, |record| record.version);
            draft.commit.expect.push(Expect { kind, id: id.to_owned(), version });
            draft.commit.put.push(Record {
                kind,
                id: id.to_owned(),
                version: version + 1,
                parent: None,
                open: true,
                alias: None,
                clear: text.clone(),
                sealed: None,
            });
            for (name, at, action) in timers {
                draft.timer(name.clone(), *at, action);
            }
            let object = Object::new(if kind == Kind::Covenant { "covenant" } else { "party-record" }, "name", id, NO_PROTOCOL);
            let decision = Decision::allowed(code.code(), code.words(Lang::Nl));
            let peer = caller.roles.contains(&Role::Peer).then_some(&caller.organization);
            self.note(&mut draft, code, By { caller, actor: None, second: None }, object, decision, peer)?;
            draft.event(event, format!("{}/{id}", if kind == Kind::Covenant { "covenants" } else { "organizations" }), "installed");
            draft.commit().await.map(drop)
        })
        .await
    }

    /// Logs that a document was refused; the same one of a peer once a minute, for peers offer what they hold at every comparison.
    async fn refuse_document(
        &self,
        caller: &Caller,
        code: EventCode,
        kind: &str,
        document: &[u8],
        refusal: Refusal,
    ) -> Result<bool, Refusal> {
        let (org, hash, now) = (&caller.organization, Hash::sha256(document), self.now());
        let from_peer = caller.roles.contains(&Role::Peer);
        if from_peer && self.refusals.was_logged(org, hash, now) {
            return Err(refusal);
        }
        let logged = self
            .again_and_again(|| async {
                let mut draft = Draft::new(self);
                let object = Object::new(kind, "name", "offered", NO_PROTOCOL);
                let decision = Decision::denied(refusal.reason.code(), refusal.sentence(Lang::Nl));
                let peer = caller.roles.contains(&Role::Peer).then_some(&caller.organization);
                self.note(&mut draft, code, By { caller, actor: None, second: None }, object, decision, peer)?;
                draft.commit().await.map(drop)
            })
            .await;
        logged.map_err(|_| Refusal::new(Stage::Store, Reason::AuditUnavailable))?;
        if from_peer {
            self.refusals.logged(org, hash, now);
        }
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

/// Operators install; peers hand over what proves itself.
fn may_install(caller: &Caller, act: Act) -> Result<(), Refusal> {
    caller.may(if caller.roles.contains(&Role::Peer) { Act::ExchangeDocuments } else { act })
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
