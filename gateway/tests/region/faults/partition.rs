//! T10: nothing passes between two organisations for a minute, ten minutes, an hour, while people at both go on working. Then the line is
//! whole again: everything that waited arrives, once, and each side had been told what waits and whom to call.
//!
//! The time of a cut is scaled: the clocks of both go on by it. What is not scaled is the courier's own back-off, up to a minute after an hour
//! without a line; so what is timed begins with the first call that gets through. `FAULTS_LONG` queues ten thousand messages in the hour.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use schakel_domain::id::OrgId;
use schakel_proto::care::v1 as care;
use schakel_proto::care::v1::case::Standing;

use super::super::kit::{Gateway, Region};
use super::{events, holds, until_so};

/// Minutes of each cut, and the offers that each side makes in it.
const CUTS: [(i64, usize); 3] = [(1, 8), (10, 8), (60, 16)];
/// Offers of each side in the hour, in the long programme: with what follows from them ten thousand messages wait.
const MANY: usize = 5_000;
/// How soon everything has arrived after the first call that gets through, in the long programme.
const SOON: Duration = Duration::from_secs(10);

fn long() -> bool {
    std::env::var_os("FAULTS_LONG").is_some()
}

fn org(gateway: &Gateway) -> OrgId {
    gateway.home.id.parse().unwrap()
}

async fn waiting(from: &Gateway, to: &Gateway) -> u64 {
    from.running.courier.status(&org(to)).await.unwrap().waiting
}

/// Offers cases to the other, a few at a time.
async fn work(from: &Gateway, to: &Gateway, service: &str, offers: usize) {
    use futures_util::StreamExt as _;
    let one = |_| async {
        let case = from.open_case().await;
        from.offer_for(&case, to, service).await.unwrap();
    };
    futures_util::stream::iter(0..offers).map(one).buffer_unordered(8).for_each(|()| std::future::ready(())).await;
}

/// An offer that is at the receiver, before the line is cut.
async fn offered(from: &Gateway, to: &Gateway, service: &str) -> (String, String) {
    let case = from.open_case().await;
    let offer = from.offer_for(&case, to, service).await.unwrap();
    to.until("the offer", async || to.read_handover(&offer.name).await).await;
    (case.name, offer.name)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_line_was_cut_for_an_hour_everything_that_waited_on_both_sides_arrives_once() {
    let region = Region::of(&["sez", "propersona"]).await;
    let (sez, propersona) = (region.gateway("sez"), region.gateway("propersona"));
    let mut handovers = 0;

    for (minutes, offers) in CUTS {
        let offers = if long() && minutes == 60 { MANY } else { offers };
        let (case, accepted) = offered(sez, propersona, "ggz-crisis").await;
        until_so("nothing waits", async || waiting(sez, propersona).await + waiting(propersona, sez).await == 0).await;
        [sez, propersona].iter().for_each(|gateway| gateway.line.cut());
        // Accepted while nothing passes: a pledge, and no more than that until it arrives.
        propersona.accept(&accepted).await;
        work(sez, propersona, "ggz-crisis", offers).await;
        work(propersona, sez, "crisisinterventie", offers).await;
        handovers += 1 + 2 * offers as u64;
        for (from, to) in [(sez, propersona), (propersona, sez)] {
            from.attempts_until(to, |attempts| attempts >= 1).await;
        }
        [sez, propersona].iter().for_each(|gateway| gateway.clock.pass(SignedDuration::from_mins(minutes)));
        for gateway in [sez, propersona] {
            gateway.running.desk.tick().await.unwrap();
        }

        assert_eq!(sez.case(&case).await.unwrap().responsibility.unwrap().responsible, std::slice::from_ref(&sez.home.id));
        let told = events(propersona).await;
        assert!(told.iter().any(|event| event.kind == "handover.unconfirmed" && event.resource == accepted), "after {minutes} minutes");
        let says = propersona.read_handover(&accepted).await.unwrap().facts.unwrap();
        assert!(says.received_time.is_none() && says.transferred_time.is_none(), "nothing is said to have passed: {says:?}");
        let queued = (waiting(sez, propersona).await, waiting(propersona, sez).await);
        assert!(queued.0 >= offers as u64 && queued.1 > offers as u64, "{queued:?}");

        [sez, propersona].iter().for_each(|gateway| gateway.line.restore());
        until_so("a call gets through", async || waiting(sez, propersona).await < queued.0 || waiting(propersona, sez).await < queued.1)
            .await;
        let through = Instant::now();
        until_so("everything has arrived", async || waiting(sez, propersona).await + waiting(propersona, sez).await == 0).await;
        let took = through.elapsed();
        println!("after {minutes} minutes {queued:?} messages arrived within {took:?} of the first call that got through");
        assert!(!long() || took <= SOON, "{took:?}");
        let there: care::Case = propersona.case_until(&case, Standing::Lead).await;
        sez.case_until(&case, Standing::Outside).await;
        assert_eq!(there.responsibility.unwrap().responsible, std::slice::from_ref(&propersona.home.id));
    }
    until_so("nothing waits", async || waiting(sez, propersona).await + waiting(propersona, sez).await == 0).await;

    holds(&[sez, propersona], handovers).await;
    region.stop().await;
}
