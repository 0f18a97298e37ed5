//! What takes the place of a message that is parked: the peer waits for that place of the thread, and gets a message without effect.
//!
//! Parking must always succeed, whatever the parked message holds: only its envelope is read here, never what it says.

use schakel_domain::audit::entry::{Decision, Object};
use schakel_domain::audit::event::EventCode;
use schakel_domain::id::Hash;

use super::Desk;
use super::draft::{Draft, Letter, Stop, internal};
use super::trace::{By, Party};
use crate::store::{OutboxRow, Outgoing};
use crate::vault::Vault;
use crate::wire::federation;

/// The kind of a void, as in the outbox.
pub(super) const VOID: &str = "void";

impl Desk {
    /// Puts a void at the place of a message. It keeps the message's position in the thread, so no counter moves. When no void can be
    /// made, because the message cannot be opened any more, the message is parked without: whatever follows in its thread waits, which
    /// the operator's log says.
    pub(super) async fn put_void(&self, draft: &mut Draft<'_>, row: &OutboxRow) -> Result<(), Stop> {
        match self.void_of(draft, row).await? {
            Some(void) => draft.commit.send.push(void),
            None => {
                tracing::error!(peer = %row.message.peer, number = row.number, "a parked message cannot be replaced: its thread waits");
            }
        }
        Ok(())
    }

    /// The void for a message, with an entry of its own that names it; none, and no entry, when the message cannot be opened any more.
    pub(super) async fn void_of(&self, draft: &mut Draft<'_>, row: &OutboxRow) -> Result<Option<Outgoing>, Stop> {
        let Ok(bytes) = self.unseal(&row.message.sealed).await else { return Ok(None) };
        let Ok(key) = Vault::key_of(&row.message.sealed) else { return Ok(None) };
        let (replaces, incarnation, now) = (row.message.message, self.incarnation(), draft.now);
        // Whether there can be one, before the log says that there is: neither its id nor its entry makes a difference to that.
        if federation::void_of(&bytes, replaces, replaces, incarnation, now, Hash([0; 32])).is_none() {
            return Ok(None);
        }
        let Letter { id, leaf, .. } = self.announce_void(draft, row)?;
        let Some(void) = federation::void_of(&bytes, id, replaces, incarnation, now, leaf) else {
            return Err(internal("replacing a message"));
        };
        Ok(Some(Outgoing {
            peer: row.message.peer.clone(),
            message: id,
            thread: row.message.thread.clone(),
            seq: row.message.seq,
            kind: VOID.to_owned(),
            hash: Hash::sha256(&void),
            sealed: self.seal(key, &void).await?,
            subject: row.message.subject.clone(),
        }))
    }

    /// Logs that a void goes out.
    fn announce_void(&self, draft: &mut Draft<'_>, row: &OutboxRow) -> Result<Letter, Stop> {
        let (clock, peer) = (self.clock(), &row.message.peer);
        let object = Object::new("message", "uuid", row.message.message.to_string(), "protocol:order");
        let decision =
            Decision::allowed("protocol:order", "Een leeg bericht neemt de plaats van dit bericht in, zodat latere door kunnen.");
        let by = By { caller: &clock, actor: None, second: None };
        self.note(draft, EventCode::MessageSent, by, object, decision, Some(Party::from(peer)));
        draft.announce([peer].into_iter())?.next(peer)
    }
}
