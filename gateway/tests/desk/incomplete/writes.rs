//! Every write at the doors, less each field it needs and less each two of them: who acts, under which key, on what as read, and for which
//! purpose. A write that no clause of a covenant allows is a cell of the access matrix.

use schakel::wire::status::to_refusal;
use tonic_types::StatusExt as _;

use super::strip::{fields_of, request_of, without};
use crate::access::bench::Bench;
use crate::access::requests::{Form, Request, forms};
use crate::access::table::Specification;

/// What every write needs, and after the bar what it may do without. `actor` is the person: the whole, and each of its three fields.
const NEEDS: &str = "
CreateCase            request_id actor | dossier
UpdateCase            name etag request_id actor dossier |
CloseCase             name etag request_id actor reason |
AskCaseErasure        name etag request_id actor ground reason |
KeepCase              name etag request_id actor reason | hold_until_time
EraseCase             name etag request_id actor |
ForceReclaimCase      name etag request_id actor second_actor called reason |
ResolveContestedCase  name etag request_id actor second_actor called reason |
CreateConsultation    request_id actor case service urgency question | anonymous candidates fan_out needed_fields continues
AcceptConsultation    name etag request_id actor | available_time note
DeclineConsultation   name etag request_id actor code | note
AnswerConsultation    name etag request_id actor advice |
CancelConsultation    name etag request_id actor reason |
CloseConsultation     name etag request_id actor |
CreateHandover        parent etag request_id actor service urgency | receiver needed_fields consultation
AcceptHandover        name etag request_id actor | read_back first_action first_action_time
DeclineHandover       name etag request_id actor code | note
WithdrawHandover      name etag request_id actor reason |
ReleaseHandover       name etag request_id actor second_actor called reason code |
StopPeer              name request_id reason |
ResumePeer            name request_id |
RetryPeer             name request_id |
EndRecovery           request_id reason second_actor |
CancelMessage         name request_id reason |
ReplayMessage         name request_id |
InstallCovenant       request_id bundle |
InstallPartyRecord    request_id record |
";

/// A field under another name than its own: one of several that may stand there.
const TOLD: [(&str, &str); 1] = [("case", "about")];

/// The row of a write.
fn row(name: &str) -> Option<(Vec<String>, Vec<&'static str>)> {
    let line = NEEDS.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    let (needed, spare) = line.split_once('|').unwrap();
    let person = |field: &str| match field {
        "actor" | "second_actor" => ["", ".person", ".name", ".function"].map(|part| format!("{field}{part}")).to_vec(),
        field => vec![field.to_owned()],
    };
    Some((needed.split_whitespace().skip(1).flat_map(person).collect(), spare.split_whitespace().collect()))
}

fn told(path: &str) -> String {
    TOLD.iter().find(|(field, _)| *field == path).map_or(path, |(_, told)| told).to_owned()
}

/// Each path alone, and each two of which neither lies in the other.
fn combinations(paths: &[String]) -> Vec<Vec<&String>> {
    let mut all: Vec<Vec<&String>> = paths.iter().map(|path| vec![path]).collect();
    for (at, one) in paths.iter().enumerate() {
        let apart = |other: &&String| !other.starts_with(&format!("{one}."));
        all.extend(paths[at + 1..].iter().filter(apart).map(|other| vec![one, other]));
    }
    all
}

fn writes() -> impl Iterator<Item = Form> {
    forms()
        .into_iter()
        .filter(|form| !form.name.contains('/') && fields_of(&request_of(form.method)).iter().any(|f| f.name() == "request_id"))
}

#[tokio::test]
async fn every_write_less_who_acts_or_what_for_is_refused_by_the_name_of_what_it_lacks() {
    let specification = Specification::read();
    let mut bench = Bench::new("granted").await;
    let untouched = bench.state().await;
    let mut tried = 0;
    for form in writes() {
        let (needed, _) = row(form.name).unwrap_or_else(|| panic!("no row for {}", form.name));
        let case =
            specification.cases.columns.iter().find(|case| specification.expects(form.name, "coordinator", case, "granted") == "yes");
        let about = bench.situations.of[case.copied().unwrap_or("lead")];
        let whole = |key| Request { form, about: &about, standing: "granted", key }.bytes();
        let name = request_of(form.method);
        for caller in ["coordinator", "system", "operator"] {
            if specification.expects(form.name, caller, case.unwrap_or(&"lead"), "granted") == "ROLE_DENIED" {
                continue;
            }
            for lacking in combinations(&needed) {
                let bytes = lacking.iter().fold(whole(1), |bytes, path| without(&name, &bytes, path));
                let cell = format!("{} by {caller} without {lacking:?}", form.name);

                let heard = bench.hear_bytes(form, caller, bytes).await;

                assert_eq!(
                    (heard.verdict(), heard.entries.len(), heard.commits),
                    ("INVALID_FIELD", 1, 1),
                    "{cell}: {:?}",
                    heard.answer.err()
                );
                let status = heard.answer.unwrap_err();
                let mut wrong: Vec<_> =
                    status.get_details_bad_request().unwrap().field_violations.into_iter().map(|row| row.field).collect();
                let mut lacks: Vec<_> = lacking.iter().map(|path| told(path)).collect();
                wrong.sort();
                lacks.sort();
                assert_eq!(wrong, lacks, "{cell}: {:?}", to_refusal(&status));
                assert_eq!(heard.entries[0].decision.rule, "INVALID_FIELD", "{cell}");
                tried += 1;
            }
            assert_eq!(bench.state().await, untouched, "{} by {caller}", form.name);
        }
        if case.is_some() {
            let caller =
                if specification.expects(form.name, "operator", "lead", "granted") == "ROLE_DENIED" { "coordinator" } else { "operator" };
            assert_eq!(bench.hear_bytes(form, caller, whole(1)).await.verdict(), "yes", "{} lacks nothing", form.name);
            bench.again();
        }
    }
    assert_eq!(tried, TRIED);
}

/// Writes tried: the number neither shrinks nor grows unseen.
const TRIED: usize = 1_260;

#[test]
fn every_field_of_every_write_is_needed_or_may_be_left_out_by_its_row() {
    for form in writes() {
        let (needed, spare) = row(form.name).unwrap_or_else(|| panic!("no row for {}", form.name));
        let mut rows: Vec<&str> = needed.iter().map(String::as_str).filter(|path| !path.contains('.')).chain(spare).collect();
        let fields = fields_of(&request_of(form.method));
        let mut names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
        rows.sort_unstable();
        names.sort_unstable();

        assert_eq!(rows, names, "{}", form.name);
    }
    assert_eq!(NEEDS.lines().filter(|line| !line.is_empty()).count(), writes().count());
}
