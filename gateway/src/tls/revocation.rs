//! Revocation lists (CRLs) from files: read, judged and kept before any handshake needs them.
//!
//! A list comes from outside, and parsers have had faults that a signature does not guard against (RUSTSEC-2026-0104 was a panic
//! before the signature is looked at). So a list is parsed when it is loaded, where a panic is caught and becomes a refusal of that
//! file; handshakes only ever see lists that went through this once. Neighbours: `material` loads, `chains` judges by them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::{CertificateRevocationListDer, SignatureVerificationAlgorithm};
use rustls::server::WebPkiClientVerifier;
use x509_parser::pem::Pem;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::material::{Anchors, read, wrong};
use super::{TlsError, provider};

/// Largest file with revocation lists, in bytes: some hundred thousand entries.
pub(super) const LIST_FILE_MAX: usize = 8 << 20;
/// Most lists of one door.
const LISTS_MAX: usize = 64;
/// What a PEM block of a revocation list is called.
const LABEL: &str = "X509 CRL";

/// Which revocation lists a door uses, and for how long after their end.
#[derive(Debug, Clone, Default)]
pub struct RevocationFiles {
    /// Files, PEM (any number of lists) or DER (one). None: nothing is known of revocation, and nothing is asked.
    pub lists: Vec<PathBuf>,
    /// How long a list still counts after its end. Zero: not at all.
    pub grace: Duration,
}

/// How one list stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListState {
    /// Its successor is not due yet.
    Fresh,
    /// Its end has passed; it still counts, and somebody must act.
    Grace,
    /// It counts no longer: whoever it should vouch for is refused.
    Expired,
}

/// One list, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListInfo {
    /// The file it came from.
    pub file: PathBuf,
    /// The CA that issued it.
    pub issuer: String,
    /// When it was issued.
    pub issued: Timestamp,
    /// When its successor is due.
    pub ends: Timestamp,
    /// When it counts no longer: its end and the grace.
    pub refused_from: Timestamp,
}

impl ListInfo {
    /// How it stands.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> ListState {
        match now {
            now if now < self.ends => ListState::Fresh,
            now if now < self.refused_from => ListState::Grace,
            _ => ListState::Expired,
        }
    }
}

/// Revocation lists that were read, the newest of an issuer first: the first that speaks for a certificate decides.
#[derive(Debug, Clone, Default)]
pub struct Revocation {
    lists: Arc<Vec<List>>,
    grace: i64,
}

#[derive(Debug, Clone)]
struct List {
    der: CertificateRevocationListDer<'static>,
    issuer: String,
    file: PathBuf,
    /// Seconds since 1970.
    issued: i64,
    /// Seconds since 1970; at this moment it has ended.
    ends: i64,
}

impl Revocation {
    /// Reads the lists, each of which must parse and, when one of these CAs issued it, carry its signature.
    ///
    /// # Errors
    /// Names the first file that cannot be used, and why.
    pub fn from_files(files: &RevocationFiles, anchors: &Anchors) -> Result<Self, TlsError> {
        let mut lists = Vec::new();
        for file in &files.lists {
            let bytes = read(file, LIST_FILE_MAX)?;
            lists.extend(guarded(file, || parse(&bytes, file, anchors))?);
            if lists.len() > LISTS_MAX {
                return Err(wrong(file, format!("more than {LISTS_MAX} revocation lists")));
            }
        }
        lists.sort_by_key(|list| std::cmp::Reverse(list.issued));
        Ok(Self { lists: Arc::new(lists), grace: i64::try_from(files.grace.as_secs()).unwrap_or(i64::MAX) })
    }

    /// Whether there is no list at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Every list, for operators.
    #[must_use]
    pub fn info(&self) -> Vec<ListInfo> {
        let moment = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        let info = |list: &List| ListInfo {
            file: list.file.clone(),
            issuer: list.issuer.clone(),
            issued: moment(list.issued),
            ends: moment(list.ends),
            refused_from: moment(list.ends.saturating_add(self.grace)),
        };
        self.lists.iter().map(info).collect()
    }

    /// Which lists count at this moment (seconds since 1970) when the grace is used.
    pub(super) fn in_grace(&self, now: i64) -> Vec<bool> {
        self.lists.iter().map(|list| now < list.ends.saturating_add(self.grace)).collect()
    }

    /// Whether any list counts now only because of the grace.
    pub(super) fn uses_grace(&self, now: i64) -> bool {
        self.lists.iter().any(|list| list.ends <= now && now < list.ends.saturating_add(self.grace))
    }

