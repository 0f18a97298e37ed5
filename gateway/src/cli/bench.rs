//! `schakel bench`: how fast this program is on this machine, against what the machine could do without it.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Globals, Report, Verdict};
use crate::bench::run::{Options, run as measure};
use crate::bench::{LEVELS, Part, node};

/// Threads of each process that measures: as many as the figures they are compared with were measured with.
const WORKERS: usize = 2;

/// `schakel bench`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Turns that every part takes; fewer than 5 are not judged
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Time measured per part and level; less than 0.8 is not judged
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    seconds: f64,
    /// Store so many cases on both sides first, and compare with empty stores
    #[arg(long, value_name = "N", default_value_t = 0)]
    fill: u64,
    /// Measure PostgreSQL beside SQLite: a server where this user may create databases (also: SCHAKEL_BENCH_POSTGRES)
    #[arg(long, value_name = "URL", env = "SCHAKEL_BENCH_POSTGRES", hide_env_values = true)]
    postgres: Option<String>,
    /// Measure these parts alone, such as raw,exchange
    #[arg(long, value_name = "PARTS", value_delimiter = ',', value_parser = part)]
    only: Vec<Part>,
    /// Measure with so many in flight alone: 1, 16 or 128
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', value_parser = level)]
    in_flight: Vec<usize>,
    /// Also look at an idle gateway: memory with 9 peers, time to be ready with 100,000 cases
    #[arg(long)]
    idle: bool,
    /// Make the stores here: on the disk that is to be measured. They are removed afterwards
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// One process of a measurement; started by the measurement itself
    #[arg(long, hide = true)]
    node: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|seconds| (0.01..=3600.0).contains(seconds)).ok_or_else(|| "expected 0.01 to 3600".to_owned())
}

fn part(text: &str) -> Result<Part, String> {
    Part::ALL
        .into_iter()
        .find(|part| part.name() == text)
        .ok_or_else(|| format!("expected one of {}", Part::ALL.map(Part::name).join(", ")))
}

fn level(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|level| LEVELS.contains(level)).ok_or_else(|| format!("expected one of {LEVELS:?}"))
}

/// Runs it. Exit code 3: it was judged, and a target was missed.
pub(super) fn run(args: Args, globals: &Globals) -> Result<Verdict, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().map_err(Failure::new)?;
    let failed = |error: anyhow::Error| Failure::new(format_args!("{error:#}"));
    if args.node {
        runtime.block_on(node::run()).map_err(failed)?;
        return Ok(Verdict::Fine);
    }
    let options = Options {
        rounds: args.rounds.into(),
        seconds: args.seconds,
        fill: args.fill,
        postgres: args.postgres,
        only: args.only,
        in_flight: args.in_flight,
        idle: args.idle,
        folder: args.folder,
    };
    let report = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        // An interruption drops what runs: processes end with it, folders are removed.
        tokio::select! {
            report = measure(&options, |line| eprintln!("{line}")) => report,
            _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted")),
            _ = terminate.recv() => Err(anyhow::anyhow!("interrupted")),
        }
    });
    let report = report.map_err(failed)?;
    Report::new(report.text(), report.json()).wrong_if(report.missed()).finish(globals)
}
