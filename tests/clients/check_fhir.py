#!/usr/bin/env python3
"""Judges AuditEvents that a gateway exported, by the model of FHIR R4 that others wrote (fhir.resources), and by NEN 7513.

    check_fhir.py FILE...

Each line of each file is one AuditEvent. Says how many events there are, or the first one that is wrong, with exit code 1.
"""

import json
import sys

from fhir.resources.R4B.auditevent import AuditEvent

REGISTERS = "http://fhir.nl/fhir/NamingSystem/"


def check_norm(event):
    """What NEN 7513:2018 chapter 7 makes mandatory, where its place in FHIR is (7.2.1 and so on)."""
    assert event["type"]["code"] and event["subtype"][-1]["code"], "7.2.1 event code"
    assert event["action"] in "CRUDE", "7.2.2 action code"
    assert event["recorded"].endswith("Z"), "7.2.3 date and time"
    assert event["outcome"] in ("0", "4", "8", "12"), "7.2.5 result"
    users = [agent for agent in event["agent"] if "purposeOfUse" in agent]
    assert users, "7.3 a user"
    for user in users:
        assert user["who"]["identifier"]["value"], "7.3.1 user id"
        assert user["role"][0]["text"], "7.3.4 user role"
        assert user["policy"], "7.4.6 authorisation protocol"
        if user["who"]["type"] == "Device":
            assert any(a["type"]["coding"][0]["code"] == "RESP" for a in event["agent"]), "7.3.6 a person answers for a process"
    objects = [entity for entity in event["entity"] if any(d["type"] == "nen7513:autorisatieprotocol" for d in entity.get("detail", []))]
    assert objects, "7.4 an object"
    for entity in objects:
        assert entity["what"]["identifier"]["system"] and entity["what"]["identifier"]["value"], "7.4.1 and 7.4.3 identifier"
    observer = event["source"]["observer"]["identifier"]
    assert observer["value"] and observer["system"].startswith(REGISTERS), "7.5 source id, by its register"


def main(files):
    for path in files:
        count = 0
        with open(path, encoding="utf-8") as lines:
            for count, line in enumerate(lines, 1):
                try:
                    AuditEvent.parse_raw(line)
                    check_norm(json.loads(line))
                except (AssertionError, KeyError, ValueError) as error:
                    print(f"{path}:{count}: {type(error).__name__}: {error}", file=sys.stderr)
                    return 1
        print(f"{count} events in {path} are AuditEvents of FHIR R4 with every mandatory field of NEN 7513")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
