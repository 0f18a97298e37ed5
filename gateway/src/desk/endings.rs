//! What ends without anybody deciding it: certificates and revocation lists. Tells people in time, each moment once, also across
//! restarts and replicas: what was told is a record, written in the commit that tells.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use schakel_domain::audit::entry::{Decision, NO_PROTOCOL, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::id::OrgId;
use schakel_domain::refusal::{Lang, Refusal};
use serde::{Deserialize, Serialize};

use super::Desk;
use super::draft::{Draft, Stop, internal};
use super::trace::By;
use crate::store::{Expect, Kind, Record};

/// Days before the end at which people are told; and at the end itself.
pub const DAYS: [u16; 5] = [60, 30, 14, 7, 1];
/// The record of what was told.
const TOLD: &str = "endings-told";
/// What was told is forgotten this long after the end.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Most endings remembered; the ones that end last are dropped first, and would be told again.
const TOLD_MAX: usize = 4096;

/// Something that ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Its name for ever: a certificate's thumbprint, a list's CA and issue.
    pub key: String,
    /// Whose it is.
    pub org: OrgId,
    /// What it is.
    pub what: Ends,
    /// When.
    pub ends: Timestamp,
}

/// What ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// A certificate of a chain: `certificate`, `intermediate` or `root`. People are told at [`DAYS`] and at its end.
    Certificate(&'static str),
    /// The time in which the successor of a revocation list should have come: fetch it.
    ListSoon,
    /// A revocation list: from now on it counts only by its grace.
    List,
    /// The grace of a revocation list: from now on it refuses.
    ListGrace,
}

/// What was told of one ending.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Told {
    /// Days left when it was told last; 0 at the end.
    days: u16,
    ends: Timestamp,
}

impl Ending {
    /// The moment that has come: days left, or 0 at the end. None: it is too early to tell anybody.
    fn due(&self, now: Timestamp) -> Option<u16> {
        if now >= self.ends {
            return Some(0);
        }
        let within = |days: &u16| now >= self.ends - SignedDuration::from_hours(24 * i64::from(*days));
        DAYS.into_iter().rev().find(within).filter(|_| matches!(self.what, Ends::Certificate(_)))
    }

    /// Kind and state of the event.
    fn event(&self, days: u16) -> (&'static str, String) {
        match (self.what, days) {
            (Ends::Certificate(place), 0) => ("certificate.expired", format!("{place} expired")),
            (Ends::Certificate(place), days) => ("certificate.expiring", format!("{place} {days} days")),
            (Ends::ListSoon, _) => ("revocation-list.ending", "ending".to_owned()),
            (Ends::List, _) => ("revocation-list.expired", "expired".to_owned()),
            (Ends::ListGrace, _) => ("revocation-list.refusing", "refusing".to_owned()),
        }
    }
}

impl Desk {
    /// Tells people of what ends soon, as far as they were not told. How many were told now.
    ///
    /// # Errors
    /// When the store cannot be read or written: nobody was told, and the next call tries again.
    pub async fn tell_endings(&self, known: &[Ending]) -> Result<usize, Refusal> {
        if self.recovering() || known.iter().all(|ending| ending.due(self.now()).is_none()) {
            return Ok(0);
        }
        self.again_and_again(|| self.tell_once(known)).await
    }

    async fn tell_once(&self, known: &[Ending]) -> Result<usize, Stop> {
        let mut draft = Draft::new(self);
        let record = self.parts.store.record(Kind::Gateway, TOLD).await?;
        let version = record.as_ref().map_or(0, |record| record.version);
        let mut told: BTreeMap<String, Told> = record.and_then(|record| serde_json::from_str(&record.clear).ok()).unwrap_or_default();
        let mut count = 0;
        for ending in known {
            let Some(days) = ending.due(draft.now).filter(|days| told.get(&ending.key).is_none_or(|told| *days < told.days)) else {
                continue;
            };
            let (kind, state) = ending.event(days);
            tracing::warn!(org = %ending.org, what = kind, state, ends = %ending.ends, key = ending.key, "somebody must act before it ends");
            draft.event(kind, format!("organizations/{}", ending.org), &state);
            told.insert(ending.key.clone(), Told { days, ends: ending.ends });
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        forget(&mut told, draft.now);
        draft.commit.expect.push(Expect { kind: Kind::Gateway, id: TOLD.to_owned(), version });
        draft.commit.put.push(Record {
            kind: Kind::Gateway,
            id: TOLD.to_owned(),
            version: version + 1,
            parent: None,
            open: false,
            alias: None,
            clear: serde_json::to_string(&told).map_err(|_| internal("writing what was told"))?,
            sealed: None,
        });
        draft.commit().await.map(|_| count)
    }

    /// Writes that files of a part of this gateway were read again, or refused; people are told of a refusal.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn files_read(&self, part: &str, refused: Option<&Refusal>) -> Result<(), Refusal> {
        self.again_and_again(|| async {
            let mut draft = Draft::new(self);
            let clock = self.clock();
            let code = EventCode::ConfigurationChanged;
            let decision = match refused {
                None => Decision::allowed(code.code(), code.words(Lang::Nl)),
                Some(refusal) => Decision::denied(refusal.reason.code(), refusal.sentence(Lang::Nl)),
            };
            let object = Object::new("configuration", "name", part, NO_PROTOCOL);
            self.note(&mut draft, code, By { caller: &clock, actor: None, second: None }, object, decision, None);
            if refused.is_some() {
                draft.event("configuration.refused", format!("organizations/{}", self.parts.me), part);
            }
            draft.commit().await.map(drop)
        })
        .await
    }
}

/// Keeps the record small.
fn forget(told: &mut BTreeMap<String, Told>, now: Timestamp) {
    told.retain(|_, told| told.ends + KEPT > now);
    while told.len() > TOLD_MAX {
        let last = told.iter().max_by_key(|(_, told)| told.ends).map(|(key, _)| key.clone());
        last.map(|key| told.remove(&key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_told_at_each_of_the_days_and_at_its_end_anything_else_only_then() {
        let ends: Timestamp = "2027-03-01T00:00:00Z".parse().unwrap();
        let ending = |what| Ending { key: String::new(), org: "ura:90000123".parse().unwrap(), what, ends };
        let at = |days: i64, what| ending(what).due(ends - SignedDuration::from_hours(24 * days));

        let certificate = Ends::Certificate("root");
        assert_eq!([61, 60, 31, 30, 14, 7, 2, 1, 0].map(|days| at(days, certificate)), {
            let told = Some;
            [None, told(60), told(60), told(30), told(14), told(7), told(7), told(1), told(0)]
        });
        assert_eq!([60, 1, 0].map(|days| at(days, Ends::List)), [None, None, Some(0)]);
    }
}
