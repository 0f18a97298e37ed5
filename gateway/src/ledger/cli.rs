//! CLI: `schakel audit show`, `verify` and `export` on a store opened for reading, with the log's public key alone.
//!
//! Nothing is written to the store, so these readings leave no entry; whoever may open the database file is outside the gateway's sight.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use schakel_domain::audit::checkpoint::Checkpoint;
use schakel_domain::audit::entry::Entry;
use schakel_domain::audit::note::Vkey;
use schakel_domain::id::CaseId;
use schakel_domain::refusal::Lang;
use serde_json::json;

use super::export::{Disclose, ExportFailed, Folder, export as write_export};
use super::verify::verify as verify_log;
use crate::store::{EntryRow, Kind, MAX_ROWS, Store, StoreError};

/// Entries shown when nothing else is asked.
pub const SHOWN: u32 = 50;
/// Most entries shown at once.
pub const MOST_SHOWN: u32 = 100_000;

/// What a command ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, and all is well.
    Fine,
    /// 1: it could not run.
    Failed,
    /// 2: it was asked wrongly.
    Usage,
    /// 3: it ran and found something wrong.
    Found,
}

impl Exit {
    /// The process's exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Found => 3,
        }
    }
}

/// Where and how a command speaks.
pub struct Voice<'a> {
    /// What was asked for.
    pub out: &'a mut (dyn Write + Send),
    /// Why it could not be given.
    pub err: &'a mut (dyn Write + Send),
    /// In which language.
    pub lang: Lang,
    /// For programs: one JSON object a line.
    pub json: bool,
}

impl Voice<'_> {
    /// Prints; when nobody reads any more, the exit code still tells.
    pub(super) fn say(&mut self, line: impl Display) {
        let _ = writeln!(self.out, "{line}");
    }

    pub(super) fn fail(&mut self, exit: Exit, nl: impl Display, en: impl Display) -> Exit {
        let _ = match self.lang {
            Lang::Nl => writeln!(self.err, "schakel audit: {nl}"),
            Lang::En => writeln!(self.err, "schakel audit: {en}"),
        };
        exit
    }

    fn store(&mut self, error: &StoreError) -> Exit {
        match error {
            StoreError::Damaged(_) => self.fail(
                Exit::Found,
                format_args!("de database is beschadigd ({error}); draai: schakel audit verify"),
                format_args!("the database is damaged ({error}); run: schakel audit verify"),
            ),
            _ => self.fail(
                Exit::Failed,
                format_args!("de database kan niet worden gelezen: {error}"),
                format_args!("the database cannot be read: {error}"),
            ),
        }
    }
}

/// Which entries to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Show {
    /// From this index on; none: the newest.
    pub from: Option<u64>,
    /// At most so many, 1 to [`MOST_SHOWN`].
    pub limit: u32,
    /// Only those about one case: its id, or its label such as `ZK-7F3K`.
    pub case: Option<String>,
}

impl Default for Show {
    /// The newest [`SHOWN`].
    fn default() -> Self {
        Self { from: None, limit: SHOWN, case: None }
    }
}

/// `audit show`: one line for each entry, oldest first.
pub async fn show(store: &dyn Store, ask: &Show, voice: &mut Voice<'_>) -> Exit {
    if !(1..=MOST_SHOWN).contains(&ask.limit) {
        return voice.fail(Exit::Usage, format_args!("--limit is 1 tot {MOST_SHOWN}"), format_args!("--limit is 1 to {MOST_SHOWN}"));
    }
    let cases = match &ask.case {
        None => None,
        Some(named) => match cases(store, named).await {
            Ok(cases) if cases.is_empty() => {
                return voice.fail(Exit::Failed, format_args!("geen zaak {named}"), format_args!("no case {named}"));
            }
            Ok(cases) => Some(cases),
            Err(error) => return voice.store(&error),
        },
    };
    let rows = match cases {
        None => newest(store, ask).await,
        Some(cases) => about(store, &cases, ask).await,
    };
    match rows {
        Ok(rows) => {
            rows.iter().map(|row| show_row(row, voice)).fold(Exit::Fine, |worst, exit| if exit == Exit::Fine { worst } else { exit })
        }
        Err(error) => voice.store(&error),
    }
}

/// The ids of the case that is meant; a label may have been given twice.
async fn cases(store: &dyn Store, named: &str) -> Result<Vec<String>, StoreError> {
    if let Ok(id) = named.parse::<CaseId>() {
        return Ok(vec![id.to_string()]);
    }
    let found = store.aliased(Kind::Case, &named.to_uppercase()).await?;
    Ok(found.into_iter().map(|record| record.id).collect())
}

async fn newest(store: &dyn Store, ask: &Show) -> Result<Vec<EntryRow>, StoreError> {
    let mut rows = Vec::new();
    let size = store.log_size().await?;
    let mut next = ask.from.unwrap_or_else(|| size.saturating_sub(u64::from(ask.limit)));
    while rows.len() < ask.limit as usize {
        let left = ask.limit - u32::try_from(rows.len()).unwrap_or(ask.limit);
        let page = store.entries(next, left.min(MAX_ROWS)).await?;
        let Some(last) = page.last() else { break };
        next = last.index + 1;
        rows.extend(page);
    }
    Ok(rows)
}

