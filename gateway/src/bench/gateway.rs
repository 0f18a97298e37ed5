//! GATEWAY: a whole gateway in this process, and the three kinds of work that are measured on it. The gateway is the one that `serve`
//! runs; what is added here only calls it and waits for its durable events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use futures_util::future::BoxFuture;
use schakel_domain::caller::{Caller, Role};
use schakel_domain::command::{About, Ask, CareAct, Command, Offer, Seen, Write};
use schakel_domain::dossier::{Dossier, Identity};
use schakel_domain::id::{CaseId, ConsultationId, Hash, MessageId, OfferId, OrgId, RequestId};
use schakel_domain::message::{Body, Message};
use schakel_domain::person::Actor;
use schakel_domain::view::Answer;
use schakel_proto::care::v1 as care;
use schakel_proto::care::v1::consultation_service_client::ConsultationServiceClient;
use tokio::sync::oneshot;
use tonic::transport::Channel;
use uuid::Uuid;

use super::measure::Work;
use super::{QUESTION, Setup};
use crate::assembly::{self, Listeners, Running};
use crate::config::Config;
use crate::demo::client::{Person, by};
use crate::desk::{self, Desk, Source};
use crate::source::SystemSource;
use crate::store::{Commit, Expect, Kind, MAX_ROWS, NewEntry, Outgoing, Record};
use crate::tls::{self, LocalFiles};
use crate::vault::{FileKey, Vault};
use crate::wire::federation::{decode, encode};

/// Services of the Gelderland covenant: youth protection asks the mental health crisis service, and hands over to it.
const SERVICE: &str = "ggz-crisis";
const URGENCY: &str = "acuut";

/// A gateway, and who uses it.
pub(super) struct Gateway {
    running: Running,
    arrivals: Arc<Arrivals>,
    staff: Arc<Staff>,
    setup: Setup,
}

/// Somebody on duty: what the desk must know of a caller.
struct Staff {
    desk: Arc<Desk>,
    caller: Caller,
    actor: Actor,
}

impl Gateway {
    /// Starts it; ready when its doors are open.
    ///
    /// # Errors
    /// What `schakel serve` would say.
    pub(super) async fn start(setup: &Setup) -> Result<Self, anyhow::Error> {
        let config = Config::read(&setup.config)?;
        let running = assembly::start(config, Listeners::default(), Arc::<SystemSource>::default()).await?;
        let caller = Caller {
            organization: setup.org.clone(),
            person: Some(setup.actor.person.clone()),
            client: "bench".to_owned(),
            roles: [Role::Worker].into(),
            two_factor: false,
            spki: None,
            door: "care",
        };
        let staff = Arc::new(Staff { desk: Arc::clone(&running.desk), caller, actor: setup.actor.clone() });
        let arrivals = Arc::new(Arrivals::default());
        let (_, newest) = running.desk.store().event_range().await?;
        tokio::spawn(follow(Arc::clone(&staff), Arc::clone(&arrivals), newest));
        Ok(Self { running, arrivals, staff, setup: setup.clone() })
    }

    /// Its desk.
    pub(super) fn desk(&self) -> &Arc<Desk> {
        &self.running.desk
    }

    /// A case of this gateway, for whoever needs one to copy.
    pub(super) async fn open_case(&self) -> Result<CaseId, anyhow::Error> {
        self.staff.open_case().await
    }

    /// A call at the care door, over TLS and with a token, as a record system makes it.
    pub(super) fn exchange(&self) -> Result<Exchange, anyhow::Error> {
        let Setup { care, client, trust, token, actor, peer, .. } = &self.setup;
        let files = LocalFiles { trust: trust.clone(), client: Some(client.clone()) };
        let (channel, _) = tls::channel_local(&care.to_string().parse()?, &files, tls::system_clock())?;
        Ok(Exchange {
            client: ConsultationServiceClient::new(channel),
            person: Person { actor: actor.clone(), token: token.clone() },
            peer: peer.clone(),
            arrivals: Arc::clone(&self.arrivals),
        })
    }

