//! A scripted hostile peer against a real gateway, over the real wire: TLS, HTTP/2, signatures, store and log. It has a valid certificate,
//! a valid key and a covenant in force, and breaks every rule it can reach. Each attempt is answered with one stable reason, leaves an
//! entry in the log, and changes nothing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod answers;
mod peer;
mod stage;
mod tricks;
mod victim;

use schakel::batch::Parties;
use schakel_domain::message::Message;
use schakel_domain::refusal::Reason;
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::covenant_sync_service_client::CovenantSyncServiceClient;
use schakel_proto::federation::v1::exchange_request::Request as Say;
use schakel_proto::federation::v1::exchange_response::Response as Reply;
use schakel_proto::federation::v1::message_result::Outcome;
use tonic::Status;

use self::peer::{Peer, reason};
use self::stage::Stage;
use self::tricks::{Attempt, Says, Trick};

/// What was answered, in words.
async fn perform(peer: &Peer, attempt: Attempt) -> String {
    let ended = |status: &Status| format!("ends {}", reason(status));
    let mut documents = CovenantSyncServiceClient::new(peer.channel()).max_encoding_message_size(8 * 1024 * 1024);
    match attempt {
        Attempt::Talk(requests) => {
            let mut line = match peer.open().await {
                Ok(line) => line,
                Err(status) => return ended(&status),
            };
            let mut last = String::new();
            for request in requests {
                last = match line.say(request).await {
                    Ok(answer) => format!("{answer:?}"),
                    Err(status) => return ended(&status),
                };
            }
            last
        }
        Attempt::Batch(batch) => match peer.greeted().await.say(Some(Say::Batch(batch))).await {
            Ok(answer) => format!("{answer:?}"),
            Err(status) => ended(&status),
        },
        Attempt::Mumble(bytes) => peer.mumble(bytes).await.map_or_else(|status| ended(&status), |()| "ends well".to_owned()),
        Attempt::Message(bytes) => {
            let result = peer.send(&[bytes]).await.remove(0);
            match result.outcome() {
                Outcome::Accepted => "accepted".to_owned(),
                Outcome::Refused => format!("refused {}", result.reason),
                Outcome::Later => format!("later {}", result.reason),
                Outcome::Unspecified => format!("{result:?}"),
            }
        }
        Attempt::Offer(request) => {
            let answer = documents.offer_document(request).await;
            answer.map_or_else(|status| ended(&status), |answer| format!("{answer:?}"))
        }
        Attempt::Covenant(covenant, version) => {
            let answer = documents.get_covenant(pb::GetCovenantRequest { covenant, version }).await;
            answer.map_or_else(|status| ended(&status), |answer| format!("{answer:?}"))
        }
        Attempt::Record(organization) => {
            let answer = documents.get_party_record(pb::GetPartyRecordRequest { organization }).await;
            answer.map_or_else(|status| ended(&status), |answer| format!("{answer:?}"))
        }
    }
}

fn expected(says: Says) -> String {
    match says {
        Says::Ends(reason) => format!("ends {}", reason.code()),
        Says::Refused(reason) => format!("refused {}", reason.code()),
        Says::Later(reason) => format!("later {}", reason.code()),
        Says::Nothing => "accepted".to_owned(),
    }
}

/// Plays one trick; says what was wrong with the answer, the log or the state.
async fn play(stage: &Stage, trick: &Trick) -> Vec<String> {
    let attempt = (trick.play)(stage).await;
    let (before, log) = (stage.victim.standing().await, stage.victim.log_size().await);
    let heard = perform(&stage.peer, attempt).await;
    let (after, entries) = (stage.victim.standing().await, stage.victim.entries(log).await);
    let mut wrong = Vec::new();
    if heard != expected(trick.says) {
        wrong.push(format!("{}: expected {:?}, heard {heard:?}", trick.name, expected(trick.says)));
    }
    if before != after {
        wrong.push(format!("{}: something changed: {before:?} {after:?}", trick.name));
    }
    let code = match trick.says {
        Says::Ends(reason) | Says::Refused(reason) => Some(reason.code()),
        Says::Later(_) | Says::Nothing => None,
    };
    match code {
        Some(code) => {
            let about = |entry: &&String| entry.contains(code) && entry.contains(stage.peer.us.as_str());
            if entries.iter().filter(about).count() != 1 {
                wrong.push(format!("{}: expected one entry that says {code}: {entries:?}", trick.name));
            }
        }
        None if entries.is_empty() => {}
        None => wrong.push(format!("{}: nothing happened, and was logged: {entries:?}", trick.name)),
    }
    wrong
}

