//! `schakel audit export`: the signed log as files, into a folder that is new or empty.

use std::path::Path;

use schakel_domain::audit::note::Vkey;
use schakel_domain::refusal::Lang;
use serde_json::json;

use super::{found, unread};
use crate::cli::{Failure, Report};
use crate::ledger::export::{Disclose, ExportFailed, Folder, export as write_export};
use crate::store::Store;

/// Writes it.
///
/// # Errors
/// When the store cannot be read, nothing was signed yet, or the files cannot be written.
pub async fn export(store: &dyn Store, vkey: &Vkey, to: &Path, disclose: Disclose<'_>, lang: Lang) -> Result<Report, Failure> {
    let written = match Folder::new(to) {
        Ok(mut folder) => write_export(store, vkey, &mut folder, disclose).await,
        Err(error) => Err(error.into()),
    };
    let either = |nl: String, en: String| if lang == Lang::Nl { nl } else { en };
    match written {
        Ok(entries) => {
            let folder = to.display();
            let text = either(
                format!("{entries} logregels in {folder}. Controleren: schakel-verify {folder} --vkey {vkey}\n"),
                format!("{entries} entries in {folder}. Check with: schakel-verify {folder} --vkey {vkey}\n"),
            );
            Ok(Report::new(text, json!({ "entries": entries, "directory": to, "vkey": vkey.to_string() })))
        }
        Err(ExportFailed::Store(error)) => unread(&error, lang),
        Err(ExportFailed::Unsigned) => {
            Err(Failure::new(either("er is nog niets ondertekend".to_owned(), "nothing was signed yet".to_owned())))
        }
        Err(ExportFailed::Fault(what)) => Ok(found(either(
            format!("het logboek is niet wat ondertekend is ({what}); draai: schakel audit verify"),
            format!("the log is not what was signed ({what}); run: schakel audit verify"),
        ))),
        Err(error) => Err(Failure::new(either(format!("niet geschreven: {error}"), format!("not written: {error}")))),
    }
}
