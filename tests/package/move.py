# SPDX-License-Identifier: GPL-3.0-or-later
"""A user of an old server (Dovecot), over TLS on both sides: moved, there after a boot, and
not disturbed when the package is upgraded."""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from restart import CLIENT, SOURCE, World

sys.path.append(str(Path(__file__).resolve().parents[1]))
from lab.network import Namespace  # noqa: E402
from lab.server_dovecot import Dovecot  # noqa: E402

USER, PASSWORD = "bert", "Bert's-pass"
MORE = """tls { certificate = {"/etc/mailferry/pem"} key = {"/etc/mailferry/key"} }
"""
# INBOX as a mail program sees it
READ = """
import imaplib, socket, ssl, sys
address, certificate, user, password = sys.argv[1:]
class Imap(imaplib.IMAP4_SSL):
    def _create_socket(self, timeout):
        return self.ssl_context.wrap_socket(socket.create_connection((address, 993), 20),
                                            server_hostname="mail.example.com")
with Imap(ssl_context=ssl.create_default_context(cafile=certificate)) as c:
    c.login(user, password)
    c.select("INBOX", True)
    print(c.response("UIDVALIDITY"), c.uid("FETCH", "1:*", "(INTERNALDATE BODY.PEEK[])"),
          c.uid("SEARCH", "FLAGGED"))
"""


class Place(Namespace):
    """That of a process."""

    def __init__(self, pid):
        super().__init__(str(pid))
        self.path = f"/proc/{pid}/ns/net"

    def command(self, *command):
        return World.inside(self.name, *map(str, command))


class DovecotWorld(World):
    def __init__(self, machine, folder, certificate):
        super().__init__(machine)
        self.certificate = certificate
        self.dovecot = Dovecot(folder, None)
        self.dovecot.address = SOURCE

    def _begin_server(self):
        self.dovecot.namespace = Place(self.source)
        if not self.dovecot.folder.exists():
            self.dovecot.prepare()
            self.dovecot.add_user(USER, PASSWORD)
        self.dovecot.start()

    def __exit__(self, *_):
        self.dovecot.stop()
        super().__exit__()

    def read(self):
        return subprocess.run(
            self.inside(self.client, sys.executable, "-c", READ, SOURCE, self.certificate, USER,
                        PASSWORD), check=True, capture_output=True, text=True, timeout=60).stdout

    def visits(self):
        """Of the user themselves at the old server."""
        return len([rip for _, rip in self.dovecot.logins(USER) if rip == CLIENT])


def route(machine):
    return json.loads(machine("mailferry", "account", USER, "--json"))["route"]


def make_certificate(machine):
    place = machine.root / "etc/mailferry"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=mail.example.com", "-addext", "subjectAltName=DNS:mail.example.com", "-keyout",
         place / "key", "-out", place / "pem"], check=True, capture_output=True)
    (place / "key").chmod(0o600)
    return place / "pem"


def check_move(machine, newer, until, ensure, serves):
    (machine.root / "etc/mailferry/mailferry.conf").open("a", encoding="ascii").write(MORE)
    certificate = make_certificate(machine)
    with tempfile.TemporaryDirectory(prefix="mf-old-server-") as folder:
        os.chmod(folder, 0o755)
        with DovecotWorld(machine, folder, certificate) as world:
            for i in range(20):
                world.dovecot.deliver(USER, f"Subject: {i}\n\n{'x' * 997 * i}\n".encode())
            world.dovecot.doveadm("flags", "add", "-u", USER, "\\Flagged", "mailbox", "INBOX", "uid", "3")
            machine("mailferry", "check", "--trust-source", check=False)  # its key
            machine("systemctl", "restart", "mailferry.target")
            serves(machine, "with a certificate it serves")
            there = world.read()
            ensure("their mail is at the old server", world.visits() == 1 and
                   "Subject: 19" in there)
            until("they are moved", lambda: route(machine) == "local")
            ensure("they see the same here", world.read() == there and world.visits() == 1)
        machine.stop()
        machine.start()
        serves(machine, "it serves after a boot")
        with DovecotWorld(machine, folder, certificate) as world:
            ensure("and its user sees the same", world.read() == there)
            load = world.load(CLIENT, 15, USER, PASSWORD, str(certificate))
            machine.install(newer)
            serves(machine, "upgraded, it serves")
            seen = world.said(load)
            ensure(f"meanwhile nobody was turned away: {seen}",
                   set(seen) <= {"ok", "bye"} and seen.get("ok", 0) > 20)
            ensure("they see the same here, and were never at the old server again",
                   world.read() == there and world.visits() == 1)
