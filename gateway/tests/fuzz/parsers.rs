//! The list: every parser that takes bytes from outside, what it is begun with, and how many bytes its door lets through.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use prost::Message as _;
use schakel::batch;
use schakel::config::Config;
use schakel::demo::scenario::Scenario;
use schakel::doors::caller::keys::{KeySet, Others};
use schakel::doors::caller::{Authentication, Issuer, IssuerConfig};
use schakel::fetch::{Network, Url};
use schakel::tls::{Files, Material, PeerAddress, RevocationFiles};
use schakel::wire::fields::Fields;
use schakel::wire::{dossier, federation};
use schakel_adapters::Inlet;
use schakel_adapters::file_drop::{FileDrop, MAX_FILE_BYTES};
use schakel_certs::issue::{DevCa, Issued};
use schakel_domain::audit::checkpoint::{self, Checkpoint};
use schakel_domain::audit::entry::Entry;
use schakel_domain::audit::note::{Note, Vkey};
use schakel_domain::audit::policy::Policy;
use schakel_domain::audit::verify::{Trust, verify};
use schakel_domain::audit::{tiles, witness};
use schakel_domain::caller::Role;
use schakel_domain::canonical;
use schakel_domain::covenant::signed::MAX_BUNDLE_BYTES;
use schakel_domain::covenant::time::{ClockTime, Period};
use schakel_domain::covenant::{Covenant, Document, SignedCovenant, check, explain, name};
use schakel_domain::dossier::{Bsn, Dossier, scan};
use schakel_domain::field::Field;
use schakel_domain::id::{CaseId, Hash, Label, OrgId};
use schakel_domain::municipality::MunicipalityCode;
use schakel_domain::party_record::{Endpoint, MAX_RECORD_BYTES, PartyRecord, SignedPartyRecord, SigningKey, TelephoneEntry, TlsBinding};
use schakel_domain::person::PersonId;
use schakel_domain::refusal::Lang;
use schakel_domain::signature::{PublicKey, SecretKey};
use schakel_proto::federation::v1 as pb;
use serde_json::json;

use crate::{log, requests};

/// Largest message between gateways.
const MESSAGE: usize = 4 << 20;
/// Longest text of one field.
const TEXT: usize = 64 << 10;

/// One parser.
pub(crate) struct Parser {
    /// Its name, and that of its folder in the corpus.
    pub(crate) name: &'static str,
    /// Most bytes that come in.
    pub(crate) most: usize,
    /// What is begun with, besides the corpus.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// What it says of an input.
    pub(crate) run: fn(&[u8]) -> String,
}

/// Every one.
pub(crate) fn all() -> Vec<Parser> {
    [between_gateways(), agreements(), logs(), callers(), own_side()].into_iter().flatten().collect()
}

fn parser(name: &'static str, most: usize, seeds: fn() -> Vec<Vec<u8>>, run: fn(&[u8]) -> String) -> Parser {
    Parser { name, most, seeds, run }
}

fn between_gateways() -> Vec<Parser> {
    let message: fn(&[u8]) -> String = |bytes| said(federation::decode(bytes).map(|message| federation::encode(&message).len()));
    let read: fn(&[u8]) -> String = |bytes| said(dossier::decode_dossier(bytes).map(|dossier| dossier::encode_dossier(&dossier).len()));
    vec![
        parser("message", MESSAGE, messages, message),
        parser("exchange", MESSAGE, exchanges, exchange),
        parser("proof", TEXT, || vec![vec![0x0a, 0], exchanges().concat()], proof),
        parser("dossier", MESSAGE, dossiers, read),
    ]
}

