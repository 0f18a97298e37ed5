//! A desk that can do nothing and remembers what it was told, an identity provider with real keys, and callers of every role.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::{BoxFuture, ready};
use prost::Message as _;
use prost::encoding::{bytes, message, string, uint32};
use prost_types::{FieldDescriptorProto, FileDescriptorSet};
use schakel_domain::caller::{Act, Caller, Role};
use schakel_domain::command::{AgreementAct, Command, LogAct, Operation, OperationsRead};
use schakel_domain::id::{CaseId, Label};
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::view::{AgreementAnswer, Answer, CaseView, LogAnswer, LogCheck, LogFile, OperationsAnswer, Responsibility, Standing};
use schakel_proto::Method;
use schakel_proto::r#type::v1 as words;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::desk::Reply;
use crate::doors::admin::admin_routes;
use crate::doors::audit::audit_routes;
use crate::doors::caller::{Authentication, Issuer, IssuerConfig};
use crate::doors::care::care_routes;
use crate::doors::{Door, FrontDesk};
use crate::store::EventRow;
use crate::tls::{ClientName, PeerInfo};

pub(crate) const ISSUER: &str = "https://login.example/realms/zorg";
pub(crate) const AUDIENCE: &str = "schakel";
pub(crate) const PERSON: &str = "skj:190012345";
const ID: &str = "0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36";

/// Refuses everything, remembers what doors refused, and keeps events.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    refused: Mutex<Vec<(Act, Reason)>>,
    log_broken: AtomicBool,
    replayed: AtomicBool,
    pub(crate) events: Mutex<Vec<EventRow>>,
    pub(crate) lowest: std::sync::atomic::AtomicU64,
    pub(crate) signal: watch::Sender<u64>,
}

impl Desk {
    pub(crate) fn take_refused(&self) -> Vec<(Act, Reason)> {
        std::mem::take(&mut self.refused.lock().unwrap())
    }

    pub(crate) fn break_log(&self) {
        self.log_broken.store(true, Ordering::Relaxed);
    }

    pub(crate) fn answer_replayed(&self) {
        self.replayed.store(true, Ordering::Relaxed);
    }
}

fn unavailable<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, Refusal>> {
    Box::pin(ready(Err(Refusal::new(Stage::Store, Reason::StoreUnavailable))))
}

impl FrontDesk for Desk {
    fn handle<'a>(&'a self, _: &'a Caller, _: Command) -> BoxFuture<'a, Result<Reply, Refusal>> {
        if !self.replayed.load(Ordering::Relaxed) {
            return unavailable();
        }
        Box::pin(ready(Ok(Reply { answer: Answer::Case(Box::new(case())), replayed: true })))
    }

    fn refused<'a>(&'a self, _: &'a Caller, act: Act, refusal: &'a Refusal) -> BoxFuture<'a, Result<(), Refusal>> {
        if self.log_broken.load(Ordering::Relaxed) {
            return Box::pin(ready(Err(Refusal::new(Stage::Store, Reason::AuditUnavailable))));
        }
        self.refused.lock().unwrap().push((act, refusal.reason));
        Box::pin(ready(Ok(())))
    }

    fn operate<'a>(&'a self, _: &'a Caller, _: Operation) -> BoxFuture<'a, Result<Reply, Refusal>> {
        unavailable()
    }

    fn operations<'a>(&'a self, _: &'a Caller, _: OperationsRead) -> BoxFuture<'a, Result<OperationsAnswer, Refusal>> {
        unavailable()
    }

    fn log<'a>(&'a self, _: &'a Caller, _: LogAct) -> BoxFuture<'a, Result<LogAnswer, Refusal>> {
        unavailable()
    }

    fn check_log<'a>(&'a self, _: &'a Caller) -> BoxFuture<'a, Result<mpsc::Receiver<Result<LogCheck, Refusal>>, Refusal>> {
        unavailable()
    }

    fn export_log<'a>(&'a self, _: &'a Caller) -> BoxFuture<'a, Result<mpsc::Receiver<Result<LogFile, Refusal>>, Refusal>> {
        unavailable()
    }

    fn agree<'a>(&'a self, _: &'a Caller, _: AgreementAct) -> BoxFuture<'a, Result<(AgreementAnswer, bool), Refusal>> {
        unavailable()
    }

    fn open_events<'a>(&'a self, _: &'a Caller, _: &'a Actor) -> BoxFuture<'a, Result<(u64, u64), Refusal>> {
        unavailable()
    }

    fn events_after(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<Vec<EventRow>, Refusal>> {
        if after + 1 < self.lowest.load(Ordering::Relaxed) {
            return Box::pin(ready(Err(Refusal::new(Stage::Store, Reason::CursorExpired))));
        }
        let rows = self.events.lock().unwrap().iter().filter(|row| row.seq > after).take(limit as usize).cloned().collect();
        Box::pin(ready(Ok(rows)))
    }

    fn event_signal(&self) -> watch::Receiver<u64> {
        self.signal.subscribe()
    }
}

