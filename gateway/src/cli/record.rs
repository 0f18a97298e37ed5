//! `schakel record`: what a party may change alone, from a small text to a signed record.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use jiff::Timestamp;
use schakel_certs::identity::Subject;
use schakel_certs::profile;
use schakel_domain::id::OrgId;
use schakel_domain::party_record::{
    Endpoint, MAX_RECORD_BYTES, PartyRecord, RecordBook, RecordStanding, SignedPartyRecord, SigningKey, TelephoneEntry, TlsBinding,
};
use schakel_domain::signature::PublicKey;
use serde::Deserialize;
use serde_json::json;

use super::covenant::predecessors;
use super::files::{PUBLIC, read, read_text, write_new};
use super::{Failure, Globals, Report, Verdict};
use crate::bounded::MAX_CERTIFICATE_BYTES;
use crate::config::keys::{read_private, read_public};

/// `schakel record`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Turn a text (TOML) into a record that can be signed
    #[command(after_help = TEXT)]
    New {
        /// The text; its paths are relative to its own folder
        #[arg(long, value_name = "FILE.toml")]
        from: PathBuf,
        /// Where the record goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Sign a record with the party's root key
    Sign {
        /// The record
        #[arg(value_name = "RECORD")]
        record: PathBuf,
        /// The private root key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Where the signed record goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Say whether a record holds and still counts: exit 0, or 3
    #[command(group(clap::ArgGroup::new("root").required(true).args(["root_key", "covenant"])))]
    Verify {
        /// The signed record
        #[arg(value_name = "RECORD")]
        record: PathBuf,
        /// The party's public root key
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
        /// Or the covenant that names it; of a later version, the earlier ones too
        #[arg(long, value_name = "BUNDLE")]
        covenant: Vec<PathBuf>,
    },
    /// Show a record, signed or not
    Show {
        /// The record
        #[arg(value_name = "RECORD")]
        record: PathBuf,
    },
}

const TEXT: &str = r#"The text:
  org = "ura:90000102"
  number = 1                           # higher than the one before it
  expires = "2027-06-01T00:00:00Z"     # at most 400 days ahead
  endpoint = "gateway.example.nl:8443"
  certificates = ["gateway.crt"]       # in use or about to be
  duty = { label = "crisisdienst", number = "+31000000102" }

  [[signing_keys]]
  file = "signing.key.pub"             # from and until may be added

  [[telephones]]
  label = "crisisdienst, dag en nacht"
  number = "+31000000102""#;

/// The text from which a record is made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    org: OrgId,
    number: u64,
    expires: Timestamp,
    endpoint: Endpoint,
    certificates: Vec<PathBuf>,
    duty: TelephoneEntry,
    signing_keys: Vec<KeyText>,
    telephones: Vec<TelephoneEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyText {
    file: PathBuf,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// Runs it.
pub(super) fn run(args: Args, globals: &Globals) -> Result<Verdict, Failure> {
    match args.command {
        Command::New { from, out } => new(&from, &out),
        Command::Sign { record, key, out } => sign(&record, &key, &out),
        Command::Verify { record, root_key, covenant } => verify(&record, root_key.as_deref(), &covenant),
        Command::Show { record } => show(&record),
    }?
    .finish(globals)
}

fn new(from: &Path, out: &Path) -> Result<Report, Failure> {
    let source = read_text(from, MAX_RECORD_BYTES)?;
    let text: Text = match toml::from_str(&source) {
        Ok(text) => text,
        Err(error) => {
            let said = format!("× {}: {error}\n", from.display());
            return Ok(Report::new(said, json!({ "problem": error.message() })).wrong_if(true));
        }
    };
    let (base, issued) = (from.parent().unwrap_or(Path::new("")), Timestamp::now());
    let key = |entry: &KeyText| -> Result<SigningKey, Failure> {
        let key = read_public(&base.join(&entry.file)).map_err(Failure::new)?;
        Ok(SigningKey { key, from: entry.from.unwrap_or(issued), until: entry.until.unwrap_or(text.expires) })
    };
    let record = PartyRecord {
        signing_keys: text.signing_keys.iter().map(key).collect::<Result<_, _>>()?,
        tls: binding(&text.org, base, &text.certificates)?,
        org: text.org,
        number: text.number,
        issued,
        expires: text.expires,
        endpoint: text.endpoint,
        telephones: text.telephones,
        duty: text.duty,
    };
    let json = serde_json::to_string_pretty(&record).map_err(Failure::new)?;
    write_new(out, format!("{json}\n").as_bytes(), PUBLIC)?;
    let file = out.display();
    let said = format!("{}Next: schakel record sign {file} --key FILE --out FILE\n", lines(&record));
    Ok(Report::new(said, json!({ "file": out, "record": record })))
}

/// The public keys of the certificates, all of which must be of this organisation.
fn binding(org: &OrgId, base: &Path, certificates: &[PathBuf]) -> Result<TlsBinding, Failure> {
    let ours = Subject::Organization(org.clone());
    let mut spki_sha256 = Vec::new();
    for path in certificates {
        let path = base.join(path);
        let identity = profile::identity(&read(&path, MAX_CERTIFICATE_BYTES)?).map_err(|error| Failure::file(&path, &error))?;
        if identity.subject != ours {
            return Err(Failure::file(&path, &format_args!("stands for {}, not for {org}", identity.subject.uri())));
        }
        spki_sha256.push(identity.spki);
    }
    Ok(TlsBinding { spki_sha256, san_uri: ours.uri() })
}

fn sign(path: &Path, key: &Path, out: &Path) -> Result<Report, Failure> {
    let bytes = read(path, MAX_RECORD_BYTES)?;
    let record = unsigned(&bytes).ok_or_else(|| Failure::file(path, &"not a party record as `schakel record new` writes it"))?;
    let key = read_private(key).map_err(Failure::new)?;
    let signed = record.sign(&key).map_err(|refusal| Failure::from(refusal).about(path))?;
    write_new(out, signed.to_json().as_bytes(), PUBLIC)?;
    let text = format!("{} signed: party record {} of {}.\n", out.display(), signed.record.number, signed.record.org);
    Ok(Report::new(text, json!({ "file": out, "organization": signed.record.org, "number": signed.record.number })))
}

fn verify(path: &Path, root_key: Option<&Path>, covenant: &[PathBuf]) -> Result<Report, Failure> {
    let signed = match SignedPartyRecord::from_json(&read(path, MAX_RECORD_BYTES)?) {
        Ok(signed) => signed,
        Err(refusal) => {
            let text = format!("× {}: {refusal}\n", path.display());
            return Ok(Report::new(text, json!({ "reason": refusal.reason.code(), "problem": refusal.detail })).wrong_if(true));
        }
    };
    let org = signed.record.org.clone();
    let key = root(&org, root_key, covenant)?;
    let (mut book, now, mut text) = (RecordBook::new(), Timestamp::now(), lines(&signed.record));
    if let Err(refusal) = book.restore(signed, &key) {
        let _ = writeln!(text, "× {refusal}");
        return Ok(Report::new(text, json!({ "reason": refusal.reason.code(), "problem": refusal.detail })).wrong_if(true));
    }
    let (word, fine) = match book.standing(&org, now) {
        RecordStanding::Valid { .. } => ("valid", true),
        RecordStanding::ExpiresSoon { expires_in, .. } => {
            let _ = writeln!(text, "‼ expires in {} days: make and sign the next one", expires_in.as_hours() / 24);
            ("expires-soon", true)
        }
        RecordStanding::Expired { .. } | RecordStanding::None => ("expired", false),
    };
    let _ = writeln!(text, "{} signature holds; {word}", if fine { "√" } else { "×" });
    Ok(Report::new(text, json!({ "organization": org, "standing": word })).wrong_if(!fine))
}

fn root(org: &OrgId, root_key: Option<&Path>, covenant: &[PathBuf]) -> Result<PublicKey, Failure> {
    if let Some(path) = root_key {
        return read_public(path).map_err(Failure::new);
    }
    let none = || Failure::new(format_args!("the covenant names no root key of {org}"));
    let covenant = predecessors(covenant)?.ok_or_else(none)?;
    covenant.binding()?.party(org).and_then(|party| party.root_key).ok_or_else(none)
}

fn show(path: &Path) -> Result<Report, Failure> {
    let bytes = read(path, MAX_RECORD_BYTES)?;
    let (record, signed) = match unsigned(&bytes) {
        Some(record) => (record, false),
        None => (SignedPartyRecord::from_json(&bytes).map_err(|refusal| Failure::from(refusal).about(path))?.record, true),
    };
    let text = format!("{}{}\n", lines(&record), if signed { "signed (not verified here: schakel record verify)" } else { "not signed" });
    Ok(Report::new(text, json!({ "record": record, "signed": signed })))
}

fn unsigned(bytes: &[u8]) -> Option<PartyRecord> {
    serde_json::from_slice(bytes).ok()
}

fn lines(record: &PartyRecord) -> String {
    let PartyRecord { org, number, issued, expires, endpoint, tls, signing_keys, telephones, duty } = record;
    let mut text = format!("party record {number} of {org}\n  endpoint   {endpoint}\n  valid      {issued} to {expires}\n");
    for hash in &tls.spki_sha256 {
        let _ = writeln!(text, "  tls key    sha256 {hash}");
    }
    for key in signing_keys {
        let _ = writeln!(text, "  signs with {} from {} until {}", key.kid(), key.from, key.until);
    }
    let _ = writeln!(text, "  duty       {} ({})", duty.number, duty.label);
    for entry in telephones {
        let _ = writeln!(text, "  telephone  {} ({})", entry.number, entry.label);
    }
    text
}
