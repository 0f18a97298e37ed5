//! Messages about offers and the token: the covenant is asked again, the protocol steps, and the record says what became of it.

use schakel_domain::covenant::{Act as Granted, Grant};
use schakel_domain::custody::{self, Fact, Input, Message as Said};
use schakel_domain::id::{ClientKeyId, Hash, OfferId, OrgId};
use schakel_domain::message::{Body, Message, ProposeBody};
use schakel_domain::refusal::{Reason, Refusal, Stage};

use super::super::case::new_case;
use super::super::clock::{Action, respond_timer};
use super::super::draft::{Draft, Stop};
use super::super::handover::{CustodyStep, within};
use super::super::known::joined;
use super::super::record::{CaseRecord, CaseSealed, Doc, FactTimes, Ground, HandoverRecord, HandoverSealed, Side};
use super::super::trace::{About, By, Rule};
use super::super::{Desk, views};
use super::{Incoming, Thread, advance, event_code, made_under, unfit};
use crate::agreements::{Wish, mismatch};

impl Desk {
    pub(super) async fn take_custody(&self, draft: &mut Draft<'_>, incoming: Incoming<'_>, thread: Thread) -> Result<ClientKeyId, Stop> {
        match &incoming.message.body {
            Body::Propose(propose) => self.take_offer(draft, incoming, thread, propose).await,
            Body::Fence { epoch } => self.take_fence(draft, incoming, thread, epoch.term.clone()).await,
            // The offer never came through: there is nothing to take back.
            Body::Withdraw { .. } if matches!(thread, Thread::Bare(_)) => self.void(draft, incoming, thread).await,
            body => {
                let Thread::Case(case) = thread else { return Err(unfit()) };
                self.take_answer(draft, incoming, *case, body).await
            }
        }
    }

    /// An offer. A new one is judged by the covenant here too; the same one again is answered from the state as it is.
    async fn take_offer(
        &self,
        draft: &mut Draft<'_>,
        incoming: Incoming<'_>,
        thread: Thread,
        propose: &ProposeBody,
    ) -> Result<ClientKeyId, Stop> {
        let message = incoming.message;
        let mut case = self.case_for(draft, thread, message).await?;
        let mut doc = match self.load::<HandoverRecord>(&propose.offer.to_string()).await? {
            Some(known) if known.clear.case == case.clear.case => known,
            Some(_) => return Err(unfit()),
            None => self.new_offer(&case, message, propose, draft.now).await?,
        };
        let said = Said::Propose { offer: propose.offer, epoch: propose.epoch.clone(), content: propose.content };
        let step = self.step_custody(&mut case, Input::Receive { from: message.sender.clone(), message: said, transfer: None })?;
        if step.facts.iter().any(|fact| matches!(fact, Fact::OfferReceived(_))) {
            offer_arrives(draft, &mut case, message, propose);
        } else if doc.version == 0 {
            // Overtaken before it arrived: kept, and never open.
            doc.clear.open = false;
        }
        if !case.clear.handovers.contains(&propose.offer) {
            case.clear.handovers.push(propose.offer);
        }
        advance(&mut case.clear.links, message);
        let ground = doc.clear.ground.clone();
        let by = By { caller: incoming.caller, actor: None, second: None };
        let peer = Some(incoming.party());
        self.trace(draft, event_code(&message.body), by, self.about_handover(&doc, &case), Rule::Covenant(&ground), peer).await?;
        self.settle(draft, &mut case, &mut doc, step).await?;
        draft.put(&doc).await?;
        draft.put(&case).await?;
        Ok(case.clear.key)
    }

    /// The record of an offer nobody here knew: allowed by the covenant, within its dataset, from an organisation whose record is valid.
    async fn new_offer(
        &self,
        case: &Doc<CaseRecord>,
        message: &Message,
        propose: &ProposeBody,
        now: jiff::Timestamp,
    ) -> Result<Doc<HandoverRecord>, Stop> {
        self.parts.agreements.may_start(&message.sender, now)?;
        let grant = self.grant_for_offer(case, message, propose).await?;
        within(&grant.mask, &propose.dossier, grant.clause.as_str())?;
        if Hash::sha256(&propose.package) != propose.content {
            return Err(Refusal::field("propose_handover.content_hash", "expected the SHA-256 of the package").into());
        }
        Ok(received_offer(message, propose, case, self.ground(&grant)))
    }

