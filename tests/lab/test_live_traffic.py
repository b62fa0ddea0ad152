#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account moves while it is used: a program reads, flags, deletes and appends, mail comes
by SMTP 20 times a second, and two devices idle. Nothing is lost or doubled, nobody sees an
error, the idling sessions are told of the next mail from here, and POP3 shows the unique-ids
that the source has.

    test_live_traffic.py [--messages N] [--moves N]     ./test takes few
    test_live_traffic.py --messages 20000 --moves 10    prints how long it was out of service

The time out of service is said in parts, as the log has them (event out-of-service).
"""
import argparse
import collections
import random
import re
import statistics
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import harness, mail, pop3_world  # noqa: E402
from lab.harness import case, equal, nothing, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402
from lab.pop3 import Pop3  # noqa: E402
from lab.smtp import Smtp, at  # noqa: E402

SENDERS, MAILS_PER_SECOND = 4, 20
SECONDS_BEFORE = 2  # of traffic, before the account may move
ID = re.compile(rb"Message-ID: <([^>]+)>", re.I)


class Mails:
    """By their ids: what must be there once, and what may be."""

    def __init__(self, ids):
        self.there = set(ids)
        self.deleted, self.doubtful = set(), set()
        self.lock = threading.Lock()
        self.errors = []

    def comes(self, name):
        """Before its 250: who sees an error may have sent it all the same."""
        with self.lock:
            self.doubtful.add(name)

    def came(self, name):
        with self.lock:
            self.doubtful.discard(name)
            self.there.add(name)

    def goes(self, name):
        with self.lock:
            self.deleted.add(name)
            self.there.discard(name)

    def fails(self, text):
        with self.lock:
            self.errors.append(text)


class Traffic(threading.Thread):
    """step() again and again until end(); what goes wrong is in mails.errors."""

    def __init__(self, mails, pause):
        super().__init__(daemon=True)
        self.mails, self.pause, self.is_over, self.done = mails, pause, False, 0
        self.slowest = 0

    def run(self):
        while not self.is_over:
            began = time.monotonic()
            try:
                self.step()
            except Exception as error:  # pylint: disable=W0718
                self.mails.fails(f"{type(self).__name__}: {error!r}")
                return
            took = time.monotonic() - began
            self.slowest = max(self.slowest, took)
            self.done += 1
            time.sleep(max(0, self.pause - took))

    def step(self):
        raise NotImplementedError

    def end(self):
        self.is_over = True
        self.join(60)


class Sender(Traffic):
    """Another mail server, with one connection."""

    def __init__(self, world, user, mails, number):
        super().__init__(mails, SENDERS / MAILS_PER_SECOND)
        self.to, self.number = at(user), number
        self.client = Smtp(world.lab.connect(25, world.address("user50")))
        self.client.ok("EHLO mx.example.org")

    def step(self):
        name = b"%d.%d@sender" % (self.done, self.number)
        self.mails.comes(name)
        text = b"Message-ID: <%s>\r\nSubject: sent\r\n\r\n%s\r\n" % (name, b"text " * 100)
        codes = self.client.mail(self.to)
        if codes != [250]:
            self.mails.fails(f"RCPT: {codes}")
            self.client.ok("RSET")
            return
        answer = self.client.data(text)
        if answer.startswith(b"250"):
            self.mails.came(name)
        else:
            self.mails.fails(f"DATA: {answer!r}")

    def end(self):
        super().end()
        self.client.quit()


class Program(Traffic):
    """Reads, flags, deletes and appends."""

    def __init__(self, world, user, mails, number):
        super().__init__(mails, 0.1)
        self.random = random.Random(number)
        self.number = number
        self.client = world.session(user)
        self.client.ok("SELECT INBOX")

    def step(self):
        self.random.choice((self.read, self.flag, self.delete, self.append, self.look))()

    def _any(self):
        """(UID, id) of one that is there."""
        for line in self.client.ok("UID SEARCH ALL"):
            if line.startswith(b"* SEARCH"):
                uid = self.random.choice(line.split()[2:])
        for line in self.client.ok(b"UID FETCH %s BODY.PEEK[HEADER.FIELDS (Message-ID)]" % uid):
            if found := ID.search(line):
                return uid, found[1]
        return uid, None  # another one has just deleted it

    def read(self):
        uid, _ = self._any()
        self.client.ok(b"UID FETCH %s (FLAGS BODY[])" % uid)

    def flag(self):
        uid, _ = self._any()
        self.client.ok(b"UID STORE %s +FLAGS (\\Flagged)" % uid)

    def delete(self):
        uid, name = self._any()
        if name:
            self.mails.goes(name)
            self.client.ok(b"UID STORE %s +FLAGS (\\Deleted)" % uid)
            self.client.ok(b"UID EXPUNGE %s" % uid)

    def append(self):
        name = b"%d.%d@program" % (self.done, self.number)
        text = b"Message-ID: <%s>\r\nSubject: appended\r\n\r\ntext\r\n" % name
        self.mails.comes(name)
        self.client.tags += 1
        tag = b"T%d" % self.client.tags
        self.client.send(tag + b" APPEND INBOX {%d}\r\n" % len(text))
        line = self.client.line()
        while line.startswith(b"* "):
            line = self.client.line()
        true(line.startswith(b"+"), f"APPEND: {line!r}")
        self.client.send(text + b"\r\n")
        _, end = self.client.until(tag)
        true(b" OK" in end, f"APPEND: {end!r}")
        self.mails.came(name)

    def look(self):
        self.client.ok("NOOP")

    def end(self):
        super().end()
        self.client.logout()


class Device(Traffic):
    """Idles, and is told."""

    def __init__(self, world, user, mails):
        super().__init__(mails, 0)
        self.told = 0
        self.client = world.session(user)
        self.client.ok("SELECT INBOX")
        self._idle()

    def _idle(self):
        self.client.send(b"I1 IDLE\r\n")
        line = self.client.line()
        while line.startswith(b"* "):
            line = self.client.line()
        true(line.startswith(b"+"), f"IDLE: {line!r}")
        self.client.socket.settimeout(60)

    def step(self):
        line = self.client.line()
        self.is_over = line.startswith(b"I1 OK")
        true(self.is_over or line.startswith(b"* ") and b"BYE" not in line, f"told {line!r}")
        self.told += b" EXISTS" in line

    def is_alive(self):
        """Ends its IDLE, and begins another one."""
        self.client.send(b"DONE\r\n")
        self.join(30)
        true(self.is_over, "the end of IDLE")
        true(self.told > SECONDS_BEFORE, f"told of mail {self.told} times")
        self.client.ok("NOOP")
        self._idle()

    def is_told(self):
        line = self.client.news()
        true(b" EXISTS" in line, f"the next mail: {line!r}")


def ids_here(world, user):
    found = collections.Counter()
    client = world.session(user)
    for line in client.ok('LIST "" *'):
        name = line.rstrip().rsplit(b' "/" ', 1)[1]
        client.ok(b"EXAMINE " + name)
        for row in client.ok("UID FETCH 1:* BODY.PEEK[HEADER.FIELDS (Message-ID)]"):
            found.update(match[1] for match in [ID.search(row)] if match)
    client.logout()
    return found


def differences(world, user, mails):
    found = ids_here(world, user)
    return ([f"lost: {name!r}" for name in sorted(mails.there - found.keys())] +
            [f"doubled: {name!r}" for name, n in sorted(found.items()) if n > 1] +
            [f"back again: {name!r}" for name in sorted(mails.deleted & found.keys())] +
            [f"from nowhere: {name!r}" for name in
             sorted(found.keys() - mails.there - mails.deleted - mails.doubtful)])


def uids(client, user, password):
    true(b" OK" in client.login(user, password), "login by IMAP")
    client.ok("EXAMINE INBOX")
    found = set()
    for line in client.ok("UID SEARCH ALL"):
        if line.startswith(b"* SEARCH"):
            found = {int(uid) for uid in line.split()[2:]}
    client.logout()
    return found


def uidls(client, user, password):
    true(client.login(user, password).startswith(b"+OK"), "login by POP3")
    found = [line.split()[1] for line in client.lines("UIDL")]
    client.quit()
    return found


def unlike_uidls(world, user):
    """What both sides have got has one unique-id: the source makes it of the UID."""
    login = user, world.password(user)
    source = uids(Imap(world.direct()), *login)
    both = source & uids(Imap(world.connect(user)), *login)
    there = uidls(Pop3(world.lab.source.connect(SOURCE_ADDRESS[0], 110)), *login)
    here = set(uidls(world.pop3(user), *login))
    equal(len(there), len(source), "messages by POP3 and IMAP")
    of_uid = dict(zip(sorted(source), there))
    return [f"UID {uid}: {of_uid[uid]} is not here" for uid in sorted(both)
            if of_uid[uid] not in here]


def parts_of(world, user):
    """What the log says of the time out of service, in ms."""
    for line in reversed(world.ferry.log.read_text(errors="replace").splitlines()):
        if f"out-of-service account={user} " in line:
            return {name: int(ms) for name, ms in re.findall(r"(\w+)_ms=(\d+)", line)}
    return {}


def one_move(world, messages):
    box = mail.bulk(f"live{world.numbers}", messages, 2_000, 1)
    ids = [ID.search(m.data)[1] for folder in box.folders for m in folder.messages]
    user = world.user(mailbox=box)
    mails = Mails(ids)
    world.ferry.ok("transfer", "--pause")
    world.pop3_session(user).quit()
    devices = [Device(world, user, mails) for _ in range(2)]
    others = [Program(world, user, mails, 1),
              *[Sender(world, user, mails, n) for n in range(SENDERS)]]
    for one in devices + others:
        one.start()
    time.sleep(SECONDS_BEFORE)
    world.ferry.ok("transfer", "--resume")
    account = world.ferry.wait_account(user, 300, stage="done", route="local")
    time.sleep(1)
    for one in others:
        one.end()
    nothing(mails.errors, "clients saw")
    for one in devices:
        one.is_alive()
    before = len(mails.there)
    last = Sender(world, user, mails, 9)
    last.step()
    last.client.quit()
    equal(len(mails.there), before + 1, "the next mail is taken")
    for one in devices:
        one.is_told()
        one.client.drop()
    handed = [row["to"] for row in account["journal"] if row["event"] == "session"]
    true("ended by BYE" not in handed, "nobody is sent away")
    nothing(differences(world, user, mails), "mail")
    equal((account["uidls_kept"], account["certificate"]["uidls"]["result"]), (True, "equal"))
    nothing(unlike_uidls(world, user), "unique-ids")
    return account["out_of_service_ms"], {**parts_of(world, user),
        "slowest_mail": round(1000 * max(o.slowest for o in others[1:])),
        "slowest_command": round(1000 * others[0].slowest)}


@case
def an_account_moves_while_it_is_used(world):
    """The account moves on from one server to the other; nobody notices."""
    # with the first account some of what the source offers to senders goes (421, once)
    world.move(world.user(5))
    times, parts = [], collections.defaultdict(list)
    for _ in range(options.moves):
        ms, of = one_move(world, options.messages)
        print(f"    out of service for {ms} ms: " +
              ", ".join(f"{name} {part}" for name, part in of.items()), flush=True)
        times.append(ms)
        for name, part in of.items():
            parts[name].append(part)
    print(f"    median of {len(times)}: {statistics.median(times)} ms: " + ", ".join(
        f"{name} {statistics.median(all_of)}" for name, all_of in parts.items()))


class Appender(Traffic):
    """Puts mail into INBOX as fast as it is taken."""

    def __init__(self, world, user):
        super().__init__(Mails([]), 0)
        self.client = world.session(user)
        self.client.ok("SELECT INBOX")

    def step(self):
        text = b"Subject: one more\r\n\r\n%d\r\n" % self.done
        self.client.ok(b"APPEND INBOX {%d+}\r\n%s" % (len(text), text))

    def end(self):
        super().end()
        self.client.logout()


def move_while_mail_comes(world, user):
    """What the certificate says of unique-ids."""
    world.ferry.ok("transfer", "--pause")
    world.pop3_session(user).quit()
    appender = Appender(world, user)
    appender.start()
    world.ferry.ok("transfer", "--resume")
    account = world.ferry.wait_account(user, stage="done", route="local")
    appender.end()
    nothing(appender.mails.errors, "the client saw")
    uidls_of = account["certificate"]["uidls"]
    equal((account["uidls_kept"], uidls_of["result"]), (True, "equal"))
    nothing(unlike_uidls(world, user), "unique-ids")
    return uidls_of


@case
def mail_that_comes_after_pop3_was_read(world):
    """Its unique-ids are derived from the others, and are those of the source."""
    uidls_of = move_while_mail_comes(world, world.user(30))
    true(uidls_of.get("derived"), f"{uidls_of}")


@case
def mail_that_comes_where_some_have_odd_unique_ids(world):
    """From a server before, as Dovecot notes them: nothing is derived from the others."""
    user = world.user(30)
    uidlist = world.server.mail(user) / "dovecot-uidlist"
    head, *lines = uidlist.read_text(encoding="ascii").splitlines(keepends=True)
    for number in (3, 4, 7):
        uid, name = lines[number].split(" ", 1)
        lines[number] = f"{uid} Pqmail.{uid} {name}"
    uidlist.write_text(head + "".join(lines), encoding="ascii")
    uidls_of = move_while_mail_comes(world, user)
    true("derived" not in uidls_of, f"{uidls_of}")
    here = uidls(world.pop3(user), user, world.password(user))
    equal(sum(name.startswith(b"qmail.") for name in here), 3, "odd ones")


parser = argparse.ArgumentParser()
parser.add_argument("--messages", type=int, default=1000)
parser.add_argument("--moves", type=int, default=1)
options = parser.parse_args()

if __name__ == "__main__":
    harness.main(lambda: pop3_world.Pop3World(postfix=True), [])
