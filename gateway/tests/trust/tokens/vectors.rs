//! The signatures of Project Wycheproof against our doors. They are not ours to copy: `tests/clients/wycheproof.sh` fetches them as the Go module
//! that their project publishes, and names the file in `WYCHEPROOF_JWS`.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use schakel::doors::caller::keys::{KeySet, Others};
use serde_json::Value;
use tempfile::TempDir;

use super::provider::set;
use super::{Gateway, issuer};
use crate::kit::within;

struct Group {
    /// The JWK, with a kid when it lacked one.
    key: Value,
    algorithm: Option<Algorithm>,
    tests: Vec<Value>,
}

fn groups() -> Vec<Group> {
    let path = std::env::var_os("WYCHEPROOF_JWS").expect("WYCHEPROOF_JWS names the vectors: run tests/clients/wycheproof.sh");
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let groups = all["testGroups"].as_array().unwrap().iter().map(|group| {
        let mut key = [&group["public"], &group["private"]].into_iter().find(|key| key.is_object()).unwrap().clone();
        if key["kid"].is_null() {
            key["kid"] = "k1".into();
        }
        let algorithm = key["alg"].as_str().and_then(|name| name.parse().ok());
        Group { key, algorithm, tests: group["tests"].as_array().unwrap().clone() }
    });
    groups.collect()
}

/// Whether a JWS is good by the key of its group, as our doors go about it: the one algorithm of the issuer, and keys of the set alone.
fn good(group: &Group, jws: &str) -> bool {
    let Some(algorithm) = group.algorithm else { return false };
    if KeySet::parse(set(&[&group.key]).as_bytes(), algorithm, Others::Refuse).is_err() {
        return false;
    }
    let Ok(header) = jsonwebtoken::decode_header(jws) else { return false };
    if header.alg != algorithm || header.crit.is_some() {
        return false;
    }
    let key = DecodingKey::from_jwk(&serde_json::from_value::<Jwk>(group.key.clone()).unwrap()).unwrap();
    let Some((input, signature)) = jws.rsplit_once('.') else { return false };
    input.matches('.').count() == 1 && crypto::verify(signature, input.as_bytes(), &key, algorithm).unwrap_or(false)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the vectors of others: tests/clients/wycheproof.sh"]
async fn none_of_the_invalid_signatures_of_others_is_good_or_let_in() {
    let groups = groups();
    let folder = TempDir::new().unwrap();
    let mut issuers = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        let Some(algorithm) = group.algorithm else { continue };
        if KeySet::parse(set(&[&group.key]).as_bytes(), algorithm, Others::Refuse).is_ok() {
            let file = folder.path().join(format!("{at}.json"));
            std::fs::write(&file, set(&[&group.key])).unwrap();
            issuers.push(issuer(&format!("https://{at}.example"), algorithm, &[("jwks", file.display().to_string().into())]));
        }
    }
    assert!(issuers.len() >= 10, "{}", issuers.len());
    let gateway = Gateway::start(issuers).await;

    let (mut valid, mut invalid, mut found) = (0, 0, 0);
    for group in &groups {
        for test in &group.tests {
            // The vectors in JSON serialisation are no tokens; their text is tried all the same.
            let jws = test["jws"].as_str().map_or_else(|| test["jws"].to_string(), str::to_owned);
            let is_good = good(group, &jws);
            if test["result"] == "valid" {
                (valid, found) = (valid + 1, found + usize::from(is_good));
            } else {
                invalid += 1;
                assert!(!is_good, "{} {}: {jws}", test["tcId"], test["comment"]);
            }
            let said = gateway.says(&jws.replace(|c: char| !c.is_ascii_graphic(), "")).await;
            assert!(said.is_err(), "{} {}: no token of ours, whatever its signature", test["tcId"], test["comment"]);
        }
    }

    println!("{invalid} invalid refused, {found} of {valid} valid ones are of a kind we use and found good");
    assert!(invalid >= 350 && found >= 25, "{invalid} invalid, {found} of {valid} valid");
    within(gateway.running.stop()).await;
}
