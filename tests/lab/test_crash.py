#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of each program at random moments of a move: it finishes without a hand, nothing
lost, nothing doubled.

    test_crash.py [--count N] [--seed N] [PROGRAM...]     ./test takes few; --count 20 is full

A writer whose account lives here already appends all the time: each APPEND that was
answered OK must be there at the end, once.
"""
import argparse
import random
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare, harness, mail  # noqa: E402
from lab.ferry import PROGRAMS  # noqa: E402
from lab.harness import World, equal, nothing, true  # noqa: E402
from lab.imap import parse  # noqa: E402
from lab.processes import wait_until  # noqa: E402

PATIENCE = 90  # for one move, with a kill in it


class Writer:
    """Appends numbered messages, reconnecting as a mail client would."""

    def __init__(self, world, user):
        self.world, self.user = world, user
        self.acknowledged, self.tried = [], 0
        self.ended = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ended:
            try:
                client = self.world.imap(self.user)
                if b" OK " in client.login(self.user, self.world.password(self.user)):
                    self._append(client)
                client.close()
            except (OSError, EOFError, AssertionError):
                pass
            time.sleep(0.1)

    def _append(self, client):
        while not self.ended:
            self.tried += 1
            data = b"X-Number: %d\r\n\r\n%s\r\n" % (self.tried, b"x" * (self.tried % 3000))
            client.ok(b"APPEND INBOX {%d+}\r\n%s" % (len(data), data))
            self.acknowledged.append(self.tried)
            time.sleep(0.02)

    def check(self):
        """Ends it; every acknowledged number is there once, the others at most once."""
        self.ended = True
        self.thread.join(30)
        client = self.world.session(self.user)
        client.ok("EXAMINE INBOX")
        found = []
        for answer in client.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (X-Number)]"):
            fields = parse(answer)
            if len(fields) > 3 and fields[2].upper() == b"FETCH":
                header = fields[3][-1].strip()
                found += [int(header.split()[1])] if header else []
        client.logout()
        lost = set(self.acknowledged) - set(found)
        true(not lost, f"{len(lost)} acknowledged messages are lost, e.g. {sorted(lost)[:5]}")
        doubled = {n for n in found if found.count(n) > 1}
        true(not doubled, f"{len(doubled)} messages are there twice, e.g. {sorted(doubled)[:5]}")
        true(len(self.acknowledged) > 10, "the writer wrote")
        print(f"    writer: {len(self.acknowledged)} acknowledged, {len(found)} found")


def one_move(world, mailbox, kill=None):
    """Moves a new user; kill() is called meanwhile. Returns how long it took."""
    user = world.user(mailbox=mailbox)
    before = world.at_source(user)
    began = time.monotonic()
    killer = threading.Thread(target=kill) if kill else None
    if killer:
        killer.start()
    while True:
        try:
            client = world.session(user)
            client.ok("SELECT INBOX")
            client.logout()
            break
        except (OSError, EOFError, AssertionError):
            time.sleep(0.2)  # the interceptor was the victim: any client tries again
    world.ferry.wait_account(user, stage="done", route="local", timeout=PATIENCE)
    took = time.monotonic() - began
    if killer:
        killer.join()
    nothing(compare.differences(before, patient_snapshot(world, user)), f"{user} after the move")
    nothing(compare.differences(before, world.at_source(user)), f"{user} at the source")
    return took


def patient_snapshot(world, user):
    for _ in range(50):
        try:
            return world.here(user)
        except (OSError, EOFError, AssertionError):
            time.sleep(0.2)
    return world.here(user)


def run(world, options):
    rng = random.Random(options.seed)
    mailbox = mail.generate("crash", 150)
    writer_user = world.user(2)
    world.move(writer_user)
    writer = Writer(world, writer_user)
    world.lab.source.limit("30mbit")  # a move takes a second or two, so that a kill hits it
    usual = one_move(world, mailbox)
    print(f"seed {options.seed}; a move without a kill takes {usual:.1f} s", flush=True)
    killed = []
    for program in options.programs or PROGRAMS:
        for number in range(options.count):
            moment = rng.uniform(0, usual)

            def kill(program=program, moment=moment):
                time.sleep(moment)
                # one that is about to be started again after the last kill is waited for
                wait_until(program, lambda: world.ferry.kill(program, rng.choice), 30, 0.02)
                killed.append(program)
            took = one_move(world, mailbox, kill)
            print(f"  {program} {number + 1}: killed after {moment:.2f} s, done after {took:.1f} s",
                  flush=True)
    world.lab.source.limit(None)
    equal(len(killed), options.count * len(options.programs or PROGRAMS), "kills")
    writer.check()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.randrange(1000))
    parser.add_argument("programs", nargs="*")
    options = parser.parse_args()

    @harness.case
    def killed_at_random_moments(world):
        run(world, options)
    harness.main(World, [])


main()
