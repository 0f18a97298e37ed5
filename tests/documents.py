#!/usr/bin/env python3
"""Checks the documents: every link and every file named in them exists, every label of a case is one, and no machine is spoken of.

A document that names a file which is gone misleads its reader more than no document.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
# `gateway/src/desk.rs`, `tests/run`, `deploy/`: a path from the root of the repository, or from the document's folder.
NAMED = re.compile(r"`((?:\.ci|adapters|certs|deploy|gateway|proto|tests|src)/[\w./-]*)`")
# The name of a case for the telephone; its last character checks the others (`Label` in gateway/domain/src/id.rs).
LABEL = re.compile(r"\bZK-([0-9A-Z]{4})([0-9A-Z])\b")
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
FOREIGN = re.compile(r"(?<![\w./-])/(?:work|root|home/\w+)/")


def main() -> int:
    """Prints each finding; exit code 1 when there are any."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE
    )
    documents = [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]
    findings = [finding for document in documents for finding in judge(document)]
    for finding in findings:
        print(finding)
    print(f"{len(documents)} documents, {len(findings)} findings")
    return 1 if findings or not documents else 0


def judge(document: Path) -> list[str]:
    """What is wrong in one document."""
    findings = []
    name = document.relative_to(ROOT)
    for number, line in enumerate(document.read_text().splitlines(), 1):
        for target in LINK.findall(line):
            if "://" not in target and not target.startswith("mailto:") and not (document.parent / target).exists():
                findings.append(f"{name}:{number}: no file {target}")
        for target in NAMED.findall(line):
            if not (ROOT / target).exists() and not (document.parent / target).exists():
                findings.append(f"{name}:{number}: no file {target}")
        for data, check in LABEL.findall(line):
            if not set(data) <= set(DIGITS) or checked(data) != check:
                findings.append(f"{name}:{number}: the program refuses ZK-{data}{check}")
        if FOREIGN.search(line):
            findings.append(f"{name}:{number}: speaks of one machine")
    return findings


def checked(data: str) -> str:
    """The check character of four others."""
    bits = 0
    for character in data:
        bits = bits << 5 | DIGITS.index(character)
    return DIGITS[bits % 31]


if __name__ == "__main__":
    sys.exit(main())
