//! What a gateway survives at every single call to the system, not at random moments (those are in `gateway/tests/kills/main.rs`).
//!
//! - [`faults`]: killed, or told EIO, at each call by which one handover is written or sent, at either side.
//! - [`power`]: the power fails between any two calls, and the disk keeps of what was not yet flushed whatever it likes. The same without
//!   flushing must lose something, or the test is blind.
//!
//! Real gateways in processes of their own, under strace. By default a few points of each kind and some fifty images; `CRASH_POINTS` (a
//! number of points of each kind, or `all`) and `CRASH_IMAGES` ask for more. Which points are taken does not depend on chance.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod disk;
mod faults;
#[path = "../kills/node.rs"]
#[expect(dead_code, reason = "the kills under load need more of it")]
mod node;
mod power;
mod strace;
#[path = "../kills/work.rs"]
#[expect(dead_code, reason = "the kills under load need more of it")]
mod work;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use node::Node;

/// Longest wait for something that surely comes; catches a hang only.
const LIMIT: Duration = Duration::from_secs(120);
/// Pause between two looks at something that goes on in another process.
const AGAIN: Duration = Duration::from_millis(20);

/// Whether no message waits at this gateway any more. It may be running.
async fn nothing_waits(node: &Node) -> bool {
    let store = node.open_store().await;
    let queues = store.outbox_peers().await.unwrap();
    store.close().await;
    queues.iter().all(|queue| queue.waiting == 0)
}

/// Both gateways have nothing left to say and have signed the heads of their logs.
async fn settled(nodes: &[Node; 2]) {
    let since = Instant::now();
    for node in nodes {
        while !node.home.data.join("checkpoint").exists() || !nothing_waits(node).await {
            assert!(since.elapsed() < LIMIT, "{} does not come to rest", node.home.id);
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// `schakel audit fsck` of the gateway with this configuration; what it printed when it found something.
fn fsck(config: &Path) -> Result<(), String> {
    let ran = Command::new(env!("CARGO_BIN_EXE_schakel")).args(["audit", "fsck", "--config"]).arg(config).output().unwrap();
    let printed = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if ran.status.success() { Ok(()) } else { Err(format!("{}{}", printed(&ran.stdout), printed(&ran.stderr))) }
}
