# SPDX-License-Identifier: GPL-3.0-or-later
"""The real mailferry-mailstore, spoken to as the interceptor does.

    store = Mailstore(folder); store.add_account("alice", "/", "Sent=\\\\Sent")
    client = store.imap("alice")            # a raw client, logged in
    port = store.listen()                   # for real programs: user is the account

Everything lies in one temporary folder; close() ends the program and checks that it ends.
"""
import array
import contextlib
import hashlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lab.imap import Imap  # noqa: E402

TYPES = re.findall(r"(?m)^\tMESSAGE_(\w+),", (
    Path(__file__).resolve().parents[2] / "lib/messages/message.h").read_text("utf-8"))
(SERVE, SERVE_END, RELEASE, RELEASED, FAILED, STAGE, STAGED, DELIVER, DELIVERED, DISCARD, DELIVERY_FAILED,
 VAULT_READY, SERVED, KICK, PING, PONG, ASLEEP) = map(TYPES.index, (
     "SERVE SERVE_END RELEASE RELEASED FAILED STAGE STAGED DELIVER DELIVERED DISCARD DELIVERY_FAILED "
     "VAULT_READY SERVED KICK PING PONG ASLEEP").split())
OF_SESSIONS = (SERVE_END, FAILED, SERVED)  # come at any time beside what was asked for
FIELDS = ("account", "session", "service", "tag", "client", "text", "payload")
FIRST_UID, FOLDERS = 1900000016, {}
CAPABILITY = b"IMAP4rev1 LITERAL+ SASL-IR IDLE UIDPLUS MOVE NAMESPACE UNSELECT"


def encode(kind, number=0, **fields):
    """lib/messages/message.c: version, type, two numbers, seven fields."""
    whole = struct.pack(">BBQQ", 1, kind, number, 0)
    for name in FIELDS:
        value = fields.get(name, b"")
        value = value.encode() if isinstance(value, str) else value
        whole += struct.pack(">I", len(value)) + value
    return whole


def decode(data):
    _, kind, number, number2 = struct.unpack(">BBQQ", data[:18])
    found, at = {"kind": kind, "number": number, "number2": number2}, 18
    for name in FIELDS:
        size = struct.unpack(">I", data[at:at + 4])[0]
        found[name] = data[at + 4:at + 4 + size]
        at += 4 + size
    return found