/// Entries about some cases: the first of them from an index, or the last of all.
async fn about(store: &dyn Store, cases: &[String], ask: &Show) -> Result<Vec<EntryRow>, StoreError> {
    let limit = ask.limit as usize;
    let mut found = Vec::new();
    for case in cases {
        let mut kept = VecDeque::new();
        let mut next = ask.from.unwrap_or_default();
        loop {
            let page = store.entries_of(case, next, MAX_ROWS).await?;
            let Some(last) = page.last() else { break };
            next = last.index + 1;
            kept.extend(page);
            match ask.from {
                Some(_) if kept.len() >= limit => break,
                Some(_) => {}
                None => drop(kept.drain(..kept.len().saturating_sub(limit))),
            }
        }
        found.extend(kept);
    }
    found.sort_by_key(|row| row.index);
    match ask.from {
        Some(_) => found.truncate(limit),
        None => drop(found.drain(..found.len().saturating_sub(limit))),
    }
    Ok(found)
}

fn show_row(row: &EntryRow, voice: &mut Voice<'_>) -> Exit {
    match Entry::parse(&row.entry.bytes) {
        Ok(entry) if voice.json => {
            voice.say(json!({ "index": row.index, "leaf": row.entry.leaf, "entry": entry }));
            Exit::Fine
        }
        Ok(entry) => {
            voice.say(line(row.index, &entry, voice.lang));
            Exit::Fine
        }
        Err(error) if voice.json => {
            voice.say(json!({ "index": row.index, "leaf": row.entry.leaf, "error": error.to_string() }));
            Exit::Found
        }
        Err(error) => {
            let say = match voice.lang {
                Lang::Nl => "geen logregel",
                Lang::En => "not an entry",
            };
            voice.say(printable(&format!("{:>7}  {say}: {error}", row.index)));
            Exit::Found
        }
    }
}

/// One entry on one line: index, time (UTC), who with which role, what, about what, allowed or not, by which rule, in which words.
#[must_use]
pub fn line(index: u64, entry: &Entry, lang: Lang) -> String {
    let time = entry.event.time.replacen('T', " ", 1);
    let who: Vec<_> = entry.users.iter().map(|user| format!("{} ({})", user.id, user.role)).collect();
    let what = entry.event.known().map_or(entry.event.code.as_str(), |event| event.words(lang));
    let about: Vec<_> = entry.objects.iter().map(|object| format!("{} {}", object.kind, object.id)).collect();
    let verdict = match (entry.decision.allowed, lang) {
        (true, Lang::Nl) => "toegestaan",
        (false, Lang::Nl) => "geweigerd",
        (true, Lang::En) => "allowed",
        (false, Lang::En) => "denied",
    };
    let peer = entry.peer.as_ref().map_or_else(String::new, |peer| format!("  ⇄ {}", peer.org));
    let (who, about) = (who.join(" + "), about.join(", "));
    let Entry { decision, .. } = entry;
    printable(&format!("{index:>7}  {time}  {who}  {what}  {about}{peer}  {verdict} [{}] {}", decision.rule, decision.sentence))
}

/// Without what would steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// `audit verify`: the whole stored log against its newest checkpoint, and against an earlier one (as signed) when that is given.
pub async fn verify(store: &dyn Store, vkey: &Vkey, earlier: Option<&[u8]>, voice: &mut Voice<'_>) -> Exit {
    let earlier = match earlier.map(|bytes| Checkpoint::open(bytes, vkey)).transpose() {
        Ok(earlier) => earlier,
        Err(error) => {
            return voice.fail(
                Exit::Usage,
                format_args!("de eerdere stand is niet van dit logboek: {error}"),
                format_args!("the earlier checkpoint is not of this log: {error}"),
            );
        }
    };
    match verify_log(store, vkey, earlier.as_ref()).await {
        Ok(report) => {
            let text = if voice.json { report.json() } else { report.text(voice.lang).trim_end().to_owned() };
            voice.say(text);
            if report.ok() { Exit::Fine } else { Exit::Found }
        }
        Err(error) => voice.store(&error),
    }
}

/// `audit export --out DIR`: the signed log as files, into a folder that is new or empty.
pub async fn export(store: &dyn Store, vkey: &Vkey, to: &Path, disclose: Disclose<'_>, voice: &mut Voice<'_>) -> Exit {
    let written = match Folder::new(to) {
        Ok(mut folder) => write_export(store, vkey, &mut folder, disclose, jiff::Timestamp::now()).await,
        Err(error) => Err(error.into()),
    };
    match written {
        Ok(entries) if voice.json => {
            voice.say(json!({ "ok": true, "entries": entries, "directory": to.display().to_string(), "vkey": vkey.to_string() }));
            Exit::Fine
        }
        Ok(entries) => {
            let to = to.display();
            voice.say(match voice.lang {
                Lang::Nl => format!("{entries} logregels in {to}. Controleren: schakel-verify {to} --vkey {vkey}"),
                Lang::En => format!("{entries} entries in {to}. Check with: schakel-verify {to} --vkey {vkey}"),
            });
            Exit::Fine
        }
        Err(ExportFailed::Store(error)) => voice.store(&error),
        Err(ExportFailed::Unsigned) => voice.fail(Exit::Failed, "er is nog niets ondertekend", "nothing was signed yet"),
        Err(ExportFailed::Fault(what)) => voice.fail(
            Exit::Found,
            format_args!("het logboek is niet wat ondertekend is ({what}); draai: schakel audit verify"),
            format_args!("the log is not what was signed ({what}); run: schakel audit verify"),
        ),
        Err(error) => voice.fail(Exit::Failed, format_args!("niet geschreven: {error}"), format_args!("not written: {error}")),
    }
}
