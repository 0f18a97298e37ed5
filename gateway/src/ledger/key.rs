//! KEY: the file of the log's own key, used for nothing but checkpoints. A seed of 32 bytes, in hexadecimal or base64, on one line.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schakel_domain::audit::checkpoint::origin;
use schakel_domain::audit::note::{KeyType, Signer};
use schakel_domain::id::{Hash, OrgId};
use zeroize::Zeroizing;

/// Longest key file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 256;

/// The key cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("log key {0}")]
pub struct KeyError(String);

/// Reads the key of an organisation's log. The file must be readable by its owner alone.
///
/// # Errors
/// When it cannot be read, others may read it (mode other than 0600 or 0400), or it does not hold one seed.
pub fn read(path: &Path, org: &OrgId) -> Result<Signer, KeyError> {
    let fail = |why: &dyn std::fmt::Display| KeyError(format!("{}: {why}", path.display()));
    let file = File::open(path).map_err(|error| fail(&error))?;
    // Of the opened file, not of the path: nobody can exchange it in between.
    let found = file.metadata().map_err(|error| fail(&error))?;
    let mode = found.permissions().mode() & 0o7777;
    if !found.is_file() || (mode != 0o600 && mode != 0o400) {
        return Err(fail(&format_args!("mode is {mode:04o}; it must be a file of mode 0600")));
    }
    let mut text = Zeroizing::new(String::with_capacity(MAX_FILE_BYTES as usize));
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(|error| fail(&error))?;
    let seed = parse(text.trim()).ok_or_else(|| fail(&"expected a seed of 32 bytes in hexadecimal or base64"))?;
    Signer::from_seed(&origin(org), KeyType::Ed25519, &seed).map_err(|error| fail(&error))
}

/// Draws a new key and writes its file, which must not exist yet.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn create(path: &Path, org: &OrgId, random: &SystemRandom) -> Result<Signer, KeyError> {
    let fail = |why: &dyn std::fmt::Display| KeyError(format!("{}: {why}", path.display()));
    let mut seed = Zeroizing::new([0; 32]);
    random.fill(seed.as_mut_slice()).map_err(|error| fail(&error))?;
    let line = Zeroizing::new(format!("{}\n", STANDARD.encode(seed.as_slice())));
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).map_err(|error| fail(&error))?;
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| fail(&error))?;
    Signer::from_seed(&origin(org), KeyType::Ed25519, &seed).map_err(|error| fail(&error))
}

fn parse(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    if let Ok(Hash(bytes)) = text.to_ascii_lowercase().parse() {
        return Some(Zeroizing::new(bytes));
    }
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    let mut seed = Zeroizing::new([0; 32]);
    (bytes.len() == seed.len()).then(|| {
        seed.copy_from_slice(&bytes);
        seed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org() -> OrgId {
        "ura:90000123".parse().unwrap()
    }

    #[test]
    fn a_key_reads_back_from_the_file_it_was_made_in_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.key");

        let made = create(&path, &org(), &SystemRandom::new()).unwrap();

        assert_eq!(read(&path, &org()).unwrap().vkey(), made.vkey());
        assert_eq!(made.vkey().name(), "schakel/ura:90000123");
        assert!(create(&path, &org(), &SystemRandom::new()).is_err());
    }

    #[test]
    fn a_key_file_that_others_can_read_or_that_holds_no_seed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let hex = "0123456789abcdef".repeat(4);

        for (name, text, mode, good) in
            [("a", hex.as_str(), 0o600, true), ("b", hex.as_str(), 0o640, false), ("c", &hex[2..], 0o600, false), ("d", "", 0o600, false)]
        {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();

            assert_eq!(read(&path, &org()).is_ok(), good, "{name}");
        }
    }
}
