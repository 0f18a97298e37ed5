//! Erased: files that still speak of a case when it is erased go too, as far as they are ours: executed and refused commands, and notices
//! that the system has not taken away yet. What it took is its own.

use std::fs;
use std::io;

use super::{Folders, inbox};
use crate::adapter_door::folder;

/// Bytes of a file that are looked through; notices and commands are far smaller.
const MOST: usize = 4 * 1024 * 1024;

/// Removes them. Blocking. `resource` is the name of what was erased; its last part is in every notice about it. Executed commands go all:
/// they are kept for a day at most, and the one that opened the case does not name it.
pub(super) fn purge(folders: &Folders, resource: &str) -> io::Result<()> {
    let id = resource.rsplit('/').next().unwrap_or_default();
    if id.is_empty() {
        return Ok(());
    }
    inbox::remove_moved_before(&folders.done, i64::MAX)?;
    for place in [&folders.notices, &folders.refused] {
        for entry in fs::read_dir(place)? {
            let path = entry?.path();
            // The system may take it away at this moment.
            let bytes = match folder::read(&path, MOST) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read?.unwrap_or_default(),
            };
            if bytes.windows(id.len()).any(|window| window == id.as_bytes()) {
                folder::remove(&path)?;
            }
        }
    }
    Ok(())
}
