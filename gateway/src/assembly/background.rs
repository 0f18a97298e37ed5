//! What goes on beside the doors, and what is told when a part of it cannot go on: the log is followed, and so is health.

use std::sync::Arc;

use tokio::sync::watch;

use super::{link, serve};
use crate::adapter_door::AdapterStatus;
use crate::adapter_door::file_drop::FileDropDoor;
use crate::courier::Courier;
use crate::desk::Desk;
use crate::doors::health::{Able, Board};
use crate::ledger::Ledger;
use crate::supervisor::Supervisor;

/// Starts everything that goes on beside the doors: timers, the log's signer, the courier's wakes, the file drop.
pub(super) fn start(
    tasks: &mut Supervisor,
    desk: &Arc<Desk>,
    ledger: &Arc<Ledger>,
    courier: &Arc<Courier>,
    adapters: Option<(Arc<AdapterStatus>, FileDropDoor)>,
    boards: &[Board],
) {
    let answers = watch::Sender::new(true);
    tasks.spawn("health", tell_health(boards.to_vec(), Arc::clone(desk), Arc::clone(ledger), answers.subscribe(), tasks.gone()));
    tasks.spawn("clock", link::clock(Arc::clone(desk)));
    tasks.spawn("replicas", link::replicas(Arc::clone(desk), answers));
    tasks.spawn("log signer", sign(Arc::clone(ledger), desk.signals().log()));
    tasks.spawn("log follower", follow_log(Arc::clone(desk), Arc::clone(ledger)));
    tasks.spawn("courier wakes", link::outgoing(Arc::clone(desk), Arc::clone(courier)));
    let comparer = Arc::clone(courier);
    let greeter = Arc::clone(courier);
    tasks.spawn("greetings", link::greetings(Arc::clone(desk), move |org| greeter.sync(org)));
    tasks.spawn("documents", link::documents(Arc::clone(desk), move |org| comparer.sync(org)));
    if let Some((_, door)) = adapters {
        let stopped = tasks.stopped();
        tasks.spawn_finishing("file drop", async move { door.run(stopped).await });
    }
}

/// Signs until the log is found contradicted: then there is nothing to sign, and [`follow_log`] has the word.
async fn sign(ledger: Arc<Ledger>, sizes: watch::Receiver<u64>) {
    ledger.run(sizes).await;
    if ledger.fault().is_some() {
        std::future::pending().await
    }
}

/// A log that is found contradicted while the gateway runs stops it as one that is found so at the start.
async fn follow_log(desk: Arc<Desk>, ledger: Arc<Ledger>) {
    let mut faults = ledger.faults();
    let Some(fault) = faults.wait_for(Option::is_some).await.ok().and_then(|fault| fault.clone()) else { return };
    while let Err(refusal) = desk.log_contradicted(&fault).await {
        tracing::error!(%refusal, "that the log is contradicted could not be logged; nothing is decided meanwhile");
        tokio::time::sleep(link::CLOCK_AGAIN).await;
    }
    std::future::pending().await
}

/// What this gateway can do now, as far as the desk knows.
pub(super) fn able(desk: &Desk) -> Able {
    if desk.recovering() { Able::Shows } else { Able::Decides }
}

/// Lets every door's health follow what the gateway can do. Nothing is shown without an entry in the log, so without the store it can do
/// nothing.
async fn tell_health(
    boards: Vec<Board>,
    desk: Arc<Desk>,
    ledger: Arc<Ledger>,
    mut answers: watch::Receiver<bool>,
    mut gone: watch::Receiver<Option<&'static str>>,
) {
    let (mut halts, store) = (desk.halts(), Arc::clone(desk.store()));
    let broken = async {
        tokio::select! {
            _why = store.fatal() => {}
            _why = ledger.fatal() => {}
        }
    };
    tokio::pin!(broken);
    loop {
        let works = *answers.borrow_and_update() && gone.borrow_and_update().is_none();
        halts.mark_unchanged();
        serve::say(&boards, if works { able(&desk) } else { Able::Nothing }).await;
        tokio::select! {
            Ok(()) = halts.changed() => {}
            Ok(()) = answers.changed() => {}
            Ok(()) = gone.changed() => {}
            () = &mut broken => break,
            else => break,
        }
    }
    serve::say(&boards, Able::Nothing).await;
    std::future::pending().await
}
