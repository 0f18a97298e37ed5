//! Files that are there whole or not at all, whatever moment the power fails. Blocking: callers use a blocking thread.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, FileType, Metadata, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes a folder for us alone when it is not there; leaves the permissions of one that is.
pub(super) fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file so that a reader sees the old one, or the new one, and a crash leaves one of both.
///
/// Written beside it as `.name.part`, flushed to disk, renamed, and the folder flushed. One writer per name.
pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let part = folder.join(format!(".{name}.part"));
    // A part left by a crash may be anything, a link to elsewhere included: it is removed, never opened.
    remove(&part)?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, folder.join(name))?;
    sync(folder)
}

/// Moves a file between folders of one file system, durably; an existing file of that name is replaced.
pub(super) fn shift(from: &Path, name: &str, to: &Path, new_name: &str) -> io::Result<()> {
    fs::rename(from.join(name), to.join(new_name))?;
    sync(to)?;
    sync(from)
}

/// Takes a file that came from elsewhere for us alone. One of another user cannot be changed: the folder we keep it in is ours.
pub(super) fn keep_private(path: &Path) -> io::Result<()> {
    // A link would hand its target's permissions over.
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(());
    }
    match fs::set_permissions(path, Permissions::from_mode(0o600)) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

/// Removes a file; no error when there is none.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// At most `most` names that are wanted, the first ones in order after `after`; whatever the folder holds, memory is bounded.
pub(super) fn names(folder: &Path, most: usize, after: &str, wanted: impl Fn(&str, FileType) -> bool) -> io::Result<BTreeSet<String>> {
    let mut first = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A name that is not UTF-8 gets replacement characters, and then no file of that name is found: it is never taken.
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(kind) = entry.file_type() else { continue };
        if name.as_str() <= after || !wanted(&name, kind) {
            continue;
        }
        first.insert(name);
        if first.len() > most {
            first.pop_last();
        }
    }
    Ok(first)
}

/// Reads a regular file, at most one byte more than `most`; `None` when it is a link, a folder or anything else.
pub(super) fn read(path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
    let seen = fs::symlink_metadata(path)?;
    if !seen.is_file() {
        return Ok(None);
    }
    let file = File::open(path)?;
    if !same(&seen, &file.metadata()?) {
        // Replaced between looking and opening: somebody may be trying to have us read a file of ours.
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Flushes a folder, so that what was renamed into it is found after a crash.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_part_left_by_a_crash_is_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "keep").unwrap();
        symlink(&elsewhere, folder.path().join(".a.json.part")).unwrap();

        write(folder.path(), "a.json", b"new").unwrap();

        assert_eq!(fs::read(&elsewhere).unwrap(), b"keep");
        assert_eq!(fs::read(folder.path().join("a.json")).unwrap(), b"new");
    }

    #[test]
    fn a_link_is_never_read() {
        let folder = tempfile::tempdir().unwrap();
        let (secret, link) = (folder.path().join("secret"), folder.path().join("link.json"));
        fs::write(&secret, "key").unwrap();
        symlink(&secret, &link).unwrap();

        assert_eq!(read(&link, 100).unwrap(), None);
        assert_eq!(read(&secret, 2).unwrap(), Some(b"key".to_vec()), "one byte more than asked, so that too large shows");
    }

    #[test]
    fn folders_are_made_for_us_alone_and_existing_ones_are_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let (ours, theirs) = (root.path().join("a/b"), root.path().join("theirs"));
        fs::create_dir(&theirs).unwrap();
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o770)).unwrap();

        make(&ours).unwrap();
        make(&theirs).unwrap();

        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&ours), mode(&theirs)), (0o700, 0o770));
    }

    #[test]
    fn names_come_in_order_and_no_more_than_asked() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["c", "a", "d", "b"] {
            fs::write(folder.path().join(name), "").unwrap();
        }

        let first = names(folder.path(), 2, "a", |_, _| true).unwrap();

        assert_eq!(first.into_iter().collect::<Vec<_>>(), ["b", "c"]);
    }
}
