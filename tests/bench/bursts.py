#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench of nine o'clock: users log in within seconds from one address, at the old server
by plain routing, and here after their move, their processes started by it.

    tests/bench/bursts.py [--build build/release] [--users 200] [--seconds 5] [--rounds 3]

The old server is a small one that answers at once. Goals of 200 users within 5 s: median 20
ms, 99 of 100 within 100 ms.
"""
import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from lab import burst  # noqa: E402
from lab.ferry import Ferry  # noqa: E402
from lab.laboratory import Lab  # noqa: E402
from lab.network import client_address  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.server_crowd import Crowd  # noqa: E402

MEDIAN, P99 = 0.020, 0.100  # s
IDLE = 30  # s; an account's process without sessions ends after 2


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def have_moved(ferry, users):
    done = [a for a in ferry.json("accounts") if a["route"] == "local"]
    return len(done) == len(users)


def show(name, done):
    reached = done.median <= MEDIAN and done.p99 <= P99 and not done.refused
    print(f"{name:28} {done}{'' if reached else '  (over the goal)'}", flush=True)


def main():
    given = options()
    os.environ["MAILFERRY_BIN"] = str(Path(given.build) / "bin")
    users = [f"user{n}" for n in range(given.users)]

    def come(name):
        show(name, burst.run(lab, client_address(11), users, given.seconds))
    with Lab(users={"user0": ""}, server=Crowd) as lab:
        come("at the old server, routed")
        ferry = Ferry(lab, limits={"transfers": 16}).start()
        come("at the old server, through us")
        wait_until("the move of all", lambda: have_moved(ferry, users), 60 + given.users, 0.5)
        for _ in range(given.rounds):
            wait_until("the end of their processes",
                       lambda: len(ferry.processes("mailstore")) == 1, IDLE, 0.5)
            come("moved")
        ferry.stop()


main()
