//! A region on one bench: real desks, stores and vaults of several organisations of the Gelderland covenant, a clock moved by hand,
//! and a postman who loses, repeats, holds and shuffles what they say to each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::rand::SystemRandom;
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use schakel::agreements::{Agreements, Held};
use schakel::desk::{CaseRecord, Delivered, Delivery, Desk, Parts, Reply, Source, Verdict};
use schakel::store::memory::MemoryStore;
use schakel::store::sqlite::{self, SqliteOptions};
use schakel::store::{Kind, OutboxRow, OutboxState, Store, memory};
use schakel::vault::{FileKey, Vault};
use schakel::wire::federation;
use schakel_domain::audit::entry::{Entry, Responsible};
use schakel_domain::caller::{Caller, Role};
use schakel_domain::command::{About, Ask, CareAct, Command, Offer, OperateAct, Operation, Read, ReadAct, Seen, Write};
use schakel_domain::covenant::{Book, Document, SignedCovenant};
use schakel_domain::custody::DeclineCode;
use schakel_domain::dossier::{
    ActionItem, Authority, Basis, Consent, ConsentBy, Contact, ContactKind, Contingency, Dossier, Identity, IdentityStatus, LegalStatus,
    Regime, Severity,
};
use schakel_domain::id::{CaseId, ClientKeyId, ConsultationId, Hash, OfferId, OrgId, RequestId};
use schakel_domain::message::Message;
use schakel_domain::party_record::{PartyRecord, RecordBook, SigningKey, TelephoneEntry, TlsBinding};
use schakel_domain::person::{Actor, PersonId, TwoPeople};
use schakel_domain::refusal::{Reason, Refusal};
use schakel_domain::signature::SecretKey;
use schakel_domain::view::{Answer, CaseView, ConsultationView, HandoverView};
use uuid::Uuid;

use super::watched::Watched;

pub(crate) const SEZ: &str = "kvk:90000101";
pub(crate) const PRO_PERSONA: &str = "ura:90000102";
pub(crate) const GGNET: &str = "ura:90000103";
pub(crate) const GGZ_CENTRAAL: &str = "ura:90000104";
pub(crate) const PACTUM: &str = "kvk:90000105";
pub(crate) const ENTREA: &str = "kvk:90000106";
pub(crate) const G7: &str = "kvk:90000110";

/// What Pactum does.
pub(crate) const HELP: &str = "ambulante-spoedhulp";

const GELDERLAND: &str = include_str!("../../../deploy/covenants/gelderland.toml");
/// A Sunday night in November.
const NIGHT: &str = "2026-11-22T02:14:00Z";

/// The words that identify somebody; none of them may ever be readable outside a seal.
pub(crate) const CANARIES: [&str; 12] = [
    "KanarieAchternaam",
    "KanarieVoornaam",
    "999990019",
    "KanarieAdres",
    "KanarieVerblijf",
    "KanarieSituatie",
    "KanarieMoeder",
    "KanarieKernpunt",
    "KanarieVraag",
    "KanarieAdvies",
    "KanarieMedewerker",
    "KanarieReden",
];

pub(crate) fn org(text: &str) -> OrgId {
    text.parse().unwrap()
}

/// A throw-away root key, the same one every time for one organisation.
pub(crate) fn root(org: &OrgId) -> SecretKey {
    SecretKey::from_seed(&Hash::sha256(org.as_str().as_bytes()).0).unwrap()
}

/// The Gelderland covenant with everybody's key in it.
pub(crate) fn document() -> Document {
    static KEYED: LazyLock<Document> = LazyLock::new(|| {
        let mut document = Document::from_toml(GELDERLAND).unwrap();
        for party in document.parties.clone() {
            assert!(document.set_root_key(&party.id, root(&party.id).public()));
        }
        document
    });
    KEYED.clone()
}

/// Signed by every party of it.
pub(crate) fn signed(document: Document) -> SignedCovenant {
    let parties: Vec<OrgId> = document.parties.iter().map(|party| party.id.clone()).collect();
    let mut bundle = SignedCovenant::unsigned(document);
    for party in parties {
        bundle.sign(&party, &root(&party)).unwrap();
    }
    bundle
}

