//! What may travel: every field, at every place in the dataset of the grant, in a case that protects it or not, to a receiver that needs
//! it or not. The sender sends nothing else, and a receiver that is sent more refuses it by the field's name.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;
use prost::Message as _;
use schakel::agreements::Held;
use schakel::desk::Verdict;
use schakel::store::OutboxState;
use schakel_domain::command::{Ask, CareAct, Offer, Seen};
use schakel_domain::covenant::{Book, Document, SignedCovenant};
use schakel_domain::dossier::{Contact, ContactKind, CourtOrder, Dossier, Identity, OrderState};
use schakel_domain::field::Field;
use schakel_domain::id::{Hash, MessageId};
use schakel_domain::message::{AskAbout, Body, Message};
use schakel_domain::refusal::Reason;
use schakel_proto::r#type::v1 as words;
use uuid::Uuid;

use crate::kit::*;

/// A covenant of two parties, with one dataset that each cell writes anew.
const SMALL: &str = include_str!("fields.toml");
const SERVICE: &str = "ggz-crisis";

type Has = fn(&words::Dossier) -> bool;

/// Every field of a covenant that a dossier can hold, and how to see on the wire that it is there: written out, not taken from the
/// program.
const FIELDS: [(&str, Has); 30] = [
    ("identity.family_name", |sent| identity(sent).family_name.is_some()),
    ("identity.given_names", |sent| identity(sent).given_names.is_some()),
    ("identity.birth_date", |sent| identity(sent).birth_date.is_some()),
    ("identity.sex", |sent| identity(sent).sex.is_some()),
    ("identity.bsn", |sent| identity(sent).bsn.is_some()),
    ("identity.postal_code", |sent| identity(sent).postal_code.is_some()),
    ("identity.house_number", |sent| identity(sent).house_number.is_some()),
    ("identity.address", |sent| identity(sent).address.is_some()),
    ("identity.telephone", |sent| identity(sent).telephone.is_some()),
    ("identity.municipality", |sent| identity(sent).municipality.is_some()),
    ("age", |sent| sent.age.is_some()),
    ("legal.regime", |sent| legal(sent).regime != 0),
    ("legal.basis", |sent| legal(sent).basis != 0),
    ("legal.consent", |sent| legal(sent).consent_on.is_some() || !legal(sent).consent_by.is_empty()),
    ("legal.authority", |sent| legal(sent).authority != 0),
    ("legal.identity_status", |sent| legal(sent).identity_status != 0),
    ("legal.court_order", |sent| legal(sent).court_order.is_some()),
    ("contacts.authority_holders", |sent| contact(sent, words::contact::Kind::AuthorityHolder)),
    ("contacts.safe", |sent| contact(sent, words::contact::Kind::Safe)),
    ("contacts.unsafe", |sent| contact(sent, words::contact::Kind::Unsafe)),
    ("whereabouts", |sent| !sent.whereabouts.is_empty()),
    ("situation", |sent| !sent.situation.is_empty()),
    ("background", |sent| !sent.background.is_empty()),
    ("assessment", |sent| !sent.assessment.is_empty()),
    ("recommendation", |sent| !sent.recommendation.is_empty()),
    ("severity", |sent| sent.severity != 0),
    ("actions", |sent| !sent.actions.is_empty()),
    ("contingencies", |sent| !sent.contingencies.is_empty()),
    ("safety", |sent| sent.safety.is_some()),
    ("key_points", |sent| !sent.key_points.is_empty()),
];

/// The legal status travels whole or not at all; a court order only with it.
const LEGAL: [&str; 5] = ["legal.regime", "legal.basis", "legal.consent", "legal.authority", "legal.identity_status"];
/// What a dataset may list as protected.
const PROTECTABLE: [&str; 14] = [
    "identity.family_name",
    "identity.given_names",
    "identity.birth_date",
    "identity.sex",
    "identity.bsn",
    "identity.municipality",
    "identity.postal_code",
    "identity.house_number",
    "identity.address",
    "identity.telephone",
    "contacts.authority_holders",
    "contacts.safe",
    "contacts.unsafe",
    "whereabouts",
];

