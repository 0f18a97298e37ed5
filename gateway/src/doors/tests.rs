//! Calls through the whole door, in process: authentication, roles, requests that are incomplete or unreadable, and the desk behind.

pub(super) mod kit;

use schakel_domain::caller::{Role, permits};
use schakel_domain::refusal::Reason;
use schakel_proto::Method;
use tonic::Code;

use self::kit::{Kit, sample};
use super::methods::{Kind, rule};
use crate::wire::status::to_refusal;

/// The methods of the local doors.
fn local() -> impl Iterator<Item = Method> {
    Method::ALL.iter().copied().filter(|method| rule(*method).kind != Kind::Exchanges)
}

#[tokio::test]
async fn every_method_is_open_to_exactly_the_roles_of_the_table() {
    let kit = Kit::new();
    let roles = [Role::Worker, Role::Coordinator, Role::System, Role::Auditor, Role::Operator];

    let mut cells = 0;
    for method in local() {
        for role in roles {
            let act = rule(method).act;
            let status = kit.call_as(role, method, sample(method, None)).await;

            let expected = if permits(role, act) { None } else { Some(act) };
            let refused = kit.desk.take_refused();
            assert_eq!(status.code() == Code::PermissionDenied, expected.is_some(), "{role} {}: {status}", method.path());
            assert_eq!(refused.first().map(|row| row.0), expected, "{role} {}", method.path());
            if expected.is_none() {
                assert_eq!(status.code(), Code::Unavailable, "{role} {} did not reach the desk: {status}", method.path());
            }
            cells += 1;
        }
    }
    assert_eq!(cells, local().count() * roles.len());
}

#[tokio::test]
async fn a_stranger_reaches_no_method_and_no_log() {
    let kit = Kit::new();

    for method in local() {
        let status = kit.call(method, sample(method, None), None, None).await;

        assert_eq!(status.code(), Code::Unauthenticated, "{}", method.path());
    }
    assert!(kit.desk.take_refused().is_empty());
    let counted: u64 = kit.authentication.strangers().take_before(i64::MAX).iter().map(|row| row.count).sum();
    assert_eq!(counted, local().count() as u64);
}

#[tokio::test]
async fn an_auditor_with_one_factor_reads_no_entry() {
    let kit = Kit::new();
    let token = kit.issuer.token_with(|claims| {
        claims["roles"] = serde_json::json!(["auditor"]);
        claims["acr"] = serde_json::json!("password");
    });

    let status = kit.call(Method::AuditListEntries, Vec::new(), Some(&token), None).await;

    assert_eq!(to_refusal(&status).unwrap().reason, Reason::TwoFactorRequired);
}

#[tokio::test]
async fn every_write_without_actor_request_id_or_etag_is_refused_by_field() {
    let kit = Kit::new();

    let mut writes = 0;
    for method in local() {
        let required: &[&str] = match rule(method).kind {
            Kind::Reads | Kind::Exchanges => continue,
            Kind::Creates => &["request_id", "actor"],
            Kind::Changes => &["request_id", "actor", "etag"],
            Kind::Operates => &["request_id"],
        };
        let role = if rule(method).kind == Kind::Operates { Role::Operator } else { Role::Coordinator };
        for field in required {
            let status = kit.call_as(role, method, sample(method, Some(field))).await;

            assert_eq!(status.code(), Code::InvalidArgument, "{} without {field}: {status}", method.path());
            assert_eq!(kit::wrong_fields(&status), [*field], "{}", method.path());
            assert_eq!(kit.desk.take_refused(), [(rule(method).act, Reason::InvalidField)]);
            writes += 1;
        }
        let nothing = kit.call_as(role, method, Vec::new()).await;
        let fields = kit::wrong_fields(&nothing);
        assert!(required.iter().all(|field| fields.iter().any(|told| told == field)), "{}: {fields:?}", method.path());
        kit.desk.take_refused();
    }
    assert_eq!(writes, 2 * 2 + 17 * 3 + 8);
}

#[tokio::test]
async fn a_full_look_names_the_person_and_a_basic_one_may_fall_to_the_caller() {
    let kit = Kit::new();
    let name = "cases/0198f2c4-6d1e-7a53-9c2b-4e1f7d0a8b36".to_owned();
    let request = |view| prost::Message::encode_to_vec(&schakel_proto::care::v1::GetCaseRequest { name: name.clone(), view, actor: None });

    let basic = kit.call_as(Role::System, Method::CareGetCase, request(1)).await;
    let full = kit.call_as(Role::System, Method::CareGetCase, request(2)).await;

    assert_eq!(basic.code(), Code::Unavailable);
    assert_eq!(kit::wrong_fields(&full), ["actor"]);
}

