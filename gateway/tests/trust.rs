//! Certificates and connections, as strangers, thieves and forgetful operators meet them: every wrong certificate in both directions,
//! revocation, rotation, resumption, slow connections and floods of frames; and forged tokens, and an identity provider that rotates, lies and fails. Real TLS over loopback, everything read from files.
//!
//! `TRUST_LONG=1` plays the same with the full numbers and judges the figures.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "trust/cases.rs"]
mod cases;
#[path = "trust/files.rs"]
mod files;
#[path = "trust/frames.rs"]
mod frames;
#[path = "trust/kit.rs"]
mod kit;
#[path = "trust/openssl.rs"]
mod openssl;
#[path = "trust/resumption.rs"]
mod resumption;
#[path = "trust/revocation.rs"]
mod revocation;
#[path = "trust/rotation.rs"]
mod rotation;
#[path = "trust/slow.rs"]
mod slow;
#[path = "trust/tokens.rs"]
mod tokens;
