//! BATCH: one signature over many messages, each of which stays provable alone.
//!
//! The signature is over a short text, the statement, that ends in the Merkle root of the batch. What is stored beside a message is
//! the statement, the signature and the message's path to the root. The receiver's acknowledgement is signed in the same way. The
//! exact bytes of statements and leaves stand in `proto/README.md`; neighbours: the courier signs batches and checks
//! acknowledgements, the federation door does the reverse.

mod statement;
#[cfg(test)]
pub(crate) mod tests;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use prost::Message as _;
use schakel_domain::audit::tree::{Frontier, inclusion_proof, leaf_hash, verify_inclusion};
use schakel_domain::id::{Hash, OrgId};
use schakel_proto::r#type::v1 as ty;

pub use statement::{Answer, Outcome, Parties, Topic};
use statement::{Statement, message_record};

use crate::peers::Signer;

/// Why a batch, an acknowledgement or a proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The bytes are no proof.
    #[error("not a proof")]
    Malformed,
    /// The statement is not one of this kind, or not by this signer.
    #[error("the statement is not what it should be")]
    Statement,
    /// Another key signed, or something was altered.
    #[error("the signature is wrong")]
    Signature,
    /// The message is not the one in the batch.
    #[error("the message is not in the signed batch")]
    Absent,
}

/// A signed list: a batch of messages or an acknowledgement.
#[derive(Debug, Clone)]
pub struct SignedList {
    /// Id of the key.
    pub key_id: String,
    /// Ed25519 signature over the statement.
    pub signature: Vec<u8>,
    statement: Vec<u8>,
    sender: OrgId,
    /// Complete nodes of the tree, by level.
    nodes: Vec<Vec<Hash>>,
}

/// A message as a batch commits to it: its number and the hash of its bytes.
pub type Numbered = (u64, Hash);

/// Signs a batch.
#[must_use]
pub fn sign_batch(parties: &Parties, messages: &[Numbered], signer: &dyn Signer) -> SignedList {
    sign(Topic::Batch, parties, messages.iter().map(message_record), signer)
}

/// Signs an acknowledgement: `parties.sender` is the one who answers.
#[must_use]
pub fn sign_answers(parties: &Parties, answers: &[Answer], signer: &dyn Signer) -> SignedList {
    sign(Topic::Acknowledgement, parties, answers.iter().map(Answer::record), signer)
}

/// Checks the signature over a batch.
///
/// # Errors
/// [`Unproven::Signature`].
pub fn verify_batch(parties: &Parties, messages: &[Numbered], signature: Signature<'_>) -> Result<SignedList, Unproven> {
    verify(Topic::Batch, parties, messages.iter().map(message_record), signature)
}

/// Checks the signature over an acknowledgement: `parties.sender` is the one who answers.
///
/// # Errors
/// [`Unproven::Signature`].
pub fn verify_answers(parties: &Parties, answers: &[Answer], signature: Signature<'_>) -> Result<SignedList, Unproven> {
    verify(Topic::Acknowledgement, parties, answers.iter().map(Answer::record), signature)
}

/// A signature as received, and the key it must be made with.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    /// Id of the key.
    pub key_id: &'a str,
    /// The key.
    pub key: &'a [u8; 32],
    /// The signature.
    pub bytes: &'a [u8],
}

impl Signature<'_> {
    fn check(&self, statement: &[u8]) -> Result<(), Unproven> {
        UnparsedPublicKey::new(&ED25519, self.key).verify(statement, self.bytes).map_err(|_| Unproven::Signature)
    }
}

fn sign(topic: Topic, parties: &Parties, records: impl Iterator<Item = Vec<u8>>, signer: &dyn Signer) -> SignedList {
    let (statement, nodes) = state(topic, parties, records);
    let signature = signer.sign(&statement);
    SignedList { key_id: signer.key_id(), signature, statement, sender: parties.sender.clone(), nodes }
}

fn verify(
    topic: Topic,
    parties: &Parties,
    records: impl Iterator<Item = Vec<u8>>,
    signature: Signature<'_>,
) -> Result<SignedList, Unproven> {
    let (statement, nodes) = state(topic, parties, records);
    signature.check(&statement)?;
    let (key_id, signature) = (signature.key_id.to_owned(), signature.bytes.to_vec());
    Ok(SignedList { key_id, signature, statement, sender: parties.sender.clone(), nodes })
}

/// The statement over these records, and the tree under it.
fn state(topic: Topic, parties: &Parties, records: impl Iterator<Item = Vec<u8>>) -> (Vec<u8>, Vec<Vec<Hash>>) {
    let (mut frontier, mut nodes) = (Frontier::new(), Vec::<Vec<Hash>>::new());
    for record in records {
        frontier.push(leaf_hash(&record), |level, _, hash| {
            let level = level as usize;
            if nodes.len() <= level {
                nodes.push(Vec::new());
            }
            nodes[level].push(hash);
        });
    }
    let statement = Statement { topic, parties: parties.clone(), size: frontier.size(), root: frontier.root() };
    (statement.to_string().into_bytes(), nodes)
}

impl SignedList {
    fn size(&self) -> usize {
        self.nodes.first().map_or(0, Vec::len)
    }

