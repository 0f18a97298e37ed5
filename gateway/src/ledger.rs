//! LEDGER: the gateway's side of the audit log. It signs the head of what the store holds, and proves from it.
//!
//! Entries are written by the desk, in the transaction of what they tell; nothing here writes one. The ledger reads committed leaves, signs
//! a checkpoint over them at most once a second, and keeps that checkpoint in one record by compare-and-set, so that replicas of one
//! gateway sign one line of heads. In the same commit it keeps a copy of the leaf hashes ([`tile`]): whoever alters entries afterwards must
//! alter those too, and then neither leads to the signed root. When nothing is written, nothing is read, signed or committed.
//!
//! It refuses to sign when the stored entries are not those it signed before: a log that shrank or changed is shown as a [`LedgerFault`]
//! until somebody has looked and restarted. The newest checkpoint is also kept in a file outside the database ([`anchor`]), because a
//! database that is put back as a whole agrees with itself.
//!
//! In reading order: this file follows the log; [`fault`] says what stops it; `grow` appends and signs; `nodes` makes proofs;
//! [`verify`], [`export`] with its [`receipts`], [`reconcile`] and [`fsck`] need a store and a public key alone.

pub mod anchor;
pub mod export;
pub mod fault;
pub mod fhir;
pub mod fsck;
mod grow;
mod nodes;
pub mod receipts;
pub mod reconcile;
pub mod tile;
pub mod verify;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schakel_domain::audit::checkpoint::Checkpoint;
use schakel_domain::audit::note::{Signer, Vkey};
use schakel_domain::audit::verify::Report;
use schakel_domain::id::Hash;
use tokio::sync::{Mutex, watch};

use crate::store::{EntryRow, Store, StoreError};
use anchor::Anchor;
pub use fault::{LedgerError, LedgerFault};
use grow::Tree;

/// Shortest time between two checkpoints: with the signing itself an entry is covered within a second of its commit.
pub const PACE: Duration = Duration::from_millis(800);
/// Longest time between two attempts while the store does not answer.
pub const SLOWEST: Duration = Duration::from_secs(60);

/// A checkpoint as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The signed note, byte for byte as published.
    pub note: String,
}

/// The log of one organisation: its signed head, and proofs about it.
pub struct Ledger {
    store: Arc<dyn Store>,
    key: Signer,
    anchor: Option<Anchor>,
    /// The signed tree; one publishes at a time.
    tree: Mutex<Tree>,
    newest: watch::Sender<Option<Arc<Signed>>>,
    fault: watch::Sender<Option<LedgerFault>>,
    /// An fsync of the anchor failed: nothing that this process holds of the disk can be trusted.
    fatal: watch::Sender<Option<String>>,
}

