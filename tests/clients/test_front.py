#!/usr/bin/env python3
"""Programs that an organisation already has, in front of and at its gateway: nginx that passes TLS through, and `buf curl`.

    test_front.py DEMO_JSON DESCRIPTORS BUF

nginx knows no key: it passes connections on, and the gateway still sees and judges its caller itself. BUF is the program. The last line is
`N passed, N failed`.
"""

import contextlib
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

import runner

SEZ, GGNET = "kvk:90000101", "ura:90000103"
START_S = 20
# The type of the frame that either end of HTTP/2 sends first (RFC 9113 section 6.5).
SETTINGS = 4
NODE_STORY = pathlib.Path(__file__).parent / "node/story.mjs"
CONFIG = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;
events {{ }}
stream {{ {servers} }}
"""
demo, descriptors, buf = (pathlib.Path(argument) for argument in sys.argv[1:4])


def free_port():
    """A port nobody listens on now. nginx cannot be given an open socket, so another program may be faster: then it does not start."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def nginx(folder):
    """nginx in front of every care and federation door; what demo.json says then."""
    told = json.loads(demo.read_text())
    servers = []
    for entry in told["organizations"]:
        for door in ("care", "federation"):
            behind, port = entry["endpoints"][door], free_port()
            entry["endpoints"][door] = f"127.0.0.1:{port}"
            servers.append(f"server {{ listen 127.0.0.1:{port}; proxy_pass {behind}; }}")
    # The records of the parties lie beside it.
    (folder / "agreements").symlink_to(demo.parent / "agreements")
    (folder / "demo.json").write_text(json.dumps(told))
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, servers="\n".join(servers)))
    server = subprocess.Popen(["nginx", "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"])
    try:
        wait_until_it_listens(server, told["organizations"][-1]["endpoints"]["federation"])
        yield folder / "demo.json", {entry["id"]: entry for entry in told["organizations"]}
    finally:
        server.terminate()
        server.wait(START_S)


def wait_until_it_listens(server, endpoint):
    host, port = endpoint.split(":")
    while server.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection((host, int(port)), START_S):
            return
    raise RuntimeError(f"nginx ended with {server.returncode}")


class InFront(unittest.TestCase):
    def setUp(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.told, self.organizations = self.enterContext(nginx(folder))
        self.sez = self.organizations[SEZ]

    def test_the_whole_story_of_the_node_client_goes_through_nginx(self):
        story = subprocess.run(["node", NODE_STORY, self.told, descriptors], capture_output=True, text=True, timeout=300)

        self.assertEqual((story.returncode, story.stdout.splitlines()[-1]), (0, "6 passed, 0 failed"), story.stdout + story.stderr)

    def test_the_federation_door_still_sees_the_certificate_itself(self):
        peer = pathlib.Path(self.organizations[GGNET]["config"]).parent
        context = ssl.create_default_context(cafile=self.sez["ca"])
        context.minimum_version, context.check_hostname = ssl.TLSVersion.TLSv1_3, False
        context.set_alpn_protocols(["h2"])

        with self.assertRaisesRegex(ssl.SSLError, "(?i)certificate.required|alert"):
            self.greet(context)
        context.load_cert_chain(peer / "gateway.crt", peer / "gateway.key")
        self.assertEqual(self.greet(context)[3], SETTINGS)

    def greet(self, context):
        """What the door says first over HTTP/2."""
        host, port = self.sez["endpoints"]["federation"].split(":")
        with socket.create_connection((host, int(port)), START_S) as plain, context.wrap_socket(plain) as secure:
            self.assertEqual(secure.selected_alpn_protocol(), "h2")
            secure.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]))
            return secure.recv(1024)

    def test_buf_curl_lists_the_methods_and_calls_them(self):
        listed = self.curl("", "--list-methods")
        token = pathlib.Path(self.sez["tokens"]["worker"]).read_text().strip()
        answer = self.curl("/schakel.care.v1.CovenantService/ListCovenants", "-H", f"authorization: Bearer {token}")
        refused = self.curl("/schakel.care.v1.CovenantService/ListCovenants")

        self.assertIn("schakel.care.v1.HandoverService/AcceptHandover", listed.stdout.split())
        self.assertEqual(json.loads(answer.stdout)["covenants"][0]["name"], "covenants/gelderland-crisisinterventie-jeugd/revisions/1")
        self.assertEqual(json.loads(refused.stderr)["code"], "unauthenticated")

    def curl(self, path, *arguments):
        url = f"https://{self.sez['endpoints']['care']}{path}"
        command = [buf, "curl", "--protocol", "grpc", "--cacert", self.sez["ca"], *arguments, url]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)


if __name__ == "__main__":
    sys.exit(runner.run(sys.modules[__name__]))
