//! What a person may do now: one thing that is open at the organisation, drawn by lot.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::civil::date;
use schakel::desk::{CaseRecord, HandoverRecord};
use schakel::store::{Kind, Store};
use schakel_domain::caller::Role as As;
use schakel_domain::command::{About, Ask, CareAct, Offer, Read, Seen};
use schakel_domain::custody::{Answer as Stands, DeclineCode, Role};
use schakel_domain::dossier::{Authority, Basis, Consent, ConsentBy, Dossier, Identity, IdentityStatus, LegalStatus, Regime, Severity};
use schakel_domain::id::{CaseId, ConsultationId, OfferId};
use schakel_domain::person::TwoPeople;
use schakel_domain::view::{Answer, ConsultationState, Direction};

use crate::people::{Person, actor};
use crate::rest::{at_once, cases, records};
use crate::world::{PACTUM, PRO_PERSONA, SEZ, org};

/// Cases of one run.
const MOST_CASES: usize = 3;

/// Does one thing, or nothing when there is nothing to do.
pub(crate) async fn something(person: &mut Person) {
    let known = cases(&person.node);
    if person.me().as_str() == SEZ && known.len() < MOST_CASES && !person.settling() && (known.is_empty() || person.dice.chance(80)) {
        person.write(As::Worker, CareAct::OpenCase { dossier: Box::new(dossier()) }).await;
        return;
    }
    if person.dice.chance(350) {
        return question(person).await;
    }
    let open: Vec<&CaseRecord> = known.iter().filter(|case| matters(case)).collect();
    if open.is_empty() {
        return;
    }
    let case = (*person.dice.pick(&open)).clone();
    if let Some((offer, pledged)) = awaited(&case)
        && person.dice.chance(600)
    {
        return receive(person, offer, pledged).await;
    }
    lead(person, &case).await;
}

fn matters(case: &CaseRecord) -> bool {
    case.custody.responsible() || awaited(case).is_some()
}

/// The offer that waits here, and whether its place is already reserved.
fn awaited(case: &CaseRecord) -> Option<(OfferId, bool)> {
    case.custody.inbound.iter().find_map(|(offer, row)| match row.answer {
        Stands::Received { .. } => Some((*offer, false)),
        Stands::Pledged { .. } => Some((*offer, true)),
        _ => None,
    })
}

/// The receiver of an offer.
async fn receive(person: &mut Person, offer: OfferId, pledged: bool) {
    let Some(record) = at_once(person.node.disk.peek().record(Kind::Handover, &offer.to_string())) else { return };
    let record: HandoverRecord = serde_json::from_str(&record.clear).unwrap();
    let handover = Seen { id: offer, version: record.revision };
    if pledged {
        if person.dice.chance(60) {
            let act = CareAct::ReleasePledge { handover, code: DeclineCode::NoCapacity, people: two() };
            person.write(As::Coordinator, act).await;
        }
        return;
    }
    if person.dice.chance(150) {
        person.read(Read::Handover { id: offer, full: true }).await;
    }
    if person.dice.chance(750) {
        let act = CareAct::AcceptHandover {
            handover,
            read_back: (0..record.key_points).map(|_| "in eigen woorden".to_owned()).collect(),
            first_action: "vanavond langs".to_owned(),
            first_action_at: None,
        };
        person.write(As::Worker, act).await;
    } else {
        let act = CareAct::DeclineHandover { handover, code: DeclineCode::NoCapacity, note: "vol".to_owned() };
        person.write(As::Worker, act).await;
    }
}

/// Whoever leads, led, or is contested.
async fn lead(person: &mut Person, case: &CaseRecord) {
    let seen = Seen { id: case.case, version: case.revision };
    match &case.custody.role {
        Role::Lead { .. } if person.settling() => {}
        Role::Lead { .. } if person.dice.chance(15) => {
            person.write(As::Worker, CareAct::CloseCase { case: seen, reason: "afgerond".to_owned() }).await;
        }
        Role::Lead { .. } if person.dice.chance(250) => ask(person, case.case).await,
        Role::Lead { .. } => offer(person, seen).await,
        Role::Offering { offer, .. } if person.dice.chance(if person.settling() { 80 } else { 150 }) => {
            let Some(record) = at_once(person.node.disk.peek().record(Kind::Handover, &offer.to_string())) else { return };
            let record: HandoverRecord = serde_json::from_str(&record.clear).unwrap();
            let handover = Seen { id: *offer, version: record.revision };
            person.write(As::Worker, CareAct::WithdrawHandover { handover, reason: "toch niet".to_owned() }).await;
        }
        Role::Transferring { .. } if person.world.forces && !person.settling() && person.dice.chance(150) => {
            person.write(As::Coordinator, CareAct::ForceReclaim { case: seen, people: two() }).await;
        }
        Role::Contested { .. } if person.settling() || person.dice.chance(100) => {
            person.write(As::Coordinator, CareAct::ResolveContested { case: seen, people: two() }).await;
        }
        _ => {}
    }
}

