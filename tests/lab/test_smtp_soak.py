#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail to recipients on all sides while accounts switch and everything is killed: each
accepted recipient gets each message once, in the right place.

    test_smtp_soak.py [--count N] [--seed N]     ./test takes few; --count 1000 is full
    test_smtp_soak.py --filter                   a content filter that dies, hangs and puts off
    test_smtp_soak.py --tls                      inside TLS that ends here (STARTTLS)
    test_smtp_soak.py --bdat                     in chunks
    test_smtp_soak.py --exim                     Exim is the source

Messages with 1-10 recipients (here, at the source, switching, aliases, unknown) come from
20 sessions of our own and from a Postfix. Meanwhile accounts move, one after the other,
and workers, the mailstore's processes and the source's Postfix are killed -9.

Every delivery has an id in its topmost `Received` of mail.example.com: two copies with
two ids are two deliveries, and only a sender that got no 250 for the first may have caused
the second; two copies with the same id are a doubling of the server that wrote it.
"""
import argparse
import collections
import contextlib
import random
import re
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import harness, milter, tls  # noqa: E402
from lab.harness import busy, equal, nothing, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.sender_postfix import SendingPostfix  # noqa: E402
from lab.server_exim import DeliveringExim  # noqa: E402
from lab.smtp import Smtp, at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402

SESSIONS = 20
BY_POSTFIX = 5  # every fifth message
SWITCHING = 6
PACE = 2  # s between two messages of a session: so that something happens meanwhile
PATIENCE = 240  # for one message, through all that happens
UNKNOWN = ("nobody", "ghost")
LOST = (OSError, EOFError)


class Post:
    """What was sent: a message has a number, its recipients are names of accounts."""

    def __init__(self, rng, users, count):
        self.users = users
        self.lock = threading.Lock()
        self.numbers = iter(range(count))
        self.made = [self._make(rng, number) for number in range(count)]
        self.done = 0
        self.unsure = collections.Counter()  # (number, user): a dot without a 250
        self.answers = collections.Counter()  # those that were not 250
        self.wrong = []  # answers that nobody may get
        self.is_filtered = False

    def _make(self, rng, number):
        names = rng.sample(self.users + list(UNKNOWN), rng.randint(1, 10))
        to = {name: at(name if name in UNKNOWN or rng.random() < 0.8 else f"alias-{name}")
              for name in names}
        text = b"x" * 70 + b"\r\n"
        body = b".dot\r\n" + text * rng.choice((1, 40, 60, 1200)) + b"end of %d\r\n" % number
        return to, b"Message-Id: <%d@soak>\r\n\r\n%s" % (number, body)

    def next(self):
        """Of the sessions and of Postfix: a number, or None."""
        with self.lock:
            return next(self.numbers, None)

    def finished(self):
        with self.lock:
            self.done += 1


class Session(threading.Thread):
    """One of many clients: what is put off or lost is tried again, the rest is not."""

    def __init__(self, world, post, postfix, seed):
        super().__init__(daemon=True)
        self.world, self.post, self.postfix = world, post, postfix
        self.rng = random.Random(seed)
        self.client = None
        self.start()

    def run(self):
        while (number := self.post.next()) is not None:
            to, message = self.post.made[number]
            if number % BY_POSTFIX == 0:
                self.postfix.submit(message, *to.values())
            else:
                self._send(number, to, message)
            self.post.finished()
            time.sleep(self.rng.uniform(0, PACE))
        self._leave()

    def _send(self, number, to, message):
        left = dict(to)
        end = time.monotonic() + PATIENCE
        while left:
            if time.monotonic() > end:
                self.post.wrong.append(f"{number}: not taken for {sorted(left)}")
                return
            try:
                self._attempt(number, left, message)
            except LOST:
                self._leave()
            if left:
                time.sleep(self.rng.uniform(0.1, 0.6))

    def _attempt(self, number, left, message):
        """Takes out of `left` who needs no more."""
        if not self.client:
            self._connect()
        names = list(left)
        accepted = []
        for name, code in zip(names, self._envelope([left[n] for n in names])):
            if code // 100 == 2:
                accepted.append(name)
            elif code // 100 == 5 and code != 503:
                if name not in UNKNOWN:
                    self.post.wrong.append(f"{number}: {code} for {name}")
                del left[name]
        if any(name in UNKNOWN for name in accepted):
            self.post.wrong.append(f"{number}: accepted for {accepted}")
        if accepted:
            self._data(number, left, accepted, message)
        elif left:
            self.client.command("RSET")
        if self.rng.random() < 0.3:
            self._leave()

    def _connect(self):
        # a time-out is no end of the message, but the source's end may be lost so
        self.client = Smtp(self.world.lab.connect(25, self.world.address(
            f"user{self.rng.randrange(20)}"), timeout=40))
        offer = self.client.command("EHLO client.example.org")
        if self.world.options.tls:
            if not self.client.command("STARTTLS").startswith(b"220"):
                raise EOFError("no TLS now")
            self.client.socket = tls.begin(self.client.socket)
            self.client.file = self.client.socket.makefile("rb")
            offer = self.client.command("EHLO client.example.org")
        if self.world.options.bdat and offer.startswith(b"250") and b"CHUNKING" not in offer:
            self.post.wrong.append(f"no CHUNKING: {offer!r}")

    def _envelope(self, addresses):
        """The codes of RCPT; pipelined now and then. MAIL is refused, too, at a bad time."""
        commands = [f"RCPT TO:<{a}>" for a in addresses]
        if self.rng.random() < 0.5:
            lines = "\r\n".join(["MAIL FROM:<sender@example.org>"] + commands)
            self.client.send(lines.encode() + b"\r\n")
            replies = [self.client.reply() for _ in range(len(commands) + 1)][1:]
        else:
            self.client.command("MAIL FROM:<sender@example.org>")
            replies = [self.client.command(c) for c in commands]
        codes = [int(reply[:3]) for reply in replies]
        if 421 in codes:
            raise EOFError("it closes")
        return codes

    def _begin(self, message):
        """What begins it, its answer, and what follows in two pieces."""
        if self.world.options.bdat:
            half = len(message) // 2
            first, rest = message[:half], message[half:]
            return (b"BDAT %d\r\n%s" % (len(first), first), b"250", b"",
                    b"BDAT %d LAST\r\n%s" % (len(rest), rest))
        stuffed = re.sub(rb"(?m)^\.", b"..", message)
        half = len(stuffed) // 2
        return b"DATA\r\n", b"354", stuffed[:half], stuffed[half:] + b".\r\n"

    def _data(self, number, left, accepted, message):
        opening, wanted, middle, end = self._begin(message)
        self.client.send(opening)
        answer = self.client.reply()
        if not answer.startswith(wanted):
            if answer.startswith(b"421"):
                raise EOFError("it closes")
            self.client.command("RSET")
            return
        self.client.send(middle)
        if self.rng.random() < 0.3:
            time.sleep(self.rng.uniform(0, 0.2))
        try:
            self.client.send(end)
            answer = self.client.reply()
        except LOST:
            answer = b"lost"
        if answer.startswith(b"250"):
            for name in accepted:
                del left[name]
            return
        self.post.unsure.update((number, name) for name in accepted)
        self.post.answers[answer[:9].decode()] += 1
        if answer.startswith(b"5"):
            self.post.wrong.append(f"{number}: {answer!r} at the end")
        if answer[:3] in (b"421", b"los"):
            raise EOFError("it closes")

    def _leave(self):
        if self.client:
            with contextlib.suppress(OSError):
                self.client.socket.settimeout(2)
                self.client.quit()
        self.client = None


class Chaos(threading.Thread):
    """kill -9 of one program after the other, until told to stop."""

    def __init__(self, world, rng):
        super().__init__(daemon=True)
        self.world, self.rng, self.over = world, rng, threading.Event()
        self.kills = collections.Counter()
        self.start()

    def run(self):
        while not self.over.wait(self.rng.uniform(0.4, 2.4)):
            victim = self.rng.choice(("interceptor", "mailstore", "mailstore", "source"))
            self.kills[victim] += 1
            if victim != "source":
                self.world.ferry.kill(victim, which=self.rng.choice)
                continue
            self.world.lab.postfix.kill()
            self.over.wait(self.rng.uniform(0.1, 1))
            self.world.lab.postfix.start_again()

    def stop(self):
        self.over.set()
        self.join(60)


def again(function):
    """A user whose connection is lost tries again."""
    def tried():
        with contextlib.suppress(OSError, EOFError, AssertionError):
            function()
            return True
        return False
    wait_until("a login", tried, 60, 0.2)


def switch_one_by_one(world, users, post, rng):
    """Each at its share of the messages; every other one's switch takes a second."""
    for index, user in enumerate(users):
        wanted = (index + 0.5) * len(post.made) / len(users)
        wait_until("messages", lambda wanted=wanted: post.done >= wanted, PATIENCE, 0.05)
        if index % 2:
            again(lambda user=user: hold_busy(world, user, rng.uniform(0.5, 1.5)))
        else:
            again(lambda user=user: world.session(user).logout())


