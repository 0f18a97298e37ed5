//! Connections that are open: each is judged again when certificates, lists or agreements change, and closed at once when it no longer
//! stands. What its handshake was judged by is kept with it.
//!
//! A verdict is a flag in memory that every call looks at ([`Life::ended`]), so that a call never slips through between the verdict
//! and the end of the connection.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;
use schakel_domain::refusal::Refusal;

/// Whether a connection still stands; shared by its stream and by the calls on it.
#[derive(Clone, Default)]
pub struct Life(Arc<Inner>);

#[derive(Default)]
struct Inner {
    ended: OnceLock<Refusal>,
    reader: AtomicWaker,
}

impl Life {
    /// Why the other end may do nothing more on this connection; none while it may.
    #[must_use]
    pub fn ended(&self) -> Option<&Refusal> {
        self.0.ended.get()
    }

    /// Ends it: calls are refused from now on, and whoever reads wakes up to an error.
    pub(super) fn end(&self, why: Refusal) {
        // The first reason stays.
        let _first = self.0.ended.set(why);
        self.0.reader.wake();
    }

    /// An error once it has ended; otherwise the reader is woken when that happens.
    pub(super) fn check(&self, context: &Context<'_>) -> io::Result<()> {
        self.0.reader.register(context.waker());
        match self.ended() {
            Some(why) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, why.clone())),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Life").field(&self.ended()).finish()
    }
}

/// Two are equal when they are of the same connection.
impl PartialEq for Life {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Life {}

/// The open connections of one door, or of the courier, each with what is needed to judge it again. As many as the door allows.
pub(super) struct Open<T> {
    held: Mutex<Held<T>>,
}

struct Held<T> {
    next: u64,
    all: BTreeMap<u64, (Arc<T>, Life)>,
}

impl<T> Default for Open<T> {
    fn default() -> Self {
        Self { held: Mutex::new(Held { next: 0, all: BTreeMap::new() }) }
    }
}

impl<T: Send + Sync + 'static> Open<T> {
    /// Takes a connection up; it is forgotten when the lease is dropped.
    pub(super) fn add(self: &Arc<Self>, what: T) -> (Life, Lease) {
        let life = Life::default();
        let mut held = self.held();
        let number = held.next;
        held.next += 1;
        held.all.insert(number, (Arc::new(what), life.clone()));
        let open = Arc::clone(self);
        (life, Lease(Some(Box::new(move || drop(open.held().all.remove(&number))))))
    }

    /// Judges each again; whoever fails is ended. How many that were.
    pub(super) fn judge(&self, judge: impl Fn(&T) -> Result<(), Refusal>) -> usize {
        let all: Vec<_> = self.held().all.values().cloned().collect();
        let fails = |(what, life): &(Arc<T>, Life)| judge(what).err().map(|why| life.end(why)).is_some();
        all.iter().filter(|(_, life)| life.ended().is_none()).filter(|one| fails(one)).count()
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.held().all.len()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place among the open ones; dropping it gives the place back.
pub(super) struct Lease(Option<Box<dyn FnOnce() + Send>>);

impl Lease {
    /// For a connection that nothing can end but itself.
    pub(super) fn none() -> Self {
        Self(None)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(give_back) = self.0.take() {
            give_back();
        }
    }
}
