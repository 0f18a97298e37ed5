//! What an own system is told of an event: read through the desk, so that every look is decided and logged like anybody's.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use schakel_adapters::{Content, Notice, Resource};
use schakel_domain::caller::Caller;
use schakel_domain::command::{Command, Read, ReadAct};
use schakel_domain::id::Label;
use schakel_domain::person::Actor;
use schakel_domain::refusal::Refusal;
use schakel_domain::view::{Answer, CaseView, ConsultationState, ConsultationView, Direction, HandoverState, HandoverView};

use super::{Describe, Execute, comes_later};
use crate::store::EventRow;

/// What one own system may be told, as the configuration says.
#[derive(Debug, Clone)]
pub struct Profile {
    /// How the adapter is known in the log.
    pub caller: Caller,
    /// The person who answers for what the adapter reads by itself.
    pub responsible: Actor,
    /// Whether notices of what comes in carry its content: question, dossier, advice.
    pub content: bool,
}

/// Makes notices by reading what each event is about.
///
/// Everything is read without content first; only what comes in from another organisation is read in full, and only when the profile
/// says that this system may have it.
pub struct Describer {
    execute: Arc<dyn Execute>,
    profile: Profile,
}

impl Describer {
    /// A describer for one system.
    #[must_use]
    pub fn new(execute: Arc<dyn Execute>, profile: Profile) -> Self {
        Self { execute, profile }
    }

    async fn read(&self, what: Read) -> Result<Answer, Refusal> {
        let command = Command::Read(ReadAct { actor: self.profile.responsible.clone(), within: None, what });
        self.execute.execute(&self.profile.caller, command).await.map(|reply| reply.answer)
    }

    async fn describe(&self, event: &EventRow) -> Result<Option<Notice>, Refusal> {
        let Ok(resource) = event.event.resource.parse::<Resource>() else {
            // Peers, covenants and what else the gateway itself does is no business of a record system.
            return Ok(None);
        };
        let told = match resource {
            Resource::Case(id) => self.read(Read::Case { id, full: false }).await,
            Resource::Handover(_, id) => self.read(Read::Handover { id, full: false }).await,
            Resource::Consultation(id) => self.read(Read::Consultation { id, full: false }).await,
        };
        let answer = match told {
            Ok(answer) => answer,
            Err(refusal) if comes_later(&refusal) => return Err(refusal),
            // It cannot be read, and never will be: erased meanwhile, perhaps. That it happened is told all the same.
            Err(_) => return Ok(Some(bare(event))),
        };
        let mut notice = match &answer {
            Answer::Case(view) => of_case(event, view),
            Answer::Handover(view) => of_handover(event, view),
            Answer::Consultation(view) => of_consultation(event, view),
            _ => bare(event),
        };
        if self.profile.content {
            notice.content = self.content(&answer).await?;
        }
        Ok(Some(notice))
    }

    /// The content of what came in, while somebody has to decide on it or work from it; a refusal to read it leaves the notice thin.
    async fn content(&self, answer: &Answer) -> Result<Option<Content>, Refusal> {
        let full = match answer {
            Answer::Handover(view) if handed_to_us(view) => Read::Handover { id: view.id, full: true },
            Answer::Consultation(view) if asked_of_us(view) || answered_to_us(view) => Read::Consultation { id: view.id, full: true },
            _ => return Ok(None),
        };
        match self.read(full).await {
            Ok(Answer::Handover(view)) => Ok(Some(Content { dossier: view.dossier, ..Content::default() })),
            Ok(Answer::Consultation(view)) if view.direction == Direction::Outgoing => {
                Ok(Some(Content { advice: view.advice, ..Content::default() }))
            }
            Ok(Answer::Consultation(view)) => Ok(Some(Content { question: view.question, dossier: view.dossier, advice: view.advice })),
            Err(refusal) if comes_later(&refusal) => Err(refusal),
            Ok(_) | Err(_) => Ok(None),
        }
    }
}

fn handed_to_us(view: &HandoverView) -> bool {
    view.direction == Direction::Incoming && matches!(view.state, HandoverState::Offered | HandoverState::Completed)
}

fn asked_of_us(view: &ConsultationView) -> bool {
    view.direction == Direction::Incoming && matches!(view.state, ConsultationState::Asked | ConsultationState::Assigned)
}

fn answered_to_us(view: &ConsultationView) -> bool {
    view.direction == Direction::Outgoing && view.state == ConsultationState::Advised
}

impl Describe for Describer {
    fn notice<'a>(&'a self, event: &'a EventRow) -> BoxFuture<'a, Result<Option<Notice>, Refusal>> {
        Box::pin(self.describe(event))
    }
}

/// What the event says by itself.
fn bare(event: &EventRow) -> Notice {
    Notice {
        seq: event.seq,
        kind: event.event.kind.clone(),
        at: event.at,
        resource: event.event.resource.clone(),
        state: event.event.state.clone(),
        version: None,
        label: None,
        responsibility: None,
        respond_by: None,
        content: None,
    }
}

fn of_case(event: &EventRow, view: &CaseView) -> Notice {
    Notice {
        version: Some(view.version),
        label: Some(view.label.clone()),
        responsibility: Some(view.responsibility.clone()),
        ..bare(event)
    }
}

fn of_handover(event: &EventRow, view: &HandoverView) -> Notice {
    Notice {
        version: Some(view.version),
        label: Some(view.label.clone()),
        responsibility: Some(view.responsibility.clone()),
        respond_by: Some(view.respond_by),
        ..bare(event)
    }
}

fn of_consultation(event: &EventRow, view: &ConsultationView) -> Notice {
    Notice {
        version: Some(view.version),
        label: view.case.map(Label::of),
        responsibility: Some(view.responsibility.clone()),
        respond_by: Some(view.deadline),
        ..bare(event)
    }
}
