#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real mailferry-mailstore: processes, hand-over, crashes, mail byte for byte."""
import fcntl
import imaplib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from mailstore import (FAILED, PING, PONG, RELEASE, RELEASED, SERVE_END, Link, Mailstore, decode, encode,  # noqa: E402
                       programs, rss_kib, wait_for)
from lab.imap import Imap  # noqa: E402
from lab.mail_odd import odd_messages  # noqa: E402

BIG = b"Subject: big\r\n\r\n" + b"".join(b"%075d\r\n" % n for n in range(700_000))


class MailstoreTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mailferry-serve-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.store = Mailstore(self.folder, programs())
        self.addCleanup(self.store.close)
        self.store.add_account("alice", "/", "Sent=\\Sent", "Archive", "Archive/2023")
        self.store.add_account("bob", ".")

    def end_of(self, session, link=None):
        while True:
            message = (link or self.store.link).receive()
            if message["kind"] in (SERVE_END, FAILED) and message["session"] == session.encode():
                return message

    def append(self, client, data, mailbox=b"INBOX", flags=b""):
        return client.ok(b"APPEND %s (%s) {%d+}\r\n%s" % (mailbox, flags, len(data), data))

    def body(self, client, number):
        answer = client.ok(b"FETCH %d BODY.PEEK[]" % number)[0]
        head, rest = answer.split(b"\r\n", 1)
        size = int(head.rsplit(b"{", 1)[1][:-1])
        return rest[:size]


