//! A notice file.

use schakel_domain::view::{Call, Responsibility};
use serde_json::{Value, json};

use super::dossier;
use crate::{Content, Document, Notice};

/// The notice as JSON, named by its place in the sequence so that a listing by name is a listing in order.
pub(super) fn render(notice: &Notice) -> Document {
    let value = json!({
        "key": notice.key(),
        "seq": notice.seq,
        "kind": notice.kind,
        "at": notice.at.to_string(),
        "resource": notice.resource,
        "state": notice.state,
        "version": notice.version,
        "label": notice.label.as_ref().map(|label| label.as_str()),
        "respond_by": notice.respond_by.map(|moment| moment.to_string()),
        "responsibility": notice.responsibility.as_ref().map(responsibility),
        "content": notice.content.as_ref().map(content),
    });
    Document { name: format!("{:020}-{}.json", notice.seq, file_safe(&notice.kind)), bytes: super::to_bytes(&value) }
}

/// Letters, digits, dots, dashes and underscores of a kind; the sequence number alone already makes the name unique.
fn file_safe(kind: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    kind.chars().take(60).map(safe).collect()
}

/// Who is responsible, in a sentence, and whom to call.
pub(super) fn responsibility(responsibility: &Responsibility) -> Value {
    json!({
        "lead": responsibility.lead.as_ref().map(|lead| lead.as_str()),
        "responsible": responsibility.responsible.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
        "sentence_nl": responsibility.sentence_nl,
        "sentence_en": responsibility.sentence_en,
        "call": responsibility.call.as_ref().map(call),
    })
}

/// A telephone number with whose it is.
pub(super) fn call(call: &Call) -> Value {
    json!({
        "organization": call.organization.as_str(),
        "name": call.name,
        "line": call.line,
        "telephone": call.telephone,
    })
}

fn content(content: &Content) -> Value {
    json!({
        "question": content.question,
        "dossier": content.dossier.as_deref().map(dossier::write),
        "advice": content.advice,
    })
}