/// A party record that is valid from the start of November until this moment.
pub(crate) fn record(of: &OrgId, number: u64, expires: &str) -> PartyRecord {
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let telephone = TelephoneEntry { label: "crisisdienst, dag en nacht".to_owned(), number: "+31000000500".parse().unwrap() };
    PartyRecord {
        org: of.clone(),
        number,
        issued: at("2026-11-01T00:00:00Z"),
        expires: at(expires),
        endpoint: format!("gateway-{}.example:8443", of.number()).parse().unwrap(),
        tls: TlsBinding { spki_sha256: vec![spki(of)], san_uri: format!("urn:schakel:{of}") },
        signing_keys: vec![SigningKey { key: root(of).public(), from: at("2026-11-01T00:00:00Z"), until: at("2027-11-01T00:00:00Z") }],
        telephones: vec![telephone.clone()],
        duty: telephone,
        log: None,
    }
}

fn spki(of: &OrgId) -> Hash {
    Hash::sha256(format!("spki {of}").as_bytes())
}

/// What a gateway of this organisation holds: the covenant in force and everybody's record.
fn held(of: &OrgId) -> Held {
    static HELD: LazyLock<Mutex<BTreeMap<OrgId, Held>>> = LazyLock::new(Mutex::default);
    static SIGNED: LazyLock<SignedCovenant> = LazyLock::new(|| signed(document()));
    let mut all = HELD.lock().unwrap();
    all.entry(of.clone()).or_insert_with(|| holding(of, SIGNED.clone())).clone()
}

/// What it holds when this covenant is the one in force.
fn holding(of: &OrgId, covenant: SignedCovenant) -> Held {
    let mut book = Book::new(of.clone(), vec![root(of).public()]);
    book.install(covenant).unwrap();
    let mut records = RecordBook::new();
    for party in document().parties {
        let signed = record(&party.id, 1, "2027-06-01T00:00:00Z").sign(&root(&party.id)).unwrap();
        records.accept(signed, &party.id, &root(&party.id).public(), NIGHT.parse().unwrap()).unwrap();
    }
    Held { book: Some(book), records, ..Held::default() }
}

/// A clock moved by hand, and the seed of every id.
#[derive(Debug, Clone)]
pub(crate) struct Clock(Arc<Mutex<Timestamp>>);

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    pub(crate) fn pass(&self, time: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(time).unwrap();
    }

    pub(crate) fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap() = now;
    }
}

/// A small generator of numbers that follow from a seed (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap()
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

#[derive(Debug)]
struct Seeded {
    clock: Clock,
    dice: Mutex<Dice>,
}

impl Source for Seeded {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        let mut dice = self.dice.lock().unwrap();
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&dice.next().to_be_bytes());
        bytes[8..].copy_from_slice(&dice.next().to_be_bytes()[..2]);
        uuid::Builder::from_unix_timestamp_millis(now.as_millisecond().try_into().unwrap(), &bytes).into_uuid()
    }

    fn salt(&self) -> [u8; 32] {
        Hash::sha256(&self.dice.lock().unwrap().next().to_be_bytes()).0
    }
}

/// One organisation's gateway.
pub(crate) struct Gateway {
    pub(crate) me: OrgId,
    pub(crate) desk: Arc<Desk>,
    pub(crate) store: Arc<dyn Store>,
    /// The store again, when it is in memory and can be made to fail.
    pub(crate) memory: Option<Arc<MemoryStore>>,
    pub(crate) agreements: Arc<Agreements>,
    vault: Arc<Vault>,
    watched: Arc<Watched>,
    pub(crate) clock: Clock,
    folder: Arc<tempfile::TempDir>,
    restarts: u64,
}

impl Gateway {
    fn over(me: OrgId, store: Arc<dyn Store>, memory: Option<Arc<MemoryStore>>, clock: Clock, folder: Arc<tempfile::TempDir>) -> Self {
        let agreements = Arc::new(Agreements::new(me.clone(), held(&me)));
        Self::with(me, store, memory, agreements, clock, folder, 0)
    }

