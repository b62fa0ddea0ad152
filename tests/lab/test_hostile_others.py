#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""test_hostile.py for POP3 and SMTP: a proper answer or a time-out, bounded memory, the
interceptor's processes are those that began, and everybody else undisturbed."""
import base64
import contextlib
import re
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import case, equal, main, table, true  # noqa: E402
from lab.hostile import MIB, TLS_HELLO, Remembers, keeps_no_memory  # noqa: E402
from lab.hostile import survives as survives_data  # noqa: E402
from lab.network import client_address  # noqa: E402
from lab.pop3 import Pop3  # noqa: E402
from lab.pop3_world import PORT, Pop3World  # noqa: E402
from lab.smtp import at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402

LOGIN_TIMEOUT = 5  # the least that a client gets for their next try
SILENCE = 0.25  # so long after an answer nothing more comes
ATTACKER = client_address(29)
POP3_ANSWER = re.compile(rb"\+OK|-ERR|\+ ")
SMTP_ANSWER = re.compile(rb"\d{3}[ -]")


def survives(world, port, data, answer):
    """The answers, of which each line is one of the protocol's."""
    greeting, got = survives_data(
        world, world.lab.connect(port, ATTACKER), data, LOGIN_TIMEOUT + 4, SILENCE)
    true(answer.match(greeting), f"greeting: {greeting!r}")
    return got


def undisturbed(world):
    """The two who were there before go on, and a third one is let in."""
    world.pop3_before.ok("NOOP")
    equal(world.smtp_before.code("NOOP"), 250, "NOOP")
    world.pop3().quit()


