//! `schakel-verify`: checks an exported audit log, offline, with the log's public key alone.
//!
//! The checks themselves are `schakel_domain::audit::verify`; this program only reads files and prints. It has no network code.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use schakel_domain::audit::note::{MAX_NOTE, Vkey};
use schakel_domain::audit::verify::{Report, Trust, Unjudged, verify};
use schakel_domain::refusal::Lang;

/// Largest list of directories, in bytes.
const MAX_LIST_BYTES: usize = 16 << 20;

const USAGE: &str = "\
schakel-verify: check an exported audit log, offline

  schakel-verify DIR [--vkey KEY] [--since CHECKPOINT] [--json] [--lang nl|en]
  schakel-verify --many FILE [--vkey KEY]

  --vkey KEY          the log's public key (name+id+base64), had from the organisation and not from the export
  --since CHECKPOINT  a signed checkpoint kept from an earlier time: the log must extend it
  --json              one JSON object: ok, entries, first_bad_index, check
  --lang nl|en        language of the verdict (default nl)
  --many FILE         check each directory named in FILE, one a line; one JSON object a line

exit: 0 whole and unchanged, 1 could not be read, 2 usage, 3 changed or incomplete
";

/// What the program ends with, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Whole,
    Unreadable,
    Usage,
    Broken,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        ExitCode::from(match verdict {
            Verdict::Whole => 0,
            Verdict::Unreadable => 1,
            Verdict::Usage => 2,
            Verdict::Broken => 3,
        })
    }
}

/// What was asked for on the command line.
#[derive(Debug, Default)]
struct Options {
    directory: Option<PathBuf>,
    many: Option<PathBuf>,
    since: Option<PathBuf>,
    vkey: Option<Vkey>,
    json: bool,
    lang: Lang,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        say(USAGE);
        return Verdict::Whole.into();
    }
    let verdict = match Options::parse(&arguments) {
        Ok(options) => run(options),
        Err(problem) => {
            eprintln!("schakel-verify: {problem}\n\n{USAGE}");
            Verdict::Usage
        }
    };
    verdict.into()
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--json" => options.json = true,
                "--vkey" => options.vkey = Some(value()?.parse().map_err(|error| format!("--vkey: {error}"))?),
                "--since" => options.since = Some(value()?.into()),
                "--many" => options.many = Some(value()?.into()),
                "--lang" => options.lang = language(value()?)?,
                other if other.starts_with('-') => return Err(format!("unknown option {other}")),
                directory if options.directory.is_none() => options.directory = Some(directory.into()),
                surplus => return Err(format!("one directory at a time: {surplus}")),
            }
        }
        match options.directory.is_some() == options.many.is_some() {
            true => Err("name the directory of an exported log, or --many FILE".to_owned()),
            false => Ok(options),
        }
    }
}

fn language(text: &str) -> Result<Lang, String> {
    match text {
        "nl" => Ok(Lang::Nl),
        "en" => Ok(Lang::En),
        other => Err(format!("--lang is nl or en, not {other}")),
    }
}

fn run(options: Options) -> Verdict {
    let earlier = match options.since.as_deref().map(|path| read_whole(path, MAX_NOTE)).transpose() {
        Ok(earlier) => earlier,
        Err(error) => return unreadable(&format!("--since: {error}")),
    };
    let trust = Trust { log: options.vkey, earlier };
    if let Some(list) = options.many {
        return run_many(&list, &trust);
    }
    let directory = options.directory.unwrap_or_default();
    match check(&directory, &trust) {
        Err(unjudged) => unreadable(&format!("{}: {unjudged}", directory.display())),
        Ok(report) => {
            say(&if options.json { format!("{}\n", report.json()) } else { report.text(options.lang) });
            verdict(&report)
        }
    }
}

/// Many exports in one run, for comparing verifiers with each other.
fn run_many(list: &Path, trust: &Trust) -> Verdict {
    let directories = match read_whole(list, MAX_LIST_BYTES).and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string())) {
        Ok(text) => text,
        Err(error) => return unreadable(&format!("--many: {error}")),
    };
    let mut worst = Verdict::Whole;
    for directory in directories.lines() {
        match check(Path::new(directory), trust) {
            Ok(report) => {
                say(&format!("{}\n", report.json()));
                if !report.ok() {
                    worst = Verdict::Broken;
                }
            }
            Err(unjudged) => return unreadable(&format!("{directory}: {unjudged}")),
        }
    }
    worst
}

fn check(directory: &Path, trust: &Trust) -> Result<Report, Unjudged> {
    let mut read = |path: &str, at_most: usize| read_file(&directory.join(path), at_most);
    verify(&mut read, trust)
}

/// A file that must be there and not be larger.
fn read_whole(path: &Path, most: usize) -> Result<Vec<u8>, String> {
    let bytes = read_file(path, most + 1)?.ok_or("no such file")?;
    if bytes.len() > most { Err(format!("larger than {most} bytes")) } else { Ok(bytes) }
}

/// The first bytes of a file; nothing when it does not exist.
fn read_file(path: &Path, at_most: usize) -> Result<Option<Vec<u8>>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    file.take(at_most as u64).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(Some(bytes))
}

fn verdict(report: &Report) -> Verdict {
    if report.ok() { Verdict::Whole } else { Verdict::Broken }
}

fn unreadable(problem: &str) -> Verdict {
    eprintln!("schakel-verify: {problem}");
    Verdict::Unreadable
}

/// Prints; when nobody reads any more, the exit code still tells.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
