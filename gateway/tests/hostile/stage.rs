//! Two organisations of the Gelderland covenant: one with a real gateway, one that will do anything. And the scenes they can be in.

use std::net::TcpListener;

use schakel::config::Config;
use schakel::demo::scenario::Scenario;
use schakel::demo::world::{Home, Ports, World};
use schakel::wire::dossier::encode_dossier;
use schakel::wire::federation;
use schakel_domain::covenant::{CovenantRef, Document, SignedCovenant};
use schakel_domain::custody::Epoch;
use schakel_domain::dossier::{Dossier, Severity};
use schakel_domain::id::{CaseId, ConsultationId, Hash, OfferId, OrgId};
use schakel_domain::message::{AskAbout, AskBody, Body, Message, ProposeBody};
use tempfile::TempDir;

use crate::peer::{Peer, fresh};
use crate::victim::{Victim, actor, covenants, dossier};

/// Who attacks: youth protection, which may ask and offer much.
const ATTACKER: &str = "sez";
/// Who is attacked: a mental health service.
const VICTIM: &str = "propersona";
/// A third party of the covenant, which has a record and is never there.
const ABSENT: &str = "ggnet";
/// Long after the test.
const LATER: jiff::SignedDuration = jiff::SignedDuration::from_hours(24 * 20);

pub(crate) struct Stage {
    pub(crate) victim: Victim,
    pub(crate) peer: Peer,
    /// The third party.
    pub(crate) other: OrgId,
    /// The covenant as everybody signed it.
    pub(crate) bundle: SignedCovenant,
    /// The victim's party record as it is.
    pub(crate) record: String,
    /// The port at which the victim looks for the peer.
    pub(crate) listener: Option<TcpListener>,
    _folder: TempDir,
}

