//! Who had a case when. Every change of lead or responsibility is an event in the organisation's own sequence; all events of a case, of
//! all organisations, are put in the order of time and replayed.
//!
//! All organisations of a demo use one clock, and an event of an effect is later than that of its cause by the message between them.
//! Events of the same moment are ordered by what can cause what. Where the order of all commits is known, that counts and no clock does.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schakel_domain::id::OrgId;
use serde_json::Value;

use super::{History, Violation};

/// A change of one organisation's place in one case. The order is that of cause and effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Opened it: leads.
    Opened,
    /// Gave the token away: responsible, leads no longer.
    GaveToken,
    /// Took it back by force: leads.
    Reclaimed,
    /// Learned that somebody reclaimed it: responsible, leads no longer.
    Contested,
    /// Got the token: leads.
    GotToken,
    /// Got the receipt: out.
    LeftCustody,
    /// Stepped back from a contested case: out.
    Resolved,
    /// Closed it: nobody leads or is responsible any more.
    Closed,
}

/// The change an event tells of, and in which case.
pub(super) fn change(kind: &str, resource: &str) -> Option<(Change, String)> {
    let change = match kind {
        "case.opened" => Change::Opened,
        "handover.transferring" => Change::GaveToken,
        "case.reclaimed" => Change::Reclaimed,
        "case.contested" => Change::Contested,
        "case.lead" => Change::GotToken,
        "handover.completed" => Change::LeftCustody,
        "case.resolved" => Change::Resolved,
        "case.closed" => Change::Closed,
        _ => return None,
    };
    let case = resource.strip_prefix("cases/")?.split('/').next()?;
    Some((change, case.to_owned()))
}

/// One change at one organisation: its place in the order of all commits, or none of them known; its time; what; where.
type Moment<'a> = (u64, Timestamp, Change, &'a OrgId);

/// Replays every case; gives the number of changes.
pub(super) fn check(history: &History, violations: &mut Vec<Violation>) -> u64 {
    let mut cases: BTreeMap<String, Vec<Moment<'_>>> = BTreeMap::new();
    for side in &history.sides {
        for row in &side.events {
            if let Some((change, case)) = change(&row.event.kind, &row.event.resource) {
                let place = history.order.as_ref().and_then(|order| order.get(&(side.org.clone(), row.seq)).copied());
                cases.entry(case).or_default().push((place.unwrap_or_default(), row.at, change, &side.org));
            }
        }
    }
    let mut transitions = 0;
    for (case, mut moments) in cases {
        moments.sort();
        transitions += moments.len() as u64;
        let places = replay(&case, &moments, violations);
        ends_as_recorded(history, &case, &places, violations);
        epochs(history, &case, violations);
    }
    unknown_cases(history, violations);
    transitions
}

/// Who leads and who is responsible.
#[derive(Debug, Default)]
struct Places<'a> {
    lead: BTreeSet<&'a OrgId>,
    responsible: BTreeSet<&'a OrgId>,
    contested: BTreeSet<&'a OrgId>,
    ended: bool,
}

impl<'a> Places<'a> {
    fn apply(&mut self, change: Change, org: &'a OrgId) {
        match change {
            Change::Opened | Change::GotToken | Change::Reclaimed => {
                self.lead.insert(org);
                self.responsible.insert(org);
            }
            Change::GaveToken => drop(self.lead.remove(org)),
            Change::Contested => {
                self.lead.remove(org);
                self.contested.insert(org);
            }
            Change::LeftCustody | Change::Resolved => {
                self.lead.remove(org);
                self.responsible.remove(org);
                self.contested.remove(org);
            }
            Change::Closed => {
                self.lead.remove(org);
                self.responsible.remove(org);
                self.ended = true;
            }
        }
    }
}