    /// The covenant's answer at the receiver, under the version the sender named; a return is judged by the clause by which the case went.
    async fn grant_for_offer(&self, case: &Doc<CaseRecord>, message: &Message, propose: &ProposeBody) -> Result<Grant, Stop> {
        let wish = Wish {
            from: message.sender.clone(),
            to: Some(self.parts.me.clone()),
            act: Granted::Handover,
            service: propose.service.clone(),
            age: propose.dossier.age,
            municipality: propose.dossier.identity.municipality.clone(),
            urgency: propose.urgency.clone(),
        };
        match self.parts.agreements.permits_new_under(&message.covenant, &message.clause, &wish, self.now()) {
            Ok(grant) => Ok(grant),
            Err(denied) if propose.is_return && case.clear.led_by.contains(&self.parts.me) => {
                let came = self.came_by(case, &message.sender).await?.ok_or(denied)?;
                if came.clause.as_str() == message.clause { Ok(came) } else { Err(mismatch(&came).into()) }
            }
            Err(denied) => Err(denied.into()),
        }
    }

    /// An answer to, or the end of, an offer that is known here.
    async fn take_answer(
        &self,
        draft: &mut Draft<'_>,
        incoming: Incoming<'_>,
        mut case: Doc<CaseRecord>,
        body: &Body,
    ) -> Result<ClientKeyId, Stop> {
        let message = incoming.message;
        let (offer, said, transfer) = said(body, incoming.hash).ok_or_else(unfit)?;
        let Some(mut doc): Option<Doc<HandoverRecord>> = self.load(&offer.to_string()).await? else {
            return self.take_tombstone(draft, incoming, case, said).await;
        };
        if doc.clear.case != case.clear.case {
            return Err(unfit());
        }
        made_under(message, &doc.clear.ground.covenant)?;
        let transfer = transfer.filter(|hash| matches!(body, Body::Transfer { .. }) || doc.clear.transfers.contains(hash));
        let step = self.step_custody(&mut case, Input::Receive { from: message.sender.clone(), message: said, transfer })?;
        take_words(&mut case, &mut doc, body, &step, incoming.hash)?;
        doc.clear.revision += u64::from(step.state.is_some());
        advance(&mut case.clear.links, message);
        let by = By { caller: incoming.caller, actor: None, second: None };
        let ground = doc.clear.ground.clone();
        let peer = Some(incoming.party());
        self.trace(draft, event_code(body), by, self.about_handover(&doc, &case), Rule::Covenant(&ground), peer).await?;
        self.settle(draft, &mut case, &mut doc, step).await?;
        draft.put(&doc).await?;
        draft.put(&case).await?;
        Ok(case.clear.key)
    }

    /// An offer that was taken back before it came through: the protocol remembers that it is closed.
    async fn take_tombstone(
        &self,
        draft: &mut Draft<'_>,
        incoming: Incoming<'_>,
        mut case: Doc<CaseRecord>,
        said: Said<OrgId, OfferId, Hash>,
    ) -> Result<ClientKeyId, Stop> {
        if !matches!(said, Said::Withdraw { .. }) {
            return Err(unfit());
        }
        let message = incoming.message;
        self.step_custody(&mut case, Input::Receive { from: message.sender.clone(), message: said, transfer: None })?;
        advance(&mut case.clear.links, message);
        let by = By { caller: incoming.caller, actor: None, second: None };
        let peer = Some(incoming.party());
        self.trace(draft, event_code(&message.body), by, self.about_case(&case), Rule::Protocol("custody"), peer).await?;
        draft.put(&case).await?;
        Ok(case.clear.key)
    }

    async fn take_fence(
        &self,
        draft: &mut Draft<'_>,
        incoming: Incoming<'_>,
        thread: Thread,
        term: custody::Term<OrgId>,
    ) -> Result<ClientKeyId, Stop> {
        let Thread::Case(mut case) = thread else { return Err(unfit()) };
        let message = incoming.message;
        let step =
            self.step_custody(&mut case, Input::Receive { from: message.sender.clone(), message: Said::Fence { term }, transfer: None })?;
        let latest = case.clear.handovers.last().copied().ok_or_else(unfit)?;
        let mut doc: Doc<HandoverRecord> = self.find(&latest.to_string()).await?;
        advance(&mut case.clear.links, message);
        let by = By { caller: incoming.caller, actor: None, second: None };
        let peer = Some(incoming.party());
        self.trace(draft, event_code(&message.body), by, self.about_case(&case), Rule::Protocol("custody"), peer).await?;
        self.settle(draft, &mut case, &mut doc, step).await?;
        draft.put(&doc).await?;
        draft.put(&case).await?;
        Ok(case.clear.key)
    }

