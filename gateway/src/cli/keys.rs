//! `schakel keys new`: private keys, made here and readable by their owner alone. The public half is written beside it.

use std::path::PathBuf;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Subcommand, ValueEnum};
use schakel_domain::audit::checkpoint::origin;
use schakel_domain::audit::note::{KeyType, Vkey};
use schakel_domain::id::OrgId;
use schakel_domain::signature::SecretKey;
use serde_json::json;
use zeroize::Zeroizing;

use super::files::{PUBLIC, SECRET, refuse_existing, write_new};
use super::{Failure, Globals, Report, Verdict};
use crate::config::keys::{Seed, private_pem};

/// `schakel keys`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key; FILE.pub is its public half. Nothing is ever overwritten
    New(New),
}

#[derive(Debug, clap::Args)]
struct New {
    /// What it is for
    #[arg(value_enum)]
    kind: Kind,
    /// Where the private key goes, mode 0600
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The organisation whose log it signs (for a log key)
    #[arg(long, value_name = "ID", required_if_eq("kind", "log"))]
    org: Option<OrgId>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Signs covenants and party records; keep it off the gateway
    Root,
    /// Signs messages
    Signing,
    /// Signs checkpoints of the log
    Log,
    /// Seals care content at rest
    Vault,
}

/// Runs it.
pub(super) fn run(args: Args, globals: &Globals) -> Result<Verdict, Failure> {
    let Command::New(new) = args.command;
    let mut seed = Seed::default();
    SystemRandom::new().fill(seed.as_mut_slice()).map_err(|_| Failure::new("the system gives no randomness"))?;
    match new.kind {
        Kind::Vault => vault(&new, &seed)?,
        Kind::Root | Kind::Signing | Kind::Log => pair(&new, &seed)?,
    }
    .finish(globals)
}

fn vault(new: &New, seed: &Seed) -> Result<Report, Failure> {
    let text = Zeroizing::new(format!("{}\n", *Zeroizing::new(STANDARD.encode(seed.as_slice()))));
    write_new(&new.out, text.as_bytes(), SECRET)?;
    let out = new.out.display().to_string();
    let said = format!("{out} written. Keep a copy in a safe: without it nothing sealed can be read again.\n");
    Ok(Report::new(said, json!({ "file": out })))
}

fn pair(new: &New, seed: &Seed) -> Result<Report, Failure> {
    let key = SecretKey::from_seed(seed).map_err(Failure::new)?.public();
    let public = match (&new.org, new.kind) {
        (Some(org), Kind::Log) => Vkey::new(&origin(org), KeyType::Ed25519, key.0).map_err(Failure::new)?.to_string(),
        _ => key.to_string(),
    };
    let mut beside = new.out.clone().into_os_string();
    beside.push(".pub");
    let beside = PathBuf::from(beside);
    refuse_existing(&[&new.out, &beside])?;
    write_new(&new.out, private_pem(seed).as_bytes(), SECRET)?;
    write_new(&beside, format!("{public}\n").as_bytes(), PUBLIC)?;

    let (out, beside) = (new.out.display().to_string(), beside.display().to_string());
    let text = format!("key id      {}\npublic key  {public}\nwritten     {out} (secret), {beside}\n", key.key_id());
    Ok(Report::new(text, json!({ "key_id": key.key_id(), "public_key": public, "file": out, "public_file": beside })))
}
