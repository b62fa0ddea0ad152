# SPDX-License-Identifier: GPL-3.0-or-later
"""A test script is functions marked @case and main(). Each gets the script's World: one
lab, one mailferry; a case that needs a mailbox takes a user of its own from it.

    ./test_x.py            all cases
    ./test_x.py WORD...    those whose name has one of the words
"""
import contextlib
import os
import signal
import sqlite3
import sys
import time
import traceback
from pathlib import Path

from . import compare, mail
from .ferry import Ferry
from .imap import Imap
from .laboratory import Lab
from .network import SOURCE_ADDRESS, client_address
from .processes import wait_until

CASES = []
SKIPPED = 77  # as tests/lab/CMakeLists.txt tells ctest


class Skipped(Exception):
    """The old server does not offer what the case is about."""


def case(function):
    CASES.append(function)
    return function


def table(rows):
    """A case for each row: (name, argument...)."""
    def decorate(function):
        for row in rows:
            def one(world, row=row):
                function(world, *row[1:])
            one.__name__ = f"{function.__name__}: {row[0]}"
            one.table = function.__name__
            CASES.append(one)
        return function
    return decorate


def equal(got, wanted, what="value"):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r:.500}, wanted {wanted!r:.500}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def nothing(lines, what):
    """lines: what should not be there, e.g. differences."""
    if lines:
        raise AssertionError(f"{what}: {len(lines)} lines\n  " + "\n  ".join(lines[:20]))


def send_steps(client, steps, goes_on, split=False):
    """Sends what a client says at its login; at None it waits for a line. The line that does
    not go on with it, or None: all of it was said. split: a byte in each packet."""
    for step in steps:
        if step is None:
            answer = client.line()
            if not answer.startswith(goes_on):
                return answer
        elif split:
            for n in range(len(step)):
                client.send(step[n:n + 1])
                time.sleep(0.002)  # a packet each: Nagle is off where it matters
        else:
            client.send(step)
    return None


class World:
    """A lab with mailferry on its router (ferry=False: plain routing)."""

    def __init__(self, ferry=True, settings=None, **lab_options):
        # Their lines exist from the start: a line that comes later costs a second.
        users = {f"user{n}": f"secret-{n}" for n in range(1, 100)}
        self.lab = Lab(users=users, **lab_options)
        self.ferry = Ferry(self.lab, **(settings or {})) if ferry else None
        self.numbers = 0

    def __enter__(self):
        self.lab.up()
        try:
            if self.ferry:
                self.ferry.start()
        except BaseException:
            if self.ferry:
                print(self.ferry.log_tail(), file=sys.stderr)
            self.lab.down()
            raise
        return self

    def __exit__(self, *_):
        self.lab.down()

    @property
    def server(self):
        """The old one."""
        return self.lab.server

    def user(self, messages=60, password=None, mailbox=None):
        """A new user at the source with their mailbox; returns their name."""
        self.numbers += 1
        name = f"user{self.numbers}"
        self.server.add_user(name, password or self.password(name))
        self.server.fill(name, mailbox or mail.generate(name, messages))
        return name

    def password(self, user):
        return self.server.users[user]

    def address(self, user, family=4):
        """Each user comes from an address of their own (twenty of them in turn)."""
        digits = "".join(letter for letter in user if letter.isdigit()) or "0"
        return client_address(11 + int(digits) % 20, family)

    def connect(self, user="", family=4, timeout=30):
        """A socket of the client to the source's IMAP port, by way of the router."""
        return self.lab.connect(143, self.address(user, family), family, timeout)

    def imap(self, user="", family=4):
        return Imap(self.connect(user, family))

    def session(self, user, family=4):
        """A logged-in connection."""
        client = self.imap(user, family)
        answer = client.login(user, self.password(user))
        true(b" OK " in answer, f"login of {user}: {answer!r}")
        return client

    def here(self, user):
        """A snapshot as a client sees it."""
        return compare.snapshot(self.connect(user), user, self.password(user))

    def at_source(self, user):
        """A snapshot taken at the old server itself, past the router."""
        return compare.snapshot(self.direct(), user, self.password(user))

    def direct(self):
        return self.lab.source.connect(SOURCE_ADDRESS[0], 143)

    def source_logins(self, user):
        """Addresses of this user's own logins at the source, in order: neither the lab's
        (made there) nor the transfer's (made on the router)."""
        return [address for _, address in self.server.logins(user)
                if address.startswith(("192.0.2.", "2001:db8:c:"))]

    def expect_source_logins(self, user, *addresses):
        """These logins of the user are in the source's log, and no other: its writer is a
        process of its own, so a line may come late."""
        try:
            wait_until("logins", lambda: len(self.source_logins(user)) >= len(addresses), 20)
        except TimeoutError:
            pass  # equal() says it better
        equal(self.source_logins(user), list(addresses), f"{user}'s logins at the source")

    def move(self, user, timeout=60):
        """Log in, log off, and wait until they are served here."""
        self.session(user).logout()
        return self.ferry.wait_account(user, timeout, stage="done", route="local")


