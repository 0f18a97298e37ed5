//! A forced reclaim, as the others learn of it. The higher reign wins everywhere, and the loser is never silently free: it stays
//! responsible and visibly contested until its people resolve it.
//!
//! The organisation that reclaims knows only whom it gave the token to. The case may have moved on from there, so everyone who
//! learns of a reign tells it once to those it had passed the case to: the fence follows the token to wherever it is.

use super::{Answer, Fact, Key, MAX_EPOCH, Message, Outcome, Rejected, Role, State, Step, Term};

pub(super) fn receive<O: Key, I: Key, H: Key>(state: &State<O, I, H>, from: &O, term: Term<O>) -> Result<Step<O, I, H>, Rejected> {
    // A stranger to the case cannot take it from anybody.
    if !state.knows(from) {
        return Err(Rejected::Foreign);
    }
    if !state.believes(&term) {
        return Err(Rejected::WrongEpoch);
    }
    let known = state.seen.as_ref().map(|seen| &seen.term);
    let highest = known.map_or(&term, |known| known.max(&term)).clone();
    let mut step = Step::nothing();
    if state.fenced.as_ref().is_none_or(|fenced| *fenced < highest) {
        step = learn(state, from, &term, &highest);
    }
    // Two reclaims crossed: the lower one hears of the higher one.
    if term < highest { Ok(step.say(from, Message::Fence { term: highest })) } else { Ok(step) }
}

/// Takes notice of a reign, and tells it on.
fn learn<O: Key, I: Key, H: Key>(state: &State<O, I, H>, from: &O, term: &Term<O>, highest: &Term<O>) -> Step<O, I, H> {
    let mut next = state.clone();
    next.fenced = Some(highest.clone());
    let mut facts = Vec::new();
    let mut withdrawn = None;
    if state.seen.as_ref().is_none_or(|seen| seen.term < *term) {
        next.seen = Some(super::Epoch { term: term.clone(), step: 0 });
        (withdrawn, facts) = next.yields_to(term);
    }
    let receivers = next.passed_to(from, highest);
    let mut step = Step::to(next);
    step.facts = facts;
    if let Some((to, offer)) = withdrawn {
        step = step.closes(&to, offer);
    }
    receivers.iter().fold(step, |step, to| step.say(to, Message::Fence { term: highest.clone() }))
}

impl<O: Key, I: Key, H: Key> State<O, I, H> {
    /// Whether a reign can exist: it can still be counted on, and nobody else makes a reign of this organisation.
    pub(super) fn believes(&self, term: &Term<O>) -> bool {
        let invented = term.org == self.me && self.seen.as_ref().is_none_or(|seen| seen.term < *term);
        term.counter < MAX_EPOCH && !invented
    }

    /// Gives way to a higher reign. Returns the own offer whose receiver must be told that it is withdrawn.
    fn yields_to(&mut self, term: &Term<O>) -> (Option<(O, I)>, Vec<Fact<O, I>>) {
        let mut facts = Vec::new();
        for (offer, row) in &mut self.inbound {
            let made = match &row.answer {
                Answer::Received { epoch, .. } | Answer::Pledged { epoch, .. } => epoch,
                _ => continue,
            };
            if made.term < *term {
                row.answer = Answer::Withdrawn;
                facts.push(Fact::InboundWithdrawn(offer.clone()));
            }
        }
        let withdrawn = self.ends_open_offer();
        let epoch = match &self.role {
            Role::Outside | Role::Closed { .. } => {
                facts.push(Fact::LearnedOfReclaim(term.clone()));
                return (withdrawn, facts);
            }
            Role::Lead { epoch } | Role::Offering { epoch, .. } | Role::Transferring { epoch, .. } | Role::Contested { epoch, .. } => {
                epoch.clone()
            }
        };
        self.role = Role::Contested { epoch, by: term.clone() };
        facts.push(Fact::BecameContested(term.clone()));
        (withdrawn, facts)
    }

    /// Whom the case went to from here, without those who know of the reign already.
    fn passed_to(&self, from: &O, term: &Term<O>) -> Vec<O> {
        let passed = self.outbound.values().filter(|row| row.outcome == Outcome::Passed).map(|row| &row.to);
        let mut orgs: Vec<O> = passed.filter(|to| *to != from && **to != term.org).cloned().collect();
        orgs.sort();
        orgs.dedup();
        orgs
    }
}
