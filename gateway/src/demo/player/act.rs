//! What each step asks of the organisation's own gateway.

use std::collections::BTreeSet;
use std::time::Instant;

use schakel_domain::custody::DeclineCode;
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_proto::care::v1 as care;
use schakel_proto::r#type::v1 as wire;

use super::{Named, PATIENCE, Player, Trouble};
use crate::demo::client::{Client, Person, by, in_minutes};
use crate::demo::scenario::{Does, OrgKey, Step};

/// The caller's own key of one request.
fn request_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn empty(what: &str) -> Trouble {
    Trouble::Broken(format!("the answer holds no {what}"))
}

/// Who acts, with what.
struct Turn {
    key: OrgKey,
    person: Person,
    client: Client,
}

impl Player<'_> {
    /// Does what the step says.
    pub(super) async fn act(&mut self, step: &Step) -> Result<(), Trouble> {
        match &step.does {
            Does::CutLine { to } => return self.line(to, |line| line.cut()),
            Does::RestoreLine { to } => return self.line(to, |line| line.restore()),
            Does::Wait {} | Does::TamperCopy { .. } => return Ok(()),
            _ => {}
        }
        let (Some(key), Some(name)) = (&step.who, &step.person) else { return Err(Trouble::Broken("nobody acts".to_owned())) };
        let turn = Turn { key: key.clone(), person: self.person(key, name)?, client: self.client(key)?.clone() };
        match &step.does {
            Does::OpenCase { r#as, dossier } => self.open_case(turn, step.number, r#as, dossier).await,
            Does::ReadCase { case } => self.read_case(turn, case).await,
            Does::CloseCase { case, reason } => self.close_case(turn, case, reason).await,
            Does::Ask { .. } => self.ask(turn, &step.does).await,
            Does::AcceptConsultation { consultation, .. }
            | Does::DeclineConsultation { consultation, .. }
            | Does::Advise { consultation, .. }
            | Does::ReadConsultation { consultation }
            | Does::CloseConsultation { consultation } => self.on_consultation(turn, consultation, &step.does).await,
            Does::OfferHandover { r#as, case, to, service, urgency } => self.offer(turn, r#as, case, to.as_ref(), service, urgency).await,
            Does::ReadHandover { handover }
            | Does::AcceptHandover { handover, .. }
            | Does::DeclineHandover { handover, .. }
            | Does::WithdrawHandover { handover, .. } => self.on_handover(turn, handover, &step.does).await,
            Does::CutLine { .. } | Does::RestoreLine { .. } | Does::Wait {} | Does::TamperCopy { .. } => Ok(()),
        }
    }

    fn line(&self, to: &OrgKey, act: impl Fn(&crate::demo::line::Line)) -> Result<(), Trouble> {
        self.lines.get(to).map(act).ok_or_else(|| Trouble::Broken(format!("no line to `{to}`")))
    }

    /// A record system writes a file; its gateway picks it up.
    async fn open_case(&mut self, turn: Turn, number: usize, name: &str, dossier: &toml::Table) -> Result<(), Trouble> {
        let command = serde_json::json!({
            "command": "open-case",
            "request_id": request_id(),
            "actor": { "person": turn.person.actor.person.as_str(), "name": turn.person.actor.name, "function": turn.person.actor.function },
            "dossier": dossier,
        });
        let answer = turn.client.drop_file(&format!("{number:03}-open-case"), &command).await?;
        let Some(resource) = answer["result"]["resource"].as_str() else { return Err(refused_file(&answer)) };
        let members = BTreeSet::from([turn.key]);
        self.names.insert(name.to_owned(), Named::Case { resource: resource.to_owned(), members });
        self.case = Some(name.to_owned());
        Ok(())
    }

    async fn read_case(&mut self, turn: Turn, name: &str) -> Result<(), Trouble> {
        let case = self.case_resource(name)?;
        let get = care::GetCaseRequest { name: case, view: care::View::Full.into(), actor: Some(turn.person.wire()) };
        turn.client.cases().get_case(by(&turn.person, get)).await?;
        Ok(())
    }

    async fn close_case(&mut self, turn: Turn, name: &str, reason: &str) -> Result<(), Trouble> {
        let case = self.case_of(&turn, name).await?;
        let close = care::CloseCaseRequest {
            name: case.name,
            etag: case.etag,
            request_id: request_id(),
            actor: Some(turn.person.wire()),
            reason: reason.to_owned(),
        };
        turn.client.cases().close_case(by(&turn.person, close)).await?;
        Ok(())
    }

    async fn ask(&mut self, turn: Turn, does: &Does) -> Result<(), Trouble> {
        use care::create_consultation_request::About;
        let Does::Ask { r#as, case, about, service, urgency, question, candidates, fan_out } = does else { return Ok(()) };
        let whom = match (case, about) {
            (Some(case), _) => About::Case(self.case_resource(case)?),
            (None, about) => About::Anonymous(care::AnonymousAbout {
                age: about.as_ref().map(|about| about.age),
                municipality: about.as_ref().map(|about| about.municipality.clone()).unwrap_or_default(),
                severity: wire::Severity::Unspecified.into(),
                scan_seen: false,
            }),
        };
        let create = care::CreateConsultationRequest {
            about: Some(whom),
            service: service.clone(),
            urgency: urgency.clone(),
            question: question.clone(),
            candidates: candidates.iter().map(|key| self.org_id(key)).collect::<Result<_, _>>()?,
            fan_out: *fan_out,
            request_id: request_id(),
            actor: Some(turn.person.wire()),
            ..Default::default()
        };
        let made = turn.client.consultations().create_consultation(by(&turn.person, create)).await?.into_inner();
        let made = made.consultation.ok_or_else(|| empty("consultation"))?;
        self.case = case.clone().or(self.case.take());
        let named = Named::Consultation { resource: made.name, case: case.clone(), requester: turn.key };
        self.names.insert(r#as.clone(), named);
        Ok(())
    }

    async fn on_consultation(&mut self, turn: Turn, name: &str, does: &Does) -> Result<(), Trouble> {
        let Named::Consultation { resource, case, .. } = self.named(name)?.clone() else { return Err(empty("consultation")) };
        self.case = case.or(self.case.take());
        let actor = || Some(turn.person.wire());
        let mut service = turn.client.consultations();
        let view = if matches!(does, Does::ReadConsultation { .. }) { care::View::Full } else { care::View::Basic };
        let get = care::GetConsultationRequest { name: resource.clone(), view: view.into(), actor: actor() };
        let look = || {
            let (mut service, get) = (turn.client.consultations(), by(&turn.person, get.clone()));
            async move { service.get_consultation(get).await }
        };
        let found = self.when_arrived(look).await?;
        let etag = found.consultation.ok_or_else(|| empty("consultation"))?.etag;
        let (name, request_id) = (resource, request_id());
        match does {
            Does::AcceptConsultation { within_minutes, note, .. } => {
                let (available_time, note) = (Some(in_minutes(*within_minutes)), note.clone());
                let accept = care::AcceptConsultationRequest { name, etag, request_id, actor: actor(), available_time, note };
                service.accept_consultation(by(&turn.person, accept)).await.map(drop)?;
            }
            Does::DeclineConsultation { code, note, .. } => {
                let (code, note) = (decline_code(*code).into(), note.clone());
                let decline = care::DeclineConsultationRequest { name, etag, request_id, actor: actor(), code, note };
                service.decline_consultation(by(&turn.person, decline)).await.map(drop)?;
            }
            Does::Advise { text, .. } => {
                let answer = care::AnswerConsultationRequest { name, etag, request_id, actor: actor(), advice: text.clone() };
                service.answer_consultation(by(&turn.person, answer)).await.map(drop)?;
            }
            Does::CloseConsultation { .. } => {
                let close = care::CloseConsultationRequest { name, etag, request_id, actor: actor() };
                service.close_consultation(by(&turn.person, close)).await.map(drop)?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn offer(
        &mut self,
        turn: Turn,
        name: &str,
        case_name: &str,
        to: Option<&OrgKey>,
        service: &str,
        urgency: &str,
    ) -> Result<(), Trouble> {
        self.case = Some(case_name.to_owned());
        let case = self.case_of(&turn, case_name).await?;
        let create = care::CreateHandoverRequest {
            parent: case.name,
            etag: case.etag,
            request_id: request_id(),
            actor: Some(turn.person.wire()),
            receiver: to.map(|key| self.org_id(key)).transpose()?.unwrap_or_default(),
            service: service.to_owned(),
            urgency: urgency.to_owned(),
            ..Default::default()
        };
        let made = turn.client.handovers().create_handover(by(&turn.person, create)).await?.into_inner();
        let made = made.handover.ok_or_else(|| empty("handover"))?;
        let receiver = self.scenario.by_id(&made.receiver).map(|organization| organization.key.clone());
        receiver.iter().for_each(|key| self.joins(case_name, key));
        let named = Named::Handover { resource: made.name, case: case_name.to_owned(), sender: turn.key, receiver };
        self.names.insert(name.to_owned(), named);
        Ok(())
    }

    async fn on_handover(&mut self, turn: Turn, name: &str, does: &Does) -> Result<(), Trouble> {
        let Named::Handover { resource, case, .. } = self.named(name)?.clone() else { return Err(empty("handover")) };
        self.case = Some(case);
        let actor = || Some(turn.person.wire());
        let mut service = turn.client.handovers();
        let view = if matches!(does, Does::ReadHandover { .. }) { care::View::Full } else { care::View::Basic };
        let get = care::GetHandoverRequest { name: resource.clone(), view: view.into(), actor: actor() };
        let look = || {
            let (mut service, get) = (turn.client.handovers(), by(&turn.person, get.clone()));
            async move { service.get_handover(get).await }
        };
        let found = self.when_arrived(look).await?;
        let etag = found.handover.ok_or_else(|| empty("handover"))?.etag;
        let (name, request_id) = (resource, request_id());
        match does {
            Does::AcceptHandover { read_back, first_action, .. } => {
                let points = read_back.iter().zip(1..);
                let read_back = points.map(|(words, point)| wire::ReadBack { point, words: words.clone() }).collect();
                let (first_action, first_action_time) = (first_action.clone(), Some(in_minutes(60)));
                let accept =
                    care::AcceptHandoverRequest { name, etag, request_id, actor: actor(), read_back, first_action, first_action_time };
                service.accept_handover(by(&turn.person, accept)).await.map(drop)?;
            }
            Does::DeclineHandover { code, note, .. } => {
                let (code, note) = (decline_code(*code).into(), note.clone());
                let decline = care::DeclineHandoverRequest { name, etag, request_id, actor: actor(), code, note };
                service.decline_handover(by(&turn.person, decline)).await.map(drop)?;
            }
            Does::WithdrawHandover { reason, .. } => {
                let withdraw = care::WithdrawHandoverRequest { name, etag, request_id, actor: actor(), reason: reason.clone() };
                service.withdraw_handover(by(&turn.person, withdraw)).await.map(drop)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// What a step acts on may still be on its way to the organisation that acts.
    async fn when_arrived<T, F>(&mut self, look: impl Fn() -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    {
        let since = Instant::now();
        loop {
            self.changed.mark_unchanged();
            match look().await.map_err(Trouble::from) {
                Ok(found) => return Ok(found.into_inner()),
                Err(Trouble::Refused(no)) if no.reason == Reason::NotFound && since.elapsed() < PATIENCE => self.something_happens().await,
                Err(trouble) => return Err(trouble),
            }
        }
    }

    fn org_id(&self, key: &OrgKey) -> Result<String, Trouble> {
        let organization = self.scenario.organization(key);
        organization.map(|organization| organization.id.to_string()).ok_or_else(|| Trouble::Broken(format!("no organisation `{key}`")))
    }

    pub(super) fn case_resource(&self, name: &str) -> Result<String, Trouble> {
        match self.named(name)? {
            Named::Case { resource, .. } => Ok(resource.clone()),
            _ => Err(Trouble::Broken(format!("`{name}` is no case"))),
        }
    }

    /// A case as the acting organisation knows it now.
    async fn case_of(&self, turn: &Turn, name: &str) -> Result<care::Case, Trouble> {
        let get = care::GetCaseRequest { name: self.case_resource(name)?, view: care::View::Basic.into(), actor: Some(turn.person.wire()) };
        let found = turn.client.cases().get_case(by(&turn.person, get)).await?.into_inner();
        found.case.ok_or_else(|| empty("case"))
    }
}

/// What a reason file says, as the refusal it was.
fn refused_file(answer: &serde_json::Value) -> Trouble {
    let first = &answer["problems"][0];
    let text = |key: &str| first[key].as_str().map(str::to_owned);
    let code = text("reason").unwrap_or_default();
    match Reason::ALL.iter().find(|reason| reason.code() == code) {
        Some(reason) => {
            let detail = text("detail").unwrap_or_default();
            Trouble::Refused(Box::new(Refusal {
                field: text("field"),
                clause: text("clause"),
                detail,
                ..Refusal::new(Stage::Door, *reason)
            }))
        }
        None => Trouble::Broken(format!("the file was answered with {answer}")),
    }
}

fn decline_code(code: DeclineCode) -> wire::DeclineCode {
    match code {
        DeclineCode::NoCapacity => wire::DeclineCode::NoCapacity,
        DeclineCode::NotThisCare => wire::DeclineCode::NotThisCare,
        DeclineCode::OutsideArea => wire::DeclineCode::OutsideArea,
        DeclineCode::OutsideHours => wire::DeclineCode::OutsideHours,
        DeclineCode::InsufficientInformation => wire::DeclineCode::InsufficientInformation,
        DeclineCode::Other => wire::DeclineCode::Other,
    }
}