    fn with(
        me: OrgId,
        store: Arc<dyn Store>,
        memory: Option<Arc<MemoryStore>>,
        agreements: Arc<Agreements>,
        clock: Clock,
        folder: Arc<tempfile::TempDir>,
        restarts: u64,
    ) -> Self {
        let watched = Watched::over(store);
        let store: Arc<dyn Store> = Arc::clone(&watched) as Arc<dyn Store>;
        let key = FileKey::read(&folder.path().join("key"), SystemRandom::new()).unwrap();
        let seed = u64::from_be_bytes(Hash::sha256(format!("{me} {restarts}").as_bytes()).0[..8].try_into().unwrap());
        let vault = Arc::new(Vault::new(Box::new(key), Arc::clone(&store), SystemRandom::new()));
        let desk = Desk::new(Parts {
            me: me.clone(),
            gateway: "gw-1".to_owned(),
            responsible: Responsible::new("local:beheer", "functioneel beheerder"),
            store: Arc::clone(&store),
            vault: Arc::clone(&vault),
            agreements: Arc::clone(&agreements),
            ids: Arc::new(Seeded { clock: clock.clone(), dice: Mutex::new(Dice::new(seed)) }),
        });
        Self { me, desk: Arc::new(desk), store, vault, watched, memory, agreements, clock, folder, restarts }
    }

    /// Stops, and starts again from what was committed.
    pub(crate) async fn restart(&mut self) {
        let (store, memory): (Arc<dyn Store>, _) = match &self.memory {
            Some(memory) => {
                let restarted = memory.restarted();
                (Arc::clone(&restarted) as Arc<dyn Store>, Some(restarted))
            }
            None => {
                self.store.close().await;
                (sqlite::open(&self.database(), SqliteOptions::default()).await.unwrap(), None)
            }
        };
        let agreements = Arc::clone(&self.agreements);
        let (me, clock, folder) = (self.me.clone(), self.clock.clone(), Arc::clone(&self.folder));
        *self = Self::with(me, store, memory, agreements, clock, folder, self.restarts + 1);
    }

    /// Seals something as the desk does.
    pub(crate) async fn sealed(&self, key: ClientKeyId, plain: &[u8]) -> Vec<u8> {
        self.vault.seal(key, "schakel.record.v1", plain).await.unwrap()
    }

    /// The same gateway once more, over a copy of what it committed and with other agreements: what happens to one of the two does not
    /// happen to the other.
    pub(crate) fn forked(&self, held: Held) -> Self {
        let copy = self.memory.as_ref().unwrap().restarted();
        let store = Arc::clone(&copy) as Arc<dyn Store>;
        let agreements = Arc::new(Agreements::new(self.me.clone(), held));
        let (clock, folder) = (self.clock.clone(), Arc::clone(&self.folder));
        Self::with(self.me.clone(), store, Some(copy), agreements, clock, folder, self.restarts + 1)
    }

    /// Another replica of this gateway: the same store, everything else its own.
    pub(crate) async fn replica(&self) -> Gateway {
        let held = Desk::read_agreements(&*self.store, &self.me, vec![root(&self.me).public()]).await.unwrap();
        let agreements = Arc::new(Agreements::new(self.me.clone(), held));
        let (store, memory) = (Arc::clone(&self.store), self.memory.clone());
        Self::with(self.me.clone(), store, memory, agreements, self.clock.clone(), Arc::clone(&self.folder), self.restarts + 100)
    }

    /// What this gateway keeps in memory, as it is now.
    pub(crate) fn backup(&self) -> Arc<MemoryStore> {
        self.memory.as_ref().unwrap().restarted()
    }

    /// Starts again from an older backup.
    pub(crate) async fn restore(&mut self, backup: Arc<MemoryStore>) {
        self.memory = Some(backup);
        self.restart().await;
    }

    /// Where a SQLite gateway keeps its data.
    pub(crate) fn database(&self) -> std::path::PathBuf {
        self.folder.path().join("schakel.db")
    }

