//! The suite every adapter passes. A call of [`check`] from the adapter's own tests runs all of it; a broken promise panics with what broke.
//!
//! It knows the domain and the two traits; how a sender writes a request, and what broken input looks like in its format, the adapter
//! under test says itself ([`Sample`]).

use std::collections::BTreeSet;

use jiff::Timestamp;
use schakel_domain::command::{About, Ask, CareAct, Offer, Seen};
use schakel_domain::custody::DeclineCode;
use schakel_domain::dossier::{
    ActionItem, Authority, Basis, Bsn, Consent, ConsentBy, Contact, ContactKind, Contingency, CourtOrder, Dossier, Identity,
    IdentityStatus, LegalStatus, OrderState, Regime, Safety, Severity,
};
use schakel_domain::field::Field;
use schakel_domain::id::{CaseId, Hash, Label};
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Lang, Reason, Refusal, Stage};
use schakel_domain::view::{Call, Responsibility};

use crate::{Content, Inbound, Inlet, No, Notice, Outlet, Resource};

/// An adapter under test.
pub trait Sample {
    /// The adapter as a source of commands.
    fn inlet(&self) -> &dyn Inlet;
    /// The adapter as a destination of notices.
    fn outlet(&self) -> &dyn Outlet;
    /// A request as its sender writes it; `None` when the format has no such command.
    fn write(&self, request: &Inbound) -> Option<Vec<u8>>;
    /// The same request laid out in another way: other white space, another order of fields.
    fn write_otherwise(&self, request: &Inbound) -> Option<Vec<u8>>;
    /// Broken input, one or more of each [`Fault`].
    fn broken(&self) -> Vec<Broken>;
}

/// Ways in which input is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Ends too early.
    Truncated,
    /// 100,000 levels or segments deep.
    Nested,
    /// In another character set than the format's.
    Charset,
    /// Has a field the format does not know.
    UnknownField,
    /// Names a day that does not exist.
    ImpossibleDate,
    /// Has a BSN that fails the 11-proof.
    InvalidBsn,
    /// One byte more than [`Inlet::max_bytes`].
    Oversized,
}

impl Fault {
    /// Every fault; [`Sample::broken`] must show each.
    pub const ALL: [Fault; 7] =
        [Fault::Truncated, Fault::Nested, Fault::Charset, Fault::UnknownField, Fault::ImpossibleDate, Fault::InvalidBsn, Fault::Oversized];
}

/// One broken input and the field its rejection must name.
#[derive(Debug, Clone)]
pub struct Broken {
    /// What is wrong with it.
    pub fault: Fault,
    /// The input.
    pub bytes: Vec<u8>,
    /// The field, as the sender knows it.
    pub field: String,
    /// Text of the input that must not appear in the rejection.
    pub secret: Option<String>,
}

/// Runs the whole suite.
pub fn check(sample: &dyn Sample) {
    every_command_round_trips(sample);
    layout_does_not_change_a_request(sample);
    another_request_has_another_hash(sample);
    every_truncation_is_refused(sample);
    broken_input_is_refused_by_field(sample);
    noise_never_panics(sample);
    every_notice_renders_stably(sample);
    a_thin_notice_holds_no_content(sample);
    a_no_says_what_is_wrong_in_two_languages(sample);
}

fn every_command_round_trips(sample: &dyn Sample) {
    let mut known = 0;
    for request in requests() {
        let Some(bytes) = sample.write(&request) else { continue };
        known += 1;

        let read = sample.inlet().translate(&bytes);

        match read {
            Ok(read) => assert_eq!(Inbound { body: request.body, ..read }, request, "came back as something else"),
            Err(rejection) => panic!("{} was refused: {rejection}", request.act.act().name()),
        }
    }
    assert!(known > 0, "the adapter can write no command at all");
}

fn layout_does_not_change_a_request(sample: &dyn Sample) {
    for request in requests() {
        let (Some(one), Some(other)) = (sample.write(&request), sample.write_otherwise(&request)) else { continue };
        assert_ne!(one, other, "write_otherwise writes the same bytes");

        let (one, again, other) = (sample.inlet().translate(&one), sample.inlet().translate(&one), sample.inlet().translate(&other));

        assert_eq!(one, again, "the same bytes read as two requests");
        assert_eq!(one, other, "the same request in another layout is another request");
    }
}

