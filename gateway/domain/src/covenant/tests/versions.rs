use super::document::Change;
use super::*;

fn second() -> Document {
    next(&keyed(), Change::Ordinary, |document| document.grants[3].response.clear())
}

fn third() -> Document {
    let mut document = next(&second(), Change::Ordinary, |_| {});
    document.in_force_from = "2026-12-10".parse().unwrap();
    document.predecessor_until = Some("2027-01-10".parse().unwrap());
    document
}

fn book() -> Book {
    let mut book = book_of(SEZ);
    book.install(signed(keyed())).unwrap();
    book
}

fn named(document: &Document) -> CovenantRef {
    CovenantRef { id: document.id.clone(), version: document.version, hash: document.hash() }
}

#[test]
fn signatures_that_come_later_complete_a_covenant() {
    let mut book = book_of(SEZ);
    let early = signed_by(keyed(), [SEZ, G7]);
    let mut late = signed(keyed());
    late.signatures.retain(|signature| ![org(SEZ), org(G7)].contains(&signature.party));

    assert!(matches!(book.install(early.clone()), Ok(Installed::Changed(Standing::Waiting { .. }))));
    assert!(!book.permits(&question(SEZ, PRO_PERSONA, Act::Consult), night()).is_allowed());
    assert_eq!(book.install(late), Ok(Installed::Changed(Standing::InForce)));
    assert_eq!(book.install(early), Ok(Installed::Unchanged));
    assert!(book.permits(&question(SEZ, PRO_PERSONA, Act::Consult), night()).is_allowed());
}

#[test]
fn an_older_version_of_another_text_is_refused_as_outdated() {
    let mut book = book();
    book.install(signed(second())).unwrap();
    let mut other = keyed();
    other.retention.audit_log_years = 9;

    assert_eq!(reason(book.install(signed(other))), Reason::CovenantOutdated);
}

#[test]
fn another_text_under_the_same_number_is_refused_as_a_fork() {
    let mut book = book();
    let mut other = keyed();
    other.retention.audit_log_years = 9;

    let refusal = book.install(signed(other)).unwrap_err();

    assert_eq!(refusal.reason, Reason::CovenantBroken);
    assert!(refusal.detail.contains("held as another text"), "{refusal}");
    assert_eq!(book.get(&keyed().id, 1).unwrap().hash(), keyed().hash());
}

#[test]
fn a_mere_proposal_gives_way_to_what_all_have_signed() {
    let mut book = book_of(SEZ);
    let mut proposal = keyed();
    proposal.retention.audit_log_years = 9;
    book.install(signed_by(proposal, [G7])).unwrap();

    assert_eq!(book.install(signed(keyed())), Ok(Installed::Changed(Standing::InForce)));
}

#[test]
fn an_altered_bundle_or_one_without_its_predecessor_is_refused() {
    let mut altered = signed(second());
    altered.document.retention.case_years = 1;

    assert_eq!(reason(book().install(altered)), Reason::CovenantBroken);
    assert_eq!(reason(book_of(SEZ).install(signed(second()))), Reason::CovenantBroken);
}

#[test]
fn a_covenant_that_names_us_under_a_foreign_key_is_refused() {
    let mut book = Book::new(org(SEZ), vec![SecretKey::from_seed(&[3; 32]).unwrap().public()]);

    let refusal = book.install(signed(keyed())).unwrap_err();

    assert!(refusal.detail.contains("not ours"), "{refusal}");
}

#[test]
fn adjacent_versions_stand_beside_each_other_until_the_stated_date() {
    let mut book = book();
    book.install(signed(second())).unwrap();
    let number = |time: &str| book.current(&keyed().id, at(time)).unwrap().reference().unwrap().version;
    let old = |time: &str| book.lookup(&named(&keyed()), at(time), false).map(drop).map_err(|refusal| refusal.reason);

    assert_eq!(number("2026-11-30T22:59:59Z"), 1);
    assert_eq!(number("2026-11-30T23:00:00Z"), 2);
    assert_eq!(old("2026-12-14T22:59:59Z"), Ok(()));
    assert_eq!(old("2026-12-14T23:00:00Z"), Err(Reason::CovenantOutdated));
}

