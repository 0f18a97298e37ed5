//! `schakel audit show`: entries, one a line, oldest first.

use std::collections::VecDeque;

use schakel_domain::audit::entry::Entry;
use schakel_domain::refusal::Lang;
use serde_json::{Value, json};

use super::unread;
use crate::cli::named::Named;
use crate::cli::{Failure, Report};
use crate::store::{EntryRow, Kind, MAX_ROWS, Store, StoreError};

/// Entries shown when nothing else is asked.
pub const SHOWN: u32 = 50;
/// Most entries shown at once; a whole log is for an export.
pub const MOST_SHOWN: u32 = 10_000;

/// Which entries to show.
#[derive(Debug, Clone)]
pub struct Show {
    /// From this index on; none: the newest.
    pub from: Option<u64>,
    /// At most so many, 1 to [`MOST_SHOWN`].
    pub limit: u32,
    /// Only those about one case: its id, or its label such as `ZK-7F3KD`.
    pub case: Option<Named>,
}

impl Default for Show {
    /// The newest [`SHOWN`].
    fn default() -> Self {
        Self { from: None, limit: SHOWN, case: None }
    }
}

/// Shows them. Something is wrong when a row is no entry.
///
/// # Errors
/// When the store cannot be read, or there is no such case.
pub async fn show(store: &dyn Store, ask: &Show, lang: Lang) -> Result<Report, Failure> {
    let rows = match &ask.case {
        None => newest(store, ask).await,
        Some(named) => match cases(store, named).await {
            Ok(cases) if cases.is_empty() => {
                return Err(Failure::new(if lang == Lang::Nl { format!("geen zaak {named}") } else { format!("no case {named}") }));
            }
            Ok(cases) => about(store, &cases, ask).await,
            Err(error) => Err(error),
        },
    };
    match rows {
        Ok(rows) => Ok(told(&rows, lang)),
        Err(error) => unread(&error, lang),
    }
}

fn told(rows: &[EntryRow], lang: Lang) -> Report {
    let shown: Vec<_> = rows.iter().map(|row| shown(row, lang)).collect();
    let text: String = shown.iter().map(|row| format!("{}\n", row.line)).collect();
    let broken = shown.iter().any(|row| row.broken);
    let objects: Vec<_> = shown.into_iter().map(|row| row.object).collect();
    Report::new(text, json!({ "entries": objects })).wrong_if(broken)
}

struct Shown {
    line: String,
    object: Value,
    broken: bool,
}

fn shown(row: &EntryRow, lang: Lang) -> Shown {
    let (index, leaf) = (row.index, row.entry.leaf);
    match Entry::parse(&row.entry.bytes) {
        Ok(entry) => {
            Shown { line: line(index, &entry, lang), object: json!({ "index": index, "leaf": leaf, "entry": entry }), broken: false }
        }
        Err(error) => {
            let say = if lang == Lang::Nl { "geen logregel" } else { "not an entry" };
            Shown {
                line: printable(&format!("{index:>7}  {say}: {error}")),
                object: json!({ "index": index, "leaf": leaf, "error": error.to_string() }),
                broken: true,
            }
        }
    }
}

/// The ids of the case that is meant; a label may have been given twice.
pub(super) async fn cases(store: &dyn Store, named: &Named) -> Result<Vec<String>, StoreError> {
    match named {
        Named::Id(id) => Ok(vec![id.to_string()]),
        Named::Label(label) => {
            // Of an erased case the entries are still there, for whoever asks who saw the file.
            let mut found = store.aliased(Kind::Case, label.as_str()).await?;
            found.extend(store.aliased(Kind::Erasure, label.as_str()).await?);
            Ok(found.into_iter().map(|record| record.id).collect())
        }
    }
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
