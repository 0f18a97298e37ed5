//! ANCHOR: the newest checkpoint in a file of its own, outside the database.
//!
//! A database that is put back from a backup agrees with itself; this file, which is not in that backup, shows that more was signed. Keep
//! it on another volume than the database. It is replaced whole: written beside, synced, renamed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use schakel_domain::audit::checkpoint::Checkpoint;
use schakel_domain::audit::note::{MAX_NOTE, Vkey};

use super::LedgerFault;

/// The file.
#[derive(Debug, Clone)]
pub struct Anchor {
    path: PathBuf,
}

impl Anchor {
    /// The file at this path, which need not exist yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The checkpoint in it; none when there is no file.
    ///
    /// # Errors
    /// [`LedgerFault::Anchor`] when there is a file that cannot be read, or whose checkpoint this log did not sign.
    pub async fn read(&self, vkey: &Vkey) -> Result<Option<Checkpoint>, LedgerFault> {
        let fail = |why: &dyn std::fmt::Display| LedgerFault::Anchor(format!("{}: {why}", self.path.display()));
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || read_bounded(&path)).await.map_err(|error| fail(&error))?;
        match read {
            Ok(bytes) => Checkpoint::open(&bytes, vkey).map(Some).map_err(|error| fail(&error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fail(&error)),
        }
    }

    /// Replaces it.
    ///
    /// # Errors
    /// [`Unwritten`]; the old one then still stands.
    pub async fn write(&self, note: &str) -> Result<(), Unwritten> {
        let (path, note) = (self.path.clone(), note.to_owned());
        let written = tokio::task::spawn_blocking(move || put(&path, note.as_bytes())).await;
        written.unwrap_or_else(|error| Err(Unwritten::NotNow(io::Error::other(error))))
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_NOTE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Why a checkpoint is not in the file.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    /// It could not be written, as on a full disk: the next one may.
    #[error(transparent)]
    NotNow(io::Error),
    /// It was written and could not be synced: what the disk holds is no longer known, and asking again would only seem to help.
    #[error("fsync: {0}")]
    Unsynced(io::Error),
}

/// Writes a file whole or not at all, durably: beside it, synced, renamed, and the folder synced.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes).map_err(|error| match error {
        Unwritten::NotNow(error) | Unwritten::Unsynced(error) => error,
    })
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Unwritten> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside).map_err(Unwritten::NotNow)?;
    file.write_all(bytes).map_err(Unwritten::NotNow)?;
    file.sync_all().map_err(Unwritten::Unsynced)?;
    std::fs::rename(&beside, path).map_err(Unwritten::NotNow)?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_folder(folder).map_err(Unwritten::Unsynced)
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
