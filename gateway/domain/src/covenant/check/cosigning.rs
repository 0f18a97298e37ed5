//! What the clause on cosigning must be: a quorum that can be had, and a warning before anything stops.

use super::Found;

impl Found<'_> {
    pub(super) fn cosigning(&mut self) {
        let document = self.document;
        let cosigning = document.cosigning.as_ref();
        self.unless(
            cosigning.is_none_or(|clause| (1..document.parties.len()).contains(&usize::from(clause.quorum))),
            "cosigning.quorum",
            ("vraagt geen van de andere partijen, of meer dan er zijn.", "asks none of the other parties, or more than there are."),
            ("Kies 1 tot het aantal andere partijen.", "Choose 1 up to the number of other parties."),
        );
        self.unless(
            cosigning.is_none_or(|clause| clause.grace.duration() > clause.interval.duration() * 2),
            "cosigning.grace",
            (
                "is niet langer dan twee keer de tussentijd: wie dan stopt, is nooit gewaarschuwd.",
                "is not longer than twice the interval: whoever stops then was never warned.",
            ),
            ("Kies een langere tijd.", "Choose a longer time."),
        );
    }
}
