//! What of one peer's queue is sent now, and what waits its turn. Pure: it is told the time and remembers only numbers.
//!
//! Rows are read in the order of their numbers. When the peer answers LATER, that message's thread is held: its rows wait here while
//! other threads flow, and after a while the lowest of them alone is tried (the probe). An accepted message frees its thread.
//! Order within a thread is that of its sequence, not of the numbers: the void of a parked message has a higher number than the
//! messages it must precede.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

/// More held threads than this means that the peer as a whole cannot take messages now.
pub(super) const MAX_HELD: usize = 1_024;

/// The place of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) thread: String,
    pub(super) seq: u64,
}

/// The state of one peer's queue in one run of the gateway.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Everything up to this number was read.
    cursor: u64,
    /// Rows to be sent before any new one is read.
    again: BTreeSet<u64>,
    held: HashMap<String, Hold>,
}

/// A thread that waits.
#[derive(Debug)]
struct Hold {
    /// When the probe goes.
    until: Instant,
    /// Probes that failed in a row, from 1.
    attempts: u32,
    /// Its rows: sequence to number.
    rows: BTreeMap<u64, u64>,
    /// The row that is tried now.
    probe: Option<u64>,
}

impl Line {
    /// Begins to read anew, as after a lost connection: what was under way is not known. Threads stay held.
    pub(super) fn restart(&mut self) {
        self.cursor = 0;
        self.again.clear();
        for hold in self.held.values_mut() {
            hold.rows.clear();
            hold.probe = None;
        }
    }

    /// Where to read on.
    pub(super) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Takes notice of a row that was read. True: send it now.
    pub(super) fn read(&mut self, row: &Place, now: Instant) -> bool {
        self.cursor = self.cursor.max(row.number);
        let Some(hold) = self.held.get_mut(&row.thread) else { return true };
        // What comes before everything that waits is what the peer misses: a void, most likely.
        let precedes = hold.rows.first_key_value().is_some_and(|(seq, _)| row.seq <= *seq);
        hold.rows.insert(row.seq, row.number);
        if precedes {
            hold.until = now;
        }
        false
    }

    /// The next row to send again.
    pub(super) fn next_again(&self) -> Option<u64> {
        self.again.first().copied()
    }

    /// A row of [`Line::next_again`] is under way.
    pub(super) fn sent_again(&mut self, number: u64) {
        self.again.remove(&number);
    }

    /// A row of [`Line::next_again`] no longer waits in the store: it was cancelled.
    pub(super) fn gone(&mut self, number: u64, now: Instant) {
        self.again.remove(&number);
        if let Some(hold) = self.held.values_mut().find(|hold| hold.probe == Some(number)) {
            hold.probe = None;
            hold.until = now;
        }
    }

    /// The peer accepted a message of this thread: everything that waited goes on.
    pub(super) fn accepted(&mut self, row: &Place) {
        if let Some(hold) = self.held.remove(&row.thread) {
            self.again.extend(hold.rows.into_values());
        }
    }

    /// The peer refused a message for good; the rest of its thread goes on after the void that takes its place.
    pub(super) fn refused(&mut self, row: &Place, now: Instant, wait: Duration) {
        if let Some(hold) = self.held.get_mut(&row.thread).filter(|hold| hold.probe == Some(row.number)) {
            hold.probe = None;
            hold.until = now + wait;
        }
    }

    /// The peer cannot take this message now. Only the first of a thread, and its probe, count as an attempt: what came behind it was
    /// refused for being out of order.
    pub(super) fn later(&mut self, row: &Place, now: Instant, wait: impl FnOnce(u32) -> Duration) {
        let fresh = || Hold { until: now, attempts: 0, rows: BTreeMap::new(), probe: None };
        let hold = self.held.entry(row.thread.clone()).or_insert_with(fresh);
        if hold.attempts == 0 || hold.probe == Some(row.number) {
            hold.attempts = hold.attempts.saturating_add(1);
            hold.until = now + wait(hold.attempts);
            hold.probe = None;
        }
        hold.rows.insert(row.seq, row.number);
    }

    /// Lets the probe of every thread go whose time has come.
    pub(super) fn release(&mut self, now: Instant) {
        for hold in self.held.values_mut().filter(|hold| hold.probe.is_none() && hold.until <= now) {
            if let Some((_, number)) = hold.rows.pop_first() {
                hold.probe = Some(number);
                self.again.insert(number);
            }
        }
    }

