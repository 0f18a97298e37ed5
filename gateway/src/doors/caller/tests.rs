//! Forged, stolen, stale and malformed proofs of identity: none is accepted; and what good ones make of a caller.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use schakel_domain::caller::Act;
use serde_json::{Value, json};

use super::*;
use crate::doors::tests::kit::{AUDIENCE, ISSUER, PERSON, Provider, connection};

fn authentication(provider: &Provider) -> Authentication {
    let operators = BTreeMap::from([
        ("beheer".to_owned(), PersonId::parse("local:wim").unwrap()),
        ("uid:1000".to_owned(), PersonId::parse("local:wim").unwrap()),
    ]);
    let issuers = vec![Issuer::new(&provider.config(), &provider.jwks()).unwrap()];
    Authentication::new("ura:90000123".parse().unwrap(), issuers, operators)
}

fn identify(authentication: &Authentication, token: &str) -> Result<Identified, Refusal> {
    identify_over(authentication, token, None)
}

fn identify_over(authentication: &Authentication, token: &str, connection: Option<&PeerInfo>) -> Result<Identified, Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).unwrap());
    authentication.identify("care", &headers, connection, Timestamp::now())
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn header_with(change: impl FnOnce(&mut Value)) -> Value {
    let mut header = Provider::header();
    change(&mut header);
    header
}

fn claims_with(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = Provider::claims();
    change(&mut claims);
    claims
}

