//! Tokens that were found good lately. A token comes with every call of its holder, and checking its signature is the dearest thing that a
//! call costs; the same bytes were made by the same key however often they come.
//!
//! Only good tokens are kept, by the SHA-256 of their bytes, beside the keys they were checked with: they count while their issuer has
//! those. When a token counts is judged at every call.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use schakel_domain::id::Hash;

use super::No;
use super::token::{self, By, Issuer, Verified};

/// Tokens kept at most; with one more it begins anew.
const MOST: usize = 1_024;

/// Issuers, and tokens of theirs.
#[derive(Debug)]
pub(super) struct Issuers {
    issuers: Vec<Issuer>,
    known: Mutex<HashMap<Hash, (Verified, By)>>,
}

impl Issuers {
    pub(super) fn new(issuers: Vec<Issuer>) -> Self {
        Self { issuers, known: Mutex::default() }
    }

    /// What a good token says.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, No> {
        let key = Hash::sha256(token.as_bytes());
        if let Some(known) = self.known(&key, now) {
            return Ok(known);
        }
        let (verified, by) = token::verify(&self.issuers, token, now)?;
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, (verified.clone(), by));
        Ok(verified)
    }

    /// Within its time, and without the leeway that clocks get: at its edges a token is checked as if it came for the first time.
    fn known(&self, key: &Hash, now: Timestamp) -> Option<Verified> {
        let all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, by) = all.get(key)?;
        let in_time = known.from <= now && known.until.is_some_and(|until| now < until);
        let same_keys = self.issuers.get(by.issuer).is_some_and(|issuer| issuer.still_has(&by.keys, now));
        (in_time && same_keys).then(|| known.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::tests::kit::Provider;

    fn issuers(provider: &Provider) -> Issuers {
        Issuers::new(vec![Issuer::new(&provider.config(), &provider.jwks()).unwrap()])
    }

    #[test]
    fn a_token_counts_again_within_its_time_alone() {
        let (provider, now) = (Provider::new(), Timestamp::now());
        let token = provider.sign(&Provider::header(), &Provider::claims());
        let (issuers, key) = (issuers(&provider), Hash::sha256(token.as_bytes()));
        assert!(issuers.known(&key, now).is_none());

        let first = issuers.verify(&token, now).unwrap();

        let until = first.until.unwrap();
        assert_eq!(issuers.known(&key, now).unwrap().person, first.person);
        assert!(issuers.known(&key, until).is_none(), "it has ended");
        assert!(issuers.known(&key, first.from - jiff::SignedDuration::from_secs(1)).is_none(), "the clock was put back");
    }

    #[test]
    fn a_token_that_is_refused_is_refused_again() {
        let (provider, stranger) = (Provider::new(), Provider::new());
        let issuers = issuers(&provider);
        let token = stranger.sign(&Provider::header(), &Provider::claims());

        assert!(issuers.verify(&token, Timestamp::now()).is_err());
        assert!(issuers.verify(&token, Timestamp::now()).is_err());
        assert!(issuers.known.lock().unwrap().is_empty());
    }

    #[test]
    fn no_more_tokens_are_kept_than_there_is_room_for() {
        let provider = Provider::new();
        let issuers = issuers(&provider);
        let token = provider.sign(&Provider::header(), &Provider::claims());
        issuers.verify(&token, Timestamp::now()).unwrap();
        let good = issuers.known.lock().unwrap()[&Hash::sha256(token.as_bytes())].clone();

        let rows = (0..MOST).map(|at| (Hash::sha256(&at.to_be_bytes()), good.clone()));
        *issuers.known.lock().unwrap() = rows.collect();
        issuers.verify(&provider.sign(&Provider::header(), &Provider::claims()), Timestamp::now()).unwrap();

        assert_eq!(issuers.known.lock().unwrap().len(), 1);
    }
}
