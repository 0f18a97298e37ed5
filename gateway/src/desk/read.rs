//! Reads of care data. The look is logged before it is answered, also from the reserve of a full disk: reading a case stays possible.

use schakel_domain::audit::entry::{Decision, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::{Act, Caller};
use schakel_domain::command::{PageOf, Read, ReadAct};
use schakel_domain::message::Body;
use schakel_domain::view::Answer;

use super::draft::{Draft, Envelope, Stop, internal};
use super::record::{CaseRecord, ConsultationRecord, Doc, HandoverRecord, Shape, Side};
use super::trace::{About, By, Rule};
use super::{Desk, views};
use crate::store::{Kind, Page};

/// Most rows of one page.
const MAX_PAGE: u32 = 200;

impl Desk {
    pub(super) async fn read(&self, caller: &Caller, read: &ReadAct) -> Result<Answer, Stop> {
        let by = By { caller, actor: Some(&read.actor), second: None };
        let mut draft = Draft::new(self);
        draft.commit.from_reserve = true;
        let answer = match &read.what {
            Read::Case { id, full } => {
                let doc: Doc<CaseRecord> = self.find(&id.to_string()).await?;
                let about = self.about_case(&doc);
                self.trace(&mut draft, EventCode::CaseViewed, by, about, Rule::Roles(read.what.act()), None).await?;
                Answer::Case(Box::new(self.case_view(&doc, *full)))
            }
            Read::Handover { id, full } => return self.read_handover(draft, by, &id.to_string(), *full, read).await,
            Read::Consultation { id, full } => return self.read_consultation(draft, by, &id.to_string(), *full, read).await,
            Read::Erasure(case) => self.read_erasure(&mut draft, by, *case, read).await?,
            Read::Proof(id) => self.read_proof(&mut draft, by, &id.to_string(), read).await?,
            Read::Cases(page) => {
                let (docs, next) = self.page::<CaseRecord>(page).await?;
                self.searched(&mut draft, by, read, "cases");
                Answer::Cases(docs.iter().map(|doc| self.case_view(doc, false)).collect(), next)
            }
            Read::CaseByLabel(label) => {
                self.searched(&mut draft, by, read, label.as_str());
                let mut views = Vec::new();
                for record in self.parts.store.aliased(Kind::Case, label.as_str()).await? {
                    views.push(self.case_view(&self.open_listed(record).await?, false));
                }
                if views.is_empty() {
                    self.none_erased(label).await?;
                }
                Answer::Cases(views, None)
            }
            Read::Consultations(page) => {
                let (docs, next) = self.page::<ConsultationRecord>(page).await?;
                self.searched(&mut draft, by, read, "consultations");
                let mut views = Vec::new();
                for doc in &docs {
                    views.push(self.consultation_view(doc, false).await?);
                }
                Answer::Consultations(views, next)
            }
            Read::Handovers { case, page } => {
                let (docs, next) = match case {
                    Some(case) => (self.handovers_of(&mut draft, by, &case.to_string(), read).await?, None),
                    None => {
                        self.searched(&mut draft, by, read, "handovers");
                        self.page::<HandoverRecord>(page).await?
                    }
                };
                let mut views = Vec::new();
                for doc in &docs {
                    views.push(self.handover_view(doc, false).await?);
                }
                Answer::Handovers(views, next)
            }
        };
        draft.commit().await?;
        Ok(answer)
    }

    /// A record; `ERASED` when it was, or the same `NOT_FOUND` as for something that is not this caller's.
    pub(super) async fn find<T: Shape>(&self, id: &str) -> Result<Doc<T>, Stop> {
        match self.load(id).await? {
            Some(doc) => Ok(doc),
            None => Err(self.absent(id).await?),
        }
    }

    /// What a log entry says of a case.
    pub(super) fn about_case<'a>(&self, doc: &'a Doc<CaseRecord>) -> About<'a> {
        let relation = if doc.clear.custody.responsible() { "own-case" } else { "involved" };
        About {
            kind: "case",
            id: doc.id.clone(),
            version: doc.clear.revision,
            case: Some(doc.clear.case),
            key: doc.clear.key,
            relation,
            dossier: Some(&doc.sealed.dossier),
        }
    }

    /// What a log entry says of a handover.
    pub(super) fn about_handover<'a>(&self, doc: &Doc<HandoverRecord>, case: &'a Doc<CaseRecord>) -> About<'a> {
        About {
            kind: "handover",
            id: doc.id.clone(),
            version: doc.clear.revision,
            case: Some(doc.clear.case),
            key: doc.clear.key,
            relation: "handover",
            dossier: Some(&case.sealed.dossier),
        }
    }

    /// What a log entry says of a consultation.
    pub(super) fn about_consultation<'a>(&self, doc: &Doc<ConsultationRecord>, case: Option<&'a Doc<CaseRecord>>) -> About<'a> {
        About {
            kind: "consultation",
            id: doc.id.clone(),
            version: doc.clear.revision,
            case: doc.clear.case,
            key: doc.clear.key,
            relation: "consultation",
            dossier: case.map(|case| &case.sealed.dossier),
        }
    }

    /// Shows a resource of ours without care content, after the look is logged.
    pub(super) async fn look(&self, by: By<'_>, act: Act, name: &str) -> Result<Answer, Stop> {
        let mut draft = Draft::new(self);
        draft.commit.from_reserve = true;
        let rule = Rule::Roles(act);
        match name.split('/').collect::<Vec<_>>().as_slice() {
            ["cases", case] => {
                let doc: Doc<CaseRecord> = self.find(case).await?;
                self.trace(&mut draft, EventCode::CaseViewed, by, self.about_case(&doc), rule, None).await?;
            }
            ["cases", case, "erasure"] => self.looked_at_erasure(&mut draft, by, case, act).await?,
            ["cases", case, "handovers", offer] => {
                let case: Doc<CaseRecord> = self.find(case).await?;
                let doc: Doc<HandoverRecord> = self.find(offer).await?;
                self.trace(&mut draft, EventCode::HandoverViewed, by, self.about_handover(&doc, &case), rule, None).await?;
            }
            ["consultations", id] => {
                let doc: Doc<ConsultationRecord> = self.find(id).await?;
                let case = self.case_of(&doc).await?;
                let about = self.about_consultation(&doc, case.as_ref());
                self.trace(&mut draft, EventCode::ConsultationViewed, by, about, rule, None).await?;
            }
            _ => return Err(internal("naming a resource")),
        }
        draft.commit().await?;
        self.resource(name).await
    }

    async fn read_handover(&self, mut draft: Draft<'_>, by: By<'_>, id: &str, full: bool, read: &ReadAct) -> Result<Answer, Stop> {
        let mut doc: Doc<HandoverRecord> = self.find(id).await?;
        let mut case: Doc<CaseRecord> = self.find(&doc.clear.case.to_string()).await?;
        let about = self.about_handover(&doc, &case);
        self.trace(&mut draft, EventCode::HandoverViewed, by, about, Rule::Roles(read.what.act()), None).await?;
        let first_look =
            full && by_person(by.caller) && doc.clear.side == Side::Receiver && doc.clear.facts.seen.is_none() && !self.recovering();
        if first_look {
            doc.clear.facts.seen = Some(draft.now);
            let body = Body::Seen { subject: doc.id.clone(), at: draft.now };
            let envelope = Envelope {
                thread: &case.id,
                key: case.clear.key,
                covenant: &doc.clear.ground.covenant,
                clause: &doc.clear.ground.clause,
                subject: (Kind::Handover, &doc.id),
            };
            let to = doc.clear.from.clone();
            let letter = draft.announce([&to].into_iter())?.next(&to)?;
            draft.send(&mut case.clear.links, letter, envelope, body).await?;
            draft.put(&doc).await?;
            draft.put(&case).await?;
            draft.event("handover.seen", handover_name(&doc.clear), "seen");
        }
        let view = self.handover_view(&doc, full).await?;
        draft.commit().await?;
        Ok(Answer::Handover(Box::new(view)))
    }

    async fn read_consultation(&self, mut draft: Draft<'_>, by: By<'_>, id: &str, full: bool, read: &ReadAct) -> Result<Answer, Stop> {
        let mut doc: Doc<ConsultationRecord> = self.find(id).await?;
        let mut case = self.case_of(&doc).await?;
        let about = self.about_consultation(&doc, case.as_ref());
        self.trace(&mut draft, EventCode::ConsultationViewed, by, about, Rule::Roles(read.what.act()), None).await?;
        let first_look = full && by_person(by.caller) && doc.clear.side == Side::Receiver && doc.clear.seen.is_none() && !self.recovering();
        if first_look {
            doc.clear.seen = Some(draft.now);
            let body = Body::Seen { subject: doc.id.clone(), at: draft.now };
            let to = doc.clear.from.clone();
            let letter = draft.announce([&to].into_iter())?.next(&to)?;
            self.say(&mut draft, &mut doc, case.as_mut(), letter, body).await?;
            draft.put(&doc).await?;
            if let Some(case) = &case {
                draft.put(case).await?;
            }
            draft.event("consultation.seen", format!("consultations/{}", doc.id), "seen");
        }
        let view = self.consultation_view(&doc, full).await?;
        draft.commit().await?;
        Ok(Answer::Consultation(Box::new(view)))
    }

    async fn read_proof(&self, draft: &mut Draft<'_>, by: By<'_>, id: &str, read: &ReadAct) -> Result<Answer, Stop> {
        let doc: Doc<HandoverRecord> = self.find(id).await?;
        let case: Doc<CaseRecord> = self.find(&doc.clear.case.to_string()).await?;
        let about = self.about_handover(&doc, &case);
        self.trace(draft, EventCode::HandoverExported, by, about, Rule::Roles(read.what.act()), None).await?;
        Ok(Answer::Proof(self.proof(&doc).await?))
    }

    /// The handovers of one case: a look at that case, and logged as one.
    async fn handovers_of(&self, draft: &mut Draft<'_>, by: By<'_>, case: &str, read: &ReadAct) -> Result<Vec<Doc<HandoverRecord>>, Stop> {
        let doc: Doc<CaseRecord> = self.find(case).await?;
        self.trace(draft, EventCode::CaseViewed, by, self.about_case(&doc), Rule::Roles(read.what.act()), None).await?;
        let mut docs = Vec::new();
        for record in self.parts.store.children(Kind::Handover, case).await? {
            docs.push(self.open_listed(record).await?);
        }
        Ok(docs)
    }

    async fn page<T: Shape>(&self, page: &PageOf) -> Result<(Vec<Doc<T>>, Option<String>), Stop> {
        let size = page.size.clamp(1, MAX_PAGE);
        let wanted = Page { open_only: page.open_only, after: page.after.clone(), limit: size };
        let mut docs = Vec::new();
        for record in self.parts.store.records(T::KIND, wanted).await? {
            docs.push(self.open_listed(record).await?);
        }
        let full = docs.len() == size as usize;
        let next = docs.last().map(|doc: &Doc<T>| doc.id.clone()).filter(|_| full);
        Ok((docs, next))
    }

    fn searched(&self, draft: &mut Draft<'_>, by: By<'_>, read: &ReadAct, what: &str) {
        let rule = format!("role-table:{}", read.what.act().name());
        let decision = Decision::allowed(rule.clone(), "Deze rol mag dit binnen de eigen organisatie.");
        self.note(draft, EventCode::CaseSearched, by, Object::new("search", "name", what, rule), decision, None);
    }
}