#[test]
fn what_is_open_is_judged_to_its_end_by_the_version_it_was_made_under() {
    let mut book = book();
    book.install(signed(second())).unwrap();
    let later = at("2027-06-01T00:00:00Z");
    let ask = question(SEZ, PRO_PERSONA, Act::Consult);

    assert_eq!(denial(book.permits_under(&named(&keyed()), &ask, later, false)).reason, Reason::CovenantOutdated);
    let grant = book.permits_under(&named(&keyed()), &ask, later, true).into_result().unwrap();
    assert_eq!(grant.covenant.version, 1);
}

#[test]
fn only_neighbours_stand_beside_each_other() {
    let mut book = book();
    book.install(signed(second())).unwrap();
    book.install(signed(third())).unwrap();

    let on = at("2026-12-11T00:00:00Z");
    assert_eq!(reason(book.lookup(&named(&keyed()), on, false)), Reason::CovenantOutdated);
    assert!(book.lookup(&named(&second()), on, false).is_ok());
    assert!(book.lookup(&named(&third()), on, false).is_ok());
}

#[test]
fn a_version_that_has_not_begun_counts_only_within_the_difference_of_two_clocks() {
    let mut book = book();
    book.install(signed(second())).unwrap();

    assert!(book.lookup(&named(&second()), at("2026-11-30T22:56:00Z"), false).is_ok());
    assert_eq!(reason(book.lookup(&named(&second()), at("2026-11-30T22:54:00Z"), false)), Reason::CovenantMissing);
}

#[test]
fn a_covenant_ends_on_its_own_last_day() {
    let mut document = keyed();
    document.in_force_until = Some("2026-11-01".parse().unwrap());
    let mut book = book_of(SEZ);
    book.install(signed(document.clone())).unwrap();

    assert_eq!(denial(book.permits(&question(SEZ, PRO_PERSONA, Act::Consult), night())).reason, Reason::CovenantMissing);
    assert_eq!(reason(book.lookup(&named(&document), night(), false)), Reason::CovenantMissing);
    assert!(book.lookup(&named(&document), night(), true).is_ok());
}

#[test]
fn a_message_that_names_another_text_is_refused() {
    let named = CovenantRef { hash: Hash::sha256(b"another"), ..named(&keyed()) };

    assert_eq!(reason(book().lookup(&named, night(), true)), Reason::CovenantBroken);
}

#[test]
fn a_stored_version_that_went_bad_denies_until_it_is_brought_again() {
    let (one, two) = (signed(keyed()).to_json(), signed(second()).to_json());
    let damaged = two.replace("\"case_years\": 20", "\"case_years\": 2");
    let id = keyed().id;
    let stored =
        [Stored { id: id.clone(), version: 2, bundle: damaged.as_bytes() }, Stored { id: id.clone(), version: 1, bundle: one.as_bytes() }];
    let mut book = Book::load(org(SEZ), vec![key(&org(SEZ)).public()], stored);
    let ask = question(SEZ, PRO_PERSONA, Act::Consult);

    assert_eq!(denial(book.permits(&ask, night())).reason, Reason::CovenantBroken);
    assert_eq!(reason(book.lookup(&named(&keyed()), night(), false)), Reason::CovenantBroken);
    assert!(book.lookup(&named(&keyed()), night(), true).is_ok(), "what is open goes on");

    book.install(signed(second())).unwrap();
    assert!(book.permits(&ask, night()).is_allowed());
}