fn case() -> CaseView {
    let id: CaseId = ID.parse().unwrap();
    let us = "ura:90000123".parse().unwrap();
    CaseView {
        id,
        label: Label::of(id),
        version: 2,
        standing: Standing::Closed,
        responsibility: Responsibility {
            lead: None,
            responsible: [us].into(),
            sentence_nl: String::new(),
            sentence_en: String::new(),
            call: None,
        },
        opened: jiff::Timestamp::UNIX_EPOCH,
        changed: jiff::Timestamp::UNIX_EPOCH,
        hops: 0,
        epoch: "0.0".to_owned(),
        open_handover: None,
        handovers: Vec::new(),
        consultations: Vec::new(),
        erasure: Default::default(),
        dossier: None,
    }
}

/// An identity provider with one P-256 key.
pub(crate) struct Provider {
    pub(crate) key: EcdsaKeyPair,
}

impl Provider {
    pub(crate) fn new() -> Self {
        Self { key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    pub(crate) fn config(&self) -> IssuerConfig {
        IssuerConfig {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            algorithm: "ES256".to_owned(),
            jwks: "unused".into(),
            two_factor: vec!["mfa".to_owned()],
            bound: false,
        }
    }

    pub(crate) fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let coordinate = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "k1", "x": coordinate(1..33), "y": coordinate(33..65)})
    }

    pub(crate) fn jwks(&self) -> String {
        json!({"keys": [self.jwk()]}).to_string()
    }

    pub(crate) fn header() -> Value {
        json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"})
    }

    pub(crate) fn claims() -> Value {
        let now = jiff::Timestamp::now().as_second();
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": PERSON, "iat": now, "exp": now + 300,
            "roles": ["worker"], "acr": "mfa", "name": "K. de Wit", "function": "gedragswetenschapper", "client_id": "ecd"
        })
    }

    /// A token of exactly this header and these claims, signed with our key.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(crate) fn token_with(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = Self::claims();
        change(&mut claims);
        self.sign(&Self::header(), &claims)
    }
}

/// The three local doors.
pub(crate) struct Kit {
    pub(crate) desk: Arc<Desk>,
    pub(crate) authentication: Arc<Authentication>,
    pub(crate) issuer: Provider,
    doors: BTreeMap<&'static str, Routes>,
}

impl Kit {
    pub(crate) fn new() -> Self {
        let issuer = Provider::new();
        let issuers = vec![Issuer::new(&issuer.config(), &issuer.jwks()).unwrap()];
        let authentication = Arc::new(Authentication::new("ura:90000123".parse().unwrap(), issuers, BTreeMap::new()));
        let desk = Arc::new(Desk::default());
        let door = |name| Door::new(name, Arc::clone(&desk) as Arc<dyn FrontDesk>, Arc::clone(&authentication));
        let doors = BTreeMap::from([
            ("care", care_routes(&door("care")).unwrap().1),
            ("audit", audit_routes(&door("audit")).1),
            ("admin", admin_routes(&door("admin")).1),
        ]);
        Self { desk, authentication, issuer, doors }
    }

    /// A call by somebody with one role: a system by certificate, everybody else by token.
    pub(crate) async fn call_as(&self, role: Role, method: Method, request: Vec<u8>) -> Status {
        let (token, connection) = self.proof(role);
        self.call(method, request, token.as_deref(), connection).await
    }

    pub(crate) async fn call_in(&self, language: &str, role: Role, method: Method) -> Status {
        let (token, connection) = self.proof(role);
        self.raw(door_of(method), method.path(), Vec::new(), token.as_deref(), connection, Some(language)).await.unwrap_err()
    }

    pub(crate) async fn call(&self, method: Method, request: Vec<u8>, token: Option<&str>, connection: Option<PeerInfo>) -> Status {
        self.raw(door_of(method), method.path(), request, token, connection, None).await.unwrap_err()
    }

    pub(crate) async fn metadata_of(&self, role: Role, method: Method, request: Vec<u8>) -> tonic::metadata::MetadataMap {
        let (token, connection) = self.proof(role);
        let sent = self.request(request, token.as_deref(), connection, None);
        let mut client = tonic::client::Grpc::new(self.doors[door_of(method)].clone());
        client.ready().await.unwrap();
        client.unary(sent, http::uri::PathAndQuery::from_static(method.path()), Raw).await.unwrap().metadata().clone()
    }

    fn proof(&self, role: Role) -> (Option<String>, Option<PeerInfo>) {
        match role {
            Role::System => (None, Some(connection("ecd"))),
            role => (Some(self.issuer.token_with(|claims| claims["roles"] = json!([role.as_str()]))), None),
        }
    }

    fn request(&self, body: Vec<u8>, token: Option<&str>, connection: Option<PeerInfo>, language: Option<&str>) -> tonic::Request<Vec<u8>> {
        let mut request = tonic::Request::new(body);
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        if let Some(language) = language {
            request.metadata_mut().insert("accept-language", language.parse().unwrap());
        }
        if let Some(connection) = connection {
            request.extensions_mut().insert(connection);
        }
        request
    }

