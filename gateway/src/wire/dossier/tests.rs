//! Every dossier the domain can hold comes back from its bytes; every wrong field is told by path, together.

use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use schakel_domain::dossier::MAX_KEY_POINTS;

fn words() -> impl Strategy<Value = String> {
    "[a-zA-Zéëï0-9][a-zA-Zéëï 0-9.,]{0,30}"
}

/// What is read without the white space around it.
fn trimmed() -> impl Strategy<Value = String> {
    words().prop_map(|text| text.trim().to_owned())
}

fn day() -> impl Strategy<Value = jiff::civil::Date> {
    (1990_i16..2035, 1_i8..=12, 1_i8..=28).prop_map(|(year, month, day)| jiff::civil::date(year, month, day))
}

/// In the years that every gateway takes.
fn moment() -> impl Strategy<Value = jiff::Timestamp> {
    (946_684_800_i64..7_258_118_400, 0_i32..1_000_000_000).prop_map(|(s, n)| jiff::Timestamp::new(s, n).unwrap())
}

fn any_identity() -> impl Strategy<Value = Identity> {
    let names = (of(words()), of(words()), of(day()), of(select(vec!["male", "female", "other", "unknown"])));
    let numbers = (of(select(vec!["123456782", "999900006"])), of("[1-9][0-9]{3}[A-Z]{2}"), of(words()), of(words()));
    (names, numbers, of(words()), of("[0-9]{4}")).prop_map(|(names, numbers, telephone, municipality)| Identity {
        family_name: names.0.map(Words::new),
        given_names: names.1.map(Words::new),
        birth_date: names.2.map(Personal::new),
        sex: names.3.map(Words::from),
        bsn: numbers.0.map(|digits| Bsn::parse(digits).unwrap()),
        postal_code: numbers.1.map(Words::new),
        house_number: numbers.2.map(Words::new),
        address: numbers.3.map(Words::new),
        telephone: telephone.map(Words::new),
        municipality,
    })
}

fn any_legal() -> impl Strategy<Value = LegalStatus> {
    let by = select(vec![vec![ConsentBy::Youth], vec![ConsentBy::AuthorityHolder], vec![ConsentBy::Youth, ConsentBy::AuthorityHolder]]);
    let consent =
        prop_oneof![trimmed().prop_map(|reason| Consent::Absent { reason }), (by, day()).prop_map(|(by, on)| Consent::Given { by, on }),];
    let order = (trimmed(), day(), any::<bool>()).prop_map(|(kind, on, granted)| CourtOrder {
        state: if granted { OrderState::Granted } else { OrderState::Requested },
        kind,
        on,
        until: granted.then_some(on),
    });
    (
        select(vec![Regime::Jeugdwet, Regime::Wgbo, Regime::Wmo, Regime::Wlz]),
        select(vec![Basis::Consent, Basis::DirectlyInvolved, Basis::SupervisionOrder, Basis::VitalInterest]),
        consent,
        select(vec![Authority::BothParents, Authority::OneParent, Authority::Guardian, Authority::Unknown]),
        of(order),
        select(vec![IdentityStatus::Unverified, IdentityStatus::SuppliedByObligedParty, IdentityStatus::Verified]),
    )
        .prop_map(|(regime, basis, consent, authority, court_order, identity_status)| LegalStatus {
            regime,
            basis,
            consent,
            authority,
            court_order,
            identity_status,
        })
}

fn any_contact() -> impl Strategy<Value = Contact> {
    let kind = select(vec![ContactKind::AuthorityHolder, ContactKind::Safe, ContactKind::Unsafe]);
    (words(), words(), of(words()), kind).prop_map(|(name, relation, telephone, kind)| Contact {
        name: name.into(),
        relation: relation.into(),
        telephone: telephone.map(Words::new),
        kind,
    })
}

