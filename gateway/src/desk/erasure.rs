//! Destroys the file of a case: one person asks, another decides, and nothing brings it back. Neighbours: `domain/erasure.rs` says what
//! stands in the way, `inbound/erasure.rs` takes what peers say.
//!
//! One commit removes the records, the bytes of every message, the salts of the entries and the key, and puts in their place what must be
//! known for ever: that it was erased, when, on what ground and by whom, which peers had part in it, and how far each thread was counted. So
//! whatever comes later, a late message or a repeated request, finds that, and not an empty place in which a case could start.

mod left;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use schakel_domain::audit::entry::{Decision, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::{Act, Caller};
use schakel_domain::command::{CareAct, Seen, Write};
use schakel_domain::covenant::CovenantRef;
use schakel_domain::erasure::{CASE_YEARS, Ground, MAX_HOLD_YEARS, Standing};
use schakel_domain::id::{CaseId, ClientKeyId, OrgId};
use schakel_domain::message::Body;
use schakel_domain::person::{Actor, PersonId};
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};
use schakel_domain::view::ErasureWishes;
use serde::{Deserialize, Serialize};

pub use self::left::ErasureRecord;
use self::left::PeerLeft;
use super::Desk;
use super::case::case_name;
use super::consultation::consultation_name;
use super::draft::{Draft, Envelope, Stop, internal};
use super::read::handover_name;
use super::record::{CaseNote, CaseRecord, ConsultationRecord, Doc, HandoverRecord, Links};
use super::trace::{By, Rule};
use crate::store::{Erase, Expect, Kind, MAX_ROWS, OutboxRow, OutboxState};

/// Handovers and consultations of which it stays known that they were erased; those beyond answer that there is none.
const MAX_MARKED: usize = 200;
/// Messages that wait when a case is erased and are taken back in the same commit.
const MAX_WAITING: usize = 64;

/// Who wants a case erased, and who holds it. Part of what is sealed, and erased with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Wishes {
    /// Somebody here asked for it.
    asked: Option<Asked>,
    /// Held until.
    held_until: Option<Timestamp>,
    /// Organisations that erased theirs and ask it here.
    peers: BTreeMap<OrgId, PeerWish>,
}

/// A request to erase.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    at: Timestamp,
    ground: Ground,
    by: Actor,
    /// The login by which it was asked.
    login: Option<PersonId>,
    reason: String,
}

schakel_domain::shows_its_name!(Asked);

/// A peer's request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PeerWish {
    at: Timestamp,
    ground: Ground,
    declined: Option<Timestamp>,
}

impl Wishes {
    /// As it is shown.
    pub(super) fn view(&self) -> ErasureWishes {
        ErasureWishes {
            asked: self.asked.as_ref().map(|asked| (asked.at, asked.ground, asked.by.person.clone())),
            held_until: self.held_until,
            peers: self.peers.iter().map(|(org, wish)| (org.clone(), wish.at, wish.ground, wish.declined)).collect(),
        }
    }

    /// A peer erased its file and asks it here.
    pub(super) fn peer_asks(&mut self, peer: &OrgId, at: Timestamp, ground: Ground) {
        self.peers.insert(peer.clone(), PeerWish { at, ground, declined: None });
    }
}

/// What belongs to a case, without what is sealed: also what cannot be opened any more can be erased.
struct Parts {
    handovers: Vec<HandoverRecord>,
    consultations: Vec<ConsultationRecord>,
    /// Questions without a name that were continued by name in this case, so about the same person: their ids, versions and records.
    continued: BTreeMap<String, (u64, ConsultationRecord)>,
}

impl Parts {
    /// Under which agreement something was last said with a peer, by clause.
    fn ground_with(&self, peer: &OrgId) -> Option<(CovenantRef, String)> {
        let handover = self.handovers.iter().rev().find(|record| [&record.from, &record.to].contains(&peer)).map(|record| &record.ground);
        let asked = |record: &&ConsultationRecord| record.from == *peer || record.candidates.contains_key(peer);
        let consultation = || self.consultations.iter().rev().find(asked).map(|record| &record.ground);
        handover.or_else(consultation).map(|ground| (ground.covenant.clone(), ground.clause.clone()))
    }

