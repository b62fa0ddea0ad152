#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins while an account is between the sides: held, then served; never a wrong password.

The transfer is stopped (SIGSTOP) while the account is busy, so that the moment lasts."""
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare  # noqa: E402
from lab.harness import World, busy, case, equal, ferry_with, main, nothing, true  # noqa: E402
from lab.processes import wait_until  # noqa: E402

HOLD = 4


def try_login(world, user, answers):
    client = world.imap(user)
    began = time.monotonic()
    answers.append((client.login(user, world.password(user)), time.monotonic() - began))
    client.logout()


@case
def past_hold_he_is_told_to_come_back(world):
    user = world.user(10)
    with busy(world, user):
        answers = []
        try_login(world, user, answers)
        answer, took = answers[0]
        true(b" NO [UNAVAILABLE]" in answer, f"{answer!r}")
        true(HOLD - 1 < took < HOLD + 20, f"held for {took:.1f} s of {HOLD}")
    world.ferry.wait_account(user, stage="done", route="local")


@case
def held_then_served(world):
    """The process that was about to switch it finds it busy and ends, and another one goes on: on
    a busy machine that takes longer than HOLD."""
    user, other = world.user(10), world.user(10)
    answers = []
    with ferry_with(world, hold=60):
        with busy(world, user):
            threads = [threading.Thread(target=try_login, args=(world, user, answers))
                       for _ in range(5)]
            for thread in threads:
                thread.start()
            time.sleep(1.5)
            world.session(other).logout()
            equal(answers, [], "answers while busy; another user is not held")
        for thread in threads:
            thread.join(70)
    equal(len(answers), 5, "answers")
    for answer, _ in answers:
        true(b" OK " in answer, f"{answer!r}")
    world.expect_source_logins(user, world.address(user))


@case
def a_wrong_password_while_busy_is_no_oracle(world):
    user = world.user(10)
    with busy(world, user):
        client = world.imap(user)
        answer = client.login(user, "wrong")
        true(b" NO " in answer, f"{answer!r}")
        client.close()
    world.ferry.wait_account(user, stage="done", route="local")


@case
def a_client_that_gives_up_while_held(world):
    user = world.user(10)
    with busy(world, user):
        client = world.imap(user)
        client.send(b"A LOGIN %s %s\r\n" % (user.encode(), world.password(user).encode()))
        time.sleep(0.5)
        client.drop()
    world.ferry.wait_account(user, stage="done", route="local")
    world.session(user).logout()


@case
def the_source_dies_in_the_middle(world):
    user = world.user(200)
    before = world.at_source(user)
    world.session(user).logout()
    world.server.stop()
    account = wait_until("a failure", lambda: _failed(world, user), 30)
    true(account["last_error"], "with a reason")
    equal(account["route"], "source", "they stay where they were")
    world.server.start()
    world.ferry.wait_account(user, stage="done", route="local", timeout=60)
    nothing(compare.differences(before, world.here(user)), "after the retry")


def _failed(world, user):
    account = world.ferry.account(user)
    return account if account and account["stage"] == "failed" else None


@case
def a_password_changed_at_the_source_before_the_copy(world):
    user = world.user(20)
    client = world.session(user)
    world.ferry.ok("route", user, "source")
    client.logout()
    world.server.add_user(user, "another one")
    world.ferry.ok("route", user, "auto")
    world.ferry.command("transfer", user)
    account = wait_until("a failure", lambda: _failed(world, user), 30)
    true("assword" in account["last_error"] or "uthent" in account["last_error"],
         f"the reason: {account['last_error']}")
    equal(account["route"], "source")
    world.session(user).logout()  # with the new one, which is captured
    world.ferry.wait_account(user, stage="done", route="local", timeout=60)
    world.session(user).logout()


main(lambda: World(settings={"hold": HOLD}))
