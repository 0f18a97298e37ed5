//! Signed notes (C2SP signed-note) with Ed25519, and the cosignatures a witness puts under them (C2SP tlog-cosignature, v1).
//!
//! A note is a text, an empty line, and one line for each signature: `— name base64(key id, signature)`. A reader checks the
//! signatures of the keys it knows and ignores the others. Writing is exact: base64 and keys that are written in another way than
//! the one way are refused, so that not one byte of a note can change unseen.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Largest note that is read, in bytes.
pub const MAX_NOTE: usize = 1 << 16;
/// Most signatures that are read; the specification asks for at least 16.
pub const MAX_SIGNATURES: usize = 64;

const DASH: &str = "\u{2014} ";

/// Why a note or key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a note: text, empty line, signature lines.
    #[error("not a signed note: {0}")]
    Form(&'static str),
    /// Not a verifier key `name+id+base64`.
    #[error("not a verifier key: {0}")]
    Key(&'static str),
    /// No signature by this key.
    #[error("not signed by the expected key")]
    Unsigned,
    /// A signature by this key that does not fit the text.
    #[error("the signature does not fit the text")]
    Signature,
}

/// What a key signs; the number is part of its key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// 0x01: Ed25519 over the text: the log itself.
    Ed25519,
    /// 0x04: Ed25519 over a time and the text: a witness.
    Cosignature,
}

impl KeyType {
    fn byte(self) -> u8 {
        match self {
            KeyType::Ed25519 => 0x01,
            KeyType::Cosignature => 0x04,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [KeyType::Ed25519, KeyType::Cosignature].into_iter().find(|key_type| key_type.byte() == byte)
    }
}

/// A public key with the name it signs under: what an auditor or a peer must have from a trusted hand.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Vkey {
    name: String,
    key_type: KeyType,
    public: [u8; 32],
}

impl Vkey {
    /// A key under a name.
    ///
    /// # Errors
    /// When the name is empty or has white space or a plus sign.
    pub fn new(name: &str, key_type: KeyType, public: [u8; 32]) -> Result<Self, NoteError> {
        if name.is_empty() || name.contains('+') || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(NoteError::Key("a name has no white space and no plus sign"));
        }
        Ok(Self { name: name.to_owned(), key_type, public })
    }

    /// The name it signs under; a log's name is its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The key itself.
    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// First four bytes of SHA-256 over name, newline, type and key.
    #[must_use]
    pub fn key_id(&self) -> [u8; 4] {
        let mut material = format!("{}\n", self.name).into_bytes();
        material.push(self.key_type.byte());
        material.extend_from_slice(&self.public);
        let hash = crate::id::Hash::sha256(&material).0;
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// Checks this log key's signature under a note.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] or [`NoteError::Signature`].
    pub fn verify(&self, note: &Note) -> Result<(), NoteError> {
        if self.key_type != KeyType::Ed25519 {
            return Err(NoteError::Key("a witness key checks cosignatures only"));
        }
        self.each(note, |signature| self.check(note.text.as_bytes(), signature)).map(|_| ())
    }

    /// Checks this witness key's cosignature under a note, and gives its time in Unix seconds (the latest, when there are several).
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] or [`NoteError::Signature`].
    pub fn verify_cosignature(&self, note: &Note) -> Result<u64, NoteError> {
        if self.key_type != KeyType::Cosignature {
            return Err(NoteError::Key("a log key does not cosign"));
        }
        let times = self.each(note, |payload| {
            let (time, signature) = payload.split_first_chunk::<8>().ok_or(NoteError::Signature)?;
            let time = u64::from_be_bytes(*time);
            self.check(cosigned_text(time, &note.text).as_bytes(), signature).map(|()| time)
        })?;
        times.into_iter().max().ok_or(NoteError::Unsigned)
    }

    /// Checks every signature line of this key: one bad line is a bad note.
    fn each<T>(&self, note: &Note, check: impl Fn(&[u8]) -> Result<T, NoteError>) -> Result<Vec<T>, NoteError> {
        let id = self.key_id();
        let mine = note.signatures.iter().filter(|line| line.name == self.name && line.key_id == id);
        let checked: Vec<T> = mine.map(|line| check(&line.payload)).collect::<Result<_, _>>()?;
        if checked.is_empty() { Err(NoteError::Unsigned) } else { Ok(checked) }
    }

    fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), NoteError> {
        let key = ParsedPublicKey::new(&ED25519, &self.public[..]).map_err(|_| NoteError::Key("not an Ed25519 key"))?;
        key.verify_sig(message, signature).map_err(|_| NoteError::Signature)
    }
}

impl fmt::Display for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut typed = vec![self.key_type.byte()];
        typed.extend_from_slice(&self.public);
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.key_id()), STANDARD.encode(typed))
    }
}

impl fmt::Debug for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<Vkey> for String {
    fn from(vkey: Vkey) -> String {
        vkey.to_string()
    }
}

