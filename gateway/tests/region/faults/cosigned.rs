//! Cosigning between gateways over the real link: heads are cosigned, an auditor believes the export by the policy, and what happens when a
//! witness stays away (T44, its second half) or a clock is off (T37).

use std::collections::BTreeMap;

use jiff::SignedDuration;
use schakel::config::keys::{read_cosigner, read_log_signer};
use schakel::cosigner::kept;
use schakel::wire::status::to_refusal;
use schakel_domain::audit::note::Vkey;
use schakel_domain::audit::policy::Policy;
use schakel_domain::audit::verify::{Trust, verify};
use schakel_domain::covenant::Document;
use schakel_domain::covenant::document::Cosigning;
use schakel_domain::refusal::Reason;
use schakel_proto::care::v1::case::Standing;

use super::super::kit::{Gateway, Region};
use super::{events, holds, told, until_so};

const ORGS: [&str; 3] = ["sez", "propersona", "ggnet"];

/// Both others must cosign, each minute; after four hours new offers stop, where the covenant says so.
fn clause(stops_offers: bool) -> impl FnOnce(&mut Document) {
    move |document| {
        let cosigning = Cosigning { quorum: 2, interval: "60s".parse().unwrap(), grace: "4h".parse().unwrap(), stops_offers };
        document.cosigning = Some(cosigning);
    }
}

fn cosigner(gateway: &Gateway) -> Vkey {
    read_cosigner(&gateway.home.dir.join("keys/log.key"), &gateway.home.id.parse().unwrap()).unwrap().vkey().clone()
}

fn log_key(gateway: &Gateway) -> Vkey {
    read_log_signer(&gateway.home.dir.join("keys/log.key"), &gateway.home.id.parse().unwrap()).unwrap().vkey().clone()
}

/// Size of the newest head that a quorum cosigned.
async fn cosigned(gateway: &Gateway) -> u64 {
    let (_, kept) = kept(&**gateway.running.desk.store(), gateway.running.ledger.vkey()).await.unwrap();
    kept.map_or(0, |signed| signed.checkpoint.size)
}

/// Waits until everything in its log until now is cosigned, without the minute between two rounds.
async fn all_cosigned(gateway: &Gateway) {
    let size = gateway.running.desk.store().log_size().await.unwrap();
    until_so("the log is cosigned", async || {
        gateway.running.cosigner.round().await.unwrap();
        cosigned(gateway).await >= size
    })
    .await;
}