    /// Carries out a step whose facts may concern another offer than the one in hand: an offer of the new lead is also the receipt of
    /// the one that made it lead.
    async fn settle(
        &self,
        draft: &mut Draft<'_>,
        case: &mut Doc<CaseRecord>,
        doc: &mut Doc<HandoverRecord>,
        step: CustodyStep,
    ) -> Result<(), Stop> {
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            step.facts.into_iter().partition(|fact| about(fact).is_none_or(|offer| offer == doc.clear.offer));
        for fact in elsewhere {
            let Some(offer) = about(&fact) else { continue };
            let Some(mut other): Option<Doc<HandoverRecord>> = self.load(&offer.to_string()).await? else { continue };
            other.clear.revision += 1;
            let only = CustodyStep { state: None, send: Vec::new(), facts: vec![fact] };
            self.carry_out(draft, case, &mut other, only).await?;
            draft.put(&other).await?;
        }
        self.carry_out(draft, case, doc, CustodyStep { state: step.state, send: step.send, facts: here }).await
    }

    /// The case of a thread; a new one when nobody here knew it.
    pub(super) async fn case_for(&self, draft: &mut Draft<'_>, thread: Thread, message: &Message) -> Result<Doc<CaseRecord>, Stop> {
        if let Thread::Case(case) = thread {
            return Ok(*case);
        }
        let case = message.thread.parse().map_err(|_| unfit())?;
        let links = thread.start(draft, message)?;
        let key = draft.new_key()?;
        let clear = CaseRecord { links, ..new_case(case, self.parts.me.clone(), key, draft.now) };
        Ok(Doc { id: message.thread.clone(), version: 0, clear, sealed: CaseSealed::default() })
    }

    /// A person at the other side opened what we sent.
    pub(super) async fn take_seen(
        &self,
        draft: &mut Draft<'_>,
        incoming: Incoming<'_>,
        thread: Thread,
        subject: &str,
        at: jiff::Timestamp,
    ) -> Result<ClientKeyId, Stop> {
        let message = incoming.message;
        match thread {
            Thread::Case(mut case) => {
                advance(&mut case.clear.links, message);
                let of_case = |doc: &Doc<HandoverRecord>| doc.clear.to == message.sender && doc.clear.case == case.clear.case;
                if let Some(mut doc) = self.load::<HandoverRecord>(subject).await?.filter(of_case) {
                    doc.clear.facts.seen.get_or_insert(at);
                    self.trace_seen(draft, incoming, self.about_handover(&doc, &case), &doc.clear.ground).await?;
                    draft.event("handover.seen", super::super::read::handover_name(&doc.clear), "seen");
                    draft.put(&doc).await?;
                } else {
                    self.consultation_seen(draft, incoming, &case, subject, at).await?;
                }
                draft.put(&case).await?;
                Ok(case.clear.key)
            }
            Thread::Consultation(mut doc) => {
                advance(&mut doc.clear.links, message);
                super::expertise::mark_seen(draft, &mut doc, &message.sender, at);
                self.trace_seen(draft, incoming, self.about_consultation(&doc, None), &doc.clear.ground).await?;
                draft.put(&doc).await?;
                Ok(doc.clear.key)
            }
            Thread::Bare(_) => Err(unfit()),
        }
    }
}

impl Desk {
    /// Logs that a person at the other side opened what we sent.
    pub(super) async fn trace_seen(
        &self,
        draft: &mut Draft<'_>,
        incoming: Incoming<'_>,
        about: About<'_>,
        ground: &Ground,
    ) -> Result<(), Stop> {
        let by = By { caller: incoming.caller, actor: None, second: None };
        let peer = Some(incoming.party());
        self.trace(draft, event_code(&incoming.message.body), by, about, Rule::Covenant(ground), peer).await
    }
}

/// The message for the protocol, with the offer it is about and the transfer it names.
fn said(body: &Body, hash: Hash) -> Option<(OfferId, Said<OrgId, OfferId, Hash>, Option<Hash>)> {
    Some(match body {
        Body::Accept { offer, content, .. } => (*offer, Said::Accept { offer: *offer, content: *content }, None),
        Body::Decline { offer, code, .. } => (*offer, Said::Decline { offer: *offer, code: *code }, None),
        Body::Withdraw { offer } => (*offer, Said::Withdraw { offer: *offer }, None),
        Body::Transfer { offer, epoch, content, .. } => {
            (*offer, Said::Transfer { offer: *offer, epoch: epoch.clone(), content: *content }, Some(hash))
        }
        Body::Receipt { offer, epoch, transfer } => {
            (*offer, Said::Receipt { offer: *offer, epoch: epoch.clone(), transfer: *transfer }, Some(*transfer))
        }
        Body::Refuse { offer, epoch, transfer } => (*offer, Said::Refuse { offer: *offer, epoch: epoch.clone() }, Some(*transfer)),
        _ => return None,
    })
}

