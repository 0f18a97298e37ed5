//! Bounds of what people write and when things happen: one set for every door and for the wire between gateways.
//!
//! What one of our doors takes becomes a message to another gateway, which holds it against these same bounds. A door that took more
//! would make messages that no peer can accept. Bounds of a dossier stand in `dossier.rs`, those of a message in `message.rs`.

use jiff::Timestamp;

/// Longest note, reason or line of a read-back, in characters.
pub const MAX_NOTE: usize = 500;
/// Longest code, name of a service or telephone number, in characters.
pub const MAX_NAME: usize = 64;
/// First and last second of the years 2000 to 2199. Moments outside these are mistakes, and stores keep only some centuries.
const SECONDS: std::ops::RangeInclusive<i64> = 946_684_800..=7_258_118_399;
/// What is said of a moment outside the range.
pub const MOMENT_EXPECTED: &str = "expected a moment in the years 2000 to 2199";

/// Whether a moment lies in the years 2000 to 2199, UTC.
#[must_use]
pub fn is_moment(at: Timestamp) -> bool {
    // A moment before 1970 has negative nanoseconds; those are out of range whatever they are.
    SECONDS.contains(&at.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_moments_ends_with_its_last_second() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();

        assert!(is_moment(at("2000-01-01T00:00:00Z")) && is_moment(at("2199-12-31T23:59:59.999Z")));
        assert!(!is_moment(at("1999-12-31T23:59:59.999Z")) && !is_moment(at("2200-01-01T00:00:00Z")));
    }
}
