//! Proves an erasure on real databases: of thousands of clients some are erased, every proof of the log still holds, and of the erased not
//! one byte is left that anybody could read: not in the database's files, not in its log of changes, not in an export.
//!
//! ERASURE_CLIENTS and ERASURE_ERASED say how many; by default 20 of 2,000 on SQLite and a tenth of that on PostgreSQL.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../desk/kit.rs"]
#[expect(dead_code, reason = "the desk's own tests use the rest")]
mod kit;
mod scan;
#[path = "../desk/watched.rs"]
mod watched;

use std::path::Path;
use std::process::Command as Program;
use std::sync::Arc;

use kit::*;
use scan::{Needles, bytes_under};
use schakel::ledger::Ledger;
use schakel::ledger::anchor::Anchor;
use schakel::ledger::export::{Folder, export, nothing};
use schakel::ledger::{fhir, fsck};
use schakel::store::postgres::PostgresOptions;
use schakel::store::sqlite::SqliteOptions;
use schakel::store::{Kind, Page, Store, postgres, sqlite};
use schakel_domain::audit::checkpoint::origin;
use schakel_domain::audit::note::{KeyType, Signer};
use schakel_domain::audit::tree::{verify_consistency, verify_inclusion};
use schakel_domain::command::{CareAct, Command, Read, Seen};
use schakel_domain::dossier::{Dossier, Identity};
use schakel_domain::erasure::Ground;
use schakel_domain::id::{CaseId, OrgId};
use schakel_domain::refusal::Reason;
use sqlx::{Connection, Executor, PgConnection};

/// Of these two the case also went to another organisation.
const HANDED_OVER: usize = 2;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

fn signer(of: &OrgId) -> Signer {
    Signer::from_seed(&origin(of), KeyType::Ed25519, &[42; 32]).unwrap()
}

/// One client; `word` stands wherever a name can.
fn client(word: &str) -> Dossier {
    let identity = Identity { family_name: Some(format!("{word}Achternaam").into()), ..dossier().identity };
    Dossier { identity, situation: format!("{word}Situatie").into(), key_points: vec![format!("{word}Kernpunt").into()], ..dossier() }
}

async fn open(gateway: &Gateway, word: &str) -> CaseId {
    gateway.open(client(word)).await.id
}

async fn close(gateway: &Gateway, case: CaseId) {
    let seen = Seen { id: case, version: gateway.case(case).await.version };
    gateway.act(CareAct::CloseCase { case: seen, reason: "afgerond".to_owned() }).await.unwrap();
}

async fn erase(gateway: &Gateway, case: CaseId) {
    let seen = |version| Seen { id: case, version };
    let version = gateway.case(case).await.version;
    let act = CareAct::AskErasure { case: seen(version), ground: Ground::ClientRequest, reason: "KanarieWegReden".to_owned() };
    gateway.act(act).await.unwrap();
    let decided = schakel_domain::command::Write { actor: actor("c-1"), ..write(CareAct::EraseCase { case: seen(version + 1) }) };
    gateway.desk.handle(&gateway.coordinator(), Command::Care(decided)).await.unwrap();
}

/// Opens and closes these many clients, a few at a time; `KanarieWeg` those that will go, `KanarieBlijft` the others.
async fn fill(region: &Region, clients: usize, erased: usize) -> Vec<CaseId> {
    let sez = region.at(SEZ);
    let mut go = Vec::new();
    for at in 0..erased {
        let case = open(sez, "KanarieWeg").await;
        if at < HANDED_OVER {
            let offer = sez.offer(case, PACTUM, "ambulante-spoedhulp").await.unwrap().id;
            region.settle_well().await;
            region.at(PACTUM).accept(offer).await.unwrap();
            region.settle_well().await;
        } else {
            close(sez, case).await;
        }
        go.push(case);
    }
    let stay = (erased..clients).collect::<Vec<_>>();
    for part in stay.chunks(64) {
        futures_util::future::join_all(part.iter().map(|_| async { close(sez, open(sez, "KanarieBlijft").await).await })).await;
    }
    go
}

/// What is sealed about these cases, and the wrapped keys of their clients.
async fn secrets(store: &dyn Store, cases: &[CaseId]) -> Needles {
    let mut needles = Needles::default();
    for case in cases {
        let id = case.to_string();
        let record = store.record(Kind::Case, &id).await.unwrap().unwrap();
        let key = serde_json::from_str::<serde_json::Value>(&record.clear).unwrap()["key"].as_str().unwrap().parse().unwrap();
        needles.key(&store.client_key(key).await.unwrap().unwrap().wrapped);
        needles.text(&record.sealed.unwrap());
        store.sent_in(&id).await.unwrap().iter().for_each(|row| needles.text(&row.message.sealed));
        store.received_in(&id).await.unwrap().iter().for_each(|row| needles.text(&row.sealed));
        store
            .entries_of(&id, 0, 1_000)
            .await
            .unwrap()
            .iter()
            .filter_map(|row| row.entry.salts.as_ref())
            .for_each(|salts| needles.text(salts));
    }
    needles
}