class HandOver(MailstoreTest):
    def test_payload_is_read_as_the_clients(self):
        client, first, session = self.store.imap(
            "alice", payload=b"a SELECT INBOX\r\nb LOGOUT\r\n")
        self.assertTrue(first.startswith(b"login OK [CAPABILITY IMAP4rev1 "), first)
        untagged, end = client.until(b"a")
        self.assertIn(b"* 0 EXISTS\r\n", untagged)
        self.assertEqual(end, b"a OK [READ-WRITE] Select completed.\r\n")
        self.assertEqual(client.until(b"b")[1], b"b OK Logout completed.\r\n")
        message = self.end_of(session)
        self.assertEqual(message["text"], b"logout")
        self.assertEqual(message["number"], 0)  # nothing came after the hand-over
        self.assertGreater(message["number2"], 100)

    def test_both_ends_of_a_session_are_in_the_log(self):
        client, _, session = self.store.imap("alice")
        client.ok(b"LOGOUT")
        self.end_of(session)
        lines = (f" login account=alice session={session} ",
                 f" {session} logout account=alice in=")
        wait_for(lambda: all(line in self.store.log_text() for line in lines))

    def test_account_without_a_folder_is_unavailable(self):
        client, first, session = self.store.imap("nobody")
        self.assertEqual(first, b"* BYE Try again later\r\n")
        self.assertTrue(client.line().startswith(b"login NO [UNAVAILABLE] "))
        self.assertEqual(client.line(), b"")
        self.assertEqual(self.end_of(session)["text"], b"refused")

    def test_folder_in_use_is_unavailable_until_it_is_free(self):
        with open(self.store.account_folder("bob") / "lock", "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            client, first, _ = self.store.imap("bob")
            self.assertEqual(first, b"* BYE Try again later\r\n")
            self.assertIn(b"NO [UNAVAILABLE]", client.line())
        self.assertTrue(self.store.imap("bob")[1].startswith(b"login OK"))

    def test_other_service_is_refused(self):
        import socket
        ours, theirs = socket.socketpair()
        session = self.store.serve("alice", theirs, service="gopher")
        self.assertEqual(ours.recv(100), b"")
        self.assertEqual(self.end_of(session)["text"], b"refused")

    def test_names_do_not_leave_the_mail_folder(self):
        for name in ("..", "../bob", "/etc", "a/../bob"):
            client, first, _ = self.store.imap(name)
            self.assertEqual(first, b"* BYE Try again later\r\n", name)

    def test_malformed_message_costs_the_connection_only(self):
        link = Link(self.store.run_dir / "mailstore.sock")
        link.send(b"\x01\x01rubbish")
        self.assertEqual(link.socket.recv(100), b"")
        self.assertTrue(self.store.imap("alice")[1].startswith(b"login OK"))


class Processes(MailstoreTest):
    def test_rights_and_root(self):
        self.store.imap("alice")[0].ok("NOOP")
        pid = self.store.account_pid("alice")
        status = Path(f"/proc/{pid}/status").read_text()
        user = self.store.account_folder("alice").stat().st_uid
        self.assertNotEqual(user, self.store.account_folder("bob").stat().st_uid)
        for line in (f"Uid:\t{user}\t{user}\t{user}\t{user}", "Groups:\t \n",
                     f"Gid:\t{user}\t{user}\t{user}\t{user}", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000",
                     "CapInh:\t0000000000000000", "NoNewPrivs:\t1"):
            self.assertIn(line, status)
        self.assertEqual(os.readlink(f"/proc/{pid}/root"),
                         os.path.realpath(self.store.account_folder("alice")))

    def test_crash_ends_that_account_alone(self):
        alice, _, session = self.store.imap("alice")
        alice.ok("SELECT INBOX")
        self.append(alice, b"kept\r\n")
        bob = self.store.imap("bob")[0]
        bob.ok("SELECT INBOX")
        os.kill(self.store.account_pid("alice"), signal.SIGKILL)
        self.assertEqual(alice.line(), b"")
        end = self.end_of(session)
        self.assertEqual((end["kind"], end["text"]), (FAILED, b"crashed"))
        bob.ok("NOOP")
        alice = self.store.imap("alice")[0]
        alice.ok("SELECT INBOX")
        self.assertEqual(self.body(alice, 1), b"kept\r\n")

    def test_leaves_after_the_last_session(self):
        first, second = self.store.imap("alice")[0], self.store.imap("alice")[0]
        pid = self.store.account_pid("alice")
        first.logout()
        second.ok("NOOP")
        second.socket.close()
        second.file.close()
        wait_for(lambda: self.store.account_pid("alice") is None)
        self.assertTrue(self.store.imap("alice")[1].startswith(b"login OK"))
        self.assertNotEqual(self.store.account_pid("alice"), pid)

    def test_no_mailbox_without_a_ticket(self):
        vault = self.store.vault
        used = {}

        def once(session):
            used[session] = vault.ticket("alice", session, "imap")
            return used[session]
        tickets = {
            "none": lambda session: b"",
            "another account's": lambda session: vault.ticket("bob", session, "imap"),
            "another session's": lambda session: vault.ticket("alice", "x" + session, "imap"),
            "another service's": lambda session: vault.ticket("alice", session, "pop3"),
            "too old": lambda session: vault.ticket("alice", session, "imap", -1),
            "damaged": lambda session: vault.ticket("alice", session, "imap")[:-1] + b"\0",
            "used": lambda session: next(iter(used.values())),
        }
        self.assertTrue(self.imap_with(once).startswith(b"login OK"))
        for name, ticket in tickets.items():
            self.assertFalse(self.imap_with(ticket).startswith(b"login OK"), name)
        self.assertTrue(self.imap_with(once).startswith(b"login OK"))

    def imap_with(self, ticket):
        """The first answer to one who comes with that ticket."""
        ours, theirs = socket.socketpair()
        ours.settimeout(30)
        self.store.serve("alice", theirs, ticket=ticket)
        with ours:
            return Imap(ours).greeting

    def test_login_while_it_leaves_is_served_by_the_next(self):
        for delay in (1.9, 1.95, 2.0, 2.02, 2.05):
            self.store.imap("alice")[0].logout()
            time.sleep(delay)
            self.assertTrue(self.store.imap("alice")[1].startswith(b"login OK"), delay)

    def login_not_taken(self):
        """(process of alice, client, session): it is stopped, and has one session."""
        self.holder = self.store.imap("alice")[0]
        pid = self.store.account_pid("alice")
        os.kill(pid, signal.SIGSTOP)
        ours, theirs = socket.socketpair()
        ours.settimeout(30)
        session = self.store.serve("alice", theirs)
        self.store.imap("bob")  # what came before has been handed over
        return pid, ours, session

    def test_login_that_a_crashed_process_has_not_taken_is_refused(self):
        pid, ours, session = self.login_not_taken()
        os.kill(pid, signal.SIGKILL)
        client = Imap(ours)
        self.assertEqual(client.greeting, b"* BYE Try again later\r\n")
        self.assertTrue(client.line().startswith(b"login NO [UNAVAILABLE] "))
        self.assertEqual(self.end_of(session)["text"], b"refused")
        self.assertTrue(self.store.imap("alice")[1].startswith(b"login OK"))

    def watch(self, milliseconds):
        """As the supervisor asks that waits so long for each program."""
        with Link(self.store.run_dir / "mailstore.sock").socket as link:
            link.send(encode(PING, milliseconds))
            self.assertEqual(decode(link.recv(4096))["kind"], PONG)

    def test_process_that_hangs_is_ended_alone(self):
        bob = self.store.imap("bob")[0]
        client, _, session = self.store.imap("alice")
        self.watch(500)
        client.ok(b"NOOP")
        pid, others = self.store.account_pid("alice"), self.store.account_pid("bob")
        os.kill(pid, signal.SIGSTOP)

        def is_ended():
            self.watch(500)
            return self.store.account_pid("alice") != pid

        begun = time.monotonic()
        wait_for(is_ended)
        self.assertGreater(time.monotonic() - begun, 1, "twice the time is its own")
        self.assertEqual(self.end_of(session)["kind"], FAILED)
        bob.ok(b"NOOP")
        self.assertEqual(self.store.account_pid("bob"), others)
        self.assertTrue(self.store.imap("alice")[1].startswith(b"login OK"))
        self.assertIn('reason="it hangs"', self.store.log_text())

    def test_login_that_a_leaving_process_has_not_taken_is_served_by_the_next(self):
        pid, ours, session = self.login_not_taken()
        folder = self.store.account_folder("alice")
        subprocess.run(f"mv {folder} {folder}.old && cp -a {folder}.old {folder}",
                       shell=True, check=True)
        wait_for(lambda: "another folder is in its place" in self.store.log_text())
        os.kill(pid, signal.SIGKILL)
        client = Imap(ours)
        self.assertTrue(client.greeting.startswith(b"login OK"), client.greeting)
        client.logout()
        self.assertEqual(self.end_of(session)["text"], b"logout")

    def test_logins_while_a_process_ends_by_itself_are_answered(self):
        """It has seen that its files were replaced; its master hears of it when it ends."""
        for name in ("carol", "dave", "erin", "frank"):
            self.store.add_account(name)
            folder = self.store.account_folder(name)
            backup = Path(self.folder) / f"backup-{name}"
            client = self.store.imap(name)[0]
            subprocess.run(["cp", "-a", folder, backup], check=True)
            client.ok("SELECT INBOX")
            self.append(client, b"x")
            subprocess.run(["cp", "-a", f"{backup}/.", folder], check=True)
            client.send(b"a NOOP\r\n")
            logins, until = [], time.monotonic() + 0.05
            while time.monotonic() < until:
                ours, theirs = socket.socketpair()
                ours.settimeout(30)
                self.store.serve(name, theirs)
                logins.append(ours)
                time.sleep(0.0002)
            for ours in logins:
                with ours:
                    self.assertNotEqual(ours.recv(100), b"")

    def test_release_ends_sessions_and_frees_the_folder(self):
        client, _, session = self.store.imap("alice")
        client.ok("SELECT INBOX")
        link = Link(self.store.run_dir / "mailstore.sock")
        link.send(encode(RELEASE, account="alice"))
        self.assertTrue(client.line().startswith(b"* BYE "))
        self.assertEqual(client.line(), b"")
        message = link.receive()
        self.assertEqual((message["kind"], message["account"]), (RELEASED, b"alice"))
        with open(self.store.account_folder("alice") / "lock", "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.end_of(session)
        link.send(encode(RELEASE, account="alice"))  # nothing runs: at once
        self.assertEqual(link.receive()["kind"], RELEASED)

    def test_sessions_outlive_the_worker_that_brought_them(self):
        link = Link(self.store.run_dir / "mailstore.sock")
        client = self.store.imap("alice", link=link)[0]
        link.socket.close()
        client.ok("SELECT INBOX")
        client.logout()
        self.assertTrue(self.store.imap("alice")[1].startswith(b"login OK"))

    def test_terminate_says_bye(self):
        client = self.store.imap("alice")[0]
        self.assertEqual(self.store.stop(), 0)
        self.assertTrue(client.line().startswith(b"* BYE "))


class Mail(MailstoreTest):
    def test_odd_messages_byte_for_byte(self):
        client = self.store.imap("alice")[0]
        client.ok("SELECT INBOX")
        wanted = [data for _, data in odd_messages() if data]
        for data in wanted:
            self.append(client, data)
        for number, data in enumerate(wanted, 1):
            self.assertEqual(self.body(client, number), data)
            size = client.ok(b"FETCH %d RFC822.SIZE" % number)[0]
            self.assertEqual(size, b"* %d FETCH (RFC822.SIZE %d)\r\n" % (number, len(data)))
        # nothing of it breaks an answer
        answers = client.ok("FETCH 1:* (ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[HEADER]"
                            " BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2.1.TEXT])")
        self.assertEqual(len(answers), len(wanted))
        client.ok("SEARCH TEXT innermost")
        self.assertEqual(client.ok("UID SEARCH SUBJECT header BODY nothing-such"),
                         [b"* SEARCH\r\n"])

    def test_big_message_streams_both_ways(self):
        client = self.store.imap("alice")[0]
        client.ok("SELECT INBOX")
        pid = self.store.account_pid("alice")
        before = rss_kib(pid)
        self.append(client, BIG)
        self.assertEqual(self.body(client, 1), BIG)
        part = client.ok("FETCH 1 BODY.PEEK[TEXT]<77000.30000000>")[0]
        self.assertIn(BIG[16 + 77000:16 + 77000 + 30_000_000], part)
        # anonymous memory, not the mapped mail
        grown = rss_kib(pid) - before
        self.assertLess(grown, 80_000)

    def test_client_that_does_not_read_costs_one_buffer(self):
        writer = self.store.imap("alice")[0]
        writer.ok("SELECT INBOX")
        self.append(writer, BIG)
        slow = self.store.imap("alice")[0]
        slow.ok("EXAMINE INBOX")
        slow.send(b"a FETCH 1 (BODY[] BODY[] BODY[] BODY[])\r\n" * 4)
        pid = self.store.account_pid("alice")
        time.sleep(1)
        before = rss_kib(pid)
        for _ in range(20):
            writer.ok("NOOP")  # others are served meanwhile
        self.assertLess(rss_kib(pid) - before, 10_000)
        slow.socket.close()

    def test_too_big_is_refused_before_it_comes(self):
        client = self.store.imap("alice")[0]
        _, end = client.command("APPEND INBOX {9223372036854775807}")
        self.assertIn(b"NO [TOOBIG]", end)
        client.ok("NOOP")

    def test_idle_hears_of_new_mail_at_once(self):
        watcher, writer = self.store.imap("alice")[0], self.store.imap("alice")[0]
        watcher.ok("SELECT INBOX")
        watcher.send(b"i IDLE\r\n")
        self.assertTrue(watcher.line().startswith(b"+ "))
        self.append(writer, b"Subject: news\r\n\r\n.\r\n")
        self.assertEqual(watcher.line(), b"* 1 EXISTS\r\n")
        self.assertEqual(watcher.line(), b"* 1 RECENT\r\n")
        watcher.send(b"DONE\r\n")
        self.assertEqual(watcher.line(), b"i OK Idle completed.\r\n")


class Trouble(MailstoreTest):
    def test_full_disk_refuses_mail_and_still_serves_it(self):
        folder = self.store.account_folder("small")
        folder.mkdir(parents=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder]).returncode:
            self.skipTest("no tmpfs here")
        self.addCleanup(subprocess.run, ["umount", "-l", folder])
        self.store.add_account("small")
        self.store.stop()
        with open(self.store.config, "a", encoding="utf-8") as config:
            config.write("limits { disk_reserve = 0 }\n")
        self.store.start()
        client = self.store.imap("small")[0]
        client.ok("SELECT INBOX")
        kept = 0
        for size in (600_000, 20_000):  # by a pack, by the index alone
            data = b"Subject: x\r\n\r\n" + b"y" * size + b"\r\n"
            for _ in range(300):
                _, end = client.command(b"APPEND INBOX {%d+}\r\n%s" % (len(data), data))
                if b" OK " not in end:
                    break
                kept += 1
            self.assertIn(b"NO [OVERQUOTA] ", end)
        # what SQLite's log gives back meanwhile may take some copies more
        for _ in range(20):
            _, end = client.command("COPY 1:* INBOX")
            if b" OK " not in end:
                break
            kept *= 2
        self.assertIn(b"NO [OVERQUOTA] ", end)
        self.assertEqual(len(client.ok("FETCH 1:* UID")), kept)
        # reading must go on, \\Seen or not
        self.assertIn(b"BODY[HEADER]", client.ok("FETCH 1 BODY[HEADER]")[0])
        self.assertTrue(self.store.imap("small")[1].startswith(b"login OK"))
        self.store.imap("alice")[0].ok("CREATE undisturbed")

    def all_is_read(self, account):
        index = self.store.account_folder(account) / "index.sqlite"
        with sqlite3.connect(f"file:{index}?mode=ro", uri=True) as db:
            return not db.execute("SELECT count(*) FROM message, account WHERE email > grams_to"
                                  " OR grams_version = 0").fetchone()[0]

    def test_pack_cut_short_costs_its_messages_only(self):
        client = self.store.imap("alice")[0]
        client.ok("SELECT INBOX")
        self.append(client, b"a" * 200_000)
        self.append(client, b"small\r\n")
        wait_for(lambda: self.all_is_read("alice"))  # what is read just then is mapped
        pack, = (self.store.account_folder("alice") / "bodies").glob("*.pack")
        os.truncate(pack, 1000)
        untagged, end = client.command("FETCH 1:2 BODY.PEEK[]")
        self.assertEqual(untagged, [b"* 2 FETCH (BODY[] {7}\r\nsmall\r\n)\r\n"])
        self.assertIn(b"NO [CORRUPTION]", end)
        self.assertIn("cut short", self.store.log_text())
        client.ok("NOOP")

    def test_damaged_index_is_unavailable_and_told(self):
        index = self.store.account_folder("bob") / "index.sqlite"
        index.write_bytes(b"this is no database" * 1000)
        client, first, _ = self.store.imap("bob")
        self.assertEqual(first, b"* BYE Try again later\r\n")
        self.assertIn(b"NO [UNAVAILABLE]", client.line())
        self.assertIn("account=bob error=", self.store.log_text())
        self.store.imap("alice")[0].ok("SELECT INBOX")


class Imaplib(MailstoreTest):
    def test_a_day_of_a_client(self):
        client = imaplib.IMAP4("127.0.0.1", self.store.listen())
        client.login("alice", "secret")
        self.assertIn("IDLE", client.capabilities)
        self.assertEqual(client.create("Work")[0], "OK")
        self.assertEqual(client.append("Work", "(\\Seen)", imaplib.Time2Internaldate(0),
                                       b"Subject: 1\r\n\r\none\r\n")[0], "OK")
        self.assertEqual(client.select("Work"), ("OK", [b"1"]))
        _, data = client.fetch("1", "(FLAGS INTERNALDATE BODY[])")
        self.assertEqual(data[0][1], b"Subject: 1\r\n\r\none\r\n")
        self.assertEqual(client.copy("1", "Archive")[0], "OK")
        self.assertEqual(client.store("1", "+FLAGS", "(\\Deleted)")[0], "OK")
        self.assertEqual(client.expunge(), ("OK", [b"1"]))
        self.assertEqual(client.search(None, "ALL"), ("OK", [b""]))
        names = {line.split(b'"/" ')[1] for line in client.list()[1]}
        self.assertEqual(names, {b"INBOX", b"Work", b"Sent", b"Archive", b"Archive/2023"})
        self.assertEqual(client.status("Archive", "(MESSAGES UIDNEXT)")[1],
                         [b"Archive (MESSAGES 1 UIDNEXT 2)"])
        self.assertEqual(client.rename("Archive", "Old")[0], "OK")
        self.assertEqual(client.delete("Old/2023")[0], "OK")
        self.assertEqual(client.namespace()[1], [b'(("" "/")) NIL NIL'])
        self.assertEqual(client.logout()[0], "BYE")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: the account processes are chrooted")
        sys.exit(77)
    unittest.main()
