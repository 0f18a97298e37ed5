//! `schakel audit`: shows, checks and exports the log of a gateway, running or not. It only reads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use schakel_domain::audit::note::Vkey;
use schakel_domain::audit::policy::Policy;
use schakel_domain::id::OrgId;

use super::{Failure, Globals, Verdict};
use crate::agreements::Agreements;
use crate::config::{Config, StoreKind, keys};
use crate::desk::Desk;
use crate::ledger::anchor::Anchor;
use crate::ledger::cli::{Exit, Show, Voice, export, show, verify};
use crate::ledger::export::nothing;
use crate::ledger::fsck::fsck;
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
    /// Rebuild the tree and compare everything that speaks of it: derived hashes, signed heads, the head outside the database, cosignatures
    Fsck,
    /// The log's public keys, as the text of a party record names them
    Keys,
    /// Whose cosignatures make a log believable, by the covenants held here: for schakel-verify --policy
    Policy {
        /// Of this organisation's log; without it our own
        #[arg(long, value_name = "ORGANIZATION")]
        of: Option<OrgId>,
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
        let exit = told(args.command, &*store, &vkey, &config, globals).await;
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

/// The covenants and party records in the store, as this organisation sees them.
async fn agreements(store: &dyn Store, config: &Config, of: &OrgId) -> Result<Agreements, Failure> {
    let roots = config.keys.root.iter().map(|path| keys::read_public(path)).collect::<Result<Vec<_>, _>>().map_err(Failure::new)?;
    let held = Desk::read_agreements(store, &config.organization, roots).await.map_err(Failure::new)?;
    Ok(Agreements::new(of.clone(), held))
}

async fn told(command: Command, store: &dyn Store, vkey: &Vkey, config: &Config, globals: &Globals) -> Result<Exit, Failure> {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let mut voice = Voice { out: &mut out, err: &mut err, lang: globals.lang(), json: globals.json };
    Ok(match command {
        Command::Show { from, limit, case } => show(store, &Show { from, limit, case }, &mut voice).await,
        Command::Verify { since } => {
            let earlier = since.map(|path| std::fs::read(&path).map_err(|error| Failure::file(&path, &error))).transpose()?;
            verify(store, vkey, earlier.as_deref(), &mut voice).await
        }
        Command::Export { out } => export(store, vkey, &out, &nothing, &mut voice).await,
        Command::Reconcile { folders } => {
            reconcile(Some((store, config.organization.clone(), jiff::Timestamp::now())), &folders, &mut voice).await
        }
        Command::Keys => {
            let cosigner = keys::read_cosigner(&config.keys.log, &config.organization).map_err(Failure::new)?;
            println!("[log]\nkey = \"{vkey}\"\ncosigner = \"{}\"", cosigner.vkey());
            Exit::Fine
        }
        Command::Policy { of } => {
            let of = of.unwrap_or_else(|| config.organization.clone());
            let agreements = agreements(store, config, &of).await?;
            let key = agreements.log_key(&of).ok_or_else(|| Failure::new(format!("the party record of {of} names no log key")))?;
            // Where several covenants ask, the one that asks for most.
            let terms = agreements.cosigning(jiff::Timestamp::now()).into_iter().max_by_key(|terms| terms.quorum);
            let (quorum, witnesses) =
                terms.map_or((0, Vec::new()), |terms| (terms.quorum, terms.witnesses.into_values().collect::<Vec<_>>()));
            print!("{}", Policy::text(&key, &witnesses, quorum));
            Exit::Fine
        }
        Command::Fsck => {
            let terms = agreements(store, config, &config.organization).await?.cosigning(jiff::Timestamp::now());
            fsck(store, vkey, &Anchor::new(config.data.join("checkpoint")), &terms, &mut voice).await
        }
    })
}
