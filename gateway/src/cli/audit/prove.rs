//! `schakel audit fsck | keys | policy | reconcile`: what proves a log to others, and others' logs to us. Offline.

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use schakel_domain::audit::note::Vkey;
use schakel_domain::audit::policy::Policy;
use schakel_domain::audit::reconcile::{Finding, Reconciled, Side, reconcile as pair};
use schakel_domain::id::OrgId;
use schakel_domain::refusal::Lang;
use serde_json::json;

use super::unread;
use crate::agreements::Agreements;
use crate::cli::{Failure, Report};
use crate::config::{Config, keys as files};
use crate::desk::Desk;
use crate::ledger::anchor::Anchor;
use crate::ledger::fsck::{Heads, check};
use crate::ledger::reconcile::{exported, own};
use crate::store::Store;

/// The log's two public keys, as the text of a party record names them.
pub(super) fn keys(config: &Config, vkey: &Vkey) -> Result<Report, Failure> {
    let cosigner = files::read_cosigner(&config.keys.log, &config.organization).map_err(Failure::new)?;
    let text = format!("[log]\nkey = \"{vkey}\"\ncosigner = \"{}\"\n", cosigner.vkey());
    Ok(Report::new(text, json!({ "key": vkey.to_string(), "cosigner": cosigner.vkey().to_string() })))
}

/// Whose cosignatures make the log of this organisation believable, by the covenants and records held here.
pub(super) async fn policy(store: &dyn Store, config: &Config, of: &OrgId) -> Result<Report, Failure> {
    let agreements = agreements(store, config, of).await?;
    let key = agreements.log_key(of).ok_or_else(|| Failure::new(format!("the party record of {of} names no log key")))?;
    // Where several covenants ask, the one that asks for most.
    let terms = agreements.cosigning(Timestamp::now()).into_iter().max_by_key(|terms| terms.quorum);
    let (quorum, witnesses) = terms.map_or((0, Vec::new()), |terms| (terms.quorum, terms.witnesses.into_values().collect::<Vec<_>>()));
    let text = Policy::text(&key, &witnesses, quorum);
    Ok(Report::new(text.clone(), json!({ "policy": text })))
}

/// Everything that speaks of the stored log, compared.
pub(super) async fn fsck(store: &dyn Store, config: &Config, vkey: &Vkey, lang: Lang) -> Result<Report, Failure> {
    let terms = agreements(store, config, &config.organization).await?.cosigning(Timestamp::now());
    let (report, Heads { anchored, cosigned }) = match check(store, vkey, &Anchor::new(config.data.join("checkpoint")), &terms).await {
        Ok(checked) => checked,
        Err(error) => return unread(&error, lang),
    };
    let (size, names) = cosigned.map_or((None, Vec::new()), |(size, names)| (Some(size), names));
    let shown = |size: Option<u64>| size.map_or_else(|| "-".to_owned(), |size| size.to_string());
    let (outside, covered, by) = (shown(anchored), shown(size), names.join(", "));
    let heads = match lang {
        Lang::Nl => format!("stand buiten de database {outside}; medeondertekend tot {covered} door {} ({by})\n", names.len()),
        Lang::En => format!("head outside the database {outside}; cosigned up to {covered} by {} ({by})\n", names.len()),
    };
    let finding = report.finding.as_ref();
    let json = json!({
        "entries": report.entries,
        "first_bad_index": finding.and_then(|finding| finding.index),
        "check": finding.map(|finding| finding.check.code()),
        "signed": report.size,
        "outside": anchored,
        "cosigned": size,
        "cosigners": names,
    });
    Ok(Report::new(format!("{}{heads}", report.text(lang)), json).wrong_if(!report.ok()))
}

/// Our own log against an exported one.
pub(super) async fn reconcile(store: &dyn Store, config: &Config, other: &Path, lang: Lang) -> Result<Report, Failure> {
    let ours = own(store, config.organization.clone(), Timestamp::now()).await.map_err(Failure::new)?;
    let theirs = folder(other, lang)?;
    paired(&ours, &theirs.0, &theirs.1, lang)
}

/// Two exported logs.
pub(super) fn reconcile_exports(one: &Path, other: &Path, lang: Lang) -> Result<Report, Failure> {
    let (one, other) = (folder(one, lang)?, folder(other, lang)?);
    paired(&one.0, &other.0, &format!("{}{}", one.1, other.1), lang)
}

/// An exported log, and what is to be said of it when it is not whole by itself.
fn folder(folder: &Path, lang: Lang) -> Result<(Side, String), Failure> {
    let (side, report) = exported(folder, None).map_err(Failure::new)?;
    let text = if report.ok() { String::new() } else { format!("{}\n{}", folder.display(), report.text(lang)) };
    Ok((side, text))
}

fn paired(one: &Side, other: &Side, broken: &str, lang: Lang) -> Result<Report, Failure> {
    if one.org() == other.org() {
        return Err(Failure::new(match lang {
            Lang::Nl => "dit zijn twee logboeken van dezelfde organisatie",
            Lang::En => "these are two logs of one organisation",
        }));
    }
    let outcome = pair(one, other);
    let Reconciled { pairs, open, younger, unstated, findings } = &outcome;
    let mut text = broken.to_owned();
    for finding in findings {
        text.push_str(&words(finding, lang));
    }
    let count = findings.len();
    let sums = match lang {
        Lang::Nl => write!(
            text,
            "{pairs} berichten kloppen, {count} niet; {open} onderweg, {younger} jonger dan het andere logboek, {unstated} zonder hash van een kant"
        ),
        Lang::En => write!(
            text,
            "{pairs} messages fit, {count} do not; {open} under way, {younger} younger than the other log, {unstated} without one side's hash"
        ),
    };
    sums.map_err(Failure::new)?;
    text.push('\n');
    let json = json!({ "organizations": [one.org(), other.org()], "whole": broken.is_empty(), "outcome": outcome });
    Ok(Report::new(text, json).wrong_if(count > 0 || !broken.is_empty()))
}

fn words(finding: &Finding, lang: Lang) -> String {
    let Finding { message, sender, receiver, flaw, sender_index, receiver_index } = finding;
    let at = |index: &Option<u64>| index.map_or_else(|| "-".to_owned(), |index| index.to_string());
    let (from, to) = (at(sender_index), at(receiver_index));
    format!("{message}  {sender} [{from}] → {receiver} [{to}]  {}\n", flaw.sentence(lang))
}

/// The covenants and party records in the store, as this organisation sees them.
async fn agreements(store: &dyn Store, config: &Config, of: &OrgId) -> Result<Agreements, Failure> {
    let roots = config.keys.root.iter().map(|path| files::read_public(path)).collect::<Result<Vec<_>, _>>().map_err(Failure::new)?;
    let held = Desk::read_agreements(store, &config.organization, roots).await.map_err(Failure::from)?;
    Ok(Agreements::new(of.clone(), held))
}
