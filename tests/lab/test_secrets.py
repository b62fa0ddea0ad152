#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""100 logins and more, by every protocol, of users at the old server, on their way and here,
with right and wrong passwords: then no process holds a password, and no file, whether the
sessions are still open or not."""
import base64
import concurrent.futures
import contextlib
import os
import re
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import tls  # noqa: E402
from lab.harness import case, equal, main, nothing, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import client_address  # noqa: E402
from lab.pop3 import Pop3  # noqa: E402
from lab.processes import descendants, memory_of, wait_until  # noqa: E402
from lab.smtp import Smtp  # noqa: E402
from lab.tls_world import TlsWorld  # noqa: E402

# The end of each password: of memory that was given back, the beginning is overwritten.
STEM = "Acheron-4711-Lethe-xyzzy"
IS_IN = re.compile(rb"\S+ OK |\+OK|235 |-ERR \[IN-USE\]")  # there, one maildrop, one session


def password_of(user):
    return f'Say "{user}" \\ {STEM}'


def wrong_password_of(user):
    return f'Not "{user}" \\ {STEM}'


def needles():
    """{how it is spelt: bytes}. Where base64 of it begins depends on what stands before."""
    found = {"as it is": STEM.encode()}
    for before in range(3):
        text = base64.b64encode(bytes(before) + STEM.encode())
        found[f"base64, {before}"] = text[-(-before * 8 // 6):(before + len(STEM)) * 8 // 6]
    return found


NEEDLES = needles()


def found_in(chunk):
    """What lies there, with what stands around it."""
    return {(how, bytes(chunk[max(0, at - 40):at + 40]))
            for how, needle in NEEDLES.items() if (at := chunk.find(needle)) >= 0}


def in_memory(pid):
    return set().union(*map(found_in, memory_of(pid)))


# ── logins ─────────────────────────────────────────────────────────────────────────────────

def b64(*parts):
    return base64.b64encode("\0".join(parts).encode()).decode()


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def imap_quoted(client, user, password):
    return client.command(f"LOGIN {user} {quoted(password)}")[1]


def imap_plain(client, user, password):
    return client.command(f"AUTHENTICATE PLAIN {b64('', user, password)}")[1]


def imap_asked(client, mechanism, *answers):
    client.send(f"x AUTHENTICATE {mechanism}\r\n".encode())
    for answer in answers:
        true(client.line().startswith(b"+"), "it asks")
        client.send(answer.encode() + b"\r\n")
    return client.until(b"x")[1]


def imap_plain_asked(client, user, password):
    return imap_asked(client, "PLAIN", b64("", user, password))


def imap_login_asked(client, user, password):
    return imap_asked(client, "LOGIN", b64(user), b64(password))


def pop3_pass(client, user, password):
    client.ok(f"USER {user}")
    return client.command(f"PASS {password}")


def pop3_plain(client, user, password):
    return client.command(f"AUTH PLAIN {b64('', user, password)}")


def smtp_plain(client, user, password):
    return client.command(f"AUTH PLAIN {b64('', user, password)}")


def smtp_login(client, user, password):
    client.ok("AUTH LOGIN")
    client.ok(b64(user))
    return client.command(b64(password))


def inside(kind):
    return lambda connection: kind(tls.begin(connection))


def smtp(connection):
    client = Smtp(connection)
    client.ok("EHLO client.example.org")
    return client


def smtp_inside(connection):
    client = smtp(connection)
    client.ok("STARTTLS")
    client.socket = tls.begin(client.socket)
    client.file = client.socket.makefile("rb")
    client.ok("EHLO client.example.org")
    return client


WAYS = [(143, Imap, imap_quoted), (143, Imap, Imap.login), (143, Imap, imap_plain),
        (143, Imap, imap_plain_asked), (143, Imap, imap_login_asked),
        (993, inside(Imap), imap_quoted), (993, inside(Imap), imap_plain),
        (110, Pop3, pop3_pass), (110, Pop3, pop3_plain), (995, inside(Pop3), pop3_pass),
        (25, smtp, smtp_plain), (25, smtp, smtp_login), (25, smtp_inside, smtp_plain)]


def log_in(world, number, user, way):
    """A wrong password, then the right one; and on another connection a wrong one alone. Both
    stay open. ([client], how many logins)"""
    port, begin, login = way
    clients = [begin(world.lab.connect(port, client_address(11 + number % 20), timeout=90))
               for _ in range(2)]
    for client, password, is_right in ((clients[0], wrong_password_of(user), False),
                                       (clients[0], password_of(user), True),
                                       (clients[1], wrong_password_of(user), False)):
        answer = login(client, user, password)
        equal(bool(IS_IN.match(answer)), is_right,
              f"{user} by {login.__name__} on {port}: {answer!r}")
    return clients, 3


def log_in_all(world, users):
    """({(user, way): clients}, how many logins)"""
    jobs = [(user, way) for way in WAYS for user in users]
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        done = list(pool.map(lambda n: log_in(world, n, *jobs[n]), range(len(jobs))))
    return dict(zip(jobs, [clients for clients, _ in done])), sum(n for _, n in done)


def leave(clients):
    for client in clients:
        client.close()


# ── the search ─────────────────────────────────────────────────────────────────────────────

def processes(world):
    return descendants(world.ferry.daemon.pid) + [(world.ferry.daemon.pid, "up")]


def left_in_memory(world):
    return [f"{name} ({pid}) {how}: {around!r}" for pid, name in processes(world)
            for how, around in sorted(in_memory(pid))]


def left_in_files(world):
    left = []
    for file in world.ferry.folder.rglob("*"):
        if file.is_file():
            left += [f"{file} {how}: {around!r}"
                     for how, around in sorted(found_in(file.read_bytes()))]
    return left


def is_at_rest(world):
    """No account's transfer runs: it has its passwords in use."""
    return len(world.ferry.processes("transfer")) == 1