impl Ledger {
    /// Reads the newest checkpoint and every leaf it covers, and compares them. A log that is not what was signed gives a ledger that
    /// only reads and whose [`Ledger::fault`] says why; the error is for a store that does not answer.
    ///
    /// `anchor` is the file outside the database in which the newest checkpoint is kept too; it is made when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn open(store: Arc<dyn Store>, key: Signer, anchor: Option<PathBuf>) -> Result<Self, StoreError> {
        let ledger = Self {
            store,
            key,
            anchor: anchor.map(Anchor::new),
            tree: Mutex::new(Tree::default()),
            newest: watch::Sender::new(None),
            fault: watch::Sender::new(None),
            fatal: watch::Sender::new(None),
        };
        match ledger.load().await {
            Ok(()) => {}
            Err(LedgerError::Store(error)) => return Err(error),
            Err(LedgerError::Fault(fault)) => ledger.stop(fault),
        }
        Ok(ledger)
    }

    /// Signs while the log grows: `sizes` tells that it did. Ends when the other end of `sizes` is gone, after a last checkpoint, or when
    /// signing must stop for a [`LedgerFault`].
    pub async fn run(&self, sizes: watch::Receiver<u64>) {
        self.run_paced(sizes, tokio::time::sleep).await;
    }

    /// As [`Ledger::run`], with the caller's own way of letting time pass.
    pub async fn run_paced<F: Future<Output = ()>>(&self, mut sizes: watch::Receiver<u64>, mut pause: impl FnMut(Duration) -> F) {
        let mut wait = PACE;
        loop {
            // Before the log is read: growth meanwhile is then seen as a change after it.
            sizes.mark_unchanged();
            let ended = sizes.has_changed().is_err();
            let pending = match self.publish().await {
                Ok(Published { signed: None, .. }) => false,
                Ok(Published { behind, .. }) => {
                    wait = PACE;
                    pause(wait).await;
                    behind
                }
                Err(LedgerError::Fault(_)) => return,
                Err(LedgerError::Store(error)) => {
                    tracing::warn!(%error, "no checkpoint: the store does not answer");
                    wait = (wait * 2).min(SLOWEST);
                    pause(wait).await;
                    !ended
                }
            };
            if ended && !pending {
                return;
            }
            if !pending && sizes.changed().await.is_err() {
                // What was committed between the last look and the end still gets its checkpoint, in the next round.
                continue;
            }
        }
    }

    /// Signs and keeps a checkpoint now, if there are new entries. At most 65,536 new entries at a time.
    ///
    /// # Errors
    /// [`LedgerError::Fault`] when signing is refused, now or before; [`LedgerError::Store`] when it could not be kept: try again.
    pub async fn publish(&self) -> Result<Published, LedgerError> {
        if let Some(fault) = self.fault() {
            return Err(fault.into());
        }
        let mut tree = self.tree.lock().await;
        let published = self.grow(&mut tree).await;
        if let Err(LedgerError::Fault(fault)) = &published {
            self.stop(fault.clone());
        }
        published
    }

    /// The newest signed checkpoint; none before the first entry was signed.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Arc<Signed>> {
        self.newest.borrow().clone()
    }

    /// Follows the newest checkpoint.
    #[must_use]
    pub fn checkpoints(&self) -> watch::Receiver<Option<Arc<Signed>>> {
        self.newest.subscribe()
    }

    /// Why nothing is signed any more; for health.
    #[must_use]
    pub fn fault(&self) -> Option<LedgerFault> {
        self.fault.borrow().clone()
    }

    /// Follows the fault.
    #[must_use]
    pub fn faults(&self) -> watch::Receiver<Option<LedgerFault>> {
        self.fault.subscribe()
    }

    /// Waits until the head outside the database could not be synced, and says why: the process must then stop at once.
    pub async fn fatal(&self) -> String {
        let mut fatal = self.fatal.subscribe();
        let found = fatal.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        // The sender lives as long as this ledger.
        found.unwrap_or_default()
    }

    /// The public key that auditors and peers need.
    #[must_use]
    pub fn vkey(&self) -> &Vkey {
        self.key.vkey()
    }

    /// One entry.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn entry(&self, index: u64) -> Result<Option<EntryRow>, StoreError> {
        let rows = self.store.entries(index, 1).await?;
        Ok(rows.into_iter().find(|row| row.index == index))
    }

    /// Entries from an index, in order, at most [`MAX_ROWS`](crate::store::MAX_ROWS).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn entries(&self, from: u64, limit: u32) -> Result<Vec<EntryRow>, StoreError> {
        self.store.entries(from, limit).await
    }

    /// The hashes that prove that entry `index` is in the log of `size` entries; none when it is not, or `size` is not signed yet.
    ///
    /// # Errors
    /// [`LedgerError::Fault`] when the stored entries are not the signed ones.
    pub async fn inclusion_proof(&self, index: u64, size: u64) -> Result<Option<Vec<Hash>>, LedgerError> {
        let tree = self.tree.lock().await;
        let proof = tree.inclusion_proof(&*self.store, index, size).await;
        self.told(proof)
    }

    /// The hashes that prove that the log of `new` entries starts with that of `old`; none when `old` is larger, or `new` is not signed yet.
    ///
    /// # Errors
    /// [`LedgerError::Fault`] when the stored entries are not the signed ones.
    pub async fn consistency_proof(&self, old: u64, new: u64) -> Result<Option<Vec<Hash>>, LedgerError> {
        let tree = self.tree.lock().await;
        let proof = tree.consistency_proof(&*self.store, old, new).await;
        self.told(proof)
    }

    /// Checks every stored entry against the newest stored checkpoint, and that against the one this gateway signed last.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read; what it says when it can is in the report.
    pub async fn verify(&self) -> Result<Report, StoreError> {
        self.verify_telling(&|_| {}).await
    }

    /// The same, and tells now and then how many entries were found good.
    ///
    /// # Errors
    /// As [`Ledger::verify`].
    pub async fn verify_telling(&self, tell: verify::Tell<'_>) -> Result<Report, StoreError> {
        let last = self.checkpoint();
        verify::verify_telling(&*self.store, self.vkey(), last.as_deref().map(|signed| &signed.checkpoint), tell).await
    }

    /// The root of the log of `size` entries; none when that size is not signed yet. It reads one tile at most.
    ///
    /// # Errors
    /// [`LedgerError::Fault`] when the stored entries are not the signed ones.
    pub async fn root(&self, size: u64) -> Result<Option<Hash>, LedgerError> {
        let tree = self.tree.lock().await;
        let root = tree.root(&*self.store, size).await;
        self.told(root)
    }

    /// A fault found while proving stops the signing as well.
    fn told<T>(&self, result: Result<T, LedgerError>) -> Result<T, LedgerError> {
        if let Err(LedgerError::Fault(fault)) = &result {
            self.stop(fault.clone());
        }
        result
    }

    fn stop(&self, fault: LedgerFault) {
        tracing::error!(%fault, "the audit log is not what was signed; no checkpoint is signed any more");
        self.fault.send_if_modified(|first| {
            let new = first.is_none();
            first.get_or_insert(fault);
            new
        });
    }
}

/// What a publication did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The checkpoint it signed; none when there was nothing new.
    pub signed: Option<Arc<Signed>>,
    /// There is more to sign already.
    pub behind: bool,
}
