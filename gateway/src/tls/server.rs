//! The server side of TLS for one door: which clients may come in, and with which certificate we answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use schakel_certs::identity::{Identity, Subject};
use schakel_domain::id::OrgId;
use schakel_domain::refusal::{Reason, Refusal};

use super::chains::Chains;
use super::ends::End;
use super::failures::Failures;
use super::material::Material;
use super::open::{Lease, Life};
use super::side::{Made, Side};
use super::trust::{ClientVerifier, Condition};
use super::{ALPN_H2, Clock, TlsError, provider, reasons};

/// A further condition on a client, asked at every handshake after its chain was verified: is this key bound to this
/// organisation in the party record held now? The sentence says why not and goes to the debug log alone.
///
/// It must answer from memory: it runs inside the handshake.
pub type Admit = Arc<dyn Fn(&Identity) -> Result<(), String> + Send + Sync>;

/// Which client certificate a door asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// The gateway of an organisation, always: the federation door.
    Organization,
    /// A local system, always: the admin door.
    Client,
    /// A local system, or nobody: a door where a token can identify the caller.
    OptionalClient,
    /// No certificate is asked for.
    Off,
}

/// TLS of one door. Shared by its accept loop and by whoever reloads it.
pub struct ServerTls {
    door: &'static str,
    auth: ClientAuth,
    admit: Option<Admit>,
    clock: Clock,
    side: Side<State, Vec<CertificateDer<'static>>>,
    failures: Failures,
}

/// What one handshake is done with.
struct State {
    config: Arc<ServerConfig>,
    verifier: Option<Arc<ClientVerifier>>,
    material: Material,
}

impl Made for State {
    fn material(&self) -> &Material {
        &self.material
    }
}

impl ServerTls {
    /// TLS for the door of this name.
    ///
    /// # Errors
    /// When the material cannot be used.
    pub fn new(
        door: &'static str,
        auth: ClientAuth,
        admit: Option<Admit>,
        material: Material,
        clock: Clock,
    ) -> Result<Arc<Self>, TlsError> {
        let side = Side::new(build(auth, admit.as_ref(), material, &clock)?);
        Ok(Arc::new(Self { door, auth, admit, clock, side, failures: Failures::default() }))
    }

    /// Uses other material from the next handshake on, and judges every open connection by it: whoever no longer stands is closed.
    /// On an error nothing changes. How many were closed.
    ///
    /// # Errors
    /// When the material cannot be used.
    pub fn reload(&self, material: Material) -> Result<usize, TlsError> {
        self.side.put(build(self.auth, self.admit.as_ref(), material, &self.clock)?);
        Ok(self.judge_again())
    }

    /// Judges every open connection again, as after an agreement changed or a list ended; how many were closed.
    pub fn judge_again(&self) -> usize {
        let closed = self.side.judge_again(|chain| self.judge(chain));
        if closed > 0 {
            tracing::warn!(door = self.door, closed, "connections were closed: their certificates no longer count");
        }
        closed
    }

    /// What is used now.
    #[must_use]
    pub fn material(&self) -> Material {
        self.side.material()
    }

    /// The chain each organisation showed last.
    #[must_use]
    pub fn seen(&self) -> BTreeMap<OrgId, Vec<End>> {
        self.side.seen()
    }

    /// Takes up a connection whose handshake began at this generation.
    pub(super) fn opened(
        &self,
        chain: Option<&[CertificateDer<'static>]>,
        org: Option<&OrgId>,
        generation: u64,
    ) -> Result<(Life, Lease), Refusal> {
        let Some(chain) = chain else { return Ok((Life::default(), Lease::none())) };
        let opened = self.side.opened(chain.to_vec(), generation, || self.judge(chain))?;
        if let Some(org) = org {
            self.side.seen.note(org, chain);
        }
        Ok(opened)
    }

    fn judge(&self, chain: &[CertificateDer<'static>]) -> Result<(), Refusal> {
        let state = self.side.state();
        let unusable = || reasons::refusal(Reason::PeerCertificateUnusable, "no certificate");
        let (Some(verifier), Some((leaf, rest))) = (&state.verifier, chain.split_first()) else { return Err(unusable()) };
        let now = self.clock.current_time().unwrap_or_else(|| UnixTime::since_unix_epoch(std::time::Duration::ZERO));
        verifier.judge(leaf, rest, now).map_err(|error| reasons::of_tls(&error))
    }

    /// See [`ServerTls::opened`].
    pub(super) fn generation(&self) -> u64 {
        self.side.generation()
    }

    /// The name of the door.
    #[must_use]
    pub fn door(&self) -> &'static str {
        self.door
    }

    /// Connections that are open and showed a certificate.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.side.connections()
    }

    /// Failed handshakes of this door.
    #[must_use]
    pub fn failures(&self) -> &Failures {
        &self.failures
    }

    /// The configuration for one handshake.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.side.state().config)
    }

    /// Seconds since 1970 by the clock that judges certificates.
    pub(super) fn seconds(&self) -> i64 {
        let now = self.clock.current_time().map_or(0, |now| now.as_secs());
        i64::try_from(now).unwrap_or(i64::MAX)
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("door", &self.door).field("auth", &self.auth).finish_non_exhaustive()
    }
}

fn build(auth: ClientAuth, admit: Option<&Admit>, material: Material, clock: &Clock) -> Result<State, TlsError> {
    let builder = ServerConfig::builder_with_details(provider(), Arc::clone(clock))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| TlsError::Material(e.to_string()))?;
    let verifier = match auth {
        ClientAuth::Off => None,
        _ => {
            let chains = Chains::new(material.anchors.clone(), material.revocation.clone())?;
            Some(Arc::new(ClientVerifier::new(chains, condition(auth, admit.cloned()), auth != ClientAuth::OptionalClient)))
        }
    };
    let builder = match &verifier {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier) as _),
    };
    let certified = Arc::clone(&material.credentials.certified);
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    // A resumed session takes the client's chain over from the old one without verifying it again.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(State { config: Arc::new(config), verifier, material })
}

/// The kind of party this door is for, then the door's own condition.
fn condition(auth: ClientAuth, admit: Option<Admit>) -> Condition {
    Arc::new(move |identity| {
        match (auth, &identity.subject) {
            (ClientAuth::Organization, Subject::Client(_)) => return Err("this door is for gateways, not for local systems".to_owned()),
            (ClientAuth::Client | ClientAuth::OptionalClient, Subject::Organization(_)) => {
                return Err("this door is for local systems, not for gateways".to_owned());
            }
            _ => {}
        }
        admit.as_ref().map_or(Ok(()), |admit| admit(identity))
    })
}
