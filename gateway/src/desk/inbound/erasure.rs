//! What peers say of destroying a file. A peer that destroyed its own asks us to judge ours: it is recorded, people are told, and nothing is
//! erased by it. What comes for a case that was erased here is counted, and refused by name unless it is about that erasure.

use schakel_domain::audit::entry::{Decision, Object};
use schakel_domain::id::ClientKeyId;
use schakel_domain::message::{Body, Message};
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::view::PeerAnswer;

use super::super::Desk;
use super::super::case::case_name;
use super::super::draft::{Draft, Stop};
use super::super::erasure::ErasureRecord;
use super::super::record::Doc;
use super::super::trace::{By, Rule};
use super::{Incoming, Thread, advance, event_code, unfit};

impl Desk {
    /// What is left of the case or question whose thread this was; none when it is a thread like any other.
    pub(super) async fn erased_thread(&self, thread: &Thread, message: &Message) -> Result<Option<Doc<ErasureRecord>>, Stop> {
        match thread {
            Thread::Bare(_) => self.left_of(&message.thread).await,
            Thread::Case(_) | Thread::Consultation(_) => Ok(None),
        }
    }

    /// A message for something erased here: what peers decided about their own is kept, all else is refused, and starts nothing anew.
    pub(super) async fn take_erased(
        &self,
        draft: &mut Draft<'_>,
        incoming: Incoming<'_>,
        thread: Thread,
        mut left: Doc<ErasureRecord>,
    ) -> Result<ClientKeyId, Stop> {
        let (message, at) = (incoming.message, draft.now);
        let answer = match &message.body {
            Body::Void { .. } => return self.void(draft, incoming, thread).await,
            Body::RequestErasure { .. } => PeerAnswer::Erased { at },
            Body::DeclineErasure { until } => PeerAnswer::Kept { at, until: *until },
            _ => return Err(self.erased(&left).await?.into()),
        };
        let Thread::Bare(bare) = thread else { return Err(unfit()) };
        let Some(known) = left.clear.peers.get_mut(&message.sender) else {
            return Err(Refusal::new(Stage::State, Reason::ProtocolViolation).because("nobody asked this organisation").into());
        };
        known.answer = Some(answer);
        let object = Object::new("case", "uuid", left.clear.case.to_string(), "protocol:erasure");
        let decision = Decision::allowed("protocol:erasure", "Iedere organisatie beslist over haar eigen dossier en zegt wat zij besloot.");
        let by = By { caller: incoming.caller, actor: None, second: None };
        self.note_from(draft, event_code(&message.body), by, object, decision, (left.clear.case, incoming.party()));
        draft.put(&left).await?;
        draft.event(
            "case.erasure-answered",
            case_name(left.clear.case),
            if matches!(answer, PeerAnswer::Erased { .. }) { "erased" } else { "kept" },
        );
        bare.count(draft, message)
    }

    /// A peer destroyed its file of a case that is here too, or says that its own stays.
    pub(super) async fn take_erasure(&self, draft: &mut Draft<'_>, incoming: Incoming<'_>, thread: Thread) -> Result<ClientKeyId, Stop> {
        let message = incoming.message;
        let mut case = match thread {
            Thread::Case(case) => case,
            // Nothing of it is here: there is nothing to judge.
            bare @ Thread::Bare(_) => return self.void(draft, incoming, bare).await,
            Thread::Consultation(_) => return Err(unfit()),
        };
        if let Body::RequestErasure { ground } = &message.body {
            case.sealed.erasure.peer_asks(&message.sender, draft.now, *ground);
            // Not a change of the file: nobody keeps it longer because a peer asked.
            case.clear.revision += 1;
            draft.event("case.erasure-asked-by-peer", case_name(case.clear.case), "asked");
        }
        advance(&mut case.clear.links, message);
        let by = By { caller: incoming.caller, actor: None, second: None };
        let peer = Some(incoming.party());
        self.trace(draft, event_code(&message.body), by, self.about_case(&case), Rule::Protocol("erasure"), peer).await?;
        draft.put(&case).await?;
        Ok(case.clear.key)
    }
}
