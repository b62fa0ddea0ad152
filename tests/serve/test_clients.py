#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real clients on the real server."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from mailstore import Mailstore, programs  # noqa: E402

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


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: the account processes are chrooted")
        sys.exit(77)
    unittest.main()
