//! FILL: stores cases beforehand, so that what follows is measured on a store of some years. Each is a copy of a case that the desk opened,
//! with its key, log entry and event, under ids of its own.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use schakel_domain::id::{CaseId, ClientKeyId, Label};
use uuid::Uuid;

use super::gateway::Gateway;
use crate::store::{ClientKey, Commit, EntryRow, Expect, Kind, NewEvent, Record, Store};

/// Cases in one commit.
const CASES: u64 = 150;
/// Commits under way.
const COMMITS: usize = 8;

/// Stores so many cases.
///
/// # Errors
/// When the store refuses, as on a full disk.
pub(super) async fn store(gateway: &Gateway, cases: u64) -> Result<(), anyhow::Error> {
    let store = gateway.desk().store();
    let before = store.log_size().await?;
    let id = gateway.open_case().await?.to_string();
    let record = store.record(Kind::Case, &id).await?.ok_or_else(|| anyhow::anyhow!("the case that was opened is not there"))?;
    let entry = store.entries(before, 1).await?.pop().ok_or_else(|| anyhow::anyhow!("the case that was opened has no entry"))?;
    let groups = (0..cases).step_by(CASES as usize).map(|from| CASES.min(cases - from));
    let commits = stream::iter(groups.map(|count| put(&**store, &record, &entry, count)));
    commits.buffer_unordered(COMMITS).try_collect::<Vec<()>>().await?;
    Ok(())
}

async fn put(store: &dyn Store, like: &Record, entry: &EntryRow, count: u64) -> Result<(), anyhow::Error> {
    let mut commit = Commit { at: Timestamp::now(), ..Commit::default() };
    for _ in 0..count {
        let case = CaseId::new(Uuid::now_v7());
        let id = case.to_string();
        let record = Record {
            id: id.clone(),
            version: 1,
            alias: Some(Label::of(case).as_str().to_owned()),
            clear: like.clear.replace(&like.id, &id),
            ..like.clone()
        };
        commit.expect.push(Expect { kind: Kind::Case, id: id.clone(), version: 0 });
        commit.put.push(record);
        commit.keys.push(ClientKey { id: ClientKeyId::new(Uuid::now_v7()), wrapped: vec![0; 61] });
        let mut entry = entry.entry.clone();
        entry.case = Some(id.clone());
        commit.entries.push(entry);
        commit.events.push(NewEvent { kind: "case.opened".to_owned(), resource: format!("cases/{id}"), state: "lead".to_owned() });
    }
    store.commit(commit).await?;
    Ok(())
}