/// An offer under way, in either direction.
pub(crate) struct Scene {
    pub(crate) case: CaseId,
    pub(crate) offer: OfferId,
    /// The epoch in which it was made.
    pub(crate) epoch: Epoch<OrgId>,
    pub(crate) package: Vec<u8>,
    pub(crate) content: Hash,
    /// SHA-256 of the Transfer, when there is one.
    pub(crate) transfer: Hash,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut scenario = Scenario::gelderland().unwrap();
        scenario.organizations.retain(|organization| [ATTACKER, VICTIM, ABSENT].contains(&organization.key.to_string().as_str()));
        scenario.steps.clear();
        let covenant = std::fs::read_to_string(covenants().join("gelderland.toml")).unwrap();
        scenario.covenant = Document::from_toml(&covenant).unwrap();
        let bind = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let sockets: Vec<_> = scenario.organizations.iter().map(|_| bind()).collect();
        let places = sockets.iter().map(|socket| {
            // What is not the federation door is bound elsewhere, or not at all.
            let (address, unused) = (socket.local_addr().unwrap(), |port: u16| ([127, 0, 0, 1], port).into());
            Ports { federation: address, line: address, care: unused(1), audit: unused(2), admin: unused(3) }
        });
        let ports: Vec<_> = places.collect();
        let world = World::make(&folder.path().canonicalize().unwrap(), &scenario, &ports, jiff::Timestamp::now()).unwrap();
        let home = |key: &str| world.homes.iter().find(|home| home.key.to_string() == key).unwrap();
        let (attacker, attacked) = (home(ATTACKER), home(VICTIM));
        let mut sockets: Vec<Option<TcpListener>> = sockets.into_iter().map(Some).collect();
        let mut socket = |wanted: &Home| {
            let at = world.homes.iter().position(|home| home.id == wanted.id).unwrap();
            sockets[at].take().unwrap()
        };
        let agreements = Config::read(&attacked.config).unwrap().agreements;
        let bundle = SignedCovenant::from_json(&std::fs::read(&agreements.covenants[0]).unwrap()).unwrap();
        let records = agreements.records.iter().map(|path| std::fs::read_to_string(path).unwrap());
        let record = records.into_iter().find(|record| record.contains(&format!("\"{}\"", attacked.id))).unwrap();
        let document = &bundle.document;
        let covenant = CovenantRef { id: document.id.clone(), version: document.version, hash: document.hash() };
        let victim = Victim::start(attacked, socket(attacked)).await;
        let peer = Peer::of(attacker, attacked, covenant);
        let listener = Some(socket(attacker));
        Self { victim, peer, other: home(ABSENT).id.parse().unwrap(), bundle, record, listener, _folder: folder }
    }

    pub(crate) fn bytes(&self, message: &Message) -> Vec<u8> {
        federation::encode(message)
    }

    /// An offer of a new case of ours, not yet sent.
    pub(crate) fn proposal(&self) -> (Scene, Message) {
        let (case, offer) = (CaseId::new(fresh()), OfferId::new(fresh()));
        let epoch = Epoch::first(self.peer.us.clone());
        let package = encode_dossier(&dossier());
        let content = Hash::sha256(&package);
        let scene = Scene { case, offer, epoch, package, content, transfer: Hash([0; 32]) };
        let message = self.peer.message(case, 1, self.propose(&scene, dossier()));
        (scene, message)
    }

    /// An offer as in a scene, of this dossier.
    pub(crate) fn propose(&self, scene: &Scene, dossier: Dossier) -> Body {
        let package = encode_dossier(&dossier);
        Body::Propose(Box::new(ProposeBody {
            offer: scene.offer,
            epoch: scene.epoch.clone(),
            content: Hash::sha256(&package),
            package,
            dossier: Box::new(dossier),
            service: "ggz-crisis".to_owned(),
            urgency: "acuut".to_owned(),
            respond_by: jiff::Timestamp::now() + LATER,
            call_back: "+31000000500".to_owned(),
            by: actor(),
            hops: 0,
            is_return: false,
            consultation: None,
        }))
    }

    /// A question about nobody in particular.
    pub(crate) fn anonymous(&self) -> Message {
        let consultation = ConsultationId::new(fresh());
        let about = AskAbout::Nobody { age: Some(15), municipality: None, severity: Some(Severity::Watcher) };
        self.peer.message(consultation, 1, ask(consultation, about))
    }

    /// A question about a case, of this dossier.
    pub(crate) fn question(&self, case: CaseId, seq: u64, dossier: Dossier) -> (ConsultationId, Message) {
        let consultation = ConsultationId::new(fresh());
        let about = AskAbout::Case { case, package: encode_dossier(&dossier), dossier: Box::new(dossier) };
        (consultation, self.peer.message(case, seq, ask(consultation, about)))
    }

    /// We offered a case of ours; nobody has answered.
    pub(crate) async fn offered(&self) -> Scene {
        let (scene, message) = self.proposal();
        self.peer.send_well(&[message]).await;
        scene
    }

    /// The victim accepted our offer, and waits for the token.
    pub(crate) async fn pledged(&self) -> Scene {
        let scene = self.offered().await;
        self.victim.accept(scene.offer).await;
        scene
    }

    /// The victim leads what we handed over.
    pub(crate) async fn activated(&self) -> Scene {
        let mut scene = self.pledged().await;
        let message = self.peer.message(scene.case, 2, self.transfer(&scene));
        scene.transfer = Hash::sha256(&self.bytes(&message));
        self.peer.send_well(&[message]).await;
        scene
    }

    /// The token of a scene, as it should be.
    pub(crate) fn transfer(&self, scene: &Scene) -> Body {
        Body::Transfer {
            offer: scene.offer,
            epoch: scene.epoch.next(),
            content: scene.content,
            package: scene.package.clone(),
            accept: Hash([1; 32]),
        }
    }

    /// The victim offered a case of its own to this organisation.
    pub(crate) async fn offers_to(&self, whom: &OrgId, service: &str) -> Scene {
        let case = self.victim.open().await;
        let offer = self.victim.offer(case, whom, service).await;
        let (_, bytes) = self.victim.sent(whom, &case.to_string(), "propose-handover").await.pop().unwrap();
        let Body::Propose(propose) = federation::decode(&bytes).unwrap().body else { panic!() };
        let ProposeBody { epoch, content, package, .. } = *propose;
        Scene { case, offer, epoch, package, content, transfer: Hash([0; 32]) }
    }

    /// The victim offered a case of its own to us.
    pub(crate) async fn ours(&self) -> Scene {
        self.offers_to(&self.peer.us, "crisisinterventie").await
    }

    /// Our yes to an offer.
    pub(crate) fn yes(&self, scene: &Scene) -> Body {
        Body::Accept {
            offer: scene.offer,
            content: scene.content,
            by: actor(),
            read_back: Vec::new(),
            first_action: "langs".to_owned(),
            first_action_at: None,
        }
    }

    /// We said yes, and the victim gave the token away: it is under way to us.
    pub(crate) async fn transferring(&self) -> Scene {
        let scene = self.ours().await;
        self.peer.send_well(&[self.peer.message(scene.case, 1, self.yes(&scene))]).await;
        let (row, _) = self.victim.sent(&self.peer.us, &scene.case.to_string(), "transfer-custody").await.pop().unwrap();
        Scene { transfer: row.message.hash, ..scene }
    }

    /// The victim asked us about a case of its own.
    pub(crate) async fn asked(&self) -> (CaseId, ConsultationId) {
        let case = self.victim.open().await;
        (case, self.victim.ask(case, &self.peer.us, "crisisinterventie").await)
    }
}

fn ask(consultation: ConsultationId, about: AskAbout) -> Body {
    Body::Ask(Box::new(AskBody {
        consultation,
        service: "ggz-crisis".to_owned(),
        urgency: "acuut".to_owned(),
        respond_by: jiff::Timestamp::now() + LATER,
        deadline: jiff::Timestamp::now() + LATER,
        call_back: "+31000000500".to_owned(),
        about,
        question: "Kunnen jullie meekijken?".to_owned(),
        continues: None,
    }))
}