    /// A message put in the store beside the desk.
    pub(super) async fn link(&self) -> Result<Link, anyhow::Error> {
        Link::prepare(self).await
    }

    /// Offers made at the desk; the other side accepts each as soon as it arrives.
    pub(super) fn handover(&self) -> Handover {
        Handover { staff: Arc::clone(&self.staff), peer: self.setup.peer.clone(), arrivals: Arc::clone(&self.arrivals) }
    }

    /// Stops it in good order.
    pub(super) async fn stop(self) {
        self.running.stop().await;
    }
}

/// The question that travels: words, so that it compresses and scans like words.
pub(super) fn question() -> String {
    "Wij zoeken overleg over een jeugdige die vannacht niet thuis kan blijven. ".chars().cycle().take(QUESTION).collect()
}

/// What has durably happened here, for those who wait for it.
#[derive(Default)]
struct Arrivals(Mutex<HashMap<String, Arrival>>);

enum Arrival {
    Happened,
    Awaited(oneshot::Sender<()>),
}

impl Arrivals {
    fn happened(&self, resource: String) {
        if let Some(Arrival::Awaited(waiting)) = self.locked().remove(&resource) {
            let _gone = waiting.send(());
        } else {
            // The event was read before the answer that names the resource.
            self.locked().insert(resource, Arrival::Happened);
        }
    }