class Secrets(TlsWorld):
    """The old server knows its users from the start: a line that comes later costs a second."""

    def __init__(self):
        super().__init__(postfix=True, settings={"limits": {"connections_per_ip": 1000}})
        self.lab.users.update({f"user{n}": password_of(f"user{n}") for n in range(1, 10)})

    def newcomer(self):
        return self.user(3, password=password_of(f"user{self.numbers + 1}"))


@case
def a_login_that_is_under_way_is_found(world):
    """Else the search would find nothing anywhere."""
    user = world.newcomer()
    equal({how for how, _ in in_memory(os.getpid())} >= set(NEEDLES), True, "in ourselves")
    client = Imap(world.connect(user))
    client.send(f"a LOGIN {user} {quoted(password_of(user))}".encode())
    wait_until("it is found", lambda: any(
        in_memory(pid) for pid in world.ferry.processes("interceptor")))
    client.close()
    wait_until("it is gone", lambda: not left_in_memory(world))


@case
def no_password_is_left_by_100_logins(world):
    stays, moves, lives = users = [world.newcomer() for _ in range(3)]
    world.move(lives)
    first = world.session(stays)
    world.ferry.ok("route", stays, "source")
    first.logout()
    clients, n = log_in_all(world, users)
    true(n >= 100, f"{n} logins")
    equal(world.ferry.account(moves)["route"], "source", "who is on the way")
    print(f"  {n} logins")
    # POP3 holds it up; the sessions by IMAP cross
    for (user, way), theirs in clients.items():
        if user == moves and way[0] not in (143, 993):
            leave(theirs)
    world.ferry.wait_account(moves, stage="done", route="local")
    wait_until("the end of its transfer", lambda: is_at_rest(world))
    nothing(left_in_memory(world), "while sessions are open")
    nothing(left_in_files(world), "files")
    for theirs in clients.values():
        with contextlib.suppress(OSError):
            leave(theirs)
    wait_until("the end of the accounts' processes",
               lambda: len(world.ferry.processes("mailstore")) == 1)
    nothing(left_in_memory(world), "when all have left")
    nothing(left_in_files(world), "files, when all have left")


main(Secrets)
