//! What a signature over many proves of one, and what nobody can make of it.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use schakel_domain::id::{Hash, OrgId};

use super::*;

/// A signing key in memory.
pub(crate) struct TestSigner {
    pair: Ed25519KeyPair,
    name: String,
}

impl TestSigner {
    pub(crate) fn new(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        Self { pair, name: format!("key-{seed}") }
    }

    /// The same key under the name of another.
    pub(crate) fn named(self, number: u8) -> Self {
        Self { name: format!("key-{number}"), ..self }
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.pair.public_key().as_ref().try_into().unwrap()
    }
}

impl Signer for TestSigner {
    fn key_id(&self) -> String {
        self.name.clone()
    }

    fn sign(&self, statement: &[u8]) -> Vec<u8> {
        self.pair.sign(statement).as_ref().to_vec()
    }

    fn own_key(&self, key_id: &str) -> Option<[u8; 32]> {
        (key_id == self.name).then(|| self.public())
    }
}

fn org(number: u32) -> OrgId {
    format!("ura:9000{number:04}").parse().unwrap()
}

fn parties() -> Parties {
    Parties { sender: org(1), receiver: org(2), incarnation: 3 }
}

fn back() -> Parties {
    Parties { sender: org(2), receiver: org(1), incarnation: 9 }
}

fn messages(count: u64) -> Vec<Numbered> {
    (1..=count).map(|n| (n * 2, Hash::sha256(&n.to_be_bytes()))).collect()
}

fn answer((number, hash): Numbered) -> Answer {
    Answer {
        number,
        hash,
        outcome: Outcome::Refused,
        reason: "UNSUPPORTED_MESSAGE".to_owned(),
        detail: "body".to_owned(),
        leaf: Some(Hash([3; 32])),
    }
}

#[test]
fn the_statement_is_the_published_text() {
    let signed = sign_batch(&parties(), &messages(1), &TestSigner::new(1));

    let leaf = leaf_hash(&[2_u64.to_be_bytes().as_slice(), &Hash::sha256(&1_u64.to_be_bytes()).0].concat());
    let text = format!("schakel batch v1\nsender ura:90000001\nreceiver ura:90000002\nincarnation 3\nsize 1\nroot {leaf}\n");
    assert_eq!(String::from_utf8(signed.statement).unwrap(), text);
}

#[test]
fn every_message_of_a_batch_of_any_size_is_provable_alone() {
    let signer = TestSigner::new(1);
    for count in [1, 2, 3, 7, 8, 127, 128] {
        let messages = messages(count);
        let signed = sign_batch(&parties(), &messages, &signer);

        for (index, message) in messages.iter().enumerate() {
            let proof = read_proof(&signed.message_proof(index, *message).encode_to_vec()).unwrap();
            let proven = verify_proof(&proof, &signer.public()).unwrap();
            assert_eq!(proven, Proven { parties: parties(), number: message.0, hash: message.1 });
        }
    }
}

#[test]
fn a_proof_with_any_part_changed_proves_nothing() {
    let signer = TestSigner::new(1);
    let messages = messages(5);
    let good = sign_batch(&parties(), &messages, &signer).message_proof(2, messages[2]);
    let spoil: [(fn(&mut ty::MessageProof), Unproven); 9] = [
        (|p| p.number += 1, Unproven::Absent),
        (|p| p.message_hash[0] ^= 1, Unproven::Absent),
        (|p| p.index = 1, Unproven::Absent),
        (|p| p.size = 6, Unproven::Statement),
        (|p| p.path[0][0] ^= 1, Unproven::Absent),
        (|p| drop(p.path.pop()), Unproven::Absent),
        (|p| p.signature[0] ^= 1, Unproven::Signature),
        (|p| p.signer = "ura:90000002".to_owned(), Unproven::Statement),
        (|p| p.statement.push(b'\n'), Unproven::Statement),
    ];

    assert!(verify_proof(&good, &signer.public()).is_ok());
    assert_eq!(verify_proof(&good, &TestSigner::new(2).public()), Err(Unproven::Signature));
    for (spoil, says) in spoil {
        let mut proof = good.clone();
        spoil(&mut proof);
        assert_eq!(verify_proof(&proof, &signer.public()), Err(says));
    }
}

#[test]
fn a_batch_for_one_receiver_does_not_verify_at_another() {
    let signer = TestSigner::new(1);
    let signed = sign_batch(&parties(), &messages(3), &signer);
    let key = signer.public();
    let signature = Signature { key_id: &signed.key_id, key: &key, bytes: &signed.signature };

    let elsewhere = Parties { receiver: org(7), ..parties() };
    let reborn = Parties { incarnation: 4, ..parties() };

    assert!(verify_batch(&parties(), &messages(3), signature).is_ok());
    for (other, list) in [(&elsewhere, messages(3)), (&reborn, messages(3)), (&parties(), messages(2))] {
        assert_eq!(verify_batch(other, &list, signature).unwrap_err(), Unproven::Signature);
    }
}

#[test]
fn a_refusal_is_signed_and_provable_alone_beside_the_message_it_refuses() {
    let (sender, receiver) = (TestSigner::new(1), TestSigner::new(2));
    let messages = messages(3);
    let answers: Vec<_> = messages.iter().copied().map(answer).collect();
    let acknowledged = sign_answers(&back(), &answers, &receiver);

    let mut proof = sign_batch(&parties(), &messages, &sender).message_proof(1, messages[1]);
    proof.answer = Some(acknowledged.answer_proof(1, &answers[1]));

    let proven = verify_proof(&proof, &sender.public()).unwrap();
    assert_eq!(verify_answer(&proof, &proven, &receiver.public()).unwrap(), answers[1]);
    assert_eq!(verify_answer(&proof, &proven, &sender.public()), Err(Unproven::Signature));
    let spoil: [fn(&mut ty::SignedAnswer); 3] = [|a| a.outcome = "accepted".to_owned(), |a| a.leaf_hash[0] ^= 1, |a| a.leaf_hash.clear()];
    for spoil in spoil {
        let mut altered = proof.clone();
        spoil(altered.answer.as_mut().unwrap());
        assert_eq!(verify_answer(&altered, &proven, &receiver.public()), Err(Unproven::Absent));
    }
}

#[test]
fn the_record_of_an_answer_is_the_published_text_with_and_without_a_leaf_hash() {
    let with = answer((7, Hash([1; 32])));
    let without = Answer { leaf: None, ..with.clone() };

    let text = format!("7\n{}\nrefused\nUNSUPPORTED_MESSAGE\nbody", "01".repeat(32));
    assert_eq!(String::from_utf8(without.record()).unwrap(), text);
    assert_eq!(String::from_utf8(with.record()).unwrap(), format!("{text}\n{}", "03".repeat(32)));
}

#[test]
fn an_answer_survives_the_wire_and_a_strange_one_does_not() {
    let good = answer(messages(1)[0]);
    let spoil: [fn(&mut schakel_proto::federation::v1::MessageResult); 6] = [
        |r| r.outcome = 0,
        |r| r.outcome = 9,
        |r| r.reason.clear(),
        |r| r.detail = "a\nb".to_owned(),
        |r| r.message_hash.truncate(31),
        |r| r.leaf_hash.truncate(31),
    ];

    assert_eq!(Answer::from_wire(good.to_wire()).unwrap(), good);
    for spoil in spoil {
        let mut wire = good.to_wire();
        spoil(&mut wire);
        assert_eq!(Answer::from_wire(wire), Err(Unproven::Malformed));
    }
}