class Link:
    """A connection to mailstore.sock, as a worker of the interceptor holds it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.socket.settimeout(20)

    def send(self, message, *sockets):
        ancillary = []
        if sockets:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                          array.array("i", [s.fileno() for s in sockets]))]
        self.socket.sendmsg([message], ancillary)

    def receive(self):
        return decode(self.socket.recv(131072))


class Vault:
    """Plays the vault's part towards the mailstore: gives it the key of the tickets, and the
    tests tickets (lib/messages/ticket.h)."""

    def __init__(self, path):
        self.epoch, self.key, self.serial = 7, os.urandom(32), 0
        path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        path.chmod(0o666)  # the mailstore is no root
        self.listener.listen(8)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                asker, _ = self.listener.accept()
            except OSError:
                return
            with asker, contextlib.suppress(OSError):  # it may be gone
                asker.send(encode(VAULT_READY, self.epoch, payload=self.key))

    def ticket(self, account, session, service, milliseconds=30000):
        self.serial += 1
        until = int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1000) + milliseconds
        head = struct.pack(">QQQ", self.epoch, self.serial, until)
        mac = hashlib.blake2b(key=self.key, digest_size=32)
        for part in (head, account.encode(), session.encode(), service.encode()):
            mac.update(struct.pack(">Q", len(part)) + part)
        return head + mac.digest()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()  # it may accept() from the next socket of that number
        self.listener.close()


def give(folder):
    """To a user of the default uid_range, as `up` does."""
    FOLDERS.setdefault(folder, FIRST_UID + len(FOLDERS))
    for place in (folder, *folder.rglob("*")):
        os.chown(place, FOLDERS[folder], FOLDERS[folder])


class Mailstore:
    def __init__(self, folder, programs, **options):
        self.folder, self.programs = Path(folder), Path(programs)
        for place in (self.folder, *self.folder.parents):  # below /tmp: ours
            if place.parent != Path("/") and place.stat().st_mode & 0o011 != 0o011:
                place.chmod(0o711)
        self.run_dir, self.state_dir = self.folder / "run", self.folder / "state"
        self.config = self.folder / "mailferry.conf"
        self.config.write_text(
            f'source = "127.0.0.1"\ndomains = {{"example.com"}}\n'
            f'state_dir = "{self.state_dir}"\nrun_dir = "{self.run_dir}"\n' +
            "".join(f"{name} = {value}\n" for name, value in options.items()))
        self.state_dir.mkdir()
        self.run_dir.mkdir()
        self.vault = Vault(self.run_dir / "vault-mail.sock")
        self.log = open(self.folder / "log", "wb")
        self.sessions = 0
        self.listener = None
        self.start()

    def start(self, *arguments):
        self.process = subprocess.Popen(
            [self.programs / "mailferry-mailstore", "-c", self.config, *arguments],
            stderr=self.log, stdout=self.log)
        for _ in range(600):
            try:
                self.link = Link(self.run_dir / "mailstore.sock")
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"it does not start: {self.log_text()}")

    def log_text(self):
        return (self.folder / "log").read_text(errors="replace")

    def account_folder(self, account):
        return self.state_dir / "mail" / account

    def add_account(self, account, separator="/", *mailboxes):
        (self.state_dir / "mail").mkdir(exist_ok=True)
        folder = self.account_folder(account)
        subprocess.run([self.programs / "store_make", folder, separator, *mailboxes],
                       check=True)
        give(folder)

    def serve(self, account, client, tag=b"login", payload=b"", service="imap", link=None,
              ticket=None):
        """Hands the socket over; returns the session's id. ticket(session): another than
        the right one."""
        self.sessions += 1
        session = f"test{self.sessions}"
        text = ticket(session) if ticket else self.vault.ticket(account, session, service)
        (link or self.link).send(
            encode(SERVE, account=account, session=session, service=service, tag=tag,
                   client="192.0.2.7:4000", text=text, payload=payload),
            client)
        client.close()
        return session

    def imap(self, account, payload=b"", link=None):
        """(client, its first answer, the session's id)"""
        ours, theirs = socket.socketpair()
        ours.settimeout(30)
        session = self.serve(account, theirs, payload=payload, link=link)
        client = Imap(ours)
        return client, client.greeting, session

    def account_pid(self, account):
        """The process of that account, or None."""
        for entry in Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            if parent == self.process.pid and account.encode() in command:
                return int(entry.name)
        return None

    # ── real programs ──────────────────────────────────────────────────────────────

    def listen(self):
        """A port where programs log in as any account with any password."""
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self.listener.getsockname()[1]

    def _accept(self):
        link = Link(self.run_dir / "mailstore.sock")
        link.socket.settimeout(None)
        threading.Thread(target=self._drain, args=(link,), daemon=True).start()
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._front, args=(client, link), daemon=True).start()

    @staticmethod
    def _drain(link):
        while link.socket.recv(131072):
            pass

    def _front(self, client, link):
        client.sendall(b"* OK [CAPABILITY " + CAPABILITY + b"] ready\r\n")
        unread = b""
        while True:
            while b"\r\n" not in unread:
                more = client.recv(65536)
                if not more:
                    return
                unread += more
            line, unread = unread.split(b"\r\n", 1)
            tag, command = line.split(b" ", 1)
            words = command.split()
            if words[0].upper() == b"LOGIN":
                account = words[1].strip(b'"').decode()
                self.serve(account, client, tag=tag, payload=unread, link=link)
                return
            if words[0].upper() == b"CAPABILITY":
                client.sendall(b"* CAPABILITY " + CAPABILITY + b"\r\n")
            client.sendall(tag + b" OK done\r\n")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def close(self):
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        status = self.stop()
        self.link.socket.close()
        self.vault.close()
        self.log.close()
        text = self.log_text()
        if status != 0 or "Sanitizer" in text or "runtime error" in text:
            raise AssertionError(f"mailferry-mailstore ended with {status}:\n{text[-4000:]}")


def rss_kib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def wait_for(what, seconds=20):
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.05)


def programs():
    return Path(os.environ.get("MAILFERRY_BIN", "build/dev/bin"))
