//! Schakel: a federated interoperability gateway for youth crisis care.
//!
//! Doors parse, the desk decides, the store commits, the courier sends (ARCHITECTURE.md).

pub mod desk;
pub mod doors;
pub mod store;
pub mod tls;
pub mod wire;