fn agreements() -> Vec<Parser> {
    let read: fn(&[u8]) -> String = |bytes| format!("{:?}", Covenant::read(bytes, None).standing());
    vec![
        parser("covenant-toml", MAX_BUNDLE_BYTES, covenant_texts, covenant_text),
        parser("covenant", MAX_BUNDLE_BYTES, bundles, read),
        parser("party-record", MAX_RECORD_BYTES, records, record),
        parser("canonical-json", TEXT, || vec![br#"{"a":[1,"\u00eb",null,1.5e3,true]}"#.to_vec()], canonical_json),
    ]
}

fn logs() -> Vec<Parser> {
    vec![
        parser("note", TEXT, notes, note),
        parser("policy", TEXT, policies, |bytes| said(Policy::parse(bytes).map(drop))),
        parser("cosignature", TEXT, heads, cosign),
        parser("tile", 1 << 20, || export().iter().map(|(_, bytes)| bytes.clone()).take(8).collect(), tile),
        parser("entry", TEXT, || (0..20).map(|index| log::entry(index).bytes().unwrap()).collect(), |bytes| said(Entry::parse(bytes))),
        parser("exported-log", TEXT, exported, exported_log),
    ]
}

fn callers() -> Vec<Parser> {
    vec![
        parser(
            "token",
            8 << 10,
            || vec![TOKENS.signed(&TOKENS.header(), &TOKENS.claims()).into_bytes(), b"e30.e30.".to_vec()],
            |bytes| TOKENS.identify(bytes),
        ),
        parser(
            "token-claims",
            4 << 10,
            || vec![TOKENS.claims().into_bytes()],
            |bytes| TOKENS.identify(TOKENS.sign(TOKENS.header().as_bytes(), bytes).as_bytes()),
        ),
        parser(
            "token-header",
            4 << 10,
            || vec![TOKENS.header().into_bytes()],
            |bytes| TOKENS.identify(TOKENS.sign(bytes, TOKENS.claims().as_bytes()).as_bytes()),
        ),
        parser("jwks", 256 << 10, || vec![TOKENS.jwks.clone().into_bytes()], jwks),
        parser("certificate", TEXT, certificates, certificate),
        parser("trust", 256 << 10, || vec![PKI.ca.clone().into_bytes(), PKI.ca.repeat(2).into_bytes()], |bytes| PKI.trusting(bytes)),
        parser("revocation-list", 256 << 10, || vec![PKI.list.clone().into_bytes()], |bytes| PKI.with_list(bytes)),
    ]
}

fn own_side() -> Vec<Parser> {
    vec![
        parser("request", MESSAGE, requests::seeds, request),
        parser("file-drop", MAX_FILE_BYTES, commands, |bytes| said(FileDrop.translate(bytes))),
        parser("config", 256 << 10, || vec![schakel::config::EXAMPLE.as_bytes().to_vec()], config),
        parser("scenario", 256 << 10, || vec![file("deploy/scenarios/gelderland.toml")], scenario),
        parser("names", TEXT, names, name_of_anything),
        parser("free-text", TEXT, sentences, |bytes| text(bytes, |text| scan(text).len().to_string())),
        parser("addresses", 4 << 10, urls, addresses),
    ]
}

fn said<T, E: Debug>(result: Result<T, E>) -> String {
    result.map_or_else(|error| format!("{error:?}"), |_| "good".to_owned())
}

fn text(bytes: &[u8], read: impl FnOnce(&str) -> String) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| "no text".to_owned(), read)
}

fn canonical_json(bytes: &[u8]) -> String {
    said(canonical::from_bytes(bytes).and_then(|value| canonical::to_bytes(&value)).map(drop))
}

fn request(bytes: &[u8]) -> String {
    bytes.split_first().map_or_else(String::new, |(method, rest)| requests::judge(usize::from(*method), rest))
}

