//! File drop: commands are picked up from one folder, notices and answers are put in others. `schakel_adapters::file_drop` translates.
//!
//! A file is claimed by a rename, executed, answered, and only then moved away. A crash between any two of these leaves it claimed; the
//! next start executes it again, and its request id makes that no second effect. Nothing is claimed that a sender can still replace.

mod erased;
mod inbox;
mod notices;

use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schakel_adapters::file_drop::FileDrop;
use schakel_domain::caller::{Caller, Role};
use schakel_domain::id::OrgId;
use schakel_domain::view::Call;
use tokio::time::{Instant, sleep};

pub use inbox::{Scanned, Swept};

use super::{AdapterStatus, Describe, Execute, Feed, Way, folder};

/// Longest pause between two looks after something went wrong.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Pause between two looks at the event sequence when nothing signals.
const QUIET_PAUSE: Duration = Duration::from_secs(30);
/// How often executed and refused files that are old enough are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// How long executed files are kept: they hold care content.
const KEEP_DONE: Duration = Duration::from_secs(24 * 3600);
/// How long refused files and their reasons are kept: they hold care content too, but somebody must still correct them.
const KEEP_REFUSED: Duration = Duration::from_secs(7 * 24 * 3600);

/// How one file drop is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder that holds all others.
    pub folder: PathBuf,
    /// Pause between two looks into `in/`; 1 s by default.
    pub interval: Duration,
    /// Most files taken in one look; 100 by default.
    pub files_per_scan: usize,
    /// Most notices that wait to be read; more stay in the event sequence. 10,000 by default.
    pub unread_notices: usize,
    /// How long executed files are kept in `done/`. One day by default.
    pub keep_done: Duration,
    /// How long refused files and their reasons are kept in `refused/`. Seven days by default.
    pub keep_refused: Duration,
    /// How the adapter is known at the desk and in the log: [`Config::caller_of`].
    pub caller: Caller,
    /// Whom to call when a command is refused or waits.
    pub call: Whom,
}

/// Whom to call: asked each time, as a number may change while the gateway runs.
#[derive(Clone)]
pub struct Whom(Arc<dyn Fn() -> Option<Call> + Send + Sync>);

impl Whom {
    /// Whoever this names at that moment.
    pub fn new(ask: impl Fn() -> Option<Call> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    fn now(&self) -> Option<Call> {
        (self.0)()
    }
}

impl std::fmt::Debug for Whom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Whom")
    }
}

impl Config {
    /// The defaults, for a system of this organisation known as `client`.
    #[must_use]
    pub fn new(folder: PathBuf, organization: OrgId, client: &str) -> Self {
        Self {
            folder,
            interval: Duration::from_secs(1),
            files_per_scan: 100,
            unread_notices: 10_000,
            keep_done: KEEP_DONE,
            keep_refused: KEEP_REFUSED,
            caller: Self::caller_of(organization, client),
            call: Whom::new(|| None),
        }
    }

    /// The caller a file drop is: a system, which does what the person named in each file may do.
    #[must_use]
    pub fn caller_of(organization: OrgId, client: &str) -> Caller {
        Caller {
            organization,
            person: None,
            client: client.to_owned(),
            roles: [Role::System].into(),
            two_factor: false,
            spki: None,
            door: "file-drop",
        }
    }
}

/// Where everything is.
#[derive(Debug, Clone)]
struct Folders {
    inbox: PathBuf,
    work: PathBuf,
    done: PathBuf,
    refused: PathBuf,
    answers: PathBuf,
    notices: PathBuf,
    root: PathBuf,
}

/// The door of one file drop.
pub struct FileDropDoor {
    config: Config,
    adapter: FileDrop,
    folders: Folders,
    execute: Arc<dyn Execute>,
    feed: Arc<dyn Feed>,
    describe: Arc<dyn Describe>,
    status: Arc<AdapterStatus>,
    /// Held as long as the door: two doors on one folder would each take half of a story.
    _lock: File,
}

