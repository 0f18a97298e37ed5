//! Every message of a peer, less each field it needs: who says it, in whose name, what for, under which clause of which version. Each is
//! refused by the name of what it lacks, leaves one entry and nothing else, and keeps no place from the message it was made of.

use std::collections::BTreeMap;

use schakel::desk::Verdict;
use schakel::store::{OutboxState, Page};
use schakel_domain::command::Ask;
use schakel_domain::custody::DeclineCode;
use schakel_domain::erasure::Ground;
use schakel_domain::refusal::Reason;

use super::strip::{fields_of, without};
use crate::erasure::{ask_erasure, erase, keep};
use crate::kit::*;

const MESSAGE: &str = ".schakel.federation.v1.Message";

/// What every message needs; behind the colon how it is called when it is missing, where that is not its own name.
const ENVELOPE: &str =
    "message_id sender receiver thread sequence sent_time clause covenant covenant.covenant covenant.version covenant.hash";

/// What each kind needs besides, and after the bar what it may do without. `by` is the person: the whole, and each of its three fields.
const NEEDS: &str = "
ask                 consultation_id service urgency respond_by_time deadline_time call_back named:question named.case_id:case_id | continues anonymous
bid                 consultation_id by | available_time note
decline_ask         consultation_id code | note
confirm_bid         consultation_id |
release_ask         consultation_id |
advice              consultation_id by | text
close_consultation  consultation_id |
propose_handover    offer_id epoch content_hash package:content_hash service urgency respond_by_time call_back by | hops is_return consultation_id
accept_handover     offer_id content_hash by | read_back first_action first_action_time
decline_handover    offer_id code | note
withdraw_handover   offer_id |
transfer_custody    offer_id epoch content_hash package:content_hash accept_hash |
custody_receipt     offer_id epoch transfer_hash |
refuse_transfer     offer_id epoch transfer_hash |
fence_custody       epoch |
seen                subject seen_time |
request_erasure     ground |
decline_erasure     | keep_until_time
void_message        message_id:void_message.message_id |
";

/// Every path of a kind that must be there, with the name under which it is missed.
fn needed(kind: &str) -> Vec<(String, String)> {
    let line = NEEDS.lines().find(|line| line.split_whitespace().next() == Some(kind)).unwrap_or_else(|| panic!("no row for {kind}"));
    let mut paths: Vec<(String, String)> = ENVELOPE.split_whitespace().map(|path| (path.to_owned(), path.to_owned())).collect();
    for word in line.split('|').next().unwrap().split_whitespace().skip(1) {
        let (path, told) = word.split_once(':').unwrap_or((word, word));
        if path == "by" {
            paths.push((format!("{kind}.by"), "actor.person".to_owned()));
            paths.extend(["person", "name", "function"].map(|part| (format!("{kind}.by.{part}"), format!("actor.{part}"))));
        } else {
            paths.push((format!("{kind}.{path}"), told.to_owned()));
        }
    }
    paths
}

/// The field of the body that a letter has.
fn kind_of(letter: &Letter) -> &'static str {
    match letter.kind() {
        "decline-ask" => "decline_ask",
        "confirm" => "confirm_bid",
        "release" => "release_ask",
        "close-consultation" => "close_consultation",
        "propose-handover" => "propose_handover",
        "accept-handover" => "accept_handover",
        "decline-handover" => "decline_handover",
        "withdraw-handover" => "withdraw_handover",
        "transfer-custody" => "transfer_custody",
        "custody-receipt" => "custody_receipt",
        "refuse-transfer" => "refuse_transfer",
        "fence-custody" => "fence_custody",
        "request-erasure" => "request_erasure",
        "decline-erasure" => "decline_erasure",
        "void" => "void_message",
        same => same,
    }
}