fn replay<'a>(case: &str, moments: &[Moment<'a>], violations: &mut Vec<Violation>) -> Places<'a> {
    let mut places = Places::default();
    // Between a forced reclaim and the arrival of its fence two lead: the higher epoch counts, and it ends as Contested.
    let forced = moments.iter().any(|(_, _, change, _)| *change == Change::Reclaimed);
    for (_, at, change, org) in moments {
        places.apply(*change, org);
        let names = |orgs: &BTreeSet<&OrgId>| orgs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if places.lead.len() > 1 && !forced {
            violations.push(Violation::new("two-leads", org, format!("case {case} at {at} after {change:?}: {}", names(&places.lead))));
        }
        if places.responsible.is_empty() && !places.ended {
            violations.push(Violation::new("nobody-responsible", org, format!("case {case} at {at} after {change:?}")));
        }
    }
    if places.lead.len() > 1 {
        violations.push(Violation::new("two-leads", moments[0].3, format!("case {case} at the end")));
    }
    places
}

/// What each organisation's record says must be where the replay ended.
fn ends_as_recorded(history: &History, case: &str, places: &Places<'_>, violations: &mut Vec<Violation>) {
    for side in &history.sides {
        let role = side.cases.iter().find(|record| record.id == case).map(|record| role(&record.clear));
        let (leads, responsible) = match role.as_deref() {
            Some("lead" | "offering") => (true, true),
            Some("transferring" | "contested") => (false, true),
            _ => (false, false),
        };
        if leads != places.lead.contains(&side.org) || responsible != places.responsible.contains(&side.org) {
            let role = role.unwrap_or_else(|| "none".to_owned());
            violations.push(Violation::new("record-differs", &side.org, format!("case {case} is `{role}`, its history says otherwise")));
        }
    }
}

/// The name of the place in a record: a text, or an object with one key.
fn role(clear: &Value) -> String {
    match &clear["custody"]["role"] {
        Value::String(name) => name.clone(),
        Value::Object(fields) => fields.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

/// Every epoch has one lead, and no step is missing, unless a token was refused or reclaimed.
fn epochs(history: &History, case: &str, violations: &mut Vec<Violation>) {
    let mut led: BTreeMap<(u64, String, u64), &OrgId> = BTreeMap::new();
    let mut skips = false;
    for side in &history.sides {
        let Some(record) = side.cases.iter().find(|record| record.id == case) else { continue };
        let custody = &record.clear["custody"];
        let inbound = custody["inbound"].as_object().into_iter().flatten();
        let arrived = inbound.filter_map(|(_, offer)| offer["answer"].get("activated")).map(|activated| &activated["epoch"]);
        for epoch in arrived {
            let at = (
                epoch["term"]["counter"].as_u64().unwrap_or_default(),
                epoch["term"]["org"].as_str().unwrap_or_default().to_owned(),
                epoch["step"].as_u64().unwrap_or_default(),
            );
            if let Some(other) = led.insert(at.clone(), &side.org) {
                let what = format!("case {case}: {other} led in epoch {}.{} too", at.0, at.2);
                violations.push(Violation::new("two-leads-in-epoch", &side.org, what));
            }
        }
        let ends = custody["outbound"].as_object().into_iter().flatten();
        skips |= ends.into_iter().any(|(_, offer)| offer["outcome"] == "refused" || offer["outcome"] == "reclaimed");
    }
    let steps: Vec<u64> = led.keys().map(|(_, _, step)| *step).collect();
    let gap = steps.iter().zip(steps.iter().skip(1)).find(|(a, b)| **b != **a + 1);
    if let (Some((a, b)), false) = (gap, skips) {
        let org = led.values().next().copied().unwrap_or(&history.sides[0].org);
        violations.push(Violation::new("epoch-missing", org, format!("case {case}: epoch {b} follows {a}")));
    }
}

/// A record of a case that nobody ever opened or received came from nowhere.
fn unknown_cases(history: &History, violations: &mut Vec<Violation>) {
    let opened: BTreeSet<String> = history
        .sides
        .iter()
        .flat_map(|side| &side.events)
        .filter_map(|row| change(&row.event.kind, &row.event.resource))
        .filter(|(change, _)| *change == Change::Opened)
        .map(|(_, case)| case)
        .collect();
    for side in &history.sides {
        for record in side.cases.iter().filter(|record| !opened.contains(&record.id)) {
            violations.push(Violation::new("never-opened", &side.org, format!("case {}", record.id)));
        }
    }
}
