#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""strategy = "immediate": the copy runs while the client waits at their first login."""
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare, compare_pop3, mail  # noqa: E402
from lab.harness import case, equal, ferry_with, main, nothing, table, true  # noqa: E402
from lab.pop3_world import Pop3World  # noqa: E402

HOLD = 5


@case
def a_small_mailbox_moves_during_his_first_login(world):
    user = world.user(100)
    before = world.at_source(user)
    client = world.session(user)
    equal(world.ferry.account(user)["route"], "local", "their first session is here")
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
        true(took < HOLD + 15, f"the login took {took:.1f} s")
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
    with ferry_with(world, hold=60):
        client = world.imap(user)
        began = time.monotonic()
        true(b" NO " in client.login(user, "wrong"), "refused")
        true(time.monotonic() - began < 25, "at once")
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


@case
def a_first_login_by_pop3_moves_him_too(world):
    """Where the source speaks both: their mail is here, by both, before they are let in."""
    user = world.user(60)
    world.maildrop_at_source(user)  # the first RETR changes what a server says of a message
    drop, before = world.maildrop_at_source(user), world.at_source(user)
    client = world.pop3_session(user)
    equal(world.ferry.account(user)["route"], "local", "their first session is here")
    equal(int(client.ok("STAT").split()[0]), len(drop["messages"]), "STAT")
    client.quit()
    nothing(compare_pop3.differences(drop, world.maildrop(user)), "POP3, source and here")
    nothing(compare.differences(before, world.here(user)), "IMAP, source and here")
    world.expect_source_logins(user, world.address(user))


@table([("IMAP twice", ("session", "session")), ("IMAP and POP3", ("session", "pop3_session"))])
def two_devices_at_the_same_moment(world, logins):
    """A first login of both: one account, and one side for both."""
    user = world.user(30)
    together, clients, errors = threading.Barrier(2), {}, []

    def log_in(number, login):
        try:
            together.wait(10)
            clients[number] = getattr(world, login)(user)
        except Exception as error:  # pylint: disable=W0718
            errors.append(error)
    threads = [threading.Thread(target=log_in, args=pair) for pair in enumerate(logins)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    equal(errors, [], "both are let in")
    accounts = [a for a in world.ferry.json("accounts") if a["name"] == user]
    equal(len(accounts), 1, "accounts of that name")
    sides = {flow["route"] for flow in world.ferry.json("flows") if flow["account"] == user}
    equal(len(sides), 1, f"one side for both: {sides}")
    clients[0].ok("SELECT INBOX")
    if logins[1] == "session":
        clients[1].ok("SELECT INBOX")
        clients[0].ok("STORE 1 +FLAGS (seen-by-both)")
        answers = clients[1].ok("FETCH 1 FLAGS")
        true(any(b"seen-by-both" in a for a in answers), f"{answers!r}")
        clients[1].logout()
    else:
        clients[1].ok("STAT")
        clients[1].quit()
    clients[0].logout()
    world.ferry.wait_account(user, stage="done", route="local")


@case
def counters_of_who_lives_here(world):
    """What they read is counted as local, and at the source nothing."""
    def counted(route):
        return sum(row["bytes"] for row in world.ferry.json("counters")
                   if row["service"] == "imap" and row["route"] == route)

    user = world.user(20)
    world.move(user)
    client = world.session(user)
    client.ok("SELECT INBOX")
    here, there = counted("local"), counted("source")
    size = sum(map(len, client.ok("FETCH 1:* BODY.PEEK[]")))
    grown = counted("local") - here
    true(size < grown < size * 1.2 + 10_000, f"{grown} counted for {size}")
    equal(counted("source"), there, "at the source")
    client.logout()


main(lambda: Pop3World(settings={"strategy": "immediate", "hold": HOLD}))
