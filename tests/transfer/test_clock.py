#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wall clock is set, by years, while an account moves or waits for something.

    test_clock.py MAILFERRY_TRANSFER REGISTRY_TOOL [WORD...]
"""
import contextlib
import os
import struct
import subprocess
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent)
from fake_interceptor import FORCED, LIVE_ASKED  # noqa: E402
from imap_world import ImapWorld  # noqa: E402
from one_account import PROGRAM, case, equal, main, true, wait_until  # noqa: E402

LIBRARY = os.path.join(os.path.dirname(PROGRAM), "libstepped_clock.so")
YEAR_MS = 365 * 86_400_000


class World(ImapWorld):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.clock = self.folder / "state/clock"
        self.set_clock(0)
        self.clock.chmod(0o644)  # our programs are no root

    def set_clock(self, off_ms):
        with open(self.clock, "r+b" if self.clock.exists() else "wb") as file:
            file.write(struct.pack("=q", off_ms))

    def environment(self):
        return {**os.environ, "LD_PRELOAD": LIBRARY, "STEPPED_CLOCK": str(self.clock),
                "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"}

    @contextlib.contextmanager
    def scheduler(self):
        with open(self.folder / "log", "ab") as log:
            process = subprocess.Popen(  # pylint: disable=R1732
                [PROGRAM, "-c", self.config], env=self.environment(), stderr=log)
        try:
            yield
        finally:
            process.terminate()
            code = process.wait(60)
        text = (self.folder / "log").read_text()
        equal(code, 0, f"exit code\n{text}")
        true("Sanitizer" not in text and "runtime error" not in text, text)


@case
def set_back_and_forth_while_it_moves(world):
    """At each answer of the source and of the interceptor."""
    steps = iter(range(1, 1000))
    def step(*_):
        n = next(steps)
        world.set_clock((-1) ** n * n * YEAR_MS // 20)
    world.server.step = step
    for uid in range(100, 200):
        world.server.folders["INBOX"].add(uid, b"x" * 2000 + b"\r\n")
    world.run()
    true(next(steps) > 20, "the clock was set")
    world.arrived()
    equal((world.certificate()["result"], world.account("attempts")[0]), ("equal", 1), "it")


@case
def set_back_while_it_is_switched(world):
    def before(kind, _):
        if kind == "QUIESCE":
            world.set_clock(-YEAR_MS)
    world.interceptor.before = before
    world.run()
    world.arrived()
    true(world.account("out_of_service_ms")[0] < 60_000, "out of service")


@case
def set_back_before_the_next_try(world):
    world.server.password = "another"
    with world.scheduler():
        wait_until("the refusal", lambda: world.state() == "source/failed")
        world.set_clock(-YEAR_MS)
        world.server.password = "secret"
        wait_until("the move", lambda: world.state() == "local/done", 60)
    world.arrived()


@case
def set_back_before_the_deadline(world):
    """Devices that never leave: they are asked again and again whether they could change sides, and
    end at the deadline."""
    def asked(manner):
        return [n for kind, _, n in world.interceptor.heard if kind == "QUIESCE"].count(manner)
    world.settings["deadline"] = 5
    world.write_config()
    world.interceptor.logged_in.add(b"alice")
    with world.scheduler():
        wait_until("the copy", lambda: world.state() == "source/catching-up")
        world.set_clock(-YEAR_MS)
        before = asked(LIVE_ASKED)
        wait_until("the move", lambda: world.state() == "local/done", 60)
    true(asked(LIVE_ASKED) > before and asked(FORCED) > 0, "what the interceptor was asked")
    world.arrived()


@case
def set_back_before_the_next_look_at_the_source(world):
    world.run()
    world.arrived()
    world.settings["sweep"] = 1
    world.write_config()
    world.set_clock(-YEAR_MS)
    logins = len(world.server.logins)
    with world.scheduler():
        wait_until("two looks", lambda: len(world.server.logins) > logins + 1, 60)
        world.set_clock(-2 * YEAR_MS)
        logins = len(world.server.logins)
        wait_until("one more", lambda: len(world.server.logins) > logins + 1, 60)


main(World)
