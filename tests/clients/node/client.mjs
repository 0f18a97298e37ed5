// A client of a gateway's local doors for Node.js, built from nothing but what `schakel api descriptors` publishes.
//
//   const schakel = load("descriptors.binpb");
//   const sez = person(schakel, organization(demo, "kvk:90000101"), "worker");
//   const { case: opened } = await sez.ask("care.v1.CaseService.CreateCase", { dossier, request_id: randomUUID(), actor: sez.actor });
//
// Every call carries the caller's token; every refusal is a `Refused` with reason, clause and remedy.

import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";
import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor/index.js";

// Longest wait for one answer, and for something that another organisation does.
const ANSWER_MS = 20_000;
const ARRIVAL_MS = 60_000;

// The names of the protos stay; times and numbers of 64 bits are texts, so that none is rounded.
const FORM = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

// What a `google.rpc.Status` and its details look like on the wire: googleapis, google/rpc/{status,error_details}.proto.
const RPC = protobuf.parse(`
  syntax = "proto3"; package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message LocalizedMessage { string locale = 1; string message = 2; }`, { keepCase: true }).root;

/** The published descriptors: services to call, and messages to read. */
export function load(path) {
  const bytes = readFileSync(path);
  const services = grpc.loadPackageDefinition(loadFileDescriptorSetFromBuffer(bytes, FORM)).schakel;
  const messages = protobuf.Root.fromDescriptor(descriptor.FileDescriptorSet.decode(bytes));
  const type = messages.lookupType("schakel.federation.v1.Message");
  return { services, readMessage: (bytes) => type.toObject(type.decode(bytes), { defaults: true, oneofs: true, bytes: Buffer }) };
}

/** What `schakel demo --keep DIR` says of one organisation in DIR/demo.json. */
export function organization(demo, id) {
  return JSON.parse(readFileSync(demo)).organizations.find((entry) => entry.id === id);
}

/** Somebody at the doors of one gateway, with the token of a role; without a role, a stranger. */
export function person(schakel, entry, role) {
  return new Caller(schakel, entry, role && readFileSync(entry.tokens[role], "utf8").trim());
}

/** A no, as the google.rpc details say it. */
export class Refused extends Error {
  constructor(error) {
    super(error.details);
    [this.code, this.reason, this.clause, this.field] = [grpc.status[error.code], "", "", ""];
    for (const status of error.metadata?.get("grpc-status-details-bin") ?? []) {
      RPC.lookupType("google.rpc.Status").decode(status).details.forEach((detail) => this.#read(detail));
    }
  }

  #read({ type_url, value }) {
    const kind = type_url.split("/").pop();
    if (kind === "google.rpc.ErrorInfo") {
      const info = RPC.lookupType(kind).decode(value);
      Object.assign(this, { reason: info.reason, clause: info.metadata.clause ?? "", field: info.metadata.field ?? "" });
    } else if (kind === "google.rpc.LocalizedMessage") {
      this.message = RPC.lookupType(kind).decode(value).message;
    }
  }
}

class Caller {
  #clients = new Map();

  constructor(schakel, entry, token) {
    Object.assign(this, { schakel, entry });
    this.metadata = new grpc.Metadata();
    this.metadata.set("accept-language", "nl");
    if (token) {
      this.metadata.set("authorization", `Bearer ${token}`);
      const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
      this.actor = { person: claims.sub, name: claims.name, function: claims.function };
    }
  }

  /** The answer to `care.v1.CaseService.GetCase` and the like, or `Refused`. */
  ask(method, request) {
    const [client, name] = this.#client(method);
    const options = { deadline: Date.now() + ANSWER_MS };
    return new Promise((resolve, reject) => {
      client[name](request, this.metadata, options, (error, answer) => (error ? reject(new Refused(error)) : resolve(answer)));
    });
  }

  /** The items of a stream, until the reader has enough; its end by a refusal is `Refused`. */
  async *stream(method, request) {
    const [client, name] = this.#client(method);
    const call = client[name](request, this.metadata, { deadline: Date.now() + ARRIVAL_MS });
    try {
      yield* call;
    } catch (error) {
      throw new Refused(error);
    } finally {
      // Whoever has enough hangs up; the break this makes is meant.
      call.on("error", () => {});
      call.cancel();
    }
  }

  /** Looks again at every event and every sign of life until what is seen is ready. What is not there yet is looked for again. */
  async until(look, ready) {
    let seen;
    for await (const _ of this.stream("care.v1.EventService.WatchEvents", { only_new: true, actor: this.actor })) {
      try {
        seen = await look();
      } catch (error) {
        if (error.reason !== "NOT_FOUND") throw error;
      }
      if (seen !== undefined && ready(seen)) return seen;
    }
    throw new Error(`the watch ended before it was so; last seen: ${JSON.stringify(seen)}`);
  }

  close() {
    this.#clients.forEach((client) => client.close());
  }

  #client(method) {
    const [door, version, service, name] = method.split(".");
    if (!this.#clients.has(`${door}.${service}`)) {
      const Service = this.schakel.services[door][version][service];
      const credentials = grpc.credentials.createSsl(readFileSync(this.entry.ca));
      this.#clients.set(`${door}.${service}`, new Service(this.entry.endpoints[door], credentials));
    }
    return [this.#clients.get(`${door}.${service}`), name];
  }
}
