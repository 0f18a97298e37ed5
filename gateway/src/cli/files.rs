//! Files of the command line: read with a bound, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Failure;
use crate::bounded;

/// Access by the owner alone.
pub(super) const SECRET: u32 = 0o600;
/// Readable by everybody.
pub(super) const PUBLIC: u32 = 0o644;

/// Reads a file of at most `most` bytes.
pub(super) fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    bounded::read(path, most).map_err(|error| Failure::file(path, &error))
}

/// The same, as text.
pub(super) fn read_text(path: &Path, most: usize) -> Result<String, Failure> {
    bounded::read_text(path, most).map_err(|error| Failure::file(path, &error))
}

/// Refuses when one of these files exists.
pub(super) fn refuse_existing(paths: &[&Path]) -> Result<(), Failure> {
    match paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(exists(path)),
        None => Ok(()),
    }
}

/// Writes a file that is not there yet.
pub(super) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    // A link, unlike a rename, never replaces what somebody else put there meanwhile.
    put(path, bytes, mode, |beside| fs::hard_link(beside, path).and_then(|()| fs::remove_file(beside)))
}

/// Writes a file in the place of the one that is there.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    put(path, bytes, PUBLIC, |beside| fs::rename(beside, path))
}

/// Writes beside the file, makes that durable, and puts it in its place in one step.
fn put(path: &Path, bytes: &[u8], mode: u32, place: impl Fn(&Path) -> io::Result<()>) -> Result<(), Failure> {
    let beside = beside(path);
    let written = write(&beside, bytes, mode).and_then(|()| place(&beside)).and_then(|()| sync_folder(path));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        if error.kind() == io::ErrorKind::AlreadyExists { exists(path) } else { Failure::file(path, &error) }
    })
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// `.name.pid.new` in the same folder: on the same file system, and of this process alone.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.new", std::process::id()))
}

fn exists(path: &Path) -> Failure {
    Failure::file(path, &"exists already and is never overwritten; choose another name or remove it yourself")
}
