//! Thirty wrong connections, each in every direction it exists in: refused before a handler is entered, with a stable reason for the
//! caller; and the right one is served.

use std::sync::Arc;

use jiff::Timestamp;
use schakel::tls::{ClientTls, FailureKind, PeerInfo};
use schakel_certs::issue::{DevCa, Issued, Recipe, self_signed};
use schakel_domain::id::Hash;
use schakel_domain::refusal::{Reason, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::kit::{
    Clock, Door, Folder, HOST, Settings, bound_to, ca, call, chain, changed, days, key, list, now, raw_client, spki, us, within,
};
use super::openssl::OpenSsl;

/// What one side trusts, and what the other shows it.
struct Case {
    name: &'static str,
    trust: String,
    lists: Vec<String>,
    shown: Issued,
    /// The key in the party record.
    bound: Hash,
    /// What a client of ours is told when a door refuses this certificate.
    own: Option<Reason>,
    /// What a client of ours says when a door shows it.
    peer: Option<Reason>,
}

impl Case {
    fn of(name: &'static str, ca: &DevCa, shown: Issued, own: Reason, peer: Reason) -> Self {
        let bound = schakel_certs::profile::identity(shown.chain_pem.as_bytes()).map_or(Hash([0; 32]), |identity| identity.spki);
        Self { name, trust: ca.pem(), lists: vec![list(ca, &[])], shown, bound, own: Some(own), peer: Some(peer) }
    }

    fn lists(self, lists: Vec<String>) -> Self {
        Self { lists, ..self }
    }
}

const UNTRUSTED: (Reason, Reason) = (Reason::OwnCertificateUntrusted, Reason::PeerCertificateUntrusted);
const EXPIRED: (Reason, Reason) = (Reason::OwnCertificateExpired, Reason::PeerCertificateExpired);
const UNUSABLE: (Reason, Reason) = (Reason::OwnCertificateUnusable, Reason::PeerCertificateUnusable);
const UNBOUND: (Reason, Reason) = (Reason::OwnCertificateUnbound, Reason::PeerCertificateUnbound);
const REVOKED: (Reason, Reason) = (Reason::OwnCertificateRevoked, Reason::PeerCertificateRevoked);

fn intermediate(name: &str) -> Recipe {
    Recipe::ca(name, 0, now())
}

fn chains(root: &DevCa) -> Vec<Case> {
    let case = |name, shown, (own, peer)| Case::of(name, root, shown, own, peer);
    let below = |recipe: &Recipe| root.subordinate(recipe).unwrap();
    let right = || changed(root, |_| ());
    let mut orphan = changed(&below(&intermediate("one")), |_| ());
    orphan.chain_pem.truncate(orphan.chain_pem.find("-----END").unwrap() + "-----END CERTIFICATE-----\n".len());
    let old_root = DevCa::root(&Recipe { not_before: days(-9), not_after: days(-1), ..Recipe::ca("old root", 1, now()) }).unwrap();
    let old = Recipe { not_before: days(-9), not_after: days(-1), ..intermediate("old") };
    let long = Recipe::ca("long", 0, now());
    let deep = below(&long).subordinate(&intermediate("deep")).unwrap();
    let constrained = Recipe { permitted_domains: vec!["example.nl".to_owned()], ..intermediate("constrained") };
    let foreign = |r: &mut Recipe| r.uris = vec!["urn:schakel:organization:ura:90000999".to_owned()];
    // What is wrong must be wrong for its own reason: a list for every CA that is not itself the fault.
    let with = |case: Case, ca: &DevCa| {
        let lists = vec![list(root, &[]), list(ca, &[])];
        case.lists(lists)
    };
    let expired = below(&old);
    let narrow = below(&constrained);
    vec![
        case("self-signed", self_signed(&Recipe::gateway(&us(), &[HOST.to_owned()], now())).unwrap(), UNTRUSTED),
        case("other CA, same names", changed(&ca("root"), |_| ()), UNTRUSTED),
        Case { bound: spki(&right()), ..case("right CA, another key than in the party record", right(), UNBOUND) },
        case("expired", changed(root, |r| (r.not_before, r.not_after) = (days(-9), days(-1))), EXPIRED),
        case("not valid yet", changed(root, |r| r.not_before = days(1)), EXPIRED),
        with(case("expired intermediate", changed(&expired, |_| ()), EXPIRED), &expired),
        case("missing intermediate", orphan, UNTRUSTED),
        Case { trust: old_root.pem(), ..case("expired root", changed(&old_root, |_| ()), UNTRUSTED).lists(vec![list(&old_root, &[])]) },
        Case { peer: None, ..case("for servers only", changed(root, |r| r.client_auth = false), UNUSABLE) },
        Case { own: None, ..case("for clients only", changed(root, |r| r.server_auth = false), UNUSABLE) },
        case("a CA as a gateway", changed(root, |r| r.ca = Some(0)), UNUSABLE),
        case("a gateway as a CA", changed(&below(&Recipe::gateway(&us(), &[], now())), |_| ()), UNUSABLE),
        with(case("path too long", changed(&deep, |_| ()), UNUSABLE), &deep),
        case("another organisation", changed(root, foreign), UNBOUND),
        case("wildcard", changed(root, |r| r.hosts.push("*.example.nl".to_owned())), UNUSABLE),
        with(case("name constraint violated", changed(&narrow, |r| r.hosts.push("gw.example.com".to_owned())), UNUSABLE), &narrow),
    ]
}

fn revoked(root: &DevCa) -> Vec<Case> {
    const UNKNOWN: (Reason, Reason) = (Reason::OwnCertificateUnknown, Reason::RevocationListMissing);
    let case = |name, shown, (own, peer)| Case::of(name, root, shown, own, peer);
    let leaf = changed(root, |_| ());
    let leaf_listed = list(root, &[&leaf.chain_pem]);
    let [one, two, three, impostor] = ["one", "two", "three", "three"].map(|name| root.subordinate(&intermediate(name)).unwrap());
    let one_listed = list(root, &[&one.pem()]);
    let ended = root.revocation_list(&[], days(-3), days(-1)).unwrap();
    vec![
        case("revoked", leaf, REVOKED).lists(vec![leaf_listed]),
        case("revoked intermediate", changed(&one, |_| ()), REVOKED).lists(vec![one_listed, list(&one, &[])]),
        case("expired list", changed(root, |_| ()), (Reason::OwnCertificateUnknown, Reason::RevocationListExpired)).lists(vec![ended]),
        case("missing list", changed(&one, |_| ()), UNKNOWN),
        case("list of another CA", changed(&one, |_| ()), UNKNOWN).lists(vec![list(root, &[]), list(&two, &[])]),
        case("list with a wrong signature", changed(&three, |_| ()), UNKNOWN).lists(vec![list(root, &[]), list(&impostor, &[])]),
    ]
}

/// Whoever is right: a certificate of a CA of its own, so that only the other side's can be wrong.
struct Right {
    ca: DevCa,
    shown: Issued,
}

impl Right {
    fn new() -> Self {
        let ca = ca("right");
        let shown = changed(&ca, |_| ());
        Self { ca, shown }
    }
}

/// Shows the certificate to a door; what our client was told, and what the door counted.
async fn at_a_door(case: &Case) -> (Result<(), Refusal>, Vec<(FailureKind, u64)>) {
    let (right, ours, theirs) = (Right::new(), Folder::new(), Folder::new());
    let material = ours.write(&right.shown, &case.trust, &case.lists);
    let door = Door::open(Settings { admit: Some(bound_to(vec![case.bound])), ..Settings::of(material) }).await;
    let client = ClientTls::new(theirs.write(&case.shown, &right.ca.pem(), &[]), Clock::standing()).unwrap();
    let (channel, tap) = door.channel(&client, vec![spki(&right.shown)]);
    let answer = call(&channel).await;
    if answer.is_ok() {
        return (Ok(()), Vec::new());
    }
    assert_eq!(door.entered(), 0, "{}: a handler was entered", case.name);
    (Err(tap.last().unwrap()), door.failed(case.name).await)
}

/// Has a door show the certificate to our client; what it says.
async fn at_a_client(case: &Case) -> Result<(), Refusal> {
    let (right, ours, theirs) = (Right::new(), Folder::new(), Folder::new());
    let door = Door::open(Settings::of(theirs.write(&case.shown, &right.ca.pem(), &[]))).await;
    let client = ClientTls::new(ours.write(&right.shown, &case.trust, &case.lists), Clock::standing()).unwrap();
    let (channel, tap) = door.channel(&client, vec![case.bound]);
    let answer = call(&channel).await;
    if answer.is_ok() {
        return Ok(());
    }
    assert_eq!(door.entered(), 0, "{}: a handler was entered", case.name);
    Err(tap.last().unwrap())
}

#[tokio::test]
async fn every_wrong_certificate_is_refused_by_a_door_and_by_a_client_with_its_reason() {
    let root = ca("root");
    for case in chains(&root).into_iter().chain(revoked(&root)) {
        if let Some(own) = case.own {
            let (told, counted) = at_a_door(&case).await;
            let told = told.expect_err(case.name);
            assert_eq!(told.reason, own, "{} at a door: {told}", case.name);
            assert_eq!(counted, [(FailureKind::Certificate, 1)], "{}", case.name);
        }
        if let Some(peer) = case.peer {
            let said = at_a_client(&case).await.expect_err(case.name);
            assert_eq!(said.reason, peer, "{} at a client: {said}", case.name);
        }
    }
}

#[tokio::test]
async fn the_right_certificate_is_served_directly_and_below_an_intermediate_with_a_list_for_each_ca() {
    let root = ca("root");
    let below = root.subordinate(&intermediate("one")).unwrap();
    for shown in [changed(&root, |_| ()), changed(&below, |_| ())] {
        let lists = vec![list(&root, &[]), list(&below, &[])];
        let case = Case::of("right", &root, shown, Reason::Internal, Reason::Internal).lists(lists);

        assert_eq!(at_a_door(&case).await.0, Ok(()));
        assert_eq!(at_a_client(&case).await, Ok(()));
    }
}

#[tokio::test]
async fn a_client_without_certificate_or_without_h2_and_one_that_speaks_plain_text_are_refused() {
    let (right, folder, clock) = (Right::new(), Folder::new(), Clock::standing());
    let door = Door::open(Settings::of(folder.write(&right.shown, &right.ca.pem(), &[]))).await;
    let connect = async |shown: Option<&Issued>, alpn: &[&[u8]]| {
        let stream = TcpStream::connect(door.address).await.unwrap();
        let config = raw_client(&right.ca.pem(), shown, alpn, &clock);
        let mut stream = tokio_rustls::TlsConnector::from(config).connect(HOST.try_into().unwrap(), stream).await?;
        within(stream.read_exact(&mut [0; 9])).await
    };

    assert!(connect(Some(&right.shown), &[b"h2"]).await.is_ok(), "the control");
    let nobody = connect(None, &[b"h2"]).await.unwrap_err();
    assert!(nobody.to_string().contains("CertificateRequired"), "{nobody}");
    assert_eq!(door.failed("no certificate").await, [(FailureKind::Certificate, 1)]);
    for alpn in [&[][..], &[&b"http/1.1"[..]]] {
        assert!(connect(Some(&right.shown), alpn).await.is_err());
        assert_eq!(door.failed("no h2").await, [(FailureKind::NoHttp2, 1)]);
    }
    let mut plain = TcpStream::connect(door.address).await.unwrap();
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    drop(within(plain.read_to_end(&mut Vec::new())).await);
    assert_eq!(door.failed("plain text").await, [(FailureKind::NotTls, 1)]);
    assert_eq!(door.entered(), 0);
}

/// What our client says of a server that is not even one of ours.
async fn said_of(address: std::net::SocketAddr, right: &Right, (trust, key): (&str, Hash), clock: Arc<Clock>) -> Reason {
    let material = Folder::new().write(&right.shown, trust, &[]);
    let client = ClientTls::new(material, clock).unwrap();
    let expected = schakel::tls::Expected { org: us(), spki: vec![key] };
    let (channel, tap) =
        schakel::tls::channel(&address.to_string().parse().unwrap(), client, Arc::new(move || Some(expected.clone()))).unwrap();
    call(&channel).await.unwrap_err();
    tap.last().unwrap().reason
}

#[tokio::test]
async fn a_server_without_h2_and_one_that_speaks_plain_text_are_not_talked_to() {
    let (right, clock) = (Right::new(), Clock::standing());
    for alpn in [vec![], vec![b"http/1.1".to_vec()]] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain(&right.shown), key(&right.shown))
            .unwrap();
        config.alpn_protocols = alpn;
        tokio::spawn(async move {
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                drop(acceptor.accept(stream).await);
            }
        });
        assert_eq!(said_of(address, &right, (&right.ca.pem(), spki(&right.shown)), Arc::clone(&clock)).await, Reason::TlsIncompatible);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    assert_eq!(said_of(address, &right, (&right.ca.pem(), spki(&right.shown)), clock).await, Reason::TlsIncompatible);
}

