//! Whether the parts of a covenant fit together: every problem at once, each with its place and its remedy.
//!
//! A covenant with a problem that blocks use is broken: no gateway acts on it. A missing root key only blocks signing.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde_json::Value;

use super::document::{Act, Clause, Document, LegalBasis, Party, Regime, Service, TwoPersonAct};
use super::name::Who;
use super::problem::{Blocks, Problem, Words};
use crate::field::{Field, enumerate};
use crate::refusal::Lang;

/// Longest text, in characters.
const MAX_TEXT: usize = 500;
/// Most members of any list.
const MAX_LIST: usize = 400;
/// Most problems that are listed.
const MAX_PROBLEMS: usize = 200;
/// Highest upper end of an age window.
const MAX_AGE: u8 = 120;
/// The audit log is kept at least this long (norm for logging in care, five years).
const MIN_LOG_YEARS: u8 = 5;

/// Everything that is wrong with a covenant, in the order of the document; empty when it can be signed.
#[must_use]
pub fn check(document: &Document) -> Vec<Problem> {
    let mut found = Found { document, problems: Vec::new() };
    found.bounds();
    found.versions();
    found.change_rules();
    found.duplicates();
    found.parties();
    found.areas();
    found.services();
    found.urgencies();
    found.datasets();
    found.clauses();
    found.agreements();
    found.problems
}

/// The first problem that makes a covenant unusable.
#[must_use]
pub fn first_blocking(document: &Document) -> Option<Problem> {
    check(document).into_iter().find(|problem| problem.blocks == Blocks::Use)
}

struct Found<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
}

/// A text in Dutch and in English.
type Both<'a> = (&'a str, &'a str);

impl<'a> Found<'a> {
    fn add(&mut self, path: impl Into<String>, what: Both<'_>, remedy: Both<'_>) {
        if self.problems.len() < MAX_PROBLEMS {
            let problem = Problem {
                path: path.into(),
                what: Words::new(what.0, what.1),
                remedy: Words::new(remedy.0, remedy.1),
                blocks: Blocks::Use,
            };
            self.problems.push(problem);
        }
    }

    fn unless(&mut self, holds: bool, path: impl Into<String>, what: Both<'_>, remedy: Both<'_>) {
        if !holds {
            self.add(path, what, remedy);
        }
    }

    fn unknown(&mut self, path: String, name: &dyn Display, kind: Both<'_>) {
        self.add(
            path,
            (&format!("`{name}` is geen {} van dit convenant.", kind.0), &format!("`{name}` is no {} of this covenant.", kind.1)),
            ("Verbeter de naam of voeg hem toe.", "Correct the name or add it."),
        );
    }

    fn bounds(&mut self) {
        let value = serde_json::to_value(self.document).unwrap_or_default();
        let mut paths = Vec::new();
        oversized("", &value, &mut paths);
        for path in paths {
            self.add(
                path,
                ("is leeg, te lang, of bevat stuurtekens.", "is empty, too long, or holds control characters."),
                ("Houd teksten op 1 tot 500 tekens en lijsten op 400 regels.", "Keep texts at 1 to 500 characters and lists at 400 lines."),
            );
        }
    }

    fn versions(&mut self) {
        let document = self.document;
        let first = document.version == 1;
        let says_before = document.predecessor.is_some() || document.change.is_some() || document.predecessor_until.is_some();
        self.unless(document.version > 0, "version", ("versie 0 bestaat niet.", "there is no version 0."), ("Begin bij 1.", "Begin at 1."));
        self.unless(
            !(first && says_before),
            "predecessor",
            ("de eerste versie heeft geen voorganger.", "the first version has no predecessor."),
            ("Haal change, predecessor en predecessor_until weg.", "Remove change, predecessor and predecessor_until."),
        );
        self.unless(
            document.version <= 1 || document.predecessor.is_some() && document.change.is_some(),
            "predecessor",
            (
                "een volgende versie noemt haar voorganger en het soort wijziging.",
                "a later version names its predecessor and the kind of change.",
            ),
            ("Vul predecessor (de hash) en change in.", "Fill in predecessor (the hash) and change."),
        );
        self.unless(
            document.in_force_until.is_none_or(|until| until > document.in_force_from),
            "in_force_until",
            ("ligt niet na de ingangsdatum.", "is not after the first day in force."),
            ("Kies een latere datum.", "Choose a later date."),
        );
        self.unless(
            document.predecessor_until.is_none_or(|until| until >= document.in_force_from),
            "predecessor_until",
            ("ligt voor de ingangsdatum: er zou een gat vallen.", "is before the first day in force: there would be a gap."),
            ("Kies de ingangsdatum of later.", "Choose the first day in force or later."),
        );
    }

