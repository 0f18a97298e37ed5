//! Both sides of TLS against each other over loopback, with the health service behind the door.
//!
//! Every wrong connection must fail before any handler is entered, be counted under the right kind, and leave the right one
//! working. Certificates are judged by a clock that stands still.

mod kit;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::{HandshakeKind, NamedGroup};
use schakel_certs::issue::{DevCa, Issued, Recipe, self_signed};
use schakel_domain::refusal::Reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_stream::StreamExt;

use self::kit::{Door, HOST, Settings, expect, health, now, org, own, raw_client, raw_connect, within};
use super::*;

/// A certificate for the right organisation with one thing changed.
fn changed(ca: &DevCa, change: impl FnOnce(&mut Recipe)) -> Issued {
    let mut recipe = Recipe::gateway(&org(), &[HOST.to_owned()], now());
    change(&mut recipe);
    ca.issue(&recipe).unwrap()
}

fn days(n: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * n)
}

fn spki(issued: &Issued) -> schakel_domain::id::Hash {
    schakel_certs::profile::identity(issued.chain_pem.as_bytes()).unwrap().spki
}

#[tokio::test]
async fn the_right_certificate_is_served_and_the_handler_knows_who_calls() {
    let door = Door::open(Settings::default()).await;
    let issued = changed(&door.ca, |_| ());

    let (answer, tap) = door.call(&issued).await;

    assert_eq!(answer.map_err(|e| e.to_string()), Ok(()));
    assert_eq!(tap.last(), None);
    let seen = door.seen();
    let peer = &seen[0];
    assert_eq!((peer.door, peer.org.as_ref(), peer.spki), ("federation", Some(&org()), Some(spki(&issued))));
    assert_eq!(peer.san.as_deref(), Some("urn:schakel:organization:ura:90000123"));
    assert!(peer.remote.is_some() && peer.client.is_none() && peer.uid.is_none());
    assert_eq!(door.failures(), []);
}

#[tokio::test]
async fn a_wrong_client_certificate_is_refused_before_any_handler() {
    let expired_root = DevCa::root(&Recipe { not_before: days(-9), not_after: days(-1), ..Recipe::ca("old root", 1, now()) }).unwrap();
    let constrained = Recipe { permitted_domains: vec!["example.nl".to_owned()], ..Recipe::ca("constrained", 0, now()) };
    let expired_ca = Recipe { not_before: days(-9), not_after: days(-1), ..Recipe::ca("expired", 0, now()) };
    let impostor = DevCa::new(kit::CA_NAME, now()).unwrap();
    let door = Door::open(Settings { also_trusted: expired_root.pem(), ..Settings::default() }).await;
    let ca = &door.ca;
    let below = |recipe: &Recipe| ca.subordinate(recipe).unwrap();
    let intermediate = || Recipe::ca("intermediate", 0, now());

    let mut orphan = changed(&below(&intermediate()), |_| ());
    orphan.chain_pem.truncate(orphan.chain_pem.find("-----END").unwrap() + "-----END CERTIFICATE-----\n".len());
    let cases = [
        ("self-signed", self_signed(&Recipe::gateway(&org(), &[HOST.to_owned()], now())).unwrap()),
        ("other CA, same names", changed(&impostor, |_| ())),
        ("expired leaf", changed(ca, |r| (r.not_before, r.not_after) = (days(-9), days(-1)))),
        ("not yet valid", changed(ca, |r| r.not_before = days(1))),
        ("expired intermediate", changed(&below(&expired_ca), |_| ())),
        ("missing intermediate", orphan),
        ("expired root", changed(&expired_root, |_| ())),
        ("usage server only", changed(ca, |r| r.client_auth = false)),
        ("no usage stated", changed(ca, |r| (r.client_auth, r.server_auth) = (false, false))),
        ("CA used as leaf", changed(ca, |r| r.ca = Some(0))),
        ("leaf used as CA", changed(&below(&Recipe::gateway(&org(), &[], now())), |_| ())),
        ("path length exceeded", changed(&below(&intermediate()).subordinate(&intermediate()).unwrap(), |_| ())),
        ("wildcard", changed(ca, |r| r.hosts = vec!["*.example.nl".to_owned()])),
        ("name constraint violated", changed(&below(&constrained), |r| r.hosts = vec!["gw.example.com".to_owned()])),
        ("local system at the federation door", changed(ca, |r| r.uris = vec!["urn:schakel:client:ecd".to_owned()])),
        ("two identities", changed(ca, |r| r.uris.push("urn:schakel:client:ecd".to_owned()))),
        ("no identity", changed(ca, |r| r.uris.clear())),
        ("identity that is no organisation id", changed(ca, |r| r.uris = vec!["urn:schakel:organization:ura:1".to_owned()])),
    ];

    for (number, (name, issued)) in cases.iter().enumerate() {
        let (answer, tap) = door.call(issued).await;

        assert!(answer.is_err(), "{name} was served");
        let last = tap.last().unwrap();
        assert!(last.reason.code().starts_with("OWN_CERTIFICATE_"), "{name}: the tap says `{last}`");
        door.failed(FailureKind::Certificate, number as u64 + 1, name).await;
    }
    assert_eq!(door.seen(), []);
    assert!(door.call(&changed(ca, |_| ())).await.0.is_ok());
}

