#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins that prove a password and do not show it (APOP, CRAM-MD5), of accounts that have
moved here: checked here, and nobody who could log in so before is locked out.

test_digest.py [--heir|--mailutils] [WORD...]
"""
import base64
import hashlib
import hmac
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import harness, pop3_world  # noqa: E402
from lab.harness import Skipped, busy, case, equal, table, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402
from lab.pop3 import TIMESTAMP, Pop3  # noqa: E402


def pop3_apop(client, user, password):
    return client.apop(user, password)


def cram(challenge, user, password):
    """The client's answer to a server's "+ ..."."""
    text = base64.b64decode(challenge.split()[1])
    digest = hmac.new(password.encode(), text, hashlib.md5).hexdigest()
    return base64.b64encode(f"{user} {digest}".encode())


def pop3_cram(client, user, password):
    return client.command(cram(client.command("AUTH CRAM-MD5"), user, password))


class Imap4:
    """As much of Pop3's manners as is needed to treat both alike."""

    def __init__(self, connection):
        self.imap = Imap(connection)

    def cram(self, user, password):
        """The answer, with +OK or -ERR in front."""
        self.imap.send(b"a AUTHENTICATE CRAM-MD5\r\n")
        self.imap.send(cram(self.imap.line(), user, password) + b"\r\n")
        line = self.imap.line()
        while line.startswith(b"* "):
            line = self.imap.line()
        return (b"+OK " if line.startswith(b"a OK") else b"-ERR ") + line

    def quit(self):
        self.imap.logout()

    def close(self):
        self.imap.close()


def imap_cram(client, user, password):
    return client.cram(user, password)


def connect(world, form, user):
    return Imap4(world.connect(user)) if form is imap_cram else world.pop3(user)


def offered(world, form):
    """Whether the old server knows it."""
    client = Pop3(world.lab.source.connect(SOURCE_ADDRESS[0], pop3_world.PORT))
    answer = client.greeting if form is pop3_apop else client.command("AUTH CRAM-MD5")
    client.close()
    return b"<" in answer if form is pop3_apop else answer.startswith(b"+ ")


FORMS = [("APOP", pop3_apop), ("CRAM-MD5", pop3_cram), ("IMAP CRAM-MD5", imap_cram)]


@table(FORMS)
def right_and_wrong(world, form):
    if not offered(world, form):
        raise Skipped("not offered by the source")
    user = world.user(3)
    world.move_by_pop3(user)
    for name in (user, user.upper(), f"{user}@example.com"):
        client = connect(world, form, user)
        answer = form(client, name, world.password(user))
        true(answer.startswith(b"+OK"), f"{name}: {answer!r}")
        client.quit()
    log = len(world.server.log_text())
    client = connect(world, form, user)
    answer = form(client, user, "wrong")
    true(answer.startswith(b"-ERR") and b"SYS/" not in answer, f"{answer!r}")
    client.close()
    world.ferry.settle()
    true(user not in world.server.log_text()[log:], "the source has heard of it")
    world.expect_source_logins(user, world.address(user))


@table(FORMS)
def at_the_source_it_is_passed_on_and_listed(world, form):
    if not offered(world, form):
        raise Skipped("not offered by the source")
    user = world.user(3)
    client = connect(world, form, user)
    true(form(client, user, "wrong").startswith(b"-ERR"), "a wrong one")
    client.close()
    equal(world.ferry.account(user), None, "nothing is known by a wrong one")
    client = connect(world, form, user)
    answer = form(client, user, world.password(user))
    true(answer.startswith(b"+OK"), f"{answer!r}")
    client.quit()
    account = world.ferry.account(user)
    equal((account["route"], account["capturable"]), ("source", False))
    why = "APOP" if form is pop3_apop else "CRAM-MD5"
    true(why in account["uncapturable_why"], f"{account['uncapturable_why']!r}")
    world.expect_source_logins(user, world.address(user))


@case
def a_digest_is_good_for_one_connection(world):
    user = world.user(3)
    world.move_by_pop3(user)
    first, second = world.pop3(user), world.pop3(user)
    true(TIMESTAMP.search(first.greeting)[0] != TIMESTAMP.search(second.greeting)[0],
         "two clients are shown the same timestamp")
    second.greeting, theirs = first.greeting, second.greeting
    true(second.apop(user, world.password(user)).startswith(b"-ERR"), "another's digest")
    second.greeting = theirs
    true(second.apop(user, world.password(user)).startswith(b"+OK"), "their own")
    first.close()
    second.quit()


