//! The region of a run: which organisations take part, what they agreed, their keys and disks. The covenant is that of Gelderland.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use schakel::agreements::Agreements;
use schakel::desk::{Desk, Parts, Source};
use schakel::store::Store;
use schakel::store::memory::MemoryStore;
use schakel::vault::{FileKey, Vault};
use schakel_domain::audit::entry::Responsible;
use schakel_domain::audit::note::{KeyType, Signer};
use schakel_domain::caller::{Caller, Role};
use schakel_domain::covenant::{Document, SignedCovenant};
use schakel_domain::id::{Hash, OrgId};
use schakel_domain::party_record::{PartyRecord, SignedPartyRecord, SigningKey, TelephoneEntry, TlsBinding};
use schakel_domain::signature::SecretKey;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::bug::Bug;
use crate::dice::{Dice, VaultDice};
use crate::disk::{self, Disk};
use crate::people::Call;
use crate::record::Chronicle;

/// Youth protection, which opens cases.
pub(crate) const SEZ: &str = "kvk:90000101";
/// Mental health care.
pub(crate) const PRO_PERSONA: &str = "ura:90000102";
/// The other mental health care.
pub(crate) const GGNET: &str = "ura:90000103";
/// Ambulante Spoedhulp.
pub(crate) const PACTUM: &str = "kvk:90000105";
/// Who takes part: the lead goes to and fro between the first, second and last, the third is asked too.
pub(crate) const ORGS: [&str; 4] = [SEZ, PRO_PERSONA, GGNET, PACTUM];

const GELDERLAND: &str = include_str!("../../../deploy/covenants/gelderland.toml");
/// The port of every federation door.
pub(crate) const PORT: u16 = 8443;

pub(crate) fn org(text: &str) -> OrgId {
    text.parse().unwrap()
}

/// A throw-away root and signing key, the same one every time for one organisation.
pub(crate) fn root(org: &OrgId) -> SecretKey {
    SecretKey::from_seed(&Hash::sha256(org.as_str().as_bytes()).0).unwrap()
}

/// What a certificate of this organisation would have as its key.
pub(crate) fn spki(of: &OrgId) -> Hash {
    Hash::sha256(format!("spki {of}").as_bytes())
}

/// The name of a gateway in the simulated network.
pub(crate) fn host(of: &OrgId) -> String {
    format!("gateway-{}.example", of.number())
}

/// One organisation.
pub(crate) struct Node {
    pub(crate) me: OrgId,
    pub(crate) disk: Arc<Disk>,
    /// The door for its own people, while it is open.
    pub(crate) front: Mutex<Option<mpsc::UnboundedSender<Call>>>,
    /// How wrong its clock is.
    pub(crate) skew_ms: AtomicI64,
    lives: AtomicU64,
}

/// The whole region.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) chronicle: Arc<Chronicle>,
    pub(crate) nodes: BTreeMap<OrgId, Arc<Node>>,
    /// Whether people reclaim by force in this run.
    pub(crate) forces: bool,
    /// Whether hours pass in this night, so that every timer becomes due.
    pub(crate) long: bool,
    key_file: PathBuf,
}

impl World {
    /// Everybody, with the covenant and each other's records on their disks.
    pub(crate) async fn new(seed: u64, bug: Option<Bug>, chronicle: Arc<Chronicle>, key_file: PathBuf) -> Arc<Self> {
        let bundle = bundle();
        let records: Vec<String> = ORGS.iter().map(|me| record(&org(me)).to_json()).collect();
        let mut world = Self {
            seed,
            chronicle: Arc::clone(&chronicle),
            nodes: BTreeMap::new(),
            forces: Dice::of(seed, "forces").chance(400),
            long: Dice::of(seed, "long").chance(250),
            key_file,
        };
        for me in ORGS.map(org) {
            let store = world.installed(&me, &bundle, &records).await;
            let disk = Disk::new(me.clone(), store, seed, bug, Arc::clone(&chronicle));
            let (front, skew_ms, lives) = (Mutex::default(), AtomicI64::new(0), AtomicU64::new(0));
            world.nodes.insert(me.clone(), Arc::new(Node { me, disk, front, skew_ms, lives }));
        }
        Arc::new(world)
    }

    pub(crate) fn node(&self, org: &OrgId) -> &Arc<Node> {
        &self.nodes[org]
    }

    /// The disk of a gateway on which the operator installed what was agreed.
    async fn installed(&self, me: &OrgId, bundle: &str, records: &[String]) -> Arc<MemoryStore> {
        let store = disk::empty();
        let source = Arc::new(Seeded::new(Arc::clone(&self.chronicle), None, Dice::of(self.seed, &format!("installing {me}"))));
        let desk = self.desk(me, Arc::clone(&store) as Arc<dyn Store>, source, "installing").await.unwrap();
        let operator = Caller {
            organization: me.clone(),
            person: None,
            client: "configuration".to_owned(),
            roles: [Role::Operator].into(),
            two_factor: false,
            spki: None,
            door: "configuration",
        };
        desk.install_covenant(&operator, bundle.as_bytes()).await.unwrap();
        for record in records {
            desk.install_party_record(&operator, record.as_bytes()).await.unwrap();
        }
        store
    }

