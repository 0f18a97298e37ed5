//! The covenant: what organisations agreed on, signed by all of them, and the only thing that lets one ask another anything.
//!
//! In reading order: [`document`] is the agreement as its authors write it, [`check`] says what does not fit in it, [`signed`] whether it
//! binds, [`book`] which version applies, [`permit`] decides one question, [`explain`] and [`diff`] put it in words.

pub mod book;
pub mod check;
pub mod diff;
pub mod document;
pub mod explain;
pub mod name;
pub mod permit;
pub mod problem;
pub mod signed;
pub mod time;

pub use book::{Book, Installed, Stored};
pub use check::check;
pub use diff::{Difference, describe, diff};
pub use document::{Act, Document, Service};
pub use explain::{explain, explain_document};
pub use name::{ClauseId, CovenantId, ServiceId, Telephone, UrgencyCode};
pub use permit::{Decision, Escalation, Grant, Mask, Question};
pub use problem::{Blocks, Problem, Words};
pub use signed::{Covenant, CovenantRef, PartySignature, SignedCovenant, Standing};

#[cfg(test)]
mod tests;
