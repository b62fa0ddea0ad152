#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an old server takes before and at the login, in whatever spelling, is taken by us,
too, before and after the move.

test_lenient.py [--dovecot|--heir|--courier|--mailutils] [--show] [WORD...]
--show prints what each side answers.
"""
import base64
import contextlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import harness, pop3_world  # noqa: E402
from lab.harness import Skipped, table, true  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402

PATIENCE = 12    # Courier takes five seconds for a wrong password
SHOW = "--show" in sys.argv


def b64(data):
    return base64.b64encode(data)


def plain(user, password):
    return b64(b"\0" + user + b"\0" + password)


# What is sent, a packet each; each waits for an answer. u and p are bytes. The answer to
# the last is compared.
IMAP = {
    "two spaces": lambda u, p: [b"A LOGIN %s  %s\r\n" % (u, p)],
    "two spaces behind the tag": lambda u, p: [b"A  LOGIN %s %s\r\n" % (u, p)],
    "two spaces behind LOGIN": lambda u, p: [b"A LOGIN  %s %s\r\n" % (u, p)],
    "space at the end": lambda u, p: [b"A LOGIN %s %s \r\n" % (u, p)],
    "space at the start": lambda u, p: [b" A LOGIN %s %s\r\n" % (u, p)],
    "tab": lambda u, p: [b"A LOGIN %s\t%s\r\n" % (u, p)],
    "lower case": lambda u, p: [b"A login %s %s\r\n" % (u, p)],
    "bare LF": lambda u, p: [b"A LOGIN %s %s\n" % (u, p)],
    "an empty line first": lambda u, p: [b"\r\nA LOGIN %s %s\r\n" % (u, p)],
    "one word quoted": lambda u, p: [b'A LOGIN "%s" %s\r\n' % (u, p)],
    "escapes that need none": lambda u, p: [
        b'A LOGIN "%s" "%s"\r\n' % (u, b"".join(b"\\%c" % c for c in p))],
    "a third word": lambda u, p: [b"A LOGIN %s %s x\r\n" % (u, p)],
    "quotes that touch": lambda u, p: [b'A LOGIN "%s""%s"\r\n' % (u, p)],
    "parentheses": lambda u, p: [b"A LOGIN (%s %s)\r\n" % (u, p)],
    "LITERAL+": lambda u, p: [b"A LOGIN {%d+}\r\n%s {%d+}\r\n%s\r\n" % (len(u), u, len(p), p)],
    "a space behind a literal": lambda u, p: [
        b"A LOGIN {%d}\r\n" % len(u), b"%s {%d}\r\n" % (u, len(p)), p + b" \r\n"],
    "odd tag": lambda u, p: [b"A.1-x[2] LOGIN %s %s\r\n" % (u, p)],
    "plus in the tag": lambda u, p: [b"A+1 LOGIN %s %s\r\n" % (u, p)],
    "long tag": lambda u, p: [b"A" * 100 + b" LOGIN %s %s\r\n" % (u, p)],
    "NOOP and CAPABILITY first": lambda u, p: [
        b"1 NOOP \r\n", b"2 CAPABILITY \r\n", b"A LOGIN %s %s\r\n" % (u, p)],
    "ID first": lambda u, p: [b'1 ID ("name" "x")\r\n', b"A LOGIN %s %s\r\n" % (u, p)],
    "ID without space": lambda u, p: [b'1 id("name" "x")\r\n', b"A LOGIN %s %s\r\n" % (u, p)],
    "a wrong password first": lambda u, p: [
        b"1 LOGIN %s wrong\r\n" % u, b"A LOGIN %s %s\r\n" % (u, p)],
    "an unknown command first": lambda u, p: [
        b"1 XYZZY\r\n", b"A LOGIN %s %s\r\n" % (u, p)],
    "a command of later first": lambda u, p: [
        b"1 NAMESPACE\r\n", b"A LOGIN %s %s\r\n" % (u, p)],
    "space behind the mechanism": lambda u, p: [
        b"A AUTHENTICATE PLAIN \r\n", plain(u, p) + b"\r\n"],
    "two spaces before it": lambda u, p: [
        b"A AUTHENTICATE  PLAIN\r\n", plain(u, p) + b"\r\n"],
    "mechanism in quotes": lambda u, p: [
        b'A AUTHENTICATE "PLAIN"\r\n', plain(u, p) + b"\r\n"],
    "mechanism in lower case": lambda u, p: [
        b"A authenticate plain\r\n", plain(u, p) + b"\r\n"],
    "space behind the answer": lambda u, p: [
        b"A AUTHENTICATE PLAIN\r\n", plain(u, p) + b" \r\n"],
    "space before the answer": lambda u, p: [
        b"A AUTHENTICATE PLAIN\r\n", b" " + plain(u, p) + b"\r\n"],
    "no padding": lambda u, p: [
        b"A AUTHENTICATE PLAIN\r\n", plain(u, p).rstrip(b"=") + b"\r\n"],
    "initial response": lambda u, p: [b"A AUTHENTICATE PLAIN %s\r\n" % plain(u, p)],
    "initial response, spaces": lambda u, p: [
        b"A AUTHENTICATE PLAIN  %s \r\n" % plain(u, p)],
    "initial response of LOGIN": lambda u, p: [
        b"A AUTHENTICATE LOGIN %s\r\n" % b64(u), b64(p) + b"\r\n"],
    "empty initial response of LOGIN": lambda u, p: [
        b"A AUTHENTICATE LOGIN =\r\n", b64(u) + b"\r\n", b64(p) + b"\r\n"],
    "a cancelled one first": lambda u, p: [
        b"1 AUTHENTICATE PLAIN\r\n", b"*\r\n", b"A LOGIN %s %s\r\n" % (u, p)],
    "an unknown mechanism first": lambda u, p: [
        b"1 AUTHENTICATE X-NONE\r\n", b"A LOGIN %s %s\r\n" % (u, p)],
    "the domain behind the name": lambda u, p: [
        b"A LOGIN %s@example.com %s\r\n" % (u, p)],
    "all at once": lambda u, p: [
        b"1 CAPABILITY\r\n2 NOOP\r\nA LOGIN %s %s\r\nB NOOP\r\n" % (u, p)],
    "an answer that was not waited for": lambda u, p: [
        b"A AUTHENTICATE PLAIN\r\n%s\r\n" % plain(u, p)],
}
POP3 = {
    "space behind the name": lambda u, p: [b"USER %s \r\n" % u, b"PASS %s\r\n" % p],
    "two spaces before the name": lambda u, p: [b"USER  %s\r\n" % u, b"PASS %s\r\n" % p],
    "space at the start": lambda u, p: [b" USER %s\r\n" % u, b" PASS %s\r\n" % p],
    "tab": lambda u, p: [b"USER\t%s\r\n" % u, b"PASS\t%s\r\n" % p],
    "lower case": lambda u, p: [b"user %s\r\n" % u, b"pass %s\r\n" % p],
    "bare LF": lambda u, p: [b"USER %s\n" % u, b"PASS %s\n" % p],
    "an empty line first": lambda u, p: [b"\r\n", b"USER %s\r\n" % u, b"PASS %s\r\n" % p],
    "space behind the password": lambda u, p: [b"USER %s\r\n" % u, b"PASS %s \r\n" % p],
    "CAPA and AUTH first": lambda u, p: [
        b"CAPA \r\n", b"AUTH\r\n", b"USER %s\r\n" % u, b"PASS %s\r\n" % p],
    "NOOP first": lambda u, p: [b"NOOP\r\n", b"USER %s\r\n" % u, b"PASS %s\r\n" % p],
    "CAPA between": lambda u, p: [b"USER %s\r\n" % u, b"CAPA\r\n", b"PASS %s\r\n" % p],
    "nonsense between": lambda u, p: [b"USER %s\r\n" % u, b"XYZZY\r\n", b"PASS %s\r\n" % p],
    "another name first": lambda u, p: [
        b"USER nobody\r\n", b"USER %s\r\n" % u, b"PASS %s\r\n" % p],
    "a wrong password first": lambda u, p: [
        b"USER %s\r\n" % u, b"PASS wrong\r\n", b"USER %s\r\n" % u, b"PASS %s\r\n" % p],
    "space behind the mechanism": lambda u, p: [b"AUTH PLAIN \r\n", plain(u, p) + b"\r\n"],
    "two spaces before it": lambda u, p: [b"AUTH  PLAIN\r\n", plain(u, p) + b"\r\n"],
    "mechanism in lower case": lambda u, p: [b"auth plain\r\n", plain(u, p) + b"\r\n"],
    "space behind the answer": lambda u, p: [b"AUTH PLAIN\r\n", plain(u, p) + b" \r\n"],
    "initial response": lambda u, p: [b"AUTH PLAIN %s\r\n" % plain(u, p)],
    "initial response, spaces": lambda u, p: [b"AUTH PLAIN  %s \r\n" % plain(u, p)],
    "initial response of LOGIN": lambda u, p: [
        b"AUTH LOGIN %s\r\n" % b64(u), b64(p) + b"\r\n"],
    "a cancelled one first": lambda u, p: [
        b"AUTH PLAIN\r\n", b"*\r\n", b"USER %s\r\n" % u, b"PASS %s\r\n" % p],
    "the domain behind the name": lambda u, p: [
        b"USER %s@example.com\r\n" % u, b"PASS %s\r\n" % p],
    "USER and PASS at once": lambda u, p: [b"USER %s\r\nPASS %s\r\n" % (u, p)],
    "all at once": lambda u, p: [
        b"CAPA\r\nUSER %s\r\nPASS %s\r\nNOOP\r\n" % (u, p)],
    "an answer that was not waited for": lambda u, p: [
        b"AUTH PLAIN\r\n%s\r\n" % plain(u, p)],
}
LET_IN = {143: b" OK", 110: b"+OK"}


def until_silence(connection, wanted, patience):
    """What comes until one of the wanted lines has come, and for a moment more."""
    said = b""
    connection.settimeout(patience)
    with contextlib.suppress(OSError):
        while data := connection.recv(65536):
            said += data
            connection.settimeout(0.25 if wanted(said) else patience)
    return said


def dialogue(connection, port, steps):
    """All answers."""
    said = until_silence(connection, lambda text: b"\n" in text, PATIENCE)
    for step in steps:
        with contextlib.suppress(OSError):
            connection.sendall(step)
        said += until_silence(connection, lambda text: text.endswith(b"\n"), PATIENCE)
    check = b"Z1 SELECT INBOX\r\n" if port == 143 else b"STAT\r\n"
    with contextlib.suppress(OSError):
        connection.sendall(check)
    said += b"|" + until_silence(
        connection, lambda text: text.endswith(b"\n"), PATIENCE)
    connection.close()
    return said


def is_in(port, said):
    """Whether the login was taken: what needs one is."""
    last = said.rsplit(b"|", 1)[1]
    return b"Z1 OK" in last if port == 143 else last.rstrip().rsplit(b"\n", 1)[-1].startswith(
        b"+OK")


def compare(world, port, steps_of):
    if port == 143 and not world.has_imap():
        raise Skipped("no IMAP at the source")

    def talk(connect, user):
        return dialogue(connect(), port, steps_of(user.encode(), world.password(user).encode()))

    def through_us(user):
        return talk(lambda: world.lab.connect(port, world.address(user)), user)

    with ThreadPoolExecutor() as pool:  # they wait most of the time
        moved = pool.submit(through_us, world.here)
        direct = talk(lambda: world.lab.source.connect(SOURCE_ADDRESS[0], port), world.there)
        answers = {"at the source": through_us(world.there), "after the move": moved.result()}
    wanted = is_in(port, direct)
    if SHOW:
        print(f"    directly {wanted}: {direct[-200:]!r}")
    wrong = []
    for where, said in answers.items():
        if SHOW:
            print(f"    {where} {is_in(port, said)}: {said[-200:]!r}")
        if wanted and not is_in(port, said):
            wrong.append(f"{where}: {said[-300:]!r}")
    true(not wrong, f"directly {direct[-200:]!r}; " + "; ".join(wrong))


@table([(name, steps) for name, steps in IMAP.items()])
def imap(world, steps):
    compare(world, 143, steps)


@table([(name, steps) for name, steps in POP3.items()])
def pop3(world, steps):
    compare(world, pop3_world.PORT, steps)


class LenientWorld(pop3_world.Pop3World):
    """there: lives at the source, and stays; here: has moved."""

    def __enter__(self):
        super().__enter__()
        self.there, self.here = self.user(2), self.user(2)
        self.pop3_session(self.there).quit()
        self.ferry.ok("route", self.there, "source")
        self.move_by_pop3(self.here)
        return self


def main():
    if SHOW:
        sys.argv.remove("--show")
    options, words = pop3_world.options()
    harness.main(lambda: LenientWorld(settings={"limits": {"connections_per_ip": 1000}},
                                      **options), words)


main()
