//! FHIR: the log, or what it holds about one case, as FHIR R4 AuditEvents, one a line (NDJSON).
//!
//! It is a translation for programs that read such events; what is signed and proven are the entries, which `export` writes. Read a page at
//! a time, so that a log of any length fits in memory; the file appears whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use schakel_domain::audit::entry::Entry;
use schakel_domain::audit::fhir::audit_event;
use schakel_domain::audit::tree::leaf_hash;

use crate::store::{EntryRow, Store, StoreError};

/// Entries read at once; each is at most 64 KiB.
const PAGE: u32 = 256;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file is there already, or cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An entry is not what its leaf hash says; `schakel audit verify` says more.
    #[error("{0}")]
    Entry(String),
}

/// Writes one event for every entry, in order; with `of` only for those about these cases. Gives how many.
///
/// # Errors
/// [`Failed`]; there is no file then.
pub async fn write(store: &dyn Store, to: &Path, of: Option<&[String]>) -> Result<u64, Failed> {
    if to.exists() {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
    }
    let part = Part::new(to)?;
    let mut file = BufWriter::new(&part.file);
    let mut events = 0;
    match of {
        None => events += lines(store, None, &mut file).await?,
        Some(cases) => {
            for case in cases {
                events += lines(store, Some(case), &mut file).await?;
            }
        }
    }
    file.flush()?;
    drop(file);
    part.keep(to)?;
    Ok(events)
}

async fn lines(store: &dyn Store, case: Option<&str>, to: &mut impl Write) -> Result<u64, Failed> {
    let (mut from, mut events) = (0, 0);
    loop {
        let rows = match case {
            None => store.entries(from, PAGE).await?,
            Some(case) => store.entries_of(case, from, PAGE).await?,
        };
        let Some(last) = rows.last() else { return Ok(events) };
        from = last.index + 1;
        for row in rows {
            to.write_all(line(&row)?.as_bytes())?;
            events += 1;
        }
    }
}

fn line(row: &EntryRow) -> Result<String, Failed> {
    if leaf_hash(&row.entry.bytes) != row.entry.leaf {
        return Err(Failed::Entry(format!("entry {} is not what its leaf hash says", row.index)));
    }
    let entry = Entry::parse(&row.entry.bytes).map_err(|error| Failed::Entry(format!("entry {}: {error}", row.index)))?;
    Ok(format!("{}\n", audit_event(row.index, row.entry.leaf, &entry)))
}

/// A file that is not there yet: it is removed unless it is kept.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn new(to: &Path) -> io::Result<Self> {
        let mut name = to.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        // Whoever may read the log may read this: its owner alone.
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        Ok(Self { path, file })
    }

    fn keep(self, to: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, to)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Kept, it has another name by now.
        let _gone = std::fs::remove_file(&self.path);
    }
}
