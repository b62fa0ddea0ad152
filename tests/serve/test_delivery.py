#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail for accounts that live here, brought as the interceptor brings it: staged on the
disk, then delivered or discarded, and neither lost nor left half when somebody dies."""
import ctypes
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from mailstore import (DELIVER, DELIVERED, DELIVERY_FAILED, DISCARD, OF_SESSIONS,  # noqa: E402
                       RELEASE, RELEASED, SERVE_END, STAGE, STAGED, Link, Mailstore, encode,
                       programs, rss_kib, wait_for)

HEADER = b"Return-Path: <bob@example.org>\r\nReceived: from x by y; now\r\n"
MAIL = b"Subject: news\r\n\r\n.leading dot\r\nbare\nlf \xff\x80\r\n"


class DeliveryTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mailferry-serve-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.store = Mailstore(self.folder, programs())
        self.addCleanup(self.store.close)
        self.store.add_account("alice", "/")
        self.store.add_account("bob", "/")
        self.count = 0

    def stage(self, data=MAIL, account="alice", at_once=False, link=None, header=HEADER):
        """Sends it; returns its id."""
        self.count += 1
        session = f"t{self.count}"
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            (link or self.store.link).send(
                encode(STAGE, number=int(at_once), account=account, session=session,
                       client="192.0.2.9:25000", text="bob@example.org",
                       tag="alice@example.com", payload=header), file)
        return session

    def answer(self, session, link=None):
        message = {"kind": SERVE_END}
        while message["kind"] in OF_SESSIONS:
            message = (link or self.store.link).receive()
        self.assertEqual(message["session"], session.encode())
        return message

    def staged(self, *arguments, **options):
        """(id of the transaction, number of the message)"""
        session = self.stage(*arguments, **options)
        message = self.answer(session, options.get("link"))
        self.assertEqual(message["kind"], STAGED, message)
        return session, message["number"]

    def say(self, kind, session, number, account="alice", link=None, folder=""):
        (link or self.store.link).send(
            encode(kind, number=number, account=account, session=session, payload=folder))

    def delivered(self, session, link=None):
        message = self.answer(session, link)
        self.assertEqual(message["kind"], DELIVERED, message)

    def failed(self, session, code):
        message = self.answer(session)
        self.assertEqual(message["kind"], DELIVERY_FAILED)
        self.assertEqual(message["text"][:len(code)], code, message)

    def inbox(self, account="alice"):
        """All messages of INBOX, as they are."""
        client = self.store.imap(account)[0]
        client.ok("EXAMINE INBOX")
        bodies = []
        for line in client.ok("FETCH 1:* BODY.PEEK[]"):
            head, rest = line.split(b"\r\n", 1)
            bodies.append(rest[:int(head.rsplit(b"{", 1)[1][:-1])])
        client.logout()
        return bodies

    def status(self, account="alice"):
        client = self.store.imap(account)[0]
        answer = client.ok("STATUS INBOX (MESSAGES)")[0]
        client.logout()
        return int(answer.split(b"(MESSAGES ")[1].split(b")")[0])

    def has(self, count):
        """Whether INBOX holds so many. Not while a login is refused: a process that ends
        still has the folder, or one was killed with the login."""
        try:
            return self.status() == count
        except (EOFError, OSError):
            return False


class Delivery(DeliveryTest):
    def test_staged_is_not_seen_then_delivered(self):
        session, number = self.staged()
        self.assertEqual(self.status(), 0)
        self.say(DELIVER, session, number)
        self.delivered(session)
        client = self.store.imap("alice")[0]
        untagged = client.ok("SELECT INBOX")
        self.assertIn(b"* 1 EXISTS\r\n", untagged)
        self.assertIn(b"* 1 RECENT\r\n", untagged)
        self.assertIn(b"FLAGS (\\Recent)", client.ok("FETCH 1 FLAGS")[0])
        size = b"RFC822.SIZE %d" % len(HEADER + MAIL)
        self.assertIn(size, client.ok("FETCH 1 RFC822.SIZE")[0])
        date = client.ok("FETCH 1 INTERNALDATE")[0]
        self.assertIn(time.strftime("-%Y ").encode(), date)
        client.logout()
        self.assertEqual(self.inbox(), [HEADER + MAIL])

    def test_at_once(self):
        for data in (MAIL, b"", b"x" * 70000 + b"\r\n", MAIL * 30000):
            self.delivered(self.stage(data, at_once=True))
        self.assertEqual(self.inbox(), [HEADER + d for d in (
            MAIL, b"", b"x" * 70000 + b"\r\n", MAIL * 30000)])

    def test_nul_becomes_what_imap_can_show(self):
        for data in (b"a\0b\r\n\0", b"\0" * 70000):
            self.delivered(self.stage(data, at_once=True))
        self.assertEqual(self.inbox(), [HEADER + b"a\x80b\r\n\x80", HEADER + b"\x80" * 70000])

    def test_discarded(self):
        first, second = self.staged(), self.staged(MAIL * 5000)
        for session, number in (first, second):
            self.say(DISCARD, session, number)
        self.delivered(self.stage(b"other\r\n", at_once=True))
        self.assertEqual(self.inbox(), [HEADER + b"other\r\n"])

    def test_second_word_is_harmless(self):
        session, number = self.staged()
        for _ in range(3):
            self.say(DELIVER, session, number)
            self.delivered(session)
        self.say(DISCARD, session, number)
        self.assertEqual(self.inbox(), [HEADER + MAIL])

    def test_idle_sees_it_at_once(self):
        watcher = self.store.imap("alice")[0]
        watcher.ok("SELECT INBOX")
        watcher.send(b"i IDLE\r\n")
        self.assertTrue(watcher.line().startswith(b"+ "))
        self.delivered(self.stage(at_once=True))
        self.assertEqual(watcher.line(), b"* 1 EXISTS\r\n")
        self.assertEqual(watcher.line(), b"* 1 RECENT\r\n")
        session, number = self.staged()
        self.say(DELIVER, session, number)
        self.assertEqual(watcher.line(), b"* 2 EXISTS\r\n")
        self.delivered(session)

    def test_twenty_at_once_in_few_transactions(self):
        self.delivered(self.stage(b"first\r\n", at_once=True))
        pid = self.store.account_pid("alice")
        os.kill(pid, signal.SIGSTOP)  # so that they wait side by side
        sessions = [self.stage(b"mail %d\r\n" % n, at_once=True) for n in range(20)]
        # the master takes one after the other: bob's is answered when alice's are passed on
        self.delivered(self.stage(account="bob", at_once=True))
        before = self.syncs(pid)
        os.kill(pid, signal.SIGCONT)
        for session in sessions:
            self.delivered(session)
        self.assertEqual(len(self.inbox()), 21)
        self.assertEqual(self.inbox()[1:], [HEADER + b"mail %d\r\n" % n for n in range(20)])
        self.assertLess(self.syncs(pid) - before, 300_000)

    @staticmethod
    def syncs(pid):
        """Bytes written: twenty commits would rewrite the index's pages twenty times."""
        text = Path(f"/proc/{pid}/io").read_text()
        return int(text.split("write_bytes: ")[1].split("\n")[0])

    def test_process_stays_between_two(self):
        self.delivered(self.stage(at_once=True))
        pid = self.store.account_pid("alice")
        time.sleep(1)
        asked = time.monotonic()
        self.delivered(self.stage(at_once=True))
        time.sleep(1.5)
        there = self.store.account_pid("alice")
        if time.monotonic() - asked < 2:  # else the machine is slow, and it may have left
            self.assertEqual(there, pid)
        wait_for(lambda: self.store.account_pid("alice") is None)

    def test_process_stays_while_something_is_staged(self):
        session, number = self.staged()
        pid = self.store.account_pid("alice")
        time.sleep(3)
        self.assertEqual(self.store.account_pid("alice"), pid)
        self.say(DISCARD, session, number)
        wait_for(lambda: self.store.account_pid("alice") is None)
        self.assertEqual(self.inbox(), [])

    def test_message_while_it_leaves(self):
        for n, delay in enumerate((1.9, 1.95, 2.0, 2.02, 2.05), 1):
            self.delivered(self.stage(at_once=True))
            time.sleep(delay)
            self.delivered(self.stage(at_once=True))
            self.assertEqual(self.status(), 2 * n)


