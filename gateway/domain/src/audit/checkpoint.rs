//! A checkpoint (stand): the log's name, size and root, as the text of a signed note (C2SP tlog-checkpoint).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::note::{Note, NoteError, Signer, Vkey};
use crate::id::{Hash, OrgId};

/// Name of an organisation's log, and of the key that signs it: `schakel/ura:90000123`.
#[must_use]
pub fn origin(org: &OrgId) -> String {
    format!("schakel/{org}")
}

/// The organisation whose log, or whose key, has this name; none when it is not the name of one of ours.
#[must_use]
pub fn organization(name: &str) -> Option<OrgId> {
    name.strip_prefix("schakel/")?.parse().ok()
}

/// The head of a log: how many entries, and the root over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// Root over them (RFC 6962).
    pub root: Hash,
}

impl Checkpoint {
    /// Signs this head as the log.
    ///
    /// Never sign two heads of which one does not extend the other: whoever has both has the proof that history was rewritten.
    ///
    /// # Errors
    /// When the key is another log's.
    pub fn sign(&self, key: &Signer) -> Result<Note, NoteError> {
        if key.vkey().name() != self.origin {
            return Err(NoteError::Key("the key is of another log"));
        }
        key.sign(&self.to_string())
    }

    /// Reads the text of a note. Lines after the third are of no meaning here, as the specification demands.
    ///
    /// # Errors
    /// [`NoteError::Form`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let form = NoteError::Form("a checkpoint is a name, a size and a root");
        let body = text.strip_suffix('\n').ok_or(form)?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else { return Err(form) };
        let number: u64 = size.parse().map_err(|_| form)?;
        let bytes = STANDARD.decode(root).map_err(|_| form)?;
        // Also refuses a size with a sign or a leading zero, and empty lines.
        if origin.is_empty() || number.to_string() != size || lines.any(str::is_empty) {
            return Err(form);
        }
        Ok(Self { origin: origin.to_owned(), size: number, root: Hash(bytes.try_into().map_err(|_| form)?) })
    }

    /// Reads a signed checkpoint and checks that this log signed it.
    ///
    /// # Errors
    /// Any [`NoteError`].
    pub fn open(bytes: &[u8], log: &Vkey) -> Result<Self, NoteError> {
        let note = Note::parse(bytes)?;
        log.verify(&note)?;
        let checkpoint = Self::parse(&note.text)?;
        if checkpoint.origin == log.name() { Ok(checkpoint) } else { Err(NoteError::Form("the name in the text is not the signer's")) }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::note::KeyType;

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: origin(&"ura:90000123".parse().unwrap()), size: 600, root: Hash::sha256(b"root") }
    }

    #[test]
    fn a_signed_checkpoint_opens_with_the_logs_key_and_with_no_other() {
        let key = |seed| Signer::from_seed("schakel/ura:90000123", KeyType::Ed25519, &[seed; 32]).unwrap();

        let signed = checkpoint().sign(&key(1)).unwrap().to_string();

        assert_eq!(Checkpoint::open(signed.as_bytes(), key(1).vkey()), Ok(checkpoint()));
        assert_eq!(Checkpoint::open(signed.as_bytes(), key(2).vkey()), Err(NoteError::Unsigned));
    }

    #[test]
    fn a_log_signs_no_checkpoint_of_another_log() {
        let other = Signer::from_seed("schakel/ura:90000382", KeyType::Ed25519, &[1; 32]).unwrap();

        assert!(checkpoint().sign(&other).is_err());
        let forged = other.sign(&checkpoint().to_string()).unwrap().to_string();
        assert!(Checkpoint::open(forged.as_bytes(), other.vkey()).is_err());
    }

    #[test]
    fn there_is_one_way_to_write_a_checkpoint() {
        let good = checkpoint().to_string();
        assert_eq!(Checkpoint::parse(&good), Ok(checkpoint()));
        assert_eq!(Checkpoint::parse(&format!("{good}an extension\n")), Ok(checkpoint()));
        for bad in [
            good.replace("\n600\n", "\n0600\n"),
            good.replace("\n600\n", "\n+600\n"),
            good.replace("\n600\n", "\n18446744073709551616\n"),
            good.replace("=\n", "\n"),
            good.trim_end().to_owned(),
            format!("{good}\n"),
            good.replacen("schakel/ura:90000123", "", 1),
            "schakel/x\n1\nAAAA\n".to_owned(),
        ] {
            assert!(Checkpoint::parse(&bad).is_err(), "{bad}");
        }
    }
}
