//! The closed loop: so many callers, each starting its next piece of work when the last one is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::machine::cpu_of;

/// Longest wait for one piece of work; one that needs it has gone wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much is asked, for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Load {
    /// Callers.
    pub(super) in_flight: usize,
    /// Before counting starts, in milliseconds.
    pub(super) warm_ms: u64,
    /// Counted, in milliseconds.
    pub(super) measure_ms: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    /// Pieces of work finished per second.
    pub(super) per_s: f64,
    /// Median time of one, in milliseconds.
    pub(super) p50_ms: f64,
    /// 99 of 100 took no longer, in milliseconds.
    pub(super) p99_ms: f64,
    /// CPU time of all processes that took part, per piece of work, in microseconds.
    pub(super) cpu_us: f64,
}

/// One kind of work.
pub(super) trait Work: Send + Sync + 'static {
    /// What a piece needs that is not part of it: nothing, mostly. Not counted in the time it takes.
    fn prepare(&self) -> BoxFuture<'_, Result<String, anyhow::Error>> {
        Box::pin(std::future::ready(Ok(String::new())))
    }

    /// One piece, from its beginning to its durable end.
    fn piece(&self, prepared: String) -> BoxFuture<'_, Result<(), anyhow::Error>>;
}

/// Runs it. Pieces that end within the measured time count; on a machine so slow that none does, those that were then under way.
///
/// # Errors
/// What the first piece that failed says; a rate of failures means nothing.
pub(super) async fn closed_loop(load: Load, pids: &[u32], work: Arc<dyn Work>) -> Result<Sample, anyhow::Error> {
    let from = Instant::now() + Duration::from_millis(load.warm_ms);
    let until = from + Duration::from_millis(load.measure_ms);
    let mut callers = JoinSet::new();
    for _ in 0..load.in_flight {
        callers.spawn(caller(Arc::clone(&work), from, until));
    }
    tokio::time::sleep_until(from.into()).await;
    let before = cpu_of(pids);
    tokio::time::sleep_until(until.into()).await;
    let mut cpu = cpu_of(pids).saturating_sub(before);
    let mut done = Vec::new();
    while let Some(pieces) = callers.join_next().await {
        done.extend(pieces??);
    }
    let mut measured = until - from;
    let mut took: Vec<Duration> = done.iter().filter(|(_, end)| *end < until).map(|(start, end)| *end - *start).collect();
    if took.is_empty() {
        took = done.iter().map(|(start, end)| *end - *start).collect();
        measured = done.iter().map(|(_, end)| *end - from).max().unwrap_or(measured);
        cpu = cpu_of(pids).saturating_sub(before);
    }
    took.sort_unstable();
    anyhow::ensure!(!took.is_empty(), "nothing was done");
    let count = took.len() as f64;
    Ok(Sample {
        per_s: count / measured.as_secs_f64(),
        p50_ms: quantile(&took, 0.50),
        p99_ms: quantile(&took, 0.99),
        cpu_us: cpu.as_secs_f64() * 1e6 / count,
    })
}

/// Beginning and end of each piece that ended after `from`; the last ends after `until`.
async fn caller(work: Arc<dyn Work>, from: Instant, until: Instant) -> Result<Vec<(Instant, Instant)>, anyhow::Error> {
    let mut done = Vec::new();
    loop {
        let prepared = work.prepare().await?;
        let start = Instant::now();
        let finished = tokio::time::timeout(PATIENCE, work.piece(prepared)).await;
        finished.map_err(|_| anyhow::anyhow!("not finished within {} s", PATIENCE.as_secs()))??;
        let end = Instant::now();
        if end >= from {
            done.push((start, end));
        }
        if end >= until {
            return Ok(done);
        }
    }
}

/// In milliseconds; `sorted` is not empty.
fn quantile(sorted: &[Duration], part: f64) -> f64 {
    let at = (sorted.len() as f64 * part).ceil() as usize;
    sorted[at.clamp(1, sorted.len()) - 1].as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let hundred: Vec<_> = (1..=100).map(Duration::from_millis).collect();

        assert_eq!((quantile(&hundred, 0.50), quantile(&hundred, 0.99)), (50.0, 99.0));
        assert_eq!(quantile(&hundred[..1], 0.99), 1.0);
    }

    struct Slow;

    impl Work for Slow {
        fn piece(&self, _: String) -> BoxFuture<'_, Result<(), anyhow::Error>> {
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Ok(())
            })
        }
    }

    #[tokio::test]
    async fn a_piece_that_takes_longer_than_is_measured_is_still_seen() {
        let load = Load { in_flight: 4, warm_ms: 1, measure_ms: 10 };

        let sample = closed_loop(load, &[std::process::id()], Arc::new(Slow)).await.unwrap();

        assert!(sample.p50_ms >= 200.0 && sample.per_s > 0.0, "{sample:?}");
    }
}