#[test]
fn a_repaired_version_makes_the_one_after_it_hold_again() {
    let (one, two) = (signed(keyed()).to_json(), signed(second()).to_json());
    let id = keyed().id;
    let stored = [Stored { id: id.clone(), version: 1, bundle: b"rot" }, Stored { id: id.clone(), version: 2, bundle: two.as_bytes() }];
    let mut book = Book::load(org(SEZ), vec![key(&org(SEZ)).public()], stored);
    assert!(book.get(&id, 2).unwrap().in_force().is_none());

    book.install(SignedCovenant::from_json(one.as_bytes()).unwrap()).unwrap();

    assert!(book.get(&id, 2).unwrap().in_force().is_some());
}

#[test]
fn a_covenant_that_does_not_name_us_says_nothing_to_us() {
    let mut book = Book::new(org("ura:99999999"), Vec::new());
    book.install(signed(keyed())).unwrap();

    assert_eq!(denial(book.permits(&question(SEZ, PRO_PERSONA, Act::Consult), night())).reason, Reason::CovenantMissing);
    assert_eq!(book.root_keys(&org(SEZ), night()), []);
    assert_eq!(book.peers(night()), []);
}

#[test]
fn without_a_covenant_nothing_is_allowed() {
    assert_eq!(denial(book_of(SEZ).permits(&question(SEZ, PRO_PERSONA, Act::Consult), night())).reason, Reason::CovenantMissing);
}

#[test]
fn the_book_knows_peers_and_their_root_keys() {
    assert_eq!(book().root_keys(&org(G7), night()), [key(&org(G7)).public()]);
    assert_eq!(book().peers(night()).len(), keyed().parties.len() - 1);
}

/// A first version under another name, with these signatures.
fn proposal(name: &str, signed_by_these: &[&str]) -> SignedCovenant {
    let mut document = keyed();
    document.id = name.parse().unwrap();
    signed_by(document, signed_by_these.iter().copied())
}

#[test]
fn a_peer_may_propose_only_what_concerns_us_and_it_signed_itself() {
    let mut book = book();
    let without_us = |mut bundle: SignedCovenant| {
        bundle.document.parties.retain(|party| party.id != org(SEZ));
        bundle.signatures.clear();
        bundle
    };

    for (offered, says) in [
        (proposal("nieuw", &[]), "carries the signature"),
        (proposal("nieuw", &[G7]), "carries the signature"),
        (without_us(proposal("nieuw", &[])), "does not name"),
    ] {
        let refusal = book.install_from(&org(PRO_PERSONA), offered).unwrap_err();
        assert_eq!(refusal.reason, Reason::CovenantDenied);
        assert!(refusal.detail.contains(says), "{refusal}");
    }
    let waiting = book.install_from(&org(PRO_PERSONA), proposal("nieuw", &[PRO_PERSONA]));
    assert!(matches!(waiting, Ok(Installed::Changed(Standing::Waiting { .. }))));
    // More signatures may come by anybody, and what all signed proves itself.
    let more = book.install_from(&org(G7), proposal("nieuw", &[GGNET]));
    assert!(matches!(more, Ok(Installed::Changed(Standing::Waiting { .. }))));
    let mut other = keyed();
    other.id = "ander".parse().unwrap();
    assert_eq!(book.install_from(&org(G7), signed(other)), Ok(Installed::Changed(Standing::InForce)));
    assert_eq!(book.install_from(&org(G7), signed(second())), Ok(Installed::Changed(Standing::InForce)));
}

#[test]
fn nobody_fills_the_book_with_proposals() {
    let mut book = book();
    let propose = |book: &mut Book, by: &str, number: usize| {
        book.install_from(&org(by), proposal(&format!("voorstel-{number}"), &[by])).map_err(|refusal| refusal.reason)
    };

    for number in 0..5 {
        propose(&mut book, PRO_PERSONA, number).unwrap();
    }

    assert_eq!(propose(&mut book, PRO_PERSONA, 5), Err(Reason::QuotaExceeded));
    assert!(propose(&mut book, G7, 6).is_ok(), "others still may");
    // What our own operator signed is ours, and makes room.
    book.install(proposal("voorstel-0", &[SEZ])).unwrap();
    assert!(propose(&mut book, PRO_PERSONA, 5).is_ok());
}
