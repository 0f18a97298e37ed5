//! What can be wrong with a story whose parts can all be read: names that are used before they are given, people nobody knows.

use std::collections::{BTreeMap, BTreeSet};

use schakel_domain::refusal::Reason;

use super::{Does, Mistake, OrgKey, Scenario, Step, mistake};

/// What kind of thing a name of the story stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Case,
    Consultation,
    Handover,
}

/// Notes every mistake in how the parts hang together.
pub(super) fn check(scenario: &Scenario, mistakes: &mut Vec<Mistake>) {
    unique(scenario, mistakes);
    let mut names = BTreeMap::new();
    let mut clock = None;
    for step in &scenario.steps {
        if clock > Some(step.at) {
            mistakes.push(mistake(&format!("{}, at", step.place()), "earlier than the step before it"));
        }
        clock = Some(step.at);
        Judge { scenario, step, mistakes }.judge(&mut names);
    }
}

fn unique(scenario: &Scenario, mistakes: &mut Vec<Mistake>) {
    let mut seen = BTreeSet::new();
    for organization in &scenario.organizations {
        if !seen.insert(organization.key.as_str()) || !seen.insert(organization.id.as_str()) {
            mistakes.push(mistake("organizations", format!("{} ({}) is there twice", organization.key, organization.id)));
        }
    }
}

struct Judge<'a, 'm> {
    scenario: &'a Scenario,
    step: &'a Step,
    mistakes: &'m mut Vec<Mistake>,
}

impl<'a> Judge<'a, '_> {
    fn judge(&mut self, names: &mut BTreeMap<&'a str, Thing>) {
        self.actor();
        self.does(names);
        self.expects(names);
    }

    fn wrong(&mut self, field: &str, problem: impl Into<String>) {
        let place = format!("{}, {field}", self.step.place());
        self.mistakes.push(mistake(&place, problem));
    }

    fn actor(&mut self) {
        let step = self.step;
        match (&step.who, step.does.by_a_person()) {
            (None, true) => self.wrong("who", "expected organisation/person, such as sez/dewit"),
            (None, false) => {}
            (Some(key), _) => match self.scenario.organization(key) {
                None => self.wrong("who", format!("no organisation `{key}` in this story")),
                Some(organization) => {
                    let known = step.person.as_ref().is_none_or(|person| organization.people.contains_key(person));
                    if !known || (step.person.is_none() && step.does.by_a_person()) {
                        self.wrong("who", format!("expected {key}/ and one of: {}", people(organization)));
                    }
                }
            },
        }
    }

    fn does(&mut self, names: &mut BTreeMap<&'a str, Thing>) {
        match &self.step.does {
            Does::OpenCase { r#as, .. } => self.give(names, r#as, Thing::Case),
            Does::Ask { r#as, case, about, candidates, .. } => {
                if case.is_some() == about.is_some() {
                    self.wrong("case", "expected either `case` or `about` (anonymous)");
                }
                if let Some(case) = case {
                    self.take(names, "case", case, Thing::Case);
                }
                candidates.iter().for_each(|key| self.org("candidates", key));
                self.give(names, r#as, Thing::Consultation);
            }
            Does::AcceptConsultation { consultation, .. }
            | Does::DeclineConsultation { consultation, .. }
            | Does::Advise { consultation, .. }
            | Does::ReadConsultation { consultation }
            | Does::CloseConsultation { consultation } => self.take(names, "consultation", consultation, Thing::Consultation),
            Does::OfferHandover { r#as, case, to, .. } => {
                self.take(names, "case", case, Thing::Case);
                to.iter().for_each(|key| self.org("to", key));
                self.give(names, r#as, Thing::Handover);
            }
            Does::ReadHandover { handover }
            | Does::AcceptHandover { handover, .. }
            | Does::DeclineHandover { handover, .. }
            | Does::WithdrawHandover { handover, .. } => self.take(names, "handover", handover, Thing::Handover),
            Does::ReadCase { case } | Does::CloseCase { case, .. } => self.take(names, "case", case, Thing::Case),
            Does::CutLine { to } | Does::RestoreLine { to } => self.org("to", to),
            Does::TamperCopy { of } => self.org("of", of),
            Does::Wait {} => {}
        }
    }

    fn expects(&mut self, names: &BTreeMap<&'a str, Thing>) {
        let expect = &self.step.expect;
        if let Some(case) = &expect.case {
            self.take(names, "expect.case", case, Thing::Case);
        }
        expect.responsible.iter().flatten().for_each(|key| self.org("expect.responsible", key));
        expect.lead.iter().flatten().for_each(|key| self.org("expect.lead", key));
        expect.at.iter().for_each(|key| self.org("expect.at", key));
        if let Some(of) = &expect.of
            && !names.contains_key(of.as_str())
        {
            self.wrong("expect.of", format!("no earlier step made `{of}`"));
        }
        if let Some(refused) = &expect.refused
            && !Reason::ALL.iter().any(|reason| reason.code() == refused.reason)
        {
            self.wrong("expect.refused.reason", format!("`{}` is not a reason code", refused.reason));
        }
    }

    fn org(&mut self, field: &str, key: &OrgKey) {
        if self.scenario.organization(key).is_none() {
            self.wrong(field, format!("no organisation `{key}` in this story"));
        }
    }

    /// A refused step makes nothing, and its name stays free.
    fn give(&mut self, names: &mut BTreeMap<&'a str, Thing>, name: &'a str, thing: Thing) {
        if self.step.expect.refused.is_none() && names.insert(name, thing).is_some() {
            self.wrong("as", format!("`{name}` was given before"));
        }
    }

    fn take(&mut self, names: &BTreeMap<&'a str, Thing>, field: &str, name: &str, thing: Thing) {
        if names.get(name) != Some(&thing) {
            self.wrong(field, format!("no earlier step made `{name}`"));
        }
    }
}

fn people(organization: &super::Organization) -> String {
    organization.people.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}
