//! Shows records to people: who is responsible now, what is known of delivery, whom to call.

use std::collections::BTreeSet;

use schakel_domain::custody::{Answer as Inbound, Outcome as Ended, Role};
use schakel_domain::dossier::{Dossier, Finding};
use schakel_domain::expertise::{candidate, requester};
use schakel_domain::id::{Label, OfferId, OrgId};
use schakel_domain::view::{
    Answer, Call, CandidateView, CaseView, ConsultationState, ConsultationView, Direction, Facts, HandoverState, HandoverView,
    Responsibility, Standing,
};

use super::Desk;
use super::draft::{Stop, internal};
use super::record::{Asking, CallNote, CandidateRecord, CaseRecord, ConsultationRecord, Doc, FactTimes, HandoverRecord, Side};

impl Desk {
    /// The answer that shows a resource as it stands now, without care content.
    pub(super) async fn resource(&self, name: &str) -> Result<Answer, Stop> {
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            ["cases", case] => Ok(Answer::Case(Box::new(self.case_view(&self.known(case).await?, false)))),
            ["cases", case, "erasure"] => Ok(Answer::Erasure(Box::new(self.erasure_view(case).await?))),
            ["cases", _, "handovers", offer] => Ok(Answer::Handover(Box::new(self.handover_view(&self.known(offer).await?, false).await?))),
            ["consultations", id] => Ok(Answer::Consultation(Box::new(self.consultation_view(&self.known(id).await?, false).await?))),
            _ => Err(internal("naming a resource")),
        }
    }

    /// A record that exists, because something of ours names it.
    async fn known<T: super::Shape>(&self, id: &str) -> Result<Doc<T>, Stop> {
        self.load(id).await?.ok_or_else(|| internal("finding a record of our own"))
    }

    /// One case; with the dossier in a full view.
    pub(super) fn case_view(&self, doc: &Doc<CaseRecord>, full: bool) -> CaseView {
        let case = &doc.clear;
        CaseView {
            id: case.case,
            label: Label::of(case.case),
            version: case.revision,
            standing: standing(case),
            responsibility: self.responsibility(case),
            opened: case.opened,
            changed: case.changed,
            hops: case.hops,
            epoch: case.custody.seen.as_ref().map_or_else(|| "0.0".to_owned(), |epoch| format!("{}.{}", epoch.term.counter, epoch.step)),
            open_handover: case.custody.open_offer().map(|open| *open.offer),
            handovers: case.handovers.clone(),
            consultations: case.consultations.clone(),
            erasure: doc.sealed.erasure.view(),
            dossier: full.then(|| Box::new(doc.sealed.dossier.clone())),
        }
    }

    /// Who is responsible for a case now, as far as this organisation can know.
    pub(super) fn responsibility(&self, case: &CaseRecord) -> Responsibility {
        let me = &self.parts.me;
        let name = |org: &OrgId| self.parts.agreements.name(org);
        let said = |lead: Option<&OrgId>, responsible: &[&OrgId], nl: String, en: String, call: Option<&OrgId>| Responsibility {
            lead: lead.cloned(),
            responsible: responsible.iter().map(|org| (*org).clone()).collect::<BTreeSet<_>>(),
            sentence_nl: nl,
            sentence_en: en,
            call: call.and_then(|org| self.parts.agreements.call(org)),
        };
        match &case.custody.role {
            Role::Lead { .. } => said(
                Some(me),
                &[me],
                format!("{} heeft de regie en is verantwoordelijk.", name(me)),
                format!("{} leads and is responsible.", name(me)),
                None,
            ),
            Role::Offering { to, .. } => said(
                Some(me),
                &[me],
                format!("{} heeft de regie en blijft verantwoordelijk; aangeboden aan {}.", name(me), name(to)),
                format!("{} leads and stays responsible; offered to {}.", name(me), name(to)),
                Some(to),
            ),
            Role::Transferring { to, .. } => said(
                None,
                &[me],
                format!(
                    "De regie is onderweg naar {}. {} blijft verantwoordelijk tot het ontvangstbewijs; bel bij twijfel.",
                    name(to),
                    name(me)
                ),
                format!("The lead is under way to {}. {} stays responsible until the receipt; call when in doubt.", name(to), name(me)),
                Some(to),
            ),
            Role::Contested { by, .. } => said(
                Some(&by.org),
                &[me, &by.org],
                format!("Betwist: {} nam de regie terug. Bel en leg het met twee personen vast.", name(&by.org)),
                format!("Contested: {} reclaimed the lead. Call and record it with two people.", name(&by.org)),
                Some(&by.org),
            ),
            Role::Closed { .. } => said(None, &[], "Deze zaak is gesloten.".to_owned(), "This case is closed.".to_owned(), None),
            Role::Outside => match case.led_by.last() {
                Some(lead) => said(
                    Some(lead),
                    &[lead],
                    format!("{} heeft de regie en is verantwoordelijk, voor zover hier bekend.", name(lead)),
                    format!("{} leads and is responsible, as far as is known here.", name(lead)),
                    Some(lead),
                ),
                None => {
                    said(None, &[], "Wie de regie heeft is hier niet bekend.".to_owned(), "Who leads is not known here.".to_owned(), None)
                }
            },
        }
    }

    /// One handover; with dossier and read-back in a full view.
    pub(super) async fn handover_view(&self, doc: &Doc<HandoverRecord>, full: bool) -> Result<HandoverView, Stop> {
        let record = &doc.clear;
        let case: CaseRecord = self.clear_of(&record.case.to_string()).await?;
        let dossier = if full { Some(Box::new(package(&doc.sealed.package)?)) } else { None };
        Ok(HandoverView {
            id: record.offer,
            case: record.case,
            label: Label::of(record.case),
            version: record.revision,
            direction: direction(record.side),
            from: record.from.clone(),
            to: record.to.clone(),
            state: handover_state(&case, record),
            facts: self.facts(&record.facts, record.open.then(|| self.handover_waits(record)).flatten()),
            service: record.service.clone(),
            urgency: record.urgency.clone(),
            respond_by: record.respond_by,
            clause: record.ground.clause.clone(),
            sentence_nl: record.ground.sentence_nl.clone(),
            sentence_en: record.ground.sentence_en.clone(),
            hops: record.hops,
            is_return: record.is_return,
            decline: record.decline.map(|code| (code, if full { doc.sealed.note.clone() } else { String::new() })),
            offered_by: doc.sealed.offered_by.clone(),
            accepted_by: doc.sealed.accepted_by.clone(),
            first_action: if full { doc.sealed.first_action.clone() } else { String::new() },
            first_action_at: doc.sealed.first_action_at,
            key_points: record.key_points,
            read_back: if full { doc.sealed.read_back.clone() } else { Vec::new() },
            content: record.content,
            dossier,
            next: next_in_order(record),
            responsibility: self.responsibility(&case),
        })
    }

    /// One consultation; with question, dossier and advice in a full view.
    pub(super) async fn consultation_view(&self, doc: &Doc<ConsultationRecord>, full: bool) -> Result<ConsultationView, Stop> {
        let record = &doc.clear;
        let responsibility = match record.case {
            Some(case) => self.responsibility(&self.clear_of::<CaseRecord>(&case.to_string()).await?),
            None => self.asker(record),
        };
        let dossier = if full && !doc.sealed.package.is_empty() { Some(Box::new(package(&doc.sealed.package)?)) } else { None };
        Ok(ConsultationView {
            id: record.consultation,
            case: record.case,
            version: record.revision,
            direction: direction(record.side),
            from: record.from.clone(),
            state: consultation_state(record),
            anonymous: record.case.is_none(),
            service: record.service.clone(),
            urgency: record.urgency.clone(),
            deadline: if record.side == Side::Sender { record.deadline } else { record.respond_by },
            clause: record.ground.clause.clone(),
            sentence_nl: record.ground.sentence_nl.clone(),
            sentence_en: record.ground.sentence_en.clone(),
            candidates: self.candidates(doc, full),
            escalation: record.ground.escalation.as_ref().map(|note| self.call_note(note)),
            findings: record.findings.iter().filter_map(finding).collect(),
            question: full.then(|| doc.sealed.question.clone()),
            dossier,
            advice: if full { doc.sealed.advice.clone() } else { Vec::new() },
            continues: record.continues,
            responsibility,
        })
    }

    fn candidates(&self, doc: &Doc<ConsultationRecord>, full: bool) -> Vec<CandidateView> {
        let Asking::Requester(state) = &doc.clear.asking else { return Vec::new() };
        let view = |one: &requester::Candidate<OrgId>| {
            let none = CandidateRecord::default();
            let known = doc.clear.candidates.get(&one.org).unwrap_or(&none);
            let (word, decline) = candidate_word(state, one, known);
            CandidateView {
                organization: one.org.clone(),
                state: word.to_owned(),
                due: known.due,
                available: known.available,
                by: doc.sealed.by.get(&one.org).cloned(),
                decline,
                note: if full { doc.sealed.notes.get(&one.org).cloned().unwrap_or_default() } else { String::new() },
                facts: self.facts(&known.facts, self.delivery_waits(&known.facts, &one.org)),
                call: self.parts.agreements.call(&one.org),
            }
        };
        state.candidates.iter().map(view).collect()
    }

    /// An anonymous question has no case: whoever asks stays responsible.
    fn asker(&self, record: &ConsultationRecord) -> Responsibility {
        let name = self.parts.agreements.name(&record.from);
        Responsibility {
            lead: None,
            responsible: BTreeSet::from([record.from.clone()]),
            sentence_nl: format!("{name} vraagt en blijft verantwoordelijk."),
            sentence_en: format!("{name} asks and stays responsible."),
            call: (record.from != self.parts.me).then(|| self.parts.agreements.call(&record.from)).flatten(),
        }
    }

    fn call_note(&self, note: &CallNote) -> Call {
        Call {
            organization: note.org.clone(),
            name: self.parts.agreements.name(&note.org),
            line: note.line.clone(),
            telephone: note.telephone.clone(),
        }
    }

    fn facts(&self, times: &FactTimes, waiting: Option<String>) -> Facts {
        Facts {
            sent: times.sent,
            delivered: times.delivered,
            seen: times.seen,
            accepted: times.accepted,
            transferred: times.transferred,
            received: times.received,
            waiting,
        }
    }

    /// What an open handover waits for at the other side's gateway, and whom to call; none when it waits for people.
    fn handover_waits(&self, record: &HandoverRecord) -> Option<String> {
        let times = &record.facts;
        match record.side {
            Side::Receiver if times.accepted.is_some() => {
                Some(format!("aanvaard, de overdracht is nog niet binnen.{}", self.call_sentence(&record.from)))
            }
            Side::Receiver => None,
            Side::Sender if times.transferred.is_some() => {
                Some(format!("overgedragen, nog geen ontvangstbevestiging.{}", self.call_sentence(&record.to)))
            }
            Side::Sender => self.delivery_waits(times, &record.to),
        }
    }

    /// Why a message has not arrived, and whom to call; none when it has.
    fn delivery_waits(&self, times: &FactTimes, to: &OrgId) -> Option<String> {
        let why = match (times.delivered, &times.refused) {
            (Some(_), _) => return None,
            (None, Some(code)) => format!("geweigerd door de gateway van de ontvanger: {code}"),
            (None, None) => "nog niet afgeleverd".to_owned(),
        };
        Some(format!("{why}.{}", self.call_sentence(to)))
    }

    fn call_sentence(&self, org: &OrgId) -> String {
        let call = self.parts.agreements.call(org);
        call.map_or_else(String::new, |call| format!(" Bel {} ({}): {}.", call.name, call.line, call.telephone))
    }
}

