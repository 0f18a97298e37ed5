//! Schakel: a federated interoperability gateway for youth crisis care.
//!
//! Doors parse, the desk decides, the store commits, the courier sends (ARCHITECTURE.md).

pub mod adapter_door;
pub mod agreements;
pub mod batch;
pub mod cli;
pub mod config;
pub mod desk;
pub mod peers;
pub mod store;
pub mod tls;
pub mod vault;
pub mod wire;
