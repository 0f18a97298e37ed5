//! WORLD: a throw-away federation on disk: CA, keys, certificates, covenant, party records, tokens, one configuration per organisation.
//!
//! Everything is made new and thrown away. Each organisation gets a folder of its own and shares none; root keys and the CA's key are
//! gone as soon as everything is signed.

mod config;
mod tokens;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use jiff::{SignedDuration, Timestamp};
use schakel_certs::identity::ClientName;
use schakel_certs::issue::{DevOrg, DevOrgFiles, DevPki, write_dev_pki};
use schakel_domain::covenant::SignedCovenant;
use schakel_domain::id::{Hash, OrgId};
use schakel_domain::party_record::{PartyRecord, SigningKey, TelephoneEntry, TlsBinding};
use schakel_domain::person::Actor;
use schakel_domain::signature::SecretKey;
use zeroize::Zeroizing;

use super::scenario::{OrgKey, Organization, Scenario};
use crate::bounded::{self, MAX_CERTIFICATE_BYTES};
use crate::config::keys;
use tokens::Issuer;
pub use tokens::TokenRole;

/// Name of each organisation's own system, in its certificate and in the log.
pub(super) const SYSTEM: &str = "ecd";
/// How long tokens, records and keys of a throw-away federation are good.
const LIFE: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Made a little in the past, so that a clock a little behind still accepts it.
const BACKDATE: SignedDuration = SignedDuration::from_mins(1);

/// Why the throw-away federation could not be made.
pub type WorldError = anyhow::Error;

/// Where one organisation's doors are.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// The federation door itself.
    pub federation: SocketAddr,
    /// What its party record says: the line.
    pub line: SocketAddr,
    /// The care door.
    pub care: SocketAddr,
    /// The audit door.
    pub audit: SocketAddr,
    /// The admin door.
    pub admin: SocketAddr,
}

/// One organisation's folder and all that is in it.
#[derive(Debug, Clone)]
pub struct Home {
    /// Its name in the story.
    pub key: OrgKey,
    /// Its number.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its folder.
    pub dir: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// Its gateway's data.
    pub data: PathBuf,
    /// The folder shared with its own system.
    pub drop: PathBuf,
    /// Where its doors are.
    pub ports: Ports,
    /// Certificate of its gateway.
    pub gateway_certificate: PathBuf,
    /// Certificate of its own system.
    pub client_certificate: PathBuf,
    /// Key of its own system.
    pub client_key: PathBuf,
    /// One token file per role.
    pub tokens: BTreeMap<&'static str, PathBuf>,
    /// Who each token is for.
    pub holders: BTreeMap<&'static str, Actor>,
    /// A token for each person of the story.
    pub people: BTreeMap<String, String>,
}

impl Home {
    /// File of its gateway's store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.data.join("schakel.db")
    }
}

/// The whole throw-away federation.
#[derive(Debug)]
pub struct World {
    /// The CA of all gateways.
    pub ca: PathBuf,
    /// The organisations, in the order of the story.
    pub homes: Vec<Home>,
}

/// The private keys of one organisation while its world is made.
struct Secrets {
    root: SecretKey,
    signing: SecretKey,
}

impl World {
    /// Makes it in an empty or new folder.
    ///
    /// # Errors
    /// When the folder holds one already, or the disk refuses.
    pub fn make(dir: &Path, scenario: &Scenario, ports: &[Ports], now: Timestamp) -> Result<Self, WorldError> {
        let pki = certificates(dir, scenario, now)?;
        let mut secrets = Vec::new();
        for (files, organization) in pki.orgs.iter().zip(&scenario.organizations) {
            secrets.push(write_keys(&home_of(files), &organization.id)?);
        }
        let records = dir.join("agreements");
        fs::create_dir_all(&records)?;
        sign_covenant(&records.join("covenant.json"), scenario, &secrets)?;
        let each = || scenario.organizations.iter().zip(&pki.orgs).zip(ports).zip(&secrets);
        for (((organization, files), ports), secrets) in each() {
            sign_record(&records, organization, files, ports, secrets, now)?;
        }
        let homes = each()
            .map(|(((organization, files), ports), _)| make_home(scenario, organization, files, *ports, &pki.ca, &records, now))
            .collect::<Result<_, WorldError>>()?;
        Ok(Self { ca: pki.ca, homes })
    }

    /// The home of an organisation of the story.
    #[must_use]
    pub fn home(&self, key: &OrgKey) -> Option<&Home> {
        self.homes.iter().find(|home| home.key == *key)
    }
}

fn certificates(dir: &Path, scenario: &Scenario, now: Timestamp) -> Result<DevPki, WorldError> {
    let system = ClientName::new(SYSTEM).map_err(anyhow::Error::msg)?;
    let org = |organization: &Organization| DevOrg {
        id: organization.id.clone(),
        hosts: vec!["127.0.0.1".to_owned()],
        clients: vec![system.clone()],
    };
    let orgs: Vec<DevOrg> = scenario.organizations.iter().map(org).collect();
    Ok(write_dev_pki(dir, &orgs, now)?)
}

fn home_of(files: &DevOrgFiles) -> PathBuf {
    files.certificate.parent().unwrap_or(Path::new("")).to_owned()
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, WorldError> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| anyhow::anyhow!("the operating system gave no randomness"))?;
    Ok(bytes)
}

