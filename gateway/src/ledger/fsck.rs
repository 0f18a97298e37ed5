//! FSCK: `schakel audit fsck`: everything that speaks of the stored log, compared: entries, derived hashes, the newest signed head, the head
//! outside the database, and the newest head that peers cosigned, with its cosignatures.
//!
//! The tree is rebuilt from the entries' bytes alone; whatever was derived from them is compared with it. The first bad index is named.

use schakel_domain::audit::checkpoint::Checkpoint;
use schakel_domain::audit::note::{Note, Vkey};
use schakel_domain::audit::verify::{Check, Finding, Report};

use super::anchor::Anchor;
use super::verify::verify;
use crate::cosigner::{Terms, kept};
use crate::store::{Store, StoreError};

/// What the heads of a log say, beside its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heads {
    /// Size of the head outside the database, when there is one.
    pub anchored: Option<u64>,
    /// Size of the head that peers cosigned, when there is one, and the names of those whose cosignature holds.
    pub cosigned: Option<(u64, Vec<String>)>,
}

/// Compares everything; the report's finding is the first fault.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn check(store: &dyn Store, vkey: &Vkey, anchor: &Anchor, terms: &[Terms]) -> Result<(Report, Heads), StoreError> {
    let mut heads = Heads { anchored: None, cosigned: None };
    let anchored = anchor.read(vkey).await;
    let mut report = verify(store, vkey, anchored.as_ref().ok().and_then(Option::as_ref)).await?;
    match anchored {
        Ok(anchored) => heads.anchored = anchored.map(|anchored: Checkpoint| anchored.size),
        Err(fault) => blame(&mut report, Check::Earlier, fault.to_string()),
    }
    let (version, cosigned) = kept(store, vkey).await?;
    let Some(cosigned) = cosigned else {
        if version > 0 {
            blame(&mut report, Check::Cosigned, "the cosigned head cannot be read, or this log did not sign it".to_owned());
        }
        return Ok((report, heads));
    };
    let extended = verify(store, vkey, Some(&cosigned.checkpoint)).await?;
    if let Some(finding) = extended.finding {
        blame(&mut report, Check::Cosigned, finding.detail);
    }
    match cosigners(&cosigned.note, terms) {
        Ok(names) => {
            let enough = |terms: &Terms| {
                terms.witnesses.values().filter(|witness| names.contains(&witness.name().to_owned())).count() >= terms.quorum
            };
            if !terms.iter().all(enough) {
                blame(&mut report, Check::Cosigned, format!("{} good cosignatures are no quorum by the covenants held now", names.len()));
            }
            heads.cosigned = Some((cosigned.checkpoint.size, names));
        }
        Err(why) => blame(&mut report, Check::Cosigned, why),
    }
    Ok((report, heads))
}

/// Whose cosignatures under this note hold.
fn cosigners(note: &str, terms: &[Terms]) -> Result<Vec<String>, String> {
    let note = Note::parse(note.as_bytes()).map_err(|error| error.to_string())?;
    let mut names = Vec::new();
    for witness in terms.iter().flat_map(|terms| terms.witnesses.values()) {
        match witness.verify_cosignature(&note) {
            Ok(_) if !names.contains(&witness.name().to_owned()) => names.push(witness.name().to_owned()),
            Ok(_) | Err(schakel_domain::audit::note::NoteError::Unsigned) => {}
            Err(error) => return Err(format!("{}: {error}", witness.name())),
        }
    }
    Ok(names)
}

/// The first fault counts.
fn blame(report: &mut Report, check: Check, detail: String) {
    report.finding.get_or_insert(Finding { index: Some(0), check, detail });
}
