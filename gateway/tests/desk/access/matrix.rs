//! The access matrix: every method of the local doors, by every caller, about a case of every relation, with another organisation of
//! every standing. Each cell says what the table says, leaves one entry, and changes nothing when it is a no.
//!
//! Left out is only what is the same cell again. A method that names no case is called in three situations, to see that it stays so. The
//! role is judged before anything of a request is read: a caller without it meets every case once, and in every other standing one such
//! caller stands for the others.

use std::collections::BTreeSet;

use prost::Message as _;
use schakel::doors::methods;
use schakel::wire::status::to_refusal;
use schakel_domain::audit::event::EventCode;
use schakel_domain::caller::{Act, Caller, Group, Role};
use schakel_proto::Method;
use schakel_proto::care::v1 as care;

use super::bench::{Bench, Heard};
use super::requests::{Form, Request, forms};
use super::situations::Handles;
use super::table::Specification;
use crate::kit::*;

/// Cells of the matrix: it neither shrinks nor grows unseen.
const CELLS: usize = 15_477;
/// Cells of what is in no case, asked of the desk behind no door.
const LOOKS: usize = 7 * 17;

/// Who calls a method in one standing: everybody where all are granted, else everybody the role lets in and one whom it does not.
fn callers(specification: &Specification, form: Form, standing: &str) -> Vec<&'static str> {
    let all = specification.callers.columns.iter().copied();
    let let_in = |caller: &&str| specification.expects(form.name, caller, "lead", "granted") != "ROLE_DENIED";
    let mut left_out = all.clone().filter(|caller| !let_in(caller));
    let one = left_out.next();
    all.filter(|caller| standing == "granted" || let_in(caller) || Some(*caller) == one).collect()
}

/// In which situations a method is called.
fn cases(specification: &Specification, form: Form) -> Vec<&'static str> {
    let names_a_case = specification.cases.rows.iter().any(|(name, _)| *name == form.name);
    let all = specification.cases.columns.iter().copied();
    all.filter(|case| names_a_case || ["lead", "theirs", "unknown"].contains(case)).collect()
}

/// All cells of one standing. Returns their number.
async fn cells(standing: &'static str) -> usize {
    let specification = Specification::read();
    let mut bench = Bench::new(standing).await;
    let untouched = bench.state().await;
    let strange = bench.situations.of["theirs"];
    let mut count = 0;
    for form in forms() {
        for caller in callers(&specification, form, standing) {
            let mut strangers = Vec::new();
            for case in cases(&specification, form) {
                let cell = format!("{} by {caller}, {case}, {standing}", form.name);
                let about = bench.situations.of[case];
                let heard = bench.hear(form, caller, &about, standing).await;
                let expected = specification.expects(form.name, caller, case, standing);
                assert_eq!(heard.verdict(), expected, "{cell}: {:?}", heard.answer.as_ref().err());
                judge_entries(&heard, expected, &cell);
                judge_secrecy(&heard, caller, &strange, &cell);
                if ["theirs", "unknown"].contains(&case) {
                    strangers.push(heard.shape(&about));
                }
                if expected == "yes" {
                    bench.again();
                } else {
                    assert_eq!(heard.commits, 1, "{cell}: more than its entry");
                }
                count += 1;
            }
            assert_eq!(bench.state().await, untouched, "{} by {caller}, {standing}: a no that changes something", form.name);
            assert_eq!(strangers[0], strangers[1], "{} by {caller}, {standing}: what is theirs and what is nowhere", form.name);
        }
    }
    count
}

/// One entry: of the refusal with its reason, or of what was done or looked at.
fn judge_entries(heard: &Heard, expected: &str, cell: &str) {
    let refused = heard.entries.iter().filter(|entry| !entry.decision.allowed).count();
    if expected == "yes" {
        assert_eq!(refused, 0, "{cell}");
        let installs_again = cell.starts_with("Install");
        assert!(installs_again || !heard.entries.is_empty(), "{cell}: nothing in the log");
        return;
    }
    assert_eq!(heard.entries.len(), 1, "{cell}: {:?}", heard.entries);
    assert_eq!((refused, heard.entries[0].decision.rule.as_str()), (1, expected), "{cell}");
}

