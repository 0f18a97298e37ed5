//! What the history checker says of a region of desks, and the order in which things happened in it, which no clock here tells.

use std::collections::BTreeMap;

use schakel::demo::checker::{self, History, Subject};
use schakel_domain::id::OrgId;

use super::kit::Region;

/// The one order of all events: looked at after everything that one gateway does alone.
#[derive(Default)]
pub(crate) struct Order {
    seen: BTreeMap<OrgId, u64>,
    places: BTreeMap<(OrgId, u64), u64>,
}

impl Order {
    /// Gives what is new its place.
    pub(crate) async fn look(&mut self, region: &Region) {
        for gateway in region.all() {
            let (_, newest) = gateway.store.event_range().await.unwrap();
            let seen = self.seen.entry(gateway.me.clone()).or_default();
            for seq in *seen + 1..=newest {
                let place = self.places.len() as u64 + 1;
                self.places.insert((gateway.me.clone(), seq), place);
            }
            *seen = newest;
        }
    }

    /// The whole history holds: who led and who was responsible when, every message once and in order, both logs.
    pub(crate) async fn judge(mut self, region: &Region, of: &str) {
        self.look(region).await;
        let subject = |gateway: &super::kit::Gateway| Subject { org: gateway.me.clone(), store: gateway.store.clone(), checkpoint: None };
        let mut history = History::read(region.all().map(subject).collect()).await.unwrap();
        history.order = Some(self.places);
        let findings = checker::check(&history);
        let violations: Vec<String> = findings.violations.iter().map(ToString::to_string).collect();
        assert_eq!(violations, Vec::<String>::new(), "{of}");
        assert!(findings.transitions > 0 && findings.logs_hold, "{of}: there was something to judge");
    }
}
