//! Handovers: what people do with offers, and how a step of the custody protocol becomes messages, facts, events and timers.

use std::collections::BTreeSet;

use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::Caller;
use schakel_domain::command::{CareAct, Offer, Seen, Write};
use schakel_domain::covenant::{Act as Granted, Grant};
use schakel_domain::custody::{self, Fact, Input, Message as Said, Outcome};
use schakel_domain::dossier::Dossier;
use schakel_domain::field::Field;
use schakel_domain::id::{Hash, OfferId, OrgId};
use schakel_domain::message::{Body, ProposeBody};
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};

use super::case::{not_lead, unchanged};
use super::clock::{Action, respond_timer, token_timer, transfer_alarm, transfer_timer};
use super::draft::{Draft, Envelope, Stop, internal};
use super::read::handover_name;
use super::record::{CallNote, CaseNote, CaseRecord, ConsultationRecord, Doc, FactTimes, Ground, HandoverRecord, HandoverSealed, Side};
use super::trace::{By, Party, Rule};
use super::{Desk, views};
use crate::agreements::Wish;
use crate::store::Kind;

/// A step of the custody protocol with the gateway's own ids.
pub(super) type CustodyStep = custody::Step<OrgId, OfferId, Hash>;

impl Desk {
    pub(super) async fn handover_act(&self, caller: &Caller, write: &Write<CareAct>, draft: &mut Draft<'_>) -> Result<String, Stop> {
        let by = By { caller, actor: Some(&write.actor), second: None };
        match &write.act {
            CareAct::Offer(offer) => self.offer(by, &write.actor, offer, draft).await,
            CareAct::AcceptHandover { handover, read_back, first_action, first_action_at } => {
                let (mut case, mut doc) = self.seen_handover(*handover).await?;
                if read_back.len() != doc.clear.key_points as usize || read_back.iter().any(|words| words.trim().is_empty()) {
                    let missing = Refusal { field: Some("read_back".to_owned()), ..Refusal::new(Stage::State, Reason::ReadBackIncomplete) };
                    return Err(missing.because(format!("{} key points to read back", doc.clear.key_points)).into());
                }
                doc.sealed.accepted_by = Some(write.actor.clone());
                doc.sealed.read_back.clone_from(read_back);
                doc.sealed.first_action.clone_from(first_action);
                doc.sealed.first_action_at = *first_action_at;
                draft.commit.from_reserve = true;
                let input = Input::StaffAccept { offer: handover.id };
                self.act_on(draft, by, EventCode::HandoverAccepted, &mut case, &mut doc, input).await
            }
            CareAct::DeclineHandover { handover, code, note } => {
                let (mut case, mut doc) = self.seen_handover(*handover).await?;
                doc.sealed.note.clone_from(note);
                let input = Input::StaffDecline { offer: handover.id, code: *code };
                self.act_on(draft, by, EventCode::HandoverDeclined, &mut case, &mut doc, input).await
            }
            CareAct::WithdrawHandover { handover, reason } => {
                let (mut case, mut doc) = self.seen_handover(*handover).await?;
                doc.sealed.note.clone_from(reason);
                let input = Input::Withdraw { offer: handover.id };
                self.act_on(draft, by, EventCode::HandoverWithdrawn, &mut case, &mut doc, input).await
            }
            CareAct::ReleasePledge { handover, code, people } => {
                let (mut case, mut doc) = self.seen_handover(*handover).await?;
                doc.sealed.note.clone_from(&people.reason);
                case.sealed.note(CaseNote::by_two("released", draft.now, people))?;
                let input = Input::ReleasePledge { offer: handover.id, code: *code };
                let by = By { actor: Some(&people.first), second: Some(&people.second), ..by };
                self.act_on(draft, by, EventCode::HandoverDeclined, &mut case, &mut doc, input).await
            }
            _ => Err(internal("sorting a handover act")),
        }
    }

