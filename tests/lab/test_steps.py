#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of each of our programs exactly at a protocol step at the old server, of a whole
crossing, of a sweep and of the way back: the end is the same, without a hand.

    test_steps.py [--every N] [WORD...]     every N-th step for each program; 1 is all

The steps are counted by a relay before the old server (steps_relay.py). tests/transfer has
the same for the account's process alone, step by step (test_steps.py there).
"""
import argparse
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare, mail  # noqa: E402
from lab.harness import (World, case, equal, ferry_with, main, nothing,  # noqa: E402
                         true)
from lab.processes import wait_until  # noqa: E402
from lab.steps_relay import PORT, StepsRelay  # noqa: E402

PATIENCE = 90
VICTIMS = {  # which of its processes, oldest first
    "account's process": ("transfer", -1),
    "transfer's master": ("transfer", 0),
    "vault": ("vault", 0),
    "worker": ("interceptor", -1),
    "mailstore's process": ("mailstore", -1),
    "mailstore's master": ("mailstore", 0),
}
EVERY = 1


class Steps(World):
    def __enter__(self):
        self.lab.up()
        self.relay = StepsRelay(self.lab.source)
        self.lab.at_down.append(self.relay.close)
        self.ferry.start()
        return self

    def kill(self, victim):
        program, which = VICTIMS[victim]
        pids = self.ferry.processes(program)
        if pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[which], signal.SIGKILL)

    def patiently(self, what, act):
        """A client that tries again, as they do."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return act()
            except (OSError, EOFError, AssertionError):
                true(time.monotonic() < end, f"{what}: waited {PATIENCE} s")
                time.sleep(0.2)

    def log_in_and_out(self, user):
        self.patiently("a login", lambda: self.session(user).logout())

    def snapshot(self, user):
        return self.patiently("a snapshot", lambda: self.here(user))

    def up(self):
        wait_until("all programs", self.ferry.programs_run, PATIENCE, 0.05)


def small(seed):
    """Two folders, so that there are not too many steps."""
    mailbox = mail.generate(seed, 8)
    del mailbox.folders[2:]
    return mailbox


def each_step(world, victims, one):
    """one(number, kill): all of it, with kill() in that step; a victim is through once there
    was no such step."""
    for victim in victims:
        steps, killed, began = 1 + list(VICTIMS).index(victim) % EVERY, [], time.monotonic()
        while True:
            world.up()
            taken = []

            def kill(what, victim=victim, taken=taken):
                taken.append(what)
                world.kill(victim)
            try:
                one(steps, kill)
            except (AssertionError, TimeoutError) as error:
                raise AssertionError(f"{victim}, step {steps}, {taken}: {error}") from error
            if not taken:
                break
            killed += taken
            steps += EVERY
        true(killed, f"{victim}: no kill")
        told = ", ".join(f"{n} × {word}" for word, n in Counter(killed).most_common(4))
        print(f"    {victim}: {len(killed)} kills, {told} ({time.monotonic() - began:.0f} s)",
              flush=True)


# ── what still comes there ──────────────────────────────────────────────────────────


@case
def a_sweep(world):
    """The first case: nobody else is swept then, whose steps would be counted."""
    with ferry_with(world, sweep=1):
        sweep(world)


def sweep(world):
    user = world.user(mailbox=small("swept"))
    world.move(user)
    rounds = []

    def one(number, kill):
        wanted = [f"late-{len(rounds)}-{n}" for n in range(3)]
        rounds.append(wanted)
        world.relay.begin(number, kill)
        for token in wanted:
            world.server.deliver(user, b"Subject: %s\r\n\r\nlate\r\n" % token.encode())
        # the first that ends after it may have begun before
        last_look(world, user, last_look(world, user, time.time() * 1000))
        world.relay.begin(0, None)
        once(world, user, rounds)
    each_step(world, ("account's process", "transfer's master", "mailstore's process",
                      "mailstore's master"), one)


def subjects(world, user):
    client = world.patiently("a login", lambda: world.session(user))
    client.ok("EXAMINE INBOX")
    lines = b"".join(client.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]"))
    client.logout()
    return Counter(line[9:].decode() for line in lines.split(b"\r\n")
                   if line.startswith(b"Subject: late-"))


def last_look(world, user, since):
    """When the look ended that is the first to end well after since (ms)."""
    def look():
        swept = world.ferry.account(user)["swept"] or {}
        at = swept.get("looked_at") or 0
        return at if at > since and not swept["error"] else None
    return wait_until("a look", look, PATIENCE, 0.1)


def once(world, user, rounds):
    equal(subjects(world, user), Counter(t for tokens in rounds for t in tokens), "late mail")


# ── a crossing ──────────────────────────────────────────────────────────────────────


@case
def a_crossing(world):
    mailbox = small("steps")

    def one(number, kill):
        user = world.user(mailbox=mailbox)
        before = world.at_source(user)
        world.relay.begin(number, kill)
        world.log_in_and_out(user)
        world.ferry.wait_account(user, PATIENCE, stage="done", route="local")
        world.relay.begin(0, None)
        nothing(compare.differences(before, world.snapshot(user)), "here")
        nothing(compare.differences(before, world.at_source(user)), "at the source")
    each_step(world, ("account's process", "transfer's master", "vault", "worker"), one)


# ── the way back ────────────────────────────────────────────────────────────────────


@case
def the_way_back(world):
    user = world.user(mailbox=small("back"))
    numbers = iter(range(1000))

    def one(number, kill):
        world.log_in_and_out(user)
        world.ferry.wait_account(user, PATIENCE, stage="done", route="local")
        client = world.patiently("a login", lambda: world.session(user))
        for n in range(2):
            data = b"Subject: new\r\n\r\n%d-%d\r\n" % (next(numbers), n)
            client.ok(b"APPEND INBOX (\\Flagged) {%d+}\r\n%s" % (len(data), data))
        client.ok("SELECT INBOX")
        client.ok("STORE 1 FLAGS (\\Answered Mine%d)" % (number % 3))
        client.ok("STORE 2 +FLAGS (\\Deleted)")
        client.ok("EXPUNGE")
        client.logout()
        here = compare.content(world.snapshot(user))
        world.relay.begin(number, kill)
        back(world, user)
        world.relay.begin(0, None)
        equal(compare.content(world.at_source(user)), here, "at the source")
        world.ferry.ok("route", user, "auto")
        world.log_in_and_out(user)
        world.ferry.wait_account(user, PATIENCE, stage="done", route="local")
        equal(compare.content(world.snapshot(user)), here, "here again")
    each_step(world, ("account's process", "transfer's master", "vault", "worker"), one)


def back(world, user):
    """The command asks for it; after a crash of who was asked, it may be asked once more."""
    end = time.monotonic() + PATIENCE
    while world.ferry.account(user)["route"] != "source":
        true(time.monotonic() < end, f"{user} is not back: {world.ferry.account(user)}")
        world.ferry.command("route", user, "source")
        if world.ferry.account(user)["route"] == "busy":
            time.sleep(0.2)
    world.ferry.wait_account(user, PATIENCE, stage="idle", route="source")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("words", nargs="*")
    chosen = parser.parse_args()
    EVERY = chosen.every
    main(lambda: Steps(settings={"sweep": 0, "services": {"imap": {"upstream": PORT}}}),
         chosen.words)
