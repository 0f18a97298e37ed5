#!/usr/bin/env python3
"""The log of a gateway, taken away over its audit door and judged without it.

    test_log.py DEMO_JSON DESCRIPTORS SCHAKEL_VERIFY

An auditor's program reads entries, proofs and the whole log; what it took away is verified by two programs that share no code, as it is and
after 1,000 tamperings. The last line is `N passed, N failed`.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import runner
from schakel_client import Federation, Refused, api, build, new_id, read
from schakel_proof import root_from_path

SEZ = "kvk:90000101"
HERE = pathlib.Path(__file__).parent
ENTRIES, TAMPERINGS = 300, 1000
federation: Federation
verifier: str


def leaf(content):
    return hashlib.sha256(b"\x00" + content).digest()


class TheLog(unittest.TestCase):
    def setUp(self):
        self.worker, self.auditor = federation.gateway(SEZ).person("worker"), federation.gateway(SEZ).person("auditor")
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name) / "export"

    def checkpoint(self):
        return self.auditor.ask(self.auditor.audit.log.GetCheckpoint, api.audit_service.GetCheckpointRequest())

    def open_case(self):
        request = api.case_service.CreateCaseRequest(dossier=api.type.Dossier(situation="kort"), request_id=new_id(), actor=self.worker.actor)
        return self.worker.ask(self.worker.care.cases.CreateCase, request).case

    def export(self):
        """Writes the files of the log as they stream in; returns their names in order."""
        names = []
        for piece in read(self.auditor.stream(self.auditor.audit.log.ExportLog, api.audit_service.ExportLogRequest())):
            target = self.folder / piece.path
            self.assertTrue(target.resolve().is_relative_to(self.folder.resolve()), piece.path)
            if piece.offset == 0:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(b"")
                names.append(piece.path)
            self.assertEqual((piece.path, piece.offset), (names[-1], target.stat().st_size))
            with target.open("ab") as file:
                file.write(piece.data)
        return names

    def test_what_this_client_did_is_an_entry_and_a_proof_leads_from_it_to_the_root_of_the_log(self):
        case = self.open_case()

        listed = self.auditor.ask(self.auditor.audit.log.ListEntries, api.audit_service.ListEntriesRequest(case=case.name)).entries
        entry = next(entry for entry in listed if json.loads(entry.content)["event"]["code"] == "case-opened")
        request = api.verification_service.GetInclusionProofRequest(name=entry.name)
        inclusion = self.auditor.ask(self.auditor.audit.verification.GetInclusionProof, request)

        self.assertEqual(leaf(entry.content), entry.leaf_hash)
        self.assertEqual(inclusion.leaf_hash, entry.leaf_hash)
        self.assertEqual(root_from_path(entry.leaf_hash, entry.index, inclusion.log_size, list(inclusion.path)), inclusion.root_hash)
        users = [user["id"] for user in json.loads(entry.content)["users"]]
        self.assertIn(self.worker.actor.person, users)

    def test_a_refusal_is_an_entry_that_says_why(self):
        case = self.open_case()
        request = api.handover_service.CreateHandoverRequest(
            parent=case.name, etag=case.etag, request_id=new_id(), actor=self.worker.actor,
            receiver="kvk:90000110", service="ambulante-spoedhulp", urgency="spoed",
        )
        with self.assertRaises(Refused):
            self.worker.ask(self.worker.care.handovers.CreateHandover, request)

        request = api.audit_service.ListEntriesRequest(from_time=case.create_time, page_size=200)
        listed = self.auditor.ask(self.auditor.audit.log.ListEntries, request).entries
        entries = [json.loads(entry.content) for entry in listed]
        refused = [entry for entry in entries if not entry["decision"]["allowed"]]

        self.assertEqual([entry["decision"]["rule"] for entry in refused], ["COVENANT_DENIED"])
        self.assertIn("convenant", refused[0]["decision"]["sentence"])
        self.assertEqual(refused[0]["users"][0]["id"], self.worker.actor.person)

    def test_two_verifiers_agree_on_the_log_taken_away_and_on_a_thousand_tamperings_of_it(self):
        while self.checkpoint().size < ENTRIES:
            self.worker.ask(self.worker.care.cases.ListCases, api.case_service.ListCasesRequest(page_size=1, actor=self.worker.actor))

        names = self.export()
        agreement = [sys.executable, HERE / "tamper_agreement.py", self.folder, verifier, "--count", str(TAMPERINGS)]
        ran = subprocess.run(agreement, capture_output=True, text=True, check=False)

        print(ran.stdout, ran.stderr)
        self.assertEqual(names[-1], "checkpoint")
        self.assertEqual(ran.returncode, 0)
        verdict = json.loads(ran.stdout.splitlines()[-1])
        self.assertEqual((verdict["tampered"], verdict["found_at_the_right_index_by_both"]), (TAMPERINGS, TAMPERINGS))


if __name__ == "__main__":
    build(sys.argv[2])
    federation, verifier = Federation(sys.argv[1]), sys.argv[3]
    sys.exit(runner.run(sys.modules[__name__]))
