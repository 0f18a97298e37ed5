//! What auditors ask of the log: entries, heads, proofs, and whether all of it holds.

use std::sync::Arc;

use schakel_domain::audit::entry::Entry;
use schakel_domain::command::LogAct;
use schakel_domain::id::Hash;
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};
use schakel_domain::view::{LogAnswer, LogCheck, LogEntryView, LogVerdict};
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Front, not_found, unavailable};
use crate::cosigner;
use crate::ledger::{Ledger, LedgerError};
use crate::store::EntryRow;

/// Checks of the whole log at once: each reads every entry.
const MAX_CHECKS: usize = 1;

/// Gives out the places of checks of the whole log.
pub struct Checks(Arc<Semaphore>);

impl Default for Checks {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_CHECKS)))
    }
}

impl Checks {
    /// A place, while there is one.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let full =
            |_| Refusal::new(Stage::Door, Reason::QuotaExceeded).because("a check of the whole log is under way; ask again after it");
        Arc::clone(&self.0).try_acquire_owned().map_err(full)
    }
}

/// Checks the whole log and tells how far it is, then the verdict; ends when nobody listens any more.
pub(super) async fn check(ledger: &Ledger, to: &Sender<Result<LogCheck, Refusal>>) {
    // Before the first entry is read: whoever asked hears at once that it began.
    let began = to.send(Ok(LogCheck::Checked(0))).await;
    // Progress that finds no room is passed over: the next says more.
    let tell = |entries: u64| drop(to.try_send(Ok(LogCheck::Checked(entries))));
    let verdict = tokio::select! {
        report = ledger.verify_telling(&tell), if began.is_ok() => report,
        () = to.closed() => return,
    };
    let verdict = verdict.map_err(|error| unavailable(&error)).map(|report| {
        LogCheck::Verdict(Box::new(LogVerdict {
            ok: report.ok(),
            entries: report.entries,
            first_bad: report.finding.as_ref().and_then(|finding| finding.index),
            check: report.finding.as_ref().map(|finding| finding.check.code().to_owned()).unwrap_or_default(),
            text_nl: report.text(Lang::Nl),
            text_en: report.text(Lang::En),
        }))
    });
    // A reader that is gone needs no answer.
    let _gone = to.send(verdict).await;
}

impl Front {
    pub(super) async fn answer_log(&self, act: LogAct) -> Result<LogAnswer, Refusal> {
        match act {
            LogAct::Entries { from, size, case, since, before } => {
                let store = self.desk.store();
                let rows = match case {
                    Some(case) => store.entries_of(&case.to_string(), from, size).await,
                    None => store.entries(from, size).await,
                };
                let rows = rows.map_err(|error| unavailable(&error))?;
                let next = rows.last().map(|row| row.index + 1).filter(|_| rows.len() == size as usize);
                let within = |row: &EntryRow| in_time(row, since, before);
                Ok(LogAnswer::Entries(rows.into_iter().filter(within).map(entry_view).collect(), next))
            }
            LogAct::Entry(index) => {
                let row = self.ledger.entry(index).await.map_err(|error| unavailable(&error))?;
                row.map(entry_view).map(LogAnswer::Entry).ok_or_else(not_found)
            }
            LogAct::Checkpoint => {
                let signed = self.ledger.checkpoint().ok_or_else(not_found)?;
                let (size, root) = (signed.checkpoint.size, signed.checkpoint.root);
                // With its cosignatures as soon as it has them.
                let cosigned = cosigner::kept(&**self.desk.store(), self.ledger.vkey()).await.map_err(|error| unavailable(&error))?.1;
                let note = cosigned
                    .filter(|cosigned| cosigned.checkpoint == signed.checkpoint)
                    .map_or(signed.note.clone(), |cosigned| cosigned.note);
                Ok(LogAnswer::Checkpoint { size, root, note: note.into_bytes() })
            }
            LogAct::Inclusion { index, size } => self.inclusion(index, size).await,
            LogAct::Consistency { from, to } => self.consistency(from, to).await,
        }
    }