    /// Everything in the gateway's folder but its key.
    pub(crate) fn disk(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| !path.ends_with("key")).flat_map(|path| std::fs::read(path).unwrap()).collect()
    }

    /// Crisis staff of this organisation.
    pub(crate) fn worker(&self) -> Caller {
        self.caller(Role::Worker, Some("local:w-1"))
    }

    pub(crate) fn coordinator(&self) -> Caller {
        self.caller(Role::Coordinator, Some("local:c-1"))
    }

    pub(crate) fn operator(&self) -> Caller {
        Caller { door: "admin", ..self.caller(Role::Operator, Some("local:o-1")) }
    }

    pub(crate) fn caller(&self, role: Role, person: Option<&str>) -> Caller {
        Caller {
            organization: self.me.clone(),
            person: person.map(|person| PersonId::parse(person).unwrap()),
            client: "console".to_owned(),
            roles: BTreeSet::from([role]),
            two_factor: true,
            spki: None,
            door: "care",
        }
    }

    /// Does something in the name of crisis staff.
    pub(crate) async fn act(&self, act: CareAct) -> Result<Reply, Refusal> {
        self.act_as(&self.worker(), act).await
    }

    pub(crate) async fn act_as(&self, caller: &Caller, act: CareAct) -> Result<Reply, Refusal> {
        self.desk.handle(caller, Command::Care(write(act))).await
    }

    pub(crate) async fn read(&self, what: Read) -> Result<Answer, Refusal> {
        self.desk.handle(&self.worker(), Command::Read(ReadAct { actor: actor("w-1"), within: None, what })).await.map(|reply| reply.answer)
    }

    pub(crate) async fn operate(&self, act: OperateAct) -> Result<(), Refusal> {
        self.desk.operate_once(&self.operator(), &operation(act)).await.map(drop)
    }

    pub(crate) async fn open(&self, dossier: Dossier) -> CaseView {
        case(self.act(CareAct::OpenCase { dossier: Box::new(dossier) }).await.unwrap().answer)
    }

    pub(crate) async fn case(&self, id: CaseId) -> CaseView {
        case(self.read(Read::Case { id, full: false }).await.unwrap())
    }

    pub(crate) async fn handover(&self, id: OfferId) -> HandoverView {
        handover(self.read(Read::Handover { id, full: false }).await.unwrap())
    }

    pub(crate) async fn handover_in_full(&self, id: OfferId) -> HandoverView {
        handover(self.read(Read::Handover { id, full: true }).await.unwrap())
    }

    pub(crate) async fn consultation(&self, id: ConsultationId) -> ConsultationView {
        consultation(self.read(Read::Consultation { id, full: false }).await.unwrap())
    }

    pub(crate) async fn consultation_in_full(&self, id: ConsultationId) -> ConsultationView {
        consultation(self.read(Read::Consultation { id, full: true }).await.unwrap())
    }

    pub(crate) async fn ask(&self, ask: Ask) -> Result<ConsultationView, Refusal> {
        self.act(CareAct::Ask(ask)).await.map(|reply| consultation(reply.answer))
    }

    /// Offers a case as it stands now.
    pub(crate) async fn offer(&self, case: CaseId, to: &str, service: &str) -> Result<HandoverView, Refusal> {
        let seen = Seen { id: case, version: self.case(case).await.version };
        self.act(CareAct::Offer(offer(seen, to, service))).await.map(|reply| handover(reply.answer))
    }

    pub(crate) async fn accept(&self, id: OfferId) -> Result<HandoverView, Refusal> {
        let view = self.handover(id).await;
        let act = CareAct::AcceptHandover {
            handover: Seen { id, version: view.version },
            read_back: (0..view.key_points).map(|_| "KanarieKernpunt in eigen woorden".to_owned()).collect(),
            first_action: "vanavond langs".to_owned(),
            first_action_at: None,
        };
        self.act(act).await.map(|reply| handover(reply.answer))
    }

    /// Accepts without reading first.
    pub(crate) async fn accept_blindly(&self, id: OfferId) -> Result<Reply, Refusal> {
        let handover = Seen { id, version: 1 };
        self.act(CareAct::AcceptHandover { handover, read_back: Vec::new(), first_action: String::new(), first_action_at: None }).await
    }

    pub(crate) async fn decline(&self, id: OfferId, code: DeclineCode) -> Result<HandoverView, Refusal> {
        let handover_seen = Seen { id, version: self.handover(id).await.version };
        let act = CareAct::DeclineHandover { handover: handover_seen, code, note: "KanarieReden".to_owned() };
        self.act(act).await.map(|reply| handover(reply.answer))
    }

    pub(crate) async fn withdraw(&self, id: OfferId) -> Result<HandoverView, Refusal> {
        let seen = Seen { id, version: self.handover(id).await.version };
        let act = CareAct::WithdrawHandover { handover: seen, reason: "KanarieReden".to_owned() };
        self.act(act).await.map(|reply| handover(reply.answer))
    }

    pub(crate) async fn release(&self, id: OfferId) -> Result<HandoverView, Refusal> {
        let seen = Seen { id, version: self.handover(id).await.version };
        let act = CareAct::ReleasePledge { handover: seen, code: DeclineCode::NoCapacity, people: two() };
        self.act_as(&self.coordinator(), act).await.map(|reply| handover(reply.answer))
    }

    pub(crate) async fn force(&self, id: CaseId) -> Result<CaseView, Refusal> {
        let seen = Seen { id, version: self.case(id).await.version };
        self.act_as(&self.coordinator(), CareAct::ForceReclaim { case: seen, people: two() }).await.map(|reply| case(reply.answer))
    }

    pub(crate) async fn resolve(&self, id: CaseId) -> Result<CaseView, Refusal> {
        let seen = Seen { id, version: self.case(id).await.version };
        self.act_as(&self.coordinator(), CareAct::ResolveContested { case: seen, people: two() }).await.map(|reply| case(reply.answer))
    }

    pub(crate) async fn bid(&self, id: ConsultationId) -> Result<ConsultationView, Refusal> {
        let seen = Seen { id, version: self.consultation(id).await.version };
        let available = Some(self.clock.now() + SignedDuration::from_mins(20));
        let act = CareAct::AcceptConsultation { consultation: seen, available, note: "KanarieReden".to_owned() };
        self.act(act).await.map(|reply| consultation(reply.answer))
    }

    pub(crate) async fn decline_question(&self, id: ConsultationId, code: DeclineCode) -> Result<ConsultationView, Refusal> {
        let seen = Seen { id, version: self.consultation(id).await.version };
        let act = CareAct::DeclineConsultation { consultation: seen, code, note: "KanarieReden".to_owned() };
        self.act(act).await.map(|reply| consultation(reply.answer))
    }

    pub(crate) async fn advise(&self, id: ConsultationId) -> Result<ConsultationView, Refusal> {
        let seen = Seen { id, version: self.consultation(id).await.version };
        self.act(CareAct::Advise { consultation: seen, text: "KanarieAdvies: kom langs".to_owned() }).await.map(|r| consultation(r.answer))
    }

    pub(crate) async fn close_question(&self, id: ConsultationId) -> Result<ConsultationView, Refusal> {
        let seen = Seen { id, version: self.consultation(id).await.version };
        self.act(CareAct::CloseConsultation { consultation: seen }).await.map(|reply| consultation(reply.answer))
    }

    pub(crate) async fn cancel_question(&self, id: ConsultationId) -> Result<ConsultationView, Refusal> {
        let seen = Seen { id, version: self.consultation(id).await.version };
        let act = CareAct::CancelConsultation { consultation: seen, reason: "KanarieReden".to_owned() };
        self.act(act).await.map(|reply| consultation(reply.answer))
    }

    /// The whole log, each entry parsed: one that is not well formed fails here.
    pub(crate) async fn log(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        loop {
            let rows = self.store.entries(entries.len() as u64, 1_000).await.unwrap();
            if rows.is_empty() {
                return entries;
            }
            entries.extend(rows.iter().map(|row| Entry::parse(&row.entry.bytes).unwrap()));
        }
    }

    /// How many entries there are with this code.
    pub(crate) async fn logged(&self, code: &str) -> usize {
        self.log().await.iter().filter(|entry| serde_json::to_value(&entry.event).unwrap()["code"] == code).count()
    }

    /// Kinds of all events, in order.
    pub(crate) async fn events(&self) -> Vec<String> {
        self.store.events(0, 1_000).await.unwrap().into_iter().map(|row| row.event.kind).collect()
    }

    /// Custody of a case, as stored.
    pub(crate) async fn record(&self, case: CaseId) -> Option<CaseRecord> {
        let record = self.store.record(Kind::Case, &case.to_string()).await.unwrap()?;
        Some(serde_json::from_str(&record.clear).unwrap())
    }

    /// How often anything was committed since the start.
    pub(crate) fn commits(&self) -> u64 {
        self.watched.commits()
    }

    /// Everything a commit changes, in numbers: equal before and after means that nothing was committed.
    pub(crate) async fn mark(&self) -> String {
        let (events, log) = (self.store.event_range().await.unwrap(), self.store.log_size().await.unwrap());
        let due = self.store.next_due().await.unwrap();
        let memory = self.memory.as_ref().map(|memory| Hash::sha256(format!("{memory:?}").as_bytes()));
        format!("{events:?} {log} {due:?} {memory:?} {:?}", self.store.outbox_peers().await.unwrap())
    }
}