impl FileDropDoor {
    /// Makes what folders are missing and takes the folder for itself. Blocking; called once at start.
    ///
    /// # Errors
    /// When a folder cannot be made, or another process has this one open.
    pub fn open(
        config: Config,
        execute: Arc<dyn Execute>,
        feed: Arc<dyn Feed>,
        describe: Arc<dyn Describe>,
        status: Arc<AdapterStatus>,
    ) -> io::Result<Self> {
        let root = config.folder.clone();
        let below = |name: &str| root.join(name);
        let folders = Folders {
            inbox: below("in"),
            work: below("work"),
            done: below("done"),
            refused: below("refused"),
            answers: below("out/answers"),
            notices: below("out/notices"),
            root: root.clone(),
        };
        for path in [&folders.inbox, &folders.work, &folders.done, &folders.refused, &folders.answers, &folders.notices] {
            folder::make(path)?;
        }
        let lock = File::options().create(true).truncate(false).write(true).open(folders.work.join(".lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(io::ErrorKind::AddrInUse, "another process has this file drop open"),
            TryLockError::Error(error) => error,
        })?;
        Ok(Self { config, adapter: FileDrop, folders, execute, feed, describe, status, _lock: lock })
    }

    /// Takes commands and tells notices until `stop` ends. May be stopped at any moment without losing or doubling anything.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        for way in [Way::Inward, Way::Outward] {
            self.status.held_up(way, None);
        }
        let (stop, listen, tell) = (pin!(stop), pin!(self.listen()), pin!(self.tell()));
        tokio::select! {
            () = stop => {}
            () = listen => {}
            () = tell => {}
        }
    }

    async fn listen(&self) {
        let mut trouble = Trouble::new(&self.status, Way::Inward, self.config.interval);
        let mut swept: Option<Instant> = None;
        loop {
            let pause = match self.scan().await {
                Ok(scanned) if scanned.waiting > 0 => trouble.grows("commands wait for the store"),
                Ok(scanned) if scanned.more => Duration::ZERO,
                Ok(_) => trouble.over(),
                Err(error) => trouble.grows(&error.to_string()),
            };
            if swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
                swept = Some(Instant::now());
                match self.sweep(since_1970()).await {
                    Ok(Swept { done: 0, refused: 0 }) => {}
                    Ok(Swept { done, refused }) => tracing::info!(done, refused, "file drop: old files were removed"),
                    Err(error) => tracing::warn!(%error, "file drop: old files could not be removed"),
                }
            }
            sleep(pause).await;
        }
    }

    async fn tell(&self) {
        let mut trouble = Trouble::new(&self.status, Way::Outward, self.config.interval);
        let mut signal = self.feed.signal();
        loop {
            signal.mark_unchanged();
            match self.announce().await {
                Err(stalled) => sleep(trouble.grows(&stalled.to_string())).await,
                Ok(_) => {
                    trouble.over();
                    tokio::select! {
                        changed = signal.changed() => if changed.is_err() { sleep(QUIET_PAUSE).await },
                        () = sleep(QUIET_PAUSE) => {}
                    }
                }
            }
        }
    }
}

/// A row of failures: waits longer after each, and is told once, not every second.
struct Trouble<'a> {
    status: &'a AdapterStatus,
    way: Way,
    usual: Duration,
    pause: Duration,
    told: bool,
}

impl<'a> Trouble<'a> {
    fn new(status: &'a AdapterStatus, way: Way, usual: Duration) -> Self {
        Self { status, way, usual, pause: usual, told: false }
    }

    fn what(&self) -> &'static str {
        match self.way {
            Way::Inward => "taking commands",
            Way::Outward => "telling notices",
        }
    }

    /// Notes a failure; how long to wait now. `why` is told once per row of failures and holds no names of files.
    fn grows(&mut self, why: &str) -> Duration {
        if !self.told {
            tracing::error!(what = self.what(), why, "file drop is held up; it goes on trying");
            self.told = true;
        }
        self.status.held_up(self.way, Some(&format!("{}: {why}", self.what())));
        let pause = self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE.max(self.usual));
        pause
    }

    /// Notes that all is well; how long to wait as usual.
    fn over(&mut self) -> Duration {
        if self.told {
            tracing::info!(what = self.what(), "file drop goes on");
            self.status.held_up(self.way, None);
        }
        *self = Self::new(self.status, self.way, self.usual);
        self.usual
    }
}

/// By the clock that stamps files.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests;
