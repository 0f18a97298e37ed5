"""A client of a gateway's local doors, built from nothing but what `schakel api descriptors` publishes.

    api = build("descriptors.binpb")                        # once per process: compiles and loads the published messages
    sez = Federation("demo.json").gateway("kvk:90000101")
    worker = sez.person("worker")
    answer = worker.ask(worker.care.cases.CreateCase, api.case_service.CreateCaseRequest(...))

Every call carries the caller's token, every refusal is a `Refused` with reason, clause and remedy. Start reading there to write a client of
your own; schakel_proof.py checks what the answers prove.
"""

import atexit
import base64
import importlib
import json
import pathlib
import shutil
import sys
import tempfile
import time
import types
import uuid

import grpc
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_tools import protoc

# Longest wait for one answer, and for something that another organisation does, in seconds.
ANSWER_S = 20
ARRIVAL_S = 60

api = types.SimpleNamespace()


def build(descriptors):
    """Compiles the published descriptors and loads them: `api.case_service`, `api.handover`, `api.type` and so on."""
    files = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(descriptors).read_bytes()).file
    ours = [file.name for file in files if file.package in ("schakel.care.v1", "schakel.audit.v1", "schakel.federation.v1", "schakel.type.v1")]
    code = tempfile.mkdtemp(prefix="schakel-client-")
    atexit.register(shutil.rmtree, code, ignore_errors=True)
    failed = protoc.main(["protoc", f"--descriptor_set_in={descriptors}", f"--python_out={code}", f"--grpc_python_out={code}", *ours])
    if failed:
        raise RuntimeError("the published descriptors do not compile")
    sys.path.insert(0, code)
    for name in ours:
        module = name.removesuffix(".proto").replace("/", ".")
        setattr(api, module.rpartition(".")[2], importlib.import_module(f"{module}_pb2"))
        setattr(api, f"{module.rpartition('.')[2]}_grpc", importlib.import_module(f"{module}_pb2_grpc"))
    return api


class Refused(Exception):
    """A no: what `google.rpc` details say of it."""

    def __init__(self, error):
        self.code, self.reason, self.domain, self.locale, self.text = error.code(), "", "", "", error.details()
        self.stage, self.clause, self.field, self.wrong_fields, self.retry_s, self.preconditions = "", "", "", {}, None, []
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                for detail in status_pb2.Status.FromString(value).details:
                    self.read(detail)
        super().__init__(f"{self.code.name} {self.reason or '(no reason)'}: {self.text}")

    def read(self, detail):
        if (info := unpack(detail, error_details_pb2.ErrorInfo)) is not None:
            self.reason, self.domain = info.reason, info.domain
            self.stage, self.clause, self.field = (info.metadata.get(key, "") for key in ("stage", "clause", "field"))
        elif (told := unpack(detail, error_details_pb2.LocalizedMessage)) is not None:
            self.locale, self.text = told.locale, told.message
        elif (bad := unpack(detail, error_details_pb2.BadRequest)) is not None:
            self.wrong_fields = {violation.field: violation.description for violation in bad.field_violations}
        elif (unmet := unpack(detail, error_details_pb2.PreconditionFailure)) is not None:
            self.preconditions = [violation.type for violation in unmet.violations]
        elif (retry := unpack(detail, error_details_pb2.RetryInfo)) is not None:
            self.retry_s = retry.retry_delay.ToTimedelta().total_seconds()


def unpack(detail, kind):
    message = kind()
    return message if detail.Unpack(message) else None