/// Parses a package of our own; it was checked when it was stored.
pub(super) fn package(bytes: &[u8]) -> Result<Dossier, Stop> {
    crate::wire::dossier::decode_dossier(bytes).map_err(|_| internal("reading a package"))
}

fn direction(side: Side) -> Direction {
    match side {
        Side::Sender => Direction::Outgoing,
        Side::Receiver => Direction::Incoming,
    }
}

fn standing(case: &CaseRecord) -> Standing {
    match case.custody.role {
        Role::Outside => Standing::Outside,
        Role::Lead { .. } => Standing::Lead,
        Role::Offering { .. } => Standing::Offering,
        Role::Transferring { .. } => Standing::Transferring,
        Role::Contested { .. } => Standing::Contested,
        Role::Closed { .. } => Standing::Closed,
    }
}

fn handover_state(case: &CaseRecord, record: &HandoverRecord) -> HandoverState {
    match record.side {
        Side::Sender => sent_state(case, record.offer),
        Side::Receiver => match case.custody.inbound(&record.offer).map(|row| &row.answer) {
            Some(Inbound::Pledged { .. }) => HandoverState::Accepted,
            Some(Inbound::Declined(_)) => HandoverState::Declined,
            Some(Inbound::Withdrawn) => HandoverState::Withdrawn,
            Some(Inbound::Released(_)) => HandoverState::Released,
            Some(Inbound::Activated { .. }) => HandoverState::Completed,
            None if !record.open => HandoverState::Withdrawn,
            Some(Inbound::Received { .. }) | None => HandoverState::Offered,
        },
    }
}