    fn change_rules(&mut self) {
        let document = self.document;
        let rules = &document.change_rules;
        for (name, signers) in
            [("ordinary", &rules.ordinary), ("accession", &rules.accession), ("withdrawal", &rules.withdrawal), ("overlay", &rules.overlay)]
        {
            let path = format!("change_rules.{name}");
            self.who(&path, signers, false);
            self.unless(
                document.parties.iter().any(|party| document.names(signers, party)),
                path,
                ("niemand hoeft te tekenen.", "nobody has to sign."),
                ("Noem partijen, een rol of all.", "Name parties, a role or all."),
            );
        }
    }

    fn duplicates(&mut self) {
        let document = self.document;
        self.unique("roles", document.roles.iter().map(|role| role.id.to_string()));
        self.unique("parties", document.parties.iter().map(|party| party.id.to_string()));
        self.unique("parties.root_key", document.parties.iter().filter_map(|party| party.root_key.map(|key| key.to_string())));
        self.unique("areas", document.areas.iter().map(|area| area.id.to_string()));
        self.unique("services", document.services.iter().map(|service| service.id.to_string()));
        self.unique("urgencies", document.urgencies.iter().map(|urgency| urgency.code.to_string()));
        self.unique("datasets", document.datasets.iter().map(|dataset| dataset.id.to_string()));
        self.unique("grants", document.grants.iter().map(|clause| clause.id.to_string()));
    }

