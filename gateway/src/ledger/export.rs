//! EXPORT: the signed log as files for an outsider (C2SP tlog-tiles), one by one, the checkpoint last.

use std::io;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use schakel_domain::audit::checkpoint;
use schakel_domain::audit::commitment::Disclosure;
use schakel_domain::audit::export::{ExportError, Exporter, File};
use schakel_domain::audit::note::Vkey;
use schakel_domain::id::OrgId;

use super::anchor::{replace, sync_folder};
use super::receipts::{Files, Walk};
use super::{LedgerFault, tile};
use crate::cosigner::kept;
use crate::store::{EntryRow, Store, StoreError};

/// Entries read at once; each is at most 64 KiB.
const PAGE: u32 = 256;

/// Opens the salt of one entry, if it may be disclosed to whoever gets the export.
pub type Disclose<'a> = &'a (dyn Fn(EntryRow) -> BoxFuture<'a, Result<Option<Disclosure>, String>> + Send + Sync);

/// Discloses nothing.
#[must_use]
pub fn nothing(_: EntryRow) -> BoxFuture<'static, Result<Option<Disclosure>, String>> {
    Box::pin(std::future::ready(Ok(None)))
}

/// Where the files go.
pub trait Sink: Send {
    /// Keeps one file, whole or not at all. The checkpoint is the last one and makes the export valid.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn put(&mut self, file: File) -> BoxFuture<'_, io::Result<()>>;
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportFailed {
    /// Nothing was signed yet.
    #[error("nothing was signed yet: there is no checkpoint")]
    Unsigned,
    /// The stored log is not what was signed; `schakel audit verify` says where.
    #[error("the stored log is not what was signed: {0}")]
    Fault(String),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A salt could not be opened.
    #[error("the salt of entry {0} could not be opened: {1}")]
    Salt(u64, String),
}

impl From<ExportError> for ExportFailed {
    fn from(error: ExportError) -> Self {
        Self::Fault(error.to_string())
    }
}

impl From<LedgerFault> for ExportFailed {
    fn from(fault: LedgerFault) -> Self {
        Self::Fault(fault.to_string())
    }
}

/// Writes the log up to the newest checkpoint, and the receipts held at this moment; gives how many entries that are.
///
/// # Errors
/// [`ExportFailed`]; without a checkpoint file what was written is no export.
pub async fn export(
    store: &dyn Store,
    vkey: &Vkey,
    sink: &mut dyn Sink,
    disclose: Disclose<'_>,
    now: Timestamp,
) -> Result<u64, ExportFailed> {
    let (_, note) = tile::newest(store).await?;
    let signed = tile::opened(note.ok_or(ExportFailed::Unsigned)?, vkey)?;
    // The head that a quorum cosigned: the newest itself, or an older one in a file of its own.
    let cosigned = kept(store, vkey).await?.1.filter(|cosigned| cosigned.checkpoint.size <= signed.checkpoint.size);
    let (newest, older) = match cosigned {
        Some(cosigned) if cosigned.checkpoint == signed.checkpoint => (cosigned, None),
        other => (signed, other),
    };
    let mut exporter = Exporter::new(newest.note.as_bytes(), vkey.clone())?;
    let mut salts = Vec::new();
    let (mut next, size) = (0, exporter.size());
    while next < size {
        let rows = store.entries(next, PAGE).await?;
        if rows.is_empty() {
            return Err(ExportFailed::Fault(format!("entry {next} is missing")));
        }
        for row in rows.into_iter().take_while(|row| row.index < size) {
            if row.index != next {
                return Err(ExportFailed::Fault(format!("entry {next} is missing")));
            }
            for file in exporter.push(&row.entry.bytes)? {
                sink.put(file).await?;
            }
            if row.entry.salts.is_some() {
                salts.extend(disclose(row).await.map_err(|why| ExportFailed::Salt(next, why))?);
            }
            next += 1;
        }
    }
    if let Some(org) = checkpoint::organization(vkey.name()) {
        put_receipts(store, org, sink, now).await?;
    }
    if let Some(older) = older {
        sink.put(("cosigned".to_owned(), older.note.into_bytes())).await?;
    }
    for file in exporter.finish(&salts, None)? {
        sink.put(file).await?;
    }
    Ok(size)
}

async fn put_receipts(store: &dyn Store, org: OrgId, sink: &mut dyn Sink, now: Timestamp) -> Result<(), ExportFailed> {
    let (mut walk, mut files) = (Walk::new(store).await?, Files::new(org, now));
    while let Some(lines) = walk.next().await? {
        for file in lines.iter().filter_map(|line| files.push(line)).collect::<Vec<_>>() {
            sink.put(file).await?;
        }
    }
    for file in files.finish() {
        sink.put(file).await?;
    }
    Ok(())
}

/// A folder on disk. Every file is synced and then renamed into place; the folders are synced before the checkpoint is written.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    made: Vec<PathBuf>,
}

impl Folder {
    /// A folder that is new or empty: files of an older export would mix with this one's.
    ///
    /// # Errors
    /// When it cannot be made, or has something in it.
    pub fn new(root: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        if std::fs::read_dir(root)?.next().is_some() {
            return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, format!("{} is not empty", root.display())));
        }
        Ok(Self { root: root.to_owned(), made: vec![root.to_owned()] })
    }
}

impl Sink for Folder {
    fn put(&mut self, file: File) -> BoxFuture<'_, io::Result<()>> {
        let (path, bytes) = (self.root.join(&file.0), file.1);
        let last = file.0 == "checkpoint";
        let made = std::mem::take(&mut self.made);
        Box::pin(async move {
            let write = move || write_file(&path, &bytes, made, last);
            self.made = tokio::task::spawn_blocking(write).await.map_err(io::Error::other)??;
            Ok(())
        })
    }
}

fn write_file(path: &Path, bytes: &[u8], mut made: Vec<PathBuf>, last: bool) -> io::Result<Vec<PathBuf>> {
    if let Some(folder) = path.parent()
        && !made.iter().any(|known| known == folder)
    {
        std::fs::create_dir_all(folder)?;
        made.push(folder.to_owned());
    }
    if last {
        made.iter().try_for_each(|folder| sync_folder(folder))?;
    }
    replace(path, bytes)?;
    Ok(made)
}