impl TryFrom<String> for Vkey {
    type Error = NoteError;

    fn try_from(text: String) -> Result<Self, NoteError> {
        text.parse()
    }
}

impl FromStr for Vkey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("expected name+id+base64"));
        };
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::Key("the key is not base64"))?;
        let (kind, public) = bytes.split_first().ok_or(NoteError::Key("the key is empty"))?;
        let key_type = KeyType::from_byte(*kind).ok_or(NoteError::Key("only Ed25519 (1) and cosignature (4) keys are known"))?;
        let public = public.try_into().map_err(|_| NoteError::Key("an Ed25519 key has 32 bytes"))?;
        let vkey = Vkey::new(name, key_type, public)?;
        // Also catches a wrong id: a key that was cut from one name and pasted to another.
        if vkey.to_string() == text { Ok(vkey) } else { Err(NoteError::Key("the id does not fit name and key")) }
    }
}

/// The private half: signs checkpoints as a log, or cosigns those of others as a witness. Not shown by `Debug`.
pub struct Signer {
    vkey: Vkey,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// The key with this 32-byte seed, which the caller drew and guards.
    ///
    /// # Errors
    /// When the name cannot be a key's name, or the seed is refused.
    pub fn from_seed(name: &str, key_type: KeyType, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::Key("the seed is refused"))?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| NoteError::Key("an Ed25519 key has 32 bytes"))?;
        Ok(Self { vkey: Vkey::new(name, key_type, public)?, pair })
    }

    /// The public half.
    #[must_use]
    pub fn vkey(&self) -> &Vkey {
        &self.vkey
    }

    /// Signs a text as a log: the note with this one signature.
    ///
    /// # Errors
    /// When this is a witness key, or the text cannot be a note's.
    pub fn sign(&self, text: &str) -> Result<Note, NoteError> {
        if self.vkey.key_type != KeyType::Ed25519 {
            return Err(NoteError::Key("a witness key only cosigns"));
        }
        check_text(text)?;
        let signature = self.line(self.pair.sign(text.as_bytes()).as_ref().to_vec());
        Ok(Note { text: text.to_owned(), signatures: vec![signature] })
    }

    /// Cosigns a note as a witness at a time in Unix seconds: the line to add to [`Note::signatures`].
    ///
    /// # Errors
    /// When this is a log key.
    pub fn cosign(&self, note: &Note, unix_seconds: u64) -> Result<SignatureLine, NoteError> {
        if self.vkey.key_type != KeyType::Cosignature {
            return Err(NoteError::Key("a log key does not cosign"));
        }
        let mut payload = unix_seconds.to_be_bytes().to_vec();
        payload.extend_from_slice(self.pair.sign(cosigned_text(unix_seconds, &note.text).as_bytes()).as_ref());
        Ok(self.line(payload))
    }

    fn line(&self, payload: Vec<u8>) -> SignatureLine {
        SignatureLine { name: self.vkey.name.clone(), key_id: self.vkey.key_id(), payload }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.vkey)
    }
}

/// A text with its signatures, not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The text, ending in a newline.
    pub text: String,
    /// The signatures, in the order of the lines.
    pub signatures: Vec<SignatureLine>,
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// Name of the key.
    pub name: String,
    /// Id of the key.
    pub key_id: [u8; 4],
    /// The signature; a cosignature's starts with eight bytes of time.
    pub payload: Vec<u8>,
}

impl Note {
    /// Reads a note; nothing is verified yet ([`Vkey::verify`]).
    ///
    /// # Errors
    /// [`NoteError::Form`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE {
            return Err(NoteError::Form("larger than 64 KiB"));
        }
        let whole = std::str::from_utf8(bytes).map_err(|_| NoteError::Form("not UTF-8"))?;
        // The last empty line divides, because a text may have empty lines of its own.
        let at = whole.rfind("\n\n").ok_or(NoteError::Form("no empty line before the signatures"))?;
        let (text, lines) = (&whole[..=at], &whole[at + 2..]);
        check_text(text)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Form("the last line does not end"))?;
        let signatures: Vec<_> = lines.split('\n').take(MAX_SIGNATURES + 1).map(SignatureLine::parse).collect::<Result<_, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::Form("more than 64 signatures"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl SignatureLine {
    fn parse(line: &str) -> Result<Self, NoteError> {
        let form = NoteError::Form("a signature line is a dash, a name and base64");
        let (name, base64) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or(form)?;
        let bytes = STANDARD.decode(base64).map_err(|_| form)?;
        let (key_id, payload) = bytes.split_first_chunk::<4>().ok_or(form)?;
        if name.is_empty() || name.contains('+') || name.chars().any(char::is_whitespace) || payload.is_empty() {
            return Err(form);
        }
        Ok(Self { name: name.to_owned(), key_id: *key_id, payload: payload.to_vec() })
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id[..], &self.payload].concat();
        write!(f, "{DASH}{} {}", self.name, STANDARD.encode(bytes))
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') || text.chars().any(|c| c < ' ' && c != '\n') {
        return Err(NoteError::Form("a text ends in a newline and has no other control characters"));
    }
    Ok(())
}

