#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong passwords by the thousand: each is refused and leaves one line, and no process grows.

    test_guesses.py [--count N] [WORD...]
"""
import argparse
import contextlib
import re
import sys
import threading
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import harness  # noqa: E402
from lab.harness import World, case, equal, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import client_address  # noqa: E402
from lab.server_crowd import Crowd  # noqa: E402

GUESSERS = 3  # connections at a time, of one address
GROWTH = 4 << 20  # bytes, of all processes together; the allocator's own ups and downs
REFUSED = re.compile(r" refused account=(\S+) \S+ service=imap client=(\S+):\d+$", re.M)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("words", nargs="*")
    return parser.parse_args()


OPTIONS = options()


def guess(world, user, address, count, answers):
    """Over as many connections as it takes: each may say so much before a login."""
    while count:
        client = Imap(world.lab.connect(143, address))
        with contextlib.suppress(EOFError, OSError):
            while count:
                client.send(b"a LOGIN %s wrong-%d\r\n" % (user.encode(), count))
                answer = client.until(b"a")[1]
                answers.append(answer.split()[1])
                count -= 1
        client.close()


def guess_all(world, user, address, count):
    answers = []
    threads = [threading.Thread(target=guess, args=(world, user, address, count // GUESSERS,
                                                    answers)) for _ in range(GUESSERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(set(answers), {b"NO"}, "answers")
    return len(answers)


def lines_of(world, user, address):
    found = REFUSED.findall(world.ferry.log.read_text(errors="replace"))
    return sum(pair == (user, address) for pair in found)


@case
def each_leaves_a_line_and_nothing_grows(world):
    address = client_address(11)
    done = guess_all(world, "user1", address, OPTIONS.count // 10)  # what it keeps at all
    before = world.ferry.memory()
    done += guess_all(world, "user1", address, OPTIONS.count)
    grown = world.ferry.memory() - before
    print(f"    {done} guesses, memory grew by {grown / 1024:.0f} KiB")
    world.ferry.settle(1)
    equal(lines_of(world, "user1", address), done, "lines")
    true(grown < GROWTH, f"{grown} bytes more")
    equal(world.ferry.account("user1"), None, "the account")


@case
def of_who_lives_here_as_well(world):
    """The vault judges these, at its price: each of them waits."""
    world.move("user2")
    address = client_address(13)
    done = guess_all(world, "user2", address, 3 * GUESSERS)
    world.ferry.settle(1)
    equal(lines_of(world, "user2", address), done, "lines")


class GuessedWorld(World):
    """With sanitizers, memory that was given back is kept for a while: here a short one."""

    def __init__(self):
        super().__init__(server=Crowd)
        options = self.ferry.environment()
        options["ASAN_OPTIONS"] += ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
        self.ferry.environment = lambda: options


if __name__ == "__main__":
    harness.main(GuessedWorld, OPTIONS.words)
