//! What a witness does with the head of another's log, as C2SP tlog-witness says it: look, compare with the head it holds, and cosign only
//! what extends it. Keeping the new head, before it answers, is the gateway's work.
//!
//! Requests and answers are those of the specification's `add-checkpoint`, byte for byte, whatever carries them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::checkpoint::Checkpoint;
use super::note::{MAX_NOTE, Note, Vkey};
use super::tree::{empty_root, verify_consistency};
use crate::id::Hash;

/// Most hashes of a consistency proof.
pub const MAX_PROOF: usize = 63;
/// Largest request, in bytes: the old size, the proof, an empty line, the note.
pub const MAX_REQUEST: usize = 64 + MAX_PROOF * 45 + MAX_NOTE;

/// A head handed to a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the head that the witness is believed to hold; 0: none.
    pub old: u64,
    /// That the new head extends it.
    pub proof: Vec<Hash>,
    /// The signed head.
    pub note: Vec<u8>,
}

/// Why a head is not cosigned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// 400: not a request, or the old size is larger than the new one.
    #[error("not a request to cosign")]
    Malformed,
    /// 404: the head of a log this witness does not know.
    #[error("an unknown log")]
    UnknownLog,
    /// 403: not signed by the log.
    #[error("not signed by the log")]
    Unsigned,
    /// 409: the witness holds another head than the request says.
    #[error("the witness holds a head of {size} entries")]
    Conflict {
        /// The size it holds.
        size: u64,
    },
    /// 422: the head does not extend the one the witness holds.
    #[error("the head does not extend the one that was cosigned")]
    Inconsistent,
}

impl Objection {
    /// The status of the specification.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Unsigned => 403,
            Self::UnknownLog => 404,
            Self::Conflict { .. } => 409,
            Self::Inconsistent => 422,
        }
    }

    /// The body of the answer: for 409 the size held, else a sentence; one line.
    #[must_use]
    pub fn body(&self) -> String {
        match self {
            Self::Conflict { size } => format!("{size}\n"),
            other => format!("{other}\n"),
        }
    }

    /// Reads an answer that is not 200. `None` for one that the specification does not know.
    #[must_use]
    pub fn read(status: u16, body: &str) -> Option<Self> {
        match status {
            400 => Some(Self::Malformed),
            403 => Some(Self::Unsigned),
            404 => Some(Self::UnknownLog),
            409 => Some(Self::Conflict { size: decimal(body.strip_suffix('\n')?)? }),
            422 => Some(Self::Inconsistent),
            _ => None,
        }
    }
}

impl AddCheckpoint {
    /// The request as it is sent.
    ///
    /// # Panics
    /// Never: writing to a text does not fail.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("old {}\n", self.old);
        for hash in &self.proof {
            writeln!(text, "{}", STANDARD.encode(hash.0)).expect("a text takes everything");
        }
        text.push('\n');
        [text.as_bytes(), &self.note].concat()
    }

    /// Reads a request; nothing is verified yet ([`judge`]).
    ///
    /// # Errors
    /// [`Objection::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Objection> {
        let malformed = || Objection::Malformed;
        if bytes.len() > MAX_REQUEST {
            return Err(malformed());
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
        let (head, note) = text.split_once("\n\n").ok_or_else(malformed)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| decimal(line.strip_prefix("old ")?)).ok_or_else(malformed)?;
        let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok().map(Hash);
        let proof: Vec<Hash> = lines.take(MAX_PROOF + 1).map(hash).collect::<Option<_>>().ok_or_else(malformed)?;
        if proof.len() > MAX_PROOF {
            return Err(malformed());
        }
        Ok(Self { old, proof, note: note.as_bytes().to_vec() })
    }
}

