//! FEDERATION: throw-away organisations of the Gelderland covenant for a measurement, and the processes that play them.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::measure::{Load, Sample};
use super::{MESSAGES_PER_SECOND, Order, Part, STREAMS, Said, Setup, Side};
use crate::bounded;
use crate::config::MAX_CONFIG_BYTES;
use crate::demo::scenario::Scenario;
use crate::demo::world::{Home, Ports, World};

/// The sender and the receiver, by their names in the Gelderland story: youth protection, and a mental health crisis service.
const PAIR: [&str; 2] = ["sez", "propersona"];

/// Two organisations on disk.
pub(super) struct Federation {
    pub(super) sender: Setup,
    pub(super) receiver: Setup,
    homes: [Home; 2],
}

impl Federation {
    /// Makes keys, certificates, covenant and configurations. `urls`: files with the URLs of PostgreSQL databases, instead of SQLite.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(super) fn make(folder: &Path, urls: Option<[PathBuf; 2]>) -> Result<Self, anyhow::Error> {
        let (world, scenario) = make_world(folder, &PAIR)?;
        let [a, b] = <[Home; 2]>::try_from(world.homes).map_err(|_| anyhow::anyhow!("the story has no pair {PAIR:?}"))?;
        for (at, home) in [&a, &b].into_iter().enumerate() {
            configure(&home.config, urls.as_ref().map(|urls| &urls[at]))?;
        }
        let bare = free_address()?;
        let setup = |side, own: &Home, peer: &Home| -> Result<Setup, anyhow::Error> {
            let people = scenario.organization(&own.key).map(|organization| &organization.people);
            let (name, actor) = people.and_then(|people| people.first_key_value()).ok_or_else(|| anyhow::anyhow!("nobody is on duty"))?;
            Ok(Setup {
                side,
                org: own.id.parse()?,
                peer: peer.id.parse()?,
                config: own.config.clone(),
                certificate: own.gateway_certificate.clone(),
                key: own.gateway_certificate.with_extension("key"),
                trust: world.ca.clone(),
                peer_certificate: peer.gateway_certificate.clone(),
                floor_file: own.dir.join("floor"),
                bare,
                nginx: None,
                care: own.ports.care,
                client: (own.client_certificate.clone(), own.client_key.clone()),
                token: own.people.get(name).cloned().unwrap_or_default(),
                actor: actor.clone(),
            })
        };
        Ok(Self { sender: setup(Side::Sender, &a, &b)?, receiver: setup(Side::Receiver, &b, &a)?, homes: [a, b] })
    }

    /// Removes what the gateways stored. They must not be running.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn forget(&self) -> Result<(), anyhow::Error> {
        for home in &self.homes {
            for entry in std::fs::read_dir(&home.data)? {
                std::fs::remove_file(entry?.path())?;
            }
        }
        Ok(())
    }
}

/// Organisations of the Gelderland story with these names; every other party of the covenant signed, and is never there.
pub(super) fn make_world(folder: &Path, keys: &[&str]) -> Result<(World, Scenario), anyhow::Error> {
    let mut scenario = Scenario::gelderland().map_err(|mistakes| anyhow::anyhow!("the scenario has {} mistake(s)", mistakes.len()))?;
    scenario.organizations.retain(|organization| keys.contains(&organization.key.to_string().as_str()));
    let ports: Vec<Ports> = scenario.organizations.iter().map(|_| free_ports()).collect::<Result<_, _>>()?;
    std::fs::create_dir_all(folder)?;
    Ok((World::make(&folder.canonicalize()?, &scenario, &ports, jiff::Timestamp::now())?, scenario))
}

/// Ports that nobody has now. Another program may take one before it is used; starting then fails, and says so.
fn free_ports() -> Result<Ports, anyhow::Error> {
    let federation = free_address()?;
    // No line between the gateways that could be cut: they call each other directly.
    Ok(Ports { federation, line: federation, care: free_address()?, audit: free_address()?, admin: free_address()? })
}

fn free_address() -> Result<SocketAddr, anyhow::Error> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// A gateway as an organisation would run it, without the folder that the demo's record system uses, with room for all callers on one
/// connection, and with no bound on what its peer sends that this machine could reach.
pub(super) fn configure(path: &Path, url_file: Option<&PathBuf>) -> Result<(), anyhow::Error> {
    let mut config: toml::Table = bounded::read_text(path, MAX_CONFIG_BYTES)?.parse()?;
    config.remove("file_drop");
    config.remove("store");
    let limits = [("streams", STREAMS), ("messages_per_second", MESSAGES_PER_SECOND)];
    let limits: toml::Table = limits.into_iter().map(|(key, value)| (key.to_owned(), i64::from(value).into())).collect();
    config.insert("limits".to_owned(), limits.into());
    if let Some(file) = url_file {
        let store = [("kind", "postgres".to_owned()), ("url_file", file.display().to_string())];
        let store: toml::Table = store.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        config.insert("store".to_owned(), store.into());
    }
    Ok(std::fs::write(path, toml::to_string(&config)?)?)
}

/// A process that plays one organisation. It ends when this value is dropped.
pub(super) struct Process {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts it, and waits until its doors are open.
    ///
    /// # Errors
    /// What it says.
    pub(super) async fn start(setup: &Setup) -> Result<Self, anyhow::Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "--node"])
            .env("RUST_LOG", "warn")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            anyhow::bail!("a process without input or output");
        };
        let mut process = Self { child, orders, answers: BufReader::new(answers).lines() };
        match process.ask(setup).await? {
            Said::Ready => Ok(process),
            other => anyhow::bail!("a process started with {other:?}"),
        }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Measures one part.
    ///
    /// # Errors
    /// What went wrong there.
    pub(super) async fn measure(&mut self, part: Part, load: Load, pids: Vec<u32>) -> Result<Sample, anyhow::Error> {
        match self.ask(&Order::Measure { part, load, pids }).await? {
            Said::Measured(sample) => Ok(sample),
            other => anyhow::bail!("{} was answered with {other:?}", part.name()),
        }
    }

    /// Stores cases.
    ///
    /// # Errors
    /// What went wrong there.
    pub(super) async fn fill(&mut self, cases: u64) -> Result<(), anyhow::Error> {
        match self.ask(&Order::Fill { cases }).await? {
            Said::Filled => Ok(()),
            other => anyhow::bail!("storing cases was answered with {other:?}"),
        }
    }

    /// Ends it in good order.
    pub(super) async fn stop(mut self) {
        drop(self.orders);
        let _ended = self.child.wait().await;
    }

    async fn ask(&mut self, what: &impl serde::Serialize) -> Result<Said, anyhow::Error> {
        self.orders.write_all(format!("{}\n", serde_json::to_string(what)?).as_bytes()).await?;
        let line = self.answers.next_line().await?.ok_or_else(|| anyhow::anyhow!("a process ended too early"))?;
        match serde_json::from_str(&line)? {
            Said::Failed(why) => anyhow::bail!("{why}"),
            said => Ok(said),
        }
    }
}