#[tokio::test]
async fn weak_keys_weak_signatures_and_old_protocols_are_refused_in_both_directions() {
    let (openssl, today) = (OpenSsl::new(), Timestamp::now());
    let clock = Clock::standing();
    // A little later, so that what OpenSSL makes while this runs is valid already.
    clock.set(today + jiff::SignedDuration::from_mins(5));
    let ca = DevCa::new("right", today).unwrap();
    let right = Right { shown: ca.gateway(&us(), &[HOST.to_owned()], today).unwrap(), ca };
    let p256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let good = openssl.leaf("good", &p256, "-sha256");
    let weak = openssl.leaf("rsa1024", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"], "-sha256");
    let old = openssl.leaf("sha1", &p256, "-sha1");
    let folder = Folder::new();
    let limits = schakel::tls::Limits { preface: std::time::Duration::from_millis(200), ..Default::default() };
    let material = folder.write(&right.shown, &openssl.ca(), &[openssl.list("plain", &[])]);
    let door = Door::open(Settings { limits, clock: Arc::clone(&clock), ..Settings::of(material) }).await;

    let control = openssl.connect(door.address, Some("good"), &["-tls1_3", "-alpn", "h2"]).await;
    assert!(
        control.contains("ALPN protocol: h2") && control.contains("Verify return code") && door.tls.failures().snapshot().is_empty(),
        "{control}"
    );
    for (shown, version, kind, alert) in [
        ("good", "-tls1_2", FailureKind::Protocol, "alert protocol version"),
        ("rsa1024", "-tls1_3", FailureKind::Certificate, "alert"),
        ("sha1", "-tls1_3", FailureKind::Certificate, "alert"),
    ] {
        let said = openssl.connect(door.address, Some(shown), &[version, "-alpn", "h2"]).await;
        assert!(said.contains(alert), "{shown} {version}: {said}");
        assert_eq!(door.failed(shown).await, [(kind, 1)], "{shown} {version}");
    }
    for (shown, issued, version, reason) in [
        ("good", &good, "-tls1_2", Reason::TlsIncompatible),
        // Its chain is good: what fails is the signature that such a key makes.
        ("rsa1024", &weak, "-tls1_3", Reason::PeerCertificateUntrusted),
        ("sha1", &old, "-tls1_3", Reason::PeerCertificateUnusable),
    ] {
        let (_server, address) = openssl.serve(shown, &[version, "-alpn", "h2"]).await;
        let reason_said = said_of(address, &right, (&openssl.ca(), spki(issued)), Arc::clone(&clock)).await;
        assert_eq!(reason_said, reason, "{shown} {version}");
    }

    // And what OpenSSL revokes is revoked here, with a word that OpenSSL understands.
    let listed = [openssl.list("plain", &["good"])];
    assert_eq!(door.tls.reload(folder.write(&right.shown, &openssl.ca(), &listed)).unwrap(), 0);
    let said = openssl.connect(door.address, Some("good"), &["-tls1_3", "-alpn", "h2"]).await;
    assert!(said.contains("alert certificate revoked"), "{said}");
    assert_eq!(door.entered(), 0);
}

#[tokio::test]
async fn a_list_that_cannot_be_used_is_refused_by_name_also_the_shape_that_once_made_a_parser_panic() {
    let (right, folder, openssl) = (Right::new(), Folder::new(), OpenSsl::new());
    folder.write(&right.shown, &right.ca.pem(), &[]);
    let impostor = list(&ca("right"), &[]);
    let good = list(&right.ca, &[]);
    let too_large = vec![b'x'; (8 << 20) + 1];
    let cases: [(&[u8], &str); 7] = [
        (openssl.list("shape", &[]).as_bytes(), "revocation list 1 cannot be"),
        (impostor.as_bytes(), "is not signed by the CA it names, CN=right"),
        (&good.as_bytes()[..200], "PEM"),
        (b"\x30\x03\x02\x01\x01", "revocation list 1 cannot be parsed"),
        (right.ca.pem().as_bytes(), "PEM block 1 is a CERTIFICATE, expected an X509 CRL"),
        (b"", "revocation list 1 cannot be parsed"),
        (&too_large, "larger than 8388608 bytes"),
    ]
    .map(|(bytes, says)| (bytes.to_vec().leak() as &[u8], says));

    for (bytes, says) in cases {
        folder.put("new.crl", bytes);
        let refused = folder.read(&["new.crl"]).unwrap_err();
        assert!(refused.contains("new.crl: ") && refused.contains(says), "expected `{says}`: {refused}");
    }
    folder.put("new.crl", good.as_bytes());
    assert_eq!(folder.read(&["new.crl"]).unwrap().revocation.info().len(), 1);
}

#[tokio::test]
async fn a_message_of_another_sender_than_the_certificate_is_refused_over_real_tls() {
    let (root, ours, theirs) = (ca("root"), Folder::new(), Folder::new());
    let (server, client) = (changed(&root, |_| ()), changed(&root, |_| ()));
    let door = Door::open(Settings::of(ours.write(&server, &root.pem(), &[list(&root, &[])]))).await;
    let tls = ClientTls::new(theirs.write(&client, &root.pem(), &[]), Clock::standing()).unwrap();
    let (channel, _) = door.channel(&tls, vec![spki(&server)]);

    call(&channel).await.unwrap();

    // What the federation door compares with the Hello, every batch and every message: `doors/federation/tests.rs` says each otherwise.
    let PeerInfo { org, spki: key, .. } = door.last();
    assert_eq!((org, key), (Some(us()), Some(spki(&client))));
}