/// Plays a table on one stage; every failure is told, not only the first. The door logs what it refuses of one peer once a minute:
/// `at_the_door` lets a minute pass before each.
async fn play_all(table: Vec<Trick>, at_the_door: bool) {
    let stage = Stage::set().await;
    let mut wrong = Vec::new();
    for (at, trick) in table.iter().enumerate() {
        if at_the_door {
            stage.victim.clock.pass(61);
        }
        wrong.extend(play(&stage, trick).await);
        println!("{:3} {:60} {}", at + 1, trick.name, expected(trick.says));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), table.len(), wrong.join("\n"));
    // After all that the peer is still a peer.
    stage.offered().await;
    stage.victim.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_with_a_stream_or_a_batch_ends_it_with_a_reason() {
    play_all(tricks::stream::table(), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_cannot_be_read_is_refused_alone() {
    play_all(tricks::message::table(), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_covenant_allows_is_refused() {
    play_all(tricks::agreed::table(), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_about_offers_and_the_token_move_nothing() {
    play_all(tricks::custody::table(), false).await;
}

/// A peer to which a case was offered may bring word of a reclaim, of its own or of another: the protocol cannot tell a lie from news. So
/// the lie must gain nothing: who led stays responsible, everybody sees it, and the log names who said so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_never_frees_anybody_and_a_lower_one_moves_nothing() {
    use schakel_domain::custody::{Epoch, Role, Term};
    let stage = Stage::set().await;
    let fence = |counter: u32, org: &schakel_domain::id::OrgId| schakel_domain::message::Body::Fence {
        epoch: Epoch { term: Term { counter, org: org.clone() }, step: 0 },
    };

    let lower = stage.ours().await;
    let before = stage.victim.custody(lower.case).await;
    stage.peer.send_well(&[stage.peer.message(lower.case, 1, fence(0, &stage.peer.us))]).await;
    let after = stage.victim.custody(lower.case).await;
    assert_eq!((before.role, before.seen), (after.role, after.seen));

    for org in [&stage.peer.us, &stage.other] {
        let (higher, log) = (stage.ours().await, stage.victim.log_size().await);
        stage.peer.send_well(&[stage.peer.message(higher.case, 1, fence(7, org))]).await;
        let custody = stage.victim.custody(higher.case).await;
        assert!(matches!(custody.role, Role::Contested { .. }) && custody.responsible(), "{custody:?}");
        let entries = stage.victim.entries(log).await;
        let named = |entry: &&String| entry.contains("custody-contested") && entry.contains(stage.peer.us.as_str());
        assert!(entries.iter().any(|entry| named(&entry)), "{entries:?}");
    }
    stage.victim.running.stop().await;
}

/// A peer that signs in a later life of its data has ended the earlier one: it cannot go back and forth between the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_was_restored_cannot_bring_what_it_made_before() {
    let stage = Stage::set().await;
    let (_, taken) = stage.proposal();
    stage.peer.send_well(std::slice::from_ref(&taken)).await;
    let in_life = async |incarnation: u64, message: Vec<u8>| {
        let parties = Parties { incarnation, ..stage.peer.parties() };
        let mut line = stage.peer.open().await.unwrap();
        line.say(Some(Say::Hello(pb::Hello { incarnation, ..stage.peer.hello() }))).await.unwrap();
        let batch = stage.peer.signed(&parties, &[(stage.peer.next_number(), message)]);
        let Ok(Some(Reply::Acknowledgement(mut said))) = line.say(Some(Say::Batch(batch))).await else { panic!() };
        (said.results[0].outcome(), said.results.remove(0).reason)
    };
    let later = Message { incarnation: 2, ..stage.proposal().1 };
    let old = |stage: &Stage| stage.bytes(&stage.proposal().1);

    // A Hello is no signature: it ends no life.
    let mut hello = stage.peer.open().await.unwrap();
    hello.say(Some(Say::Hello(pb::Hello { incarnation: 9, ..stage.peer.hello() }))).await.unwrap();
    assert_eq!(in_life(1, old(&stage)).await.0, Outcome::Accepted);
    assert_eq!(in_life(2, stage.bytes(&later)).await.0, Outcome::Accepted);
    let (before, log) = (stage.victim.standing().await, stage.victim.log_size().await);

    for incarnation in [2, 1] {
        assert_eq!(in_life(incarnation, old(&stage)).await, (Outcome::Refused, Reason::SenderRestored.code().to_owned()));
    }

    let entries = stage.victim.entries(log).await;
    assert_eq!((entries.len(), entries.iter().filter(|entry| entry.contains("SENDER_RESTORED")).count()), (2, 2), "{entries:?}");
    assert_eq!(stage.victim.standing().await, before);
    assert_eq!(in_life(1, stage.bytes(&taken)).await.0, Outcome::Accepted, "what was taken in stays so");
    stage.victim.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_about_questions_move_nothing() {
    play_all(tricks::expertise::table(), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_that_do_not_hold_are_not_taken() {
    play_all(tricks::documents::table(), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_lies_is_not_believed_and_loses_nothing() {
    assert!(answers::play(Stage::set().await).await >= 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_slowed_down_and_leaves_a_bounded_trace() {
    let stage = Stage::set().await;
    let (before, log) = (stage.victim.standing().await, stage.victim.log_size().await);
    let mut limited = None;
    for round in 0..40_u32 {
        let junk: Vec<Vec<u8>> = (0..128_u32).map(|n| [round.to_be_bytes(), n.to_be_bytes()].concat()).collect();
        let results = stage.peer.send(&junk).await;
        if results.iter().any(|result| result.outcome() == Outcome::Later && result.reason == Reason::RateLimited.code()) {
            limited = Some(round);
            break;
        }
        assert!(results.iter().all(|result| result.outcome() == Outcome::Refused));
    }

    let round = limited.expect("a peer that is refused again and again is slowed down");
    assert!(stage.victim.log_size().await - log <= u64::from(round + 1) * 128 + 1);
    assert_eq!(stage.victim.standing().await, before);
    // A repetition of what was refused costs nothing but its answer.
    let size = stage.victim.log_size().await;
    for _ in 0..10 {
        let same = vec![b"the same junk".to_vec(); 100];
        drop(stage.peer.send(&same).await);
    }
    assert!(stage.victim.log_size().await - size <= 2);
    stage.victim.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_takes_every_place() {
    let stage = Stage::set().await;
    let mut lines = Vec::new();
    let mut refused = None;
    for _ in 0..20 {
        match stage.peer.open().await {
            Ok(line) => lines.push(line),
            Err(status) => {
                refused = Some(reason(&status));
                break;
            }
        }
    }

    assert_eq!(refused.as_deref(), Some(Reason::QuotaExceeded.code()));
    assert!(stage.victim.entries(0).await.iter().any(|entry| entry.contains(Reason::QuotaExceeded.code())));
    drop(lines);
    stage.victim.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_of_messages_again_changes_nothing() {
    let stage = Stage::set().await;
    let mut bytes = Vec::new();
    for _ in 0..30 {
        let (scene, message) = stage.proposal();
        let withdrawal = stage.peer.message(scene.case, 2, schakel_domain::message::Body::Withdraw { offer: scene.offer });
        bytes.extend([stage.bytes(&message), stage.bytes(&withdrawal)]);
    }
    let batch = stage.peer.batch(&bytes);
    let Ok(Some(Reply::Acknowledgement(first))) = stage.peer.greeted().await.say(Some(Say::Batch(batch.clone()))).await else { panic!() };
    assert!(first.results.iter().all(|result| result.outcome() == Outcome::Accepted), "{:?}", first.results);
    let (before, log) = (stage.victim.standing().await, stage.victim.log_size().await);
    stage.victim.clock.pass(30 * 24 * 3600 - 7200);

    for _ in 0..5 {
        let again = stage.peer.greeted().await.say(Some(Say::Batch(batch.clone()))).await.unwrap();
        let Some(Reply::Acknowledgement(again)) = again else { panic!("{again:?}") };
        assert_eq!(again.results, first.results);
    }

    assert_eq!((stage.victim.standing().await, stage.victim.log_size().await), (before, log));
    stage.victim.running.stop().await;
}
