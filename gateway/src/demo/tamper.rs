//! TAMPER: what happens when somebody changes one character in a copy: of an exported log, or of the database itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schakel_domain::audit::tiles::{WIDTH, bundle_path, take_entry, width_of};
use schakel_domain::audit::verify::{Report, Trust, Unjudged, verify};
use schakel_domain::id::OrgId;

use super::checker::{self, History, Side, Subject};
use crate::bounded;
use crate::store::sqlite;

/// Largest database of a demo that is copied, in bytes: a story takes a few MiB.
const MAX_STORE_BYTES: usize = 1 << 30;

/// Files of an export by path.
type Files = [(String, Vec<u8>)];

/// What was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// A copy of the exported log.
    Export,
    /// A copy of the database.
    Store,
}

/// What the verifier said.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// In what.
    pub copied: Copied,
    /// Entries in the original, all found good.
    pub entries: u64,
    /// The original verifies.
    pub original_ok: bool,
    /// Where the copy was changed.
    pub changed: u64,
    /// Where the verifier says the first fault is.
    pub found: Option<u64>,
}

impl Verdict {
    /// The original holds, and the change was found exactly where it was made.
    #[must_use]
    pub fn as_it_should(&self) -> bool {
        self.original_ok && self.found == Some(self.changed)
    }
}

/// Verifies an export, changes one byte of one entry in a copy, and verifies that.
///
/// # Errors
/// When the export cannot be judged at all, or has no entries.
pub fn try_it(original: &Files) -> Result<Verdict, anyhow::Error> {
    let good = judge(original)?;
    anyhow::ensure!(good.size > 0, "the exported log has no entries");
    let changed = good.size / 2;
    let mut copy = original.to_vec();
    change(&mut copy, changed, good.size)?;
    let bad = judge(&copy)?;
    Ok(Verdict {
        copied: Copied::Export,
        entries: good.entries,
        original_ok: good.ok(),
        changed,
        found: bad.finding.and_then(|finding| finding.index),
    })
}

/// Copies the database of a gateway that has stopped, changes one byte of one entry on disk, and reads the copy.
///
/// # Errors
/// When the copy cannot be made or read, or the entry cannot be found in it.
pub async fn try_store(database: &Path, org: &OrgId, into: &Path) -> Result<Verdict, anyhow::Error> {
    let good = read_store(database, org).await?;
    let changed = good.entries.len() as u64 / 2;
    let row = good.entries.iter().find(|row| row.index == changed).ok_or_else(|| anyhow::anyhow!("the log has no entries"))?;
    let copy = into.join("schakel.db");
    let mut places = 0;
    for suffix in ["", "-wal"] {
        let name = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        let Ok(mut bytes) = bounded::read(&name(database), MAX_STORE_BYTES) else { continue };
        places += change_all(&mut bytes, &row.entry.bytes);
        std::fs::write(name(&copy), bytes)?;
    }
    anyhow::ensure!(places > 0, "entry {changed} is not in one piece in the database");
    let bad = read_store(&copy, org).await?;
    let original_ok = checker::first_changed_entry(&good).is_none();
    let entries = good.entries.len() as u64;
    Ok(Verdict { copied: Copied::Store, entries, original_ok, changed, found: checker::first_changed_entry(&bad) })
}

async fn read_store(path: &Path, org: &OrgId) -> Result<Side, anyhow::Error> {
    let store = sqlite::open_read_only(path).await?;
    let subject = Subject { org: org.clone(), store: Arc::clone(&store), checkpoint: None };
    let read = History::read(vec![subject]).await;
    store.close().await;
    read?.sides.into_iter().next().ok_or_else(|| anyhow::anyhow!("nothing was read"))
}

/// Changes one byte in the middle of every copy of these bytes; gives the number of copies.
fn change_all(file: &mut [u8], entry: &[u8]) -> usize {
    let (mut from, mut places) = (0, 0);
    while let Some(at) = file[from..].windows(entry.len()).position(|window| window == entry) {
        file[from + at + entry.len() / 2] ^= 1;
        from += at + entry.len();
        places += 1;
    }
    places
}

fn judge(files: &Files) -> Result<Report, Unjudged> {
    let mut source = |path: &str, at_most: usize| -> Result<Option<Vec<u8>>, String> {
        let found = files.iter().find(|(name, _)| name == path);
        Ok(found.map(|(_, bytes)| bytes[..bytes.len().min(at_most)].to_vec()))
    };
    verify(&mut source, &Trust::default())
}

/// Changes one byte in the middle of an entry.
fn change(files: &mut [(String, Vec<u8>)], index: u64, size: u64) -> Result<(), anyhow::Error> {
    let bundle = index / WIDTH;
    let path = bundle_path(bundle, width_of(bundle, size));
    let (_, bytes) = files.iter_mut().find(|(name, _)| *name == path).ok_or_else(|| anyhow::anyhow!("{path} is not in the export"))?;
    let mut rest = &bytes[..];
    for _ in 0..index % WIDTH {
        take_entry(&mut rest).ok_or_else(|| anyhow::anyhow!("{path} ends early"))?;
    }
    let before = rest.len();
    let length = take_entry(&mut rest).ok_or_else(|| anyhow::anyhow!("{path} ends early"))?.len();
    let middle = bytes.len() - before + 2 + length / 2;
    bytes[middle] ^= 1;
    Ok(())
}