    async fn wait(&self, resource: &str) -> Result<(), anyhow::Error> {
        let (happened, waiting) = oneshot::channel();
        {
            let mut all = self.locked();
            if all.remove(resource).is_some() {
                return Ok(());
            }
            all.insert(resource.to_owned(), Arrival::Awaited(happened));
        }
        Ok(waiting.await?)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Arrival>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads every event once it is durable. At the receiver an offer is accepted at once, by a person, in a task of its own.
async fn follow(staff: Arc<Staff>, arrivals: Arc<Arrivals>, mut after: u64) {
    let mut events = staff.desk.signals().events();
    loop {
        let Ok(rows) = staff.desk.store().events(after, MAX_ROWS).await else { return };
        after = rows.last().map_or(after, |row| row.seq);
        let more = rows.len() == MAX_ROWS as usize;
        for row in rows {
            match row.event.kind.as_str() {
                "consultation.delivered" | "handover.completed" => arrivals.happened(row.event.resource),
                "handover.received" => {
                    let staff = Arc::clone(&staff);
                    tokio::spawn(async move { staff.accept(&row.event.resource).await });
                }
                _ => {}
            }
        }
        if !more && events.changed().await.is_err() {
            return;
        }
    }
}

impl Staff {
    async fn handle(&self, act: CareAct) -> Result<Answer, anyhow::Error> {
        let request = Uuid::now_v7();
        // Each request is made once, so that its id says everything about its content.
        let body = Hash::sha256(request.as_bytes());
        let write = Write { request: RequestId::new(request), body, actor: self.actor.clone(), within: None, act };
        let reply = self.desk.handle(&self.caller, Command::Care(write)).await;
        Ok(reply.map_err(|refusal| anyhow::anyhow!("{refusal}"))?.answer)
    }

    async fn open_case(&self) -> Result<CaseId, anyhow::Error> {
        let identity = Identity { family_name: Some("Voorbeeld".into()), municipality: Some("0202".to_owned()), ..Identity::default() };
        let dossier = Dossier {
            identity,
            age: Some(15),
            situation: question().into(),
            key_points: vec!["niet alleen laten".into()],
            ..Dossier::default()
        };
        match self.handle(CareAct::OpenCase { dossier: Box::new(dossier) }).await? {
            Answer::Case(view) => Ok(view.id),
            other => anyhow::bail!("opening a case was answered with {other:?}"),
        }
    }

    async fn offer(&self, case: CaseId, to: &OrgId) -> Result<String, anyhow::Error> {
        let offer = Offer {
            case: Seen { id: case, version: 1 },
            to: Some(to.clone()),
            service: SERVICE.to_owned(),
            urgency: URGENCY.to_owned(),
            needed: Default::default(),
            consultation: None,
        };
        match self.handle(CareAct::Offer(offer)).await? {
            Answer::Handover(view) => Ok(format!("cases/{case}/handovers/{}", view.id)),
            other => anyhow::bail!("an offer was answered with {other:?}"),
        }
    }

    /// The other side then waits in vain when this fails, and says so.
    async fn accept(&self, resource: &str) {
        let Some(Ok(id)) = resource.rsplit('/').next().map(str::parse::<OfferId>) else { return };
        let accept = CareAct::AcceptHandover {
            handover: Seen { id, version: 1 },
            read_back: vec!["wij laten de jeugdige niet alleen".to_owned()],
            first_action: "bellen".to_owned(),
            first_action_at: None,
        };
        if let Err(error) = self.handle(accept).await {
            eprintln!("an offer could not be accepted: {error}");
        }
    }

    async fn ask(&self, peer: &OrgId) -> Result<ConsultationId, anyhow::Error> {
        let ask = Ask {
            about: About::Nobody { age: Some(15), municipality: None, severity: None, scanned: true },
            service: SERVICE.to_owned(),
            urgency: URGENCY.to_owned(),
            question: question(),
            candidates: vec![peer.clone()],
            fan_out: None,
            needed: Default::default(),
            continues: None,
        };
        match self.handle(CareAct::Ask(ask)).await? {
            Answer::Consultation(view) => Ok(view.id),
            other => anyhow::bail!("a question was answered with {other:?}"),
        }
    }
}

/// See [`super::Part::Exchange`].
pub(super) struct Exchange {
    client: ConsultationServiceClient<Channel>,
    person: Person,
    peer: OrgId,
    arrivals: Arc<Arrivals>,
}

impl Work for Exchange {
    fn piece(&self, _: String) -> BoxFuture<'_, Result<(), anyhow::Error>> {
        use care::create_consultation_request::About;
        let mut client = self.client.clone();
        let request = care::CreateConsultationRequest {
            about: Some(About::Anonymous(care::AnonymousAbout { age: Some(15), scan_seen: true, ..Default::default() })),
            service: SERVICE.to_owned(),
            urgency: URGENCY.to_owned(),
            question: question(),
            candidates: vec![self.peer.to_string()],
            request_id: Uuid::now_v7().to_string(),
            actor: Some(self.person.wire()),
            ..Default::default()
        };
        Box::pin(async move {
            let answer = client.create_consultation(by(&self.person, request)).await?.into_inner();
            let made = answer.consultation.ok_or_else(|| anyhow::anyhow!("no consultation in the answer"))?;
            self.arrivals.wait(&made.name).await
        })
    }
}

/// See [`super::Part::Link`]. What is put in the store is a copy of what the desk itself put there for one question, under new ids.
pub(super) struct Link {
    desk: Arc<Desk>,
    courier: Arc<crate::courier::Courier>,
    vault: Vault,
    source: SystemSource,
    arrivals: Arc<Arrivals>,
    message: Message,
    row: Outgoing,
    record: Record,
    entry: NewEntry,
}

impl Link {
    async fn prepare(gateway: &Gateway) -> Result<Self, anyhow::Error> {
        let (store, random) = (Arc::clone(gateway.desk().store()), SystemRandom::new());
        let config = Config::read(&gateway.setup.config)?;
        let wrap = FileKey::read(&config.keys.vault, random.clone())?;
        let before = store.log_size().await?;
        let id = gateway.staff.ask(&gateway.setup.peer).await?.to_string();
        gateway.arrivals.wait(&format!("consultations/{id}")).await?;
        let missing = |what: &str| anyhow::anyhow!("the question that was asked has no {what}");
        let row = store.sent_in(&id).await?.pop().ok_or_else(|| missing("message"))?.message;
        let mut record = store.record(Kind::Consultation, &id).await?.ok_or_else(|| missing("record"))?;
        record.clear = undelivered(&record.clear)?;
        let entry = store.entries(before, 1).await?.pop().ok_or_else(|| missing("entry"))?.entry;
        let bytes = gateway.desk().unseal(&row.sealed).await.map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
        let message = decode(&bytes).map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
        Ok(Self {
            desk: Arc::clone(gateway.desk()),
            courier: Arc::clone(&gateway.running.courier),
            vault: Vault::new(Box::new(wrap), store, random),
            source: SystemSource::default(),
            arrivals: Arc::clone(&gateway.arrivals),
            message,
            row,
            record,
            entry,
        })
    }

