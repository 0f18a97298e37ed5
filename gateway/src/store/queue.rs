//! QUEUE: one task owns the writing connection; commits arrive by a bounded channel and are written in groups.
//!
//! A caller that stops waiting only drops its end of the answer: the commit is written or not, but never half, and a transaction is never
//! left open. (Measured with sqlx 0.9 on PostgreSQL: a future dropped while it begins a transaction loses acknowledged writes later.)

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::{Commit, Committed, MAX_COMMIT_BYTES, StoreError, group};

/// Commits in one group at most.
const GROUP_COMMITS: usize = 128;
/// Bytes after which a group is not filled further.
const GROUP_BYTES: usize = 2 * MAX_COMMIT_BYTES;
/// Commits waiting to be grouped; callers wait for room beyond it.
const QUEUE: usize = 1_024;

/// The answer to one commit.
pub(super) type Answer = Result<Committed, StoreError>;

/// What writes groups: one connection, owned by the queue's task.
pub(super) trait Writer: Send + 'static {
    /// Writes a group in one transaction; answers one by one, in order, after it is durable.
    fn group<'a>(&'a mut self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<Answer>>;
    /// Whether a commit would be possible.
    fn ready(&mut self) -> BoxFuture<'_, Result<(), StoreError>>;
    /// After a group was answered; `idle` when no job waits.
    fn tidy(&mut self, idle: bool) -> BoxFuture<'_, ()>;
    /// Lets go of the connection.
    fn close(self) -> BoxFuture<'static, ()>;
}

enum Job {
    Commit(Box<Commit>, oneshot::Sender<Answer>),
    Ready(oneshot::Sender<Result<(), StoreError>>),
    Close(oneshot::Sender<()>),
}

/// The callers' end.
#[derive(Debug)]
pub(super) struct Queue {
    jobs: mpsc::Sender<Job>,
    closing: AtomicBool,
}

impl Queue {
    /// Starts the writer's task. It ends after [`Queue::close`] or when the queue is dropped.
    pub(super) fn start(writer: impl Writer) -> Self {
        let (jobs, incoming) = mpsc::channel(QUEUE);
        tokio::spawn(run(writer, incoming));
        Self { jobs, closing: AtomicBool::new(false) }
    }

    pub(super) async fn commit(&self, commit: Commit) -> Answer {
        group::check(&commit)?;
        self.ask(|answer| Job::Commit(Box::new(commit), answer)).await?
    }

    pub(super) async fn ready(&self) -> Result<(), StoreError> {
        self.ask(Job::Ready).await?
    }

    /// Waits until the writer's task ended by itself, which only a panic makes it do: nothing can be committed any more.
    pub(super) async fn ended(&self) -> String {
        self.jobs.closed().await;
        if self.closing.load(Ordering::Acquire) {
            return std::future::pending().await;
        }
        "the store's writer stopped".to_owned()
    }

    pub(super) async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        // An error means that it was closed before.
        let _closed = self.ask(Job::Close).await;
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(job(answer)).await.map_err(|_| StoreError::Unavailable("the store is closed".to_owned()))?;
        answered.await.map_err(|_| StoreError::Unavailable("the writer stopped before it answered: the outcome is unknown".to_owned()))
    }
}

async fn run(mut writer: impl Writer, mut jobs: mpsc::Receiver<Job>) {
    let mut closers = Vec::new();
    while let Some(first) = jobs.recv().await {
        let mut round = Round::default();
        round.add(first);
        while round.has_room() {
            let Ok(job) = jobs.try_recv() else { break };
            round.add(job);
        }
        if !round.commits.is_empty() {
            for (answer, to) in writer.group(&round.commits).await.into_iter().zip(round.answers) {
                // The caller may have stopped waiting: the commit stands.
                let _gone = to.send(answer);
            }
        }
        for to in round.ready {
            let _gone = to.send(writer.ready().await);
        }
        if !round.closers.is_empty() {
            jobs.close();
            closers.append(&mut round.closers);
        }
        writer.tidy(jobs.is_empty()).await;
    }
    writer.close().await;
    for to in closers {
        let _gone = to.send(());
    }
}

/// What was in the queue at one moment.
#[derive(Default)]
struct Round {
    commits: Vec<Commit>,
    answers: Vec<oneshot::Sender<Answer>>,
    bytes: usize,
    ready: Vec<oneshot::Sender<Result<(), StoreError>>>,
    closers: Vec<oneshot::Sender<()>>,
}

impl Round {
    fn add(&mut self, job: Job) {
        match job {
            Job::Commit(commit, answer) => {
                self.bytes += group::size(&commit);
                self.commits.push(*commit);
                self.answers.push(answer);
            }
            Job::Ready(answer) => self.ready.push(answer),
            Job::Close(answer) => self.closers.push(answer),
        }
    }

    fn has_room(&self) -> bool {
        self.commits.len() < GROUP_COMMITS && self.bytes < GROUP_BYTES && self.ready.len() < GROUP_COMMITS
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// Panics over its first group.
    struct Broken;

    impl Writer for Broken {
        fn group<'a>(&'a mut self, _commits: &'a [Commit]) -> BoxFuture<'a, Vec<Answer>> {
            panic!("a fault of ours");
        }

        fn ready(&mut self) -> BoxFuture<'_, Result<(), StoreError>> {
            Box::pin(std::future::ready(Ok(())))
        }

        fn tidy(&mut self, _idle: bool) -> BoxFuture<'_, ()> {
            Box::pin(std::future::ready(()))
        }

        fn close(self) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    #[tokio::test]
    async fn a_writer_that_panicked_is_told_of_and_one_that_was_closed_is_not() {
        let broken = Queue::start(Broken);
        assert!(broken.ended().now_or_never().is_none());
        assert!(broken.commit(Commit::default()).await.is_err());
        assert_eq!(broken.ended().await, "the store's writer stopped");

        let closed = Queue::start(Broken);
        closed.close().await;
        assert!(closed.ended().now_or_never().is_none());
    }
}
