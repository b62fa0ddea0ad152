#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""strategy = "immediate": the copy runs while the client waits at his first login."""
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare, mail  # noqa: E402
from lab.harness import World, case, equal, main, nothing, true  # noqa: E402

HOLD = 5


@case
def a_small_mailbox_moves_during_his_first_login(world):
    user = world.user(100)
    before = world.at_source(user)
    client = world.session(user)
    equal(world.ferry.account(user)["route"], "local", "his first session is here")
    client.ok("SELECT INBOX")
    client.logout()
    nothing(compare.differences(before, world.here(user)), "source and here")
    world.expect_source_logins(user, world.address(user))


@case
def a_large_mailbox_does_not_keep_him_waiting(world):
    user = world.user(mailbox=mail.bulk("large", messages=1000, mean=60_000))
    before = world.at_source(user)
    world.lab.source.limit("40mbit")  # 60 MB: twelve seconds
    try:
        began = time.monotonic()
        client = world.session(user)
        took = time.monotonic() - began
        true(took < HOLD + 2, f"the login took {took:.1f} s")
        equal(world.ferry.account(user)["route"], "source", "the copy cannot be complete")
        client.ok("SELECT INBOX")
    finally:
        world.lab.source.limit(None)
    client.logout()
    world.ferry.wait_account(user, stage="done", route="local", timeout=120)
    nothing(compare.differences(before, world.here(user)), "source and here")


@case
def a_wrong_password_starts_nothing(world):
    user = world.user(10)
    client = world.imap(user)
    began = time.monotonic()
    true(b" NO " in client.login(user, "wrong"), "refused")
    true(time.monotonic() - began < HOLD - 1, "at once")
    client.close()
    equal(world.ferry.account(user), None)


@case
def two_sessions_see_one_state(world):
    """Wherever the first one ended up, the second one goes there too."""
    user = world.user(10)
    first = world.session(user)
    first.ok("SELECT INBOX")
    second = world.session(user, 6)
    second.ok("SELECT INBOX")
    first.ok("STORE 1 +FLAGS (seen-by-both)")
    answers = second.ok("FETCH 1 FLAGS")
    true(any(b"seen-by-both" in a for a in answers), f"{answers!r}")
    first.logout()
    second.logout()
    world.ferry.wait_account(user, stage="done", route="local")


main(lambda: World(settings={"strategy": "immediate", "hold": HOLD}))
