//! The record proves itself across organisations: a thief with the log's key is refused by every peer and by the offline verifier, each
//! half that is missing or different is named, and late cosigning alarms without stopping what is under way.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "proof/kit.rs"]
mod kit;
#[path = "proof/late.rs"]
mod late;
#[path = "proof/pairs.rs"]
mod pairs;
#[path = "proof/scale.rs"]
mod scale;
#[path = "proof/thief.rs"]
mod thief;
