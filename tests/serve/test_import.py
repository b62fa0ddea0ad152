#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`mailferry store import`: a Maildir++ becomes mail of an account here."""
import json
import os
import re
import signal
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from mailstore import give, programs  # noqa: E402
from lab.imap import Imap  # noqa: E402
from test_store import LARGE, DovecotTest, append, mailbox_of, text  # noqa: E402

DATE = b' "01-Feb-2020 10:11:12 +0130"'


def names(client, command=b'LIST "" *'):
    return sorted(re.search(rb'"[./]" "?([^"\r]*)"?', line).group(1)
                  for line in client.ok(command))


def selectable(client):
    return [re.search(rb'"[./]" "?([^"\r]*)"?', line).group(1)
            for line in client.ok(b'LIST "" *') if b"\\Noselect" not in line
            and b"\\NonExistent" not in line]


class ImportTest(DovecotTest):
    def setUp(self):
        super().setUp()
        self.store.add_account("bob", "/")
        self.out = self.folder / "out"

    def imported(self, user="bob", *arguments, out=None):
        return json.loads(self.good("import", user, str(out or self.out), "--json", *arguments))

    def refused(self, *arguments, user="bob"):
        done = self.command("import", user, str(self.out), *arguments)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def boxes(self, user):
        """All that a client sees of it."""
        client = self.store.imap(user)[0]
        seen = {name: mailbox_of(client, name) for name in selectable(client)}
        seen["LSUB"] = names(client, b'LSUB "" *')
        client.ok(b"LOGOUT")
        return seen

    def uidls_here(self, user):
        return self.uidls(self.pop3_here(user))

    def maildir(self, *files, uidlist=None, mailbox=""):
        """One that is written by hand: names below cur or new, and Dovecot's list."""
        top = self.out / mailbox
        for part in ("cur", "new", "tmp"):
            (top / part).mkdir(parents=True, exist_ok=True)
            (self.out / part).mkdir(exist_ok=True)
        for number, file in enumerate(files):
            (top / file).write_bytes(text(number).replace(b"\r\n", b"\n"))
            os.utime(top / file, (1580000000 + number,) * 2)
        if uidlist is not None:
            (top / "dovecot-uidlist").write_text(uidlist)
        return top