fn file(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

// Between gateways.

/// The golden messages of the wire: every kind.
fn messages() -> Vec<Vec<u8>> {
    let golden = String::from_utf8(file("gateway/src/wire/federation/golden/v1.txt")).unwrap();
    let hex = |line: &str| {
        line.split_whitespace()
            .nth(1)
            .map(|hex| hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect())
    };
    let found: Vec<Vec<u8>> = golden.lines().filter_map(hex).collect();
    assert!(found.len() > 10, "the golden messages were not found");
    found
}

fn exchanges() -> Vec<Vec<u8>> {
    let hello = pb::Hello { sender: "ura:90000123".to_owned(), receiver: "ura:90000124".to_owned(), incarnation: 1, ..Default::default() };
    let hash = vec![7; 32];
    let result = pb::MessageResult {
        number: 1,
        message_hash: hash,
        outcome: 2,
        reason: "OUT_OF_ORDER".to_owned(),
        detail: "x".to_owned(),
        ..Default::default()
    };
    let acknowledgement = pb::Acknowledgement { results: vec![result], key_id: "k".to_owned(), signature: vec![1; 64] };
    let batch = pb::ExchangeRequest { request: Some(pb::exchange_request::Request::Hello(hello)) };
    vec![batch.encode_to_vec(), acknowledgement.encode_to_vec()]
}

fn exchange(bytes: &[u8]) -> String {
    let request = said(pb::ExchangeRequest::decode(bytes));
    let response = said(pb::ExchangeResponse::decode(bytes));
    let documents = said(pb::OfferDocumentRequest::decode(bytes));
    let answers = match pb::Acknowledgement::decode(bytes) {
        Ok(acknowledgement) => acknowledgement.results.into_iter().take(100).map(|result| said(batch::Answer::from_wire(result))).collect(),
        Err(error) => error.to_string(),
    };
    format!("{request} {response} {documents} {answers}")
}

fn proof(bytes: &[u8]) -> String {
    match batch::read_proof(bytes) {
        Ok(proof) => format!("{:?} {:?}", batch::verify_proof(&proof, &[3; 32]).map(drop), batch::stated_answer(&proof).is_some()),
        Err(error) => format!("{error:?}"),
    }
}

fn dossiers() -> Vec<Vec<u8>> {
    [dossier::encode_dossier(&Dossier::default())].into_iter().chain(messages()).collect()
}

// Agreements.

fn covenant_texts() -> Vec<Vec<u8>> {
    vec![file("deploy/covenants/gelderland.toml")]
}

fn covenant_text(bytes: &[u8]) -> String {
    text(bytes, |text| match Document::from_toml(text) {
        Ok(document) => {
            let problems = check::check(&document);
            let explained = document.parties.first().map(|party| explain::explain_document(&document, &party.id, Lang::Nl));
            format!("{:?} {:?} {}", problems.first(), problems.len(), explained.is_some())
        }
        Err(problems) => format!("{:?}", problems.first()),
    })
}

/// A bundle whose document is the covenant of Gelderland, with the signature of nobody.
fn bundles() -> Vec<Vec<u8>> {
    let document = Document::from_toml(std::str::from_utf8(&covenant_texts()[0]).unwrap()).unwrap();
    vec![SignedCovenant::unsigned(document).to_json().into_bytes()]
}

fn root() -> SecretKey {
    SecretKey::from_seed(&[9; 32]).unwrap()
}

fn records() -> Vec<Vec<u8>> {
    let moment = |text: &str| text.parse::<Timestamp>().unwrap();
    let telephone = || TelephoneEntry { label: "crisisdienst".to_owned(), number: "+31000000102".parse().unwrap() };
    let (from, until) = (moment("2026-11-01T00:00:00Z"), moment("2027-06-01T00:00:00Z"));
    let record = PartyRecord {
        org: "ura:90000102".parse().unwrap(),
        number: 3,
        issued: from,
        expires: until,
        endpoint: "gw.example.nl:8443".parse().unwrap(),
        tls: TlsBinding { san_uri: "urn:schakel:organization:ura:90000102".to_owned(), spki_sha256: vec![Hash::sha256(b"a key")] },
        signing_keys: vec![SigningKey { key: root().public(), from, until }],
        telephones: vec![telephone()],
        duty: telephone(),
        log: None,
    };
    vec![record.sign(&root()).unwrap().to_json().into_bytes()]
}

fn record(bytes: &[u8]) -> String {
    match SignedPartyRecord::from_json(bytes) {
        Ok(signed) => format!("{:?} {}", signed.verify(&root().public()), signed.to_json().len() > 400),
        Err(refusal) => format!("{refusal:?}"),
    }
}

// The log.

static EXPORT: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| log::export(40));