/// A message on its way.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) from: OrgId,
    pub(crate) to: OrgId,
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Letter {
    pub(crate) fn message(&self) -> Message {
        federation::decode(&self.bytes).unwrap()
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.message().body.kind()
    }
}

/// Several gateways and the post between them.
pub(crate) struct Region {
    pub(crate) clock: Clock,
    gateways: BTreeMap<OrgId, Gateway>,
    cut: Mutex<BTreeSet<(OrgId, OrgId)>>,
}

impl Region {
    /// These organisations, with stores in memory.
    pub(crate) fn new(orgs: &[&str]) -> Self {
        Self::in_memory(orgs, Clock::clone)
    }

    /// The same, each with a clock of its own.
    pub(crate) fn apart(orgs: &[&str]) -> Self {
        Self::in_memory(orgs, |clock| Clock(Arc::new(Mutex::new(clock.now()))))
    }

    fn in_memory(orgs: &[&str], clock_of: fn(&Clock) -> Clock) -> Self {
        let clock = Clock(Arc::new(Mutex::new(NIGHT.parse().unwrap())));
        let make = |me: &&str| {
            let store = memory::new();
            let gateway = Gateway::over(org(me), Arc::clone(&store) as Arc<dyn Store>, Some(store), clock_of(&clock), folder());
            (org(me), gateway)
        };
        Self { clock: clock.clone(), gateways: orgs.iter().map(make).collect(), cut: Mutex::default() }
    }