class RoundTrip(ImportTest):
    def fill_alice(self):
        self.fill_odd(DATE, b"Subject: bare\n\nlines\r\nof two\nkinds\r",
                      folders=[b"back\\\\slash"])

    def test_export_and_import(self):
        self.fill_alice()
        self.good("export", "alice", str(self.out))
        said = self.imported()
        self.assertEqual((said["uids_kept"], said["uids_new"], said["here_already"]),
                         (said["messages"], 0, 0))
        self.assertEqual(said["messages"], 9)
        self.assertEqual(said["findings"], [])
        self.assertEqual(self.boxes("alice"), self.boxes("bob"))
        self.assertEqual(self.uidls_here("alice"), self.uidls_here("bob"))
        self.assertIn("all is sound", self.good("check", "bob"))
        before = self.boxes("bob")
        for user in ("bob", "alice"):  # once more, and where it comes from
            again = self.imported(user)
            self.assertEqual((again["uids_kept"], again["uids_new"], again["here_already"]),
                             (0, 0, 9))
        self.assertEqual(self.boxes("bob"), before)
        self.assertEqual(self.boxes("alice"), before)

    def test_added_to_mail_that_is_there(self):
        """Nothing that is there changes; what is the same is there once."""
        self.fill_alice()
        self.good("export", "alice", str(self.out))
        client = self.store.imap("bob")[0]
        append(client, text(77), b"INBOX", b"\\Flagged")
        append(client, text(10), b"INBOX", b"$Mine", DATE)  # alice has it, too
        client.ok(b"LOGOUT")
        before = self.boxes("bob")
        said = self.imported()
        after = self.boxes("bob")
        numbers, rows = after[b"INBOX"]
        self.assertEqual(numbers[0], before[b"INBOX"][0][0])
        self.assertEqual(rows[:2], before[b"INBOX"][1])
        self.assertEqual([int(row[0]) for row in rows], [1, 2, 3, 4, 5, 6, 7])
        theirs = self.boxes("alice")
        self.assertEqual(sorted(row[1:] for row in rows[2:]), sorted(
            row[1:] for row in theirs[b"INBOX"][1] if row[4] != text(10)))
        for name in (b"Archive", b"Archive/2019/&AOQ-rger"):
            self.assertEqual(after[name], theirs[name])
        self.assertEqual((said["uids_kept"], said["uids_new"], said["here_already"]), (3, 5, 1))
        again = self.imported()
        self.assertEqual((again["uids_kept"], again["uids_new"], again["here_already"]),
                         (0, 0, 9))
        self.assertEqual(self.boxes("bob"), after)
        uidls = [uidl for _, uidl in self.uidls_here("bob")]
        self.assertEqual(len(uidls), len(set(uidls)))
        self.assertFalse([uidl for uidl in uidls if uidl.startswith(b"qmail")])

    def test_what_was_deleted_comes_as_new_mail(self):
        """UIDs that clients have seen do not come back with another message."""
        self.fill_alice()
        self.good("export", "alice", str(self.out))
        client = self.store.imap("alice")[0]
        client.ok(b"SELECT INBOX")
        client.ok(b"UID STORE 3 +FLAGS (\\Deleted)")
        client.ok(b"UID EXPUNGE 3")
        append(client, text(55))
        client.ok(b"DELETE Archive/2019/&AOQ-rger")
        client.ok(b"LOGOUT")
        before = self.boxes("alice")
        said = self.imported("alice")
        self.assertEqual((said["uids_kept"], said["uids_new"], said["here_already"]), (0, 2, 7))
        numbers, rows = self.boxes("alice")[b"INBOX"]
        self.assertEqual(rows[:-1], before[b"INBOX"][1])
        self.assertEqual((rows[-1][0], rows[-1][4]), (before[b"INBOX"][0][1], text(10)))
        deep = self.boxes("alice")[b"Archive/2019/&AOQ-rger"]
        self.assertEqual(deep[1][0][4], text(20, LARGE))
        self.assertIn("all is sound", self.good("check", "alice"))

    def test_dry_run_changes_nothing(self):
        self.fill_alice()
        self.good("export", "alice", str(self.out))
        client = self.store.imap("bob")[0]
        append(client, text(77))
        pid = self.store.account_pid("bob")
        before = self.folder_rows("bob")
        said = self.imported("bob", "--dry-run")
        self.assertEqual(self.folder_rows("bob"), before)
        self.assertEqual(self.store.account_pid("bob"), pid)
        client.ok(b"NOOP")
        client.ok(b"LOGOUT")
        really = self.imported()
        self.assertTrue(said.pop("dry_run"))
        self.assertFalse(really.pop("dry_run"))
        self.assertEqual(said, really)

    def boxes_when_free(self, user):
        """Whose process the kernel is just ending has the folder for a moment yet."""
        for _ in range(100):
            try:
                return self.boxes(user)
            except (EOFError, OSError):  # NO [UNAVAILABLE]
                time.sleep(0.05)
        return self.boxes(user)

    def folder_rows(self, user):
        folder = self.store.account_folder(user)
        return subprocess.run(["sqlite3", "-readonly", folder / "index.sqlite",
                               "SELECT count(*), sum(uid), max(modseq) FROM message"],
                              capture_output=True, text=True, check=True).stdout

    def export_much(self):
        self.fill_alice()
        client = self.store.imap("alice")[0]
        client.ok(b"APPEND Sent" + b"".join(
            b" {%d+}\r\n%s" % (len(m), m) for m in (text(n, 20000) for n in range(400))))
        client.ok(b"LOGOUT")
        self.good("export", "alice", str(self.out))

    def test_killed_anywhere(self):
        """It has changed nothing, or all of it is here; and it is given once more."""
        self.export_much()
        wanted, empty, killed = self.boxes("alice"), self.boxes("bob"), 0
        for n in range(40):
            command = subprocess.Popen(
                [programs() / "mailferry", "-c", self.store.config, "store", "import", "bob",
                 self.out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True)
            time.sleep(0.01 + n * 0.01)
            if command.poll() is not None:
                break
            os.killpg(command.pid, signal.SIGKILL)
            command.wait()
            now = self.boxes_when_free("bob")
            if now == wanted:
                break
            killed += 1
            self.assertEqual(now, empty)
        self.assertGreater(killed, 0)
        self.imported()
        self.assertEqual(self.boxes("bob"), wanted)
        self.good("check", "bob", "--repair")


    def worker_of(self, command):
        """Its process that is the account's user."""
        owner = self.store.account_folder("bob").stat().st_uid
        for pid in Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text().split():
            status = Path(f"/proc/{pid}/status").read_text()
            if int(re.search(r"Uid:\s+(\d+)", status).group(1)) == owner:
                return int(pid)
        return None

    def test_killed_alone(self):
        """By its number, not with its group: what works for it ends, too."""
        self.export_much()
        empty = self.boxes("bob")
        with subprocess.Popen(
                [programs() / "mailferry", "-c", self.store.config, "store", "import", "bob",
                 self.out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as command:
            while not self.worker_of(command):
                self.assertIsNone(command.poll())
            command.kill()
        self.assertEqual(self.boxes_when_free("bob"), empty)


class Accounts(ImportTest):
    def tool(self, *arguments):
        subprocess.run([programs() / "registry_tool", self.store.config, *arguments], check=True,
                       stdout=subprocess.DEVNULL)

    def test_lives_here(self):
        """Into an account that lives here alone; one that came from the source keeps what
        the way back knows its mailboxes by."""
        self.maildir("cur/1580.a:2,S", uidlist=Hostile.HEAD + "5 :1580.a\n")
        self.tool("capture", "carol", "secret")
        self.assertIn("does not live here", self.refused(user="carol"))
        self.assertIn("there is no account", self.refused(user="nobody"))
        self.tool("arrive", "carol")
        give(self.store.account_folder("carol"))
        before = self.boxes("carol")[b"INBOX"]
        said = self.imported("carol")
        self.assertEqual((said["uids_kept"], said["uids_new"]), (0, 1))
        after = self.boxes("carol")[b"INBOX"]
        self.assertEqual(after[0][0], before[0][0])
        self.assertEqual(after[1][:-1], before[1])
        self.assertEqual(after[1][-1][0], before[0][1])


    def test_half_a_copy_is_not_served(self):
        """Without a registry a folder that does not say that it is in service takes nothing,
        and does not say so afterwards."""
        self.maildir("cur/1580.a:2,S")
        self.tool("capture", "carol", "secret")
        self.store.add_account("carol", "/")
        subprocess.run(["sqlite3", self.store.account_folder("carol") / "index.sqlite",
                        "UPDATE account SET service = 'copying'"], check=True)
        for path in self.store.state_dir.glob("registry.sqlite*"):
            path.unlink()
        self.assertIn("may be half a copy", self.refused(user="carol"))
        said = subprocess.run(["sqlite3", self.store.account_folder("carol") / "index.sqlite",
                               "SELECT service FROM account"], check=True, capture_output=True)
        self.assertEqual(said.stdout.strip(), b"copying")


class Dovecots(ImportTest):
    """What a real Dovecot has written, as it shows it itself."""

    def write_by_dovecot(self, separator=b"/"):
        self.out.mkdir()
        there = Imap(self.dovecot("imap", self.out, separator.decode()))
        for number in range(30):
            append(there, text(number, 3000 if number % 7 == 0 else 0), b"INBOX",
                   (b"", b"\\Seen", b"\\Answered $Forwarded", b"\\Draft \\Flagged",
                    b"$Junk odd-Word", b"\\Deleted")[number % 6], DATE)
        append(there, b"Subject: bare\nTo: x\n\nlines\nof one kind\n")
        there.ok(b"SELECT INBOX")
        there.ok(b"UID EXPUNGE 6,12")
        for name in (b"Sent", b"Lists/dev", b"Lists/&AOQ-rger", b"empty"):
            there.ok(b'CREATE "%s"' % name.replace(b"/", separator))
        there.ok(b'SUBSCRIBE "Lists%sdev"' % separator)
        there.ok(b"COPY 1:4 Lists%sdev" % separator)
        there.ok(b"MOVE 5 Sent")
        append(there, text(99, LARGE), b'"Lists%s&AOQ-rger"' % separator, b"\\Seen")
        return there

    def compare(self, there):
        here = self.store.imap("bob")[0]
        self.assertEqual(names(here), names(there))
        self.assertEqual(names(here, b'LSUB "" *'),  # INBOX was before
                         [b"INBOX", *names(there, b'LSUB "" *')])
        for name in selectable(there):
            with self.subTest(mailbox=name):
                mine, theirs = mailbox_of(here, name), mailbox_of(there, name)
                self.assertEqual(mine, theirs)
        here.ok(b"LOGOUT")
        there.ok(b"LOGOUT")

    def test_it_shows_the_same(self):
        there = self.write_by_dovecot()
        said = self.imported()
        self.assertEqual(said["uids_kept"], said["messages"])
        self.assertEqual(said["findings"], [])
        self.compare(there)
        self.assertEqual(self.uidls_here("bob"), self.uidls(self.dovecot("pop3", self.out)))
        self.assertIn("all is sound", self.good("check", "bob"))

    def test_its_own_separator(self):
        there = self.write_by_dovecot(b".")
        self.imported("bob", "--separator", ".")
        self.compare(there)
        self.assertIn("is no separator", self.refused("--separator", "ab"))

    def test_mail_that_it_has_not_seen(self):
        """What was delivered since gets the UIDs that Dovecot gives it then."""
        there = self.write_by_dovecot()
        there.ok(b"LOGOUT")
        for second, micro, word in ((9, 5, "b"), (9, 40, "a"), (10, 1, "c")):
            path = self.out / "new" / f"158000000{second}.M{micro}P1.host{word}"
            path.write_bytes(b"Subject: %s\n\nnew\n" % word.encode())
            shutil.chown(path, "mail", "mail")
        self.imported()
        self.compare(Imap(self.dovecot("imap", self.out)))


class Hostile(ImportTest):
    HEAD = "3 V1700000009 N9 G0123\n"

    def test_lists_that_prove_nothing(self):
        good = ("1580.a:2,", "1581.b:2,S")
        for why, uidlist in (
                ("line 1: it is no uidlist", "1 1700000009 9\n"),
                ("line 1: it says no UIDVALIDITY", "3 N9\n"),
                ("line 3: its UID is not above", self.HEAD + "2 :1580.a\n2 :1581.b\n"),
                ("line 2: its UID is no number", self.HEAD + "x :1580.a\n"),
                ("line 3: it has no end", self.HEAD + "1 :1580.a\n2 :1581"),
                ("line 2: it names no file", self.HEAD + "1 P2\n"),
                ("line 2: its POP3 unique-id", self.HEAD + "1 P :1580.a\n"),
                ("UID 2 has the file of", self.HEAD + "1 :1580.a\n2 :1580.a\n"),
                ("unique-id of another", self.HEAD + "1 Px :1580.a\n2 Px :1581.b\n"),
                ("there is none", None)):
            with self.subTest(why=why):
                self.maildir(*(f"cur/{name}" for name in good), uidlist=uidlist)
                said = self.imported()
                (found,) = said["findings"]
                self.assertEqual((found["kind"], found["mailbox"]), ("uids", "INBOX"))
                self.assertIn(why, found["text"])
                self.assertIn("all UIDs of this mailbox are new", found["text"])
                numbers, rows = self.boxes("bob")[b"INBOX"]
                self.assertNotEqual(numbers[0], b"1700000009")
                self.assertEqual([row[1] for row in rows], [[], [b"\\Seen"]])
                self.assertEqual(said["uids_kept"], 0)
                shutil.rmtree(self.out)
                shutil.rmtree(self.store.account_folder("bob"))
                self.store.add_account("bob", "/")

    def test_mailboxes_above_can_be_opened(self):
        """One that is there and empty does not become a mere name, since the directory has
        only one below it."""
        client = self.store.imap("bob")[0]
        client.ok(b"CREATE Lists")
        client.ok(b"LOGOUT")
        self.maildir("cur/1580.a:2,", mailbox=".Lists.dev")
        self.imported()
        boxes = self.boxes("bob")
        self.assertIn(b"Lists", boxes)
        self.assertEqual(len(boxes[b"Lists/dev"][1]), 1)

    def test_named_by_a_link(self):
        """It would say whose mail is read."""
        self.maildir("new/1579.a")
        (self.folder / "link").symlink_to(self.out)
        (self.folder / "above").symlink_to(self.folder)
        for path in (self.folder / "link", self.folder / "above" / "out"):
            done = self.command("import", "bob", str(path))
            self.assertEqual(done.returncode, 1)
            self.assertIn("is a symbolic link, or below one", done.stderr)
        self.assertEqual(self.imported()["uids_new"], 1)

    def test_dates_of_no_calendar(self):
        """Where the file system has them: a client could not be told."""
        self.out = Path(tempfile.mkdtemp(dir="/dev/shm")) / "out"
        self.addCleanup(shutil.rmtree, self.out.parent, True)
        self.out.parent.chmod(0o711)
        for date in (1 << 62, 253402300800, -(1 << 40)):
            with self.subTest(date=date):
                os.utime(self.maildir("new/1579.a") / "new" / "1579.a", (date, date))
                self.refuse("its file has a date that no calendar has")

    def refuse(self, why):
        before = self.boxes("bob")
        self.assertIn(why, self.refused())
        self.assertEqual(self.boxes("bob"), before)
        shutil.rmtree(self.out)

    def test_files_that_are_none(self):
        secret = self.folder / "secret"
        secret.write_text("Subject: secret\n\n")

        def link(top):
            (top / "cur" / "1580.l:2,").symlink_to(secret)

        def fifo(top):
            os.mkfifo(top / "cur" / "1580.f:2,")

        def directory(top):
            (top / "cur" / "1580.d:2,").mkdir()

        def linked_cur(top):
            (top / "cur").rmdir()
            (top / "cur").symlink_to(self.folder)

        def mailbox(top):
            (top / ".Sent").symlink_to(self.folder)

        def huge(top):
            with open(top / "cur" / "1580.h:2,", "wb") as file:
                file.truncate(1 << 42)

        def cut(top):
            (top / "cur" / "1580.c,S=500:2,").write_text("Subject: x\n\n")

        def twice(top):
            for flags in ("", "S"):
                (top / "cur" / f"1580.t:2,{flags}").write_text("Subject: x\n\n")

        def control(top):
            (top / ".a\nb" / "cur").mkdir(parents=True)

        def inbox(top):
            (top / ".Inbox" / "cur").mkdir(parents=True)

        def gap(top):
            (top / ".a..b" / "cur").mkdir(parents=True)

        for make, why in (
                (link, "cur/1580.l:2, is a symbolic link"),
                (fifo, "cur/1580.f:2, is no plain file"),
                (directory, "cur/1580.d:2, is no plain file"),
                (linked_cur, "symbolic link"), (mailbox, ".Sent is a symbolic link"),
                (huge, "1580.h:2,: it is larger than 4 GiB"),
                (cut, "has another size than its name says"),
                (twice, "another file has the same name, but for flags"),
                (control, "is no name of a mailbox"), (inbox, "has the name of INBOX"),
                (gap, "is no name of a mailbox")):
            with self.subTest(make=make.__name__):
                make(self.maildir("new/1579.a"))
                self.refuse(why)
        self.out.mkdir()
        self.refuse("it is no Maildir")

    def test_of_another_user(self):
        """What the directory's owner may not read is not read for them."""
        secret = self.folder / "secret"
        secret.write_text("Subject: secret\n\n")
        secret.chmod(0o600)
        self.maildir("new/1579.a")
        os.link(secret, self.out / "cur" / "1580.s:2,")
        for path in (self.out, *self.out.rglob("*")):
            if path.name != "1580.s:2,":
                os.chown(path, 65533, 65533)
        self.refuse("1580.s:2,: Permission denied")

    def test_left_where_the_admin_says_so(self):
        self.store.stop()
        with open(self.store.config, "a", encoding="utf-8") as config:
            config.write('on_unreadable = "leave"\n')
        self.store.start()
        top = self.maildir("cur/1580.a:2,", uidlist=self.HEAD + "1 :1580.a\n4 :1581.f\n")
        os.mkfifo(top / "cur" / "1581.f:2,")
        said = self.imported()
        self.assertEqual((said["uids_kept"], said["left"]), (1, 1))
        self.assertEqual([(f["kind"], f["uid"]) for f in said["findings"]],
                         [("unreadable", 4)])

    def test_letters_without_a_word(self):
        top = self.maildir("cur/1580.a:2,Sac", uidlist=self.HEAD + "1 :1580.a\n")
        (top / "dovecot-keywords").write_text("0 $Junk\n1 not a word\n")
        said = self.imported()
        self.assertEqual([f["kind"] for f in said["findings"]], ["keyword"])
        self.assertIn("line 2: its word is no keyword", said["findings"][0]["text"])
        flags = self.boxes("bob")[b"INBOX"][1][0][1]
        self.assertEqual(flags, [b"$Junk", b"\\Seen", b"unknown-2"])

    def test_changed_while_it_is_read(self):
        """Files that get other names all the time are found, or nothing is imported."""
        self.maildir(*(f"cur/{1000 + n}.x:2," for n in range(1500)), uidlist=self.HEAD.replace(
            "N9", "N1501") + "".join(f"{n + 1} :{1000 + n}.x\n" for n in range(1500)))
        command = subprocess.Popen(
            [programs() / "mailferry", "-c", self.store.config, "store", "import", "bob",
             self.out, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        changes = 0
        while command.poll() is None and changes < 400:
            number = 1000 + changes * 7 % 1500
            for old, new in (("", "S"), ("S", "")):
                path = self.out / "cur" / f"{number}.x:2,{old}"
                if path.exists():
                    path.rename(path.with_name(f"{number}.x:2,{new}"))
                    break
            changes += 1
            time.sleep(0.002)
        printed, said = command.communicate(timeout=60)
        if command.returncode:
            self.assertIn("nothing was imported", said)
            self.assertEqual(self.boxes("bob")[b"INBOX"][1], [])
            return
        self.assertEqual(json.loads(printed)["uids_kept"], 1500)
        rows = self.boxes("bob")[b"INBOX"][1]
        self.assertEqual([int(row[0]) for row in rows], list(range(1, 1501)))


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: the account processes are chrooted")
        sys.exit(77)
    unittest.main()
