#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to say LOGIN, at the source and here; odd passwords; refusals of both sides."""
import base64
import re
import socket
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main, send_steps, table, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402


def b64(data):
    return base64.b64encode(data)


def quote(data):
    return b'"' + data.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


# What the client sends; None: it waits for "+" first. u and p are bytes.
FORMS = {
    "atoms": lambda u, p: [b"A LOGIN " + u + b" " + p + b"\r\n"],
    "quoted": lambda u, p: [b"A LOGIN " + quote(u) + b" " + quote(p) + b"\r\n"],
    "lower case": lambda u, p: [b"A login " + quote(u) + b" " + quote(p) + b"\r\n"],
    "literals": lambda u, p: [b"A LOGIN {%d}\r\n" % len(u), None, u + b" {%d}\r\n" % len(p),
                              None, p + b"\r\n"],
    "LITERAL+": lambda u, p: [b"A LOGIN {%d+}\r\n%s {%d+}\r\n%s\r\n" % (len(u), u, len(p), p)],
    "atom and literal": lambda u, p: [b"A LOGIN " + u + b" {%d}\r\n" % len(p), None, p + b"\r\n"],
    "PLAIN": lambda u, p: [b"A AUTHENTICATE PLAIN\r\n", None,
                           b64(b"\0" + u + b"\0" + p) + b"\r\n"],
    "PLAIN SASL-IR": lambda u, p: [b"A AUTHENTICATE PLAIN " + b64(b"\0" + u + b"\0" + p) + b"\r\n"],
    "PLAIN with authzid": lambda u, p: [b"A AUTHENTICATE PLAIN " +
                                        b64(u + b"\0" + u + b"\0" + p) + b"\r\n"],
    "AUTHENTICATE LOGIN": lambda u, p: [b"A AUTHENTICATE LOGIN\r\n", None, b64(u) + b"\r\n", None,
                                        b64(p) + b"\r\n"],
    "AUTHENTICATE LOGIN IR": lambda u, p: [b"A AUTHENTICATE LOGIN " + b64(u) + b"\r\n", None,
                                           b64(p) + b"\r\n"],
}


def say(client, steps, split=False):
    """Sends the steps and returns the tagged answer to A."""
    return send_steps(client, steps, b"+", split) or client.until(b"A")[1]


def log_in(world, user, form, split=False):
    client = world.imap(user)
    steps = FORMS[form](user.encode(), world.password(user).encode())
    answer = say(client, steps, split)
    true(answer.startswith(b"A OK"), f"{form}: {answer!r}")
    client.ok("SELECT INBOX")
    client.logout()


@table([(form, form) for form in FORMS])
def form_at_the_source_then_here(world, form):
    user = world.user(3)
    log_in(world, user, form)  # shows that it is passed on and captured, whatever its form
    world.ferry.wait_account(user, stage="done", route="local")
    log_in(world, user, form)
    world.expect_source_logins(user, world.address(user))


@case
def split_at_every_byte(world):
    there, here = world.user(3), world.user(3)
    world.move(here)
    world.session(there).logout()
    world.ferry.ok("route", there, "source")
    for form in ("quoted", "literals", "LITERAL+", "PLAIN", "AUTHENTICATE LOGIN IR"):
        for user in (there, here):
            log_in(world, user, form, split=True)


@case
def commands_behind_the_login_in_one_packet(world):
    user = world.user(3)
    tail = b"B NOOP\r\nC SELECT INBOX\r\nD FETCH 1 (UID)\r\nE LOGOUT\r\n"
    for where in ("source", "local"):
        for form in ("quoted", "LITERAL+", "PLAIN SASL-IR"):
            client = world.imap(user)
            login = FORMS[form](user.encode(), world.password(user).encode())
            client.send(login[0] + tail)
            for tag in (b"A", b"B", b"C", b"D", b"E"):
                answer = client.until(tag)[1]
                true(answer.startswith(tag + b" OK"), f"{where}, {form}: {answer!r}")
            equal(client.file.read(), b"", "after LOGOUT")
            client.close()
        if where == "source":
            world.ferry.wait_account(user, stage="done", route="local")


def hears(connection, text):
    """What is answered, up to the end of the connection, to who has ended their side."""
    heard = connection.recv(65536)
    connection.sendall(text)
    connection.shutdown(socket.SHUT_WR)
    while part := connection.recv(65536):
        heard += part
    return re.findall(rb"(?m)^(?:[abc] (?:OK|NO|BAD)|\+OK|-ERR|\* BYE|\* STATUS .*)", heard)


@table([("IMAP", 143, b"a LOGIN %s %s\r\nb STATUS INBOX (MESSAGES)\r\n", b"c LOGOUT\r\n"),
        ("POP3", 110, b"USER %s\r\nPASS %s\r\nSTAT\r\n", b"QUIT\r\n")])
