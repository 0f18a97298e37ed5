//! When certificates end: our own chains, the CAs we trust, and every certificate that peers have shown. For alarms long before.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use schakel_domain::id::{Hash, OrgId};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Most organisations of which chains are remembered.
const ORGANIZATIONS_MAX: usize = 1024;
/// Most certificates remembered of one chain.
const CHAIN_MAX: usize = 8;
/// Longest name of a certificate, in characters.
const NAME_MAX: usize = 120;

/// Which place a certificate has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A gateway's or system's own.
    Leaf,
    /// Between it and the root.
    Intermediate,
    /// A CA we trust.
    Root,
}

impl Place {
    /// For events and screens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Place::Leaf => "certificate",
            Place::Intermediate => "intermediate",
            Place::Root => "root",
        }
    }
}

/// One certificate and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Its place in the chain.
    pub place: Place,
    /// Its subject; empty in certificates that only have alternative names.
    pub subject: String,
    /// SHA-256 of the certificate.
    pub thumbprint: Hash,
    /// Its last moment.
    pub not_after: Timestamp,
}

/// The ends of a chain, leaf first.
pub(super) fn of_chain<'a>(chain: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> Vec<End> {
    let place = |at: usize| if at == 0 { Place::Leaf } else { Place::Intermediate };
    chain.into_iter().take(CHAIN_MAX).enumerate().filter_map(|(at, der)| end(der, place(at))).collect()
}

/// The ends of trusted CAs.
pub(super) fn of_roots<'a>(roots: impl Iterator<Item = &'a CertificateDer<'static>>) -> Vec<End> {
    roots.filter_map(|der| end(der, Place::Root)).collect()
}

fn end(der: &[u8], place: Place) -> Option<End> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject().to_string().chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
    let not_after = Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?;
    Some(End { place, subject, thumbprint: Hash::sha256(der), not_after })
}

/// The chain each organisation showed last.
#[derive(Debug, Default)]
pub(super) struct Seen {
    chains: Mutex<BTreeMap<OrgId, Vec<End>>>,
}

impl Seen {
    pub(super) fn note(&self, org: &OrgId, chain: &[CertificateDer<'static>]) {
        let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        // The same certificate again is the usual case.
        let thumbprint = chain.first().map(|leaf| Hash::sha256(leaf));
        let known = chains.get(org);
        if known.is_some_and(|known| known.first().map(|leaf| leaf.thumbprint) == thumbprint && known.len() == chain.len().min(CHAIN_MAX)) {
            return;
        }
        if known.is_some() || chains.len() < ORGANIZATIONS_MAX {
            chains.insert(org.clone(), of_chain(chain));
        }
    }

    pub(super) fn all(&self) -> BTreeMap<OrgId, Vec<End>> {
        self.chains.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
