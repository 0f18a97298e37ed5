//! What other gateways say about a case. Each message is believed only from the organisation whose it is to send, and answered
//! from the current state: a repeated, late or overtaken message is ordinary and changes nothing that was decided.

use super::{
    Answer, Epoch, Fact, Inbound, Key, MAX_EPOCH, MAX_INBOUND_PER_ORG, Message, Outbound, Outcome, Rejected, Role, State, Step, fence,
};

type Result<O, I, H> = std::result::Result<Step<O, I, H>, Rejected>;

pub(super) fn receive<O: Key, I: Key, H: Key>(
    state: &State<O, I, H>,
    from: &O,
    message: Message<O, I, H>,
    transfer: Option<H>,
) -> Result<O, I, H> {
    if *from == state.me {
        return Err(Rejected::Foreign);
    }
    match message {
        Message::Propose { offer, epoch, content } => propose(state, from, offer, epoch, content),
        Message::Withdraw { offer } => withdraw(state, from, offer),
        Message::Transfer { offer, epoch, content } => {
            let hash = transfer.ok_or(Rejected::WrongReceipt)?;
            take_token(state, from, offer, epoch, &content, hash)
        }
        Message::Accept { offer, content } => accept(state, from, &offer, &content),
        Message::Decline { offer, code } => {
            answered_by(state, from, &offer)?;
            Ok(match &state.role {
                Role::Offering { epoch, offer: open, to, .. } if *open == offer => {
                    let mut next = state.clone();
                    next.bury(&offer, to, Outcome::Declined(code));
                    next.role = Role::Lead { epoch: epoch.clone() };
                    Step::to(next).fact(Fact::OfferClosed(offer, Outcome::Declined(code)))
                }
                // In transfer a decline means a freed place: the receiver refuses the token, and that message decides.
                _ => Step::nothing(),
            })
        }
        Message::Receipt { offer, epoch, transfer: named } => receipt(state, from, &offer, &epoch, &named, transfer.as_ref()),
        Message::Refuse { offer, epoch } => refuse(state, from, &offer, &epoch),
        Message::Fence { term } => fence::receive(state, from, term),
    }
}

/// An offer of a peer that says it leads.
fn propose<O: Key, I: Key, H: Key>(state: &State<O, I, H>, from: &O, offer: I, epoch: Epoch<O>, content: H) -> Result<O, I, H> {
    if let Some(known) = state.inbound.get(&offer) {
        return repeat_answer(known, from, offer, &content);
    }
    if state.outbound.contains_key(&offer) || state.open_offer().is_some_and(|open| *open.offer == offer) {
        return Err(Rejected::Foreign);
    }
    if epoch.step >= MAX_EPOCH || !state.believes(&epoch.term) {
        return Err(Rejected::WrongEpoch);
    }
    // One term has one lead at a time: while this organisation leads, nobody else does under the same or a later step.
    if state.lead().is_some_and(|own| own.term == epoch.term && own.step <= epoch.step) {
        return Err(Rejected::WrongEpoch);
    }
    let seen = state.seen.as_ref();
    if seen.is_some_and(|seen| epoch < *seen) {
        return Ok(stale(state, from, &epoch));
    }
    room_for(state, from)?;
    let mut next = state.clone();
    let proved = proves_receipt(state, from, &epoch);
    if proved {
        next.ends_open_offer();
        next.role = Role::Outside;
    }
    next.settle(offer.clone(), from.clone(), Answer::Received { epoch, content });
    let mut step = Step::to(next);
    if let Some(open) = state.open_offer().filter(|_| proved) {
        step = step.fact(Fact::LeftCustody(open.offer.clone()));
    }
    Ok(step.fact(Fact::OfferReceived(offer)))
}

/// The receiver of our token offers the case: then it leads, or led, and its receipt was merely overtaken.
fn proves_receipt<O: Key, I: Key, H: Key>(state: &State<O, I, H>, from: &O, epoch: &Epoch<O>) -> bool {
    matches!(&state.role, Role::Transferring { epoch: given, to, .. } if to == from && given.term == epoch.term && given.step <= epoch.step)
}