/// What a case protects by its marks.
const MARKS: [(&str, &[&str]); 3] = [
    ("nothing", &[]),
    ("hidden address", &["identity.address", "identity.postal_code", "identity.house_number", "identity.telephone", "whereabouts"]),
    ("danger from a parent", &["contacts.unsafe"]),
];

fn identity(sent: &words::Dossier) -> words::Identity {
    sent.identity.clone().unwrap_or_default()
}

fn legal(sent: &words::Dossier) -> words::LegalStatus {
    sent.legal.clone().unwrap_or_default()
}

fn contact(sent: &words::Dossier, kind: words::contact::Kind) -> bool {
    sent.contacts.iter().any(|contact| contact.kind() == kind)
}

/// Where the one field of a cell stands in the dataset; every other field is listed as one that travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Out,
    In,
    Protected,
    Both,
}

impl Place {
    fn of(field: &str) -> &'static [Place] {
        if PROTECTABLE.contains(&field) { &[Place::Out, Place::In, Place::Protected, Place::Both] } else { &[Place::Out, Place::In] }
    }

    fn travels(self, marked: bool, needed: bool) -> bool {
        let freely = matches!(self, Place::In | Place::Both) && !marked;
        freely || matches!(self, Place::Protected | Place::Both) && needed
    }
}

/// Every field a message must hold: the specification.
fn expected(field: &str, place: Place, marked: &[&str], needed: bool) -> BTreeSet<&'static str> {
    let travels = |name: &&str| if *name == field { place.travels(marked.contains(name), needed) } else { !marked.contains(name) };
    let mut fields: BTreeSet<_> = FIELDS.iter().map(|(name, _)| *name).filter(|name| travels(name)).collect();
    if !LEGAL.iter().all(|name| fields.contains(name)) {
        fields.retain(|name| !name.starts_with("legal."));
    }
    fields
}

/// Every field that bytes hold.
fn held_by(package: &[u8]) -> BTreeSet<&'static str> {
    let sent = words::Dossier::decode(package).unwrap();
    FIELDS.iter().filter(|(_, has)| has(&sent)).map(|(name, _)| *name).collect()
}

/// A dossier with everything in it, under these marks.
fn full(mark: &str) -> Dossier {
    let mut full = dossier();
    let contact = Contact { name: "voogd".into(), relation: "voogd".into(), telephone: None, kind: ContactKind::AuthorityHolder };
    full.contacts.push(contact);
    full.identity =
        Identity { sex: Some("female".into()), house_number: Some("1".into()), telephone: Some("+31600000001".into()), ..full.identity };
    let (kind, on) = ("ondertoezichtstelling".to_owned(), date(2026, 11, 20));
    let order = CourtOrder { state: OrderState::Requested, kind, on, until: None };
    full.legal.as_mut().unwrap().court_order = Some(order);
    (full.background, full.assessment, full.recommendation) = ("b".into(), "a".into(), "r".into());
    full.safety.plan = "samen".into();
    full.safety.hidden_address = mark == "hidden address";
    full.safety.danger_from_parent = mark == "danger from a parent";
    full
}

/// The small covenant with the field at this place, held by both.
fn region_with(field: &str, place: Place) -> Region {
    let field: Field = field.parse().unwrap();
    let mut document = Document::from_toml(SMALL).unwrap();
    for party in [SEZ, PRO_PERSONA] {
        assert!(document.set_root_key(&org(party), root(&org(party)).public()));
    }
    let dataset = document.datasets.iter_mut().find(|dataset| dataset.id.as_str() == "everything").unwrap();
    if matches!(place, Place::Out | Place::Protected) {
        dataset.fields.retain(|listed| *listed != field);
    }
    if matches!(place, Place::Protected | Place::Both) {
        dataset.protected.push(field);
    }
    holding(document)
}