fn another_request_has_another_hash(sample: &dyn Sample) {
    let bytes: Vec<_> = requests().iter().filter_map(|request| sample.write(request)).collect();
    let hashes: BTreeSet<_> = bytes.iter().filter_map(|bytes| sample.inlet().translate(bytes).ok()).map(|read| read.body).collect();

    assert_eq!(hashes.len(), bytes.len(), "different requests share a body hash");
}

fn every_truncation_is_refused(sample: &dyn Sample) {
    let Some(whole) = requests().iter().find_map(|request| sample.write(request)) else { return };
    let end = whole.trim_ascii_end().len();
    for length in 0..end {
        let read = sample.inlet().translate(&whole[..length]);
        assert!(read.is_err_and(|rejection| !rejection.refusals.is_empty()), "the first {length} of {end} bytes were accepted");
    }
}

fn broken_input_is_refused_by_field(sample: &dyn Sample) {
    let broken = sample.broken();
    for fault in Fault::ALL {
        assert!(broken.iter().any(|input| input.fault == fault), "no sample of {fault:?}");
    }
    for Broken { fault, bytes, field, secret } in broken {
        let Err(rejection) = sample.inlet().translate(&bytes) else { panic!("{fault:?} was accepted") };

        let fields: Vec<_> = rejection.refusals.iter().filter_map(|refusal| refusal.field.as_deref()).collect();
        assert!(fields.contains(&field.as_str()), "{fault:?} names {fields:?}, not {field}");
        if let Some(secret) = secret {
            assert!(!rejection.to_string().contains(&secret), "{fault:?} repeats what it refuses");
        }
    }
}

/// Every byte of a good request changed a few ways: refused or read, never a panic. The contract's small sibling of a fuzzer.
fn noise_never_panics(sample: &dyn Sample) {
    let Some(good) = requests().iter().find_map(|request| sample.write(request)) else { return };
    for at in 0..good.len() {
        for noise in [0x00, b'"', b'{', b']', 0xff] {
            let mut bytes = good.clone();
            bytes[at] = noise;
            let _ = sample.inlet().translate(&bytes);
        }
    }
}

fn every_notice_renders_stably(sample: &dyn Sample) {
    let mut names = BTreeSet::new();
    for notice in notices() {
        let document = sample.outlet().render(&notice);

        assert_eq!(document, sample.outlet().render(&notice), "{} is not stable", notice.kind);
        assert!(names.insert(document.name.clone()), "two notices are called {}", document.name);
        let safe = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        assert!(document.name.bytes().all(safe) && !document.name.starts_with('.'), "{} is not safe as a file name", document.name);
        assert!(document.name.len() <= 120, "{} is long", document.name);
    }
    let mut later = notices().remove(0);
    let first = sample.outlet().render(&later).name;
    later.version = Some(99);
    assert_eq!(sample.outlet().render(&later).name, first, "the name of a notice depends on more than its event");
}

fn a_thin_notice_holds_no_content(sample: &dyn Sample) {
    for notice in notices() {
        let thin = Notice { content: None, ..notice };
        let text = String::from_utf8_lossy(&sample.outlet().render(&thin).bytes).into_owned();
        assert!(!text.contains("Testpersoon") && !text.contains("999900006"), "{} tells who it is about", thin.kind);
    }
}

fn a_no_says_what_is_wrong_in_two_languages(sample: &dyn Sample) {
    let refusals = [Refusal::field("dossier.identity.bsn", "nine digits"), Refusal::new(Stage::State, Reason::NotLead)];
    let request = requests().remove(0).request;

    let no = No { request: Some(request), refusals: &refusals, waiting: false, call: Some(&call()) };
    let text = String::from_utf8_lossy(&sample.inlet().refuse(&no)).into_owned();

    assert!(text.contains(&request.to_string()) && text.contains("dossier.identity.bsn"), "request id and field are missing");
    assert!(text.contains(&call().telephone), "the telephone number is missing");
    for refusal in &refusals {
        for lang in [Lang::Nl, Lang::En] {
            assert!(text.contains(refusal.reason.sentence(lang)) && text.contains(refusal.reason.remedy(lang)), "{refusal} in {lang:?}");
        }
    }
}

