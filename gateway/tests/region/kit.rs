//! A region: organisations of the Gelderland covenant, each with a running gateway of its own, a line that can be cut, and somebody on duty.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use schakel::assembly::{self, Listeners, Running, StartError};
use schakel::config::Config;
use schakel::courier::PeerStatus;
use schakel::demo::client::{Client, Person, by};
use schakel::demo::line::Line;
use schakel::demo::scenario::Scenario;
use schakel::demo::world::{Home, Ports, World};
use schakel::desk::Source;
use schakel::source::SystemSource;
use schakel_domain::covenant::Document;
use schakel_domain::person::PersonId;
use schakel_proto::care::v1 as care;
use schakel_proto::r#type::v1 as words;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use uuid::Uuid;

/// Long enough for a busy machine; a test that needs it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Within this time a gateway has stopped: less than a service manager waits.
const STOP: Duration = Duration::from_secs(20);

/// Certificates, records and tokens are so old: a clock that is a little behind accepts them.
const AGE: SignedDuration = SignedDuration::from_hours(1);

/// Running gateways that share a covenant and nothing else.
pub(crate) struct Region {
    gateways: Vec<Gateway>,
    _folder: TempDir,
}

/// One organisation: its gateway, the line to it, and somebody on duty there.
pub(crate) struct Gateway {
    pub(crate) home: Home,
    pub(crate) line: Line,
    pub(crate) client: Client,
    /// Crisis staff who may also do what takes two people.
    pub(crate) person: Person,
    pub(crate) running: Running,
    /// The certificates of the CAs that every gateway here trusts.
    pub(crate) ca: PathBuf,
    /// Its clock.
    pub(crate) clock: Arc<Shifted>,
    socket: PathBuf,
}

/// The machine's clock and chance, and how far this clock is off.
#[derive(Debug, Default)]
pub(crate) struct Shifted {
    machine: SystemSource,
    ahead_ms: AtomicI64,
}

impl Shifted {
    /// So much time passes at once.
    pub(crate) fn pass(&self, time: SignedDuration) {
        self.ahead_ms.fetch_add(time.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }
}

impl Source for Shifted {
    fn now(&self) -> Timestamp {
        self.machine.now() + SignedDuration::from_millis(self.ahead_ms.load(Ordering::SeqCst))
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        self.machine.uuid(now)
    }

    fn salt(&self) -> [u8; 32] {
        self.machine.salt()
    }
}

/// What a run of the program left behind.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// The result as `--json` gives it.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("not JSON: {}{}", self.out, self.err))
    }
}

impl Region {
    /// Starts the gateways of these organisations, by their names in the Gelderland story. The other parties signed, and are never there.
    pub(crate) async fn of(keys: &[&str]) -> Self {
        Self::of_both(keys, |_| {}, |_| {}).await
    }

    /// The same, with something changed in their files before they start.
    pub(crate) async fn of_world(keys: &[&str], change: impl FnOnce(&World)) -> Self {
        Self::of_both(keys, |_| {}, change).await
    }

    /// The same under a changed covenant.
    pub(crate) async fn under(keys: &[&str], agree: impl FnOnce(&mut Document)) -> Self {
        Self::of_both(keys, agree, |_| {}).await
    }

