"""Checks what a gateway's answers prove, with no trust in that gateway: covenant, party records, and the messages of a handover.

Written from proto/README.md ("What is signed", "What proves one message"), RFC 6962, RFC 7515, RFC 7638 and RFC 8785. Standard library
and `cryptography`.
"""

import base64
import datetime
import hashlib
import json
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

STATEMENT = re.compile(
    rb"schakel (?P<topic>batch|acknowledgement) v1\nsender (?P<sender>[a-z]+:[0-9]+)\nreceiver (?P<receiver>[a-z]+:[0-9]+)\n"
    rb"incarnation (?P<incarnation>0|[1-9][0-9]*)\nsize (?P<size>[1-9][0-9]*)\nroot (?P<root>[0-9a-f]{64})\n"
)


class Unproven(Exception):
    """What does not hold."""


def demand(holds, problem):
    if not holds:
        raise Unproven(problem)


def sha256(data):
    return hashlib.sha256(data).digest()


def unbase64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(value):
    """RFC 8785, for the texts, whole numbers and ASCII keys that these documents hold."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def key_id(key):
    """JWK thumbprint of an Ed25519 key."""
    x = base64.urlsafe_b64encode(key).rstrip(b"=").decode()
    digest = sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode())
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def check_signature(key, signature, data):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except (InvalidSignature, ValueError):
        raise Unproven("the signature is not that of this key") from None


# Documents.


def check_jws(jws, kind, payload, key):
    """A detached JWS of a root key over a canonical document of this kind."""
    header, empty, signature = jws.split(".")
    demand(empty == "", "not a detached JWS")
    said = json.loads(unbase64url(header))
    demand(said == {"alg": "EdDSA", "kid": key_id(key), "typ": f"schakel-{kind}+jws"}, "signed otherwise, as something else, or with another key")
    payload = base64.urlsafe_b64encode(payload).rstrip(b"=").decode()
    check_signature(key, unbase64url(signature), f"{header}.{payload}".encode())


def root_keys(bundle, expected_hash):
    """The root key of each party, from a covenant that has this hash and that all of them signed."""
    signed = json.loads(bundle)
    document = canonical(signed["document"])
    demand(sha256(document) == expected_hash, "another covenant than the one that was named")
    keys = {party["id"]: unbase64url(party["root_key"]) for party in signed["document"]["parties"]}
    signatures = {signature["party"]: signature["jws"] for signature in signed["signatures"]}
    demand(signatures.keys() == keys.keys(), "not signed by every party")
    for party, key in keys.items():
        check_jws(signatures[party], "covenant", document, key)
    return keys


def party_record(signed, organization, root_key):
    """What the party says about itself, when its root key signed it."""
    signed = json.loads(signed)
    record = signed["record"]
    demand(record["org"] == organization, "the record of another party")
    check_jws(signed["jws"], "party-record", canonical(record), root_key)
    return record


def signing_key(record, wanted, at):
    """The signing key with this id, when the record says that it might sign at this moment."""
    for entry in record["signing_keys"]:
        key = unbase64url(entry["key"])
        if key_id(key) == wanted:
            demand(moment(entry["from"]) <= at < moment(entry["until"]), "the key was not to be used at that moment")
            return key
    raise Unproven("no such key in the party record")


def moment(text):
    return datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00"))


# Messages.


def root_from_path(leaf, index, size, path):
    """RFC 6962 section 2.1.1: the root to which a leaf and its siblings lead."""
    demand(index < size, "no such place in the tree")
    node, last = leaf, size - 1
    for sibling in path:
        demand(last > 0, "the path is too long")
        if index % 2 == 1 or index == last:
            node = sha256(b"\x01" + sibling + node)
            while index % 2 == 0 and index > 0:
                index, last = index >> 1, last >> 1
        else:
            node = sha256(b"\x01" + node + sibling)
        index, last = index >> 1, last >> 1
    demand(last == 0, "the path is too short")
    return node


def check_statement(signed, topic, sender, receiver, record, key):
    """One signed list: the statement's exact text, the record's place under its root, and the signature."""
    statement = STATEMENT.fullmatch(signed.statement)
    demand(statement, "not a statement")
    said = {name: text.decode() for name, text in statement.groupdict().items()}
    demand(said["topic"] == topic, "a statement about something else")
    demand((said["sender"], said["receiver"]) == (sender, receiver), "a statement between others")
    demand(int(said["size"]) == signed.size, "another size than signed")
    root = root_from_path(sha256(b"\x00" + record), signed.index, signed.size, list(signed.path))
    demand(root.hex() == said["root"], "not in the signed list")
    check_signature(key, signed.signature, signed.statement)


def check_message(proven, message, records):
    """That `message.sender` sent exactly these bytes to `message.receiver`; and, where it is there, what the receiver answered."""
    proof = proven.proof
    demand(proven.HasField("proof"), "there is no proof")
    digest = sha256(proven.message)
    demand(proven.message_hash == digest and proof.message_hash == digest, "the hash of other bytes")
    demand(proof.signer == message.sender, "signed by another than the sender")
    at = message.sent_time.ToDatetime(tzinfo=datetime.timezone.utc)
    key = signing_key(records[message.sender], proof.key_id, at)
    check_statement(proof, "batch", message.sender, message.receiver, proof.number.to_bytes(8, "big") + digest, key)
    if proof.HasField("answer"):
        answer = proof.answer
        lines = [str(proof.number), digest.hex(), answer.outcome, answer.reason, answer.detail]
        # The leaf hash of the receiver's own entry, where it states one.
        record = "\n".join(lines + ([answer.leaf_hash.hex()] if answer.leaf_hash else [])).encode()
        key = signing_key(records[message.receiver], answer.key_id, at)
        check_statement(answer, "acknowledgement", message.receiver, message.sender, record, key)


def check_handover(proof, read_message, records):
    """That the lead was offered, accepted, transferred and received: the four messages, each proven, each naming the one before.

    `read_message` decodes the bytes of a message; `records` are checked party records by organisation. Returns the four messages.
    """
    proven = {item.kind: item for item in proof.messages}
    kinds = ("propose-handover", "accept-handover", "transfer-custody", "custody-receipt")
    demand(all(kind in proven for kind in kinds), f"incomplete: {sorted(proven)}")
    messages = [read_message(proven[kind].message) for kind in kinds]
    for kind, message in zip(kinds, messages):
        demand(message.WhichOneof("body") == kind.replace("-", "_"), f"{kind}: another message")
        check_message(proven[kind], message, records)
    offer, accept, transfer, receipt = messages
    sender, receiver = offer.sender, offer.receiver
    demand([(m.sender, m.receiver) for m in messages] == [(sender, receiver), (receiver, sender)] * 2, "between others")
    demand(len({m.thread for m in messages}) == 1, "about several cases")
    proposed, accepted, transferred, received = (getattr(m, m.WhichOneof("body")) for m in messages)
    demand(len({body.offer_id for body in (proposed, accepted, transferred, received)}) == 1, "of several offers")
    demand(sha256(proposed.package) == proposed.content_hash == accepted.content_hash == transferred.content_hash, "accepted something else")
    demand(transferred.package == proposed.package, "transferred something else")
    demand(transferred.accept_hash == sha256(proven["accept-handover"].message), "transferred on another acceptance")
    demand(received.transfer_hash == sha256(proven["transfer-custody"].message), "the receipt is of another transfer")
    demand(received.epoch == transferred.epoch, "received at another epoch")
    return messages
