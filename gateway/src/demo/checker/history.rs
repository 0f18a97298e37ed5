//! Everything all stores hold, read once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schakel_domain::audit::note::Vkey;
use schakel_domain::id::OrgId;
use serde_json::Value;

use super::instants::Moment;
use super::operations::{Operation, Told};
use crate::store::{EntryRow, EventRow, InboxRow, Kind, MAX_ROWS, OutboxRow, OutboxState, Page, Store, StoreError};

/// One organisation's store, to be read.
pub struct Subject {
    /// Whose.
    pub org: OrgId,
    /// The store, opened for reading.
    pub store: Arc<dyn Store>,
    /// The newest signed checkpoint of its log and the log's key, when they are to be checked too.
    pub checkpoint: Option<(Vec<u8>, Vkey)>,
}

/// A record without its sealed part.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// Its state.
    pub clear: Value,
}

/// What one organisation stored.
#[derive(Debug, Clone)]
pub struct Side {
    /// Whose.
    pub org: OrgId,
    /// Cases.
    pub cases: Vec<Record>,
    /// Handovers, made and received.
    pub handovers: Vec<Record>,
    /// Consultations, made and received.
    pub consultations: Vec<Record>,
    /// Events, in order.
    pub events: Vec<EventRow>,
    /// Log entries, in order.
    pub entries: Vec<EntryRow>,
    /// Messages to others, by receiver and number.
    pub sent: Vec<OutboxRow>,
    /// Messages from others, in order of arrival per thread.
    pub received: Vec<InboxRow>,
    /// As in [`Subject`].
    pub checkpoint: Option<(Vec<u8>, Vkey)>,
}

/// What all of them stored.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// One side per organisation.
    pub sides: Vec<Side>,
    /// What clients asked and heard; empty when that is not known.
    pub operations: Vec<Told>,
    /// Every record of a case as it was committed, in the order of all commits; empty when that order is not known.
    pub moments: Vec<Moment>,
    /// The place of each event, by organisation and sequence, in the order of all commits. Without it the organisations' clocks decide, which
    /// must then be one clock.
    pub order: Option<BTreeMap<(OrgId, u64), u64>>,
}

impl History {
    /// Reads every store whole.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn read(subjects: Vec<Subject>) -> Result<Self, StoreError> {
        Self::read_with(subjects, Vec::new()).await
    }

    /// Reads every store whole, and what was kept of these operations.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn read_with(subjects: Vec<Subject>, operations: Vec<Operation>) -> Result<Self, StoreError> {
        let mut told = Vec::new();
        for operation in operations {
            let Some(subject) = subjects.iter().find(|subject| subject.org == operation.org) else { continue };
            let kept = subject.store.replay(&operation.act, &operation.request).await?.map(|replay| replay.outcome);
            told.push(Told { operation, kept });
        }
        let mut sides = Vec::new();
        let mut threads = BTreeSet::new();
        let mut stores = Vec::new();
        for subject in subjects {
            let side = side(&subject).await?;
            threads.extend(side.sent.iter().map(|row| row.message.thread.clone()));
            threads.extend(side.cases.iter().chain(&side.consultations).map(|record| record.id.clone()));
            sides.push(side);
            stores.push(subject.store);
        }
        // A message nobody sent is found too, as long as it is about anything that anybody knows.
        for (side, store) in sides.iter_mut().zip(&stores) {
            for thread in &threads {
                side.received.extend(store.received_in(thread).await?);
            }
        }
        Ok(Self { sides, operations: told, ..Self::default() })
    }

    /// The side of one organisation.
    #[must_use]
    pub fn of(&self, org: &OrgId) -> Option<&Side> {
        self.sides.iter().find(|side| side.org == *org)
    }
}

async fn side(subject: &Subject) -> Result<Side, StoreError> {
    let store = &*subject.store;
    let mut side = Side {
        org: subject.org.clone(),
        cases: records(store, Kind::Case).await?,
        handovers: records(store, Kind::Handover).await?,
        consultations: records(store, Kind::Consultation).await?,
        events: Vec::new(),
        entries: Vec::new(),
        sent: Vec::new(),
        received: Vec::new(),
        checkpoint: subject.checkpoint.clone(),
    };
    loop {
        let after = side.events.last().map_or(0, |event| event.seq);
        let page = store.events(after, MAX_ROWS).await?;
        if page.is_empty() {
            break;
        }
        side.events.extend(page);
    }
    loop {
        let page = store.entries(side.entries.len() as u64, MAX_ROWS).await?;
        if page.is_empty() {
            break;
        }
        side.entries.extend(page);
    }
    for queue in store.outbox_peers().await? {
        for state in OutboxState::ALL {
            let mut after = 0;
            loop {
                let page = store.outbox(&queue.peer, state, after, MAX_ROWS).await?;
                let Some(last) = page.last() else { break };
                after = last.number;
                side.sent.extend(page);
            }
        }
    }
    side.sent.sort_by(|a, b| (&a.message.peer, a.number).cmp(&(&b.message.peer, b.number)));
    Ok(side)
}

async fn records(store: &dyn Store, kind: Kind) -> Result<Vec<Record>, StoreError> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = store.records(kind, Page { open_only: false, after: after.clone(), limit: MAX_ROWS }).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after.clone_from(&last.id);
        for record in page {
            let clear = serde_json::from_str(&record.clear).map_err(|error| StoreError::Damaged(format!("{}: {error}", record.id)))?;
            all.push(Record { id: record.id, clear });
        }
    }
}