/// Everything but the log that a message could change.
async fn state(gateway: &Gateway) -> String {
    let store = &gateway.store;
    let mut state = format!("{:?} {:?} {:?}", store.event_range().await, store.next_due().await, store.outbox_peers().await);
    for kind in [schakel::store::Kind::Case, schakel::store::Kind::Consultation, schakel::store::Kind::Handover, schakel::store::Kind::Peer]
    {
        let page = Page { open_only: false, after: String::new(), limit: 1_000 };
        let records = store.records(kind, page).await.unwrap();
        state.extend(records.iter().map(|record| format!("{} {},", record.id, record.version)));
    }
    format!("{state} {:?}", store.received_numbers().await)
}

/// Tries a letter less each field it needs, and counts by kind.
async fn try_all(region: &Region, letter: &Letter, tried: &mut BTreeMap<&'static str, usize>) {
    let kind = kind_of(letter);
    let receiver = region.at(letter.to.as_str());
    let before = state(receiver).await;
    for (path, told) in needed(kind) {
        let less = Letter { bytes: without(MESSAGE, &letter.bytes, &path), ..letter.clone() };
        let (size, commits) = (receiver.store.log_size().await.unwrap(), receiver.commits());

        let verdict = region.bring(&less).await;

        let Verdict::Refused(refusal) = verdict else { panic!("{kind} without {path}: {verdict:?}") };
        assert_eq!((refusal.reason, refusal.field.as_deref()), (Reason::InvalidField, Some(told.as_str())), "{kind} without {path}");
        assert_eq!((receiver.store.log_size().await.unwrap(), receiver.commits()), (size + 1, commits + 1), "{kind} without {path}");
        let entry = receiver.log().await.pop().unwrap();
        assert_eq!((entry.decision.allowed, entry.decision.rule.as_str()), (false, "INVALID_FIELD"), "{kind} without {path}");
        *tried.entry(kind).or_default() += 1;
    }
    assert_eq!(state(receiver).await, before, "{kind}");
}

/// Carries everything, each letter tried first.
async fn settle(region: &Region, tried: &mut BTreeMap<&'static str, usize>) {
    while let Some(letter) = region.waiting().await.into_iter().next() {
        if !tried.contains_key(kind_of(&letter)) {
            try_all(region, &letter, tried).await;
        }
        assert!(matches!(region.carry(&letter).await, Verdict::Accepted | Verdict::Refused(_)));
    }
}

