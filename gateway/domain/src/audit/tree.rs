//! The Merkle tree of RFC 6962: leaf and node hashes, appending, and proofs that anybody can check.
//!
//! A tree is never held whole. Appending needs only the [`Frontier`] (at most 64 hashes); making a proof reads the nodes it needs
//! through a function of `(level, index)`, where level 0 are the leaves and node `(l, i)` covers the leaves `i * 2^l .. (i + 1) * 2^l`.
//! Only nodes that are complete are ever asked for.

use std::cmp::Ordering;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::id::Hash;

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The index or size lies outside the tree.
    #[error("the tree is smaller than what is asked of it")]
    Beyond,
    /// Too few or too many hashes for this index and size.
    #[error("the proof has the wrong number of hashes")]
    Length,
    /// The hashes do not lead to the root that was signed.
    #[error("the proof leads to another root")]
    Root,
}

/// Hash of a record: SHA-256 over a zero byte and the record.
#[must_use]
pub fn leaf_hash(record: &[u8]) -> Hash {
    hash_parts(&[&[0], record])
}

/// Hash of two subtrees: SHA-256 over a one byte and both hashes.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    hash_parts(&[&[1], &left.0, &right.0])
}

/// Root of the tree without records: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Hash::sha256(&[])
}

fn hash_parts(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Hash(hash)
}

/// The right edge of a tree: all that is needed to append and to know the root.
///
/// One hash for each complete subtree, largest first, so as many as the size has one-bits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "StoredFrontier", into = "StoredFrontier")]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves so far.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    /// Appends a leaf. `completed` is told of every node that is complete from now on, the leaf itself first: `(level, index, hash)`.
    pub fn push(&mut self, leaf: Hash, mut completed: impl FnMut(u32, u64, Hash)) {
        let mut hash = leaf;
        completed(0, self.size, hash);
        for level in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("one peak for each one-bit of the size");
            hash = node_hash(&left, &hash);
            completed(level + 1, self.size >> (level + 1), hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }
}

/// How a frontier is stored; its parts must fit each other.
#[derive(Serialize, Deserialize)]
struct StoredFrontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl TryFrom<StoredFrontier> for Frontier {
    type Error = &'static str;

    fn try_from(stored: StoredFrontier) -> Result<Self, Self::Error> {
        if stored.size.count_ones() as usize != stored.peaks.len() {
            return Err("a frontier has one hash for each one-bit of its size");
        }
        Ok(Self { size: stored.size, peaks: stored.peaks })
    }
}

impl From<Frontier> for StoredFrontier {
    fn from(frontier: Frontier) -> Self {
        Self { size: frontier.size, peaks: frontier.peaks }
    }
}

/// A function that reads a complete node, or says why it cannot.
type Nodes<'a, E> = &'a mut dyn FnMut(u32, u64) -> Result<Hash, E>;

/// The hashes that prove that leaf `index` is in the tree of `size` leaves (RFC 6962 section 2.1.1). `None` when it is not.
///
/// # Errors
/// What `nodes` says.
pub fn inclusion_proof<E>(index: u64, size: u64, mut nodes: impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Option<Vec<Hash>>, E> {
    if index >= size {
        return Ok(None);
    }
    let nodes: Nodes<'_, E> = &mut nodes;
    let (mut low, mut high) = (0, size);
    let mut proof = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            proof.push(range_root(middle, high, nodes)?);
            high = middle;
        } else {
            proof.push(range_root(low, middle, nodes)?);
            low = middle;
        }
    }
    proof.reverse();
    Ok(Some(proof))
}

