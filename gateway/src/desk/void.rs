//! What takes the place of a message that is parked: the peer waits for that place of the thread, and gets a message without effect.
//!
//! Parking must always succeed, whatever the parked message holds: only its envelope is read here, never what it says.

use schakel_domain::id::{Hash, MessageId};

use super::Desk;
use super::draft::Draft;
use crate::store::{OutboxRow, Outgoing};
use crate::vault::Vault;
use crate::wire::federation;

/// The kind of a void, as in the outbox.
pub(super) const VOID: &str = "void";

impl Desk {
    /// Puts a void at the place of a message. It keeps the message's position in the thread, so no counter moves. When no void can be
    /// made, because the message cannot be opened any more, the message is parked without: whatever follows in its thread waits, which
    /// the operator's log says.
    pub(super) async fn put_void(&self, draft: &mut Draft<'_>, row: &OutboxRow) {
        match self.void_of(draft, row).await {
            Some(void) => draft.commit.send.push(void),
            None => {
                tracing::error!(peer = %row.message.peer, number = row.number, "a parked message cannot be replaced: its thread waits");
            }
        }
    }

    /// The void for a message; none when the message cannot be opened any more.
    pub(super) async fn void_of(&self, draft: &Draft<'_>, row: &OutboxRow) -> Option<Outgoing> {
        let bytes = self.unseal(&row.message.sealed).await.ok()?;
        let id = MessageId::new(self.parts.ids.uuid(draft.now));
        let void = federation::void_of(&bytes, id, row.message.message, self.incarnation(), draft.now)?;
        let key = Vault::key_of(&row.message.sealed).ok()?;
        Some(Outgoing {
            peer: row.message.peer.clone(),
            message: id,
            thread: row.message.thread.clone(),
            seq: row.message.seq,
            kind: VOID.to_owned(),
            hash: Hash::sha256(&void),
            sealed: self.seal(key, &void).await.ok()?,
            subject: row.message.subject.clone(),
        })
    }
}
