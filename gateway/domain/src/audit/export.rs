//! The files an outsider gets: bundles and tiles from the entries one by one, then key, salts and, last, the checkpoint.
//!
//! The gateway reads its stored entries in order and writes the files it is handed; nothing is held but the tiles not yet full. The
//! checkpoint comes last, so that an export that broke off is not taken for a whole one.

use super::checkpoint::Checkpoint;
use super::commitment::Disclosure;
use super::note::{NoteError, Vkey};
use super::tiles::{TILE_LEVELS, WIDTH, bundle_path, push_entry, tile_path};
use super::tree::{Frontier, leaf_hash};
use crate::id::Hash;

/// One file: its path in the export, with forward slashes, and its bytes.
pub type File = (String, Vec<u8>);

/// Why entries and checkpoint cannot become an export.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// The checkpoint is not one of this log.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// An entry longer than 65,535 bytes.
    #[error("entry {0} is longer than 65,535 bytes")]
    TooLarge(u64),
    /// More or fewer entries than the checkpoint covers.
    #[error("{given} entries, while the checkpoint covers {signed}")]
    Size {
        /// How many were handed in.
        given: u64,
        /// How many the checkpoint covers.
        signed: u64,
    },
    /// The entries are not those that were signed.
    #[error("the stored entries lead to another root than the signed one")]
    Root,
    /// The salts cannot be written.
    #[error("salts: {0}")]
    Salts(String),
}

/// Makes the files of one export: [`Exporter::push`] for each entry, then [`Exporter::finish`].
#[derive(Debug)]
pub struct Exporter {
    signed: Vec<u8>,
    checkpoint: Checkpoint,
    vkey: Vkey,
    frontier: Frontier,
    bundle: Vec<u8>,
    /// For each level the hashes of its last tile; full tiles are handed out at once.
    rows: Vec<Row>,
}

#[derive(Debug, Default)]
struct Row {
    tile: u64,
    hashes: Vec<Hash>,
}

impl Exporter {
    /// Starts the export of the entries that a signed checkpoint covers.
    ///
    /// # Errors
    /// When the checkpoint is not signed by this log.
    pub fn new(signed: &[u8], vkey: Vkey) -> Result<Self, ExportError> {
        let checkpoint = Checkpoint::open(signed, &vkey)?;
        Ok(Self { signed: signed.to_vec(), checkpoint, vkey, frontier: Frontier::new(), bundle: Vec::new(), rows: Vec::new() })
    }

    /// How many entries the checkpoint covers: hand in exactly these, in order.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Hands in the next entry; gives the files that are complete now.
    ///
    /// # Errors
    /// [`ExportError::TooLarge`], or [`ExportError::Size`] beyond what the checkpoint covers.
    pub fn push(&mut self, entry: &[u8]) -> Result<Vec<File>, ExportError> {
        let index = self.frontier.size();
        if index >= self.checkpoint.size {
            return Err(ExportError::Size { given: index + 1, signed: self.checkpoint.size });
        }
        if !push_entry(&mut self.bundle, entry) {
            return Err(ExportError::TooLarge(index));
        }
        let mut files = Vec::new();
        if (index + 1).is_multiple_of(WIDTH) {
            files.push((bundle_path(index / WIDTH, WIDTH), std::mem::take(&mut self.bundle)));
        }
        let rows = &mut self.rows;
        self.frontier.push(leaf_hash(entry), |level, _, hash| files.extend(add_hash(rows, level, hash)));
        Ok(files)
    }

    /// Ends the export: the partial files, the log's key, the salts that may be disclosed, an optional policy, and the checkpoint.
    ///
    /// # Errors
    /// When the entries handed in are not those that the checkpoint covers.
    pub fn finish(self, salts: &[Disclosure], policy: Option<&str>) -> Result<Vec<File>, ExportError> {
        let (given, signed) = (self.frontier.size(), self.checkpoint.size);
        if given != signed {
            return Err(ExportError::Size { given, signed });
        }
        if self.frontier.root() != self.checkpoint.root {
            return Err(ExportError::Root);
        }
        let mut files = Vec::new();
        if !self.bundle.is_empty() {
            files.push((bundle_path(given / WIDTH, given % WIDTH), self.bundle));
        }
        for (level, row) in (0_u32..).zip(self.rows).filter(|(_, row)| !row.hashes.is_empty()) {
            files.push((tile_path(level, row.tile, row.hashes.len() as u64), tile_bytes(&row.hashes)));
        }
        files.push(("log.vkey".to_owned(), format!("{}\n", self.vkey).into_bytes()));
        if !salts.is_empty() {
            files.push(("salts.jsonl".to_owned(), salt_lines(salts)?));
        }
        files.extend(policy.map(|policy| ("policy".to_owned(), policy.as_bytes().to_vec())));
        files.push(("checkpoint".to_owned(), self.signed));
        Ok(files)
    }
}

