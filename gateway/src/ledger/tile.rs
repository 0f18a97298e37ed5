//! What the ledger keeps in the store: the newest checkpoint, and beside it a copy of the leaf hashes, 256 to a record.
//!
//! The copy is what lets a verifier name the first entry that was altered, also when an entry and its own hash were altered together or
//! whole rows were moved: the copy leads to the signed root, so it is the true one. It is written in the commit that keeps the checkpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schakel_domain::audit::checkpoint::Checkpoint;
use schakel_domain::audit::note::Vkey;
use schakel_domain::audit::tiles::WIDTH;
use schakel_domain::id::Hash;
use serde::{Deserialize, Serialize};

use super::{LedgerFault, Signed};
use crate::store::{Expect, Kind, Record, Store, StoreError};

/// Id of the record ([`Kind::Gateway`]) with the newest checkpoint.
pub const CHECKPOINT: &str = "checkpoint";

/// Id of the record ([`Kind::Gateway`]) with the leaf hashes of tile `number`: those of the entries from `256 * number`.
#[must_use]
pub fn tile_id(number: u64) -> String {
    format!("log-tile/{number:012}")
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredCheckpoint {
    checkpoint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTile {
    leaves: String,
}

/// The stored checkpoint with the version of its record; (0, none) when nothing was signed yet.
pub(super) async fn newest(store: &dyn Store) -> Result<(u64, Option<String>), StoreError> {
    let record = store.record(Kind::Gateway, CHECKPOINT).await?;
    let Some(record) = record else { return Ok((0, None)) };
    let stored: Result<StoredCheckpoint, _> = serde_json::from_str(&record.clear);
    // What is no checkpoint record is no note either: left to the check of the signature.
    Ok((record.version, Some(stored.map_or_else(|_| String::new(), |stored| stored.checkpoint))))
}

/// Reads a note and checks that this log signed it.
pub(super) fn opened(note: String, vkey: &Vkey) -> Result<Signed, LedgerFault> {
    match Checkpoint::open(note.as_bytes(), vkey) {
        Ok(checkpoint) => Ok(Signed { checkpoint, note }),
        Err(error) => Err(LedgerFault::Checkpoint(error.to_string())),
    }
}

/// The leaf hashes kept for a tile; none when there is no such record or it cannot be read.
pub(super) async fn kept(store: &dyn Store, number: u64) -> Result<Option<Vec<Hash>>, StoreError> {
    let record = match store.record(Kind::Gateway, &tile_id(number)).await {
        Ok(record) => record,
        Err(StoreError::Damaged(_)) => None,
        Err(error) => return Err(error),
    };
    Ok(record.and_then(|record| parse(&record.clear)))
}

fn parse(clear: &str) -> Option<Vec<Hash>> {
    let stored: StoredTile = serde_json::from_str(clear).ok()?;
    let bytes = STANDARD.decode(stored.leaves).ok()?;
    let (hashes, rest) = bytes.as_chunks::<32>();
    (rest.is_empty() && hashes.len() as u64 <= WIDTH).then(|| hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// The record of the newest checkpoint, to follow a version of it.
pub(super) fn checkpoint_record(note: &str, version: u64) -> (Expect, Record) {
    record(CHECKPOINT.to_owned(), version, &StoredCheckpoint { checkpoint: note.to_owned() })
}

/// The record of a tile, to follow the version that is stored now.
pub(super) async fn tile_record(store: &dyn Store, number: u64, leaves: &[Hash]) -> Result<(Expect, Record), StoreError> {
    let version = store.record(Kind::Gateway, &tile_id(number)).await?.map_or(0, |record| record.version);
    let bytes: Vec<u8> = leaves.iter().flat_map(|hash| hash.0).collect();
    Ok(record(tile_id(number), version, &StoredTile { leaves: STANDARD.encode(bytes) }))
}

fn record(id: String, version: u64, clear: &impl Serialize) -> (Expect, Record) {
    let clear = serde_json::to_string(clear).expect("one text always serialises");
    let expect = Expect { kind: Kind::Gateway, id: id.clone(), version };
    (expect, Record { kind: Kind::Gateway, id, version: version + 1, parent: None, open: false, alias: None, clear, sealed: None })
}
