//! Sends an export of the log to a reader, file by file; a slow reader slows the reading down.

use std::io;

use futures_util::future::BoxFuture;
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::view::LogFile;
use tokio::sync::mpsc::Sender;

use crate::ledger::Ledger;
use crate::ledger::export::{ExportFailed, Sink, export, nothing};
use crate::store::Store;

type File = schakel_domain::audit::export::File;

/// Everything up to the newest checkpoint, the checkpoint last. What fails ends the stream with its refusal.
pub(super) async fn files(store: &dyn Store, ledger: &Ledger, now: jiff::Timestamp, to: &Sender<Result<LogFile, Refusal>>) {
    let mut sink = Channel(to.clone());
    if let Err(failed) = export(store, ledger.vkey(), &mut sink, &nothing, now).await {
        let reason = match &failed {
            ExportFailed::Unsigned => Reason::NotFound,
            _ => Reason::AuditUnavailable,
        };
        tracing::warn!(error = %failed, "an export of the log ended early");
        // A reader that is gone needs no answer.
        let _gone = to.send(Err(Refusal::new(Stage::Store, reason))).await;
    }
}

struct Channel(Sender<Result<LogFile, Refusal>>);

impl Sink for Channel {
    fn put(&mut self, (path, bytes): File) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move { self.0.send(Ok(LogFile { path, bytes })).await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe)) })
    }
}
