//! RECEIPTS: what peers signed for, as files beside an exported log, for whoever pairs that log with theirs.
//!
//! `receipts/index.json` says whose they are, as of which moment, and how many; `receipts/000000.jsonl` and so on hold them, a thousand in
//! each. Every line has the proof with both signatures (`schakel.type.v1.MessageProof`), so that it can be shown to a third party.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use schakel_domain::audit::export::File;
use schakel_domain::audit::reconcile::Receipt;
use schakel_domain::id::OrgId;
use serde::{Deserialize, Serialize};

use crate::batch::{read_proof, stated_answer};
use crate::store::{MAX_ROWS, OutboxRow, OutboxState, Store, StoreError};

/// Name of the file that counts them.
pub const INDEX: &str = "receipts/index.json";
/// Most receipts in one file.
pub const PER_FILE: u64 = 1_000;
/// Largest file, in bytes: a line is at most 16 KiB.
pub const MAX_FILE: usize = 16 << 20;
/// States of messages that somebody signed for.
const ANSWERED: [OutboxState; 2] = [OutboxState::Delivered, OutboxState::Parked];

/// The file that counts them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Whose receipts, and whose log.
    pub org: OrgId,
    /// The moment of the export.
    pub as_of: Timestamp,
    /// How many receipts.
    pub receipts: u64,
}

/// One receipt as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it says.
    #[serde(flatten)]
    pub receipt: Receipt,
    /// The encoded proof, base64.
    pub proof: String,
}

/// Why exported receipts cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct Unreadable {
    /// Which file.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Name of file `number`.
#[must_use]
pub fn path(number: u64) -> String {
    format!("receipts/{number:06}.jsonl")
}

/// Walks through the receipts of a store, peer by peer, in the order of their numbers.
pub struct Walk<'a> {
    store: &'a dyn Store,
    peers: Vec<OrgId>,
    state: usize,
    after: u64,
}

impl fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk").field("peers", &self.peers).field("after", &self.after).finish_non_exhaustive()
    }
}

impl<'a> Walk<'a> {
    /// From the start.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn new(store: &'a dyn Store) -> Result<Self, StoreError> {
        let mut peers: Vec<OrgId> = store.outbox_peers().await?.into_iter().map(|queue| queue.peer).collect();
        peers.sort();
        peers.reverse();
        Ok(Self { store, peers, state: 0, after: 0 })
    }

    /// The next ones; none at the end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next(&mut self) -> Result<Option<Vec<Line>>, StoreError> {
        while let Some(peer) = self.peers.last() {
            let rows = self.store.outbox(peer, ANSWERED[self.state], self.after, MAX_ROWS).await?;
            if let Some(last) = rows.last() {
                self.after = last.number;
                return Ok(Some(rows.into_iter().filter_map(line).collect()));
            }
            (self.state, self.after) = (self.state + 1, 0);
            if self.state == ANSWERED.len() {
                self.state = 0;
                self.peers.pop();
            }
        }
        Ok(None)
    }
}

/// A message that its receiver signed for; none for one that was parked before it was sent.
fn line(row: OutboxRow) -> Option<Line> {
    let bytes = row.proof?;
    let (outcome, leaf) = stated_answer(&read_proof(&bytes).ok()?)?;
    let receipt = Receipt { message: row.message.message, to: row.message.peer, at: row.changed, hash: row.message.hash, outcome, leaf };
    Some(Line { receipt, proof: STANDARD.encode(bytes) })
}

/// Makes the files, one by one.
#[derive(Debug)]
pub struct Files {
    index: Index,
    text: Vec<u8>,
}

impl Files {
    /// For the log of this organisation at this moment.
    #[must_use]
    pub fn new(org: OrgId, as_of: Timestamp) -> Self {
        Self { index: Index { org, as_of, receipts: 0 }, text: Vec::new() }
    }

    /// Takes in a receipt; gives the file that is full now.
    ///
    /// # Panics
    /// Never: a line holds texts and numbers.
    pub fn push(&mut self, line: &Line) -> Option<File> {
        serde_json::to_writer(&mut self.text, line).expect("texts and numbers always serialise");
        self.text.push(b'\n');
        self.index.receipts += 1;
        self.index.receipts.is_multiple_of(PER_FILE).then(|| self.file(self.index.receipts / PER_FILE - 1))
    }

    fn file(&mut self, number: u64) -> File {
        (path(number), std::mem::take(&mut self.text))
    }

    /// The last file, when it holds something, and the index.
    ///
    /// # Panics
    /// Never: an index holds texts and numbers.
    #[must_use]
    pub fn finish(mut self) -> Vec<File> {
        let mut files = Vec::new();
        if !self.text.is_empty() {
            files.push(self.file(self.index.receipts / PER_FILE));
        }
        let mut index = serde_json::to_vec(&self.index).expect("texts and numbers always serialise");
        index.push(b'\n');
        files.push((INDEX.to_owned(), index));
        files
    }
}

/// Reads exported receipts: `read` gives a file's first bytes, `each` gets the lines. None when the export has no receipts at all.
///
/// # Errors
/// [`Unreadable`], with the file.
pub fn read(
    mut read: impl FnMut(&str, usize) -> Result<Option<Vec<u8>>, String>,
    mut each: impl FnMut(Line),
) -> Result<Option<Index>, Unreadable> {
    let fail = |path: &str, problem: String| Unreadable { path: path.to_owned(), problem };
    let Some(bytes) = read(INDEX, 1 << 12).map_err(|why| fail(INDEX, why))? else { return Ok(None) };
    let index: Index = serde_json::from_slice(&bytes).map_err(|error| fail(INDEX, error.to_string()))?;
    let mut seen = 0;
    for number in 0..index.receipts.div_ceil(PER_FILE) {
        let path = path(number);
        let bytes = read(&path, MAX_FILE).map_err(|why| fail(&path, why))?.ok_or_else(|| fail(&path, "is missing".to_owned()))?;
        for text in bytes.split(|byte| *byte == b'\n').filter(|text| !text.is_empty()) {
            each(serde_json::from_slice(text).map_err(|error| fail(&path, error.to_string()))?);
            seen += 1;
        }
    }
    if seen == index.receipts { Ok(Some(index)) } else { Err(fail(INDEX, format!("counts {}, there are {seen}", index.receipts))) }
}