    fn unique(&mut self, list: &str, names: impl Iterator<Item = String>) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name.clone()) {
                self.add(
                    format!("{list}[{name}]"),
                    ("komt twee keer voor.", "occurs twice."),
                    ("Geef elk een eigen naam of haal er een weg.", "Give each a name of its own or remove one."),
                );
            }
        }
    }

    fn parties(&mut self) {
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

    fn areas(&mut self) {
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

    fn services(&mut self) {
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

    fn urgencies(&mut self) {
        self.unless(
            !self.document.urgencies.is_empty(),
            "urgencies",
            ("de urgentietabel is leeg.", "the urgency table is empty."),
            ("Voeg minstens een niveau toe.", "Add at least one level."),
        );
    }

    fn datasets(&mut self) {
        for dataset in &self.document.datasets {
            let path = format!("datasets[{}]", dataset.id);
            self.unique(&format!("{path}.fields"), dataset.fields.iter().map(ToString::to_string));
            self.unique(&format!("{path}.protected"), dataset.protected.iter().map(ToString::to_string));
            self.unless(
                !dataset.fields.is_empty(),
                format!("{path}.fields"),
                ("deze dataset is leeg.", "this dataset is empty."),
                ("Noem minstens een veld.", "Name at least one field."),
            );
            // An address that travels without its mark would be passed on as an ordinary one.
            self.unless(
                dataset.protected.is_empty() || dataset.fields.contains(&Field::Safety),
                format!("{path}.protected"),
                (
                    "afgeschermde gegevens gaan mee zonder te zeggen dat ze afgeschermd zijn.",
                    "protected fields travel without saying that they are protected.",
                ),
                ("Voeg `safety` toe aan fields.", "Add `safety` to fields."),
            );
            for field in dataset.protected.iter().filter(|field| !field.is_protectable()) {
                self.add(
                    format!("{path}.protected"),
                    (
                        &format!("`{field}` is geen veld dat afgeschermd kan worden."),
                        &format!("`{field}` is not a field that can be protected."),
                    ),
                    ("Zet het bij fields.", "Move it to fields."),
                );
            }
        }
    }

    fn clauses(&mut self) {
        for clause in &self.document.grants {
            let path = format!("grants[{}]", clause.id);
            self.who(&format!("{path}.from"), &clause.from, false);
            self.who(&format!("{path}.to"), &clause.to, true);
            self.clause_parties(&path, clause);
            self.clause_data(&path, clause);
            self.clause_times(&path, clause);
            self.clause_candidates(&path, clause);
        }
        self.unless(
            !self.document.grants.is_empty(),
            "grants",
            ("er is geen enkel artikel: niemand mag iets vragen.", "there is no clause: nobody may ask anything."),
            ("Voeg minstens een artikel toe.", "Add at least one clause."),
        );
    }

    fn who(&mut self, path: &str, who: &[Who], services: bool) {
        let document = self.document;
        for who in who {
            match who {
                Who::All => {}
                Who::Role(role) if document.roles.iter().any(|entry| entry.id == *role) => {}
                Who::Role(role) => self.unknown(path.to_owned(), role, ("rol", "role")),
                Who::Party(id) if document.party(id).is_some() => {}
                Who::Party(id) => self.unknown(path.to_owned(), id, ("partij", "party")),
                Who::Service(id) if services && document.services.iter().any(|service| service.id == *id) => {}
                Who::Service(id) => self.unknown(path.to_owned(), id, ("dienst die hier mag staan", "service that may stand here")),
            }
        }
    }

    fn named(&self, who: &[Who]) -> Vec<&'a Party> {
        self.document.parties.iter().filter(|party| self.document.names(who, party)).collect()
    }

    fn clause_parties(&mut self, path: &str, clause: &Clause) {
        let (from, to) = (self.named(&clause.from), self.named(&clause.to));
        let pair = from.iter().any(|asker| to.iter().any(|asked| asked.id != asker.id));
        self.unless(
            pair,
            path,
            ("er is geen partij die een andere partij iets mag vragen.", "there is no party that may ask another party anything."),
            ("Verbeter from of to.", "Correct from or to."),
        );
        let explicit = |who: &[Who]| who.iter().all(|who| *who != Who::All);
        let barred = from.iter().filter(|_| explicit(&clause.from)).chain(to.iter().filter(|_| explicit(&clause.to)));
        let barred: Vec<_> = barred.filter(|party| self.document.is_figures_only(party)).map(|party| party.name.clone()).collect();
        self.unless(
            barred.is_empty() || !clause.act.concerns_case(),
            path,
            (
                &format!("{} ziet alleen cijfers, nooit een zaak.", enumerate(&barred, Lang::Nl)),
                &format!("{} sees figures only, never a case.", enumerate(&barred, Lang::En)),
            ),
            ("Haal deze partij uit het artikel.", "Remove this party from the clause."),
        );
        let wrong: Vec<_> = from.iter().filter(|party| !fits(party.regime, clause.legal_basis)).map(|party| party.name.as_str()).collect();
        self.unless(
            wrong.is_empty(),
            format!("{path}.legal_basis"),
            (
                &format!("deze grondslag hoort niet bij het wettelijk kader van {}.", enumerate(&wrong, Lang::Nl)),
                &format!("this basis does not belong to the legal regime of {}.", enumerate(&wrong, Lang::En)),
            ),
            ("Kies een andere grondslag, of maak een eigen artikel per kader.", "Choose another basis, or a clause for each regime."),
        );
    }

    fn clause_data(&mut self, path: &str, clause: &Clause) {
        let path = format!("{path}.dataset");
        let Some(id) = &clause.dataset else {
            self.unless(
                clause.act == Act::Figures,
                path,
                ("het artikel zegt niet welke gegevens mee mogen.", "the clause does not say which data may travel."),
                ("Noem een dataset.", "Name a dataset."),
            );
            return;
        };
        let Some(dataset) = self.document.dataset(id) else {
            self.unknown(path, id, ("dataset", "dataset"));
            return;
        };
        self.unless(
            clause.act != Act::Figures,
            path.clone(),
            ("bij cijfers gaan geen gegevens van een zaak mee.", "with figures no data of a case travel."),
            ("Haal de dataset weg.", "Remove the dataset."),
        );
        self.unless(
            !clause.act.asks_expertise() || [Field::Question, Field::Advice].iter().all(|field| dataset.fields.contains(field)),
            path.clone(),
            (
                "zonder `question` en `advice` valt er niets te vragen of te antwoorden.",
                "without `question` and `advice` nothing can be asked or answered.",
            ),
            ("Voeg beide toe aan fields van de dataset.", "Add both to fields of the dataset."),
        );
        let personal: Vec<Field> = dataset.fields.iter().chain(&dataset.protected).copied().filter(|field| !field.is_anonymous()).collect();
        let nameless = clause.act == Act::ConsultAnonymous || clause.legal_basis == LegalBasis::NoPersonalData;
        self.unless(
            !nameless || personal.is_empty(),
            path,
            (
                &format!("een vraag zonder persoonsgegevens bevat: {}.", Field::labels(&personal, Lang::Nl)),
                &format!("a question without personal data holds: {}.", Field::labels(&personal, Lang::En)),
            ),
            ("Kies een dataset zonder deze velden.", "Choose a dataset without these fields."),
        );
    }

    fn clause_times(&mut self, path: &str, clause: &Clause) {
        let document = self.document;
        for code in clause.response.keys().filter(|code| document.urgency(code).is_none()) {
            self.unknown(format!("{path}.response"), code, ("urgentie", "urgency"));
        }
        if !clause.act.concerns_case() {
            return;
        }
        for urgency in document.urgencies.iter().filter(|urgency| document.response(clause, &urgency.code).is_none()) {
            self.add(
                format!("{path}.response"),
                (
                    &format!("geen reactietijd voor urgentie `{}`.", urgency.code),
                    &format!("no response time for urgency `{}`.", urgency.code),
                ),
                ("Zet een tijd in het artikel of in de urgentietabel.", "Set a time in the clause or in the urgency table."),
            );
        }
    }

    fn clause_candidates(&mut self, path: &str, clause: &Clause) {
        let document = self.document;
        for id in clause.order.iter().filter(|id| !document.party(id).is_some_and(|party| document.names(&clause.to, party))) {
            self.add(
                format!("{path}.order"),
                (&format!("`{id}` staat in de volgorde maar niet in to."), &format!("`{id}` stands in the order but not in to.")),
                ("Zet de partij in to of haal haar uit order.", "Add the party to to, or remove it from order."),
            );
        }
        self.unique(&format!("{path}.order"), clause.order.iter().map(ToString::to_string));
        if let Some(escalation) = clause.escalation.as_ref().filter(|rule| document.party(&rule.to).is_none()) {
            self.unknown(format!("{path}.escalation"), &escalation.to, ("partij", "party"));
        }
        if !clause.act.concerns_case() {
            return;
        }
        self.unless(
            clause.escalation.is_some(),
            format!("{path}.escalation"),
            ("niemand wordt gebeld als er geen antwoord komt.", "nobody is called when no answer comes."),
            ("Noem wie er dan belt of gebeld wordt.", "Name who is called then."),
        );
        let lacks = |who: &Who| !document.services.iter().any(|service| reaches(document, who, clause, service));
        for who in clause.to.iter().filter(|who| lacks(who)) {
            self.add(
                format!("{path}.to"),
                (&format!("`{who}` biedt de gevraagde dienst niet aan."), &format!("`{who}` does not offer the service asked for.")),
                ("Voeg de dienst toe of verbeter het artikel.", "Add the service or correct the clause."),
            );
        }
    }

    fn agreements(&mut self) {
        let document = self.document;
        self.unless(
            TwoPersonAct::ALL.iter().all(|act| document.two_person.contains(act)),
            "two_person",
            (
                "terugnemen en het oplossen van een betwiste zaak vragen altijd twee personen.",
                "a forced reclaim and resolving a contested case always need two people.",
            ),
            ("Noem forced-reclaim en resolve-contested.", "Name forced-reclaim and resolve-contested."),
        );
        self.unless(
            document.retention.audit_log_years >= MIN_LOG_YEARS,
            "retention.audit_log_years",
            ("het logboek wordt minstens vijf jaar bewaard.", "the log is kept at least five years."),
            ("Kies 5 of meer.", "Choose 5 or more."),
        );
        let wants_figures = document.grants.iter().any(|clause| clause.act == Act::Figures);
        self.unless(
            !wants_figures || document.figures.as_ref().is_some_and(|figures| figures.smallest_cell >= 2),
            "figures.smallest_cell",
            (
                "er zijn cijfers zonder ondergrens: een jeugdige is dan te herkennen.",
                "figures have no lower bound: a young person could be recognised.",
            ),
            ("Zet het kleinste getal dat getoond wordt, minstens 2.", "Set the smallest number shown, at least 2."),
        );
        self.unless(
            document.hops.as_ref().is_none_or(|hops| hops.warn_from >= 1),
            "hops.warn_from",
            ("moet minstens 1 zijn.", "must be at least 1."),
            ("Kies 1 of meer.", "Choose 1 or more."),
        );
    }
}

/// Whether these words of a clause reach this service: it is of the right kind, and its provider or itself is named.
pub(super) fn reaches(document: &Document, who: &Who, clause: &Clause, service: &Service) -> bool {
    let right_kind = clause.service.as_ref().is_none_or(|kind| *kind == service.kind);
    let named = match who {
        Who::Service(id) => *id == service.id,
        other => document.party(&service.by).is_some_and(|party| document.names(std::slice::from_ref(other), party)),
    };
    right_kind && named
}

/// Chapter 7.3 of the Youth Act does not hold for treatment under the WGBO, save for supervision orders; the WGBO holds there alone.
fn fits(regime: Regime, basis: LegalBasis) -> bool {
    match basis {
        LegalBasis::JeugdwetDirectlyInvolved => regime != Regime::Wgbo,
        LegalBasis::WgboDirectlyInvolved => regime == Regime::Wgbo,
        _ => true,
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

fn oversized(path: &str, value: &Value, found: &mut Vec<String>) {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::String(text) if text.trim().is_empty() || text.chars().count() > MAX_TEXT || text.chars().any(char::is_control) => {
            found.push(path.to_owned());
        }
        Value::Array(items) => {
            if items.len() > MAX_LIST {
                found.push(path.to_owned());
            }
            items.iter().take(MAX_LIST).enumerate().for_each(|(index, item)| oversized(&format!("{path}[{index}]"), item, found));
        }
        Value::Object(members) => {
            if members.len() > MAX_LIST {
                found.push(path.to_owned());
            }
            members.iter().take(MAX_LIST).for_each(|(name, member)| oversized(&join(name), member, found));
        }
        _ => {}
    }
}
