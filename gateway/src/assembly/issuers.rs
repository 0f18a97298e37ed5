//! Keeps the keys of identity providers that publish them at an address: fetched in the background, on schedule and when a token names a key
//! that is not there; never in a call.
//!
//! One task per address is all the flights there are. What cannot be fetched or used leaves the keys of before in force for a named time;
//! people are told when that begins to matter, when it ends, and when it is over. Neighbours: `fetch` connects, `doors::caller::keys` holds.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::config::FetchedKeys;
use crate::desk::Desk;
use crate::desk::issuer_keys::IssuerState;
use crate::doors::caller;
use crate::doors::caller::keys::{KeySet, Keys, MAX_JWKS_BYTES, Others};
use crate::fetch::Fetch;
use crate::supervisor::Supervisor;

/// After a failure it is tried again this soon, or at the next refresh when that is sooner.
const RETRY: Duration = Duration::from_secs(30);
/// Tokens that name unknown keys make us ask once in this time, however many they are; or as often as the schedule when that is more.
const ASK_GAP: Duration = Duration::from_secs(30);
/// Failures in a row after which people are told although the keys of before still count.
const ALARM_AFTER: u32 = 3;
/// How long the start waits for the first answers: a door that opens without keys refuses every token.
const FIRST: Duration = Duration::from_secs(3);

/// The addresses that are kept, each once, however many doors accept its tokens.
pub(super) struct Issuers {
    desk: Arc<Desk>,
    kept: Vec<(FetchedKeys, Arc<Keys>, Fetch)>,
}

impl Issuers {
    pub(super) fn new(desk: &Arc<Desk>) -> Self {
        Self { desk: Arc::clone(desk), kept: Vec::new() }
    }

    /// The keys at this address.
    pub(super) fn keys(&mut self, settings: FetchedKeys, clock: crate::tls::Clock) -> Arc<Keys> {
        if let Some((_, keys, _)) = self.kept.iter().find(|(known, ..)| *known == settings) {
            return Arc::clone(keys);
        }
        let (keys, fetch) = (Keys::fetched(settings.usable), settings.fetch(clock));
        self.kept.push((settings, Arc::clone(&keys), fetch));
        keys
    }

    /// Begins to keep them, and gives the first answers a little time.
    pub(super) async fn start(self, tasks: &mut Supervisor) {
        let mut first = Vec::new();
        for (settings, keys, fetch) in self.kept {
            let (tried, seen) = watch::channel(false);
            let keeper =
                Keeper { settings, keys, fetch, desk: Arc::clone(&self.desk), asked: None, failures: 0, told: IssuerState::Reached };
            tasks.spawn("keys of an issuer", keeper.run(tried));
            first.push(seen);
        }
        let all = async {
            for mut seen in first {
                // An error means that the gateway stops.
                let _ended = seen.wait_for(|tried| *tried).await;
            }
        };
        if tokio::time::timeout(FIRST, all).await.is_err() {
            tracing::warn!("an identity provider has not answered yet; its tokens are refused until it does");
        }
    }
}

struct Keeper {
    settings: FetchedKeys,
    keys: Arc<Keys>,
    fetch: Fetch,
    desk: Arc<Desk>,
    /// When a token made us ask last.
    asked: Option<Instant>,
    failures: u32,
    /// What people were told last.
    told: IssuerState,
}

impl Keeper {
    async fn run(mut self, tried: watch::Sender<bool>) {
        loop {
            let began = Instant::now();
            let outcome = self.refresh().await;
            let wait = if outcome.is_ok() { self.settings.refresh } else { self.settings.refresh.min(RETRY) };
            self.tell(outcome).await;
            tried.send_replace(true);
            tokio::select! {
                () = sleep_until(began + wait) => {}
                () = self.asked() => self.asked = Some(Instant::now()),
            }
        }
    }

    /// A token named a key that is not here, and the last time that one made us ask is long enough ago.
    async fn asked(&self) {
        self.keys.wanted().await;
        if let Some(last) = self.asked {
            sleep_until(last + ASK_GAP.min(self.settings.refresh)).await;
        }
    }

    /// One fetch; whether the keys are others than before.
    async fn refresh(&self) -> Result<bool, String> {
        let algorithm = caller::algorithm(&self.settings.algorithm)?;
        let jwks = self.fetch.get(MAX_JWKS_BYTES).await.map_err(|error| error.to_string())?;
        let set = KeySet::parse(&jwks, algorithm, Others::Ignore)?;
        // By the clock by which tokens are judged.
        Ok(self.keys.put(set, Timestamp::now()))
    }

    async fn tell(&mut self, outcome: Result<bool, String>) {
        let issuer = self.settings.issuer.clone();
        let now = match outcome {
            Ok(changed) => {
                self.failures = 0;
                if changed {
                    tracing::info!(issuer, "new keys of an identity provider are in force");
                    self.say(&issuer, IssuerState::Changed).await;
                }
                IssuerState::Reached
            }
            Err(why) => {
                self.failures = self.failures.saturating_add(1);
                let until = self.keys.until().map(|until| until.to_string()).unwrap_or_default();
                tracing::warn!(issuer, why, failures = self.failures, until, "the keys of an identity provider cannot be refreshed");
                match self.keys.count(Timestamp::now()) {
                    false => IssuerState::Refusing,
                    true if self.failures >= ALARM_AFTER => IssuerState::Unreachable,
                    true => self.told,
                }
            }
        };
        if now != self.told && self.say(&issuer, now).await {
            self.told = now;
        }
    }

    /// Whether it could be written; if not, it is said after the next fetch.
    async fn say(&self, issuer: &str, state: IssuerState) -> bool {
        let said = self.desk.issuer_told(issuer, state).await;
        if let Err(refusal) = &said {
            tracing::error!(refusal = %refusal, issuer, "how an identity provider stands could not be logged");
        }
        said.is_ok()
    }
}