/// Parses what this file itself holds.
fn known<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("the contract's own sample is wrong: {text}"))
}

fn moment() -> Timestamp {
    known("2026-11-22T02:15:00Z")
}

fn case_id() -> CaseId {
    known("0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36")
}

/// A dossier with every field filled; an invented person and a test BSN.
#[must_use]
pub fn full_dossier() -> Dossier {
    Dossier {
        identity: full_identity(),
        age: Some(12),
        legal: Some(LegalStatus {
            regime: Regime::Jeugdwet,
            basis: Basis::SupervisionOrder,
            consent: Consent::Given { by: vec![ConsentBy::Youth, ConsentBy::AuthorityHolder], on: known("2026-11-21") },
            authority: Authority::OneParent,
            court_order: Some(CourtOrder {
                state: OrderState::Granted,
                kind: "ondertoezichtstelling".to_owned(),
                on: known("2026-09-01"),
                until: Some(known("2027-03-01")),
            }),
            identity_status: IdentityStatus::Verified,
        }),
        contacts: vec![
            Contact { name: "M. Voorbeeld".into(), relation: "moeder".into(), telephone: None, kind: ContactKind::AuthorityHolder },
            Contact {
                name: "P. Voorbeeld".into(),
                relation: "oom".into(),
                telephone: Some("+31000000061".into()),
                kind: ContactKind::Unsafe,
            },
        ],
        whereabouts: "bij de buren".into(),
        situation: "Weggelopen na ruzie; \"wil niet terug\".\nRustig nu.".into(),
        background: "Eerder één opname.".into(),
        assessment: "Acute onveiligheid thuis.".into(),
        recommendation: "Plek voor deze nacht.".into(),
        severity: Some(Severity::Watcher),
        actions: vec![ActionItem { what: "ouders bellen".into(), who: "dienst".into(), by: Some(moment()) }],
        contingencies: vec![Contingency { when: "loopt weer weg".into(), then: "politie bellen".into() }],
        safety: Safety { hidden_address: true, danger_from_parent: true, self_harm: true, aggression: true, plan: "tante blijft".into() },
        key_points: vec!["geheim adres".into(), "bel moeder eerst".into()],
    }
}

fn full_identity() -> Identity {
    Identity {
        family_name: Some("Testpersoon".into()),
        given_names: Some("Noor".into()),
        birth_date: Some(known::<jiff::civil::Date>("2014-02-28").into()),
        sex: Some("female".into()),
        bsn: Bsn::parse("999900006").ok(),
        postal_code: Some("6811AB".into()),
        house_number: Some("1-a".into()),
        address: Some("Voorbeeldstraat".into()),
        telephone: Some("+31000000062".into()),
        municipality: Some("0202".to_owned()),
    }
}

/// Every act a system may ask, each with its own request id, with and without a version.
#[must_use]
pub fn requests() -> Vec<Inbound> {
    let acts = acts();
    let with = |at: usize, act: &CareAct, given: bool, previous: bool| {
        let mut request = Inbound {
            request: known(&format!("0198f2c4-0000-7000-8000-{:012x}", at * 4 + usize::from(given) * 2 + usize::from(previous))),
            body: Hash([0; 32]),
            actor: actor(),
            act: act.clone(),
            version_given: given,
            to_previous_lead: previous,
        };
        request.fill_version(if given { 7 } else { 0 });
        request
    };
    let mut requests = Vec::new();
    for (at, act) in acts.iter().enumerate() {
        let plain = with(at, act, false, false);
        if plain.subject().is_some() {
            requests.push(with(at, act, true, false));
        }
        requests.push(plain);
        if let CareAct::Offer(offer) = act {
            requests.push(with(at, &CareAct::Offer(Offer { to: None, ..offer.clone() }), false, true));
        }
    }
    requests
}

