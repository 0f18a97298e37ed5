//! explain, diff, check: a covenant for people.

use std::path::{Path, PathBuf};

use schakel_domain::covenant::{self, Blocks, Covenant, describe};
use schakel_domain::id::OrgId;
use schakel_domain::refusal::Lang;
use serde_json::json;

use super::{Source, predecessors, problems};
use crate::cli::{Failure, Report};

pub(super) fn explain(path: &Path, org: &OrgId, earlier: &[PathBuf], lang: Lang) -> Result<Report, Failure> {
    let text = match Source::sound(path)? {
        Source::Text(document) => covenant::explain_document(&document, org, lang),
        Source::Bundle(bundle) => covenant::explain(&Covenant::judge(bundle, predecessors(earlier)?.as_ref()), org, lang),
    };
    let lines = json!({ "organization": org, "text": text });
    Ok(Report::new(text, lines))
}

pub(super) fn diff(a: &Path, b: &Path, lang: Lang) -> Result<Report, Failure> {
    let (a, b) = (Source::sound(a)?, Source::sound(b)?);
    let differences = covenant::diff(a.document(), b.document());
    Ok(Report::new(describe(&differences, lang), json!({ "differences": differences })))
}

pub(super) fn check(path: &Path, lang: Lang) -> Result<Report, Failure> {
    let found = match Source::read(path)? {
        Ok(source) => covenant::check(source.document()),
        Err(problems) => problems,
    };
    let usable = found.iter().all(|problem| problem.blocks != Blocks::Use);
    let (mut text, rows) = problems(&found, lang);
    text.push_str(match (usable, found.is_empty(), lang) {
        (_, true, Lang::Nl) => "√ klopt en kan worden getekend\n",
        (_, true, Lang::En) => "√ sound, and can be signed\n",
        (true, false, Lang::Nl) => "√ klopt, maar kan nog niet worden getekend\n",
        (true, false, Lang::En) => "√ sound, but cannot be signed yet\n",
        (false, false, Lang::Nl) => "Dit convenant kan niet worden gebruikt.\n",
        (false, false, Lang::En) => "This covenant cannot be used.\n",
    });
    Ok(Report::new(text, json!({ "usable": usable, "can_be_signed": found.is_empty(), "problems": rows })).wrong_if(!usable))
}
