//! What happened in a run, line by line, and the hash of it all: the same seed gives the same hash, or the run cannot be repeated.

use schakel_domain::id::Hash;

/// The lines of one run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: Hash,
    lines: u64,
    aloud: bool,
}

impl Trace {
    /// An empty trace; `aloud` prints each line to standard error too.
    pub(crate) fn new(aloud: bool) -> Self {
        Self { hash: Hash::sha256(b"schakel simulation"), lines: 0, aloud }
    }

    pub(crate) fn say(&mut self, line: &str) {
        if self.aloud {
            eprintln!("{line}");
        }
        self.lines += 1;
        self.hash = Hash::sha256(&[&self.hash.0[..], line.as_bytes()].concat());
    }

    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    pub(crate) fn hash(&self) -> Hash {
        self.hash
    }
}
