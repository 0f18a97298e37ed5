//! The gateway under attack: a real one, with its doors, store and log; and what must not have changed in it.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use schakel::assembly::{self, Listeners, Running};
use schakel::config::Config;
use schakel::demo::world::Home;
use schakel::desk::Source;
use schakel::source::SystemSource;
use schakel::store::{Kind, OutboxRow, OutboxState, Page};
use schakel_domain::caller::{Caller, Role};
use schakel_domain::command::{CareAct, Command, Offer, Read, ReadAct, Seen, Write};
use schakel_domain::dossier::{Dossier, Identity};
use schakel_domain::id::{CaseId, ConsultationId, Hash, OfferId, OrgId, RequestId};
use schakel_domain::person::{Actor, PersonId};
use schakel_domain::view::Answer;
use uuid::Uuid;

/// The machine's time, moved ahead by the test: refusals at the door are logged once a minute.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    source: SystemSource,
    seconds: AtomicI64,
}

impl Ahead {
    pub(crate) fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Source for Ahead {
    fn now(&self) -> Timestamp {
        self.source.now() + SignedDuration::from_secs(self.seconds.load(Ordering::SeqCst))
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        self.source.uuid(now)
    }

    fn salt(&self) -> [u8; 32] {
        self.source.salt()
    }
}

/// Everything that says how cases, questions and agreements stand, and what is sent: equal before and after means untouched.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    records: Vec<(String, u64, Hash)>,
    sent: Vec<(OrgId, u64)>,
    recovering: bool,
}

pub(crate) struct Victim {
    pub(crate) running: Running,
    pub(crate) id: OrgId,
    pub(crate) clock: Arc<Ahead>,
}

impl Victim {
    pub(crate) async fn start(home: &Home, federation: TcpListener) -> Self {
        let mut config = Config::read(&home.config).unwrap();
        config.admin.socket = Some(home.data.join("admin.sock"));
        (config.admin.listen, config.admin.certificate, config.admin.key, config.admin.trust) = (None, None, None, None);
        config.file_drop = None;
        let bind = || Some(TcpListener::bind(("127.0.0.1", 0)).unwrap());
        let listeners = Listeners { federation: Some(federation), care: bind(), audit: bind(), admin: None };
        let clock = Arc::new(Ahead::default());
        let running = assembly::start(config, listeners, Arc::clone(&clock) as Arc<dyn Source>).await.unwrap();
        Self { running, id: home.id.parse().unwrap(), clock }
    }

    /// How everything stands now.
    pub(crate) async fn standing(&self) -> Standing {
        let store = self.running.desk.store();
        let mut records = Vec::new();
        for kind in Kind::ALL {
            let page = Page { open_only: false, after: String::new(), limit: 1_000 };
            let all = store.records(kind, page).await.unwrap();
            assert!(all.len() < 1_000, "more than one page");
            // The signer of the log keeps its own rows: they move with every entry.
            let all = all.into_iter().filter(|row| kind != Kind::Gateway || row.id == "stops");
            records.extend(all.map(|row| (format!("{kind:?} {}", row.id), row.version, Hash::sha256(row.clear.as_bytes()))));
        }
        let sent = store.outbox_peers().await.unwrap().into_iter().map(|queue| (queue.peer, queue.highest)).collect();
        Standing { records, sent, recovering: self.running.desk.recovering() }
    }

    /// Custody of a case, as stored.
    pub(crate) async fn custody(&self, case: CaseId) -> schakel_domain::custody::CaseCustody {
        let record = self.running.desk.store().record(Kind::Case, &case.to_string()).await.unwrap().unwrap();
        serde_json::from_str::<schakel::desk::CaseRecord>(&record.clear).unwrap().custody
    }

    /// Entries of the log from an index on, as text.
    pub(crate) async fn entries(&self, from: u64) -> Vec<String> {
        let rows = self.running.desk.store().entries(from, 1_000).await.unwrap();
        rows.into_iter().map(|row| String::from_utf8(row.entry.bytes).unwrap()).collect()
    }

    pub(crate) async fn log_size(&self) -> u64 {
        self.running.desk.store().log_size().await.unwrap()
    }

    fn worker(&self) -> Caller {
        Caller {
            organization: self.id.clone(),
            person: Some(PersonId::parse("local:w-1").unwrap()),
            client: "console".to_owned(),
            roles: BTreeSet::from([Role::Worker]),
            two_factor: true,
            spki: None,
            door: "care",
        }
    }