class SubAddress(DeliveryTest):
    """A sub-address names a folder that is there, of few kinds; else it is INBOX."""
    FOLDERS = ("Lists", "Ha&AOQ-user", "Deep/Lists", "Twice", "TWICE", "Trash=\\Trash",
               "G\u00e4ste")

    def folder_of(self, account, word):
        session, number = self.staged(account=account)
        self.say(DELIVER, session, number, account, folder=word)
        self.delivered(session)
        client = self.store.imap(account)[0]
        found = []
        for name in ("INBOX",) + tuple(n.split("=")[0] for n in self.FOLDERS):
            answer = client.command(f'SELECT "{name}"')
            if "* 1 EXISTS" in str(answer):
                found.append(name)
                client.ok("STORE 1 +FLAGS (\\Deleted)")
                client.ok("EXPUNGE")
        client.logout()
        self.assertEqual(len(found), 1, word)
        return found[0]

    def test_words(self):
        self.store.add_account("carol", "/", *self.FOLDERS)
        for word, folder in (
                ("Lists", "Lists"), ("lists", "Lists"), ("LISTS", "Lists"),
                ("H\u00e4user", "INBOX"), ("Ha\u00e4user", "Ha&AOQ-user"),
                ("Ha&AOQ-user", "Ha&AOQ-user"),
                ("Twice", "Twice"), ("TWICE", "TWICE"), ("twice", "INBOX"),
                ("Deep/Lists", "INBOX"), ("Deep", "INBOX"), ("Trash", "INBOX"),
                ("INBOX", "INBOX"), ("", "INBOX"), ("nothing", "INBOX"),
                ("../bob", "INBOX"), ("*", "INBOX"), ("%", "INBOX")):
            with self.subTest(word=word):
                self.assertEqual(self.folder_of("carol", word), folder)

    def test_none_is_made(self):
        session, number = self.staged()
        self.say(DELIVER, session, number, folder="fresh")
        self.delivered(session)
        client = self.store.imap("alice")[0]
        self.assertNotIn("fresh", str(client.ok('LIST "" "*"')))
        client.logout()