/// The hashes that prove that the tree of `new` leaves starts with the tree of `old` leaves (RFC 6962 section 2.1.2).
/// `None` when `old` is larger; empty when they are equal or `old` is zero.
///
/// # Errors
/// What `nodes` says.
pub fn consistency_proof<E>(old: u64, new: u64, mut nodes: impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Option<Vec<Hash>>, E> {
    if old > new {
        return Ok(None);
    }
    let mut proof = Vec::new();
    if old == 0 || old == new {
        return Ok(Some(proof));
    }
    let nodes: Nodes<'_, E> = &mut nodes;
    let (mut low, mut high) = (0, new);
    // Walk down to the last subtree of the old tree; whoever checks knows its hash only if that subtree is the whole old tree.
    while high != old {
        let middle = low + split(high - low);
        if old <= middle {
            proof.push(range_root(middle, high, nodes)?);
            high = middle;
        } else {
            proof.push(range_root(low, middle, nodes)?);
            low = middle;
        }
    }
    if low > 0 {
        proof.push(range_root(low, high, nodes)?);
    }
    proof.reverse();
    Ok(Some(proof))
}

/// The root of the tree that the first `size` leaves make, from complete nodes alone: as many as `size` has one-bits.
///
/// # Errors
/// What `nodes` says.
pub fn root<E>(size: u64, mut nodes: impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    if size == 0 { Ok(empty_root()) } else { range_root(0, size, &mut nodes) }
}

/// Checks that `leaf` is number `index` of the tree with this size and root (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// Which part does not hold.
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Beyond);
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for step in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(step, &hash);
            skip_missing_right(&mut node, &mut last);
        } else {
            hash = node_hash(&hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    judge(last, hash == root)
}

/// Checks that the tree with the new size and root starts with all leaves of the old one (RFC 9162 section 2.1.4.2).
///
/// # Errors
/// Which part does not hold.
pub fn verify_consistency(old: (u64, Hash), new: (u64, Hash), proof: &[Hash]) -> Result<(), ProofError> {
    match old.0.cmp(&new.0) {
        Ordering::Greater => return Err(ProofError::Beyond),
        Ordering::Equal if !proof.is_empty() => return Err(ProofError::Length),
        Ordering::Equal => return if old.1 == new.1 { Ok(()) } else { Err(ProofError::Root) },
        Ordering::Less => {}
    }
    if old.0 == 0 {
        return match (proof.is_empty(), old.1 == empty_root()) {
            (false, _) => Err(ProofError::Length),
            (true, known) => judge(0, known),
        };
    }
    let (mut node, mut last) = (old.0 - 1, new.0 - 1);
    // The old tree's last complete subtree starts the walk; when it is the whole old tree, its hash is the old root.
    let whole = old.0.is_power_of_two();
    let shift = node.trailing_ones();
    node >>= shift;
    last >>= shift;
    let (start, rest) = if whole { (&old.1, proof) } else { proof.split_first().ok_or(ProofError::Length)? };
    let (mut old_hash, mut new_hash) = (*start, *start);
    for step in rest {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(step, &old_hash);
            new_hash = node_hash(step, &new_hash);
            skip_missing_right(&mut node, &mut last);
        } else {
            new_hash = node_hash(&new_hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    judge(last, old_hash == old.1 && new_hash == new.1)
}

/// On the right edge of the tree whole levels have no right sibling: climb to the first one where this node is a right child.
fn skip_missing_right(node: &mut u64, last: &mut u64) {
    while *node & 1 == 0 && *node != 0 {
        *node >>= 1;
        *last >>= 1;
    }
}

fn judge(levels_left: u64, same_root: bool) -> Result<(), ProofError> {
    match (levels_left, same_root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

/// Largest power of two smaller than `n`, for `n > 1`: where RFC 6962 splits a tree.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// Root over the leaves `low..high`, which RFC 6962's splitting reaches; complete parts are read, the rest is computed.
fn range_root<E>(low: u64, high: u64, nodes: Nodes<'_, E>) -> Result<Hash, E> {
    let count = high - low;
    if count.is_power_of_two() {
        return nodes(count.ilog2(), low >> count.ilog2());
    }
    let middle = low + split(count);
    let left = range_root(low, middle, nodes)?;
    let right = range_root(middle, high, nodes)?;
    Ok(node_hash(&left, &right))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use super::*;

    struct Tree {
        nodes: BTreeMap<(u32, u64), Hash>,
        roots: Vec<Hash>,
    }

    impl Tree {
        fn of(size: u64) -> Self {
            let mut frontier = Frontier::new();
            let mut tree = Tree { nodes: BTreeMap::new(), roots: vec![frontier.root()] };
            for i in 0..size {
                frontier.push(leaf(i), |level, index, hash| assert!(tree.nodes.insert((level, index), hash).is_none()));
                tree.roots.push(frontier.root());
            }
            tree
        }

        fn node(&self) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> + '_ {
            |level, index| Ok(self.nodes[&(level, index)])
        }
    }

    fn leaf(i: u64) -> Hash {
        leaf_hash(&i.to_be_bytes())
    }

    /// The definition of RFC 6962 section 2.1, word for word, to judge the fast ways by.
    fn defined_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            many => {
                let (left, right) = many.split_at(usize::try_from(split(many.len() as u64)).unwrap());
                node_hash(&defined_root(left), &defined_root(right))
            }
        }
    }

    #[test]
    fn the_root_of_every_smaller_tree_comes_from_complete_nodes() {
        let tree = Tree::of(300);
        for size in 0..=300 {
            let mut read = 0;
            let mut node = tree.node();
            let found = root(size, |level, index| {
                read += 1;
                node(level, index)
            });
            assert_eq!(found, Ok(tree.roots[usize::try_from(size).unwrap()]));
            assert_eq!(read, size.count_ones(), "one node for each one-bit");
        }
    }

    #[test]
    fn hashes_agree_with_the_published_values() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|record| leaf_hash(record));
        let mut frontier = Frontier::new();
        for hash in [a, b, c] {
            frontier.push(hash, |_, _, _| {});
        }

        assert_eq!(empty_root().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert!(leaf_hash(b"").to_string().starts_with("6e340b9c") && leaf_hash(b"").to_string().ends_with("17afa01d"));
        assert_eq!(a.to_string(), "022a6979e6dab7aa5ae4c3e5e45f7e977112a7e63593820dbec1ec738a24f93c");
        assert_eq!(frontier.root().to_string(), "36642e73c2540ab121e3a6bf9545b0a24982cd830eb13d3cd19de3ce6c021ec1");
    }

    #[test]
    fn appending_gives_the_root_of_the_definition_at_every_size() {
        let tree = Tree::of(64);
        let leaves: Vec<Hash> = (0..64).map(leaf).collect();

        for size in 0..=64 {
            assert_eq!(tree.roots[size], defined_root(&leaves[..size]), "size {size}");
        }
    }

    #[test]
    fn a_stored_frontier_appends_as_if_it_was_never_stored_and_a_broken_one_is_refused() {
        let mut kept = Frontier::new();
        (0..37).for_each(|i| kept.push(leaf(i), |_, _, _| {}));

        let stored = serde_json::to_string(&kept).unwrap();
        let mut read: Frontier = serde_json::from_str(&stored).unwrap();
        (37..50).for_each(|i| read.push(leaf(i), |_, _, _| {}));

        assert_eq!(read.root(), Tree::of(50).roots[50]);
        assert!(serde_json::from_str::<Frontier>(&stored.replace("37", "38").replace("\"size\":38", "\"size\":39")).is_err());
    }

    #[test]
    fn every_leaf_of_every_size_has_an_inclusion_proof_that_holds_there_and_nowhere_else() {
        let tree = Tree::of(64);
        for size in 1..=64_u64 {
            let root = tree.roots[usize::try_from(size).unwrap()];
            for index in 0..size {
                let proof = inclusion_proof(index, size, tree.node()).unwrap().unwrap();

                assert_eq!(verify_inclusion(leaf(index), index, size, &proof, root), Ok(()), "{index} of {size}");
                for other in (0..size).filter(|other| *other != index) {
                    assert!(verify_inclusion(leaf(index), other, size, &proof, root).is_err(), "{index} as {other} of {size}");
                }
                assert!(verify_inclusion(leaf(index + 1), index, size, &proof, root).is_err());
                spoilt(&proof, |bad| assert!(verify_inclusion(leaf(index), index, size, bad, root).is_err(), "{index} of {size}"));
            }
        }
    }

    #[test]
    fn every_pair_of_sizes_has_a_consistency_proof_that_holds_for_that_pair_alone() {
        let tree = Tree::of(64);
        let at = |size: u64| (size, tree.roots[usize::try_from(size).unwrap()]);
        for new in 0..=64 {
            for old in 0..=new {
                let proof = consistency_proof(old, new, tree.node()).unwrap().unwrap();

                assert_eq!(verify_consistency(at(old), at(new), &proof), Ok(()), "{old} to {new}");
                let forked = (old, leaf_hash(b"another history"));
                assert!(verify_consistency(forked, at(new), &proof).is_err(), "{old} to {new}");
                if old > 0 && old < new {
                    assert!(verify_consistency(at(old), (new, forked.1), &proof).is_err(), "{old} to {new}");
                }
                spoilt(&proof, |bad| assert!(verify_consistency(at(old), at(new), bad).is_err(), "{old} to {new}"));
            }
        }
    }

    #[test]
    fn nothing_is_proven_beyond_the_tree() {
        let tree = Tree::of(8);

        assert_eq!(inclusion_proof(8, 8, tree.node()), Ok(None));
        assert_eq!(consistency_proof(8, 7, tree.node()), Ok(None));
        assert_eq!(verify_inclusion(leaf(0), 0, 0, &[], empty_root()), Err(ProofError::Beyond));
        assert_eq!(verify_consistency((8, tree.roots[8]), (7, tree.roots[7]), &[]), Err(ProofError::Beyond));
    }

    /// Every proof with one hash changed, one missing and one too many.
    fn spoilt(proof: &[Hash], check: impl Fn(&[Hash])) {
        for i in 0..proof.len() {
            let mut changed = proof.to_vec();
            changed[i].0[i % 32] ^= 1;
            check(&changed);
            let mut shorter = proof.to_vec();
            shorter.remove(i);
            check(&shorter);
        }
        let mut longer = proof.to_vec();
        longer.push(leaf_hash(b"surplus"));
        check(&longer);
    }
}