fn actor() -> Actor {
    Actor::parse("skj:110012345", "K. de Wit", "verpleegkundige crisisdienst").unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn acts() -> Vec<CareAct> {
    let (case, version) = (case_id(), 0);
    let seen = Seen { id: case, version };
    let handover = Seen { id: known("0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b37"), version };
    let consultation = Seen { id: known("0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b38"), version };
    let (code, note) = (DeclineCode::NoCapacity, "geen bed".to_owned());
    let dossier = || Box::new(full_dossier());
    vec![
        CareAct::OpenCase { dossier: dossier() },
        CareAct::OpenCase { dossier: Box::new(Dossier::default()) },
        CareAct::AmendCase { case: seen, dossier: dossier() },
        CareAct::CloseCase { case: seen, reason: "opgelost".to_owned() },
        CareAct::Ask(question(About::Case(case))),
        CareAct::Ask(question(About::Nobody {
            age: Some(15),
            municipality: Some("0202".to_owned()),
            severity: Some(Severity::Unstable),
            scanned: true,
        })),
        CareAct::AcceptConsultation { consultation, available: Some(moment()), note: "onderweg".to_owned() },
        CareAct::DeclineConsultation { consultation, code, note: note.clone() },
        CareAct::Advise { consultation, text: "niet terug naar huis".to_owned() },
        CareAct::CancelConsultation { consultation, reason: "niet meer nodig".to_owned() },
        CareAct::CloseConsultation { consultation },
        CareAct::Offer(Offer {
            case: seen,
            to: Some(known("ura:90000123")),
            service: "ambulante-spoedhulp".to_owned(),
            urgency: "u2".to_owned(),
            needed: BTreeSet::from([Field::Address, Field::UnsafeContacts]),
            consultation: Some(consultation.id),
        }),
        CareAct::AcceptHandover {
            handover,
            read_back: vec!["adres niet noemen".to_owned(), "eerst moeder".to_owned()],
            first_action: "huisbezoek".to_owned(),
            first_action_at: Some(moment()),
        },
        CareAct::DeclineHandover { handover, code, note },
        CareAct::WithdrawHandover { handover, reason: "toch zelf".to_owned() },
    ]
}

fn question(about: About) -> Ask {
    Ask {
        about,
        service: "jeugdpsychiatrie".to_owned(),
        urgency: "u1".to_owned(),
        question: "Is opname nodig?".to_owned(),
        candidates: vec![known("ura:90000123"), known("kvk:90000456")],
        fan_out: Some(true),
        needed: BTreeSet::from([Field::Situation]),
        continues: Some(known("0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b39")),
    }
}

fn call() -> Call {
    Call {
        organization: known("ura:90000123"),
        name: "Crisisdienst Voorbeeld".to_owned(),
        line: "crisisdienst 24 uur".to_owned(),
        telephone: "+31000000063".to_owned(),
    }
}

/// A notice of each kind of thing, with and without what may be absent.
#[must_use]
pub fn notices() -> Vec<Notice> {
    let case = Resource::Case(case_id());
    let handover = Resource::Handover(case_id(), known("0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b37"));
    let consultation = Resource::Consultation(known("0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b38"));
    let content = Content {
        question: Some("Is opname nodig?".to_owned()),
        dossier: Some(Box::new(full_dossier())),
        advice: vec!["niet terug naar huis".to_owned()],
    };
    let rows = [
        ("case.opened", case, "lead"),
        ("handover.offered", handover, "offered"),
        ("handover.offered", handover, "offered"),
        ("handover.completed", handover, "completed"),
        ("consultation.asked", consultation, "asked"),
        ("consultation.escalated", consultation, "escalated"),
        ("../odd kind", case, "closed"),
    ];
    let notice = |(at, (kind, resource, state)): (usize, (&str, Resource, &str))| Notice {
        seq: at as u64 + 1,
        kind: kind.to_owned(),
        at: moment(),
        resource: resource.to_string(),
        state: state.to_owned(),
        version: (at % 2 == 1).then_some(3),
        label: (at != 4).then(|| Label::of(case_id())),
        responsibility: (at != 3).then(|| Responsibility {
            lead: Some(known("ura:90000123")),
            responsible: BTreeSet::from([known("ura:90000123")]),
            sentence_nl: "Crisisdienst Voorbeeld heeft de regie en de zorgplicht.".to_owned(),
            sentence_en: "Crisisdienst Voorbeeld leads and is responsible.".to_owned(),
            call: Some(call()),
        }),
        respond_by: (at == 1).then(moment),
        content: (at % 3 == 1).then(|| content.clone()),
    };
    rows.into_iter().enumerate().map(notice).collect()
}
