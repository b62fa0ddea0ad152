#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that mean harm or know no better: a proper answer or a time-out, bounded memory,
and everybody else undisturbed."""
import contextlib
import re
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main, table, true  # noqa: E402
from lab.hostile import MIB, TLS_HELLO, Remembers, survives  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import SOURCE_ADDRESS, client_address  # noqa: E402

LOGIN_TIMEOUT = 6
PER_ADDRESS = 300
PLACES = 64  # of 16 KiB, before login
ANSWER = re.compile(rb"\* |\+ |[^ ]+ (OK|NO|BAD) ")


@case
def too_many_from_one_address(world):
    """The first case: nobody has logged in from there."""
    user = world.user(3)
    held = []
    refused = 0
    for _ in range(PER_ADDRESS + 20):
        connection = world.lab.connect(143, client_address(29))
        held.append(connection)
        connection.settimeout(30)
        try:
            greeting = connection.recv(100)
        except ConnectionResetError:
            greeting = b""
        refused += not greeting.startswith(b"* OK")
    true(15 <= refused <= 25, f"{refused} of {len(held)} were refused")
    client = Imap(world.lab.connect(143, client_address(30)))
    true(b" OK " in client.login(user, world.password(user)), "another address logs in")
    client.logout()
    for connection in held:
        connection.close()
    world.ferry.settle(0.5)
    world.lab.connect(143, client_address(29)).close()


@case
def who_waits_makes_room_for_who_comes(world):
    """More of them than there is memory for have begun to speak, and wait."""
    idle = [world.lab.connect(143, client_address(28)) for _ in range(PLACES + 20)]
    for connection in idle:
        connection.sendall(b"A NO")
    time.sleep(1.5)
    world.session(world.user(3)).logout()
    told = 0
    for connection in idle:
        connection.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            told += b"Too many" in connection.recv(1000) + connection.recv(1000)
        connection.close()
    true(told > 0, "somebody was told")


GARBAGE = [
    ("NULs", b"\0" * 1000 + b"\r\n"),
    ("every byte", bytes(range(256)) + b"\r\n"),
    ("1 MiB without a newline", b"x" * MIB),
    ("1 MiB of newlines", b"\r\n" * (MIB // 2)),
    ("literal of 2^63", b"A LOGIN {9223372036854775808}\r\n"),
    ("literal of 2^63 that does not wait", b"A LOGIN {9223372036854775808+}\r\n" + b"x" * 5000),
    ("literal of 2^64", b"A LOGIN {18446744073709551616}\r\n"),
    ("negative literal", b"A LOGIN {-1}\r\n"),
    ("literal in NOOP", b"A NOOP {100+}\r\n" + b"x" * 100 + b"\r\n"),
    ("NUL in a literal", b"A LOGIN {3+}\r\na\0b {1+}\r\nx\r\n"),
    ("NUL in a quoted string", b'A LOGIN "a\0b" "x"\r\n'),
    ("quote that never ends", b'A LOGIN "' + b"a" * 2000 + b"\r\n"),
    ("no tag", b" LOGIN a b\r\n"),
    ("only a tag", b"A\r\n"),
    ("tag of 10,000", b"A" * 10_000 + b" NOOP\r\n"),
    ("wild tag", b"* OK fooled\r\n"),
    ("plus as tag", b"+ LOGIN a b\r\n"),
    ("bare CR", b"A NOOP\rB NOOP\r"),
    ("bare LF", b"A NOOP\nB NOOP\n"),
    ("10,000 commands at once", b"A NOOP\r\n" * 10_000),
    ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("TLS hello on the plain port", TLS_HELLO),
    ("base64 that is none", b"A AUTHENTICATE PLAIN !!!!\r\n"),
    ("PLAIN without NULs", b"A AUTHENTICATE PLAIN YWJj\r\n"),
    ("PLAIN of 60,000", b"A AUTHENTICATE PLAIN " + b"QUFB" * 15_000 + b"\r\n"),
    ("user of 60,000", b"A LOGIN {60000+}\r\n" + b"u" * 60_000 + b" {1+}\r\nx\r\n"),
    ("CR LF in a user", b"A LOGIN {12+}\r\na\r\nB LOGOUT\r\n {1+}\r\nx\r\n"),
    ("parentheses", b"A LOGIN ((((((((((((((((((\r\n"),
    ("format strings", b"A LOGIN %s%n%n%n %s%s%s\r\n"),
]


@table(GARBAGE)
def garbage(world, data):
    _, got = survives(world, world.connect(), data, LOGIN_TIMEOUT + 4)
    true(not got or ANSWER.match(got), f"an answer in IMAP: {got[:80]!r}")
    world.imap().logout()


@case
def a_login_that_takes_for_ever(world):
    client = world.imap()
    began = time.monotonic()
    try:
        while time.monotonic() - began < LOGIN_TIMEOUT + 20:
            client.send(b"x")
            time.sleep(0.25)
    except OSError:
        pass
    took = time.monotonic() - began
    true(LOGIN_TIMEOUT - 1 < took < LOGIN_TIMEOUT + 15, f"ended after {took:.1f} s")


@case
def guessing_passwords_does_not_lock_others_out(world):
    user = world.user(3)
    clients = [world.imap() for _ in range(30)]
    for client in clients:
        client.send(b"A LOGIN %s wrong\r\n" % user.encode())
    began = time.monotonic()
    world.session(user).logout()
    true(time.monotonic() - began < 20, "the right password")
    for client in clients:
        true(b" NO " in client.until(b"A")[1], "refused")
        client.close()


@case
def starttls_is_the_sources(world):
    user = world.user(3)
    done = world.lab.client.run(
        "curl", "-sS", "-k", "--ssl-reqd", "--interface", client_address(12),
        f"imap://{SOURCE_ADDRESS[0]}/", "-u", f"{user}:{world.password(user)}")
    equal(done.returncode, 0, done.stdout)
    true("INBOX" in done.stdout, done.stdout)
    world.expect_source_logins(user, client_address(12))
    done = world.lab.client.run(
        "curl", "-sS", "-k", f"imaps://{SOURCE_ADDRESS[0]}/", "-u",
        f"{user}:{world.password(user)}")
    equal(done.returncode, 0, "993 is none of our business: " + done.stdout)


@case
def commands_hidden_behind_starttls_end_the_session(world):
    client = world.imap()
    client.send(b"A STARTTLS\r\nB LOGIN injected x\r\n")
    equal(client.line(), b"", "the answer")
    client.close()


@case
def it_is_still_well(world):
    user = world.user(20)
    world.move(user)
    world.session(user).logout()
    world.is_the_one_that_began()


class HostileWorld(Remembers, World):
    def __init__(self):
        super().__init__(settings={
            "limits": {"login_timeout": LOGIN_TIMEOUT, "connections_per_ip": PER_ADDRESS,
                       "prelogin_bytes": PLACES * 16384}})
        # The sanitizer keeps what was freed: half a megabyte a second while nothing happens.
        environment = self.ferry.environment()
        environment["ASAN_OPTIONS"] += ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
        self.ferry.environment = lambda: environment


main(HostileWorld)