/// Everything sealed that can still be opened, with every key that is still held.
async fn readable(gateway: &Gateway) -> Vec<u8> {
    let (mut sealed, mut found, mut after) = (Vec::new(), Vec::new(), String::new());
    for kind in [Kind::Case, Kind::Handover, Kind::Consultation, Kind::Erasure, Kind::Peer] {
        loop {
            let page = Page { open_only: false, after: std::mem::take(&mut after), limit: 1_000 };
            let records = gateway.store.records(kind, page).await.unwrap();
            let Some(last) = records.last() else { break };
            after.clone_from(&last.id);
            for record in records {
                sealed.extend(gateway.store.sent_in(&record.id).await.unwrap().into_iter().map(|row| row.message.sealed));
                sealed.extend(gateway.store.received_in(&record.id).await.unwrap().into_iter().map(|row| row.sealed));
                found.extend_from_slice(record.clear.as_bytes());
                sealed.extend(record.sealed);
            }
        }
    }
    let size = gateway.store.log_size().await.unwrap();
    for from in (0..size).step_by(1_000) {
        for row in gateway.store.entries(from, 1_000).await.unwrap() {
            found.extend_from_slice(&row.entry.bytes);
            sealed.extend(row.entry.salts);
        }
    }
    for one in sealed {
        found.extend(gateway.desk.unseal(&one).await.unwrap_or_default());
    }
    found
}

async fn export_to(store: &dyn Store, ledger: &Ledger, to: &Path) {
    export(store, ledger.vkey(), &mut Folder::new(to).unwrap(), &nothing, jiff::Timestamp::UNIX_EPOCH).await.unwrap();
}

/// A program that must end well.
fn run(program: &mut Program) -> String {
    let done = program.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{program:?}: {said}{}", String::from_utf8_lossy(&done.stderr));
    said
}

/// Every proof of the log as it is now; the head it had before is one of its past, and no leaf has changed.
async fn prove(
    store: &Arc<dyn Store>,
    ledger: &Ledger,
    before: &schakel_domain::audit::checkpoint::Checkpoint,
    leaves: &[schakel_domain::id::Hash],
) {
    ledger.publish().await.unwrap();
    let now = ledger.checkpoint().unwrap().checkpoint.clone();
    let path = ledger.consistency_proof(before.size, now.size).await.unwrap().unwrap();
    verify_consistency((before.size, before.root), (now.size, now.root), &path).unwrap();
    let mut index = 0;
    while index < now.size {
        for leaf in store.leaves(index, 65_536).await.unwrap() {
            assert!(leaves.get(usize::try_from(index).unwrap()).is_none_or(|known| *known == leaf), "leaf {index}");
            let path = ledger.inclusion_proof(index, now.size).await.unwrap().unwrap();
            verify_inclusion(leaf, index, now.size, &path, now.root).unwrap();
            index += 1;
        }
    }
    assert!(ledger.verify().await.unwrap().ok(), "audit verify");
    let anchor = Anchor::new(std::env::temp_dir().join("schakel-erasure-no-anchor"));
    assert!(fsck::check(&**store, ledger.vkey(), &anchor, &[]).await.unwrap().0.ok(), "fsck");
}

/// Two other programs judge the exports, and a third the events in FHIR.
async fn judged_by_others(region: &Region, ledger: &Ledger, cases: &[CaseId], folder: &Path) -> Vec<u8> {
    let python = std::env::var("SCHAKEL_TEST_PYTHON").expect("SCHAKEL_TEST_PYTHON names a Python with the packages: run tests/run proof");
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients");
    let (sez, pactum) = (region.at(SEZ), region.at(PACTUM));
    let (ours, theirs, events, of_case) = ("ours", "theirs", "events.ndjson", "case.ndjson");
    export_to(&*sez.store, ledger, &folder.join(ours)).await;
    let peer = Ledger::open(Arc::clone(&pactum.store), signer(&pactum.me), None).await.unwrap();
    peer.publish().await.unwrap();
    export_to(&*pactum.store, &peer, &folder.join(theirs)).await;
    let written = fhir::write(&*sez.store, &folder.join(events), None).await.unwrap();
    let erased = cases[0].to_string();
    assert!(fhir::write(&*sez.store, &folder.join(of_case), Some(&[erased])).await.unwrap() >= 4, "who saw it is still told");

    let verifier = clients.join("verify_log.py");
    run(Program::new(&python).arg(verifier).arg(folder.join(ours)).arg("--vkey").arg(ledger.vkey().to_string()));
    let schakel = env!("CARGO_BIN_EXE_schakel");
    run(Program::new(schakel).args(["audit", "reconcile-exports"]).arg(folder.join(ours)).arg(folder.join(theirs)));
    let said = run(Program::new(&python).arg(clients.join("check_fhir.py")).arg(folder.join(events)).arg(folder.join(of_case)));
    assert!(said.contains(&format!("{written} events")), "{said}");
    bytes_under(folder)
}

