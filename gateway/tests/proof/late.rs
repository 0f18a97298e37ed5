//! Cosigners are away: an alarm, then, only where the covenant says so, no new offers; and all is well again when they are back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use schakel::agreements::{Agreements, Held};
use schakel::cosigner::{Alarm, Alarmed, Cosigner, Ports, Submit, kept};
use schakel::desk::Source;
use schakel::ledger::Ledger;
use schakel::store::{Commit, NewEntry, Store, memory};
use schakel::witness::Witness;
use schakel_domain::audit::tree::leaf_hash;
use schakel_domain::covenant::document::Cosigning;
use schakel_domain::covenant::{Book, CovenantRef, Document, SignedCovenant};
use schakel_domain::id::{Hash, OrgId};
use schakel_domain::party_record::{LogKeys, PartyRecord, RecordBook, SigningKey, TelephoneEntry, TlsBinding};
use schakel_domain::refusal::Reason;
use schakel_domain::signature::SecretKey;

use super::kit::*;

const GELDERLAND: &str = include_str!("../../../deploy/covenants/gelderland.toml");

fn root(of: &OrgId) -> SecretKey {
    SecretKey::from_seed(&Hash::sha256(of.as_str().as_bytes()).0).unwrap()
}

/// The Gelderland covenant with this clause, signed by all, and everybody's record.
fn held(me: &OrgId, document: &Document) -> Held {
    let mut signed = SignedCovenant::unsigned(document.clone());
    let mut records = RecordBook::new();
    for party in &document.parties {
        signed.sign(&party.id, &root(&party.id)).unwrap();
        let line = TelephoneEntry { label: "crisisdienst".to_owned(), number: "+31000000500".parse().unwrap() };
        let record = PartyRecord {
            org: party.id.clone(),
            number: 1,
            issued: at(-86_400),
            expires: at(86_400 * 300),
            endpoint: "127.0.0.1:1".parse().unwrap(),
            tls: TlsBinding { spki_sha256: vec![Hash::sha256(b"x")], san_uri: format!("urn:schakel:organization:{}", party.id) },
            signing_keys: vec![SigningKey { key: root(&party.id).public(), from: at(-86_400), until: at(86_400 * 300) }],
            telephones: vec![line.clone()],
            duty: line,
            log: Some(LogKeys { key: log_key(&party.id).vkey().clone(), cosigner: cosigner(&party.id).vkey().clone() }),
        };
        records.accept(record.sign(&root(&party.id)).unwrap(), &party.id, &root(&party.id).public(), at(0)).unwrap();
    }
    let mut book = Book::new(me.clone(), vec![root(me).public()]);
    book.install(signed).unwrap();
    Held { book: Some(book), records, stopped: BTreeMap::new(), generation: 0 }
}

fn document(stops_offers: bool) -> Document {
    let mut document = Document::from_toml(GELDERLAND).unwrap();
    for party in document.parties.clone() {
        document.set_root_key(&party.id, root(&party.id).public());
    }
    document.cosigning = Some(Cosigning { quorum: 2, interval: "30s".parse().unwrap(), grace: "4h".parse().unwrap(), stops_offers });
    document
}

/// The way to the witnesses, which can be cut, and a clock of theirs that can be wrong.
struct Link {
    witnesses: BTreeMap<OrgId, Witness>,
    me: OrgId,
    cut: AtomicBool,
    asked: AtomicI64,
}

impl Submit for Link {
    fn add_checkpoint<'a>(&'a self, peer: &'a OrgId, body: Vec<u8>) -> BoxFuture<'a, Result<(u16, String), String>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let witness = self.witnesses.get(peer).filter(|_| !self.cut.load(Ordering::Relaxed)).ok_or("no way")?;
            let answer = witness.add(&self.me, &body).await.map_err(|error| error.to_string())?;
            Ok((answer.status, answer.body))
        })
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<Alarm>>);

impl Alarmed for Heard {
    fn alarm(&self, alarm: Alarm) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap().push(alarm);
        Box::pin(std::future::ready(()))
    }
}

/// One organisation that has its log cosigned by two of the others.
struct Scene {
    clock: Arc<Clock>,
    theirs: Arc<Clock>,
    store: Arc<dyn Store>,
    ledger: Arc<Ledger>,
    agreements: Arc<Agreements>,
    link: Arc<Link>,
    heard: Arc<Heard>,
    cosigner: Cosigner,
    covenant: CovenantRef,
    peers: Vec<OrgId>,
}

impl Scene {
    async fn new(stops_offers: bool) -> Self {
        let document = document(stops_offers);
        let orgs: Vec<OrgId> = document.parties.iter().map(|party| party.id.clone()).collect();
        let (me, peers) = (orgs[0].clone(), orgs[1..3].to_vec());
        let (clock, theirs, shown) = (Clock::new(at(0)), Clock::new(at(0)), Arc::new(Shown::default()));
        let store: Arc<dyn Store> = memory::new();
        let ledger = Arc::new(Ledger::open(Arc::clone(&store), log_key(&me), None).await.unwrap());
        let agreements = Arc::new(Agreements::new(me.clone(), held(&me, &document)));
        let witnesses = peers.iter().map(|peer| (peer.clone(), memory_witness(peer, &theirs, &shown))).collect();
        let link = Arc::new(Link { witnesses, me, cut: AtomicBool::new(false), asked: AtomicI64::new(0) });
        let heard = Arc::new(Heard::default());
        let cosigner = Cosigner::new(Ports {
            ledger: Arc::clone(&ledger),
            store: Arc::clone(&store),
            agreements: Arc::clone(&agreements),
            submit: Arc::clone(&link) as Arc<dyn Submit>,
            source: Arc::clone(&clock) as Arc<dyn Source>,
            alarmed: Arc::clone(&heard) as Arc<dyn Alarmed>,
        });
        let covenant = CovenantRef { id: document.id.clone(), version: document.version, hash: document.hash() };
        Self { clock, theirs, store, ledger, agreements, link, heard, cosigner, covenant, peers }
    }

