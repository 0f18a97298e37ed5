//! Custody at every instant: each record of a case as a commit left it, in the one order in which all commits of all organisations became
//! durable. Only a simulation knows that order; it makes the rules of the protocol checkable without any clock.

use std::collections::{BTreeMap, BTreeSet};

use schakel_domain::id::OrgId;
use serde_json::Value;

use super::{History, Violation};

/// Custody of one case at one organisation, from this commit on.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// Where.
    pub org: OrgId,
    /// The case.
    pub case: String,
    /// The field `custody` of its record.
    pub custody: Value,
}

/// Counter, organisation and step.
type Epoch = (u64, String, u64);

/// One case over all organisations.
#[derive(Debug, Default)]
struct Case<'a> {
    at: BTreeMap<&'a OrgId, &'a Value>,
    led: BTreeMap<Epoch, &'a OrgId>,
    closed: bool,
}

/// Replays every case, and looks at where it ends.
pub(super) fn check(history: &History, violations: &mut Vec<Violation>) {
    let mut cases: BTreeMap<&str, Case<'_>> = BTreeMap::new();
    for Moment { org, case: id, custody } in &history.moments {
        let case = cases.entry(id).or_default();
        case.at.insert(org, custody);
        case.closed |= place(custody).0 == "closed";
        let mut wrong = |rule, what: &str| violations.push(Violation::new(rule, org, format!("case {id}: {what}")));
        case.responsible(&mut wrong);
        case.leads(org, custody, &mut wrong);
        case.withdrawn(&mut wrong);
    }
    for (id, case) in &cases {
        let Some(org) = case.at.keys().next() else { continue };
        case.at_rest(&mut |rule, what| violations.push(Violation::new(rule, org, format!("case {id}: {what}"))));
    }
}

impl<'a> Case<'a> {
    /// Somebody is responsible, always.
    fn responsible(&self, wrong: &mut impl FnMut(&'static str, &str)) {
        let somebody = self.at.values().any(|custody| !matches!(place(custody).0, "outside" | "closed"));
        if !somebody && !self.closed {
            wrong("nobody-responsible", "at this instant");
        }
    }

    /// One lead per epoch, one epoch after the other, and two leads only while a fence is under way: then in two reigns.
    fn leads(&mut self, org: &'a OrgId, custody: &Value, wrong: &mut impl FnMut(&'static str, &str)) {
        let leading = self.at.values().filter_map(|custody| leads(custody));
        let reigns: Vec<(u64, String)> = leading.map(|(counter, by, _)| (counter, by)).collect();
        if reigns.iter().collect::<BTreeSet<_>>().len() < reigns.len() {
            wrong("two-leads", "in one reign, at this instant");
        }
        let Some(epoch) = leads(custody) else { return };
        if let Some(other) = self.led.get(&epoch) {
            if *other != org {
                wrong("two-leads-in-epoch", &format!("{other} led in epoch {}.{} too", epoch.0, epoch.2));
            }
            return;
        }
        if !self.follows(&epoch) {
            wrong("epoch-missing", &format!("nobody led just before epoch {}.{}", epoch.0, epoch.2));
        }
        self.led.insert(epoch, org);
    }

    /// A transfer raises the step by one, a refused one by two; a reclaim begins a reign, one higher than one that was.
    fn follows(&self, (counter, by, step): &Epoch) -> bool {
        let same = |back: u64| step.checked_sub(back).is_some_and(|before| self.led.contains_key(&(*counter, by.clone(), before)));
        let begins = || self.led.keys().any(|(earlier, ..)| earlier + 1 == *counter);
        self.led.is_empty() || same(1) || same(2) || begins()
    }

    /// What was taken back never took effect.
    fn withdrawn(&self, wrong: &mut impl FnMut(&'static str, &str)) {
        for custody in self.at.values() {
            let made = custody["outbound"].as_object().into_iter().flatten();
            for (offer, _) in made.filter(|(_, row)| row["outcome"] == "withdrawn") {
                if self.at.values().any(|there| there["inbound"][offer]["answer"].get("activated").is_some()) {
                    wrong("withdrawn-activated", &format!("handover {offer}"));
                }
            }
        }
    }

    /// When all is quiet: one lead, no token under way, nothing contested, no place reserved.
    fn at_rest(&self, wrong: &mut impl FnMut(&'static str, &str)) {
        let leading = self.at.values().filter(|custody| leads(custody).is_some()).count();
        if leading != usize::from(!self.closed) {
            wrong("leads-at-rest", &format!("{leading} lead"));
        }
        for (org, custody) in &self.at {
            let place = place(custody).0;
            if matches!(place, "transferring" | "contested") {
                wrong("not-settled", &format!("{org} is {place}"));
            }
            let answers = custody["inbound"].as_object().into_iter().flatten().map(|(_, row)| &row["answer"]);
            if answers.into_iter().any(|answer| answer.get("pledged").is_some()) {
                wrong("not-settled", &format!("{org} keeps a place reserved"));
            }
        }
    }
}

/// The name of an organisation's place, and its fields.
fn place(custody: &Value) -> (&str, &Value) {
    match &custody["role"] {
        Value::String(name) => (name, &Value::Null),
        Value::Object(fields) => fields.iter().next().map_or(("", &Value::Null), |(name, fields)| (name, fields)),
        _ => ("", &Value::Null),
    }
}

/// The epoch in which it leads, if it does.
fn leads(custody: &Value) -> Option<Epoch> {
    let (name, fields) = place(custody);
    let epoch = &fields["epoch"];
    let reign = &epoch["term"];
    matches!(name, "lead" | "offering").then(|| {
        let by = reign["org"].as_str().unwrap_or_default().to_owned();
        (reign["counter"].as_u64().unwrap_or_default(), by, epoch["step"].as_u64().unwrap_or_default())
    })
}