    async fn inclusion(&self, index: u64, size: Option<u64>) -> Result<LogAnswer, Refusal> {
        let size = self.signed_size(size)?;
        let row = self.ledger.entry(index).await.map_err(|error| unavailable(&error))?.ok_or_else(not_found)?;
        let path = self.ledger.inclusion_proof(index, size).await.map_err(|error| ledger_refusal(&error))?.ok_or_else(not_found)?;
        let root = self.root_of(size).await?;
        Ok(LogAnswer::Inclusion { size, leaf: row.entry.leaf, path, root })
    }

    async fn consistency(&self, from: u64, to: Option<u64>) -> Result<LogAnswer, Refusal> {
        let to = self.signed_size(to)?;
        let path = self.ledger.consistency_proof(from, to).await.map_err(|error| ledger_refusal(&error))?.ok_or_else(not_found)?;
        Ok(LogAnswer::Consistency { to, path, from_root: self.root_of(from).await?, to_root: self.root_of(to).await? })
    }

    fn signed_size(&self, size: Option<u64>) -> Result<u64, Refusal> {
        let newest = self.ledger.checkpoint().ok_or_else(not_found)?.checkpoint.size;
        size.map_or(Ok(newest), |size| if size <= newest { Ok(size) } else { Err(not_found()) })
    }

    /// The root of the log at a size that is signed: from a few tiles, however old it is.
    async fn root_of(&self, size: u64) -> Result<Hash, Refusal> {
        self.ledger.root(size).await.map_err(|error| ledger_refusal(&error))?.ok_or_else(not_found)
    }
}

fn in_time(row: &EntryRow, since: Option<jiff::Timestamp>, before: Option<jiff::Timestamp>) -> bool {
    let Ok(entry) = Entry::parse(&row.entry.bytes) else { return true };
    let Ok(at) = entry.event.time.parse::<jiff::Timestamp>() else { return true };
    since.is_none_or(|since| at >= since) && before.is_none_or(|before| at < before)
}

fn entry_view(row: EntryRow) -> LogEntryView {
    LogEntryView { index: row.index, bytes: row.entry.bytes, leaf: row.entry.leaf }
}

fn ledger_refusal(error: &LedgerError) -> Refusal {
    tracing::error!(error = %error, "ledger");
    Refusal::new(Stage::Store, Reason::AuditUnavailable)
}

#[cfg(test)]
mod tests {
    use schakel_domain::audit::checkpoint::origin;
    use schakel_domain::audit::note::{KeyType, Signer};
    use tokio::sync::mpsc;

    use super::*;
    use crate::store::memory;

    async fn empty() -> Ledger {
        let key = Signer::from_seed(&origin(&"ura:90000382".parse().unwrap()), KeyType::Ed25519, &[42; 32]).unwrap();
        Ledger::open(memory::new(), key, None).await.unwrap()
    }

    #[test]
    fn one_check_at_a_time() {
        let checks = Checks::default();
        let first = checks.place().unwrap();

        assert_eq!(checks.place().err().map(|refusal| refusal.reason), Some(Reason::QuotaExceeded));

        drop(first);
        assert!(checks.place().is_ok());
    }

    #[tokio::test]
    async fn whoever_asks_hears_at_once_that_it_began_and_at_last_how_it_ended() {
        let (sender, mut steps) = mpsc::channel(2);

        check(&empty().await, &sender).await;
        drop(sender);

        assert_eq!(steps.recv().await, Some(Ok(LogCheck::Checked(0))));
        assert!(matches!(steps.recv().await, Some(Ok(LogCheck::Verdict(verdict))) if verdict.ok && verdict.entries == 0));
        assert_eq!(steps.recv().await, None);
    }

    #[tokio::test]
    async fn nothing_is_checked_for_nobody() {
        let (sender, steps) = mpsc::channel(2);
        drop(steps);

        check(&empty().await, &sender).await;
    }
}