    /// Calls any path and reads to the end, so that the outcome is always a status: `Err` of `Ok` when all went well.
    pub(crate) async fn raw(
        &self,
        door: &str,
        path: &'static str,
        body: Vec<u8>,
        token: Option<&str>,
        connection: Option<PeerInfo>,
        language: Option<&str>,
    ) -> Result<(), Status> {
        let request = self.request(body, token, connection, language);
        let mut client = tonic::client::Grpc::new(self.doors[door].clone());
        client.ready().await.unwrap();
        let mut stream = client.server_streaming(request, http::uri::PathAndQuery::from_static(path), Raw).await?.into_inner();
        while stream.message().await?.is_some() {}
        Err(Status::new(Code::Ok, ""))
    }
}

fn door_of(method: Method) -> &'static str {
    ["care", "audit", "admin"].into_iter().find(|door| method.path().starts_with(&format!("/schakel.{door}."))).unwrap()
}

/// A connection with the certificate of an own system.
pub(crate) fn connection(client: &str) -> PeerInfo {
    PeerInfo {
        door: "care",
        remote: Some("192.0.2.7:50000".parse().unwrap()),
        org: None,
        client: Some(ClientName::new(client).unwrap()),
        san: Some(format!("urn:schakel:client:{client}")),
        spki: None,
        thumbprint: None,
        not_after: None,
        uid: None,
        life: crate::tls::Life::default(),
    }
}

/// The paths of the wrong fields in a status.
pub(crate) fn wrong_fields(status: &Status) -> Vec<String> {
    let told = status.get_details_bad_request().map(|details| details.field_violations).unwrap_or_default();
    told.into_iter().map(|row| row.field).collect()
}

/// The fields of a method's request, from the published descriptors.
pub(crate) fn fields_of(method: Method) -> Vec<FieldDescriptorProto> {
    let set = FileDescriptorSet::decode(schakel_proto::DESCRIPTORS).unwrap();
    let (service, name) = method.path()[1..].split_once('/').unwrap();
    for file in &set.file {
        let Some(found) = file.service.iter().find(|row| format!("{}.{}", file.package(), row.name()) == service) else { continue };
        let input = found.method.iter().find(|row| row.name() == name).unwrap().input_type().rsplit('.').next().unwrap().to_owned();
        return file.message_type.iter().find(|row| row.name() == input).unwrap().field.clone();
    }
    unreachable!("every method is in the descriptors");
}

/// A complete request of a method, made from its descriptor; without one field when asked.
pub(crate) fn sample(method: Method, without: Option<&str>) -> Vec<u8> {
    let mut encoded = Vec::new();
    for field in fields_of(method).iter().filter(|field| Some(field.name()) != without) {
        let tag = u32::try_from(field.number()).unwrap();
        let actor = |person: &str| words::Actor { person: person.to_owned(), name: "K. de Wit".to_owned(), function: "arts".to_owned() };
        match field.name() {
            "name" | "parent" => string::encode(tag, &name(method), &mut encoded),
            "case" => string::encode(tag, &format!("cases/{ID}"), &mut encoded),
            "etag" => string::encode(tag, &"v1".to_owned(), &mut encoded),
            "request_id" => string::encode(tag, &ID.to_owned(), &mut encoded),
            "actor" => message::encode(tag, &actor(PERSON), &mut encoded),
            "second_actor" => message::encode(tag, &actor("skj:190054321"), &mut encoded),
            "dossier" => message::encode(tag, &words::Dossier::default(), &mut encoded),
            "sender" | "receiver" => string::encode(tag, &"ura:90000123".to_owned(), &mut encoded),
            "reason" | "called" | "note" | "question" | "advice" | "service" | "urgency" => {
                string::encode(tag, &"onrust".to_owned(), &mut encoded);
            }
            "code" | "act" | "ground" => uint32::encode(tag, &1, &mut encoded),
            "from_size" => uint32::encode(tag, &1, &mut encoded),
            "bundle" | "record" => bytes::encode(tag, &b"{}".to_vec(), &mut encoded),
            _ => {}
        }
    }
    encoded
}

fn name(method: Method) -> String {
    match method.path() {
        path if path.ends_with("/GetDuty") => "organizations/ura:90000123/duty".to_owned(),
        path if path.ends_with("Covenant") => "covenants/gelderland".to_owned(),
        path if path.ends_with("Entry") || path.ends_with("InclusionProof") => "entries/0".to_owned(),
        path if path.ends_with("Peer") || path.ends_with("ListMessages") => "peers/ura:90000123".to_owned(),
        path if path.ends_with("Message") => format!("messages/{ID}"),
        path if path.contains("ConsultationService") => format!("consultations/{ID}"),
        path if path.ends_with("CreateHandover") || path.ends_with("ListHandovers") => format!("cases/{ID}"),
        path if path.contains("HandoverService") => format!("cases/{ID}/handovers/{ID}"),
        path if path.ends_with("GetErasure") => format!("cases/{ID}/erasure"),
        _ => format!("cases/{ID}"),
    }
}

/// Messages as they are.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl tonic::codec::Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl tonic::codec::Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut tonic::codec::EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl tonic::codec::Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut tonic::codec::DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        use prost::bytes::Buf as _;
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length).to_vec()))
    }
}