POP3_GARBAGE = [
    ("NULs", b"\0" * 1000 + b"\r\n"),
    ("every byte", bytes(range(256)) + b"\r\n"),
    ("1 MiB without a newline", b"x" * MIB),
    ("1 MiB of newlines", b"\r\n" * (MIB // 2)),
    ("line of 64 KiB", b"x" * 65536 + b"\r\n"),
    ("bare CR", b"CAPA\rCAPA\r"),
    ("bare LF", b"CAPA\nCAPA\n"),
    ("nothing behind USER", b"USER\r\nUSER \r\nPASS\r\nPASS \r\n"),
    ("user of 60,000", b"USER " + b"u" * 60_000 + b"\r\nPASS x\r\n"),
    ("password of 60,000", b"USER user1\r\nPASS " + b"p" * 60_000 + b"\r\n"),
    ("NUL in a user", b"USER user1\0x\r\nPASS x\r\n"),
    ("NUL in a password", b"USER user1\r\nPASS se\0cret\r\n"),
    ("bare CR in a password", b"USER user1\r\nPASS a\rb\r\n"),
    ("PASS alone", b"PASS x\r\n"),
    ("base64 that is none", b"AUTH PLAIN !!!!\r\n"),
    ("base64 that is none, later", b"AUTH PLAIN\r\n!!!!\r\n"),
    ("PLAIN without NULs", b"AUTH PLAIN YWJj\r\n"),
    ("PLAIN of NULs", b"AUTH PLAIN " + base64.b64encode(bytes(300)) + b"\r\n"),
    ("PLAIN of 60,000", b"AUTH PLAIN " + b"QUFB" * 15_000 + b"\r\n"),
    ("LOGIN that goes on", b"AUTH LOGIN\r\n" + b"QUFB\r\n" * 50),
    ("LOGIN of 60,000", b"AUTH LOGIN\r\n" + b"QUFB" * 15_000 + b"\r\nQUFB\r\n"),
    ("AUTH, cancelled", b"AUTH PLAIN\r\n*\r\n"),
    ("APOP of nothing", b"APOP\r\nAPOP x\r\nAPOP x y\r\nAPOP x " + b"f" * 32 + b"\r\n"),
    ("10,000 commands at once", b"CAPA\r\n" * 10_000),
    ("10,000 of a session", b"STAT\r\nRETR 1\r\n" * 5_000),
    ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("TLS hello on the plain port", TLS_HELLO),
    ("format strings", b"USER %s%n%n\r\nPASS %s%s%n\r\n"),
]


@table(POP3_GARBAGE)
def pop3_garbage(world, data):
    got = survives(world, PORT, data, POP3_ANSWER)
    true(not got or POP3_ANSWER.match(got), f"an answer in POP3: {got[:80]!r}")
    undisturbed(world)


EHLO = b"EHLO client.example.org\r\n"
SMTP_GARBAGE = [
    ("NULs", b"\0" * 1000 + b"\r\n"),
    ("every byte", bytes(range(256)) + b"\r\n"),
    ("1 MiB without a newline, and its end", b"x" * MIB + b"\r\n"),
    ("1 MiB of newlines", b"\r\n" * (MIB // 2)),
    ("line of 64 KiB", b"x" * 65536 + b"\r\n"),
    ("MAIL of 64 KiB", EHLO + b"MAIL FROM:<" + b"x" * 65536 + b"@example.org>\r\n"),
    ("RCPT of 64 KiB", EHLO + b"MAIL FROM:<>\r\nRCPT TO:<" + b"x" * 65536 + b"@example.com>\r\n"),
    ("EHLO of 64 KiB", b"EHLO " + b"x" * 65536 + b"\r\n"),
    ("bare CR", b"NOOP\rNOOP\r\n"),
    ("bare LF", b"NOOP\nNOOP\n"),
    ("NUL in an address", EHLO + b"MAIL FROM:<a\0b@example.org>\r\n"),
    ("base64 that is none", EHLO + b"AUTH PLAIN !!!!\r\n"),
    ("base64 that is none, later", EHLO + b"AUTH PLAIN\r\n!!!!\r\n"),
    ("PLAIN without NULs", EHLO + b"AUTH PLAIN YWJj\r\n"),
    ("PLAIN of NULs", EHLO + b"AUTH PLAIN " + base64.b64encode(bytes(300)) + b"\r\n"),
    ("PLAIN of 60,000", EHLO + b"AUTH PLAIN " + b"QUFB" * 15_000 + b"\r\n"),
    ("PLAIN of 60,000, later", EHLO + b"AUTH PLAIN\r\n" + b"QUFB" * 15_000 + b"\r\n"),
    ("LOGIN that goes on", EHLO + b"AUTH LOGIN\r\n" + b"QUFB\r\n" * 50),
    ("NUL in an answer of AUTH", EHLO + b"AUTH LOGIN\r\nQU\0FB\r\n"),
    ("10,000 commands at once", b"NOOP\r\n" * 10_000),
    ("5,000 transactions at once", EHLO + b"MAIL FROM:<>\r\nRSET\r\n" * 5_000),
    ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("HTTP POST of a message", b"POST / HTTP/1.1\r\n\r\nMAIL FROM:<>\r\n"),
    ("TLS hello on the plain port", TLS_HELLO + b"\r\n"),
    ("BDAT of 2^64", EHLO + b"BDAT 18446744073709551616 LAST\r\n"),
    ("format strings", b"EHLO %s%n%n\r\nMAIL FROM:<%s%n@x>\r\n"),
    ("path without an end", EHLO + b"MAIL FROM:<" + b"<" * 400 + b"\r\n"),
    ("quoted local part without an end", EHLO + b'MAIL FROM:<>\r\nRCPT TO:<"' + b'\\"' * 200
     + b"@example.com>\r\n"),
]


@table(SMTP_GARBAGE)
def smtp_garbage(world, data):
    """A line's end comes with each: before it nothing has to be answered, and SMTP gives
    fifteen minutes for it (RFC 5321, 4.5.3.2)."""
    got = survives(world, 25, data, SMTP_ANSWER)
    lines = got.splitlines()
    nothing_else = [line for line in lines if not SMTP_ANSWER.match(line + b" ")]
    equal(nothing_else, [], "lines that are no replies")
    undisturbed(world)


@case
def a_command_line_without_an_end_takes_no_memory(world):
    before = world.ferry.memory()
    client = world.smtp("user9")
    for _ in range(32):
        client.send(b"x" * MIB)
    keeps_no_memory(world, before)
    equal(client.code(b""), 500, "its end")
    equal(client.code("NOOP"), 250, "the next")
    client.close()


@case
def a_pop3_login_that_takes_for_ever(world):
    client = world.pop3("user9")
    client.socket.settimeout(0.25)
    began, answer = time.monotonic(), b""
    while not answer and time.monotonic() - began < LOGIN_TIMEOUT + 20:
        client.send(b"x")
        with contextlib.suppress(TimeoutError):
            answer = client.socket.recv(1000)
    true(answer.startswith(b"-ERR"), f"{answer!r}")
    took = time.monotonic() - began
    true(LOGIN_TIMEOUT - 1 < took < LOGIN_TIMEOUT + 15, f"ended after {took:.1f} s")


@case
def guessing_pop3_passwords_does_not_lock_others_out(world):
    user = world.user(3)
    clients = [Pop3(world.lab.connect(PORT, ATTACKER)) for _ in range(20)]
    for client in clients:
        client.send(b"USER %s\r\nPASS wrong\r\n" % user.encode())
    began = time.monotonic()
    world.pop3_session(user).quit()
    true(time.monotonic() - began < 20, "the right password")
    for client in clients:
        true(client.line().startswith(b"+OK"), "USER")
        true(client.line().startswith(b"-ERR"), "PASS")
        client.close()


@case
def z_it_is_still_well(world):
    undisturbed(world)
    world.move_by_pop3(world.user(10))
    client = world.smtp()
    token, message = world.message()
    equal(client.deliver(message, at(world.here), at(world.there)), 250, "mail")
    client.quit()
    world.arrives(world.here, token)
    world.arrives(world.there, token)
    world.is_the_one_that_began()


class HostileWorld(Remembers, Mail, Pop3World):
    def __init__(self):
        super().__init__(settings={"limits": {"login_timeout": LOGIN_TIMEOUT}})
        self.pop3_before = self.smtp_before = None
        # The sanitizer keeps what was freed, and a password's check frees 16 MiB each time.
        environment = self.ferry.environment()
        environment["ASAN_OPTIONS"] += ":quarantine_size_mb=1"
        self.ferry.environment = lambda: environment

    def __enter__(self):
        super().__enter__()
        self.pop3_before = self.pop3_session(self.here)
        self.smtp_before = self.smtp(self.there)
        return self


main(HostileWorld)