fn any_dossier() -> impl Strategy<Value = Dossier> {
    let action = (words(), words(), of(moment())).prop_map(|(what, who, by)| ActionItem { what: what.into(), who: who.into(), by });
    let contingency = (words(), words()).prop_map(|(when, then)| Contingency { when: when.into(), then: then.into() });
    let safety = (any::<[bool; 4]>(), words()).prop_map(|(marks, plan)| Safety {
        hidden_address: marks[0],
        danger_from_parent: marks[1],
        self_harm: marks[2],
        aggression: marks[3],
        plan: plan.into(),
    });
    let lists = (
        proptest::collection::vec(any_contact(), 0..4),
        proptest::collection::vec(action, 0..4),
        proptest::collection::vec(contingency, 0..4),
        proptest::collection::vec(words(), 0..=MAX_KEY_POINTS),
    );
    let severity = of(select(vec![Severity::Stable, Severity::Watcher, Severity::Unstable]));
    let texts = (words(), words(), words(), words(), words());
    (any_identity(), of(0_u8..=130), of(any_legal()), lists, texts, severity, safety).prop_map(
        |(identity, age, legal, lists, texts, severity, safety)| Dossier {
            identity,
            age,
            legal,
            contacts: lists.0,
            whereabouts: texts.0.into(),
            situation: texts.1.into(),
            background: texts.2.into(),
            assessment: texts.3.into(),
            recommendation: texts.4.into(),
            severity,
            actions: lists.1,
            contingencies: lists.2,
            safety,
            key_points: lists.3.into_iter().map(Words::new).collect(),
        },
    )
}

proptest! {
    #[test]
    fn a_dossier_comes_back_from_its_bytes_and_the_bytes_from_the_dossier(dossier in any_dossier()) {
        let bytes = encode_dossier(&dossier);
        let read = decode_dossier(&bytes).unwrap();

        prop_assert_eq!(&read, &dossier);
        prop_assert_eq!(encode_dossier(&read), bytes);
    }

    #[test]
    fn garbage_is_refused_or_read_but_never_a_crash(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_dossier(&bytes);
    }
}

fn paths(message: &wire::Dossier) -> Vec<String> {
    from_wire(message).unwrap_err().into_iter().filter_map(|refusal| refusal.field).collect()
}

#[test]
fn every_wrong_field_is_told_by_path_together() {
    let message = wire::Dossier {
        identity: Some(wire::Identity {
            birth_date: Some("3-4-2011".to_owned()),
            bsn: Some("123456789".to_owned()),
            municipality: Some("GM02".to_owned()),
            ..wire::Identity::default()
        }),
        age: Some(300),
        legal: Some(wire::LegalStatus::default()),
        contacts: vec![wire::Contact::default()],
        severity: 9,
        actions: vec![wire::ActionItem { by_time: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }), ..Default::default() }],
        ..wire::Dossier::default()
    };

    let expected = [
        "identity.birth_date",
        "identity.bsn",
        "identity.municipality",
        "age",
        "legal.regime",
        "legal.basis",
        "legal.no_consent_reason",
        "contacts[0].kind",
        "severity",
        "actions[0].by_time",
    ];
    assert_eq!(paths(&message), expected);
}

#[test]
fn what_a_system_sends_empty_is_unknown() {
    let empty = wire::Identity { bsn: Some(String::new()), birth_date: Some(" ".to_owned()), ..wire::Identity::default() };

    let read = from_wire(&wire::Dossier { identity: Some(empty), ..wire::Dossier::default() }).unwrap();

    assert_eq!(read, Dossier::default());
}

#[test]
fn consent_is_given_or_absent_never_both() {
    let both = wire::LegalStatus {
        regime: 1,
        basis: 1,
        consent_by: vec![1],
        consent_on: Some("2026-11-22".to_owned()),
        no_consent_reason: Some("geen".to_owned()),
        ..wire::LegalStatus::default()
    };

    assert_eq!(paths(&wire::Dossier { legal: Some(both), ..wire::Dossier::default() }), ["legal.no_consent_reason"]);
}

#[test]
fn an_oversized_dossier_is_refused_before_it_is_parsed() {
    let refused = decode_dossier(&vec![0; MAX_BYTES + 1]).unwrap_err();

    assert_eq!(refused[0].field.as_deref(), Some("dossier"));
}
