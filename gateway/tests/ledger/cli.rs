//! What `schakel audit show | verify | export` say, and what they end with.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use schakel::ledger::cli::{Exit, Show, Voice, export, show, verify};
use schakel::ledger::export::nothing;
use schakel::store::{Commit, EntryRow, Expect, Kind, NewEntry, Record, Store, memory};
use schakel_domain::audit::commitment::Disclosure;
use schakel_domain::refusal::Lang;

use super::kit::{CASE, bytes, salt, signer, write};
use super::{ledger, verify_folder};

/// Speaks, and gives what was said.
macro_rules! said {
    ($lang:expr, $json:expr, |$voice:ident| $act:expr) => {{
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = {
            let $voice = &mut Voice { out: &mut out, err: &mut err, lang: $lang, json: $json };
            $act.await
        };
        (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }};
}

async fn log(entries: u64) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = memory::new();
    write(&*store, 0..entries).await;
    store
}

#[tokio::test]
async fn an_entry_is_one_line_with_time_person_act_subject_and_the_rule_in_words() {
    let store = log(2).await;

    let dutch = said!(Lang::Nl, false, |voice| show(&*store, &Show::default(), voice));
    let english = said!(Lang::En, false, |voice| show(&*store, &Show { from: Some(1), ..Show::default() }, voice));

    assert_eq!((dutch.0, english.0), (Exit::Fine, Exit::Fine));
    let subject = format!("case {CASE}");
    let first = format!(
        "      0  2026-11-21 22:26:40.000Z  p-0000 (crisisverpleegkundige)  Zaak ingezien  {subject}  toegestaan [4.2] De ontvanger van een \
         aanbod mag het lezen."
    );
    assert_eq!(dutch.1.lines().next(), Some(first.as_str()));
    assert!(dutch.1.lines().nth(1).unwrap().ends_with("geweigerd [COVENANT_DENIED] Het convenant staat dit niet toe."));
    assert!(english.1.starts_with("      1  ") && english.1.contains("  Case viewed  ") && english.1.contains("  denied ["));
}

#[tokio::test]
async fn the_newest_entries_are_shown_unless_a_start_is_named() {
    let store = log(30).await;
    let lines = |text: &str| -> Vec<u64> { text.lines().map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect() };

    let newest = said!(Lang::Nl, false, |voice| show(&*store, &Show { limit: 3, ..Show::default() }, voice));
    let from = said!(Lang::Nl, false, |voice| show(&*store, &Show { from: Some(4), limit: 2, ..Show::default() }, voice));
    let of_case = Show { limit: 3, case: Some(CASE.to_owned()), ..Show::default() };
    let of_case = said!(Lang::Nl, false, |voice| show(&*store, &of_case, voice));
    let wrong = said!(Lang::Nl, false, |voice| show(&*store, &Show { limit: 0, ..Show::default() }, voice));

    assert_eq!((lines(&newest.1), lines(&from.1), lines(&of_case.1)), (vec![27, 28, 29], vec![4, 5], vec![27, 28, 29]));
    assert_eq!(wrong.0, Exit::Usage);
}

#[tokio::test]
async fn a_case_is_found_by_its_label_and_an_unknown_one_is_said_to_be_unknown() {
    let store = log(3).await;
    let record = Record {
        kind: Kind::Case,
        id: CASE.to_owned(),
        version: 1,
        parent: None,
        open: true,
        alias: Some("ZK-7F3K".to_owned()),
        clear: "{}".to_owned(),
        sealed: None,
    };
    let expect = vec![Expect { kind: Kind::Case, id: CASE.to_owned(), version: 0 }];
    store.commit(Commit { expect, put: vec![record], ..Commit::default() }).await.unwrap();
    let ask = |case: &str| Show { case: Some(case.to_owned()), ..Show::default() };

    let known = said!(Lang::Nl, false, |voice| show(&*store, &ask("zk-7f3k"), voice));
    let unknown = said!(Lang::Nl, false, |voice| show(&*store, &ask("ZK-0000"), voice));

    assert_eq!((known.0, known.1.lines().count()), (Exit::Fine, 3));
    assert_eq!((unknown.0, unknown.2.as_str()), (Exit::Failed, "schakel audit: geen zaak ZK-0000\n"));
}

