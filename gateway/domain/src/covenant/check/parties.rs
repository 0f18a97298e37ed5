//! Whether the parties, their areas and their services exist and can be found.

use super::Found;
use crate::covenant::problem::{Blocks, Problem, Words};

/// Highest upper end of an age window.
const MAX_AGE: u8 = 120;

impl Found<'_> {
    pub(super) fn parties(&mut self) {
        let document = self.document;
        self.unless(
            document.parties.len() >= 2,
            "parties",
            ("een convenant heeft minstens twee partijen.", "a covenant has at least two parties."),
            ("Voeg een partij toe.", "Add a party."),
        );
        for party in &document.parties {
            let path = format!("parties[{}]", party.id);
            self.unless(
                !party.roles.is_empty(),
                format!("{path}.roles"),
                ("deze partij heeft geen rol.", "this party has no role."),
                ("Geef minstens een rol.", "Give at least one role."),
            );
            for role in party.roles.iter().filter(|role| document.roles.iter().all(|entry| entry.id != **role)) {
                self.unknown(format!("{path}.roles"), role, ("rol", "role"));
            }
            if party.root_key.is_none() {
                self.problems.push(missing_key(&path));
            }
        }
    }

    pub(super) fn areas(&mut self) {
        for area in &self.document.areas {
            let path = format!("areas[{}].municipalities", area.id);
            self.unique(&path, area.municipalities.iter().map(ToString::to_string));
            self.unless(
                !area.municipalities.is_empty(),
                path.clone(),
                ("dit gebied is leeg.", "this area is empty."),
                ("Noem minstens een gemeente.", "Name at least one municipality."),
            );
            for code in area.municipalities.iter().filter(|code| code.known().is_none()) {
                self.add(
                    path.clone(),
                    (&format!("`{code}` is geen gemeente."), &format!("`{code}` is no municipality.")),
                    ("Gebruik de CBS-code van 1 januari 2026.", "Use the CBS code of 1 January 2026."),
                );
            }
        }
    }

    pub(super) fn services(&mut self) {
        let document = self.document;
        for service in &document.services {
            let path = format!("services[{}]", service.id);
            if document.party(&service.by).is_none() {
                self.unknown(format!("{path}.by"), &service.by, ("partij", "party"));
            }
            let areas = service.areas.iter().chain(&service.backup_areas);
            for area in areas.filter(|area| document.areas.iter().all(|known| known.id != **area)) {
                self.unknown(format!("{path}.areas"), area, ("gebied", "area"));
            }
            self.unless(
                !service.areas.is_empty(),
                format!("{path}.areas"),
                ("deze dienst werkt nergens.", "this service works nowhere."),
                ("Noem minstens een gebied.", "Name at least one area."),
            );
            self.unless(
                service.ages.from < service.ages.until && service.ages.until <= MAX_AGE,
                format!("{path}.ages"),
                ("de leeftijden staan verkeerd om of zijn te hoog.", "the ages are reversed or too high."),
                ("`from` is de jongste, `until` een boven de oudste.", "`from` is the youngest, `until` one above the oldest."),
            );
            self.unless(
                service.hours.iter().all(|hours| !hours.days.is_empty()),
                format!("{path}.hours"),
                ("er zijn uren zonder dag.", "there are hours without a day."),
                ("Noem de dagen, of laat `hours` weg voor dag en nacht.", "Name the days, or leave `hours` out for day and night."),
            );
        }
    }

    pub(super) fn urgencies(&mut self) {
        self.unless(
            !self.document.urgencies.is_empty(),
            "urgencies",
            ("de urgentietabel is leeg.", "the urgency table is empty."),
            ("Voeg minstens een niveau toe.", "Add at least one level."),
        );
    }
}

fn missing_key(path: &str) -> Problem {
    Problem {
        path: format!("{path}.root_key"),
        what: Words::new("de sleutel ontbreekt: nog niet te ondertekenen.", "the key is missing: not yet signable."),
        remedy: Words::new("Vraag deze partij om haar openbare sleutel.", "Ask this party for its public key."),
        blocks: Blocks::Signing,
    }
}
