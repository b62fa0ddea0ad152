#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that are open at the old server go on here when their account moves: no new login,
no BYE, the same sequence numbers, and the next mail is told from here.

    test_live.py [--dovecot|--cyrus] [WORD...]
"""
import imaplib
import random
import re
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare, mail  # noqa: E402
from lab.harness import (case, equal, main, nothing, registry,  # noqa: E402
                         signal_transfer, true)
from lab.imap import Imap  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.server_cyrus import Cyrus  # noqa: E402
from lab.server_dovecot import Dovecot  # noqa: E402
from lab.tls_world import TlsWorld, imap_inside  # noqa: E402

NEW = b"From: x@example.org\r\nSubject: new\r\n\r\nnew\r\n"
SERVERS = {"--dovecot": Dovecot, "--cyrus": Cyrus}


def append(client, folder="INBOX", message=NEW):
    client.tags += 1
    tag = b"T%d" % client.tags
    client.send(tag + b" APPEND %s {%d}\r\n" % (folder.encode(), len(message)))
    true(client.line().startswith(b"+"), "APPEND goes on")
    client.send(message + b"\r\n")
    _, end = client.until(tag)
    true(b" OK" in end, f"APPEND: {end!r}")


def numbers(client):
    """{sequence number: UID} as the client sees it."""
    rows = [re.match(rb"\* (\d+) FETCH \(.*?UID (\d+)", line) for line in client.ok("FETCH 1:* (UID)")]
    return {int(row[1]): int(row[2]) for row in rows if row}


def begin_idle(client, tag=b"I7"):
    client.send(tag + b" IDLE\r\n")
    true(client.line().startswith(b"+"), "idling")


def end_idle(client, tag=b"I7"):
    client.send(b"DONE\r\n")
    untagged, end = client.until(tag)
    true(end.startswith(tag + b" OK"), f"the end of IDLE: {end!r}")
    return untagged


def at_source(world, user):
    """A session of the user past the router."""
    client = Imap(world.direct())
    client.login(user, world.password(user))
    return client


def until_told(client, wanted, timeout=30):
    """Lines that an idling client is told, up to one with that word."""
    end, told = time.monotonic() + timeout, []
    while time.monotonic() < end:
        told.append(client.news(timeout))
        if wanted in told[-1] or not told[-1]:
            break
    true(wanted in told[-1], f"told of {wanted!r}: {told!r}")
    return told


def moved(world, user, timeout=60):
    return world.ferry.wait_account(user, timeout, stage="done", route="local")


def crossed(world, user):
    """How many sessions of the account were handed over, and ended by BYE."""
    journal = world.ferry.account(user)["journal"]
    return tuple(sum(row["event"] == "session" and row["to"] == how for row in journal)
                 for how in ("handed over", "ended by BYE"))


@case
def a_session_in_idle(world):
    user = world.user(40)
    phone = world.session(user)
    phone.ok("SELECT INBOX")
    before = numbers(phone)
    begin_idle(phone)
    account = moved(world, user)
    true(account["out_of_service_ms"] < 8000, f"out for {account['out_of_service_ms']} ms")
    wait_until("handed over", lambda: crossed(world, user) == (1, 0))
    other = world.session(user)
    append(other)
    equal(phone.news(), b"* %d EXISTS\r\n" % (len(before) + 1), "the next mail")
    end_idle(phone)
    after = numbers(phone)
    uid = after.pop(len(before) + 1)
    equal(after, before, "sequence numbers")
    true(uid > max(before.values()), "a new UID")
    true(b"new\r\n" in b"".join(phone.ok(f"UID FETCH {uid} BODY[TEXT]")), "its text")
    begin_idle(phone, b"I8")
    other.ok("SELECT INBOX")
    other.ok("STORE 1 +FLAGS (\\Flagged)")
    true(b"\\Flagged" in phone.news(), "flags are told")
    end_idle(phone, b"I8")
    other.logout()
    phone.logout()
    world.expect_source_logins(user, world.address(user))


@case
def sessions_between_two_commands(world):
    user = world.user(30)
    before = world.at_source(user)
    reader, looker, idle = (world.session(user) for _ in range(3))
    reader.ok("SELECT INBOX")
    looker.ok("EXAMINE INBOX")
    known = numbers(reader)
    moved(world, user)
    wait_until("handed over", lambda: crossed(world, user) == (3, 0))
    nothing([line for line in compare.differences(before, world.here(user))
             if not line.startswith("LSUB")], "differences")  # of attributes, by Cyrus
    append(idle)
    true(b"* %d EXISTS\r\n" % (len(known) + 1) in reader.ok("NOOP"), "told at the next command")
    true(any(b"EXISTS" in line for line in looker.ok("NOOP")), "the other one, too")
    equal({n: u for n, u in numbers(reader).items() if n in known}, known, "numbers")
    reader.ok("STORE 2 +FLAGS (\\Deleted)")
    _, end = looker.command("STORE 2 +FLAGS (\\Flagged)")
    true(b" NO " in end, f"EXAMINE stays EXAMINE: {end!r}")
    reader.ok("EXPUNGE")
    true(b"* 2 EXPUNGE\r\n" in looker.ok("NOOP"), "an expunge is told")
    idle.ok("LIST \"\" *")
    idle.ok("SELECT INBOX")
    for client in (reader, looker, idle):
        client.logout()


@case
def what_changed_while_nobody_said_it(world):
    """Another device changes flags and expunges; this one says nothing until it is here."""
    user = world.user(20)
    quiet = world.session(user)
    quiet.ok("SELECT INBOX")
    before = numbers(quiet)
    other = at_source(world, user)
    other.ok("SELECT INBOX")
    other.ok("STORE 3 +FLAGS (\\Flagged)")
    other.ok("STORE 2 +FLAGS (\\Deleted)")
    other.ok(f"UID EXPUNGE {before[2]}")
    append(other)
    other.logout()
    moved(world, user)
    wait_until("handed over", lambda: crossed(world, user) == (1, 0))
    quiet.socket.settimeout(0.5)
    try:
        early = quiet.socket.recv(65536)
    except TimeoutError:
        early = b""
    true(b"EXPUNGE" not in early, f"no expunge between two commands: {early!r}")
    quiet.socket.settimeout(30)
    # by the old numbers, as a client that does not know yet
    asked, _ = quiet.command("FETCH 3 (UID)")
    true(b"* 3 FETCH (UID %d)\r\n" % before[3] in asked, f"the old numbers: {asked!r}")
    told = quiet.ok("NOOP")
    true(b"* 2 EXPUNGE\r\n" in told, f"told now: {told!r}")
    after = numbers(quiet)
    kept = [uid for number, uid in sorted(before.items()) if number != 2]
    equal([after[n] for n in range(1, len(kept) + 1)], kept, "numbers")
    equal(len(after), len(kept) + 1, "with the new one")
    flagged = early + b"".join(told)
    true(b"\\Flagged" in flagged, f"flags were told: {flagged!r}")
    quiet.logout()


@case
def a_command_under_way(world):
    """Its answer is long, and the client is slow to take it."""
    user = world.user(mailbox=mail.bulk("slow", 400, 40_000, 1))
    slow = world.session(user)
    slow.ok("SELECT INBOX")
    before = len(numbers(slow))
    slow.send(b"A1 FETCH 1:* BODY.PEEK[]\r\n")
    time.sleep(4)
    answers, end = slow.until(b"A1")
    true(end.startswith(b"A1 OK"), f"{end!r}")
    equal(sum(b" FETCH (" in line for line in answers), before, "messages")
    moved(world, user)
    wait_until("handed over", lambda: crossed(world, user) == (1, 0))
    equal(len(numbers(slow)), before, "afterwards")
    slow.logout()


@case
def inside_of_tls(world):
    """Our key ends it: the kernel does the records, or a bridge."""
    user = world.user(20)
    phone = imap_inside(world, user, world.secure(993, user))
    desk = imap_inside(world, user, world.starttls(user), greeting=False)
    phone.ok("SELECT INBOX")
    desk.ok("SELECT INBOX")
    before = numbers(desk)
    begin_idle(phone)
    moved(world, user)
    wait_until("handed over", lambda: crossed(world, user) == (2, 0))
    append(desk)
    until_told(phone, b"%d EXISTS" % (len(before) + 1))
    end_idle(phone)
    desk.ok("NOOP")
    now = numbers(desk)
    equal({n: now[n] for n in before}, before, "numbers")
    equal(numbers(phone), now, "of both")
    phone.logout()
    desk.logout()


@case
def what_cannot_cross_is_waited_for(world):
    user = world.user(10)
    stays, phone = world.session(user), world.session(user)
    stays.ok("SELECT INBOX")
    stays.ok("SEARCH RETURN (SAVE) ALL")  # a result that the source keeps
    phone.ok("SELECT INBOX")
    begin_idle(phone)
    world.ferry.wait_account(user, stage="catching-up")
    time.sleep(8)
    equal(world.ferry.account(user)["route"], "source", "it stays")
    stays.drop()
    moved(world, user)
    wait_until("handed over", lambda: crossed(world, user) == (1, 0))
    end_idle(phone)
    phone.logout()


class Worker:
    """A program that uses imaplib, and knows nothing of a move."""

    def __init__(self, world, user):
        self.appended, self.errors, self.ended = 0, [], False
        self.client = imaplib.IMAP4.__new__(imaplib.IMAP4)
        connection = world.connect(user)
        self.client.open = lambda *_: self._adopt(connection)
        imaplib.IMAP4.__init__(self.client)
        self.client.login(user, world.password(user))
        self.client.select("INBOX")
        self.random = random.Random(5)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _adopt(self, connection):
        self.client.host = self.client.port = None
        self.client.sock = connection
        self.client.file = self.client._file = connection.makefile("rb")

    def _ok(self, answer):
        if answer[0] != "OK":
            self.errors.append(answer)
        return answer[1]

    def _step(self):
        what = self.random.randrange(5)
        if what == 0:
            self._ok(self.client.append("INBOX", None, None,
                                        b"X-Number: %d\r\n\r\nx\r\n" % self.appended))
            self.appended += 1
        elif what == 1:
            self._ok(self.client.noop())
        elif what == 2:
            uids = self._ok(self.client.uid("SEARCH", "ALL"))[0].split()
            rows = self._ok(self.client.fetch("1:*", "(UID)"))
            # also rows of flags that came before, unasked
            told = dict(row.groups() for row in
                        (re.match(rb"(\d+) \(.*UID (\d+)", row or b"") for row in rows) if row)
            if any(told.get(b"%d" % n) != uid
                   for n, uid in enumerate(sorted(uids, key=int), 1)):
                self.errors.append(("numbers", uids, told))
        elif what == 3:
            self._ok(self.client.store(str(self.random.randrange(1, 10)), "+FLAGS", "\\Seen"))
        else:
            self._ok(self.client.status("INBOX", "(MESSAGES)"))

    def _run(self):
        try:
            while not self.ended:
                self._step()
                time.sleep(0.05)
        except Exception as error:  # pylint: disable=W0718
            self.errors.append(error)

    def end(self):
        self.ended = True
        self.thread.join(30)
        nothing([str(error) for error in self.errors], "the program noticed")


@case
def a_program_at_work(world):
    user = world.user(30)
    workers = [Worker(world, user) for _ in range(3)]
    moved(world, user)
    time.sleep(1)
    for worker in workers:
        worker.end()
    wait_until("handed over", lambda: crossed(world, user) == (3, 0))
    reader = world.session(user)
    reader.ok("SELECT INBOX")
    found = sum(b"X-Number" in line for line in
                reader.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (X-Number)]"))
    true(found, "there are some")
    total = len(reader.ok("UID SEARCH HEADER X-Number \"\"")[0].split()) - 2
    equal(total, sum(worker.appended for worker in workers), "messages appended")
    reader.logout()


def when_ready(world, user, n, then):
    """Calls then() as soon as so many sessions of the user wait for the switch."""
    wanted = f"crossing-ready account={user} "
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if world.ferry.log.read_text(errors="replace").count(wanted) >= n:
            then()
            return
        time.sleep(0.001)
    raise TimeoutError(f"{n} sessions of {user} at the quiet point")


def put_back(world, user):
    """The switch that was stopped fails. False: it has arrived, or was about to: its mail
    folder says already that it lives here, or it was stopped inside of the transaction."""
    try:
        return bool(registry(world, "UPDATE account SET route='source', stage='catching-up'"
                             " WHERE name=? AND route='busy' AND NOT arriving RETURNING id",
                             (user,)))
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return False


@case
def a_switch_that_fails(world):
    """The sessions go on at the source, and cross at the next try."""
    user = world.user(10)
    phone, desk = world.session(user), world.session(user)
    phone.ok("SELECT INBOX")
    desk.ok("SELECT INBOX")
    before = numbers(desk)
    begin_idle(phone)
    when_ready(world, user, 2, lambda: signal_transfer(world, signal.SIGSTOP))
    if put_back(world, user):
        desk.ok("NOOP")  # waits until it is back there
        other = at_source(world, user)
        append(other)
        other.logout()
        until_told(phone, b"%d EXISTS" % (len(before) + 1))
        true(any(b"EXISTS" in line for line in desk.ok("NOOP")), "told by the source")
    else:
        print("    it was faster")
    signal_transfer(world, signal.SIGCONT)
    moved(world, user, 90)
    wait_until("handed over", lambda: crossed(world, user)[0] == 2)
    append(desk)
    until_told(phone, b"EXISTS")
    end_idle(phone)
    equal({n: u for n, u in numbers(desk).items() if n in before}, before, "numbers")
    desk.logout()
    phone.logout()


def can_log_in(world, user):
    try:
        client = world.imap(user)
        answer = client.login(user, world.password(user))
        client.close()
    except (OSError, EOFError):
        return False
    return b" OK " in answer


@case
def kills(world):
    """kill -9 of each program in a move with live sessions: they go on, or end; nothing is
    lost, and the account arrives."""
    for program in ("transfer", "vault", "mailstore", "interceptor"):
        user = world.user(15)
        before = world.at_source(user)
        phone = world.session(user)
        phone.ok("SELECT INBOX")
        begin_idle(phone)
        when_ready(world, user, 1, lambda p=program: world.ferry.kill(p, random.choice))
        moved(world, user, 90)
        wait_until("all programs", world.ferry.programs_run, 30)
        wait_until("a login", lambda u=user: can_log_in(world, u), 30)
        nothing([line for line in compare.differences(before, world.here(user))
                 if not line.startswith("LSUB")], f"{program}: differences")
        other = world.session(user)
        append(other)
        other.logout()
        try:
            told = phone.news()
        except OSError:
            told = b""
        true(told == b"" or b"BYE" in told or b"EXISTS" in told, f"{program}: {told!r}")
        print(f"    {program}: {told!r}")
        phone.drop()


main_options = [word for word in sys.argv[1:] if word in SERVERS]


class LiveWorld(TlsWorld):
    def __init__(self):
        super().__init__(server=SERVERS[main_options[0] if main_options else "--dovecot"])


if __name__ == "__main__":
    main(LiveWorld, [word for word in sys.argv[1:] if word not in SERVERS])
