//! Looks for what must not be there: pieces of what was sealed, wrapped keys, and words in every form in which they could stand.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of a piece: long enough never to stand somewhere by chance.
const PIECE: usize = 16;

/// Pieces of what was sealed and of wrapped keys.
#[derive(Default)]
pub(crate) struct Needles {
    keys: HashSet<[u8; PIECE]>,
    texts: HashSet<[u8; PIECE]>,
}

impl Needles {
    /// A wrapped key.
    pub(crate) fn key(&mut self, wrapped: &[u8]) {
        self.keys.insert(piece(wrapped, wrapped.len() - PIECE));
    }

    /// Something sealed: its middle, behind the header that names its key.
    pub(crate) fn text(&mut self, sealed: &[u8]) {
        self.texts.insert(piece(sealed, sealed.len() / 2));
    }

    /// How many of the keys stand in these bytes.
    pub(crate) fn keys_in(&self, bytes: &[u8]) -> usize {
        found(&self.keys, bytes)
    }

    /// How many of the sealed texts do.
    pub(crate) fn texts_in(&self, bytes: &[u8]) -> usize {
        found(&self.texts, bytes)
    }
}

fn piece(bytes: &[u8], at: usize) -> [u8; PIECE] {
    bytes[at..at + PIECE].try_into().unwrap()
}

fn found(needles: &HashSet<[u8; PIECE]>, bytes: &[u8]) -> usize {
    let mut by_start: BTreeMap<[u8; 2], Vec<&[u8; PIECE]>> = BTreeMap::new();
    needles.iter().for_each(|needle| by_start.entry([needle[0], needle[1]]).or_default().push(needle));
    let mut starts = vec![false; 1 << 16];
    by_start.keys().for_each(|start| starts[usize::from(u16::from_be_bytes(*start))] = true);
    let mut seen: HashSet<&[u8; PIECE]> = HashSet::new();
    for at in 0..bytes.len().saturating_sub(PIECE - 1) {
        let start = [bytes[at], bytes[at + 1]];
        if starts[usize::from(u16::from_be_bytes(start))] {
            seen.extend(by_start[&start].iter().filter(|needle| bytes[at..at + PIECE] == needle[..]).copied());
        }
    }
    seen.len()
}

/// A word in the clear, in hexadecimal, and in base64 at each of the three places it can stand.
pub(crate) fn forms(word: &str) -> Vec<Vec<u8>> {
    let hex: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![word.as_bytes().to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    for before in 0..3 {
        let encoded = STANDARD.encode([vec![b' '; before], word.as_bytes().to_vec()].concat());
        // Whole groups of the word alone: what is before and behind it is anybody's.
        let from = usize::from(before > 0) * 4;
        let whole = (before + word.len()) / 3 * 4;
        all.push(encoded.as_bytes()[from..whole].to_vec());
    }
    all
}

/// Whether something stands in these bytes.
pub(crate) fn has(bytes: &[u8], what: &[u8]) -> bool {
    let first = what[0];
    bytes.iter().enumerate().any(|(at, byte)| *byte == first && bytes[at..].starts_with(what))
}

/// The bytes of every file under a folder.
pub(crate) fn bytes_under(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        // A database removes files of its own while it is looked at.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => all.extend(bytes_under(&entry.path())),
            _ => all.extend(std::fs::read(entry.path()).unwrap_or_default()),
        }
    }
    all
}

#[test]
fn every_form_of_a_word_is_found_where_it_stands() {
    for before in 0..5 {
        let text = format!("{}KanarieWegAchternaam", &"abcde"[..before]);
        let hex: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
        for written in [text.clone(), STANDARD.encode(&text), hex] {
            assert!(forms("KanarieWeg").iter().any(|form| has(written.as_bytes(), form)), "{written}");
        }
    }
}
