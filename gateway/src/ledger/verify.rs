//! VERIFY: every stored entry against the newest stored checkpoint, with the log's public key alone.
//!
//! Three things must agree: the bytes of an entry, the leaf hash in its row, and the copy of the leaf hashes kept with the checkpoint. When
//! that copy leads to the signed root it is the true one, and the first entry that differs from it is the first that was altered, however
//! cleverly. When it does not, the copy itself was altered, and the signed root still decides whether the entries were.
//!
//! Entries younger than the checkpoint are compared with their own hash alone; nothing signed speaks of them yet.

use schakel_domain::audit::checkpoint::Checkpoint;
use schakel_domain::audit::entry::Entry;
use schakel_domain::audit::note::Vkey;
use schakel_domain::audit::tiles::{WIDTH, width_of};
use schakel_domain::audit::tree::{Frontier, leaf_hash};
use schakel_domain::audit::verify::{Check, Finding, Report};
use schakel_domain::id::Hash;

use super::{Signed, tile};
use crate::store::{EntryRow, Store, StoreError};

/// Tiles of 256 entries between two tellings of how far a check is.
const TOLD_EVERY: u64 = 16;

/// Checks the whole stored log. `earlier` is a checkpoint known to be the log's own, which the log must extend.
///
/// # Errors
/// When the store cannot be read; what is wrong with what can be read is the report's finding.
pub async fn verify(store: &dyn Store, vkey: &Vkey, earlier: Option<&Checkpoint>) -> Result<Report, StoreError> {
    verify_telling(store, vkey, earlier, &|_| {}).await
}

/// Told how many entries were found good.
pub type Tell<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// The same, and tells how far it is every [`TOLD_EVERY`] tiles.
///
/// # Errors
/// As [`verify`].
pub async fn verify_telling(store: &dyn Store, vkey: &Vkey, earlier: Option<&Checkpoint>, tell: Tell<'_>) -> Result<Report, StoreError> {
    let report = Report {
        origin: String::new(),
        entries: 0,
        size: 0,
        root: None,
        extends: None,
        cosigned: None,
        disclosed: 0,
        own_key: false,
        finding: None,
    };
    let mut run = Run { store, earlier, tell, report, frontier: Frontier::new(), then: None, suspect: None };
    match run.all(vkey).await {
        Ok(()) => {}
        Err(Stop::Fault(finding)) => run.report.finding = Some(finding),
        Err(Stop::Store(error)) => return Err(error),
    }
    Ok(run.report)
}

/// Why a run ends before its end.
enum Stop {
    Fault(Finding),
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn fault(index: u64, check: Check, detail: impl std::fmt::Display) -> Stop {
    Stop::Fault(Finding { index: Some(index), check, detail: detail.to_string() })
}

struct Run<'a> {
    store: &'a dyn Store,
    earlier: Option<&'a Checkpoint>,
    tell: Tell<'a>,
    report: Report,
    frontier: Frontier,
    /// Root at the size of the earlier checkpoint.
    then: Option<Hash>,
    /// First place where the kept copy of the leaf hashes differs from the entries.
    suspect: Option<u64>,
}

