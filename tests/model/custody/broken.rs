//! Broken variants of the protocol. Each wraps the shipped `step` with one mistake somebody could make; the checker must find it.

use std::sync::Arc;

use schakel_domain::custody::{self, Answer, Epoch, Input, Message, Outbound, Outcome, Outgoing, Rejected, Role};

use super::{Custody, Envelope, Hash, OfferId, Org, PACKAGE, TRANSFER, World};

type Step = custody::Step<Org, OfferId, Hash>;
type In = Input<Org, OfferId, Hash>;

/// Stands in a term that does not say who reclaimed.
const NOBODY: Org = 7;

/// The mistake.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Broken {
    /// None: the protocol as shipped.
    Not,
    /// The receiver leads from its own acceptance, while the sender may still withdraw alone.
    LeadAtAccept,
    /// The sender may withdraw after it committed the transfer.
    WithdrawAfterTransfer,
    /// The sender drops its responsibility when it sends the transfer.
    ReleaseAtTransfer,
    /// The receiver does not compare epochs: an old transfer resurrects its lead.
    NoEpochCheck,
    /// The receiver forgets a pledge by itself: no tombstone, no refusal.
    SilentPledgeTimeout,
    /// The receipt leaves before the commit, which is then lost.
    ReceiptBeforeCommit,
    /// A withdrawal that overtakes its offer is taken as handled, and leaves no tombstone.
    NoWithdrawTombstone,
    /// A forced reclaim keeps the epoch and tells nobody.
    ForceNoFence,
    /// The term does not hold the organisation that reclaimed.
    TermWithoutOwner,
}

impl Broken {
    /// The shipped step, with the mistake around it.
    pub(super) fn step(self, state: &Custody, input: In) -> Result<Step, Rejected> {
        match self {
            Self::Not | Self::SilentPledgeTimeout => custody::step(state, input),
            Self::LeadAtAccept => lead_at_accept(state, input),
            Self::WithdrawAfterTransfer => withdraw_after_transfer(state, input),
            Self::ReleaseAtTransfer => release_at_transfer(state, input),
            Self::NoEpochCheck => no_epoch_check(state, input),
            Self::ReceiptBeforeCommit => receipt_before_commit(state, input),
            Self::NoWithdrawTombstone => no_withdraw_tombstone(state, input),
            Self::ForceNoFence => force_no_fence(state, input),
            Self::TermWithoutOwner => term_without_owner(state, input),
        }
    }

    /// Whether the inbox of the receiver takes a message as handled that had no effect.
    pub(super) fn loses(self, world: &World, envelope: &Envelope) -> bool {
        self == Self::NoWithdrawTombstone && overtakes(&world.orgs[usize::from(envelope.to)], &envelope.message)
    }
}

/// The receiver drops its memory of a pledge.
pub(super) fn forget_pledge(world: &World, org: Org, offer: OfferId) -> World {
    let mut next = world.clone();
    Arc::make_mut(&mut next.orgs[usize::from(org)]).inbound.remove(&offer);
    next
}

fn lead_at_accept(state: &Custody, input: In) -> Result<Step, Rejected> {
    let Input::StaffAccept { offer } = input else { return custody::step(state, input) };
    let mut accepted = custody::step(state, input)?;
    let pledged = accepted.state.as_ref().unwrap_or(state);
    let row = &pledged.inbound[&offer];
    if let Answer::Pledged { epoch, content } = &row.answer {
        let message = Message::Transfer { offer, epoch: epoch.next(), content: *content };
        let taken = custody::step(pledged, Input::Receive { from: row.from, message, transfer: Some(TRANSFER) })?;
        accepted.send.extend(taken.send);
        accepted.state = taken.state;
    }
    Ok(accepted)
}

fn withdraw_after_transfer(state: &Custody, input: In) -> Result<Step, Rejected> {
    match (&input, &state.role) {
        (Input::Withdraw { offer }, Role::Transferring { epoch, to, .. }) => {
            let mut next = state.clone();
            next.outbound.insert(*offer, Outbound { to: *to, outcome: Outcome::Withdrawn });
            next.role = Role::Lead { epoch: Epoch { step: epoch.step - 1, ..*epoch } };
            Ok(Step { state: Some(next), send: vec![Outgoing { to: *to, message: Message::Withdraw { offer: *offer } }], facts: vec![] })
        }
        _ => custody::step(state, input),
    }
}

fn release_at_transfer(state: &Custody, input: In) -> Result<Step, Rejected> {
    let mut step = custody::step(state, input)?;
    if let Some(next) = &mut step.state
        && let Role::Transferring { offer, to, .. } = next.role
    {
        next.outbound.insert(offer, Outbound { to, outcome: Outcome::Passed });
        next.role = Role::Outside;
    }
    Ok(step)
}

fn no_epoch_check(state: &Custody, input: In) -> Result<Step, Rejected> {
    let Input::Receive { message: Message::Transfer { offer, .. }, .. } = input else { return custody::step(state, input) };
    let mut forgetful = state.clone();
    forgetful.seen = None;
    if let Some(row) = forgetful.inbound.get_mut(&offer)
        && let Answer::Activated { epoch, .. } = row.answer
        && state.lead().is_none()
    {
        row.answer = Answer::Pledged { epoch: Epoch { step: epoch.step - 1, ..epoch }, content: PACKAGE };
    }
    let mut step = custody::step(&forgetful, input)?;
    if let Some(next) = &mut step.state {
        next.seen = next.seen.max(state.seen);
    }
    Ok(step)
}

fn receipt_before_commit(state: &Custody, input: In) -> Result<Step, Rejected> {
    let transfer = matches!(input, Input::Receive { message: Message::Transfer { .. }, .. });
    let mut step = custody::step(state, input)?;
    if transfer {
        step.state = None;
    }
    Ok(step)
}

fn no_withdraw_tombstone(state: &Custody, input: In) -> Result<Step, Rejected> {
    let nothing = Step { state: None, send: vec![], facts: vec![] };
    match &input {
        Input::Receive { message, .. } if overtakes(state, message) => Ok(nothing),
        Input::Receive { message: Message::Accept { offer, .. }, .. } if state.outbound.contains_key(offer) => Ok(nothing),
        _ => custody::step(state, input),
    }
}

fn overtakes(state: &Custody, message: &Message<Org, OfferId, Hash>) -> bool {
    matches!(message, Message::Withdraw { offer } if !state.inbound.contains_key(offer))
}

fn force_no_fence(state: &Custody, input: In) -> Result<Step, Rejected> {
    let before = match (&input, &state.role) {
        (Input::Force, Role::Transferring { epoch, .. }) => *epoch,
        _ => return custody::step(state, input),
    };
    let mut step = custody::step(state, input)?;
    step.send.clear();
    if let Some(next) = &mut step.state {
        next.role = Role::Lead { epoch: before };
        next.seen = state.seen;
        next.fenced = state.fenced;
    }
    Ok(step)
}

fn term_without_owner(state: &Custody, input: In) -> Result<Step, Rejected> {
    let force = input == Input::Force;
    let mut step = custody::step(state, input)?;
    if let Some(next) = step.state.as_mut().filter(|_| force)
        && let Role::Lead { epoch } = &mut next.role
    {
        epoch.term.org = NOBODY;
        next.seen = Some(*epoch);
        next.fenced = Some(epoch.term);
        for out in &mut step.send {
            out.message = Message::Fence { term: epoch.term };
        }
    }
    Ok(step)
}
