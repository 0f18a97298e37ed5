//! Key files: Ed25519 private keys as PKCS #8 in PEM, public ones as one line of base64url.
//!
//! A private key is read only when its file is its owner's alone, and its mode is looked at on the opened file, so that nobody can exchange
//! it in between.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use schakel_domain::audit::checkpoint::origin;
use schakel_domain::audit::note::{KeyType, Signer, Vkey};
use schakel_domain::id::OrgId;
use schakel_domain::signature::{PublicKey, SecretKey};
use zeroize::Zeroizing;

use crate::bounded;

/// Largest key file, in bytes.
const MAX_KEY_BYTES: usize = 4 << 10;
/// What stands before the seed of an Ed25519 key in PKCS #8, version 1 (RFC 8410).
const PKCS8_ED25519: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// A seed of an Ed25519 key; wiped from memory when dropped.
pub type Seed = Zeroizing<[u8; 32]>;

/// Why a key file cannot be used. Never holds its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// It is not there, or may not be read.
    #[error("{}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Others may read it.
    #[error("{}: mode {mode:04o} lets others read it; use chmod 0600", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its access rights.
        mode: u32,
    },
    /// It holds something else.
    #[error("{}: expected {expected}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
}

/// Reads a secret: a small file that is its owner's alone.
///
/// # Errors
/// [`KeyFileError::Unreadable`] or [`KeyFileError::Mode`].
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let fail = |error: std::io::Error| unreadable(path, error.to_string());
    let file = File::open(path).map_err(fail)?;
    let found = file.metadata().map_err(fail)?;
    if !found.is_file() || found.len() > MAX_KEY_BYTES as u64 {
        return Err(unreadable(path, format!("not a file of at most {MAX_KEY_BYTES} bytes")));
    }
    let mode = found.permissions().mode() & 0o7777;
    if mode != 0o600 && mode != 0o400 {
        return Err(KeyFileError::Mode { path: path.to_owned(), mode });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_KEY_BYTES));
    file.take(MAX_KEY_BYTES as u64).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

/// Reads a private Ed25519 key.
///
/// # Errors
/// [`KeyFileError`].
pub fn read_private(path: &Path) -> Result<SecretKey, KeyFileError> {
    SecretKey::from_seed(&*seed(path)?).map_err(|_| not_a_key(path))
}

/// Reads the key with which an organisation signs its log.
///
/// # Errors
/// [`KeyFileError`].
pub fn read_log_signer(path: &Path, org: &OrgId) -> Result<Signer, KeyFileError> {
    Signer::from_seed(&origin(org), KeyType::Ed25519, &*seed(path)?).map_err(|_| not_a_key(path))
}

/// Reads the public half of that key, which `schakel keys new log` writes beside the private one, with `.pub` behind its name. Whoever checks
/// a log needs no more.
///
/// # Errors
/// [`KeyFileError`], also when it is the key of another organisation's log.
pub fn read_log_vkey(private: &Path, org: &OrgId) -> Result<Vkey, KeyFileError> {
    let mut path = private.as_os_str().to_owned();
    path.push(".pub");
    let path = PathBuf::from(path);
    let text = bounded::read_text(&path, MAX_KEY_BYTES).map_err(|error| unreadable(&path, error.to_string()))?;
    let key = text.trim().parse::<Vkey>().ok().filter(|key| key.name() == origin(org));
    let expected = "the public key of this organisation's log, as `schakel keys new log` writes it beside the private one";
    key.ok_or(KeyFileError::Content { path, expected })
}

/// Reads a public Ed25519 key: one line.
///
/// # Errors
/// [`KeyFileError`].
pub fn read_public(path: &Path) -> Result<PublicKey, KeyFileError> {
    let expected = KeyFileError::Content { path: path.to_owned(), expected: "one Ed25519 public key in base64 or hexadecimal" };
    let text = bounded::read_text(path, MAX_KEY_BYTES).map_err(|error| unreadable(path, error.to_string()))?;
    text.trim().parse().map_err(|_| expected)
}

/// Reads a PostgreSQL URL.
///
/// # Errors
/// [`KeyFileError`]; the URL is never part of it.
pub fn read_url(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let bytes = read_secret(path)?;
    let text = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return Err(KeyFileError::Content { path: path.to_owned(), expected: "one line: postgres://user:password@host/database" });
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// A private key as the text of its file.
#[must_use]
pub fn private_pem(seed: &Seed) -> Zeroizing<String> {
    let der = Zeroizing::new([PKCS8_ED25519.as_slice(), seed.as_slice()].concat());
    // 48 bytes are 64 characters: exactly one line of PEM.
    let body = Zeroizing::new(STANDARD.encode(&*der));
    Zeroizing::new(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", *body))
}

fn seed(path: &Path) -> Result<Seed, KeyFileError> {
    let bytes = read_secret(path)?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(&bytes).map_err(|_| not_a_key(path))?;
    let der = key.secret_pkcs8_der();
    let tail = der.strip_prefix(&PKCS8_ED25519).filter(|tail| tail.len() == 32).ok_or_else(|| not_a_key(path))?;
    let mut seed = Seed::default();
    seed.copy_from_slice(tail);
    Ok(seed)
}

fn unreadable(path: &Path, why: String) -> KeyFileError {
    KeyFileError::Unreadable { path: path.to_owned(), why }
}

fn not_a_key(path: &Path) -> KeyFileError {
    KeyFileError::Content { path: path.to_owned(), expected: "an Ed25519 private key in PEM (PKCS #8), as `schakel keys new` writes it" }
}