/// Keeps the words that came with a message, when it had its effect.
fn take_words(case: &mut Doc<CaseRecord>, doc: &mut Doc<HandoverRecord>, body: &Body, step: &CustodyStep, hash: Hash) -> Result<(), Stop> {
    match body {
        Body::Accept { by, read_back, first_action, first_action_at, .. }
            if step.facts.iter().any(|fact| matches!(fact, Fact::GaveToken(..))) =>
        {
            if read_back.len() != doc.clear.key_points as usize {
                return Err(Refusal::new(Stage::State, Reason::ReadBackIncomplete).into());
            }
            doc.clear.accept = Some(hash);
            doc.sealed.accepted_by = Some(by.clone());
            doc.sealed.read_back.clone_from(read_back);
            doc.sealed.first_action.clone_from(first_action);
            doc.sealed.first_action_at = *first_action_at;
        }
        // A late no, to an offer that ended otherwise, leaves what our own people wrote beside that end.
        Body::Decline { note, .. } if step.state.is_some() => doc.sealed.note.clone_from(note),
        Body::Transfer { package, content, .. } => {
            if Hash::sha256(package) != *content {
                return Err(Refusal::field("transfer_custody.content_hash", "expected the SHA-256 of the package").into());
            }
            doc.clear.add_transfer(hash)?;
            if step.facts.iter().any(|fact| matches!(fact, Fact::BecameLead(_))) {
                case.sealed.dossier = joined(&case.sealed.dossier, views::package(package)?);
                case.clear.hops = doc.clear.hops + 1;
                doc.clear.facts.transferred = Some(case.clear.changed);
                doc.clear.facts.received = Some(case.clear.changed);
                doc.clear.open = false;
            }
        }
        _ => {}
    }
    Ok(())
}

/// An offer that waits for a person now. Whoever made it leads, as far as is known here.
fn offer_arrives(draft: &mut Draft<'_>, case: &mut Doc<CaseRecord>, message: &Message, propose: &ProposeBody) {
    if !case.clear.custody.responsible() {
        case.sealed.dossier = joined(&case.sealed.dossier, (*propose.dossier).clone());
        case.clear.leads(message.sender.clone());
        case.clear.hops = propose.hops;
    }
    case.clear.touch(draft.now);
    draft.timer(respond_timer(propose.offer), propose.respond_by, &Action::HandoverUnanswered { offer: propose.offer });
}

fn received_offer(message: &Message, propose: &ProposeBody, case: &Doc<CaseRecord>, ground: Ground) -> Doc<HandoverRecord> {
    Doc {
        id: propose.offer.to_string(),
        version: 0,
        clear: HandoverRecord {
            offer: propose.offer,
            revision: 1,
            case: case.clear.case,
            key: case.clear.key,
            side: Side::Receiver,
            from: message.sender.clone(),
            to: message.receiver.clone(),
            service: propose.service.clone(),
            urgency: propose.urgency.clone(),
            ground,
            respond_by: propose.respond_by,
            content: propose.content,
            facts: FactTimes { sent: Some(message.sent), ..FactTimes::default() },
            open: true,
            decline: None,
            is_return: propose.is_return,
            hops: propose.hops,
            consultation: propose.consultation,
            call_back: propose.call_back.clone(),
            key_points: u32::try_from(propose.dossier.key_points.len()).unwrap_or_default(),
            accept: None,
            transfers: Vec::new(),
        },
        sealed: HandoverSealed { package: propose.package.clone(), offered_by: Some(propose.by.clone()), ..HandoverSealed::default() },
    }
}

/// The offer a fact is about.
fn about(fact: &Fact<OrgId, OfferId>) -> Option<OfferId> {
    match fact {
        Fact::OfferMade(offer)
        | Fact::OfferClosed(offer, _)
        | Fact::GaveToken(offer, _)
        | Fact::LeftCustody(offer)
        | Fact::OfferReceived(offer)
        | Fact::PledgeReserved(offer)
        | Fact::OfferDeclined(offer, _)
        | Fact::PledgeReleased(offer, _)
        | Fact::InboundWithdrawn(offer)
        | Fact::OldTokenAcknowledged(offer) => Some(*offer),
        Fact::BecameLead(_) | Fact::BecameContested(_) | Fact::LearnedOfReclaim(_) | Fact::ContestResolved | Fact::CaseClosed(_) => None,
    }
}