async fn offer(person: &mut Person, case: Seen<CaseId>) {
    let others: Vec<&str> = [SEZ, PRO_PERSONA, PACTUM].into_iter().filter(|other| *other != person.me().as_str()).collect();
    let to = *person.dice.pick(&others);
    let service = match (person.me().as_str(), to) {
        (SEZ, PRO_PERSONA) => "ggz-crisis",
        (PRO_PERSONA, SEZ) => "crisisinterventie",
        (PACTUM, _) => "regie",
        _ => "ambulante-spoedhulp",
    };
    let offer = Offer {
        case,
        to: Some(org(to)),
        service: service.to_owned(),
        urgency: "acuut".to_owned(),
        needed: BTreeSet::new(),
        consultation: None,
    };
    person.write(As::Worker, CareAct::Offer(offer)).await;
}

async fn ask(person: &mut Person, case: CaseId) {
    if records(&person.node, Kind::Consultation).len() >= 2 * MOST_CASES {
        return;
    }
    let ask = Ask {
        about: About::Case(case),
        service: "ggz-crisis".to_owned(),
        urgency: "acuut".to_owned(),
        question: "kunnen jullie meekijken?".to_owned(),
        candidates: Vec::new(),
        fan_out: None,
        needed: BTreeSet::new(),
        continues: None,
    };
    person.write(As::Worker, CareAct::Ask(ask)).await;
}

/// Anything about a consultation that is open here.
async fn question(person: &mut Person) {
    let open: Vec<String> =
        records(&person.node, Kind::Consultation).into_iter().filter(|record| record.open).map(|record| record.id).collect();
    if open.is_empty() {
        return;
    }
    let id: ConsultationId = person.dice.pick(&open).parse().unwrap();
    let full = person.dice.chance(300);
    let Some(Answer::Consultation(view)) = person.read(Read::Consultation { id, full }).await else { return };
    let asked_here = view.direction == Direction::Outgoing;
    let consultation = Seen { id, version: view.version };
    let act = match (view.state, asked_here) {
        (ConsultationState::Asked, true) if person.dice.chance(60) => {
            CareAct::CancelConsultation { consultation, reason: "niet meer nodig".to_owned() }
        }
        (ConsultationState::Asked, false) if person.dice.chance(700) => {
            let available = Some(person.now() + SignedDuration::from_mins(20));
            CareAct::AcceptConsultation { consultation, available, note: "wij komen".to_owned() }
        }
        (ConsultationState::Asked, false) => {
            CareAct::DeclineConsultation { consultation, code: DeclineCode::NoCapacity, note: "vol".to_owned() }
        }
        (ConsultationState::Assigned, false) => CareAct::Advise { consultation, text: "kom langs".to_owned() },
        (ConsultationState::Advised, true) => CareAct::CloseConsultation { consultation },
        _ => return,
    };
    person.write(As::Worker, act).await;
}

fn two() -> TwoPeople {
    TwoPeople::parse(actor("c-1"), actor("c-2"), "gebeld met de dienst", "geen ontvangst").unwrap()
}

/// Somebody who does not exist, aged fifteen.
fn dossier() -> Dossier {
    Dossier {
        identity: Identity {
            family_name: Some("Voorbeeld".into()),
            birth_date: Some(date(2011, 3, 4).into()),
            municipality: Some("0202".to_owned()),
            ..Identity::default()
        },
        legal: Some(LegalStatus {
            regime: Regime::Jeugdwet,
            basis: Basis::DirectlyInvolved,
            consent: Consent::Given { by: vec![ConsentBy::Youth, ConsentBy::AuthorityHolder], on: date(2026, 11, 21) },
            authority: Authority::BothParents,
            court_order: None,
            identity_status: IdentityStatus::Verified,
        }),
        situation: "onrust thuis".into(),
        severity: Some(Severity::Unstable),
        key_points: vec!["weggelopen".into(), "medicatie".into()],
        ..Dossier::default()
    }
}
