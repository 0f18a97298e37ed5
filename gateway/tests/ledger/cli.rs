//! What `schakel audit show | verify | export` say, and what they end with.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use schakel::cli::Verdict;
use schakel::cli::audit::{Show, export, show, verify};
use schakel::ledger::export::nothing;
use schakel::store::{Commit, EntryRow, Expect, Kind, NewEntry, Record, Store, memory};
use schakel_domain::audit::commitment::Disclosure;
use schakel_domain::refusal::Lang;

use super::kit::{CASE, bytes, salt, signer, write};
use super::{ledger, verify_folder};

fn limit(limit: u32) -> Show {
    Show { limit, ..Show::default() }
}

async fn log(entries: u64) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = memory::new();
    write(&*store, 0..entries).await;
    store
}

#[tokio::test]
async fn an_entry_is_one_line_with_time_person_act_subject_and_the_rule_in_words() {
    let store = log(2).await;

    let dutch = show(&*store, &Show::default(), Lang::Nl).await.unwrap();
    let english = show(&*store, &Show { from: Some(1), ..Show::default() }, Lang::En).await.unwrap();

    assert_eq!((dutch.verdict(), english.verdict()), (Verdict::Fine, Verdict::Fine));
    let subject = format!("case {CASE}");
    let first = format!(
        "      0  2026-11-21 22:26:40.000Z  p-0000 (crisisverpleegkundige)  Zaak ingezien  {subject}  toegestaan [4.2] De ontvanger van een \
         aanbod mag het lezen."
    );
    assert_eq!(dutch.text().lines().next(), Some(first.as_str()));
    assert!(dutch.text().lines().nth(1).unwrap().ends_with("geweigerd [COVENANT_DENIED] Het convenant staat dit niet toe."));
    assert!(english.text().starts_with("      1  ") && english.text().contains("  Case viewed  ") && english.text().contains("  denied ["));
}

#[tokio::test]
async fn the_newest_entries_are_shown_unless_a_start_is_named() {
    let store = log(30).await;
    let lines = |text: &str| -> Vec<u64> { text.lines().map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect() };

    let newest = show(&*store, &limit(3), Lang::Nl).await.unwrap();
    let from = show(&*store, &Show { from: Some(4), limit: 2, ..Show::default() }, Lang::Nl).await.unwrap();
    let of_case = Show { limit: 3, case: Some(CASE.parse().unwrap()), ..Show::default() };
    let of_case = show(&*store, &of_case, Lang::Nl).await.unwrap();

    assert_eq!((lines(newest.text()), lines(from.text()), lines(of_case.text())), (vec![27, 28, 29], vec![4, 5], vec![27, 28, 29]));
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
        alias: Some("ZK-7F3KD".to_owned()),
        clear: "{}".to_owned(),
        sealed: None,
    };
    let expect = vec![Expect { kind: Kind::Case, id: CASE.to_owned(), version: 0 }];
    store.commit(Commit { expect, put: vec![record], ..Commit::default() }).await.unwrap();
    let ask = |case: &str| Show { case: Some(case.parse().unwrap()), ..Show::default() };

    let known = show(&*store, &ask("zk-7f3kd"), Lang::Nl).await.unwrap();
    let unknown = show(&*store, &ask("ZK-00000"), Lang::Nl).await.unwrap_err();

    assert_eq!((known.verdict(), known.text().lines().count()), (Verdict::Fine, 3));
    assert_eq!((unknown.code(), unknown.to_string().as_str()), (1, "geen zaak ZK-00000"));
}

#[tokio::test]
async fn a_row_that_is_no_entry_is_shown_as_such_and_what_steers_a_terminal_is_not_printed() {
    let store = log(1).await;
    let broken = |bytes: Vec<u8>| NewEntry { leaf: schakel_domain::audit::tree::leaf_hash(&bytes), bytes, salts: None, case: None };
    let steering = String::from_utf8(bytes(1)).unwrap().replace("crisisverpleegkundige", "a\u{9b}31mb").into_bytes();
    store.commit(Commit { entries: vec![broken(b"x".to_vec()), broken(steering)], ..Commit::default() }).await.unwrap();

    let shown = show(&*store, &Show::default(), Lang::Nl).await.unwrap();

    assert_eq!(shown.verdict(), Verdict::Wrong);
    assert!(shown.text().lines().nth(1).unwrap().contains("geen logregel"));
    assert!(shown.text().contains("a\u{fffd}31mb"));
    let object = shown.to_json();
    let entries = object["entries"].as_array().unwrap();
    assert_eq!((object["ok"].as_bool(), entries.len()), (Some(false), 3));
    assert!(entries[0]["entry"].is_object() && entries[1]["error"].is_string());
}

#[tokio::test]
async fn verifying_ends_in_zero_when_whole_in_three_when_not_and_in_two_for_a_foreign_checkpoint() {
    let store = log(5).await;
    let key = signer();

    let unsigned = verify(&*store, key.vkey(), None, Lang::Nl).await.unwrap();
    ledger(&store).await.publish().await.unwrap();
    let whole = verify(&*store, key.vkey(), None, Lang::Nl).await.unwrap();
    let foreign = verify(&*store, key.vkey(), Some(b"x"), Lang::En).await.unwrap_err();

    assert_eq!((unsigned.verdict(), whole.verdict(), foreign.code()), (Verdict::Wrong, Verdict::Fine, 2));
    assert!(whole.text().contains("heel en ongewijzigd") && whole.text().contains("Niet aangetoond"));
    let none = serde_json::Value::Null;
    assert_eq!(whole.to_json(), serde_json::json!({ "ok": true, "entries": 5, "first_bad_index": none, "check": none }));
    assert!(foreign.to_string().contains("not of this log"), "{foreign}");
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

    let extended = verify(&*store, key.vkey(), Some(kept.as_bytes()), Lang::En).await.unwrap();
    let rewritten = verify(&*other, key.vkey(), Some(kept.as_bytes()), Lang::En).await.unwrap();

    assert_eq!(extended.verdict(), Verdict::Fine);
    assert!(extended.text().contains("5 → 9"));
    assert_eq!((rewritten.verdict(), rewritten.to_json()["check"].as_str()), (Verdict::Wrong, Some("earlier")));
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

    let done = export(&*store, key.vkey(), &out, &even, Lang::En).await.unwrap();

    assert_eq!((done.verdict(), done.to_json()["entries"].as_u64()), (Verdict::Fine, Some(10)));
    let report = verify_folder(&out);
    assert_eq!((report.finding.clone(), report.disclosed), (None, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_not_made_over_another_nor_of_an_unsigned_log() {
    let store = log(10).await;
    let key = signer();
    let folder = tempfile::tempdir().unwrap();

    let unsigned = export(&*store, key.vkey(), folder.path(), &nothing, Lang::Nl).await.unwrap_err();
    ledger(&store).await.publish().await.unwrap();
    let first = export(&*store, key.vkey(), folder.path(), &nothing, Lang::Nl).await.unwrap();
    let over = export(&*store, key.vkey(), folder.path(), &nothing, Lang::Nl).await.unwrap_err();

    assert_eq!((unsigned.code(), first.verdict(), over.code()), (1, Verdict::Fine, 1));
    assert!(unsigned.to_string().contains("nog niets ondertekend") && over.to_string().contains("is not empty"));
    assert!(!std::fs::exists(folder.path().join("checkpoint.new")).unwrap());
}
