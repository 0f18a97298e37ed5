// Checks what a gateway's answers prove, with no trust in that gateway: covenant, party records, and the messages of a handover.
//
// Written from proto/README.md ("What is signed", "What proves one message"), RFC 6962, RFC 7515, RFC 7638 and RFC 8785. Node's own
// crypto, nothing else.

import { createHash, createPublicKey, verify } from "node:crypto";

const STATEMENT = new RegExp(
  "^schakel (?<topic>batch|acknowledgement) v1\nsender (?<sender>[a-z]+:[0-9]+)\nreceiver (?<receiver>[a-z]+:[0-9]+)\n" +
  "incarnation (?<incarnation>0|[1-9][0-9]*)\nsize (?<size>[1-9][0-9]*)\nroot (?<root>[0-9a-f]{64})\n$",
);
const KINDS = ["propose-handover", "accept-handover", "transfer-custody", "custody-receipt"];

/** What does not hold. */
export class Unproven extends Error {}

function demand(holds, problem) {
  if (!holds) throw new Unproven(problem);
}

const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts.map((part) => Buffer.from(part)))).digest();
const same = (...all) => all.every((one) => Buffer.compare(Buffer.from(one), Buffer.from(all[0])) === 0);
const jwk = (key) => ({ crv: "Ed25519", kty: "OKP", x: key.toString("base64url") });

/** RFC 8785, for the texts, whole numbers and ASCII keys that these documents hold. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

/** JWK thumbprint of an Ed25519 key. */
const keyId = (key) => sha256(JSON.stringify(jwk(key))).toString("base64url");

function checkSignature(key, signature, data) {
  const holds = verify(null, Buffer.from(data), createPublicKey({ key: jwk(key), format: "jwk" }), signature);
  demand(holds, "the signature is not that of this key");
}

// Documents.

/** A detached JWS of a root key over a canonical document of this kind. */
function checkJws(jws, kind, document, key) {
  const [header, empty, signature] = jws.split(".");
  demand(empty === "", "not a detached JWS");
  const said = JSON.parse(Buffer.from(header, "base64url"));
  const expected = { alg: "EdDSA", kid: keyId(key), typ: `schakel-${kind}+jws` };
  demand(canonical(said) === canonical(expected), "signed otherwise, as something else, or with another key");
  checkSignature(key, Buffer.from(signature, "base64url"), `${header}.${Buffer.from(document).toString("base64url")}`);
}

/** The root key of each party, from a covenant that has this hash and that all of them signed. */
export function rootKeys(bundle, expectedHash) {
  const { document, signatures } = JSON.parse(bundle);
  const text = canonical(document);
  demand(same(sha256(text), expectedHash), "another covenant than the one that was named");
  const jws = new Map(signatures.map((signature) => [signature.party, signature.jws]));
  const keys = new Map(document.parties.map((party) => [party.id, Buffer.from(party.root_key, "base64url")]));
  demand(jws.size === keys.size && [...keys.keys()].every((party) => jws.has(party)), "not signed by every party");
  keys.forEach((key, party) => checkJws(jws.get(party), "covenant", text, key));
  return keys;
}

/** What the party says about itself, when its root key signed it. */
export function partyRecord(signed, organization, rootKey) {
  const { record, jws } = JSON.parse(signed);
  demand(record.org === organization, "the record of another party");
  checkJws(jws, "party-record", canonical(record), rootKey);
  return record;
}

/** The signing key with this id, when the record says that it might sign at this moment (milliseconds since 1970). */
function signingKey(record, wanted, at) {
  const entry = record.signing_keys.find(({ key }) => keyId(Buffer.from(key, "base64url")) === wanted);
  demand(entry, "no such key in the party record");
  demand(Date.parse(entry.from) <= at && at < Date.parse(entry.until), "the key was not to be used at that moment");
  return Buffer.from(entry.key, "base64url");
}

// Messages.

