//! The side that asks. Its assignment is the one decision of the protocol.

use serde::{Deserialize, Serialize};

use super::{Message, Outgoing, Rejected};
use crate::custody::{DeclineCode, Key};

/// Candidates of one request.
pub const MAX_CANDIDATES: usize = 32;

/// How candidates are asked; the covenant says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One after the other, in the covenant's order.
    Sequence,
    /// All at once.
    FanOut,
}

/// Where one candidate stands with the requester.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Not asked yet.
    NotYet,
    /// Asked, and no answer so far.
    Open,
    /// Said yes, and was assigned.
    Bid,
    /// Said no.
    Declined(DeclineCode),
    /// Did not answer in time, and was released. A late yes is still welcome while nobody else was assigned.
    Lapsed,
    /// Said yes after the request had escalated: people decide what to do with it.
    LateBid,
}

/// A candidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Candidate<O> {
    /// The organisation.
    pub org: O,
    /// Where it stands.
    pub asked: Asked,
}

/// Where the request stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase<O> {
    /// Candidates are being asked.
    Asking,
    /// This organisation helps.
    Assigned(O),
    /// Nobody helped in time: people telephone.
    Escalated,
    /// Taken back by the requester.
    Cancelled,
    /// The help of this organisation is finished.
    Closed(O),
}

/// A request for expertise, at the organisation that asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct State<O, H> {
    /// The question.
    pub content: H,
    /// One by one, or all at once.
    pub mode: Mode,
    /// In the covenant's order.
    pub candidates: Vec<Candidate<O>>,
    /// Where it stands.
    pub phase: Phase<O>,
}

impl<O: Key, H: Key> State<O, H> {
    /// Whether the requester has been told an outcome: help, or the telephone.
    #[must_use]
    pub fn decided(&self) -> bool {
        self.phase != Phase::Asking
    }

    /// Who helps, or helped.
    #[must_use]
    pub fn assigned(&self) -> Option<&O> {
        match &self.phase {
            Phase::Assigned(org) | Phase::Closed(org) => Some(org),
            _ => None,
        }
    }

    /// In a sequence: the candidate whose answer is awaited.
    #[must_use]
    pub fn current(&self) -> Option<&Candidate<O>> {
        let last = self.candidates.iter().rev().find(|candidate| candidate.asked != Asked::NotYet);
        last.filter(|candidate| self.mode == Mode::Sequence && self.phase == Phase::Asking && candidate.asked == Asked::Open)
    }

    fn at(&self, org: &O) -> Option<usize> {
        self.candidates.iter().position(|candidate| candidate.org == *org)
    }
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<O, H> {
    /// A candidate did not answer within its own time. Without effect on one that is not awaited in a sequence.
    CandidateDue {
        /// Which one.
        candidate: O,
    },
    /// The time of the whole request is over.
    DeadlinePassed,
    /// The requester needs no help any more.
    Cancel,
    /// The requester ends an assigned request.
    Close,
    /// A message of a peer, whose identity and signature were checked.
    Receive {
        /// Who says it.
        from: O,
        /// What it says.
        message: Message<H>,
    },
}

/// What became true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<O> {
    /// A candidate was asked; its due time starts.
    Asked(O),
    /// A candidate said no.
    CandidateDeclined(O, DeclineCode),
    /// A candidate did not answer in time.
    CandidateLapsed(O),
    /// A candidate helps.
    Assigned(O),
    /// Nobody helped in time; the telephone number counts.
    Escalated,
    /// The request was taken back.
    Cancelled,
    /// A yes after the request had escalated: shown to people, never confirmed by itself.
    LateBid(O),
    /// An advice arrived.
    AdviceReceived(O),
    /// The request was ended.
    Closed(O),
}

/// The result of one input of the requester.
pub type Step<O, H> = super::Step<State<O, H>, O, H, Fact<O>>;

/// A new request: the first candidate is asked, or all are.
///
/// # Errors
/// [`Rejected::BadCandidates`] when the list is empty, longer than [`MAX_CANDIDATES`], names one twice or names `me`.
pub fn ask<O: Key, H: Key>(me: &O, content: H, mode: Mode, candidates: Vec<O>) -> Result<Step<O, H>, Rejected> {
    let twice = |at: usize| candidates[..at].contains(&candidates[at]);
    let unusable = candidates.is_empty() || candidates.len() > MAX_CANDIDATES || candidates.contains(me);
    if unusable || (0..candidates.len()).any(twice) {
        return Err(Rejected::BadCandidates);
    }
    let candidates = candidates.into_iter().map(|org| Candidate { org, asked: Asked::NotYet }).collect();
    let draft = Draft::new(State { content, mode, candidates, phase: Phase::Asking });
    Ok(draft.ask_next().done())
}

/// One step of the requester. A timer that fires too late, and a repeated message, are no errors.
///
/// # Errors
/// When the request does not allow what one's own people ask, or a peer says what is not its to say. Nothing changes then.
pub fn step<O: Key, H: Key>(state: &State<O, H>, input: Input<O, H>) -> Result<Step<O, H>, Rejected> {
    match input {
        Input::CandidateDue { candidate } => Ok(candidate_due(state, &candidate)),
        Input::DeadlinePassed if state.decided() => Ok(Step::nothing()),
        Input::DeadlinePassed => Ok(Draft::new(state.clone()).escalate().done()),
        Input::Cancel if state.decided() => Err(Rejected::NotOpen),
        Input::Cancel => Ok(Draft::new(state.clone()).ends(Phase::Cancelled, Fact::Cancelled).done()),
        Input::Close => close(state),
        Input::Receive { from, message } => {
            let at = state.at(&from).filter(|at| state.candidates[*at].asked != Asked::NotYet).ok_or(Rejected::Foreign)?;
            match message {
                Message::Bid { content } if content != state.content => Err(Rejected::ContentChanged),
                Message::Bid { .. } => bid(state, at),
                Message::Decline { code } => Ok(declined(state, at, code)),
                Message::Advice { .. } => advice(state, from),
                Message::Ask { .. } | Message::Confirm | Message::Release | Message::Close => Err(Rejected::Foreign),
            }
        }
    }
}

