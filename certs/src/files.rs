//! Writing keys and certificates: a key is readable by its owner alone from the first byte, and nothing is overwritten.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It exists; overwriting a key would cut an organisation off.
    #[error("{0} exists already and is never overwritten; choose another folder or remove it yourself")]
    Exists(PathBuf),
    /// The disk, a right, a missing folder.
    #[error("cannot write {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Access by the owner alone.
const SECRET: u32 = 0o600;
/// Readable by everybody: a certificate is public.
const PUBLIC: u32 = 0o644;

/// Writes a private key.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<(), FileError> {
    write(path, text, SECRET)
}

/// Writes a certificate or request.
pub(crate) fn write_public(path: &Path, text: &str) -> Result<(), FileError> {
    write(path, text, PUBLIC)
}

/// Makes a folder and its parents.
#[cfg(feature = "issue")]
pub(crate) fn make_dir(path: &Path) -> Result<(), FileError> {
    std::fs::create_dir_all(path).map_err(|source| FileError::Io { path: path.to_owned(), source })
}

/// All or nothing as far as can be known beforehand: refuses when any of the files is there.
pub(crate) fn refuse_existing<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<(), FileError> {
    match paths.into_iter().find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(FileError::Exists(path.to_owned())),
        None => Ok(()),
    }
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), FileError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => FileError::Exists(path.to_owned()),
        _ => FileError::Io { path: path.to_owned(), source },
    })
}
