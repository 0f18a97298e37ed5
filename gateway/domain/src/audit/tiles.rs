//! The files of a log (C2SP tlog-tiles): their names, and how entries are packed in bundles.
//!
//! A tile of level `l` holds up to 256 hashes of subtrees of `256^l` entries; level 0 are the leaf hashes. A bundle holds the up to
//! 256 entries of one level 0 tile. Only complete subtrees have a hash in a tile, so at most the last tile of a level is partial.

/// Hashes in a full tile, and entries in a full bundle.
pub const WIDTH: u64 = 256;
/// Levels of the tree between two levels of tiles: 2^8 = 256.
pub const TILE_LEVELS: u32 = 8;
/// Largest bundle in bytes: 256 entries of the largest size, each with its length.
pub const MAX_BUNDLE: usize = 256 * (2 + u16::MAX as usize);
/// Largest tile in bytes.
pub const MAX_TILE: usize = 256 * 32;

/// Path of a tile: `tile/0/x001/x234/067`, and with `.p/88` behind it when it has only 88 hashes.
#[must_use]
pub fn tile_path(level: u32, index: u64, width: u64) -> String {
    format!("tile/{level}/{}", index_path(index, width))
}

/// Path of a bundle: `tile/entries/x001/x234/067`, and with `.p/88` behind it when it has only 88 entries.
#[must_use]
pub fn bundle_path(index: u64, width: u64) -> String {
    format!("tile/entries/{}", index_path(index, width))
}

/// How many hashes, or entries, number `index` of a row of `count` has: 256, or what is left for the last.
#[must_use]
pub fn width_of(index: u64, count: u64) -> u64 {
    count.saturating_sub(index * WIDTH).min(WIDTH)
}

fn index_path(index: u64, width: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width < WIDTH { format!("{path}.p/{width}") } else { path }
}

/// Appends one entry to a bundle: two bytes of length, then the entry. False, and nothing is written, when it is longer than 65,535 bytes.
#[must_use]
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> bool {
    let Ok(length) = u16::try_from(entry.len()) else { return false };
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    true
}

/// Takes the first entry off a bundle; `None` when there is no whole entry left.
#[must_use]
pub fn take_entry<'a>(bundle: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bundle.split_first_chunk::<2>()?;
    let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    *bundle = rest;
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_in_groups_of_three_digits() {
        assert_eq!(tile_path(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile_path(1, 0, 2), "tile/1/000.p/2");
        assert_eq!(bundle_path(999, 256), "tile/entries/999");
        assert_eq!(bundle_path(1000, 1), "tile/entries/x001/000.p/1");
    }

    #[test]
    fn the_last_tile_of_a_row_holds_what_is_left() {
        assert_eq!([0, 1, 2, 3].map(|index| width_of(index, 600)), [256, 256, 88, 0]);
    }

    #[test]
    fn a_bundle_gives_back_its_entries_and_nothing_of_a_cut_one() {
        let mut bundle = Vec::new();
        assert!(push_entry(&mut bundle, b"one") && push_entry(&mut bundle, b"") && push_entry(&mut bundle, &[7; 65_535]));
        assert!(!push_entry(&mut bundle, &[7; 65_536]));

        let mut whole = &bundle[..];
        assert_eq!(take_entry(&mut whole), Some(&b"one"[..]));
        assert_eq!(take_entry(&mut whole), Some(&b""[..]));
        assert_eq!(take_entry(&mut whole).map(<[u8]>::len), Some(65_535));
        assert_eq!(take_entry(&mut whole), None);
        let mut cut = &bundle[..4];
        assert_eq!(take_entry(&mut cut), None);
    }
}