@case
def after_a_refusal_the_source_gets_no_stale_digest(world):
    """Their connection to the source went with the login of somebody who lives here."""
    here, there = world.user(3), world.user(3)
    world.move_by_pop3(here)
    client = world.pop3(there)
    true(client.apop(here, "wrong").startswith(b"-ERR"), "a wrong one")
    answer = client.apop(there, world.password(there))
    true(answer.startswith((b"-ERR [SYS/TEMP]", b"-ERR [IN-USE]")), f"{answer!r}")
    client.close()
    client = world.pop3(there)
    true(client.apop(there, world.password(there)).startswith(b"+OK"), "over a new connection")
    client.close()


@table(FORMS[:2])
def held_then_served(world, form):
    """What they have shown is kept while their account switches."""
    if not offered(world, form):
        raise Skipped("not offered by the source")
    user = world.user(3)
    answers = []

    def log_in():
        client = connect(world, form, user)
        answers.append(form(client, user, world.password(user)))
        client.close()
    with busy(world, user, world.pop3_session(user).quit):
        thread = threading.Thread(target=log_in)
        thread.start()
        time.sleep(0.5)
        equal(answers, [], "answers while busy")
    thread.join(70)
    true(answers and answers[0].startswith(b"+OK"), f"{answers}")
    world.expect_source_logins(user, world.address(user))


@case
def curl_chooses_it_by_itself(world):
    user = world.user(3)
    world.move_by_pop3(user)
    for url, options in (("pop3", []), ("pop3", ["--login-options", "AUTH=+APOP"]),
                         ("pop3", ["--login-options", "AUTH=CRAM-MD5"]),
                         ("imap", ["--login-options", "AUTH=CRAM-MD5"])):
        if "CRAM" in str(options) and not offered(world, pop3_cram):
            continue
        done = world.lab.client.run(
            "curl", "-sS", *options, "-u", f"{user}:{world.password(user)}",
            "--interface", world.address(user), f"{url}://{SOURCE_ADDRESS[0]}/")
        equal(done.returncode, 0, f"curl {url} {options}: {done.stdout}")
    world.expect_source_logins(user, world.address(user))


@case
def a_password_that_only_we_know_is_not_the_old_one(world):
    """Of the new one there is a verifier, which cannot tell; the old one must not open."""
    user = world.user(3)
    old = world.password(user)
    world.move_by_pop3(user)
    subprocess.run(world.lab.router.command(*world.ferry.arguments("passwd", "--only", user)),
                   input=b"another\n", check=True, stdout=subprocess.DEVNULL,
                   env=world.ferry.environment())
    for form in (pop3_apop, imap_cram):
        for password in (old, "another"):
            if not offered(world, form):
                continue
            client = connect(world, form, user)
            answer = form(client, user, password)
            true(b"not available" in answer, f"{answer!r}")
            true(b"AUTHENTICATIONFAILED" not in answer and b"[AUTH]" not in answer,
                 f"{answer!r}")
            client.close()
    client = world.pop3(user)
    true(client.login(user, "another").startswith(b"+OK"), "by showing it")
    client.quit()


@case
def the_source_is_away(world):
    """Its greeting is missed by nobody who lives here."""
    here, there = world.user(3), world.user(3)
    world.move_by_pop3(here)
    world.pop3_session(there).quit()
    world.ferry.ok("route", there, "source")
    world.server.stop()
    try:
        seen = set()
        for login in ("login", "apop"):
            client = world.pop3(here)
            seen.add(TIMESTAMP.search(client.greeting)[0])
            answer = getattr(client, login)(here, world.password(here))
            true(answer.startswith(b"+OK"), f"{login}: {answer!r}")
            client.quit()
            client = world.pop3(there)
            seen.add(TIMESTAMP.search(client.greeting)[0])
            answer = getattr(client, login)(there, world.password(there))
            true(answer.startswith((b"-ERR [SYS/TEMP]", b"-ERR [IN-USE]")), f"{answer!r}")
            client.close()
        equal(len(seen), 4, "timestamps that are new")
    finally:
        world.server.start()


@case
def z_retired(world):
    """The last: no password opens any more, so nobody is asked for a digest of it."""
    user = world.user(3)
    world.move_by_pop3(user)
    world.ferry.ok("retire", "--yes", "--force")
    client = world.pop3(user)
    true(client.greeting.startswith(b"+OK") and b"<" not in client.greeting,
         f"{client.greeting!r}")
    answer = client.login(user, world.password(user))
    true(answer.startswith(b"+OK"), f"{answer!r}")
    client.quit()


def main():
    options, words = pop3_world.options("--heir")
    harness.main(lambda: pop3_world.Pop3World(**options), words)


main()