    /// The path of item `index`; empty when there is no such item.
    fn path(&self, index: usize) -> Vec<Vec<u8>> {
        let node = |level: u32, at: u64| {
            let row = self.nodes.get(level as usize).ok_or(())?;
            usize::try_from(at).ok().and_then(|at| row.get(at)).copied().ok_or(())
        };
        let path = inclusion_proof(index as u64, self.size() as u64, node).ok().flatten().unwrap_or_default();
        path.into_iter().map(|hash| hash.0.to_vec()).collect()
    }

    /// What proves message `index` of this batch alone.
    #[must_use]
    pub fn message_proof(&self, index: usize, message: Numbered) -> ty::MessageProof {
        ty::MessageProof {
            signer: self.sender.to_string(),
            key_id: self.key_id.clone(),
            signature: self.signature.clone(),
            statement: self.statement.clone(),
            index: small(index),
            size: small(self.size()),
            path: self.path(index),
            number: message.0,
            message_hash: message.1.0.to_vec(),
            answer: None,
        }
    }

    /// What proves answer `index` of this acknowledgement alone, beside the proof of the message it answers.
    #[must_use]
    pub fn answer_proof(&self, index: usize, answer: &Answer) -> ty::SignedAnswer {
        ty::SignedAnswer {
            outcome: answer.outcome.as_str().to_owned(),
            reason: answer.reason.clone(),
            detail: answer.detail.clone(),
            key_id: self.key_id.clone(),
            signature: self.signature.clone(),
            statement: self.statement.clone(),
            index: small(index),
            size: small(self.size()),
            path: self.path(index),
            leaf_hash: answer.leaf.map_or_else(Vec::new, |leaf| leaf.0.to_vec()),
        }
    }
}

/// What a proof proves: this organisation sent this message to that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// From whom to whom, in which incarnation of the sender.
    pub parties: Parties,
    /// The message's number.
    pub number: u64,
    /// SHA-256 of its bytes.
    pub hash: Hash,
}

/// Reads an encoded proof.
///
/// # Errors
/// [`Unproven::Malformed`].
pub fn read_proof(bytes: &[u8]) -> Result<ty::MessageProof, Unproven> {
    ty::MessageProof::decode(bytes).map_err(|_| Unproven::Malformed)
}

/// Checks a proof with nothing but the signer's key; compare [`Proven::hash`] with the message at hand.
///
/// # Errors
/// Which part does not hold.
pub fn verify_proof(proof: &ty::MessageProof, key: &[u8; 32]) -> Result<Proven, Unproven> {
    let statement = Statement::parse(Topic::Batch, &proof.statement)?;
    let hash = digest(&proof.message_hash)?;
    let record = message_record(&(proof.number, hash));
    if statement.parties.sender.as_str() != proof.signer {
        return Err(Unproven::Statement);
    }
    included(&statement, &record, proof.index, proof.size, &proof.path)?;
    Signature { key_id: &proof.key_id, key, bytes: &proof.signature }.check(&proof.statement)?;
    Ok(Proven { parties: statement.parties, number: proof.number, hash })
}

/// Checks the receiver's answer in a proof, with the receiver's key.
///
/// # Errors
/// [`Unproven::Malformed`] when there is no answer, else which part does not hold.
pub fn verify_answer(proof: &ty::MessageProof, proven: &Proven, key: &[u8; 32]) -> Result<Answer, Unproven> {
    let signed = proof.answer.as_ref().ok_or(Unproven::Malformed)?;
    let statement = Statement::parse(Topic::Acknowledgement, &signed.statement)?;
    if statement.parties.sender != proven.parties.receiver || statement.parties.receiver != proven.parties.sender {
        return Err(Unproven::Statement);
    }
    let outcome = Outcome::parse(&signed.outcome).ok_or(Unproven::Malformed)?;
    let (reason, detail) = (signed.reason.clone(), signed.detail.clone());
    let answer = Answer { number: proven.number, hash: proven.hash, outcome, reason, detail, leaf: stated(&signed.leaf_hash)? };
    included(&statement, &answer.record(), signed.index, signed.size, &signed.path)?;
    Signature { key_id: &signed.key_id, key, bytes: &signed.signature }.check(&signed.statement)?;
    Ok(answer)
}

/// What the receiver's answer in a proof says: its outcome and the leaf hash of the receiver's entry; none without an answer. Nothing is
/// checked: [`verify_answer`] does that.
#[must_use]
pub fn stated_answer(proof: &ty::MessageProof) -> Option<(String, Option<Hash>)> {
    let answer = proof.answer.as_ref()?;
    Some((answer.outcome.clone(), stated(&answer.leaf_hash).ok()?))
}

fn included(statement: &Statement, record: &[u8], index: u32, size: u32, path: &[Vec<u8>]) -> Result<(), Unproven> {
    if u64::from(size) != statement.size {
        return Err(Unproven::Statement);
    }
    let path: Vec<Hash> = path.iter().map(|hash| digest(hash)).collect::<Result<_, _>>()?;
    verify_inclusion(leaf_hash(record), index.into(), size.into(), &path, statement.root).map_err(|_| Unproven::Absent)
}

fn digest(bytes: &[u8]) -> Result<Hash, Unproven> {
    bytes.try_into().map(Hash).map_err(|_| Unproven::Malformed)
}

/// A hash that may be absent.
fn stated(bytes: &[u8]) -> Result<Option<Hash>, Unproven> {
    if bytes.is_empty() { Ok(None) } else { digest(bytes).map(Some) }
}

/// A batch holds at most 128 messages.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
