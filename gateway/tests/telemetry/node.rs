//! Two gateways in processes of their own that tell a collector, at the lowest level there is, what they do.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use schakel::demo::client::{Client, Person, by};
use schakel::demo::gateways::Place;
use schakel::demo::scenario::Scenario;
use schakel::demo::world::{Home, World};
use schakel_proto::care::v1 as care;
use tempfile::TempDir;

/// Long enough for a busy machine; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(90);
/// Within this time a gateway has stopped, whatever its collector does: less than a service manager waits.
const STOP: Duration = Duration::from_secs(30);

/// Youth protection and a mental health service.
pub(crate) struct Pair {
    pub(crate) first: Node,
    pub(crate) second: Node,
    _folder: TempDir,
}

/// One gateway.
pub(crate) struct Node {
    pub(crate) home: Home,
    pub(crate) client: Client,
    pub(crate) person: Person,
    /// What it wrote to standard error, over all its lives.
    pub(crate) log: PathBuf,
    child: Option<Child>,
}

impl Pair {
    /// Made, and not started. Without an endpoint, without telemetry.
    pub(crate) async fn make(endpoint: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut scenario = Scenario::gelderland().unwrap();
        scenario.organizations.retain(|organization| ["sez", "propersona"].contains(&organization.key.to_string().as_str()));
        scenario.steps.clear();
        let mut ports = Vec::new();
        for _ in &scenario.organizations {
            let mut place = Place::find().await.unwrap();
            place.ports.line = place.ports.federation;
            ports.push(place.ports);
        }
        let world = World::make(&folder.path().canonicalize().unwrap(), &scenario, &ports, jiff::Timestamp::now()).unwrap();
        let node = |key: &str| {
            let home = world.homes.iter().find(|home| home.key.to_string() == key).unwrap().clone();
            let (name, actor) = scenario.organization(&home.key).unwrap().people.first_key_value().unwrap();
            let person = Person { actor: actor.clone(), token: home.people[name].clone() };
            let client = Client::new(&home, &world.ca).unwrap();
            let log = folder.path().join(format!("{key}.log"));
            endpoint.inspect(|endpoint| tell(&home.config, endpoint));
            Node { home, client, person, log, child: None }
        };
        Self { first: node("sez"), second: node("propersona"), _folder: folder }
    }
}

/// Adds the section on telemetry to a configuration.
fn tell(config: &Path, endpoint: &str) {
    let mut text = std::fs::read_to_string(config).unwrap();
    text.push_str(&format!(
        "\n[telemetry]\nendpoint = \"{endpoint}\"\n\n[telemetry.resource]\n\"deployment.environment.name\" = \"test\"\n"
    ));
    std::fs::write(config, text).unwrap();
}

impl Node {
    /// Starts it and waits until every door is open.
    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    /// The same with more in its environment.
    pub(crate) fn start_with(&mut self, environment: &[(&str, &str)]) {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_schakel"));
        command.args(["serve", "--config"]).arg(&self.home.config).envs(environment.iter().copied());
        command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("open:"), "{}: {}", self.home.id, std::fs::read_to_string(&self.log).unwrap());
        self.child = Some(child);
    }

    /// SIGTERM, and it ends by itself within a limit that only catches a hang.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        let since = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(since.elapsed() < STOP, "the gateway of {} does not stop", self.home.id);
            std::thread::yield_now();
        }
    }

    /// Looks again and again until something can be seen.
    pub(crate) async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let seen = async {
            let mut again = tokio::time::interval(Duration::from_millis(50));
            loop {
                again.tick().await;
                if let Some(seen) = look().await {
                    return seen;
                }
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("{}: never seen: {what}", self.home.name))
    }

    pub(crate) async fn open(&self, dossier: schakel_proto::r#type::v1::Dossier) -> Result<care::Case, tonic::Status> {
        let create = care::CreateCaseRequest { dossier: Some(dossier), request_id: request_id(), actor: Some(self.person.wire()) };
        Ok(self.client.cases().create_case(by(&self.person, create)).await?.into_inner().case.unwrap())
    }

    /// A case as it is here; none when it is not known here.
    pub(crate) async fn case(&self, name: &str) -> Option<care::Case> {
        let get = care::GetCaseRequest { name: name.to_owned(), view: care::View::Full.into(), actor: Some(self.person.wire()) };
        self.client.cases().get_case(by(&self.person, get)).await.ok().and_then(|answer| answer.into_inner().case)
    }

    /// A request that offers a case to the other one.
    pub(crate) fn offer(&self, case: &care::Case, to: &Node) -> tonic::Request<care::CreateHandoverRequest> {
        let create = care::CreateHandoverRequest {
            parent: case.name.clone(),
            etag: case.etag.clone(),
            request_id: request_id(),
            actor: Some(self.person.wire()),
            receiver: to.home.id.clone(),
            service: "ggz-crisis".to_owned(),
            urgency: "spoed".to_owned(),
            ..Default::default()
        };
        by(&self.person, create)
    }

    /// A handover with its content; none when it has not arrived.
    pub(crate) async fn handover(&self, name: &str) -> Option<care::Handover> {
        let get = care::GetHandoverRequest { name: name.to_owned(), view: care::View::Full.into(), actor: Some(self.person.wire()) };
        self.client.handovers().get_handover(by(&self.person, get)).await.ok().and_then(|answer| answer.into_inner().handover)
    }

    /// A consultation with its text; none when it has not arrived.
    pub(crate) async fn consultation(&self, name: &str) -> Option<care::Consultation> {
        let get = care::GetConsultationRequest { name: name.to_owned(), view: care::View::Full.into(), actor: Some(self.person.wire()) };
        self.client.consultations().get_consultation(by(&self.person, get)).await.ok().and_then(|answer| answer.into_inner().consultation)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The caller's own key of one request.
pub(crate) fn request_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
