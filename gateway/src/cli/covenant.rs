//! `schakel covenant`: from the text its authors write to a bundle that all have signed.

mod life;
mod words;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Subcommand;
use schakel_domain::covenant::document::MAX_DOCUMENT_BYTES;
use schakel_domain::covenant::signed::MAX_BUNDLE_BYTES;
use schakel_domain::covenant::{Blocks, Covenant, Document, Problem, SignedCovenant, Words};
use schakel_domain::id::OrgId;
use schakel_domain::refusal::Lang;
use serde_json::{Value, json};

use super::{Failure, Globals, Report, Verdict, files};

/// `schakel covenant`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Turn a text (TOML) into a bundle that can be signed
    New {
        /// The text
        #[arg(long, value_name = "FILE.toml")]
        from: PathBuf,
        /// Fill in the root key of a party from its public key file
        #[arg(long, value_name = "ORG=FILE")]
        root_key: Vec<RootKey>,
        /// The version before this one; its hash is filled in
        #[arg(long, value_name = "BUNDLE")]
        predecessor: Option<PathBuf>,
        /// Where the bundle goes
        #[arg(long, value_name = "BUNDLE")]
        out: PathBuf,
    },
    /// Add the signature of one party
    Sign {
        /// The bundle; the signature is added to it
        #[arg(value_name = "BUNDLE")]
        bundle: PathBuf,
        /// Who signs
        #[arg(long, value_name = "ID")]
        org: OrgId,
        /// Its private root key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// It leaves, or signs with the root key it had before: as the predecessor names it
        #[arg(long, requires = "predecessor")]
        leaving: bool,
        /// Earlier versions, in any order; with --leaving
        #[arg(long, value_name = "BUNDLE", requires = "leaving")]
        predecessor: Vec<PathBuf>,
    },
    /// Say whether a bundle binds: exit 0, or 3 with what is missing or wrong
    Verify {
        /// The bundle
        #[arg(value_name = "BUNDLE")]
        bundle: PathBuf,
        /// Earlier versions, in any order
        #[arg(long, value_name = "BUNDLE")]
        predecessor: Vec<PathBuf>,
    },
    /// Say in plain words what one organisation may ask and must answer (Dutch unless --lang en)
    Explain {
        /// A text or a bundle
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// For whom
        #[arg(long, value_name = "ID")]
        org: OrgId,
        /// Earlier versions, in any order
        #[arg(long, value_name = "BUNDLE")]
        predecessor: Vec<PathBuf>,
    },
    /// Say in words what changed from A to B; texts or bundles
    Diff {
        /// The older one
        a: PathBuf,
        /// The newer one
        b: PathBuf,
    },
    /// Name everything that is wrong in a text or bundle; signatures are for `verify`
    Check {
        /// A text or a bundle
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// `ura:90000102=keys/root.key.pub`.
#[derive(Debug, Clone)]
struct RootKey {
    org: OrgId,
    file: PathBuf,
}

impl FromStr for RootKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (org, file) = text.split_once('=').ok_or("expected ORG=FILE, such as ura:90000102=root.key.pub")?;
        Ok(Self { org: org.parse().map_err(|error: schakel_domain::id::InvalidId| error.to_string())?, file: file.into() })
    }
}

/// Runs it.
pub(super) fn run(args: Args, globals: &Globals) -> Result<Verdict, Failure> {
    let lang = globals.lang();
    match args.command {
        Command::New { from, root_key, predecessor, out } => life::new(&from, &root_key, predecessor.as_deref(), &out, lang),
        Command::Sign { bundle, org, key, leaving: _, predecessor } => life::sign(&bundle, &org, &key, &predecessor),
        Command::Verify { bundle, predecessor } => life::verify(&bundle, &predecessor),
        Command::Explain { file, org, predecessor } => words::explain(&file, &org, &predecessor, globals.lang_or(Lang::Nl)),
        Command::Diff { a, b } => words::diff(&a, &b, lang),
        Command::Check { file } => words::check(&file, lang),
    }?
    .finish(globals)
}

/// A covenant as a file holds it.
enum Source {
    /// A text, which nobody can have signed.
    Text(Document),
    /// A bundle.
    Bundle(SignedCovenant),
}

impl Source {
    /// Reads either kind; the problems say why neither.
    fn read(path: &Path) -> Result<Result<Self, Vec<Problem>>, Failure> {
        let bytes = files::read(path, MAX_BUNDLE_BYTES)?;
        let json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        if json {
            return Ok(SignedCovenant::from_json(&bytes).map(Self::Bundle).map_err(|refusal| vec![unreadable(&refusal.detail)]));
        }
        let text = String::from_utf8(bytes).map_err(|_| Failure::file(path, &"not a text (UTF-8)"))?;
        Ok(Document::from_toml(&text).map(Self::Text))
    }

    fn document(&self) -> &Document {
        match self {
            Source::Text(document) => document,
            Source::Bundle(bundle) => &bundle.document,
        }
    }
}

/// A bundle that was cut off or is something else.
fn unreadable(why: &str) -> Problem {
    Problem {
        path: "bundle".to_owned(),
        what: Words::new(format!("is niet leesbaar ({why})."), format!("cannot be read ({why}).")),
        remedy: Words::new("Haal de ondertekende versie opnieuw op bij een partij.", "Fetch the signed version again from a party."),
        blocks: Blocks::Use,
    }
}

/// Judges the earlier versions, oldest first, and gives the last.
pub(super) fn predecessors(paths: &[PathBuf]) -> Result<Option<Covenant>, Failure> {
    let mut bundles = paths.iter().map(|path| bundle(path)).collect::<Result<Vec<_>, _>>()?;
    bundles.sort_by_key(|bundle| bundle.document.version);
    Ok(bundles.into_iter().fold(None, |before: Option<Covenant>, bundle| Some(Covenant::judge(bundle, before.as_ref()))))
}

fn bundle(path: &Path) -> Result<SignedCovenant, Failure> {
    let bytes = files::read(path, MAX_BUNDLE_BYTES)?;
    SignedCovenant::from_json(&bytes).map_err(|refusal| Failure::from(refusal).about(path))
}

fn document(path: &Path) -> Result<Result<Document, Vec<Problem>>, Failure> {
    Ok(Document::from_toml(&files::read_text(path, MAX_DOCUMENT_BYTES)?))
}

/// The result about a text or bundle with which nothing can be done.
fn unsound(found: &[Problem], lang: Lang) -> Report {
    let (text, rows) = problems(found, lang);
    Report::new(text, json!({ "problems": rows })).wrong_if(true)
}

/// Problems, one a line, and as data.
fn problems(found: &[Problem], lang: Lang) -> (String, Value) {
    let signing = |problem: &Problem| problem.blocks == Blocks::Signing;
    let text = found.iter().map(|problem| format!("{} {}\n", if signing(problem) { "‼" } else { "×" }, problem.text(lang))).collect();
    let row = |problem: &Problem| json!({ "path": problem.path, "what": problem.what, "remedy": problem.remedy, "blocks": if signing(problem) { "signing" } else { "use" } });
    (text, found.iter().map(row).collect())
}
