//! GROW: the signed tree, and how it is loaded, extended and signed.
//!
//! The tree in memory is always one that was signed and kept: a publication that fails changes nothing here.

use std::sync::Arc;

use schakel_domain::audit::checkpoint::Checkpoint;
use schakel_domain::audit::tiles::{TILE_LEVELS, WIDTH};
use schakel_domain::audit::tree::Frontier;
use schakel_domain::id::Hash;

use super::anchor::Unwritten;
use super::{Ledger, LedgerError, LedgerFault, Published, Signed, tile};
use crate::store::{Commit, MAX_LEAVES, Store, StoreError};

/// How often a publication starts again because another replica was first.
const ATTEMPTS: u32 = 4;

/// A tree: its right edge, its upper nodes, and the leaves of the last tile.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    pub(super) frontier: Frontier,
    /// Nodes of level 8 and up, by level and index: 32 bytes for each 128 entries.
    pub(super) upper: Vec<Vec<Hash>>,
    /// Leaves after the last full tile, fewer than 256.
    pub(super) tail: Vec<Hash>,
    /// Version of the checkpoint's record that signed this tree.
    version: u64,
}

/// The leaves of one tile that a publication changes.
type Tile = (u64, Vec<Hash>);

impl Tree {
    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Appends leaves; gives the tiles that are new or longer now.
    fn append(&mut self, leaves: &[Hash]) -> Vec<Tile> {
        let mut tiles = Vec::new();
        for leaf in leaves {
            let upper = &mut self.upper;
            self.frontier.push(*leaf, |level, _, hash| {
                let Some(row) = level.checked_sub(TILE_LEVELS) else { return };
                if upper.len() == row as usize {
                    upper.push(Vec::new());
                }
                upper[row as usize].push(hash);
            });
            self.tail.push(*leaf);
            if self.tail.len() as u64 == WIDTH {
                tiles.push((self.size() / WIDTH - 1, std::mem::take(&mut self.tail)));
            }
        }
        if !self.tail.is_empty() {
            tiles.push((self.size() / WIDTH, self.tail.clone()));
        }
        tiles
    }
}

impl Ledger {
    /// Rebuilds the tree that was signed last, and compares everything that speaks of it.
    pub(super) async fn load(&self) -> Result<(), LedgerError> {
        let anchored = match &self.anchor {
            Some(anchor) => anchor.read(self.vkey()).await?,
            None => None,
        };
        let (version, note) = tile::newest(&*self.store).await?;
        let signed = note.map(|note| tile::opened(note, self.vkey())).transpose()?;
        let mut tree = Tree { version, ..Tree::default() };
        if let Some(anchored) = &anchored {
            let stored = signed.as_ref().map_or(0, |signed| signed.checkpoint.size);
            if anchored.size > stored {
                return Err(LedgerFault::RolledBack { signed: anchored.size, stored }.into());
            }
            self.reach(&mut tree, anchored).await?;
        }
        let Some(signed) = signed else { return Ok(()) };
        self.reach(&mut tree, &signed.checkpoint).await?;
        *self.tree.lock().await = tree;
        if anchored.as_ref() == Some(&signed.checkpoint) {
            self.newest.send_replace(Some(Arc::new(signed)));
        } else {
            self.announce(signed).await;
        }
        Ok(())
    }

    /// Appends stored leaves up to a checkpoint that was signed, and compares the roots.
    async fn reach(&self, tree: &mut Tree, checkpoint: &Checkpoint) -> Result<(), LedgerError> {
        let stored = self.store.log_size().await?;
        if stored < checkpoint.size {
            return Err(LedgerFault::RolledBack { signed: checkpoint.size, stored }.into());
        }
        while tree.size() < checkpoint.size {
            let leaves = committed_leaves(&*self.store, tree.size(), checkpoint.size).await?;
            tree.append(&leaves);
        }
        if tree.frontier.root() == checkpoint.root { Ok(()) } else { Err(LedgerFault::Altered { size: checkpoint.size }.into()) }
    }

