//! The link over TLS on loopback: the shipped dialler, the shipped accept loop.

use std::sync::Arc;

use schakel_certs::issue::{DevCa, Issued};
use schakel_domain::id::Hash;
use schakel_domain::refusal::Reason;
use tokio::net::TcpListener;

use super::kit::{Gateway, Options, gateway_with, in_thread, message, now, org, peer};
use super::settled;
use crate::courier::{State, TlsDial};
use crate::peers::Peer;
use crate::peers::memory::MemoryDirectory;
use crate::tls::{ClientAuth, ClientTls, Http2Limits, Limits, Material, ServerTls, accept, http2_server};

struct StandingStill;

impl std::fmt::Debug for StandingStill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StandingStill")
    }
}

impl rustls::time_provider::TimeProvider for StandingStill {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        let seconds = u64::try_from(now().as_second()).unwrap();
        Some(rustls::pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

fn material(issued: &Issued, trust: &DevCa) -> Material {
    Material::from_pem(&issued.chain_pem, &issued.key_pem, &trust.pem()).unwrap()
}

/// A gateway with an open TLS door, and what others should know of it.
async fn open(number: u8, ca: &DevCa, client_ca: &DevCa) -> (Gateway, Peer) {
    let issue = |ca: &DevCa| ca.gateway(&org(number), &["localhost".to_owned()], now()).unwrap();
    let (served, shown) = (issue(ca), issue(client_ca));
    let spki = |issued: &Issued| -> Hash { schakel_certs::profile::identity(issued.chain_pem.as_bytes()).unwrap().spki };
    let directory = Arc::new(MemoryDirectory::new());
    let tls = ClientTls::new(material(&shown, ca), Arc::new(StandingStill)).unwrap();
    let dial = Arc::new(TlsDial { tls, directory: directory.clone() });
    let (gateway, door) = gateway_with(number, Options::default(), directory, dial);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("localhost:{}", listener.local_addr().unwrap().port());
    let server = ServerTls::new("federation", ClientAuth::Organization, None, material(&served, ca), Arc::new(StandingStill)).unwrap();
    let streams = accept(listener, server, Limits::default());
    let server = http2_server(&Http2Limits::default()).add_service(door.exchange()).add_service(door.sync());
    tokio::spawn(server.serve_with_incoming(streams));
    (gateway, Peer { endpoint, spki: vec![spki(&served), spki(&shown)], ..peer(number) })
}

#[tokio::test]
async fn messages_travel_over_mutual_tls_bound_to_the_party_records() {
    let ca = DevCa::new("ca", now()).unwrap();
    let ((a, peer_a), (b, peer_b)) = (open(1, &ca, &ca).await, open(2, &ca, &ca).await);
    a.directory.put(org(2), peer_b);
    b.directory.put(org(1), peer_a);

    a.send(&[message(1, 2, 1, 1), message(1, 2, 1, 2)]).await;
    a.told(|told| told.delivered.len() == 2).await;

    assert_eq!(in_thread(&b.desk, 1), [1, 2]);
}

#[tokio::test]
async fn a_refused_certificate_is_the_reason_shown() {
    let (ca, stranger) = (DevCa::new("ca", now()).unwrap(), DevCa::new("stranger", now()).unwrap());
    let ((a, peer_a), (b, peer_b)) = (open(1, &ca, &stranger).await, open(2, &ca, &ca).await);
    a.directory.put(org(2), peer_b);
    b.directory.put(org(1), peer_a);

    a.send(&[message(1, 2, 1, 1)]).await;
    let status = settled(&a, State::Waiting).await;

    let why = status.last_error.clone().unwrap();
    assert!(why.starts_with("no connection: OWN_CERTIFICATE_UNTRUSTED The peer refuses our certificate: unknown issuer"), "{why}");
    assert_eq!(status.last_refusal.map(|refusal| refusal.reason), Some(Reason::OwnCertificateUntrusted));
}

#[tokio::test]
async fn another_key_than_that_of_the_party_record_is_not_talked_to() {
    let ca = DevCa::new("ca", now()).unwrap();
    let ((a, _), (_b, peer_b)) = (open(1, &ca, &ca).await, open(2, &ca, &ca).await);
    a.directory.put(org(2), Peer { spki: vec![Hash([0; 32])], ..peer_b });

    a.send(&[message(1, 2, 1, 1)]).await;
    let status = settled(&a, State::Waiting).await;

    let why = status.last_error.clone().unwrap();
    assert!(why.contains("is not the one in its party record"), "{why}");
}
