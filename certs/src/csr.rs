//! A key and a certificate request for the real CA. The key never leaves this machine; only the request is sent.

use std::path::Path;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use schakel_domain::id::OrgId;
use zeroize::Zeroizing;

use crate::files::{refuse_existing, write_public, write_secret};
use crate::identity::Subject;
pub use crate::params::MakeError;
use crate::params::{GATEWAY_USAGE, check_hosts, end_entity};

/// A new key and the request that goes with it.
pub struct Request {
    /// PKCS #10 request, PEM: for the CA.
    pub csr_pem: String,
    /// PKCS #8 private key, PEM: stays here. Wiped from memory when dropped.
    pub key_pem: Zeroizing<String>,
}

/// Makes a P-256 key and a request that asks for exactly the [profile](crate::profile) of a gateway certificate.
///
/// # Errors
/// When a host is not a host.
pub fn request(org: &OrgId, hosts: &[String]) -> Result<Request, MakeError> {
    check_hosts(hosts)?;
    let mut params = end_entity(&[Subject::Organization(org.clone()).uri()], hosts)?;
    params.extended_key_usages = GATEWAY_USAGE.to_vec();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;

    Ok(Request { csr_pem: params.serialize_request(&key)?.pem()?, key_pem: Zeroizing::new(key.serialize_pem()) })
}

impl Request {
    /// Writes both, the key with mode 0600 and first: a request without its key is worth nothing.
    ///
    /// # Errors
    /// When one of the files exists (then nothing is written) or the disk refuses.
    pub fn write(&self, csr: &Path, key: &Path) -> Result<(), crate::FileError> {
        refuse_existing([csr, key])?;
        write_secret(key, &self.key_pem)?;
        write_public(csr, &self.csr_pem)
    }
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{FromDer, X509CertificationRequest};

    use super::*;

    #[test]
    fn a_request_names_the_organisation_and_its_host_and_is_signed_by_its_key() {
        let request = request(&"ura:90000123".parse().unwrap(), &["gw.example.nl".to_owned()]).unwrap();

        let (_, pem) = x509_parser::pem::parse_x509_pem(request.csr_pem.as_bytes()).unwrap();
        let (_, csr) = X509CertificationRequest::from_der(&pem.contents).unwrap();
        let text = String::from_utf8_lossy(&pem.contents).into_owned();
        assert!(text.contains("urn:schakel:organization:ura:90000123") && text.contains("gw.example.nl"));
        assert_eq!(csr.certification_request_info.subject.iter().count(), 0);
        assert!(KeyPair::from_pem(&request.key_pem).unwrap().is_compatible(&PKCS_ECDSA_P256_SHA256));
    }

    #[test]
    fn a_wildcard_is_not_a_host() {
        let refused = request(&"ura:90000123".parse().unwrap(), &["*.example.nl".to_owned()]);

        assert!(matches!(refused, Err(MakeError::Host(name)) if name == "*.example.nl"));
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let (csr, key) = (dir.path().join("gateway.csr"), dir.path().join("gateway.key"));
        std::fs::write(&key, "mine").unwrap();

        let refused = request(&"ura:90000123".parse().unwrap(), &[]).unwrap().write(&csr, &key);

        assert!(matches!(refused, Err(crate::FileError::Exists(path)) if path == key));
        assert_eq!(std::fs::read_to_string(&key).unwrap(), "mine");
        assert!(!csr.exists());
    }
}
