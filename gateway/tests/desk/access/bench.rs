//! Our gateway in every situation at once, behind its doors; and what a caller hears there, with what is left of it in the log.

use schakel::agreements::Held;
use schakel::store::{Kind, Page};
use schakel::wire::status::to_refusal;
use schakel_domain::audit::entry::Entry;
use schakel_domain::refusal::Reason;
use tonic::Status;

use super::front::Doors;
use super::requests::{Form, Request};
use super::situations::{Handles, Situations, WE};
use crate::kit::*;

/// What somebody heard, and the entries it left.
pub(crate) struct Heard {
    pub(crate) answer: Result<Vec<u8>, Status>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) commits: u64,
}

impl Heard {
    /// `yes`, or the code of the reason. Let in to what is not on this bench is a yes.
    pub(crate) fn verdict(&self) -> &'static str {
        match self.answer.as_ref().map_err(|status| to_refusal(status).map(|refusal| refusal.reason)) {
            Ok(_) | Err(Some(Reason::StoreUnavailable)) => "yes",
            Err(Some(reason)) => reason.code(),
            Err(None) => "no reason of ours",
        }
    }

    /// Everything the caller and the log were told, with the ids that were asked for taken out.
    pub(crate) fn shape(&self, asked: &Handles) -> String {
        let told = match &self.answer {
            Ok(bytes) => format!("{bytes:?}"),
            Err(status) => format!("{:?} {} {:?}", status.code(), status.message(), to_refusal(status)),
        };
        let logged = serde_json::to_string(&self.entries).unwrap();
        asked.ids().iter().fold(format!("{told} {logged}"), |text, id| text.replace(id, "(asked for)"))
    }
}

/// Our gateway in all situations, and the doors to it.
pub(crate) struct Bench {
    pub(crate) situations: Situations,
    held: Held,
    pub(crate) gateway: Gateway,
    doors: Doors,
    key: u128,
}

impl Bench {
    pub(crate) async fn new(standing: &str) -> Self {
        let situations = Situations::bring_about().await;
        let held = situations.held(standing);
        let gateway = situations.region.at(WE).forked(held.clone());
        let doors = Doors::new(org(WE), gateway.desk.clone());
        Self { situations, held, gateway, doors, key: 0 }
    }

    /// Everything as it was before the last yes.
    pub(crate) fn again(&mut self) {
        self.gateway = self.situations.region.at(WE).forked(self.held.clone());
        self.doors.behind(self.gateway.desk.clone());
    }

    pub(crate) async fn hear(&mut self, form: Form, caller: &str, about: &Handles, standing: &str) -> Heard {
        self.key += 1;
        let bytes = Request { form, about, standing, key: self.key }.bytes();
        self.hear_bytes(form, caller, bytes).await
    }

    /// What somebody hears who sends these bytes.
    pub(crate) async fn hear_bytes(&self, form: Form, caller: &str, bytes: Vec<u8>) -> Heard {
        let (before, commits) = (self.gateway.store.log_size().await.unwrap(), self.gateway.commits());
        let answer = self.doors.call(caller, form.method, bytes).await;
        let rows = self.gateway.store.entries(before, 10).await.unwrap();
        let commits = self.gateway.commits() - commits;
        Heard { answer, commits, entries: rows.iter().map(|row| Entry::parse(&row.entry.bytes).unwrap()).collect() }
    }

    /// Everything that a refusal must leave as it was: all but the log.
    pub(crate) async fn state(&self) -> String {
        let store = &self.gateway.store;
        let mut state = format!("{:?} {:?} {:?}", store.event_range().await, store.next_due().await, store.outbox_peers().await);
        for kind in [Kind::Case, Kind::Consultation, Kind::Handover, Kind::Gateway, Kind::Peer] {
            let page = Page { open_only: false, after: String::new(), limit: 1_000 };
            let records = store.records(kind, page).await.unwrap();
            state.extend(records.iter().map(|record| format!("{} {},", record.id, record.version)));
        }
        state
    }
}
