//! The audit log's mathematics and formats; keeping and signing it is the gateway's work.
//!
//! In reading order: [`event`] names what happened, [`entry`] is one record with the fields of NEN 7513, [`commitment`] keeps the client
//! out of it, [`tree`] is the Merkle tree over the records (RFC 6962), [`note`] and [`checkpoint`] are its signed head (C2SP signed-note and
//! tlog-checkpoint), [`tiles`] and [`export`] are the files an outsider gets (C2SP tlog-tiles), [`verify`] is what that outsider checks.
//! [`reconcile`] pairs the logs of two organisations; [`witness`] is how one cosigns the other's head, and [`policy`] whose cosignatures count.
//!
//! What the log proves: nothing that was recorded was changed, removed, moved or added since the checkpoint was signed.
//! What it does not prove: that everything was recorded.

pub mod checkpoint;
pub mod commitment;
pub mod entry;
pub mod event;
pub mod export;
pub mod fhir;
pub mod note;
pub mod policy;
pub mod reconcile;
pub mod tiles;
pub mod tree;
pub mod verify;
pub mod witness;