    async fn of_both(keys: &[&str], agree: impl FnOnce(&mut Document), change: impl FnOnce(&World)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut scenario = Scenario::gelderland().unwrap();
        scenario.organizations.retain(|organization| keys.contains(&organization.key.to_string().as_str()));
        assert_eq!(scenario.organizations.len(), keys.len(), "each is an organisation of the story");
        scenario.steps.clear();
        // The covenant itself, without what the story changes in its copy.
        let covenant = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/covenants/gelderland.toml");
        scenario.covenant = Document::from_toml(&std::fs::read_to_string(covenant).unwrap()).unwrap();
        agree(&mut scenario.covenant);

        let (mut ports, mut sockets, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        for _ in keys {
            let (place, bound, line) = place().await;
            ports.push(place);
            sockets.push(bound);
            lines.push(line);
        }
        let world = World::make(&folder.path().canonicalize().unwrap(), &scenario, &ports, Timestamp::now() - AGE).unwrap();
        change(&world);
        let mut gateways = Vec::new();
        for ((home, listeners), line) in world.homes.iter().zip(sockets).zip(lines) {
            let people = &scenario.organization(&home.key).unwrap().people;
            let (name, actor) = people.first_key_value().unwrap();
            let person = Person { actor: actor.clone(), token: home.people[name].clone() };
            gateways.push(Gateway::start(home.clone(), &world.ca, listeners, line, person).await);
        }
        Self { gateways, _folder: folder }
    }

    /// The gateway of one of them.
    pub(crate) fn gateway(&self, key: &str) -> &Gateway {
        self.gateways.iter().find(|gateway| gateway.home.key.to_string() == key).unwrap()
    }

    /// Takes one of them out, to be stopped.
    pub(crate) fn take(&mut self, key: &str) -> Gateway {
        let at = self.gateways.iter().position(|gateway| gateway.home.key.to_string() == key).unwrap();
        self.gateways.swap_remove(at)
    }

    /// Stops one of them while the others go on, in time.
    pub(crate) async fn stop_only(mut self, key: &str) {
        let stop = self.take(key).running.stop();
        tokio::time::timeout(STOP, stop).await.expect("a gateway stops in time");
    }

    /// Stops them all in good order and in time, whoever is still connected.
    pub(crate) async fn stop(self) {
        let stops = self.gateways.into_iter().map(|gateway| gateway.running.stop());
        tokio::time::timeout(STOP, futures_util::future::join_all(stops)).await.expect("a gateway stops in time");
    }
}

async fn place() -> (Ports, Listeners, Line) {
    let bind = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (federation, care, audit) = (bind(), bind(), bind());
    let line = Line::open(federation.local_addr().unwrap()).await.unwrap();
    let address = |listener: &TcpListener| listener.local_addr().unwrap();
    let ports = Ports {
        federation: address(&federation),
        line: line.address(),
        care: address(&care),
        audit: address(&audit),
        // Never opened: operators come by the socket.
        admin: "127.0.0.1:1".parse().unwrap(),
    };
    (ports, Listeners { federation: Some(federation), care: Some(care), audit: Some(audit), admin: None }, line)
}

impl Gateway {
    async fn start(home: Home, ca: &Path, listeners: Listeners, line: Line, person: Person) -> Self {
        let (config, socket) = config(&home);
        let clock = Arc::new(Shifted::default());
        let running = assembly::start(config, listeners, Arc::clone(&clock) as Arc<dyn Source>).await.unwrap();
        let client = Client::new(&home, ca).unwrap();
        Self { home, line, client, person, running, clock, ca: ca.to_owned(), socket }
    }

    /// Its own systems and staff meet its doors with the certificate they show now.
    pub(crate) fn reconnect(&mut self) {
        self.client = Client::new(&self.home, &self.ca).unwrap();
    }

    /// Stops it, changes something in its data, and starts it again.
    pub(crate) async fn again(self, change: impl FnOnce(&Path)) -> Self {
        let clock = Arc::clone(&self.clock) as Arc<dyn Source>;
        let start = |home: &Home| -> BoxFuture<'static, Result<Running, StartError>> {
            Box::pin(assembly::start(config(home).0, Listeners::default(), clock))
        };
        self.again_with(change, start).await
    }

    /// The same, started in a way of one's own.
    pub(crate) async fn again_with(
        self,
        change: impl FnOnce(&Path),
        start: impl FnOnce(&Home) -> BoxFuture<'static, Result<Running, StartError>>,
    ) -> Self {
        tokio::time::timeout(STOP, self.running.stop()).await.expect("a gateway stops in time");
        // A process of its own would take its connections with it.
        self.line.cut();
        change(&self.home.data);
        self.line.restore();
        let running = start(&self.home).await.unwrap();
        Self { running, ..self }
    }

