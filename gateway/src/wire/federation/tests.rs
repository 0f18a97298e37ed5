//! What a message survives: the way there and back, and everything that is not a message.

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost::Message as _;
use schakel_domain::covenant::CovenantRef;
use schakel_domain::custody::{DeclineCode, Epoch, Term};
use schakel_domain::dossier::{Dossier, Severity};
use schakel_domain::erasure::Ground;
use schakel_domain::id::{CaseId, ConsultationId, Hash, MessageId, OfferId, OrgId};
use schakel_domain::message::{AskAbout, AskBody, Body, MAX_MESSAGE_BYTES, Message, ProposeBody};
use schakel_domain::person::Actor;
use schakel_domain::refusal::Reason;
use schakel_proto::federation::v1 as pb;
use schakel_proto::r#type::v1 as ty;
use uuid::Uuid;

use super::{decode, encode};

fn moment() -> impl Strategy<Value = Timestamp> {
    (946_684_800_i64..7_258_118_400, 0_i32..1_000_000_000).prop_map(|(s, n)| Timestamp::new(s, n).unwrap())
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn org() -> impl Strategy<Value = OrgId> {
    "ura:[0-9]{8}".prop_map(|text| text.parse().unwrap())
}

fn digest() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

fn actor() -> impl Strategy<Value = Actor> {
    ("[a-z]{1,20}", "[A-Z]\\. [a-zë]{1,30}", "[a-z]{1,40}").prop_map(|(id, name, function)| Actor::parse(&id, &name, &function).unwrap())
}

fn epoch() -> impl Strategy<Value = Epoch<OrgId>> {
    (0_u32..1 << 30, org(), 0_u32..1 << 30).prop_map(|(counter, org, step)| Epoch { term: Term { counter, org }, step })
}

fn code() -> impl Strategy<Value = DeclineCode> {
    proptest::sample::select(DeclineCode::ALL)
}

fn words() -> impl Strategy<Value = String> {
    "[^\\x00]{0,60}"
}

fn about() -> impl Strategy<Value = AskAbout> {
    let severity = proptest::sample::select(vec![Severity::Stable, Severity::Watcher, Severity::Unstable]);
    prop_oneof![
        (option::of(0_u8..=130), option::of("[0-9]{4}"), option::of(severity)).prop_map(|(age, municipality, severity)| AskAbout::Nobody {
            age,
            municipality,
            severity
        }),
        uuid().prop_map(|case| AskAbout::Case { case: CaseId::new(case), package: Vec::new(), dossier: Box::default() }),
    ]
}

fn ask() -> impl Strategy<Value = Body> {
    (uuid(), moment(), moment(), about(), words(), option::of(uuid())).prop_map(|(id, respond_by, deadline, about, question, continues)| {
        Body::Ask(Box::new(AskBody {
            consultation: ConsultationId::new(id),
            service: "ambulante-spoedhulp".to_owned(),
            urgency: "u1".to_owned(),
            respond_by,
            deadline,
            call_back: "+31000000101".to_owned(),
            about,
            question,
            continues: continues.map(ConsultationId::new),
        }))
    })
}

fn propose() -> impl Strategy<Value = Body> {
    (uuid(), epoch(), moment(), actor(), 0_u32..1_000, any::<bool>(), option::of(uuid())).prop_map(
        |(offer, epoch, respond_by, by, hops, is_return, consultation)| {
            Body::Propose(Box::new(ProposeBody {
                offer: OfferId::new(offer),
                epoch,
                content: Hash::sha256(&[]),
                package: Vec::new(),
                dossier: Box::new(Dossier::default()),
                service: "crisisdienst".to_owned(),
                urgency: "u1".to_owned(),
                respond_by,
                call_back: "+31000000101".to_owned(),
                by,
                hops,
                is_return,
                consultation: consultation.map(ConsultationId::new),
            }))
        },
    )
}

fn expertise() -> impl Strategy<Value = Body> {
    let id = || uuid().prop_map(ConsultationId::new);
    prop_oneof![
        ask(),
        (id(), option::of(moment()), actor(), words()).prop_map(|(consultation, available, by, note)| Body::Bid {
            consultation,
            available,
            by,
            note
        }),
        (id(), code(), words()).prop_map(|(consultation, code, note)| Body::DeclineAsk { consultation, code, note }),
        id().prop_map(|consultation| Body::Confirm { consultation }),
        id().prop_map(|consultation| Body::Release { consultation }),
        (id(), words(), actor()).prop_map(|(consultation, text, by)| Body::Advice { consultation, text, by }),
        id().prop_map(|consultation| Body::CloseConsultation { consultation }),
        (uuid(), moment()).prop_map(|(subject, at)| Body::Seen { subject: subject.to_string(), at }),
        proptest::sample::select(&Ground::ALL[..]).prop_map(|ground| Body::RequestErasure { ground }),
        option::of(moment()).prop_map(|until| Body::DeclineErasure { until }),
        uuid().prop_map(|replaces| Body::Void { replaces: MessageId::new(replaces) }),
    ]
}

fn custody() -> impl Strategy<Value = Body> {
    let id = || uuid().prop_map(OfferId::new);
    prop_oneof![
        propose(),
        (id(), digest(), actor(), vec("[a-z]{1,60}", 0..=3), words(), option::of(moment())).prop_map(
            |(offer, content, by, read_back, first_action, first_action_at)| Body::Accept {
                offer,
                content,
                by,
                read_back,
                first_action,
                first_action_at
            }
        ),
        (id(), code(), words()).prop_map(|(offer, code, note)| Body::Decline { offer, code, note }),
        id().prop_map(|offer| Body::Withdraw { offer }),
        (id(), epoch(), digest()).prop_map(|(offer, epoch, accept)| Body::Transfer {
            offer,
            epoch,
            content: Hash::sha256(&[]),
            package: Vec::new(),
            accept
        }),
        (id(), epoch(), digest()).prop_map(|(offer, epoch, transfer)| Body::Receipt { offer, epoch, transfer }),
        (id(), epoch(), digest()).prop_map(|(offer, epoch, transfer)| Body::Refuse { offer, epoch, transfer }),
        epoch().prop_map(|epoch| Body::Fence { epoch }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let stated = (digest(), option::of(digest()));
    let envelope = (uuid(), org(), org(), uuid(), 1_u64..1 << 63, 0_u64..1 << 63, 1_u32.., stated, moment());
    (envelope, prop_oneof![expertise(), custody()]).prop_map(
        |((id, sender, receiver, thread, seq, incarnation, version, (hash, leaf), sent), body)| {
            let thread = match &body {
                Body::Ask(ask) => match &ask.about {
                    AskAbout::Nobody { .. } => ask.consultation.to_string(),
                    AskAbout::Case { case, .. } => case.to_string(),
                },
                _ => thread.to_string(),
            };
            let covenant = CovenantRef { id: "gelderland".parse().unwrap(), version, hash };
            let (id, clause) = (MessageId::new(id), "3.2".to_owned());
            Message { id, sender, receiver, thread, seq, incarnation, covenant, clause, sent, leaf, body }
        },
    )
}

/// A message that reads well, to spoil.
fn good() -> pb::Message {
    let (id, at) = (Uuid::from_u128(7).to_string(), prost_types::Timestamp { seconds: 1_800_000_000, nanos: 0 });
    let question = pb::AnonymousQuestion { question: "wat nu?".to_owned(), ..Default::default() };
    pb::Message {
        message_id: Uuid::from_u128(8).to_string(),
        sender: "ura:90000123".to_owned(),
        receiver: "ura:90000456".to_owned(),
        thread: id.clone(),
        sequence: 1,
        incarnation: 0,
        covenant: Some(ty::CovenantRef { covenant: "gelderland".to_owned(), version: 1, hash: vec![7; 32] }),
        clause: "3.2".to_owned(),
        sent_time: Some(at),
        leaf_hash: vec![9; 32],
        body: Some(pb::message::Body::Ask(pb::Ask {
            consultation_id: id,
            service: "crisisdienst".to_owned(),
            urgency: "u1".to_owned(),
            respond_by_time: Some(at),
            deadline_time: Some(at),
            call_back: "+31000000101".to_owned(),
            question: Some(pb::ask::Question::Anonymous(question)),
            continues: String::new(),
        })),
    }
}

fn refused(wire: &pb::Message) -> String {
    let refusal = decode(&wire.encode_to_vec()).unwrap_err();
    refusal.field.unwrap_or_else(|| refusal.reason.code().to_owned())
}

/// The bytes of an anonymous question in which `spoil` may write what it likes into the `Ask`.
fn spoilt(spoil: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut wire = good();
    let Some(pb::message::Body::Ask(ask)) = wire.body.take() else { unreachable!() };
    let mut ask = ask.encode_to_vec();
    spoil(&mut ask);
    let mut bytes = wire.encode_to_vec();
    prost::encoding::bytes::encode(20, &ask, &mut bytes);
    bytes
}

proptest! {
    #[test]
    fn every_message_reads_back_as_itself(message in message()) {
        let bytes = encode(&message);

        prop_assert_eq!(decode(&bytes).unwrap(), message.clone());
        prop_assert_eq!(encode(&decode(&bytes).unwrap()), bytes);
    }

    #[test]
    fn random_bytes_are_refused_without_a_panic(bytes in vec(any::<u8>(), 0..600)) {
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn a_cut_or_altered_message_never_panics(message in message(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode(&message);
        let at = at.index(bytes.len());

        let _cut = decode(&bytes[..at]);
        bytes[at] = byte;
        let _altered = decode(&bytes);
    }
}

#[test]
fn each_wrong_field_of_the_envelope_is_named() {
    let spoil: [(&str, fn(&mut pb::Message)); 13] = [
        ("message_id", |m| m.message_id = "7".to_owned()),
        ("sender", |m| m.sender = "ura:1".to_owned()),
        ("receiver", |m| m.receiver.clear()),
        ("thread", |m| m.thread = Uuid::from_u128(1).to_string()),
        ("sequence", |m| m.sequence = 0),
        ("incarnation", |m| m.incarnation = u64::MAX),
        ("covenant", |m| m.covenant = None),
        ("covenant.hash", |m| m.covenant.as_mut().unwrap().hash = vec![0; 31]),
        ("covenant.version", |m| m.covenant.as_mut().unwrap().version = 0),
        ("clause", |m| m.clause = "3\n2".to_owned()),
        ("sent_time", |m| m.sent_time.as_mut().unwrap().nanos = -1),
        ("leaf_hash", |m| m.leaf_hash.truncate(31)),
        ("UNSUPPORTED_MESSAGE", |m| m.body = None),
    ];

    for (field, spoil) in spoil {
        let mut wire = good();
        assert!(decode(&wire.encode_to_vec()).is_ok());
        spoil(&mut wire);
        assert_eq!(refused(&wire), field);
    }
}

#[test]
fn a_package_that_is_not_what_its_hash_says_is_refused() {
    let mut wire = good();
    wire.body = Some(pb::message::Body::TransferCustody(pb::TransferCustody {
        offer_id: Uuid::from_u128(1).to_string(),
        epoch: Some(ty::Epoch { counter: 0, organization: "ura:90000123".to_owned(), step: 1 }),
        content_hash: vec![0; 32],
        package: Vec::new(),
        accept_hash: vec![0; 32],
    }));

    assert_eq!(refused(&wire), "content_hash");
}

#[test]
fn a_package_that_holds_no_valid_dossier_is_refused_by_field() {
    let mut wire = good();
    let package = crate::wire::dossier::encode_dossier(&Dossier { age: Some(131), ..Dossier::default() });
    let id = Uuid::from_u128(1).to_string();
    wire.thread.clone_from(&id);
    let Some(pb::message::Body::Ask(ask)) = &mut wire.body else { unreachable!() };
    ask.question = Some(pb::ask::Question::Named(pb::NamedQuestion { case_id: id, dossier: package, ..Default::default() }));

    assert_eq!(refused(&wire), "age");
}

#[test]
fn a_message_that_is_too_large_is_refused_before_it_is_parsed() {
    let refusal = decode(&vec![0; MAX_MESSAGE_BYTES + 1]).unwrap_err();

    assert_eq!(refusal.reason, Reason::MessageTooLarge);
}

#[test]
fn an_anonymous_question_cannot_hide_a_named_one() {
    let named = pb::NamedQuestion { case_id: Uuid::from_u128(1).to_string(), ..Default::default() }.encode_to_vec();
    let before = spoilt(|ask| {
        let mut both = Vec::new();
        prost::encoding::bytes::encode(11, &named, &mut both);
        both.append(ask);
        *ask = both;
    });
    let mut two_bodies = spoilt(|_| {});
    let mut hidden = Vec::new();
    prost::encoding::bytes::encode(20, &named, &mut hidden);
    hidden.append(&mut two_bodies);

    assert!(decode(&spoilt(|_| {})).is_ok());
    for bytes in [before, hidden] {
        assert_eq!(decode(&bytes).unwrap_err().reason, Reason::IdentityInAnonymous);
    }
}

#[test]
fn an_anonymous_question_holds_no_field_that_is_not_known_to_be_anonymous() {
    let bytes = spoilt(|ask| {
        let mut wire = pb::Ask::decode(ask.as_slice()).unwrap();
        wire.question = None;
        let mut question = pb::AnonymousQuestion { question: "wat nu?".to_owned(), ..Default::default() }.encode_to_vec();
        prost::encoding::string::encode(9, &"J. Jansen".to_owned(), &mut question);
        *ask = wire.encode_to_vec();
        prost::encoding::bytes::encode(10, &question, ask);
    });

    assert_eq!(decode(&bytes).unwrap_err().reason, Reason::IdentityInAnonymous);
}

#[test]
fn a_field_of_a_newer_version_in_the_envelope_is_passed_over() {
    let mut bytes = good().encode_to_vec();
    prost::encoding::uint64::encode(12, &7, &mut bytes);

    assert!(decode(&bytes).is_ok());
}

/// One message of every kind, as version 1 writes it: `kind hex`. The content is invented by a generator. A line is never changed: another
/// gateway may hold these bytes as proof. A later version adds its own file beside it.
const GOLDEN_V1: &str = include_str!("golden/v1.txt");
/// The same with the leaf hash of the sender's entry.
const GOLDEN_V1_LEAF: &str = include_str!("golden/v1-leaf.txt");

#[test]
fn invariant_10_every_released_wire_version_keeps_golden_bytes() {
    for (text, states_leaf) in [(GOLDEN_V1, false), (GOLDEN_V1_LEAF, true)] {
        let golden: Vec<(&str, Vec<u8>)> =
            text.lines().map(|line| line.split_once(' ').unwrap()).map(|(kind, hex)| (kind, bytes_of(hex))).collect();

        for (kind, bytes) in &golden {
            let message = decode(bytes).unwrap_or_else(|refusal| panic!("{kind}: {refusal}"));
            assert_eq!((message.body.kind(), &encode(&message)), (*kind, bytes), "{kind}");
            assert_eq!(message.leaf.is_some(), states_leaf, "{kind}");
        }
        assert_eq!(golden.len(), 17, "one of every kind");
    }
}

/// The messages about erasure, which came with a later release.
const GOLDEN_ERASURE: &str = include_str!("golden/v1-erasure.txt");

#[test]
fn invariant_10_messages_about_erasure_keep_golden_bytes() {
    let golden: Vec<(&str, Vec<u8>)> =
        GOLDEN_ERASURE.lines().map(|line| line.split_once(' ').unwrap()).map(|(kind, hex)| (kind, bytes_of(hex))).collect();

    for (kind, bytes) in &golden {
        let message = decode(bytes).unwrap_or_else(|refusal| panic!("{kind}: {refusal}"));
        assert_eq!((message.body.kind(), &encode(&message)), (*kind, bytes), "{kind}");
    }
    assert_eq!(golden.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), ["decline-erasure", "request-erasure"]);
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