fn export() -> &'static [(String, Vec<u8>)] {
    &EXPORT
}

fn notes() -> Vec<Vec<u8>> {
    let entries: Vec<_> = (0..3).map(|index| log::entry(index).bytes().unwrap()).collect();
    vec![log::checkpoint_of(&entries)]
}

fn note(bytes: &[u8]) -> String {
    let note = said(Note::parse(bytes));
    let opened = said(Checkpoint::open(bytes, log::signer().vkey()));
    let plain = text(bytes, |text| format!("{} {}", said(Checkpoint::parse(text)), said(text.parse::<Vkey>())));
    format!("{note} {opened} {plain}")
}

fn policies() -> Vec<Vec<u8>> {
    let signer = log::signer();
    vec![Policy::text(signer.vkey(), &[signer.vkey().clone()], 1).into_bytes()]
}

/// Heads for a witness: with nothing before, and with a proof.
fn heads() -> Vec<Vec<u8>> {
    let head = notes().remove(0);
    let proof = [b"old 3\n".to_vec(), b"A".repeat(43), b"=\n\n".to_vec(), head.clone()].concat();
    vec![[b"old 0\n\n".to_vec(), head].concat(), proof]
}

fn cosign(bytes: &[u8]) -> String {
    let asked = match witness::AddCheckpoint::parse(bytes) {
        Ok(request) => said(witness::judge(&request, Some(log::signer().vkey()), None).map(drop)),
        Err(objection) => format!("{objection:?}"),
    };
    let answered = text(bytes, |text| [200, 409, 422].map(|status| witness::Objection::read(status, text).is_some().to_string()).concat());
    format!("{asked} {answered}")
}

fn tile(bytes: &[u8]) -> String {
    let (mut rest, mut count) = (bytes, 0_usize);
    while let Some(entry) = tiles::take_entry(&mut rest) {
        count += usize::from(Entry::parse(entry).is_ok());
        if rest.is_empty() {
            break;
        }
    }
    format!("{} {}", count.min(3), rest.is_empty())
}

/// One file of an export each; the first byte says which.
fn exported() -> Vec<Vec<u8>> {
    export().iter().enumerate().map(|(at, (_, bytes))| [&[at as u8][..], bytes].concat()).collect()
}

fn exported_log(bytes: &[u8]) -> String {
    let Some((at, changed)) = bytes.split_first() else { return "nothing".to_owned() };
    let (path, _) = &export()[usize::from(*at) % export().len()];
    let mut source = |asked: &str, most: usize| {
        let held = if asked == path { Some(changed) } else { export().iter().find(|(path, _)| path == asked).map(|(_, bytes)| &bytes[..]) };
        Ok(held.map(|bytes| bytes[..bytes.len().min(most)].to_vec()))
    };
    match verify(&mut source, &Trust { log: Some(log::signer().vkey().clone()), earlier: None, policy: None }) {
        Ok(report) => format!("{:?} {}", report.finding.as_ref().map(|finding| finding.check.code()), report.text(Lang::En)),
        Err(error) => format!("{error:?}"),
    }
}

// Who calls.

struct Tokens {
    key: EncodingKey,
    jwks: String,
    authentication: Authentication,
}

static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    // Ed25519 signs the same twice, so that a seed gives the same inputs again; the key is nobody's.
    let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
    let key = EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref());
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "alg": "EdDSA", "use": "sig", "x": x}]}).to_string();
    let config = IssuerConfig {
        issuer: "https://login.example".to_owned(),
        audience: "schakel".to_owned(),
        algorithm: "EdDSA".to_owned(),
        jwks: PathBuf::new(),
        two_factor: vec!["mfa".to_owned()],
        bound: false,
    };
    let issuers = vec![Issuer::new(&config, &jwks).unwrap()];
    Tokens { key, jwks, authentication: Authentication::new("ura:90000123".parse().unwrap(), issuers, BTreeMap::new()) }
});

