//! NODES: proofs from the signed tree. Upper nodes are in memory; of the leaves at most a few tiles are read.

use std::collections::HashMap;

use schakel_domain::audit::tiles::{TILE_LEVELS, WIDTH};
use schakel_domain::audit::tree::{self, Frontier};
use schakel_domain::id::Hash;

use super::grow::Tree;
use super::{LedgerError, LedgerFault};
use crate::store::Store;

/// All nodes under level 8 of one tile, by level and index in the whole tree.
type Lower = HashMap<(u32, u64), Hash>;

/// A node of this tile is needed.
struct Need(u64);

impl Tree {
    pub(super) async fn inclusion_proof(&self, store: &dyn Store, index: u64, size: u64) -> Result<Option<Vec<Hash>>, LedgerError> {
        if size > self.size() {
            return Ok(None);
        }
        self.with_nodes(store, |nodes| tree::inclusion_proof(index, size, nodes)).await
    }

    pub(super) async fn consistency_proof(&self, store: &dyn Store, old: u64, new: u64) -> Result<Option<Vec<Hash>>, LedgerError> {
        if new > self.size() {
            return Ok(None);
        }
        self.with_nodes(store, |nodes| tree::consistency_proof(old, new, nodes)).await
    }

    pub(super) async fn root(&self, store: &dyn Store, size: u64) -> Result<Option<Hash>, LedgerError> {
        if size > self.size() {
            return Ok(None);
        }
        self.with_nodes(store, |nodes| tree::root(size, nodes)).await.map(Some)
    }

    /// Makes a proof, reading each tile it turns out to need. A proof walks along one or two edges of the tree, so those are few.
    async fn with_nodes<T>(
        &self,
        store: &dyn Store,
        prove: impl Fn(&mut dyn FnMut(u32, u64) -> Result<Hash, Need>) -> Result<T, Need>,
    ) -> Result<T, LedgerError> {
        let mut lower = Lower::new();
        loop {
            let mut nodes = |level: u32, index: u64| match level.checked_sub(TILE_LEVELS) {
                Some(row) => Ok(self.upper[row as usize][usize::try_from(index).expect("held in memory")]),
                None => lower.get(&(level, index)).copied().ok_or(Need((index << level) / WIDTH)),
            };
            match prove(&mut nodes) {
                Ok(proof) => return Ok(proof),
                Err(Need(tile)) => self.read_tile(store, tile, &mut lower).await?,
            }
        }
    }

    /// Reads the leaves of a tile, and compares them with the tree: rows altered since they were signed prove nothing.
    async fn read_tile(&self, store: &dyn Store, tile: u64, lower: &mut Lower) -> Result<(), LedgerError> {
        let first = tile * WIDTH;
        let whole = self.upper.first().and_then(|row| row.get(usize::try_from(tile).ok()?));
        let leaves = match whole {
            Some(_) => store.leaves(first, u32::try_from(WIDTH).expect("256 fits")).await?,
            None => self.tail.clone(),
        };
        let mut frontier = Frontier::new();
        for leaf in &leaves {
            frontier.push(*leaf, |level, index, hash| {
                lower.insert((level, (first >> level) + index), hash);
            });
        }
        if whole.is_none_or(|node| frontier.root() == *node) { Ok(()) } else { Err(LedgerFault::Altered { size: self.size() }.into()) }
    }
}
