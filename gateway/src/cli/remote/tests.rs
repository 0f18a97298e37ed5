//! What a terminal is shown, and which refusals are results.

use std::os::unix::fs::PermissionsExt;

use schakel_domain::refusal::{Reason, Stage};

use super::*;
use crate::wire::status::from_refusal;

fn remote(lang: Lang) -> Remote {
    let channel = crate::tls::channel_unix("nowhere".into()).unwrap();
    Remote { channel, tap: None, place: "gateway.example:8444".to_owned(), token: None, lang }
}

#[tokio::test]
async fn a_no_is_a_result_in_the_language_asked_for_and_a_not_now_is_a_failure() {
    let said = |reason| from_refusal(&Refusal::new(Stage::State, reason).because("why"), Lang::Nl);

    let No::Refused(refused) = remote(Lang::En).no(&said(Reason::NotContested)) else { panic!("a no was no result") };
    assert_eq!((refused.reason.as_str(), refused.detail.as_str()), ("NOT_CONTESTED", "why"));
    assert_eq!(refused.lines, [Reason::NotContested.sentence(Lang::En), Reason::NotContested.remedy(Lang::En)]);
    for reason in [Reason::StoreUnavailable, Reason::StorageFull, Reason::Internal] {
        let No::Failed(failure) = remote(Lang::Nl).no(&said(reason)) else { panic!("{reason:?} was a result") };
        assert!(failure.to_string().contains(reason.remedy(Lang::Nl)), "{failure}");
    }
}

#[tokio::test]
async fn a_reason_of_a_later_version_is_told_in_the_gateways_own_words() {
    use tonic_types::ErrorDetails;
    let mut details = ErrorDetails::new();
    details.set_error_info("MOON_FULL", DOMAIN, std::collections::HashMap::new());
    details.set_localized_message("nl", "Het is volle maan. Wacht tot morgen.");
    let status = Status::with_error_details(tonic::Code::FailedPrecondition, "moon", details);

    let No::Refused(refused) = remote(Lang::Nl).no(&status) else { panic!("it was no result") };

    assert_eq!(
        (refused.reason.as_str(), refused.lines.as_slice()),
        ("MOON_FULL", ["Het is volle maan. Wacht tot morgen.".to_owned()].as_slice())
    );
}

#[test]
fn a_token_that_others_can_read_or_that_is_none_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };

    assert!(Token::read(&file("good", "a.b.c\n", 0o600)).is_ok());
    for (name, text, mode) in
        [("open", "a.b.c", 0o640), ("empty", "\n", 0o600), ("two", "a.b.c d.e.f", 0o600), ("long", &"a".repeat(9000), 0o600)]
    {
        assert!(Token::read(&file(name, text, mode)).is_err(), "{name}");
    }
}

#[test]
fn nothing_from_the_network_steers_the_terminal_and_columns_stand_below_each_other() {
    let rows = vec![vec!["ZK-1".to_owned(), "Pro\u{1b}[2J Persona".to_owned()], vec!["ZK-22222".to_owned(), String::new()]];

    let text = words::table(&rows);

    assert_eq!(text, "ZK-1      Pro [2J Persona\nZK-22222\n");
}

#[test]
fn people_read_the_time_of_their_own_clock_and_programs_that_of_utc() {
    let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let at = prost_types::Timestamp { seconds: 1_795_313_640, nanos: 0 };

    assert_eq!(words::moment_in(Some(&at), &zone), "2026-11-22 03:14:00+01:00");
    assert_eq!(words::moment_json(Some(&at)), "2026-11-22T02:14:00Z");
    assert_eq!((words::moment(None), words::moment_json(None)), (String::new(), serde_json::Value::Null));
}
