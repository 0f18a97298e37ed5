//! DOOR for adapters: listens where an organisation's own systems are. Neighbours: `schakel_adapters` translates, the desk decides.
//!
//! Commands go to the desk as those of any other caller; notices follow the one event sequence with a cursor of their own. A system that
//! is slow or broken delays its own notices and nothing else: nothing here is called by the desk or the courier.

mod describe;
pub mod file_drop;
mod folder;
mod status;

pub use describe::{Describer, Profile};
pub use status::AdapterStatus;
use status::Way;

use futures_util::future::BoxFuture;
use schakel_adapters::Notice;
use schakel_domain::caller::Caller;
use schakel_domain::command::Command;
use schakel_domain::refusal::{Reason, Refusal};
use tokio::sync::watch;

use crate::desk::{Desk, Reply};
use crate::store::{EventRow, StoreError};

/// What executes commands: the desk.
pub trait Execute: Send + Sync + 'static {
    /// Executes one command of one known caller.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing was changed.
    fn execute<'a>(&'a self, caller: &'a Caller, command: Command) -> BoxFuture<'a, Result<Reply, Refusal>>;
}

impl Feed for Desk {
    fn events_after(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<Vec<EventRow>, StoreError>> {
        self.store().events(after, limit)
    }

    fn newest(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { Ok(self.store().event_range().await?.1) })
    }

    fn signal(&self) -> watch::Receiver<u64> {
        self.signals().events()
    }
}

impl Execute for Desk {
    fn execute<'a>(&'a self, caller: &'a Caller, command: Command) -> BoxFuture<'a, Result<Reply, Refusal>> {
        Box::pin(self.handle(caller, command))
    }
}

/// The one event sequence, as an adapter follows it.
pub trait Feed: Send + Sync + 'static {
    /// At most `limit` events after a position, in order.
    ///
    /// # Errors
    /// When the store cannot answer now.
    fn events_after(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<Vec<EventRow>, StoreError>>;

    /// Position of the newest event; 0 when there never was one.
    ///
    /// # Errors
    /// When the store cannot answer now.
    fn newest(&self) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Changes whenever there may be new events.
    fn signal(&self) -> watch::Receiver<u64>;
}

/// Makes a notice of an event.
pub trait Describe: Send + Sync + 'static {
    /// The notice, or `None` when this system is not told of such events.
    ///
    /// # Errors
    /// When what the event is about cannot be read, now or ever; [`comes_later`] tells which.
    fn notice<'a>(&'a self, event: &'a EventRow) -> BoxFuture<'a, Result<Option<Notice>, Refusal>>;
}

/// Whether the same command or read may succeed later without anybody doing anything.
///
/// Anything else is told to the sender at once: a command that waits in silence is a danger in a crisis.
#[must_use]
pub fn comes_later(refusal: &Refusal) -> bool {
    blocks_all(refusal) || matches!(refusal.reason, Reason::StorageFull | Reason::RateLimited)
}

/// Whether every other command would get this answer too.
fn blocks_all(refusal: &Refusal) -> bool {
    matches!(refusal.reason, Reason::StoreUnavailable | Reason::AuditUnavailable | Reason::Recovering)
}
