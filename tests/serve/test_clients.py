#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real clients on the real server; and what Dovecot says of the same mail."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from mailstore import Mailstore, programs  # noqa: E402
from lab import mail  # noqa: E402
from lab.imap import Imap, parse  # noqa: E402
from lab.mail_odd import odd_messages  # noqa: E402

MBSYNC = """\
IMAPAccount ferry
Host 127.0.0.1
Port {port}
User alice
Pass secret
SSLType None
AuthMechs LOGIN

IMAPStore far
Account ferry

MaildirStore near
Path {folder}/mail/
Inbox {folder}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Sync All
SyncState {folder}/state/
"""

DOVECOT = """\
base_dir = {folder}/run
log_path = {folder}/log
mail_location = maildir:{folder}/home/mail
mail_home = {folder}/home
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
first_valid_gid = 1
ssl = no
stats_writer_socket_path =
"""
# Broken on purpose, and what a server makes of it is its own affair: (what tells it, item).
NOT_COMPARED = [(b"Content-Type: multipart/mixed\r\n", "BODY"),  # no boundary
                (b"Content-Type: multipart/mixed\r\n", "BODYSTRUCTURE"),
                (b"Subject: one\r\nSubject: two", "ENVELOPE")]


def append(client, data, mailbox=b"INBOX", flags=b""):
    client.ok(b"APPEND %s (%s) {%d+}\r\n%s" % (mailbox, flags, len(data), data))


class ClientTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="mailferry-serve-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        (self.folder / "store").mkdir()
        self.store = Mailstore(self.folder / "store", programs())
        self.addCleanup(self.store.close)
        self.store.add_account("alice", "/", "Sent=\\Sent", "Archive", "Archive/2023")


class Mbsync(ClientTest):
    def sync(self):
        return subprocess.run(["mbsync", "-c", self.folder / "mbsyncrc", "all"], check=True,
                              capture_output=True, text=True, timeout=120)

    def near(self, box="INBOX"):
        box = self.folder / "mail" / box
        return sorted(p.relative_to(box) for part in ("cur", "new")
                      for p in (box / part).iterdir())

    def test_both_ways_and_then_nothing(self):
        for name in ("mail", "state"):
            (self.folder / name).mkdir()
        (self.folder / "mbsyncrc").write_text(
            MBSYNC.format(port=self.store.listen(), folder=self.folder))
        client = self.store.imap("alice")[0]
        client.ok("SELECT INBOX")
        for number in range(60):
            append(client, b"Subject: %d\r\n\r\n%s\r\n" % (number, b"x" * number * 100))
        append(client, b"Subject: old\r\n\r\nold\r\n", b"Archive/2023", b"\\Seen")
        self.sync()
        self.assertEqual(len(self.near()), 60)
        self.assertEqual(len(self.near("Archive/2023")), 1)
        before = self.near()
        self.sync()
        self.assertEqual(self.near(), before)
        # there to here: flags and a deletion; here to there: a new message, a new box
        client.ok("STORE 1:10 +FLAGS.SILENT (\\Seen)")
        client.ok("STORE 60 +FLAGS.SILENT (\\Deleted)")
        new = self.folder / "mail" / "Work"
        for part in ("cur", "new", "tmp"):
            (new / part).mkdir(parents=True)
        (new / "cur" / "1.x.y:2,FS").write_bytes(b"Subject: mine\n\nmine\n")
        self.sync()
        self.assertEqual(len(self.near()), 59)
        self.assertEqual(sum(name.name.endswith("S") for name in self.near()), 10)
        client.ok("EXAMINE Work")
        answer = client.ok("FETCH 1 (FLAGS BODY.PEEK[TEXT])")[0]
        self.assertIn(b"mine\r\n", answer)
        self.assertIn(b"\\Flagged", answer)
        self.assertIn(b"\\Seen", answer)


class Curl(ClientTest):
    def curl(self, path, *options, **run):
        return subprocess.run(
            ["curl", "-sS", "--user", "alice:secret", *options,
             f"imap://127.0.0.1:{self.port}/{path}"],
            check=True, capture_output=True, timeout=60, **run).stdout

    def test_lists_fetches_uploads_searches(self):
        self.port = self.store.listen()
        data = b"Subject: up\r\n\r\n" + b"0123456789abcdef\r\n" * 20_000
        (self.folder / "up.eml").write_bytes(data)
        self.curl("Archive%2F2023", "-T", self.folder / "up.eml")
        self.assertEqual(self.curl("Archive%2F2023;MAILINDEX=1"), data)
        self.assertEqual(self.curl("Archive%2F2023;UID=1;SECTION=HEADER"),
                         b"Subject: up\r\n\r\n")
        self.assertIn(b'LIST (\\HasNoChildren \\Sent) "/" Sent\r\n', self.curl(""))
        self.assertEqual(self.curl("Archive%2F2023?SUBJECT%20up"), b"* SEARCH 1\r\n")


def without_case(value):
    if isinstance(value, bytes):
        return value.lower()
    if isinstance(value, (list, tuple)):
        return [without_case(part) for part in value]
    return value


class Dovecot(ClientTest):
    """Its imap program alone, before a session that is logged in already."""

    def dovecot(self):
        folder = self.folder / "dovecot"
        (folder / "home").mkdir(parents=True)
        (folder / "conf").write_text(DOVECOT.format(folder=folder))
        for path in (self.folder, folder, folder / "home"):
            shutil.chown(path, "mail", "mail")
        ours, theirs = socket.socketpair()
        ours.settimeout(30)
        server = subprocess.Popen(
            ["setpriv", "--reuid", "mail", "--regid", "mail", "--clear-groups",
             "/usr/lib/dovecot/imap", "-c", folder / "conf"], stdin=theirs, stdout=theirs,
            env={"USER": "mail", "HOME": str(folder / "home")})
        self.addCleanup(server.wait, 20)
        self.addCleanup(ours.close)
        theirs.close()
        return Imap(ours)

    def test_same_structure_and_envelope(self):
        messages = [(f"generated {n}", message.data) for n, message in enumerate(
            m for f in mail.generate("clients", 150).folders for m in f.messages)]
        messages += odd_messages()
        here, there = self.store.imap("alice")[0], self.dovecot()
        for client in (here, there):
            client.ok("SELECT INBOX")
            for _, data in messages:
                append(client, data)
        for item in ("BODYSTRUCTURE", "BODY", "ENVELOPE", "RFC822.SIZE", "BODY.PEEK[HEADER]",
                     "BODY.PEEK[TEXT]", "BODY.PEEK[HEADER.FIELDS (TO X-NONE SUBJECT)]",
                     "BODY.PEEK[HEADER.FIELDS.NOT (RECEIVED)]"):
            ours, theirs = (client.ok("FETCH 1:* " + item) for client in (here, there))
            self.assertEqual(len(ours), len(theirs))
            for (name, data), mine, other in zip(messages, ours, theirs):
                mine, other = (without_case(parse(answer)) for answer in (mine, other))
                if not any(mark in data and item == what for mark, what in NOT_COMPARED):
                    with self.subTest(message=name, item=item):
                        self.assertEqual(mine, other)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: the account processes are chrooted")
        sys.exit(77)
    unittest.main()
