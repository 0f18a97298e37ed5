//! LINK: the two ends of the exchange with peers, courier and federation door, over one desk; and what goes on beside them.
//!
//! How a connection is made is given ([`Dial`]), and so is whatever the door is served on: TLS in `serve`, a simulated network in the
//! simulation. What is here runs in both.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use schakel_domain::id::OrgId;
use schakel_domain::signature::SecretKey;
use tokio::sync::watch;

use super::ports::{DeskPort, OrgSigner, Parties};
use crate::courier::{self, Courier, Dial};
use crate::desk::{Desk, Source};
use crate::doors::federation::{FederationDoor, Ports as FederationPorts};
use crate::peers::{Directory, Incarnation, Signer};
use crate::tls::ClientTls;
use crate::witness::Witness;

/// After a failed round of timers the clock tries again.
pub(super) const CLOCK_AGAIN: Duration = Duration::from_secs(5);
/// The clock looks at least this often, so that a changed system time is noticed.
const CLOCK_AT_MOST: Duration = Duration::from_secs(60);
/// Within about this time a replica knows what another one changed.
const REPLICAS: Duration = Duration::from_secs(1);

/// The two ends of the link.
pub struct Link {
    /// Sends; to be started when the doors are open.
    pub courier: Arc<Courier>,
    /// Lets peers in; to be served by whoever has the connections.
    pub door: FederationDoor,
    /// What is known of peers.
    pub directory: Arc<dyn Directory>,
    /// Our end of TLS towards peers, when that is how connections are made.
    pub tls: Option<Arc<ClientTls>>,
    /// Cosigns the heads of peers' logs at the door, when there is a key for it.
    pub witness: Option<Arc<Witness>>,
}

impl Link {
    /// Joins both ends to the desk.
    #[must_use]
    pub fn new(desk: &Arc<Desk>, directory: Arc<dyn Directory>, source: &Arc<dyn Source>, signing: SecretKey, dial: Arc<dyn Dial>) -> Self {
        let me: OrgId = desk.me().clone();
        let signer: Arc<dyn Signer> = Arc::new(OrgSigner { key: signing, agreements: Arc::clone(desk.agreements()), me: me.clone() });
        let port = Arc::new(DeskPort { desk: Arc::clone(desk), courier: OnceLock::new(), refused: Default::default() });
        let of = Arc::clone(desk);
        let life: Incarnation = Arc::new(move || of.incarnation());
        let courier = Courier::new(courier::Ports {
            us: me.clone(),
            incarnation: Arc::clone(&life),
            store: Arc::clone(desk.store()),
            unseal: Arc::clone(&port) as Arc<dyn courier::Unseal>,
            directory: Arc::clone(&directory),
            signer: Arc::clone(&signer),
            dial,
            outcome: Arc::clone(&port) as Arc<dyn courier::Outcome>,
            agreements: Arc::clone(&port) as Arc<dyn crate::peers::agreements::Agreements>,
            random: jitter(source),
        });
        port.courier.get_or_init(|| Arc::clone(&courier));
        let (heard, now) = (Arc::clone(&courier), Arc::clone(source));
        let door = FederationDoor::new(FederationPorts {
            us: me,
            incarnation: life,
            directory: Arc::clone(&directory),
            signer,
            desk: Arc::clone(&port) as Arc<dyn crate::doors::federation::Receive>,
            agreements: port,
            heard: Arc::new(move |org| heard.nudge(org)),
            now: Arc::new(move || now.now()),
        });
        Self { courier, door, directory, tls: None, witness: None }
    }
}

/// What the link knows of peers: everything the desk's agreements say of them.
#[must_use]
pub fn directory(desk: &Desk, source: &Arc<dyn Source>) -> Arc<dyn Directory> {
    Arc::new(Parties { agreements: Arc::clone(desk.agreements()), source: Arc::clone(source), me: desk.me().clone() })
}

/// A number from 0 up to 1, from the same source as everything random.
fn jitter(source: &Arc<dyn Source>) -> courier::Random {
    let source = Arc::clone(source);
    Arc::new(move || {
        let salt = source.salt();
        let bits = u32::from_be_bytes([salt[0], salt[1], salt[2], salt[3]]);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    })
}

/// Fires timers when they are due.
pub async fn clock(desk: Arc<Desk>) {
    loop {
        desk.signals().clock_wakes(None);
        let next = desk.next_due().await;
        if let Ok(Some(due)) = next {
            desk.signals().clock_wakes(Some(due));
        }
        let wait = match next {
            Ok(Some(due)) => Duration::try_from(desk.now().duration_until(due)).unwrap_or(Duration::ZERO).min(CLOCK_AT_MOST),
            Ok(None) => CLOCK_AT_MOST,
            Err(_) => CLOCK_AGAIN,
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = desk.signals().timers_changed() => continue,
        }
        if let Err(refusal) = desk.tick().await {
            tracing::error!(refusal = %refusal, "timers could not fire");
            tokio::time::sleep(CLOCK_AGAIN).await;
        }
    }
}

/// Notices within a moment what another replica of this gateway changed. A store that cannot be read now is read at the next look; nothing
/// is committed meanwhile either. `answers` says whether it could be read at the last look.
pub async fn replicas(desk: Arc<Desk>, answers: watch::Sender<bool>) {
    let mut failing = false;
    loop {
        tokio::time::sleep(REPLICAS).await;
        let refreshed = desk.refresh().await;
        if let Err(refusal) = &refreshed
            && !failing
        {
            tracing::warn!(refusal = %refusal, "what other replicas changed could not be read");
        }
        failing = refreshed.is_err();
        answers.send_if_modified(|answers| std::mem::replace(answers, !failing) == failing);
    }
}

/// Wakes the courier when something is to be sent.
pub async fn outgoing(desk: Arc<Desk>, courier: Arc<Courier>) {
    loop {
        let peers: Vec<_> = desk.signals().outgoing().await.into_iter().collect();
        courier.wake(&peers);
    }
}

/// Calls on every party as soon as this gateway decides again: what they could not deliver meanwhile waits for a sign of life.
pub async fn greetings(desk: Arc<Desk>, greet: impl Fn(&OrgId) + Send) {
    let (mut halts, mut recovering) = (desk.halts(), desk.recovering());
    // An error means that the desk is gone.
    while halts.changed().await.is_ok() {
        let before = std::mem::replace(&mut recovering, desk.recovering());
        if before && !recovering {
            desk.agreements().parties(desk.now()).iter().for_each(&greet);
        }
    }
}

/// Has covenants and party records compared with every party as soon as something is new here, whoever brought it: a peer, an operator, a
/// file, another replica. So a record that one gateway was given by hand reaches the others, though its owner cannot bring it itself.
pub async fn documents(desk: Arc<Desk>, compare: impl Fn(&OrgId) + Send) {
    let mut changes = desk.agreements().changes();
    // An error means that the desk is gone.
    while changes.changed().await.is_ok() {
        desk.agreements().parties(desk.now()).iter().for_each(&compare);
    }
}
