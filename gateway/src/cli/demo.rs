//! `schakel demo`: several organisations on one machine play a crisis, and the rules are checked on what they stored.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Globals, Verdict, print};
use crate::demo::run::{Options, run as play};

/// `schakel demo`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Play at full speed, check every line and stop: exit code 0 or 3
    #[arg(long)]
    check: bool,
    /// Start one `schakel serve` process per organisation
    #[arg(long)]
    processes: bool,
    /// Keep the data in this new or empty folder, with demo.json: where every door, certificate and token is
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Play this story instead of the Gelderland night
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
}

/// Runs it.
pub(super) fn run(args: Args, globals: &Globals) -> Result<Verdict, Failure> {
    let options = Options { scenario: args.scenario, keep: args.keep, check: args.check, processes: args.processes };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::new)?;
    // The result alone goes to stdout when a program reads it.
    let mut out: Box<dyn Write + Send> = if globals.json { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
    let colour = !globals.json && io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let report = runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let stop = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        play(&options, &mut *out, colour, stop).await
    });
    let report = report.map_err(|error| Failure::new(format_args!("{error:#}")))?;
    if globals.json {
        print(&format!("{}\n", report.json()))?;
    }
    Ok(if report.ok() { Verdict::Fine } else { Verdict::Wrong })
}
