//! What one's own people do to a case. Who may do it, and whether two people agree, was decided before.

use super::{Answer, DeclineCode, Epoch, Fact, Inbound, Key, MAX_EPOCH, MAX_OUTBOUND, Message, Outcome, Rejected, Role, State, Step};

type Result<O, I, H> = std::result::Result<Step<O, I, H>, Rejected>;

pub(super) fn open<O: Key, I: Key, H: Key>(state: &State<O, I, H>) -> Result<O, I, H> {
    // Anything known of the case means that somebody else opened it: a second first epoch would be a second lead.
    if state.role != Role::Outside || state.seen.is_some() || !state.inbound.is_empty() {
        return Err(Rejected::AlreadyOpen);
    }
    Ok(state.clone().becomes_lead(Epoch::first(state.me.clone())))
}

pub(super) fn propose<O: Key, I: Key, H: Key>(state: &State<O, I, H>, offer: I, to: O, content: H) -> Result<O, I, H> {
    let epoch = only_lead(state)?.clone();
    if to == state.me {
        return Err(Rejected::ToSelf);
    }
    if state.outbound.contains_key(&offer) || state.inbound.contains_key(&offer) {
        return Err(Rejected::OfferReused);
    }
    if state.outbound.len() >= MAX_OUTBOUND || epoch.step >= MAX_EPOCH {
        return Err(Rejected::TooMany);
    }
    let mut next = state.clone();
    let message = Message::Propose { offer: offer.clone(), epoch: epoch.clone(), content: content.clone() };
    next.role = Role::Offering { epoch, offer: offer.clone(), to: to.clone(), content };
    Ok(Step::to(next).say(&to, message).fact(Fact::OfferMade(offer)))
}

/// Before the transfer the sender decides alone, whether or not the receiver can be reached.
pub(super) fn withdraw<O: Key, I: Key, H: Key>(state: &State<O, I, H>, offer: &I) -> Result<O, I, H> {
    match &state.role {
        Role::Offering { epoch, offer: open, to, .. } if open == offer => {
            let mut next = state.clone();
            next.bury(offer, to, Outcome::Withdrawn);
            next.role = Role::Lead { epoch: epoch.clone() };
            Ok(Step::to(next).closes(to, offer.clone()))
        }
        Role::Transferring { offer: open, .. } if open == offer => Err(Rejected::InTransfer),
        _ if state.outbound.contains_key(offer) => Err(Rejected::OfferNotOpen),
        _ => Err(Rejected::NoSuchOffer),
    }
}

pub(super) fn accept<O: Key, I: Key, H: Key>(state: &State<O, I, H>, offer: I) -> Result<O, I, H> {
    let (from, epoch, content) = unanswered(state, &offer)?;
    let mut next = state.clone();
    next.settle(offer.clone(), from.clone(), Answer::Pledged { epoch: epoch.clone(), content: content.clone() });
    let message = Message::Accept { offer: offer.clone(), content: content.clone() };
    Ok(Step::to(next).say(from, message).fact(Fact::PledgeReserved(offer)))
}

pub(super) fn decline<O: Key, I: Key, H: Key>(state: &State<O, I, H>, offer: I, code: DeclineCode) -> Result<O, I, H> {
    let (from, ..) = unanswered(state, &offer)?;
    let mut next = state.clone();
    next.settle(offer.clone(), from.clone(), Answer::Declined(code));
    Ok(Step::to(next).say(from, Message::Decline { offer: offer.clone(), code }).fact(Fact::OfferDeclined(offer, code)))
}

/// Frees a reserved place. If the transfer crosses this, it will be refused and the sender, still responsible, leads again.
pub(super) fn release<O: Key, I: Key, H: Key>(state: &State<O, I, H>, offer: I, code: DeclineCode) -> Result<O, I, H> {
    match state.inbound.get(&offer) {
        None => Err(Rejected::NoSuchOffer),
        Some(Inbound { from, answer: Answer::Pledged { .. } }) => {
            let mut next = state.clone();
            next.settle(offer.clone(), from.clone(), Answer::Released(code));
            Ok(Step::to(next).say(from, Message::Decline { offer: offer.clone(), code }).fact(Fact::PledgeReleased(offer, code)))
        }
        Some(_) => Err(Rejected::OfferNotOpen),
    }
}

/// Takes the token back while it is in flight, under a new reign. The receiver may lead by now: the fence tells it.
pub(super) fn force<O: Key, I: Key, H: Key>(state: &State<O, I, H>) -> Result<O, I, H> {
    let (epoch, offer, to) = match &state.role {
        Role::Transferring { epoch, offer, to, .. } => (epoch, offer, to),
        Role::Contested { .. } => return Err(Rejected::Contested),
        Role::Closed { .. } => return Err(Rejected::Closed),
        _ => return Err(Rejected::NotInTransfer),
    };
    let mut next = state.clone();
    let reclaimed = epoch.reclaimed_by(state.me.clone());
    let term = reclaimed.term.clone();
    next.bury(offer, to, Outcome::Reclaimed);
    next.role = Role::Outside;
    // Those it passed the case to before are told when a fence of an earlier reclaim comes by: `fenced` stays as it was.
    let step = next.becomes_lead(reclaimed).say(to, Message::Fence { term });
    Ok(step.fact(Fact::OfferClosed(offer.clone(), Outcome::Reclaimed)))
}

/// The contested side steps back. This never makes a lead: if it should lead, the lead hands over.
pub(super) fn resolve<O: Key, I: Key, H: Key>(state: &State<O, I, H>) -> Result<O, I, H> {
    if !matches!(state.role, Role::Contested { .. }) {
        return Err(Rejected::NotContested);
    }
    let mut next = state.clone();
    next.role = Role::Outside;
    Ok(Step::to(next).fact(Fact::ContestResolved))
}

pub(super) fn close<O: Key, I: Key, H: Key>(state: &State<O, I, H>) -> Result<O, I, H> {
    let epoch = only_lead(state)?.clone();
    let mut next = state.clone();
    next.role = Role::Closed { epoch: epoch.clone() };
    Ok(Step::to(next).fact(Fact::CaseClosed(epoch)))
}

/// The epoch of a lead with nothing under way, or the reason why this is not one.
fn only_lead<O: Key, I: Key, H: Key>(state: &State<O, I, H>) -> std::result::Result<&Epoch<O>, Rejected> {
    match &state.role {
        Role::Lead { epoch } => Ok(epoch),
        Role::Outside => Err(Rejected::NotLead),
        Role::Offering { .. } => Err(Rejected::OfferOpen),
        Role::Transferring { .. } => Err(Rejected::InTransfer),
        Role::Contested { .. } => Err(Rejected::Contested),
        Role::Closed { .. } => Err(Rejected::Closed),
    }
}

/// An offer that waits for a person: who made it, in which epoch, with which package.
fn unanswered<'a, O: Key, I: Key, H: Key>(
    state: &'a State<O, I, H>,
    offer: &I,
) -> std::result::Result<(&'a O, &'a Epoch<O>, &'a H), Rejected> {
    match state.inbound.get(offer) {
        None => Err(Rejected::NoSuchOffer),
        Some(Inbound { from, answer: Answer::Received { epoch, content } }) => Ok((from, epoch, content)),
        Some(Inbound { answer: Answer::Withdrawn, .. }) => Err(Rejected::OfferNotOpen),
        Some(_) => Err(Rejected::AlreadyAnswered),
    }
}
