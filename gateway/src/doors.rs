//! DOORS: where calls come in. Neighbours: the transport hands in requests, the desk decides; a door itself decides nothing of care.
//!
//! Every call goes the same way, in this order:
//! 1. guard: who calls (certificate, token); nobody known: refused, counted, not logged.
//! 2. Whether any of the caller's roles may do this ([`methods`]); a no is in the log before it is answered.
//! 3. `wire`: the request is read whole; every wrong field is told at once, and is in the log too.
//! 4. The desk executes or answers it, and logs what it does.
//!
//! Everything a door asks of the desk stands in [`FrontDesk`].

pub mod admin;
pub mod audit;
pub mod caller;
pub mod care;
pub mod federation;
mod guard;
pub mod health;
pub mod methods;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use schakel_domain::caller::{Act, Caller};
use schakel_domain::command::{AgreementAct, Command, LogAct, Operation, OperationsRead, ReadAct, Write};
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};
use schakel_domain::view::{AgreementAnswer, Answer, LogAnswer, LogCheck, LogFile, OperationsAnswer};
use schakel_proto::Method;
use tokio::sync::{mpsc, watch};
use tonic::{Request, Response, Status};

use self::caller::{Authentication, Identified};
use crate::desk::Reply;
use crate::store::EventRow;
use crate::wire::status::{from_refusal, from_refusals, language};

/// Most bytes of one request.
pub const MAX_REQUEST: usize = 1024 * 1024;
/// Most bytes of a request that brings a document: the largest bundle, in its request.
pub const MAX_DOCUMENT_REQUEST: usize = MAX_REQUEST + 4 * 1024;

/// What the doors ask of the desk. Whatever it refuses, it has logged itself.
pub trait FrontDesk: Send + Sync + 'static {
    /// Executes one command of one known caller.
    fn handle<'a>(&'a self, caller: &'a Caller, command: Command) -> BoxFuture<'a, Result<Reply, Refusal>>;
    /// Writes that a door refused a known caller. The door answers the refusal only after it is durable; when the log cannot be
    /// written it answers that instead.
    fn refused<'a>(&'a self, caller: &'a Caller, act: Act, refusal: &'a Refusal) -> BoxFuture<'a, Result<(), Refusal>>;
    /// Executes an operator's write, once per key; `REQUEST_ID_REUSED` for another body under the same key.
    fn operate<'a>(&'a self, caller: &'a Caller, operation: Operation) -> BoxFuture<'a, Result<Reply, Refusal>>;
    /// Answers what an operator reads; the read is logged.
    fn operations<'a>(&'a self, caller: &'a Caller, read: OperationsRead) -> BoxFuture<'a, Result<OperationsAnswer, Refusal>>;
    /// Answers what an auditor asks of the log, logged first; `NOT_FOUND` for an entry or size the log does not have.
    fn log<'a>(&'a self, caller: &'a Caller, act: LogAct) -> BoxFuture<'a, Result<LogAnswer, Refusal>>;
    /// Has the gateway check its own log, logged first: how far it is, again and again, and the verdict last. It ends when the channel is
    /// closed. `QUOTA_EXCEEDED` while another check is under way.
    fn check_log<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<mpsc::Receiver<Result<LogCheck, Refusal>>, Refusal>>;
    /// The log as files, the checkpoint last; logged first. Whoever makes the files waits while the channel is full and stops when it
    /// is closed. A refusal inside the channel ends the export.
    fn export_log<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<mpsc::Receiver<Result<LogFile, Refusal>>, Refusal>>;
    /// Answers and executes what is asked about agreements. A covenant that says no is an answer here, not a refusal. The answer, and
    /// whether it is the stored outcome of an earlier, equal request.
    fn agree<'a>(&'a self, caller: &'a Caller, act: AgreementAct) -> BoxFuture<'a, Result<(AgreementAnswer, bool), Refusal>>;
    /// Writes that somebody starts to read events; gives the lowest and highest sequence kept, (1, 0) when there is none.
    fn open_events<'a>(&'a self, caller: &'a Caller, actor: &'a Actor) -> BoxFuture<'a, Result<(u64, u64), Refusal>>;
    /// Events after a sequence, in order, for a reader that `open_events` let in; writes nothing. `CURSOR_EXPIRED` when the next
    /// event is no longer kept.
    fn events_after(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<Vec<EventRow>, Refusal>>;
    /// Tells the highest sequence of a committed event, as it rises; closed when the gateway stops.
    fn event_signal(&self) -> watch::Receiver<u64>;
}

