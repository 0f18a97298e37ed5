//! Tokens at the real door of a whole running gateway: an identity provider that rotates its keys, lies and goes away, tokens that are bound to
//! a certificate, and every forgery we know of.

#[path = "tokens/attacks.rs"]
mod attacks;
#[path = "tokens/fetched.rs"]
mod fetched;
#[path = "tokens/provider.rs"]
mod provider;
#[path = "tokens/vectors.rs"]
mod vectors;

use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use schakel::assembly::{self, Listeners, Running};
use schakel::config::Config;
use schakel::demo::client::Client;
use schakel::demo::scenario::Scenario;
use schakel::demo::world::{Ports, World};
use schakel::source::SystemSource;
use schakel::tls::{LocalFiles, channel_local, system_clock};
use schakel::wire::status::to_refusal;
use schakel_domain::id::Hash;
use schakel_domain::refusal::Reason;
use schakel_proto::care::v1::GetCaseRequest;
use schakel_proto::care::v1::case_service_client::CaseServiceClient;
use serde_json::json;
use tempfile::TempDir;
use tonic::transport::Channel;

use super::kit::{expect, within};
use provider::{Answer, Publisher, Signer, encode, set};

/// One gateway whose care door accepts these issuers.
pub(crate) struct Gateway {
    running: Running,
    /// With the certificate of its own system, and without any.
    certified: Client,
    bare: Channel,
    /// SHA-256 of that certificate.
    thumbprint: Hash,
    _folder: TempDir,
}

/// What a door says of a token: let in, or why not.
type Verdict = Result<(), (Reason, String)>;

impl Gateway {
    pub(crate) async fn start(issuers: Vec<toml::Table>) -> Self {
        let folder = TempDir::new().unwrap();
        let mut scenario = Scenario::gelderland().unwrap();
        scenario.organizations.truncate(2);
        scenario.steps.clear();
        let listeners = || -> [std::net::TcpListener; 4] { std::array::from_fn(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()) };
        let bound = [listeners(), listeners()];
        let ports: Vec<Ports> = bound.iter().map(ports).collect();
        let world = World::make(&folder.path().canonicalize().unwrap(), &scenario, &ports, Timestamp::now()).unwrap();
        let home = &world.homes[0];
        let mut config: toml::Table = std::fs::read_to_string(&home.config).unwrap().parse().unwrap();
        config["care"].as_table_mut().unwrap().insert("issuers".to_owned(), issuers.into_iter().collect::<Vec<_>>().into());
        std::fs::write(&home.config, config.to_string()).unwrap();
        let [federation, care, audit, admin] = bound.into_iter().next().unwrap().map(Some);
        let listeners = Listeners { federation, care, audit, admin };
        let config = Config::read(&home.config).unwrap();
        let wrong = config.check(Timestamp::now(), schakel::config::check::Ports::InUse);
        assert!(wrong.iter().all(|problem| problem.severity != schakel::config::Severity::Error), "{wrong:?}");
        let running = assembly::start(config, listeners, Arc::new(SystemSource::default())).await.unwrap();
        let files = LocalFiles { trust: world.ca.clone(), client: None };
        let (bare, _) = channel_local(&home.ports.care.to_string().parse().unwrap(), &files, system_clock()).unwrap();
        let pem = std::fs::read(&home.client_certificate).unwrap();
        let der = x509_parser::pem::Pem::iter_from_buffer(&pem).next().unwrap().unwrap().contents;
        let certified = Client::new(home, &world.ca).unwrap();
        Self { running, certified, bare, thumbprint: Hash::sha256(&der), _folder: folder }
    }

    /// What the door says to this token on a connection without certificate.
    pub(crate) async fn says(&self, token: &str) -> Verdict {
        ask(CaseServiceClient::new(self.bare.clone()), token).await
    }

    /// The same with the certificate of the own system.
    async fn says_certified(&self, token: &str) -> Verdict {
        ask(self.certified.cases(), token).await
    }

    /// States of the events of one kind.
    async fn events(&self, kind: &str) -> Vec<String> {
        let events = self.running.desk.store().events(0, 1000).await.unwrap();
        events.into_iter().filter(|event| event.event.kind == kind).map(|event| event.event.state).collect()
    }
}

fn ports([federation, care, audit, admin]: &[std::net::TcpListener; 4]) -> Ports {
    let address = |listener: &std::net::TcpListener| listener.local_addr().unwrap();
    Ports { federation: address(federation), line: address(federation), care: address(care), audit: address(audit), admin: address(admin) }
}