    /// The lists that are marked, or all.
    pub(super) fn ders(&self, marked: Option<&[bool]>) -> Vec<CertificateRevocationListDer<'static>> {
        let counts = |at: usize| marked.is_none_or(|marked| marked.get(at).copied().unwrap_or_default());
        self.lists.iter().enumerate().filter(|(at, _)| counts(*at)).map(|(_, list)| list.der.clone()).collect()
    }
}

/// Runs a parser; a panic in it becomes a refusal of the file.
fn guarded<T>(file: &Path, parse: impl FnOnce() -> Result<T, TlsError>) -> Result<T, TlsError> {
    // What it borrows is only read, and thrown away with the refusal.
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or_else(|_| Err(wrong(file, "the parser of revocation lists failed on it")))
}

fn parse(bytes: &[u8], file: &Path, anchors: &Anchors) -> Result<Vec<List>, TlsError> {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains("-----BEGIN") {
        return Ok(vec![list(bytes, 1, file, anchors)?]);
    }
    let mut lists = Vec::new();
    for (at, block) in Pem::iter_from_buffer(bytes).enumerate() {
        let number = at + 1;
        let block = block.map_err(|e| wrong(file, format!("PEM block {number} is broken ({e})")))?;
        if block.label != LABEL {
            return Err(wrong(file, format!("PEM block {number} is a {}, expected an {LABEL}", block.label)));
        }
        lists.push(list(&block.contents, number, file, anchors)?);
        if number > LISTS_MAX {
            return Err(wrong(file, format!("more than {LISTS_MAX} revocation lists")));
        }
    }
    // A damaged BEGIN line makes the parser pass over the whole block; the words are still there.
    let promised = text.matches("END X509 CRL").count();
    if lists.is_empty() || promised != lists.len() {
        return Err(wrong(file, format!("{} of {promised} revocation lists can be read, expected all and at least one", lists.len())));
    }
    Ok(lists)
}

fn list(der: &[u8], number: usize, file: &Path, anchors: &Anchors) -> Result<List, TlsError> {
    let unreadable = |why: String| wrong(file, format!("revocation list {number} {why}"));
    let Ok(([], parsed)) = CertificateRevocationList::from_der(der) else {
        return Err(unreadable("cannot be parsed".to_owned()));
    };
    let next = parsed.next_update().ok_or_else(|| unreadable("does not say when its successor is due".to_owned()))?;
    // The library that judges by it must be able to read it too: said now, with the name of the file.
    let owned = CertificateRevocationListDer::from(der.to_vec());
    let roots = Arc::new(anchors.store(None).map_err(&unreadable)?);
    WebPkiClientVerifier::builder_with_provider(roots, provider())
        .with_crls([owned.clone()])
        .build()
        .map_err(|error| unreadable(format!("cannot be used ({error})")))?;
    if anchors.issuers(parsed.issuer().as_raw()).is_some_and(|mut cas| !cas.any(|ca| is_signed_by(&parsed, &ca))) {
        return Err(unreadable(format!("is not signed by the CA it names, {}", parsed.issuer())));
    }
    Ok(List {
        der: owned,
        issuer: parsed.issuer().to_string().chars().filter(|c| !c.is_control()).take(200).collect(),
        file: file.to_owned(),
        issued: parsed.last_update().timestamp(),
        ends: next.timestamp(),
    })
}

/// Whether the list carries the signature of this CA. A list of a CA that we do not hold is judged when it is used.
fn is_signed_by(list: &CertificateRevocationList<'_>, ca: &X509Certificate<'_>) -> bool {
    let oid = list.signature_algorithm.algorithm.as_bytes();
    let key = &ca.public_key().subject_public_key.data;
    let fits = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
        // An AlgorithmIdentifier begins with its OID: tag 6, length, bytes.
        algorithm.signature_alg_id().as_ref().get(2..).is_some_and(|rest| rest.starts_with(oid))
    };
    let provider = provider();
    let mut candidates = provider.signature_verification_algorithms.all.iter().filter(fits);
    candidates.any(|algorithm| algorithm.verify_signature(key, list.tbs_cert_list.as_ref(), &list.signature_value.data).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_that_panics_refuses_the_file_and_nothing_else() {
        let refused = guarded(Path::new("ca.crl"), || -> Result<(), TlsError> { panic!("a fault of the parser") });

        assert_eq!(refused.unwrap_err().to_string(), "ca.crl: the parser of revocation lists failed on it");
    }
}
