//! Wrong from the first word, or in a batch: the stream ends with a reason, whatever its messages were.

use schakel::batch::{Answer, Outcome, Parties, sign_answers};
use schakel::peers::Signer;
use schakel_domain::id::Hash;
use schakel_domain::message::{MAX_BATCH, MAX_BATCH_BYTES};
use schakel_domain::signature::SecretKey;
use schakel_proto::federation::v1 as pb;
use schakel_proto::federation::v1::exchange_request::Request as Say;

use super::{Attempt, tricks};
use crate::stage::Stage;

/// One good message, as bytes.
fn good(stage: &Stage) -> Vec<u8> {
    stage.bytes(&stage.proposal().1)
}

fn good_batch(stage: &Stage) -> pb::Batch {
    stage.peer.batch(&[good(stage)])
}

fn numbered(stage: &Stage, numbers: &[u64]) -> Attempt {
    let messages: Vec<_> = numbers.iter().map(|number| (*number, good(stage))).collect();
    Attempt::Batch(stage.peer.signed(&stage.peer.parties(), &messages))
}

fn hello(stage: &Stage, change: impl FnOnce(&mut pb::Hello)) -> Attempt {
    let mut hello = stage.peer.hello();
    change(&mut hello);
    Attempt::Talk(vec![Some(Say::Hello(hello)), Some(Say::Batch(good_batch(stage)))])
}

fn signed_for(stage: &Stage, change: impl FnOnce(&mut Parties)) -> Attempt {
    let mut parties = stage.peer.parties();
    change(&mut parties);
    Attempt::Batch(stage.peer.signed(&parties, &[(stage.peer.next_number(), good(stage))]))
}

