//! Notices: follow the event sequence with a cursor that moves only after what it passed is durable.

use std::fs;
use std::io::{self, ErrorKind};

use schakel_adapters::{Notice, Outlet};
use schakel_domain::refusal::Refusal;
use tracing::Instrument as _;

use super::{FileDropDoor, blocking, erased};
use crate::adapter_door::folder;
use crate::store::{EventRow, StoreError};
use crate::telemetry::spans;

/// Events read at once; after a crash at most so many notices come again.
const BATCH: u32 = 16;
/// Name of the cursor's file.
const CURSOR: &str = "cursor";
/// Longest cursor: the digits of the highest position and a line end.
const CURSOR_BYTES: usize = 24;

/// Why no more notices can be told now. What was told stays told.
#[derive(Debug, thiserror::Error)]
pub enum Stalled {
    /// Files cannot be written.
    #[error("files: {0}")]
    Files(#[from] io::Error),
    /// The event sequence cannot be read.
    #[error("events: {0}")]
    Events(#[from] StoreError),
    /// What an event is about cannot be read now.
    #[error("reading for a notice: {}", .0.reason.code())]
    Read(Refusal),
    /// The system does not take its notices away.
    #[error("{0} notices wait to be read")]
    Unread(usize),
}

impl FileDropDoor {
    /// Tells everything that happened since the cursor; how many notices were written.
    ///
    /// # Errors
    /// When it cannot go on now. The next call goes on from the last batch that was durable; a notice that comes twice has one name.
    pub async fn announce(&self) -> Result<usize, Stalled> {
        let folders = self.folders.clone();
        let unread = blocking(move || Ok(fs::read_dir(&folders.notices)?.count())).await?;
        let known = self.cursor().await?;
        let mut cursor = known.unwrap_or_default();
        let mut told = 0;
        loop {
            self.status.waiting(unread + told);
            if unread + told >= self.config.unread_notices {
                return Err(Stalled::Unread(unread + told));
            }
            let rows = self.feed.events_after(cursor, BATCH).await?;
            let Some(first) = rows.first() else { break };
            if known.is_some() && first.seq > cursor + 1 {
                self.tell_missed(first).await?;
            }
            let (reached, written, stalled) = self.tell_all(&rows, cursor).await;
            if reached != cursor {
                self.set_cursor(reached).await?;
            }
            (cursor, told) = (reached, told + written);
            if let Some(stalled) = stalled {
                return Err(stalled);
            }
        }
        self.step_back(cursor).await?;
        Ok(told)
    }

    /// Tells these events in order: the last one that is durable, how many notices that made, and what stopped it.
    async fn tell_all(&self, rows: &[EventRow], mut reached: u64) -> (u64, usize, Option<Stalled>) {
        let mut written = 0;
        for row in rows {
            if row.event.kind.ends_with(".erased")
                && let Err(error) = self.purge(&row.event.resource).await
            {
                return (reached, written, Some(Stalled::Files(error)));
            }
            let span = spans::notice(&row.event.kind, row.trace);
            let told = match self.describe.notice(row).instrument(span.clone()).await {
                Ok(Some(notice)) => self.put(&notice).instrument(span).await.map(|()| 1).map_err(Stalled::Files),
                Ok(None) => Ok(0),
                Err(refusal) => Err(Stalled::Read(refusal)),
            };
            match told {
                Ok(notices) => (reached, written) = (row.seq, written + notices),
                Err(stalled) => return (reached, written, Some(stalled)),
            }
        }
        (reached, written, None)
    }

    /// What speaks of something erased goes before it is told.
    async fn purge(&self, resource: &str) -> io::Result<()> {
        let (folders, resource) = (self.folders.clone(), resource.to_owned());
        blocking(move || erased::purge(&folders, &resource)).await
    }

    async fn put(&self, notice: &Notice) -> io::Result<()> {
        let document = self.adapter.render(notice);
        let notices = self.folders.notices.clone();
        blocking(move || folder::write(&notices, &document.name, &document.bytes)).await?;
        self.status.worked();
        Ok(())
    }

    /// Events were removed before they were told: the system is told that it must compare, once, under a name that does not change.
    async fn tell_missed(&self, first: &EventRow) -> io::Result<()> {
        let notice = Notice {
            seq: first.seq - 1,
            kind: "notices.missed".to_owned(),
            at: first.at,
            resource: String::new(),
            state: "missed".to_owned(),
            version: None,
            label: None,
            responsibility: None,
            respond_by: None,
            content: None,
        };
        self.put(&notice).await
    }

    /// A cursor beyond the newest event followed a store that is no longer there; left alone it would pass over new events in silence.
    async fn step_back(&self, cursor: u64) -> Result<(), Stalled> {
        let newest = self.feed.newest().await?;
        if cursor > newest {
            tracing::error!(
                cursor,
                newest,
                "file drop: the cursor is beyond the newest event, the store was restored; following from there"
            );
            self.set_cursor(newest).await?;
        }
        Ok(())
    }

    /// The cursor; none at the first start. One that cannot be read counts as none: telling again is safe, telling nothing is not.
    async fn cursor(&self) -> io::Result<Option<u64>> {
        let path = self.folders.root.join(CURSOR);
        blocking(move || match folder::read(&path, CURSOR_BYTES) {
            Ok(bytes) => {
                let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
                let cursor = text.and_then(|text| text.trim_end().parse().ok());
                if cursor.is_none() {
                    tracing::error!("file drop: the cursor cannot be read; telling everything that is kept again");
                }
                Ok(cursor)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn set_cursor(&self, reached: u64) -> io::Result<()> {
        let root = self.folders.root.clone();
        blocking(move || folder::write(&root, CURSOR, format!("{reached}\n").as_bytes())).await
    }
}