async fn ask(mut cases: CaseServiceClient<Channel>, token: &str) -> Verdict {
    let name = "cases/00000000-0000-7000-8000-000000000000".to_owned();
    let mut request = tonic::Request::new(GetCaseRequest { name, ..Default::default() });
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let status = within(cases.get_case(request)).await.unwrap_err();
    let refusal = to_refusal(&status).unwrap_or_else(|| panic!("an answer of the gateway itself: {status}"));
    match refusal.reason {
        Reason::Unauthenticated | Reason::IssuerKeysUnavailable => Err((refusal.reason, refusal.detail)),
        // Whoever is known hears what is wrong with the request, or that there is no such case.
        _ => Ok(()),
    }
}

/// An issuer whose keys are in a file, or at an address.
pub(crate) fn issuer(name: &str, algorithm: Algorithm, rest: &[(&str, toml::Value)]) -> toml::Table {
    let fixed = [("issuer", name.into()), ("audience", "schakel".into()), ("algorithm", format!("{algorithm:?}").into())];
    let acr = ("two_factor_acr", toml::Value::Array(vec!["mfa".into()]));
    fixed.into_iter().chain([acr]).chain(rest.iter().cloned()).map(|(key, value): (&str, toml::Value)| (key.to_owned(), value)).collect()
}

/// Where a publisher's keys are fetched.
fn address_of(publisher: &Publisher, refresh: &str, usable: &str) -> Vec<(&'static str, toml::Value)> {
    vec![
        ("jwks_url", format!("https://localhost:{}/keys", publisher.address.port()).into()),
        ("jwks_ca", publisher.ca.display().to_string().into()),
        ("jwks_networks", toml::Value::Array(vec!["127.0.0.0/8".into(), "::1".into()])),
        ("jwks_refresh", refresh.into()),
        ("jwks_usable", usable.into()),
    ]
}

const LOGIN: &str = "https://login.example/realms/zorg";
const BAD: (Reason, &str) = (Reason::Unauthenticated, "the token is not valid here");

