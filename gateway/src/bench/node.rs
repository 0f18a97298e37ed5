//! NODE: one process of a measurement. It is told who it is in one line, does what each further line asks, and ends with its input: when
//! whoever started it is gone, it is too.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::floor::{Floor, FloorDoor, GroupFile, HandoverFloor, Pipe};
use super::gateway::{Gateway, question};
use super::measure::{Work, closed_loop};
use super::raw::{self, Raw};
use super::{Order, Part, Said, Setup, Side, fill};

/// Runs it until its input ends.
///
/// # Errors
/// When it cannot start, or nobody reads its answers.
pub async fn run() -> Result<(), anyhow::Error> {
    let mut lines = input()?;
    let Some(setup) = next::<Setup>(&mut lines).await? else { return Ok(()) };
    let mut node = match Node::start(setup).await {
        Ok(node) => node,
        Err(error) => return say(&Said::Failed(format!("{error:#}"))),
    };
    say(&Said::Ready)?;
    while let Some(order) = next::<Order>(&mut lines).await? {
        let said = node.obey(order).await.unwrap_or_else(|error| Said::Failed(format!("{error:#}")));
        say(&said)?;
    }
    node.work.clear();
    node.gateway.stop().await;
    Ok(())
}

/// Lines as they come, read by a thread of their own: reading blocks.
fn input() -> Result<mpsc::Receiver<String>, anyhow::Error> {
    let (lines, incoming) = mpsc::channel(1);
    let read = move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("orders".to_owned()).spawn(read)?;
    Ok(incoming)
}

async fn next<T: serde::de::DeserializeOwned>(lines: &mut mpsc::Receiver<String>) -> Result<Option<T>, anyhow::Error> {
    let Some(line) = lines.recv().await else { return Ok(None) };
    Ok(Some(serde_json::from_str(&line)?))
}

fn say(said: &Said) -> Result<(), anyhow::Error> {
    crate::cli::print(&format!("{}\n", serde_json::to_string(said)?)).map_err(|failure| anyhow::anyhow!("{failure}"))
}

struct Node {
    setup: Setup,
    gateway: Gateway,
    file: GroupFile,
    /// What was measured before, with its connections.
    work: BTreeMap<Part, Arc<dyn Work>>,
}

impl Node {
    async fn start(setup: Setup) -> Result<Self, anyhow::Error> {
        let file = GroupFile::open(&setup.floor_file)?;
        if setup.side == Side::Receiver {
            raw::serve(&setup, FloorDoor { file: file.clone() }).await?;
        }
        let gateway = Gateway::start(&setup).await?;
        Ok(Self { setup, gateway, file, work: BTreeMap::new() })
    }

    async fn obey(&mut self, order: Order) -> Result<Said, anyhow::Error> {
        match order {
            Order::Measure { part, load, pids } => {
                if !self.work.contains_key(&part) {
                    let work = self.make(part).await?;
                    self.work.insert(part, work);
                }
                let work = self.work.get(&part).map(Arc::clone).ok_or_else(|| anyhow::anyhow!("no work"))?;
                Ok(Said::Measured(closed_loop(load, &pids, work).await?))
            }
            Order::Fill { cases } => {
                fill::store(&self.gateway, cases).await?;
                Ok(Said::Filled)
            }
        }
    }

    fn make(&self, part: Part) -> BoxFuture<'_, Result<Arc<dyn Work>, anyhow::Error>> {
        let payload = || question().into_bytes();
        Box::pin(async move {
            let work: Arc<dyn Work> = match part {
                Part::Raw => Arc::new(Raw::new(&self.setup, self.setup.bare, padded(payload()))?),
                Part::Nginx => {
                    let nginx = self.setup.nginx.ok_or_else(|| anyhow::anyhow!("nginx does not run"))?;
                    Arc::new(Raw::new(&self.setup, nginx, padded(payload()))?)
                }
                Part::Floor => Arc::new(Floor(self.pipe(padded(payload())).await?)),
                Part::HandoverFloor => Arc::new(HandoverFloor(self.pipe(padded(payload())).await?)),
                Part::Link => Arc::new(self.gateway.link().await?),
                Part::Exchange => Arc::new(self.gateway.exchange()?),
                Part::Handover => Arc::new(self.gateway.handover()),
            };
            Ok(work)
        })
    }

    async fn pipe(&self, payload: Vec<u8>) -> Result<Pipe, anyhow::Error> {
        Pipe::open(&self.setup, self.file.clone(), payload).await
    }
}

/// Bytes of what a message says besides its question: ids, covenant, clause, purpose.
const ENVELOPE: usize = 210;

/// The payload of what has no message: as long as one.
fn padded(mut question: Vec<u8>) -> Vec<u8> {
    question.extend([b'.'; ENVELOPE]);
    question
}
