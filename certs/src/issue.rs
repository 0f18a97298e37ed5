//! A throw-away CA for demo and tests. Its key lives in memory and is never written: nothing can be issued afterwards.
//!
//! Two kinds of CA, on purpose: one for the federation (gateways), and one per organisation for its own systems, so that a
//! client certificate of one organisation opens no door of another.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, RevocationReason, RevokedCertParams,
    SerialNumber,
};
use schakel_domain::id::OrgId;
use x509_parser::pem::parse_x509_pem;
use zeroize::Zeroizing;

use crate::files::{make_dir, refuse_existing, write_public, write_secret};
use crate::identity::{ClientName, Subject};
pub use crate::params::MakeError;
use crate::params::{GATEWAY_USAGE, check_hosts, end_entity};

/// Certificates begin this long before `now`, so that a clock a little behind still accepts them.
const BACKDATE: SignedDuration = SignedDuration::from_mins(5);
/// Lifetime of a throw-away certificate.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 90);

/// What to issue. Start from [`Recipe::gateway`] or [`Recipe::client`]; tests change a field to make it wrong on purpose.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Identity URIs: exactly one in a right certificate.
    pub uris: Vec<String>,
    /// DNS names and IP addresses.
    pub hosts: Vec<String>,
    /// Extended key usage clientAuth.
    pub client_auth: bool,
    /// Extended key usage serverAuth.
    pub server_auth: bool,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// A CA with this many CAs allowed below it; `None` for an end entity.
    pub ca: Option<u8>,
    /// For a CA: the only DNS domains it may name; empty means all.
    pub permitted_domains: Vec<String>,
    /// Common name: for CAs, which have no URI. Empty in end entities.
    pub common_name: String,
}

impl Recipe {
    /// The certificate of a gateway.
    #[must_use]
    pub fn gateway(org: &OrgId, hosts: &[String], now: Timestamp) -> Self {
        Self {
            uris: vec![Subject::Organization(org.clone()).uri()],
            hosts: hosts.to_vec(),
            client_auth: true,
            server_auth: true,
            not_before: before(now),
            not_after: after(now),
            ca: None,
            permitted_domains: Vec::new(),
            common_name: String::new(),
        }
    }

    /// The certificate of a local system.
    #[must_use]
    pub fn client(name: &ClientName, now: Timestamp) -> Self {
        Self {
            uris: vec![Subject::Client(name.clone()).uri()],
            hosts: Vec::new(),
            client_auth: true,
            server_auth: false,
            not_before: before(now),
            not_after: after(now),
            ca: None,
            permitted_domains: Vec::new(),
            common_name: String::new(),
        }
    }

    /// A CA below which `path_length` further CAs may stand.
    #[must_use]
    pub fn ca(name: &str, path_length: u8, now: Timestamp) -> Self {
        Self {
            uris: Vec::new(),
            hosts: Vec::new(),
            client_auth: false,
            server_auth: false,
            not_before: before(now),
            not_after: after(now),
            ca: Some(path_length),
            permitted_domains: Vec::new(),
            common_name: name.to_owned(),
        }
    }

    fn params(&self) -> Result<CertificateParams, MakeError> {
        let mut params = end_entity(&self.uris, &self.hosts)?;
        // The library's time type is of a crate we do not otherwise need; a closure never has to name it.
        let moment = |at: Timestamp| rcgen::date_time_ymd(1970, 1, 1) + since_1970(at);
        params.not_before = moment(self.not_before);
        params.not_after = moment(self.not_after);
        params.use_authority_key_identifier_extension = true;
        if !self.common_name.is_empty() {
            params.distinguished_name.push(DnType::CommonName, self.common_name.as_str());
        }
        if self.client_auth && self.server_auth {
            params.extended_key_usages = GATEWAY_USAGE.to_vec();
        } else if self.client_auth {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        } else if self.server_auth {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }
        if let Some(path_length) = self.ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        }
        if !self.permitted_domains.is_empty() {
            let permitted_subtrees = self.permitted_domains.iter().cloned().map(GeneralSubtree::DnsName).collect();
            params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
        }
        Ok(params)
    }
}

/// A certificate with its chain (leaf first, without the root) and its private key, both PEM.
pub struct Issued {
    /// Leaf and intermediates.
    pub chain_pem: String,
    /// PKCS #8 private key; wiped from memory when dropped.
    pub key_pem: Zeroizing<String>,
}

/// A CA that lives as long as this value.
pub struct DevCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// What an issued certificate must bring along to reach the root; empty for a root.
    above: String,
}

