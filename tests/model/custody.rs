//! Custody: a few organisations, a case, and a hostile network. The transitions are those of the gateway.

mod broken;
mod properties;
mod runs;

use std::sync::Arc;

use schakel_domain::custody::{Answer, DeclineCode, Epoch, Input, Message, Role, State};
use stateright::{Model, Property};

use broken::Broken;

type Org = u8;
/// Epoch, maker and number of an offer in one small number, so that two histories that differ only in the order of ids are one.
type OfferId = u32;
type Hash = u8;
type Custody = State<Org, OfferId, Hash>;

/// The package; content is not what this model is about.
const PACKAGE: Hash = 1;
/// The hash of any Transfer.
const TRANSFER: Hash = 2;

/// A message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Envelope {
    to: Org,
    from: Org,
    message: Message<Org, OfferId, Hash>,
}

/// Every organisation, and every message ever sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    orgs: Vec<Arc<Custody>>,
    /// A set, sorted.
    net: Vec<Envelope>,
    /// For the properties only: who led, in which epoch. A set, sorted.
    led: Vec<(Epoch<Org>, Org)>,
    /// For the properties only: forced reclaims so far.
    forced: u8,
    /// For the properties only: a resolution made a lead.
    lead_by_resolution: bool,
}

/// What may happen next.
#[derive(Clone, Debug, PartialEq)]
enum Act {
    Propose(Org, Org),
    Withdraw(Org, OfferId),
    Accept(Org, OfferId),
    Decline(Org, OfferId),
    Release(Org, OfferId),
    Force(Org),
    Resolve(Org),
    Close(Org),
    Deliver(Envelope),
    /// Only in a broken variant: the receiver forgets a pledge.
    Forget(Org, OfferId),
}

/// One configuration.
#[derive(Clone)]
struct Chain {
    orgs: Org,
    handovers: u32,
    offers_per_lead: usize,
    pledges_may_be_released: bool,
    forces: u8,
    may_close: bool,
    broken: Broken,
}