    /// When anything of it last happened.
    fn last_change(&self) -> Option<Timestamp> {
        let facts = |facts: &super::record::FactTimes| {
            [facts.sent, facts.delivered, facts.seen, facts.accepted, facts.transferred, facts.received].into_iter().flatten().max()
        };
        let handovers = self.handovers.iter().filter_map(|record| facts(&record.facts));
        let asked = self.consultations.iter().map(|record| record.seen.map_or(record.asked, |seen| seen.max(record.asked)));
        let answered = self.consultations.iter().flat_map(|record| record.candidates.values()).filter_map(|one| facts(&one.facts));
        handovers.chain(asked).chain(answered).max()
    }
}

impl Desk {
    pub(super) async fn erasure_act(&self, caller: &Caller, write: &Write<CareAct>, draft: &mut Draft<'_>) -> Result<String, Stop> {
        match &write.act {
            CareAct::AskErasure { case, ground, reason } => {
                let asked =
                    Asked { at: draft.now, ground: *ground, by: write.actor.clone(), login: caller.person.clone(), reason: reason.clone() };
                self.ask_erasure(caller, *case, asked, draft).await
            }
            CareAct::KeepCase { case, until, reason } => self.keep_case(caller, &write.actor, *case, *until, reason, draft).await,
            CareAct::EraseCase { case } => self.erase_case(caller, &write.actor, *case, draft).await,
            _ => Err(internal("sorting an act of erasure")),
        }
    }

    async fn ask_erasure(&self, caller: &Caller, seen: Seen<CaseId>, asked: Asked, draft: &mut Draft<'_>) -> Result<String, Stop> {
        let mut doc = self.seen_case(seen).await?;
        let parts = self.parts_of(&doc).await?;
        self.standing(&doc, &parts).may_erase(asked.ground, draft.now)?;
        let by = By { caller, actor: Some(&asked.by), second: None };
        self.trace(draft, EventCode::ErasureAsked, by, self.about_case(&doc), Rule::Roles(Act::AskErasure), None).await?;
        doc.sealed.erasure.asked = Some(asked.clone());
        // No change of the file: it must not be kept longer for it.
        doc.clear.revision += 1;
        draft.put(&doc).await?;
        draft.event("case.erasure-asked", case_name(seen.id), "asked");
        Ok(case_name(seen.id))
    }

    /// Says no to everybody who wants it erased, and holds it or not.
    async fn keep_case(
        &self,
        caller: &Caller,
        actor: &Actor,
        seen: Seen<CaseId>,
        until: Option<Timestamp>,
        reason: &str,
        draft: &mut Draft<'_>,
    ) -> Result<String, Stop> {
        let mut doc = self.seen_case(seen).await?;
        let furthest = draft.now + SignedDuration::from_hours(24 * 365 * MAX_HOLD_YEARS);
        if until.is_some_and(|until| until <= draft.now || until > furthest) {
            return Err(Refusal::field("hold_until_time", format!("expected a moment within {MAX_HOLD_YEARS} years from now")).into());
        }
        let wishes = &mut doc.sealed.erasure;
        let waiting: Vec<OrgId> = wishes.peers.iter().filter(|(_, wish)| wish.declined.is_none()).map(|(org, _)| org.clone()).collect();
        if wishes.asked.is_none() && waiting.is_empty() && wishes.held_until == until {
            return Err(Refusal::new(Stage::State, Reason::ErasureNotAsked).into());
        }
        wishes.asked = None;
        wishes.held_until = until;
        for wish in wishes.peers.values_mut().filter(|wish| wish.declined.is_none()) {
            wish.declined = Some(draft.now);
        }
        doc.sealed.note(CaseNote::by_one("kept", draft.now, actor, reason))?;
        doc.clear.revision += 1;
        let by = By { caller, actor: Some(actor), second: None };
        self.trace(draft, EventCode::CaseKept, by, self.about_case(&doc), Rule::Roles(Act::KeepCase), None).await?;
        let parts = self.parts_of(&doc).await?;
        let told: Vec<(OrgId, (CovenantRef, String))> =
            waiting.into_iter().filter_map(|org| parts.ground_with(&org).map(|ground| (org, ground))).collect();
        let mut letters = draft.announce(told.iter().map(|(org, _)| org))?;
        for (org, (covenant, clause)) in &told {
            let (thread, key) = (doc.id.clone(), doc.clear.key);
            let envelope = Envelope { thread: &thread, key, covenant, clause, subject: (Kind::Case, &thread) };
            draft.send(&mut doc.clear.links, letters.next(org)?, envelope, Body::DeclineErasure { until }).await?;
        }
        draft.put(&doc).await?;
        draft.event("case.kept", case_name(seen.id), "kept");
        Ok(case_name(seen.id))
    }