fn candidate_due<O: Key, H: Key>(state: &State<O, H>, candidate: &O) -> Step<O, H> {
    if state.current().is_none_or(|current| current.org != *candidate) {
        return Step::nothing();
    }
    let mut draft = Draft::new(state.clone());
    draft.mark(candidate, Asked::Lapsed);
    draft.step = draft.step.say(candidate.clone(), Message::Release).fact(Fact::CandidateLapsed(candidate.clone()));
    draft.ask_next().done()
}

/// Help that exists beats the order: a late yes of an earlier candidate is used while nobody else was assigned.
fn bid<O: Key, H: Key>(state: &State<O, H>, at: usize) -> Result<Step<O, H>, Rejected> {
    let Candidate { org, asked } = &state.candidates[at];
    let org = org.clone();
    match &state.phase {
        _ if matches!(asked, Asked::Declined(_)) => Err(Rejected::Unexpected),
        Phase::Asking => {
            let mut draft = Draft::new(state.clone());
            draft.mark(&org, Asked::Bid);
            draft.state.phase = Phase::Assigned(org.clone());
            draft.step = draft.step.say(org.clone(), Message::Confirm).fact(Fact::Assigned(org));
            Ok(draft.release_open().done())
        }
        Phase::Assigned(to) if *to == org => Ok(Step::answer(org, Message::Confirm)),
        Phase::Closed(to) if *to == org => Ok(Step::answer(org, Message::Close)),
        Phase::Escalated if *asked != Asked::LateBid => {
            let mut draft = Draft::new(state.clone());
            draft.mark(&org, Asked::LateBid);
            draft.step = draft.step.say(org.clone(), Message::Release).fact(Fact::LateBid(org));
            Ok(draft.done())
        }
        _ => Ok(Step::answer(org, Message::Release)),
    }
}

fn declined<O: Key, H: Key>(state: &State<O, H>, at: usize, code: DeclineCode) -> Step<O, H> {
    let Candidate { org, asked } = state.candidates[at].clone();
    if state.decided() || asked != Asked::Open {
        return Step::nothing();
    }
    let mut draft = Draft::new(state.clone());
    draft.mark(&org, Asked::Declined(code));
    draft.step = draft.step.fact(Fact::CandidateDeclined(org, code));
    if draft.state.candidates.iter().any(|candidate| candidate.asked == Asked::Open) { draft.done() } else { draft.ask_next().done() }
}

/// Outside the single decision: words of the one who helps.
fn advice<O: Key, H: Key>(state: &State<O, H>, from: O) -> Result<Step<O, H>, Rejected> {
    if state.assigned() == Some(&from) { Ok(Step::nothing().fact(Fact::AdviceReceived(from))) } else { Err(Rejected::Foreign) }
}

fn close<O: Key, H: Key>(state: &State<O, H>) -> Result<Step<O, H>, Rejected> {
    let Phase::Assigned(org) = &state.phase else { return Err(Rejected::NotOpen) };
    let next = State { phase: Phase::Closed(org.clone()), ..state.clone() };
    Ok(Step::to(next).say(org.clone(), Message::Close).fact(Fact::Closed(org.clone())))
}

/// A state in the making, with what it says and what became true.
struct Draft<O, H> {
    state: State<O, H>,
    step: Step<O, H>,
}

impl<O: Key, H: Key> Draft<O, H> {
    fn new(state: State<O, H>) -> Self {
        Self { state, step: Step::nothing() }
    }

    fn mark(&mut self, org: &O, asked: Asked) {
        if let Some(candidate) = self.state.candidates.iter_mut().find(|candidate| candidate.org == *org) {
            candidate.asked = asked;
        }
    }

    /// Asks the next candidate, or all of them, or has nobody left to ask.
    fn ask_next(mut self) -> Self {
        let content = self.state.content.clone();
        let number = if self.state.mode == Mode::FanOut { usize::MAX } else { 1 };
        let next = self.state.candidates.iter_mut().filter(|candidate| candidate.asked == Asked::NotYet).take(number);
        for candidate in next {
            candidate.asked = Asked::Open;
            self.step.send.push(Outgoing { to: candidate.org.clone(), message: Message::Ask { content: content.clone() } });
            self.step.facts.push(Fact::Asked(candidate.org.clone()));
        }
        let someone = self.state.candidates.iter().any(|candidate| candidate.asked == Asked::Open);
        if someone { self } else { self.escalate() }
    }

    fn escalate(self) -> Self {
        self.ends(Phase::Escalated, Fact::Escalated)
    }

    fn ends(mut self, phase: Phase<O>, fact: Fact<O>) -> Self {
        self.state.phase = phase;
        self.step = self.step.fact(fact);
        self.release_open()
    }

    /// Nobody keeps waiting for an answer that will not come.
    fn release_open(mut self) -> Self {
        let open = self.state.candidates.iter().filter(|candidate| candidate.asked == Asked::Open);
        self.step.send.extend(open.map(|candidate| Outgoing { to: candidate.org.clone(), message: Message::Release }));
        self
    }

    fn done(mut self) -> Step<O, H> {
        self.step.state = Some(self.state);
        self.step
    }
}
