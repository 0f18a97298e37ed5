//! Databases that were put back from an older copy under real gateways: the log kept outside them shows it before anything is decided on
//! what they hold, everybody hears why, and two people end it.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use schakel::store::sqlite::{self, SqliteOptions};
use schakel::store::{Commit, Expect, Kind, Record, Store, Timer, TimerChange};
use schakel::wire::status::to_refusal;
use schakel_domain::refusal::Lang;
use schakel_proto::care::v1::case::Standing;
use tonic_health::pb::health_check_response::ServingStatus;

use super::kit::{Gateway, Region};

const CASES: &str = "schakel.care.v1.CaseService";
const HANDOVERS: &str = "schakel.care.v1.HandoverService";
const EVENTS: &str = "schakel.care.v1.EventService";
const END: [&str; 5] = ["peer", "end-recovery", "--json", "--reason", "alle partijen gebeld"];
const COLLEAGUE: [&str; 6] = ["--second", "local:7002", "--second-name", "N. Vos", "--second-function", "beheerder"];

/// The files of a database that is closed.
fn files(database: &Path) -> Vec<PathBuf> {
    ["", "-wal", "-shm"].map(|end| PathBuf::from(format!("{}{end}", database.display()))).to_vec()
}

/// Puts a copy in the place of a database that is closed.
fn put_back(copy: &Path, database: &Path) {
    for (from, to) in files(copy).iter().zip(files(database)) {
        let _none = std::fs::remove_file(&to);
        if from.exists() {
            std::fs::copy(from, to).unwrap();
        }
    }
}

/// The timer of an offer's answer in this database came due an hour ago.
async fn make_overdue(database: &Path, offer: &str) {
    let store = sqlite::open(database, SqliteOptions::default()).await.unwrap();
    let now = Timestamp::now();
    let later = store.due(now + SignedDuration::from_hours(24 * 365), 1_000).await.unwrap();
    let answer = later.into_iter().find(|timer| timer.id.contains(offer)).expect("an answer is wanted in time");
    let overdue = Timer { due: now - SignedDuration::from_hours(1), ..answer };
    store.commit(Commit { at: now, timers: vec![TimerChange::Set(overdue)], ..Commit::default() }).await.unwrap();
    store.close().await;
}

/// The entries of the log with this in them.
async fn logged(store: &dyn Store, what: &str) -> usize {
    let rows = store.entries(0, 1_000).await.unwrap();
    rows.iter().filter(|row| String::from_utf8_lossy(&row.entry.bytes).contains(what)).count()
}

async fn raised(gateway: &Gateway, kind: &str) -> bool {
    gateway.running.desk.store().events(0, 1_000).await.unwrap().iter().any(|row| row.event.kind == kind)
}

async fn says(gateway: &Gateway, service: &str) -> ServingStatus {
    let request = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
    gateway.client.care_health().check(request).await.unwrap().into_inner().status()
}

async fn health_until(gateway: &Gateway, service: &str, wanted: ServingStatus) {
    let request = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
    let mut told = gateway.client.care_health().watch(request).await.unwrap().into_inner();
    while told.message().await.unwrap().expect("it goes on telling").status() != wanted {}
}

