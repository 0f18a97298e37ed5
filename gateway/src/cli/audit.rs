//! `schakel audit`: shows, checks and exports the log of a gateway, running or not, with the log's public key alone.
//!
//! It only reads, so these readings leave no entry; whoever may open the database is outside the gateway's sight.

mod export;
mod fhir;
mod prove;
mod show;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use schakel_domain::audit::note::{MAX_NOTE, Vkey};
use schakel_domain::id::OrgId;
use schakel_domain::refusal::Lang;
use serde_json::json;

pub use self::export::export;
pub use self::show::{MOST_SHOWN, SHOWN, Show, line, show};
pub use self::verify::verify;
use super::named::Named;
use super::{Failure, Globals, Report, Verdict, files};
use crate::config::{Config, StoreKind, keys};
use crate::ledger::export::nothing;
use crate::store::{Store, StoreError, postgres, sqlite};

/// `schakel audit`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

/// Which gateway's log.
#[derive(Debug, clap::Args)]
struct Log {
    /// The gateway's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The signed log.
    Tiles,
    /// FHIR R4 AuditEvents.
    Fhir,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One line per entry: when, who, what, about what, by which rule
    Show {
        #[command(flatten)]
        log: Log,
        /// From this entry on; without it the newest ones
        #[arg(long, value_name = "INDEX")]
        from: Option<u64>,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = SHOWN, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SHOWN)))]
        limit: u32,
        /// Only about this case: its id or its telephone label
        #[arg(long, value_name = "LABEL|ID")]
        case: Option<Named>,
    },
    /// Check every entry against the signed checkpoint
    Verify {
        #[command(flatten)]
        log: Log,
        /// A checkpoint kept elsewhere, which the log must extend
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
    },
    /// Write the signed log as files for an outsider
    Export {
        #[command(flatten)]
        log: Log,
        /// A new folder, or for `--format fhir` a new file
        #[arg(long, value_name = "PATH")]
        out: PathBuf,
        /// `tiles`: the signed log, for whoever verifies it. `fhir`: FHIR R4 AuditEvents, one a line
        #[arg(long, value_name = "FORMAT", default_value = "tiles")]
        format: Format,
        /// Only about this case, erased or not: its id or its telephone label. Only with `--format fhir`
        #[arg(long, value_name = "LABEL|ID")]
        case: Option<Named>,
    },
    /// Rebuild the tree and compare everything that speaks of it: derived hashes, signed heads, the head outside the database, cosignatures
    Fsck {
        #[command(flatten)]
        log: Log,
    },
    /// The log's public keys, as the text of a party record names them
    Keys {
        #[command(flatten)]
        log: Log,
    },
    /// Whose cosignatures make a log believable, by the covenants held here: for schakel-verify --policy
    Policy {
        #[command(flatten)]
        log: Log,
        /// Of this organisation's log; without it our own
        #[arg(long, value_name = "ORGANIZATION")]
        of: Option<OrgId>,
    },
    /// Pair our own log with the exported log of another organisation, message by message
    Reconcile {
        #[command(flatten)]
        log: Log,
        /// The other's exported folder
        #[arg(value_name = "DIR")]
        other: PathBuf,
    },
    /// Pair two exported logs, message by message
    ReconcileExports {
        /// The one exported folder
        #[arg(value_name = "DIR")]
        one: PathBuf,
        /// The other
        #[arg(value_name = "DIR")]
        other: PathBuf,
    },
}

impl Command {
    /// Whose log; none for what reads exported folders alone.
    fn log(&self) -> Option<&Log> {
        match self {
            Command::Show { log, .. }
            | Command::Verify { log, .. }
            | Command::Export { log, .. }
            | Command::Fsck { log }
            | Command::Keys { log }
            | Command::Policy { log, .. }
            | Command::Reconcile { log, .. } => Some(log),
            Command::ReconcileExports { .. } => None,
        }
    }
}

/// Runs it.
pub(super) fn run(args: Args, globals: &Globals) -> Result<Verdict, Failure> {
    if let Command::ReconcileExports { one, other } = &args.command {
        return prove::reconcile_exports(one, other, globals.lang())?.finish(globals);
    }
    let log = args.command.log().ok_or_else(|| Failure::new("name the gateway's configuration with --config FILE"))?;
    let config = Config::read(&log.config).map_err(Failure::new)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?;
    let report = runtime.block_on(async {
        let store = open(&config).await?;
        let report = report(args.command, &*store, &config, globals.lang()).await;
        store.close().await;
        report
    })?;
    report.finish(globals)
}

async fn open(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    match config.store.kind {
        StoreKind::Sqlite => sqlite::open_read_only(&config.sqlite_path()).await.map_err(Failure::new),
        StoreKind::Postgres => {
            let url = keys::read_url(config.store.url_file.as_deref().unwrap_or(Path::new(""))).map_err(Failure::new)?;
            postgres::open_read_only(&url).await.map_err(Failure::new)
        }
    }
}

async fn report(command: Command, store: &dyn Store, config: &Config, lang: Lang) -> Result<Report, Failure> {
    match command {
        Command::Show { from, limit, case, log: _ } => show(store, &Show { from, limit, case }, lang).await,
        Command::Verify { since, log: _ } => {
            let earlier = since.map(|path| files::read(&path, MAX_NOTE)).transpose()?;
            verify(store, &vkey(config)?, earlier.as_deref(), lang).await
        }
        Command::Export { case: Some(_), format: Format::Tiles, .. } => {
            Err(Failure::new(if lang == Lang::Nl { "--case gaat alleen met --format fhir" } else { "--case goes with --format fhir only" }))
        }
        Command::Export { out, format: Format::Tiles, .. } => export(store, &vkey(config)?, &out, &nothing, lang).await,
        Command::Export { out, format: Format::Fhir, case, .. } => fhir::export(store, &out, case.as_ref(), lang).await,
        Command::Fsck { log: _ } => prove::fsck(store, config, &vkey(config)?, lang).await,
        Command::Keys { log: _ } => prove::keys(config, &vkey(config)?),
        Command::Policy { of, log: _ } => prove::policy(store, config, of.as_ref().unwrap_or(&config.organization)).await,
        Command::Reconcile { other, log: _ } => prove::reconcile(store, config, &other, lang).await,
        Command::ReconcileExports { one, other } => prove::reconcile_exports(&one, &other, lang),
    }
}

/// The public key only: who checks a log need not be able to sign one.
fn vkey(config: &Config) -> Result<Vkey, Failure> {
    keys::read_log_vkey(&config.keys.log, &config.organization).map_err(Failure::new)
}

/// What a store that cannot be read means: a failure, or, when what it holds is damaged, a finding.
fn unread(error: &StoreError, lang: Lang) -> Result<Report, Failure> {
    match (error, lang) {
        (StoreError::Damaged(_), Lang::Nl) => Ok(found(format!("de database is beschadigd ({error}); draai: schakel audit verify"))),
        (StoreError::Damaged(_), Lang::En) => Ok(found(format!("the database is damaged ({error}); run: schakel audit verify"))),
        (_, Lang::Nl) => Err(Failure::new(format_args!("de database kan niet worden gelezen: {error}"))),
        (_, Lang::En) => Err(Failure::new(format_args!("the database cannot be read: {error}"))),
    }
}

/// Something wrong that ended the command.
fn found(what: String) -> Report {
    Report::new(format!("× {what}\n"), json!({ "error": { "message": what } })).wrong_if(true)
}
