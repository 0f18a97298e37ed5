//! What must hold in every state, and what must be reachable so that the rest says something.

use std::sync::Arc;

use schakel_domain::custody::{Answer, Message, Outcome, Role};
use stateright::Property;

use super::{Chain, Custody, World};

pub(super) fn all() -> Vec<Property<Chain>> {
    vec![
        Property::always("P1 somebody is responsible until the lead closes the case", |_, w: &World| w.responsible() > 0 || w.closed()),
        Property::always("P2 at most one lead at a time, without force", |_, w: &World| w.forced > 0 || w.leads() <= 1),
        Property::always("P3 at most one organisation ever led in an epoch", |_, w: &World| {
            w.led.windows(2).all(|two| two[0].0 != two[1].0)
        }),
        Property::always("P4 a withdrawn offer is never activated", |_, w: &World| w.no_withdrawn_offer_is_active()),
        Property::always("P5 quiet, without force: one lead, one responsible, no pledge hangs", |m: &Chain, w: &World| {
            let settled = w.leads() == 1 && w.responsible() == 1 || w.closed() && w.responsible() == 0;
            w.forced > 0 || settled && !w.a_pledge_hangs() || !m.quiet(w)
        }),
        Property::always("P6 quiet, after force: one lead, in the highest epoch; no pledge hangs", |m: &Chain, w: &World| {
            w.forced == 0 || w.only_the_highest_leads() && !w.a_pledge_hangs() || !m.quiet(w)
        }),
        Property::always("P7 quiet: an accepted offer is activated, withdrawn or released", |m: &Chain, w: &World| {
            w.every_acceptance_ended() || !m.quiet(w)
        }),
        Property::always("P8 resolving a contest never makes a lead", |_, w: &World| !w.lead_by_resolution),
        Property::sometimes("S1 a handover completes", |_, w: &World| w.led.len() > 1 && w.responsible() == 1),
        Property::sometimes("S2 a withdrawal beats a pledge", |_, w: &World| w.a_withdrawal_beats_a_pledge()),
        Property::sometimes("S3 the case comes back to its first lead", |_, w: &World| {
            w.led.iter().any(|(epoch, org)| epoch.step >= 2 && epoch.term.counter == 0 && *org == 0)
        }),
        Property::sometimes("S4 a reclaim is contested, and resolved", |_, w: &World| {
            w.forced > 0
                && w.orgs.iter().any(|org| {
                    org.role == Role::Outside && org.outbound.values().any(|row| row.outcome == Outcome::Passed) && org.fenced.is_some()
                })
        }),
        Property::sometimes("S5 a lead is contested", |_, w: &World| w.orgs.iter().any(|org| matches!(org.role, Role::Contested { .. }))),
        Property::sometimes("S6 the case is closed", |_, w: &World| w.closed()),
    ]
}

impl World {
    fn leads(&self) -> usize {
        self.orgs.iter().filter(|org| org.lead().is_some()).count()
    }

    fn responsible(&self) -> usize {
        self.orgs.iter().filter(|org| org.responsible()).count()
    }

    fn closed(&self) -> bool {
        self.orgs.iter().any(|org| matches!(org.role, Role::Closed { .. }))
    }

    fn a_pledge_hangs(&self) -> bool {
        let open = |answer: &_| matches!(answer, Answer::Received { .. } | Answer::Pledged { .. });
        self.orgs.iter().any(|org| org.inbound.values().any(|row| open(&row.answer)))
    }

    fn only_the_highest_leads(&self) -> bool {
        let highest = self.led.last().map(|(epoch, _)| epoch);
        let mut leads = self.orgs.iter().filter_map(|org| org.lead());
        leads.next() == highest && leads.next().is_none()
    }

    fn no_withdrawn_offer_is_active(&self) -> bool {
        self.net.iter().all(|envelope| match envelope.message {
            Message::Withdraw { offer } => !matches!(self.answer(envelope.to, offer), Some(Answer::Activated { .. })),
            _ => true,
        })
    }

    fn every_acceptance_ended(&self) -> bool {
        self.net.iter().all(|envelope| match envelope.message {
            Message::Accept { offer, .. } => {
                matches!(self.answer(envelope.from, offer), Some(Answer::Activated { .. } | Answer::Withdrawn | Answer::Released(_)))
            }
            _ => true,
        })
    }

    fn a_withdrawal_beats_a_pledge(&self) -> bool {
        self.net.iter().any(|envelope| match envelope.message {
            Message::Accept { offer, .. } => self.answer(envelope.from, offer) == Some(&Answer::Withdrawn),
            _ => false,
        })
    }

    fn answer(&self, org: u8, offer: u32) -> Option<&Answer<u8, u8>> {
        let state: &Arc<Custody> = &self.orgs[usize::from(org)];
        state.inbound(&offer).map(|row| &row.answer)
    }
}
