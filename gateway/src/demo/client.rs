//! CLIENT: one organisation's own system as its gateway sees it: the local doors over TLS with a token, and files in a folder.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost_types::Timestamp as WireTime;
use schakel_domain::person::Actor;
use schakel_proto::audit::v1 as audit;
use schakel_proto::care::v1 as care;
use tokio::sync::watch;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_health::pb::health_client::HealthClient;

use super::world::Home;
use crate::bounded::{self, MAX_CERTIFICATE_BYTES};
use crate::tls::{self, ClientTls, Expectation, Expected, Files, Material, PeerAddress};
use crate::wire::words::actor_to_wire;

/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(20);
/// Longest wait for a file to be picked up and answered.
const FILE_ANSWER: Duration = Duration::from_secs(30);
/// Pause between two looks for an answer file.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Largest answer taken.
const MAX_ANSWER: usize = 8 << 20;

/// Somebody who acts, with the token they log in with.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who.
    pub actor: Actor,
    /// Their token.
    pub token: String,
}

impl Person {
    /// The person as the care door wants it.
    #[must_use]
    pub fn wire(&self) -> schakel_proto::r#type::v1::Actor {
        actor_to_wire(&self.actor)
    }
}

/// The doors of one gateway.
#[derive(Debug, Clone)]
pub struct Client {
    care: Channel,
    audit: Channel,
    drop: PathBuf,
}

impl Client {
    /// Channels to the doors of one organisation; they connect at the first call.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub fn new(home: &Home, ca: &std::path::Path) -> Result<Self, anyhow::Error> {
        let (certificate, key) = (home.client_certificate.clone(), home.client_key.clone());
        let files = Files { certificate, key, trust: ca.to_owned(), revocation: Default::default() };
        let client = ClientTls::new(Material::from_files(&files)?, tls::system_clock())?;
        let identity = schakel_certs::profile::identity(&bounded::read(&home.gateway_certificate, MAX_CERTIFICATE_BYTES)?)?;
        let expected = Expected { org: home.id.parse()?, spki: vec![identity.spki] };
        let expectation: Expectation = Arc::new(move || Some(expected.clone()));
        let open = |door: std::net::SocketAddr| -> Result<Channel, anyhow::Error> {
            let address: PeerAddress = door.to_string().parse()?;
            Ok(tls::channel(&address, Arc::clone(&client), Arc::clone(&expectation))?.0)
        };
        Ok(Self { care: open(home.ports.care)?, audit: open(home.ports.audit)?, drop: home.drop.clone() })
    }

    /// Cases.
    #[must_use]
    pub fn cases(&self) -> care::case_service_client::CaseServiceClient<Channel> {
        care::case_service_client::CaseServiceClient::new(self.care.clone())
    }

    /// Health of the care door.
    #[must_use]
    pub fn care_health(&self) -> HealthClient<Channel> {
        HealthClient::new(self.care.clone())
    }

    /// Consultations.
    #[must_use]
    pub fn consultations(&self) -> care::consultation_service_client::ConsultationServiceClient<Channel> {
        care::consultation_service_client::ConsultationServiceClient::new(self.care.clone())
    }

    /// Handovers.
    #[must_use]
    pub fn handovers(&self) -> care::handover_service_client::HandoverServiceClient<Channel> {
        care::handover_service_client::HandoverServiceClient::new(self.care.clone())
    }

    /// Tells `changed` of every event of this organisation, until the stream ends for good.
    pub async fn watch(&self, person: &Person, changed: watch::Sender<u64>) {
        let mut events = care::event_service_client::EventServiceClient::new(self.care.clone());
        let watch = care::WatchEventsRequest { actor: Some(person.wire()), ..Default::default() };
        let mut request = Request::new(watch);
        bear(&mut request, &person.token);
        let Ok(answer) = events.watch_events(request).await else { return };
        let mut stream = answer.into_inner();
        while let Ok(Some(_)) = stream.message().await {
            changed.send_modify(|count| *count += 1);
        }
    }

    /// The log as files, as an auditor takes it away.
    ///
    /// # Errors
    /// What the door says, or that a piece is out of place.
    pub async fn export_log(&self, token: &str) -> Result<Vec<(String, Vec<u8>)>, Status> {
        let mut service = audit::audit_service_client::AuditServiceClient::new(self.audit.clone()).max_decoding_message_size(MAX_ANSWER);
        let mut request = Request::new(audit::ExportLogRequest {});
        bear(&mut request, token);
        let mut stream = service.export_log(request).await?.into_inner();
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        while let Some(piece) = stream.message().await? {
            match files.last_mut().filter(|(path, _)| *path == piece.path) {
                Some((_, bytes)) if bytes.len() as i64 == piece.offset => bytes.extend(piece.data),
                None if piece.offset == 0 => files.push((piece.path, piece.data)),
                _ => return Err(Status::data_loss("a piece of the export is out of place")),
            }
        }
        Ok(files)
    }

    /// Puts a command in the folder as a record system does, and waits for what the gateway says to it.
    ///
    /// # Errors
    /// When the folder cannot be written, or there is no answer.
    pub async fn drop_file(&self, name: &str, command: &serde_json::Value) -> Result<serde_json::Value, anyhow::Error> {
        let (half, whole) = (self.drop.join(format!("in/.{name}.json")), self.drop.join(format!("in/{name}.json")));
        tokio::fs::write(&half, serde_json::to_vec_pretty(command)?).await?;
        tokio::fs::rename(&half, &whole).await?;
        let since = Instant::now();
        let answers = [self.drop.join(format!("out/answers/{name}.answer.json")), self.drop.join(format!("refused/{name}.reason.json"))];
        loop {
            for path in &answers {
                if let Ok(bytes) = bounded::read(path, MAX_ANSWER) {
                    return Ok(serde_json::from_slice(&bytes)?);
                }
            }
            anyhow::ensure!(since.elapsed() < FILE_ANSWER, "no answer to {name}.json within {} s", FILE_ANSWER.as_secs());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// A request in somebody's name, with a deadline.
pub fn by<T>(person: &Person, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(ANSWER);
    bear(&mut request, &person.token);
    request
}

fn bear<T>(request: &mut Request<T>, token: &str) {
    if let Ok(value) = format!("Bearer {token}").parse() {
        request.metadata_mut().insert("authorization", value);
    }
}

/// A moment so many minutes from now.
#[must_use]
pub fn in_minutes(minutes: u16) -> WireTime {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(i64::from(minutes));
    WireTime { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}
