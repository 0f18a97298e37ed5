//! Schakel: a federated interoperability gateway for youth crisis care.
//!
//! Doors parse, the desk decides, the store commits, the courier sends (ARCHITECTURE.md).

pub mod adapter_door;
pub mod agreements;
pub mod assembly;
pub mod batch;
pub mod bench;
pub(crate) mod bounded;
pub mod cli;
pub mod config;
pub mod cosigner;
pub mod courier;
pub mod demo;
pub mod desk;
pub mod doors;
pub mod fetch;
pub mod front_desk;
pub mod ledger;
pub mod peers;
pub mod source;
pub mod store;
pub mod supervisor;
pub mod telemetry;
pub mod tls;
pub mod vault;
pub mod wire;
pub mod witness;
