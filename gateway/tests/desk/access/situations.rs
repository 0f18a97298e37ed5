//! Every relation an organisation can have to a case, and every standing another organisation can have with it: brought about by real
//! gateways that talk to each other. *We* are Pro Persona.

use std::collections::BTreeMap;

use schakel::agreements::Held;
use schakel::desk::Verdict;
use schakel_domain::command::{Ask, CareAct, Seen};
use schakel_domain::covenant::Book;
use schakel_domain::id::{CaseId, ConsultationId, MessageId, OfferId};
use schakel_domain::party_record::RecordBook;
use uuid::Uuid;

use crate::kit::*;

/// Who we are.
pub(crate) const WE: &str = PRO_PERSONA;
/// A number no covenant names.
pub(crate) const NO_PARTY: &str = "kvk:90000777";

const CRISIS: &str = "ggz-crisis";

/// What a request can name in one situation, each with the version at which we read it. What the case does not have is an id of nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handles {
    pub(crate) case: (CaseId, u64),
    pub(crate) offer: (OfferId, u64),
    pub(crate) consultation: (ConsultationId, u64),
    pub(crate) message: MessageId,
}

impl Handles {
    /// Ids of nothing, different in every situation.
    fn of_nothing(number: u128) -> Self {
        let id = |kind: u128| Uuid::from_u128(0x0198_ffff_0000_7000_8000_0000_0000_0000 | number << 8 | kind);
        Self {
            case: (CaseId::new(id(1)), 1),
            offer: (OfferId::new(id(2)), 1),
            consultation: (ConsultationId::new(id(3)), 1),
            message: MessageId::new(id(4)),
        }
    }

    /// The ids as they stand in names.
    pub(crate) fn ids(&self) -> [String; 4] {
        [self.case.0.to_string(), self.offer.0.to_string(), self.consultation.0.to_string(), self.message.to_string()]
    }
}

/// All situations at once, at our gateway.
pub(crate) struct Situations {
    pub(crate) region: Region,
    pub(crate) of: BTreeMap<&'static str, Handles>,
}

/// What makes one situation: its case, and the offer or question it is about.
#[derive(Debug, Clone, Copy, Default)]
struct Made {
    case: Option<CaseId>,
    offer: Option<OfferId>,
    consultation: Option<ConsultationId>,
}

impl Situations {
    pub(crate) async fn bring_about() -> Self {
        let region = Region::new(&[SEZ, WE, PACTUM, GGNET]);
        let mut made: BTreeMap<&'static str, Made> = BTreeMap::new();
        made.extend(ours(&region).await);
        made.extend(questions(&region).await);
        made.extend(theirs(&region).await);
        made.extend(under_way(&region).await);
        let mut of = BTreeMap::from([("unknown", Handles::of_nothing(99))]);
        for (number, (name, made)) in made.into_iter().enumerate() {
            let nothing = Handles::of_nothing(u128::try_from(number).unwrap());
            let handles = if name == "theirs" { named(made, nothing) } else { as_read(&region, made, nothing).await };
            of.insert(name, handles);
        }
        Self { region, of }
    }

    /// What we hold when the organisations on the other side have this standing.
    pub(crate) fn held(&self, standing: &str) -> Held {
        let now = region_now(&self.region);
        let held = self.region.at(WE).agreements.held().as_ref().clone();
        let others = [SEZ, PACTUM, GGNET];
        match standing {
            "granted" | "no-purpose" | "figures-only" | "no-party" => held,
            "no-covenant" => Held { book: Some(Book::new(org(WE), vec![root(&org(WE)).public()])), ..held },
            "stopped" => Held { stopped: others.map(|other| (org(other), "onderhoud".to_owned())).into(), ..held },
            "expired" | "no-record" => {
                let mut records = RecordBook::new();
                let known: &[&str] = if standing == "expired" { &[WE, SEZ, PACTUM, GGNET] } else { &[WE] };
                for of in known {
                    let expires = if *of == WE { "2027-06-01T00:00:00Z" } else { "2026-11-22T02:14:00Z" };
                    let signed = record(&org(of), 2, expires).sign(&root(&org(of))).unwrap();
                    let before = now - minutes(60);
                    records.accept(signed, &org(of), &root(&org(of)).public(), before).unwrap();
                }
                Held { records, ..held }
            }
            other => panic!("no standing {other}"),
        }
    }
}

fn region_now(region: &Region) -> jiff::Timestamp {
    region.clock.now()
}

