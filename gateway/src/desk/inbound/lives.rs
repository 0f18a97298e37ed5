//! Which life of its data each peer is in. A peer that put an older database back begins another one, with a higher incarnation; what it
//! decided in an earlier life and is not taken in yet may contradict what it did afterwards and no longer knows, so it no longer counts.
//! So it is too when the older database comes alive again beside the newer one.
//!
//! Believed is only what the peer signed: the incarnation of a batch. A peer that was never restored has no record here.

use schakel_domain::caller::{Act, Caller};
use schakel_domain::id::OrgId;
use schakel_domain::message::Message;
use schakel_domain::refusal::{Reason, Refusal, Stage};
use serde::{Deserialize, Serialize};

use super::super::draft::{Draft, Stop, internal};
use super::super::recovery::FIRST_LIFE;
use super::super::{Delivery, Desk};
use crate::store::{Expect, Kind};

/// What is kept of a peer that began another life.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Kept {
    /// The highest incarnation under which it signed a batch.
    incarnation: u64,
}

/// The newest life of a peer, as it was read.
#[derive(Debug)]
pub(super) struct Life {
    peer: OrgId,
    version: u64,
    newest: u64,
}

impl Desk {
    /// The newest life of a peer that we heard of.
    pub(super) async fn life_of(&self, peer: &OrgId) -> Result<Life, Stop> {
        let Some(record) = self.parts.store.record(Kind::Peer, peer.as_str()).await? else {
            return Ok(Life { peer: peer.clone(), version: 0, newest: FIRST_LIFE });
        };
        let kept: Kept = serde_json::from_str(&record.clear).map_err(|_| internal("reading a peer's incarnation"))?;
        Ok(Life { peer: peer.clone(), version: record.version, newest: kept.incarnation })
    }

    /// Keeps the life in which a peer signed a batch, before anything in the batch is judged.
    pub(super) async fn meet(&self, caller: &Caller, deliveries: &[Delivery]) -> Result<(), Refusal> {
        let signed = deliveries.iter().map(|delivery| delivery.incarnation).max().unwrap_or_default();
        if signed <= FIRST_LIFE || caller.may(Act::Receive).is_err() {
            return Ok(());
        }
        self.again_and_again(|| async {
            let life = self.life_of(&caller.organization).await?;
            if signed <= life.newest {
                return Ok(());
            }
            tracing::warn!(peer = %life.peer, before = life.newest, now = signed, "a peer put its data back, and lives on with what it has");
            let clear = serde_json::to_string(&Kept { incarnation: signed }).map_err(|_| internal("writing a peer's incarnation"))?;
            let mut draft = Draft::new(self);
            draft.put_clear(Kind::Peer, life.peer.as_str(), life.version, false, clear);
            draft.commit().await.map(drop)
        })
        .await
    }
}

impl Life {
    /// Whether a message that was not taken in yet still counts: it was made in this life.
    ///
    /// # Errors
    /// `SENDER_RESTORED`.
    pub(super) fn counts(&self, message: &Message) -> Result<(), Refusal> {
        if message.incarnation.max(FIRST_LIFE) >= self.newest {
            return Ok(());
        }
        Err(Refusal::new(Stage::Peer, Reason::SenderRestored).because(format!("{} is in incarnation {} now", self.peer, self.newest)))
    }

    /// What was judged on this holds while no later life began.
    pub(super) fn expected(&self) -> Expect {
        Expect { kind: Kind::Peer, id: self.peer.to_string(), version: self.version }
    }
}
