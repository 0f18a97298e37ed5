//! RESERVE: a file that takes up room while the disk has room, so that it can be given up when the disk is full.
//!
//! It is really written: a sparse file, or one full of zeros on a file system that compresses, would hold nothing back. It is given up in
//! steps, so that what it frees goes to us and not to whoever else fills the volume.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

/// Bytes given up at once: a usual commit with its index pages fits, and a larger one takes more steps.
const STEP: u64 = 512 * 1024;
const CHUNK: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Reserve {
    path: PathBuf,
    /// Bytes it should hold.
    size: u64,
    /// Bytes it holds.
    held: u64,
}

impl Reserve {
    /// Takes over or makes the reserve; what cannot be set aside now is tried again later.
    pub(super) fn open(path: PathBuf, size: u64) -> Self {
        let mut reserve = Self { path, size, held: 0 };
        reserve.held = reserve.found().unwrap_or_default();
        reserve.restore();
        reserve
    }

    pub(super) fn is_whole(&self) -> bool {
        self.held >= self.size
    }

    /// Writes what is missing: all of it or, when the disk is still full, nothing. Returns whether it is whole.
    pub(super) fn restore(&mut self) -> bool {
        if !self.is_whole() {
            match self.resize(self.size) {
                Ok(()) => self.held = self.size,
                Err(error) => {
                    tracing::debug!(%error, "reserve not restored");
                    // What was written in vain must go, or we would fill the disk ourselves.
                    if self.resize(self.held).is_err() {
                        self.held = 0;
                    }
                }
            }
        }
        self.is_whole()
    }

    /// Whether the disk has room for more than the reserve; makes it whole first.
    pub(super) fn has_room(&mut self) -> bool {
        let probe = self.path.with_extension("probe");
        let tried = self.restore()
            && OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(true)
                .mode(0o600)
                .open(&probe)
                .and_then(|mut file| write_noise(&mut file, STEP))
                .is_ok();
        // A probe that was never made cannot be removed.
        let _gone = std::fs::remove_file(&probe);
        tried
    }

    /// Gives up a step. Returns whether there was anything to give up.
    pub(super) fn give_up(&mut self) -> bool {
        let left = self.held.saturating_sub(STEP);
        let given = self.held > 0 && self.resize(left).is_ok();
        if given {
            self.held = left;
        }
        given
    }

    /// Bytes of an earlier run, when they are really there.
    fn found(&self) -> io::Result<u64> {
        let found = std::fs::metadata(&self.path)?;
        let written = found.blocks() * 512 >= found.len() && found.len() <= self.size;
        Ok(if written { found.len() } else { 0 })
    }

    fn resize(&self, size: u64) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
        let kept = size.min(self.held);
        if file.metadata()?.len() != kept {
            file.set_len(kept)?;
        }
        write_noise(&mut file, size - kept)?;
        file.sync_all()
    }
}

/// Writes bytes that do not compress.
fn write_noise(file: &mut File, mut bytes: u64) -> io::Result<()> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut chunk = vec![0; CHUNK];
    while bytes > 0 {
        for word in chunk.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let now = usize::try_from(bytes).unwrap_or(CHUNK).min(CHUNK);
        file.write_all(&chunk[..now])?;
        bytes -= now as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_really_written_and_gives_room_back_in_steps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reserve");

        let mut reserve = Reserve::open(path.clone(), 2 * STEP);

        assert!(reserve.is_whole());
        assert!(std::fs::metadata(&path).unwrap().blocks() * 512 >= 2 * STEP);
        assert!(reserve.give_up() && !reserve.is_whole());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), STEP);
        assert!(reserve.give_up() && !reserve.give_up());
        assert!(reserve.restore());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 2 * STEP);
    }

    #[test]
    fn a_sparse_file_of_the_right_size_is_not_taken_for_a_reserve() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reserve");
        File::create(&path).unwrap().set_len(2 * STEP).unwrap();

        let reserve = Reserve::open(path.clone(), 2 * STEP);

        assert!(reserve.is_whole());
        assert!(std::fs::metadata(&path).unwrap().blocks() * 512 >= 2 * STEP);
    }
}
