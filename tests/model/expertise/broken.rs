//! Broken variants of the protocol. Each wraps a shipped `step`, or takes away what must be around it; the checker must find it.

use schakel_domain::expertise::candidate::{self, Phase as Answer};
use schakel_domain::expertise::requester::{self, Phase};
use schakel_domain::expertise::{Message, Rejected};

use super::{Hash, Org, Question, Request};

/// The mistake.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Broken {
    /// None: the protocol as shipped.
    Not,
    /// A candidate sets out on its own yes.
    BidIsFinal,
    /// The requester confirms every yes.
    ConfirmEveryBid,
    /// Timers are lost in a crash.
    NoTimerAfterRestart,
    /// Nobody is told that they are not needed.
    NoReleaseMsg,
    /// The people who asked rely on the server alone.
    NoClientWatchdog,
}

impl Broken {
    /// The shipped step of the requester, with the mistake around it.
    pub(super) fn requester(self, state: &Request, input: requester::Input<Org, Hash>) -> Result<requester::Step<Org, Hash>, Rejected> {
        let mut step = requester::step(state, input)?;
        if self == Self::NoReleaseMsg {
            step.send.retain(|out| out.message != Message::Release);
        }
        if self == Self::ConfirmEveryBid && matches!(state.phase, Phase::Assigned(_)) {
            step.send.iter_mut().for_each(|out| out.message = Message::Confirm);
        }
        Ok(step)
    }

    /// The shipped step of a candidate, with the mistake around it.
    pub(super) fn candidate(self, state: &Question, input: candidate::Input<Org, Hash>) -> Result<candidate::Step<Org, Hash>, Rejected> {
        let bid = input == candidate::Input::StaffBid;
        let mut step = candidate::step(state, input)?;
        if self == Self::BidIsFinal && bid {
            step.state = step.state.map(|state| Question { phase: Answer::Confirmed, ..state });
        }
        Ok(step)
    }
}
