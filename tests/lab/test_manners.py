#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An old server with manners of its own before the login: who logs in there logs in by us."""
import re
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import harness  # noqa: E402
from lab.harness import case, equal, table, true  # noqa: E402
from lab.pop3_world import Pop3World  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.server_plain import Plain  # noqa: E402

LATE = 12  # seconds


def log_in(client, user, password):
    answer = client.command(f'LOGIN "{user}" "{password}"')[1]
    true(b" OK" in answer, f"{answer!r}")


@case
def id_reaches_the_source(world):
    """It lets no client select a mailbox that has not sent ID (163.com, 126.com)."""
    user = world.user(2)
    world.server.needs_id = True
    try:
        for says_id in (False, True):
            client = world.imap(user)
            if says_id:
                client.ok('ID ("name" "a client" "version" "1")')
            log_in(client, user, world.password(user))
            answer = client.command("SELECT INBOX")[1]
            equal(b" OK" in answer, says_id, f"SELECT: {answer!r}")
            client.close()
    finally:
        world.server.needs_id = False
    told = []
    while not world.server.told.empty():
        told.append(world.server.told.get()[2])
    true(any(b'ID ("name" "a client" "version" "1")\r\n' in line for line in told),
         "the source got it as it was")


@case
def what_was_said_before_the_login_only(world):
    """We show of it what every server here can, and the rest at the login."""
    user = world.user(2)
    client = world.imap(user)
    before = client.ok("CAPABILITY")
    true(b"IDLE" in before[0] and b"THREAD" not in before[0], f"{before!r}")
    untagged, answer = client.command(f'LOGIN "{user}" "{world.password(user)}"')
    true(b" OK" in answer, f"{answer!r}")
    equal(untagged, [b"* CAPABILITY IMAP4rev1 ID SORT THREAD=REFERENCES IDLE\r\n"])
    client.close()


@table([("IMAP", "imap"), ("POP3", "pop3")])
def a_greeting_that_comes_late(world, protocol):
    user = world.user(2)
    world.server.greeting_delay = LATE
    try:
        client = getattr(world, protocol)(user)
        began = time.monotonic()
        answer = client.login(user, world.password(user))
        true(b"OK" in answer.split(b" ", 2)[0] + answer.split(b" ", 2)[1], f"{answer!r}")
        true(time.monotonic() - began >= LATE, "it was waited for")
        client.close()
    finally:
        world.server.greeting_delay = 0


@case
def check_says_slow(world):
    world.server.greeting_delay = 6
    try:
        done = world.ferry.command("check")
    finally:
        world.server.greeting_delay = 0
    true(re.search(r"is slow: it took [6-9] s", done.stdout), done.stdout)
    true("no answer" not in done.stdout, done.stdout)


@case
def z_a_mechanism_is_removed(world):
    """The last: from the first refusal on nobody is offered it any more."""
    user = world.user(2)
    client = world.imap(user)
    true(b"AUTH=CRAM-MD5" in client.ok("CAPABILITY")[0], "it is offered")
    world.server.mechanisms = ("PLAIN", "LOGIN")
    client.send(b"a AUTHENTICATE CRAM-MD5\r\n")
    true(client.until(b"a")[1].startswith(b"a NO"), "refused")
    client.close()

    def is_gone():
        other = world.imap(user)
        line = other.ok("CAPABILITY")[0]
        other.close()
        return b"CRAM-MD5" not in line
    wait_until("the mechanism to be gone", is_gone, 30, 0.5)


class Manners(Pop3World):
    def __init__(self):
        super().__init__(server=Plain)
        self.server.extensions = ("SORT", "THREAD=REFERENCES", "IDLE")


harness.main(Manners)
