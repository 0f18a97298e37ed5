//! The way in: the real local doors with real tokens over a real desk. Behind it what only the ledger or the courier could answer is
//! answered as unavailable, after the look is logged as the gateway logs it: here it counts who gets that far.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use prost::bytes::{Buf as _, BufMut as _};
use schakel::desk::{Desk, Paper, Reply};
use schakel::doors::admin::admin_routes;
use schakel::doors::audit::audit_routes;
use schakel::doors::caller::{Authentication, Issuer, IssuerConfig};
use schakel::doors::care::care_routes;
use schakel::doors::{Door, FrontDesk};
use schakel::store::EventRow;
use schakel::tls::{ClientName, PeerInfo};
use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::{Act, Caller};
use schakel_domain::command::{AgreementAct, Command, LogAct, Operation, OperationsRead};
use schakel_domain::id::OrgId;
use schakel_domain::person::Actor;
use schakel_domain::refusal::{Reason, Refusal, Stage};
use schakel_domain::view::{AgreementAnswer, LogAnswer, LogCheck, LogFile, OperationsAnswer};
use schakel_proto::Method;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::service::Routes;

/// The person who is logged in.
pub(crate) const PERSON: &str = "skj:190012345";
const ISSUER: &str = "https://login.example/realms/zorg";

/// The desk that answers now; another one can take its place.
struct Front(Mutex<Arc<Desk>>);

impl Front {
    fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.0.lock().unwrap())
    }

    /// Logged as the gateway logs it, and then answered by nobody here.
    fn witnessed<'a, T: Send + 'a>(&self, caller: &'a Caller, code: EventCode, act: Act) -> BoxFuture<'a, Result<T, Refusal>> {
        let desk = self.desk();
        Box::pin(async move {
            desk.witness(caller, None, code, act, act.name()).await?;
            Err(let_in())
        })
    }
}

/// What somebody hears who was let in to what is not on this bench.
fn let_in() -> Refusal {
    Refusal::new(Stage::Store, Reason::StoreUnavailable)
}

impl FrontDesk for Front {
    fn handle<'a>(&'a self, caller: &'a Caller, command: Command) -> BoxFuture<'a, Result<Reply, Refusal>> {
        let desk = self.desk();
        Box::pin(async move { desk.handle(caller, command).await })
    }

    fn refused<'a>(&'a self, caller: &'a Caller, act: Act, refusal: &'a Refusal) -> BoxFuture<'a, Result<(), Refusal>> {
        let desk = self.desk();
        Box::pin(async move { desk.refused(caller, act, refusal).await })
    }

    fn operate<'a>(&'a self, caller: &'a Caller, operation: Operation) -> BoxFuture<'a, Result<Reply, Refusal>> {
        let desk = self.desk();
        Box::pin(async move { desk.operate_once(caller, &operation).await })
    }

    fn operations<'a>(&'a self, caller: &'a Caller, read: OperationsRead) -> BoxFuture<'a, Result<OperationsAnswer, Refusal>> {
        self.witnessed(caller, EventCode::OperationsViewed, read.act())
    }

    fn log<'a>(&'a self, caller: &'a Caller, act: LogAct) -> BoxFuture<'a, Result<LogAnswer, Refusal>> {
        self.witnessed(caller, EventCode::AuditViewed, act.act())
    }

    fn check_log<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<mpsc::Receiver<Result<LogCheck, Refusal>>, Refusal>> {
        self.witnessed(caller, EventCode::AuditVerified, Act::VerifyLog)
    }

    fn export_log<'a>(&'a self, caller: &'a Caller) -> BoxFuture<'a, Result<mpsc::Receiver<Result<LogFile, Refusal>>, Refusal>> {
        self.witnessed(caller, EventCode::AuditExported, Act::ExportLog)
    }

    fn agree<'a>(&'a self, caller: &'a Caller, act: AgreementAct) -> BoxFuture<'a, Result<(AgreementAnswer, bool), Refusal>> {
        let desk = self.desk();
        match act {
            AgreementAct::InstallCovenant { request, body, bundle } => {
                Box::pin(async move { desk.install_once(caller, Paper::Covenant(&bundle), request, body).await.and(Err(let_in())) })
            }
            AgreementAct::InstallPartyRecord { request, body, record } => {
                Box::pin(
                    async move { desk.install_once(caller, Paper::PartyRecord(record.as_bytes()), request, body).await.and(Err(let_in())) },
                )
            }
            read => self.witnessed(caller, EventCode::CovenantViewed, read.act()),
        }
    }

    fn open_events<'a>(&'a self, caller: &'a Caller, actor: &'a Actor) -> BoxFuture<'a, Result<(u64, u64), Refusal>> {
        let desk = self.desk();
        Box::pin(async move {
            desk.witness(caller, Some(actor), EventCode::EventsWatched, Act::WatchEvents, Act::WatchEvents.name()).await?;
            Err(let_in())
        })
    }

    fn events_after(&self, _: u64, _: u32) -> BoxFuture<'_, Result<Vec<EventRow>, Refusal>> {
        Box::pin(std::future::ready(Err(let_in())))
    }

    fn event_signal(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}