@contextlib.contextmanager
def ferry_with(world, **settings):
    """`up` with these settings for a while."""
    before = dict(world.ferry.settings)
    world.ferry.stop()
    world.ferry.settings.update(settings)
    world.ferry.start()
    try:
        yield
    finally:
        world.ferry.stop()
        world.ferry.settings.clear()
        world.ferry.settings.update(before)
        world.ferry.start()


def signal_transfer(world, sign):
    for pid in world.ferry.processes("transfer"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)


def registry(world, *statement):
    path = Path(world.ferry.settings["state_dir"]) / "registry.sqlite"
    with contextlib.closing(sqlite3.connect(path, timeout=5)) as database, database:
        return database.execute(*statement).fetchall()


def has_stopped(pid):
    """By SIGSTOP; or it is no more."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] in "TZ"


def stop_transfer(world):
    """Not inside a transaction of its own: nobody else could write until it goes on."""
    def stopped():
        signal_transfer(world, signal.SIGSTOP)
        wait_until("the transfer to stop", lambda: all(
            has_stopped(pid) for pid in world.ferry.processes("transfer")))
        try:
            registry(world, "BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            signal_transfer(world, signal.SIGCONT)
            if "locked" not in str(error):
                raise
            return False
        return True
    wait_until("the transfer outside of a transaction", stopped, 60)


@contextlib.contextmanager
def busy(world, user, log_off=None):
    """Inside: their copy is complete, their route is busy and stays so. log_off: ends the
    session that they have; else they get one by IMAP, in the middle of a command, as it cannot
    change sides before the transfer is stopped."""
    if not log_off:
        client = world.session(user)
        client.send(b"M APPEND INBOX {9}\r\n")
        true(client.line().startswith(b"+ "), "it goes on")
        log_off = client.close
    world.ferry.wait_account(user, stage="catching-up")
    try:
        stop_transfer(world)
        log_off()
        registry(world, "UPDATE account SET route='busy', stage='switching', busy_since=?"
                        " WHERE name=?", (int(time.time() * 1000), user))
        yield
    finally:
        signal_transfer(world, signal.SIGCONT)


def tables_without_a_row(cases, skipped):
    """Names of tables of which all rows that were chosen, and more than one, were skipped:
    such a table shows nothing."""
    empty = []
    for name in sorted({c.table for c in cases if hasattr(c, "table")}):
        rows = [c for c in cases if getattr(c, "table", None) == name]
        if len(rows) > 1 and all(c in skipped for c in rows):
            empty.append(name)
    return empty


def run_cases(world, cases):
    """(names of those that failed, those that were skipped)"""
    failed, skipped = [], []
    for function in cases:
        began = time.monotonic()
        try:
            function(world)
        except Skipped as why:
            skipped.append(function)
            print(f"- {function.__name__} skipped: {why}", flush=True)
        except Exception:  # pylint: disable=W0718
            failed.append(function.__name__)
            print(f"✗ {function.__name__}\n{traceback.format_exc()}")
            if world.ferry:
                print(f"--- mailferry's log\n{world.ferry.log_tail()}\n---", flush=True)
        else:
            print(f"✓ {function.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
    for name in tables_without_a_row(cases, skipped):
        failed.append(name)
        print(f"✗ {name}: all its rows were skipped")
    return failed, skipped


def main(make_world=World, words=None):
    """Runs the script's cases in one world; exits 1 when one has failed."""
    if os.geteuid() != 0:
        print("skipped: the lab needs root")
        sys.exit(SKIPPED)
    words = sys.argv[1:] if words is None else words
    chosen = [c for c in CASES if not words or any(w in c.__name__ for w in words)]
    with make_world() as world:
        failed, skipped = run_cases(world, chosen)
        if world.ferry:
            status = world.ferry.stop()
            for complaint in world.ferry.complaints():
                failed.append("sanitizer")
                print("✗ " + complaint)
            if status not in (0, None):
                failed.append("exit status")
                print(f"✗ mailferry up: exit {status} after SIGTERM\n{world.ferry.log_tail()}")
    print(f"{len(chosen) - len(failed) - len(skipped)} passed, {len(failed)} failed, "
          f"{len(skipped)} skipped")
    sys.exit(1 if failed or not chosen else 0)