    /// Another person decides: in this one commit everything of it goes.
    async fn erase_case(&self, caller: &Caller, actor: &Actor, seen: Seen<CaseId>, draft: &mut Draft<'_>) -> Result<String, Stop> {
        let mut doc = self.seen_case(seen).await?;
        let asked = doc.sealed.erasure.asked.clone().ok_or_else(|| Refusal::new(Stage::State, Reason::ErasureNotAsked))?;
        let same = asked.by.person == actor.person || (caller.person.is_some() && caller.person == asked.login);
        if same {
            let one = Refusal::new(Stage::Caller, Reason::SecondPersonRequired);
            return Err(one.because("whoever asked for it does not decide it").into());
        }
        let parts = self.parts_of(&doc).await?;
        self.standing(&doc, &parts).may_erase(asked.ground, draft.now)?;
        let from = self.parts.store.log_size().await?;
        self.log_erasure(draft, caller, actor, &asked, &doc);

        let key = draft.new_key()?;
        let mut links = std::mem::take(&mut doc.clear.links);
        let peers = self.tell_peers(draft, &doc.id, &mut links, &parts, (asked.ground, key)).await?;
        let leaf = draft.leaf()?;
        for peer in links.keys() {
            self.take_back(draft, peer, &doc.id, key).await?;
        }
        for (id, (_, anonymous)) in &parts.continued {
            for peer in anonymous.links.keys() {
                self.take_back(draft, peer, id, key).await?;
            }
        }
        self.shred(draft, &doc, &parts, &links, key).await?;
        let left = ErasureRecord {
            case: seen.id,
            at: draft.now,
            ground: asked.ground,
            asked_by: asked.by.person,
            erased_by: actor.person.clone(),
            leaf,
            from,
            key,
            peers,
        };
        draft.put(&Doc { id: doc.id.clone(), version: 0, clear: left, sealed: () }).await?;
        draft.event("case.erased", case_name(seen.id), "erased");
        Ok(format!("{}/erasure", case_name(seen.id)))
    }

    /// The entry says what was erased, on what ground and by whom, and nothing of the client.
    fn log_erasure(&self, draft: &mut Draft<'_>, caller: &Caller, actor: &Actor, asked: &Asked, doc: &Doc<CaseRecord>) {
        let rule = asked.ground.rule();
        let object = Object::new("case", "uuid", doc.id.clone(), rule).at_version(doc.clear.revision.to_string());
        let object = object.about_client("own-case", "not-recorded");
        let decision = Decision::allowed(rule, asked.ground.sentence(Lang::Nl));
        let by = By { caller, actor: Some(actor), second: Some(&asked.by) };
        self.note_case(draft, EventCode::CaseErased, by, object, decision, doc.clear.case);
    }

