//! How long to wait before the next attempt: doubling from 1 s to 60 s with full jitter, for ever.

use std::sync::Arc;
use std::time::Duration;

/// A number from 0 up to but not including 1.
pub type Random = Arc<dyn Fn() -> f64 + Send + Sync>;

/// Ceiling of the first wait.
pub(super) const FIRST: Duration = Duration::from_secs(1);
/// Ceiling of every later wait.
pub(super) const LONGEST: Duration = Duration::from_secs(60);
/// No wait is shorter, whatever the jitter: a refused connection must not become a busy loop.
const SHORTEST: Duration = Duration::from_millis(100);

/// The wait after so many failed attempts in a row, from 1.
pub(super) fn delay(attempts: u32, random: &Random) -> Duration {
    let doublings = attempts.saturating_sub(1).min(6);
    let ceiling = (FIRST * 2_u32.pow(doublings)).min(LONGEST);
    ceiling.mul_f64(random().clamp(0.0, 1.0)).max(SHORTEST)
}

/// Randomness of the operating system.
#[must_use]
pub fn system_random() -> Random {
    Arc::new(|| {
        let mut bytes = [0; 4];
        // Without randomness every wait is the longest it may be: safe, and the operating system has larger problems.
        if aws_lc_rs::rand::fill(&mut bytes).is_err() {
            return 1.0;
        }
        f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_to_a_minute_and_stays_there() {
        let longest: Random = Arc::new(|| 1.0);

        let waits: Vec<_> = (1..=9).chain([u32::MAX]).map(|attempts| delay(attempts, &longest).as_secs()).collect();

        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn the_jitter_is_full_and_never_becomes_a_busy_loop() {
        let (none, half): (Random, Random) = (Arc::new(|| 0.0), Arc::new(|| 0.5));

        assert_eq!(delay(5, &half), Duration::from_secs(8));
        assert_eq!(delay(5, &none), SHORTEST);
        assert!((0..1_000).map(|_| system_random()()).all(|number| (0.0..1.0).contains(&number)));
    }
}
