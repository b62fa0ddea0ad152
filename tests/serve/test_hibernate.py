#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts whose sessions all wait have no process, and their clients do not notice."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from mailstore import (ASLEEP, DELIVERED, FAILED, KICK, RELEASE, RELEASED, SERVE,  # noqa: E402
                       SERVE_END, STAGE, Link, Mailstore, encode, programs, wait_for)

MAIL = b"Subject: news\r\n\r\nbody\r\n"


class HibernateTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mailferry-serve-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.store = Mailstore(self.folder, programs(), hibernate=1)
        self.addCleanup(self.store.close)
        self.clients = []
        self.addCleanup(lambda: [client.close() for client in self.clients])
        for account in ("alice", "bob"):
            self.store.add_account(account, "/", "Sent=\\Sent")

    def sleeps(self, account="alice"):
        wait_for(lambda: self.store.account_pid(account) is None)

    def selected(self, account="alice"):
        client, _, session = self.store.imap(account)
        self.clients.append(client)
        client.ok(b"APPEND INBOX {%d+}\r\n%s" % (len(MAIL), MAIL))
        client.ok("SELECT INBOX")
        return client, session

    def idle(self, account="alice"):
        client, session = self.selected(account)
        client.send(b"i IDLE\r\n")
        self.assertTrue(client.line().startswith(b"+ "))
        return client, session

    def deliver(self, account="alice"):
        with tempfile.TemporaryFile() as file:
            file.write(MAIL)
            file.flush()
            self.store.link.send(
                encode(STAGE, number=1, account=account, session="mail", client="x",
                       text="a@example.org", tag="b@example.com", payload=b""), file)
        while self.store.link.receive()["kind"] != DELIVERED:
            pass

    def end_of(self, session):
        while True:
            message = self.store.link.receive()
            if message["kind"] in (SERVE_END, FAILED) and message["session"] == session.encode():
                return message

    def heard(self, client, until):
        lines = [client.line()]
        while not lines[-1].startswith(until):
            self.assertNotEqual(lines[-1], b"", lines)
            lines.append(client.line())
        return lines


class Wakes(HibernateTest):
    def test_by_its_clients_word(self):
        client, session = self.selected()
        client.ok("STORE 1 +FLAGS (\\Flagged)")
        for _ in range(2):  # and what it has read meanwhile is not lost
            self.sleeps()
            self.assertIn(b"\\Flagged", client.ok("FETCH 1 FLAGS")[0])
        self.sleeps()
        client.ok("LOGOUT")
        self.assertEqual(self.end_of(session)["text"], b"logout")

    def test_by_new_mail(self):
        client, _ = self.idle()
        other, _ = self.selected("bob")
        self.sleeps()
        self.deliver()
        self.assertEqual(self.heard(client, b"* 2 EXISTS")[-1], b"* 2 EXISTS\r\n")
        self.sleeps()
        client.send(b"DONE\r\n")
        self.assertEqual(self.heard(client, b"i ")[-1], b"i OK Idle completed.\r\n")
        other.ok("NOOP")

    def test_by_another_login(self):
        client, _ = self.idle()
        self.sleeps()
        second, _ = self.selected()  # and a message of its own
        self.assertEqual(self.heard(client, b"* 2 EXISTS")[-1], b"* 2 EXISTS\r\n")
        second.logout()
        self.sleeps()  # the first one goes on sleeping
        self.deliver()
        self.heard(client, b"* 3 EXISTS")

    def test_several_sleep_as_one(self):
        clients = [self.idle()[0] for _ in range(3)]
        self.sleeps()
        clients[1].send(b"DONE\r\nx STORE 1 +FLAGS (\\Answered)\r\n")
        self.heard(clients[1], b"x OK")
        for client in (clients[0], clients[2]):
            self.assertIn(b"\\Answered", self.heard(client, b"* 1 FETCH")[-1])

    def test_many_at_once(self):
        names = [f"user{i}" for i in range(40)]  # more than may wake at a time
        for name in names:
            self.store.add_account(name, "/", "Sent=\\Sent")
        with ThreadPoolExecutor(8) as pool:
            clients = list(pool.map(lambda name: self.idle(name), names))
        for name in names:
            self.sleeps(name)
        for client, _ in clients[:30]:
            client.send(b"DONE\r\nx STORE 1 +FLAGS (\\Answered)\r\n")
        for client, _ in clients[30:]:
            client.close()
        for client, _ in clients[:30]:
            self.heard(client, b"x OK")
        for name in names[30:]:
            self.sleeps(name)
        self.selected("bob")

    def test_by_its_end(self):
        client, session = self.idle()
        self.sleeps()
        client.close()
        self.assertEqual(self.end_of(session)["text"], b"client closed")
        self.sleeps()

    def test_kick(self):
        client, session = self.idle()
        self.sleeps()
        self.store.link.send(encode(KICK, account="alice", session=session))
        self.assertIn(b"Closed by the administrator", self.heard(client, b"* BYE")[-1])
        self.end_of(session)


