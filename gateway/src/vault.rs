//! VAULT: care content and identity at rest are sealed under a key per client, and those keys under one key of the organisation.
//!
//! AES-256-GCM throughout. A data key is made when a case is opened (or an anonymous consultation, or anything else that is erased as a
//! whole) and lies in the store wrapped by [`KeyWrap`]; erasing somebody is erasing that one row. What is sealed says by which key, so that
//! it can be opened without knowing whose it is:
//!
//! `version (1) | key id (16) | nonce (12) | ciphertext | tag (16)`; version, key id and purpose are authenticated with it, so that no sealed
//! text can be passed off as one with another purpose or of another client.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use schakel_domain::id::ClientKeyId;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::store::{ClientKey, Store, StoreError};

/// A key of AES-256, wiped from memory when dropped.
pub type DataKey = Zeroizing<[u8; KEY_BYTES]>;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Unwrapped keys kept in memory at most; the one used longest ago goes first.
pub const CACHED_KEYS: usize = 1_024;

const VERSION: u8 = 1;
const ID_BYTES: usize = 16;
const HEADER: usize = 1 + ID_BYTES;
/// A key file is one line; anything longer is another file.
const MAX_KEY_FILE_BYTES: u64 = 1_024;

/// Why something could not be sealed or opened. Never holds content or keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The key-encryption key cannot be read or may not be used; the text says why and what is expected.
    #[error("key file {0}")]
    KeyFile(String),
    /// There is no such key: its client was erased.
    #[error("client key {0} does not exist")]
    UnknownKey(ClientKeyId),
    /// Not sealed by us, altered, sealed for another purpose, or wrapped by another key-encryption key.
    #[error("cannot be opened: {0}")]
    Sealed(&'static str),
    /// The operating system gave no randomness.
    #[error("no randomness available")]
    Random,
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Wraps data keys. A file holds the key here; a security module would be another implementation.
pub trait KeyWrap: Send + Sync + 'static {
    /// Wraps a data key, bound to its id.
    ///
    /// # Errors
    /// [`VaultError::Random`].
    fn wrap(&self, id: ClientKeyId, key: &DataKey) -> Result<Vec<u8>, VaultError>;

    /// Unwraps it.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] when it was wrapped by another key, for another id, or altered.
    fn unwrap(&self, id: ClientKeyId, wrapped: &[u8]) -> Result<DataKey, VaultError>;
}

/// Where keys and nonces come from: the system's random numbers. A simulation gives its own, so that a run can be repeated.
pub trait Chance: Send + Sync + 'static {
    /// Fills the bytes, each of them unpredictable to anybody else.
    ///
    /// # Errors
    /// [`VaultError::Random`].
    fn fill(&self, bytes: &mut [u8]) -> Result<(), VaultError>;
}

impl Chance for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), VaultError> {
        SecureRandom::fill(self, bytes).map_err(|_| VaultError::Random)
    }
}

/// A key-encryption key from a file: 32 bytes in hexadecimal or base64 on one line.
pub struct FileKey {
    key: DataKey,
    random: Box<dyn Chance>,
}

impl FileKey {
    /// Reads the key. The file must be readable by its owner alone.
    ///
    /// # Errors
    /// [`VaultError::KeyFile`] when it cannot be read, others may read it (mode other than 0600 or 0400), or it does not hold one key.
    pub fn read(path: &Path, random: impl Chance) -> Result<Self, VaultError> {
        let fail = |why: &dyn std::fmt::Display| VaultError::KeyFile(format!("{}: {why}", path.display()));
        let file = File::open(path).map_err(|error| fail(&error))?;
        // Of the opened file, not of the path: nobody can exchange it in between.
        let found = file.metadata().map_err(|error| fail(&error))?;
        let mode = found.permissions().mode() & 0o7777;
        if !found.is_file() || (mode != 0o600 && mode != 0o400) {
            return Err(fail(&format_args!("mode is {mode:04o}; it must be a file of mode 0600")));
        }
        let mut text = Zeroizing::new(String::with_capacity(MAX_KEY_FILE_BYTES as usize));
        file.take(MAX_KEY_FILE_BYTES).read_to_string(&mut text).map_err(|error| fail(&error))?;
        let key = parse_key(text.trim()).ok_or_else(|| fail(&"expected 32 bytes in hexadecimal or base64"))?;
        Ok(Self { key, random: Box::new(random) })
    }
}