/// One door: its name, the desk behind it, and how its callers are known.
#[derive(Clone)]
pub struct Door {
    name: &'static str,
    desk: Arc<dyn FrontDesk>,
    authentication: Arc<Authentication>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Door {
    /// A door: `care`, `audit` or `admin`.
    #[must_use]
    pub fn new(name: &'static str, desk: Arc<dyn FrontDesk>, authentication: Arc<Authentication>) -> Self {
        Self { name, desk, authentication }
    }

    /// Lets a known caller in for one method, if any of its roles may.
    async fn enter<T>(&self, method: Method, request: &Request<T>) -> Result<Visit<'_>, Status> {
        let lang = language(request.metadata().get("accept-language").and_then(|value| value.to_str().ok()));
        let Some(identified) = request.extensions().get::<Arc<Identified>>().cloned() else {
            return Err(from_refusal(&Refusal::new(Stage::Caller, Reason::Unauthenticated), lang));
        };
        let visit = Visit { door: self, identified, act: methods::rule(method).act, lang };
        match visit.identified.caller.may(visit.act) {
            Ok(()) => Ok(visit),
            Err(refusal) => Err(visit.refuse(vec![refusal]).await),
        }
    }

    /// A write of care.
    async fn write<T, R>(
        &self,
        method: Method,
        request: Request<T>,
        read: impl FnOnce(&T) -> Result<Write<schakel_domain::command::CareAct>, Vec<Refusal>>,
        show: impl FnOnce(Answer) -> Result<R, Refusal>,
    ) -> Result<Response<R>, Status> {
        let visit = self.enter(method, &request).await?;
        let write = visit.read(read(request.get_ref())).await?;
        visit.answers_for(&write.actor).await?;
        visit.reply(self.desk.handle(&visit.identified.caller, Command::Care(write)).await, show)
    }

    /// A read of care data.
    async fn look<T, R>(
        &self,
        method: Method,
        request: Request<T>,
        read: impl FnOnce(&T, &Actor) -> Result<ReadAct, Vec<Refusal>>,
        show: impl FnOnce(Answer) -> Result<R, Refusal>,
    ) -> Result<Response<R>, Status> {
        let visit = self.enter(method, &request).await?;
        let act = visit.read(read(request.get_ref(), &visit.identified.actor())).await?;
        visit.answers_for(&act.actor).await?;
        visit.reply(self.desk.handle(&visit.identified.caller, Command::Read(act)).await, show)
    }

    /// Anything about agreements.
    async fn agree<T, R>(
        &self,
        method: Method,
        request: Request<T>,
        read: impl FnOnce(&T, Lang) -> Result<AgreementAct, Vec<Refusal>>,
        show: impl FnOnce(AgreementAnswer) -> Result<R, Refusal>,
    ) -> Result<Response<R>, Status> {
        let visit = self.enter(method, &request).await?;
        let act = visit.read(read(request.get_ref(), visit.lang)).await?;
        let answered = self.desk.agree(&visit.identified.caller, act).await;
        let shown = answered.and_then(|(answer, replayed)| Ok(respond(show(answer)?, replayed)));
        shown.map_err(|refusal| visit.status(&refusal))
    }
}

/// One call of one known caller.
struct Visit<'a> {
    door: &'a Door,
    identified: Arc<Identified>,
    act: Act,
    lang: Lang,
}

impl Visit<'_> {
    /// Refuses, after the log holds it.
    async fn refuse(&self, refusals: Vec<Refusal>) -> Status {
        let Some(first) = refusals.first() else { return from_refusals(&refusals, self.lang) };
        match self.door.desk.refused(&self.identified.caller, self.act, first).await {
            Ok(()) => from_refusals(&refusals, self.lang),
            Err(unlogged) => self.status(&unlogged),
        }
    }

    /// What was read, or the refusal of all that was wrong.
    async fn read<T>(&self, read: Result<T, Vec<Refusal>>) -> Result<T, Status> {
        match read {
            Ok(read) => Ok(read),
            Err(wrong) => Err(self.refuse(wrong).await),
        }
    }

    /// A person acts for nobody else; a system names whoever acted.
    async fn answers_for(&self, actor: &Actor) -> Result<(), Status> {
        match self.identified.answers_for(actor) {
            Ok(()) => Ok(()),
            Err(refusal) => Err(self.refuse(vec![refusal]).await),
        }
    }

    fn reply<R>(&self, reply: Result<Reply, Refusal>, show: impl FnOnce(Answer) -> Result<R, Refusal>) -> Result<Response<R>, Status> {
        let shown = reply.and_then(|reply| Ok(respond(show(reply.answer)?, reply.replayed)));
        shown.map_err(|refusal| self.status(&refusal))
    }

    fn status(&self, refusal: &Refusal) -> Status {
        from_refusal(refusal, self.lang)
    }
}

/// An answer, marked when it is that of an earlier, equal request.
fn respond<R>(answer: R, replayed: bool) -> Response<R> {
    let mut response = Response::new(answer);
    if replayed {
        response.metadata_mut().insert("idempotent-replayed", tonic::metadata::MetadataValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests;
