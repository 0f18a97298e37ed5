//! SOURCE: the one place where time and randomness are taken from the machine; everything else is given them.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use jiff::Timestamp;
use uuid::Uuid;

use crate::desk::Source;

/// The machine's own clock and random numbers.
#[derive(Debug, Default)]
pub struct SystemSource(SystemRandom);

impl SystemSource {
    fn fill<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        // Without randomness no key or id is safe: there is nothing sensible left to do.
        self.0.fill(&mut bytes).expect("the system's random numbers are there once the process runs");
        bytes
    }
}

impl Source for SystemSource {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &self.fill()).into_uuid()
    }

    fn salt(&self) -> [u8; 32] {
        self.fill()
    }
}
