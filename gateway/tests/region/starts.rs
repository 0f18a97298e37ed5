//! A start: what came due while the gateway was down has happened before its ports open, and what it lost it still knows.

use std::net::TcpListener;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use schakel::assembly::{self, Listeners};
use schakel::source::SystemSource;
use schakel::store::sqlite::{self, SqliteOptions};
use schakel::store::{Commit, Timer, TimerChange};
use schakel_domain::id::OrgId;

use super::kit::{Region, config};

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_came_due_while_a_gateway_was_down_is_raised_before_its_ports_open() {
    let mut region = Region::of(&["sez", "propersona"]).await;
    let case = region.gateway("sez").open_case().await;
    let handover = region.gateway("sez").offer(&case, region.gateway("propersona")).await.unwrap();
    let sez = region.take("sez");
    let home = sez.home.clone();
    sez.running.stop().await;
    let (settings, _) = config(&home);
    let database = settings.sqlite_path();
    let (now, offer) = (Timestamp::now(), handover.name.rsplit('/').next().unwrap());
    let store = sqlite::open(&database, SqliteOptions::default()).await.unwrap();
    let later = store.due(now + SignedDuration::from_hours(24 * 365), 1_000).await.unwrap();
    let answer = later.into_iter().find(|timer| timer.id.contains(offer)).expect("an answer is wanted in time");
    let overdue = Timer { due: now - SignedDuration::from_hours(1), ..answer };
    store.commit(Commit { at: now, timers: vec![TimerChange::Set(overdue)], ..Commit::default() }).await.unwrap();
    store.close().await;

    // With its port taken the start fails at opening it: what happened by then came before.
    let _taken = TcpListener::bind(home.ports.federation).unwrap();
    let started = assembly::start(settings, Listeners::default(), Arc::new(SystemSource::default())).await;

    let why = started.err().expect("the port is taken").to_string();
    assert!(why.contains("federation door"), "{why}");
    let kinds = sqlite::open_read_only(&database).await.unwrap().events(0, 1_000).await.unwrap();
    assert!(kinds.iter().any(|row| row.event.kind == "handover.overdue"), "{kinds:?}");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_lost_messages_decides_nothing_until_an_operator_says_that_all_is_made_good() {
    let region = Region::of(&["sez", "propersona"]).await;
    let (sez, propersona) = (region.gateway("sez"), region.gateway("propersona"));
    let peer: OrgId = propersona.home.id.parse().unwrap();
    let case = sez.open_case().await;
    sez.running.desk.knows_more(&peer, 40, 0).await.unwrap();

    let refused = sez.offer(&case, propersona).await.unwrap_err();
    let second = ["--second", "local:7002", "--second-name", "N. Vos", "--second-function", "beheerder"];
    let end = async |why| sez.at_admin_door(&[&["peer", "end-recovery", "--reason", why, "--json"], &second[..]].concat()).await;
    let (ended, twice) = (end("alle partijen gebeld").await, end("nog eens").await);

    assert_eq!(schakel::wire::status::to_refusal(&refused).unwrap().reason.code(), "RECOVERING");
    assert_eq!((ended.code, ended.json()["recovering"].as_bool()), (0, Some(false)), "{}{}", ended.out, ended.err);
    assert_eq!((twice.code, twice.json()["error"]["reason"].as_str()), (3, Some("NOT_RECOVERING")));
    let handover = sez.offer(&case, propersona).await.unwrap();
    propersona.accept(&handover.name).await;
    sez.case_until(&case.name, schakel_proto::care::v1::case::Standing::Outside).await;
    region.stop().await;
}
