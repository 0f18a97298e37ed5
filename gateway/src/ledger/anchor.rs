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
    /// When it cannot be written durably; the old one then still stands.
    pub async fn write(&self, note: &str) -> io::Result<()> {
        let (path, note) = (self.path.clone(), note.to_owned());
        tokio::task::spawn_blocking(move || replace(&path, note.as_bytes())).await.map_err(io::Error::other)?
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_NOTE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file whole or not at all, durably: beside it, synced, renamed, and the folder synced.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    sync_folder(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