impl Run<'_> {
    async fn all(&mut self, vkey: &Vkey) -> Result<(), Stop> {
        let counted = self.store.log_size().await?;
        let Some(signed) = self.checkpoint(vkey).await? else {
            return if counted == 0 { Ok(()) } else { Err(fault(0, Check::Checkpoint, "there are entries and no stored checkpoint")) };
        };
        let checkpoint = signed.checkpoint;
        let true_copy = self.copy_is_true(&checkpoint).await?;
        self.note_root();
        for number in 0..checkpoint.size.div_ceil(WIDTH) {
            self.tile(number, width_of(number, checkpoint.size), true_copy).await?;
            if (number + 1).is_multiple_of(TOLD_EVERY) {
                (self.tell)(self.report.entries);
            }
        }
        if self.frontier.root() != checkpoint.root {
            return Err(fault(0, Check::Root, "neither the entries nor the kept copy of their hashes lead to the signed root"));
        }
        if let Some(index) = self.suspect {
            return Err(fault(index, Check::Tile, "the kept copy of its leaf hash is another; the entry is the signed one"));
        }
        // Read again: the log may have grown since, and a checkpoint with it.
        let counted = self.store.log_size().await?;
        if counted < checkpoint.size {
            return Err(fault(counted, Check::Bundle, format!("the log counts {counted} entries, {} were signed", checkpoint.size)));
        }
        self.extends(&checkpoint)?;
        self.younger(checkpoint.size, counted).await
    }

    async fn checkpoint(&mut self, vkey: &Vkey) -> Result<Option<Signed>, Stop> {
        let note = match tile::newest(self.store).await {
            Ok((_, note)) => note,
            Err(StoreError::Damaged(what)) => return Err(fault(0, Check::Checkpoint, what)),
            Err(error) => return Err(error.into()),
        };
        let Some(note) = note else {
            return match self.earlier {
                Some(earlier) if earlier.size > 0 => {
                    Err(fault(0, Check::Earlier, format!("{} entries were signed, now none", earlier.size)))
                }
                _ => Ok(None),
            };
        };
        let signed = tile::opened(note, vkey).map_err(|error| fault(0, Check::Checkpoint, error))?;
        self.report.origin.clone_from(&signed.checkpoint.origin);
        self.report.size = signed.checkpoint.size;
        self.report.root = Some(signed.checkpoint.root);
        Ok(Some(signed))
    }

    /// Whether the kept copy of the leaf hashes leads to the signed root.
    async fn copy_is_true(&self, checkpoint: &Checkpoint) -> Result<bool, StoreError> {
        let mut frontier = Frontier::new();
        for number in 0..checkpoint.size.div_ceil(WIDTH) {
            let width = width_of(number, checkpoint.size);
            let kept = tile::kept(self.store, number).await?.unwrap_or_default();
            kept.iter().take(places(width)).for_each(|leaf| frontier.push(*leaf, |_, _, _| {}));
        }
        Ok(frontier.size() == checkpoint.size && frontier.root() == checkpoint.root)
    }

    /// 256 entries, or the last few that are signed.
    async fn tile(&mut self, number: u64, width: u64, true_copy: bool) -> Result<(), Stop> {
        let first = number * WIDTH;
        let kept = tile::kept(self.store, number).await?.unwrap_or_default();
        let rows = self.rows(first, width).await?;
        let mut rows = rows.into_iter().peekable();
        for (index, place) in (first..first + width).zip(0_usize..) {
            let row = rows.next_if(|row| row.as_ref().map_or(true, |row| row.index == index));
            let leaf = check_row(index, row)?;
            let copy = kept.get(place).copied();
            if true_copy && copy != Some(leaf) {
                return Err(fault(index, Check::Leaf, format!("it hashes to {leaf}, which is not what was signed")));
            }
            if copy != Some(leaf) {
                self.suspect.get_or_insert(index);
            }
            self.frontier.push(leaf, |_, _, _| {});
            self.report.entries += 1;
            self.note_root();
        }
        Ok(())
    }

    fn note_root(&mut self) {
        if self.earlier.is_some_and(|earlier| earlier.size == self.frontier.size()) {
            self.then = Some(self.frontier.root());
        }
    }

    fn extends(&mut self, now: &Checkpoint) -> Result<(), Stop> {
        let Some(earlier) = self.earlier else { return Ok(()) };
        match self.then {
            None => Err(fault(now.size, Check::Earlier, format!("{} entries were signed, now {}", earlier.size, now.size))),
            Some(root) if root == earlier.root => {
                self.report.extends = Some(earlier.size);
                Ok(())
            }
            Some(_) => Err(fault(0, Check::Earlier, format!("the first {} entries are not those of then", earlier.size))),
        }
    }

    /// Entries that no checkpoint covers yet, and rows that no transaction of ours can have written.
    async fn younger(&self, signed: u64, counted: u64) -> Result<(), Stop> {
        let mut first = signed;
        while first < counted {
            let width = WIDTH.min(counted - first);
            let mut rows = self.rows(first, width).await?.into_iter().peekable();
            for index in first..first + width {
                let row = rows.next_if(|row| row.as_ref().map_or(true, |row| row.index == index));
                check_row(index, row)?;
            }
            first += width;
        }
        let beyond = self.rows(counted, 1).await?.into_iter().next();
        // Counted after the row was read: entry and count are committed together.
        let counted = self.store.log_size().await?;
        match beyond {
            Some(Ok(row)) if row.index >= counted => {
                Err(fault(counted, Check::Bundle, format!("a row stands beyond the {counted} entries")))
            }
            Some(Err(what)) => Err(fault(counted, Check::Bundle, what)),
            _ => Ok(()),
        }
    }

    /// The rows from an index on; one that cannot be read says what it is, and is the last.
    async fn rows(&self, first: u64, width: u64) -> Result<Vec<Result<EntryRow, String>>, StoreError> {
        match self.store.entries(first, u32::try_from(width).expect("at most 256")).await {
            Ok(rows) => return Ok(rows.into_iter().filter(|row| row.index < first + width || width == 1).map(Ok).collect()),
            Err(StoreError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
        let mut rows = Vec::new();
        for index in first..first + width {
            match self.store.entries(index, 1).await {
                Ok(row) => rows.extend(row.into_iter().filter(|row| row.index == index).map(Ok)),
                Err(StoreError::Damaged(what)) => {
                    rows.push(Err(what));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(rows)
    }
}

/// An entry by itself: there, readable, with the hash its row says, and of the form of an entry. Gives its leaf hash.
fn check_row(index: u64, row: Option<Result<EntryRow, String>>) -> Result<Hash, Stop> {
    let row = match row {
        None => return Err(fault(index, Check::Bundle, "it is missing")),
        Some(Err(what)) => return Err(fault(index, Check::Bundle, format!("its row cannot be read: {what}"))),
        Some(Ok(row)) => row,
    };
    let leaf = leaf_hash(&row.entry.bytes);
    if leaf != row.entry.leaf {
        return Err(fault(index, Check::Leaf, format!("it hashes to {leaf}, its row says {}", row.entry.leaf)));
    }
    Entry::parse(&row.entry.bytes).map_err(|error| fault(index, Check::Entry, error))?;
    Ok(leaf)
}

fn places(width: u64) -> usize {
    usize::try_from(width).expect("at most 256")
}