#[tokio::test]
async fn a_row_that_is_no_entry_is_shown_as_such_and_what_steers_a_terminal_is_not_printed() {
    let store = log(1).await;
    let broken = |bytes: Vec<u8>| NewEntry { leaf: schakel_domain::audit::tree::leaf_hash(&bytes), bytes, salts: None, case: None };
    let steering = String::from_utf8(bytes(1)).unwrap().replace("crisisverpleegkundige", "a\u{9b}31mb").into_bytes();
    store.commit(Commit { entries: vec![broken(b"x".to_vec()), broken(steering)], ..Commit::default() }).await.unwrap();

    let text = said!(Lang::Nl, false, |voice| show(&*store, &Show::default(), voice));
    let json = said!(Lang::Nl, true, |voice| show(&*store, &Show::default(), voice));

    assert_eq!((text.0, json.0), (Exit::Found, Exit::Found));
    assert!(text.1.lines().nth(1).unwrap().contains("geen logregel"));
    assert!(text.1.contains("a\u{fffd}31mb"));
    for line in json.1.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[tokio::test]
async fn verifying_ends_in_zero_when_whole_in_three_when_not_and_in_two_for_a_foreign_checkpoint() {
    let store = log(5).await;
    let key = signer();

    let unsigned = said!(Lang::Nl, false, |voice| verify(&*store, key.vkey(), None, voice));
    ledger(&store).await.publish().await.unwrap();
    let whole = said!(Lang::Nl, false, |voice| verify(&*store, key.vkey(), None, voice));
    let json = said!(Lang::Nl, true, |voice| verify(&*store, key.vkey(), None, voice));
    let foreign = said!(Lang::En, false, |voice| verify(&*store, key.vkey(), Some(b"x"), voice));

    assert_eq!((unsigned.0, whole.0, foreign.0), (Exit::Found, Exit::Fine, Exit::Usage));
    assert!(whole.1.contains("heel en ongewijzigd") && whole.1.contains("Niet aangetoond"));
    assert_eq!(json.1, "{\"ok\":true,\"entries\":5,\"first_bad_index\":null,\"check\":null}\n");
    assert_eq!([Exit::Fine, Exit::Failed, Exit::Usage, Exit::Found].map(Exit::code), [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_stored_log_is_compared_with_the_checkpoint_an_auditor_kept() {
    let store = log(5).await;
    let key = signer();
    ledger(&store).await.publish().await.unwrap();
    let other = log(4).await;
    write(&*other, 70..80).await;
    ledger(&other).await.publish().await.unwrap();
    let kept = ledger(&store).await.checkpoint().unwrap().note.clone();
    write(&*store, 5..9).await;
    ledger(&store).await.publish().await.unwrap();

    let extended = said!(Lang::En, false, |voice| verify(&*store, key.vkey(), Some(kept.as_bytes()), voice));
    let rewritten = said!(Lang::En, true, |voice| verify(&*other, key.vkey(), Some(kept.as_bytes()), voice));

    assert_eq!(extended.0, Exit::Fine);
    assert!(extended.1.contains("5 → 9"));
    assert_eq!((rewritten.0, rewritten.1.contains("\"earlier\"")), (Exit::Found, true));
}

/// Discloses the entries with an even number.
fn even(row: EntryRow) -> BoxFuture<'static, Result<Option<Disclosure>, String>> {
    let disclosed =
        row.index.is_multiple_of(2).then(|| Disclosure { index: row.index, salt: salt(row.index), value: "client 1".to_owned() });
    Box::pin(std::future::ready(Ok(disclosed)))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_discloses_the_salts_that_were_chosen_and_no_others() {
    let store = log(10).await;
    let key = signer();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("log");
    ledger(&store).await.publish().await.unwrap();

    let done = said!(Lang::En, true, |voice| export(&*store, key.vkey(), &out, &even, voice));

    assert_eq!(done.0, Exit::Fine, "{}", done.2);
    assert!(done.1.contains("\"entries\":10"));
    let report = verify_folder(&out);
    assert_eq!((report.finding.clone(), report.disclosed), (None, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_not_made_over_another_nor_of_an_unsigned_log() {
    let store = log(10).await;
    let key = signer();
    let folder = tempfile::tempdir().unwrap();

    let unsigned = said!(Lang::Nl, false, |voice| export(&*store, key.vkey(), folder.path(), &nothing, voice));
    ledger(&store).await.publish().await.unwrap();
    let first = said!(Lang::Nl, false, |voice| export(&*store, key.vkey(), folder.path(), &nothing, voice));
    let over = said!(Lang::Nl, false, |voice| export(&*store, key.vkey(), folder.path(), &nothing, voice));

    assert_eq!((unsigned.0, first.0, over.0), (Exit::Failed, Exit::Fine, Exit::Failed));
    assert!(unsigned.2.contains("nog niets ondertekend") && over.2.contains("is not empty"));
    assert!(!std::fs::exists(folder.path().join("checkpoint.new")).unwrap());
}