/// What a witness signs: that at this time it had seen this text, and no other that disagrees with it.
fn cosigned_text(unix_seconds: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {unix_seconds}\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "schakel/ura:90000123\n3\nNmQucyxUCrEh46a/lUWwokmC2DDrE9PNGd487mwCHsE=\n";

    fn log(seed: u8) -> Signer {
        Signer::from_seed("schakel/ura:90000123", KeyType::Ed25519, &[seed; 32]).unwrap()
    }

    fn witness() -> Signer {
        Signer::from_seed("schakel/ura:90000382", KeyType::Cosignature, &[9; 32]).unwrap()
    }

    #[test]
    fn a_key_published_by_others_has_the_id_we_compute() {
        let published = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

        assert_eq!(published.parse::<Vkey>().unwrap().key_id(), [0xc7, 0x4f, 0x20, 0xa3]);
        assert!(published.replace("Peter", "Pieter").parse::<Vkey>().is_err());
    }

    #[test]
    fn a_signed_note_reads_back_and_verifies_with_its_key_alone() {
        let note = log(1).sign(TEXT).unwrap();

        let read = Note::parse(note.to_string().as_bytes()).unwrap();

        assert_eq!(read, note);
        assert_eq!(log(1).vkey().verify(&read), Ok(()));
        assert_eq!(log(2).vkey().verify(&read), Err(NoteError::Unsigned));
        assert_eq!(log(1).vkey().to_string().parse(), Ok(log(1).vkey().clone()));
    }

    #[test]
    fn signatures_of_unknown_keys_are_ignored_but_a_bad_one_of_a_known_key_is_not() {
        let mut note = log(1).sign(TEXT).unwrap();
        note.signatures.insert(0, log(2).sign("something else\n").unwrap().signatures.remove(0));
        assert_eq!(log(1).vkey().verify(&note), Ok(()));

        note.signatures.push(log(1).sign("something else\n").unwrap().signatures.remove(0));

        assert_eq!(log(1).vkey().verify(&note), Err(NoteError::Signature));
    }

    #[test]
    fn a_cosignature_gives_its_time_and_fits_this_text_and_time_alone() {
        let mut note = log(1).sign(TEXT).unwrap();
        assert_eq!(witness().vkey().verify_cosignature(&note), Err(NoteError::Unsigned));
        note.signatures.push(witness().cosign(&note, 1_795_000_000).unwrap());

        let read = Note::parse(note.to_string().as_bytes()).unwrap();

        assert_eq!(witness().vkey().verify_cosignature(&read), Ok(1_795_000_000));
        for broken in
            [|note: &mut Note| note.text = note.text.replace("\n3\n", "\n4\n"), |note: &mut Note| note.signatures[1].payload[7] ^= 1]
        {
            let mut other = read.clone();
            broken(&mut other);
            assert_eq!(witness().vkey().verify_cosignature(&other), Err(NoteError::Signature));
        }
    }

    #[test]
    fn no_single_byte_of_a_note_or_key_can_change_unseen() {
        let (note, vkey) = (log(1).sign(TEXT).unwrap().to_string(), log(1).vkey().to_string());
        for at in 0..note.len() {
            for flip in 1..=255_u8 {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= flip;
                let accepted = Note::parse(&bytes).is_ok_and(|note| log(1).vkey().verify(&note).is_ok());
                assert!(!accepted, "byte {at} changed by {flip}");
            }
        }
        for at in 0..vkey.len() {
            for flip in 1..=255_u8 {
                let mut bytes = vkey.clone().into_bytes();
                bytes[at] ^= flip;
                let accepted =
                    String::from_utf8(bytes).is_ok_and(|text| text.parse::<Vkey>().is_ok_and(|key| key.key_id() == log(1).vkey().key_id()));
                assert!(!accepted, "byte {at} changed by {flip}");
            }
        }
    }

    #[test]
    fn what_is_not_a_note_is_refused() {
        let good = log(1).sign(TEXT).unwrap().to_string();
        let line = good.lines().last().unwrap();
        let many = format!("{TEXT}\n{}", format!("{line}\n").repeat(MAX_SIGNATURES + 1));
        for bad in [
            "",
            "text\n",
            "text\n\n",
            good.trim_end(),
            &good.replace("\u{2014} ", "- "),
            &format!("{good}\n"),
            &many,
            &good.replacen("3\n", "3\r\n", 1),
        ] {
            assert!(matches!(Note::parse(bad.as_bytes()), Err(NoteError::Form(_))), "{bad}");
        }
    }
}
