//! RECONCILE: reads logs to be paired, message by message: our own store, or an exported folder.
//!
//! The pairing itself is [`schakel_domain::audit::reconcile`]; `schakel audit reconcile` tells the verdict. An exported log
//! is verified first: what is paired is then what its owner signed.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schakel_domain::audit::note::Vkey;
use schakel_domain::audit::reconcile::Side;
use schakel_domain::audit::tiles::{MAX_BUNDLE, WIDTH, bundle_path, take_entry, width_of};
use schakel_domain::audit::verify::{Report, Trust, verify};
use schakel_domain::id::OrgId;

use super::receipts::{self, Walk};
use crate::store::{MAX_ROWS, Store, StoreError};

/// Why a log cannot be paired.
#[derive(Debug, thiserror::Error)]
pub enum Unpaired {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An exported folder cannot be read.
    #[error("{path}: {problem}")]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An entry is no entry.
    #[error("entry {index}: {problem}")]
    Entry {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        problem: String,
    },
}

/// Our own log, with every receipt we hold.
///
/// # Errors
/// [`Unpaired::Store`] or [`Unpaired::Entry`].
pub async fn own(store: &dyn Store, org: OrgId, now: Timestamp) -> Result<Side, Unpaired> {
    let mut side = Side::new(org, now);
    let mut next = 0;
    loop {
        let rows = store.entries(next, MAX_ROWS).await?;
        let Some(last) = rows.last() else { break };
        next = last.index + 1;
        for row in &rows {
            take(&mut side, row.index, &row.entry.bytes)?;
        }
    }
    let mut walk = Walk::new(store).await?;
    while let Some(lines) = walk.next().await? {
        lines.into_iter().for_each(|line| side.receipt(line.receipt));
    }
    Ok(side)
}

/// An exported log, what its verification says, and its receipts. Without receipts it counts as exported now by nobody: nothing that is
/// missing in it can be told from what is younger.
///
/// # Errors
/// [`Unpaired::Folder`] or [`Unpaired::Entry`].
pub fn exported(folder: &Path, vkey: Option<&Vkey>) -> Result<(Side, Report), Unpaired> {
    let fail = |problem: String| Unpaired::Folder { path: folder.to_owned(), problem };
    let mut read = |path: &str, at_most: usize| read_file(&folder.join(path), at_most);
    let trust = Trust { log: vkey.cloned(), ..Trust::default() };
    let report = verify(&mut read, &trust).map_err(|error| fail(error.to_string()))?;
    let mut held = Vec::new();
    let index = receipts::read(&mut read, |line| held.push(line.receipt)).map_err(|error| fail(error.to_string()))?;
    let index = index.ok_or_else(|| fail(format!("{} is missing: export it again", receipts::INDEX)))?;
    let mut side = Side::new(index.org, index.as_of);
    for bundle in 0..report.size.div_ceil(WIDTH) {
        let path = bundle_path(bundle, width_of(bundle, report.size));
        let bytes = read(&path, MAX_BUNDLE).map_err(fail)?.unwrap_or_default();
        let mut rest = &bytes[..];
        for index in bundle * WIDTH.. {
            let Some(entry) = take_entry(&mut rest) else { break };
            take(&mut side, index, entry)?;
        }
    }
    held.into_iter().for_each(|receipt| side.receipt(receipt));
    Ok((side, report))
}

fn take(side: &mut Side, index: u64, entry: &[u8]) -> Result<(), Unpaired> {
    side.read(index, entry).map_err(|error| Unpaired::Entry { index, problem: error.to_string() })
}

fn read_file(path: &Path, at_most: usize) -> Result<Option<Vec<u8>>, String> {
    use std::io::Read as _;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    file.take(at_most as u64).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(Some(bytes))
}
