//! A question is answered by one organisation: at most one candidate is confirmed, and it is the one that the requester assigned.

use std::collections::BTreeMap;

use schakel_domain::id::OrgId;
use serde_json::Value;

use super::{History, Violation};

/// Looks at every consultation, at whoever asked and whoever was asked.
pub(super) fn check(history: &History, violations: &mut Vec<Violation>) {
    let mut confirmed: BTreeMap<&str, &OrgId> = BTreeMap::new();
    for side in &history.sides {
        for record in side.consultations.iter().filter(|record| record.clear["asking"]["candidate"]["phase"] == "confirmed") {
            if let Some(other) = confirmed.insert(&record.id, &side.org) {
                let what = format!("consultation {}: {other} is confirmed too", record.id);
                violations.push(Violation::new("two-confirmed", &side.org, what));
            }
        }
    }
    for side in &history.sides {
        for record in &side.consultations {
            let phase = &record.clear["asking"]["requester"]["phase"];
            let Some(helper) = confirmed.get(record.id.as_str()).filter(|_| !phase.is_null()) else { continue };
            if assigned(phase) != Some(helper.as_str()) {
                let what = format!("consultation {}: {helper} is confirmed, and was not assigned", record.id);
                violations.push(Violation::new("confirmed-unassigned", &side.org, what));
            }
        }
    }
}

/// Whom the requester chose.
fn assigned(phase: &Value) -> Option<&str> {
    phase["assigned"].as_str().or_else(|| phase["closed"].as_str())
}
