//! Custody: who leads a case, and how the lead moves. One pure function, [`step`], is the whole protocol.
//!
//! Custody is a token that is always in exactly one place: at the sender, in flight, or at the receiver. Only its holder decides.
//! Two words are never mixed up: the **lead** holds the token (at most one organisation), the **responsible** must act if
//! something happens (at least one, always; two while the token is in flight). Until the sender commits the transfer the sender
//! alone decides; from then on the receiver alone. Nobody ever waits for two parties to agree at one instant.
//!
//! The network may lose, repeat, delay and reorder everything. Therefore a message is answered from the **current state**, never
//! from its place in a conversation, and everything that ended is remembered as a tombstone.
//!
//! [`step`] sees ids, epochs and hashes, never content; it has no clock and does no IO. The caller commits what it returns in one
//! transaction: the state, the messages, and one audit entry for the [`Fact`]s. `staff` holds what one's own people do, `peer`
//! what other gateways say, `fence` what a forced reclaim means to the others.

mod fence;
mod peer;
mod rejected;
mod staff;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{Hash, OfferId, OrgId};

pub use rejected::Rejected;

/// What serves as an id or hash in the protocols. The gateway uses its own ids; a model checker may use small numbers.
pub trait Key: Clone + Ord + fmt::Debug + std::hash::Hash {}

impl<T: Clone + Ord + fmt::Debug + std::hash::Hash> Key for T {}

/// Custody of one case as one gateway stores it.
pub type CaseCustody = State<OrgId, OfferId, Hash>;

/// Own offers of one case that are kept, open and closed together.
pub const MAX_OUTBOUND: usize = 256;

/// Offers of one case that are kept of one other organisation, so that a single peer cannot fill the row.
pub const MAX_INBOUND_PER_ORG: usize = 64;

/// Highest counter or step believed from a peer. Far above any real case, and far below where adding one would overflow.
pub const MAX_EPOCH: u32 = 1 << 30;

/// A reign: raised only by a forced reclaim. The organisation is part of it, so that two reclaims never make the same term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Term<O> {
    /// Forced reclaims so far, 0 for a case nobody reclaimed.
    pub counter: u32,
    /// Who opened the case (counter 0) or reclaimed it.
    pub org: O,
}

/// When somebody leads: term first, then step. At most one organisation ever leads in one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Epoch<O> {
    /// The reign.
    pub term: Term<O>,
    /// Raised by every transfer, and by a refused one.
    pub step: u32,
}

impl<O: Key> Epoch<O> {
    /// The first epoch of a case: counter 0 and the organisation that opened it.
    #[must_use]
    pub fn first(org: O) -> Self {
        Self { term: Term { counter: 0, org }, step: 0 }
    }

    /// The epoch after one transfer.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { term: self.term.clone(), step: self.step + 1 }
    }

    /// The epoch in which `org` leads after a forced reclaim.
    #[must_use]
    pub fn reclaimed_by(&self, org: O) -> Self {
        Self { term: Term { counter: self.term.counter + 1, org }, step: self.step }
    }
}

/// Why somebody says no to an offer or a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineCode {
    /// There is no place or nobody free.
    NoCapacity,
    /// Another kind of care is needed.
    NotThisCare,
    /// The client lives elsewhere.
    OutsideArea,
    /// The service is closed now.
    OutsideHours,
    /// Not enough is known to decide.
    InsufficientInformation,
    /// A reason of its own, told in words beside the code.
    Other,
}

impl DeclineCode {
    /// Every code, in the order shown to people.
    pub const ALL: &'static [DeclineCode] =
        &[Self::NoCapacity, Self::NotThisCare, Self::OutsideArea, Self::OutsideHours, Self::InsufficientInformation, Self::Other];

    /// The stable name, such as `no_capacity`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCapacity => "no_capacity",
            Self::NotThisCare => "not_this_care",
            Self::OutsideArea => "outside_area",
            Self::OutsideHours => "outside_hours",
            Self::InsufficientInformation => "insufficient_information",
            Self::Other => "other",
        }
    }
}

/// Where this organisation stands in one case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role<O, I, H> {
    /// Neither leads nor is responsible.
    Outside,
    /// Leads and is responsible.
    Lead {
        /// Since which epoch.
        epoch: Epoch<O>,
    },
    /// Leads, is responsible, and has one offer open.
    Offering {
        /// The epoch in which it leads.
        epoch: Epoch<O>,
        /// The open offer.
        offer: I,
        /// To whom.
        to: O,
        /// The package as offered.
        content: H,
    },
    /// Gave the token away; responsible until the receipt, and no longer decides.
    Transferring {
        /// The epoch in which the receiver will lead.
        epoch: Epoch<O>,
        /// The offer that was accepted.
        offer: I,
        /// Who is to lead.
        to: O,
        /// The package that was accepted.
        content: H,
    },
    /// Was lead or in transfer, and learned of a forced reclaim. Responsible until two people resolve it.
    Contested {
        /// The epoch in which it led, or that it was giving away.
        epoch: Epoch<O>,
        /// The reign that counts: its organisation reclaimed the lead.
        by: Term<O>,
    },
    /// Led and closed the case.
    Closed {
        /// The last epoch.
        epoch: Epoch<O>,
    },
}

