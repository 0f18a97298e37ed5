//! One gateway on its simulated host: the same parts in the same order as the assembly starts them, over the disk of the simulation.

use std::sync::Arc;
use std::time::Duration;

use schakel::assembly::link::{self, Link};
use schakel::desk::{Desk, Source};
use schakel::ledger::Ledger;
use schakel::store::Store;
use schakel::tls::{Http2Limits, http2_server};
use tokio::sync::mpsc;

use crate::net::{SimDial, listen};
use crate::people::Call;
use crate::world::{Node, World, log_key, root};

/// Who starts a gateway that could not start tries again after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// Lives until its host crashes.
pub(crate) async fn live(world: Arc<World>, node: Arc<Node>) -> turmoil::Result {
    node.front.lock().unwrap().take();
    loop {
        match start(&world, &node).await {
            Ok(()) => std::future::pending().await,
            Err(why) => {
                world.chronicle.say(&format!("{} does not start: {why}", node.me));
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

async fn start(world: &Arc<World>, node: &Arc<Node>) -> Result<(), String> {
    let store: Arc<dyn Store> = node.disk.mount();
    let (source, life) = world.source(node);
    let said = |refusal: schakel_domain::refusal::Refusal| refusal.to_string();
    let desk = world.desk(&node.me, Arc::clone(&store), Arc::clone(&source), &life).await.map_err(said)?;
    desk.started().await.map_err(said)?;
    desk.tick().await.map_err(said)?;
    let ledger = Ledger::open(Arc::clone(&store), log_key(&node.me), None).await.map_err(|error| error.to_string())?;
    let link = connected(&desk, &source);
    let incoming = listen().await.map_err(|error| error.to_string())?;
    let server = http2_server(&Http2Limits::default()).add_service(link.door.exchange()).add_service(link.door.sync());
    tokio::spawn(server.serve_with_incoming(incoming));
    tokio::spawn(link::clock(Arc::clone(&desk)));
    tokio::spawn(link::replicas(Arc::clone(&desk), tokio::sync::watch::Sender::new(true)));
    let sizes = desk.signals().log();
    tokio::spawn(async move { ledger.run(sizes).await });
    tokio::spawn(link::outgoing(Arc::clone(&desk), Arc::clone(&link.courier)));
    // Only reads the outbox. A gateway that is already open is not started anew for it.
    while link.courier.start().await.is_err() {
        tokio::time::sleep(AGAIN).await;
    }
    let (calls, incoming) = mpsc::unbounded_channel();
    *node.front.lock().unwrap() = Some(calls);
    tokio::spawn(answer(desk, incoming));
    world.chronicle.say(&format!("{} is open", node.me));
    Ok(())
}

fn connected(desk: &Arc<Desk>, source: &Arc<dyn Source>) -> Link {
    Link::new(desk, link::directory(desk, source), source, root(desk.me()), Arc::new(SimDial))
}

/// The door for own people, as far as it can go wrong: a call is lost, or its answer is.
async fn answer(desk: Arc<Desk>, mut incoming: mpsc::UnboundedReceiver<Call>) {
    while let Some(call) = incoming.recv().await {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            tokio::time::sleep(call.there).await;
            if call.lost_there {
                return std::future::pending().await;
            }
            let reply = desk.handle(&call.caller, call.command).await;
            tokio::time::sleep(call.back).await;
            if call.lost_back {
                return std::future::pending().await;
            }
            // Whoever asked may have stopped waiting.
            drop(call.answer.send(reply));
        });
    }
}
