//! `schakel config`: an example to start from, and everything that is wrong with yours.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Subcommand;
use jiff::Timestamp;
use schakel_domain::refusal::Lang;
use serde_json::json;

use super::{Failure, Globals, Report, Verdict};
use crate::config::check::Ports;
use crate::config::{Config, ConfigError, EXAMPLE, Problem, Severity};

/// `schakel config`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a commented example
    Example,
    /// Name everything that is wrong: values, keys, certificates, addresses, documents
    Check {
        /// The configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// This gateway runs now: do not try its addresses
        #[arg(long)]
        running: bool,
    },
}

/// Runs it.
pub(super) fn run(args: Args, globals: &Globals) -> Result<Verdict, Failure> {
    match args.command {
        Command::Example => Report::new(EXAMPLE, json!({ "toml": EXAMPLE })).finish(globals),
        Command::Check { config, running } => {
            let ports = if running { Ports::InUse } else { Ports::Try };
            let problems = match Config::read(&config) {
                Ok(config) => config.check(Timestamp::now(), ports),
                Err(ConfigError::Wrong(problems)) => problems,
                Err(unreadable) => return Err(Failure::new(unreadable)),
            };
            report(&problems, globals.lang()).finish(globals)
        }
    }
}

fn report(problems: &[Problem], lang: Lang) -> Report {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let mut text = String::new();
    for problem in problems {
        let sign = if problem.severity == Severity::Error { "×" } else { "‼" };
        let _ = writeln!(text, "{sign} {}", problem.text(lang));
    }
    let warnings = problems.len() - errors;
    let _ = match lang {
        Lang::Nl => writeln!(text, "{errors} fouten, {warnings} waarschuwingen"),
        Lang::En => writeln!(text, "{errors} errors, {warnings} warnings"),
    };
    Report::new(text, json!({ "errors": errors, "warnings": warnings, "problems": problems })).wrong_if(errors > 0)
}