impl DevCa {
    /// A root CA with room for one CA below it.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn new(name: &str, now: Timestamp) -> Result<Self, MakeError> {
        Self::root(&Recipe::ca(name, 1, now))
    }

    /// A root as described.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn root(recipe: &Recipe) -> Result<Self, MakeError> {
        let issuer = CertifiedIssuer::self_signed(recipe.params()?, new_key()?)?;
        Ok(Self { issuer, above: String::new() })
    }

    /// A certificate below this one that itself issues; a recipe that is no CA gives the fault "leaf used as CA".
    ///
    /// # Errors
    /// When the library refuses.
    pub fn subordinate(&self, recipe: &Recipe) -> Result<Self, MakeError> {
        let issuer = CertifiedIssuer::signed_by(recipe.params()?, new_key()?, &self.issuer)?;
        let above = format!("{}{}", issuer.pem(), self.above);
        Ok(Self { issuer, above })
    }

    /// The CA's own certificate, PEM: what others put in their trust bundle.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Issues what the recipe says, right or wrong.
    ///
    /// # Errors
    /// When a name cannot be put in a certificate at all.
    pub fn issue(&self, recipe: &Recipe) -> Result<Issued, MakeError> {
        let key = new_key()?;
        let certificate = recipe.params()?.signed_by(&key, &self.issuer)?;
        Ok(Issued { chain_pem: format!("{}{}", certificate.pem(), self.above), key_pem: Zeroizing::new(key.serialize_pem()) })
    }

    /// A revocation list of this CA, PEM: these certificates (PEM; the first of each chain) are worth nothing any more. Its successor is
    /// due at `next`.
    ///
    /// # Errors
    /// When a certificate cannot be read, or the list would end before it begins.
    pub fn revocation_list(&self, revoked: &[&str], issued: Timestamp, next: Timestamp) -> Result<String, MakeError> {
        let moment = |at: Timestamp| rcgen::date_time_ymd(1970, 1, 1) + since_1970(at);
        let entry = |pem: &&str| {
            Ok(RevokedCertParams {
                serial_number: serial(pem)?,
                revocation_time: moment(issued),
                reason_code: Some(RevocationReason::KeyCompromise),
                invalidity_date: None,
            })
        };
        let list = CertificateRevocationListParams {
            this_update: moment(issued),
            next_update: moment(next),
            crl_number: SerialNumber::from(issued.as_second().unsigned_abs()),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect::<Result<_, MakeError>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }

    /// A gateway certificate by the profile.
    ///
    /// # Errors
    /// When a host is not a host.
    pub fn gateway(&self, org: &OrgId, hosts: &[String], now: Timestamp) -> Result<Issued, MakeError> {
        check_hosts(hosts)?;
        self.issue(&Recipe::gateway(org, hosts, now))
    }

    /// A client certificate for a local system.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn client(&self, name: &ClientName, now: Timestamp) -> Result<Issued, MakeError> {
        self.issue(&Recipe::client(name, now))
    }
}

/// A certificate that vouches for itself: what a stranger can always make.
///
/// # Errors
/// When a name cannot be put in a certificate at all.
pub fn self_signed(recipe: &Recipe) -> Result<Issued, MakeError> {
    let key = new_key()?;
    let certificate = recipe.params()?.self_signed(&key)?;
    Ok(Issued { chain_pem: certificate.pem(), key_pem: Zeroizing::new(key.serialize_pem()) })
}

/// One organisation of a throw-away federation.
#[derive(Debug, Clone)]
pub struct DevOrg {
    /// Its id.
    pub id: OrgId,
    /// Where its gateway is reached.
    pub hosts: Vec<String>,
    /// Its own systems that get a client certificate.
    pub clients: Vec<ClientName>,
}

/// Where [`write_dev_pki`] put things.
#[derive(Debug, Clone)]
pub struct DevPki {
    /// The federation's root; every gateway trusts it.
    pub ca: PathBuf,
    /// Its revocation list. Nothing is on it, and nothing can be put on it: the root's key is gone.
    pub crl: PathBuf,
    /// In the order the organisations were given.
    pub orgs: Vec<DevOrgFiles>,
}

/// The files of one organisation.
#[derive(Debug, Clone)]
pub struct DevOrgFiles {
    /// Its id.
    pub id: OrgId,
    /// Certificate and chain of the gateway.
    pub certificate: PathBuf,
    /// Private key of the gateway, mode 0600.
    pub key: PathBuf,
    /// The root of its own systems: the local doors trust this one and no other.
    pub local_ca: PathBuf,
    /// Name, certificate and key (mode 0600) of each local system.
    pub clients: Vec<(ClientName, PathBuf, PathBuf)>,
}

/// Writes a throw-away federation: `ca.crt`, `ca.crl`, and per organisation a folder `ura-90000123` with `gateway.crt`, `gateway.key`,
/// `local-ca.crt` and `clients/NAME.crt`, `clients/NAME.key`.
///
/// # Errors
/// When any of the files exists (then nothing is written), a host is not a host, or the disk refuses.
pub fn write_dev_pki(dir: &Path, orgs: &[DevOrg], now: Timestamp) -> Result<DevPki, MakeError> {
    let plan = DevPki { ca: dir.join("ca.crt"), crl: dir.join("ca.crl"), orgs: orgs.iter().map(|org| plan(dir, org)).collect() };
    orgs.iter().try_for_each(|org| check_hosts(&org.hosts))?;
    refuse_existing(plan.orgs.iter().flat_map(all_files).chain([plan.ca.as_path(), plan.crl.as_path()]))?;

    let ca = DevCa::new("Schakel throw-away CA", now)?;
    make_dir(dir)?;
    write_public(&plan.ca, &ca.pem())?;
    write_public(&plan.crl, &ca.revocation_list(&[], before(now), after(now))?)?;
    for (org, files) in orgs.iter().zip(&plan.orgs) {
        write_org(&ca, org, files, now)?;
    }
    Ok(plan)
}

