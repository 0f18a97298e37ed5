//! RECONCILE: `schakel audit reconcile`: two logs, each an exported folder or our own store, paired message by message, offline.
//!
//! The pairing itself is [`schakel_domain::audit::reconcile`]; here logs and receipts are read and the verdict is told. An exported log
//! is verified first: what is paired is then what its owner signed.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schakel_domain::audit::note::Vkey;
use schakel_domain::audit::reconcile::{Finding, Reconciled, Side, reconcile as pair};
use schakel_domain::audit::tiles::{MAX_BUNDLE, WIDTH, bundle_path, take_entry, width_of};
use schakel_domain::audit::verify::{Report, Trust, verify};
use schakel_domain::id::OrgId;
use schakel_domain::refusal::Lang;
use serde_json::json;

use super::cli::{Exit, Voice};
use super::receipts::{self, Walk};
use crate::store::{MAX_ROWS, Store, StoreError};

/// Why a log cannot be paired.
#[derive(Debug, thiserror::Error)]
pub enum Unpaired {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An exported folder cannot be read.
    #[error("{path}: {problem}")]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An entry is no entry.
    #[error("entry {index}: {problem}")]
    Entry {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        problem: String,
    },
}

/// Our own log, with every receipt we hold.
///
/// # Errors
/// [`Unpaired::Store`] or [`Unpaired::Entry`].
pub async fn own(store: &dyn Store, org: OrgId, now: Timestamp) -> Result<Side, Unpaired> {
    let mut side = Side::new(org, now);
    let mut next = 0;
    loop {
        let rows = store.entries(next, MAX_ROWS).await?;
        let Some(last) = rows.last() else { break };
        next = last.index + 1;
        for row in &rows {
            take(&mut side, row.index, &row.entry.bytes)?;
        }
    }
    let mut walk = Walk::new(store).await?;
    while let Some(lines) = walk.next().await? {
        lines.into_iter().for_each(|line| side.receipt(line.receipt));
    }
    Ok(side)
}

/// An exported log, what its verification says, and its receipts. Without receipts it counts as exported now by nobody: nothing that is
/// missing in it can be told from what is younger.
///
/// # Errors
/// [`Unpaired::Folder`] or [`Unpaired::Entry`].
pub fn exported(folder: &Path, vkey: Option<&Vkey>) -> Result<(Side, Report), Unpaired> {
    let fail = |problem: String| Unpaired::Folder { path: folder.to_owned(), problem };
    let mut read = |path: &str, at_most: usize| read_file(&folder.join(path), at_most);
    let trust = Trust { log: vkey.cloned(), ..Trust::default() };
    let report = verify(&mut read, &trust).map_err(|error| fail(error.to_string()))?;
    let mut held = Vec::new();
    let index = receipts::read(&mut read, |line| held.push(line.receipt)).map_err(|error| fail(error.to_string()))?;
    let index = index.ok_or_else(|| fail(format!("{} is missing: export it again", receipts::INDEX)))?;
    let mut side = Side::new(index.org, index.as_of);
    for bundle in 0..report.size.div_ceil(WIDTH) {
        let path = bundle_path(bundle, width_of(bundle, report.size));
        let bytes = read(&path, MAX_BUNDLE).map_err(fail)?.unwrap_or_default();
        let mut rest = &bytes[..];
        for index in bundle * WIDTH.. {
            let Some(entry) = take_entry(&mut rest) else { break };
            take(&mut side, index, entry)?;
        }
    }
    held.into_iter().for_each(|receipt| side.receipt(receipt));
    Ok((side, report))
}

fn take(side: &mut Side, index: u64, entry: &[u8]) -> Result<(), Unpaired> {
    side.read(index, entry).map_err(|error| Unpaired::Entry { index, problem: error.to_string() })
}

fn read_file(path: &Path, at_most: usize) -> Result<Option<Vec<u8>>, String> {
    use std::io::Read as _;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    file.take(at_most as u64).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(Some(bytes))
}

/// Tells what pairing two logs gave: every finding on a line of its own, the sums last.
pub fn tell(one: &Side, other: &Side, voice: &mut Voice<'_>) -> Exit {
    let outcome = pair(one, other);
    let Reconciled { pairs, open, younger, unstated, findings } = &outcome;
    if voice.json {
        let parties = [one.org(), other.org()];
        voice.say(json!({ "ok": findings.is_empty(), "organizations": parties, "outcome": outcome }));
    } else {
        for finding in findings {
            let line = words(finding, voice.lang);
            voice.say(line);
        }
        let count = findings.len();
        voice.say(match voice.lang {
            Lang::Nl => format!("{pairs} berichten kloppen, {count} niet; {open} onderweg, {younger} jonger dan het andere logboek, {unstated} zonder hash van een kant"),
            Lang::En => format!("{pairs} messages fit, {count} do not; {open} under way, {younger} younger than the other log, {unstated} without one side's hash"),
        });
    }
    if findings.is_empty() { Exit::Fine } else { Exit::Found }
}

fn words(finding: &Finding, lang: Lang) -> String {
    let Finding { message, sender, receiver, flaw, sender_index, receiver_index } = finding;
    let at = |index: &Option<u64>| index.map_or_else(|| "-".to_owned(), |index| index.to_string());
    let (from, to) = (at(sender_index), at(receiver_index));
    format!("{message}  {sender} [{from}] → {receiver} [{to}]  {}", flaw.sentence(lang))
}

/// `audit reconcile`: an exported log against another, or against our own store.
pub async fn reconcile(own_log: Option<(&dyn Store, OrgId, Timestamp)>, folders: &[PathBuf], voice: &mut Voice<'_>) -> Exit {
    let mut sides = Vec::new();
    if let Some((store, org, now)) = own_log {
        match own(store, org, now).await {
            Ok(side) => sides.push(side),
            Err(error) => return voice.fail(Exit::Failed, &error, &error),
        }
    }
    let mut broken = false;
    for folder in folders {
        match exported(folder, None) {
            Ok((side, report)) => {
                if !report.ok() {
                    broken = true;
                    let text = report.text(voice.lang);
                    voice.say(format_args!("{}\n{}", folder.display(), text.trim_end()));
                }
                sides.push(side);
            }
            Err(error) => return voice.fail(Exit::Failed, &error, &error),
        }
    }
    let [one, other] = sides.as_slice() else {
        return voice.fail(
            Exit::Usage,
            "noem twee geëxporteerde mappen, of één en --config van de eigen gateway",
            "name two exported folders, or one and --config of the own gateway",
        );
    };
    if one.org() == other.org() {
        return voice.fail(Exit::Usage, "dit zijn twee logboeken van dezelfde organisatie", "these are two logs of one organisation");
    }
    let told = tell(one, other, voice);
    if broken { Exit::Found } else { told }
}