def hold_busy(world, user, seconds):
    with busy(world, user):
        time.sleep(seconds)


# What arrived ------------------------------------------------------------------------------

Copy = collections.namedtuple("Copy", "number id by whole filtered")


# The topmost line of mail.example.com's own: the source's (Postfix, Exim), or ours.
BY = re.compile(rb"by mail\.example\.com (\(Postfix\) (?=with )|(?=with e?smtps?\s[^;]*\(Exim))?"
                rb"with [^;]*?\bid ([\w.-]+)")


def copies(client, post):
    """Of the messages of this test in an INBOX."""
    client.ok("EXAMINE INBOX")
    found = []
    for answer in client.ok("FETCH 1:* BODY.PEEK[]"):
        name = re.search(rb"\r\nMessage-Id: <(\d+)@soak>\r\n", answer)
        if not name:
            continue
        number = int(name[1])
        by = BY.search(answer)
        body = post.made[number][1].split(b"\r\n\r\n", 1)[1]
        whole = b"\r\n\r\n" + body + b")" in answer
        found.append(Copy(number, by[2].decode(), "us" if by[1] is None else "source", whole,
                          b"\r\nX-Filtered: 1\r\n" in answer))
    client.logout()
    return found


class Arrived:
    """Of one user: what is here, and what is at the source and not here."""

    def __init__(self, world, user, post):
        direct = Imap(world.direct())
        direct.login(user, world.password(user))
        self.source = copies(direct, post)
        self.here = [] if user == world.there else copies(world.session(user), post)
        known = {(c.number, c.id) for c in self.here}
        self.late = [c for c in self.source if (c.number, c.id) not in known]
        self.all = (self.here + self.late) if self.here else self.source