fn sent_state(case: &CaseRecord, offer: OfferId) -> HandoverState {
    match case.custody.open_offer() {
        Some(open) if *open.offer == offer && open.in_transfer => HandoverState::Transferring,
        Some(open) if *open.offer == offer => HandoverState::Offered,
        _ => match case.custody.outbound(&offer).map(|row| &row.outcome) {
            Some(Ended::Declined(_)) => HandoverState::Declined,
            Some(Ended::Passed) => HandoverState::Completed,
            Some(Ended::Refused | Ended::Reclaimed) => HandoverState::Returned,
            Some(Ended::Withdrawn) | None => HandoverState::Withdrawn,
        },
    }
}

/// Who comes after the present receiver in the covenant's order.
fn next_in_order(record: &HandoverRecord) -> Option<OrgId> {
    let at = record.ground.order.iter().position(|org| *org == record.to)?;
    record.ground.order.get(at + 1).filter(|_| record.side == Side::Sender).cloned()
}

fn consultation_state(record: &ConsultationRecord) -> ConsultationState {
    match &record.asking {
        Asking::Requester(state) => match state.phase {
            requester::Phase::Asking => ConsultationState::Asked,
            requester::Phase::Assigned(_) if record.advised => ConsultationState::Advised,
            requester::Phase::Assigned(_) => ConsultationState::Assigned,
            requester::Phase::Escalated => ConsultationState::Escalated,
            requester::Phase::Cancelled => ConsultationState::Cancelled,
            requester::Phase::Closed(_) => ConsultationState::Closed,
        },
        Asking::Candidate(state) => match &state.phase {
            candidate::Phase::Idle | candidate::Phase::Asked { .. } => ConsultationState::Asked,
            candidate::Phase::Bid { .. } => ConsultationState::Bid,
            candidate::Phase::Confirmed if record.advised => ConsultationState::Advised,
            candidate::Phase::Confirmed => ConsultationState::Assigned,
            candidate::Phase::Declined(_) => ConsultationState::Declined,
            candidate::Phase::Released { .. } => ConsultationState::Released,
            candidate::Phase::Closed => ConsultationState::Closed,
        },
    }
}

