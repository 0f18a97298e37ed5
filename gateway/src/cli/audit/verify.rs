//! `schakel audit verify`: the whole stored log against its newest checkpoint, and against an earlier one when that is given.

use schakel_domain::audit::checkpoint::Checkpoint;
use schakel_domain::audit::note::Vkey;
use schakel_domain::refusal::Lang;
use serde_json::json;

use super::unread;
use crate::cli::{Failure, Report};
use crate::ledger::verify::verify as verify_log;
use crate::store::Store;

/// Verifies it with the log's public key alone; `earlier` is a checkpoint as it was signed.
///
/// # Errors
/// When the store cannot be read, or the earlier checkpoint is not of this log.
pub async fn verify(store: &dyn Store, vkey: &Vkey, earlier: Option<&[u8]>, lang: Lang) -> Result<Report, Failure> {
    let earlier = earlier.map(|bytes| Checkpoint::open(bytes, vkey)).transpose().map_err(|error| match lang {
        Lang::Nl => Failure::usage(format_args!("de eerdere stand is niet van dit logboek: {error}")),
        Lang::En => Failure::usage(format_args!("the earlier checkpoint is not of this log: {error}")),
    })?;
    match verify_log(store, vkey, earlier.as_ref()).await {
        Ok(found) => {
            let check = found.finding.as_ref().map(|finding| finding.check.code());
            let index = found.finding.as_ref().and_then(|finding| finding.index);
            let text = format!("{}\n", found.text(lang).trim_end());
            Ok(Report::new(text, json!({ "entries": found.entries, "first_bad_index": index, "check": check })).wrong_if(!found.ok()))
        }
        Err(error) => unread(&error, lang),
    }
}
