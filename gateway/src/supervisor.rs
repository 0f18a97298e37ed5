//! SUPERVISOR: the tasks that go on beside the doors, each by its name, and the doors themselves. None of them ends in silence.
//!
//! Every one runs until the gateway stops. One that ends before, by a panic or by itself, is logged with its name, and the gateway ends as a
//! whole: what it left half done in memory is not known, what is durable is whole after every commit, and a service manager starts a
//! gateway again in a second or two. Starting the task again here would be another way of going on with what nobody understands. The
//! courier's task of one peer is the exception and looks after itself ([`crate::courier`]): all it holds is read again from the store.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Runs tasks, stops them together, and tells of one that ended too soon.
#[derive(Debug)]
pub struct Supervisor {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    gone: watch::Sender<Option<&'static str>>,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self { tasks: JoinSet::new(), stop: watch::Sender::new(false), gone: watch::Sender::new(None) }
    }
}

impl Supervisor {
    /// Runs something that lasts until it is cut off at the stop.
    pub fn spawn(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let (alarm, stop) = (self.alarm(name), self.stopped());
        self.tasks.spawn(async move {
            let work = AssertUnwindSafe(work).catch_unwind();
            tokio::select! {
                biased;
                () = stop => {}
                ended = work => alarm.ended(ended),
            }
        });
    }

    /// Runs something that ends by itself after the stop, such as a door that finishes its calls.
    pub fn spawn_finishing(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let alarm = self.alarm(name);
        self.tasks.spawn(async move { alarm.ended(AssertUnwindSafe(work).catch_unwind().await) });
    }

    /// For a part that runs in a task of its own: to be raised when it ended.
    #[must_use]
    pub fn alarm(&self, name: &'static str) -> Alarm {
        Alarm { name, stop: self.stop.subscribe(), gone: self.gone.clone() }
    }

    /// Resolves when the gateway stops.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut stop = self.stop.subscribe();
        async move {
            // An error means the gateway is gone, which is a stop too.
            let _gone = stop.wait_for(|stop| *stop).await;
        }
    }

    /// Follows which task ended too soon; the first one counts.
    #[must_use]
    pub fn gone(&self) -> watch::Receiver<Option<&'static str>> {
        self.gone.subscribe()
    }

    /// Stops them all, and cuts off what has not ended after `grace`.
    pub async fn stop(mut self, grace: Duration) {
        self.stop.send_replace(true);
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, finished).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}

/// Tells the supervisor that something ended.
#[derive(Debug, Clone)]
pub struct Alarm {
    name: &'static str,
    stop: watch::Receiver<bool>,
    gone: watch::Sender<Option<&'static str>>,
}

impl Alarm {
    /// It ended. Without a stop before, the gateway ends too.
    pub fn raise(&self) {
        self.ended(Ok(()));
    }

    fn ended(&self, how: Result<(), Box<dyn Any + Send>>) {
        let stopping = *self.stop.borrow();
        match how {
            Err(panic) => tracing::error!(task = self.name, why = said(&*panic), "a task panicked"),
            Ok(()) if stopping => return,
            Ok(()) => tracing::error!(task = self.name, "a task ended that should go on"),
        }
        if !stopping {
            self.gone.send_if_modified(|first| {
                let new = first.is_none();
                first.get_or_insert(self.name);
                new
            });
        }
    }
}

/// What a panic said, when it said it in words.
fn said(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it did not say why")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn who_is_gone(supervisor: &Supervisor) -> Option<&'static str> {
        let mut gone = supervisor.gone();
        tokio::time::timeout(PATIENCE, gone.wait_for(Option::is_some)).await.expect("nobody was missed").unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_task_that_panics_or_ends_is_missed_by_its_name_however_it_was_started() {
        for panics in [true, false] {
            let ends = move || async move { assert!(!panics, "planted") };
            let mut supervisor = Supervisor::default();
            supervisor.spawn("others", std::future::pending());
            supervisor.spawn("clock", ends());
            assert_eq!(who_is_gone(&supervisor).await, Some("clock"));
            supervisor.stop(PATIENCE).await;

            let mut supervisor = Supervisor::default();
            supervisor.spawn_finishing("care door", ends());
            assert_eq!(who_is_gone(&supervisor).await, Some("care door"));

            let supervisor = Supervisor::default();
            supervisor.alarm("accepting at the care door").raise();
            assert_eq!(who_is_gone(&supervisor).await, Some("accepting at the care door"));
        }
    }

    #[tokio::test]
    async fn what_ends_because_the_gateway_stops_is_not_missed() {
        let mut supervisor = Supervisor::default();
        let (gone, alarm, stopped) = (supervisor.gone(), supervisor.alarm("accepting"), supervisor.stopped());
        supervisor.spawn("clock", std::future::pending());
        supervisor.spawn_finishing("care door", async move {
            stopped.await;
            alarm.raise();
        });

        tokio::time::timeout(PATIENCE, supervisor.stop(PATIENCE)).await.expect("it stops");

        assert_eq!(*gone.borrow(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_in_time_is_cut_off() {
        let mut supervisor = Supervisor::default();
        supervisor.spawn_finishing("care door", std::future::pending());

        supervisor.stop(Duration::from_secs(5)).await;
    }
}