fn candidate_word(
    state: &requester::State<OrgId, schakel_domain::id::Hash>,
    one: &requester::Candidate<OrgId>,
    known: &CandidateRecord,
) -> (&'static str, Option<schakel_domain::custody::DeclineCode>) {
    use requester::Asked;
    if state.assigned() == Some(&one.org) {
        return ("confirmed", None);
    }
    match one.asked {
        Asked::NotYet => ("waiting", None),
        Asked::Open if state.decided() => ("released", None),
        Asked::Open => ("asked", None),
        Asked::Bid => ("bid", None),
        Asked::Declined(code) => ("declined", Some(code)),
        Asked::Lapsed if known.available.is_some() => ("late", None),
        Asked::Lapsed => ("silent", None),
        Asked::LateBid => ("late", None),
    }
}

fn finding((kind, at): &(String, usize)) -> Option<Finding> {
    let kind = ["bsn", "date", "telephone"].into_iter().find(|known| known == kind)?;
    Some(Finding { kind, at: *at })
}

/// The offer a message is about, when it is about one.
pub(super) fn offer_of(bytes: &[u8]) -> Option<OfferId> {
    use schakel_domain::message::Body;
    match crate::wire::federation::decode(bytes).ok()?.body {
        Body::Propose(propose) => Some(propose.offer),
        Body::Accept { offer, .. }
        | Body::Decline { offer, .. }
        | Body::Withdraw { offer }
        | Body::Transfer { offer, .. }
        | Body::Receipt { offer, .. }
        | Body::Refuse { offer, .. } => Some(offer),
        _ => None,
    }
}
