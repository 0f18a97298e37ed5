#!/usr/bin/env python3
"""Enforces deny.toml in seconds, with nothing to install: bans, minimum versions, wrappers, licences, sources.

Reads what cargo says is really built for the platforms in deny.toml. Whatever in deny.toml this program does not understand is an
error, so that no rule is silently left out. cargo-deny reads the same file in the part supply-long.
"""

import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Every key of deny.toml that is enforced here or only changes how cargo-deny reports.
KNOWN = {
    "graph": {"targets"},
    "licenses": {"allow", "unused-allowed-license"},
    "sources": {"unknown-registry", "unknown-git", "allow-registry", "allow-git"},
    "bans": {"multiple-versions", "wildcards", "allow-wildcard-paths", "highlight", "deny"},
}
BAN_KEYS = {"name", "version", "wrappers", "reason"}


@dataclass
class Built:
    """One crate that is built: its licence and who depends on it directly."""

    name: str
    version: tuple[int, ...]
    licence: str
    dependents: set[str] = field(default_factory=set)


def main() -> int:
    """Prints each finding; exit code 1 when there are any."""
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    not_understood = unknown(rules)
    if not_understood:
        print(*not_understood, sep="\n")
        return 1
    built = [crate for target in rules["graph"]["targets"] for crate in crates(target)]
    findings = sorted({*banned(rules, built), *unlicensed(rules, built), *foreign(rules), *wildcards()})
    for finding in findings:
        print(finding)
    print(f"{len({(crate.name, crate.version) for crate in built})} crates, {len(findings)} findings")
    return 1 if findings else 0


def crates(target: str) -> list[Built]:
    """The crates built for one platform, tests included, features as they are."""
    command = ["cargo", "tree", "--workspace", "--locked", "--target", target, "--edges", "normal,build,dev"]
    output = subprocess.run([*command, "--prefix", "depth", "--format", "|{p}|{l}"], cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE)
    found: dict[tuple[str, str], Built] = {}
    above: list[str] = []
    for line in output.stdout.splitlines():
        if not line:
            continue
        depth, package, licence = line.removesuffix(" (*)").split("|", 2)
        name, version = package.split()[:2]
        numbers = tuple(int(number) for number in re.match(r"v(\d+)\.(\d+)\.(\d+)", version).groups())
        above[int(depth) :] = [name]
        crate = found.setdefault((name, version), Built(name, numbers, licence))
        if int(depth) > 0:
            crate.dependents.add(above[int(depth) - 1])
    return list(found.values())


def unknown(rules: dict) -> list[str]:
    """Rules that are not enforced here."""
    findings = [f"deny.toml: [{table}] is not understood" for table in rules if table not in KNOWN]
    for table, keys in KNOWN.items():
        findings += [f"deny.toml: {table}.{key} is not understood" for key in rules.get(table, {}) if key not in keys]
    for ban in rules["bans"]["deny"]:
        findings += [f"deny.toml: {key} of {ban['name']} is not understood" for key in ban if key not in BAN_KEYS]
        if not re.fullmatch(r"<\d+\.\d+\.\d+", ban.get("version", "<0.0.0")):
            findings.append(f"deny.toml: version of {ban['name']} is not understood: only <X.Y.Z is")
        if "reason" not in ban:
            findings.append(f"deny.toml: the ban of {ban['name']} gives no reason")
    for table, key in (("sources", "unknown-registry"), ("sources", "unknown-git"), ("bans", "wildcards")):
        if rules[table][key] != "deny":
            findings.append(f"deny.toml: {table}.{key} must be deny")
    return findings


def banned(rules: dict, built: list[Built]) -> list[str]:
    """Crates that are built although a ban names them."""
    findings = []
    for ban in rules["bans"]["deny"]:
        below = tuple(int(number) for number in ban["version"][1:].split(".")) if "version" in ban else None
        for crate in built:
            if crate.name != ban["name"] or (below and crate.version >= below):
                continue
            users = crate.dependents - set(ban.get("wrappers", []))
            if users:
                findings.append(f"{crate.name} {dotted(crate.version)}, used by {', '.join(sorted(users))}: {ban.get('reason')}")
    return findings


def unlicensed(rules: dict, built: list[Built]) -> list[str]:
    """Crates whose licence cannot be met with what is allowed."""
    allowed = set(rules["licenses"]["allow"])
    return [
        f"{crate.name} {dotted(crate.version)}: licence {crate.licence or 'missing'}"
        for crate in built
        if not satisfied(crate.licence, allowed)
    ]


def satisfied(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX expression can be met: AND binds stronger than OR; an old slash means OR."""
    tokens = re.findall(r"[()]|[^\s()]+(?:\s+WITH\s+[^\s()]+)?", expression.replace("/", " OR "))

    def either() -> bool:
        met = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            met = both() or met
        return met

    def both() -> bool:
        met = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            met = one() and met
        return met

    def one() -> bool:
        token = tokens.pop(0) if tokens else ""
        if token != "(":
            return token in allowed
        met = either()
        return bool(tokens) and tokens.pop(0) == ")" and met

    met = either()
    return met and not tokens


def foreign(rules: dict) -> list[str]:
    """Locked crates that do not come from an allowed registry, and those without a checksum."""
    allowed = {f"registry+{registry}" for registry in rules["sources"]["allow-registry"]}
    findings = []
    for crate in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]:
        if "source" in crate and crate["source"] not in allowed:
            findings.append(f"{crate['name']} {crate['version']}: from {crate['source']}")
        if "source" in crate and "checksum" not in crate:
            findings.append(f"{crate['name']} {crate['version']}: no checksum in Cargo.lock")
    return findings


def wildcards() -> list[str]:
    """Dependencies on any version at all."""
    declared = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["dependencies"]
    versions = {name: entry if isinstance(entry, str) else entry.get("version") for name, entry in declared.items()}
    findings = [f"Cargo.toml: {name} accepts any version" for name, version in versions.items() if version and "*" in version]
    own = {name for name, entry in declared.items() if isinstance(entry, dict) and "path" in entry}
    return findings + [f"Cargo.toml: {name} has no version" for name, version in versions.items() if version is None and name not in own]


def dotted(version: tuple[int, ...]) -> str:
    """1.2.3"""
    return ".".join(map(str, version))


if __name__ == "__main__":
    sys.exit(main())
