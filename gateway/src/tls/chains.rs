//! Chains of certificates, judged at a moment by roots and revocation lists: the library's verifiers, made ready before the first
//! handshake.
//!
//! Three things are added to them. Path building does not look at the dates of a root, so a root that is not valid now is left out.
//! An expired revocation list refuses, unless a grace is set and lasts: then the lists that still count are used without their end.
//! And what is built for such a moment is kept, so that a handshake never parses a list. Neighbours: `trust` adds the identity.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::UnixTime;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error};

use super::material::Anchors;
use super::revocation::Revocation;
use super::{TlsError, provider};

/// Verifiers kept for moments at which not everything is valid: each has its own copy of the lists.
const SPECIAL_MAX: usize = 2;

/// One of the library's verifiers, made from roots and lists.
pub(super) trait Inner: Clone + Send + Sync + 'static {
    /// Makes it: the roots of this moment (seconds since 1970; all when none), the marked lists (all, with their ends, when none).
    fn build(anchors: &Anchors, at: Option<i64>, revocation: &Revocation, marked: Option<&[bool]>) -> Result<Self, String>;
}

macro_rules! inner {
    ($verifier:ty, $builder:ident) => {
        impl Inner for $verifier {
            fn build(anchors: &Anchors, at: Option<i64>, revocation: &Revocation, marked: Option<&[bool]>) -> Result<Self, String> {
                let roots = Arc::new(anchors.store(at)?);
                let lists = revocation.ders(marked);
                if lists.is_empty() && !revocation.is_empty() {
                    return Err("no revocation list counts at this moment".to_owned());
                }
                let mut builder = $builder::builder_with_provider(roots, provider()).with_crls(lists);
                if marked.is_none() {
                    builder = builder.enforce_revocation_expiration();
                }
                builder.build().map(Into::into).map_err(|error| error.to_string())
            }
        }
    };
}

inner!(Arc<dyn ClientCertVerifier>, WebPkiClientVerifier);
inner!(Arc<WebPkiServerVerifier>, WebPkiServerVerifier);

/// What a verifier was made for: which roots are valid, and which lists count when the grace is used.
type Moment = (Vec<bool>, Option<Vec<bool>>);

/// Judges chains.
pub(super) struct Chains<V> {
    anchors: Anchors,
    revocation: Revocation,
    ready: V,
    special: Mutex<Vec<(Moment, V)>>,
}

impl<V: Inner> Chains<V> {
    /// Makes the verifier of the usual case.
    pub(super) fn new(anchors: Anchors, revocation: Revocation) -> Result<Self, TlsError> {
        let ready = V::build(&anchors, None, &revocation, None).map_err(TlsError::Material)?;
        Ok(Self { anchors, revocation, ready, special: Mutex::default() })
    }

    /// The verifier of the usual case: for everything that does not depend on the moment.
    pub(super) fn ready(&self) -> &V {
        &self.ready
    }

    /// Judges by `verify` with the verifier of this moment.
    pub(super) fn judge<T>(&self, now: UnixTime, verify: impl Fn(&V) -> Result<T, Error>) -> Result<T, Error> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let judged = verify(&self.at(now, false)?);
        match judged {
            Err(error) if is_expired_list(&error) && self.revocation.uses_grace(now) => match verify(&self.at(now, true)?) {
                // The list that would speak for it counts no longer either: the first reason is the true one.
                Err(Error::InvalidCertificate(CertificateError::UnknownRevocationStatus)) => Err(error),
                judged => judged,
            },
            judged => judged,
        }
    }

    fn at(&self, now: i64, grace: bool) -> Result<V, Error> {
        if !grace && self.anchors.all_valid(now) {
            return Ok(self.ready.clone());
        }
        let moment: Moment = (self.anchors.valid(now), grace.then(|| self.revocation.in_grace(now)));
        let mut special = self.special.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, made)) = special.iter().find(|(known, _)| *known == moment) {
            return Ok(made.clone());
        }
        let made =
            V::build(&self.anchors, Some(now), &self.revocation, moment.1.as_deref()).map_err(|_| CertificateError::UnknownIssuer)?;
        special.truncate(SPECIAL_MAX - 1);
        special.insert(0, (moment, made.clone()));
        Ok(made)
    }
}

fn is_expired_list(error: &Error) -> bool {
    use CertificateError::{ExpiredRevocationList, ExpiredRevocationListContext};
    matches!(error, Error::InvalidCertificate(ExpiredRevocationList | ExpiredRevocationListContext { .. }))
}
