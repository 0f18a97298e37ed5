//! One fetch: what an identity provider's server may answer, and where its name may lead.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jsonwebtoken::Algorithm;
use schakel::doors::caller::keys::{KeySet, MAX_JWKS_BYTES, Others};
use schakel::fetch::{Fetch, FetchError, Network, Resolve, Url, judge, system_resolver};
use serde_json::json;
use tempfile::TempDir;

use super::provider::{Answer, Publisher, Signer, set};

const LOOPBACK: &str = "127.0.0.0/8";

fn fetch(url: &str, publisher: &Publisher, networks: &[&str], resolve: Resolve) -> Fetch {
    let networks: Vec<Network> = networks.iter().map(|network| network.parse().unwrap()).collect();
    let url = Url::parse(url).unwrap();
    let trust = url.is_secure().then(|| publisher.ca.clone());
    Fetch { url, trust, networks, resolve, clock: schakel::tls::system_clock() }
}

/// A resolver that leads every name to these addresses, and counts.
fn stub(addresses: Vec<SocketAddr>) -> (Resolve, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let resolve: Resolve = Arc::new(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let addresses = addresses.clone();
        Box::pin(async move { Ok(addresses) })
    });
    (resolve, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_none_leaves_no_keys() {
    let folder = TempDir::new().unwrap();
    let signer = Signer::new("https://login.example", "k1", Algorithm::ES256);
    let good = set(&[&signer.jwk]);
    let publisher = Publisher::start(folder.path(), true, Answer::Text(good.clone())).await;
    let url = format!("https://localhost:{}/keys", publisher.address.port());
    let fetch = fetch(&url, &publisher, &[LOOPBACK], system_resolver());
    let head = |status: &str, more: &str| Answer::Bytes(format!("HTTP/1.1 {status}\r\n{more}\r\n").into_bytes());
    assert_eq!(fetch.get(MAX_JWKS_BYTES).await.unwrap(), good.as_bytes(), "the control is good");

    let elsewhere = format!("location: {url}\r\ncontent-length: 0\r\n");
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.resize(2 * MAX_JWKS_BYTES, b' ');
    let chunked = |size: usize| {
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(), format!("{size:x}\r\n").into_bytes(), vec![b' '; size]].concat()
    };
    for (name, answer, says) in [
        ("redirect to itself", head("301 Moved Permanently", &elsewhere), "a redirect (301)"),
        ("redirect elsewhere", head("302 Found", "location: http://169.254.169.254/\r\ncontent-length: 0\r\n"), "a redirect (302)"),
        ("temporary redirect", head("307 Temporary Redirect", &elsewhere), "a redirect (307)"),
        ("not found", head("404 Not Found", "content-length: 0\r\n"), "404"),
        ("an error", head("500 Internal Server Error", "content-length: 0\r\n"), "500"),
        ("no content", head("204 No Content", ""), "204"),
        ("a size that is announced", head("200 OK", "content-length: 262145\r\n"), "more than 262144 bytes"),
        ("a size that is not", Answer::Bytes(endless), "more than 262144 bytes"),
        ("one large chunk", Answer::Bytes(chunked(MAX_JWKS_BYTES + 1)), "more than 262144 bytes"),
        ("cut short", Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()), ""),
        ("a head without end", Answer::Bytes([b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'x'; 64 << 10]].concat()), ""),
        ("no HTTP", Answer::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec()), ""),
        ("nothing", Answer::Gone, ""),
    ] {
        publisher.says(answer);
        let refused = fetch.get(MAX_JWKS_BYTES).await;
        let why = refused.expect_err(name).to_string();
        assert!(why.contains(says), "{name}: {why}");
    }
    publisher.says(Answer::Silence);
    assert_eq!(fetch.get(MAX_JWKS_BYTES).await, Err(FetchError::TooSlow));
}