impl KeyWrap for FileKey {
    fn wrap(&self, id: ClientKeyId, key: &DataKey) -> Result<Vec<u8>, VaultError> {
        encrypt(&self.key, &*self.random, vec![VERSION], &wrap_aad(id), key.as_slice())
    }

    fn unwrap(&self, id: ClientKeyId, wrapped: &[u8]) -> Result<DataKey, VaultError> {
        let (version, sealed) = wrapped.split_first().ok_or(VaultError::Sealed("a wrapped key is empty"))?;
        if *version != VERSION {
            return Err(VaultError::Sealed("a wrapped key of an unknown version"));
        }
        let plain = decrypt(&self.key, &wrap_aad(id), sealed).ok_or(VaultError::Sealed("another key-encryption key wrapped it"))?;
        let mut key = DataKey::default();
        if plain.len() != KEY_BYTES {
            return Err(VaultError::Sealed("a wrapped key of another length"));
        }
        key.copy_from_slice(&plain);
        Ok(key)
    }
}

/// Seals and opens what the store keeps.
pub struct Vault {
    wrap: Box<dyn KeyWrap>,
    store: Arc<dyn Store>,
    random: Box<dyn Chance>,
    cache: Mutex<Cache>,
}

impl Vault {
    /// A vault over the keys in a store.
    #[must_use]
    pub fn new(wrap: Box<dyn KeyWrap>, store: Arc<dyn Store>, random: impl Chance) -> Self {
        Self { wrap, store, random: Box::new(random), cache: Mutex::default() }
    }

    /// Makes a data key. Its row belongs in the same commit as what is sealed under it; until then the vault alone knows it.
    ///
    /// # Errors
    /// [`VaultError::Random`], or what [`KeyWrap::wrap`] says.
    pub fn new_key(&self, now: Timestamp) -> Result<ClientKey, VaultError> {
        let mut bytes = [0; 10];
        let mut key = DataKey::default();
        self.random.fill(&mut bytes)?;
        self.random.fill(key.as_mut_slice())?;
        let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
        let id = ClientKeyId::new(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid());
        let wrapped = self.wrap.wrap(id, &key)?;
        self.cache().put(id, key);
        Ok(ClientKey { id, wrapped })
    }

    /// Seals a text under a client's key, for one purpose (a constant such as `record`): only with the same purpose is it opened.
    ///
    /// # Errors
    /// [`VaultError::UnknownKey`] when the key is neither new nor in the store; [`VaultError::Random`]; [`VaultError::Store`].
    pub async fn seal(&self, key: ClientKeyId, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let data_key = self.key(key).await?;
        let mut header = Vec::with_capacity(HEADER + NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        header.push(VERSION);
        header.extend_from_slice(key.uuid().as_bytes());
        let aad = [header.as_slice(), purpose.as_bytes()].concat();
        encrypt(&data_key, &*self.random, header, &aad, plain)
    }

    /// Opens what [`Vault::seal`] sealed for the same purpose.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] when it was altered or sealed otherwise; [`VaultError::UnknownKey`] when its client was erased.
    pub async fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let key = Self::key_of(sealed)?;
        let data_key = self.key(key).await?;
        let (header, rest) = sealed.split_at(HEADER);
        let aad = [header, purpose.as_bytes()].concat();
        decrypt(&data_key, &aad, rest).ok_or(VaultError::Sealed("altered, or sealed for another purpose"))
    }

    /// The key something is sealed under.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] when it was not sealed by this version.
    pub fn key_of(sealed: &[u8]) -> Result<ClientKeyId, VaultError> {
        match sealed.get(..HEADER).map(|header| (header[0], &header[1..])) {
            Some((VERSION, id)) => Uuid::from_slice(id).map(ClientKeyId::new).map_err(|_| VaultError::Sealed("its key id cannot be read")),
            Some(_) => Err(VaultError::Sealed("of an unknown version")),
            None => Err(VaultError::Sealed("too short")),
        }
    }

    /// Forgets an unwrapped key, after its row was erased.
    pub fn forget(&self, key: ClientKeyId) {
        let mut cache = self.cache();
        cache.forgotten += 1;
        cache.keys.remove(&key);
    }