    /// One commit: a record, a message, a log entry.
    async fn commit(&self) -> Result<(String, Commit), anyhow::Error> {
        let now = self.source.now();
        let consultation = ConsultationId::new(self.source.uuid(now));
        let (id, old) = (consultation.to_string(), &self.record.id);
        let mut message = self.message.clone();
        (message.id, message.thread) = (MessageId::new(self.source.uuid(now)), id.clone());
        if let Body::Ask(ask) = &mut message.body {
            ask.consultation = consultation;
        }
        let bytes = encode(&message);
        let sealed = self.vault.seal(Vault::key_of(&self.row.sealed)?, desk::PURPOSE, &bytes).await?;
        let row = Outgoing {
            message: message.id,
            thread: id.clone(),
            hash: Hash::sha256(&bytes),
            sealed,
            subject: (Kind::Consultation, id.clone()),
            ..self.row.clone()
        };
        let record = Record { id: id.clone(), version: 1, clear: self.record.clear.replace(old.as_str(), &id), ..self.record.clone() };
        let expect = Expect { kind: record.kind, id: id.clone(), version: 0 };
        let entries = vec![self.entry.clone()];
        Ok((id, Commit { at: now, expect: vec![expect], put: vec![record], send: vec![row], entries, ..Commit::default() }))
    }
}

/// The record of a question as it is before anybody has received it: being delivered is then a fact that is new.
fn undelivered(clear: &str) -> Result<String, anyhow::Error> {
    let mut clear: serde_json::Value = serde_json::from_str(clear)?;
    let candidates = clear["candidates"].as_object_mut().ok_or_else(|| anyhow::anyhow!("the question has no candidates"))?;
    for candidate in candidates.values_mut() {
        candidate["facts"]["delivered"] = serde_json::Value::Null;
    }
    Ok(clear.to_string())
}

impl Work for Link {
    fn piece(&self, _: String) -> BoxFuture<'_, Result<(), anyhow::Error>> {
        Box::pin(async move {
            let (id, commit) = self.commit().await?;
            self.desk.store().commit(commit).await?;
            self.courier.wake(std::slice::from_ref(&self.row.peer));
            self.arrivals.wait(&format!("consultations/{id}")).await
        })
    }
}

/// See [`super::Part::Handover`].
pub(super) struct Handover {
    staff: Arc<Staff>,
    peer: OrgId,
    arrivals: Arc<Arrivals>,
}

impl Work for Handover {
    /// A new case each time: a case is handed over once.
    fn prepare(&self) -> BoxFuture<'_, Result<String, anyhow::Error>> {
        Box::pin(async move { Ok(self.staff.open_case().await?.to_string()) })
    }

    fn piece(&self, case: String) -> BoxFuture<'_, Result<(), anyhow::Error>> {
        Box::pin(async move {
            let resource = self.staff.offer(case.parse()?, &self.peer).await?;
            self.arrivals.wait(&resource).await
        })
    }
}
