//! TAMPER: what happens when somebody changes one character in a copy of an exported log.

use schakel_domain::audit::tiles::{WIDTH, bundle_path, take_entry, width_of};
use schakel_domain::audit::verify::{Report, Trust, Unjudged, verify};

/// Files of an export by path.
type Files = [(String, Vec<u8>)];

/// What the verifier said.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Entries in the original, all found good.
    pub entries: u64,
    /// The original verifies.
    pub original_ok: bool,
    /// Where the copy was changed.
    pub changed: u64,
    /// Where the verifier says the first fault is.
    pub found: Option<u64>,
}

impl Verdict {
    /// The original holds, and the change was found exactly where it was made.
    #[must_use]
    pub fn as_it_should(&self) -> bool {
        self.original_ok && self.found == Some(self.changed)
    }
}

/// Verifies an export, changes one byte of one entry in a copy, and verifies that.
///
/// # Errors
/// When the export cannot be judged at all, or has no entries.
pub fn try_it(original: &Files) -> Result<Verdict, anyhow::Error> {
    let good = judge(original)?;
    anyhow::ensure!(good.size > 0, "the exported log has no entries");
    let changed = good.size / 2;
    let mut copy = original.to_vec();
    change(&mut copy, changed, good.size)?;
    let bad = judge(&copy)?;
    Ok(Verdict { entries: good.entries, original_ok: good.ok(), changed, found: bad.finding.and_then(|finding| finding.index) })
}

fn judge(files: &Files) -> Result<Report, Unjudged> {
    let mut source = |path: &str, at_most: usize| -> Result<Option<Vec<u8>>, String> {
        let found = files.iter().find(|(name, _)| name == path);
        Ok(found.map(|(_, bytes)| bytes[..bytes.len().min(at_most)].to_vec()))
    };
    verify(&mut source, &Trust::default())
}

/// Changes one byte in the middle of an entry.
fn change(files: &mut [(String, Vec<u8>)], index: u64, size: u64) -> Result<(), anyhow::Error> {
    let bundle = index / WIDTH;
    let path = bundle_path(bundle, width_of(bundle, size));
    let (_, bytes) = files.iter_mut().find(|(name, _)| *name == path).ok_or_else(|| anyhow::anyhow!("{path} is not in the export"))?;
    let mut rest = &bytes[..];
    for _ in 0..index % WIDTH {
        take_entry(&mut rest).ok_or_else(|| anyhow::anyhow!("{path} ends early"))?;
    }
    let before = rest.len();
    let length = take_entry(&mut rest).ok_or_else(|| anyhow::anyhow!("{path} ends early"))?.len();
    let middle = bytes.len() - before + 2 + length / 2;
    bytes[middle] ^= 1;
    Ok(())
}
