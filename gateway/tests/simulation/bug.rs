//! Faults of construction, planted one at a time to see that the simulation finds them. Each is in the store that the gateways are
//! given ([`crate::disk`]); the gateways themselves are as they ship.

/// A planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Commits are answered first and written every few seconds: a crash loses what was acknowledged.
    AnsweredBeforeDurable,
    /// Now and then a received message is acknowledged and not kept.
    InboxLies,
    /// Executed requests are not remembered: a repeated one takes effect again.
    RepeatsForgotten,
    /// Now and then a decision is written without its log entries.
    EntryLost,
    /// A message counts as delivered when it is taken from the outbox, not when the peer has answered.
    SentIsDelivered,
    /// What a decision was based on is not compared: two decisions at once both stand.
    NothingCompared,
    /// Timers that were set before a restart are forgotten.
    TimersForgotten,
}

impl Bug {
    pub(crate) const ALL: [Bug; 7] = [
        Bug::AnsweredBeforeDurable,
        Bug::InboxLies,
        Bug::RepeatsForgotten,
        Bug::EntryLost,
        Bug::SentIsDelivered,
        Bug::NothingCompared,
        Bug::TimersForgotten,
    ];

    /// Those that a search must find. Forgotten timers are not among them: few nights set a timer, restart, and last until it is due, and
    /// no seed is known that does.
    pub(crate) const SOUGHT: [Bug; 6] =
        [Bug::AnsweredBeforeDurable, Bug::InboxLies, Bug::RepeatsForgotten, Bug::EntryLost, Bug::SentIsDelivered, Bug::NothingCompared];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Bug::AnsweredBeforeDurable => "answered-before-durable",
            Bug::InboxLies => "inbox-lies",
            Bug::RepeatsForgotten => "repeats-forgotten",
            Bug::EntryLost => "entry-lost",
            Bug::SentIsDelivered => "sent-is-delivered",
            Bug::NothingCompared => "nothing-compared",
            Bug::TimersForgotten => "timers-forgotten",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bug| bug.name() == name)
    }
}
