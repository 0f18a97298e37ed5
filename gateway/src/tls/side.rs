//! What a door (`server`) and the courier's end (`channel`) have in common: the material in force, the connections that were opened
//! under it and are judged again when it changes, and whose certificates were seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use schakel_domain::id::OrgId;
use schakel_domain::refusal::Refusal;

use super::ends::{End, Seen};
use super::material::Material;
use super::open::{Lease, Life, Open};

/// What connections are made with: built from material, replaced as a whole.
pub(super) trait Made {
    /// What it was built from.
    fn material(&self) -> &Material;
}

/// One end of TLS: `S` is what connections are made with, `O` what is kept of an open one to judge it again.
pub(super) struct Side<S, O> {
    state: ArcSwap<S>,
    /// Raised whenever open connections are judged again: a handshake that began before is then judged again too.
    generation: AtomicU64,
    open: Arc<Open<O>>,
    pub(super) seen: Seen,
}

impl<S: Made, O: Send + Sync + 'static> Side<S, O> {
    pub(super) fn new(state: S) -> Self {
        Self { state: ArcSwap::from_pointee(state), generation: AtomicU64::new(0), open: Arc::default(), seen: Seen::default() }
    }

    /// What connections are made with now.
    pub(super) fn state(&self) -> Guard<Arc<S>> {
        self.state.load()
    }

    /// Uses this from the next handshake on. What is open is still to be judged by it.
    pub(super) fn put(&self, state: S) {
        self.state.store(Arc::new(state));
    }

    /// What is used now.
    pub(super) fn material(&self) -> Material {
        self.state.load().material().clone()
    }

    /// To be asked when a handshake begins, for [`Side::opened`].
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// How many connections are open that showed a certificate.
    pub(super) fn connections(&self) -> usize {
        self.open.count()
    }

    /// Judges every open connection again and ends whoever fails; how many that were.
    pub(super) fn judge_again(&self, judge: impl Fn(&O) -> Result<(), Refusal>) -> usize {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.open.judge(judge)
    }

    /// Takes up a connection whose handshake began at this generation; judged again when the others were, since then.
    pub(super) fn opened(&self, what: O, generation: u64, judge: impl FnOnce() -> Result<(), Refusal>) -> Result<(Life, Lease), Refusal> {
        let (life, lease) = self.open.add(what);
        if self.generation() != generation {
            judge()?;
        }
        Ok((life, lease))
    }

    /// The chain each organisation showed last.
    pub(super) fn seen(&self) -> BTreeMap<OrgId, Vec<End>> {
        self.seen.all()
    }
}
