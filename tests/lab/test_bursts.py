#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An office behind one address: all of its users log in within seconds, before, during and
after their move, and nobody is refused. The limits are the default ones.

    test_bursts.py [--immediate] [--count N] [--seconds S] [WORD...]
"""
import argparse
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import burst, harness  # noqa: E402
from lab.harness import World, case, equal  # noqa: E402
from lab.network import client_address  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.server_crowd import Crowd  # noqa: E402

OFFICE = client_address(11)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--immediate", action="store_true")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("words", nargs="*")
    return parser.parse_args()


OPTIONS = options()
USERS = [f"user{n}" for n in range(1, OPTIONS.count + 1)]


def stages(world):
    found = {}
    for account in world.ferry.json("accounts"):
        found[account["stage"]] = found.get(account["stage"], 0) + 1
    return found


def nobody_is_refused(world, when):
    before = stages(world)
    done = burst.run(world.lab, OFFICE, USERS, OPTIONS.seconds)
    print(f"    {when}: {done}; accounts {before} -> {stages(world)}")
    equal(done.refused, [], f"refused {when} the move")
    equal(len(done.took), len(USERS), "logins")


@case
def before_the_move(world):
    nobody_is_refused(world, "before")


@case
def during_the_move(world):
    nobody_is_refused(world, "during")


@case
def after_the_move(world):
    wait_until("the move of all", lambda: stages(world) == {"done": len(USERS)},
               60 + len(USERS), 0.5)
    nobody_is_refused(world, "after")


def make_world():
    return World(settings={
        "strategy": "immediate" if OPTIONS.immediate else "after-logoff",
        "limits": {"transfers": 24}}, server=Crowd)


if __name__ == "__main__":
    harness.main(make_world, OPTIONS.words)
