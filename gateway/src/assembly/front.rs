//! What the local doors ask, answered: the desk executes, the ledger proves, the courier tells how links stand. Everything that is
//! looked at is in the log first.

use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use schakel_domain::audit::event::EventCode;
use schakel_domain::audit::tree;
use schakel_domain::caller::{Act, Caller};
use schakel_domain::command::{AgreementAct, Command, LogAct, OperateAct, Operation, OperationsRead, PageOf};
use schakel_domain::id::OrgId;
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};
use schakel_domain::view::{
    AgreementAnswer, DutyView, LogAnswer, LogEntryView, LogFile, MessageState, MessageView, OperationsAnswer, PeerState, PeerView,
};
use tokio::sync::{mpsc, watch};

use super::covenants;
use super::trust::Trust;
use crate::adapter_door::AdapterStatus;
use crate::cosigner;
use crate::courier::{Courier, State};
use crate::desk::{Desk, Reply};
use crate::doors::FrontDesk;
use crate::ledger::{Ledger, LedgerError};
use crate::store::{EntryRow, EventRow, OutboxRow, OutboxState, StoreError};

/// Files of an export that wait for a slow reader.
const EXPORT_AHEAD: usize = 8;

/// The desk, the ledger and the courier, as the local doors see them.
pub(super) struct Front {
    /// The desk.
    pub desk: Arc<Desk>,
    /// The log's signer.
    pub ledger: Arc<Ledger>,
    /// The courier.
    pub courier: Arc<Courier>,
    /// What we trust, once the doors are open.
    pub trust: Arc<OnceLock<Arc<Trust>>>,
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
            let code = if matches!(act, LogAct::Verify) { EventCode::AuditVerified } else { EventCode::AuditViewed };
            self.desk.witness(caller, None, code, act.act(), act.act().name()).await?;
            self.answer_log(act).await
        })
    }

    fn export_log<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<mpsc::Receiver<Result<LogFile, Refusal>>, Refusal>> {
        Box::pin(async move {
            self.desk.witness(caller, None, EventCode::AuditExported, Act::ExportLog, Act::ExportLog.name()).await?;
            let (sender, receiver) = mpsc::channel(EXPORT_AHEAD);
            let ledger = Arc::clone(&self.ledger);
            let (store, now) = (Arc::clone(self.desk.store()), self.desk.now());
            tokio::spawn(async move { super::export::files(&*store, &ledger, now, &sender).await });
            Ok(receiver)
        })
    }

    fn agree<'a>(&'a self, caller: &'a Caller, act: AgreementAct) -> BoxFuture<'a, Result<AgreementAnswer, Refusal>> {
        Box::pin(async move {
            match act {
                AgreementAct::InstallCovenant { bundle, .. } => {
                    let is_new = self.desk.install_covenant(caller, &bundle).await?;
                    covenants::installed(self.desk.agreements(), &bundle, is_new)
                }
                AgreementAct::InstallPartyRecord { record, .. } => {
                    let is_new = self.desk.install_party_record(caller, record.as_bytes()).await?;
                    covenants::record_installed(&record, is_new)
                }
                read => {
                    self.desk.witness(caller, None, EventCode::CovenantViewed, read.act(), read.act().name()).await?;
                    self.answer_agreement(read)
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

impl Front {
    async fn peers(&self, page: &PageOf) -> Result<OperationsAnswer, Refusal> {
        let agreements = self.desk.agreements();
        let now = self.desk.now();
        let mut peers: Vec<OrgId> = agreements.parties(now);
        peers.retain(|org| org.as_str() > page.after.as_str());
        let more = peers.len() > page.size as usize;
        peers.truncate(page.size as usize);
        let ends = self.trust.get().map(|trust| trust.certificate_ends()).unwrap_or_default();
        let mut views = Vec::with_capacity(peers.len());
        for org in peers {
            let status = self.courier.status(&org).await.map_err(|error| unavailable(&error))?;
            let stopped = agreements.held().stopped.get(&org).cloned();
            let expired = agreements.held().records.for_new(&org, now).is_err();
            let state = match (&stopped, status.state) {
                (Some(_), _) => PeerState::Stopped,
                // Whatever else is wrong with it: this gateway lost data.
                (None, State::PeerKnowsMore) => PeerState::KnowsMore,
                (None, State::Waiting) => PeerState::Unreachable,
                (None, _) if expired => PeerState::Expired,
                (None, _) => PeerState::Open,
            };
            views.push(PeerView {
                name: agreements.name(&org),
                state,
                refusal: if stopped.is_some() { None } else { status.last_refusal },
                certificate_ends: ends.get(&org).copied(),
                reason: stopped.or(status.last_error),
                waiting: status.waiting,
                oldest: status.oldest,
                next_attempt: status.next_attempt.and_then(|wait| now.checked_add(wait).ok()),
                contact: None,
                organization: org,
            });
        }
        let next = views.last().map(|view| view.organization.to_string()).filter(|_| more);
        Ok(OperationsAnswer::Peers(views, next))
    }

    async fn messages(&self, peer: &OrgId, state: MessageState, after: u64, size: u32) -> Result<OperationsAnswer, Refusal> {
        let wanted = match state {
            MessageState::Waiting => OutboxState::Waiting,
            MessageState::Delivered => OutboxState::Delivered,
            MessageState::Parked => OutboxState::Parked,
            MessageState::Cancelled => OutboxState::Cancelled,
        };
        let rows = self.desk.store().outbox(peer, wanted, after, size).await.map_err(|error| unavailable(&error))?;
        let next = rows.last().map(|row| row.number).filter(|_| rows.len() == size as usize);
        Ok(OperationsAnswer::Messages(rows.into_iter().map(|row| message_view(row, state)).collect(), next))
    }

    fn adapters(&self, page: &PageOf) -> OperationsAnswer {
        let views = self.adapters.iter().map(|status| status.view());
        let mut left = views.filter(|view| view.name.as_str() > page.after.as_str());
        let shown: Vec<_> = left.by_ref().take(page.size as usize).collect();
        let next = left.next().and(shown.last()).map(|view| view.name.clone());
        OperationsAnswer::Adapters(shown, next)
    }

    async fn answer_log(&self, act: LogAct) -> Result<LogAnswer, Refusal> {
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
            LogAct::Verify => {
                let report = self.ledger.verify().await.map_err(|error| unavailable(&error))?;
                Ok(LogAnswer::Verdict {
                    ok: report.ok(),
                    entries: report.entries,
                    first_bad: report.finding.as_ref().and_then(|finding| finding.index),
                    check: report.finding.as_ref().map(|finding| finding.check.code().to_owned()).unwrap_or_default(),
                    text_nl: report.text(Lang::Nl),
                    text_en: report.text(Lang::En),
                })
            }
            LogAct::Inclusion { index, size } => self.inclusion(index, size).await,
            LogAct::Consistency { from, to } => self.consistency(from, to).await,
        }
    }

    async fn inclusion(&self, index: u64, size: Option<u64>) -> Result<LogAnswer, Refusal> {
        let size = self.signed_size(size)?;
        let row = self.ledger.entry(index).await.map_err(|error| unavailable(&error))?.ok_or_else(not_found)?;
        let path = self.ledger.inclusion_proof(index, size).await.map_err(|error| ledger_refusal(&error))?.ok_or_else(not_found)?;
        let root = self.root(size).await?;
        Ok(LogAnswer::Inclusion { size, leaf: row.entry.leaf, path, root })
    }

    async fn consistency(&self, from: u64, to: Option<u64>) -> Result<LogAnswer, Refusal> {
        let to = self.signed_size(to)?;
        let path = self.ledger.consistency_proof(from, to).await.map_err(|error| ledger_refusal(&error))?.ok_or_else(not_found)?;
        Ok(LogAnswer::Consistency { to, path, from_root: self.root(from).await?, to_root: self.root(to).await? })
    }

    fn signed_size(&self, size: Option<u64>) -> Result<u64, Refusal> {
        let newest = self.ledger.checkpoint().ok_or_else(not_found)?.checkpoint.size;
        size.map_or(Ok(newest), |size| if size <= newest { Ok(size) } else { Err(not_found()) })
    }

    /// The root of the log at a size: from its leaves, for proofs against an older head.
    async fn root(&self, size: u64) -> Result<schakel_domain::id::Hash, Refusal> {
        if let Some(signed) = self.ledger.checkpoint().filter(|signed| signed.checkpoint.size == size) {
            return Ok(signed.checkpoint.root);
        }
        let mut frontier = tree::Frontier::default();
        while frontier.size() < size {
            let wanted = u32::try_from((size - frontier.size()).min(65_536)).unwrap_or(65_536);
            let leaves = self.desk.store().leaves(frontier.size(), wanted).await.map_err(|error| unavailable(&error))?;
            if leaves.is_empty() {
                return Err(not_found());
            }
            leaves.into_iter().for_each(|leaf| frontier.push(leaf, |_, _, _| {}));
        }
        Ok(frontier.root())
    }

    fn answer_agreement(&self, act: AgreementAct) -> Result<AgreementAnswer, Refusal> {
        let agreements = self.desk.agreements();
        let held = agreements.held();
        let now = self.desk.now();
        let book = held.book.as_ref().ok_or_else(|| Refusal::new(Stage::Covenant, Reason::CovenantMissing))?;
        match act {
            AgreementAct::List(page) => Ok(covenants::list(book, &page, now)),
            AgreementAct::Show { covenant, version } => covenants::show(book, &covenant, version, now),
            AgreementAct::Explain { covenant, version, organization, lang } => {
                covenants::explained(book, &covenant, version, organization.as_ref().unwrap_or(self.desk.me()), lang, now)
            }
            AgreementAct::Check(asked) => {
                let wish = crate::agreements::Wish {
                    from: asked.from.clone(),
                    to: Some(asked.to.clone()),
                    act: covenants::act(asked.act)?,
                    service: asked.service.clone().unwrap_or_default(),
                    age: asked.age,
                    municipality: asked.municipality.clone(),
                    urgency: asked.urgency.clone().unwrap_or_default(),
                };
                Ok(AgreementAnswer::Checked(Box::new(covenants::checked(agreements.permits(&wish, now)))))
            }
            AgreementAct::Duty(org) => Ok(AgreementAnswer::Duty(DutyView {
                name: agreements.name(&org),
                lines: agreements.calls(&org),
                expires: held.records.newest(&org).map(|record| record.expires),
                organization: org,
            })),
            AgreementAct::InstallCovenant { .. } | AgreementAct::InstallPartyRecord { .. } => {
                Err(Refusal::new(Stage::Door, Reason::Internal).because("installing is no read"))
            }
        }
    }
}

fn in_time(row: &EntryRow, since: Option<jiff::Timestamp>, before: Option<jiff::Timestamp>) -> bool {
    let Ok(entry) = schakel_domain::audit::entry::Entry::parse(&row.entry.bytes) else { return true };
    let Ok(at) = entry.event.time.parse::<jiff::Timestamp>() else { return true };
    since.is_none_or(|since| at >= since) && before.is_none_or(|before| at < before)
}

fn entry_view(row: EntryRow) -> LogEntryView {
    LogEntryView { index: row.index, bytes: row.entry.bytes, leaf: row.entry.leaf }
}

fn message_view(row: OutboxRow, state: MessageState) -> MessageView {
    MessageView {
        id: row.message.message,
        peer: row.message.peer,
        kind: row.message.kind,
        state,
        reason: row.reason,
        number: row.number,
        hash: row.message.hash,
        queued: row.queued,
        changed: row.changed,
    }
}

fn unavailable(error: &StoreError) -> Refusal {
    tracing::error!(error = %error, "store");
    Refusal::new(Stage::Store, Reason::StoreUnavailable)
}

fn ledger_refusal(error: &LedgerError) -> Refusal {
    tracing::error!(error = %error, "ledger");
    Refusal::new(Stage::Store, Reason::AuditUnavailable)
}

fn not_found() -> Refusal {
    Refusal::new(Stage::State, Reason::NotFound)
}
