//! `schakel audit export --format fhir`: the log, or what it holds about one case, as FHIR R4 AuditEvents, one a line (NDJSON).

use std::path::Path;

use schakel_domain::refusal::Lang;
use serde_json::json;

use super::show::cases;
use super::{found, unread};
use crate::cli::named::Named;
use crate::cli::{Failure, Report};
use crate::ledger::fhir::{Failed, write};
use crate::store::Store;

/// Writes them; with `case` only what the log holds about that case, erased or not.
///
/// # Errors
/// When the store cannot be read, there is no such case, the file exists or cannot be written, or an entry is not what its leaf hash says.
pub(super) async fn export(store: &dyn Store, to: &Path, case: Option<&Named>, lang: Lang) -> Result<Report, Failure> {
    let either = |nl: String, en: String| if lang == Lang::Nl { nl } else { en };
    let of = match case {
        None => None,
        Some(named) => match cases(store, named).await {
            Ok(ids) if ids.is_empty() => return Err(Failure::new(either(format!("geen zaak {named}"), format!("no case {named}")))),
            Ok(ids) => Some(ids),
            Err(error) => return unread(&error, lang),
        },
    };
    match write(store, to, of.as_deref()).await {
        Ok(events) => {
            let file = to.display();
            let text = either(
                format!("{events} gebeurtenissen (FHIR R4 AuditEvent) in {file}\n"),
                format!("{events} events (FHIR R4 AuditEvent) in {file}\n"),
            );
            Ok(Report::new(text, json!({ "events": events, "file": to })))
        }
        Err(Failed::Store(error)) => unread(&error, lang),
        Err(Failed::Io(error)) => {
            let file = to.display();
            Err(Failure::new(either(format!("niet geschreven: {file}: {error}"), format!("not written: {file}: {error}"))))
        }
        Err(Failed::Entry(what)) => Ok(found(either(
            format!("het logboek is niet wat ondertekend is ({what}); draai: schakel audit verify"),
            format!("the log is not what was signed ({what}); run: schakel audit verify"),
        ))),
    }
}
