#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`mailferry store` on the folder of an account whose process is at work in it."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from mailstore import FOLDERS, Mailstore, give, programs, wait_for  # noqa: E402
from lab.imap import Imap  # noqa: E402

DOVECOT = """\
base_dir = {folder}/run
log_path = {folder}/log
mail_location = maildir:{mail}
mail_home = {folder}
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
first_valid_gid = 1
mail_plugins = listescape
ssl = no
stats_writer_socket_path =
namespace inbox {{
  inbox = yes
  separator = {separator}
}}
"""
LARGE = 100000  # a body of its own in a pack; small ones lie in the index


def text(number, size=0):
    head = b"Subject: %d\r\n\r\n" % number
    line = b"%078d\r\n" % number
    return head + line * max(1, size // len(line))


def append(client, data, mailbox=b"INBOX", flags=b"", date=b""):
    client.ok(b"APPEND %s (%s)%s {%d+}\r\n%s" % (mailbox, flags, date, len(data), data))


class StoreTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="mailferry-store-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.folder.chmod(0o711)
        (self.folder / "store").mkdir()
        self.store = Mailstore(self.folder / "store", programs())
        self.addCleanup(self.store.close)
        self.store.add_account("alice", "/", "Sent=\\Sent", "Archive")
        self.mail = self.store.account_folder("alice")

    def command(self, *arguments, command="store"):
        return subprocess.run(
            [programs() / "mailferry", "-c", self.store.config, command, *arguments],
            capture_output=True, text=True, timeout=60, check=False)

    def good(self, *arguments):
        done = self.command(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def sql(self, statement):
        # what is built in the background may have the lock for a moment
        return subprocess.run(["sqlite3", "-cmd", ".timeout 5000", self.mail / "index.sqlite",
                               statement], check=True, capture_output=True,
                              text=True).stdout.strip()

    def fill(self):
        client = self.store.imap("alice")[0]
        append(client, text(1))
        append(client, text(2, LARGE), b"INBOX", b"\\Seen")
        append(client, text(3, LARGE), b"Archive")
        client.ok(b"SELECT INBOX")
        client.ok(b"COPY 2 Archive")
        return client


def flags_of(answer):
    flags = re.search(rb"FLAGS \(([^)]*)\)", answer).group(1).split()
    return sorted(flag for flag in flags if flag != b"\\Recent")


def mailbox_of(client, name):
    """What a client has of it: UIDs, flags, dates, sizes, bytes."""
    untagged = client.ok(b'EXAMINE "%s"' % name)
    numbers = [re.search(word + rb" (\d+)", b" ".join(untagged)).group(1)
               for word in (b"UIDVALIDITY", b"UIDNEXT")]
    rows = []
    for answer in client.ok(b"UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"):
        if b" FETCH " in answer:
            date = re.search(rb'INTERNALDATE "([^"]*)"', answer).group(1)
            uid, size = (re.search(word + rb" (\d+)", answer).group(1)
                         for word in (b"UID", b"RFC822.SIZE"))
            body = answer[answer.index(b"}\r\n") + 3:][:int(size)]
            rows.append((uid, flags_of(answer.replace(body, b"")), date, size, body))
    return numbers, rows


class TextIndex(StoreTest):
    """What is built beside the sessions: a search finds the same before and after."""

    MESSAGES = 900
    QUESTIONS = (b"TEXT zephyr7", b"BODY \"quagga 1\"", b"NOT TEXT zephyr", b"SUBJECT 88",
                 b"OR TEXT zephyr3 HEADER X-None a", b"TEXT nowhere")

    def fill_with_words(self):
        client = self.store.imap("alice")[0]
        texts = [b"Subject: number %d\r\n\r\nzephyr%d quagga %d\r\n%s" % (
            n, n % 10, n % 3, os.urandom(900).hex(" ").encode()) for n in range(self.MESSAGES)]
        client.ok(b"APPEND INBOX" + b"".join(b" {%d+}\r\n%s" % (len(t), t) for t in texts))
        return client

    def answers(self, client):
        client.ok(b"SELECT INBOX")
        return [client.ok(b"SEARCH " + question) for question in self.QUESTIONS]

    def left(self):
        return int(self.sql("SELECT count(*) FROM message, account WHERE email > grams_to"
                            " OR grams_version = 0"))

    def rows(self):
        return int(self.sql("SELECT (SELECT count(*) FROM gram_block)"
                            " + (SELECT count(*) FROM gram_new)"))

    def restart(self, **settings):
        self.store.stop()
        with open(self.store.config, "a", encoding="utf-8") as config:
            config.writelines(f"{key} = {value}\n" for key, value in settings.items())
        self.store.start()
        return self.store.imap("alice")[0]

    def test_killed_while_it_is_built(self):
        before, seen = self.answers(self.fill_with_words()), set()
        for _ in range(300):
            pid = self.store.account_pid("alice")
            seen.add(self.left())
            killed = self.store.log_text().count("signal 9")
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda n=killed: self.store.log_text().count("signal 9") > n)
            client = self.store.imap("alice")[0]
            self.assertEqual(self.answers(client), before)
            if not self.left():
                break
            time.sleep(0.15)
        self.assertEqual(self.left(), 0)
        self.assertGreater(len(seen), 3)  # it was killed in the middle
        self.assertEqual(self.answers(client), before)
        self.assertIn("all is sound", self.good("check", "alice"))

    def test_switched_off_and_on(self):
        client = self.fill_with_words()
        before = self.answers(client)
        wait_for(lambda: not self.left())
        self.assertGreater(self.rows(), 3)
        client = self.restart(search_index="false")
        self.assertEqual(self.answers(client), before)
        wait_for(lambda: not self.rows())
        self.assertEqual(self.answers(client), before)
        client = self.restart(search_index="true")
        wait_for(lambda: not self.left())
        self.assertEqual(self.answers(client), before)

    def test_mail_of_others_does_not_wait(self):
        """New mail is found at once, and what is gone is not."""
        client = self.fill_with_words()
        wait_for(lambda: not self.left())
        client.ok(b"SELECT INBOX")
        append(client, b"Subject: new\r\n\r\nunheard of\r\n")
        self.assertIn(b"* SEARCH %d" % (self.MESSAGES + 1), b"".join(client.ok(b"SEARCH TEXT unheard")))
        client.ok(b"STORE 1:* +FLAGS (\\Deleted)")
        client.ok(b"EXPUNGE")
        self.assertEqual(client.ok(b"SEARCH TEXT zephyr"), [b"* SEARCH\r\n"])
        self.assertIn("all is sound", self.good("check", "alice"))


class DovecotTest(StoreTest):
    """With a real Dovecot, opened on a Maildir++."""

    def dovecot(self, program, out, separator="/"):
        """One of its programs before a session that is logged in already."""
        folder = self.folder / "dovecot"
        if not folder.exists():
            folder.mkdir()
            (folder / "conf").write_text(DOVECOT.format(
                folder=folder, mail=out, separator=separator))
            for path in (self.folder, folder, out, *out.rglob("*")):
                shutil.chown(path, "mail", "mail")
        ours, theirs = socket.socketpair()
        ours.settimeout(30)
        server = subprocess.Popen(
            ["setpriv", "--reuid", "mail", "--regid", "mail", "--clear-groups",
             f"/usr/lib/dovecot/{program}", "-c", folder / "conf"], stdin=theirs,
            stdout=theirs, env={"USER": "mail", "HOME": str(folder), "TZ": "UTC"})
        self.addCleanup(server.wait, 20)
        self.addCleanup(ours.close)
        theirs.close()
        return ours

    def fill_odd(self, date, *more, folders=()):
        """Flags, keywords, names, UIDs and UIDLs of many kinds; more: messages of INBOX."""
        client = self.fill()
        for number, flags in enumerate((b"\\Answered $Forwarded", b"\\Draft \\Flagged",
                                        b"\\Deleted $Junk odd-Word \\Seen", b"")):
            append(client, text(10 + number), b"INBOX", flags, date)
        for message in more:
            append(client, message)
        client.ok(b"SELECT INBOX")
        client.ok(b"STORE 5 +FLAGS (\\Deleted)")
        client.ok(b"UID EXPUNGE 5")
        for name in (b"Archive/2019", b"Archive/2019/&AOQ-rger", b"a.b", b"gone", *folders):
            client.ok(b'CREATE "%s"' % name)
        append(client, text(20, LARGE), b'"Archive/2019/&AOQ-rger"', b"\\Seen", date)
        client.ok(b'SUBSCRIBE "Archive/2019"')
        client.ok(b"DELETE gone")
        client.ok(b"LOGOUT")
        self.store.stop()
        self.sql("UPDATE message SET uidl = 'qmail.' || uid || ':x', pop3_order = 9 - uid"
                 " WHERE uid < 4 AND mailbox = (SELECT id FROM mailbox WHERE name = 'INBOX')")
        self.store.start()

    def uidls(self, connection):
        connection.sendall(b"UIDL\r\n")
        text_so_far = b""
        while b"\r\n.\r\n" not in text_so_far:
            piece = connection.recv(65536)
            self.assertTrue(piece, text_so_far)
            text_so_far += piece
        return re.findall(rb"(?m)^(\d+) (\S+)\r$", text_so_far)

    def pop3_here(self, user="alice"):
        ours, theirs = socket.socketpair()
        ours.settimeout(30)
        self.addCleanup(ours.close)
        self.store.serve(user, theirs, service="pop3", tag=b"")
        return ours


class Export(DovecotTest):
    """It shows the same as the mailstore."""

    def test_dovecot_shows_the_same(self):
        self.fill_odd(b' "01-Feb-2020 10:11:12 +0000"')
        here, out = self.store.imap("alice")[0], self.folder / "out"
        printed = self.good("export", "alice", str(out))
        self.assertIn("separator = /", printed)
        self.assertRegex(printed, r"name: a\.b: .*listescape")
        there = Imap(self.dovecot("imap", out))
        for command in (b'LIST "" *', b'LSUB "" *'):
            names = [sorted(re.search(rb'"/" "?([^"\r]*)"?', line).group(1)
                            for line in c.ok(command)) for c in (here, there)]
            self.assertEqual(*names)
        boxes = [re.search(rb'"/" "?([^"\r]*)"?', a).group(1) for a in here.ok(b'LIST "" *')]
        self.assertEqual(len(boxes), 6)
        for name in boxes:
            with self.subTest(mailbox=name):
                self.assertEqual(mailbox_of(here, name), mailbox_of(there, name))
        here.ok(b"LOGOUT")
        there.ok(b"LOGOUT")
        mine = self.uidls(self.pop3_here())
        self.assertEqual([uidl[:6] for _, uidl in mine[:3]], [b"qmail."] * 3)
        self.assertEqual(mine, self.uidls(self.dovecot("pop3", out)))
        again = self.command("export", "alice", str(out))
        self.assertIn("export makes a new folder", again.stderr)
        self.assertEqual(again.returncode, 1)

    def test_what_is_lost_is_named(self):
        self.fill()
        for path in self.mail.glob("bodies/*.pack"):
            path.unlink()
        done = self.command("export", "alice", str(self.folder / "out"), "--json")
        self.assertEqual(done.returncode, 1)
        found = json.loads(done.stdout)
        self.assertEqual((found["lost"], found["messages"]), (3, 1))
        self.assertEqual(sorted((f["kind"], f["mailbox"], f["uid"])
                                for f in found["findings"]),
                         [("lost", "Archive", 1), ("lost", "Archive", 2),
                          ("lost", "INBOX", 2)])


class Backup(StoreTest):
    def setUp(self):
        super().setUp()
        self.to = self.folder / "backup"
        self.copy = self.to / "mail" / "alice"

    def backup(self):
        return json.loads(self.good("backup", str(self.to), "--json").splitlines()[0])

    def restore(self, name):
        """Puts the copy back as that account; what it has then, in INBOX."""
        place = self.store.account_folder(name)
        shutil.copytree(self.copy, place)
        give(place)
        self.assertIn("all is sound", self.good("check", name))
        client = self.store.imap(name)[0]
        client.ok(b"EXAMINE INBOX")
        rows = b"".join(client.ok(b"FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]"))
        client.ok(b"LOGOUT")
        return [int(number) for number in re.findall(rb"Subject: (\d+)", rows)]

    def test_only_what_is_new_is_copied(self):
        client = self.fill()
        first = self.backup()
        self.assertEqual((first["account"], first["bodies"], first["copied_bodies"]),
                         ("alice", 2, 2))
        self.assertEqual(self.backup()["copied_bodies"], 0)
        append(client, text(4, LARGE))
        self.assertEqual(self.backup()["copied_bodies"], 1)
        self.assertEqual(self.restore("bob"), [1, 2, 4])
        owners = {path.stat().st_uid for path in (self.copy, *self.copy.rglob("*"))}
        self.assertEqual(owners, {FOLDERS[self.mail]})
        self.assertFalse((self.copy / "incomplete").exists())

    def test_a_place_that_is_used_again(self):
        """The last body goes, the next process writes another one over it."""
        client = self.fill()
        append(client, text(4, 3 * LARGE))
        last = self.sql("SELECT pack, max(offset) FROM message")
        self.backup()
        client.ok(b"SELECT INBOX")
        client.ok(b"STORE 3 +FLAGS (\\Deleted)")
        client.ok(b"EXPUNGE")
        client.ok(b"LOGOUT")
        wait_for(lambda: not self.store.account_pid("alice"))
        append(self.store.imap("alice")[0], text(5, LARGE))
        self.assertEqual(self.sql("SELECT pack, max(offset) FROM message"), last)
        self.assertEqual(self.backup()["copied_bodies"], 1)
        self.assertEqual(self.restore("bob"), [1, 2, 5])

    def test_one_that_was_killed(self):
        self.fill()
        self.backup()
        mark = self.copy / "incomplete"
        mark.touch()
        os.chown(mark, FOLDERS[self.mail], FOLDERS[self.mail])
        pack = next(self.copy.glob("bodies/*.pack"))
        pack.write_bytes(bytes(pack.stat().st_size))
        self.assertEqual(self.backup()["copied_bodies"], 2)
        self.assertEqual(self.restore("bob"), [1, 2])

    def test_restores_while_writing_goes_on(self):
        """Each copy is the account at one moment: a row of messages without a gap, up to
        one that came after the copy had begun."""
        self.fill()
        told, done = [2], threading.Event()

        def write():
            client = self.store.imap("alice")[0]
            client.ok(b"SELECT Sent")
            while not done.is_set():
                number = told[0] + 1
                append(client, text(number, LARGE if number % 3 else 0))
                told[0] = number
                append(client, text(number, LARGE), b"Sent", b"\\Deleted")
                if number % 4 == 0:
                    client.ok(b"EXPUNGE")
            client.ok(b"LOGOUT")

        writer = threading.Thread(target=write)
        writer.start()
        self.addCleanup(writer.join)
        self.addCleanup(done.set)
        for name in ("bob", "carol", "dora"):
            before = told[0]
            wait_for(lambda: told[0] > before + 5)  # pylint: disable=W0640
            before = told[0]
            self.good("backup", str(self.to), "alice")
            after = told[0] + 1
            found = self.restore(name)
            self.assertEqual(found, list(range(1, len(found) + 1)))
            self.assertTrue(before <= len(found) <= after, (before, len(found), after))

    def test_two_accounts_and_a_damaged_one(self):
        self.fill()
        self.store.add_account("zoe", "/")
        for path in self.mail.glob("bodies/*.pack"):
            path.unlink()
        done = self.command("backup", str(self.to), "--json")
        self.assertEqual(done.returncode, 1)
        lines = {line["account"]: line for line in map(json.loads, done.stdout.splitlines())}
        self.assertEqual(sorted(lines), ["alice", "zoe"])
        self.assertIn("not sound", lines["alice"]["error"])
        self.assertIsNone(lines["zoe"]["error"])
        self.assertIn("1 account could not be backed up", done.stderr)


class Check(StoreTest):
    def findings(self, *arguments, code=1):
        done = self.command("check", "alice", "--json", *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        found = json.loads(done.stdout)
        return found, [(f["kind"], f["mailbox"], f["uid"]) for f in found["findings"]]

    def test_sound(self):
        """Beside the account's process, which goes on; nothing of root's is left."""
        client = self.fill()
        out = self.good("check", "alice")
        self.assertIn("4 messages", out)
        self.assertIn("all is sound", out)
        self.assertTrue(self.store.account_pid("alice"))
        client.ok(b"NOOP")
        owners = {path.stat().st_uid for path in (self.mail, *self.mail.rglob("*"))}
        self.assertEqual(owners, {FOLDERS[self.mail]})

    def test_lost_bodies_are_named(self):
        self.fill()
        pack, offset = self.sql("SELECT pack, offset FROM message JOIN mailbox ON id = mailbox"
                                " WHERE name = 'INBOX' AND uid = 2").split("|")
        with open(self.mail / "bodies" / f"{int(pack):04}.pack", "r+b") as file:
            file.seek(int(offset) + 5000)
            file.write(b"?")
        lost = [("lost", "Archive", 2), ("lost", "INBOX", 2)]
        self.assertEqual(sorted(self.findings()[1]), lost)
        done = self.command("check", "alice")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"(?m)^lost: INBOX, UID 2: .*damaged")
        self.assertIn("not sound", done.stderr)
        # it cannot be repaired, and its entry stays for the day the pack comes back
        found, named = self.findings("--repair")
        self.assertEqual((sorted(named), found["lost"], found["repaired"]), (lost, 2, 0))
        (self.mail / "bodies" / f"{int(pack):04}.pack").unlink()
        self.assertEqual(len(self.findings()[1]), 3)

    def test_repair(self):
        self.fill().ok(b"LOGOUT")
        self.store.stop()
        self.sql("UPDATE mailbox SET messages = 7, bytes = 1, uidnext = 1 WHERE name = 'INBOX';"
                 "UPDATE mailbox SET highestmodseq = 0 WHERE name = 'Archive';"
                 "INSERT INTO body (bytes) VALUES ('nobody needs it');"
                 "INSERT INTO expunged (mailbox, modseq, uid)"
                 " SELECT mailbox, 1, uid FROM message LIMIT 1;")
        for path in self.mail.glob("bodies/*.pack"):  # a number below: without rows
            path.rename(path.with_name("0005.pack"))
        self.sql("UPDATE message SET pack = 5 WHERE pack <> 0")
        (self.mail / "bodies" / "0003.pack").write_bytes(b"left over")
        before, named = self.findings()
        self.assertEqual({kind for kind, _, _ in named},
                         {"counters", "uidnext", "modseq", "expunged", "unused"})
        self.assertEqual(before["repaired"], 0)
        after, named = self.findings("--repair", code=0)
        self.assertEqual((after["found"], after["repaired"]), (before["found"],) * 2)
        self.assertFalse((self.mail / "bodies" / "0003.pack").exists())
        self.assertEqual(self.findings(code=0)[0]["found"], 0)
        self.assertEqual(self.sql("SELECT messages, uidnext FROM mailbox"
                                  " WHERE name = 'INBOX'"), "2|3")
        self.store.start()
        client = self.store.imap("alice")[0]
        self.assertIn(b"* 2 EXISTS", b"\n".join(client.ok(b"SELECT INBOX")))

    def test_repair_ends_sessions(self):
        self.fill()
        self.assertIn("all is sound", self.good("check", "alice", "--repair"))
        self.store.imap("alice")[0].ok(b"SELECT INBOX")

    def test_wrong_use(self):
        self.assertRegex(self.command("check", "nobody").stderr, "no mail of \"nobody\"")
        done = self.command("mend", "alice")
        self.assertEqual(done.returncode, 2)
        self.assertIn("store takes check", done.stderr)


class Quota(StoreTest):
    """Set while the account's process is at work, which heeds it at once."""

    def quota(self, *arguments):
        done = self.command(*arguments, command="quota")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    def refused(self, client, command):
        _, end = client.command(command)
        self.assertIn(b"NO [OVERQUOTA]", end)

    def test_holds_at_once_and_is_taken_back(self):
        client = self.fill()
        self.assertEqual(self.quota("alice", "--json")["messages"], 4)
        said = self.quota("alice", "--set", "1G,4", "--json")
        self.assertEqual((said["quota_bytes"], said["quota_messages"], said["own"]),
                         (1 << 30, 4, True))
        self.refused(client, b"COPY 1 Archive")
        self.refused(client, b"APPEND INBOX {10+}\r\nSubject: x")
        self.assertEqual(client.ok(b'GETQUOTA ""'),
                         [b'* QUOTA "" (STORAGE 294 1048576 MESSAGE 4 4)\r\n'])
        self.quota("alice", "--set", "none")
        client.ok(b"COPY 1 Archive")
        self.quota("alice", "--set", "default")
        client.ok(b"COPY 1 Archive")
        self.assertEqual(self.sql("SELECT quota_bytes IS NULL FROM account"), "1")
        self.assertEqual(os.stat(self.mail / "index.sqlite").st_uid,
                         os.stat(self.mail).st_uid)

    def test_default_is_of_those_without_one(self):
        self.store.stop()
        with open(self.store.config, "a", encoding="utf-8") as config:
            config.write("quota = \"0,4\"\nquota_warnings = \"none\"\n")
        self.store.start()
        client = self.fill()
        self.refused(client, b"COPY 1 Archive")
        self.assertEqual(self.quota("alice", "--json")["quota_messages"], 4)
        self.quota("alice", "--set", "0,5")
        client.ok(b"COPY 1 Archive")
        self.refused(client, b"COPY 1 Archive")

    def test_nearly_full_is_told_once(self):
        client = self.fill()
        self.quota("alice", "--set", "0,5")
        for _ in range(3):  # four of five, and any change has it looked at
            client.ok(b"STORE 1 +FLAGS (\\Answered)")
            client.ok(b"STORE 1 -FLAGS (\\Answered)")
            wait_for(lambda: b"(MESSAGES 5)" in b"".join(client.ok(b"STATUS INBOX (MESSAGES)"))
                     or self.quota("alice", "--json")["messages"] == 5)
        # the next threshold is passed by that message; another has no room
        wait_for(lambda: self.sql("SELECT quota_told FROM account") == "95")
        self.assertEqual(self.quota("alice", "--json")["percent"], 100)

    def test_what_is_no_quota_is_said(self):
        for words in ("10X", "", "-1", "1G,", ",5", "1G,2,3", "99999999999999999999"):
            done = self.command("alice", "--set", words, command="quota")
            self.assertEqual(done.returncode, 2, words)
            self.assertIn("is no quota", done.stderr)
        self.assertEqual(self.command("--set", "1G", command="quota").returncode, 2)
        done = self.command("nobody", command="quota")
        self.assertEqual(done.returncode, 1)
        self.assertIn('no mail of "nobody" is kept here', done.stderr)
        self.assertEqual(self.sql("SELECT quota_bytes IS NULL FROM account"), "1")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: the account processes are chrooted")
        sys.exit(77)
    unittest.main()