fn no(verdict: Verdict) -> (Reason, String) {
    verdict.expect_err("refused")
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_before_the_door_opens_and_a_new_one_is_found_by_the_first_token_that_names_it() {
    let folder = TempDir::new().unwrap();
    let (old, new) = (Signer::new(LOGIN, "2026-1", Algorithm::ES256), Signer::new(LOGIN, "2026-2", Algorithm::ES256));
    let publisher = Publisher::start(folder.path(), true, Answer::Text(set(&[&old.jwk]))).await;
    let gateway = Gateway::start(vec![issuer(LOGIN, Algorithm::ES256, &address_of(&publisher, "1h", "24h"))]).await;
    let known = old.token();
    assert_eq!(gateway.says(&known).await, Ok(()));
    assert_eq!(publisher.asked(), 1, "one address, however many doors accept its tokens");

    publisher.says(Answer::Text(set(&[&new.jwk])));
    assert_eq!(gateway.says(&known).await, Ok(()), "nobody asked");
    let first = gateway.says(&new.token()).await;

    assert_eq!(no(first).1, BAD.1, "a call waits for nobody");
    expect("the new key", async || gateway.says(&new.token()).await.is_ok()).await;
    assert_eq!(no(gateway.says(&known).await).1, BAD.1, "a token that was found good falls with its key");
    assert_eq!(publisher.asked(), 2);

    let strangers: Vec<_> = (0..200).map(|n| new.heading(|header| header["kid"] = json!(format!("k{n}")))).collect();
    let answers = futures_util::future::join_all(strangers.iter().map(|token| gateway.says(token))).await;
    assert!(answers.into_iter().all(|answer| no(answer) == (BAD.0, BAD.1.to_owned())));
    assert_eq!(publisher.asked(), 2, "tokens with unknown keys make us ask once in a while, not once each");
    within(gateway.running.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_issuer_is_away_its_keys_count_for_the_named_time_and_then_its_tokens_are_refused_until_it_is_back() {
    let folder = TempDir::new().unwrap();
    let signer = Signer::new(LOGIN, "k1", Algorithm::ES256);
    let keys = Answer::Text(set(&[&signer.jwk]));
    let publisher = Publisher::start(folder.path(), true, keys.clone()).await;
    let gateway = Gateway::start(vec![issuer(LOGIN, Algorithm::ES256, &address_of(&publisher, "1s", "8s"))]).await;
    let token = signer.token();
    assert_eq!(gateway.says(&token).await, Ok(()));

    publisher.says(Answer::Gone);
    let asked = publisher.asked();
    expect("two failures", async || publisher.asked() >= asked + 3).await;
    assert_eq!(gateway.says(&token).await, Ok(()), "its keys still count");
    expect("people are told", async || gateway.events("issuer.unreachable").await == [LOGIN]).await;
    expect("refused", async || gateway.says(&token).await.is_err()).await;
    let why = no(gateway.says(&token).await);
    assert_eq!(
        why,
        (Reason::IssuerKeysUnavailable, "the token's issuer has not been reached for too long: its keys count no longer".to_owned())
    );
    expect("people are told", async || gateway.events("issuer.refusing").await == [LOGIN]).await;

    // It is back, and lies: nothing of that helps.
    publisher.says(Answer::Text(set(&[&json!({"kty": "oct", "k": "AAAA", "kid": "k1"})])));
    let asked = publisher.asked();
    expect("another try", async || publisher.asked() > asked + 1).await;
    assert_eq!(no(gateway.says(&token).await).0, Reason::IssuerKeysUnavailable);

    publisher.says(keys);
    expect("let in again", async || gateway.says(&token).await.is_ok()).await;
    expect("people are told", async || gateway.events("issuer.reached").await == [LOGIN]).await;
    assert_eq!(gateway.events("issuer.refusing").await.len(), 1, "once each");
    within(gateway.running.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_was_never_reached_stops_no_start_and_its_tokens_say_so() {
    let folder = TempDir::new().unwrap();
    let (away, local) = (Signer::new(LOGIN, "k1", Algorithm::ES256), Signer::new("https://local.example", "k1", Algorithm::EdDSA));
    let publisher = Publisher::start(folder.path(), true, Answer::Gone).await;
    let file = folder.path().join("local.json");
    std::fs::write(&file, set(&[&local.jwk])).unwrap();
    let from_file = [("jwks", file.display().to_string().into())];
    let issuers = vec![
        issuer(LOGIN, Algorithm::ES256, &address_of(&publisher, "1h", "24h")),
        issuer("https://local.example", Algorithm::EdDSA, &from_file),
    ];

    let gateway = Gateway::start(issuers).await;

    let why = no(gateway.says(&away.token()).await);
    assert_eq!(why, (Reason::IssuerKeysUnavailable, "the keys of the token's issuer were not fetched yet".to_owned()));
    assert_eq!(gateway.says(&local.token()).await, Ok(()), "other issuers are not touched by it");
    assert_eq!(gateway.events("issuer.refusing").await, [LOGIN]);
    within(gateway.running.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_token_counts_with_its_certificate_alone_and_where_it_must_be_bound_no_other_counts() {
    let folder = TempDir::new().unwrap();
    let (free, strict) = (Signer::new(LOGIN, "k1", Algorithm::ES256), Signer::new("https://strict.example", "k1", Algorithm::ES256));
    let write = |name: &str, signer: &Signer| {
        std::fs::write(folder.path().join(name), set(&[&signer.jwk])).unwrap();
        ("jwks", folder.path().join(name).display().to_string().into())
    };
    let gateway = Gateway::start(vec![
        issuer(LOGIN, Algorithm::ES256, &[write("free.json", &free)]),
        issuer("https://strict.example", Algorithm::ES256, &[write("strict.json", &strict), ("bound_tokens", true.into())]),
    ])
    .await;
    let bound = |signer: &Signer, to: Hash| signer.claiming(|claims| claims["cnf"] = json!({"x5t#S256": encode(to.0)}));
    let (ours, stolen) = (gateway.thumbprint, Hash::sha256(b"another certificate"));

    for signer in [&free, &strict] {
        assert_eq!(gateway.says_certified(&bound(signer, ours)).await, Ok(()));
        for refused in [gateway.says(&bound(signer, ours)).await, gateway.says_certified(&bound(signer, stolen)).await] {
            assert_eq!(no(refused), (Reason::Unauthenticated, "the token is bound to another certificate".to_owned()));
        }
    }
    assert_eq!((gateway.says(&free.token()).await, gateway.says_certified(&free.token()).await), (Ok(()), Ok(())));
    for refused in [gateway.says(&strict.token()).await, gateway.says_certified(&strict.token()).await] {
        assert_eq!(no(refused).1, "the token is not bound to a certificate, and those of its issuer must be");
    }
    within(gateway.running.stop()).await;
}