    /// One act of our own people on an existing offer.
    pub(super) async fn act_on(
        &self,
        draft: &mut Draft<'_>,
        by: By<'_>,
        code: EventCode,
        case: &mut Doc<CaseRecord>,
        doc: &mut Doc<HandoverRecord>,
        input: Input<OrgId, OfferId, Hash>,
    ) -> Result<String, Stop> {
        let step = self.step_custody(case, input)?;
        doc.clear.revision += 1;
        let about = self.about_handover(doc, case);
        let peer = if doc.clear.side == Side::Sender { doc.clear.to.clone() } else { doc.clear.from.clone() };
        let ground = doc.clear.ground.clone();
        self.trace(draft, code, by, about, Rule::Covenant(&ground), Some(Party::from(&peer))).await?;
        self.carry_out(draft, case, doc, step).await?;
        draft.put(case).await?;
        draft.put(doc).await?;
        Ok(handover_name(&doc.clear))
    }

    async fn offer(&self, by: By<'_>, actor: &Actor, offer: &Offer, draft: &mut Draft<'_>) -> Result<String, Stop> {
        let mut case = self.seen_case(offer.case).await?;
        if case.clear.custody.lead().is_none() {
            return Err(not_lead(&case.clear));
        }
        let today = draft.now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let mut dossier = case.sealed.dossier.clone();
        dossier.age = dossier.age_on(today);
        if let Some(consultation) = offer.consultation {
            let asked: Doc<ConsultationRecord> = self.find(&consultation.to_string()).await?;
            may_grow_out_of(&asked.clear, &case.clear)?;
        }
        let (to, grant, is_return) = self.receiver(&case, offer, &dossier, draft.now).await?;
        self.parts.agreements.may_start(&to, draft.now)?;
        self.parts.agreements.may_offer(&grant.covenant)?;
        let travels = schakel_domain::dossier::trim(&dossier, &grant.mask.fields, &grant.mask.protected, &offer.needed);
        let package = crate::wire::dossier::encode_dossier(&travels);
        let content = Hash::sha256(&package);
        let id = OfferId::new(self.parts.ids.uuid(draft.now));
        let step = self.step_custody(&mut case, Input::Propose { offer: id, to: to.clone(), content })?;
        let target = grant.response_target.unwrap_or_else(|| jiff::SignedDuration::from_hours(24));
        let mut doc = Doc {
            id: id.to_string(),
            version: 0,
            clear: HandoverRecord {
                offer: id,
                revision: 1,
                case: case.clear.case,
                key: case.clear.key,
                side: Side::Sender,
                from: self.parts.me.clone(),
                to: to.clone(),
                service: offer.service.clone(),
                urgency: offer.urgency.clone(),
                ground: self.ground(&grant),
                respond_by: draft.now + target,
                content,
                facts: FactTimes { sent: Some(draft.now), ..FactTimes::default() },
                open: true,
                decline: None,
                is_return,
                hops: case.clear.hops,
                consultation: offer.consultation,
                call_back: self.own_telephone(),
                key_points: u32::try_from(travels.key_points.len()).unwrap_or_default(),
                accept: None,
                transfers: Vec::new(),
            },
            sealed: HandoverSealed { package, offered_by: Some(actor.clone()), ..HandoverSealed::default() },
        };
        case.clear.handovers.push(id);
        case.clear.touch(draft.now);
        let about = self.about_handover(&doc, &case);
        let ground = doc.clear.ground.clone();
        self.trace(draft, EventCode::HandoverOffered, by, about, Rule::Covenant(&ground), Some(Party::from(&to))).await?;
        self.carry_out(draft, &mut case, &mut doc, step).await?;
        draft.timer(respond_timer(id), doc.clear.respond_by, &Action::HandoverUnanswered { offer: id });
        draft.put(&case).await?;
        draft.put(&doc).await?;
        Ok(handover_name(&doc.clear))
    }