fn plan(dir: &Path, org: &DevOrg) -> DevOrgFiles {
    let home = dir.join(org.id.as_str().replace(':', "-"));
    let client = |name: &ClientName| {
        let base = home.join("clients");
        (name.clone(), base.join(format!("{name}.crt")), base.join(format!("{name}.key")))
    };
    DevOrgFiles {
        id: org.id.clone(),
        certificate: home.join("gateway.crt"),
        key: home.join("gateway.key"),
        local_ca: home.join("local-ca.crt"),
        clients: org.clients.iter().map(client).collect(),
    }
}

fn all_files(files: &DevOrgFiles) -> impl Iterator<Item = &Path> {
    let own = [files.certificate.as_path(), files.key.as_path(), files.local_ca.as_path()];
    own.into_iter().chain(files.clients.iter().flat_map(|(_, certificate, key)| [certificate.as_path(), key.as_path()]))
}

fn write_org(ca: &DevCa, org: &DevOrg, files: &DevOrgFiles, now: Timestamp) -> Result<(), MakeError> {
    let local = DevCa::new(&format!("Schakel throw-away local CA of {}", org.id), now)?;
    for path in all_files(files) {
        path.parent().map_or(Ok(()), make_dir)?;
    }
    write_issued(&ca.gateway(&org.id, &org.hosts, now)?, &files.certificate, &files.key)?;
    write_public(&files.local_ca, &local.pem())?;
    for (name, certificate, key) in &files.clients {
        write_issued(&local.client(name, now)?, certificate, key)?;
    }
    Ok(())
}

fn write_issued(issued: &Issued, certificate: &Path, key: &Path) -> Result<(), MakeError> {
    write_secret(key, &issued.key_pem)?;
    Ok(write_public(certificate, &issued.chain_pem)?)
}

fn new_key() -> Result<KeyPair, MakeError> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

/// The serial number of the first certificate of a chain.
fn serial(pem: &str) -> Result<SerialNumber, MakeError> {
    let unreadable = || MakeError::Certificate("the certificate to revoke cannot be read".to_owned());
    let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|_| unreadable())?;
    let certificate = block.parse_x509().map_err(|_| unreadable())?;
    Ok(SerialNumber::from_slice(certificate.raw_serial()))
}

fn since_1970(at: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(at.as_second()).unwrap_or_default())
}

fn before(now: Timestamp) -> Timestamp {
    now.checked_sub(BACKDATE).unwrap_or(now)
}

fn after(now: Timestamp) -> Timestamp {
    now.checked_add(LIFETIME).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T08:00:00Z".parse().unwrap()
    }

    fn org(id: &str) -> DevOrg {
        DevOrg { id: id.parse().unwrap(), hosts: vec!["127.0.0.1".to_owned()], clients: vec![ClientName::new("ecd").unwrap()] }
    }

    #[test]
    fn a_federation_is_written_once_with_keys_for_the_owner_alone() {
        let dir = tempfile::tempdir().unwrap();

        let pki = write_dev_pki(dir.path(), &[org("ura:90000123"), org("kvk:90000456")], now()).unwrap();

        for files in &pki.orgs {
            for key in [&files.key, &files.clients[0].2] {
                assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{key:?}");
            }
        }
        let before = std::fs::read(&pki.orgs[0].key).unwrap();
        let again = write_dev_pki(dir.path(), &[org("oin:00000001234567890000"), org("ura:90000123")], now());
        assert!(matches!(again, Err(MakeError::File(crate::FileError::Exists(_)))));
        assert!(!dir.path().join("oin-00000001234567890000").exists());
        assert_eq!(std::fs::read(&pki.orgs[0].key).unwrap(), before);
    }

    #[test]
    fn no_certificate_carries_a_name_of_the_library() {
        let ca = DevCa::new("root", now()).unwrap();

        let issued = ca.gateway(&"ura:90000123".parse().unwrap(), &["gw.example.nl".to_owned()], now()).unwrap();

        let (_, pem) = x509_parser::pem::parse_x509_pem(issued.chain_pem.as_bytes()).unwrap();
        let (_, certificate) = x509_parser::parse_x509_certificate(&pem.contents).unwrap();
        assert_eq!(certificate.subject().iter().count(), 0);
        assert_eq!(certificate.issuer().to_string(), "CN=root");
    }
}
