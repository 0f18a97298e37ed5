//! FRONT DESK: answers what the local doors ask. The desk lets in, executes and logs; then the ledger proves (`log`, `export`), the
//! courier and the adapters tell how they stand (`operations`), and the agreements are shown (`agreements`). Everything that is looked at
//! is in the log first.

mod agreements;
mod export;
mod log;
mod operations;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::{Act, Caller};
use schakel_domain::command::{AgreementAct, Command, LogAct, OperateAct, Operation, OperationsRead};
use schakel_domain::id::OrgId;
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::view::{AgreementAnswer, LogAnswer, LogCheck, LogFile, OperationsAnswer};
use tokio::sync::{mpsc, watch};

pub use self::log::Checks;
use crate::adapter_door::AdapterStatus;
use crate::courier::Courier;
use crate::desk::{Desk, Paper, Reply};
use crate::doors::FrontDesk;
use crate::ledger::Ledger;
use crate::store::{EventRow, StoreError};

/// Files of an export that wait for a slow reader.
const EXPORT_AHEAD: usize = 8;
/// Answers of a check of the log that wait for a slow reader.
const CHECK_AHEAD: usize = 2;

/// Asked when the first certificate of each organisation's chain ends, as it was shown last.
pub type CertificateEnds = Arc<dyn Fn() -> BTreeMap<OrgId, Timestamp> + Send + Sync>;

/// The desk, the ledger and the courier, as the local doors see them.
pub struct Front {
    /// The desk.
    pub desk: Arc<Desk>,
    /// The log's signer.
    pub ledger: Arc<Ledger>,
    /// The courier.
    pub courier: Arc<Courier>,
    /// Until when the certificates of peers are good.
    pub certificate_ends: CertificateEnds,
    /// Places for checks of the whole log.
    pub checks: Checks,
    /// The adapters that run, in order of their names.
    pub adapters: Vec<Arc<AdapterStatus>>,
}

impl FrontDesk for Front {
    fn handle<'a>(&'a self, caller: &'a Caller, command: Command) -> BoxFuture<'a, Result<Reply, Refusal>> {
        Box::pin(self.desk.handle(caller, command))
    }

    fn refused<'a>(&'a self, caller: &'a Caller, act: Act, refusal: &'a Refusal) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(self.desk.refused(caller, act, refusal))
    }

    fn operate<'a>(&'a self, caller: &'a Caller, operation: Operation) -> BoxFuture<'a, Result<Reply, Refusal>> {
        Box::pin(async move {
            let reply = self.desk.operate_once(caller, &operation).await?;
            // The desk judges and logs it; ending the wait after failed attempts is the courier's.
            if let OperateAct::Retry { peer } = &operation.act
                && !reply.replayed
            {
                self.courier.retry(peer);
            }
            Ok(reply)
        })
    }

    fn operations<'a>(&'a self, caller: &'a Caller, read: OperationsRead) -> BoxFuture<'a, Result<OperationsAnswer, Refusal>> {
        Box::pin(async move {
            self.desk.witness(caller, None, EventCode::OperationsViewed, read.act(), read.act().name()).await?;
            match read {
                OperationsRead::Peers(page) => self.peers(&page).await,
                OperationsRead::Messages { peer, state, after, size } => self.messages(&peer, state, after, size).await,
                OperationsRead::Adapters(page) => Ok(self.adapters(&page)),
            }
        })
    }

    fn log<'a>(&'a self, caller: &'a Caller, act: LogAct) -> BoxFuture<'a, Result<LogAnswer, Refusal>> {
        Box::pin(async move {
            self.desk.witness(caller, None, EventCode::AuditViewed, act.act(), act.act().name()).await?;
            self.answer_log(act).await
        })
    }

    fn check_log<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<mpsc::Receiver<Result<LogCheck, Refusal>>, Refusal>> {
        Box::pin(async move {
            self.desk.witness(caller, None, EventCode::AuditVerified, Act::VerifyLog, Act::VerifyLog.name()).await?;
            let place = self.checks.place()?;
            let (sender, receiver) = mpsc::channel(CHECK_AHEAD);
            let ledger = Arc::clone(&self.ledger);
            tokio::spawn(async move {
                log::check(&ledger, &sender).await;
                drop(place);
            });
            Ok(receiver)
        })
    }

    fn export_log<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<mpsc::Receiver<Result<LogFile, Refusal>>, Refusal>> {
        Box::pin(async move {
            self.desk.witness(caller, None, EventCode::AuditExported, Act::ExportLog, Act::ExportLog.name()).await?;
            let (sender, receiver) = mpsc::channel(EXPORT_AHEAD);
            let ledger = Arc::clone(&self.ledger);
            let (store, now) = (Arc::clone(self.desk.store()), self.desk.now());
            tokio::spawn(async move { export::files(&*store, &ledger, now, &sender).await });
            Ok(receiver)
        })
    }

    fn agree<'a>(&'a self, caller: &'a Caller, act: AgreementAct) -> BoxFuture<'a, Result<(AgreementAnswer, bool), Refusal>> {
        Box::pin(async move {
            match act {
                AgreementAct::InstallCovenant { request, body, bundle } => {
                    let done = self.desk.install_once(caller, Paper::Covenant(&bundle), request, body).await?;
                    Ok((agreements::installed(self.desk.agreements(), &bundle, done.is_new)?, done.replayed))
                }
                AgreementAct::InstallPartyRecord { request, body, record } => {
                    let done = self.desk.install_once(caller, Paper::PartyRecord(record.as_bytes()), request, body).await?;
                    Ok((agreements::record_installed(&record, done.is_new)?, done.replayed))
                }
                read => {
                    self.desk.witness(caller, None, EventCode::CovenantViewed, read.act(), read.act().name()).await?;
                    self.answer_agreement(read).map(|answer| (answer, false))
                }
            }
        })
    }

    fn open_events<'a>(&'a self, caller: &'a Caller, actor: &'a Actor) -> BoxFuture<'a, Result<(u64, u64), Refusal>> {
        Box::pin(async move {
            self.desk.witness(caller, Some(actor), EventCode::EventsWatched, Act::WatchEvents, Act::WatchEvents.name()).await?;
            self.desk.store().event_range().await.map_err(|error| unavailable(&error))
        })
    }

    fn events_after(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<Vec<EventRow>, Refusal>> {
        Box::pin(async move {
            let (lowest, _) = self.desk.store().event_range().await.map_err(|error| unavailable(&error))?;
            if after + 1 < lowest {
                return Err(Refusal::new(Stage::State, Reason::CursorExpired));
            }
            self.desk.store().events(after, limit).await.map_err(|error| unavailable(&error))
        })
    }

    fn event_signal(&self) -> watch::Receiver<u64> {
        self.desk.signals().events()
    }
}

fn unavailable(error: &StoreError) -> Refusal {
    tracing::error!(error = %error, "store");
    Refusal::new(Stage::Store, Reason::StoreUnavailable)
}

fn not_found() -> Refusal {
    Refusal::new(Stage::State, Reason::NotFound)
}