#[tokio::test]
async fn a_chain_through_an_intermediate_is_accepted() {
    let door = Door::open(Settings::default()).await;
    let intermediate = door.ca.subordinate(&Recipe::ca("intermediate", 0, now())).unwrap();

    assert!(door.call(&changed(&intermediate, |_| ())).await.0.is_ok());
}

#[tokio::test]
async fn a_key_or_organisation_not_in_the_party_records_is_refused_before_any_handler() {
    let ca = DevCa::new(kit::CA_NAME, now()).unwrap();
    let (bound, unbound) = (changed(&ca, |_| ()), changed(&ca, |_| ()));
    let foreign = changed(&ca, |r| r.uris = vec!["urn:schakel:organization:ura:90000999".to_owned()]);
    let known = spki(&bound);
    let admit: Admit = Arc::new(move |identity| {
        let fits = identity.subject == Subject::Organization(org()) && identity.spki == known;
        fits.then_some(()).ok_or_else(|| "not bound".to_owned())
    });
    let door = Door::open(Settings { ca: Some(ca), admit: Some(admit), ..Settings::default() }).await;

    assert!(door.call(&bound).await.0.is_ok());
    for wrong in [unbound, foreign] {
        let (answer, tap) = door.call(&wrong).await;
        assert!(answer.is_err());
        assert_eq!(tap.last().map(|last| last.reason), Some(Reason::OwnCertificateUnbound));
    }
    assert_eq!(door.seen().len(), 1);
}

#[tokio::test]
async fn a_client_without_certificate_is_refused() {
    let door = Door::open(Settings::default()).await;

    let refused = raw_connect(&door, raw_client(&door.ca, None, &[b"h2"])).await.unwrap_err();

    assert!(refused.to_string().contains("CertificateRequired"), "{refused}");
    door.failed(FailureKind::Certificate, 1, "no certificate").await;
    assert_eq!(door.seen(), []);
}

#[tokio::test]
async fn a_door_with_optional_certificates_serves_nobody_in_particular_and_still_refuses_a_wrong_one() {
    let door = Door::open(Settings { auth: ClientAuth::OptionalClient, ..Settings::default() }).await;
    let client = door.ca.client(&ClientName::new("ecd").unwrap(), now()).unwrap();

    assert!(raw_connect(&door, raw_client(&door.ca, None, &[b"h2"])).await.is_ok());
    assert!(door.call(&client).await.0.is_ok());
    assert!(door.call(&changed(&door.ca, |_| ())).await.0.is_err(), "a gateway is no local system");

    assert_eq!(door.seen()[0].client, Some(ClientName::new("ecd").unwrap()));
}

#[tokio::test]
async fn without_alpn_h2_nothing_is_served() {
    let door = Door::open(Settings::default()).await;
    let issued = changed(&door.ca, |_| ());

    assert!(raw_connect(&door, raw_client(&door.ca, Some(&issued), &[])).await.is_err());
    door.failed(FailureKind::NoHttp2, 1, "no ALPN").await;

    assert!(raw_connect(&door, raw_client(&door.ca, Some(&issued), &[b"http/1.1"])).await.is_err());
    door.failed(FailureKind::NoHttp2, 2, "other ALPN").await;

    assert!(raw_connect(&door, raw_client(&door.ca, Some(&issued), &[b"h2"])).await.is_ok());
}

#[tokio::test]
async fn plain_text_on_the_tls_port_is_refused() {
    let door = Door::open(Settings::default()).await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();

    stream.write_all(kit::PREFACE).await.unwrap();

    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.windows(3).any(|w| w == b"\0\0\x04"), "no HTTP/2 settings in {answer:?}");
    door.failed(FailureKind::NotTls, 1, "plain text").await;
}

#[tokio::test]
async fn the_hybrid_group_is_negotiated_and_no_session_is_resumed() {
    let door = Door::open(Settings::default()).await;
    let client = raw_client(&door.ca, Some(&changed(&door.ca, |_| ())), &[b"h2"]);

    for round in 0..3 {
        let stream = raw_connect(&door, Arc::clone(&client)).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.negotiated_key_exchange_group().map(|group| group.name()), Some(NamedGroup::X25519MLKEM768));
        assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full), "round {round}");
        assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_is_closed() {
    let limits = Limits { handshake: Duration::from_millis(100), ..Limits::default() };
    let door = Door::open(Settings { limits, ..Settings::default() }).await;
    let mut silent = TcpStream::connect(door.address).await.unwrap();

    let read = within(silent.read(&mut [0; 1])).await;

    assert!(matches!(read, Ok(0) | Err(_)));
    door.failed(FailureKind::Timeout, 1, "silent").await;
}