    /// When [`Line::release`] has something to do.
    pub(super) fn next_release(&self) -> Option<Instant> {
        self.held.values().filter(|hold| hold.probe.is_none() && !hold.rows.is_empty()).map(|hold| hold.until).min()
    }

    /// Everything that is held may be tried now, and its waits begin anew.
    pub(super) fn hurry(&mut self, now: Instant) {
        for hold in self.held.values_mut() {
            hold.until = now;
            hold.attempts = hold.attempts.min(1);
        }
    }

    /// Everything was read and nothing is under way: forgets threads whose rows are all gone.
    pub(super) fn settle(&mut self, now: Instant) {
        self.held.retain(|_, hold| hold.probe.is_some() || !hold.rows.is_empty() || hold.until > now);
    }

    /// How many threads are held.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u64, thread: &str, seq: u64) -> Place {
        Place { number, thread: thread.to_owned(), seq }
    }

    fn seconds(attempts: u32) -> Duration {
        Duration::from_secs(attempts.into())
    }

    fn take(line: &mut Line) -> Vec<u64> {
        std::iter::from_fn(|| line.next_again().inspect(|number| line.sent_again(*number))).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_thread_waits_and_others_flow() {
        let (mut line, now) = (Line::default(), Instant::now());
        assert!(line.read(&row(1, "a", 1), now));

        line.later(&row(1, "a", 1), now, seconds);

        assert!(!line.read(&row(2, "a", 2), now));
        assert!(line.read(&row(3, "b", 1), now));
        assert_eq!(line.next_release(), Some(now + seconds(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_goes_first_and_its_acceptance_frees_the_rest() {
        let (mut line, now) = (Line::default(), Instant::now());
        for number in 1..=3 {
            line.later(&row(number, "a", number), now, seconds);
        }

        line.release(now);
        assert!(take(&mut line).is_empty());
        line.release(now + seconds(1));
        assert_eq!(take(&mut line), [1]);
        line.accepted(&row(1, "a", 1));

        assert_eq!(take(&mut line), [2, 3]);
        assert_eq!(line.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_probe_lengthens_the_wait() {
        let (mut line, now) = (Line::default(), Instant::now());
        line.later(&row(1, "a", 1), now, seconds);
        line.later(&row(2, "a", 2), now, seconds);
        assert_eq!(line.next_release(), Some(now + seconds(1)));

        line.release(now + seconds(1));
        line.later(&row(1, "a", 1), now + seconds(1), seconds);

        assert_eq!(line.next_release(), Some(now + seconds(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_void_of_a_parked_message_goes_before_what_waits_behind_it() {
        let (mut line, now) = (Line::default(), Instant::now());
        line.refused(&row(1, "a", 1), now, seconds(1));
        line.later(&row(2, "a", 2), now, seconds);

        assert!(!line.read(&row(9, "a", 1), now));
        line.release(now);

        assert_eq!(take(&mut line), [9]);
        line.accepted(&row(9, "a", 1));
        assert_eq!(take(&mut line), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_probe_gives_way_to_the_next_row() {
        let (mut line, now) = (Line::default(), Instant::now());
        line.later(&row(1, "a", 1), now, seconds);
        line.later(&row(2, "a", 2), now, seconds);
        line.release(now + seconds(1));

        line.gone(1, now + seconds(1));
        line.release(now + seconds(1));

        assert_eq!(take(&mut line), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_reads_anew_and_keeps_threads_held() {
        let (mut line, now) = (Line::default(), Instant::now());
        line.read(&row(1, "a", 1), now);
        line.later(&row(1, "a", 1), now, seconds);

        line.restart();

        assert_eq!(line.cursor(), 0);
        assert!(!line.read(&row(1, "a", 1), now));
        line.settle(now + seconds(9));
        assert_eq!(line.held(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_thread_whose_rows_are_gone_is_forgotten() {
        let (mut line, now) = (Line::default(), Instant::now());
        line.later(&row(1, "a", 1), now, seconds);

        line.restart();
        line.settle(now + seconds(9));

        assert_eq!(line.held(), 0);
    }
}
