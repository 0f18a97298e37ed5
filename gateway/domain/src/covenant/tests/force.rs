use super::document::Change;
use super::*;
use crate::signature::Kind;

fn missing(standing: &Standing) -> Vec<&str> {
    match standing {
        Standing::Waiting { missing } => missing.iter().map(OrgId::as_str).collect(),
        other => panic!("{other:?}"),
    }
}

fn why(covenant: &Covenant) -> &str {
    match covenant.standing() {
        Standing::Broken { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_version_is_in_force_when_every_party_signed() {
    let mut bundle = signed(keyed());
    assert_eq!(Covenant::judge(bundle.clone(), None).standing(), &Standing::InForce);

    bundle.signatures.retain(|signature| signature.party != org(G7) && signature.party != org(PACTUM));

    assert_eq!(missing(Covenant::judge(bundle, None).standing()), [PACTUM, G7]);
}

#[test]
fn a_bundle_survives_its_file() {
    let file = signed(keyed()).to_json();

    assert_eq!(Covenant::read(file.as_bytes(), None), first());
}

#[test]
fn one_altered_byte_anywhere_never_leaves_a_covenant_in_force() {
    let file = serde_json::to_string(&signed(keyed())).unwrap().into_bytes();
    for index in (0..file.len()).step_by(389) {
        let mut altered = file.clone();
        altered[index] ^= 1;

        let covenant = Covenant::read(&altered, None);

        assert!(covenant.in_force().is_none(), "byte {index}");
        assert!(!covenant.permits(&question(SEZ, PRO_PERSONA, Act::Consult), night()).is_allowed());
    }
}

#[test]
fn a_missing_signature_and_an_altered_text_deny_with_different_reasons() {
    let mut waiting = signed(keyed());
    waiting.signatures.pop();
    let mut altered = signed(keyed());
    altered.document.deadlines.undelivered = "2h".parse().unwrap();
    let ask = |bundle| denial(Covenant::judge(bundle, None).permits(&question(SEZ, PRO_PERSONA, Act::Consult), night()));

    assert_eq!(ask(waiting).reason, Reason::CovenantMissing);
    let refusal = ask(altered);
    assert_eq!(refusal.reason, Reason::CovenantBroken);
    assert!(refusal.detail.contains("altered"), "{refusal}");
}

#[test]
fn bytes_that_are_no_covenant_are_a_covenant_that_denies() {
    for bytes in [&b""[..], b"{}", b"\xff\xfe", b"[[[[[[", &vec![b' '; signed::MAX_BUNDLE_BYTES + 1]] {
        let covenant = Covenant::read(bytes, None);

        assert_eq!(denial(covenant.permits(&question(SEZ, PRO_PERSONA, Act::Consult), night())).reason, Reason::CovenantBroken);
    }
}

#[test]
fn only_a_party_with_its_own_root_key_can_sign() {
    let mut bundle = SignedCovenant::unsigned(keyed());
    let stranger = org("ura:99999999");

    assert_eq!(reason(bundle.sign(&org(SEZ), &key(&org(G7)))), Reason::IdentityMismatch);
    assert_eq!(reason(bundle.sign(&stranger, &key(&stranger))), Reason::UnknownPeer);
    assert_eq!(reason(SignedCovenant::unsigned(draft()).sign(&org(SEZ), &key(&org(SEZ)))), Reason::CovenantBroken);

    let jws = key(&stranger).sign_detached(Kind::Covenant, &bundle.document.canonical());
    bundle.signatures.push(signed::PartySignature { party: stranger, jws });
    assert!(why(&Covenant::judge(bundle, None)).contains("not made with a root key of that party"));
}

#[test]
fn a_signature_borrowed_from_another_party_breaks_the_bundle() {
    let mut bundle = signed(keyed());
    bundle.signatures[0].jws = bundle.signatures[1].jws.clone();

    assert!(why(&Covenant::judge(bundle, None)).contains("not made with a root key"));
}

#[test]
fn an_ordinary_change_needs_everybody() {
    let document = next(&keyed(), Change::Ordinary, |document| document.retention.audit_log_years = 10);
    let mut bundle = signed(document);
    assert_eq!(bundle.standing(Some(&first())), Standing::InForce);

    bundle.signatures.retain(|signature| signature.party != org(VELDHOF));

    assert_eq!(missing(&bundle.standing(Some(&first()))), [VELDHOF]);
}

/// A provider that joins, with a service.
fn joining(document: &mut Document) -> OrgId {
    let id = org("kvk:90000150");
    let mut party = document.parties[4].clone();
    (party.id, party.name, party.root_key) = (id.clone(), "Nieuwkomer".to_owned(), Some(key(&id).public()));
    let mut service = document.services.iter().find(|service| service.by == org(PACTUM)).unwrap().clone();
    (service.id, service.by) = ("nieuwkomer-spoedhulp".parse().unwrap(), id.clone());
    document.parties.push(party);
    document.services.push(service);
    id
}

const SIGNERS: [&str; 5] = [SEZ, PRO_PERSONA, GGNET, GGZ_CENTRAAL, G7];

#[test]
fn an_accession_needs_those_the_predecessor_names_and_always_the_newcomer() {
    let document = next(&keyed(), Change::Accession, |document| {
        joining(document);
    });

    let without_newcomer = signed_by(document.clone(), SIGNERS);
    assert_eq!(missing(&without_newcomer.standing(Some(&first()))), ["kvk:90000150"]);

    let complete = signed_by(document, SIGNERS.into_iter().chain(["kvk:90000150"]));
    assert_eq!(complete.standing(Some(&first())), Standing::InForce);
}

#[test]
fn an_accession_that_changes_anything_else_is_broken() {
    let edits: [fn(&mut Document); 5] = [
        |document| document.grants[0].purpose.en.push('!'),
        |document| document.change_rules.accession = vec!["all".parse().unwrap()],
        |document| document.parties[0].telephone = "+31000000999".parse().unwrap(),
        |document| document.datasets[1].fields.push(crate::field::Field::Bsn),
        |document| document.in_force_until = Some("2030-01-01".parse().unwrap()),
    ];
    for edit in edits {
        let document = next(&keyed(), Change::Accession, |document| {
            joining(document);
            edit(document);
        });

        let covenant = Covenant::judge(signed(document), Some(&first()));

        assert!(why(&covenant).contains("more than who takes part"));
    }
}

#[test]
fn an_accession_in_which_nobody_joins_is_broken() {
    let document = next(&keyed(), Change::Accession, |_| {});

    assert!(why(&Covenant::judge(signed(document), Some(&first()))).contains("nobody joins or leaves"));
}

#[test]
fn a_withdrawal_needs_those_the_predecessor_names_and_takes_the_services_along() {
    let leave = |document: &mut Document| {
        document.parties.retain(|party| party.id != org(VELDHOF));
        document.services.retain(|service| service.by != org(VELDHOF));
        document.grants.iter_mut().for_each(|clause| clause.order.retain(|id| *id != org(VELDHOF)));
    };
    let document = next(&keyed(), Change::Withdrawal, leave);

    assert_eq!(signed_by(document.clone(), SIGNERS).standing(Some(&first())), Standing::InForce);
    assert_eq!(missing(&signed_by(document, SIGNERS.into_iter().skip(1)).standing(Some(&first()))), [SEZ]);
}

#[test]
fn a_new_root_key_needs_the_old_key_and_the_new_one() {
    let new_key = SecretKey::from_seed(&[42; 32]).unwrap();
    let document = next(&keyed(), Change::Ordinary, |document| {
        document.set_root_key(&org(PACTUM), new_key.public());
    });
    let others: Vec<_> = document.parties.iter().map(|party| party.id.clone()).filter(|id| *id != org(PACTUM)).collect();
    let mut bundle = signed_by(document, others.iter().map(OrgId::as_str));

    let mut old_only = bundle.clone();
    old_only.sign_leaving(&org(PACTUM), &key(&org(PACTUM)), &first()).unwrap();
    assert_eq!(missing(&old_only.standing(Some(&first()))), [PACTUM], "the new key has yet to show that it exists");

    bundle.sign(&org(PACTUM), &new_key).unwrap();
    assert_eq!(missing(&bundle.standing(Some(&first()))), [PACTUM], "the old key has yet to agree");

    bundle.sign_leaving(&org(PACTUM), &key(&org(PACTUM)), &first()).unwrap();
    assert_eq!(bundle.standing(Some(&first())), Standing::InForce);
}

#[test]
fn a_party_leaves_only_a_version_it_was_in_with_the_root_key_it_had_there() {
    let mut bundle = SignedCovenant::unsigned(next(&keyed(), Change::Ordinary, |_| {}));
    let before = bundle.clone();
    let stranger = org("ura:99999999");

    assert_eq!(reason(bundle.sign_leaving(&org(SEZ), &key(&org(G7)), &first())), Reason::IdentityMismatch);
    assert_eq!(reason(bundle.sign_leaving(&stranger, &key(&stranger), &first())), Reason::UnknownPeer);
    assert_eq!(reason(SignedCovenant::unsigned(keyed()).sign_leaving(&org(SEZ), &key(&org(SEZ)), &first())), Reason::CovenantBroken);
    let waiting = Covenant::judge(SignedCovenant::unsigned(keyed()), None);
    assert_eq!(reason(bundle.sign_leaving(&org(SEZ), &key(&org(SEZ)), &waiting)), Reason::CovenantBroken);

    assert_eq!(bundle, before);
}

#[test]
fn a_successor_of_another_text_or_of_nothing_is_broken() {
    let stray = next(&keyed(), Change::Ordinary, |document| document.predecessor = Some(Hash::sha256(b"another")));
    let orphan = next(&keyed(), Change::Ordinary, |_| {});
    let mut unsigned = signed(keyed());
    unsigned.signatures.pop();
    let waiting = Covenant::judge(unsigned, None);

    assert!(why(&Covenant::judge(signed(stray), Some(&first()))).contains("another text as version 1"));
    assert!(why(&Covenant::judge(signed(orphan.clone()), None)).contains("is not held"));
    assert!(why(&Covenant::judge(signed(orphan), Some(&waiting))).contains("is not in force"));
}

#[test]
fn an_overlay_is_refused_until_the_gateway_knows_overlays() {
    let document = next(&keyed(), Change::Overlay, |_| {});

    assert!(why(&Covenant::judge(signed(document), Some(&first()))).contains("overlays"));
}
