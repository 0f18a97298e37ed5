//! `schakel api`: what builders of other systems need, from the running version itself.

use std::fmt::Write;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Subcommand;
use schakel_domain::id::Hash;
use schakel_domain::refusal::{Lang, Reason};
use serde_json::json;

use super::files::replace;
use super::report::print_bytes;
use super::{Failure, Globals, Report, Verdict};

/// `schakel api`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The encoded FileDescriptorSet of every .proto file
    Descriptors {
        /// Write it there instead of to stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Every reason to say no, with what to do about it
    Reasons,
}

/// Runs it.
pub(super) fn run(args: Args, globals: &Globals) -> Result<Verdict, Failure> {
    match args.command {
        Command::Descriptors { out } => descriptors(out, globals),
        Command::Reasons => reasons(globals.lang()).finish(globals),
    }
}

fn descriptors(out: Option<PathBuf>, globals: &Globals) -> Result<Verdict, Failure> {
    let bytes = schakel_proto::DESCRIPTORS;
    let Some(out) = out else {
        if std::io::stdout().is_terminal() || globals.json {
            return Err(Failure::new("descriptors are binary: name a file with --out, or send them to another program"));
        }
        print_bytes(bytes)?;
        return Ok(Verdict::Fine);
    };
    replace(&out, bytes)?;
    let (file, hash) = (out.display().to_string(), Hash::sha256(bytes).to_string());
    let text = format!("{file}: {} bytes, sha256 {hash}\n", bytes.len());
    Report::new(text, json!({ "file": file, "bytes": bytes.len(), "sha256": hash })).finish(globals)
}

fn reasons(lang: Lang) -> Report {
    let mut text = String::new();
    for reason in Reason::ALL {
        let _ = writeln!(text, "{:<24} {:<16} {} {}", reason.code(), class(*reason), reason.sentence(lang), reason.remedy(lang));
    }
    let both = |of: &dyn Fn(Lang) -> &'static str| json!({ "nl": of(Lang::Nl), "en": of(Lang::En) });
    let rows: Vec<_> = Reason::ALL
        .iter()
        .map(|reason| {
            let (sentence, remedy) = (both(&|lang| reason.sentence(lang)), both(&|lang| reason.remedy(lang)));
            json!({ "code": reason.code(), "class": class(*reason), "sentence": sentence, "remedy": remedy })
        })
        .collect();
    Report::new(text, json!({ "reasons": rows }))
}

/// `NotFound` as `not-found`.
fn class(reason: Reason) -> String {
    let name = format!("{:?}", reason.class());
    let dashed = name.char_indices().map(|(at, c)| if at > 0 && c.is_ascii_uppercase() { format!("-{c}") } else { c.to_string() });
    dashed.collect::<String>().to_ascii_lowercase()
}