/// Resource name of a handover.
pub(super) fn handover_name(record: &HandoverRecord) -> String {
    format!("cases/{}/handovers/{}", record.case, record.offer)
}

impl Desk {
    /// The signed messages of a handover, both sides', in order of commit.
    async fn proof(&self, doc: &Doc<HandoverRecord>) -> Result<schakel_domain::view::ProofView, Stop> {
        let thread = doc.clear.case.to_string();
        let mut messages = Vec::new();
        for row in self.parts.store.sent_in(&thread).await? {
            let bytes = self.unseal(&row.message.sealed).await?;
            messages.push((row.queued, row.message.kind, bytes, row.message.hash, row.proof));
        }
        for row in self.parts.store.received_in(&thread).await?.into_iter().filter(|row| row.outcome == super::inbound::ACCEPTED) {
            let bytes = self.unseal(&row.sealed).await?;
            messages.push((row.at, row.kind, bytes, row.hash, Some(row.proof)));
        }
        messages.sort_by_key(|message| message.0);
        let of_offer = |bytes: &[u8]| views::offer_of(bytes) == Some(doc.clear.offer);
        let messages = messages
            .into_iter()
            .filter(|(_, _, bytes, _, _)| of_offer(bytes))
            .map(|(_, kind, bytes, hash, proof)| schakel_domain::view::ProvenMessage { kind, bytes, hash, proof })
            .collect();
        Ok(schakel_domain::view::ProofView { handover: doc.clear.offer, messages })
    }
}

/// Whether a person looks: an adapter that fetches content for its system has shown it to nobody yet.
fn by_person(caller: &Caller) -> bool {
    caller.person.is_some() || caller.door != "file-drop"
}
