#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many accounts at once: the scheduler and its processes at a source that counts how it is
used, that refuses some of them for now, and that lets one hang.

    test_crowd.py MAILFERRY_TRANSFER REGISTRY_TOOL [--accounts N] [WORD...]
"""
import contextlib
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent)
ACCOUNTS = 100
if "--accounts" in sys.argv:
    ACCOUNTS = int(sys.argv.pop(sys.argv.index("--accounts") + 1))
    sys.argv.remove("--accounts")
from crowd import CrowdServer  # noqa: E402
from one_account import PROGRAM, OneAccount, case, equal, main, true, wait_until  # noqa: E402

BEGIN = re.compile(r" begin account=(\S+) ")


class Crowd(OneAccount):
    def __init__(self):
        super().__init__(CrowdServer())
        self.tool("event", self.name, "cancel")  # the one that the others have
        self.lines = []
        self.largest = 0

    def services(self):
        return f" imap {{\n upstream = {self.server.port}\n }}"

    def environment(self):
        return {**super().environment(), "MALLOC_ARENA_MAX": "1"}

    def add_accounts(self, n, sizes):
        users = [f"user{k}" for k in range(n)]
        self.largest = max(sizes)
        for user in users:
            self.server.add(user, sizes)
            self.tool("capture", user, "secret")
            self.tool("event", user, "due")
        return users

    @contextlib.contextmanager
    def scheduler(self, **settings):
        self.settings.update(settings)
        self.write_config()
        scheduler = subprocess.Popen([PROGRAM, "-c", self.config], env=self.environment(),
                                     stderr=subprocess.PIPE, text=True)
        reader = threading.Thread(target=lambda: self.lines.extend(scheduler.stderr), daemon=True)
        reader.start()
        try:
            yield
        finally:
            scheduler.terminate()
            equal(scheduler.wait(60), 0, "exit code")
            reader.join()
        true(not any("Sanitizer" in x for x in self.lines), "".join(self.lines)[-3000:])

    def states(self):
        return dict(self.rows("SELECT name, route || '/' || stage FROM account",
                              "state/registry.sqlite"))

    def wait_all(self, users, state, seconds):
        def reached():
            states = self.states()
            return all(states[user] == state for user in users)
        try:
            wait_until(f"{len(users)} accounts {state}", reached, seconds)
        except AssertionError as error:
            states = self.states()
            odd = {u: states[u] for u in users if states[u] != state}
            raise AssertionError(f"{error}: {odd}\n{''.join(self.lines)[-3000:]}") from None

    def complete(self, users):
        for self.name in users:
            found = {name: {} for name, in self.rows("SELECT name FROM mailbox")}
            for folder, uid, *place in self.rows(
                    "SELECT b.name, m.uid, m.pack, m.offset, m.len FROM message m"
                    " JOIN mailbox b ON b.id = m.mailbox"):
                found[folder][uid] = self.body(*place)
            equal(found, {name: {uid: m[2] for uid, m in folder.messages.items()}
                          for name, folder in self.server.mailboxes[self.name].items()},
                  f"mail of {self.name}")
            equal(self.certificate()["result"], "equal", f"certificate of {self.name}")

    def begun(self):
        """Accounts in the order in which they were begun."""
        return list(dict.fromkeys(m[1] for m in map(BEGIN.search, self.lines) if m))


def check(world, limits):
    """The most in any window of a second and of ten, as the source has counted it, beside the
    rate. Beyond it: one login, since they are spaced; what one command brings (a quarter of
    a second's worth, or one large message); what came while the source did not run, on a busy
    machine; of bytes, too, the listings and the other answers, which are paid for after they
    have come, by a read for each process."""
    meters, late = world.server.meters, world.server.pulse.late
    print("   " + ";".join(f" {what} {m.total()}, {m.most(1)} in 1 s, {m.most(10)} in 10 s"
                           for what, m in meters.items())
          + f"; {world.server.open_most} connections; late by {late:.2f} s", flush=True)
    true(world.server.open_most <= limits["transfers"] * limits["source_connections"],
         f"{world.server.open_most} connections at once")
    logins, messages, kilobytes = (limits.get(f"source_{what}", 0)
                                   for what in ("logins", "messages", "kilobytes"))
    for what, rate, more in (
            ("logins", logins / 60, 1),
            ("messages", messages, messages / 4),
            ("bytes", kilobytes * 1024,
             16384 * limits["transfers"] + max(kilobytes * 256, world.largest))):
        for window in (1, 10):
            most = meters[what].most(window)
            true(not rate or most <= rate * (window + late) + more, f"{what} in {window} s: {most}")


@case
def all_at_once_within_the_limits(world):
    users = world.add_accounts(ACCOUNTS, [200, 3000, 400, 600, 2000, 100])
    limits = {"transfers": 8, "source_connections": 1, "source_logins": 300,
              "source_messages": 60, "source_kilobytes": 100}
    began = time.monotonic()
    with world.scheduler(limits=limits):
        world.wait_all(users, "local/done", 500)
    print(f"    {len(users)} accounts in {time.monotonic() - began:.1f} s", flush=True)
    world.complete(users)
    equal(world.begun(), users, "begun in the order in which they came: none starves")
    check(world, limits)


@case
def many_small_messages_come_at_the_rate(world):
    """One command could bring thousands of them in one piece."""
    users = world.add_accounts(4, [50] * 60)
    limits = {"transfers": 4, "source_connections": 1, "source_messages": 20}
    with world.scheduler(limits=limits):
        world.wait_all(users, "local/done", 120)
    world.complete(users)
    check(world, limits)


@case
def large_messages_come_at_the_rate(world):
    users = world.add_accounts(4, [300_000] * 3)
    limits = {"transfers": 4, "source_connections": 1, "source_kilobytes": 400}
    with world.scheduler(limits=limits):
        world.wait_all(users, "local/done", 120)
    world.complete(users)
    check(world, limits)


@case
def some_are_refused_and_one_hangs(world):
    """The source is backed off from, the others go on, and so do they."""
    users = world.add_accounts(24, [200, 300])
    words = ("[LIMIT] too many", "[THROTTLED] not so fast", "[INUSE] locked")
    refused = dict(zip(users[3::5], words))
    for user, text in refused.items():
        world.server.refusals[user] = [text, text]
    hangs = users[4]
    world.server.refusals[hangs] = [None]
    limits = {"transfers": 4, "source_connections": 1}
    with world.scheduler(limits=limits):
        world.wait_all([u for u in users if u != hangs], "local/done", 240)
        equal(world.states()[hangs], "source/copying", "the one that hangs")
        world.server.silent.set()
        world.wait_all([hangs], "local/done", 60)
    world.complete(users)
    check(world, limits)
    for world.name in users:
        equal(world.account("attempts, last_error"), (1, ""), f"attempts of {world.name}")
    tried = world.server.logged_in
    equal([sum(u == user for _, u in tried) >= 3 for user in refused], [True] * 3, "tries")
    # those that had connected by then go on; 0.9: the penalty is a second or more
    for n, (when, user) in enumerate(tried):
        if user in refused and sum(u == user for _, u in tried[:n + 1]) <= 2:
            soon = [u for t, u in tried[n + 1:] if t < when + 0.9]
            true(len(soon) < limits["transfers"], f"logins behind the refusal of {user}: {soon}")


@case
def all_log_off_at_once(world):
    users = world.add_accounts(ACCOUNTS, [200, 300])
    world.interceptor.logged_in |= {user.encode() for user in users}
    limits = {"transfers": 50, "source_connections": 1}
    with world.scheduler(limits=limits, live=False):
        world.wait_all(users, "source/catching-up", 240)
        wait_until("all places to be free", lambda: sum(
            " parked" in line for line in world.lines) >= len(users), 60)
        began = time.monotonic()
        for user in users:
            world.interceptor.log_off(user.encode())
        world.wait_all(users, "local/done", 240)
        print(f"    done {time.monotonic() - began:.1f} s after the log-off", flush=True)
    world.complete(users)
    check(world, limits)
    for world.name in users:
        equal(world.account("attempts, last_error"), (1, ""), f"attempts of {world.name}")


main(Crowd)