/// The whole of it, over any store; `files` are the bytes of the database.
async fn erase_some(region: &Region, clients: usize, erased: usize, files: impl AsyncFn() -> Vec<u8>) -> Needles {
    let sez = region.at(SEZ);
    let go = fill(region, clients, erased).await;
    let ledger = Ledger::open(Arc::clone(&sez.store), signer(&sez.me), None).await.unwrap();
    ledger.publish().await.unwrap();
    let before = ledger.checkpoint().unwrap().checkpoint.clone();
    let mut leaves = Vec::new();
    while (leaves.len() as u64) < before.size {
        leaves.extend(sez.store.leaves(leaves.len() as u64, 65_536).await.unwrap());
    }
    let needles = secrets(&*sez.store, &go).await;
    let there = files().await;
    assert_eq!(needles.keys_in(&there), erased, "the search finds the keys before");
    assert!(needles.texts_in(&there) > erased && holds(&readable(sez).await, "KanarieWegSituatie"), "and all the rest");

    for case in &go {
        erase(sez, *case).await;
    }
    region.settle_well().await;
    // The writer tidies after each group and before the next.
    sez.store.ready().await.unwrap();

    for case in &go {
        assert_eq!(why(sez.read(Read::Case { id: *case, full: true }).await), Reason::Erased);
    }
    prove(&sez.store, &ledger, &before, &leaves).await;
    let folder = tempfile::tempdir().unwrap();
    let exported = judged_by_others(region, &ledger, &go, folder.path()).await;
    let left = files().await;
    assert_eq!((needles.keys_in(&left), needles.keys_in(&exported), needles.texts_in(&exported)), (0, 0, 0));
    for form in scan::forms("KanarieWeg") {
        assert!(![&left, &exported].iter().any(|bytes| scan::has(bytes, &form)), "in the clear, in base64 or in hexadecimal");
    }
    let opened = readable(sez).await;
    assert!(!holds(&opened, "KanarieWeg") && holds(&opened, "KanarieBlijftSituatie"), "no key that is held opens anything of them");
    needles
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_erased_nothing_is_left_on_sqlite_and_every_proof_holds() {
    let (clients, erased) = (number("ERASURE_CLIENTS", 2_000), number("ERASURE_ERASED", 20));
    let folder = tempfile::tempdir().unwrap();
    let open = async |name: &str| sqlite::open(&folder.path().join(name), SqliteOptions::default()).await.unwrap();
    std::fs::create_dir(folder.path().join("ours")).unwrap();
    let region = Region::over(vec![(SEZ, open("ours/schakel.db").await), (PACTUM, open("theirs.db").await)]);

    let needles = erase_some(&region, clients, erased, async || bytes_under(&folder.path().join("ours"))).await;

    let left = bytes_under(&folder.path().join("ours"));
    assert_eq!(needles.texts_in(&left), 0, "not even what nobody can read any more: database and log of changes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_erased_nothing_is_left_on_postgresql_and_every_proof_holds() {
    let (clients, erased) = (number("ERASURE_CLIENTS", 2_000) / 10, number("ERASURE_ERASED", 20) / 4);
    let server = std::env::var("SCHAKEL_TEST_POSTGRES").expect("SCHAKEL_TEST_POSTGRES names a server: run through `tests/postgres.sh run`");
    let database = format!("schakel_erasure_{}", std::process::id());
    let mut admin = PgConnection::connect(&server).await.unwrap();
    admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {database} TEMPLATE template0"))).await.unwrap();
    let url = format!("{}/{database}", server.rsplit_once('/').unwrap().0);
    let ours = postgres::open(&url, PostgresOptions { readers: 2 }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let theirs = sqlite::open(&folder.path().join("theirs.db"), SqliteOptions::default()).await.unwrap();
    let region = Region::over(vec![(SEZ, ours), (PACTUM, theirs)]);
    let (oid,): (String,) =
        sqlx::query_as("SELECT oid::text FROM pg_database WHERE datname = $1").bind(&database).fetch_one(&mut admin).await.unwrap();
    let (data,): (String,) = sqlx::query_as("SELECT current_setting('data_directory')").fetch_one(&mut admin).await.unwrap();

    // The tables' files. The server's log of changes is another matter: it keeps what it holds until it is recycled, as the runbook says.
    let files = async || {
        PgConnection::connect(&server).await.unwrap().execute("CHECKPOINT").await.unwrap();
        bytes_under(&Path::new(&data).join("base").join(&oid))
    };
    erase_some(&region, clients, erased, files).await;

    let mut conn = PgConnection::connect(&url).await.unwrap();
    for sql in [
        "SELECT count(*) FROM inbox WHERE thread IN (SELECT id FROM record WHERE kind = 8) AND sealed <> ''",
        "SELECT count(*) FROM entry WHERE case_id IN (SELECT id FROM record WHERE kind = 8) AND salts IS NOT NULL",
        "SELECT count(*) FROM record WHERE kind IN (1, 2, 3) AND (id IN (SELECT id FROM record WHERE kind = 8) OR parent IN (SELECT id FROM record WHERE kind = 8))",
    ] {
        assert_eq!(sqlx::query_as::<_, (i64,)>(sql).fetch_one(&mut conn).await.unwrap(), (0,), "{sql}");
    }
}