/// Both organisations, holding this covenant.
fn holding(document: Document) -> Region {
    let region = Region::new(&[SEZ, PRO_PERSONA]);
    let bundle: SignedCovenant = signed(document);
    for me in [SEZ, PRO_PERSONA] {
        let mut book = Book::new(org(me), vec![root(&org(me)).public()]);
        book.install(bundle.clone()).unwrap();
        let held = region.at(me).agreements.held().as_ref().clone();
        region.at(me).agreements.replace(Held { book: Some(book), ..held });
    }
    region
}

/// What a message carries of the young person.
fn package(message: &Message) -> &[u8] {
    match &message.body {
        Body::Ask(ask) => match &ask.about {
            AskAbout::Case { package, .. } => package,
            AskAbout::Nobody { .. } => panic!("a question by name"),
        },
        Body::Propose(propose) => &propose.package,
        other => panic!("not {other:?}"),
    }
}

/// The same letter with another dossier in it.
fn carrying(letter: &Letter, dossier: Dossier) -> Letter {
    let mut message = Message { id: MessageId::new(Uuid::from_u128(1_000 + u128::from(letter.number))), ..letter.message() };
    let bytes = schakel::wire::dossier::encode_dossier(&dossier);
    match &mut message.body {
        Body::Ask(ask) => {
            let AskAbout::Case { package, dossier: parsed, .. } = &mut ask.about else { panic!("a question by name") };
            (*package, **parsed) = (bytes, dossier);
        }
        Body::Propose(propose) => {
            propose.content = Hash::sha256(&bytes);
            (propose.package, *propose.dossier) = (bytes, dossier);
        }
        other => panic!("not {other:?}"),
    }
    Letter { bytes: schakel::wire::federation::encode(&message), ..letter.clone() }
}

/// Asks by name, or offers; gives the letter that waits.
async fn send(region: &Region, act: &str, dossier: Dossier, needed: Option<Field>) -> Letter {
    let sez = region.at(SEZ);
    let case = sez.open(dossier).await;
    let needed: BTreeSet<Field> = needed.into_iter().collect();
    if act == "ask" {
        sez.ask(Ask { needed, ..question(case.id) }).await.unwrap();
    } else {
        let seen = Seen { id: case.id, version: case.version };
        sez.act(CareAct::Offer(Offer { needed, ..offer(seen, PRO_PERSONA, SERVICE) })).await.unwrap();
    }
    let letters = region.waiting().await;
    letters.into_iter().find(|letter| letter.message().thread == case.id.to_string()).unwrap()
}

#[tokio::test]
async fn of_every_field_only_what_the_dataset_lists_leaves_the_sender_and_the_receiver_takes_no_more() {
    let mut cells: BTreeMap<&str, usize> = BTreeMap::new();
    for (field, _) in FIELDS {
        for place in Place::of(field) {
            let region = region_with(field, *place);
            for act in ["ask", "propose-handover"] {
                for (mark, marked) in MARKS {
                    for needed in [false, true] {
                        let cell = format!("{field} {place:?}, {mark}, needed: {needed}, {act}");
                        let letter = send(&region, act, full(mark), needed.then(|| field.parse().unwrap())).await;
                        assert_eq!(held_by(package(&letter.message())), expected(field, *place, marked, needed), "{cell}");
                        *cells.entry("sent").or_default() += 1;
                    }
                }
                receives(&region, act, field, *place).await;
                *cells.entry("received").or_default() += 1;
            }
        }
    }
    let places: usize = FIELDS.iter().map(|(field, _)| Place::of(field).len()).sum();
    assert_eq!((cells["sent"], cells["received"]), (places * 2 * 3 * 2, places * 2));
}

