//! Translators between Schakel and the systems organisations already have.
//!
//! An adapter is for one organisation's own systems. It turns what such a system writes into a command of the domain ([`Inlet`]), and
//! what happened into a document that system can read ([`Outlet`]). It can delay a notice; it can never alter a case: what it hands in
//! passes the desk like everybody else's command, in the name of the person the system names.
//!
//! # How to write one
//! 1. A module and a cargo feature of its own; it knows [`schakel_domain`] and this crate's traits, nothing else.
//! 2. No IO, no async, no clock, no randomness: an adapter is a pure translation, and a door of the gateway reads, writes and waits. So
//!    every adapter can be tested and fuzzed with bytes alone.
//! 3. [`Inlet::translate`] bounds size and depth before it parses, refuses what it does not know, and names every wrong field at once.
//!    It keeps the sender's own request id: the door may hand the same bytes in again after a crash, and they must stay one effect.
//! 4. [`Outlet::render`] gives one notice always the same name and, from an equal notice, the same bytes: a notice is delivered at least
//!    once, and the name is what makes it one effect.
//! 5. Nothing an adapter says of an error repeats care content, identity or free text of the sender.
//! 6. It passes the suite in `contract` (feature `contract`).

#[cfg(any(test, feature = "contract"))]
pub mod contract;
#[cfg(feature = "file-drop")]
pub mod file_drop;
mod inbound;
#[cfg(feature = "file-drop")]
mod json;
mod notice;
mod resource;

pub use inbound::{Inbound, Rejection, Subject};
pub use notice::{Content, Document, Notice};
pub use resource::Resource;

use schakel_domain::id::RequestId;
use schakel_domain::refusal::Refusal;
use schakel_domain::view::{Answer, Call};

/// Tells an organisation's own system what happened.
pub trait Outlet: Send + Sync {
    /// The notice as that system reads it. Equal notices give equal documents; two notices never share a name.
    fn render(&self, notice: &Notice) -> Document;
}

/// Takes what an organisation's own system asks.
pub trait Inlet: Send + Sync {
    /// Most bytes [`Inlet::translate`] accepts; a door reads no further than one more.
    fn max_bytes(&self) -> usize;

    /// Parses one request. Equal requests have equal request ids and body hashes, however they are laid out.
    ///
    /// # Errors
    /// A [`Rejection`] that names every wrong field. Never panics, whatever the bytes are.
    fn translate(&self, bytes: &[u8]) -> Result<Inbound, Rejection>;

    /// What was answered, in the sender's own idiom. Without dossier: who wants to read one asks for it and is logged.
    fn answer(&self, request: RequestId, answer: &Answer) -> Vec<u8>;

    /// Why not, in the sender's own idiom: in Dutch and in English, with what to do and, when known, whom to call.
    fn refuse(&self, no: &No<'_>) -> Vec<u8>;
}

/// A no, on its way back to the system that asked.
#[derive(Debug, Clone, Copy)]
pub struct No<'a> {
    /// The request id, when it could be read.
    pub request: Option<RequestId>,
    /// Everything that is wrong; at least one.
    pub refusals: &'a [Refusal],
    /// The gateway keeps the request and tries again by itself.
    pub waiting: bool,
    /// Whom to call meanwhile.
    pub call: Option<&'a Call>,
}