/// How an own offer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Taken back before the transfer.
    Withdrawn,
    /// The receiver said no, or freed the reserved place.
    Declined(DeclineCode),
    /// The token was given and has not come back through this offer.
    Passed,
    /// The receiver refused the token: its place was no longer reserved.
    Refused,
    /// The token was taken back by force.
    Reclaimed,
}

/// The tombstone of an own offer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Outbound<O> {
    /// To whom it was made; only that organisation answers it.
    pub to: O,
    /// How it ended.
    pub outcome: Outcome,
}

/// Where an offer of another organisation stands here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer<O, H> {
    /// Waits for a person.
    Received {
        /// The epoch in which it was made.
        epoch: Epoch<O>,
        /// The package as offered.
        content: H,
    },
    /// Accepted, the place is reserved; the offering organisation still leads.
    Pledged {
        /// The epoch in which it was made.
        epoch: Epoch<O>,
        /// The package that was read and accepted.
        content: H,
    },
    /// A person said no.
    Declined(DeclineCode),
    /// Taken back by the organisation that made it, or overtaken by a forced reclaim.
    Withdrawn,
    /// Accepted first, then the place was freed here.
    Released(DeclineCode),
    /// The token arrived.
    Activated {
        /// The epoch it brought.
        epoch: Epoch<O>,
        /// The Transfer that brought it, named in the receipt.
        transfer: H,
    },
}

/// An offer of another organisation. It belongs to the organisation that made it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Inbound<O, H> {
    /// Who made it; only that organisation withdraws or transfers it.
    pub from: O,
    /// Where it stands.
    pub answer: Answer<O, H>,
}

/// Custody of one case at one organisation. Serialisable; tombstones stay as long as the case does.
///
/// The fields are open so that a test can break them. Only [`step`] changes them in the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(bound(
    serialize = "O: Serialize, I: Serialize + Ord, H: Serialize",
    deserialize = "O: Deserialize<'de>, I: Deserialize<'de> + Ord, H: Deserialize<'de>"
))]
pub struct State<O, I, H> {
    /// This organisation.
    pub me: O,
    /// Where it stands.
    pub role: Role<O, I, H>,
    /// The highest epoch it knows; nothing older ever makes it lead.
    pub seen: Option<Epoch<O>>,
    /// The highest reign that those it passed the case to were told of.
    pub fenced: Option<Term<O>>,
    /// Own offers that are no longer open, and not in transfer.
    pub outbound: BTreeMap<I, Outbound<O>>,
    /// Offers of others.
    pub inbound: BTreeMap<I, Inbound<O, H>>,
}

/// An own offer that is not closed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOffer<'a, O, I> {
    /// The offer.
    pub offer: &'a I,
    /// To whom.
    pub to: &'a O,
    /// The token is under way: it can no longer be withdrawn.
    pub in_transfer: bool,
}

impl<O: Key, I: Key, H: Key> State<O, I, H> {
    /// A case `me` knows nothing of yet.
    #[must_use]
    pub fn new(me: O) -> Self {
        Self { me, role: Role::Outside, seen: None, fenced: None, outbound: BTreeMap::new(), inbound: BTreeMap::new() }
    }

    /// The epoch in which this organisation leads now, if it does.
    #[must_use]
    pub fn lead(&self) -> Option<&Epoch<O>> {
        match &self.role {
            Role::Lead { epoch } | Role::Offering { epoch, .. } => Some(epoch),
            _ => None,
        }
    }

    /// Whether this organisation must act if something happens.
    #[must_use]
    pub fn responsible(&self) -> bool {
        !matches!(self.role, Role::Outside | Role::Closed { .. })
    }