    async fn key(&self, id: ClientKeyId) -> Result<DataKey, VaultError> {
        if let Some(key) = self.cache().get(id) {
            return Ok(key);
        }
        let forgotten = self.cache().forgotten;
        let row = self.store.client_key(id).await?.ok_or(VaultError::UnknownKey(id))?;
        let key = self.wrap.unwrap(id, &row.wrapped)?;
        let mut cache = self.cache();
        // A key that was erased while it was read is not kept.
        if cache.forgotten == forgotten {
            cache.put(id, key.clone());
        }
        Ok(key)
    }

    // Nothing panics while it is locked.
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Unwrapped keys and when each was last used, by a counter.
#[derive(Default)]
struct Cache {
    keys: HashMap<ClientKeyId, (DataKey, u64)>,
    uses: u64,
    /// How many keys were forgotten because they were erased.
    forgotten: u64,
}

impl Cache {
    fn get(&mut self, id: ClientKeyId) -> Option<DataKey> {
        self.uses += 1;
        let (key, used) = self.keys.get_mut(&id)?;
        *used = self.uses;
        Some(key.clone())
    }

    fn put(&mut self, id: ClientKeyId, key: DataKey) {
        if self.keys.len() >= CACHED_KEYS
            && let Some(oldest) = self.keys.iter().min_by_key(|(_, (_, used))| *used).map(|(id, _)| *id)
        {
            self.keys.remove(&oldest);
        }
        self.uses += 1;
        self.keys.insert(id, (key, self.uses));
    }
}

fn wrap_aad(id: ClientKeyId) -> Vec<u8> {
    [b"schakel client key".as_slice(), &[VERSION], id.uuid().as_bytes()].concat()
}

/// Appends nonce, ciphertext and tag to `into`.
fn encrypt(key: &DataKey, random: &dyn Chance, mut into: Vec<u8>, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
    // Random, not counted: two replicas share a key. 2^32 texts under one key are still safe.
    let mut nonce = [0; NONCE_LEN];
    random.fill(&mut nonce)?;
    into.extend_from_slice(&nonce);
    let start = into.len();
    into.extend_from_slice(plain);
    let tag = cipher(key)
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut into[start..])
        .expect("AES-256-GCM seals anything below 64 GiB");
    into.extend_from_slice(tag.as_ref());
    Ok(into)
}

/// What [`encrypt`] appended, opened; `None` when it is not that.
fn decrypt(key: &DataKey, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut plain = Zeroizing::new(rest.to_vec());
    let length = cipher(key).open_in_place(nonce, Aad::from(aad), &mut plain).ok()?.len();
    plain.truncate(length);
    Some(plain)
}

fn cipher(key: &DataKey) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("a key of AES-256 has 32 bytes"))
}

