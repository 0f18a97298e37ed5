//! GATEWAYS: every organisation's gateway, in this process or each in one of its own. They share nothing but TCP either way.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::line::Line;
use super::world::{Home, Ports, World};
use crate::assembly::{self, Listeners, Running};
use crate::config::Config;
use crate::source::SystemSource;

/// Longest wait for a process to open its doors.
const START: Duration = Duration::from_secs(60);
/// Pause between two tries to reach a door that is being opened.
const TRY_AGAIN: Duration = Duration::from_millis(20);
/// Longest wait for a process to stop by itself.
const STOP: Duration = Duration::from_secs(10);

/// Sockets of one gateway, bound before anything starts, so that every address is known when documents are signed.
pub struct Place {
    /// Where everything is.
    pub ports: Ports,
    /// The line to it.
    pub line: Line,
    /// Its sockets, until they are handed over or given up for a process to bind again.
    listeners: [TcpListener; 4],
}

impl Place {
    /// Four free ports and a line.
    ///
    /// # Errors
    /// When there are none.
    pub async fn find() -> Result<Self, anyhow::Error> {
        let bind = || TcpListener::bind(("127.0.0.1", 0));
        let listeners = [bind()?, bind()?, bind()?, bind()?];
        let [federation, care, audit, admin] = [0, 1, 2, 3].map(|at: usize| listeners[at].local_addr());
        let federation = federation?;
        let line = Line::open(federation).await?;
        let ports = Ports { federation, line: line.address(), care: care?, audit: audit?, admin: admin? };
        Ok(Self { ports, line, listeners })
    }
}

/// The running gateways, in the order of the world.
pub enum Gateways {
    /// All in this process.
    Here(Vec<Running>),
    /// One process each.
    Processes(Vec<Child>),
}

impl Gateways {
    /// Starts them all. `processes` starts `schakel serve --config FILE` for each.
    ///
    /// # Errors
    /// What the first one that does not start says.
    pub async fn start(world: &World, places: Vec<Place>, processes: bool) -> Result<(Self, Vec<Line>), anyhow::Error> {
        let (mut sockets, mut lines) = (Vec::new(), Vec::new());
        for place in places {
            sockets.push(place.listeners);
            lines.push(place.line);
        }
        let gateways =
            if processes { Self::Processes(spawn_all(world, sockets).await?) } else { Self::Here(start_all(world, sockets).await?) };
        Ok((gateways, lines))
    }

    /// Stops them all, gently.
    pub async fn stop(self) {
        match self {
            Self::Here(running) => {
                // One that does not end by itself is dropped: what it committed is durable all the same.
                let stops = running.into_iter().map(|gateway| tokio::time::timeout(STOP, gateway.stop()));
                futures_util::future::join_all(stops).await;
            }
            Self::Processes(mut children) => {
                for child in &children {
                    terminate(child).await;
                }
                for child in &mut children {
                    if tokio::time::timeout(STOP, child.wait()).await.is_err() {
                        // It did not listen; what it committed is durable all the same.
                        drop(child.kill().await);
                    }
                }
            }
        }
    }
}

async fn start_all(world: &World, sockets: Vec<[TcpListener; 4]>) -> Result<Vec<Running>, anyhow::Error> {
    let start = |(home, sockets): (&Home, [TcpListener; 4])| {
        let path = home.config.clone();
        let name = home.name.clone();
        async move {
            let config = Config::read(&path).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
            let [federation, care, audit, admin] = sockets;
            let listeners = Listeners { federation: Some(federation), care: Some(care), audit: Some(audit), admin: Some(admin) };
            let started = assembly::start(config, listeners, Arc::new(SystemSource::default())).await;
            started.map_err(|error| anyhow::anyhow!("{name}: {error}"))
        }
    };
    futures_util::future::try_join_all(world.homes.iter().zip(sockets).map(start)).await
}

async fn spawn_all(world: &World, sockets: Vec<[TcpListener; 4]>) -> Result<Vec<Child>, anyhow::Error> {
    // Each process binds its own ports again.
    drop(sockets);
    let program = std::env::current_exe()?;
    let mut children = Vec::new();
    for home in &world.homes {
        let mut child = Command::new(&program)
            .args(["serve", "--config"])
            .arg(&home.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        keep_words(&mut child, &home.data);
        children.push(child);
    }
    for (home, child) in world.homes.iter().zip(&mut children) {
        for door in [home.ports.federation, home.ports.care, home.ports.audit, home.ports.admin] {
            reachable(door, child).await.map_err(|error| anyhow::anyhow!("{}: {error}", home.name))?;
        }
    }
    Ok(children)
}

/// What a gateway says goes to a file beside its data, so that its pipe never fills.
fn keep_words(child: &mut Child, data: &std::path::Path) {
    let (Some(words), path) = (child.stderr.take(), data.join("gateway.log")) else { return };
    tokio::spawn(async move {
        let Ok(mut file) = tokio::fs::File::create(path).await else { return };
        let mut words = BufReader::new(words);
        let mut line = String::new();
        while words.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            if tokio::io::AsyncWriteExt::write_all(&mut file, line.as_bytes()).await.is_err() {
                return;
            }
            line.clear();
        }
    });
}

async fn reachable(door: SocketAddr, child: &mut Child) -> Result<(), anyhow::Error> {
    let since = Instant::now();
    while TcpStream::connect(door).await.is_err() {
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("the process ended with {status}; see gateway.log in its data folder");
        }
        anyhow::ensure!(since.elapsed() < START, "no door at {door} within {} s", START.as_secs());
        tokio::time::sleep(TRY_AGAIN).await;
    }
    Ok(())
}

/// Asks a process to stop, as an operator does.
async fn terminate(child: &Child) {
    let Some(id) = child.id() else { return };
    drop(Command::new("kill").args(["-TERM", &id.to_string()]).status().await);
}
