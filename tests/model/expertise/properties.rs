//! What must hold in every state, and what must be reachable so that the rest says something.

use stateright::Property;

use super::{Answer, Asked, Call, Phase, World, at};

pub(super) fn all() -> Vec<Property<Call>> {
    vec![
        Property::always("P1 at most one candidate is ever confirmed", |_, w: &World| w.confirmed.len() <= 1),
        Property::always("P2 a confirmed candidate was assigned", |_, w: &World| {
            w.confirmed.iter().all(|org| w.request.phase == Phase::Assigned(*org))
        }),
        Property::always(
            "P3 one tick after the deadline the requester was told, or the client alarmed by itself",
            |m: &Call, w: &World| w.now <= m.deadline + 1 || w.told || w.alarmed,
        ),
        Property::always("P4 a requester that is up has decided one tick after the deadline or its start", |m: &Call, w: &World| {
            !w.up || w.now <= m.deadline.max(w.started_at) + 1 || w.request.decided()
        }),
        Property::always("P5 quiet, decided: no question or bid hangs, and the assigned one knows it", |m: &Call, w: &World| {
            !w.request.decided() || w.settled() || !m.quiet(w)
        }),
        Property::sometimes("S1 the second candidate helps", |_, w: &World| w.confirmed.contains(&2)),
        Property::sometimes("S2 a yes that came too late is still used", |_, w: &World| w.first_was_released_and_confirmed()),
        Property::sometimes("S3 nobody helps, and the request escalates", |_, w: &World| w.request.phase == Phase::Escalated),
        Property::sometimes("S4 the client alarms by itself", |_, w: &World| w.alarmed),
        Property::sometimes("S5 a yes after escalation is shown, and released", |_, w: &World| {
            w.request.candidates.iter().any(|candidate| candidate.asked == Asked::LateBid)
        }),
    ]
}

impl World {
    fn settled(&self) -> bool {
        let hangs = self.questions.iter().any(|question| matches!(question.phase, Answer::Asked { .. } | Answer::Bid { .. }));
        let knows = self.request.assigned().is_none_or(|org| self.questions[at(*org)].phase == Answer::Confirmed);
        !hangs && knows
    }

    /// The first candidate was passed over, so that the second one was asked, and helps after all.
    fn first_was_released_and_confirmed(&self) -> bool {
        self.confirmed.contains(&1) && self.request.candidates[1].asked != Asked::NotYet
    }
}
