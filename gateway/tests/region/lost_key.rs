//! A gateway that lost its TLS key: whoever holds its old party record refuses it and says what to do, and its newest record lets it in
//! again, whoever brings that, while everything goes on running.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use schakel::config::Config;
use schakel::demo::world::World;
use schakel_certs::issue::DevCa;
use schakel_domain::covenant::SignedCovenant;
use schakel_domain::id::{Hash, OrgId};
use schakel_domain::party_record::{PartyRecord, SignedPartyRecord, TlsBinding};
use schakel_domain::refusal::{Lang, Reason};
use schakel_domain::signature::SecretKey;

use super::kit::{Gateway, Region};

/// The root key of an organisation in this test; those of a throw-away federation are gone.
fn root(of: &OrgId) -> SecretKey {
    SecretKey::from_seed(&Hash::sha256(of.as_str().as_bytes()).0).unwrap()
}

/// Everything signed again under root keys that this test has, and documents in a folder of each gateway's own.
fn rooted(world: &World) {
    for home in &world.homes {
        let shared = Config::read(&home.config).unwrap().agreements;
        let (from, own) = (shared.covenants[0].parent().unwrap(), home.dir.join("agreements"));
        std::fs::create_dir(&own).unwrap();
        let place = |path: &PathBuf| own.join(path.file_name().unwrap());
        let mut document = SignedCovenant::from_json(&std::fs::read(&shared.covenants[0]).unwrap()).unwrap().document;
        let parties: Vec<OrgId> = document.parties.iter().map(|party| party.id.clone()).collect();
        for party in &parties {
            document.set_root_key(party, root(party).public());
        }
        let mut bundle = SignedCovenant::unsigned(document);
        for party in &parties {
            bundle.sign(party, &root(party)).unwrap();
        }
        std::fs::write(place(&shared.covenants[0]), bundle.to_json()).unwrap();
        for path in &shared.records {
            let record = SignedPartyRecord::from_json(&std::fs::read(path).unwrap()).unwrap().record;
            let signer = root(&record.org);
            std::fs::write(place(path), record.sign(&signer).unwrap().to_json()).unwrap();
        }
        std::fs::write(home.dir.join("keys/root.key.pub"), format!("{}\n", root(&home.id.parse().unwrap()).public())).unwrap();
        let config = std::fs::read_to_string(&home.config).unwrap();
        std::fs::write(&home.config, config.replace(from.to_str().unwrap(), own.to_str().unwrap())).unwrap();
    }
}

/// Where a gateway's own copy of the party record of another is.
fn record_file(at: &Gateway, of: &Gateway) -> PathBuf {
    at.home.dir.join("agreements").join(format!("{}.json", of.home.id.replace(':', "-")))
}

/// Reads a gateway's files again; nothing may be wrong with them.
async fn reload(gateway: &Gateway) {
    let refused: Vec<_> = gateway.running.reload().await.into_iter().filter(|part| part.refused.is_some()).collect();
    assert!(refused.is_empty(), "{}: {refused:?}", gateway.home.name);
}

/// A new key and certificate for a gateway, of a CA that everybody trusts from now on; its next party record names them.
async fn lose_the_key(loser: &mut Gateway, others: &[&Gateway], number: u64) -> String {
    let (now, org) = (Timestamp::now(), loser.home.id.parse::<OrgId>().unwrap());
    let ca = DevCa::new(&format!("CA {number}"), now).unwrap();
    let (before, after) = (now - SignedDuration::from_hours(1), now + SignedDuration::from_hours(24));
    let also = |path: PathBuf, pem: String| std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + &pem).unwrap();
    also(loser.ca.clone(), ca.pem());
    also(loser.ca.with_extension("crl"), ca.revocation_list(&[], before, after).unwrap());
    let issued = ca.gateway(&org, &["127.0.0.1".to_owned()], now).unwrap();
    std::fs::write(&loser.home.gateway_certificate, &issued.chain_pem).unwrap();
    std::fs::write(loser.home.gateway_certificate.with_extension("key"), &issued.key_pem).unwrap();
    let identity = schakel_certs::profile::identity(issued.chain_pem.as_bytes()).unwrap();
    let held = loser.running.desk.agreements().held().records.newest(&org).unwrap().clone();
    let tls = TlsBinding { spki_sha256: vec![identity.spki], ..held.tls.clone() };
    let record = PartyRecord { number, tls, issued: now, ..held }.sign(&root(&org)).unwrap().to_json();
    std::fs::write(record_file(loser, loser), &record).unwrap();
    let all = || others.iter().copied().chain([&*loser]);
    // No connection of the old key is left over which the new record could travel.
    all().for_each(|gateway| gateway.line.cut());
    for gateway in all() {
        reload(gateway).await;
    }
    all().for_each(|gateway| gateway.line.restore());
    loser.reconnect();
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_a_new_key_is_refused_with_a_remedy_until_anybody_brings_its_newest_record() {
    let mut region = Region::of_world(&["sez", "propersona", "ggnet"], rooted).await;
    let mut sez = region.take("sez");
    let (propersona, ggnet) = (region.gateway("propersona"), region.gateway("ggnet"));
    let id: OrgId = sez.home.id.parse().unwrap();
    let known = sez.offer(&sez.open_case().await, propersona).await.unwrap().name;
    propersona.until("the first offer", async || propersona.read_handover(&known).await).await;

    // Brought once by the operator of a third party, and once by the operator of the gateway that refuses.
    for (number, brought_to) in [(2, ggnet), (3, propersona)] {
        let record = lose_the_key(&mut sez, &[propersona, ggnet], number).await;
        let offer = sez.offer(&sez.open_case().await, propersona).await.unwrap().name;

        let unbound = |reason| move |refusal: &schakel_domain::refusal::Refusal| refusal.reason == reason;
        sez.link_until(propersona, |link| link.last_refusal.as_ref().is_some_and(unbound(Reason::OwnCertificateUnbound))).await;
        let link = sez.running.courier.status(&propersona.home.id.parse().unwrap()).await.unwrap();
        let told = [Lang::Nl, Lang::En].map(|lang| link.last_refusal.as_ref().unwrap().advice(lang));
        assert!(told[0].contains("andere partij") && told[1].contains("another party or its operator install it"), "{told:?}");
        assert_eq!(link.waiting, 1, "it waits; nothing is lost");
        assert!(propersona.read_handover(&offer).await.is_none());
        assert!(propersona.running.desk.agreements().held().records.newest(&id).unwrap().number < number);

        std::fs::write(record_file(brought_to, &sez), &record).unwrap();
        reload(brought_to).await;

        propersona.until("the offer that waited", async || propersona.read_handover(&offer).await).await;
        assert_eq!(propersona.running.desk.agreements().held().records.newest(&id).unwrap().number, number);
    }
    sez.running.stop().await;
    region.stop().await;
}