#[tokio::test]
async fn a_client_that_stops_after_its_handshake_is_closed() {
    let limits = Limits { preface: Duration::from_millis(100), ..Limits::default() };
    let door = Door::open(Settings { limits, ..Settings::default() }).await;
    let client = raw_client(&door.ca, Some(&changed(&door.ca, |_| ())), &[b"h2"]);
    let stream = TcpStream::connect(door.address).await.unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(client).connect(HOST.try_into().unwrap(), stream).await.unwrap();
    stream.write_all(&kit::PREFACE[..10]).await.unwrap();

    // The server's own settings may come first; the end must.
    let _settings_and_end = within(stream.read_to_end(&mut Vec::new())).await;
}

#[tokio::test]
async fn slow_strangers_do_not_hold_up_the_next_caller() {
    let door = Door::open(Settings::default()).await;
    let mut strangers = Vec::new();
    for _ in 0..50 {
        strangers.push(TcpStream::connect(door.address).await.unwrap());
    }

    assert!(within(door.call(&changed(&door.ca, |_| ()))).await.0.is_ok());
}

#[tokio::test]
async fn connections_above_the_limit_are_closed_and_their_place_comes_free() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let door = Door::open(Settings { limits, ..Settings::default() }).await;
    let client = raw_client(&door.ca, Some(&changed(&door.ca, |_| ())), &[b"h2"]);

    let first = raw_connect(&door, Arc::clone(&client)).await.unwrap();
    assert!(raw_connect(&door, Arc::clone(&client)).await.is_err());
    door.failed(FailureKind::Saturated, 1, "second connection").await;

    drop(first);
    expect("a free place", async || raw_connect(&door, Arc::clone(&client)).await.is_ok()).await;
}

#[tokio::test]
async fn a_reload_counts_from_the_next_handshake_on() {
    let door = Door::open(Settings::default()).await;
    let other = DevCa::new("other root", now()).unwrap();
    let (old, new) = (changed(&door.ca, |_| ()), changed(&other, |_| ()));
    let expired = DevCa::root(&Recipe { not_after: days(-1), ..Recipe::ca("old root", 1, now()) }).unwrap();
    assert!(door.call(&old).await.0.is_ok() && door.call(&new).await.0.is_err());

    door.tls.reload(own(&door.server, &other)).unwrap();
    assert!(door.call(&old).await.0.is_err() && door.call(&new).await.0.is_ok());

    door.tls.reload(own(&door.server, &expired)).unwrap();
    assert!(door.call(&new).await.0.is_err(), "no root is valid, nobody comes in");
}

#[tokio::test]
async fn a_client_refuses_a_server_that_is_not_the_expected_peer() {
    let ca = DevCa::new(kit::CA_NAME, now()).unwrap();
    let other = DevCa::new(kit::CA_NAME, now()).unwrap();
    let right = || changed(&ca, |_| ());
    let cases: [(&str, Issued, Option<Expected>); 8] = {
        let bound = |issued: Issued| {
            let expected = Expected { org: org(), spki: vec![spki(&issued)] };
            (issued, Some(expected))
        };
        let case = |name, (issued, expected)| (name, issued, expected);
        let foreign = changed(&ca, |r| r.uris = vec!["urn:schakel:organization:ura:90000999".to_owned()]);
        [
            case("expected ura:90000123, found the certificate of ura:90000999", bound(foreign)),
            ("is not the one in its party record", right(), Some(Expected { org: org(), spki: vec![spki(&right())] })),
            ("no valid party record", right(), None),
            case("not valid for name", bound(changed(&ca, |r| r.hosts = vec!["gw.example.nl".to_owned()]))),
            case("certificate expired", bound(changed(&ca, |r| (r.not_before, r.not_after) = (days(-9), days(-1))))),
            case("allows client authentication", bound(changed(&ca, |r| r.server_auth = false))),
            case("serverAuth", bound(changed(&ca, |r| (r.server_auth, r.client_auth) = (false, false)))),
            case("BadSignature", bound(changed(&other, |_| ()))),
        ]
    };

    for (says, server, expected) in cases {
        let door = Door::open(Settings { server: Some(server), also_trusted: ca.pem(), ..Settings::default() }).await;
        let material = own(&right(), &ca);
        let (channel, tap) = door.channel(material, Arc::new(move || expected.clone()));

        assert!(within(health(channel)).await.is_err(), "{says}: was served");

        let last = tap.last().unwrap();
        assert!(last.detail.contains(says), "expected `{says}`, the tap says `{last}`");
        assert_eq!(door.seen(), []);
    }
}