/// Writes a file that is its owner's alone and did not exist.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), WorldError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(bytes)?)
}

/// Keys of the gateway as files. The root key signs here and is not kept.
fn write_keys(home: &Path, org: &OrgId) -> Result<Secrets, WorldError> {
    let dir = home.join("keys");
    fs::create_dir_all(&dir)?;
    let (root, signing) = (random::<32>()?, random::<32>()?);
    write_private(&dir.join("signing.key"), keys::private_pem(&signing).as_bytes())?;
    write_private(&dir.join("vault.key"), Hash(*random::<32>()?).to_string().as_bytes())?;
    write_private(&dir.join("log.key"), keys::private_pem(&random::<32>()?).as_bytes())?;
    let log = keys::read_log_signer(&dir.join("log.key"), org).map_err(anyhow::Error::from)?;
    fs::write(dir.join("log.key.pub"), format!("{}\n", log.vkey()))?;
    let secrets = Secrets { root: SecretKey::from_seed(&root)?, signing: SecretKey::from_seed(&signing)? };
    fs::write(dir.join("root.key.pub"), format!("{}\n", secrets.root.public()))?;
    Ok(secrets)
}

/// Fills in every root key and signs for everybody in the story. Parties outside it get a key that nobody holds.
fn sign_covenant(path: &Path, scenario: &Scenario, secrets: &[Secrets]) -> Result<(), WorldError> {
    let mut document = scenario.covenant.clone();
    let played = |id| scenario.organizations.iter().position(|organization| organization.id == id);
    let mut signers = Vec::new();
    let absent =
        (0..document.parties.len()).map(|_| Ok(SecretKey::from_seed(&*random::<32>()?)?)).collect::<Result<Vec<_>, WorldError>>()?;
    let parties: Vec<_> = document.parties.iter().map(|party| party.id.clone()).collect();
    for (party, spare) in parties.into_iter().zip(&absent) {
        let key = played(party.clone()).and_then(|index| secrets.get(index)).map_or(spare, |secrets| &secrets.root);
        document.set_root_key(&party, key.public());
        signers.push((party, key));
    }
    let mut signed = SignedCovenant::unsigned(document);
    for (party, key) in signers {
        signed.sign(&party, key).map_err(|refusal| anyhow::anyhow!("signing the covenant for {party}: {refusal}"))?;
    }
    Ok(fs::write(path, signed.to_json())?)
}

fn sign_record(
    dir: &Path,
    organization: &Organization,
    files: &DevOrgFiles,
    ports: &Ports,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<(), WorldError> {
    let identity = schakel_certs::profile::identity(&bounded::read(&files.certificate, MAX_CERTIFICATE_BYTES)?)?;
    let (from, until) = (now - BACKDATE, now + LIFE);
    let line = TelephoneEntry { label: organization.line.clone(), number: organization.telephone.parse()? };
    let record = PartyRecord {
        org: organization.id.clone(),
        number: 1,
        issued: from,
        expires: until,
        endpoint: ports.line.to_string().parse()?,
        tls: TlsBinding { spki_sha256: vec![identity.spki], san_uri: identity.subject.uri() },
        signing_keys: vec![SigningKey { key: secrets.signing.public(), from, until }],
        telephones: vec![line.clone()],
        duty: line,
    };
    let signed = record.sign(&secrets.root).map_err(|refusal| anyhow::anyhow!("party record of {}: {refusal}", organization.id))?;
    Ok(fs::write(dir.join(record_file(organization)), signed.to_json())?)
}

fn record_file(organization: &Organization) -> String {
    format!("{}.json", organization.id.as_str().replace(':', "-"))
}

fn make_home(
    scenario: &Scenario,
    organization: &Organization,
    files: &DevOrgFiles,
    ports: Ports,
    ca: &Path,
    agreements: &Path,
    now: Timestamp,
) -> Result<Home, WorldError> {
    let dir = home_of(files);
    let (data, drop) = (dir.join("data"), dir.join("drop"));
    for folder in [&data, &drop] {
        fs::DirBuilder::new().recursive(true).create(folder)?;
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    }
    let issuer = Issuer::new(&organization.id)?;
    fs::write(dir.join("keys/login.jwks.json"), issuer.jwks())?;
    let (tokens, holders) = tokens::write_roles(&dir.join("tokens"), &issuer, organization, now)?;
    let people = organization.people.iter().map(|(name, actor)| Ok((name.clone(), issuer.person(actor, now)?)));
    let people = people.collect::<Result<_, WorldError>>()?;
    let (_, client_certificate, client_key) =
        files.clients.first().cloned().ok_or_else(|| anyhow::anyhow!("no certificate for {SYSTEM}"))?;
    let records: Vec<PathBuf> = scenario.organizations.iter().map(|organization| agreements.join(record_file(organization))).collect();
    let home = Home {
        key: organization.key.clone(),
        id: organization.id.to_string(),
        name: organization.name.clone(),
        config: dir.join("schakel.toml"),
        data,
        drop,
        ports,
        gateway_certificate: files.certificate.clone(),
        client_certificate,
        client_key,
        tokens,
        holders,
        people,
        dir,
    };
    fs::write(&home.config, config::text(&home, files, ca, &agreements.join("covenant.json"), &records, &issuer))?;
    Ok(home)
}