/// Nobody hears of a case of others, and nobody but those who work with cases hears what is in one.
fn judge_secrecy(heard: &Heard, caller: &str, strange: &Handles, cell: &str) {
    let told = match &heard.answer {
        Ok(bytes) => bytes.clone(),
        Err(status) => format!("{} {:?}", status.message(), to_refusal(status)).into_bytes(),
    };
    let works = ["worker", "coordinator", "system"].contains(&caller) && heard.answer.is_ok();
    assert!(strange.ids().iter().all(|id| !holds(&told, id)), "{cell}: names what is not ours");
    assert!(works || CANARIES.iter().all(|canary| !holds(&told, canary)), "{cell}: tells what is in a case");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cell_of_the_access_matrix_is_as_the_table_says() {
    let specification = Specification::read();
    let standings: Vec<_> = specification.standings.rows.iter().map(|(name, _)| *name).collect();
    let all = standings.iter().map(|standing| tokio::spawn(cells(standing)));

    let mut count = 0;
    for one in all.collect::<Vec<_>>() {
        count += one.await.unwrap();
    }

    assert_eq!(count, CELLS);
}

/// The role columns of the table as callers whom no door has looked at.
fn unjudged(column: &str) -> Caller {
    let (roles, two_factor): (&[Role], bool) = match column {
        "worker" => (&[Role::Worker], true),
        "coordinator" => (&[Role::Coordinator], true),
        "system" => (&[Role::System], false),
        "auditor" => (&[Role::Auditor], true),
        "once" => (&[Role::Auditor], false),
        "operator" => (&[Role::Operator], true),
        _ => (&[], true),
    };
    Caller {
        organization: org(super::situations::WE),
        person: None,
        client: "console".to_owned(),
        roles: roles.iter().copied().collect(),
        two_factor,
        spki: None,
        door: "care",
    }
}

#[tokio::test]
async fn the_desk_judges_every_caller_itself_also_of_what_is_in_no_case() {
    let specification = Specification::read();
    let bench = Bench::new("granted").await;
    let desk = &bench.gateway.desk;
    let of_no_case = |method: &Method| {
        use Group::{Agreement, Audit, Operate};
        let rule = methods::rule(*method);
        let watched = rule.act == Act::WatchEvents || rule.act == Act::ReadDuty;
        rule.kind == methods::Kind::Reads && (watched || matches!(rule.act.group(), Agreement | Audit | Operate))
    };
    let mut cells = 0;
    for form in forms().into_iter().filter(|form| !form.name.contains('/') && of_no_case(&form.method)) {
        let act = methods::rule(form.method).act;
        for caller in specification.callers.columns.iter().filter(|column| **column != "claims") {
            let (expected, cell) = (specification.expects(form.name, caller, "lead", "granted"), format!("{} by {caller}", form.name));
            let before = bench.gateway.log().await.len();

            let judged = desk.witness(&unjudged(caller), None, EventCode::OperationsViewed, act, act.name()).await;

            let entries = bench.gateway.log().await.split_off(before);
            assert_eq!(judged.map_or_else(|refusal| refusal.reason.code(), |()| "yes"), expected, "{cell}");
            assert_eq!(entries.iter().map(|entry| entry.decision.allowed).collect::<Vec<_>>(), [expected == "yes"], "{cell}");
            cells += 1;
        }
    }
    assert_eq!(cells, LOOKS);
}

#[tokio::test]
async fn an_offer_names_no_question_about_another_case_and_no_other_looks_different() {
    let mut bench = Bench::new("granted").await;
    let form = Form { method: Method::CareCreateHandover, name: "CreateHandover" };
    let situations = bench.situations.of.clone();
    let strange = situations["theirs"];
    for (case, about) in &situations {
        let growing = async |bench: &mut Bench, of: &Handles| {
            let bytes = Request { form, about: of, standing: "granted", key: 1 }.bytes();
            let mut request = care::CreateHandoverRequest::decode(bytes.as_slice()).unwrap();
            request.consultation = format!("consultations/{}", about.consultation.0);
            bench.hear_bytes(form, "worker", request.encode_to_vec()).await
        };
        let heard = growing(&mut bench, &situations["lead"]).await;
        assert_eq!(heard.verdict(), "NOT_FOUND", "a question of `{case}`");
        judge_entries(&heard, "NOT_FOUND", case);
        judge_secrecy(&heard, "worker", &strange, case);
        if ["asking", "helped"].contains(case) {
            assert_eq!(growing(&mut bench, about).await.verdict(), "yes", "{case}: its own question");
            bench.again();
        }
    }
}

#[tokio::test]
async fn a_handover_named_under_another_case_does_not_exist() {
    let mut bench = Bench::new("granted").await;
    let situations = bench.situations.of.clone();
    let untouched = bench.state().await;
    let ways = [
        ("GetHandover", Method::CareGetHandover, "offered", "worker"),
        ("GetHandoverProof", Method::CareGetHandoverProof, "offered", "worker"),
        ("AcceptHandover", Method::CareAcceptHandover, "offered", "worker"),
        ("DeclineHandover", Method::CareDeclineHandover, "offered", "worker"),
        ("WithdrawHandover", Method::CareWithdrawHandover, "offering", "worker"),
        ("ReleaseHandover", Method::CareReleaseHandover, "pledged", "coordinator"),
    ];
    for (name, method, case, caller) in ways {
        let (form, right) = (Form { method, name }, situations[case]);
        for other in ["lead", "theirs", "unknown"] {
            let wrong = Handles { case: situations[other].case, ..right };
            let heard = bench.hear(form, caller, &wrong, "granted").await;
            assert_eq!(heard.verdict(), "NOT_FOUND", "{name} of `{case}` under `{other}`");
            judge_entries(&heard, "NOT_FOUND", name);
        }
        assert_eq!(bench.state().await, untouched, "{name}");
        assert_eq!(bench.hear(form, caller, &right, "granted").await.verdict(), "yes", "{name} under its own case");
        bench.again();
    }
}

#[test]
fn every_method_has_its_row_and_no_row_is_for_nothing() {
    let specification = Specification::read();
    let methods: BTreeSet<_> = forms().iter().map(|form| form.name.split('/').next().unwrap()).collect();
    let rows: BTreeSet<_> = specification.callers.rows.iter().map(|(name, _)| *name).collect();

    assert_eq!(methods, rows);
    assert!(specification.cases.rows.iter().all(|(name, _)| rows.contains(name)));
    assert!(specification.standings.columns.iter().all(|name| forms().iter().any(|form| form.name == *name)));
}