    /// Everybody who had part in the case hears it, in the case's own thread.
    async fn tell_peers(
        &self,
        draft: &mut Draft<'_>,
        case: &str,
        links: &mut Links,
        parts: &Parts,
        (ground, key): (Ground, ClientKeyId),
    ) -> Result<BTreeMap<OrgId, PeerLeft>, Stop> {
        let mut peers: BTreeMap<OrgId, PeerLeft> =
            links.keys().map(|org| (org.clone(), PeerLeft { agreed: parts.ground_with(org), ..PeerLeft::default() })).collect();
        let told: Vec<OrgId> = peers.iter().filter(|(_, left)| left.agreed.is_some()).map(|(org, _)| org.clone()).collect();
        let mut letters = draft.announce(told.iter())?;
        for org in &told {
            let Some((covenant, clause)) = peers.get_mut(org).and_then(|left| left.agreed.clone()) else { continue };
            let envelope = Envelope { thread: case, key, covenant: &covenant, clause: &clause, subject: (Kind::Erasure, case) };
            draft.send(links, letters.next(org)?, envelope, Body::RequestErasure { ground }).await?;
        }
        Ok(peers)
    }

    /// What still waits to be sent goes no more: a void takes its place, so that the receiver can go on counting.
    async fn take_back(&self, draft: &mut Draft<'_>, peer: &OrgId, thread: &str, key: ClientKeyId) -> Result<(), Stop> {
        for row in self.waiting_in(peer, thread).await? {
            self.void_instead(draft, &row).await?;
            // It was sealed under the key that goes.
            if let Some(void) = draft.commit.send.last_mut() {
                let bytes = self.unseal(&void.sealed).await?;
                void.sealed = self.seal(key, &bytes).await?;
                void.subject = (Kind::Erasure, thread.to_owned());
            }
        }
        Ok(())
    }

