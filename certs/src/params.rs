//! What a certificate and a certificate request have in common: names and usages, as rcgen wants them.

use std::net::IpAddr;

use rcgen::{CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};

/// Why a certificate or request cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// A host that is neither an IP address nor a plain DNS name.
    #[error("`{0}` is not a host: give an IP address or a DNS name without wildcard")]
    Host(String),
    /// The library refused.
    #[error("cannot make the certificate: {0}")]
    Rcgen(#[from] rcgen::Error),
    /// A certificate that was given cannot be read.
    #[error("{0}")]
    Certificate(String),
    /// A file could not be written, or is there already.
    #[error(transparent)]
    File(#[from] crate::FileError),
}

/// Empty names, no CA, digitalSignature: the caller adds what makes it a gateway or a client.
pub(crate) fn end_entity(uris: &[String], hosts: &[String]) -> Result<CertificateParams, MakeError> {
    let mut params = CertificateParams::default();
    // The library's default subject is a text of its own; identity stands in the URI alone.
    params.distinguished_name = DistinguishedName::new();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    for uri in uris {
        params.subject_alt_names.push(SanType::URI(uri.as_str().try_into()?));
    }
    for name in hosts {
        params.subject_alt_names.push(host(name)?);
    }
    Ok(params)
}

/// Both: a gateway opens connections to its peers and accepts theirs.
pub(crate) const GATEWAY_USAGE: [ExtendedKeyUsagePurpose; 2] = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];

/// Refuses what cannot be a host, so that a typing error is found here and not by a peer at night.
pub(crate) fn check_hosts(hosts: &[String]) -> Result<(), MakeError> {
    let plain =
        |name: &str| !name.is_empty() && name.len() <= 253 && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    match hosts.iter().find(|name| name.parse::<IpAddr>().is_err() && !plain(name)) {
        Some(name) => Err(MakeError::Host(name.clone())),
        None => Ok(()),
    }
}

fn host(name: &str) -> Result<SanType, MakeError> {
    match name.parse::<IpAddr>() {
        Ok(ip) => Ok(SanType::IpAddress(ip)),
        Err(_) => Ok(SanType::DnsName(name.try_into()?)),
    }
}