impl Model for Chain {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let outside = |org| Arc::new(Custody::new(org));
        let world =
            World { orgs: (0..self.orgs).map(outside).collect(), net: Vec::new(), led: Vec::new(), forced: 0, lead_by_resolution: false };
        vec![self.happens(&world, 0, Input::Open).expect("a new case can be opened")]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        for (org, state) in (0..).zip(&world.orgs) {
            self.own_acts(world, org, state, acts);
            self.answers(org, state, acts);
        }
        acts.extend(world.net.iter().copied().map(Act::Deliver));
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        match act {
            Act::Propose(org, to) => {
                let offer = new_offer(&world.orgs[usize::from(org)])?;
                self.happens(world, org, Input::Propose { offer, to, content: PACKAGE })
            }
            Act::Withdraw(org, offer) => self.happens(world, org, Input::Withdraw { offer }),
            Act::Accept(org, offer) => self.happens(world, org, Input::StaffAccept { offer }),
            Act::Decline(org, offer) => self.happens(world, org, Input::StaffDecline { offer, code: DeclineCode::NoCapacity }),
            Act::Release(org, offer) => self.happens(world, org, Input::ReleasePledge { offer, code: DeclineCode::NoCapacity }),
            Act::Force(org) => {
                let mut next = self.happens(world, org, Input::Force)?;
                next.forced += 1;
                Some(next)
            }
            Act::Resolve(org) => {
                let mut next = self.happens(world, org, Input::ResolveContested)?;
                next.lead_by_resolution |= next.orgs[usize::from(org)].lead().is_some();
                Some(next)
            }
            Act::Close(org) => self.happens(world, org, Input::Close),
            Act::Deliver(envelope) => self.deliver(world, envelope),
            Act::Forget(org, offer) => Some(broken::forget_pledge(world, org, offer)),
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Chain {
    /// What the people of the lead, or of a contested side, may do.
    fn own_acts(&self, world: &World, org: Org, state: &Custody, acts: &mut Vec<Act>) {
        match &state.role {
            Role::Lead { epoch } => {
                let made = state.outbound.keys().filter(|offer| **offer >> 8 == prefix(epoch, org) >> 8).count();
                if epoch.step < self.handovers && made < self.offers_per_lead {
                    acts.extend((0..self.orgs).filter(|to| *to != org).map(|to| Act::Propose(org, to)));
                }
                if self.may_close {
                    acts.push(Act::Close(org));
                }
            }
            Role::Offering { offer, .. } => acts.push(Act::Withdraw(org, *offer)),
            Role::Transferring { offer, .. } => {
                if self.broken == Broken::WithdrawAfterTransfer {
                    acts.push(Act::Withdraw(org, *offer));
                }
                if world.forced < self.forces {
                    acts.push(Act::Force(org));
                }
            }
            Role::Contested { .. } => acts.push(Act::Resolve(org)),
            Role::Outside | Role::Closed { .. } => {}
        }
    }

    /// What the people of a receiver may do.
    fn answers(&self, org: Org, state: &Custody, acts: &mut Vec<Act>) {
        for (offer, row) in &state.inbound {
            match row.answer {
                Answer::Received { .. } => acts.extend([Act::Accept(org, *offer), Act::Decline(org, *offer)]),
                Answer::Pledged { .. } => {
                    if self.pledges_may_be_released {
                        acts.push(Act::Release(org, *offer));
                    }
                    if self.broken == Broken::SilentPledgeTimeout {
                        acts.push(Act::Forget(org, *offer));
                    }
                }
                _ => {}
            }
        }
    }

    fn deliver(&self, world: &World, envelope: Envelope) -> Option<World> {
        let lost = self.broken.loses(world, &envelope);
        let mut next = self.happens(world, envelope.to, heard(&envelope)).or_else(|| lost.then(|| world.clone()))?;
        if lost {
            next.net.retain(|sent| *sent != envelope);
        }
        Some(next)
    }

    /// One step of one organisation, and what it sends. None when nothing changes at all.
    fn happens(&self, world: &World, org: Org, input: Input<Org, OfferId, Hash>) -> Option<World> {
        let at = usize::from(org);
        let step = self.broken.step(&world.orgs[at], input).ok()?;
        let sent = step.send.into_iter().map(|out| Envelope { to: out.to, from: org, message: out.message });
        let sent: Vec<_> = sent.filter(|envelope| world.net.binary_search(envelope).is_err()).collect();
        if step.state.is_none() && sent.is_empty() {
            return None;
        }
        let mut next = world.clone();
        if let Some(state) = step.state {
            if let Some(epoch) = state.lead()
                && let Err(place) = next.led.binary_search(&(*epoch, org))
            {
                next.led.insert(place, (*epoch, org));
            }
            next.orgs[at] = Arc::new(state);
        }
        for envelope in sent {
            if let Err(place) = next.net.binary_search(&envelope) {
                next.net.insert(place, envelope);
            }
        }
        Some(next)
    }

    /// Nothing is left to deliver or to answer: whatever happens next is somebody's free choice.
    fn quiet(&self, world: &World) -> bool {
        let waiting = |state: &Arc<Custody>| state.inbound.values().any(|row| matches!(row.answer, Answer::Received { .. }));
        !world.orgs.iter().any(waiting) && world.net.iter().all(|envelope| self.deliver(world, *envelope).is_none())
    }
}

fn heard(envelope: &Envelope) -> Input<Org, OfferId, Hash> {
    Input::Receive { from: envelope.from, message: envelope.message, transfer: Some(TRANSFER) }
}

fn new_offer(state: &Custody) -> Option<OfferId> {
    let prefix = prefix(state.lead()?, state.me);
    let made = state.outbound.keys().filter(|offer| **offer >> 8 == prefix >> 8).count();
    Some(prefix | u32::try_from(made).ok()?)
}

fn prefix(epoch: &Epoch<Org>, org: Org) -> u32 {
    epoch.term.counter << 28 | u32::from(epoch.term.org) << 24 | epoch.step << 16 | u32::from(org) << 8
}
