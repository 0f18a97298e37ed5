//! Certificates and keys from files or PEM text, parsed strictly: what cannot be read stops the start, by name.
//!
//! A CA bundle of which one certificate is skipped silently refuses one peer at night; so every block must parse.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use schakel_certs::identity::{Identity, identify};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::ends::{self, End};
use super::revocation::{Revocation, RevocationFiles};
use super::{TlsError, provider};

/// Largest file with certificates or a key, in bytes.
const FILE_MAX: usize = crate::bounded::MAX_CERTIFICATE_BYTES;
/// Most certificates in one file.
const CERTIFICATES_MAX: usize = 256;
/// Access a key file may not give: writing by its group, anything to others.
#[cfg(unix)]
const KEY_MODE_FORBIDDEN: u32 = 0o027;

/// Where the material of one door, or of the courier, is kept.
#[derive(Debug, Clone)]
pub struct Files {
    /// Own certificate and intermediates, PEM, leaf first.
    pub certificate: PathBuf,
    /// Private key, PEM; not readable by others.
    pub key: PathBuf,
    /// CA certificates the other side may chain to, PEM.
    pub trust: PathBuf,
    /// Lists of what those CAs, and the ones below them, have revoked.
    pub revocation: RevocationFiles,
}

impl Files {
    /// Every file that is read.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        [&self.certificate, &self.key, &self.trust].into_iter().chain(&self.revocation.lists).map(PathBuf::as_path)
    }
}

/// Everything one side of TLS needs: replaced as a whole on reload, so that key and trust never mix generations.
#[derive(Debug, Clone)]
pub struct Material {
    /// Who we are.
    pub credentials: Credentials,
    /// Whom we believe.
    pub anchors: Anchors,
    /// Whom no longer, although they could show a good chain.
    pub revocation: Revocation,
}

impl Material {
    /// The ends of our own chain and of every CA.
    #[must_use]
    pub fn ends(&self) -> Vec<End> {
        let mut ends = ends::of_chain(&self.credentials.certified.cert);
        ends.extend(ends::of_roots(self.anchors.ders()));
        ends
    }

    /// Reads and checks the files.
    ///
    /// # Errors
    /// Names the first file that is missing, too large, unsafely stored, or holds anything that does not parse.
    pub fn from_files(files: &Files) -> Result<Self, TlsError> {
        let credentials = Credentials::from_files(&files.certificate, &files.key)?;
        let anchors = Anchors::from_file(&files.trust)?;
        let revocation = Revocation::from_files(&files.revocation, &anchors)?;
        Ok(Self { credentials, anchors, revocation })
    }

    /// The same from PEM texts, for a caller that holds them in memory.
    ///
    /// # Errors
    /// As [`Material::from_files`]; the names in the error are `certificate`, `key` and `trust`.
    pub fn from_pem(certificate: &str, key: &str, trust: &str) -> Result<Self, TlsError> {
        Ok(Self {
            credentials: Credentials::parse(certificate.as_bytes(), Path::new("certificate"), key.as_bytes(), Path::new("key"))?,
            anchors: Anchors::parse(trust.as_bytes(), Path::new("trust"))?,
            revocation: Revocation::default(),
        })
    }
}

/// Our own certificate chain and key, known to belong together.
#[derive(Clone)]
pub struct Credentials {
    pub(super) certified: Arc<CertifiedKey>,
    /// What our certificate says of us; `None` when it carries no URI of ours (a door for local systems may do without).
    pub identity: Option<Identity>,
}

impl Credentials {
    pub(super) fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        check_key_mode(key)?;
        let (chain, secret) = (Zeroizing::new(read(certificate, FILE_MAX)?), Zeroizing::new(read(key, FILE_MAX)?));
        Self::parse(&chain, certificate, &secret, key)
    }

    fn parse(chain: &[u8], chain_file: &Path, key: &[u8], key_file: &Path) -> Result<Self, TlsError> {
        let chain = certificates(chain, chain_file)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| wrong(key_file, format!("no private key in PEM ({e})")))?;
        let identity = chain.first().and_then(|leaf| identify(leaf).ok());
        let certified = CertifiedKey::from_der(chain, key, &provider())
            .map_err(|e| wrong(key_file, format!("cannot be used with {}: {e}", chain_file.display())))?;
        Ok(Self { certified: Arc::new(certified), identity })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// CA certificates, each with the time it is valid: path building itself does not look at the dates of a root.