#[tokio::test]
async fn every_message_less_who_what_for_or_under_which_clause_is_refused_by_the_name_of_what_it_lacks() {
    let region = Region::new(&[SEZ, PRO_PERSONA, PACTUM]);
    let (sez, persona, pactum) = (region.at(SEZ), region.at(PRO_PERSONA), region.at(PACTUM));
    let mut tried = BTreeMap::new();
    let case = sez.open(dossier()).await.id;
    let ask = || Ask { candidates: vec![org(PRO_PERSONA)], ..question(case) };

    for answer in ["no", "never mind", "yes"] {
        let id = sez.ask(ask()).await.unwrap().id;
        settle(&region, &mut tried).await;
        match answer {
            "no" => drop(persona.decline_question(id, DeclineCode::NoCapacity).await.unwrap()),
            "never mind" => drop(sez.cancel_question(id).await.unwrap()),
            _ => {
                persona.consultation_in_full(id).await;
                persona.bid(id).await.unwrap();
                settle(&region, &mut tried).await;
                persona.advise(id).await.unwrap();
                settle(&region, &mut tried).await;
                sez.close_question(id).await.unwrap();
            }
        }
        settle(&region, &mut tried).await;
    }
    for answer in ["no", "never mind", "freed"] {
        let id = sez.offer(case, PACTUM, HELP).await.unwrap().id;
        settle(&region, &mut tried).await;
        match answer {
            "no" => drop(pactum.decline(id, DeclineCode::NoCapacity).await.unwrap()),
            "never mind" => drop(sez.withdraw(id).await.unwrap()),
            _ => {
                // The place is freed while the transfer is under way: it is refused.
                pactum.accept(id).await.unwrap();
                let accept = region.waiting().await.remove(0);
                try_all(&region, &accept, &mut tried).await;
                region.carry(&accept).await;
                pactum.release(id).await.unwrap();
            }
        }
        settle(&region, &mut tried).await;
    }
    let id = sez.offer(case, PACTUM, HELP).await.unwrap().id;
    // A message that was refused is replaced by a void.
    let offer = region.waiting().await.remove(0);
    region.report(&offer, &Verdict::Refused(schakel_domain::refusal::Refusal::field("clause", "expected one"))).await;
    settle(&region, &mut tried).await;
    sez.withdraw(id).await.unwrap();
    settle(&region, &mut tried).await;
    let id = sez.offer(case, PACTUM, HELP).await.unwrap().id;
    settle(&region, &mut tried).await;
    pactum.accept(id).await.unwrap();
    let accept = region.waiting().await.remove(0);
    region.carry(&accept).await;
    sez.force(case).await.unwrap();
    settle(&region, &mut tried).await;
    let erased = sez.open(dossier()).await.id;
    let id = sez.offer(erased, PACTUM, HELP).await.unwrap().id;
    settle(&region, &mut tried).await;
    pactum.accept(id).await.unwrap();
    settle(&region, &mut tried).await;
    ask_erasure(sez, erased, Ground::ClientRequest).await.unwrap();
    erase(sez, erased).await.unwrap();
    settle(&region, &mut tried).await;
    keep(pactum, erased, None).await.unwrap();
    settle(&region, &mut tried).await;

    let kinds: Vec<&str> =
        fields_of(MESSAGE).iter().filter(|field| field.oneof_index.is_some()).map(|field| field.name().to_owned().leak() as &str).collect();
    assert_eq!(tried.keys().copied().collect::<std::collections::BTreeSet<_>>(), kinds.iter().copied().collect());
    assert!(kinds.iter().all(|kind| tried[kind] == needed(kind).len()));
}

#[tokio::test]
async fn a_question_or_an_offer_less_something_is_parked_at_its_sender_with_the_reason() {
    for path in ["clause", "covenant", "ask.urgency", "propose_handover.by", "propose_handover.service"] {
        let region = Region::new(&[SEZ, PRO_PERSONA, PACTUM]);
        let sez = region.at(SEZ);
        let case = sez.open(dossier()).await.id;
        if path.starts_with("propose") {
            sez.offer(case, PACTUM, HELP).await.unwrap();
        } else {
            sez.ask(Ask { candidates: vec![org(PRO_PERSONA)], ..question(case) }).await.unwrap();
        }
        let letter = region.waiting().await.remove(0);

        region.carry(&Letter { bytes: without(MESSAGE, &letter.bytes, path), ..letter.clone() }).await;

        let parked = sez.store.outbox(&letter.to, OutboxState::Parked, 0, 10).await.unwrap();
        assert_eq!(
            parked.iter().map(|row| (row.number, row.reason.as_deref())).collect::<Vec<_>>(),
            [(letter.number, Some("INVALID_FIELD"))],
            "{path}"
        );
        assert!(region.at(letter.to.as_str()).record(case).await.is_none(), "{path}");
    }
}

#[test]
fn every_field_of_every_message_is_needed_or_may_be_left_out_by_its_row() {
    for body in fields_of(MESSAGE).iter().filter(|field| field.oneof_index.is_some()) {
        let line = NEEDS
            .lines()
            .find(|line| line.split_whitespace().next() == Some(body.name()))
            .unwrap_or_else(|| panic!("no row for {}", body.name()));
        let words = line.split_whitespace().skip(1).filter(|word| *word != "|").map(|word| word.split(':').next().unwrap());
        let mut rows: Vec<&str> = words.filter(|word| !word.contains('.')).collect();
        let fields = fields_of(body.type_name());
        let mut names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
        rows.sort_unstable();
        names.sort_unstable();

        assert_eq!(rows, names, "{}", body.name());
    }
}