class Ends(HibernateTest):
    def test_release(self):
        client, session = self.idle()
        self.sleeps()
        self.store.link.send(encode(RELEASE, account="alice"))
        self.assertIn(b"Your mailbox moves", self.heard(client, b"* BYE")[-1])
        self.end_of(session)
        self.assertEqual(self.store.link.receive()["kind"], RELEASED)

    def test_another_folder(self):
        client, session = self.idle()
        self.sleeps()
        here = self.store.account_folder("alice")
        here.rename(here.with_name("away"))
        self.store.add_account("alice", "/")
        client.send(b"DONE\r\n")
        self.assertIn(b"restored", self.heard(client, b"* BYE")[-1])
        self.end_of(session)

    def test_shut_down(self):
        clients = [self.idle(account)[0] for account in ("alice", "bob")]
        self.sleeps("alice")
        self.sleeps("bob")
        self.assertEqual(self.store.stop(), 0)
        for client in clients:
            self.assertTrue(self.heard(client, b"* BYE"))
            self.assertEqual(client.line(), b"")

    def test_master_is_killed(self):
        client, _ = self.idle()
        self.sleeps()
        os.kill(self.store.process.pid, signal.SIGKILL)
        self.store.process.wait()
        self.assertEqual(client.line(), b"")
        self.store.link.socket.close()
        self.store.start()
        again = self.store.imap("alice")[0]
        self.assertIn(b"* 1 EXISTS\r\n", again.ok("SELECT INBOX"))

    def test_process_is_killed(self):
        """As it falls asleep: the session ends or goes on, and the next login works."""
        for call in (1, 2, 6):
            client, session = self.idle()
            pid = self.store.account_pid("alice")
            with subprocess.Popen(
                    ["strace", "-qq", "-o", "/dev/null", "-e", "trace=sendmsg,close",
                     "-e", f"inject=sendmsg,close:signal=KILL:when={call}", "-p", str(pid)],
                    stderr=subprocess.DEVNULL) as tracer:
                wait_for(lambda pid=pid: not Path(f"/proc/{pid}").exists())
                tracer.wait(10)
            self.assertTrue(self.goes_on(client) or self.end_of(session), call)
            again = self.store.imap("alice")[0]
            again.ok("SELECT INBOX")
            again.logout()
            client.close()

    @staticmethod
    def goes_on(client):
        try:
            client.send(b"DONE\r\n")
            line = client.line()
            while line and not line.startswith(b"i "):
                line = client.line()
        except OSError:
            return False
        return line == b"i OK Idle completed.\r\n"


class Upgrade(HibernateTest):
    def test_the_next_mailstore_has_them(self):
        """Both are told of mail that comes to the new one, and say their ends to the old."""
        client, session = self.idle()
        other, _ = self.selected("bob")
        self.sleeps()
        self.sleeps("bob")
        old, old_link = self.store.process, self.store.link
        self.store.start("--take-over")
        wait_for(lambda: " followed " in self.store.log_text())
        self.store.link.socket.close()
        self.store.link = Link(self.store.run_dir / "mailstore.sock")
        self.deliver()
        self.heard(client, b"* 2 EXISTS")
        self.sleeps()
        client.send(b"DONE\r\nx LOGOUT\r\n")
        self.heard(client, b"x OK")
        other.ok("FETCH 1 FLAGS")
        self.store.link, new_link = old_link, self.store.link
        self.assertEqual(self.end_of(session)["text"], b"logout")
        other.logout()
        old_link.socket.close()
        self.store.link = new_link
        self.assertEqual(old.wait(20), 0)


class Stays(HibernateTest):
    def awake(self, client, account="alice"):
        wait_for(lambda: self.store.account_pid(account))  # it may have slept by then
        pid = self.store.account_pid(account)
        time.sleep(2.5)
        self.assertEqual(self.store.account_pid(account), pid)
        self.assertIsNotNone(pid)
        return client

    def test_half_a_command(self):
        client, _ = self.selected()
        client.send(b"a FETCH 1 ")
        self.awake(client).send(b"UID\r\n")
        self.assertEqual(self.heard(client, b"a ")[0], b"* 1 FETCH (UID 1)\r\n")

    def test_nobody_wakes_what_did_not_sleep(self):
        """A peer that says so is no peer of ours any more."""
        ours, theirs = socket.socketpair()
        for message in (encode(SERVE, number=2, account="alice", session="x", service="imap"),
                        encode(ASLEEP, account="alice", session="x", service="imap",
                               payload=b"1")):
            link = Link(self.store.run_dir / "mailstore.sock")
            link.send(message, theirs)
            self.assertEqual(link.socket.recv(1000), b"")
            link.socket.close()
        theirs.close()
        self.assertEqual(ours.recv(100), b"")
        ours.close()
        self.assertIsNone(self.store.account_pid("alice"))


class Together(unittest.TestSuite):
    """Each has a mailstore of its own, and waits more than it works."""

    def run(self, result, debug=False):
        with ThreadPoolExecutor(max(1, self.countTestCases())) as pool:
            list(pool.map(lambda test: test(result), self))
        return result


if __name__ == "__main__":
    unittest.TestLoader.suiteClass = Together
    unittest.main()
