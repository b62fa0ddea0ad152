#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to log in by POP3, at the source and here; odd passwords; refusals of both sides.

test_pop3_login.py [--dovecot|--heir|--courier|--mailutils|--pop3-only] [WORD...]
"""
import base64
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import harness, mail, pop3_world  # noqa: E402
from lab.harness import Skipped, case, equal, send_steps, table, true  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402
from lab.pop3 import Pop3  # noqa: E402


def b64(data):
    return base64.b64encode(data)


# What CAPA must say for it, and what the client sends; None: it waits for an answer.
FORMS = {
    "USER": (b"USER", lambda u, p: [b"USER " + u + b"\r\n", None, b"PASS " + p + b"\r\n"]),
    "lower case": (b"USER", lambda u, p: [b"user " + u + b"\r\n", None, b"pass " + p + b"\r\n"]),
    "PLAIN": (b"PLAIN", lambda u, p: [b"AUTH PLAIN\r\n", None,
                                      b64(b"\0" + u + b"\0" + p) + b"\r\n"]),
    "PLAIN, initial": (b"PLAIN", lambda u, p: [b"AUTH PLAIN " + b64(b"\0" + u + b"\0" + p) +
                                               b"\r\n"]),
    "LOGIN": (b"LOGIN", lambda u, p: [b"AUTH LOGIN\r\n", None, b64(u) + b"\r\n", None,
                                      b64(p) + b"\r\n"]),
    "LOGIN, initial": (b"LOGIN", lambda u, p: [b"AUTH LOGIN " + b64(u) + b"\r\n", None,
                                               b64(p) + b"\r\n"]),
}


def say(client, steps, split=False):
    """Sends the steps and returns the last answer."""
    return send_steps(client, steps, (b"+OK", b"+ "), split) or client.line()


def direct(world):
    """A connection made at the old server itself."""
    return Pop3(world.lab.source.connect(SOURCE_ADDRESS[0], pop3_world.PORT))


# Of RFC 2449, 3206, 5034. Others (UTF8) are the source's business; we may not keep them.
REGISTERED = (b"TOP", b"USER", b"SASL", b"RESP-CODES", b"AUTH-RESP-CODE", b"LOGIN-DELAY",
              b"PIPELINING", b"EXPIRE", b"UIDL", b"IMPLEMENTATION")


def offered(client):
    """Words of the lines of CAPA that any server may have."""
    lines = [line.split() for line in client.lines("CAPA")]
    return {word for line in lines if line[0] in REGISTERED for word in line}


def offered_at_source(world):
    client = direct(world)
    words = offered(client)
    client.quit()
    return words


def steps_of(world, user, form):
    return FORMS[form][1](user.encode(), world.password(user).encode())


def log_in(world, user, form, split=False):
    client = world.pop3(user)
    answer = say(client, steps_of(world, user, form), split)
    true(answer.startswith(b"+OK"), f"{form}: {answer!r}")
    client.ok("STAT")
    client.quit()


def source_takes(world, user, form):
    """Whether the old server itself lets them in so."""
    if FORMS[form][0] not in offered_at_source(world) | {b"USER"}:  # Dovecot's CAPA has no USER
        return False
    client = direct(world)
    answer = say(client, steps_of(world, user, form))
    client.close()
    return answer.startswith(b"+OK")


@table([(form, form) for form in FORMS])
def form_at_the_source_then_here(world, form):
    user = world.user(3)
    if not source_takes(world, user, form):
        raise Skipped("not taken by the source")
    log_in(world, user, form)  # shows that it is passed on and captured, whatever its form
    world.ferry.wait_account(user, 90, stage="done", route="local")
    log_in(world, user, form)
    world.expect_source_logins(user, world.address(user))


@case
def split_at_every_byte(world):
    user = world.user(3)
    forms = [form for form in FORMS if source_takes(world, user, form)]
    for form in forms:
        log_in(world, user, form, split=True)
    world.ferry.wait_account(user, 90, stage="done", route="local")
    for form in forms:
        log_in(world, user, form, split=True)


@case
def all_in_one_packet(world):
    user = world.user(3)
    for where in ("source", "local"):
        client = world.pop3(user)
        client.send(b"CAPA\r\nUSER %s\r\nPASS %s\r\nSTAT\r\nLIST\r\nNOOP\r\nQUIT\r\n" %
                    (user.encode(), world.password(user).encode()))
        for long in (True, False, False, False, True, False, False):
            answer = client.line()
            true(answer.startswith(b"+OK"), f"{where}: {answer!r}")
            if long:
                client.rest()
        equal(client.file.read(), b"", "after QUIT")
        client.close()
        if where == "source":
            world.ferry.wait_account(user, 90, stage="done", route="local")


@case
def before_login(world):
    client = world.pop3()
    true(client.greeting.startswith(b"+OK"), f"{client.greeting!r}")
    equal(sorted(offered_at_source(world) - offered(client)), [], "shown there and not here")
    for command in ("STAT", "RETR 1", "DELE 1", "NONSENSE", "PASS x", "AUTH NONSENSE"):
        answer = client.command(command)
        true(answer.startswith(b"-ERR"), f"{command}: {answer!r}")
    true(client.quit().startswith(b"+OK"), "QUIT")


PASSWORDS = [
    ("spaces", " two  spaces "), ("one space", " "), ("quotes", 'say "hi"'),
    ("backslashes", "a\\b\\\\c\\"), ("per cent and stars", "100%*?&;<>|$(id)`x`"),
    ("UTF-8", "пароль 密码 ü"), ("200 bytes", "0123456789" * 20), ("colon", "a:b=c,d{PLAIN}"),
    ("apostrophe", "it's; DROP TABLE account"),
]


@table([(what, f"odd{number}") for number, (what, _) in enumerate(PASSWORDS)])
def password(world, user):
    """Spaces and 8-bit bytes belong to it, wherever the source itself takes them so."""
    world.server.fill(user, mail.generate(user, 2))
    forms = [form for form in ("USER", "PLAIN", "LOGIN") if source_takes(world, user, form)]
    if not forms:
        raise Skipped("not taken by the source in any form")
    for form in forms:
        log_in(world, user, form)
    world.ferry.wait_account(user, 90, stage="done", route="local")
    for form in forms:
        log_in(world, user, form)


@case
def a_wrong_password_gets_the_sources_own_answer(world):
    user = world.user(3)
    wanted = direct(world).login(user, "wrong")
    client = world.pop3(user)
    equal(client.login(user, "wrong"), wanted)
    equal(world.ferry.account(user), None, "nothing is captured")
    client.close()
    world.pop3_session(user).quit()
    true(world.ferry.account(user), "the right one is")


@case
def a_wrong_password_here_never_reaches_the_source(world):
    user = world.user(3)
    world.move_by_pop3(user)
    log = len(world.server.log_text())
    client = world.pop3(user)
    for wrong in ("", world.password(user)[:-1]):
        answer = client.login(user, wrong)
        true(answer.startswith(b"-ERR"), f"{answer!r}")
        true(b"SYS/TEMP" not in answer and b"IN-USE" not in answer, f"{answer!r}")
    true(client.login(user, world.password(user)).startswith(b"+OK"), "the right one, at last")
    client.quit()
    world.ferry.settle()
    true(user not in world.server.log_text()[log:], "the source has heard of it")


@case
def no_such_user(world):
    wanted = direct(world).login("nobody-here", "x")
    client = world.pop3()
    equal(client.login("nobody-here", "x"), wanted)
    client.close()
    equal(world.ferry.account("nobody-here"), None)


@case
def apop_is_passed_on_and_listed(world):
    user = world.user(3)
    client = world.pop3(user)
    if b"<" not in direct(world).greeting:
        true(b"<" not in client.greeting, f"APOP of our own: {client.greeting!r}")
        return
    answer = client.apop(user, world.password(user))
    true(answer.startswith(b"+OK"), f"{answer!r}")
    client.ok("STAT")
    client.quit()
    world.expect_source_logins(user, world.address(user))
    account = world.ferry.account(user)
    equal((account["route"], account["capturable"]), ("source", False))
    true("APOP" in account["uncapturable_why"], f"{account['uncapturable_why']!r}")
    world.ferry.settle(1.5)
    equal(world.ferry.account(user)["route"], "source", "nobody can move them")
    client = world.pop3(user)
    true(client.apop(user, "wrong").startswith(b"-ERR"), "a wrong one")
    client.close()
    account = world.move_by_pop3(user)  # once they have shown their password
    equal(account["capturable"], True)


@case
def apop_after_the_move(world):
    """Nobody who could log in before is locked out: the time stamp is gone from the greeting,
    or it works."""
    user = world.user(3)
    if b"<" not in direct(world).greeting:
        raise Skipped("no APOP at the source")
    world.move_by_pop3(user)
    client = world.pop3(user)
    if b"<" in client.greeting:
        answer = client.apop(user, world.password(user))
        true(answer.startswith(b"+OK"), f"{answer!r}")
        client.quit()
        world.expect_source_logins(user, world.address(user))


class LoginWorld(pop3_world.Pop3World):
    """Knows the users with odd passwords from the start: one that comes later costs a second."""

    def __init__(self, **options):
        super().__init__(**options)
        self.lab.users.update({f"odd{number}": secret
                               for number, (_, secret) in enumerate(PASSWORDS)})


def main():
    options, words = pop3_world.options()
    settings = {"limits": {"connections_per_ip": 1000}}
    harness.main(lambda: LoginWorld(settings=settings, **options), words)


main()