#[test]
fn a_published_set_cannot_weaken_what_the_configuration_says() {
    let signer = |algorithm, kid| Signer::new("https://login.example", kid, algorithm);
    let (good, other, rsa) = (signer(Algorithm::ES256, "k1"), signer(Algorithm::ES384, "k2"), signer(Algorithm::RS256, "k1"));
    let changed = |member: &str, value: serde_json::Value| {
        let mut jwk = good.jwk.clone();
        jwk[member] = value;
        jwk
    };
    let parse = |keys: &[&serde_json::Value]| KeySet::parse(set(keys).as_bytes(), Algorithm::ES256, Others::Ignore);
    let odd = json!({"kty": "PQ", "alg": "ML-DSA-65", "kid": "k9", "pub": "AAAA"});

    assert!(parse(&[&good.jwk, &other.jwk, &rsa.jwk, &odd]).is_ok(), "keys for others are passed over, also under our kid");
    for (name, keys) in [
        ("none of ours", vec![other.jwk.clone(), rsa.jwk.clone(), odd.clone()]),
        ("for encryption", vec![changed("use", json!("enc"))]),
        ("for other operations", vec![changed("key_ops", json!(["encrypt"]))]),
        ("of another algorithm", vec![changed("alg", json!("ES384"))]),
        ("of another curve", vec![changed("crv", json!("P-384"))]),
        ("without kid", vec![changed("kid", json!(null))]),
        ("with an empty kid", vec![changed("kid", json!(""))]),
        ("kid twice", vec![good.jwk.clone(), changed("x", good.jwk["y"].clone())]),
        ("a private key beside it", vec![good.jwk.clone(), changed("d", json!("AAAA"))]),
        ("a shared key beside it", vec![good.jwk.clone(), json!({"kty": "oct", "k": "AAAA", "kid": "k3"})]),
        ("nothing", vec![]),
        ("a hundred and one", vec![good.jwk.clone(); 101]),
    ] {
        assert!(parse(&keys.iter().collect::<Vec<_>>()).is_err(), "{name}");
    }
    for text in ["", "[]", "{}", "null", r#"{"keys":{}}"#, "<html>", r#"{"keys":["k1"]}"#] {
        assert!(KeySet::parse(text.as_bytes(), Algorithm::ES256, Others::Ignore).is_err(), "{text}");
    }
}

/// Addresses to which no name may lead unless the configuration says so; the first ones are this very machine, where somebody listens.
const INSIDE: [&str; 46] = [
    "127.0.0.1",
    "::ffff:127.0.0.1",
    "127.0.0.53",
    "127.255.255.254",
    "::1",
    "0.0.0.0",
    "::",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.255.254",
    "::ffff:192.168.1.1",
    "::ffff:10.0.0.1",
    "100.64.0.1",
    "100.127.255.254",
    "169.254.169.254",
    "169.254.0.1",
    "::ffff:169.254.169.254",
    "fe80::1",
    "febf::1",
    "fc00::1",
    "fd00::1",
    "fdff:ffff::1",
    "fd00:ec2::254",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "240.0.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "198.18.0.1",
    "192.88.99.1",
    "ff02::1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001::1",
    "2001:db8::1",
    "3fff::1",
    "::7f00:1",
    "fec0::1",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_inside_reaches_nobody() {
    let folder = TempDir::new().unwrap();
    let publisher = Publisher::start(folder.path(), true, Answer::Text("{}".to_owned())).await;
    let url = "https://login.example.nl/keys";

    for address in INSIDE {
        let address: IpAddr = address.parse().unwrap();
        let (resolve, _) = stub(vec![SocketAddr::new(address, publisher.address.port())]);
        let refused = fetch(url, &publisher, &[], resolve).get(1).await;
        assert!(matches!(&refused, Err(FetchError::Forbidden { address: found, .. }) if *found == address), "{address}: {refused:?}");
    }
    assert_eq!(publisher.asked(), 0);
    for address in ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "64:ff9b::7f00:1"] {
        let all = ["128.0.0.0/1", "0.0.0.0/1", "8000::/1", "::/1"].map(|network| network.parse().unwrap());
        assert!(judge(address.parse().unwrap(), &all).is_err(), "no configuration allows {address}");
    }
    for address in ["9.9.9.9", "2620:fe::9", "192.0.3.1", "172.32.0.1"] {
        assert_eq!(judge(address.parse().unwrap(), &[]), Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_network_is_reached_by_the_very_address_that_was_judged() {
    let folder = TempDir::new().unwrap();
    let publisher = Publisher::start(folder.path(), true, Answer::Text("{}".to_owned())).await;
    let here = publisher.address;
    let inside: SocketAddr = "10.0.0.1:9".parse().unwrap();
    let (resolve, looked) = stub(vec![inside, here]);
    let secure = |url: &str, resolve| fetch(url, &publisher, &[LOOPBACK], resolve);

    let reached = secure("https://localhost/keys", resolve).get(10).await;

    assert_eq!(
        (reached.unwrap(), looked.load(Ordering::SeqCst)),
        (b"{}".to_vec(), 1),
        "the other address is passed over, the name not looked up again"
    );
    let (resolve, _) = stub(vec![here]);
    let stranger = secure("https://login.example.nl/keys", resolve).get(10).await.unwrap_err().to_string();
    assert!(stranger.contains("certificate"), "the certificate must be that of the name: {stranger}");
    let (resolve, _) = stub(vec!["192.168.1.1:80".parse().unwrap()]);
    let clear = fetch("http://localhost/keys", &publisher, &["192.168.0.0/16"], resolve).get(10).await;
    assert!(matches!(clear, Err(FetchError::Forbidden { kind: "not this machine", .. })), "{clear:?}");
    let other = Publisher::start(TempDir::new().unwrap().path(), true, Answer::Text("{}".to_owned())).await;
    let (resolve, _) = stub(vec![other.address]);
    let impostor = secure("https://localhost/keys", resolve).get(10).await.unwrap_err().to_string();
    assert!(impostor.contains("certificate"), "the certificate must be of the named CA: {impostor}");
}