    /// Who receives, under which clause. A case may always be offered back to an organisation that led it, under the clause by which
    /// it came: the covenant need not say twice that help can be returned.
    async fn receiver(
        &self,
        case: &Doc<CaseRecord>,
        offer: &Offer,
        dossier: &Dossier,
        now: jiff::Timestamp,
    ) -> Result<(OrgId, Grant, bool), Stop> {
        let wish = |to: Option<&OrgId>| Wish {
            from: self.parts.me.clone(),
            to: to.cloned(),
            act: Granted::Handover,
            service: offer.service.clone(),
            age: dossier.age,
            municipality: dossier.identity.municipality.clone(),
            urgency: offer.urgency.clone(),
        };
        let Some(to) = &offer.to else {
            let grant = self.parts.agreements.permits(&wish(None), now)?;
            let returns = case.clear.led_by.contains(&grant.to);
            return Ok((grant.to.clone(), grant, returns));
        };
        let returns = *to != self.parts.me && case.clear.led_by.contains(to);
        match self.parts.agreements.permits(&wish(Some(to)), now) {
            Ok(grant) => Ok((to.clone(), grant, returns)),
            Err(denied) if returns => match self.came_by(case, to).await? {
                Some(grant) => Ok((to.clone(), grant, true)),
                None => Err(denied.into()),
            },
            Err(denied) => Err(denied.into()),
        }
    }

    /// The grant by which this case came from `org` to us or went from us to `org`, for a return under the same clause.
    pub(super) async fn came_by(&self, case: &Doc<CaseRecord>, org: &OrgId) -> Result<Option<Grant>, Stop> {
        for offer in case.clear.handovers.iter().rev() {
            let Some(doc) = self.load::<HandoverRecord>(&offer.to_string()).await? else { continue };
            let between = [&doc.clear.from, &doc.clear.to].contains(&org) && doc.clear.facts.received.is_some();
            if !between {
                continue;
            }
            let sent = views::package(&doc.sealed.package)?;
            let wish = Wish {
                from: doc.clear.from.clone(),
                to: Some(doc.clear.to.clone()),
                act: Granted::Handover,
                service: doc.clear.service.clone(),
                age: sent.age,
                municipality: sent.identity.municipality.clone(),
                urgency: doc.clear.urgency.clone(),
            };
            let grant = self.parts.agreements.permits_under(&doc.clear.ground.covenant, &wish, self.now())?;
            return Ok(Some(grant));
        }
        Ok(None)
    }

    /// What the covenant said, kept with the record: it is judged by that to its end.
    pub(super) fn ground(&self, grant: &Grant) -> Ground {
        Ground {
            covenant: grant.covenant.clone(),
            clause: grant.clause.to_string(),
            sentence_nl: grant.sentence(Lang::Nl).to_owned(),
            sentence_en: grant.sentence(Lang::En).to_owned(),
            purpose: grant.purpose.get(Lang::Nl).to_owned(),
            order: grant.candidates.clone(),
            escalation: grant.escalation.as_ref().map(|escalation| self.escalation_note(escalation)),
        }
    }

    /// Whom to call: the clause's own number, else the newest the organisation itself gave.
    fn escalation_note(&self, escalation: &schakel_domain::covenant::Escalation) -> CallNote {
        let newest = self.parts.agreements.call(&escalation.org).filter(|_| !escalation.telephone_of_clause);
        CallNote {
            org: escalation.org.clone(),
            line: escalation.who.get(Lang::Nl).to_owned(),
            telephone: newest.map_or_else(|| escalation.telephone.as_str().to_owned(), |call| call.telephone),
        }
    }

    /// The number under which the other side can call us back.
    pub(super) fn own_telephone(&self) -> String {
        self.parts.agreements.call(&self.parts.me).map(|call| call.telephone).unwrap_or_default()
    }

    /// An offer as the caller read it, with its case.
    async fn seen_handover(&self, seen: Seen<OfferId>) -> Result<(Doc<CaseRecord>, Doc<HandoverRecord>), Stop> {
        let doc: Doc<HandoverRecord> = self.find(&seen.id.to_string()).await?;
        unchanged(seen.version, doc.clear.revision)?;
        let case: Doc<CaseRecord> = self.find(&doc.clear.case.to_string()).await?;
        Ok((case, doc))
    }