/// A sender that keeps no dataset sends everything: the receiver refuses what is not listed, by name, and keeps nothing of it.
async fn receives(region: &Region, act: &str, field: &str, place: Place) {
    let receiver = region.at(PRO_PERSONA);
    let letter = send(region, act, full("nothing"), None).await;
    let before = (receiver.log().await.len(), receiver.events().await.len());
    let mut dossier = full("nothing");
    dossier.age = Some(15);

    let verdict = region.carry(&carrying(&letter, dossier)).await;

    let logged = receiver.log().await.len();
    if place != Place::Out {
        assert_eq!((verdict, logged), (Verdict::Accepted, before.0 + 1), "{field} {place:?} {act}");
        return;
    }
    let Verdict::Refused(refusal) = verdict else { panic!("{field} {act}: {verdict:?}") };
    assert_eq!((refusal.reason, refusal.field.as_deref()), (Reason::DatasetExceeded, Some(field)), "{act}");
    assert!(refusal.clause.is_some(), "{field} {act}");
    assert_eq!((logged, receiver.events().await.len()), (before.0 + 1, before.1), "{field} {act}");
    let case = letter.message().thread.parse().unwrap();
    assert!(receiver.record(case).await.is_none(), "{field} {act}");
    let parked = region.at(SEZ).store.outbox(&org(PRO_PERSONA), OutboxState::Parked, 0, 100).await.unwrap();
    assert!(parked.iter().any(|row| row.number == letter.number), "{field} {act}");
}

#[tokio::test]
async fn about_nobody_in_particular_only_age_and_severity_travel_and_only_when_listed() {
    for listed in [vec![], vec!["age"], vec!["severity"], vec!["age", "severity"]] {
        let mut document = Document::from_toml(SMALL).unwrap();
        for party in [SEZ, PRO_PERSONA] {
            assert!(document.set_root_key(&org(party), root(&org(party)).public()));
        }
        let dataset = document.datasets.iter_mut().find(|dataset| dataset.id.as_str() == "nobody").unwrap();
        dataset.fields.extend(listed.iter().map(|field| field.parse::<Field>().unwrap()));
        let region = holding(document);
        region.at(SEZ).ask(anonymous("wat past hier?")).await.unwrap();
        let letter = region.waiting().await.remove(0);

        let Body::Ask(ask) = letter.message().body else { panic!("a question") };
        let AskAbout::Nobody { age, municipality, severity } = ask.about else { panic!("about nobody") };
        assert_eq!((age.is_some(), severity.is_some()), (listed.contains(&"age"), listed.contains(&"severity")));
        assert_eq!(municipality, None);

        for (number, field) in ["age", "severity", "identity.municipality"].into_iter().enumerate() {
            let mut message = Message { id: MessageId::new(Uuid::from_u128(number as u128)), ..letter.message() };
            let Body::Ask(ask) = &mut message.body else { panic!("a question") };
            let AskAbout::Nobody { age, municipality, severity } = &mut ask.about else { panic!("about nobody") };
            match field {
                "age" => *age = Some(15),
                "severity" => *severity = Some(schakel_domain::dossier::Severity::Unstable),
                _ => *municipality = Some("0202".to_owned()),
            }
            let forged = Letter { bytes: schakel::wire::federation::encode(&message), ..letter.clone() };
            if listed.contains(&field) {
                continue;
            }
            let Verdict::Refused(refusal) = region.bring(&forged).await else { panic!("{field} in {listed:?}") };
            assert_eq!((refusal.reason, refusal.field.as_deref()), (Reason::DatasetExceeded, Some(field)));
        }
        assert_eq!(region.carry(&letter).await, Verdict::Accepted);
    }
}

#[test]
fn every_field_of_a_covenant_has_its_row() {
    let rows: BTreeSet<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    let words: BTreeSet<&str> = ["question", "advice"].into();
    let all: BTreeSet<&str> = Field::ALL.iter().map(|field| field.name()).collect();

    assert_eq!(rows.union(&words).copied().collect::<BTreeSet<_>>(), all);
    let protectable: BTreeSet<&str> = Field::ALL.iter().filter(|field| field.is_protectable()).map(|field| field.name()).collect();
    assert_eq!(PROTECTABLE.into_iter().collect::<BTreeSet<_>>(), protectable);
    assert_eq!(held_by(&schakel::wire::dossier::encode_dossier(&Dossier { age: Some(15), ..full("nothing") })), rows);
}
