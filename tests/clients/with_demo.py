#!/usr/bin/env python3
"""Runs a command while a federation of gateways runs: with_demo.py COMMAND [ARGUMENT...]

Builds the programs and starts `schakel demo --keep DIR` with the story in quiet.toml, in which nothing happens. The command is run from the
root of the repository, with these words filled in, and its exit code handed back:

    {demo}         DIR/demo.json: where every door, certificate and token is
    {descriptors}  what `schakel api descriptors` prints
    {verify}       the program schakel-verify

SCHAKEL_BIN names a folder with both programs, ready; then nothing is built.
"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
START_S = 120
STOP_S = 30


def programs():
    """The folder with `schakel` and `schakel-verify`, of these sources."""
    if "SCHAKEL_BIN" in os.environ:
        return pathlib.Path(os.environ["SCHAKEL_BIN"]).resolve()
    subprocess.run(["cargo", "build", "--locked", "--workspace", "--bin", "schakel", "--bin", "schakel-verify"], cwd=ROOT, check=True)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"


def wait_for_doors(demo):
    """Shows what the demo says, until every door is open and demo.json is written."""
    give_up = threading.Timer(START_S, demo.kill)
    give_up.daemon = True
    give_up.start()
    for line in demo.stdout:
        print(line, end="", flush=True)
        if line.rstrip().endswith("demo.json"):
            break
    else:
        sys.exit(f"schakel demo ended with {demo.wait()} before its doors were open")
    give_up.cancel()
    # What it says later is shown too, and its pipe never fills.
    threading.Thread(target=lambda: [print(line, end="", flush=True) for line in demo.stdout], daemon=True).start()


def stop(demo):
    """As with Ctrl-C; then surely."""
    demo.send_signal(signal.SIGINT)
    try:
        demo.wait(STOP_S)
    except subprocess.TimeoutExpired:
        demo.kill()
        demo.wait()


def main(command):
    found = programs()
    with tempfile.TemporaryDirectory(prefix="schakel-clients-") as scratch:
        folder, descriptors = os.path.join(scratch, "demo"), os.path.join(scratch, "descriptors.binpb")
        subprocess.run([found / "schakel", "api", "descriptors", "--out", descriptors], check=True)
        words = {"{demo}": os.path.join(folder, "demo.json"), "{descriptors}": descriptors, "{verify}": str(found / "schakel-verify")}
        scenario = ROOT / "tests/clients/quiet.toml"
        demo = subprocess.Popen([found / "schakel", "demo", "--keep", folder, "--scenario", scenario], stdout=subprocess.PIPE, text=True)
        try:
            wait_for_doors(demo)
            return subprocess.run([words.get(word, word) for word in command], cwd=ROOT, check=False).returncode
        finally:
            stop(demo)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    # A stop request unwinds the stack, so that the gateways end and the folder goes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main(sys.argv[1:]))