/// The log as an auditor takes it away by the audit door.
async fn taken_away(gateway: &Gateway) -> BTreeMap<String, Vec<u8>> {
    let token = std::fs::read_to_string(gateway.token("auditor")).unwrap();
    gateway.client.export_log(token.trim()).await.unwrap().into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_cosign_each_others_heads_over_the_link_and_an_auditor_believes_the_export_by_the_policy_alone() {
    let region = Region::under(&ORGS, clause(false)).await;
    let gateways = ORGS.map(|key| region.gateway(key));
    let [sez, propersona, _] = gateways;
    let case = sez.open_case().await;
    let offer = sez.offer(&case, propersona).await.unwrap();
    propersona.accept(&offer.name).await;
    propersona.case_until(&case.name, Standing::Lead).await;
    sez.case_until(&case.name, Standing::Outside).await;

    for gateway in gateways {
        all_cosigned(gateway).await;
    }

    for gateway in gateways {
        let others: Vec<Vkey> = gateways.iter().filter(|other| other.home.id != gateway.home.id).map(|other| cosigner(other)).collect();
        let policy = |witnesses: &[Vkey]| Policy::parse(Policy::text(&log_key(gateway), witnesses, 2).as_bytes()).unwrap();
        let files = taken_away(gateway).await;
        let mut read = |path: &str, at_most: usize| Ok(files.get(path).map(|bytes| bytes[..bytes.len().min(at_most)].to_vec()));
        let trust = |policy| Trust { log: Some(log_key(gateway)), policy: Some(policy), ..Trust::default() };
        let report = verify(&mut read, &trust(policy(&others))).unwrap();
        assert!(report.ok() && report.cosigned.is_some_and(|size| size > 0), "{}: {report:?}", gateway.home.name);
        // Its own cosignature does not stand for a peer's.
        let own = verify(&mut read, &trust(policy(&[others[0].clone(), cosigner(gateway)]))).unwrap();
        assert!(!own.ok(), "{}", gateway.home.name);
        assert_eq!(told(gateway, "log.cosigning-late").await + told(gateway, "peer.clock-skew").await, 0);
    }
    holds(&gateways, 1).await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_stays_away_alarms_and_after_hours_stops_new_offers_only_by_the_covenants_own_clause() {
    for stops_offers in [false, true] {
        let region = Region::under(&ORGS, clause(stops_offers)).await;
        let gateways = ORGS.map(|key| region.gateway(key));
        let [sez, propersona, ggnet] = gateways;
        let (case, fresh) = (sez.open_case().await, sez.open_case().await);
        all_cosigned(sez).await;
        ggnet.line.cut();

        // Something is logged that the quorum does not cosign: an offer.
        let offer = sez.offer(&case, propersona).await.unwrap();
        propersona.until("the offer", async || propersona.read_handover(&offer.name).await).await;
        sez.signed().await;
        let hours = SignedDuration::from_hours(4);
        for (passes, alarms) in
            [(SignedDuration::ZERO, (0, 0)), (SignedDuration::from_mins(3), (1, 0)), (hours, (1, usize::from(stops_offers)))]
        {
            gateways.iter().for_each(|gateway| gateway.clock.pass(passes));
            sez.running.cosigner.round().await.unwrap();
            let heard = (told(sez, "log.cosigning-late").await, told(sez, "log.offers-held").await);
            assert_eq!(heard, alarms, "after {passes:#}");
        }

        let answer = sez.offer(&fresh, propersona).await.map_err(|status| to_refusal(&status).map(|refusal| refusal.reason));
        if stops_offers {
            assert_eq!(answer.unwrap_err(), Some(Reason::CosigningLate));
        } else {
            answer.expect("no clause, no stop");
        }
        propersona.accept(&offer.name).await;
        propersona.case_until(&case.name, Standing::Lead).await;
        sez.case_until(&case.name, Standing::Outside).await;

        ggnet.line.restore();
        all_cosigned(sez).await;
        until_so("that it is cosigned again is told", async || told(sez, "log.cosigned").await == 1).await;
        if stops_offers {
            sez.offer(&fresh, propersona).await.expect("offers go on");
        }
        assert_eq!((told(sez, "log.cosigning-late").await, told(sez, "log.offers-held").await), (1, usize::from(stops_offers)));
        region.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_more_than_two_minutes_off_is_an_alarm_with_the_peer_and_the_seconds_and_refuses_nothing() {
    for off_s in [-240_i64, 0, 90, 240] {
        let region = Region::under(&ORGS, clause(true)).await;
        let gateways = ORGS.map(|key| region.gateway(key));
        let [sez, propersona, _] = gateways;
        propersona.clock.pass(SignedDuration::from_secs(off_s));

        let case = sez.open_case().await;
        let offer = sez.offer(&case, propersona).await.unwrap();
        propersona.accept(&offer.name).await;
        propersona.case_until(&case.name, Standing::Lead).await;
        sez.case_until(&case.name, Standing::Outside).await;
        for gateway in gateways {
            all_cosigned(gateway).await;
        }

        let alarms = async |at: &Gateway| -> Vec<(String, String)> {
            let skewed = events(at).await.into_iter().filter(|event| event.kind == "peer.clock-skew");
            skewed.map(|event| (event.resource, event.state)).collect()
        };
        let (here, there) = (alarms(sez).await, alarms(propersona).await);
        if off_s.abs() < 120 {
            assert_eq!((here, there), (Vec::new(), Vec::new()), "{off_s} s is no alarm");
        } else {
            let [(peer, by)] = &here[..] else { panic!("once, of one peer: {here:?}") };
            let (seconds, way) = by.split_once(" s ").unwrap();
            let seconds: i64 = seconds.parse().unwrap();
            assert_eq!((peer, way), (&format!("peers/{}", propersona.home.id), if off_s < 0 { "behind" } else { "ahead" }));
            assert!((seconds - off_s.abs()).abs() <= 30, "{by}");
            // By the clock that is off everybody else is.
            assert_eq!(there.len(), 2, "{there:?}");
        }
        region.stop().await;
    }
}