    /// Something is logged now, and signed.
    async fn log(&self, number: u64) {
        let mut made = entry(&self.link.me, number);
        made.event.time = format!("{:.3}", self.clock.now());
        let bytes = made.bytes().unwrap();
        let entries = vec![NewEntry { leaf: leaf_hash(&bytes), bytes, salts: None, case: None }];
        self.store.commit(Commit { entries, ..Commit::default() }).await.unwrap();
        self.ledger.publish().await.unwrap();
    }

    fn pass(&self, time: SignedDuration) {
        self.clock.pass(time);
        self.theirs.pass(time);
    }

    fn alarms(&self) -> Vec<Alarm> {
        std::mem::take(&mut *self.heard.0.lock().unwrap())
    }

    fn may_offer(&self) -> Result<(), Reason> {
        self.agreements.may_offer(&self.covenant).map_err(|refusal| refusal.reason)
    }
}

#[tokio::test]
async fn cosigners_that_stay_away_alarm_after_a_minute_and_stop_offers_after_four_hours_only_where_the_clause_says_so() {
    for stops_offers in [false, true] {
        let scene = Scene::new(stops_offers).await;
        scene.link.cut.store(true, Ordering::Relaxed);
        scene.log(1).await;

        assert!(!scene.cosigner.round().await.unwrap());
        assert_eq!(scene.alarms(), [], "one missed round is nothing");
        scene.pass(SignedDuration::from_secs(61));
        scene.cosigner.round().await.unwrap();
        assert_eq!((scene.alarms(), scene.may_offer()), (vec![Alarm::Late], Ok(())));
        scene.pass(SignedDuration::from_hours(4));
        scene.cosigner.round().await.unwrap();
        let (told, answer) = if stops_offers { (vec![Alarm::OffersHeld], Err(Reason::CosigningLate)) } else { (vec![], Ok(())) };
        assert_eq!((scene.alarms(), scene.may_offer()), (told, answer));

        scene.link.cut.store(false, Ordering::Relaxed);
        assert!(scene.cosigner.round().await.unwrap());
        assert_eq!((scene.alarms(), scene.may_offer()), (vec![Alarm::Restored], Ok(())));
    }
}

#[tokio::test]
async fn a_covered_log_asks_nobody_and_commits_nothing_until_it_grows() {
    let scene = Scene::new(true).await;
    scene.log(1).await;
    assert!(scene.cosigner.round().await.unwrap());
    let (asked, version) = (scene.link.asked.load(Ordering::Relaxed), kept(&*scene.store, scene.ledger.vkey()).await.unwrap().0);

    scene.pass(SignedDuration::from_hours(24));
    for _ in 0..10 {
        assert!(scene.cosigner.round().await.unwrap());
    }

    assert_eq!(scene.link.asked.load(Ordering::Relaxed), asked);
    assert_eq!((kept(&*scene.store, scene.ledger.vkey()).await.unwrap().0, scene.store.log_size().await.unwrap()), (version, 1));
    scene.log(2).await;
    assert!(scene.cosigner.round().await.unwrap());
    let (_, cosigned) = kept(&*scene.store, scene.ledger.vkey()).await.unwrap();
    assert_eq!(cosigned.unwrap().checkpoint.size, 2);
}

#[tokio::test]
async fn a_peer_whose_clock_is_off_by_more_than_two_minutes_is_named_once() {
    let scene = Scene::new(true).await;
    scene.theirs.pass(SignedDuration::from_secs(121));
    scene.log(1).await;
    scene.cosigner.round().await.unwrap();
    scene.log(2).await;
    scene.cosigner.round().await.unwrap();

    let mut alarms = scene.alarms();
    alarms.sort();
    let mut expected: Vec<_> = scene.peers.iter().cloned().map(|peer| Alarm::Skew { peer, seconds: 121 }).collect();
    expected.sort();
    assert_eq!((alarms, scene.may_offer()), (expected, Ok(())));
}

#[tokio::test]
async fn a_peer_that_holds_more_of_our_log_than_we_do_alarms() {
    let scene = Scene::new(true).await;
    let mut longer = Log::new(&scene.link.me, 5);
    longer.grow(1, 0);
    let request = schakel_domain::audit::witness::AddCheckpoint { old: 0, proof: Vec::new(), note: longer.note().into_bytes() };
    for peer in &scene.peers {
        assert_eq!(scene.link.add_checkpoint(peer, request.to_bytes()).await.unwrap().0, 200);
    }
    scene.log(1).await;

    assert!(!scene.cosigner.round().await.unwrap());

    assert!(scene.peers.iter().all(|peer| scene.alarms_of(peer)));
}

impl Scene {
    fn alarms_of(&self, peer: &OrgId) -> bool {
        self.heard.0.lock().unwrap().contains(&Alarm::Contradicted(peer.clone()))
    }
}
