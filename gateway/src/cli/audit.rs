//! `schakel audit`: shows, checks and exports the log of a gateway, running or not. It only reads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use schakel_domain::audit::note::Vkey;
use schakel_domain::id::OrgId;

use super::{Failure, Globals, Verdict};
use crate::config::{Config, StoreKind, keys};
use crate::ledger::cli::{Exit, Show, Voice, export, show, verify};
use crate::ledger::export::nothing;
use crate::ledger::reconcile::reconcile;
use crate::store::{Store, postgres, sqlite};

/// `schakel audit`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The gateway's configuration
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One line per entry: when, who, what, about what, by which rule
    Show {
        /// From this entry on; without it the newest ones
        #[arg(long, value_name = "INDEX")]
        from: Option<u64>,
        /// At most this many
        #[arg(long, default_value_t = crate::ledger::cli::SHOWN)]
        limit: u32,
        /// Only about this case: its id or its telephone label
        #[arg(long)]
        case: Option<String>,
    },
    /// Check every entry against the signed checkpoint
    Verify {
        /// A checkpoint kept elsewhere, which the log must extend
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
    },
    /// Write the signed log as files for an outsider
    Export {
        /// A new folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Pair two logs, message by message: two exported folders, or one and the own log (--config)
    Reconcile {
        /// Exported folders
        #[arg(value_name = "DIR", required = true)]
        folders: Vec<PathBuf>,
    },
}

/// Runs it.
pub(super) fn run(args: Args, globals: &Globals) -> Result<Verdict, Failure> {
    if let (Command::Reconcile { folders }, None) = (&args.command, &args.config) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(Failure::new)?;
        return ended(runtime.block_on(speak(globals, async |voice| reconcile(None, folders, voice).await)));
    }
    let path = args.config.ok_or_else(|| Failure::new("name the gateway's configuration with --config FILE"))?;
    let config = Config::read(&path).map_err(Failure::new)?;
    let vkey = keys::read_log_signer(&config.keys.log, &config.organization).map_err(Failure::new)?.vkey().clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?;
    let exit = runtime.block_on(async {
        let store = open(&config).await?;
        let exit = told(args.command, &*store, &vkey, &config.organization, globals).await;
        store.close().await;
        exit
    })?;
    ended(exit)
}

/// Lets a command speak.
async fn speak(globals: &Globals, say: impl AsyncFnOnce(&mut Voice<'_>) -> Exit) -> Exit {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    say(&mut Voice { out: &mut out, err: &mut err, lang: globals.lang(), json: globals.json }).await
}

fn ended(exit: Exit) -> Result<Verdict, Failure> {
    match exit {
        Exit::Fine => Ok(Verdict::Fine),
        Exit::Found => Ok(Verdict::Wrong),
        // The reason is on stderr already.
        Exit::Failed | Exit::Usage => Err(Failure::new("nothing was done")),
    }
}

async fn open(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    match config.store.kind {
        StoreKind::Sqlite => Ok(sqlite::open_read_only(&config.sqlite_path()).await.map_err(Failure::new)?),
        StoreKind::Postgres => {
            let url = keys::read_url(config.store.url_file.as_deref().unwrap_or(Path::new(""))).map_err(Failure::new)?;
            Ok(postgres::open(&url, config.store.postgres()).await.map_err(Failure::new)?)
        }
    }
}

async fn told(command: Command, store: &dyn Store, vkey: &Vkey, org: &OrgId, globals: &Globals) -> Result<Exit, Failure> {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let mut voice = Voice { out: &mut out, err: &mut err, lang: globals.lang(), json: globals.json };
    Ok(match command {
        Command::Show { from, limit, case } => show(store, &Show { from, limit, case }, &mut voice).await,
        Command::Verify { since } => {
            let earlier = since.map(|path| std::fs::read(&path).map_err(|error| Failure::file(&path, &error))).transpose()?;
            verify(store, vkey, earlier.as_deref(), &mut voice).await
        }
        Command::Export { out } => export(store, vkey, &out, &nothing, &mut voice).await,
        Command::Reconcile { folders } => reconcile(Some((store, org.clone(), jiff::Timestamp::now())), &folders, &mut voice).await,
    })
}
