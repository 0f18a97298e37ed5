//! T44, its first half: a log that cannot be written, and nothing else. Nothing happens without a trace: nothing of a case is shown, done,
//! sent or acknowledged. The other side keeps its message and its duty of care, and everything goes on by itself afterwards.
//!
//! A full disk is another matter, for there is a reserve: `gateway/tests/kills/full.rs`.

use schakel::demo::client::by;
use schakel::wire::status::to_refusal;
use schakel_domain::refusal::Reason;
use schakel_proto::care::v1 as care;
use schakel_proto::care::v1::case::Standing;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Executor as _};

use super::super::kit::{Gateway, Region};
use super::{events, holds, until_so};

/// A hand on a gateway's database, behind its back.
struct Sabotage(SqliteConnection);

impl Sabotage {
    /// From now on no entry can be written, though everything else could be.
    async fn of(gateway: &Gateway) -> Self {
        let mut database = SqliteConnectOptions::new().filename(gateway.home.store()).connect().await.unwrap();
        let trigger = "CREATE TRIGGER no_entry BEFORE INSERT ON entry BEGIN INSERT INTO nowhere VALUES (1); END";
        database.execute(trigger).await.unwrap();
        Self(database)
    }

    async fn mend(mut self) {
        self.0.execute("DROP TRIGGER no_entry").await.unwrap();
    }
}

fn reason<T: std::fmt::Debug>(outcome: Result<T, tonic::Status>) -> Reason {
    to_refusal(&outcome.unwrap_err()).expect("a refusal of the catalogue").reason
}

/// What a gateway stored that anybody could notice.
async fn mark(gateway: &Gateway) -> (u64, usize, u64) {
    let store = gateway.running.desk.store();
    let waiting = store.outbox_peers().await.unwrap().iter().map(|queue| queue.highest).sum();
    (store.log_size().await.unwrap(), events(gateway).await.len(), waiting)
}

async fn looks(gateway: &Gateway, case: &str) -> Result<care::GetCaseResponse, tonic::Status> {
    let get = care::GetCaseRequest { name: case.to_owned(), view: care::View::Full.into(), actor: Some(gateway.person.wire()) };
    gateway.client.cases().get_case(by(&gateway.person, get)).await.map(tonic::Response::into_inner)
}

async fn opens_handover(gateway: &Gateway, name: &str) -> Result<care::GetHandoverResponse, tonic::Status> {
    let get = care::GetHandoverRequest { name: name.to_owned(), view: care::View::Full.into(), actor: Some(gateway.person.wire()) };
    gateway.client.handovers().get_handover(by(&gateway.person, get)).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_log_cannot_be_written_nothing_is_shown_done_sent_or_acknowledged_until_it_can() {
    const UNWRITABLE: [Reason; 2] = [Reason::AuditUnavailable, Reason::StoreUnavailable];
    let region = Region::of(&["sez", "propersona"]).await;
    let (sez, propersona) = (region.gateway("sez"), region.gateway("propersona"));
    let peer = propersona.home.id.parse().unwrap();
    let (first, second, third) = (sez.open_case().await, sez.open_case().await, sez.open_case().await);
    let there = sez.offer(&first, propersona).await.unwrap().name;
    propersona.until("the offer", async || propersona.read_handover(&there).await).await;

    // At the receiver.
    let sabotage = Sabotage::of(propersona).await;
    let before = mark(propersona).await;
    assert!(UNWRITABLE.contains(&reason(opens_handover(propersona, &there).await)), "not shown");
    assert!(UNWRITABLE.contains(&reason(propersona.try_open_case().await)), "not done");
    let under_way = sez.offer(&second, propersona).await.unwrap().name;
    until_so("the offer was brought, and not taken", async || {
        let status = sez.running.courier.status(&peer).await.unwrap();
        status.waiting > 0 && status.held_threads > 0
    })
    .await;
    assert_eq!(mark(propersona).await, before, "neither state, event, message nor entry");
    let facts = sez.read_handover(&under_way).await.unwrap().facts.unwrap();
    assert!(facts.sent_time.is_some() && facts.delivered_time.is_none(), "not acknowledged: {facts:?}");
    let responsibility = sez.case(&second.name).await.unwrap().responsibility.unwrap();
    assert_eq!(responsibility.responsible, std::slice::from_ref(&sez.home.id));
    assert!(responsibility.call.is_some_and(|call| !call.telephone.is_empty()), "and whom to call");

    // At the sender as well.
    let here = Sabotage::of(sez).await;
    let quiet = mark(sez).await;
    for refused in [reason(sez.offer(&third, propersona).await), reason(looks(sez, &third.name).await), reason(sez.try_open_case().await)] {
        assert!(UNWRITABLE.contains(&refused), "{refused:?}");
    }
    assert_eq!(mark(sez).await, quiet);

    here.mend().await;
    sabotage.mend().await;
    for (case, offer) in [(&first, &there), (&second, &under_way)] {
        propersona.accept(offer).await;
        propersona.case_until(&case.name, Standing::Lead).await;
        sez.case_until(&case.name, Standing::Outside).await;
    }
    until_so("nothing waits", async || {
        let queues = [sez, propersona].map(|gateway| gateway.running.desk.store().outbox_peers());
        let [a, b] = queues;
        let (a, b) = (a.await.unwrap(), b.await.unwrap());
        a.iter().chain(&b).all(|queue| queue.waiting == 0)
    })
    .await;
    holds(&[sez, propersona], 2).await;
    region.stop().await;
}