def check(user, arrived, post, unsure):
    """Sentences about what is wrong."""
    wanted = {number for number, (to, _) in enumerate(post.made) if user in to}
    got = collections.Counter(c.number for c in set(arrived.all))
    wrong = [f"{n} is lost" for n in wanted - set(got)]
    wrong += [f"{n} came by itself" for n in set(got) - wanted]
    wrong += [f"{n}: {got[n]} deliveries, {unsure[n, user]} attempts unanswered"
              for n in got if got[n] - 1 > unsure[n, user]]
    wrong += [f"{c.number} is not whole" for c in arrived.all if not c.whole]
    # the source delivers again what it was killed with, as it always did
    wrong += [f"{c.number} {n} times by {c.by}: {c.id}" for c, n in
              collections.Counter(arrived.here).items() if n > 1 and c.by == "us"]
    if post.is_filtered:
        wrong += [f"{c.number} was not filtered" for c in arrived.all
                  if c.by == "us" and not c.filtered]
    wrong += [f"{c.number} by us at the source" for c in arrived.source if c.by == "us"]
    return [f"{user}: {sentence}" for sentence in sorted(wrong)]


def unsure_by_postfix(text, post):
    """(number, user) of attempts of the sending Postfix that ended without a 250."""
    queue_ids, unsure, bounced = {}, collections.Counter(), []
    for line in text.splitlines():
        found = re.search(r"/smtp\[\d+\]: (\w+): to=<([^>]+)>.* status=(\w+) \((.*)", line)
        if not found:
            continue
        queue_id, to, status, why = found.groups()
        user = to.split("@")[0].removeprefix("alias-")
        if status == "deferred" and "end of " in why:
            unsure[queue_id, user] += 1
        if status == "bounced" and (user not in UNKNOWN or "550" not in why):
            bounced.append(f"{to}: {why}")
    for found in re.finditer(r"/cleanup\[\d+\]: (\w+): message-id=<(\d+)@soak>", text):
        queue_ids[found[1]] = int(found[2])
    return (collections.Counter({(queue_ids[q], user): n for (q, user), n in unsure.items()
                                 if q in queue_ids}), bounced)


# The test ----------------------------------------------------------------------------------

def prepare(world, rng, options):
    users = [world.here, world.there] + [world.user(3) for _ in range(SWITCHING + 2)]
    here, there = users[-2:]
    world.move(here)
    client = world.session(there)
    world.ferry.ok("route", there, "source")
    client.logout()
    aliases = {f"alias-{user}": at(user) for user in users}
    world.lab.postfix.write_tables(world.lab.users, aliases)
    for alias, user in aliases.items():
        world.ferry.ok("alias", "add", at(alias), user.split("@")[0])
    return Post(rng, users, options.count)


