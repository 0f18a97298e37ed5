//! Our own end of TLS: who we are, whom we trust, and the streams the doors and the courier speak over.
//!
//! Why our own and not the one of the RPC library: that one has no handshake timeout, no reload, no revocation, skips CA
//! certificates it cannot parse, and resumes sessions without verifying the client again.
//!
//! ```text
//!   files ──► Material (Credentials, Anchors, Revocation) ──► ServerTls ──► accept() ──► PeerStream (PeerInfo, Life) ──► door
//!                                                         └──► ClientTls ──► channel() ─► Channel + Tap ──────────────► courier
//! ```
//!
//! Rules that hold on both sides: TLS 1.3 only; X25519MLKEM768 first; ALPN `h2` demanded, not merely offered; no resumption and
//! no early data, so that every connection verifies the whole chain; the identity is read once per connection from the
//! certificate's URI; what may change while we run sits behind one atomic pointer and is replaced by `reload`, which judges every
//! open connection again.
//!
//! In reading order: `material` and `revocation` are what files say, `chains` and `trust` judge, `accept`, `places` and `frames` let in
//! and bound, `open` ends what no longer stands, `side` is what both ends keep, `tap` and `reasons` explain.

mod accept;
mod chains;
mod channel;
mod ends;
mod failures;
mod frames;
mod http2;
mod local;
mod material;
mod open;
mod peer;
mod places;
mod reasons;
mod revocation;
mod server;
mod side;
mod tap;
mod trust;
mod web;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

pub use accept::{Limits, accept, accept_unix};
pub use channel::{ClientTls, Expectation, Expected, PeerAddress, channel, channel_unix};
pub use ends::{End, Place};
pub use failures::{FailureCount, FailureKind, Failures};
pub use http2::{Http2Limits, http2_server};
pub use local::{LocalFiles, channel_local};
pub use material::{Anchors, Credentials, Files, Material};
pub use open::Life;
pub use peer::{PeerInfo, PeerStream};
pub use revocation::{ListInfo, ListState, Revocation, RevocationFiles};
pub use schakel_certs::identity::{ClientName, Identity, Subject};
pub use server::{Admit, ClientAuth, ServerTls};
pub use tap::Tap;
pub use web::{check_trust, https};

/// The protocol every connection must have agreed on.
const ALPN_H2: &[u8] = b"h2";

/// Why TLS cannot start or reload. Names the file when there is one; holds no key material.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, unreadable, or has unsafe access rights.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what is expected.
        problem: String,
    },
    /// The material contradicts itself: a key that does not belong to its certificate, for example.
    #[error("tls material: {0}")]
    Material(String),
    /// An address that cannot be connected to.
    #[error("address `{0}`: expected host:port")]
    Address(String),
}

/// The one cryptographic back end, never taken from a process-wide default that a dependency could set.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Where certificate validity gets its time from.
pub type Clock = Arc<dyn TimeProvider>;

/// The time of this machine.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(DefaultTimeProvider)
}

#[cfg(test)]
mod tests;