    /// The own offer that is open or in transfer.
    #[must_use]
    pub fn open_offer(&self) -> Option<OpenOffer<'_, O, I>> {
        match &self.role {
            Role::Offering { offer, to, .. } => Some(OpenOffer { offer, to, in_transfer: false }),
            Role::Transferring { offer, to, .. } => Some(OpenOffer { offer, to, in_transfer: true }),
            _ => None,
        }
    }

    /// How a closed own offer ended.
    #[must_use]
    pub fn outbound(&self, offer: &I) -> Option<&Outbound<O>> {
        self.outbound.get(offer)
    }

    /// Where an offer of another organisation stands here.
    #[must_use]
    pub fn inbound(&self, offer: &I) -> Option<&Inbound<O, H>> {
        self.inbound.get(offer)
    }

    /// Whether `org` takes part in this case as far as is known here: an offer went one way or the other.
    #[must_use]
    pub fn knows(&self, org: &O) -> bool {
        self.open_offer().is_some_and(|open| open.to == org)
            || self.outbound.values().any(|row| &row.to == org)
            || self.inbound.values().any(|row| &row.from == org)
    }
}

/// What one gateway says to another about one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message<O, I, H> {
    /// The lead offers the case.
    Propose {
        /// The offer; never used again.
        offer: I,
        /// The epoch in which the sender leads.
        epoch: Epoch<O>,
        /// The package.
        content: H,
    },
    /// A person accepted exactly this package; the place is reserved.
    Accept {
        /// The offer.
        offer: I,
        /// The package that was read.
        content: H,
    },
    /// No; or the reserved place was freed.
    Decline {
        /// The offer.
        offer: I,
        /// Why.
        code: DeclineCode,
    },
    /// The offer is closed. Valid only before its transfer.
    Withdraw {
        /// The offer.
        offer: I,
    },
    /// The token itself.
    Transfer {
        /// The accepted offer.
        offer: I,
        /// The epoch in which the receiver leads.
        epoch: Epoch<O>,
        /// The package that was accepted.
        content: H,
    },
    /// The receiver leads, and has committed it.
    Receipt {
        /// The offer.
        offer: I,
        /// The epoch in which it leads.
        epoch: Epoch<O>,
        /// Hash of the Transfer it answers.
        transfer: H,
    },
    /// The receiver has no place reserved (any more); the sender leads again.
    Refuse {
        /// The offer.
        offer: I,
        /// The epoch of the refused Transfer.
        epoch: Epoch<O>,
    },
    /// The lead was reclaimed by force: older reigns no longer count.
    Fence {
        /// The new reign.
        term: Term<O>,
    },
}

/// What happens to a case: an act of one's own people, or a message of a peer. Who may do it was decided before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<O, I, H> {
    /// Opens the case here.
    Open,
    /// Offers the case.
    Propose {
        /// A new id.
        offer: I,
        /// The receiver.
        to: O,
        /// The package.
        content: H,
    },
    /// Takes an open own offer back.
    Withdraw {
        /// The offer.
        offer: I,
    },
    /// A named person accepts an offer.
    StaffAccept {
        /// The offer.
        offer: I,
    },
    /// A named person declines an offer.
    StaffDecline {
        /// The offer.
        offer: I,
        /// Why.
        code: DeclineCode,
    },
    /// An operator frees a reserved place.
    ReleasePledge {
        /// The offer.
        offer: I,
        /// Why.
        code: DeclineCode,
    },
    /// Two people take the token back while it is in flight.
    Force,
    /// Two people at the contested side spoke with the lead and step back.
    ResolveContested,
    /// The lead closes the case.
    Close,
    /// A message of a peer, whose identity and signature were checked.
    Receive {
        /// Who says it.
        from: O,
        /// What it says.
        message: Message<O, I, H>,
        /// The Transfer this is about: for a Transfer its own hash, for a Receipt that of the Transfer kept here for that offer (a
        /// resend is the same record and has the same hash). Not read for other messages.
        transfer: Option<H>,
    },
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing<O, I, H> {
    /// To whom.
    pub to: O,
    /// What.
    pub message: Message<O, I, H>,
}

/// What became true, for events and the audit entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<O, I> {
    /// This organisation leads since this epoch: it opened, received, was refused, or reclaimed.
    BecameLead(Epoch<O>),
    /// An own offer was made.
    OfferMade(I),
    /// An own offer ended.
    OfferClosed(I, Outcome),
    /// The receiver accepted and the token is under way to lead in this epoch; still responsible.
    GaveToken(I, Epoch<O>),
    /// The receiver has the token (its receipt, or its own later offer, says so); no longer responsible.
    LeftCustody(I),
    /// An offer arrived and waits for a person.
    OfferReceived(I),
    /// A person accepted; the place is reserved.
    PledgeReserved(I),
    /// A person declined.
    OfferDeclined(I, DeclineCode),
    /// A reserved place was freed by an operator here.
    PledgeReleased(I, DeclineCode),
    /// An offer was taken back or overtaken. A reserved place, if any, is free.
    InboundWithdrawn(I),
    /// A token arrived that is older than what is known: acknowledged, without leading.
    OldTokenAcknowledged(I),
    /// Another organisation reclaimed the lead by force while this one led or was giving the case away.
    BecameContested(Term<O>),
    /// Another organisation reclaimed the lead; this one neither led nor was responsible.
    LearnedOfReclaim(Term<O>),
    /// The contest was resolved here; another organisation leads.
    ContestResolved,
    /// The case was closed here.
    CaseClosed(Epoch<O>),
}

