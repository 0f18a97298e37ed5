//! Both sides of a handover hold the same proof: the sender's Transfer, and the receiver's Receipt that names its hash.

use prost::Message as _;
use schakel_domain::id::Hash;
use schakel_proto::care::v1 as care;
use schakel_proto::federation::v1::{Message, message::Body};

use super::{Named, Player, Trouble};
use crate::demo::client::by;
use crate::demo::scenario::OrgKey;

/// What one side's proof comes down to: the Transfer's hash and the hash that the Receipt names.
type Found = (Vec<u8>, Vec<u8>);

impl Player<'_> {
    /// What is wrong with the proof, in words; empty when both sides agree.
    pub(super) async fn proof(&self, handover: &Named) -> Result<Vec<String>, Trouble> {
        let Named::Handover { resource, sender, receiver: Some(receiver), .. } = handover else { return Ok(Vec::new()) };
        let (mut unmet, mut found) = (Vec::new(), Vec::new());
        for side in [sender, receiver] {
            match self.proof_at(side, resource).await? {
                Ok(hashes) => found.push(hashes),
                Err(why) => unmet.push(format!("proof at {side}: {why}")),
            }
        }
        if let [a, b] = &found[..]
            && a != b
        {
            unmet.push(format!("{sender} and {receiver} hold different proofs"));
        }
        if let Some((transfer, named)) = found.first()
            && transfer != named
        {
            unmet.push("the receipt names another transfer".to_owned());
        }
        Ok(unmet)
    }

    async fn proof_at(&self, key: &OrgKey, resource: &str) -> Result<Result<Found, String>, Trouble> {
        let person = self.anybody(key).ok_or_else(|| Trouble::Broken(format!("nobody works at {key}")))?;
        let get = care::GetHandoverProofRequest { name: resource.to_owned(), actor: Some(person.wire()) };
        let proof = self.client(key)?.handovers().get_handover_proof(by(&person, get)).await?.into_inner().proof.unwrap_or_default();
        Ok(read(&proof))
    }
}

fn read(proof: &care::HandoverProof) -> Result<Found, String> {
    let find = |kind: &str| proof.messages.iter().find(|message| message.kind == kind).ok_or_else(|| format!("no {kind}"));
    let (transfer, receipt) = (find("transfer-custody")?, find("custody-receipt")?);
    for message in [transfer, receipt] {
        if Hash::sha256(&message.message).0[..] != message.message_hash[..] {
            return Err(format!("the hash of {} is not that of its bytes", message.kind));
        }
        if message.proof.is_none() {
            return Err(format!("{} is not signed yet", message.kind));
        }
    }
    match Message::decode(&receipt.message[..]).ok().and_then(|message| message.body) {
        Some(Body::CustodyReceipt(body)) => Ok((transfer.message_hash.clone(), body.transfer_hash)),
        _ => Err("the receipt cannot be read".to_owned()),
    }
}
