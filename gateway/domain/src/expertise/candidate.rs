//! The side that is asked. It may say yes, and sets out only after the confirmation.

use serde::{Deserialize, Serialize};

use super::{Message, Rejected};
use crate::custody::{DeclineCode, Key};

/// Where the question stands here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase<H> {
    /// Nothing arrived yet.
    Idle,
    /// Waits for a person.
    Asked {
        /// The question.
        content: H,
    },
    /// A person said yes; not confirmed.
    Bid {
        /// The question that was read.
        content: H,
    },
    /// A person said no.
    Declined(DeclineCode),
    /// This organisation helps.
    Confirmed,
    /// Not needed (any more).
    Released {
        /// Whether a bid had been made, which a confirmation may still reach.
        bid: bool,
    },
    /// The requester ended the request.
    Closed,
}

/// A question of another organisation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct State<O, H> {
    /// Who asks; only that organisation confirms, releases or closes.
    pub requester: O,
    /// Where it stands.
    pub phase: Phase<H>,
}

impl<O: Key, H: Key> State<O, H> {
    /// Before the first message of `requester` about this request.
    #[must_use]
    pub fn new(requester: O) -> Self {
        Self { requester, phase: Phase::Idle }
    }

    /// Whether a yes was given that is neither confirmed nor released: nobody sets out, and the requester is to be telephoned.
    #[must_use]
    pub fn unconfirmed_bid(&self) -> bool {
        matches!(self.phase, Phase::Bid { .. })
    }
}

/// What happens to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<O, H> {
    /// A named person says yes.
    StaffBid,
    /// A named person says no.
    StaffDecline {
        /// Why.
        code: DeclineCode,
    },
    /// A confirmed candidate sends an advice.
    Advise {
        /// The advice.
        content: H,
    },
    /// A message of a peer, whose identity and signature were checked.
    Receive {
        /// Who says it.
        from: O,
        /// What it says.
        message: Message<H>,
    },
}

/// What became true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// A question arrived and waits for a person.
    QuestionReceived,
    /// A person said yes.
    BidMade,
    /// A person said no.
    Declined(DeclineCode),
    /// This organisation helps.
    Confirmed,
    /// Not needed (any more).
    Released,
    /// An advice was sent.
    AdviceSent,
    /// The requester ended the request.
    Closed,
}

/// The result of one input of a candidate.
pub type Step<O, H> = super::Step<State<O, H>, O, H, Fact>;

/// One step of a candidate. A repeated or late message is no error.
///
/// # Errors
/// When the question does not allow what one's own people ask, or a peer says what is not its to say. Nothing changes then.
pub fn step<O: Key, H: Key>(state: &State<O, H>, input: Input<O, H>) -> Result<Step<O, H>, Rejected> {
    match input {
        Input::StaffBid => {
            let content = unanswered(state)?.clone();
            let message = Message::Bid { content: content.clone() };
            Ok(becomes(state, Phase::Bid { content }, Fact::BidMade).say(state.requester.clone(), message))
        }
        Input::StaffDecline { code } => {
            unanswered(state)?;
            let step = becomes(state, Phase::Declined(code), Fact::Declined(code));
            Ok(step.say(state.requester.clone(), Message::Decline { code }))
        }
        Input::Advise { content } if state.phase == Phase::Confirmed => {
            Ok(Step::answer(state.requester.clone(), Message::Advice { content }).fact(Fact::AdviceSent))
        }
        Input::Advise { .. } => Err(Rejected::NotOpen),
        Input::Receive { from, .. } if from != state.requester => Err(Rejected::Foreign),
        Input::Receive { message, .. } => receive(state, message),
    }
}

fn receive<O: Key, H: Key>(state: &State<O, H>, message: Message<H>) -> Result<Step<O, H>, Rejected> {
    match message {
        Message::Ask { content } => asked(state, content),
        // A release may have been sent when the time was over, and the late bid used after all: the confirmation is the later word.
        Message::Confirm => match &state.phase {
            Phase::Bid { .. } | Phase::Released { bid: true } => Ok(becomes(state, Phase::Confirmed, Fact::Confirmed)),
            Phase::Confirmed | Phase::Closed => Ok(Step::nothing()),
            _ => Err(Rejected::Unexpected),
        },
        Message::Release => Ok(match &state.phase {
            // A release that overtakes its question leaves a tombstone, so that the question cannot hang here later.
            Phase::Idle | Phase::Asked { .. } => becomes(state, Phase::Released { bid: false }, Fact::Released),
            Phase::Bid { .. } => becomes(state, Phase::Released { bid: true }, Fact::Released),
            _ => Step::nothing(),
        }),
        Message::Close => match &state.phase {
            // The confirmation was overtaken; closing says that there was one.
            Phase::Confirmed | Phase::Bid { .. } | Phase::Released { bid: true } => Ok(becomes(state, Phase::Closed, Fact::Closed)),
            Phase::Closed => Ok(Step::nothing()),
            _ => Err(Rejected::Unexpected),
        },
        Message::Bid { .. } | Message::Decline { .. } | Message::Advice { .. } => Err(Rejected::Foreign),
    }
}

/// A question, or the same one again: then the answer again.
fn asked<O: Key, H: Key>(state: &State<O, H>, content: H) -> Result<Step<O, H>, Rejected> {
    let again = |message| Step::answer(state.requester.clone(), message);
    match &state.phase {
        Phase::Idle => Ok(becomes(state, Phase::Asked { content }, Fact::QuestionReceived)),
        Phase::Asked { content: read } | Phase::Bid { content: read } if *read != content => Err(Rejected::ContentChanged),
        Phase::Bid { .. } => Ok(again(Message::Bid { content })),
        Phase::Declined(code) => Ok(again(Message::Decline { code: *code })),
        Phase::Asked { .. } | Phase::Confirmed | Phase::Released { .. } | Phase::Closed => Ok(Step::nothing()),
    }
}

fn unanswered<O: Key, H: Key>(state: &State<O, H>) -> Result<&H, Rejected> {
    match &state.phase {
        Phase::Asked { content } => Ok(content),
        Phase::Bid { .. } | Phase::Declined(_) | Phase::Confirmed => Err(Rejected::AlreadyAnswered),
        Phase::Idle | Phase::Released { .. } | Phase::Closed => Err(Rejected::NotOpen),
    }
}

fn becomes<O: Key, H: Key>(state: &State<O, H>, phase: Phase<H>, fact: Fact) -> Step<O, H> {
    Step::to(State { requester: state.requester.clone(), phase }).fact(fact)
}
