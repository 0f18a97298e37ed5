//! Threads of a peer that have no record here: only voids arrived in them, in the place of messages that were refused. One small record
//! per peer and thread, so that one peer's refused messages never weigh on its other threads.

use schakel_domain::id::{ClientKeyId, OrgId};
use schakel_domain::message::Message;
use serde::{Deserialize, Serialize};

use super::super::Desk;
use super::super::draft::{Draft, Stop, internal};
use super::super::record::Link;
use crate::store::{Expect, Kind, Record};

/// What is kept of such a thread.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    link: Link,
    /// The key its voids are sealed under.
    key: ClientKeyId,
}

/// A thread without a record, as it was read.
#[derive(Debug)]
pub(in super::super) struct Bare {
    id: String,
    version: u64,
    kept: Option<Kept>,
}

impl Desk {
    /// Goes on counting in a thread whose record is erased: what comes in it later is told from what came before.
    pub(in super::super) async fn count_on(
        &self,
        draft: &mut Draft<'_>,
        peer: &OrgId,
        thread: &str,
        link: Link,
        key: ClientKeyId,
    ) -> Result<(), Stop> {
        let id = format!("{peer}/{thread}");
        let version = self.parts.store.record(Kind::Peer, &id).await?.map_or(0, |record| record.version);
        let clear = serde_json::to_string(&Kept { link, key }).map_err(|_| internal("writing a peer's counter"))?;
        draft.put_clear(Kind::Peer, &id, version, false, clear);
        Ok(())
    }

    /// The thread of a message, as far as voids of its sender have moved it.
    pub(super) async fn bare(&self, message: &Message) -> Result<Bare, Stop> {
        let id = format!("{}/{}", message.sender, message.thread);
        let Some(record) = self.parts.store.record(Kind::Peer, &id).await? else {
            return Ok(Bare { id, version: 0, kept: None });
        };
        let kept = serde_json::from_str(&record.clear).map_err(|_| internal("reading a peer's counter"))?;
        Ok(Bare { id, version: record.version, kept: Some(kept) })
    }
}

impl Bare {
    /// Its counters; none when nothing arrived in it.
    pub(super) fn link(&self) -> Option<Link> {
        self.kept.as_ref().map(|kept| kept.link)
    }

    /// Counts a void. Answers the client key it is sealed under.
    pub(super) fn count(self, draft: &mut Draft<'_>, void: &Message) -> Result<ClientKeyId, Stop> {
        let (mut link, key) = match &self.kept {
            Some(kept) => (kept.link, kept.key),
            None => (Link::default(), draft.new_key()?),
        };
        (link.received, link.incarnation) = (void.seq, void.incarnation);
        let clear = serde_json::to_string(&Kept { link, key }).map_err(|_| internal("writing a peer's counter"))?;
        draft.commit.expect.push(self.expected());
        draft.commit.put.push(Record {
            kind: Kind::Peer,
            id: self.id,
            version: self.version + 1,
            parent: None,
            open: false,
            alias: None,
            clear,
            sealed: None,
        });
        Ok(key)
    }

    /// A record takes over: the counters it starts with. Decided on what was read here, so that a void that comes in between counts.
    pub(super) fn started(self, draft: &mut Draft<'_>) -> Option<Link> {
        draft.commit.expect.push(self.expected());
        self.link()
    }

    fn expected(&self) -> Expect {
        Expect { kind: Kind::Peer, id: self.id.clone(), version: self.version }
    }
}
