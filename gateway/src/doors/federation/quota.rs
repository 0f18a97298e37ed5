//! How much one peer may send: a bucket of tokens for its messages, one for those that are refused, one for calls about documents.
//!
//! A peer within its covenant never meets these bounds: a region's busiest night is some messages a second, and a day's backlog fits the
//! burst. Whoever expects more of its peers says so in `limits.messages_per_second`. What is refused leaves an entry in the log for ever, so a peer that is refused again and again is slowed down the most.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use schakel_domain::id::OrgId;
use schakel_domain::refusal::{Reason, Refusal, Stage};
use tokio::time::Instant;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Use {
    /// Messages, whatever becomes of them.
    Messages,
    /// Messages that were refused.
    Refusals,
    /// Calls about covenants and party records.
    Documents,
}

/// Messages that a peer may send each second, unless the configuration says otherwise.
pub(super) const MESSAGES_PER_SECOND: u32 = 2_000;
/// The messages of so many seconds may come at once: what a peer could not deliver in a day.
const BURST_SECONDS: f64 = 10.0;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// Every peer's buckets. Peers are parties of covenants, so there are few.
#[derive(Debug)]
pub(super) struct Quotas {
    messages_per_second: f64,
    buckets: Mutex<HashMap<(OrgId, Use), Bucket>>,
}

impl Quotas {
    /// Full buckets for everybody.
    pub(super) fn new(messages_per_second: u32) -> Self {
        Self { messages_per_second: f64::from(messages_per_second), buckets: Mutex::default() }
    }

    /// Tokens at most, and tokens back each second.
    fn bounds(&self, of: Use) -> (f64, f64) {
        match of {
            Use::Messages => (self.messages_per_second * BURST_SECONDS, self.messages_per_second),
            Use::Refusals => (2_000.0, 10.0),
            Use::Documents => (500.0, 5.0),
        }
    }

    fn with<T>(&self, peer: &OrgId, of: Use, now: Instant, change: impl FnOnce(&mut f64) -> T) -> T {
        let (most, back) = self.bounds(of);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry((peer.clone(), of)).or_insert(Bucket { tokens: most, at: now });
        bucket.tokens = most.min(bucket.tokens + now.saturating_duration_since(bucket.at).as_secs_f64() * back);
        bucket.at = now;
        change(&mut bucket.tokens)
    }

    /// Takes tokens, or says no and takes none.
    pub(super) fn take(&self, peer: &OrgId, of: Use, count: usize) -> Result<(), Refusal> {
        let wanted = as_tokens(count);
        let taken = self.with(peer, of, Instant::now(), |tokens| {
            let enough = *tokens >= wanted;
            if enough {
                *tokens -= wanted;
            }
            enough
        });
        if taken { Ok(()) } else { Err(self.exhausted(of)) }
    }

    /// Whether any token is left.
    pub(super) fn check(&self, peer: &OrgId, of: Use) -> Result<(), Refusal> {
        if self.with(peer, of, Instant::now(), |tokens| *tokens >= 1.0) { Ok(()) } else { Err(self.exhausted(of)) }
    }

    /// Takes tokens for what has happened already, as far as there are any.
    pub(super) fn spend(&self, peer: &OrgId, of: Use, count: usize) {
        self.with(peer, of, Instant::now(), |tokens| *tokens = (*tokens - as_tokens(count)).max(0.0));
    }

    fn exhausted(&self, of: Use) -> Refusal {
        let what = match of {
            Use::Messages => "messages",
            Use::Refusals => "messages that are refused",
            Use::Documents => "calls about documents",
        };
        let (most, back) = self.bounds(of);
        Refusal::new(Stage::Door, Reason::RateLimited).because(format!("at most {most} {what}, and {back} more each second"))
    }
}

fn as_tokens(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_empties_and_fills_for_each_peer_alone() {
        let quotas = Quotas::new(MESSAGES_PER_SECOND);
        let (a, b): (OrgId, OrgId) = ("ura:90000001".parse().unwrap(), "ura:90000002".parse().unwrap());

        assert_eq!(quotas.take(&a, Use::Messages, 20_001).unwrap_err().reason, Reason::RateLimited);
        quotas.take(&a, Use::Messages, 20_000).unwrap();
        assert!(quotas.take(&a, Use::Messages, 1).is_err());
        quotas.take(&b, Use::Messages, 20_000).unwrap();
        quotas.take(&a, Use::Refusals, 1).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        quotas.take(&a, Use::Messages, 2_000).unwrap();
        assert!(quotas.check(&a, Use::Messages).is_err());
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert!(quotas.take(&a, Use::Messages, 20_001).is_err(), "never more than a burst");
        quotas.spend(&a, Use::Refusals, 1_000_000);
        assert!(quotas.check(&a, Use::Refusals).is_err());
        tokio::time::advance(Duration::from_secs(1)).await;
        quotas.check(&a, Use::Refusals).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_organisation_chooses_how_much_its_peers_may_send() {
        let quotas = Quotas::new(3);
        let peer: OrgId = "ura:90000001".parse().unwrap();
        quotas.take(&peer, Use::Messages, 30).unwrap();
        let refusal = quotas.take(&peer, Use::Messages, 1).unwrap_err();
        assert!(refusal.detail.contains("at most 30 messages, and 3 more"), "{refusal:?}");
        tokio::time::advance(Duration::from_secs(1)).await;
        quotas.take(&peer, Use::Messages, 3).unwrap();
    }
}
