//! new, sign, verify: the life of a version until it is in force.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use schakel_domain::covenant::signed::MAX_BUNDLE_BYTES;
use schakel_domain::covenant::{Covenant, SignedCovenant, Standing, check};
use schakel_domain::id::OrgId;
use schakel_domain::refusal::Lang;
use serde_json::json;

use super::{RootKey, bundle, document, predecessors, unsound};
use crate::cli::files::{PUBLIC, read, replace, write_new};
use crate::cli::{Failure, Report};
use crate::config::keys::{read_private, read_public};

pub(super) fn new(from: &Path, keys: &[RootKey], predecessor: Option<&Path>, out: &Path, lang: Lang) -> Result<Report, Failure> {
    let mut document = match document(from)? {
        Ok(document) => document,
        Err(found) => return Ok(unsound(&found, lang)),
    };
    for RootKey { org, file } in keys {
        let key = read_public(file).map_err(Failure::new)?;
        if !document.set_root_key(org, key) {
            return Err(Failure::new(format_args!("{org} is no party of {}; nothing was written", from.display())));
        }
    }
    if let Some(path) = predecessor {
        document.predecessor = Some(bundle(path)?.document.hash());
    }
    let found = check(&document);
    if !found.is_empty() {
        return Ok(unsound(&found, lang));
    }
    let (hash, version, parties) = (document.hash(), document.version, document.parties.len());
    write_new(out, SignedCovenant::unsigned(document).to_json().as_bytes(), PUBLIC)?;
    let file = out.display();
    let text =
        format!("{file}: version {version}, {parties} parties, sha256 {hash}\nNext: schakel covenant sign {file} --org ID --key FILE\n");
    Ok(Report::new(text, json!({ "file": out, "version": version, "parties": parties, "sha256": hash })))
}

/// Signs as a party of this version, or, with earlier versions, as one of the last of those.
pub(super) fn sign(path: &Path, org: &OrgId, key: &Path, earlier: &[PathBuf]) -> Result<Report, Failure> {
    let mut signed = bundle(path)?;
    let key = read_private(key).map_err(Failure::new)?;
    let added = match predecessors(earlier)? {
        Some(before) => signed.sign_leaving(org, &key, &before),
        None => signed.sign(org, &key),
    };
    added.map_err(|refusal| Failure::from(refusal).about(path))?;
    replace(path, signed.to_json().as_bytes())?;

    let document = &signed.document;
    let has = |id: &OrgId| signed.signatures.iter().any(|signature| signature.party == *id);
    let waiting: Vec<_> = document.parties.iter().map(|party| &party.id).filter(|id| !has(id)).collect();
    let mut text = format!("{} signed version {} (key {}).\n", document.party_name(org), document.version, key.public().key_id());
    for id in &waiting {
        let _ = writeln!(text, "  no signature yet: {} ({id})", document.party_name(id));
    }
    let _ = writeln!(text, "Next: schakel covenant verify {}", path.display());
    Ok(Report::new(text, json!({ "party": org, "key_id": key.public().key_id(), "unsigned": waiting })))
}

pub(super) fn verify(path: &Path, earlier: &[PathBuf]) -> Result<Report, Failure> {
    let before = predecessors(earlier)?;
    // Unreadable bytes are a finding here, not a failure: a bundle that was cut off is a broken covenant.
    let covenant = Covenant::read(&read(path, MAX_BUNDLE_BYTES)?, before.as_ref());
    let mut text = heading(path, &covenant);
    let mut data = json!({ "file": path, "sha256": covenant.hash(), "signed_by": covenant.signers() });
    if let Some(signed) = covenant.signed() {
        data["covenant"] = json!(signed.document.id);
        data["version"] = json!(signed.document.version);
        data["in_force_from"] = json!(signed.document.in_force_from);
    }
    data["standing"] = json!(standing(&covenant));
    let fine = match covenant.standing() {
        Standing::InForce => {
            let from = covenant.signed().map(|signed| signed.document.in_force_from.to_string()).unwrap_or_default();
            let _ = writeln!(text, "√ signed by everybody who must; it applies from {from}");
            true
        }
        Standing::Waiting { missing } => {
            for id in missing {
                let name = covenant.signed().map_or(id.as_str(), |signed| signed.document.party_name(id));
                let _ = writeln!(text, "× not yet signed by {name} ({id})");
            }
            data["missing"] = json!(missing);
            false
        }
        Standing::Broken { why } => {
            let _ = writeln!(text, "× broken: {why}. Nobody may ask anything under it; fetch the signed version again from a party.");
            data["why"] = json!(why);
            false
        }
    };
    Ok(Report::new(text, data).wrong_if(!fine))
}

/// Of a covenant of which nothing applies.
pub(super) const BROKEN: &str = "broken";

/// Whether it binds, for programs.
pub(super) fn standing(covenant: &Covenant) -> &'static str {
    match covenant.standing() {
        Standing::InForce => "in-force",
        Standing::Waiting { .. } => "waiting",
        Standing::Broken { .. } => BROKEN,
    }
}

fn heading(path: &Path, covenant: &Covenant) -> String {
    let Some(signed) = covenant.signed() else { return format!("{}\n", path.display()) };
    let document = &signed.document;
    let mut text = format!("{}, version {}, sha256 {}\n", document.title.en, document.version, covenant.hash());
    for (id, key) in covenant.signers() {
        let _ = writeln!(text, "  signature of {} ({id}), key {key}", document.party_name(&id));
    }
    text
}