/// Cases we opened ourselves.
async fn ours(region: &Region) -> Vec<(&'static str, Made)> {
    let we = region.at(WE);
    let lead = we.open(dossier()).await.id;
    let closed = we.open(dossier()).await;
    let act = CareAct::CloseCase { case: Seen { id: closed.id, version: closed.version }, reason: "voorbij".to_owned() };
    we.act(act).await.unwrap();
    let offering = we.open(dossier()).await.id;
    let offered = we.offer(offering, PACTUM, HELP).await.unwrap().id;
    let gone = we.open(dossier()).await.id;
    let passed = we.offer(gone, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;
    region.at(PACTUM).accept(passed).await.unwrap();
    region.settle_well().await;
    let of = |case, offer| Made { case: Some(case), offer, consultation: None };
    vec![
        ("lead", of(lead, None)),
        ("closed", of(closed.id, None)),
        ("offering", of(offering, Some(offered))),
        ("gone", of(gone, Some(passed))),
    ]
}

/// Questions to us and by us.
async fn questions(region: &Region) -> Vec<(&'static str, Made)> {
    let (we, sez) = (region.at(WE), region.at(SEZ));
    let to_us = |case| Ask { candidates: vec![org(WE)], ..question(case) };
    let by_us = |case| Ask { candidates: vec![org(SEZ)], service: "crisisinterventie".to_owned(), ..question(case) };
    let mut made = Vec::new();
    for (name, answered) in [("asked", false), ("helping", true)] {
        let case = sez.open(dossier()).await.id;
        let id = sez.ask(to_us(case)).await.unwrap().id;
        region.settle_well().await;
        if answered {
            we.bid(id).await.unwrap();
        }
        made.push((name, Made { case: Some(case), consultation: Some(id), offer: None }));
    }
    for (name, answered) in [("asking", false), ("helped", true)] {
        let case = we.open(dossier()).await.id;
        let id = we.ask(by_us(case)).await.unwrap().id;
        region.settle_well().await;
        if answered {
            sez.bid(id).await.unwrap();
        }
        made.push((name, Made { case: Some(case), consultation: Some(id), offer: None }));
    }
    let about_nobody = sez.ask(Ask { candidates: vec![org(WE)], ..anonymous("wat past hier?") }).await.unwrap().id;
    region.settle_well().await;
    // Whoever takes the name of the question for that of a case must find nothing.
    let thread = CaseId::new(about_nobody.to_string().parse().unwrap());
    made.push(("anonymous", Made { case: Some(thread), consultation: Some(about_nobody), offer: None }));
    made
}

/// A case of others, with an offer and a question that never came to us.
async fn theirs(region: &Region) -> Vec<(&'static str, Made)> {
    let sez = region.at(SEZ);
    let case = sez.open(dossier()).await.id;
    let offer = sez.offer(case, PACTUM, HELP).await.unwrap().id;
    let consultation = sez.ask(Ask { candidates: vec![org(GGNET)], ..question(case) }).await.unwrap().id;
    region.settle_well().await;
    vec![("theirs", Made { case: Some(case), offer: Some(offer), consultation: Some(consultation) })]
}

/// What is caught half-way: each letter is carried by hand, and no more than these.
async fn under_way(region: &Region) -> Vec<(&'static str, Made)> {
    let (we, sez) = (region.at(WE), region.at(SEZ));
    let offered = async || {
        let case = sez.open(dossier()).await.id;
        let offer = sez.offer(case, WE, CRISIS).await.unwrap().id;
        region.settle_well().await;
        Made { case: Some(case), offer: Some(offer), consultation: None }
    };
    let (waiting, pledged, contested) = (offered().await, offered().await, offered().await);
    let moving = we.open(dossier()).await.id;
    let accepted = we.offer(moving, PACTUM, HELP).await.unwrap().id;
    region.settle_well().await;

    region.at(PACTUM).accept(accepted).await.unwrap();
    carry(region, moving, "accept-handover").await;
    we.accept(contested.offer.unwrap()).await.unwrap();
    carry(region, contested.case.unwrap(), "accept-handover").await;
    carry(region, contested.case.unwrap(), "transfer-custody").await;
    sez.force(contested.case.unwrap()).await.unwrap();
    carry(region, contested.case.unwrap(), "fence-custody").await;
    we.accept(pledged.offer.unwrap()).await.unwrap();
    let moving = Made { case: Some(moving), offer: Some(accepted), consultation: None };
    vec![("offered", waiting), ("pledged", pledged), ("contested", contested), ("moving", moving)]
}

/// Carries the one letter of this kind in the thread of this case.
async fn carry(region: &Region, case: CaseId, kind: &str) {
    let letters = region.waiting().await;
    let letter = letters.iter().find(|letter| letter.kind() == kind && letter.message().thread == case.to_string()).unwrap();
    assert_eq!(region.carry(letter).await, Verdict::Accepted);
}

/// Names without versions: we never read them.
fn named(made: Made, nothing: Handles) -> Handles {
    Handles {
        case: (made.case.unwrap_or(nothing.case.0), 1),
        offer: (made.offer.unwrap_or(nothing.offer.0), 1),
        consultation: (made.consultation.unwrap_or(nothing.consultation.0), 1),
        ..nothing
    }
}

/// Names with the versions at which we read them.
async fn as_read(region: &Region, made: Made, nothing: Handles) -> Handles {
    let we = region.at(WE);
    let mut handles = named(made, nothing);
    if let Some(case) = made.case.filter(|case| Some(case.to_string()) != made.consultation.map(|id| id.to_string())) {
        handles.case.1 = we.case(case).await.version;
    }
    if let Some(offer) = made.offer {
        handles.offer.1 = we.handover(offer).await.version;
    }
    if let Some(consultation) = made.consultation {
        handles.consultation.1 = we.consultation(consultation).await.version;
    }
    let sent = we.store.sent_in(&handles.case.0.to_string()).await.unwrap();
    if let Some(first) = sent.first() {
        handles.message = first.message.message;
    }
    handles
}