    /// Extends the signed tree by what was committed since, signs it and keeps it.
    pub(super) async fn grow(&self, tree: &mut Tree) -> Result<Published, LedgerError> {
        for _ in 0..ATTEMPTS {
            // The store's own count, never a caller's: what it counts is committed.
            let stored = self.store.log_size().await?;
            if stored < tree.size() {
                return Err(LedgerFault::RolledBack { signed: tree.size(), stored }.into());
            }
            if stored == tree.size() {
                return Ok(Published { signed: None, behind: false });
            }
            let mut next = tree.clone();
            let leaves = committed_leaves(&*self.store, tree.size(), stored).await?;
            let tiles = next.append(&leaves);
            let signed = self.sign(&next)?;
            match self.keep(&signed, tree.version, &tiles).await {
                Ok(()) => {}
                Err(LedgerError::Store(StoreError::Conflict(_))) => {
                    self.catch_up(tree).await?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            next.version += 1;
            *tree = next;
            let behind = tree.size() < stored;
            return Ok(Published { signed: Some(self.announce(signed).await), behind });
        }
        Err(LedgerError::Store(StoreError::Conflict("other replicas keep signing first".to_owned())))
    }

    fn sign(&self, tree: &Tree) -> Result<Signed, LedgerError> {
        let origin = self.vkey().name().to_owned();
        let checkpoint = Checkpoint { origin, size: tree.size(), root: tree.frontier.root() };
        let note = checkpoint.sign(&self.key).map_err(|error| LedgerFault::Checkpoint(error.to_string()))?;
        Ok(Signed { checkpoint, note: note.to_string() })
    }

    /// Compare-and-set of the checkpoint and its tiles. No entry and no event: a checkpoint of a log that its own keeping made longer
    /// would never end.
    async fn keep(&self, signed: &Signed, version: u64, tiles: &[Tile]) -> Result<(), LedgerError> {
        let mut commit = Commit::default();
        let mut add = |(expect, record)| {
            commit.expect.push(expect);
            commit.put.push(record);
        };
        add(tile::checkpoint_record(&signed.note, version));
        for (number, leaves) in tiles {
            add(tile::tile_record(&*self.store, *number, leaves).await?);
        }
        self.store.commit(commit).await?;
        Ok(())
    }

    /// Another replica signed, or our own commit was made though its answer was lost: follows the stored checkpoint, if it extends ours.
    async fn catch_up(&self, tree: &mut Tree) -> Result<(), LedgerError> {
        let (version, note) = tile::newest(&*self.store).await?;
        let Some(note) = note else { return Err(LedgerFault::RolledBack { signed: tree.size(), stored: 0 }.into()) };
        let signed = tile::opened(note, self.vkey())?;
        if signed.checkpoint.size < tree.size() {
            return Err(LedgerFault::RolledBack { signed: tree.size(), stored: signed.checkpoint.size }.into());
        }
        let mut next = tree.clone();
        self.reach(&mut next, &signed.checkpoint).await?;
        next.version = version;
        *tree = next;
        self.announce(signed).await;
        Ok(())
    }

    /// Tells the newest checkpoint, after it is kept outside the database as well.
    async fn announce(&self, signed: Signed) -> Arc<Signed> {
        if let Some(anchor) = &self.anchor
            && let Err(error) = anchor.write(&signed.note).await
        {
            // The database holds it, and an older anchor still shows an older database.
            tracing::warn!(%error, "the checkpoint could not be kept outside the database");
            if matches!(error, Unwritten::Unsynced(_)) {
                self.fatal.send_replace(Some(format!("the checkpoint outside the database: {error}")));
                // Nobody is told of a head that may be gone after the restart.
                return Arc::new(signed);
            }
        }
        let signed = Arc::new(signed);
        self.newest.send_replace(Some(Arc::clone(&signed)));
        signed
    }
}

/// The leaves from `from` up to `to`, or the first 65,536 of them.
async fn committed_leaves(store: &dyn Store, from: u64, to: u64) -> Result<Vec<Hash>, LedgerError> {
    let count = u32::try_from(to - from).unwrap_or(MAX_LEAVES).min(MAX_LEAVES);
    let leaves = store.leaves(from, count).await?;
    if leaves.len() == count as usize {
        return Ok(leaves);
    }
    Err(LedgerFault::Damaged(format!("of the entries from {from} on there are {}, not {count}", leaves.len())).into())
}
