//! Every rule of the covenant, told on the Gelderland covenant that ships.

mod checks;
mod decisions;
mod force;
mod versions;
mod words;

use std::sync::LazyLock;

use jiff::Timestamp;

use super::*;
use crate::id::{Hash, OrgId};
use crate::refusal::{Reason, Refusal};
use crate::signature::SecretKey;

const GELDERLAND: &str = include_str!("../../../../deploy/covenants/gelderland.toml");

const SEZ: &str = "kvk:90000101";
const PRO_PERSONA: &str = "ura:90000102";
const GGNET: &str = "ura:90000103";
const GGZ_CENTRAAL: &str = "ura:90000104";
const PACTUM: &str = "kvk:90000105";
const LINDENHOUT: &str = "kvk:90000107";
const PLURYN: &str = "ura:90000108";
const G7: &str = "kvk:90000110";
const VELDHOF: &str = "kvk:90000199";

fn org(text: &str) -> OrgId {
    text.parse().unwrap()
}

/// A throw-away root key, the same one every time for one organisation.
fn key(org: &OrgId) -> SecretKey {
    SecretKey::from_seed(&Hash::sha256(org.as_str().as_bytes()).0).unwrap()
}

fn draft() -> Document {
    Document::from_toml(GELDERLAND).unwrap()
}

fn keyed() -> Document {
    static KEYED: LazyLock<Document> = LazyLock::new(|| {
        let mut document = draft();
        for party in document.parties.clone() {
            assert!(document.set_root_key(&party.id, key(&party.id).public()));
        }
        document
    });
    KEYED.clone()
}

/// Signed by every party of the document.
fn signed(document: Document) -> SignedCovenant {
    let all: Vec<OrgId> = document.parties.iter().map(|party| party.id.clone()).collect();
    signed_by(document, all.iter().map(OrgId::as_str))
}

fn signed_by<'a>(document: Document, parties: impl IntoIterator<Item = &'a str>) -> SignedCovenant {
    let mut bundle = SignedCovenant::unsigned(document);
    for party in parties {
        bundle.sign(&org(party), &key(&org(party))).unwrap();
    }
    bundle
}

fn first() -> Covenant {
    static FIRST: LazyLock<Covenant> = LazyLock::new(|| Covenant::judge(signed(keyed()), None));
    FIRST.clone()
}

/// The next version, with what the change does to it.
fn next(before: &Document, change: document::Change, edit: impl FnOnce(&mut Document)) -> Document {
    let mut document = before.clone();
    document.version = before.version + 1;
    document.predecessor = Some(before.hash());
    document.change = Some(change);
    document.in_force_from = "2026-12-01".parse().unwrap();
    document.predecessor_until = Some("2026-12-15".parse().unwrap());
    edit(&mut document);
    document
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A Sunday night in November.
fn night() -> Timestamp {
    at("2026-11-22T02:14:00Z")
}

fn question(from: &str, to: &str, act: Act) -> Question {
    Question {
        from: org(from),
        to: org(to),
        act,
        service: None,
        age: Some(15),
        municipality: Some("0268".parse().unwrap()),
        urgency: Some("acuut".parse().unwrap()),
    }
}

fn denial(decision: Decision) -> Refusal {
    decision.into_result().unwrap_err()
}

fn book_of(us: &str) -> Book {
    Book::new(org(us), vec![key(&org(us)).public()])
}

fn reason<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Reason {
    result.unwrap_err().reason
}