/** RFC 6962 section 2.1.1: the root to which a leaf and its siblings lead. */
function rootFromPath(leaf, index, size, path) {
  demand(index < size, "no such place in the tree");
  let [node, last] = [leaf, size - 1n];
  for (const sibling of path) {
    demand(last > 0n, "the path is too long");
    if (index % 2n === 1n || index === last) {
      node = sha256([1], sibling, node);
      for (; index % 2n === 0n && index > 0n; last >>= 1n) index >>= 1n;
    } else {
      node = sha256([1], node, sibling);
    }
    [index, last] = [index >> 1n, last >> 1n];
  }
  demand(last === 0n, "the path is too short");
  return node;
}

/** One signed list: the statement's exact text, the record's place under its root, and the signature. */
function checkStatement(signed, topic, sender, receiver, record, key) {
  const said = STATEMENT.exec(signed.statement.toString())?.groups;
  demand(said, "not a statement");
  demand(said.topic === topic, "a statement about something else");
  demand(said.sender === sender && said.receiver === receiver, "a statement between others");
  demand(said.size === String(signed.size), "another size than signed");
  const root = rootFromPath(sha256([0], record), BigInt(signed.index), BigInt(signed.size), signed.path);
  demand(root.toString("hex") === said.root, "not in the signed list");
  checkSignature(key, signed.signature, signed.statement);
}

/** That `message.sender` sent exactly these bytes to `message.receiver`; and, where it is there, what the receiver answered. */
function checkMessage(proven, message, records) {
  const { proof } = proven;
  demand(proof, "there is no proof");
  const digest = sha256(proven.message);
  demand(same(digest, proven.message_hash, proof.message_hash), "the hash of other bytes");
  demand(proof.signer === message.sender, "signed by another than the sender");
  const at = Number(message.sent_time.seconds) * 1000;
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(proof.number));
  const key = signingKey(records.get(message.sender), proof.key_id, at);
  checkStatement(proof, "batch", message.sender, message.receiver, Buffer.concat([number, digest]), key);
  if (proof.answer) {
    const { answer } = proof;
    const lines = [proof.number, digest.toString("hex"), answer.outcome, answer.reason, answer.detail];
    // The leaf hash of the receiver's own entry, where it states one.
    if (answer.leaf_hash?.length) lines.push(Buffer.from(answer.leaf_hash).toString("hex"));
    const record = lines.join("\n");
    const key = signingKey(records.get(message.receiver), answer.key_id, at);
    checkStatement(answer, "acknowledgement", message.receiver, message.sender, record, key);
  }
}

/**
 * That the lead was offered, accepted, transferred and received: the four messages, each proven, each naming the one before.
 *
 * `readMessage` decodes the bytes of a message; `records` are checked party records by organisation. Returns the four messages.
 */
export function checkHandover(proof, readMessage, records) {
  const proven = new Map(proof.messages.map((item) => [item.kind, item]));
  demand(KINDS.every((kind) => proven.has(kind)), `incomplete: ${[...proven.keys()]}`);
  const messages = KINDS.map((kind) => readMessage(proven.get(kind).message));
  messages.forEach((message, at) => {
    demand(message.body === KINDS[at].replaceAll("-", "_"), `${KINDS[at]}: another message`);
    checkMessage(proven.get(KINDS[at]), message, records);
  });
  const { sender, receiver } = messages[0];
  const parties = [[sender, receiver], [receiver, sender], [sender, receiver], [receiver, sender]];
  demand(messages.every((message, at) => message.sender === parties[at][0] && message.receiver === parties[at][1]), "between others");
  demand(same(...messages.map((message) => message.thread)), "about several cases");
  const [proposed, accepted, transferred, received] = messages.map((message) => message[message.body]);
  demand(same(...[proposed, accepted, transferred, received].map((body) => body.offer_id)), "of several offers");
  const hashes = [sha256(proposed.package), proposed.content_hash, accepted.content_hash, transferred.content_hash];
  demand(same(...hashes), "accepted something else");
  demand(same(transferred.package, proposed.package), "transferred something else");
  demand(same(transferred.accept_hash, sha256(proven.get("accept-handover").message)), "transferred on another acceptance");
  demand(same(received.transfer_hash, sha256(proven.get("transfer-custody").message)), "the receipt is of another transfer");
  demand(canonical(plain(received.epoch)) === canonical(plain(transferred.epoch)), "received at another epoch");
  return messages;
}

const plain = (value) => JSON.parse(JSON.stringify(value));