    /// Turns a step into messages, facts, events and timers.
    pub(super) async fn carry_out(
        &self,
        draft: &mut Draft<'_>,
        case: &mut Doc<CaseRecord>,
        doc: &mut Doc<HandoverRecord>,
        step: CustodyStep,
    ) -> Result<(), Stop> {
        for fact in step.facts {
            record_fact(draft, case, doc, fact);
        }
        let mut letters = draft.announce(step.send.iter().map(|outgoing| &outgoing.to))?;
        for outgoing in step.send {
            let body = body(&outgoing.message, case, doc)?;
            let transfer = matches!(body, Body::Transfer { .. });
            let envelope = Envelope {
                thread: &case.id,
                key: case.clear.key,
                covenant: &doc.clear.ground.covenant,
                clause: &doc.clear.ground.clause,
                subject: (Kind::Handover, &doc.id),
            };
            let hash = draft.send(&mut case.clear.links, letters.next(&outgoing.to)?, envelope, body).await?;
            if transfer {
                doc.clear.add_transfer(hash)?;
            }
        }
        Ok(())
    }
}

/// What became true, on the record, as an event, as a timer.
fn record_fact(draft: &mut Draft<'_>, case: &mut Doc<CaseRecord>, doc: &mut Doc<HandoverRecord>, fact: Fact<OrgId, OfferId>) {
    let now = draft.now;
    let name = handover_name(&doc.clear);
    let record = &mut doc.clear;
    let ended = |record: &mut HandoverRecord, draft: &mut Draft<'_>| {
        record.open = false;
        draft.clear_timer(respond_timer(record.offer));
        draft.clear_timer(transfer_timer(record.offer));
        draft.clear_timer(token_timer(record.offer));
    };
    match fact {
        Fact::OfferMade(_) => draft.event("handover.offered", name, "offered"),
        Fact::OfferReceived(_) => draft.event("handover.received", name, "offered"),
        Fact::PledgeReserved(_) => {
            pledged(draft, record);
            draft.event("handover.accepted", name, "accepted");
        }
        Fact::OfferDeclined(_, code) | Fact::PledgeReleased(_, code) => {
            record.decline = Some(code);
            ended(record, draft);
            draft.event("handover.declined", name, "declined");
        }
        Fact::InboundWithdrawn(_) => {
            ended(record, draft);
            draft.event("handover.withdrawn", name, "withdrawn");
        }
        Fact::GaveToken(offer, _) => {
            record.facts.accepted.get_or_insert(now);
            record.facts.transferred = Some(now);
            draft.clear_timer(respond_timer(offer));
            let within = transfer_alarm(draft.desk, &record.ground.covenant);
            draft.timer(transfer_timer(offer), now + within, &Action::TransferUnconfirmed { offer, again: 0 });
            draft.event("handover.transferring", name, "transferring");
            case.clear.touch(now);
        }
        Fact::LeftCustody(_) => {
            record.facts.received = Some(now);
            ended(record, draft);
            case.clear.leads(record.to.clone());
            case.clear.hops = record.hops + 1;
            case.clear.touch(now);
            draft.event("handover.completed", name, "completed");
        }
        Fact::OfferClosed(_, outcome) => {
            if let Outcome::Declined(code) = outcome {
                record.decline = Some(code);
            }
            ended(record, draft);
            case.clear.touch(now);
            let word = closed_word(outcome);
            draft.event(&format!("handover.{word}"), name, word);
        }
        Fact::BecameLead(_) => {
            draft.clear_timer(token_timer(record.offer));
            case.clear.touch(now);
            draft.event("case.lead", super::case::case_name(case.clear.case), "lead");
        }
        Fact::OldTokenAcknowledged(_) => {
            record.facts.received = Some(now);
            ended(record, draft);
        }
        Fact::BecameContested(_) => {
            case.clear.touch(now);
            draft.event("case.contested", super::case::case_name(case.clear.case), "contested");
        }
        Fact::LearnedOfReclaim(term) => {
            case.clear.leads(term.org);
            case.clear.touch(now);
        }
        Fact::ContestResolved | Fact::CaseClosed(_) => case.clear.touch(now),
    }
}