    /// A desk as the assembly makes one, over what is stored.
    pub(crate) async fn desk(
        &self,
        me: &OrgId,
        store: Arc<dyn Store>,
        ids: Arc<dyn Source>,
        life: &str,
    ) -> Result<Arc<Desk>, schakel_domain::refusal::Refusal> {
        let held = Desk::read_agreements(&*store, me, vec![root(me).public()]).await?;
        let dice = |what: &str| VaultDice(Mutex::new(Dice::of(self.seed, &format!("{what} of {me} {life}"))));
        let wrap = FileKey::read(&self.key_file, dice("wrap")).unwrap();
        Ok(Arc::new(Desk::new(Parts {
            me: me.clone(),
            gateway: "gw-1".to_owned(),
            responsible: Responsible::new("local:beheer", "functioneel beheerder"),
            store: Arc::clone(&store),
            vault: Arc::new(Vault::new(Box::new(wrap), store, dice("vault"))),
            agreements: Arc::new(Agreements::new(me.clone(), held)),
            ids,
        })))
    }

    /// The time and chance of one life of a gateway, and the name of that life.
    pub(crate) fn source(&self, node: &Arc<Node>) -> (Arc<dyn Source>, String) {
        let life = format!("life {}", node.lives.fetch_add(1, Ordering::Relaxed));
        let dice = Dice::of(self.seed, &format!("ids of {} {life}", node.me));
        (Arc::new(Seeded::new(Arc::clone(&self.chronicle), Some(Arc::clone(node)), dice)), life)
    }

    /// What still moves, if anything: messages wait, a token is under way, a place is reserved, somebody is waited for, a timer is overdue.
    pub(crate) fn restless(&self) -> Option<String> {
        if self.chronicle.calls.load(Ordering::Relaxed) > 0 {
            return Some("a client waits for an answer".to_owned());
        }
        let moves = self.nodes.values().find_map(crate::rest::restless);
        moves.or_else(|| self.nodes.values().filter(|_| self.long).find_map(|node| crate::rest::overdue(node, self.chronicle.now())))
    }
}

/// The log's own key.
pub(crate) fn log_key(of: &OrgId) -> Signer {
    let seed = Hash::sha256(format!("log {of}").as_bytes()).0;
    Signer::from_seed(&format!("schakel.example/{}", of.number()), KeyType::Ed25519, &seed).unwrap()
}

/// The Gelderland covenant with everybody's key in it, signed by every party.
fn bundle() -> String {
    let mut document = Document::from_toml(GELDERLAND).unwrap();
    let parties: Vec<OrgId> = document.parties.iter().map(|party| party.id.clone()).collect();
    for party in &parties {
        assert!(document.set_root_key(party, root(party).public()));
    }
    let mut bundle = SignedCovenant::unsigned(document);
    for party in &parties {
        bundle.sign(party, &root(party)).unwrap();
    }
    bundle.to_json()
}

fn record(of: &OrgId) -> SignedPartyRecord {
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let telephone = TelephoneEntry { label: "crisisdienst, dag en nacht".to_owned(), number: "+31000000500".parse().unwrap() };
    let record = PartyRecord {
        org: of.clone(),
        number: 1,
        issued: at("2026-11-01T00:00:00Z"),
        expires: at("2027-06-01T00:00:00Z"),
        endpoint: format!("{}:{PORT}", host(of)).parse().unwrap(),
        tls: TlsBinding { spki_sha256: vec![spki(of)], san_uri: format!("urn:schakel:{of}") },
        signing_keys: vec![SigningKey { key: root(of).public(), from: at("2026-11-01T00:00:00Z"), until: at("2027-11-01T00:00:00Z") }],
        telephones: vec![telephone.clone()],
        duty: telephone,
        log: None,
    };
    record.sign(&root(of)).unwrap()
}

/// True time and the error of one clock, and numbers that follow from the seed.
struct Seeded {
    chronicle: Arc<Chronicle>,
    node: Option<Arc<Node>>,
    dice: Mutex<Dice>,
}

impl Seeded {
    fn new(chronicle: Arc<Chronicle>, node: Option<Arc<Node>>, dice: Dice) -> Self {
        Self { chronicle, node, dice: Mutex::new(dice) }
    }
}

impl std::fmt::Debug for Seeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seeded").finish_non_exhaustive()
    }
}

impl Source for Seeded {
    fn now(&self) -> Timestamp {
        let skew = self.node.as_ref().map_or(0, |node| node.skew_ms.load(Ordering::Relaxed));
        self.chronicle.now() + jiff::SignedDuration::from_millis(skew)
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        let mut bytes = [0; 10];
        self.dice.lock().unwrap().fill(&mut bytes);
        uuid::Builder::from_unix_timestamp_millis(now.as_millisecond().try_into().unwrap(), &bytes).into_uuid()
    }

    fn salt(&self) -> [u8; 32] {
        let mut salt = [0; 32];
        self.dice.lock().unwrap().fill(&mut salt);
        salt
    }
}