/// SEZ with an offer to Pro Persona that waits, put back to a copy made before its newest case and its newest offer.
async fn put_back_to_an_older_copy() -> (Region, Gateway, String, String) {
    let mut region = Region::of(&["sez", "propersona"]).await;
    let sez = region.take("sez");
    let propersona = region.gateway("propersona");
    let case = sez.open_case().await;
    let offer = sez.offer(&case, propersona).await.unwrap().name;
    propersona.until("the offer", async || propersona.read_handover(&offer).await).await;
    let (database, copies) = (sez.home.store(), tempfile::tempdir().unwrap());
    let copy = copies.path().join("copy.db");
    let sez = sez.again(|_| put_back(&database, &copy)).await;
    let newer = sez.offer(&sez.open_case().await, propersona).await.unwrap().name;
    propersona.until("the newer offer", async || propersona.read_handover(&newer).await).await;
    sez.signed().await;
    make_overdue(&copy, offer.rsplit('/').next().unwrap()).await;
    let sez = sez.again(|_| put_back(&copy, &database)).await;
    (region, sez, case.name, offer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_put_back_from_an_older_copy_decides_nothing_until_the_log_holds_and_two_people_end_it() {
    let (region, sez, case, offer) = put_back_to_an_older_copy().await;
    let propersona = region.gateway("propersona");

    assert!(!raised(&sez, "handover.overdue").await, "no timer decides on an older database");
    let refused = sez.offer(&sez.case(&case).await.expect("reading goes on"), propersona).await.unwrap_err();
    let reason = to_refusal(&refused).unwrap();
    assert_eq!(reason.reason.code(), "RECOVERING");
    let told = [reason.advice(Lang::Nl), reason.advice(Lang::En)];
    assert!(told[0].contains("bel intussen") && told[1].contains("telephone"), "{told:?}");
    assert_eq!([says(&sez, "").await, says(&sez, CASES).await, says(&sez, HANDOVERS).await], [ServingStatus::NotServing; 3]);
    assert_eq!(says(&sez, EVENTS).await, ServingStatus::Serving, "what only shows goes on");
    let store = sez.running.desk.store();
    assert_eq!((logged(&**store, "er is een oude kopie teruggezet").await, logged(&**store, "recovery-entered").await > 0), (1, true));
    propersona.accept(&offer).await;
    propersona.link_until(&sez, |status| status.last_error.as_deref().is_some_and(|why| why.contains("RECOVERING"))).await;
    assert_eq!(sez.case(&case).await.unwrap().standing(), Standing::Offering);
    sez.link_until(propersona, |status| status.state == schakel::courier::State::PeerKnowsMore).await;
    let peers = sez.at_admin_door(&["peer", "list", "--json"]).await.json();
    let propersonas = peers["peers"].as_array().unwrap().iter().find(|peer| peer["organization"] == *propersona.home.id).unwrap();
    assert_eq!(propersonas["state"], "knows-more", "{peers}");

    let sez = sez.again(|_| {}).await;
    assert!(sez.running.desk.recovering() && !raised(&sez, "handover.overdue").await, "a restart forgets nothing");
    assert_eq!(logged(&**sez.running.desk.store(), "er is een oude kopie teruggezet").await, 1);
    let ended = sez.at_admin_door(&[&END[..], &COLLEAGUE].concat()).await;
    assert_eq!((ended.code, ended.json()["error"]["reason"].as_str()), (3, Some("LOG_CONTRADICTED")), "nobody's word makes the log hold");

    // The newest database is gone for good: what the runbook says.
    let sez = sez.again(|data| std::fs::rename(data.join("checkpoint"), data.join("checkpoint.lost")).unwrap()).await;
    assert!(sez.running.desk.recovering() && !raised(&sez, "handover.overdue").await, "a file that is away ends nothing");
    let alone = sez.at_admin_door(&[&END[..], &["--second", "local:beheer"], &COLLEAGUE[2..]].concat()).await;
    assert_eq!(alone.json()["error"]["reason"].as_str(), Some("SECOND_PERSON_REQUIRED"), "{}", alone.out);
    assert!(sez.running.desk.recovering());
    let ended = sez.at_admin_door(&[&END[..], &COLLEAGUE].concat()).await;
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);

    health_until(&sez, "", ServingStatus::Serving).await;
    health_until(&sez, HANDOVERS, ServingStatus::Serving).await;
    sez.until("the alarm that waited", async || raised(&sez, "handover.overdue").await.then_some(())).await;
    sez.case_until(&case, Standing::Outside).await;
    sez.signed().await;
    assert_eq!(logged(&**sez.running.desk.store(), "alle partijen gebeld").await, 1, "with the reason");
    assert_eq!(logged(&**sez.running.desk.store(), "local:7002").await, 1, "and the second person");
    assert!(sez.running.desk.incarnation() > 1);
    let id = case.rsplit('/').next().unwrap();
    let theirs = propersona.running.desk.store().record(Kind::Case, id).await.unwrap().unwrap();
    let life = format!("\"incarnation\":{}", sez.running.desk.incarnation());
    assert!(theirs.clear.contains(&life), "the transfer is of the new life: {}", theirs.clear);
    sez.running.stop().await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_found_contradicted_while_the_gateway_runs_stops_it_too() {
    let region = Region::of(&["sez", "propersona"]).await;
    let sez = region.gateway("sez");
    sez.open_case().await;
    sez.signed().await;
    let store = sez.running.desk.store();
    let newest = store.record(Kind::Gateway, "checkpoint").await.unwrap().unwrap();
    let expect = vec![Expect { kind: Kind::Gateway, id: "checkpoint".to_owned(), version: newest.version }];
    let put = vec![Record { version: newest.version + 1, clear: r#"{"checkpoint":"not signed"}"#.to_owned(), ..newest }];
    store.commit(Commit { at: Timestamp::now(), expect, put, ..Commit::default() }).await.unwrap();

    let case = sez.open_case().await;

    health_until(sez, HANDOVERS, ServingStatus::NotServing).await;
    sez.until("the entry", async || (logged(&**store, "recovery-entered").await == 1).then_some(())).await;
    let refused = sez.offer(&case, region.gateway("propersona")).await.unwrap_err();
    assert_eq!(to_refusal(&refused).unwrap().reason.code(), "RECOVERING");
    assert!(sez.case(&case.name).await.is_some(), "reading goes on");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_that_nothing_is_served_before_the_doors_close() {
    let region = Region::of(&["sez"]).await;
    let sez = region.gateway("sez");
    let mut told = Vec::new();
    for service in ["", CASES, EVENTS] {
        let request = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
        let mut stream = sez.client.care_health().watch(request).await.unwrap().into_inner();
        assert_eq!(stream.message().await.unwrap().unwrap().status(), ServingStatus::Serving, "{service}");
        told.push(stream);
    }

    region.stop().await;

    for mut stream in told {
        assert_eq!(stream.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    }
}
