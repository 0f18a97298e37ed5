//! BENCH: how fast this program is on this machine, against what the machine could do without it.
//!
//! ```text
//!   run ──starts──► node A (sender) ──── mutual TLS, loopback ────► node B (receiver)
//!    │               raw, floor, gateway                             the same three
//!    └──► report ◄── samples, CPU of both, CPU taken by others, fdatasync
//! ```
//!
//! Absolute numbers say more of the machine and of the day than of the program. Therefore everything is measured in turns in one run,
//! and what counts are ratios: to a unary call that stores nothing (`raw`), and to a batched stream that stores in a plain file (`floor`).
//! A run in which others took the processor, or in which too little was measured, shows its numbers and judges nothing.
//!
//! In reading order: `run` takes turns, `node` is one process, `gateway`, `raw` and `floor` are what it can do, `measure` the closed loop,
//! `machine` what the system says, `report` medians, ratios and targets; `nginx` carries the unary calls for comparison, `fill` stores cases
//! beforehand, `idle` is a gateway that does nothing.

mod federation;
mod fill;
mod floor;
mod gateway;
mod idle;
mod machine;
mod measure;
mod nginx;
pub mod node;
mod raw;
pub mod report;
pub mod run;

use schakel_domain::id::OrgId;
use schakel_domain::person::Actor;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

use measure::{Load, Sample};

/// Callers at once.
pub const LEVELS: [usize; 3] = [1, 16, 128];
/// Calls on one HTTP/2 connection: more than callers, so that the protocol's own limit is never what is measured.
const STREAMS: u32 = 256;
/// Messages a peer may send each second while it is measured: the gateway's default would be what is measured.
const MESSAGES_PER_SECOND: u32 = 100_000;
/// Characters of the question that travels: with ids, covenant and purpose about 1.5 kB.
const QUESTION: usize = 1_290;

/// What is measured, in the order of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A unary call with the payload; nothing is stored.
    Raw,
    /// The same calls through nginx.
    Nginx,
    /// The payload in batches on one stream, stored in a plain file on both sides, with one fdatasync for a group.
    Floor,
    /// Two round trips and five commits of a file: the least that a handover takes.
    HandoverFloor,
    /// A message put in the sender's store, until the sender has durably noted the receiver's signed acknowledgement.
    Link,
    /// The same from a call at the care door: authorisation, covenant, log, signatures.
    Exchange,
    /// A handover from the offer at the sender's desk to the receipt noted there; the receiver accepts at once.
    Handover,
}

impl Part {
    /// Every part.
    pub const ALL: [Part; 7] = [Part::Raw, Part::Nginx, Part::Floor, Part::HandoverFloor, Part::Link, Part::Exchange, Part::Handover];

    /// Its name in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Part::Raw => "raw",
            Part::Nginx => "nginx",
            Part::Floor => "floor",
            Part::HandoverFloor => "handover_floor",
            Part::Link => "link",
            Part::Exchange => "exchange",
            Part::Handover => "handover",
        }
    }

    /// Whether it needs real gateways.
    #[must_use]
    fn of_gateways(self) -> bool {
        matches!(self, Part::Link | Part::Exchange | Part::Handover)
    }
}

/// Which end a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Side {
    Sender,
    Receiver,
}

/// What a process is told first.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Setup {
    side: Side,
    org: OrgId,
    peer: OrgId,
    /// Configuration of its gateway.
    config: PathBuf,
    /// Certificate of its gateway, its key, and the CA of all gateways.
    certificate: PathBuf,
    key: PathBuf,
    trust: PathBuf,
    /// Certificate of the other's gateway.
    peer_certificate: PathBuf,
    /// File that the floor writes.
    floor_file: PathBuf,
    /// Where the receiver serves `raw` and `floor`.
    bare: SocketAddr,
    /// Where nginx passes them on, when it runs.
    nginx: Option<SocketAddr>,
    /// The sender's own care door, and who calls there.
    care: SocketAddr,
    client: (PathBuf, PathBuf),
    token: String,
    actor: Actor,
}

/// What a process is asked to do, one JSON object a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Measure { part: Part, load: Load, pids: Vec<u32> },
    Fill { cases: u64 },
}

/// What it says, one JSON object a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Ready,
    Measured(Sample),
    Filled,
    Failed(String),
}