    /// These organisations, with SQLite.
    pub(crate) async fn on_sqlite(orgs: &[&str]) -> Self {
        let clock = Clock(Arc::new(Mutex::new(NIGHT.parse().unwrap())));
        let mut gateways = BTreeMap::new();
        for me in orgs {
            let folder = folder();
            let store = sqlite::open(&folder.path().join("schakel.db"), SqliteOptions::default()).await.unwrap();
            gateways.insert(org(me), Gateway::over(org(me), store, None, clock.clone(), folder));
        }
        Self { clock, gateways, cut: Mutex::default() }
    }

    /// These organisations, each with a store that was opened for it.
    pub(crate) fn over(stores: Vec<(&str, Arc<dyn Store>)>) -> Self {
        let clock = Clock(Arc::new(Mutex::new(NIGHT.parse().unwrap())));
        let make = |(me, store)| (org(me), Gateway::over(org(me), store, None, clock.clone(), folder()));
        Self { clock: clock.clone(), gateways: stores.into_iter().map(make).collect(), cut: Mutex::default() }
    }

    /// The same covenant with something else in it, at every organisation.
    pub(crate) fn agree(&self, change: impl FnOnce(&mut Document)) {
        let mut document = document();
        change(&mut document);
        let covenant = signed(document);
        for (me, gateway) in &self.gateways {
            gateway.desk.agreements().replace(holding(me, covenant.clone()));
        }
    }

    pub(crate) fn at(&self, me: &str) -> &Gateway {
        &self.gateways[&org(me)]
    }

