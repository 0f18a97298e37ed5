//! RUN: takes turns. In each round every part is measured at every level, on fresh stores and in the same order; what counts is how the parts
//! of one round compare.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::federation::{Federation, Process};
use super::idle;
use super::machine::{Others, fdatasync};
use super::measure::Load;
use super::nginx::Nginx;
use super::report::{Kind, Report, Series};
use super::{LEVELS, Part};
use crate::store::postgres;

/// Before counting starts.
const WARM_MS: u64 = 400;
/// Cases stored before a gateway is timed at its start.
const STORED_CASES: u64 = 100_000;

/// How it is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Turns.
    pub rounds: usize,
    /// Counted per level and part, in seconds.
    pub seconds: f64,
    /// Cases stored beforehand.
    pub fill: u64,
    /// A PostgreSQL server to measure beside SQLite.
    pub postgres: Option<String>,
    /// Only these parts; none: all.
    pub only: Vec<Part>,
    /// Only with so many in flight; none: all of [`LEVELS`].
    pub in_flight: Vec<usize>,
    /// Whether an idle gateway is looked at too.
    pub idle: bool,
    /// Where the stores are made; else in the system's folder for temporary files.
    pub folder: Option<PathBuf>,
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind has a name of its own and is nobody's.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Runs it; `progress` is told what goes on.
///
/// # Errors
/// When a process cannot start or a piece of work fails: a rate of failures means nothing.
pub async fn run(options: &Options, progress: impl Fn(&str)) -> Result<Report, anyhow::Error> {
    let parent = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = Folder(parent.join(format!("schakel-bench-{}", uuid::Uuid::now_v7())));
    std::fs::create_dir_all(&folder.0)?;
    std::fs::set_permissions(&folder.0, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    let mut bench = Bench { options, nginx: None, others: Others::default(), syncs: Vec::new(), series: BTreeMap::new(), databases: None };
    let measured = bench.measure(&folder.0, &progress).await;
    let tidied = bench.tidy().await;
    measured?;
    tidied?;
    let idle = match options.idle {
        true => {
            progress("idle gateway");
            Some(idle::look(&folder.0, STORED_CASES).await?)
        }
        false => None,
    };
    Ok(Report::new(options, bench.series, &bench.syncs, bench.others.cores(), idle))
}

struct Bench<'a> {
    options: &'a Options,
    nginx: Option<Nginx>,
    others: Others,
    syncs: Vec<(f64, f64)>,
    series: BTreeMap<Kind, Series>,
    databases: Option<postgres::ThrowAway>,
}

impl Bench<'_> {
    async fn measure(&mut self, folder: &Path, progress: &impl Fn(&str)) -> Result<(), anyhow::Error> {
        let mut empty = Federation::make(&folder.join("empty"), None)?;
        if self.wants(Part::Nginx) {
            self.nginx = Nginx::start(&folder.join("nginx"), &empty.receiver).await;
            empty.sender.nginx = self.nginx.as_ref().map(|nginx| nginx.address);
        }
        let filled = match self.options.fill {
            0 => None,
            cases => {
                progress(&format!("storing {cases} cases on both sides"));
                let filled = Federation::make(&folder.join("filled"), None)?;
                fill(&filled, cases).await?;
                Some(filled)
            }
        };
        for round in 1..=self.options.rounds {
            self.syncs.push(fdatasync(folder)?);
            progress(&format!("round {round} of {}", self.options.rounds));
            empty.forget()?;
            self.turn(&empty, Kind::Empty, progress).await?;
            if let Some(filled) = &filled {
                self.turn(filled, Kind::Filled, progress).await?;
            }
            if let Some(url) = self.options.postgres.clone() {
                self.postgres_turn(&folder.join(format!("postgres-{round}")), &url, progress).await?;
            }
        }
        Ok(())
    }

    /// Every part at every level, once.
    async fn turn(&mut self, federation: &Federation, kind: Kind, progress: &impl Fn(&str)) -> Result<(), anyhow::Error> {
        let receiver = Process::start(&federation.receiver).await?;
        let mut sender = Process::start(&federation.sender).await?;
        for part in Part::ALL {
            let bare = kind != Kind::Empty && !part.of_gateways();
            if bare || !self.wants(part) || (part == Part::Nginx && self.nginx.is_none()) {
                continue;
            }
            for level in LEVELS.into_iter().filter(|level| self.options.in_flight.is_empty() || self.options.in_flight.contains(level)) {
                let mut pids = vec![sender.pid(), receiver.pid()];
                pids.extend(self.nginx.iter().flat_map(Nginx::pids));
                let mut ours = pids.clone();
                ours.push(std::process::id());
                let load = Load { in_flight: level, warm_ms: WARM_MS.min(self.measure_ms()), measure_ms: self.measure_ms() };
                let measure = sender.measure(part, load, pids);
                // PostgreSQL's own processes are not ours, and its figures are not judged.
                let sample = if kind == Kind::Postgres { measure.await? } else { self.others.watch(&ours, measure).await? };
                progress(&format!(
                    "{:<9}{:<15}{level:>4}  {:>9.0}/s  p50 {:>8.3} ms",
                    kind.name(),
                    part.name(),
                    sample.per_s,
                    sample.p50_ms
                ));
                self.series.entry(kind).or_default().add(part, level, sample);
            }
        }
        sender.stop().await;
        receiver.stop().await;
        Ok(())
    }

    async fn postgres_turn(&mut self, folder: &Path, url: &str, progress: &impl Fn(&str)) -> Result<(), anyhow::Error> {
        let databases = postgres::ThrowAway::make(url, 2).await?;
        let urls = write_urls(folder, databases.urls())?;
        self.databases = Some(databases);
        let federation = Federation::make(folder, Some(urls))?;
        self.turn(&federation, Kind::Postgres, progress).await?;
        self.drop_databases().await
    }

    async fn drop_databases(&mut self) -> Result<(), anyhow::Error> {
        match self.databases.take() {
            Some(databases) => Ok(databases.remove().await?),
            None => Ok(()),
        }
    }

    /// Ends what outlives a round, also after a failure.
    async fn tidy(&mut self) -> Result<(), anyhow::Error> {
        if let Some(nginx) = self.nginx.take() {
            nginx.stop().await;
        }
        self.drop_databases().await
    }

    fn wants(&self, part: Part) -> bool {
        self.options.only.is_empty() || self.options.only.contains(&part)
    }

    fn measure_ms(&self) -> u64 {
        (self.options.seconds * 1e3) as u64
    }
}

/// Stores cases on both sides at once.
async fn fill(federation: &Federation, cases: u64) -> Result<(), anyhow::Error> {
    let mut receiver = Process::start(&federation.receiver).await?;
    let mut sender = Process::start(&federation.sender).await?;
    futures_util::future::try_join(receiver.fill(cases), sender.fill(cases)).await?;
    sender.stop().await;
    receiver.stop().await;
    Ok(())
}

/// A file for each URL, as a gateway's configuration wants it: a URL may hold a password.
fn write_urls(folder: &Path, urls: &[String]) -> Result<[PathBuf; 2], anyhow::Error> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::create_dir_all(folder)?;
    let mut paths = Vec::new();
    for (at, url) in urls.iter().enumerate() {
        let path = folder.join(format!("{at}.url"));
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        std::io::Write::write_all(&mut file, url.as_bytes())?;
        paths.push(path);
    }
    <[PathBuf; 2]>::try_from(paths).map_err(|_| anyhow::anyhow!("expected two databases"))
}