/// The local doors of one organisation.
pub(crate) struct Doors {
    front: Arc<Front>,
    routes: BTreeMap<&'static str, Routes>,
    tokens: BTreeMap<&'static str, String>,
}

impl Doors {
    /// Doors of an organisation over a desk.
    pub(crate) fn new(organization: OrgId, desk: Arc<Desk>) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let config = IssuerConfig {
            issuer: ISSUER.to_owned(),
            audience: "schakel".to_owned(),
            algorithm: "ES256".to_owned(),
            jwks: "unused".into(),
            two_factor: vec!["mfa".to_owned()],
            bound: false,
        };
        let issuers = vec![Issuer::new(&config, &jwks(&key)).unwrap()];
        let authentication = Arc::new(Authentication::new(organization, issuers, BTreeMap::new()));
        let front = Arc::new(Front(Mutex::new(desk)));
        let door = |name| Door::new(name, Arc::clone(&front) as Arc<dyn FrontDesk>, Arc::clone(&authentication));
        let routes = BTreeMap::from([
            ("care", care_routes(&door("care")).unwrap().1),
            ("audit", audit_routes(&door("audit")).1),
            ("admin", admin_routes(&door("admin")).1),
        ]);
        let logins: [(&str, &[&str], &str); 7] = [
            ("worker", &["worker"], "mfa"),
            ("coordinator", &["coordinator"], "mfa"),
            ("auditor", &["auditor"], "mfa"),
            ("once", &["auditor"], "password"),
            ("operator", &["operator"], "mfa"),
            ("nobody", &[], "mfa"),
            ("claims", &["peer", "gateway", "system"], "mfa"),
        ];
        let tokens = logins.into_iter().map(|(name, roles, acr)| (name, token(&key, roles, acr))).collect();
        Self { front, routes, tokens }
    }

    /// Another desk answers from now on.
    pub(crate) fn behind(&self, desk: Arc<Desk>) {
        *self.front.0.lock().unwrap() = desk;
    }

    /// Calls a method as somebody and reads to the end: the bytes of the answers, or the status.
    pub(crate) async fn call(&self, caller: &str, method: Method, body: Vec<u8>) -> Result<Vec<u8>, Status> {
        let mut request = tonic::Request::new(body);
        match self.tokens.get(caller) {
            Some(token) => drop(request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap())),
            None => drop(request.extensions_mut().insert(certificate(caller))),
        }
        let mut client = tonic::client::Grpc::new(self.routes[door_of(method)].clone());
        client.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static(method.path());
        let mut stream = client.server_streaming(request, path, Raw).await?.into_inner();
        let mut answers = Vec::new();
        while let Some(answer) = stream.message().await? {
            answers.extend(answer);
        }
        Ok(answers)
    }
}

fn door_of(method: Method) -> &'static str {
    ["care", "audit", "admin"].into_iter().find(|door| method.path().starts_with(&format!("/schakel.{door}."))).unwrap()
}

fn jwks(key: &EcdsaKeyPair) -> String {
    let point = key.public_key().as_ref();
    let coordinate = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
    let jwk =
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "k1", "x": coordinate(1..33), "y": coordinate(33..65)});
    json!({ "keys": [jwk] }).to_string()
}

fn token(key: &EcdsaKeyPair, roles: &[&str], acr: &str) -> String {
    let now = jiff::Timestamp::now().as_second();
    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"});
    let claims = json!({
        "iss": ISSUER, "aud": "schakel", "sub": PERSON, "iat": now, "exp": now + 300, "roles": roles, "acr": acr,
        "name": "K. de Wit", "function": "gedragswetenschapper", "client_id": "ecd"
    });
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A connection with the certificate of an own system.
fn certificate(client: &str) -> PeerInfo {
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
        life: schakel::tls::Life::default(),
    }
}

/// Messages as they are.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
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

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length).to_vec()))
    }
}