impl Tokens {
    fn header(&self) -> String {
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}"#.to_owned()
    }

    /// The library judges times by the clock of the machine.
    fn claims(&self) -> String {
        let now = Timestamp::now().as_second();
        let times = format!(r#""iat":{now},"exp":{},"nbf":{now}"#, now + 86_400);
        let who = r#""iss":"https://login.example","aud":"schakel","sub":"skj:190012345","name":"K. de Wit""#;
        format!(r#"{{{who},{times},"roles":["worker"],"acr":"mfa","function":"arts","client_id":"ecd"}}"#)
    }

    fn signed(&self, header: &str, claims: &str) -> String {
        self.sign(header.as_bytes(), claims.as_bytes())
    }

    fn sign(&self, header: &[u8], claims: &[u8]) -> String {
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = crypto::sign(input.as_bytes(), &self.key, Algorithm::EdDSA).unwrap();
        format!("{input}.{signature}")
    }

    fn identify(&self, token: &[u8]) -> String {
        let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", token].concat()) else { return "no header".to_owned() };
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
        let known = self.authentication.identify("care", &headers, None, Timestamp::now());
        known.map_or_else(|refusal| refusal.detail, |known| format!("{:?}", known.caller.roles))
    }
}

fn jwks(bytes: &[u8]) -> String {
    let each = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256]
        .map(|algorithm| said(KeySet::parse(bytes, algorithm, Others::Ignore).map(drop)));
    format!("{} {}", each.concat(), said(KeySet::parse(bytes, Algorithm::EdDSA, Others::Refuse).map(drop)))
}

struct Pki {
    ca: String,
    own: Issued,
    list: String,
    folder: tempfile::TempDir,
}

