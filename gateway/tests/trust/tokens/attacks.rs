//! Every forgery we know of against a real door that accepts four issuers, each with another algorithm: none is let in, and each hears the
//! reason that it has always heard.

use aws_lc_rs::hmac;
use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use schakel_domain::refusal::Reason;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::provider::{Answer, PERSON, Publisher, Signer, encode, set};
use super::{Gateway, LOGIN, address_of, issuer};
use crate::kit::within;

const BAD: &str = "the token is not valid here";
const ASKS: &str = "the token asks for something this door does not do";
const KIND: &str = "expected a token of type at+jwt or JWT";
const KEYLESS: &str = "the token names no key";

/// Name, token, and why it is refused.
type Attack = (String, String, &'static str);

struct Issuers {
    ec: Signer,
    rsa: Signer,
    ed: Signer,
    ec384: Signer,
    stranger: Signer,
}

impl Issuers {
    fn new() -> Self {
        Self {
            ec: Signer::new(LOGIN, "k1", Algorithm::ES256),
            rsa: Signer::new("https://rsa.example", "k1", Algorithm::RS256),
            ed: Signer::new("https://ed.example", "k1", Algorithm::EdDSA),
            ec384: Signer::new("https://ec384.example", "k1", Algorithm::ES384),
            stranger: Signer::new(LOGIN, "k1", Algorithm::ES256),
        }
    }
}

fn hmac_token(algorithm: &str, secret: &[u8], claims: &Value) -> String {
    let input = format!("{}.{}", encode(json!({"alg": algorithm, "typ": "at+jwt", "kid": "k1"}).to_string()), encode(claims.to_string()));
    let kind = if algorithm == "HS256" { hmac::HMAC_SHA256 } else { hmac::HMAC_SHA512 };
    format!("{input}.{}", encode(hmac::sign(&hmac::Key::new(kind, secret), input.as_bytes())))
}

/// The header says what it likes; the signature is good where one is possible.
#[expect(clippy::too_many_lines, reason = "a list")]
fn headers(all: &Issuers) -> Vec<Attack> {
    let mut found: Vec<Attack> = Vec::new();
    let unsigned = |algorithm: &str| {
        format!("{}.{}.", encode(json!({"alg": algorithm, "typ": "at+jwt", "kid": "k1"}).to_string()), encode(all.ec.claims().to_string()))
    };
    for algorithm in ["none", "None", "NONE", "nOnE", "", "ES256 ", "es256", "HS256", "ES256"] {
        found.push((format!("unsigned, alg `{algorithm}`"), unsigned(algorithm), BAD));
    }
    // The public key as a shared secret: as a point, as JWK, as the set, as PEM of it.
    for signer in [&all.ec, &all.rsa, &all.ed] {
        let raw = signer.jwk["x"].as_str().or(signer.jwk["n"].as_str()).unwrap();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{raw}\n-----END PUBLIC KEY-----\n");
        for (name, secret) in [
            ("key", raw.to_owned()),
            ("JWK", signer.jwk.to_string()),
            ("set", set(&[&signer.jwk])),
            ("PEM", pem),
            ("nothing", String::new()),
        ] {
            for algorithm in ["HS256", "HS512"] {
                let name = format!("{algorithm} with the {:?} {name} as secret", signer.algorithm);
                found.push((name, hmac_token(algorithm, secret.as_bytes(), &signer.claims()), BAD));
            }
        }
    }
    for algorithm in ["RS256", "RS512", "PS256", "ES384", "EdDSA", "ES512", "ES256K", "Ed25519"] {
        found.push((format!("alg {algorithm} named over ES256"), all.ec.heading(|header| header["alg"] = json!(algorithm)), BAD));
    }
    for algorithm in ["PS256", "RS384", "RS1"] {
        found.push((format!("alg {algorithm} named over RS256"), all.rsa.heading(|header| header["alg"] = json!(algorithm)), BAD));
    }
    let stranger = |change: fn(&mut Value, &Value)| all.stranger.heading(|header| change(header, &all.stranger.jwk));
    found.extend([
        ("another key".to_owned(), stranger(|_, _| {}), BAD),
        ("another key in jwk".to_owned(), stranger(|header, jwk| header["jwk"] = jwk.clone()), BAD),
        ("another key in jku".to_owned(), stranger(|header, _| header["jku"] = json!("https://evil.example/keys")), BAD),
        (
            "another key in jku, at our own address".to_owned(),
            stranger(|header, _| header["jku"] = json!("https://localhost/../keys")),
            BAD,
        ),
        ("another key in x5u".to_owned(), stranger(|header, _| header["x5u"] = json!("https://evil.example/cert")), BAD),
        ("another key in x5c".to_owned(), stranger(|header, _| header["x5c"] = json!(["MIIB"])), BAD),
        (
            "jwk and jku of another".to_owned(),
            stranger(|header, jwk| {
                header["jwk"] = jwk.clone();
                header["jku"] = json!("http://127.0.0.1/");
            }),
            BAD,
        ),
    ]);
    for kid in [
        "K1",
        "k1 ",
        "k2",
        "",
        "../../../../dev/null",
        "/dev/null",
        "k1' OR '1'='1",
        "k1\u{0}",
        "k1;cat /etc/passwd",
        "http://127.0.0.1/k1",
        "*",
        "${k1}",
    ] {
        found.push((format!("kid {kid:?}"), all.ec.heading(|header| header["kid"] = json!(kid)), BAD));
    }
    for (name, member, value, why) in [
        ("kid is a number", "kid", json!(1), BAD),
        ("kid is a list", "kid", json!(["k1"]), BAD),
        ("no kid", "kid", Value::Null, KEYLESS),
        ("alg is a list", "alg", json!(["ES256"]), BAD),
        ("alg is null", "alg", Value::Null, BAD),
        ("crit", "crit", json!(["exp"]), ASKS),
        ("crit without anything", "crit", json!([]), ASKS),
        ("crit b64", "crit", json!(["b64"]), ASKS),
        ("unencoded payload", "b64", json!(false), ASKS),
        ("b64 as usual", "b64", json!(true), ASKS),
        ("compressed", "zip", json!("DEF"), ASKS),
        ("encrypted", "enc", json!("A128GCM"), ASKS),
        ("typ of a logout", "typ", json!("logout+jwt"), KIND),
        ("typ of an id token", "typ", json!("id+jwt"), KIND),
        ("typ of a DPoP proof", "typ", json!("dpop+jwt"), KIND),
        ("no typ", "typ", Value::Null, KIND),
    ] {
        found.push((name.to_owned(), all.ec.heading(|header| header[member] = value), why));
    }
    let claims = all.ec.claims().to_string();
    for header in [r#"{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"k1"}"#, r#"{"alg":"ES256","typ":"at+jwt","kid":"k0","kid":"k1"}"#] {
        found.push((format!("a key twice: {header}"), all.ec.sign_text(header, &claims), BAD));
    }
    found
}

/// The signature is good, and what it is over is not.
#[expect(clippy::too_many_lines, reason = "a list")]
fn claims(all: &Issuers) -> Vec<Attack> {
    let now = Timestamp::now().as_second();
    let mut found: Vec<Attack> = Vec::new();
    for claim in ["exp", "iat", "iss", "aud", "sub"] {
        found.push((format!("without {claim}"), all.ec.claiming(|claims| drop(claims.as_object_mut().unwrap().remove(claim))), BAD));
    }
    const SUB: &str = "the token's sub is not an id of a person";
    const BINDING: &str = "the token's binding cannot be read";
    let rows: [(&str, &'static str, Vec<Value>); 13] = [
        (
            "exp",
            BAD,
            vec![
                json!(now - 6),
                json!(0),
                json!(-1),
                json!((now + 300).to_string()),
                json!(now as f64 + 300.5),
                json!(null),
                json!("never"),
                json!({}),
                json!([now + 300]),
                json!(true),
            ],
        ),
        ("exp", BAD, vec![json!(1e300), json!(-1e300)]),
        ("exp", "the token counts for longer than 31 days", vec![json!(now + 32 * 86_400), json!(u64::MAX), json!(i64::MAX)]),
        ("nbf", BAD, vec![json!(now + 60), json!((now - 60).to_string()), json!(true), json!(-1), json!(1e300), json!(u64::MAX)]),
        ("iat", BAD, vec![json!((now - 60).to_string()), json!(-1), json!(1.5), json!(null)]),
        ("iat", "the token was issued in the future", vec![json!(now + 60), json!(u64::MAX)]),
        (
            "iss",
            BAD,
            vec![
                json!("https://evil.example"),
                json!(format!("{LOGIN}/")),
                json!(LOGIN.to_uppercase()),
                json!([LOGIN]),
                json!(""),
                json!(null),
                json!("https://rsa.example"),
                json!({}),
            ],
        ),
        (
            "aud",
            BAD,
            vec![
                json!("other"),
                json!(["other"]),
                json!([]),
                json!(""),
                json!("schakel "),
                json!("SCHAKEL"),
                json!({"schakel": true}),
                json!(null),
                json!([["schakel"]]),
            ],
        ),
        ("sub", SUB, vec![json!(""), json!("a b"), json!("passport:1"), json!("x".repeat(65)), json!("skj:1\n2"), json!("local:../x")]),
        ("sub", BAD, vec![json!(7), json!(null), json!([PERSON]), json!({})]),
        ("cnf", BINDING, vec![json!({"x5t#S256": "AAAA"}), json!({"x5t#S256": ""}), json!({"x5t#S256": "%%"})]),
        (
            "cnf",
            BAD,
            vec![
                json!({"jkt": "AAAA"}),
                json!("x"),
                json!({}),
                json!({"x5t#S256": null}),
                json!({"x5t#S256": encode([0; 32]), "jkt": "AAAA"}),
            ],
        ),
        ("roles", BAD, vec![json!("worker"), json!([1]), json!({"worker": true})]),
    ];
    for (claim, why, values) in rows {
        found.extend(
            values.into_iter().map(|value| (format!("{claim} {value}"), all.ec.claiming(|claims| claims[claim] = value.clone()), why)),
        );
    }
    let stolen = all.ec.claiming(|claims| claims["cnf"] = json!({"x5t#S256": encode([7; 32])}));
    found.push(("bound to another certificate".to_owned(), stolen, "the token is bound to another certificate"));
    let good = all.ec.claims().to_string();
    for twice in [r#"{"sub":"skj:1","#, r#"{"exp":99999999999,"#, r#"{"iss":"x","#, r#"{"aud":"other","#] {
        found.push((format!("claim twice: {twice}"), all.ec.sign_text(&all.ec.header().to_string(), &good.replacen('{', twice, 1)), BAD));
    }
    // A good token of one issuer in the name of another, under the same kid.
    for (name, signer, other) in
        [("RS256", &all.rsa, LOGIN), ("ES256", &all.ec, "https://rsa.example"), ("EdDSA", &all.ed, LOGIN), ("ES384", &all.ec384, LOGIN)]
    {
        found.push((format!("{name} in another issuer's name"), signer.claiming(|claims| claims["iss"] = json!(other)), BAD));
    }
    found
}

/// Texts that are hardly tokens, and signatures that are hardly any.
fn shapes(all: &Issuers) -> Vec<Attack> {
    let good = all.ec.token();
    let parts: Vec<&str> = good.split('.').collect();
    let signed = |signature: &[u8]| format!("{}.{}.{}", parts[0], parts[1], encode(signature));
    let raw = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, parts[2]).unwrap();
    let flipped = |at: usize| {
        let mut changed = raw.clone();
        changed[at] ^= 1;
        signed(&changed)
    };
    // n of P-256: r or s of it counts as zero; r = n with any s once passed somewhere.
    let order: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
        0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let der = [&[0x30, 0x44, 0x02, 0x20][..], &raw[..32], &[0x02, 0x20], &raw[32..]].concat();
    let other = all.ec.claiming(|claims| claims["roles"] = json!(["coordinator"]));
    let nested = all.ec.sign_text(&all.ec.header().to_string(), &json!(good).to_string());
    let named = |name: &str, token: String| (name.to_owned(), token, BAD);
    vec![
        named("psychic: r and s zero", signed(&[0; 64])),
        named("r and s are the order", signed(&[order, order].concat())),
        named("r zero", signed(&[&[0; 32], &raw[32..]].concat())),
        named("s zero", signed(&[&raw[..32], &[0; 32]].concat())),
        named("one bit of r", flipped(3)),
        named("one bit of s", flipped(63)),
        named("signature as DER", signed(&der)),
        named("signature cut by a byte", signed(&raw[..63])),
        named("signature with a byte more", signed(&[&raw[..], &[0]].concat())),
        named("half a signature", signed(&raw[..32])),
        named("no signature", format!("{}.{}.", parts[0], parts[1])),
        named("no last part", format!("{}.{}", parts[0], parts[1])),
        named("four parts", format!("{good}.x")),
        named("five parts, as an encrypted one", format!("{good}.x.y")),
        named("signature with padding", format!("{good}==")),
        named(
            "signature in plain Base64",
            format!("{}.{}.{}", parts[0], parts[1], base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [0xff; 64])),
        ),
        named("claims of another token", format!("{}.{}.{}", parts[0], other.split('.').nth(1).unwrap(), parts[2])),
        named("header of another token", format!("{}.{}.{}", all.ec384.token().split('.').next().unwrap(), parts[1], parts[2])),
        named("nested", nested),
        named("claims are a list", all.ec.sign(&all.ec.header(), &json!([]))),
        named("claims are not JSON", all.ec.sign_text(&all.ec.header().to_string(), "roles=worker")),
        named("claims are deep", all.ec.sign_text(&all.ec.header().to_string(), &format!("{}{}", "[".repeat(2000), "]".repeat(2000)))),
        named("header is a list", all.ec.sign_text("[]", &all.ec.claims().to_string())),
        named("only dots", "..".to_owned()),
        (
            "over the bound".to_owned(),
            all.ec.claiming(|claims| claims["x"] = json!("x".repeat(7000))),
            "the authorization header is too long",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn none_of_our_forgeries_is_let_in_and_each_hears_its_reason() {
    let folder = TempDir::new().unwrap();
    let all = Issuers::new();
    let publisher = Publisher::start(folder.path(), true, Answer::Text(set(&[&all.ec.jwk, &all.rsa.jwk]))).await;
    let mut issuers = vec![issuer(LOGIN, Algorithm::ES256, &address_of(&publisher, "1h", "24h"))];
    for signer in [&all.rsa, &all.ed, &all.ec384] {
        let file = folder.path().join(format!("{:?}.json", signer.algorithm));
        std::fs::write(&file, set(&[&signer.jwk])).unwrap();
        issuers.push(issuer(&signer.issuer, signer.algorithm, &[("jwks", file.display().to_string().into())]));
    }
    let gateway = Gateway::start(issuers).await;
    for signer in [&all.ec, &all.rsa, &all.ed, &all.ec384] {
        assert_eq!(gateway.says(&signer.token()).await, Ok(()), "the control is good: {:?}", signer.algorithm);
    }
    let attacks: Vec<Attack> = [headers(&all), claims(&all), shapes(&all)].concat();
    assert!(attacks.len() >= 150, "{}", attacks.len());

    let mut wrong = Vec::new();
    for (name, token, why) in &attacks {
        let said = gateway.says(token).await;
        if said != Err((Reason::Unauthenticated, (*why).to_owned())) {
            wrong.push(format!("{name}: {said:?}, expected: {why}"));
        }
    }

    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), attacks.len(), wrong.join("\n"));
    within(gateway.running.stop()).await;
}
