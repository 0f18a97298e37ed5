#!/usr/bin/env python3
"""Shows that two verifiers agree on every tampering of an exported audit log, and that both are right.

    tamper_agreement.py EXPORT_DIR SCHAKEL_VERIFY [--count 1000] [--seed 1]

1. COUNT tamperings of one file each: a byte changed, removed, inserted or swapped, a file cut, an entry removed, doubled or moved. Both
   programs must name the first index that was touched.
2. Entries of every wrong form, correctly hashed and signed by a key of this script's own. Both programs must give the same verdict.

Exit: 0 they agree, 3 they do not. The last line is one JSON object with the counts.
"""

import argparse
import base64
import collections
import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PYTHON = pathlib.Path(__file__).with_name("verify_log.py")
BATCH = 100


def read_export(directory):
    files = (path for path in sorted(pathlib.Path(directory).rglob("*")) if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def entry_starts(bundle):
    starts, at = [], 0
    while at < len(bundle):
        starts.append(at)
        at += 2 + int.from_bytes(bundle[at:at + 2], "big")
    return starts


# --- 1. tampering

def tamper(path, whole, rng):
    """One change; the name of what was done and the new bytes, which may by chance be the old ones."""
    at, other = rng.randrange(len(whole)), rng.randrange(len(whole))
    ways = ["edit", "delete", "insert", "swap", "cut"]
    if path.startswith("tile/entries/"):
        ways += ["delete entry", "double entry", "move entry"]
    way, data = rng.choice(ways), bytearray(whole)
    if way == "edit":
        data[at] ^= rng.randrange(1, 256)
    elif way == "delete":
        del data[at]
    elif way == "insert":
        data.insert(rng.randrange(len(whole) + 1), rng.randrange(256))
    elif way == "swap":
        data[at], data[other] = data[other], data[at]
    elif way == "cut":
        del data[at:]
    else:
        starts = entry_starts(whole) + [len(whole)]
        which = rng.randrange(len(starts) - 1)
        start, end = starts[which], starts[which + 1]
        entry = whole[start:end]
        data = bytearray({"delete entry": whole[:start] + whole[end:], "double entry": whole[:end] + entry + whole[end:],
                          "move entry": whole[:start] + whole[end:] + entry}[way])
    return way, bytes(data)


def touched(path, before, after):
    """The index of the entry, hash or subtree in which the first changed byte lies."""
    same = next((i for i, (b, a) in enumerate(zip(before, after)) if b != a), min(len(before), len(after)))
    parts = path.split("/")
    if parts[0] != "tile":
        return 0
    first = 256 * int(parts[2].removesuffix(".p"))
    if parts[1] == "entries":
        return first + max(i for i, start in enumerate(entry_starts(before)) if start <= same)
    return (first + min(same, len(before) - 1) // 32) * 256 ** int(parts[1])


def tamperings(export, count, rng):
    paths = [path for path in export if path.startswith("tile/") or path in ("checkpoint", "log.vkey")]
    while count:
        path = rng.choice(paths)
        way, data = tamper(path, export[path], rng)
        if data != export[path]:
            count -= 1
            yield f"{way} in {path}", {path: data}, touched(path, export[path], data)


# --- 2. entries of a wrong form under a right signature

def canonical(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def wrong_forms(entry):
    """The entry with each of its parts, at any depth, removed or replaced; then the same value written in other ways."""
    def places(value, path=()):
        yield path
        for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            yield from places(value[key], path + (key,))

    for path in places(entry):
        for new in (None, "", "x", "x" * 512, "x" * 513, "é" * 512, "tab\t", [], {}, [{}], ["x"], 0, 1, -1, 4, 2**53 - 1, 2**53, True, "REMOVE"):
            changed = json.loads(json.dumps(entry))
            holder = changed
            for key in path[:-1]:
                holder = holder[key]
            if new == "REMOVE" and path:
                del holder[path[-1]]
            elif path:
                holder[path[-1]] = new
            else:
                changed = new
            yield canonical(changed)
    for extra in ({"later": {"a": [1, "é"]}}, {"later": 1.5}, {"later": -1}, {"é": 1, "\U0001f600": 2, "\ufb33": 3}, {"z": [[[[]]]]}):
        yield canonical({**entry, **extra})
    for depth in (31, 32, 33, 40):
        yield canonical(entry)[:-1] + b',"z":' + b"[" * depth + b"]" * depth + b"}"
    text = canonical(entry)
    yield from (text + b"\n", b" " + text, text.replace(b":", b": ", 1), text.replace(b"a", b"\\u0061", 1), text[:-1], b"", b"\xff", text[::-1])
    yield text[:-1] + b',"v":1}'
    yield json.dumps({**entry, "\ufb33": 1, "\U0001f600": 2}, ensure_ascii=False, separators=(",", ":")).encode()
    yield text[:-1] + b',"z":"\\ud800"}'
    yield text[:-1] + b',"z":1e3}'
    yield text[:-1] + b',"z":-0}'


def signed_log(key, records):
    """A small log, at most 255 entries, signed by our own key; returns its files."""
    public = b"\x01" + key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    name = "schakel/kvk:00000001"
    key_id = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    row = leaves = [hashlib.sha256(b"\x00" + record).digest() for record in records]
    while len(row) > 1:
        row = [hashlib.sha256(b"\x01" + b"".join(row[i:i + 2])).digest() if i + 1 < len(row) else row[i] for i in range(0, len(row), 2)]
    text = f"{name}\n{len(records)}\n{base64.b64encode(row[0]).decode()}\n"
    signature = base64.b64encode(key_id + key.sign(text.encode())).decode()
    width = f"000.p/{len(records)}"
    return {
        "checkpoint": f"{text}\n\u2014 {name} {signature}\n".encode(),
        "log.vkey": f"{name}+{key_id.hex()}+{base64.b64encode(public).decode()}\n".encode(),
        f"tile/0/{width}": b"".join(leaves),
        f"tile/entries/{width}": b"".join(len(record).to_bytes(2, "big") + record for record in records),
    }


def malformed_logs(export):
    key = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
    bundle = next(data for path, data in export.items() if path.startswith("tile/entries/"))
    starts = entry_starts(bundle)
    records = [bundle[a + 2:b] for a, b in zip(starts, starts[1:])]
    richest = max(records, key=lambda record: len(json.loads(record)))
    process = next(record for record in records if json.loads(record)["users"][0]["kind"] == "process")
    for record in (richest, process):
        for i, wrong in enumerate(wrong_forms(json.loads(record))):
            yield f"form {i}: {wrong[:200]!r}", signed_log(key, [records[0], wrong, records[1]]), None


# --- running both

def write(directory, export, changed, base):
    """A directory with the changed files; the others are hard links into one shared copy."""
    for path in {**export, **changed}:
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path in changed:
            target.write_bytes(changed[path])
        else:
            os.link(base / path, target)


def verdicts(programs, directories, scratch):
    many = scratch / "many"
    many.write_text("".join(f"{directory}\n" for directory in directories), encoding="utf-8")
    runs = [subprocess.Popen([*program, "--many", str(many)], stdout=subprocess.PIPE, text=True) for program in programs]
    answers = [[json.loads(line) for line in run.communicate()[0].splitlines()] for run in runs]
    assert all(len(answer) == len(directories) for answer in answers), "a program gave no answer"
    return zip(*answers)


def compare(cases, export, programs, counts):
    """Runs both programs over the cases in batches. Each case: its name, changed files, and the index to be found (None: only agree)."""
    cases, failed = list(cases), 0
    for start in range(0, len(cases), BATCH):
        batch = cases[start:start + BATCH]
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            write(scratch / "base", {}, export, None)
            directories = [scratch / str(i) for i in range(len(batch))]
            for directory, (_, changed, _) in zip(directories, batch):
                write(directory, export, changed, scratch / "base")
            for (name, _, expected), (ours, theirs) in zip(batch, verdicts(programs, directories, scratch)):
                counts[ours["check"] or "whole"] += 1
                if ours != theirs or expected is not None and (ours["ok"] or ours["first_bad_index"] != expected):
                    failed += 1
                    print(f"DIFFERENT {name}\n  expected index {expected}\n  schakel-verify {ours}\n  verify_log.py  {theirs}")
    return len(cases), failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("export")
    parser.add_argument("program")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    programs = [[os.path.abspath(options.program)], [sys.executable, str(PYTHON)]]
    export, counts = read_export(options.export), collections.Counter()
    untouched, wrong = compare([("nothing changed", {}, None)], export, programs, counts)
    assert counts == {"whole": 1}, "the export must be whole to begin with"
    tampered, failed = compare(tamperings(export, options.count, random.Random(options.seed)), export, programs, counts)
    shaped, differ = compare(malformed_logs(export), {}, programs, counts)
    ok = not (wrong or failed or differ)
    print(json.dumps({"ok": ok, "tampered": tampered, "found_at_the_right_index_by_both": tampered - failed,
                      "wrong_forms": shaped, "same_verdict": shaped - differ, "checks": counts}))
    return 0 if ok and untouched else 3


if __name__ == "__main__":
    sys.exit(main())
