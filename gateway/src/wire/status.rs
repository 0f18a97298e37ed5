//! A refusal as gRPC tells it, and back.
//!
//! The code follows from the reason's class; the details are those of `google.rpc`: reason and metadata for programs, wrong fields,
//! a sentence with its remedy in the caller's language for people. Nothing in them is personal data.

use std::time::Duration;

use schakel_domain::refusal::{Class, Lang, Reason, Refusal, Stage};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Whose reasons these are.
pub const DOMAIN: &str = "schakel";

const STAGES: [(Stage, &str); 6] = [
    (Stage::Door, "door"),
    (Stage::Caller, "caller"),
    (Stage::Covenant, "covenant"),
    (Stage::State, "state"),
    (Stage::Store, "store"),
    (Stage::Peer, "peer"),
];

/// The name of a stage.
#[must_use]
pub fn stage_name(stage: Stage) -> &'static str {
    STAGES.iter().find(|row| row.0 == stage).map_or("door", |row| row.1)
}

/// The gRPC code of a class of reasons.
#[must_use]
pub fn code(class: Class) -> Code {
    match class {
        Class::Invalid => Code::InvalidArgument,
        Class::Unauthenticated => Code::Unauthenticated,
        Class::Denied => Code::PermissionDenied,
        Class::NotFound => Code::NotFound,
        Class::Precondition => Code::FailedPrecondition,
        Class::Conflict => Code::Aborted,
        Class::Exhausted => Code::ResourceExhausted,
        Class::OutOfRange => Code::OutOfRange,
        Class::Unavailable => Code::Unavailable,
        Class::Internal => Code::Internal,
    }
}

/// When the same request may be sent again, if waiting helps at all.
fn retry_after(reason: Reason) -> Option<Duration> {
    match (reason, reason.class()) {
        (Reason::RateLimited, _) => Some(Duration::from_secs(60)),
        (Reason::SlowConsumer, _) => Some(Duration::from_secs(1)),
        (_, Class::Unavailable) => Some(Duration::from_secs(5)),
        _ => None,
    }
}

/// The status of one refusal.
#[must_use]
pub fn from_refusal(refusal: &Refusal, lang: Lang) -> Status {
    from_refusals(std::slice::from_ref(refusal), lang)
}

/// The status of refusals that belong to one request: the first decides, every wrong field is told.
#[must_use]
pub fn from_refusals(refusals: &[Refusal], lang: Lang) -> Status {
    let Some(first) = refusals.first() else { return from_refusal(&super::care::another_answer(), lang) };
    let reason = first.reason;
    let mut details = ErrorDetails::new();
    details.set_error_info(reason.code(), DOMAIN, metadata(first));
    let locale = if lang == Lang::Nl { "nl" } else { "en" };
    details.set_localized_message(locale, format!("{} {}", first.sentence(lang), reason.remedy(lang)));
    details.add_help_link(reason.remedy(Lang::En), format!("urn:schakel:reason:{}", reason.code()));
    if reason.class() == Class::Invalid {
        for (field, refusal) in refusals.iter().filter_map(|refusal| Some((refusal.field.as_deref()?, refusal))) {
            details.add_bad_request_violation(field, &*refusal.detail);
        }
    }
    if reason.class() == Class::Precondition {
        details.add_precondition_failure_violation(reason.code(), stage_name(first.stage), first.sentence(Lang::En));
    }
    if let Some(delay) = retry_after(reason) {
        details.set_retry_info(Some(delay));
    }
    Status::with_error_details(code(reason.class()), message(first), details)
}

/// For the developer, in English.
fn message(refusal: &Refusal) -> String {
    let sentence = refusal.sentence(Lang::En);
    match (&refusal.field, refusal.detail.as_str()) {
        (None, "") => sentence,
        (None, detail) => format!("{sentence} ({detail})"),
        (Some(field), "") => format!("{sentence} ({field})"),
        (Some(field), detail) => format!("{sentence} ({field}: {detail})"),
    }
}

