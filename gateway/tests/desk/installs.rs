//! Documents are installed once per key, and their signature counts, not who brings them: so a party whose key nobody knows yet is known
//! again as soon as anybody has its newest record.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use schakel::assembly::link;
use schakel::desk::{Installed, Paper};
use schakel_domain::covenant::document::Change;
use schakel_domain::id::{Hash, OrgId, RequestId};
use schakel_domain::party_record::{PartyRecord, TlsBinding};
use schakel_domain::refusal::Reason;
use uuid::Uuid;

use super::kit::*;

const NEW: Installed = Installed { is_new: true, replayed: false };

/// The record of Pactum with a new TLS key, signed under somebody's root key.
fn rebound(number: u64, signer: &str) -> (Hash, Vec<u8>) {
    let before = record(&org(PACTUM), number, "2027-06-01T00:00:00Z");
    let key = Hash::sha256(format!("a new key, record {number}").as_bytes());
    let tls = TlsBinding { spki_sha256: vec![key], ..before.tls.clone() };
    let signed = PartyRecord { tls, ..before }.sign(&root(&org(signer))).unwrap();
    (key, signed.to_json().into_bytes())
}

/// The TLS keys by which a gateway knows Pactum.
fn known(gateway: &Gateway) -> Vec<Hash> {
    let source: Arc<dyn schakel::desk::Source> = Arc::new(schakel::source::SystemSource::default());
    link::directory(&gateway.desk, &source).peer(&org(PACTUM)).unwrap().spki
}

fn request(number: u128) -> RequestId {
    RequestId::new(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 | number))
}

#[tokio::test]
async fn a_record_counts_by_its_signature_whoever_brings_it() {
    let region = Region::new(&[SEZ, PACTUM, GGNET]);
    let sez = region.at(SEZ);
    let ((first, record), (second, newer)) = (rebound(2, PACTUM), rebound(3, PACTUM));
    let (_, forged) = rebound(4, GGNET);

    // Pactum cannot come in itself: its new key is in no record held here.
    assert!(sez.desk.install_party_record(&peer(&org(GGNET)), &record).await.unwrap(), "another party brings it");
    assert_eq!(known(sez), [first]);
    assert!(sez.desk.install_party_record(&sez.operator(), &newer).await.unwrap(), "our operator brings it");
    assert_eq!(known(sez), [second]);
    assert_eq!(why(sez.desk.install_party_record(&peer(&org(GGNET)), &forged).await), Reason::BadSignature);
    assert_eq!(why(sez.desk.install_party_record(&peer(&org(GGNET)), &record).await), Reason::CovenantOutdated);
    assert_eq!(known(sez), [second]);
}

#[tokio::test]
async fn what_an_operator_installs_is_compared_with_every_party_at_once() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    let compared: Arc<Mutex<BTreeSet<OrgId>>> = Arc::default();
    let (told, heard) = (Arc::clone(&compared), Arc::new(tokio::sync::Notify::new()));
    let (all, ring) = (sez.agreements.parties(sez.desk.now()).len(), Arc::clone(&heard));
    let compare = move |org: &OrgId| {
        let mut told = told.lock().unwrap();
        told.insert(org.clone());
        if told.len() == all {
            ring.notify_one();
        }
    };
    let telling = tokio::spawn(link::documents(Arc::clone(&sez.desk), compare));
    // It must be listening before anything changes.
    tokio::task::yield_now().await;

    sez.desk.install_party_record(&sez.operator(), &rebound(2, PACTUM).1).await.unwrap();

    tokio::time::timeout(std::time::Duration::from_secs(60), heard.notified()).await.expect("every party");
    assert!(compared.lock().unwrap().contains(&org(GGNET)) && !compared.lock().unwrap().contains(&org(SEZ)));
    telling.abort();
}

#[tokio::test]
async fn a_document_under_the_same_key_is_installed_once_and_answered_the_same() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    let (caller, record, body) = (sez.operator(), rebound(2, PACTUM).1, Hash([1; 32]));
    let install = async |number, body| sez.desk.install_once(&caller, Paper::PartyRecord(&record), request(number), body).await;

    assert_eq!(install(1, body).await, Ok(NEW));
    let before = sez.mark().await;
    assert_eq!(install(1, body).await, Ok(Installed { replayed: true, ..NEW }));
    assert_eq!(sez.mark().await, before, "one effect");

    let other = install(1, Hash([2; 32])).await.unwrap_err();
    assert_eq!((other.reason, other.field.as_deref()), (Reason::RequestIdReused, Some("request_id")));
    assert!(!sez.log().await.pop().unwrap().decision.allowed, "and that is in the log");

    // Under a key of its own it is no news; also that is the same answer ever after, though a newer record comes.
    let held = Installed { is_new: false, replayed: false };
    assert_eq!(install(2, body).await, Ok(held));
    sez.desk.install_party_record(&caller, &rebound(3, PACTUM).1).await.unwrap();
    assert_eq!(install(2, body).await, Ok(Installed { replayed: true, ..held }));
    assert_eq!(install(1, body).await, Ok(Installed { replayed: true, ..NEW }));
}

#[tokio::test]
async fn a_covenant_under_the_same_key_is_installed_once() {
    let region = Region::new(&[SEZ]);
    let sez = region.at(SEZ);
    let mut next = document();
    next.version = 2;
    next.predecessor = Some(document().hash());
    next.change = Some(Change::Ordinary);
    next.in_force_from = "2026-12-01".parse().unwrap();
    next.predecessor_until = Some("2026-12-15".parse().unwrap());
    let bundle = signed(next).to_json();
    let (caller, paper) = (sez.operator(), Paper::Covenant(bundle.as_bytes()));

    let first = sez.desk.install_once(&caller, paper, request(1), Hash([1; 32])).await;
    let again = sez.desk.install_once(&caller, paper, request(1), Hash([1; 32])).await;
    let other = sez.desk.install_once(&caller, paper, request(1), Hash([2; 32])).await;

    assert_eq!((first, again), (Ok(NEW), Ok(Installed { replayed: true, ..NEW })));
    assert_eq!(why(other), Reason::RequestIdReused);
}