/// An offer from before what is known here. Under an older reign its sender does not know of the reclaim yet: tell it.
fn stale<O: Key, I: Key, H: Key>(state: &State<O, I, H>, from: &O, epoch: &Epoch<O>) -> Step<O, I, H> {
    match &state.seen {
        Some(seen) if epoch.term < seen.term => Step::answer(from, Message::Fence { term: seen.term.clone() }),
        _ => Step::nothing(),
    }
}

/// The same offer again: say the answer again.
fn repeat_answer<O: Key, I: Key, H: Key>(known: &Inbound<O, H>, from: &O, offer: I, content: &H) -> Result<O, I, H> {
    if known.from != *from {
        return Err(Rejected::Foreign);
    }
    Ok(match &known.answer {
        Answer::Received { content: read, .. } | Answer::Pledged { content: read, .. } if read != content => {
            return Err(Rejected::ContentChanged);
        }
        Answer::Pledged { content, .. } => Step::answer(from, Message::Accept { offer, content: content.clone() }),
        Answer::Declined(code) | Answer::Released(code) => Step::answer(from, Message::Decline { offer, code: *code }),
        Answer::Received { .. } | Answer::Withdrawn | Answer::Activated { .. } => Step::nothing(),
    })
}

/// The offer is closed. When it overtook its offer it leaves a tombstone, so that the offer cannot hang here later.
fn withdraw<O: Key, I: Key, H: Key>(state: &State<O, I, H>, from: &O, offer: I) -> Result<O, I, H> {
    let known = state.inbound.get(&offer);
    if known.is_some_and(|known| known.from != *from) || answered_by(state, from, &offer).is_ok() {
        return Err(Rejected::Foreign);
    }
    match known.map(|known| &known.answer) {
        None => room_for(state, from)?,
        Some(Answer::Received { .. } | Answer::Pledged { .. }) => {}
        Some(_) => return Ok(Step::nothing()),
    }
    let mut next = state.clone();
    next.settle(offer.clone(), from.clone(), Answer::Withdrawn);
    Ok(Step::to(next).fact(Fact::InboundWithdrawn(offer)))
}

/// The token arrives.
fn take_token<O: Key, I: Key, H: Key>(
    state: &State<O, I, H>,
    from: &O,
    offer: I,
    epoch: Epoch<O>,
    content: &H,
    hash: H,
) -> Result<O, I, H> {
    let known = state.inbound.get(&offer).ok_or(Rejected::UnknownOffer)?;
    if known.from != *from {
        return Err(Rejected::Foreign);
    }
    match &known.answer {
        Answer::Received { .. } => Err(Rejected::NotAccepted),
        Answer::Pledged { epoch: made, content: read } => {
            if read != content {
                return Err(Rejected::ContentChanged);
            }
            if made.next() != epoch {
                return Err(Rejected::WrongEpoch);
            }
            Ok(activate(state, from, offer, epoch, hash))
        }
        Answer::Activated { epoch, transfer } => {
            Ok(Step::answer(from, Message::Receipt { offer, epoch: epoch.clone(), transfer: transfer.clone() }))
        }
        Answer::Declined(_) | Answer::Withdrawn | Answer::Released(_) => Ok(Step::answer(from, Message::Refuse { offer, epoch })),
    }
}

/// A standing pledge meets its token. If a later epoch is known already, the case moved on: the receipt is due, the lead is not.
fn activate<O: Key, I: Key, H: Key>(state: &State<O, I, H>, from: &O, offer: I, epoch: Epoch<O>, transfer: H) -> Step<O, I, H> {
    let mut next = state.clone();
    next.settle(offer.clone(), from.clone(), Answer::Activated { epoch: epoch.clone(), transfer: transfer.clone() });
    let fresh = state.seen.as_ref().is_none_or(|seen| epoch > *seen);
    let receipt = Message::Receipt { offer: offer.clone(), epoch: epoch.clone(), transfer };
    if fresh {
        next.becomes_lead(epoch).say(from, receipt)
    } else {
        Step::to(next).say(from, receipt).fact(Fact::OldTokenAcknowledged(offer))
    }
}

