//! `EventService`: the one durable sequence of events, watched or listed.
//!
//! A watcher pulls: nothing is buffered for it but one page, since the store keeps the events. A watcher that leaves an answer
//! unread for too long is closed, and resumes from its cursor.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{BoxStream, unfold};
use jiff::Timestamp;
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};
use schakel_proto::Method;
use schakel_proto::care::v1 as wire;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::doors::FrontDesk;
use crate::store::EventRow;
use crate::wire::care::event::{self, Start};
use crate::wire::names;
use crate::wire::status::from_refusal;

/// Events read at once for a watcher.
const PAGE: u32 = 100;

/// How a watch keeps time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Longest silence.
    pub(super) bookmark: Duration,
    /// Longest time an answer may stay unread.
    pub(super) patience: Duration,
}

const PACE: Pace = Pace { bookmark: Duration::from_secs(15), patience: Duration::from_secs(30) };

#[tonic::async_trait]
impl wire::event_service_server::EventService for super::Service {
    type WatchEventsStream = BoxStream<'static, Result<wire::WatchEventsResponse, Status>>;

    async fn watch_events(&self, request: Request<wire::WatchEventsRequest>) -> Result<Response<Self::WatchEventsStream>, Status> {
        let visit = self.door.enter(Method::CareWatchEvents, &request).await?;
        let watch = visit.read(event::watch(request.get_ref(), &visit.identified.actor())).await?;
        visit.answers_for(&watch.actor).await?;
        // The signal is taken first: an event committed between the two is then not missed.
        let signal = self.door.desk.event_signal();
        let range = self.door.desk.open_events(&visit.identified.caller, &watch.actor).await.map_err(|refusal| visit.status(&refusal))?;
        let position = position(watch.start, range).map_err(|refusal| visit.status(&refusal))?;
        let watcher = Watcher {
            desk: Arc::clone(&self.door.desk),
            signal,
            position,
            waiting: VecDeque::new(),
            greet: watch.start == Start::Now,
            given: None,
            until: visit.identified.until,
            lang: visit.lang,
            pace: PACE,
        };
        Ok(Response::new(watcher.stream()))
    }

    async fn list_events(&self, request: Request<wire::ListEventsRequest>) -> Result<Response<wire::ListEventsResponse>, Status> {
        let visit = self.door.enter(Method::CareListEvents, &request).await?;
        let (watch, size) = visit.read(event::list(request.get_ref(), &visit.identified.actor())).await?;
        visit.answers_for(&watch.actor).await?;
        let desk = &self.door.desk;
        let rows = async {
            let range = desk.open_events(&visit.identified.caller, &watch.actor).await?;
            let position = position(watch.start, range)?;
            Ok((position, desk.events_after(position, size).await?))
        };
        let (position, rows) = rows.await.map_err(|refusal: Refusal| visit.status(&refusal))?;
        let end = rows.last().map_or(position, |row| row.seq);
        let next_page_token = if end == 0 { String::new() } else { names::cursor(end) };
        Ok(Response::new(wire::ListEventsResponse { events: rows.iter().map(event::to_wire).collect(), next_page_token }))
    }
}

/// The sequence after which a reader starts. A cursor beyond the newest event is of another store, as after a restore.
fn position(start: Start, (lowest, highest): (u64, u64)) -> Result<u64, Refusal> {
    let before_lowest = lowest.saturating_sub(1);
    match start {
        Start::Oldest => Ok(before_lowest),
        Start::Now => Ok(highest.max(before_lowest)),
        Start::After(sequence) if (before_lowest..=highest.max(before_lowest)).contains(&sequence) => Ok(sequence),
        Start::After(_) => Err(Refusal::new(Stage::Door, Reason::CursorExpired)),
    }
}

/// One watch.
pub(super) struct Watcher {
    pub(super) desk: Arc<dyn FrontDesk>,
    pub(super) signal: watch::Receiver<u64>,
    /// The last event given.
    pub(super) position: u64,
    pub(super) waiting: VecDeque<EventRow>,
    /// Say where we are before anything happens.
    pub(super) greet: bool,
    /// When the last answer was given.
    pub(super) given: Option<Instant>,
    /// The login ends here.
    pub(super) until: Option<Timestamp>,
    pub(super) lang: Lang,
    pub(super) pace: Pace,
}

impl Watcher {
    /// Answers until something ends it; the end is the last answer.
    pub(super) fn stream(self) -> BoxStream<'static, Result<wire::WatchEventsResponse, Status>> {
        let stream = unfold(Some(self), |watcher| async {
            let mut watcher = watcher?;
            match watcher.next().await {
                Ok(answer) => {
                    watcher.given = Some(Instant::now());
                    Some((Ok(answer), Some(watcher)))
                }
                Err(refusal) => Some((Err(from_refusal(&refusal, watcher.lang)), None)),
            }
        });
        Box::pin(stream)
    }

    async fn next(&mut self) -> Result<wire::WatchEventsResponse, Refusal> {
        if self.given.is_some_and(|given| given.elapsed() > self.pace.patience) {
            return Err(Refusal::new(Stage::Door, Reason::SlowConsumer));
        }
        if std::mem::take(&mut self.greet) {
            return Ok(self.bookmark());
        }
        loop {
            if self.until.is_some_and(|until| until < Timestamp::now()) {
                return Err(Refusal::new(Stage::Caller, Reason::Unauthenticated).because("the login has expired"));
            }
            if let Some(row) = self.waiting.pop_front() {
                self.position = row.seq;
                let item = wire::watch_events_response::Item::Event(event::to_wire(&row));
                return Ok(wire::WatchEventsResponse { cursor: names::cursor(row.seq), item: Some(item) });
            }
            self.signal.mark_unchanged();
            self.waiting.extend(self.desk.events_after(self.position, PAGE).await?);
            if self.waiting.is_empty() {
                match tokio::time::timeout(self.pace.bookmark, self.signal.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(Refusal::new(Stage::Store, Reason::StoreUnavailable).because("the gateway stops")),
                    Err(_) => return Ok(self.bookmark()),
                }
            }
        }
    }

    fn bookmark(&self) -> wire::WatchEventsResponse {
        let item = wire::watch_events_response::Item::Bookmark(wire::Bookmark {});
        wire::WatchEventsResponse { cursor: names::cursor(self.position), item: Some(item) }
    }
}

#[cfg(test)]
mod tests;