/// We accepted; now the sender's transfer is waited for.
fn pledged(draft: &mut Draft<'_>, record: &mut HandoverRecord) {
    record.facts.accepted = Some(draft.now);
    draft.clear_timer(respond_timer(record.offer));
    let alarm = Action::TransferAwaited { offer: record.offer, again: 0 };
    let within = transfer_alarm(draft.desk, &record.ground.covenant);
    draft.timer(token_timer(record.offer), draft.now + within, &alarm);
}

/// How an own offer ended, in the word of events and states.
fn closed_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Withdrawn => "withdrawn",
        Outcome::Declined(_) => "declined",
        Outcome::Passed => "completed",
        Outcome::Refused | Outcome::Reclaimed => "returned",
    }
}

/// A message of the protocol with everything a person needs beside it.
fn body(said: &Said<OrgId, OfferId, Hash>, case: &Doc<CaseRecord>, doc: &Doc<HandoverRecord>) -> Result<Body, Stop> {
    let (record, sealed) = (&doc.clear, &doc.sealed);
    let transfer_hash = || record.transfers.last().copied().ok_or_else(|| internal("naming the transfer"));
    Ok(match said {
        Said::Propose { offer, epoch, content } => Body::Propose(Box::new(ProposeBody {
            offer: *offer,
            epoch: epoch.clone(),
            content: *content,
            package: sealed.package.clone(),
            dossier: Box::new(views::package(&sealed.package)?),
            service: record.service.clone(),
            urgency: record.urgency.clone(),
            respond_by: record.respond_by,
            call_back: record.call_back.clone(),
            by: sealed.offered_by.clone().ok_or_else(|| internal("naming who offers"))?,
            hops: record.hops,
            is_return: record.is_return,
            consultation: record.consultation,
        })),
        Said::Accept { offer, content } => Body::Accept {
            offer: *offer,
            content: *content,
            by: sealed.accepted_by.clone().ok_or_else(|| internal("naming who accepts"))?,
            read_back: sealed.read_back.clone(),
            first_action: sealed.first_action.clone(),
            first_action_at: sealed.first_action_at,
        },
        Said::Decline { offer, code } => Body::Decline { offer: *offer, code: *code, note: sealed.note.clone() },
        Said::Withdraw { offer } => Body::Withdraw { offer: *offer },
        Said::Transfer { offer, epoch, content } => Body::Transfer {
            offer: *offer,
            epoch: epoch.clone(),
            content: *content,
            package: sealed.package.clone(),
            accept: record.accept.ok_or_else(|| internal("naming the accept"))?,
        },
        Said::Receipt { offer, epoch, transfer } => Body::Receipt { offer: *offer, epoch: epoch.clone(), transfer: *transfer },
        Said::Refuse { offer, epoch } => Body::Refuse { offer: *offer, epoch: epoch.clone(), transfer: transfer_hash()? },
        Said::Fence { term } => {
            let step = case.clear.custody.seen.as_ref().map_or(0, |epoch| epoch.step);
            Body::Fence { epoch: custody::Epoch { term: term.clone(), step } }
        }
    })
}

/// An offer names a question about its own case, or one of ours about nobody in particular. Another would tell the receiver that two
/// cases have to do with each other; it is answered like one that does not exist.
fn may_grow_out_of(asked: &ConsultationRecord, case: &CaseRecord) -> Result<(), Refusal> {
    let about_this = asked.case == Some(case.case);
    let about_nobody = asked.case.is_none() && asked.side == Side::Sender;
    if about_this || about_nobody { Ok(()) } else { Err(Refusal::new(Stage::State, Reason::NotFound)) }
}

/// Refuses what holds more than the clause's dataset.
pub(super) fn within(mask: &schakel_domain::covenant::Mask, dossier: &Dossier, clause: &str) -> Result<(), Refusal> {
    let present: BTreeSet<Field> = schakel_domain::dossier::present(dossier);
    match mask.first_excess(present) {
        None => Ok(()),
        Some(field) => {
            let refusal = Refusal { field: Some(field.to_string()), ..Refusal::new(Stage::Covenant, Reason::DatasetExceeded) };
            Err(refusal.under(clause))
        }
    }
}