#[derive(Debug, Clone)]
pub struct Anchors {
    roots: Vec<Root>,
}

#[derive(Debug, Clone)]
struct Root {
    der: CertificateDer<'static>,
    /// Seconds since 1970, both inclusive.
    valid: (i64, i64),
}

impl Anchors {
    pub(super) fn from_file(path: &Path) -> Result<Self, TlsError> {
        Self::parse(&read(path, FILE_MAX)?, path)
    }

    fn parse(pem: &[u8], file: &Path) -> Result<Self, TlsError> {
        let ders = certificates(pem, file)?;
        let roots: Result<Vec<_>, _> = ders.into_iter().enumerate().map(|(at, der)| root(der, at + 1, file)).collect();
        let anchors = Self { roots: roots? };
        // Said now with the name of the file, rather than at the first handshake.
        anchors.store(None).map_err(|e| wrong(file, e))?;
        Ok(anchors)
    }

    /// The roots valid at this moment (seconds since 1970), or all when no moment is given.
    pub(super) fn store(&self, at: Option<i64>) -> Result<RootCertStore, String> {
        let mut store = RootCertStore::empty();
        for root in self.roots.iter().filter(|root| at.is_none_or(|now| root.is_valid(now))) {
            store.add(root.der.clone()).map_err(|e| e.to_string())?;
        }
        Ok(store)
    }

    /// Whether every root is valid at this moment: the usual case, in which the prepared verifier serves.
    pub(super) fn all_valid(&self, now: i64) -> bool {
        self.roots.iter().all(|root| root.is_valid(now))
    }

    /// Which roots are valid at this moment (seconds since 1970).
    pub(super) fn valid(&self, now: i64) -> Vec<bool> {
        self.roots.iter().map(|root| root.is_valid(now)).collect()
    }

    /// The roots with this name (DER); none when we hold no such CA.
    pub(super) fn issuers<'a>(&'a self, name: &'a [u8]) -> Option<impl Iterator<Item = X509Certificate<'a>>> {
        let parsed = || self.roots.iter().filter_map(|root| Some(X509Certificate::from_der(&root.der).ok()?.1));
        let named = move || parsed().filter(move |ca| ca.subject().as_raw() == name);
        named().next().is_some().then(named)
    }

    /// Every root.
    pub(super) fn ders(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.roots.iter().map(|root| &root.der)
    }
}

impl Root {
    fn is_valid(&self, now: i64) -> bool {
        (self.valid.0..=self.valid.1).contains(&now)
    }
}