/// Adds a complete node to its row, if tiles hold its level; gives the tile that is full now.
fn add_hash(rows: &mut Vec<Row>, level: u32, hash: Hash) -> Option<File> {
    if !level.is_multiple_of(TILE_LEVELS) {
        return None;
    }
    let tile_level = level / TILE_LEVELS;
    if rows.len() == tile_level as usize {
        rows.push(Row::default());
    }
    let row = &mut rows[tile_level as usize];
    row.hashes.push(hash);
    if (row.hashes.len() as u64) < WIDTH {
        return None;
    }
    let file = (tile_path(tile_level, row.tile, WIDTH), tile_bytes(&std::mem::take(&mut row.hashes)));
    row.tile += 1;
    Some(file)
}

/// One line of JSON for each disclosure, in the order of the index.
fn salt_lines(salts: &[Disclosure]) -> Result<Vec<u8>, ExportError> {
    let mut sorted: Vec<_> = salts.iter().collect();
    sorted.sort_by_key(|salt| salt.index);
    let mut lines = Vec::new();
    for salt in sorted {
        serde_json::to_writer(&mut lines, salt).map_err(|error| ExportError::Salts(error.to_string()))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn tile_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::note::{KeyType, Signer};

    fn exporter(entries: &[Vec<u8>], size: u64) -> Exporter {
        let mut frontier = Frontier::new();
        entries.iter().for_each(|entry| frontier.push(leaf_hash(entry), |_, _, _| {}));
        let key = Signer::from_seed("schakel/ura:90000123", KeyType::Ed25519, &[1; 32]).unwrap();
        let checkpoint = Checkpoint { origin: key.vkey().name().to_owned(), size, root: frontier.root() };
        let signed = checkpoint.sign(&key).unwrap().to_string();
        Exporter::new(signed.as_bytes(), key.vkey().clone()).unwrap()
    }

    fn entries(count: u64) -> Vec<Vec<u8>> {
        (0..count).map(|i| i.to_be_bytes().to_vec()).collect()
    }

    #[test]
    fn an_export_has_every_bundle_and_tile_of_its_size_and_the_checkpoint_last() {
        let entries = entries(600);
        let mut exporter = exporter(&entries, 600);
        let mut files = Vec::new();
        for entry in &entries {
            files.extend(exporter.push(entry).unwrap());
        }

        files.extend(exporter.finish(&[], Some("none\n")).unwrap());

        let paths: Vec<_> = files.iter().map(|file| file.0.as_str()).collect();
        let expected = [
            "tile/entries/000",
            "tile/0/000",
            "tile/entries/001",
            "tile/0/001",
            "tile/entries/002.p/88",
            "tile/0/002.p/88",
            "tile/1/000.p/2",
            "log.vkey",
            "policy",
            "checkpoint",
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn a_log_of_full_tiles_only_has_no_partial_file() {
        let entries = entries(256);
        let mut exporter = exporter(&entries, 256);
        let mut files: Vec<File> = entries.iter().flat_map(|entry| exporter.push(entry).unwrap()).collect();

        files.extend(exporter.finish(&[], None).unwrap());

        let paths: Vec<_> = files.iter().map(|file| file.0.as_str()).collect();
        assert_eq!(paths, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1", "log.vkey", "checkpoint"]);
    }

    #[test]
    fn entries_other_than_the_signed_ones_never_become_an_export() {
        let mut short = exporter(&entries(3), 3);
        short.push(&entries(1)[0]).unwrap();
        assert_eq!(short.finish(&[], None), Err(ExportError::Size { given: 1, signed: 3 }));

        let mut other = exporter(&entries(2), 2);
        other.push(b"x").unwrap();
        other.push(b"y").unwrap();
        assert_eq!(other.push(b"z"), Err(ExportError::Size { given: 3, signed: 2 }));
        assert_eq!(other.finish(&[], None), Err(ExportError::Root));
    }
}