/// A number as the specification writes it: decimal, no sign, no leading zero.
fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Whether a witness that holds this head of the log may cosign the one in the request. `log` is the key it trusts for whoever asks.
///
/// # Errors
/// The first objection, in the order of the specification. [`Objection::Inconsistent`] with two signed heads is evidence against the log.
pub fn judge(request: &AddCheckpoint, log: Option<&Vkey>, held: Option<&Checkpoint>) -> Result<(Checkpoint, Note), Objection> {
    let note = Note::parse(&request.note).map_err(|_| Objection::Malformed)?;
    let checkpoint = Checkpoint::parse(&note.text).map_err(|_| Objection::Malformed)?;
    let log = log.filter(|log| log.name() == checkpoint.origin).ok_or(Objection::UnknownLog)?;
    log.verify(&note).map_err(|_| Objection::Unsigned)?;
    if request.old > checkpoint.size {
        return Err(Objection::Malformed);
    }
    let (size, root) = held.map_or_else(|| (0, empty_root()), |held| (held.size, held.root));
    if request.old != size {
        return Err(Objection::Conflict { size });
    }
    verify_consistency((size, root), (checkpoint.size, checkpoint.root), &request.proof).map_err(|_| Objection::Inconsistent)?;
    Ok((checkpoint, note))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::note::{KeyType, Signer};
    use crate::audit::tree::{Frontier, consistency_proof, leaf_hash};

    fn log(seed: u8) -> Signer {
        Signer::from_seed("schakel/ura:90000123", KeyType::Ed25519, &[seed; 32]).unwrap()
    }

    /// A log of this many entries, the last of them as `twist` says.
    fn leaves(size: u64, twist: u8) -> Vec<Hash> {
        (0..size).map(|n| leaf_hash(&[&n.to_be_bytes()[..], if n + 1 == size { &[7][..] } else { &[][..] }, &[twist]].concat())).collect()
    }

    fn head(leaves: &[Hash]) -> Checkpoint {
        let mut tree = Frontier::new();
        leaves.iter().for_each(|leaf| tree.push(*leaf, |_, _, _| {}));
        Checkpoint { origin: "schakel/ura:90000123".to_owned(), size: tree.size(), root: tree.root() }
    }

    fn proof(old: u64, leaves: &[Hash]) -> Vec<Hash> {
        let node = |level: u32, index: u64| {
            let range = usize::try_from(index << level).unwrap()..usize::try_from((index + 1) << level).unwrap();
            Ok::<_, ()>(head(&leaves[range]).root)
        };
        consistency_proof(old, leaves.len() as u64, node).unwrap().unwrap()
    }

    fn ask(old: u64, leaves: &[Hash], key: &Signer) -> AddCheckpoint {
        let note = head(leaves).sign(key).unwrap().to_string().into_bytes();
        AddCheckpoint { old, proof: proof(old.min(leaves.len() as u64), leaves), note }
    }

    #[test]
    fn a_request_is_the_published_text_and_reads_back_as_itself() {
        let request = ask(3, &leaves(8, 0), &log(1));

        let bytes = request.to_bytes();

        assert!(String::from_utf8(bytes.clone()).unwrap().starts_with("old 3\n"));
        assert_eq!(AddCheckpoint::parse(&bytes), Ok(request.clone()));
        for spoilt in ["old 03\n\nx\n", "old 3\n!\n\nx\n", "3\n\nx\n", "old 3\n", "old -1\n\nx\n"] {
            assert_eq!(AddCheckpoint::parse(spoilt.as_bytes()), Err(Objection::Malformed), "{spoilt}");
        }
        let many = AddCheckpoint { proof: vec![Hash([0; 32]); MAX_PROOF + 1], ..request };
        assert_eq!(AddCheckpoint::parse(&many.to_bytes()), Err(Objection::Malformed));
    }

    #[test]
    fn a_head_that_extends_the_held_one_is_cosigned_and_every_other_meets_its_objection() {
        let (key, all) = (log(1), leaves(9, 0));
        let held = head(&all[..5]);
        let judged = |request: &AddCheckpoint, held: Option<&Checkpoint>| judge(request, Some(log(1).vkey()), held).map(|_| ());

        assert_eq!(judged(&ask(0, &all[..5], &key), None), Ok(()));
        assert_eq!(judged(&ask(5, &all, &key), Some(&held)), Ok(()));
        assert_eq!(judged(&ask(5, &all[..5], &key), Some(&held)), Ok(()), "the same again");
        assert_eq!(judged(&ask(3, &all, &key), Some(&held)), Err(Objection::Conflict { size: 5 }));
        assert_eq!(judged(&ask(0, &all, &key), Some(&held)), Err(Objection::Conflict { size: 5 }));
        assert_eq!(judged(&ask(9, &all[..5], &key), Some(&held)), Err(Objection::Malformed));
        assert_eq!(judged(&ask(5, &all, &log(2)), Some(&held)), Err(Objection::Unsigned));
        assert_eq!(judge(&ask(5, &all, &key), None, Some(&held)), Err(Objection::UnknownLog));
        assert_eq!(judged(&ask(5, &leaves(9, 1), &key), Some(&held)), Err(Objection::Inconsistent), "rewritten");
        assert_eq!(judged(&ask(5, &leaves(5, 1), &key), Some(&held)), Err(Objection::Inconsistent), "the same size, another root");
        assert_eq!(judged(&ask(4, &all[..4], &key), Some(&held)), Err(Objection::Conflict { size: 5 }), "rolled back");
    }

    #[test]
    fn an_objection_survives_the_wire() {
        for objection in
            [Objection::Malformed, Objection::Unsigned, Objection::UnknownLog, Objection::Conflict { size: 7 }, Objection::Inconsistent]
        {
            assert_eq!(Objection::read(objection.status(), &objection.body()), Some(objection));
        }
        assert_eq!((Objection::read(500, ""), Objection::read(409, "07\n")), (None, None));
    }
}