    /// Waits until the link to another stands like this. Nobody tells of it, so this looks again and again.
    pub(crate) async fn link_until(&self, to: &Gateway, enough: impl Fn(&PeerStatus) -> bool) {
        let peer = to.home.id.parse().unwrap();
        let look = async {
            let mut again = tokio::time::interval(Duration::from_millis(10));
            while !enough(&self.running.courier.status(&peer).await.unwrap()) {
                again.tick().await;
            }
        };
        if tokio::time::timeout(PATIENCE, look).await.is_err() {
            panic!("{}: the link stands so: {:?}", self.home.name, self.running.courier.status(&peer).await);
        }
    }

    /// Waits, woken by what this gateway itself tells of, until something can be seen.
    pub(crate) async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let mut events = self.running.desk.signals().events();
        let seen = async {
            loop {
                events.mark_unchanged();
                if let Some(seen) = look().await {
                    return seen;
                }
                events.changed().await.unwrap();
            }
        };
        let seen = tokio::time::timeout(PATIENCE, seen).await;
        seen.unwrap_or_else(|_| panic!("{}: never seen: {what}", self.home.name))
    }

    /// Waits until so many attempts in a row to reach another have failed. Nobody tells of an attempt, so this looks again and again.
    pub(crate) async fn attempts_until(&self, to: &Gateway, enough: impl Fn(u32) -> bool) {
        let peer = to.home.id.parse().unwrap();
        let look = async {
            let mut again = tokio::time::interval(Duration::from_millis(10));
            while !enough(self.running.courier.status(&peer).await.unwrap().attempts) {
                again.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("that many attempts in time");
    }

    /// Waits until everything in the log up to now is signed.
    pub(crate) async fn signed(&self) {
        let size = self.running.desk.store().log_size().await.unwrap();
        let mut checkpoints = self.running.ledger.checkpoints();
        let covers = checkpoints.wait_for(|signed| signed.as_ref().is_some_and(|signed| signed.checkpoint.size >= size));
        tokio::time::timeout(PATIENCE, covers).await.expect("a checkpoint in time").unwrap();
    }

    /// A case as it is here; none when it is not known here.
    pub(crate) async fn case(&self, name: &str) -> Option<care::Case> {
        let get = care::GetCaseRequest { name: name.to_owned(), view: care::View::Basic.into(), actor: None };
        let answer = self.client.cases().get_case(by(&self.person, get)).await;
        answer.ok().and_then(|answer| answer.into_inner().case)
    }

    /// Waits until a case stands like this here.
    pub(crate) async fn case_until(&self, name: &str, standing: care::case::Standing) -> care::Case {
        self.until(standing.as_str_name(), async || self.case(name).await.filter(|case| case.standing() == standing)).await
    }

    /// Opens a case of an invented young person in Arnhem.
    pub(crate) async fn open_case(&self) -> care::Case {
        self.try_open_case().await.unwrap()
    }

    /// One try to.
    pub(crate) async fn try_open_case(&self) -> Result<care::Case, tonic::Status> {
        let identity = words::Identity {
            given_names: Some("Noor".to_owned()),
            family_name: Some("Testpersoon".to_owned()),
            birth_date: Some("2011-05-04".to_owned()),
            municipality: Some("0202".to_owned()),
            ..Default::default()
        };
        let dossier = words::Dossier {
            identity: Some(identity),
            situation: "Weggelopen na ruzie thuis.".to_owned(),
            key_points: vec!["niet alleen laten vannacht".to_owned()],
            ..Default::default()
        };
        let create = care::CreateCaseRequest { dossier: Some(dossier), request_id: request_id(), actor: Some(self.person.wire()) };
        Ok(self.client.cases().create_case(by(&self.person, create)).await?.into_inner().case.unwrap())
    }

    /// Offers a case to another organisation of the GGZ.
    pub(crate) async fn offer(&self, case: &care::Case, to: &Gateway) -> Result<care::Handover, tonic::Status> {
        self.offer_for(case, to, "ggz-crisis").await
    }

    /// Offers a case to another organisation, for this service of its.
    pub(crate) async fn offer_for(&self, case: &care::Case, to: &Gateway, service: &str) -> Result<care::Handover, tonic::Status> {
        let create = care::CreateHandoverRequest {
            parent: case.name.clone(),
            etag: case.etag.clone(),
            request_id: request_id(),
            actor: Some(self.person.wire()),
            receiver: to.home.id.clone(),
            service: service.to_owned(),
            urgency: "spoed".to_owned(),
            ..Default::default()
        };
        let answer = self.client.handovers().create_handover(by(&self.person, create)).await?;
        Ok(answer.into_inner().handover.unwrap())
    }

    /// A handover with its content, as somebody reads it who must decide; none when it has not arrived.
    pub(crate) async fn read_handover(&self, name: &str) -> Option<care::Handover> {
        let get = care::GetHandoverRequest { name: name.to_owned(), view: care::View::Full.into(), actor: Some(self.person.wire()) };
        let answer = self.client.handovers().get_handover(by(&self.person, get)).await;
        answer.ok().and_then(|answer| answer.into_inner().handover)
    }

    /// Reads an offer, repeats its key point and accepts it.
    pub(crate) async fn accept(&self, handover: &str) {
        self.try_accept(handover).await.unwrap();
    }

    /// One try to.
    pub(crate) async fn try_accept(&self, handover: &str) -> Result<(), tonic::Status> {
        let offered = self.until("the offer", async || self.read_handover(handover).await).await;
        let accept = care::AcceptHandoverRequest {
            name: offered.name,
            // Reading it for the first time changed it.
            etag: self.read_handover(handover).await.unwrap().etag,
            request_id: request_id(),
            actor: Some(self.person.wire()),
            read_back: vec![words::ReadBack { point: 1, words: "er blijft iemand bij haar".to_owned() }],
            ..Default::default()
        };
        self.client.handovers().accept_handover(by(&self.person, accept)).await.map(drop)
    }

    /// The program at the care door, with this token.
    pub(crate) async fn at_care_door(&self, token: &Path, args: &[&str]) -> Run {
        self.at_care_door_trusting(&self.ca, token, args).await
    }

    /// The same with other CA certificates than the right ones.
    pub(crate) async fn at_care_door_trusting(&self, ca: &Path, token: &Path, args: &[&str]) -> Run {
        let server = self.home.ports.care.to_string();
        let door = ["--server", &server, "--ca", ca.to_str().unwrap(), "--token-file", token.to_str().unwrap()];
        schakel(&[args, &door].concat()).await
    }

    /// The program at the admin door.
    pub(crate) async fn at_admin_door(&self, args: &[&str]) -> Run {
        schakel(&[args, &["--socket", self.socket.to_str().unwrap()]].concat()).await
    }

    /// The program on this gateway's own files.
    pub(crate) async fn on_files(&self, args: &[&str]) -> Run {
        schakel(&[args, &["--config", self.home.config.to_str().unwrap()]].concat()).await
    }

    /// File with the token of a role.
    pub(crate) fn token(&self, role: &str) -> &Path {
        &self.home.tokens[role]
    }
}

/// The configuration of a gateway whose operators come by a socket, and where that is.
pub(crate) fn config(home: &Home) -> (Config, PathBuf) {
    let mut config = Config::read(&home.config).unwrap();
    let socket = home.data.join("admin.sock");
    let me = std::fs::metadata(&home.data).unwrap().uid();
    config.admin.socket = Some(socket.clone());
    (config.admin.listen, config.admin.certificate, config.admin.key, config.admin.trust) = (None, None, None, None);
    config.admin.operators = [(format!("uid:{me}"), PersonId::parse("local:beheer").unwrap())].into();
    (config, socket)
}

/// The caller's own key of one request.
pub(crate) fn request_id() -> String {
    Uuid::now_v7().to_string()
}

/// The program, to its end; it ends with the test at the latest.
pub(crate) async fn schakel(args: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_schakel")).args(args).kill_on_drop(true).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let run = Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) };
    assert!(!run.err.contains("panicked"), "{args:?}: {}", run.err);
    run
}