tricks! {
    "a batch before the hello" => Ends(InvalidField), stage {
        Attempt::Talk(vec![Some(Say::Batch(good_batch(stage)))])
    }
    "a hello in the name of another organisation" => Ends(IdentityMismatch), stage {
        hello(stage, |hello| hello.sender = "ura:90000103".to_owned())
    }
    "a hello in the victim's own name" => Ends(IdentityMismatch), stage {
        hello(stage, |hello| hello.sender = hello.receiver.clone())
    }
    "a hello of nobody" => Ends(IdentityMismatch), stage {
        hello(stage, |hello| hello.sender = "\u{0}nobody".to_owned())
    }
    "a hello meant for another" => Ends(IdentityMismatch), stage {
        hello(stage, |hello| hello.receiver = "ura:90000103".to_owned())
    }
    "a second hello" => Ends(InvalidField), stage {
        Attempt::Talk(vec![Some(Say::Hello(stage.peer.hello())), Some(Say::Hello(stage.peer.hello()))])
    }
    "an empty request" => Ends(InvalidField), stage {
        Attempt::Talk(vec![Some(Say::Hello(stage.peer.hello())), None])
    }
    "nothing at all in the first request" => Ends(InvalidField), _stage {
        Attempt::Talk(vec![None])
    }
    "bytes that are no request" => Ends(InvalidField), _stage {
        Attempt::Mumble(vec![0xff; 64])
    }
    "a batch of no messages" => Ends(InvalidField), stage {
        numbered(stage, &[])
    }
    "a batch of 129 messages" => Ends(MessageTooLarge), stage {
        let numbers: Vec<u64> = (1..=MAX_BATCH as u64 + 1).collect();
        numbered(stage, &numbers)
    }
    "a batch of more than four mebibytes" => Ends(MessageTooLarge), stage {
        let part = MAX_BATCH_BYTES / 16 + 1;
        let messages: Vec<_> = (0..16).map(|_| (stage.peer.next_number(), vec![0; part])).collect();
        Attempt::Batch(stage.peer.signed(&stage.peer.parties(), &messages))
    }
    "number zero" => Ends(InvalidField), stage { numbered(stage, &[0]) }
    "a number beyond 63 bits" => Ends(InvalidField), stage { numbered(stage, &[u64::MAX]) }
    "the same number twice in a batch" => Ends(InvalidField), stage { numbered(stage, &[7, 7]) }
    "numbers that fall" => Ends(InvalidField), stage { numbered(stage, &[9, 8]) }
    "a signature of zeroes" => Ends(BadSignature), stage {
        Attempt::Batch(pb::Batch { signature: vec![0; 64], ..good_batch(stage) })
    }
    "no signature" => Ends(BadSignature), stage {
        Attempt::Batch(pb::Batch { signature: Vec::new(), ..good_batch(stage) })
    }
    "a key that is in nobody's party record" => Ends(BadSignature), stage {
        Attempt::Batch(pb::Batch { key_id: "ed25519-0000".to_owned(), ..good_batch(stage) })
    }
    "another key under the name of the right one" => Ends(BadSignature), stage {
        let other = SecretKey::from_seed(&[9; 32]).unwrap();
        let signer = Impostor { key: other, name: stage.peer.key_id() };
        let bytes = good(stage);
        let number = stage.peer.next_number();
        let signed = schakel::batch::sign_batch(&stage.peer.parties(), &[(number, Hash::sha256(&bytes))], &signer);
        let messages = vec![pb::NumberedMessage { number, message: bytes, traceparent: String::new() }];
        Attempt::Batch(pb::Batch { messages, key_id: signed.key_id, signature: signed.signature })
    }
    "the signature over another batch" => Ends(BadSignature), stage {
        let other = good_batch(stage);
        Attempt::Batch(pb::Batch { signature: other.signature, ..good_batch(stage) })
    }
    "a batch signed for another receiver" => Ends(BadSignature), stage {
        signed_for(stage, |parties| parties.receiver = "ura:90000103".parse().unwrap())
    }
    "a batch signed in the name of another" => Ends(BadSignature), stage {
        signed_for(stage, |parties| parties.sender = "ura:90000103".parse().unwrap())
    }
    "a batch signed in another incarnation than the hello's" => Ends(BadSignature), stage {
        signed_for(stage, |parties| parties.incarnation = 2)
    }
    "a message altered after it was signed" => Ends(BadSignature), stage {
        let mut batch = good_batch(stage);
        batch.messages[0].message.push(0);
        Attempt::Batch(batch)
    }
    "a message renumbered after it was signed" => Ends(BadSignature), stage {
        let mut batch = good_batch(stage);
        batch.messages[0].number += 1;
        Attempt::Batch(batch)
    }
    "a message left out after the batch was signed" => Ends(BadSignature), stage {
        let mut batch = stage.peer.batch(&[good(stage), good(stage)]);
        batch.messages.pop();
        Attempt::Batch(batch)
    }
    "a message slipped into a signed batch" => Ends(BadSignature), stage {
        let mut batch = good_batch(stage);
        batch.messages.push(pb::NumberedMessage { number: stage.peer.next_number() + 1, message: good(stage), traceparent: String::new() });
        Attempt::Batch(batch)
    }
    "an acknowledgement's signature under a batch" => Ends(BadSignature), stage {
        let bytes = good(stage);
        let (number, hash) = (stage.peer.next_number(), Hash::sha256(&bytes));
        let answer = Answer { number, hash, outcome: Outcome::Accepted, reason: String::new(), detail: String::new(), leaf: None };
        let signed = sign_answers(&stage.peer.parties(), &[answer], &stage.peer);
        let messages = vec![pb::NumberedMessage { number, message: bytes, traceparent: String::new() }];
        Attempt::Batch(pb::Batch { messages, key_id: signed.key_id, signature: signed.signature })
    }
}

/// Signs with one key under the name of another.
struct Impostor {
    key: SecretKey,
    name: String,
}

impl Signer for Impostor {
    fn key_id(&self) -> String {
        self.name.clone()
    }

    fn sign(&self, statement: &[u8]) -> Vec<u8> {
        self.key.sign(statement)
    }

    fn own_key(&self, _key_id: &str) -> Option<[u8; 32]> {
        None
    }
}