    pub(crate) fn at_mut(&mut self, me: &str) -> &mut Gateway {
        self.gateways.get_mut(&org(me)).unwrap()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Gateway> {
        self.gateways.values()
    }

    /// Nothing passes between these two any more.
    pub(crate) fn cut(&self, a: &str, b: &str) {
        self.cut.lock().unwrap().extend([(org(a), org(b)), (org(b), org(a))]);
    }

    pub(crate) fn mend(&self) {
        self.cut.lock().unwrap().clear();
    }

    /// Everything that waits to be sent, sender by sender, in order.
    pub(crate) async fn waiting(&self) -> Vec<Letter> {
        let mut letters = Vec::new();
        for from in self.gateways.values() {
            for queue in from.store.outbox_peers().await.unwrap() {
                if !self.gateways.contains_key(&queue.peer) || self.cut.lock().unwrap().contains(&(from.me.clone(), queue.peer.clone())) {
                    continue;
                }
                for row in from.store.outbox(&queue.peer, OutboxState::Waiting, 0, 1_000).await.unwrap() {
                    letters.push(self.letter(from, row).await);
                }
            }
        }
        letters
    }

    async fn letter(&self, from: &Gateway, row: OutboxRow) -> Letter {
        let bytes = from.desk.unseal(&row.message.sealed).await.unwrap();
        Letter { from: from.me.clone(), to: row.message.peer, number: row.number, bytes }
    }

    /// Brings a letter and tells nobody.
    pub(crate) async fn bring(&self, letter: &Letter) -> Verdict {
        // The courier greets, and signs, in the life its gateway is in.
        let incarnation = self.gateways.get(&letter.from).map_or(1, |from| from.desk.incarnation());
        let message = federation::decode(&letter.bytes);
        let delivery = Delivery { number: letter.number, message, bytes: letter.bytes.clone(), incarnation, proof: proof(), trace: None };
        self.gateways[&letter.to].desk.receive(&peer(&letter.from), vec![delivery]).await.remove(0).verdict
    }

    /// Tells the sender what became of a letter, as the courier does.
    pub(crate) async fn report(&self, letter: &Letter, verdict: &Verdict) {
        let desk = &self.gateways[&letter.from].desk;
        match verdict {
            Verdict::Accepted => {
                let delivered = Delivered { number: letter.number, proof: proof() };
                desk.delivered(&letter.to, vec![delivered]).await.unwrap();
            }
            Verdict::Refused(refusal) => {
                desk.parked(&letter.to, letter.number, refusal.reason.code(), Some(b"nack".to_vec())).await.unwrap();
            }
            Verdict::Later(_) => {}
        }
    }

    /// Brings a letter and reports.
    pub(crate) async fn carry(&self, letter: &Letter) -> Verdict {
        let verdict = self.bring(letter).await;
        self.report(letter, &verdict).await;
        verdict
    }

    /// Carries everything until nothing waits any more, or nothing moves. Returns the refusals met.
    pub(crate) async fn settle(&self) -> Vec<(&'static str, Reason)> {
        let mut refused = Vec::new();
        for _ in 0..200 {
            let letters = self.waiting().await;
            let mut moved = false;
            for letter in &letters {
                match self.carry(letter).await {
                    Verdict::Accepted => moved = true,
                    Verdict::Refused(refusal) => {
                        moved = true;
                        refused.push((letter.kind(), refusal.reason));
                    }
                    Verdict::Later(_) => {}
                }
            }
            if !moved {
                return refused;
            }
        }
        panic!("the post never comes to rest");
    }

    /// Settles, and nothing may be refused.
    pub(crate) async fn settle_well(&self) {
        assert_eq!(self.settle().await, []);
    }

    /// Lets time pass and the timers of everybody fire, then settles.
    pub(crate) async fn pass(&self, time: SignedDuration) {
        self.clock.pass(time);
        for gateway in self.gateways.values() {
            gateway.desk.tick().await.unwrap();
        }
        self.settle_well().await;
    }
}

/// SEZ opened a case and offered it to Pactum; nothing was carried yet.
pub(crate) async fn offered(region: &Region) -> (CaseId, OfferId) {
    let case = region.at(SEZ).open(dossier()).await.id;
    (case, region.at(SEZ).offer(case, PACTUM, HELP).await.unwrap().id)
}

/// Another organisation's gateway, as the federation door knows it.
pub(crate) fn peer(of: &OrgId) -> Caller {
    Caller {
        organization: of.clone(),
        person: None,
        client: format!("gateway of {of}"),
        roles: BTreeSet::from([Role::Peer]),
        two_factor: false,
        spki: Some(spki(of)),
        door: "federation",
    }
}

/// A proof that can be read; the federation door checks proofs, not the desk.
fn proof() -> Vec<u8> {
    use prost::Message as _;
    schakel_proto::r#type::v1::MessageProof { signer: "proof".to_owned(), ..Default::default() }.encode_to_vec()
}

fn folder() -> Arc<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "11".repeat(32)).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    Arc::new(folder)
}

