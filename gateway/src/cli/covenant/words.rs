//! explain, diff, check: a covenant for people.

use std::path::{Path, PathBuf};

use schakel_domain::covenant::{self, Blocks, Covenant, describe};
use schakel_domain::id::OrgId;
use schakel_domain::refusal::Lang;
use serde_json::json;

use super::life::{BROKEN, standing};
use super::{Source, predecessors, problems, unsound};
use crate::cli::{Failure, Report};

/// Exit 3 when nothing of it applies: the covenant is broken, or the organisation is no party of it.
pub(super) fn explain(path: &Path, org: &OrgId, earlier: &[PathBuf], lang: Lang) -> Result<Report, Failure> {
    let source = match Source::read(path)? {
        Ok(source) => source,
        Err(problems) => return Ok(unsound(&problems, lang)),
    };
    let party = source.document().party(org).is_some();
    let (text, standing) = match source {
        Source::Text(_) if !earlier.is_empty() => {
            return Err(Failure::usage(format_args!("{}: a text was not signed, so earlier versions say nothing of it", path.display())));
        }
        Source::Text(document) => (covenant::explain_document(&document, org, lang), "text"),
        Source::Bundle(bundle) => {
            let covenant = Covenant::judge(bundle, predecessors(earlier)?.as_ref());
            (covenant::explain(&covenant, org, lang), standing(&covenant))
        }
    };
    let data = json!({ "organization": org, "party": party, "standing": standing, "text": text });
    Ok(Report::new(text, data).wrong_if(standing == BROKEN || !party))
}

pub(super) fn diff(a: &Path, b: &Path, lang: Lang) -> Result<Report, Failure> {
    let (a, b) = match (Source::read(a)?, Source::read(b)?) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(problems), _) | (_, Err(problems)) => return Ok(unsound(&problems, lang)),
    };
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
