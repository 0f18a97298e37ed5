//! A case on a terminal: first where it stands, then who is responsible, then whom to call.

use schakel_domain::refusal::Lang;
use schakel_proto::care::v1::case::Standing;
use schakel_proto::care::v1::{Call, Case, Responsibility};
use serde_json::{Value, json};

use crate::cli::Report;
use crate::cli::remote::words::{last, moment, moment_json, table};

/// Cases, one a line, the telephone below it.
pub(super) fn list(cases: &[Case], more: bool, lang: Lang) -> Report {
    let mut rows = Vec::new();
    for case in cases {
        let standing = standing(case).1(lang).to_owned();
        let (said, call) = (sentence(case, lang).to_owned(), call(case));
        rows.push(vec![case.label.clone(), standing, moment(case.update_time.as_ref()), said]);
        rows.extend(call.map(|call| vec![String::new(), String::new(), to_call(lang).to_owned(), line(call)]));
    }
    let mut text = table(&rows);
    text += match (cases.is_empty(), more, lang) {
        (true, _, Lang::Nl) => "geen zaken\n",
        (true, _, Lang::En) => "no cases\n",
        (false, true, Lang::Nl) => "er zijn er meer: --limit\n",
        (false, true, Lang::En) => "there are more: --limit\n",
        (false, false, _) => "",
    };
    Report::new(text, json!({ "cases": cases.iter().map(|case| object(case, lang)).collect::<Vec<_>>(), "more": more }))
}

/// Cases with everything that is known of them: one, or those that share a name for the telephone.
pub(super) fn several(cases: &[Case], lang: Lang) -> Report {
    let text: Vec<String> = cases.iter().map(|case| lines(case, lang)).collect();
    Report::new(text.join("\n"), json!({ "cases": cases.iter().map(|case| object(case, lang)).collect::<Vec<_>>() }))
}

/// What became of a case after two people decided.
pub(super) fn decided(case: &Case, etag: &str, request_id: &str, lang: Lang) -> Report {
    Report::new(lines(case, lang), json!({ "case": object(case, lang), "decided_at_etag": etag, "request_id": request_id }))
}

fn lines(case: &Case, lang: Lang) -> String {
    let nothing = Responsibility::default();
    let responsibility = case.responsibility.as_ref().unwrap_or(&nothing);
    let row = |nl: &str, en: &str, value: String| vec![if lang == Lang::Nl { nl } else { en }.to_owned(), value];
    let mut rows = vec![
        vec![case.label.clone(), standing(case).1(lang).to_owned()],
        row("wie", "who", sentence(case, lang).to_owned()),
        row("regie", "lead", responsibility.lead.clone()),
        row("zorgplicht", "responsible", responsibility.responsible.join(", ")),
    ];
    rows.extend(call(case).map(|call| row("bel", "call", line(call))));
    rows.extend([
        row("sinds", "since", format!("{} ({})", moment(case.create_time.as_ref()), hops(case.hops, lang))),
        row("gewijzigd", "changed", moment(case.update_time.as_ref())),
        row("overdracht", "handover", last(&case.open_handover).to_owned()),
        row("stand", "version", format!("{}, epoch {}", case.etag, case.epoch)),
        row("id", "id", last(&case.name).to_owned()),
    ]);
    rows.retain(|row| row.last().is_some_and(|value| !value.is_empty()));
    table(&rows)
}

fn hops(hops: u32, lang: Lang) -> String {
    match (hops, lang) {
        (0, Lang::Nl) => "nooit overgedragen".to_owned(),
        (0, Lang::En) => "never handed over".to_owned(),
        (n, Lang::Nl) => format!("{n} keer overgedragen"),
        (1, Lang::En) => "handed over once".to_owned(),
        (n, Lang::En) => format!("handed over {n} times"),
    }
}

fn object(case: &Case, lang: Lang) -> Value {
    let nothing = Responsibility::default();
    let responsibility = case.responsibility.as_ref().unwrap_or(&nothing);
    let call = call(case)
        .map(|call| json!({ "organization": call.organization, "name": call.name, "line": call.line, "telephone": call.telephone }));
    json!({
        "id": last(&case.name),
        "label": case.label,
        "etag": case.etag,
        "standing": standing(case).0,
        "lead": Some(&responsibility.lead).filter(|lead| !lead.is_empty()),
        "responsible": responsibility.responsible,
        "sentence": sentence(case, lang),
        "call": call,
        "created": moment_json(case.create_time.as_ref()),
        "changed": moment_json(case.update_time.as_ref()),
        "hops": case.hops,
        "epoch": case.epoch,
        "open_handover": Some(last(&case.open_handover)).filter(|id| !id.is_empty()),
    })
}

fn sentence(case: &Case, lang: Lang) -> &str {
    let said = case.responsibility.as_ref().map(|said| if lang == Lang::Nl { &said.sentence_nl } else { &said.sentence_en });
    said.map_or("", String::as_str)
}

fn call(case: &Case) -> Option<&Call> {
    case.responsibility.as_ref().and_then(|responsibility| responsibility.call.as_ref())
}

fn line(call: &Call) -> String {
    format!("{}  {} ({})", call.telephone, call.name, call.line)
}

fn to_call(lang: Lang) -> &'static str {
    if lang == Lang::Nl { "bel" } else { "call" }
}

/// Where this organisation stands: for programs, and for people.
fn standing(case: &Case) -> (&'static str, impl Fn(Lang) -> &'static str) {
    let (code, nl, en) = match case.standing() {
        Standing::Outside => ("outside", "niet betrokken", "outside"),
        Standing::Lead => ("lead", "regie", "lead"),
        Standing::Offering => ("offering", "regie, aangeboden", "lead, offered"),
        Standing::Transferring => ("transferring", "overdracht onderweg", "transfer under way"),
        Standing::Contested => ("contested", "BETWIST", "CONTESTED"),
        Standing::Closed => ("closed", "gesloten", "closed"),
        Standing::Unspecified => ("unknown", "onbekend", "unknown"),
    };
    (code, move |lang| if lang == Lang::Nl { nl } else { en })
}