def send_all(world, post, postfix, rng):
    """Returns how often what was killed."""
    sessions = [Session(world, post, postfix, rng.random()) for _ in range(SESSIONS)]
    chaos = Chaos(world, random.Random(rng.random()))
    try:
        switch_one_by_one(world, post.users[2:2 + SWITCHING], post, rng)
        for session in sessions:
            session.join(PATIENCE)
    finally:
        chaos.stop()
    true(not any(session.is_alive() for session in sessions), "sessions have ended")
    return chaos.kills


def come_to_rest(world, post, postfix):
    wait_until("the sender's queue to be empty", lambda: postfix.queued() == 0, 120, 0.2)
    wait_until("the source's queue to be empty", lambda: world.lab.postfix.queued() == 0, 60, 0.2)
    for user in post.users[2:2 + SWITCHING]:
        again(lambda user=user: world.session(user).logout())
        world.ferry.wait_account(user, stage="done", route="local", timeout=120)


class Soaked(Mail):
    """options.tls: mailferry has keys; options.exim: the source's mail server."""

    def __init__(self, options):
        super().__init__(postfix=not options.exim)
        self.options = options

    def __enter__(self):
        if self.options.exim:
            self.lab.postfix = DeliveringExim(self.lab.folder, self.lab.source, self.server)
        start = self.ferry.start

        def prepared():
            self.ferry.start = start
            if self.options.tls:
                tls.hold_keys(self)
            return start()
        self.ferry.start = prepared
        return super().__enter__()


class Filtered(Soaked):
    """Nine of ten messages pass, with a line more; else it breaks off in the middle, says nothing
    for longer than we wait, or puts the message off."""

    def __init__(self, options):
        super().__init__(options)
        self.filter = milter.Milter(self.lab.router, 11332)
        self.rng = random.Random()
        self.ferry.settings.update({"milter": [self.filter.name], "milter_content_timeout": 2})
        self.filter.answers = {"END": self.verdict}

    def verdict(self, _):
        if self.rng.random() < 0.9:
            return milter.insert(0, b"X-Filtered", b"1") + milter.ACCEPT
        return self.rng.choice((milter.DIES, milter.HANGS, milter.TEMPFAIL))

    def __enter__(self):
        super().__enter__()
        self.lab.at_down.append(self.filter.stop)
        self.filter.start()
        return self


def soak(world, options):
    rng = random.Random(options.seed)
    post = prepare(world, rng, options)
    post.is_filtered = options.filter
    postfix = SendingPostfix(world.lab.folder / "sender", world.lab.client)
    postfix.start()
    began = time.monotonic()
    try:
        kills = send_all(world, post, postfix, rng)
        come_to_rest(world, post, postfix)
        unsure, bounced = unsure_by_postfix(postfix.log_text(), post)
    finally:
        postfix.stop()
    pairs = sum(1 for to, _ in post.made for name in to if name not in UNKNOWN)
    print(f"    seed {options.seed}: {options.count} messages, {pairs} deliveries in "
          f"{time.monotonic() - began:.0f} s; killed: {dict(kills)}", flush=True)
    nothing(bounced, "bounced")
    nothing(post.wrong, "wrong answers")
    unsure += post.unsure
    wrong, twice, late = [], 0, 0
    for user in post.users:
        arrived = Arrived(world, user, post)
        wrong += check(user, arrived, post, unsure)
        twice += len(arrived.all) - len({c.number for c in arrived.all})
        late += len(arrived.late) if arrived.here else 0
    print(f"    final answers but 250: {dict(post.answers)}")
    print(f"    repeated by the sender: {sum(unsure.values())}, of them came twice: {twice}; "
          f"in the source's queue at a switch: {late}", flush=True)
    nothing(wrong, "deliveries")
    equal(world.ferry.programs_run(), True, "all programs run")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--seed", type=int, default=random.randrange(1000))
    for name in ("--filter", "--tls", "--bdat", "--exim"):
        parser.add_argument(name, action="store_true")
    options = parser.parse_args()

    @harness.case
    def each_message_reaches_each_recipient_once(world):
        soak(world, options)
    world = Filtered if options.filter else Soaked
    harness.main(lambda: world(options), [])


main()