    async fn waiting_in(&self, peer: &OrgId, thread: &str) -> Result<Vec<OutboxRow>, Stop> {
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let rows = self.parts.store.outbox(peer, OutboxState::Waiting, after, MAX_ROWS).await?;
            let Some(last) = rows.last() else { return Ok(found) };
            after = last.number;
            found.extend(rows.into_iter().filter(|row| row.message.thread == thread));
            if found.len() > MAX_WAITING {
                let many = Refusal::new(Stage::State, Reason::ErasureBarred);
                return Err(many.because(format!("more than {MAX_WAITING} messages to {peer} wait to be sent")).into());
            }
        }
    }

    /// What goes, and the counters that stay.
    async fn shred(
        &self,
        draft: &mut Draft<'_>,
        doc: &Doc<CaseRecord>,
        parts: &Parts,
        links: &Links,
        key: ClientKeyId,
    ) -> Result<(), Stop> {
        let case = doc.clear.case;
        draft.commit.expect.push(Expect { kind: Kind::Case, id: doc.id.clone(), version: doc.version });
        let handovers = parts.handovers.iter().map(|record| (Kind::Handover, record.offer.to_string()));
        let consultations = parts.consultations.iter().map(|record| (Kind::Consultation, record.consultation.to_string()));
        let of_case: Vec<(Kind, String)> = handovers.chain(consultations).collect();
        let outcomes = parts.handovers.iter().map(handover_name);
        let outcomes = outcomes.chain(parts.consultations.iter().map(|record| consultation_name(record.consultation)));
        let outcomes = outcomes.chain([case_name(case)]).collect();
        self.count_on_all(draft, &doc.id, links, key).await?;
        let mut marked: BTreeSet<String> = of_case.iter().map(|(_, id)| id.clone()).collect();
        let records = of_case.into_iter().chain([(Kind::Case, doc.id.clone())]).collect();
        draft.commit.erase.push(Erase { key: doc.clear.key, records, thread: doc.id.clone(), outcomes });

        for (id, (version, anonymous)) in &parts.continued {
            draft.commit.expect.push(Expect { kind: Kind::Consultation, id: id.clone(), version: *version });
            self.count_on_all(draft, id, &anonymous.links, key).await?;
            marked.insert(id.clone());
            let (records, outcomes) = (vec![(Kind::Consultation, id.clone())], vec![consultation_name(anonymous.consultation)]);
            draft.commit.erase.push(Erase { key: anonymous.key, records, thread: id.clone(), outcomes });
        }
        let continued = parts.continued.values().map(|(_, anonymous)| anonymous);
        for record in parts.consultations.iter().chain(continued).take(MAX_MARKED) {
            // Own systems forget what they were told of it.
            draft.event("consultation.erased", consultation_name(record.consultation), "erased");
        }
        for id in marked.iter().take(MAX_MARKED) {
            left::mark(draft, id, case)?;
        }
        Ok(())
    }

    async fn count_on_all(&self, draft: &mut Draft<'_>, thread: &str, links: &Links, key: ClientKeyId) -> Result<(), Stop> {
        for (peer, link) in links {
            self.count_on(draft, peer, thread, *link, key).await?;
        }
        Ok(())
    }

    async fn parts_of(&self, doc: &Doc<CaseRecord>) -> Result<Parts, Stop> {
        let unreadable = |_| internal("reading a record");
        let handovers = self.parts.store.children(Kind::Handover, &doc.id).await?;
        let consultations = self.parts.store.children(Kind::Consultation, &doc.id).await?;
        if handovers.len().max(consultations.len()) >= MAX_ROWS as usize {
            return Err(Refusal::new(Stage::State, Reason::QuotaExceeded).because("handovers and consultations of one case").into());
        }
        let read = handovers.iter().map(|record| serde_json::from_str(&record.clear).map_err(unreadable));
        let handovers = read.collect::<Result<_, _>>()?;
        let read = consultations.iter().map(|record| serde_json::from_str(&record.clear).map_err(unreadable));
        let consultations = read.collect::<Result<Vec<_>, _>>()?;
        let continued = self.continued(&consultations).await?;
        Ok(Parts { handovers, consultations, continued })
    }

    /// What a question continues is a claim of whoever asked it. Only what can be true is followed: a question without a name, between the
    /// same two, in the same direction. Anything else has a client key of its own case, and that case decides about it.
    async fn continued(&self, asked: &[ConsultationRecord]) -> Result<BTreeMap<String, (u64, ConsultationRecord)>, Stop> {
        let mut found = BTreeMap::new();
        for named in asked {
            let Some(id) = named.continues else { continue };
            let Some(record) = self.parts.store.record(Kind::Consultation, &id.to_string()).await? else { continue };
            let anonymous: ConsultationRecord = serde_json::from_str(&record.clear).map_err(|_| internal("reading a record"))?;
            let is_same = anonymous.case.is_none() && anonymous.side == named.side && anonymous.from == named.from;
            if is_same {
                found.insert(record.id, (record.version, anonymous));
            }
        }
        Ok(found)
    }

    /// What stands in the way, as far as anything does.
    fn standing(&self, doc: &Doc<CaseRecord>, parts: &Parts) -> Standing {
        use super::record::Shape;
        Standing {
            case_open: doc.clear.open(),
            handover_open: parts.handovers.iter().any(|record| record.open),
            consultation_open: parts
                .consultations
                .iter()
                .chain(parts.continued.values().map(|(_, record)| record))
                .any(|record| record.open),
            held_until: doc.sealed.erasure.held_until,
            last_change: parts.last_change().map_or(doc.clear.changed, |last| last.max(doc.clear.changed)),
            case_years: self.case_years(),
        }
    }

    /// The longest time that any covenant held here names: nobody can tell afterwards by which of them a file was kept.
    fn case_years(&self) -> u8 {
        let held = self.parts.agreements.held();
        let documents = held.book.iter().flat_map(|book| book.iter()).filter_map(|(_, _, covenant)| covenant.binding().ok());
        documents.map(|document| document.retention.case_years).max().unwrap_or(CASE_YEARS)
    }
}