    async fn act(&self, act: CareAct) -> Answer {
        static REQUESTS: AtomicU64 = AtomicU64::new(1);
        let number = u128::from(REQUESTS.fetch_add(1, Ordering::Relaxed));
        let request = RequestId::new(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 | number));
        let write = Write { request, body: Hash::sha256(format!("{act:?}").as_bytes()), actor: actor(), within: None, act };
        self.running.desk.handle(&self.worker(), Command::Care(write)).await.unwrap().answer
    }

    async fn read(&self, what: Read) -> Answer {
        self.running.desk.handle(&self.worker(), Command::Read(ReadAct { actor: actor(), within: None, what })).await.unwrap().answer
    }

    /// A person here opens a case.
    pub(crate) async fn open(&self) -> CaseId {
        let Answer::Case(view) = self.act(CareAct::OpenCase { dossier: Box::new(dossier()) }).await else { panic!() };
        view.id
    }

    /// A person here offers a case to somebody.
    pub(crate) async fn offer(&self, case: CaseId, to: &OrgId, service: &str) -> OfferId {
        let Answer::Case(view) = self.read(Read::Case { id: case, full: false }).await else { panic!() };
        let (to, service, urgency) = (Some(to.clone()), service.to_owned(), "acuut".to_owned());
        let seen = Seen { id: case, version: view.version };
        let offer = Offer { case: seen, to, service, urgency, needed: BTreeSet::new(), consultation: None };
        let Answer::Handover(view) = self.act(CareAct::Offer(offer)).await else { panic!() };
        view.id
    }

    /// A person here accepts an offer.
    pub(crate) async fn accept(&self, offer: OfferId) {
        let Answer::Handover(view) = self.read(Read::Handover { id: offer, full: true }).await else { panic!() };
        let Answer::Handover(view) = self.read(Read::Handover { id: view.id, full: false }).await else { panic!() };
        let handover = Seen { id: offer, version: view.version };
        let read_back = vec!["in eigen woorden".to_owned(); view.key_points as usize];
        let act = CareAct::AcceptHandover { handover, read_back, first_action: "langs".to_owned(), first_action_at: None };
        self.act(act).await;
    }

    /// A person here asks somebody about a case.
    pub(crate) async fn ask(&self, case: CaseId, whom: &OrgId, service: &str) -> ConsultationId {
        let ask = schakel_domain::command::Ask {
            about: schakel_domain::command::About::Case(case),
            service: service.to_owned(),
            urgency: "acuut".to_owned(),
            question: "Kunnen jullie meekijken?".to_owned(),
            candidates: vec![whom.clone()],
            fan_out: None,
            needed: BTreeSet::new(),
            continues: None,
        };
        let Answer::Consultation(view) = self.act(CareAct::Ask(ask)).await else { panic!() };
        view.id
    }

    /// The messages of this kind about this thread that were ever put in the outbox to somebody, newest last.
    pub(crate) async fn sent(&self, to: &OrgId, thread: &str, kind: &str) -> Vec<(OutboxRow, Vec<u8>)> {
        let mut found = Vec::new();
        for state in OutboxState::ALL {
            for row in self.running.desk.store().outbox(to, state, 0, 1_000).await.unwrap() {
                if row.message.thread == thread && row.message.kind == kind {
                    let bytes = self.running.desk.unseal(&row.message.sealed).await.unwrap();
                    found.push((row, bytes));
                }
            }
        }
        found
    }
}

pub(crate) fn actor() -> Actor {
    Actor::parse("local:w-1", "S. Aydin", "verpleegkundige crisisdienst").unwrap()
}

/// Somebody who does not exist, within every dataset but the anonymous one.
pub(crate) fn dossier() -> Dossier {
    Dossier {
        identity: Identity {
            family_name: Some("Testpersoon".into()),
            birth_date: Some(jiff::civil::date(2011, 5, 4).into()),
            municipality: Some("0202".to_owned()),
            ..Identity::default()
        },
        age: Some(15),
        situation: "Weggelopen na ruzie thuis.".into(),
        ..Dossier::default()
    }
}

/// The folder of the covenants.
pub(crate) fn covenants() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/covenants"))
}