/// 64 hexadecimal characters or the base64 of 32 bytes.
fn parse_key(text: &str) -> Option<DataKey> {
    let mut key = DataKey::default();
    if text.len() == 2 * KEY_BYTES {
        for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            // from_str_radix alone would take a sign.
            let digits = std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        return Some(key);
    }
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    (bytes.len() == KEY_BYTES).then(|| {
        key.copy_from_slice(&bytes);
        key
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs::Permissions;

    use super::*;
    use crate::store::{Commit, memory};

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn key_file(text: &str, mode: u32) -> (tempfile::NamedTempFile, Result<FileKey, VaultError>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
        let key = FileKey::read(file.path(), SystemRandom::new());
        (file, key)
    }

    fn vault(store: Arc<dyn Store>) -> Vault {
        Vault::new(Box::new(key_file(HEX, 0o600).1.unwrap()), store, SystemRandom::new())
    }

    fn now() -> Timestamp {
        Timestamp::new(1_790_000_000, 0).unwrap()
    }

    async fn keep(store: &dyn Store, key: ClientKey) -> ClientKeyId {
        let id = key.id;
        store.commit(Commit { keys: vec![key], ..Commit::default() }).await.unwrap();
        id
    }

    #[tokio::test]
    async fn what_is_sealed_is_opened_after_a_restart_and_does_not_show() {
        let store = memory::new();
        let before = vault(store.clone());
        let key = keep(&*store, before.new_key(now()).unwrap()).await;
        let sealed = before.seal(key, "record", b"een verzonnen dossier").await.unwrap();

        let opened = vault(store.clone()).open("record", &sealed).await.unwrap();

        assert_eq!(opened.as_slice(), b"een verzonnen dossier");
        assert_eq!(Vault::key_of(&sealed).unwrap(), key);
        assert!(!sealed.windows(9).any(|part| part == b"verzonnen"));
    }

    #[tokio::test]
    async fn any_changed_byte_and_any_other_purpose_is_refused() {
        let store = memory::new();
        let vault = vault(store.clone());
        let key = keep(&*store, vault.new_key(now()).unwrap()).await;
        let sealed = vault.seal(key, "record", b"geheim").await.unwrap();

        for place in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[place] ^= 1;
            assert!(vault.open("record", &altered).await.is_err(), "byte {place}");
            assert!(vault.open("record", &sealed[..place]).await.is_err(), "cut at {place}");
        }

        assert!(matches!(vault.open("outbox", &sealed).await, Err(VaultError::Sealed(_))));
    }

    #[tokio::test]
    async fn a_text_cannot_be_moved_to_another_client() {
        let store = memory::new();
        let vault = vault(store.clone());
        let one = keep(&*store, vault.new_key(now()).unwrap()).await;
        let other = keep(&*store, vault.new_key(now()).unwrap()).await;
        let mut sealed = vault.seal(one, "record", b"geheim").await.unwrap();

        sealed[1..HEADER].copy_from_slice(other.uuid().as_bytes());

        assert!(matches!(vault.open("record", &sealed).await, Err(VaultError::Sealed(_))));
    }

    #[tokio::test]
    async fn without_its_key_a_text_is_gone() {
        let vault = vault(memory::new());
        let key = vault.new_key(now()).unwrap();
        let sealed = vault.seal(key.id, "record", b"geheim").await.unwrap();

        vault.forget(key.id);

        assert_eq!(vault.open("record", &sealed).await.unwrap_err(), VaultError::UnknownKey(key.id));
    }

    #[tokio::test]
    async fn another_key_encryption_key_opens_nothing() {
        let store = memory::new();
        let ours = vault(store.clone());
        let key = keep(&*store, ours.new_key(now()).unwrap()).await;
        let sealed = ours.seal(key, "record", b"geheim").await.unwrap();
        let other = key_file(&HEX.replace("00", "ff"), 0o600).1.unwrap();

        let theirs = Vault::new(Box::new(other), store, SystemRandom::new());

        assert!(matches!(theirs.open("record", &sealed).await, Err(VaultError::Sealed(_))));
    }

    #[tokio::test]
    async fn no_nonce_and_no_key_comes_twice() {
        let vault = vault(memory::new());
        let key = vault.new_key(now()).unwrap();
        let mut sealed = HashSet::new();
        for _ in 0..1_000 {
            sealed.insert(vault.seal(key.id, "record", b"").await.unwrap()[HEADER..HEADER + NONCE_LEN].to_vec());
        }

        let keys: HashSet<_> = (0..1_000).map(|_| vault.new_key(now()).unwrap().id).collect();

        assert_eq!((sealed.len(), keys.len()), (1_000, 1_000));
        assert_eq!(key.id.uuid().get_version_num(), 7);
    }

    #[tokio::test]
    async fn the_cache_is_bounded_and_what_fell_out_is_read_again() {
        let store = memory::new();
        let vault = vault(store.clone());
        let first = keep(&*store, vault.new_key(now()).unwrap()).await;
        let sealed = vault.seal(first, "record", b"geheim").await.unwrap();

        for _ in 0..CACHED_KEYS {
            vault.new_key(now()).unwrap();
        }

        assert_eq!(vault.cache().keys.len(), CACHED_KEYS);
        assert!(!vault.cache().keys.contains_key(&first));
        assert_eq!(vault.open("record", &sealed).await.unwrap().as_slice(), b"geheim");
    }

    #[test]
    fn a_key_file_is_read_in_hexadecimal_and_base64_when_it_is_private() {
        let hex = key_file(HEX, 0o600).1.unwrap();
        let base64 = key_file("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", 0o400).1.unwrap();

        assert_eq!(hex.key, base64.key);
    }

    #[test]
    fn a_key_file_others_may_read_or_that_holds_no_key_is_refused() {
        for (text, mode) in
            [(HEX, 0o640), (HEX, 0o644), (HEX, 0o660), (HEX, 0o700), ("", 0o600), (&HEX[2..], 0o600), (&HEX.replace('0', "+"), 0o600)]
        {
            assert!(matches!(key_file(text, mode).1, Err(VaultError::KeyFile(_))), "{mode:o} {text}");
        }
        assert!(matches!(FileKey::read(Path::new("/nonexistent/key"), SystemRandom::new()), Err(VaultError::KeyFile(_))));
    }
}
