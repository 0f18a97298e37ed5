//! IDLE: a gateway that does nothing: the memory it holds among its peers, and how soon it is ready when much is stored.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::federation::{Federation, Process, configure, make_world};
use super::machine::memory_of;

/// Organisations of the Gelderland story: one is looked at, the others are its peers.
const REGION: [&str; 10] = ["sez", "propersona", "ggnet", "ggzcentraal", "pactum", "entrea", "lindenhout", "pluryn", "sheerenloo", "g7"];
/// Until every gateway has greeted every other and compared documents with it.
const SETTLE: Duration = Duration::from_secs(8);
/// Longest wait for a gateway's doors.
const START: Duration = Duration::from_secs(120);

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Idle {
    /// Peers it is connected with.
    pub(super) peers: usize,
    /// Memory it holds, in MB of 1,000,000 bytes.
    pub(super) rss_mb: f64,
    /// Cases stored before the start that was timed.
    pub(super) stored_cases: u64,
    /// From the start of the process until its doors are open, in seconds.
    pub(super) ready_s: f64,
}

/// Looks at both.
///
/// # Errors
/// When a gateway does not start.
pub(super) async fn look(folder: &Path, stored_cases: u64) -> Result<Idle, anyhow::Error> {
    let rss_mb = among_peers(&folder.join("region")).await?;
    let ready_s = ready(&folder.join("stored"), stored_cases).await?;
    Ok(Idle { peers: REGION.len() - 1, rss_mb, stored_cases, ready_s })
}

async fn among_peers(folder: &Path) -> Result<f64, anyhow::Error> {
    let (world, _) = make_world(folder, &REGION)?;
    let mut gateways = Vec::new();
    for home in &world.homes {
        configure(&home.config, None)?;
        gateways.push(serve(&home.config).await?.0);
    }
    anyhow::ensure!(gateways.len() == REGION.len(), "the story has not the organisations {REGION:?}");
    tokio::time::sleep(SETTLE).await;
    let memory = gateways[0].id().and_then(memory_of).ok_or_else(|| anyhow::anyhow!("a gateway ended too early"))?;
    for gateway in gateways {
        stop(gateway).await;
    }
    Ok(memory as f64 / 1e6)
}

async fn ready(folder: &Path, stored_cases: u64) -> Result<f64, anyhow::Error> {
    let federation = Federation::make(folder, None)?;
    let mut process = Process::start(&federation.sender).await?;
    process.fill(stored_cases).await?;
    process.stop().await;
    let (gateway, took) = serve(&federation.sender.config).await?;
    stop(gateway).await;
    Ok(took.as_secs_f64())
}

/// Starts `schakel serve` and waits for the line that says its doors are open.
async fn serve(config: &Path) -> Result<(Child, Duration), anyhow::Error> {
    let start = Instant::now();
    let mut child = Command::new(std::env::current_exe()?)
        .args(["serve", "--config"])
        .arg(config)
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().ok_or_else(|| anyhow::anyhow!("a process without output"))?;
    let mut lines = BufReader::new(stdout).lines();
    let line = tokio::time::timeout(START, lines.next_line()).await??;
    anyhow::ensure!(line.is_some(), "{}: the gateway did not start", config.display());
    Ok((child, start.elapsed()))
}

async fn stop(mut gateway: Child) {
    if let Some(id) = gateway.id() {
        let _sent = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
        let _ended = tokio::time::timeout(Duration::from_secs(10), gateway.wait()).await;
    }
}
