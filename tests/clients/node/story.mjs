// The work of a crisis, done from Node.js against running gateways. Persons are invented.
//
//   node story.mjs DEMO_JSON DESCRIPTORS
//
// DEMO_JSON is what `schakel demo --keep DIR` writes, DESCRIPTORS what `schakel api descriptors` prints. The last line is `N passed, N failed`.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Refused, load, organization, person } from "./client.mjs";
import { Unproven, checkHandover, partyRecord, rootKeys } from "./proof.mjs";

const [SEZ, GGNET, ENTREA] = ["kvk:90000101", "ura:90000103", "kvk:90000106"];
const [demo, descriptors] = process.argv.slice(2);
const schakel = load(descriptors);
const [sez, ggnet, entrea] = [SEZ, GGNET, ENTREA].map((id) => person(schakel, organization(demo, id), "worker"));

const inMinutes = (minutes) => ({ seconds: Math.floor(Date.now() / 1000) + minutes * 60 });
const write = (by, fields) => ({ ...fields, request_id: randomUUID(), actor: by.actor });

const dossier = {
  identity: { given_names: "Sam", family_name: "Voorbeeld", birth_date: "2011-05-04", sex: "other", municipality: "0268" },
  legal: { regime: "REGIME_JEUGDWET", basis: "BASIS_VITAL_INTEREST", no_consent_reason: "ouders nog niet bereikt" },
  situation: "Weggelopen, wil niet naar huis.",
  recommendation: "Ambulante Spoedhulp aan huis.",
  severity: "SEVERITY_WATCHER",
  key_points: ["niet alleen laten", "vader niet bellen"],
};

async function openCase() {
  return (await sez.ask("care.v1.CaseService.CreateCase", write(sez, { dossier }))).case;
}

const getCase = async (by, name) => (await by.ask("care.v1.CaseService.GetCase", { name, actor: by.actor })).case;
const question = async (by, name, view) =>
  (await by.ask("care.v1.ConsultationService.GetConsultation", { name, view, actor: by.actor })).consultation;
const handover = async (by, name, view) => (await by.ask("care.v1.HandoverService.GetHandover", { name, view, actor: by.actor })).handover;

async function handOver() {
  const opened = await openCase();
  const about = { parent: opened.name, etag: opened.etag, receiver: ENTREA, service: "ambulante-spoedhulp", urgency: "spoed" };
  const offer = (await sez.ask("care.v1.HandoverService.CreateHandover", write(sez, about))).handover;
  assert.deepEqual(offer.responsibility.responsible, [SEZ]);
  await entrea.until(() => handover(entrea, offer.name), (seen) => seen.state === "STATE_OFFERED");
  const full = await handover(entrea, offer.name, "VIEW_FULL");
  assert.equal(full.dossier.identity.given_names, "Sam");
  const words = ["iemand blijft erbij", "we bellen vader niet"].map((words, at) => ({ point: at + 1, words }));
  const yes = { name: full.name, etag: full.etag, read_back: words, first_action: "om 09:00 op de stoep", first_action_time: inMinutes(60) };
  await entrea.ask("care.v1.HandoverService.AcceptHandover", write(entrea, yes));
  return sez.until(() => handover(sez, offer.name), (seen) => seen.state === "STATE_COMPLETED");
}

/** Party records of both sides, checked against the root keys in the covenant that every party signed. */
async function records() {
  const { covenants } = await sez.ask("care.v1.CovenantService.ListCovenants", {});
  const { covenant, bundle } = await sez.ask("care.v1.CovenantService.GetCovenant", { name: covenants[0].name });
  const keys = rootKeys(bundle, covenant.hash);
  const document = (org) => readFileSync(join(dirname(demo), "agreements", `${org.replace(":", "-")}.json`));
  return new Map([SEZ, ENTREA].map((org) => [org, partyRecord(document(org), org, keys.get(org))]));
}

function proofOf(by, name) {
  const get = async () => (await by.ask("care.v1.HandoverService.GetHandoverProof", { name, actor: by.actor })).proof;
  return by.until(get, (seen) => seen.messages.every((item) => item.proof));
}

