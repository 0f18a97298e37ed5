//! The server side of TLS for one door: which clients may come in, and with which certificate we answer.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use schakel_certs::identity::{Identity, Subject};

use super::failures::Failures;
use super::material::Material;
use super::trust::{ClientVerifier, Condition};
use super::{ALPN_H2, Clock, TlsError, provider};

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
    config: ArcSwap<ServerConfig>,
    failures: Failures,
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
        let config = ArcSwap::from_pointee(build(auth, admit.as_ref(), material, &clock)?);
        Ok(Arc::new(Self { door, auth, admit, clock, config, failures: Failures::default() }))
    }

    /// Uses other material from the next handshake on. Connections that are open stay open. On an error nothing changes.
    ///
    /// # Errors
    /// When the material cannot be used.
    pub fn reload(&self, material: Material) -> Result<(), TlsError> {
        self.config.store(Arc::new(build(self.auth, self.admit.as_ref(), material, &self.clock)?));
        Ok(())
    }

    /// The name of the door.
    #[must_use]
    pub fn door(&self) -> &'static str {
        self.door
    }

    /// Failed handshakes of this door.
    #[must_use]
    pub fn failures(&self) -> &Failures {
        &self.failures
    }

    /// The configuration for one handshake.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
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

fn build(auth: ClientAuth, admit: Option<&Admit>, material: Material, clock: &Clock) -> Result<ServerConfig, TlsError> {
    let Material { credentials, anchors } = material;
    let builder = ServerConfig::builder_with_details(provider(), Arc::clone(clock))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| TlsError::Material(e.to_string()))?;
    let builder = match auth {
        ClientAuth::Off => builder.with_no_client_auth(),
        _ => {
            let mandatory = auth != ClientAuth::OptionalClient;
            builder.with_client_cert_verifier(Arc::new(ClientVerifier::new(anchors, condition(auth, admit.cloned()), mandatory)?))
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(credentials.certified)));
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    // A resumed session takes the client's chain over from the old one without verifying it again.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
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
