//! Logs, witnesses and a clock moved by hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use schakel::desk::Source;
use schakel::store::{Store, memory};
use schakel::witness::{Evidence, Evident, Witness};
use schakel_domain::audit::checkpoint::{Checkpoint, origin};
use schakel_domain::audit::entry::{Decision, Entry, Event, Object, Source as Place, User};
use schakel_domain::audit::event::{EventCode, Outcome};
use schakel_domain::audit::export::Exporter;
use schakel_domain::audit::note::{KeyType, Signer, Vkey};
use schakel_domain::audit::tree::{Frontier, consistency_proof, leaf_hash};
use schakel_domain::id::{Hash, OrgId};
use uuid::Uuid;

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn org(number: u8) -> OrgId {
    format!("ura:900001{number:02}").parse().unwrap()
}

pub(crate) fn log_key(of: &OrgId) -> Signer {
    Signer::from_seed(&origin(of), KeyType::Ed25519, &Hash::sha256(format!("log {of}").as_bytes()).0).unwrap()
}

pub(crate) fn cosigner(of: &OrgId) -> Signer {
    Signer::from_seed(&origin(of), KeyType::Cosignature, &Hash::sha256(format!("cosigner {of}").as_bytes()).0).unwrap()
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_300_000 + second).unwrap()
}

/// An entry of this organisation's log, no two alike.
pub(crate) fn entry(of: &OrgId, number: u64) -> Entry {
    Entry::new(
        Event::new(EventCode::CaseViewed, Outcome::Done, at(i64::try_from(number).unwrap())),
        User::person(format!("p-{number}"), "crisisverpleegkundige"),
        Object::new("case", "uuid", "0198f2c0-11aa-7cc0-8e55-2f6f0c3de901", "none"),
        Place { org: of.clone(), gateway: "gw-1".to_owned() },
        Decision::allowed("4.2", "De ontvanger van een aanbod mag het lezen."),
    )
}

/// A clock moved by hand.
#[derive(Debug)]
pub(crate) struct Clock(Mutex<Timestamp>);

impl Clock {
    pub(crate) fn new(now: Timestamp) -> Arc<Self> {
        Arc::new(Self(Mutex::new(now)))
    }

    pub(crate) fn pass(&self, time: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(time).unwrap();
    }
}

impl Source for Clock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn uuid(&self, _: Timestamp) -> Uuid {
        Uuid::nil()
    }

    fn salt(&self) -> [u8; 32] {
        [0; 32]
    }
}

/// Keeps what it is shown.
#[derive(Default)]
pub(crate) struct Shown(pub(crate) Mutex<Vec<Evidence>>);

impl Evident for Shown {
    fn fork_found(&self, evidence: Evidence) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap().push(evidence);
        Box::pin(std::future::ready(()))
    }
}

/// The witness of an organisation, which trusts the keys of every log here.
pub(crate) fn witness(of: &OrgId, store: Arc<dyn Store>, clock: &Arc<Clock>, shown: &Arc<Shown>) -> Witness {
    let keys = |org: &OrgId| -> Option<Vkey> { Some(log_key(org).vkey().clone()) };
    let (source, evident) = (Arc::clone(clock) as Arc<dyn Source>, Arc::clone(shown) as Arc<dyn Evident>);
    Witness { store, key: cosigner(of), logs: Arc::new(keys), source, evident }
}

pub(crate) fn memory_witness(of: &OrgId, clock: &Arc<Clock>, shown: &Arc<Shown>) -> Witness {
    witness(of, memory::new(), clock, shown)
}

/// A log as whoever holds its key can make it.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) of: OrgId,
    pub(crate) entries: Vec<Vec<u8>>,
}

impl Log {
    pub(crate) fn new(of: &OrgId, size: u64) -> Self {
        Self { of: of.clone(), entries: (0..size).map(|number| entry(of, number).bytes().unwrap()).collect() }
    }

    pub(crate) fn grow(&mut self, by: u64, twist: u64) {
        let from = self.entries.len() as u64;
        self.entries.extend((from..from + by).map(|number| entry(&self.of, number + twist).bytes().unwrap()));
    }

    pub(crate) fn head(&self) -> Checkpoint {
        let mut tree = Frontier::new();
        self.entries.iter().for_each(|entry| tree.push(leaf_hash(entry), |_, _, _| {}));
        Checkpoint { origin: origin(&self.of), size: tree.size(), root: tree.root() }
    }

    /// Its head, signed with the log's own key.
    pub(crate) fn note(&self) -> String {
        self.head().sign(&log_key(&self.of)).unwrap().to_string()
    }

    pub(crate) fn proof(&self, old: u64) -> Vec<Hash> {
        let node = |level: u32, index: u64| {
            let mut tree = Frontier::new();
            let range = usize::try_from(index << level).unwrap()..usize::try_from((index + 1) << level).unwrap();
            self.entries[range].iter().for_each(|entry| tree.push(leaf_hash(entry), |_, _, _| {}));
            Ok::<_, ()>(tree.root())
        };
        consistency_proof(old, self.entries.len() as u64, node).unwrap().unwrap_or_default()
    }

    /// The export with this checkpoint.
    pub(crate) fn export(&self, checkpoint: &str) -> Files {
        let mut exporter = Exporter::new(checkpoint.as_bytes(), log_key(&self.of).vkey().clone()).unwrap();
        let mut files: Vec<_> = self.entries.iter().flat_map(|entry| exporter.push(entry).unwrap()).collect();
        files.extend(exporter.finish(&[], None).unwrap());
        files.into_iter().collect()
    }
}

pub(crate) fn write_all(files: &Files, to: &Path) {
    for (path, bytes) in files {
        let path = to.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// Seeded randomness (splitmix64): the same run every time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