/// The result of one input. All of it is committed, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<O, I, H> {
    /// The next state; absent when nothing changes, as for most repeated messages.
    pub state: Option<State<O, I, H>>,
    /// Messages to send, in this order.
    pub send: Vec<Outgoing<O, I, H>>,
    /// What became true.
    pub facts: Vec<Fact<O, I>>,
}

impl<O: Key, I: Key, H: Key> Step<O, I, H> {
    /// Nothing changes and nothing is said: a repeated or late message.
    fn nothing() -> Self {
        Self { state: None, send: Vec::new(), facts: Vec::new() }
    }

    /// Nothing changes; the current state is said again.
    fn answer(to: &O, message: Message<O, I, H>) -> Self {
        Self { send: vec![Outgoing { to: to.clone(), message }], ..Self::nothing() }
    }

    fn to(state: State<O, I, H>) -> Self {
        Self { state: Some(state), ..Self::nothing() }
    }

    fn say(mut self, to: &O, message: Message<O, I, H>) -> Self {
        self.send.push(Outgoing { to: to.clone(), message });
        self
    }

    fn fact(mut self, fact: Fact<O, I>) -> Self {
        self.facts.push(fact);
        self
    }
}

/// One step of the protocol. A repeated or late message is no error: it is answered from the state as it is.
///
/// # Errors
/// When the state does not allow what one's own people ask, or a peer says what is not its to say. Nothing changes then.
pub fn step<O: Key, I: Key, H: Key>(state: &State<O, I, H>, input: Input<O, I, H>) -> Result<Step<O, I, H>, Rejected> {
    match input {
        Input::Open => staff::open(state),
        Input::Propose { offer, to, content } => staff::propose(state, offer, to, content),
        Input::Withdraw { offer } => staff::withdraw(state, &offer),
        Input::StaffAccept { offer } => staff::accept(state, offer),
        Input::StaffDecline { offer, code } => staff::decline(state, offer, code),
        Input::ReleasePledge { offer, code } => staff::release(state, offer, code),
        Input::Force => staff::force(state),
        Input::ResolveContested => staff::resolve(state),
        Input::Close => staff::close(state),
        Input::Receive { from, message, transfer } => peer::receive(state, &from, message, transfer),
    }
}

impl<O: Key, I: Key, H: Key> State<O, I, H> {
    /// Leads from now on. Whatever else was open here ends visibly: no offer may be left hanging at its receiver.
    fn becomes_lead(mut self, epoch: Epoch<O>) -> Step<O, I, H> {
        let withdrawn = self.ends_open_offer();
        self.seen = self.seen.max(Some(epoch.clone()));
        self.role = Role::Lead { epoch: epoch.clone() };
        let mut step = Step::to(self);
        if let Some((to, offer)) = withdrawn {
            step = step.closes(&to, offer);
        }
        step.fact(Fact::BecameLead(epoch))
    }

    /// Buries the own offer of a role that is about to end. Returns it when its receiver must be told that it is withdrawn.
    fn ends_open_offer(&mut self) -> Option<(O, I)> {
        let (offer, to, outcome) = match &self.role {
            Role::Offering { offer, to, .. } => (offer.clone(), to.clone(), Outcome::Withdrawn),
            Role::Transferring { offer, to, .. } => (offer.clone(), to.clone(), Outcome::Passed),
            _ => return None,
        };
        self.outbound.insert(offer.clone(), Outbound { to: to.clone(), outcome });
        (outcome == Outcome::Withdrawn).then_some((to, offer))
    }

    /// Buries an own offer.
    fn bury(&mut self, offer: &I, to: &O, outcome: Outcome) {
        self.outbound.insert(offer.clone(), Outbound { to: to.clone(), outcome });
    }

    /// Answers an offer of another organisation.
    fn settle(&mut self, offer: I, from: O, answer: Answer<O, H>) {
        self.inbound.insert(offer, Inbound { from, answer });
    }
}

impl<O: Key, I: Key, H: Key> Step<O, I, H> {
    /// Tells the receiver that an offer is withdrawn.
    fn closes(self, to: &O, offer: I) -> Self {
        self.say(to, Message::Withdraw { offer: offer.clone() }).fact(Fact::OfferClosed(offer, Outcome::Withdrawn))
    }
}
