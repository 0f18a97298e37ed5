//! Messages that can never be taken, among many that can: each is refused once, parked and replaced, and nobody else notices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use schakel_domain::custody::DeclineCode;
use schakel_domain::id::ConsultationId;
use schakel_domain::message::{Body, MAX_MESSAGE_BYTES, Message};
use schakel_domain::refusal::Reason;
use uuid::Uuid;

use super::kit::{Network, in_thread, message, pair};
use crate::store::OutboxState;

const THREADS: u8 = 250;
/// Positions in each thread; the last but one of every eleven is bad.
const POSITIONS: u64 = 44;

/// What is wrong with one message: nothing, or by turns that it cannot be read, may not be said, or brings down the receiver.
fn wrong(thread: u8, seq: u64) -> Option<Reason> {
    let turn = (u64::from(thread) + seq / 11) % 3;
    (seq % 11 == 10).then(|| [Reason::InvalidField, Reason::ProtocolViolation, Reason::Internal][usize::try_from(turn).unwrap()])
}

fn made(thread: u8, seq: u64) -> Message {
    let message = message(1, 2, thread, seq);
    if wrong(thread, seq) != Some(Reason::InvalidField) {
        return message;
    }
    let too_long = "x".repeat(501);
    let body = Body::DeclineAsk { consultation: ConsultationId::new(Uuid::nil()), code: DeclineCode::Other, note: too_long };
    Message { body, ..message }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_bad_messages_among_ten_thousand_good_ones_are_refused_once_and_parked() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    let every = || (1..=POSITIONS).flat_map(|seq| (1..=THREADS).map(move |thread| (thread, seq)));
    b.desk.know(|memory| {
        for (thread, seq) in every() {
            let at = (Uuid::from_u128(thread.into()).to_string(), seq);
            match wrong(thread, seq) {
                Some(Reason::ProtocolViolation) => drop(memory.refuse.insert(at)),
                Some(Reason::Internal) => drop(memory.panics_at.insert(at)),
                _ => {}
            }
        }
    });
    let messages: Vec<_> = every().map(|(thread, seq)| made(thread, seq)).collect();
    let bad = every().filter(|(thread, seq)| wrong(*thread, *seq).is_some()).count();
    assert_eq!((messages.len() - bad, bad), (10_000, 1_000));

    a.send(&messages).await;
    let told = a.told(|told| told.parked.len() == 1_000 && told.delivered.len() == 11_000).await;

    // Every place of every thread was filled, in order: by the message, or by a void.
    for thread in 1..=THREADS {
        assert_eq!(in_thread(&b.desk, thread), (1..=POSITIONS).collect::<Vec<_>>());
    }
    let mut reasons = BTreeMap::<&str, usize>::new();
    told.parked.iter().for_each(|parked| *reasons.entry(&parked.reason).or_default() += 1);
    let expected = [Reason::InvalidField, Reason::ProtocolViolation, Reason::Internal]
        .map(|reason| (reason.code(), every().filter(|(thread, seq)| wrong(*thread, *seq) == Some(reason)).count()));
    assert_eq!(reasons, BTreeMap::from(expected));
    assert_eq!(a.outbox(2, OutboxState::Parked).await.len(), 1_000);
    assert!(a.outbox(2, OutboxState::Waiting).await.is_empty());
    // What was parked is never sent again.
    let sent = a.unseal.numbers.lock().unwrap().clone();
    let retried = told.parked.iter().zip(&told.parked_after).filter(|(parked, after)| sent[**after..].contains(&parked.number)).count();
    assert_eq!(retried, 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_even_be_parked_holds_up_its_own_thread_alone() {
    let network = Arc::new(Network::default());
    let (a, b) = pair(&network);
    let refused = (Uuid::from_u128(1).to_string(), 1);
    b.desk.know(|memory| memory.refuse.insert(refused));
    let large = "x".repeat(MAX_MESSAGE_BYTES + 1);
    let body = Body::DeclineAsk { consultation: ConsultationId::new(Uuid::nil()), code: DeclineCode::Other, note: large };
    let too_large = Message { body, ..message(1, 2, 2, 1) };
    a.outcome.cannot_park.store(true, Ordering::SeqCst);

    // The one is refused by the peer, the other never leaves; both can be told to nobody. Everything else goes.
    a.send(&[message(1, 2, 1, 1), too_large, message(1, 2, 3, 1), message(1, 2, 1, 2), message(1, 2, 4, 1)]).await;
    a.told(|told| told.delivered.len() == 2).await;
    assert_eq!((in_thread(&b.desk, 3), in_thread(&b.desk, 4)), (vec![1], vec![1]));
    assert_eq!(a.outbox(2, OutboxState::Waiting).await.len(), 3);

    a.outcome.cannot_park.store(false, Ordering::SeqCst);
    let told = a.told(|told| told.parked.len() == 2 && told.delivered.len() == 5).await;
    let reasons: BTreeMap<_, _> = told.parked.iter().map(|parked| (parked.number, parked.reason.as_str())).collect();
    assert_eq!(reasons, BTreeMap::from([(1, Reason::ProtocolViolation.code()), (2, Reason::MessageTooLarge.code())]));
    assert_eq!((in_thread(&b.desk, 1), in_thread(&b.desk, 2)), (vec![1, 2], vec![1]), "voids, and what waited behind them");
}