fn metadata(refusal: &Refusal) -> std::collections::HashMap<String, String> {
    let rows = [
        ("stage", Some(stage_name(refusal.stage).to_owned())),
        ("field", refusal.field.clone()),
        ("clause", refusal.clause.clone()),
        ("detail", Some(refusal.detail.clone()).filter(|detail| !detail.is_empty())),
    ];
    rows.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// The refusal in a status that another gateway of ours made; `None` when it is not one.
#[must_use]
pub fn to_refusal(status: &Status) -> Option<Refusal> {
    let info = status.get_details_error_info().filter(|info| info.domain == DOMAIN)?;
    let reason = *Reason::ALL.iter().find(|reason| reason.code() == info.reason)?;
    let get = |key: &str| info.metadata.get(key).cloned();
    let named = get("stage");
    let stage = STAGES.iter().find(|row| Some(row.1) == named.as_deref()).map_or(Stage::Door, |row| row.0);
    Some(Refusal { reason, stage, field: get("field"), clause: get("clause"), detail: get("detail").unwrap_or_default() })
}

/// The language a caller reads, from `accept-language`; Dutch unless English is preferred.
#[must_use]
pub fn language(accepted: Option<&str>) -> Lang {
    let weight = |wanted: &str| {
        let ranges = accepted.unwrap_or_default().split(',').take(20).map(|range| {
            let (tag, rest) = range.split_once(';').unwrap_or((range, ""));
            let quality = rest.trim().strip_prefix("q=").map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
            let language = tag.trim().split('-').next().unwrap_or_default();
            if language.eq_ignore_ascii_case(wanted) { quality } else { 0.0 }
        });
        ranges.fold(0.0, f32::max)
    };
    if weight("en") > weight("nl") { Lang::En } else { Lang::Nl }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_comes_back_from_its_status_with_its_code_and_remedy() {
        for reason in Reason::ALL {
            let refusal =
                Refusal { field: Some("identity.bsn".to_owned()), ..Refusal::new(Stage::Peer, *reason) }.under("4.2").because("why");

            let status = from_refusal(&refusal, Lang::Nl);

            assert_eq!(to_refusal(&status), Some(refusal), "{}", reason.code());
            assert_eq!(status.code(), code(reason.class()));
            let told = status.get_details_localized_message().unwrap();
            assert!(told.message.contains(reason.remedy(Lang::Nl)) && told.message.contains("artikel 4.2"), "{}", told.message);
            assert_eq!(status.get_details_retry_info().is_some(), retry_after(*reason).is_some());
        }
    }

    #[test]
    fn every_wrong_field_is_told_at_once() {
        let wrong = [Refusal::field("actor", "required"), Refusal::field("etag", "required")];

        let status = from_refusals(&wrong, Lang::En);

        let fields: Vec<_> = status.get_details_bad_request().unwrap().field_violations.into_iter().map(|row| row.field).collect();
        assert_eq!(fields, ["actor", "etag"]);
        assert_eq!(status.code(), Code::InvalidArgument);
    }

    #[test]
    fn a_status_of_somebody_else_is_no_refusal_of_ours() {
        assert_eq!(to_refusal(&Status::internal("INTERNAL")), None);
    }

    #[test]
    fn the_language_follows_the_callers_preference() {
        for (accepted, lang) in [
            (None, Lang::Nl),
            (Some("en"), Lang::En),
            (Some("en-GB,en;q=0.9"), Lang::En),
            (Some("nl-NL,nl;q=0.9,en;q=0.8"), Lang::Nl),
            (Some("de,en;q=0.5,nl;q=0.1"), Lang::En),
            (Some("fr"), Lang::Nl),
            (Some(";;q=,é"), Lang::Nl),
        ] {
            assert_eq!(language(accepted), lang, "{accepted:?}");
        }
    }
}
