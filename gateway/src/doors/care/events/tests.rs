//! A watch: nothing missed, nothing twice, a sign of life, and an end for who does not read or may no longer.

use futures_util::StreamExt as _;

use super::*;
use crate::doors::tests::kit::Desk;
use crate::store::NewEvent;
use crate::wire::status::to_refusal;
use wire::watch_events_response::Item;

const LIVELY: Pace = Pace { bookmark: Duration::from_secs(3600), patience: Duration::from_secs(3600) };

fn happen(desk: &Desk, count: u64) {
    let mut events = desk.events.lock().unwrap();
    for _ in 0..count {
        let seq = events.last().map_or(1, |row| row.seq + 1);
        let event = NewEvent { kind: "case.opened".to_owned(), resource: "cases/x".to_owned(), state: "lead".to_owned() };
        events.push(EventRow { seq, event, at: Timestamp::UNIX_EPOCH, trace: None });
    }
    let highest = events.last().map_or(0, |row| row.seq);
    drop(events);
    desk.signal.send_replace(highest);
}

fn watcher(desk: &Arc<Desk>, position: u64, pace: Pace) -> Watcher {
    Watcher {
        signal: desk.event_signal(),
        desk: Arc::clone(desk) as Arc<dyn FrontDesk>,
        position,
        waiting: VecDeque::new(),
        greet: false,
        given: None,
        until: None,
        lang: Lang::En,
        pace,
    }
}

fn sequence(answer: Option<Result<wire::WatchEventsResponse, Status>>) -> i64 {
    match answer.unwrap().unwrap().item.unwrap() {
        Item::Event(event) => event.sequence,
        Item::Bookmark(_) => panic!("a bookmark"),
    }
}

fn reason(answer: Option<Result<wire::WatchEventsResponse, Status>>) -> Reason {
    to_refusal(&answer.unwrap().unwrap_err()).unwrap().reason
}

#[tokio::test]
async fn a_watch_gives_every_event_once_in_order_also_those_that_happen_meanwhile() {
    let desk = Arc::new(Desk::default());
    happen(&desk, 250);
    let mut stream = watcher(&desk, 3, LIVELY).stream();

    for expected in 4..=250 {
        assert_eq!(sequence(stream.next().await), expected);
    }
    let (next, ()) = tokio::join!(stream.next(), async { happen(&desk, 1) });
    assert_eq!(sequence(next), 251);
}

#[tokio::test]
async fn silence_is_broken_by_a_bookmark_that_can_be_resumed_from() {
    let desk = Arc::new(Desk::default());
    happen(&desk, 7);
    let mut stream = watcher(&desk, 7, Pace { bookmark: Duration::from_millis(1), ..LIVELY }).stream();

    let answer = stream.next().await.unwrap().unwrap();

    assert_eq!(answer.cursor, names::cursor(7));
    assert!(matches!(answer.item, Some(Item::Bookmark(_))));
}

#[tokio::test]
async fn a_reader_that_leaves_an_answer_unread_is_closed() {
    let desk = Arc::new(Desk::default());
    happen(&desk, 2);
    let mut stream = watcher(&desk, 0, Pace { patience: Duration::ZERO, ..LIVELY }).stream();

    assert_eq!(sequence(stream.next().await), 1);
    assert_eq!(reason(stream.next().await), Reason::SlowConsumer);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_watch_ends_with_the_login_and_with_what_is_kept() {
    let desk = Arc::new(Desk::default());
    happen(&desk, 2);
    let mut late = watcher(&desk, 0, LIVELY);
    late.until = Some(Timestamp::UNIX_EPOCH);
    assert_eq!(reason(late.stream().next().await), Reason::Unauthenticated);

    desk.lowest.store(2, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(reason(watcher(&desk, 0, LIVELY).stream().next().await), Reason::CursorExpired);
}

#[test]
fn a_cursor_is_taken_only_where_nothing_would_be_missed() {
    let expired = Err(Reason::CursorExpired);
    for (start, range, expected) in [
        (Start::Oldest, (1, 0), Ok(0)),
        (Start::Oldest, (11, 20), Ok(10)),
        (Start::Now, (1, 0), Ok(0)),
        (Start::Now, (11, 20), Ok(20)),
        (Start::Now, (21, 20), Ok(20)),
        (Start::After(10), (11, 20), Ok(10)),
        (Start::After(20), (11, 20), Ok(20)),
        (Start::After(9), (11, 20), expired),
        (Start::After(21), (11, 20), expired),
    ] {
        assert_eq!(position(start, range).map_err(|refusal| refusal.reason), expected, "{start:?} {range:?}");
    }
}