#[tokio::test]
async fn a_tap_forgets_when_the_peer_answers_again() {
    let door = Door::open(Settings::default()).await;
    let (right, wrong) = (changed(&door.ca, |_| ()), changed(&door.ca, |r| r.client_auth = false));
    let tls = ClientTls::new(own(&wrong, &door.ca), kit::clock()).unwrap();
    let (channel, tap) = super::channel(&door.peer_address(), Arc::clone(&tls), door.expectation()).unwrap();

    assert!(within(health(channel.clone())).await.is_err());
    assert!(tap.last().is_some_and(|last| last.detail.contains("UnsupportedCertificate")), "{tap:?}");

    tls.reload(own(&right, &door.ca)).unwrap();
    expect("an answer", async || health(channel.clone()).await.is_ok()).await;
    assert_eq!(tap.last(), None);
}

#[tokio::test]
async fn a_peer_that_is_down_is_named_as_such_by_the_tap() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let ca = DevCa::new(kit::CA_NAME, now()).unwrap();
    let tls = ClientTls::new(own(&changed(&ca, |_| ()), &ca), kit::clock()).unwrap();
    let expectation: Expectation = Arc::new(|| Some(Expected { org: org(), spki: Vec::new() }));
    let (channel, tap) = super::channel(&address.to_string().parse().unwrap(), tls, expectation).unwrap();

    assert_eq!(within(health(channel)).await.unwrap_err().code(), tonic::Code::Unavailable);

    assert!(tap.last().is_some_and(|last| last.reason == Reason::PeerUnreachable && last.detail.contains("refused")), "{tap:?}");
}

#[tokio::test]
async fn dropping_the_stream_closes_the_listener() {
    let door = Door::open(Settings::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();

    drop(accept(listener, Arc::clone(&door.tls), Limits::default()));

    expect("a closed port", async || TcpStream::connect(address).await.is_err()).await;
}

#[tokio::test]
async fn a_unix_socket_tells_the_user_id_of_the_caller() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    let mut accepted = accept_unix(UnixListener::bind(&path).unwrap(), "admin", Limits::default());
    let _client = tokio::net::UnixStream::connect(&path).await.unwrap();

    let peer = within(accepted.next()).await.unwrap().unwrap();

    let uid = std::os::unix::fs::MetadataExt::uid(&path.metadata().unwrap());
    assert_eq!((peer.info().door, peer.info().uid, peer.info().org.clone()), ("admin", Some(uid), None));
}

#[tokio::test]
async fn old_protocols_and_weak_keys_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let openssl = kit::OpenSsl::new(dir.path());
    openssl.ca();
    let today = Timestamp::now();
    let server_ca = DevCa::new(kit::CA_NAME, today).unwrap();
    let server = server_ca.gateway(&org(), &[HOST.to_owned()], today).unwrap();
    let trusted = std::fs::read_to_string(dir.path().join("ca.crt")).unwrap();
    let door = Door::open(Settings {
        ca: Some(server_ca),
        server: Some(server),
        also_trusted: trusted,
        clock: Some(system_clock()),
        ..Settings::default()
    })
    .await;
    openssl.leaf("good", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "-sha256");
    openssl.leaf("rsa1024", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"], "-sha256");
    openssl.leaf("sha1", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "-sha1");

    assert!(openssl.connect(door.address, "good", "-tls1_3").await.contains("TLSv1.3"));
    assert_eq!(door.failures(), [], "the control: the same client with a good key comes in");

    let cases = [
        ("good", "-tls1_2", FailureKind::Protocol),
        ("rsa1024", "-tls1_3", FailureKind::Certificate),
        ("sha1", "-tls1_3", FailureKind::Certificate),
    ];
    for (leaf, version, kind) in cases {
        openssl.connect(door.address, leaf, version).await;
        expect(leaf, async || !door.failures().is_empty()).await;
        let taken = door.tls.failures().take_before(i64::MAX);
        assert_eq!(taken.iter().map(|row| (row.kind, row.count)).collect::<Vec<_>>(), [(kind, 1)], "{leaf} {version}");
    }
    assert_eq!(door.seen(), []);
}

#[test]
fn an_address_is_a_host_and_a_port() {
    for good in ["gw.example.nl:8443", "127.0.0.1:1", "[::1]:65535"] {
        assert_eq!(good.parse::<PeerAddress>().unwrap().to_string(), good);
    }
    for bad in ["gw.example.nl", "gw:0", "gw:65536", "::1:80", ":80", "a b:80", "https://gw:80", "gw:80/path"] {
        assert!(bad.parse::<PeerAddress>().is_err(), "{bad}");
    }
}