/// A write under a key of its own.
pub(crate) fn write(act: CareAct) -> Write<CareAct> {
    Write { request: request_id(), body: Hash::sha256(format!("{act:?}").as_bytes()), actor: actor("w-1"), within: None, act }
}

fn request_id() -> RequestId {
    static REQUESTS: AtomicU64 = AtomicU64::new(1);
    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    RequestId::new(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 | u128::from(number)))
}

/// An operator's write under a key of its own.
pub(crate) fn operation(act: OperateAct) -> Operation {
    let (request, body) = (request_id(), Hash::sha256(format!("{act:?}").as_bytes()));
    Operation { request, body, person: PersonId::parse("local:o-1").unwrap(), act }
}

pub(crate) fn actor(person: &str) -> Actor {
    Actor::parse(person, "KanarieMedewerker", "crisismedewerker").unwrap()
}

/// Who confirms what an operator says.
pub(crate) fn colleague() -> Actor {
    actor("local:o-2")
}

pub(crate) fn two() -> TwoPeople {
    TwoPeople::parse(actor("c-1"), actor("c-2"), "gebeld met KanarieMedewerker", "KanarieReden").unwrap()
}

/// Somebody who does not exist, aged fifteen, with everything a dossier can hold.
pub(crate) fn dossier() -> Dossier {
    Dossier {
        identity: Identity {
            family_name: Some("KanarieAchternaam".into()),
            given_names: Some("KanarieVoornaam".into()),
            birth_date: Some(date(2011, 3, 4).into()),
            bsn: Some(schakel_domain::dossier::Bsn::parse("999990019").unwrap()),
            address: Some("KanarieAdres 1".into()),
            postal_code: Some("6811AB".into()),
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
        contacts: vec![contact("KanarieMoeder", ContactKind::Safe), contact("KanarieVader", ContactKind::Unsafe)],
        whereabouts: "KanarieVerblijf".into(),
        situation: "KanarieSituatie".into(),
        severity: Some(Severity::Unstable),
        actions: vec![ActionItem { what: "bellen".into(), who: "dienst".into(), by: None }],
        contingencies: vec![Contingency { when: "weglopen".into(), then: "112".into() }],
        key_points: vec!["KanarieKernpunt een".into(), "KanarieKernpunt twee".into()],
        ..Dossier::default()
    }
}

fn contact(name: &str, kind: ContactKind) -> Contact {
    Contact { name: name.into(), relation: "familie".into(), telephone: None, kind }
}

/// An offer of a case by its version as read.
pub(crate) fn offer(case: Seen<CaseId>, to: &str, service: &str) -> Offer {
    Offer { case, to: Some(org(to)), service: service.to_owned(), urgency: "acuut".to_owned(), needed: BTreeSet::new(), consultation: None }
}

/// A question by name, by the covenant's order.
pub(crate) fn question(case: CaseId) -> Ask {
    Ask {
        about: About::Case(case),
        service: "ggz-crisis".to_owned(),
        urgency: "acuut".to_owned(),
        question: "KanarieVraag: kunnen jullie meekijken?".to_owned(),
        candidates: Vec::new(),
        fan_out: None,
        needed: BTreeSet::new(),
        continues: None,
    }
}

/// The same about nobody in particular.
pub(crate) fn anonymous(text: &str) -> Ask {
    Ask {
        about: About::Nobody { age: Some(15), municipality: Some("0202".to_owned()), severity: Some(Severity::Watcher), scanned: false },
        question: text.to_owned(),
        ..question(CaseId::new(Uuid::nil()))
    }
}

pub(crate) fn case(answer: Answer) -> CaseView {
    match answer {
        Answer::Case(view) => *view,
        other => panic!("expected a case, not {other:?}"),
    }
}

pub(crate) fn handover(answer: Answer) -> HandoverView {
    match answer {
        Answer::Handover(view) => *view,
        other => panic!("expected a handover, not {other:?}"),
    }
}

pub(crate) fn consultation(answer: Answer) -> ConsultationView {
    match answer {
        Answer::Consultation(view) => *view,
        other => panic!("expected a consultation, not {other:?}"),
    }
}

/// The reason of a refusal.
pub(crate) fn why<T: std::fmt::Debug>(outcome: Result<T, Refusal>) -> Reason {
    outcome.unwrap_err().reason
}

pub(crate) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// Whether a text stands in some bytes.
pub(crate) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