def all_in_one_write_and_no_more(world, port, text, leave):
    """As scripts that watch a server do it (`nc -N`): with the last command, and without it."""
    user = world.user(7)
    text = text % (user.encode(), world.password(user).encode())
    wanted = [hears(world.lab.source.connect(SOURCE_ADDRESS[0], port), part)
              for part in (text, text + leave)]
    for place in ("source", "local"):
        for said, part in zip(wanted, (text, text + leave)):
            equal(hears(world.lab.connect(port, world.address(user)), part), said, place)
        world.move(user)


@case
def before_login(world):
    """What clients ask first; and the tags are theirs."""
    client = world.imap()
    true(client.greeting.startswith(b"* OK"), f"{client.greeting!r}")
    capability = client.ok("CAPABILITY")
    true(any(b"IMAP4rev1" in line and b"AUTH=PLAIN" in line for line in capability),
         f"{capability!r}")
    client.ok("NOOP")
    client.ok("ID NIL")
    client.send(b"odd.tag-1 CAPABILITY\r\n")
    true(client.until(b"odd.tag-1")[1].startswith(b"odd.tag-1 OK"), "the client's tag")
    for command in ("SELECT INBOX", "FETCH 1 FLAGS", "NONSENSE"):
        answer = client.command(command)[1]
        true(answer.split()[1] in (b"BAD", b"NO"), f"{command}: {answer!r}")
    client.send(b"A AUTHENTICATE PLAIN\r\n")
    true(client.line().startswith(b"+"), "+")
    client.send(b"*\r\n")
    true(client.until(b"A")[1].startswith(b"A BAD"), "a cancelled AUTHENTICATE")
    untagged, end = client.command("LOGOUT")
    true(untagged[0].startswith(b"* BYE") and b" OK" in end, f"{untagged!r} {end!r}")


PASSWORDS = [
    ("spaces", " two  spaces "), ("quotes", 'say "hi"'), ("backslashes", "a\\b\\\\c\\"),
    ("per cent and stars", "100%*?&;<>|$(id)`x`"), ("braces", "{5}\\{3+}"), ("UTF-8", "пароль 密码 ü"),
    ("200 bytes", "0123456789" * 20), ("colon and equals", "a:b=c,d{PLAIN}"), ("one", "x"),
    ("like a literal", "{10}"), ("NIL", "NIL"), ("apostrophe", "it's; DROP TABLE account"),
]


@table(PASSWORDS)
def password(world, secret):
    user = world.user(2, password=secret)
    for form in ("literals", "quoted", "PLAIN"):
        log_in(world, user, form)  # three clients, three spellings, one account
    world.ferry.wait_account(user, stage="done", route="local")
    for form in ("literals", "quoted", "PLAIN", "AUTHENTICATE LOGIN"):
        log_in(world, user, form)
    wrong = secret + " "  # one only: each costs them two seconds
    client = world.imap(user)
    true(b" NO " in client.login(user, wrong), f"{wrong!r} was taken")
    client.close()


def refused_at_source(world, user):
    return world.server.log_text().count(f"auth: passwd-file({user},") + \
        world.server.log_text().count(f"user=<{user}>, method=")


@case
def a_wrong_password_gets_the_sources_own_answer(world):
    user = world.user(3)
    direct = Imap(world.direct())
    wanted = direct.login(user, "wrong").split(b" ", 1)[1]
    client = world.imap(user)
    equal(client.login(user, "wrong").split(b" ", 1)[1], wanted)
    equal(world.ferry.account(user), None, "nothing is captured")
    true(b" OK " in client.login(user, world.password(user)), "a second try may be right")
    client.logout()
    true(world.ferry.account(user), "and is captured")


@case
def a_wrong_password_here_never_reaches_the_source(world):
    user = world.user(3)
    world.move(user)
    tries = refused_at_source(world, user)
    client = world.imap(user)
    for wrong in ("wrong", "", world.password(user)[:-1]):
        answer = client.login(user, wrong)
        true(b" NO " in answer and b"UNAVAILABLE" not in answer, f"{answer!r}")
    true(b" OK " in client.login(user, world.password(user)), "the right one, same connection")
    client.logout()
    world.ferry.settle()
    equal(refused_at_source(world, user), tries, "tries at the source")


@case
def no_such_user(world):
    direct = Imap(world.direct())
    wanted = direct.login("nobody", "x").split(b" ", 1)[1]
    client = world.imap()
    equal(client.login("nobody", "x").split(b" ", 1)[1], wanted)
    client.close()
    equal(world.ferry.account("nobody"), None)


@case
def no_password_in_any_file(world):
    user = world.user(2, password="Geheimnis-4711-xyzzy")
    world.move(user)
    log_in(world, user, "quoted")
    needles = [b"Geheimnis-4711-xyzzy", base64.b64encode(b"Geheimnis-4711-xyzzy")[:-4]]
    for file in world.ferry.folder.rglob("*"):
        if file.is_file():
            for needle in needles:
                true(needle not in file.read_bytes(), f"the password lies in {file}")
    key = Path(world.ferry.settings["state_dir"]) / "key"
    equal(key.stat().st_mode & 0o777, 0o600, "mode of the key")


main(lambda: World(settings={"limits": {"connections_per_ip": 1000}}))