/// The receiver accepts. The sender's commit of the transfer is the point of no return.
fn accept<O: Key, I: Key, H: Key>(state: &State<O, I, H>, from: &O, offer: &I, read: &H) -> Result<O, I, H> {
    answered_by(state, from, offer)?;
    match &state.role {
        Role::Offering { epoch, offer: open, to, content } if open == offer => {
            if content != read {
                return Err(Rejected::ContentChanged);
            }
            let (epoch, content) = (epoch.next(), content.clone());
            let message = Message::Transfer { offer: offer.clone(), epoch: epoch.clone(), content: content.clone() };
            let mut next = state.clone();
            next.seen = next.seen.max(Some(epoch.clone()));
            next.role = Role::Transferring { epoch: epoch.clone(), offer: offer.clone(), to: to.clone(), content };
            Ok(Step::to(next).say(to, message).fact(Fact::GaveToken(offer.clone(), epoch)))
        }
        Role::Transferring { epoch, offer: open, to, content } if open == offer => {
            Ok(Step::answer(to, Message::Transfer { offer: offer.clone(), epoch: epoch.clone(), content: content.clone() }))
        }
        _ => Ok(late_accept(state, from, offer)),
    }
}

/// An acceptance of an offer that is closed: say how it stands, so that no place stays reserved for nothing.
fn late_accept<O: Key, I: Key, H: Key>(state: &State<O, I, H>, from: &O, offer: &I) -> Step<O, I, H> {
    match state.outbound.get(offer).map(|row| row.outcome) {
        Some(Outcome::Withdrawn | Outcome::Declined(_) | Outcome::Refused) => {
            Step::answer(from, Message::Withdraw { offer: offer.clone() })
        }
        Some(Outcome::Reclaimed) => match &state.seen {
            Some(seen) => Step::answer(from, Message::Fence { term: seen.term.clone() }),
            None => Step::nothing(),
        },
        // Passed: it has the token, and this acceptance is the one that brought it.
        Some(Outcome::Passed) | None => Step::nothing(),
    }
}

fn receipt<O: Key, I: Key, H: Key>(
    state: &State<O, I, H>,
    from: &O,
    offer: &I,
    epoch: &Epoch<O>,
    named: &H,
    kept: Option<&H>,
) -> Result<O, I, H> {
    answered_by(state, from, offer)?;
    match &state.role {
        Role::Transferring { epoch: given, offer: open, .. } if open == offer => {
            if given != epoch {
                return Err(Rejected::WrongEpoch);
            }
            if kept != Some(named) {
                return Err(Rejected::WrongReceipt);
            }
            let mut next = state.clone();
            next.ends_open_offer();
            next.role = Role::Outside;
            Ok(Step::to(next).fact(Fact::LeftCustody(offer.clone())))
        }
        Role::Offering { offer: open, .. } if open == offer => Err(Rejected::WrongEpoch),
        _ => Ok(Step::nothing()),
    }
}

fn refuse<O: Key, I: Key, H: Key>(state: &State<O, I, H>, from: &O, offer: &I, epoch: &Epoch<O>) -> Result<O, I, H> {
    answered_by(state, from, offer)?;
    match &state.role {
        Role::Transferring { epoch: given, offer: open, to, .. } if open == offer => {
            if given != epoch {
                return Err(Rejected::WrongEpoch);
            }
            let mut next = state.clone();
            next.bury(offer, to, Outcome::Refused);
            next.role = Role::Outside;
            Ok(next.becomes_lead(epoch.next()).fact(Fact::OfferClosed(offer.clone(), Outcome::Refused)))
        }
        Role::Offering { offer: open, .. } if open == offer => Err(Rejected::WrongEpoch),
        _ => Ok(Step::nothing()),
    }
}

/// Whether `from` is the organisation this own offer was made to: only that one answers it.
fn answered_by<O: Key, I: Key, H: Key>(state: &State<O, I, H>, from: &O, offer: &I) -> std::result::Result<(), Rejected> {
    let open = state.open_offer().filter(|open| open.offer == offer).map(|open| open.to);
    let to = open.or_else(|| state.outbound.get(offer).map(|Outbound { to, .. }| to));
    match to {
        None => Err(Rejected::UnknownOffer),
        Some(to) if to == from => Ok(()),
        Some(_) => Err(Rejected::Foreign),
    }
}

fn room_for<O: Key, I: Key, H: Key>(state: &State<O, I, H>, from: &O) -> std::result::Result<(), Rejected> {
    let kept = state.inbound.values().filter(|row| row.from == *from).count();
    if kept < MAX_INBOUND_PER_ORG { Ok(()) } else { Err(Rejected::TooMany) }
}
