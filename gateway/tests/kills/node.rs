//! One gateway in a process of its own.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use schakel::config::keys::read_log_signer;
use schakel::demo::gateways::Place;
use schakel::demo::scenario::Scenario;
use schakel::demo::world::{Home, World};
use schakel::store::postgres::PostgresOptions;
use schakel::store::{MAX_ROWS, Store, postgres, sqlite};
use schakel_domain::audit::note::Vkey;
use schakel_domain::covenant::Document;
use sqlx::{Connection, Executor};

/// A gateway that can be killed and started again.
pub(crate) struct Node {
    pub(crate) home: Home,
    pub(crate) ca: PathBuf,
    /// Set for the process at its next start.
    pub(crate) environment: Vec<(&'static str, String)>,
    store: Stored,
    child: Option<Child>,
}

/// Where the gateways keep what they know.
pub(crate) enum Database {
    /// One file each, in its own folder.
    Sqlite,
    /// One database each, at this server.
    Postgres(String),
}

enum Stored {
    File(PathBuf),
    Url(String),
}

impl Database {
    /// Makes the store of one gateway, and says in its configuration where it is.
    async fn configure(&self, home: &Home) -> Stored {
        let Database::Postgres(server) = self else { return Stored::File(home.store()) };
        let database = format!("schakel_kills_{}_{}", std::process::id(), home.id.replace(':', "_"));
        let mut admin = sqlx::PgConnection::connect(server).await.unwrap();
        admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {database} TEMPLATE template0"))).await.unwrap();
        let url = format!("{}/{database}", server.rsplit_once('/').unwrap().0);
        let file = home.dir.join("store.url");
        std::fs::write(&file, &url).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut config: toml::Table = std::fs::read_to_string(&home.config).unwrap().parse().unwrap();
        let store = [("kind", "postgres".to_owned()), ("url_file", file.display().to_string())];
        config.insert(
            "store".to_owned(),
            store.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect::<toml::Table>().into(),
        );
        std::fs::write(&home.config, toml::to_string(&config).unwrap()).unwrap();
        Stored::Url(url)
    }
}

/// The Gelderland world with two of its gateways running: youth protection, and the first provider of Ambulante Spoedhulp.
pub(crate) async fn region(dir: &Path, database: &Database) -> (Node, Node) {
    region_since(dir, database, jiff::Timestamp::now(), |_| {}).await
}

/// The same with documents and certificates made at this moment, and under a changed covenant.
pub(crate) async fn region_since(
    dir: &Path,
    database: &Database,
    made: jiff::Timestamp,
    change: impl FnOnce(&mut Document),
) -> (Node, Node) {
    let mut scenario = Scenario::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/scenarios/gelderland.toml")).unwrap();
    change(&mut scenario.covenant);
    let mut ports = Vec::new();
    for _ in &scenario.organizations {
        // The line of a place is not used: both gateways are reached directly.
        let mut place = Place::find().await.unwrap();
        place.ports.line = place.ports.federation;
        ports.push(place.ports);
    }
    let world = World::make(dir, &scenario, &ports, made).unwrap();
    let mut nodes = Vec::new();
    for id in ["kvk:90000101", "kvk:90000105"] {
        let home = world.homes.iter().find(|home| home.id == id).unwrap().clone();
        let store = database.configure(&home).await;
        let mut node = Node { home, ca: world.ca.clone(), environment: Vec::new(), store, child: None };
        node.start();
        nodes.push(node);
    }
    let second = nodes.pop().unwrap();
    (nodes.pop().unwrap(), second)
}

impl Node {
    /// Starts it and waits until every door is open.
    pub(crate) fn start(&mut self) {
        let words = self.words();
        assert!(self.start_as(&words), "the gateway of {} did not open", self.home.id);
    }

    /// The command that serves it.
    pub(crate) fn words(&self) -> Vec<String> {
        let config = self.home.config.display().to_string();
        [env!("CARGO_BIN_EXE_schakel"), "serve", "--config", &config].map(str::to_owned).to_vec()
    }

    /// Starts it by a command of which the first may be a part; whether every door opened before it ended.
    pub(crate) fn start_as(&mut self, words: &[String]) -> bool {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null());
        command.envs(self.environment.iter().cloned());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let opened = lines.any(|line| line.unwrap().contains("open:"));
        self.child = Some(child);
        opened
    }

    /// SIGKILL: no goodbye, nothing flushed. Nothing when it is gone already.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends its process a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let told = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(told.success());
    }

    /// SIGTERM, and it ends by itself within a limit that only catches a hang.
    pub(crate) fn stop(&mut self, limit: Duration) {
        self.signal("TERM");
        let since = Instant::now();
        while self.ended().is_none() {
            assert!(since.elapsed() < limit, "the gateway of {} does not stop", self.home.id);
            std::thread::yield_now();
        }
    }

    /// How it ended, once.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().unwrap()?;
        self.child = None;
        Some(status)
    }

    /// What it stored, after it stopped.
    pub(crate) async fn open_store(&self) -> Arc<dyn Store> {
        match &self.store {
            Stored::File(path) => sqlite::open_read_only(path).await.unwrap(),
            Stored::Url(url) => postgres::open(url, PostgresOptions::default()).await.unwrap(),
        }
    }

    /// Every event it stored until now, also while it runs: kind and resource.
    pub(crate) async fn events(&self) -> Vec<(String, String)> {
        let Stored::File(path) = &self.store else { panic!("only SQLite is read while a gateway runs") };
        let store = sqlite::open_read_only(path).await.unwrap();
        let (mut events, mut after) = (Vec::new(), 0);
        loop {
            let page = store.events(after, MAX_ROWS).await.unwrap();
            let Some(last) = page.last() else { break };
            after = last.seq;
            events.extend(page.into_iter().map(|row| (row.event.kind, row.event.resource)));
        }
        store.close().await;
        events
    }

    /// The newest signed checkpoint of its log, and the log's public key.
    pub(crate) fn checkpoint(&self) -> (Vec<u8>, Vkey) {
        let signed = std::fs::read(self.home.data.join("checkpoint")).unwrap();
        let signer = read_log_signer(&self.home.dir.join("keys/log.key"), &self.home.id.parse().unwrap()).unwrap();
        (signed, signer.vkey().clone())
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
