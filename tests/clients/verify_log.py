#!/usr/bin/env python3
"""Checks an exported audit log of Schakel: a second implementation that shares no code with schakel-verify.

    verify_log.py DIR [--vkey KEY] [--json]
    verify_log.py --many FILE [--vkey KEY]

Exit: 0 whole and unchanged, 1 could not be read, 2 usage, 3 changed or incomplete.
Needs the package `cryptography`; the rest is the standard library.
The order of the checks is part of the format, so that two programs name the same first fault: key and checkpoint; entry by entry;
the tiles above level 0; the root; disclosed salts.
"""

import argparse
import base64
import contextlib
import hashlib
import hmac
import json
import pathlib
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH = 256


class Fault(Exception):
    """The first fault: an index or None, the check that failed, what exactly."""


def demand(holds, problem):
    if not holds:
        raise ValueError(problem)


@contextlib.contextmanager
def blame(index, check):
    """Whatever is malformed in here is the fault of this index."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, RecursionError, InvalidSignature) as error:
        raise Fault(index, check, str(error) or type(error).__name__) from error


def sha256(data):
    return hashlib.sha256(data).digest()


def tree_root(hashes):
    """RFC 6962: pairs level by level; an odd last one goes up alone. The same tree as the recursive definition."""
    if not hashes:
        return sha256(b"")
    while len(hashes) > 1:
        pairs = [sha256(b"\x01" + hashes[i] + hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]
        hashes = pairs + hashes[len(hashes) - len(hashes) % 2:]
    return hashes[0]


def unbase64(text):
    """One text for one value: Python alone would also read stray padding bits."""
    data = base64.b64decode(text, validate=True)
    demand(base64.b64encode(data).decode() == text, "base64 written in another way")
    return data


def integer(digits):
    """A number that every reader holds exactly; any other becomes a text, which is then not what was written."""
    return int(digits) if abs(int(digits)) < 2**53 else digits


def in_order(members):
    wide = [key.encode("utf-16-be") for key, _ in members]
    demand(all(a < b for a, b in zip(wide, wide[1:])), "keys out of order")
    return dict(members)


def height(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(height, inner)) if inner else 0


def from_canonical(data):
    """RFC 8785 with integers only: the value, when these are the bytes it would be written in."""
    value = json.loads(data.decode("utf-8"), object_pairs_hook=in_order, parse_int=integer, parse_float=str, parse_constant=str)
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    demand(written == data and height(value) <= 32, "JSON in another than its canonical form")
    return value


# The form of an entry (NEN 7513:2018 chapter 7). A name with a question mark may be absent, a list names its greatest length.
TEXT = re.compile(r"[^\x00-\x1f\x7f]{1,512}")
SENTENCE = re.compile(r"[^\x00-\x1f\x7f]{1,2560}")
HASH = re.compile(r"[0-9a-f]{64}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ORGANIZATION = re.compile(r"(ura|kvk|agb):[0-9]{8}|oin:[0-9]{20}")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
KIND = re.compile("person|process|organization")
YES_NO, COUNT = (bool, [True, False]), (int, range(2**53))
ENTRY = {
    "v": (int, [1]),
    "event": {"code": re.compile("[a-z0-9-]{1,64}"), "action": re.compile("[CRUDE]"), "time": TIME, "outcome": (int, [0, 4, 8, 12])},
    "users": [8, {"kind": KIND, "id": TEXT, "role": TEXT, "initiator": YES_NO,
                  "responsible?": {"id": TEXT, "role": TEXT}, "access_point?": {"kind": TEXT, "id": TEXT}}],
    "objects": [16, {"kind": TEXT, "scheme": TEXT, "id": TEXT, "authorization": TEXT,
                     "version?": TEXT, "relation?": TEXT, "consent?": TEXT}],
    "source": {"org": ORGANIZATION, "gateway": TEXT},
    "decision": {"allowed": YES_NO, "rule": TEXT, "sentence": SENTENCE, "purpose?": TEXT,
                 "covenant?": {"id": TEXT, "version": COUNT, "clause": TEXT}},
    "peer?": {"org": ORGANIZATION, "tls_key?": HASH, "message?": HASH, "leaf?": HASH},
    "custody?": {"before": COUNT, "after": COUNT},
    "client?": HASH, "trace?": TEXT, "request?": UUID,
}


def check_form(value, form, name):
    if isinstance(form, re.Pattern):
        demand(isinstance(value, str) and form.fullmatch(value), f"{name} is missing or has not its form")
    elif isinstance(form, dict):
        demand(isinstance(value, dict), f"{name} is missing")
        for key, inner in form.items():
            member = value.get(key.rstrip("?"))
            if member is not None or not key.endswith("?"):
                check_form(member, inner, key)
    elif isinstance(form, list):
        demand(isinstance(value, list) and 1 <= len(value) <= form[0], f"{name}: one to {form[0]}")
        for item in value:
            check_form(item, form[1], name)
    else:
        demand(type(value) is form[0] and value in form[1], f"{name} is missing or has not its form")


def check_entry(record):
    entry = from_canonical(record)
    check_form(entry, ENTRY, "entry")
    alone = any(user["kind"] == "process" and user.get("responsible") is None for user in entry["users"])
    demand(not alone, "a person answers for what a process does")
    about = any(item.get("relation") is not None and item.get("consent") is not None for item in entry["objects"])
    demand(entry.get("client") is None or about, "an entry about a client names relation and consent")


class Vkey:
    def __init__(self, line):
        pieces = line.split("+", 2)
        demand(len(pieces) == 3, "expected name+id+base64")
        self.name, key = pieces[0], unbase64(pieces[2])
        demand(self.name and not re.search(r"\s", self.name), "the key's name")
        demand(len(key) == 33 and key[0] in (1, 4), "not an Ed25519 key")
        self.type, self.id = key[0], sha256(self.name.encode() + b"\n" + key)[:4]
        demand(pieces[1] == self.id.hex(), "the id does not fit name and key")
        self.public = Ed25519PublicKey.from_public_bytes(key[1:])


def open_checkpoint(data, vkey):
    """The size and root of a checkpoint that this log signed."""
    demand(data is not None and len(data) <= 1 << 16, "missing or too large")
    whole = data.decode("utf-8")
    body, empty_line, lines = whole.rpartition("\n\n")
    body, lines, signed = body + "\n", lines.split("\n"), False
    demand(empty_line and len(lines) <= 65 and lines.pop() == "" and lines, "not a signed note")
    demand(not any(c < " " and c != "\n" for c in body), "control characters")
    for line in lines:
        pieces = line.split(" ")
        demand(len(pieces) == 3 and pieces[0] == "\u2014" and re.fullmatch(r"[^\s+]+", pieces[1]), "a signature line")
        demand(len(signature := unbase64(pieces[2])) > 4, "a signature line")
        if pieces[1] == vkey.name and signature[:4] == vkey.id and vkey.type == 1:
            vkey.public.verify(signature[4:], body.encode())
            signed = True
    demand(signed, "not signed by the log")
    origin, size, root, *extensions = body[:-1].split("\n")
    demand(origin == vkey.name and all(extensions), "the name is not the signer's, or an empty line")
    demand(re.fullmatch(r"0|[1-9][0-9]{0,19}", size) and int(size) < 2**64 and len(unbase64(root)) == 32, "the size or root")
    return int(size), unbase64(root)


def path_of(row, index, width):
    name = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        name = f"x{index % 1000:03}/{name}"
    return f"tile/{row}/{name}" + (f".p/{width}" if width < WIDTH else "")


def take_entry(bundle, at):
    """The entry at this offset and the offset behind it; None when it is not whole."""
    end = at + 2 + int.from_bytes(bundle[at:at + 2], "big")
    return (bundle[at + 2:end], end) if at + 2 <= len(bundle) and end <= len(bundle) else (None, at)


class Log:
    def __init__(self, directory):
        self.directory, self.size, self.entries, self.leaves = directory, 0, 0, []

    def read(self, path):
        try:
            return pathlib.Path(self.directory, path).read_bytes()
        except FileNotFoundError:
            return None

    def verify(self, vkey):
        with blame(0, "key"):
            vkey = vkey or self.own_key()
        with blame(0, "checkpoint"):
            self.size, root = open_checkpoint(self.read("checkpoint"), vkey)
        for first in range(0, self.size, WIDTH):
            self.bundle(first, min(WIDTH, self.size - first))
        self.upper_tiles()
        with blame(0, "root"):
            demand(tree_root(self.leaves) == root, "the root recomputed from the entries is not the signed one")
        self.disclosures()

    def own_key(self):
        line = self.read("log.vkey")
        if line is None and self.read("checkpoint") is None:
            raise OSError(f"no exported log in {self.directory}")
        demand(line is not None and line.endswith(b"\n"), "log.vkey is not one line")
        return Vkey(line[:-1].decode("utf-8"))

    def bundle(self, first, width):
        bundle, at = self.read(path_of("entries", first // WIDTH, width)) or b"", 0
        tile = self.read(path_of(0, first // WIDTH, width)) or b""
        for index in range(first, first + width):
            record, at = take_entry(bundle, at)
            leaf, tile = tile[:32], tile[32:]
            with blame(index, "bundle"):
                demand(record is not None, "the bundle ends before it")
            with blame(index, "tile"):
                demand(len(leaf) == 32, "the tile ends before it")
            with blame(index, "leaf"):
                demand(sha256(b"\x00" + record) == leaf, "entry and tile disagree")
            with blame(index, "entry"):
                check_entry(record)
            self.leaves.append(leaf)
            self.entries += 1
        for check, surplus in (("bundle", at < len(bundle)), ("tile", tile)):
            with blame(first + width - 1, check):
                demand(not surplus, "there are bytes too many")

    def upper_tiles(self):
        row, level = self.leaves, 0
        while len(row) >= WIDTH:
            level += 1
            row = [tree_root(row[i:i + WIDTH]) for i in range(0, len(row) - WIDTH + 1, WIDTH)]
            for first in range(0, len(row), WIDTH):
                expected = row[first:first + WIDTH]
                tile = self.read(path_of(level, first // WIDTH, len(expected))) or b""
                wrong = [i for i, good in enumerate(expected) if tile[32 * i:32 * (i + 1)] != good]
                with blame((first + (wrong or [len(expected) - 1])[0]) * WIDTH**level, "upper-tile"):
                    demand(tile == b"".join(expected), f"a tile of level {level} does not follow from the entries")

    def disclosures(self):
        salts, last = self.read("salts.jsonl"), -1
        for line in [] if salts is None else salts[:-1].split(b"\n"):
            with blame(None, "disclosure"):
                opened = from_canonical(line)
                demand(salts.endswith(b"\n") and sorted(opened) == ["index", "salt", "value"], "not a disclosure")
                index, salt, value = opened["index"], unbase64(opened["salt"]), opened["value"].encode("utf-8")
                demand(type(index) is int and last < index < self.size and len(salt) == 32, "index or salt")
            first, at, last = index - index % WIDTH, 0, index
            bundle = self.read(path_of("entries", first // WIDTH, min(WIDTH, self.size - first))) or b""
            for _ in range(first, index + 1):
                record, at = take_entry(bundle, at)
            with blame(index, "disclosure"):
                demand(json.loads(record).get("client") == hmac.new(salt, value, "sha256").hexdigest(), "does not open its commitment")


def main():
    parser = argparse.ArgumentParser()
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("directory", nargs="?")
    where.add_argument("--many", metavar="FILE", help="check each directory named in FILE, one JSON object a line")
    parser.add_argument("--vkey", type=Vkey, help="the log's public key, had from the organisation and not from the export")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        directories = open(options.many, encoding="utf-8").read().splitlines() if options.many else [options.directory]
        worst = 0
        for directory in directories:
            log, fault = Log(directory), (None, None, None)
            try:
                log.verify(options.vkey)
            except Fault as found:
                worst, fault = 3, found.args
            index, check, detail = fault
            if options.many or options.json:
                verdict = {"ok": not check, "entries": log.entries, "first_bad_index": index, "check": check}
                print(json.dumps(verdict, separators=(",", ":")))
            else:
                verdict = f"NOT WHOLE: first bad index {index}, check {check}: {detail}" if check else "whole and unchanged"
                print(f"{log.entries} entries good", verdict, "Not shown: that everything was recorded.", sep="\n")
        return worst
    except OSError as error:
        print(f"verify_log: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
