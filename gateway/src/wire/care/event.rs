//! Events.

use schakel_domain::person::Actor;
use schakel_domain::refusal::Refusal;
use schakel_proto::care::v1 as wire;

use super::lister;
use crate::store::EventRow;
use crate::wire::fields::{Fields, timestamp};
use crate::wire::names;

/// Where to start watching, and who watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Who watches.
    pub actor: Actor,
    /// After which event.
    pub start: Start,
}

/// Where a reader of events starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The oldest event kept.
    Oldest,
    /// After this event.
    After(u64),
    /// Only what happens from now on.
    Now,
}

/// Reads a request to watch.
///
/// # Errors
/// Every wrong field.
pub fn watch(request: &wire::WatchEventsRequest, caller: &Actor) -> Result<Watch, Vec<Refusal>> {
    let mut fields = Fields::new();
    let actor = lister(&mut fields, request.actor.as_ref(), caller);
    let start = match fields.cursor("cursor", &request.cursor) {
        Some(Some(_)) if request.only_new => {
            fields.wrong("only_new", "not together with a cursor");
            None
        }
        Some(Some(sequence)) => Some(Start::After(sequence)),
        Some(None) => Some(if request.only_new { Start::Now } else { Start::Oldest }),
        None => None,
    };
    let (Some(actor), Some(start)) = (actor, start) else { return Err(fields.refusals()) };
    Ok(Watch { actor, start })
}

/// Reads a request for a page of events; gives who looks, where to start and how many.
///
/// # Errors
/// Every wrong field.
pub fn list(request: &wire::ListEventsRequest, caller: &Actor) -> Result<(Watch, u32), Vec<Refusal>> {
    let mut fields = Fields::new();
    let actor = lister(&mut fields, request.actor.as_ref(), caller);
    let start = fields.cursor("page_token", &request.page_token);
    let size = fields.page_size(request.page_size);
    let (Some(actor), Some(start), Some(size)) = (actor, start, size) else { return Err(fields.refusals()) };
    Ok((Watch { actor, start: start.map_or(Start::Oldest, Start::After) }, size))
}

/// An event for the wire.
#[must_use]
pub fn to_wire(row: &EventRow) -> wire::Event {
    wire::Event {
        cursor: names::cursor(row.seq),
        sequence: i64::try_from(row.seq).unwrap_or(i64::MAX),
        kind: row.event.kind.clone(),
        resource: row.event.resource.clone(),
        state: row.event.state.clone(),
        event_time: Some(timestamp(row.at)),
    }
}