const TESTS = {
  async "a case is opened, and the same request again has one effect"() {
    const request = write(sez, { dossier });
    const first = await sez.ask("care.v1.CaseService.CreateCase", request);
    const again = await sez.ask("care.v1.CaseService.CreateCase", request);

    assert.equal(first.case.standing, "STANDING_LEAD");
    assert.deepEqual(first.case.responsibility.responsible, [SEZ]);
    assert.equal(again.case.name, first.case.name);
  },

  async "expertise is asked for, promised with a time of arrival, given, and the question closed"() {
    const opened = await openCase();
    const ask = { case: opened.name, service: "ggz-crisis", urgency: "spoed", question: "Wilt u meekijken?", candidates: [GGNET] };
    const { name } = (await sez.ask("care.v1.ConsultationService.CreateConsultation", write(sez, ask))).consultation;
    const when = (by, state) => by.until(() => question(by, name), (seen) => seen.state === state);
    const asked = await when(ggnet, "STATE_ASKED");
    const arrival = inMinutes(40);
    await ggnet.ask("care.v1.ConsultationService.AcceptConsultation", write(ggnet, { name, etag: asked.etag, available_time: arrival, note: "kom eraan" }));
    const assigned = await when(sez, "STATE_ASSIGNED");
    const confirmed = await when(ggnet, "STATE_ASSIGNED");
    await ggnet.ask("care.v1.ConsultationService.AnswerConsultation", write(ggnet, { name, etag: confirmed.etag, advice: "Geen opname nodig." }));
    await when(sez, "STATE_ADVISED");
    const advised = await question(sez, name, "VIEW_FULL");
    await sez.ask("care.v1.ConsultationService.CloseConsultation", write(sez, { name, etag: advised.etag }));
    await when(ggnet, "STATE_CLOSED");

    const [candidate] = assigned.candidates;
    assert.deepEqual([candidate.organization, Number(candidate.available_time.seconds)], [GGNET, arrival.seconds]);
    assert.deepEqual(advised.advice, ["Geen opname nodig."]);
    assert.equal((await getCase(sez, opened.name)).responsibility.lead, SEZ);
  },

  async "a case is handed over, and this client itself verifies offer, acceptance, transfer and receipt at both sides"() {
    const done = await handOver();
    const [ours, theirs] = [await proofOf(sez, done.name), await proofOf(entrea, done.name)];
    const known = await records();

    assert.deepEqual([done.responsibility.lead, done.responsibility.responsible], [ENTREA, [ENTREA]]);
    assert.deepEqual(checkHandover(ours, schakel.readMessage, known), checkHandover(theirs, schakel.readMessage, known));
  },

  async "a receipt in which anything was changed is not believed"() {
    const whole = await proofOf(sez, (await handOver()).name);
    const known = await records();
    checkHandover(whole, schakel.readMessage, known);
    const changes = {
      "a byte of the message": (item) => (item.message[item.message.length - 1] ^= 1),
      "the hash": (item) => item.message_hash.fill(0),
      "the signature": (item) => item.proof.signature.fill(0),
      "the number": (item) => (item.proof.number = String(Number(item.proof.number) + 1)),
      "the signer": (item) => (item.proof.signer = SEZ),
      "the path": (item) => item.proof.path.push(Buffer.alloc(32)),
      "no proof": (item) => delete item.proof,
    };
    for (const [what, change] of Object.entries(changes)) {
      const copy = structuredClone(whole);
      const receipt = copy.messages.find((item) => item.kind === "custody-receipt");
      // A structured clone of a Buffer is a plain Uint8Array.
      Object.assign(receipt, { message: Buffer.from(receipt.message), message_hash: Buffer.from(receipt.message_hash) });
      change(receipt);
      assert.throws(() => checkHandover(copy, schakel.readMessage, known), Unproven, what);
    }
  },

  async "a watch that broke off resumes after its last cursor without a gap or a repetition"() {
    for (let made = 0; made < 3; made += 1) await openCase();
    const watch = async (cursor, enough) => {
      const events = [];
      for await (const answer of sez.stream("care.v1.EventService.WatchEvents", { cursor, actor: sez.actor })) {
        if (answer.event) events.push(answer.event);
        if (events.length && enough(events)) return events;
      }
      throw new Error("the watch ended early");
    };

    const before = await watch("", (events) => events.length === 2);
    const away = await openCase();
    const resumed = await watch(before[1].cursor, (events) => events.at(-1).resource === away.name);

    const numbers = [...before, ...resumed].map((event) => Number(event.sequence));
    assert.deepEqual(numbers, numbers.map((_, at) => numbers[0] + at));
  },

  async "a no names reason and clause, and somebody without a token stays outside"() {
    const grownUp = { dossier: { ...dossier, identity: { ...dossier.identity, birth_date: "2004-05-04" } } };
    const opened = (await sez.ask("care.v1.CaseService.CreateCase", write(sez, grownUp))).case;
    const about = { parent: opened.name, etag: opened.etag, receiver: ENTREA, service: "ambulante-spoedhulp", urgency: "spoed" };
    const stranger = person(schakel, organization(demo, SEZ));

    await assert.rejects(sez.ask("care.v1.HandoverService.CreateHandover", write(sez, about)), (no) =>
      no instanceof Refused && no.reason === "COVENANT_DENIED" && no.clause === "4.1" && no.message.includes("artikel 4.1"));
    await assert.rejects(stranger.ask("care.v1.CaseService.ListCases", {}), (no) => no.reason === "UNAUTHENTICATED");
    stranger.close();
  },
};

let [passed, failed] = [0, 0];
for (const [name, test] of Object.entries(TESTS)) {
  try {
    await test();
    passed += 1;
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}\n`, error);
  }
}
[sez, ggnet, entrea].forEach((caller) => caller.close());
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