class Refusals(DeliveryTest):
    def test_no_such_account(self):
        session = self.stage(account="nobody", at_once=True)
        self.failed(session, b"451 4.3.0 ")
        session = self.stage(account="../bob", at_once=True)
        self.failed(session, b"451 4.3.0 ")

    def test_folder_in_use(self):
        with open(self.store.account_folder("alice") / "lock", "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.failed(self.stage(), b"450 4.2.1 ")
        self.delivered(self.stage(at_once=True))

    def test_damaged(self):
        index = self.store.account_folder("alice") / "index.sqlite"
        index.write_bytes(b"rubbish" * 1000)
        self.failed(self.stage(), b"451 4.3.0 ")
        self.delivered(self.stage(account="bob", at_once=True))

    def test_too_large(self):
        self.limits("message_bytes = 65536")
        self.failed(self.stage(b"x" * 65536), b"552 5.3.4 ")
        self.delivered(self.stage(b"x" * 65000, at_once=True))

    def test_not_a_file(self):
        ours, theirs = socket.socketpair()
        self.store.link.send(encode(STAGE, account="alice", session="s"), theirs)
        self.failed("s", b"451 4.3.0 ")
        ours.close()
        self.delivered(self.stage(at_once=True))

    def test_reserve_of_the_disk(self):
        """Deliveries leave it free; what is there is served and can be thrown away."""
        folder = self.store.account_folder("alice")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        self.store.add_account("alice")
        self.limits("disk_reserve = 5000000")
        self.delivered(self.stage(at_once=True))
        self.failed(self.stage(b"x" * 3_000_000, at_once=True), b"452 4.3.1 ")
        self.delivered(self.stage(b"x" * 100_000, at_once=True))
        os.posix_fallocate(os.open(folder / "filler", os.O_CREAT | os.O_WRONLY), 0, 2_000_000)
        self.failed(self.stage(at_once=True), b"452 4.3.1 ")
        self.assertEqual(self.status(), 2)

    def limits(self, text):
        self.store.stop()
        config = self.store.config.read_text()
        self.store.config.write_text(config + f"limits {{ {text} }}\n")
        self.store.start()

    def test_disk_full(self):
        self.limits("disk_reserve = 0")
        folder = self.store.account_folder("alice")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        self.store.add_account("alice")
        self.delivered(self.stage(at_once=True))
        # one that does not fit takes no other with it
        pid = self.store.account_pid("alice")
        os.kill(pid, signal.SIGSTOP)
        sessions = [self.stage(MAIL, at_once=True),
                    self.stage(b"x" * 3_000_000, at_once=True), self.stage(MAIL)]
        os.kill(pid, signal.SIGCONT)
        self.failed_or_not(sessions)
        filler = [self.stage(b"%050d" % n * 1000, at_once=True) for n in range(40)]
        answers = [self.answer(session)["kind"] for session in filler]
        self.assertIn(DELIVERY_FAILED, answers)
        count = 4 - 1 + answers.count(DELIVERED)
        self.store.link.send(encode(RELEASE, account="alice"))
        wait_for(lambda: self.store.link.receive()["kind"] == RELEASED)
        self.assertIn(self.status(), (count, count - 1))  # the staged one may have to wait

    def failed_or_not(self, sessions):
        kinds = [self.answer(session) for session in sessions]
        self.assertEqual([m["kind"] for m in kinds], [DELIVERED, DELIVERY_FAILED, STAGED])
        self.assertTrue(kinds[1]["text"].startswith(b"452 4.3.1 "))


class OneAccountAlone(DeliveryTest):
    """What goes wrong in one account's process costs that account only."""

    def test_process_that_talks_nonsense(self):
        master = self.store.process.pid
        bystander = self.store.imap("bob")[0]
        for nonsense in (b"\xff" * 50, encode(RELEASE, account="bob"), b"x" * 100000):
            wait_for(self.alice_can_log_in)
            pid = self.store.account_pid("alice")
            with socket.socket(fileno=steal_fd(pid, 3)) as channel:
                channel.send(nonsense)
            wait_for(lambda p=pid: self.store.account_pid("alice") != p)
            bystander.ok("NOOP")
        self.assertIn("event=killed", self.store.log_text())
        self.assertIsNone(self.store.process.poll())
        self.assertEqual(self.store.process.pid, master)
        wait_for(self.alice_can_log_in)

    def test_process_that_hangs(self):
        """Its queue has a bound: mail beyond it gets 451, a login a word, and nobody waits."""
        many = 1000
        alice = self.store.imap("alice")[0]
        pid = self.store.account_pid("alice")
        before = rss_kib(self.store.process.pid)
        os.kill(pid, signal.SIGSTOP)
        for _ in range(many):
            self.stage(MAIL, at_once=True)
        first = self.store.link.receive()
        self.assertEqual((first["kind"], first["text"][:10]), (DELIVERY_FAILED, b"451 4.3.0 "))
        other = Link(self.store.run_dir / "mailstore.sock")
        self.delivered(self.stage(b"to bob\r\n", "bob", at_once=True, link=other), other)
        self.assertTrue(self.store.imap("bob")[1].startswith(b"login OK"))
        self.assertIn(b"NO [UNAVAILABLE]", self.store.imap("alice")[0].line())
        self.assertLess(rss_kib(self.store.process.pid) - before, 16384)
        os.kill(pid, signal.SIGCONT)
        kinds = [first["kind"]]
        while len(kinds) < many:
            message = self.store.link.receive()
            if message["kind"] not in OF_SESSIONS:
                kinds.append(message["kind"])
        alice.ok("NOOP")
        self.assertGreater(kinds.count(DELIVERED), 50)
        self.assertEqual(kinds.count(DELIVERED) + kinds.count(DELIVERY_FAILED), many,
                         Counter(kinds))
        self.assertEqual(self.status(), kinds.count(DELIVERED))

    def alice_can_log_in(self):
        return self.store.imap("alice")[1].startswith(b"login OK")


def steal_fd(pid, number):
    """A descriptor of another process, for this one: pidfd_open(2), pidfd_getfd(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = libc.syscall(434, pid, 0)
    taken = libc.syscall(438, pidfd, number, 0)
    if taken < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    os.close(pidfd)
    return taken


class Crashes(DeliveryTest):
    def test_who_staged_goes_away(self):
        link = Link(self.store.run_dir / "mailstore.sock")
        self.staged(link=link)
        link.socket.close()
        wait_for(lambda: self.has(1))
        self.assertEqual(self.inbox(), [HEADER + MAIL])

    def test_goes_away_before_the_answer(self):
        self.staged(account="alice")
        os.kill(self.store.account_pid("alice"), signal.SIGSTOP)
        link = Link(self.store.run_dir / "mailstore.sock")
        self.stage(b"late\r\n", link=link)
        time.sleep(0.1)
        link.socket.close()
        time.sleep(0.1)
        os.kill(self.store.account_pid("alice"), signal.SIGCONT)
        wait_for(lambda: self.has(1))
        self.assertEqual(self.inbox(), [HEADER + b"late\r\n"])

    def test_process_killed_between_stage_and_deliver(self):
        session, number = self.staged()
        pid = self.store.account_pid("alice")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: self.store.account_pid("alice") is None)
        self.say(DELIVER, session, number)
        self.delivered(session)
        self.assertEqual(self.inbox(), [HEADER + MAIL])

    def test_process_killed_just_before_the_word(self):
        """The master reads the word before it hears of the end."""
        session, number = self.staged()
        about = Path(f"/proc/{self.store.account_pid('alice')}/stat")
        os.kill(self.store.process.pid, signal.SIGSTOP)
        os.kill(int(about.parent.name), signal.SIGKILL)
        wait_for(lambda: about.read_text().rsplit(")", 1)[1].split()[0] == "Z")
        self.say(DELIVER, session, number)
        os.kill(self.store.process.pid, signal.SIGCONT)
        self.delivered(session)
        self.assertEqual(self.inbox(), [HEADER + MAIL])

    def test_process_killed_and_nobody_says_more(self):
        self.staged()
        os.kill(self.store.account_pid("alice"), signal.SIGKILL)
        wait_for(self.can_log_in)
        self.assertEqual(self.inbox(), [HEADER + MAIL])  # delivered before the user is served

    def test_process_killed_with_the_word_unread(self):
        session, number = self.staged()
        pid = self.store.account_pid("alice")
        os.kill(pid, signal.SIGSTOP)
        self.say(DELIVER, session, number)
        time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        self.delivered(session)  # by the next one
        self.assertEqual(self.inbox(), [HEADER + MAIL])

    def test_process_killed_with_the_message_unread(self):
        self.staged()
        pid = self.store.account_pid("alice")
        os.kill(pid, signal.SIGSTOP)
        session = self.stage(b"unread\r\n", at_once=True)
        time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        self.failed(session, b"451 4.3.0 ")
        self.assertEqual(self.inbox(), [HEADER + MAIL])

    def test_master_killed(self):
        self.staged()
        self.store.process.send_signal(signal.SIGKILL)
        self.store.process.wait()
        self.store.link.socket.close()
        self.store.start()
        wait_for(lambda: self.has(1))

    def test_release_takes_it_along(self):
        session, number = self.staged()
        other = Link(self.store.run_dir / "mailstore.sock")
        other.send(encode(RELEASE, account="alice"))
        self.assertEqual(other.receive()["kind"], RELEASED)
        self.say(DELIVER, session, number)
        self.delivered(session)
        self.assertEqual(self.inbox(), [HEADER + MAIL])

    def test_terminated_with_something_staged(self):
        self.staged()
        self.assertEqual(self.store.stop(), 0)
        self.store.link.socket.close()
        self.store.start()
        self.assertEqual(self.inbox(), [HEADER + MAIL])

    def test_random_kills_lose_nothing(self):
        """Who is told DELIVERED finds it; who is told nothing may; who is refused may once
        more. Nothing is there in part."""
        link = Link(self.store.run_dir / "mailstore.sock")
        told, sent, stop = set(), {}, threading.Event()

        def kill():
            while not stop.wait(random.uniform(0.2, 0.8)):
                pid = self.store.account_pid("alice")
                if pid:
                    os.kill(pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            for n in range(120):
                data = b"mail %d " % n + b"x" * random.choice((10, 5000, 100000)) + b"\r\n"
                session = self.stage(data, at_once=n % 2 == 0, link=link)
                sent[data] = session
                if self.conclude(link, session):
                    told.add(data)
        finally:
            stop.set()
            killer.join()
        wait_for(self.can_log_in)
        found = [body[len(HEADER):] for body in self.inbox()]
        self.assertEqual(told - set(found), set())
        self.assertEqual(set(found) - set(sent), set())
        self.assertEqual(len(found), len(set(found)))
        self.assertGreater(len(told), 20)

    def can_log_in(self):
        return self.store.imap("alice")[1].startswith(b"login OK")

    def conclude(self, link, session):
        message = self.answer(session, link)
        if message["kind"] == STAGED:
            self.say(DELIVER, session, message["number"], link=link)
            message = self.answer(session, link)
        return message["kind"] == DELIVERED


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: the account processes are chrooted")
        sys.exit(77)
    unittest.main()