#[tokio::test]
async fn a_person_acts_in_nobody_elses_name() {
    let kit = Kit::new();
    let token = kit.issuer.token_with(|claims| claims["sub"] = serde_json::json!("skj:190099999"));

    let status = kit.call(Method::CareCloseCase, sample(Method::CareCloseCase, None), Some(&token), None).await;

    assert_eq!(kit::wrong_fields(&status), ["actor.person"]);
    assert_eq!(kit.desk.take_refused().len(), 1);
}

#[tokio::test]
async fn a_refusal_that_cannot_be_logged_is_answered_as_such() {
    let kit = Kit::new();
    kit.desk.break_log();

    let denied = kit.call_as(Role::Operator, Method::CareGetCase, Vec::new()).await;
    let wrong = kit.call_as(Role::Worker, Method::CareGetCase, Vec::new()).await;
    let garbage = kit.call_as(Role::Worker, Method::CareGetCase, vec![0xff; 10]).await;

    for status in [denied, wrong, garbage] {
        assert_eq!(to_refusal(&status).unwrap().reason, Reason::AuditUnavailable);
    }
}

#[tokio::test]
async fn unreadable_and_oversized_requests_get_reasons_of_ours_and_an_entry() {
    let kit = Kit::new();

    let garbage = kit.call_as(Role::Worker, Method::CareCreateCase, vec![0xff; 10]).await;
    let huge = kit.call_as(Role::Worker, Method::CareCreateCase, vec![0; super::MAX_REQUEST + 1]).await;
    let not_yours = kit.call_as(Role::Auditor, Method::CareCreateCase, vec![0xff; 10]).await;

    let reasons = [garbage, huge, not_yours].map(|status| to_refusal(&status).unwrap().reason);
    assert_eq!(reasons, [Reason::InvalidField, Reason::MessageTooLarge, Reason::RoleDenied]);
    assert_eq!(kit.desk.take_refused().len(), 3);
}

#[tokio::test]
async fn a_repetition_is_answered_as_one() {
    let kit = Kit::new();
    kit.desk.answer_replayed();

    let metadata = kit.metadata_of(Role::Coordinator, Method::CareCloseCase, sample(Method::CareCloseCase, None)).await;

    assert_eq!(metadata.get("idempotent-replayed").unwrap(), "true");
}

#[tokio::test]
async fn a_refusal_speaks_the_callers_language() {
    let kit = Kit::new();

    for (accepted, says) in [("nl", "Deze rol mag dit niet."), ("en", "This role may not do this.")] {
        let status = kit.call_in(accepted, Role::Auditor, Method::CareGetCase).await;
        let told = tonic_types::StatusExt::get_details_localized_message(&status).unwrap();
        assert!(told.message.starts_with(says), "{}", told.message);
    }
}

#[tokio::test]
async fn health_needs_no_login_and_reflection_is_on_the_care_door_alone() {
    let kit = Kit::new();

    for door in ["care", "audit", "admin"] {
        let health = kit.raw(door, "/grpc.health.v1.Health/Check", Vec::new(), None, None, None).await;
        assert_eq!(health.unwrap_err().code(), Code::Ok, "{door}");
        let reflection = kit.raw(door, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Vec::new(), None, None, None).await;
        let open = reflection.unwrap_err().code() != Code::Unimplemented;
        assert_eq!(open, door == "care", "{door}");
    }
}

#[test]
fn paths_and_methods_belong_together() {
    for method in Method::ALL {
        assert_eq!(super::methods::of_path(method.path()), Some(*method));
    }
    assert_eq!(super::methods::of_path("/schakel.care.v1.CaseService/DeleteCase"), None);
}

#[test]
fn every_rule_says_what_its_request_carries() {
    for method in local() {
        let fields = kit::fields_of(method);
        let has = |name: &str| fields.iter().any(|field| field.name() == name);
        let (key, actor, etag) = match rule(method).kind {
            Kind::Reads | Kind::Exchanges => (false, has("actor"), false),
            Kind::Creates => (true, true, false),
            Kind::Changes => (true, true, true),
            Kind::Operates => (true, false, false),
        };
        assert_eq!((has("request_id"), has("actor"), has("etag")), (key, actor, etag), "{}", method.path());
    }
}