/// A token signed by HMAC with our own public key as the secret.
fn confused(secret: &[u8], kid: &str) -> String {
    let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": kid});
    let input = format!("{}.{}", encode(&header), encode(&Provider::claims()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

/// Tokens whose header was tampered with; all but the unsigned ones carry a good signature over what they say.
fn header_attacks(us: &Provider, stranger: &Provider) -> Vec<(&'static str, String)> {
    let claims = Provider::claims();
    let unsigned = |algorithm: &str| {
        let header = header_with(|header| header["alg"] = json!(algorithm));
        format!("{}.{}.", encode(&header), encode(&claims))
    };
    let ours = |change: fn(&mut Value)| us.sign(&header_with(change), &claims);
    let theirs = |change: &dyn Fn(&mut Value)| stranger.sign(&header_with(|header| change(header)), &claims);
    let point = us.key.public_key().as_ref().to_vec();
    vec![
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        ("alg NONE", unsigned("NONE")),
        ("alg empty", unsigned("")),
        ("no signature", unsigned("ES256")),
        ("no alg", us.sign(&json!({"typ": "at+jwt", "kid": "k1"}), &claims)),
        ("alg is a list", ours(|header| header["alg"] = json!(["ES256"]))),
        ("HS256 with the public point", confused(&point, "k1")),
        ("HS256 with the key set", confused(us.jwks().as_bytes(), "k1")),
        ("HS256 with the empty key", confused(b"", "k1")),
        ("RS256 named", ours(|header| header["alg"] = json!("RS256"))),
        ("ES384 named", ours(|header| header["alg"] = json!("ES384"))),
        ("EdDSA named", ours(|header| header["alg"] = json!("EdDSA"))),
        ("another key", theirs(&|_| {})),
        ("another key in jwk", theirs(&|header| header["jwk"] = stranger.jwk())),
        ("another key in jku", theirs(&|header| header["jku"] = json!("https://evil.example/jwks.json"))),
        ("another key in x5u", theirs(&|header| header["x5u"] = json!("https://evil.example/cert.pem"))),
        ("another key in x5c", theirs(&|header| header["x5c"] = json!(["AAAA"]))),
        ("no kid", ours(|header| drop(header.as_object_mut().unwrap().remove("kid")))),
        ("unknown kid", ours(|header| header["kid"] = json!("k2"))),
        ("kid in capitals", ours(|header| header["kid"] = json!("K1"))),
        ("kid is a path", ours(|header| header["kid"] = json!("../../dev/null"))),
        ("kid is SQL", ours(|header| header["kid"] = json!("k1' OR '1'='1"))),
        ("kid with a zero byte", ours(|header| header["kid"] = json!("k1\u{0}"))),
        ("kid is a number", ours(|header| header["kid"] = json!(1))),
        ("crit", ours(|header| header["crit"] = json!(["exp"]))),
        ("unencoded payload", ours(|header| header["b64"] = json!(false))),
        ("compressed", ours(|header| header["zip"] = json!("DEF"))),
        ("typ of a receipt", ours(|header| header["typ"] = json!("logout+jwt"))),
        ("no typ", ours(|header| drop(header.as_object_mut().unwrap().remove("typ")))),
        ("alg twice", us.sign_text(r#"{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"k1"}"#, &claims.to_string())),
    ]
}

/// Tokens with a good signature and claims that are wrong.
fn claim_attacks(us: &Provider) -> Vec<(String, String)> {
    let now = Timestamp::now().as_second();
    let signed = |change: &dyn Fn(&mut Value)| us.sign(&Provider::header(), &claims_with(|claims| change(claims)));
    let set = |claim: &'static str, value: Value| (format!("{claim} {value}"), signed(&|claims| claims[claim] = value.clone()));
    let without = |claim: &'static str| (format!("without {claim}"), signed(&|claims| drop(claims.as_object_mut().unwrap().remove(claim))));
    let mut attacks: Vec<_> = ["exp", "iat", "iss", "aud", "sub"].into_iter().map(without).collect();
    for (claim, values) in [
        ("exp", vec![json!(now - 6), json!(0), json!(-1), json!((now + 300).to_string()), json!(null), json!("never"), json!({})]),
        ("nbf", vec![json!(now + 60), json!((now - 60).to_string()), json!(true)]),
        ("iat", vec![json!(now + 60), json!((now - 60).to_string()), json!(-1)]),
        ("iss", vec![json!("https://evil.example"), json!(format!("{ISSUER}/")), json!(ISSUER.to_uppercase()), json!([ISSUER]), json!("")]),
        ("aud", vec![json!("other"), json!(["other"]), json!([]), json!(""), json!("schakel "), json!({"schakel": true})]),
        ("sub", vec![json!(""), json!(7), json!("a b"), json!("passport:1"), json!("x".repeat(65)), json!("skj:1\n2")]),
        ("cnf", vec![json!({"x5t#S256": "AAAA"}), json!({"jkt": "AAAA"}), json!("x")]),
        ("roles", vec![json!("worker"), json!([1])]),
    ] {
        attacks.extend(values.into_iter().map(|value| set(claim, value)));
    }
    let twice = Provider::claims().to_string().replacen('{', r#"{"sub":"skj:1","#, 1);
    attacks.push(("sub twice".to_owned(), us.sign_text(&Provider::header().to_string(), &twice)));
    attacks
}

/// Texts that are hardly tokens.
fn shape_attacks(us: &Provider) -> Vec<(&'static str, String)> {
    let good = us.token_with(|_| {});
    let parts: Vec<_> = good.split('.').collect();
    let other = us.token_with(|claims| claims["roles"] = json!(["coordinator"]));
    let mut signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
    signature[10] ^= 1;
    vec![
        ("nothing", ".".to_owned()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{good}.x")),
        ("one bit of the signature", format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode(&signature))),
        ("claims of another token", format!("{}.{}.{}", parts[0], other.split('.').nth(1).unwrap(), parts[2])),
        ("zero signature", format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode([0; 64]))),
        ("signature with padding", format!("{good}==")),
        ("half a signature", format!("{}.{}.{}", parts[0], parts[1], &parts[2][..40])),
        ("huge", us.token_with(|claims| claims["x"] = json!("x".repeat(16 * 1024)))),
        ("claims are a list", us.sign(&Provider::header(), &json!([]))),
        ("claims are not JSON", us.sign_text(&Provider::header().to_string(), "roles=worker")),
    ]
}

#[test]
fn no_forged_stale_or_malformed_token_is_accepted() {
    let (us, stranger) = (Provider::new(), Provider::new());
    let authentication = authentication(&us);
    let named = |(name, token): (&str, String)| (name.to_owned(), token);
    let attacks: Vec<(String, String)> =
        header_attacks(&us, &stranger).into_iter().chain(shape_attacks(&us)).map(named).chain(claim_attacks(&us)).collect();
    assert!(identify(&authentication, &us.token_with(|_| {})).is_ok(), "the control is good");

    for (name, token) in &attacks {
        let refused = identify(&authentication, token);

        assert_eq!(refused.map_err(|refusal| refusal.reason), Err(Reason::Unauthenticated), "{name}");
    }

    let counted: u64 = authentication.strangers().take_before(i64::MAX).iter().map(|row| row.count).sum();
    assert_eq!(counted, attacks.len() as u64);
    assert!(attacks.len() >= 75, "{}", attacks.len());
}

#[test]
fn clocks_may_differ_five_seconds_and_an_audience_may_stand_among_others() {
    let us = Provider::new();
    let authentication = authentication(&us);
    let now = Timestamp::now().as_second();

    for (claim, value) in [("exp", json!(now - 2)), ("nbf", json!(now + 2)), ("iat", json!(now + 2)), ("aud", json!(["other", AUDIENCE]))] {
        let token = us.token_with(|claims| claims[claim] = value.clone());
        assert!(identify(&authentication, &token).is_ok(), "{claim}");
    }
}

#[test]
fn a_token_makes_a_person_with_the_roles_a_token_can_give() {
    let us = Provider::new();
    let token = us.token_with(|claims| claims["roles"] = json!(["worker", "system", "peer", "gateway", "board"]));

    let known = identify(&authentication(&us), &token).unwrap();

    assert_eq!(known.caller.roles, BTreeSet::from([Role::Worker]));
    assert_eq!(known.caller.person, Some(PersonId::parse(PERSON).unwrap()));
    assert_eq!((known.caller.client.as_str(), known.caller.two_factor), ("ecd", true));
    assert_eq!(known.actor().name, "K. de Wit");
    assert!(known.until.is_some());
}

#[test]
fn a_token_without_roles_is_known_and_may_nothing() {
    let us = Provider::new();
    let token = us.token_with(|claims| drop(claims.as_object_mut().unwrap().remove("roles")));

    let known = identify(&authentication(&us), &token).unwrap();

    for act in Act::ALL {
        assert_eq!(known.caller.may(*act).unwrap_err().reason, Reason::RoleDenied);
    }
}

#[test]
fn another_acr_is_one_factor() {
    let us = Provider::new();

    for acr in [json!("password"), json!("MFA"), json!(null)] {
        let token = us.token_with(|claims| claims["acr"] = acr.clone());
        assert!(!identify(&authentication(&us), &token).unwrap().caller.two_factor, "{acr}");
    }
}

#[test]
fn a_bound_token_works_with_its_certificate_only() {
    let us = Provider::new();
    let authentication = authentication(&us);
    let thumbprint = schakel_domain::id::Hash::sha256(b"certificate");
    let token = us.token_with(|claims| claims["cnf"] = json!({"x5t#S256": URL_SAFE_NO_PAD.encode(thumbprint.0)}));
    let with = |thumbprint| PeerInfo { thumbprint, ..connection("ecd") };

    assert!(identify_over(&authentication, &token, Some(&with(Some(thumbprint)))).is_ok());
    for stolen in [None, Some(with(None)), Some(with(Some(schakel_domain::id::Hash::sha256(b"another"))))] {
        assert!(identify_over(&authentication, &token, stolen.as_ref()).is_err());
    }
}

#[test]
fn a_bad_token_is_not_made_up_for_by_a_good_certificate() {
    let us = Provider::new();
    let authentication = authentication(&us);

    assert!(identify_over(&authentication, "x.y.z", Some(&connection("ecd"))).is_err());
    for header in ["Basic eDp5", "Bearer ", "Bearer", "token"] {
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_static(header))]);
        assert!(authentication.identify("care", &headers, Some(&connection("ecd")), Timestamp::now()).is_err(), "{header}");
    }
    let mut twice = HeaderMap::new();
    let good = HeaderValue::from_str(&format!("Bearer {}", us.token_with(|_| {}))).unwrap();
    twice.append("authorization", good.clone());
    twice.append("authorization", good);
    assert!(authentication.identify("care", &twice, None, Timestamp::now()).is_err());
}

#[test]
fn a_certificate_makes_a_system_and_at_the_admin_door_a_named_operator() {
    let us = Provider::new();
    let authentication = authentication(&us);
    let known = |door, connection: &PeerInfo| authentication.identify(door, &HeaderMap::new(), Some(connection), Timestamp::now());
    let socket = |uid| PeerInfo { client: None, san: None, remote: None, uid: Some(uid), ..connection("x") };

    assert_eq!(known("care", &connection("ecd")).unwrap().caller.roles, BTreeSet::from([Role::System]));
    assert_eq!(known("care", &connection("beheer")).unwrap().caller.roles, BTreeSet::from([Role::System]));
    assert_eq!(known("admin", &connection("ecd")).unwrap().caller.roles, BTreeSet::from([Role::System]));
    let operator = known("admin", &connection("beheer")).unwrap().caller;
    assert_eq!((operator.roles, operator.person), (BTreeSet::from([Role::Operator]), Some(PersonId::parse("local:wim").unwrap())));
    assert!(known("admin", &socket(1000)).is_ok());
    assert!(known("admin", &socket(1001)).is_err());
    assert!(known("care", &socket(1000)).is_err());
}

#[test]
fn an_expired_certificate_a_gateways_and_none_at_all_open_nothing() {
    let us = Provider::new();
    let authentication = authentication(&us);
    let now = Timestamp::now();
    let expired = PeerInfo { not_after: Some(now - jiff::SignedDuration::from_secs(1)), ..connection("ecd") };
    let gateway = PeerInfo { client: None, org: Some("ura:90000124".parse().unwrap()), ..connection("x") };
    let nobody = PeerInfo { client: None, san: None, ..connection("x") };

    for connection in [&expired, &gateway, &nobody] {
        assert!(authentication.identify("care", &HeaderMap::new(), Some(connection), now).is_err());
    }
    assert!(authentication.identify("care", &HeaderMap::new(), None, now).is_err());
}

#[test]
fn new_keys_replace_the_old_ones() {
    let (old, new) = (Provider::new(), Provider::new());
    let authentication = authentication(&old);
    let known = old.token_with(|_| {});
    identify(&authentication, &known).unwrap();

    authentication.reload(vec![Issuer::new(&new.config(), &new.jwks()).unwrap()]);

    assert!(identify(&authentication, &known).is_err(), "also one that was good before");
    assert!(identify(&authentication, &old.token_with(|_| {})).is_err());
    assert!(identify(&authentication, &new.token_with(|_| {})).is_ok());
}

#[test]
fn an_issuer_that_contradicts_itself_is_refused_at_the_start() {
    let us = Provider::new();
    let config = us.config();
    let jwk = us.jwk();
    let keys = |keys: Vec<Value>| json!({ "keys": keys }).to_string();
    let changed = |member: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[member] = value;
        keys(vec![jwk])
    };

    for (says, jwks) in [
        ("private", changed("d", json!("AAAA"))),
        ("private", keys(vec![json!({"kty": "oct", "k": "AAAA", "kid": "k1"})])),
        ("kid", changed("kid", json!(null))),
        ("kid of its own", keys(vec![jwk.clone(), jwk.clone()])),
        ("at least one key", keys(Vec::new())),
        ("not one for", changed("alg", json!("ES384"))),
        ("not one for", changed("use", json!("enc"))),
        ("not one for", changed("crv", json!("P-384"))),
        ("expected value", "x".to_owned()),
    ] {
        let problem = Issuer::new(&config, &jwks).unwrap_err().to_string();
        assert!(problem.contains(says), "{says}: {problem}");
    }
    for algorithm in ["HS256", "none", "ES512", ""] {
        assert!(Issuer::new(&IssuerConfig { algorithm: algorithm.to_owned(), ..us.config() }, &us.jwks()).is_err(), "{algorithm}");
    }
}
