#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of an account's process at each protocol step (steps.py) of its crossing, of a
sweep and of the way back, and what becomes of it: the same as when nothing happens.

    test_steps.py MAILFERRY_TRANSFER REGISTRY_TOOL [--every N] [WORD...]

Each step is a crossing of its own, of a new account: up to the step, the kill, and on to
the end. --every N: one step of N, for ./test; by hand it takes all.
"""
import signal
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent)
EVERY = 1
if "--every" in sys.argv:
    EVERY = int(sys.argv.pop(sys.argv.index("--every") + 1))
    sys.argv.remove("--every")
from fake_interceptor import LOGGED_OFF  # noqa: E402
from imap_world import CHANGING, ImapWorld  # noqa: E402
from mini_server import CHANGES, Folder  # noqa: E402
from mini_writer import WritableServer  # noqa: E402
from one_account import (OVER, PROGRAM, case_of, equal, main, true,  # noqa: E402
                         wait_until)
from pop3_world import Pop3World  # noqa: E402
from steps import Relay, Steps, kill_and_wait  # noqa: E402

BITS = {"\\Seen": 1, "\\Answered": 2, "\\Flagged": 4, "\\Deleted": 8, "\\Draft": 16}
RECENT = 32
DATE = "%d-Feb-2003 04:05:06 +0100"
KEPT = "route, stage, pin, uids_kept, uidls_kept, folders, last_error"


def moment(text):
    date = datetime.strptime(text, "%d-%b-%Y %H:%M:%S %z")
    return int(date.timestamp()), int(date.utcoffset().total_seconds() // 60)


def message(flags, date, body):
    """As the store has it."""
    words = flags.split()
    return (sum(BITS[w] for w in words if w in BITS),
            " ".join(sorted(w for w in words if w not in BITS)), *moment(date), len(body), body)


class Stepped:
    """Crossings of one new account after the other, at a source that is filled anew for each
    of them. What happens at the source meanwhile happens once, whoever is killed."""

    def begin(self):
        self.steps = Steps()
        self.server.step = self.interceptor.step = self.steps.take
        self.interceptor.before = self._meanwhile
        self.happened = set()
        self.number = 0

    def new_account(self):
        self.number += 1
        self.name = f"user{self.number}"
        self.happened.clear()
        self.fill()
        self.server.commands.clear()
        self.tool("capture", self.name, "secret")
        self.tool("event", self.name, "due")

    def once(self, what):
        if what not in self.happened:
            self.happened.add(what)
            getattr(self, what)()

    def _meanwhile(self, kind, number):
        if kind == "AWAIT_LOGOFF":
            self.once("while_it_is_copied")
        elif kind == "QUIESCE" and number == LOGGED_OFF:
            self.once("in_the_last_moment")

    def run_killed_at(self, number, task=()):
        """Whether it had such a step. Undisturbed with 0. Who says LOGOUT does not wait for
        the answer: it may be over by then."""
        process = None
        self.steps.begin(number, lambda: kill_and_wait(process))
        process = self.start(*task)
        _, log = process.communicate(timeout=60)
        killed = self.steps.fired
        true(process.returncode in ((-signal.SIGKILL, OVER) if killed else (OVER,)),
             f"exit code {process.returncode}\n{log}")
        true("Sanitizer" not in log and "runtime error" not in log, log)
        self.taken = list(self.steps.taken)
        self.steps.end()
        return killed

    def kept(self):
        """What the registry says of it, times aside."""
        found = self.certificate() if self.account("certificate")[0] else {}
        return (self.account(KEPT), found.get("result"), found.get("messages"),
                [(f["name"], f["result"]) for f in found.get("folders", [])])

    def served_from_one_side(self):
        """At the moment of the kill. Where the account is the source's, its user goes on
        there; where it lives here, it is complete."""
        route = self.account("route")[0]
        if route == "local":
            self.same()
        elif route == "source":
            self.once("while_nobody_looks")
        return route


def each_step(world, one, reference):
    """one(number) up to that step; False when it has no such step."""
    names, number = [], 1
    while one(number):
        names.append(world.taken[-1])
        number += EVERY
    true(number > reference * 0.9, f"{number - 1} steps, and {reference} undisturbed")
    told = ", ".join(f"{n} × {word}" for word, n in Counter(names).most_common(6))
    print(f"    {len(names)} kills in {reference} steps: {told}", flush=True)


# ── a crossing ──────────────────────────────────────────────────────────────────────


def crossing(world):
    world.new_account()
    world.run_killed_at(0)
    world.arrived()
    undisturbed = len(world.taken)

    def one(number):
        world.new_account()
        if not world.run_killed_at(number):
            world.arrived()
            return False
        at = f"step {number}, {world.taken[-1]}"
        try:
            if world.served_from_one_side() != "local":
                world.run()
            world.arrived()
        except AssertionError as error:
            raise AssertionError(f"{at}: {error}") from error
        return True
    each_step(world, one, undisturbed)


class ImapSteps(Stepped, ImapWorld):
    def __init__(self, server=None):
        super().__init__(server)
        self.begin()

    def make(self, name, uidvalidity, uids):
        folder = self.server.folders[name] = Folder(uidvalidity)
        for uid in uids:
            folder.add(uid, b"Subject: %d\r\n\r\n%s\r\n" % (uid, b"x" * uid * 50),
                       ("", "\\Seen", "\\Flagged $label1")[uid % 3], DATE.replace("%d", f"{uid % 28 + 1:02}"))

    def fill(self):
        self.server.folders.clear()
        self.server.subscriptions = ["INBOX", "Work"]
        self.make("INBOX", 7, (2, 4, 6, 9))
        self.make("Work", 8, (1, 3))

    def while_it_is_copied(self):
        inbox = self.server.folders["INBOX"]
        inbox.add(20, b"Subject: 20\r\n\r\ncaught up with\r\n")
        inbox.messages[4] = ("\\Answered", *inbox.messages[4][1:])
        del inbox.messages[2]
        self.make("Later", 9, (5,))

    def in_the_last_moment(self):
        inbox = self.server.folders["INBOX"]
        inbox.add(30, b"Subject: 30\r\n\r\nlate\r\n", "\\Flagged")
        inbox.messages[6] = ("\\Seen", *inbox.messages[6][1:])

    def while_nobody_looks(self):
        self.server.folders["Work"].add(40, b"Subject: 40\r\n\r\nwhile it was dead\r\n")

    def here(self):
        boxes = {name: (uidvalidity, uidnext, {}) for name, uidvalidity, uidnext in
                 self.rows("SELECT name, uidvalidity, uidnext FROM mailbox")}
        for name, uid, flags, keywords, date, zone, size, *place in self.rows(
                "SELECT b.name, m.uid, m.flags, m.keywords, m.date, m.zone, m.size, m.pack,"
                " m.offset, m.len FROM message m JOIN mailbox b ON b.id = m.mailbox"):
            boxes[name][2][uid] = (flags & ~RECENT, " ".join(sorted(keywords.split())), date,
                                   zone, size, self.body(*place))
        return boxes, sorted(n for (n,) in self.rows("SELECT name FROM subscription"))

    def there(self):
        return ({name: (f.uidvalidity, f.uidnext, {u: message(*m) for u, m in f.messages.items()})
                 for name, f in self.server.folders.items()}, sorted(self.server.subscriptions))

    def same(self):
        equal(self.here(), self.there(), "mail")

    def arrived(self):
        equal(self.account(KEPT), ("local", "done", "auto", 1, -1, 3, ""), "the account")
        self.same()
        equal(self.kept()[1:3], ("equal", sum(len(f.messages) for f in
                                              self.server.folders.values())), "certificate")
        equal(self.rows("SELECT service FROM account"), [("served",)], "mark")
        equal(self.happened & {"while_it_is_copied", "in_the_last_moment"},
              {"while_it_is_copied", "in_the_last_moment"}, "what happened")
        for command in self.server.commands:
            true(not command.upper().startswith(CHANGING), f"changes the source: {command}")


class Pop3Steps(Stepped, Pop3World):
    def __init__(self):
        super().__init__()
        self.begin()

    def fill(self):
        wait_until("the maildrop to be free", lambda: not self.server.held_by)
        self.server.messages = []
        for n in range(1, 5):
            self.server.add(f"u{n}", b"Subject: %d\r\n\r\n.hello\r\n..\r\n" % n)

    def while_it_is_copied(self):
        self.server.add("more", b"Subject: more\r\n\r\nmore\r\n")
        self.server.remove("u2")

    def in_the_last_moment(self):
        self.server.add("late", b"Subject: late\r\n\r\nlate\r\n")

    def while_nobody_looks(self):
        self.server.add("dead", b"Subject: dead\r\n\r\nwhile it was dead\r\n")

    def run(self, *arguments, **words):
        wait_until("the maildrop to be free", lambda: not self.server.held_by)
        return super().run(*arguments, **words)

    def arrived(self):
        equal(self.account(KEPT), ("local", "done", "auto", -1, 1, 1, ""), "the account")
        self.same()
        equal(self.kept()[1:3], ("equal", len(self.server.messages)), "certificate")
        equal(self.rows("SELECT service FROM account"), [("served",)], "mark")
        equal(self.server.count("DELE"), 0, "DELE")


@case_of(ImapSteps)
def by_imap(world):
    crossing(world)


@case_of(ImapSteps)
def by_imap_that_says_what_has_changed(world):
    world.server.capability += CHANGES
    crossing(world)


@case_of(Pop3Steps)
def by_pop3(world):
    crossing(world)


# ── what still comes there ──────────────────────────────────────────────────────────


class SweepSteps(ImapSteps):
    """An account that lives here, and the mailstore behind a relay."""

    def __init__(self):
        super().__init__()
        self.new_account()
        self.run()
        self.arrived()
        self.mailstore = subprocess.Popen(  # pylint: disable=R1732
            [Path(PROGRAM).parent / "mailferry-mailstore", "-c", self.config],
            env=self.environment(), stderr=open(self.folder / "mailstore.log", "ab"))
        path = self.folder / "run/mailstore.sock"
        wait_until("the mailstore", path.exists)
        self.relay = Relay(path)
        self.relay.step = self.steps.take
        self.rounds = 0

    def __exit__(self, *arguments):
        self.mailstore.terminate()
        self.mailstore.wait()
        self.relay.close()
        super().__exit__(*arguments)

    def late_mail(self):
        """What comes there by itself: its bodies."""
        self.rounds += 1
        bodies = []
        for folder, n, flags in (("INBOX", 1, ""), ("INBOX", 2, "\\Flagged $label1"),
                                 ("Work", 3, "\\Seen")):
            bodies.append(b"Subject: %d-%d\r\n\r\nlate\r\n" % (self.rounds, n))
            to = self.server.folders[folder]
            to.add(to.uidnext, bodies[-1], flags)
        return bodies

    def found(self):
        return Counter(m[-1] for _, _, messages in self.here()[0].values()
                       for m in messages.values())


def sweep(world, victim=None):
    def one(number):
        bodies = world.late_mail()
        killed = world.run_killed_at(number, ("--sweep",))
        if killed:
            world.run(task=("--sweep",))
        found = world.found()
        at = f"step {number}, {world.taken[-1]}"
        equal([found[body] for body in bodies], [1, 1, 1], f"{at}: how often each is here")
        equal(sum(found.values()), before + 3 * world.rounds, f"{at}: all that is here")
        equal(world.state(), "local/done", at)
        for command in world.server.commands:
            true(not command.upper().startswith(CHANGING), f"changes the source: {command}")
        return killed
    before = sum(world.found().values())
    one(0)
    each_step(world, one, len(world.taken))


@case_of(SweepSteps)
def a_sweep(world):
    sweep(world)


# ── the way back ────────────────────────────────────────────────────────────────────


class BackSteps(ImapSteps):
    """Accounts that live here, with news that the source does not have."""

    def __init__(self):
        super().__init__(WritableServer())

    def lives_here(self):
        self.new_account()
        self.run()
        self.arrived()
        self.server.commands.clear()
        self.tool("live", self.name)
        self.happened.add("while_nobody_looks")  # of a crossing

    @staticmethod
    def content(boxes):
        """{folder: Counter of its messages}, UIDs aside."""
        return {name: Counter(messages.values()) for name, (_, _, messages) in boxes.items()}

    def is_back(self, here):
        equal(self.account("route, stage, last_error"), ("source", "idle", ""), "the account")
        equal(self.rows("SELECT service FROM account"), [("left",)], "mark")
        self.is_there(here)

    def is_there(self, here):
        boxes, subscriptions = self.there()
        equal(self.content(boxes), self.content(here[0]), "at the source")
        equal(subscriptions, here[1], "subscriptions there")

    def there_again(self, here):
        """And over once more: nothing is lost or doubled by it."""
        self.rows(f"UPDATE account SET pin = 'auto' WHERE name = '{self.name}'",
                  "state/registry.sqlite")
        self.tool("event", self.name, "due")
        self.run()
        self.same()
        equal(self.content(self.here()[0]), self.content(here[0]), "after all of it")


@case_of(BackSteps)
def the_way_back(world):
    def one(number):
        world.lives_here()
        here = world.here()
        killed = world.run_killed_at(number, ("--return",))
        at = f"step {number}, {world.taken[-1]}"
        try:
            if killed and world.account("route")[0] == "source":
                world.is_there(here)
            elif killed:
                world.run(task=("--return",))
            world.is_back(here)
            world.there_again(here)
        except AssertionError as error:
            raise AssertionError(f"{at}: {error}") from error
        return killed
    one(0)
    each_step(world, one, len(world.taken))


main(ImapSteps)