fn root(der: CertificateDer<'static>, number: usize, file: &Path) -> Result<Root, TlsError> {
    let (_, certificate) =
        X509Certificate::from_der(&der).map_err(|e| wrong(file, format!("certificate {number} cannot be parsed ({e})")))?;
    if !certificate.is_ca() {
        return Err(wrong(file, format!("certificate {number} is not a CA; only CA certificates belong here")));
    }
    let valid = (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
    Ok(Root { der, valid })
}

/// Every PEM block of the file, each a certificate that parses; anything else is an error with its place.
fn certificates(pem: &[u8], file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let mut found = Vec::new();
    for (at, block) in Pem::iter_from_buffer(pem).enumerate() {
        let number = at + 1;
        let block = block.map_err(|e| wrong(file, format!("PEM block {number} is broken ({e})")))?;
        if block.label != "CERTIFICATE" {
            return Err(wrong(file, format!("PEM block {number} is a {}, expected a CERTIFICATE", block.label)));
        }
        if !matches!(X509Certificate::from_der(&block.contents), Ok(([], _))) {
            return Err(wrong(file, format!("certificate {number} cannot be parsed")));
        }
        if number > CERTIFICATES_MAX {
            return Err(wrong(file, format!("more than {CERTIFICATES_MAX} certificates")));
        }
        found.push(CertificateDer::from(block.contents));
    }
    // A damaged BEGIN line makes the parser pass over the whole block; the words are still there.
    let promised = String::from_utf8_lossy(pem).matches("END CERTIFICATE").count();
    if found.is_empty() || promised != found.len() {
        return Err(wrong(file, format!("{} of {promised} certificates can be read, expected all and at least one", found.len())));
    }
    Ok(found)
}

/// The whole file, unless it has more bytes than this.
pub(super) fn read(path: &Path, most: usize) -> Result<Vec<u8>, TlsError> {
    crate::bounded::read(path, most).map_err(|error| wrong(path, error.to_string()))
}

#[cfg(unix)]
fn check_key_mode(path: &Path) -> Result<(), TlsError> {
    let mode = std::fs::metadata(path).map_err(|e| wrong(path, e.to_string()))?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777;
    if mode & KEY_MODE_FORBIDDEN != 0 {
        return Err(wrong(path, format!("mode {mode:04o} lets others read the key; use chmod 0600")));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_key_mode(_path: &Path) -> Result<(), TlsError> {
    Ok(())
}

pub(super) fn wrong(path: &Path, problem: impl Into<String>) -> TlsError {
    TlsError::File { path: path.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use schakel_certs::issue::DevCa;

    use super::*;

    fn pki() -> (String, schakel_certs::issue::Issued) {
        let ca = DevCa::new("root", jiff::Timestamp::UNIX_EPOCH).unwrap();
        let issued = ca.gateway(&"ura:90000123".parse().unwrap(), &["localhost".to_owned()], jiff::Timestamp::UNIX_EPOCH).unwrap();
        (ca.pem(), issued)
    }

    fn bundle_error(pem: &str) -> String {
        Anchors::parse(pem.as_bytes(), Path::new("ca.crt")).unwrap_err().to_string()
    }

    #[test]
    fn a_bundle_with_one_bad_certificate_is_refused_by_name() {
        let (ca, issued) = pki();
        let broken = |from: &str, to: &str| format!("{ca}{}", ca.replacen(from, to, 1));
        let first_line = ca.lines().nth(1).unwrap();

        assert!(Anchors::parse(ca.as_bytes(), Path::new("ca.crt")).is_ok());
        for (pem, says) in [
            (broken(first_line, "%%%"), "PEM block 2 is broken"),
            (broken("-----BEGIN", "----BEGIN"), "1 of 2 certificates"),
            (broken(first_line, &"A".repeat(64)), "certificate 2 cannot be parsed"),
            (format!("{ca}{}", *issued.key_pem), "PEM block 2 is a PRIVATE KEY"),
            (format!("{ca}{}", issued.chain_pem), "certificate 2 is not a CA"),
            (String::new(), "at least one"),
        ] {
            let error = bundle_error(&pem);
            assert!(error.starts_with("ca.crt: ") && error.contains(says), "{says}: {error}");
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let ((ca, one), (_, two)) = (pki(), pki());

        let error = Material::from_pem(&one.chain_pem, &two.key_pem, &ca).unwrap_err().to_string();

        assert!(error.starts_with("key: cannot be used with certificate"), "{error}");
    }

    #[test]
    fn a_key_others_can_read_stops_the_start() {
        let (ca, issued) = pki();
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let files = Files { certificate: path("a.crt"), key: path("a.key"), trust: path("ca.crt"), revocation: RevocationFiles::default() };
        for (file, text) in [(&files.certificate, &issued.chain_pem), (&files.key, &*issued.key_pem), (&files.trust, &ca)] {
            std::fs::write(file, text).unwrap();
        }

        std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Material::from_files(&files).unwrap_err().to_string().contains("mode 0644"));

        std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Material::from_files(&files).is_ok());
    }
}