class Federation:
    """The organisations that `schakel demo --keep DIR` describes in DIR/demo.json."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.organizations = {entry["id"]: entry for entry in json.loads(self.path.read_text())["organizations"]}

    def party_record(self, organization):
        """The signed record that this organisation hands to all others."""
        return (self.path.parent / "agreements" / f"{organization.replace(':', '-')}.json").read_bytes()

    def gateway(self, organization):
        return Gateway(self.organizations[organization])


class Gateway:
    """One organisation's gateway: its addresses, and who may log in."""

    def __init__(self, entry):
        self.entry, self.id, self.name = entry, entry["id"], entry["name"]

    def person(self, role, language="nl"):
        """Somebody who logs in with the token of a role, without a client certificate."""
        token = pathlib.Path(self.entry["tokens"][role]).read_text().strip()
        return Caller(self, token=token, language=language)

    def system(self):
        """The organisation's own system, known by its client certificate."""
        return Caller(self, certificate=True)

    def stranger(self):
        """Somebody who shows nothing at all."""
        return Caller(self)

    def channel(self, door, certificate):
        read = lambda key: pathlib.Path(self.entry[key]).read_bytes()
        shown = (read("client_key"), read("client_certificate")) if certificate else (None, None)
        return grpc.secure_channel(self.entry["endpoints"][door], grpc.ssl_channel_credentials(read("ca"), *shown))


class Caller:
    """Somebody at the doors of one gateway."""

    def __init__(self, gateway, token=None, certificate=False, language="nl"):
        self.gateway, self.certificate, self.doors = gateway, certificate, {}
        self.metadata = [("accept-language", language)] + ([("authorization", f"Bearer {token}")] if token else [])
        self.actor = actor_of(token) if token else None

    @property
    def care(self):
        return self.door("care", {
            "cases": api.case_service_grpc.CaseServiceStub,
            "consultations": api.consultation_service_grpc.ConsultationServiceStub,
            "covenants": api.covenant_service_grpc.CovenantServiceStub,
            "duty": api.duty_service_grpc.DutyServiceStub,
            "events": api.event_service_grpc.EventServiceStub,
            "handovers": api.handover_service_grpc.HandoverServiceStub,
        })

    @property
    def audit(self):
        return self.door("audit", {
            "log": api.audit_service_grpc.AuditServiceStub,
            "verification": api.verification_service_grpc.VerificationServiceStub,
        })

    def door(self, name, stubs):
        if name not in self.doors:
            channel = self.gateway.channel(name, self.certificate)
            self.doors[name] = types.SimpleNamespace(**{key: stub(channel) for key, stub in stubs.items()})
        return self.doors[name]

    def ask(self, method, request):
        """The answer, or `Refused`."""
        return self.exchange(method, request)[0]

    def exchange(self, method, request):
        """The answer and its metadata, or `Refused`."""
        try:
            answer, call = method.with_call(request, metadata=self.metadata, timeout=ANSWER_S)
        except grpc.RpcError as error:
            raise Refused(error) from None
        return answer, dict([*call.initial_metadata(), *call.trailing_metadata()])

    def stream(self, method, request, timeout=ARRIVAL_S):
        """An open stream; read it with `read`, end it with `cancel`."""
        return method(request, metadata=self.metadata, timeout=timeout)

    def until(self, look, ready):
        """Looks again at every event, and at every sign of life, until what is seen is ready. What is not there yet is looked for again."""
        ends = time.monotonic() + ARRIVAL_S
        watch = self.stream(self.care.events.WatchEvents, api.event_service.WatchEventsRequest(only_new=True, actor=self.actor))
        seen = None
        try:
            for _ in read(watch):
                try:
                    seen = look()
                except Refused as refused:
                    if refused.reason != "NOT_FOUND":
                        raise
                if seen is not None and ready(seen):
                    return seen
                if time.monotonic() > ends:
                    break
        except Refused as refused:
            if refused.code is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
        finally:
            watch.cancel()
        raise TimeoutError(f"not within {ARRIVAL_S} s; last seen: {seen}")


def read(stream):
    """The messages of a stream; its end by a refusal is `Refused`."""
    try:
        yield from stream
    except grpc.RpcError as error:
        raise Refused(error) from None


def actor_of(token):
    """The person a token is for: whoever acts answers for it under that number."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return api.type.Actor(person=claims["sub"], name=claims["name"], function=claims["function"])


def new_id():
    """A `request_id`: chosen once per decision, the same at every repetition."""
    return str(uuid.uuid4())
