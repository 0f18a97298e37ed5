//! What changed between two versions, in words a board member can vote on.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::document::{Clause, Dataset, Document, Party, Service};
use super::name::Telephone;
use super::problem::Words;
use crate::field::Field;
use crate::refusal::Lang;

/// Whether something came, went or became something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is different.
    Changed,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where: `grants[3.2].response[acuut]`.
    pub path: String,
    /// What happened.
    pub what: What,
    /// The difference in words.
    pub words: Words,
}

/// Every difference between two versions, in the order of the document.
#[must_use]
pub fn diff(old: &Document, new: &Document) -> Vec<Difference> {
    let mut found = Found::default();
    found.header(old, new);
    found.parties(old, new);
    found.services(old, new);
    found.urgencies(old, new);
    found.datasets(old, new);
    found.clauses(old, new);
    found.rest(old, new);
    found.0
}

/// The differences as text, one a line.
#[must_use]
pub fn describe(differences: &[Difference], lang: Lang) -> String {
    if differences.is_empty() {
        return match lang {
            Lang::Nl => "Geen verschillen.\n".to_owned(),
            Lang::En => "No differences.\n".to_owned(),
        };
    }
    differences.iter().map(|difference| format!("- {}\n", difference.words.get(lang))).collect()
}

#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, path: impl Into<String>, what: What, nl: String, en: String) {
        self.0.push(Difference { path: path.into(), what, words: Words::new(nl, en) });
    }

    fn changed<T: PartialEq + fmt::Display>(&mut self, path: impl Into<String>, subject: (&str, &str), old: T, new: T) {
        if old != new {
            let nl = format!("{}: {old} wordt {new}.", subject.0);
            let en = format!("{}: {old} becomes {new}.", subject.1);
            self.add(path, What::Changed, nl, en);
        }
    }

    /// Pairs two lists by key and reports what came and went; what stayed is handed on.
    fn paired<'a, T>(
        &mut self,
        list: &str,
        subject: (&str, &str),
        old: &'a [T],
        new: &'a [T],
        key: impl Fn(&T) -> String,
        name: impl Fn(&T) -> String,
    ) -> Vec<(&'a T, &'a T)> {
        let by_key: BTreeMap<String, &T> = new.iter().map(|entry| (key(entry), entry)).collect();
        let before: BTreeMap<String, &T> = old.iter().map(|entry| (key(entry), entry)).collect();
        for (id, entry) in before.iter().filter(|(id, _)| !by_key.contains_key(*id)) {
            let (nl, en) = (format!("{} {} vervalt.", subject.0, name(entry)), format!("{} {} is removed.", subject.1, name(entry)));
            self.add(format!("{list}[{id}]"), What::Removed, nl, en);
        }
        for (id, entry) in by_key.iter().filter(|(id, _)| !before.contains_key(*id)) {
            let (nl, en) = (format!("{} {} komt erbij.", subject.0, name(entry)), format!("{} {} is added.", subject.1, name(entry)));
            self.add(format!("{list}[{id}]"), What::Added, nl, en);
        }
        // Order decides too: which clause is tried first, which candidate is asked first.
        let stayed =
            |entries: &[T], other: &BTreeMap<String, &T>| entries.iter().map(&key).filter(|id| other.contains_key(id)).collect::<Vec<_>>();
        if stayed(old, &by_key) != stayed(new, &before) {
            self.altered(list.to_owned(), &format!("volgorde van {list}"), &format!("order of {list}"));
        }
        before.into_iter().filter_map(|(id, entry)| Some((entry, *by_key.get(&id)?))).collect()
    }

    fn header(&mut self, old: &Document, new: &Document) {
        self.changed("title.nl", ("Titel", "Dutch title"), &old.title.nl, &new.title.nl);
        self.changed("title.en", ("Engelse titel", "Title"), &old.title.en, &new.title.en);
        self.changed("version", ("Versie", "Version"), old.version, new.version);
        self.changed("in_force_from", ("Geldt vanaf", "In force from"), old.in_force_from, new.in_force_from);
        let end = |date: Option<jiff::civil::Date>| date.map_or_else(|| "-".to_owned(), |date| date.to_string());
        self.changed("in_force_until", ("Geldt tot", "In force until"), end(old.in_force_until), end(new.in_force_until));
        if old.change_rules != new.change_rules {
            self.add(
                "change_rules",
                What::Changed,
                "Wie een volgende versie moet tekenen is veranderd.".to_owned(),
                "Who must sign the next version has changed.".to_owned(),
            );
        }
    }

    fn parties(&mut self, old: &Document, new: &Document) {
        self.paired("roles", ("Rol", "Role"), &old.roles, &new.roles, |role| role.id.to_string(), |role| role.id.to_string())
            .into_iter()
            .filter(|(before, after)| before != after)
            .for_each(|(before, _)| {
                self.altered(format!("roles[{}]", before.id), &format!("rol {}", before.id), &format!("role {}", before.id))
            });
        let pairs = self.paired(
            "parties",
            ("Partij", "Party"),
            &old.parties,
            &new.parties,
            |party| party.id.to_string(),
            |party| party.name.clone(),
        );
        for (before, after) in pairs {
            self.party(before, after);
        }
        let pairs =
            self.paired("areas", ("Gebied", "Area"), &old.areas, &new.areas, |area| area.id.to_string(), |area| area.title.nl.clone());
        for (before, after) in pairs {
            let name = |area: &super::document::Area| {
                let place =
                    |code: &crate::municipality::MunicipalityCode| code.known().map_or(code.to_string(), |known| known.name.to_owned());
                (area.id.to_string(), area.municipalities.iter().map(place).collect::<Vec<_>>())
            };
            let ((id, was), (_, is)) = (name(before), name(after));
            let subject = (format!("Gebied {}", before.title.nl), format!("Area {}", before.title.en));
            self.list(&format!("areas[{id}]"), (&subject.0, &subject.1), &was, &is);
            if before.title != after.title {
                self.altered(format!("areas[{id}].title"), &format!("naam van gebied {id}"), &format!("name of area {id}"));
            }
        }
    }

    fn party(&mut self, old: &Party, new: &Party) {
        let path = format!("parties[{}]", old.id);
        let of = |nl: &str, en: &str| (format!("{nl} van {}", old.name), format!("{en} of {}", old.name));
        let (nl, en) = of("Naam", "Name");
        self.changed(format!("{path}.name"), (&nl, &en), &old.name, &new.name);
        let (nl, en) = of("Telefoonnummer", "Telephone number");
        self.changed(format!("{path}.telephone"), (&nl, &en), &old.telephone, &new.telephone);
        let (nl, en) = of("Rollen", "Roles");
        let roles = |party: &Party| party.roles.iter().map(ToString::to_string).collect::<Vec<_>>();
        self.list(&format!("{path}.roles"), (&nl, &en), &roles(old), &roles(new));
        if old.root_key != new.root_key {
            let (nl, en) = of("De sleutel", "The key");
            self.add(format!("{path}.root_key"), What::Changed, format!("{nl} is veranderd."), format!("{en} has changed."));
        }
        if (old.regime, &old.signatory) != (new.regime, &new.signatory) {
            self.altered(
                path,
                &format!("wettelijk kader of ondertekenaar van {}", old.name),
                &format!("regime or signatory of {}", old.name),
            );
        }
    }

    fn services(&mut self, old: &Document, new: &Document) {
        let name = |service: &Service| format!("{} ({})", service.title.nl, service.id);
        let pairs = self.paired("services", ("Dienst", "Service"), &old.services, &new.services, |service| service.id.to_string(), name);
        for (before, after) in pairs {
            let path = format!("services[{}]", before.id);
            let ages = |service: &Service| format!("{}-{}", service.ages.from, service.ages.until);
            let subject = (format!("Leeftijd van dienst {}", before.id), format!("Ages of service {}", before.id));
            self.changed(format!("{path}.ages"), (&subject.0, &subject.1), ages(before), ages(after));
            let rest = Service { ages: after.ages, ..before.clone() };
            if rest != *after {
                self.altered(path, &format!("dienst {}", before.id), &format!("service {}", before.id));
            }
        }
    }

    fn urgencies(&mut self, old: &Document, new: &Document) {
        let pairs = self.paired(
            "urgencies",
            ("Urgentie", "Urgency"),
            &old.urgencies,
            &new.urgencies,
            |urgency| urgency.code.to_string(),
            |urgency| urgency.code.to_string(),
        );
        for (before, after) in pairs {
            let path = format!("urgencies[{}]", before.code);
            let subject = (format!("Reactietijd bij {}", before.label.nl), format!("Response time for {}", before.label.en));
            let time = |period: Option<super::time::Period>| period.map_or_else(|| "-".to_owned(), |period| period.to_string());
            self.changed(format!("{path}.response"), (&subject.0, &subject.1), time(before.response), time(after.response));
            if before.label != after.label {
                self.altered(path, &format!("naam van urgentie {}", before.code), &format!("name of urgency {}", before.code));
            }
        }
    }

    fn datasets(&mut self, old: &Document, new: &Document) {
        let pairs = self.paired(
            "datasets",
            ("Dataset", "Dataset"),
            &old.datasets,
            &new.datasets,
            |dataset| dataset.id.to_string(),
            |dataset| dataset.title.nl.clone(),
        );
        for (before, after) in pairs {
            let used: Vec<_> = new
                .grants
                .iter()
                .filter(|clause| clause.dataset.as_ref() == Some(&before.id))
                .map(|clause| clause.id.to_string())
                .collect();
            let used = used.join(", ");
            let subject =
                |dataset: &Dataset| (format!("Artikel {used}, dataset {}", dataset.id), format!("Clause {used}, dataset {}", dataset.id));
            let (nl, en) = subject(before);
            let path = format!("datasets[{}]", before.id);
            let names = |fields: &[Field]| fields.iter().map(ToString::to_string).collect::<Vec<_>>();
            self.list(&format!("{path}.fields"), (&nl, &en), &names(&before.fields), &names(&after.fields));
            let guarded = (format!("{nl}, alleen als het nodig is"), format!("{en}, only when needed"));
            self.list(&format!("{path}.protected"), (&guarded.0, &guarded.1), &names(&before.protected), &names(&after.protected));
            if before.title != after.title {
                self.altered(path, &format!("naam van dataset {}", before.id), &format!("name of dataset {}", before.id));
            }
        }
    }

    fn clauses(&mut self, old: &Document, new: &Document) {
        let name = |clause: &Clause| format!("{} ({})", clause.id, clause.act.name());
        let pairs = self.paired("grants", ("Artikel", "Clause"), &old.grants, &new.grants, |clause| clause.id.to_string(), name);
        for (before, after) in pairs {
            self.clause(old, new, before, after);
        }
    }

    fn clause(&mut self, old: &Document, new: &Document, before: &Clause, after: &Clause) {
        let id = &before.id;
        let path = format!("grants[{id}]");
        let of = |nl: &str, en: &str| (format!("Artikel {id}, {nl}"), format!("Clause {id}, {en}"));
        let (nl, en) = of("wie mag vragen", "who may ask");
        self.list(&format!("{path}.from"), (&nl, &en), &texts(&before.from), &texts(&after.from));
        let (nl, en) = of("wie gevraagd mag worden", "who may be asked");
        self.list(&format!("{path}.to"), (&nl, &en), &texts(&before.to), &texts(&after.to));
        for urgency in
            new.urgencies.iter().filter(|urgency| old.urgency(&urgency.code).is_some_and(|same| same.response == urgency.response))
        {
            if let (Some(was), Some(is)) = (old.response(before, &urgency.code), new.response(after, &urgency.code)) {
                let (nl, en) = of(&format!("reactietijd bij {}", urgency.label.nl), &format!("response time for {}", urgency.label.en));
                self.changed(format!("{path}.response[{}]", urgency.code), (&nl, &en), was, is);
            }
        }
        let dataset = |clause: &Clause| clause.dataset.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let (nl, en) = of("dataset", "dataset");
        self.changed(format!("{path}.dataset"), (&nl, &en), dataset(before), dataset(after));
        let (nl, en) = of("grondslag", "legal basis");
        self.changed(format!("{path}.legal_basis"), (&nl, &en), before.legal_basis.code(), after.legal_basis.code());
        let order = |clause: &Clause, document: &Document| {
            clause.order.iter().map(|id| document.party_name(id).to_owned()).collect::<Vec<_>>().join(", ")
        };
        let (nl, en) = of("volgorde", "order");
        self.changed(format!("{path}.order"), (&nl, &en), order(before, old), order(after, new));
        let number = |clause: &Clause| {
            let rule = clause.escalation.as_ref();
            rule.and_then(|rule| rule.telephone.as_ref()).map_or("-", Telephone::as_str).to_owned()
        };
        let (nl, en) = of("telefoonnummer bij geen antwoord", "telephone number when nobody answers");
        self.changed(format!("{path}.escalation.telephone"), (&nl, &en), number(before), number(after));
        if remainder(before) != remainder(after) {
            self.altered(
                path,
                &format!("artikel {id} (soort, dienst, doel, manier of wie gebeld wordt)"),
                &format!("clause {id} (act, service, purpose, mode or who is called)"),
            );
        }
    }

    fn rest(&mut self, old: &Document, new: &Document) {
        let deadlines = |document: &Document| document.deadlines.clone();
        let (was, is) = (deadlines(old), deadlines(new));
        self.changed(
            "deadlines.transfer_receipt",
            ("Alarm bij overdracht zonder ontvangst", "Alarm on a transfer without receipt"),
            was.transfer_receipt,
            is.transfer_receipt,
        );
        self.changed(
            "deadlines.bid_confirmation",
            ("Alarm bij onbevestigd ja", "Alarm on an unconfirmed yes"),
            was.bid_confirmation,
            is.bid_confirmation,
        );
        self.changed(
            "deadlines.undelivered",
            ("Alarm bij niet bezorgd bericht", "Alarm on an undelivered message"),
            was.undelivered,
            is.undelivered,
        );
        let sections = [
            (old.two_person != new.two_person, "two_person", "handelingen van twee personen", "acts of two people"),
            (old.retention != new.retention, "retention", "bewaartermijnen", "retention"),
            (old.figures != new.figures, "figures", "cijfers", "figures"),
            (old.cosigning != new.cosigning, "cosigning", "medeondertekening van logboeken", "cosigning of logs"),
            (old.hops != new.hops, "hops", "waarschuwing bij vaak doorgeven", "warning on being passed on often"),
        ];
        for (differs, path, nl, en) in sections {
            if differs {
                self.altered(path.to_owned(), nl, en);
            }
        }
    }

    fn list(&mut self, path: &str, subject: (&str, &str), old: &[String], new: &[String]) {
        for gone in old.iter().filter(|entry| !new.contains(entry)) {
            self.add(path, What::Removed, format!("{}: {gone} vervalt.", subject.0), format!("{}: {gone} is removed.", subject.1));
        }
        for come in new.iter().filter(|entry| !old.contains(entry)) {
            self.add(path, What::Added, format!("{}: {come} komt erbij.", subject.0), format!("{}: {come} is added.", subject.1));
        }
    }

    fn altered(&mut self, path: String, nl: &str, en: &str) {
        self.add(path, What::Changed, format!("Gewijzigd: {nl}."), format!("Changed: {en}."));
    }
}

fn texts<T: fmt::Display>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

/// What is left of a clause when everything with words of its own is taken out.
fn remainder(clause: &Clause) -> Clause {
    let mut rest =
        Clause { from: Vec::new(), to: Vec::new(), response: BTreeMap::new(), dataset: None, order: Vec::new(), ..clause.clone() };
    rest.legal_basis = super::document::LegalBasis::NoPersonalData;
    if let Some(rule) = &mut rest.escalation {
        rule.telephone = None;
    }
    rest
}