static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let now = Timestamp::from_second(1_795_300_000).unwrap();
    let ca = DevCa::new("CA of a search", now).unwrap();
    let own = ca.gateway(&"ura:90000123".parse().unwrap(), &["localhost".to_owned()], now).unwrap();
    let list = ca.revocation_list(&[&own.chain_pem], now, now + jiff::SignedDuration::from_hours(24)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("own.crt", &own.chain_pem);
    put("own.key", &own.key_pem);
    put("ca.crt", &ca.pem());
    std::fs::set_permissions(folder.path().join("own.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    Pki { ca: ca.pem(), own, list, folder }
});

impl Pki {
    fn trusting(&self, bytes: &[u8]) -> String {
        text(bytes, |trust| said(Material::from_pem(&self.own.chain_pem, &self.own.key_pem, trust).map(|material| material.ends().len())))
    }

    fn with_list(&self, bytes: &[u8]) -> String {
        let path = |name: &str| self.folder.path().join(name);
        std::fs::write(path("ca.crl"), bytes).unwrap();
        let revocation = RevocationFiles { lists: vec![path("ca.crl")], ..Default::default() };
        let files = Files { certificate: path("own.crt"), key: path("own.key"), trust: path("ca.crt"), revocation };
        said(Material::from_files(&files).map(drop))
    }
}

fn certificates() -> Vec<Vec<u8>> {
    let der = x509_parser::pem::Pem::iter_from_buffer(PKI.own.chain_pem.as_bytes()).next().unwrap().unwrap().contents;
    vec![PKI.own.chain_pem.clone().into_bytes(), der, PKI.ca.clone().into_bytes()]
}

fn certificate(bytes: &[u8]) -> String {
    let identity = said(schakel_certs::profile::identity(bytes));
    let raw = said(schakel_certs::identity::identify(bytes));
    let findings = schakel_certs::profile::check(bytes, Timestamp::from_second(1_795_300_300).unwrap());
    format!("{identity} {raw} {:?}", findings.iter().map(|finding| finding.field).collect::<Vec<_>>())
}

// An organisation's own systems and operators.

/// The examples of the adapter's manual: every command.
fn commands() -> Vec<Vec<u8>> {
    let manual = String::from_utf8(file("adapters/README.md")).unwrap();
    let examples: Vec<_> =
        manual.split("```json\n").skip(1).filter_map(|rest| Some(rest.split("```").next()?.as_bytes().to_vec())).collect();
    assert!(examples.len() > 10, "the examples were not found");
    examples
}

fn config(bytes: &[u8]) -> String {
    text(bytes, |text| match Config::parse(text, Path::new("/nowhere")) {
        Ok(_) => "good".to_owned(),
        Err(problems) => problems.iter().take(4).map(|problem| problem.text(Lang::En)).collect(),
    })
}

fn scenario(bytes: &[u8]) -> String {
    static COVENANT: LazyLock<String> = LazyLock::new(|| String::from_utf8(covenant_texts().remove(0)).unwrap());
    text(bytes, |text| match Scenario::parse(text, &|_| Ok(COVENANT.clone())) {
        Ok(_) => "good".to_owned(),
        Err(mistakes) => mistakes.iter().take(4).map(|mistake| mistake.problem.as_str()).collect(),
    })
}

fn names() -> Vec<Vec<u8>> {
    let id = "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36";
    let texts = [
        format!("cases/{id}"),
        format!("cases/{id}/handovers/{id}"),
        format!("consultations/{id}"),
        "covenants/gelderland/revisions/3".to_owned(),
        "organizations/ura:90000123/duty".to_owned(),
        "entries/12".to_owned(),
        "v12".to_owned(),
        schakel::wire::names::page_token(Some("12")),
        schakel::wire::names::cursor(12),
        "ZK-7F3KD".to_owned(),
        "999990019".to_owned(),
        "48h".to_owned(),
        "23:59".to_owned(),
        "+31612345678".to_owned(),
        "0202".to_owned(),
        "schakel/ura:90000009".to_owned(),
    ];
    texts.map(String::into_bytes).into()
}

fn name_of_anything(bytes: &[u8]) -> String {
    text(bytes, |text| {
        let mut fields = Fields::new();
        let read = [
            fields.case("f", text).is_some(),
            fields.consultation("f", text).is_some(),
            fields.handover("f", text).is_some(),
            fields.covenant("f", text).is_some(),
            fields.peer("f", text).is_some(),
            fields.message("f", text).is_some(),
            fields.duty("f", text).is_some(),
            fields.entry("f", text).is_some(),
            fields.seen(Some(()), text).is_some(),
            fields.page(3, text, false).is_some(),
            fields.numbered_page(text).is_some(),
            fields.cursor("f", text).is_some(),
            text.parse::<OrgId>().is_ok(),
            text.parse::<CaseId>().is_ok(),
            text.parse::<Hash>().is_ok(),
            Label::parse(text).is_ok(),
            Bsn::parse(text).is_ok(),
            PersonId::parse(text).is_ok(),
            text.parse::<Period>().is_ok(),
            text.parse::<ClockTime>().is_ok(),
            text.parse::<name::Telephone>().is_ok(),
            text.parse::<MunicipalityCode>().is_ok(),
            text.parse::<Field>().is_ok(),
            text.parse::<Role>().is_ok(),
            text.parse::<PublicKey>().is_ok(),
            text.parse::<Endpoint>().is_ok(),
            checkpoint::organization(text).is_some(),
            SecretKey::from_pkcs8(bytes).is_ok(),
        ];
        read.map(|good| if good { 'y' } else { 'n' }).iter().collect()
    })
}

fn sentences() -> Vec<Vec<u8>> {
    vec!["Bel 06-12345678, BSN 999990019, in Arnhem op 3 maart 2014".as_bytes().to_vec()]
}

fn urls() -> Vec<Vec<u8>> {
    let texts = ["https://login.example.nl:8443/keys?v=1", "http://[::1]/k", "10.20.0.0/16", "gw.example.nl:8443"];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

fn addresses(bytes: &[u8]) -> String {
    text(bytes, |text| {
        format!("{} {} {}", said(Url::parse(text)), said(text.parse::<Network>()), said(text.parse::<PeerAddress>().map(drop)))
    })
}
