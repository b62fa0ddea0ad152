#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stranger who has a mailbox at the source wants the source's OK to be taken for that to
another name. Whatever they send: nobody learns a password of the other, and the other logs
in as ever.

test_forged.py [--plain|--dovecot|--heir|--courier|--mailutils] [WORD...]
"""
import base64
import contextlib
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import harness, pop3_world  # noqa: E402
from lab.harness import case, equal, table, true  # noqa: E402
from lab.server_plain import Plain  # noqa: E402

CHOSEN = "chosen-by-a-stranger"
MEANWHILE = 0.22  # the plain source takes 0.15 s to greet, and as long to answer
SILENCE = 1.0

pop3_world.SERVERS["--plain"] = {"server": Plain}


def b64(data):
    return base64.b64encode(data)


# What is sent; None: until something is said, and then at once; MEANWHILE: when the source
# has got what is before it, and has not answered yet. V is the victim, X the
# stranger, P their password, C the password that they chose for the victim.
IMAP = {
    "a literal that the source does not know": [
        b"b LOGIN V {%d+}\r\nb LOGIN X P\r\n\r\nb LOGIN V C\r\n"],
    "the same, as the user's name": [
        b"b LOGIN {%d+}\r\nb LOGIN X P\r\n C\r\nb LOGIN V C\r\n"],
    "a mechanism that nobody offers": [
        b"b AUTHENTICATE X-NONE\r\n", MEANWHILE, b"b LOGIN X P\r\n", None,
        b"b LOGIN V C\r\n"],
    "the same in one packet": [
        b"b AUTHENTICATE X-NONE\r\nb LOGIN X P\r\nb LOGIN V C\r\n"],
    "lines that an exchange did not ask for": [
        b"b AUTHENTICATE CRAM-MD5\r\n", None, b"bm8geA==\r\nb LOGIN X P\r\n", None,
        b"b LOGIN V C\r\n"],
    "lines before the challenge": [
        b"b AUTHENTICATE CRAM-MD5\r\nbm8geA==\r\nb LOGIN X P\r\nb LOGIN X P\r\n", None,
        b"b LOGIN V C\r\n", None, b"b LOGIN V C\r\n"],
    "an exchange that is cancelled": [
        b"b AUTHENTICATE CRAM-MD5\r\n*\r\nb LOGIN X P\r\n", None, b"b LOGIN V C\r\n"],
    "a token with the command, and lines": [
        b"b AUTHENTICATE XOAUTH2 %s\r\n" % b64(b"user=V\1auth=Bearer x\1\1"), MEANWHILE,
        b"b LOGIN X P\r\n", None, b"b LOGIN V C\r\n", None, b"b LOGIN V C\r\n"],
    "PLAIN with the command, and lines": [
        b"b AUTHENTICATE PLAIN %s\r\nb LOGIN V C\r\n" % b64(b"\0V\0wrong"), None,
        b"b LOGIN V C\r\n"],
    "attempts behind one another": [
        b"b LOGIN V C\r\nb LOGIN V C\r\nb LOGIN X P\r\nb LOGIN V C\r\n"],
    "a CR within a line": [b"b LOGIN V x\rb LOGIN X P\r\nb LOGIN V C\r\n"],
    "a STARTTLS and logins behind it": [
        b"b STARTTLS\r\nb LOGIN X P\r\n", None, b"b LOGIN V C\r\n"],
}
POP3 = {
    "a mechanism that nobody offers": [
        b"AUTH X-NONE\r\n", MEANWHILE, b"USER X\r\nPASS P\r\n", None, b"USER V\r\nPASS C\r\n"],
    "the same in one packet": [
        b"AUTH X-NONE\r\nUSER X\r\nPASS P\r\nUSER V\r\nPASS C\r\n"],
    "lines that an exchange did not ask for": [
        b"AUTH CRAM-MD5\r\n", None, b"bm8geA==\r\nUSER X\r\nPASS P\r\n", None,
        b"USER V\r\nPASS C\r\n"],
    "lines before the challenge": [
        b"AUTH CRAM-MD5\r\nbm8geA==\r\nUSER X\r\nPASS P\r\n", None, b"USER V\r\nPASS C\r\n"],
    "an exchange that is cancelled": [
        b"AUTH CRAM-MD5\r\n*\r\nUSER X\r\nPASS P\r\n", None, b"USER V\r\nPASS C\r\n"],
    "a token with the command, and lines": [
        b"AUTH XOAUTH2 %s\r\n" % b64(b"user=V\1auth=Bearer x\1\1"), MEANWHILE,
        b"USER X\r\nPASS P\r\n", None, b"USER V\r\nPASS C\r\n"],
    "PLAIN with the command": [
        b"AUTH PLAIN %s\r\nUSER X\r\nPASS P\r\n" % b64(b"\0V\0wrong"), None,
        b"USER V\r\nPASS C\r\n"],
    "attempts behind one another": [
        b"USER V\r\nPASS C\r\nUSER V\r\nUSER X\r\nPASS P\r\nUSER V\r\nPASS C\r\n"],
    "a CR within a line": [b"USER V\rUSER X\r\nPASS P\r\nUSER V\r\nPASS C\r\n"],
    "a name that a server cuts": [
        b"USER V%sUSER X\r\nPASS P\r\nUSER V\r\nPASS C\r\n" % (b"x" * 8187)],
    "a password that a server cuts": [
        b"USER V\r\nPASS %sUSER X\r\nPASS P\r\nUSER V\r\nPASS C\r\n" % (b"x" * 8187)],
    "STLS and logins behind it": [b"STLS\r\nUSER X\r\nPASS P\r\n", None, b"USER V\r\nPASS C\r\n"],
}


def filled(world, step, victim, stranger):
    """The step with names and passwords in it, and the right size of the literal."""
    def put(data):
        names = {b"V": victim, b"X": stranger, b"P": world.password(stranger), b"C": CHOSEN}
        return b" ".join(b"\r\n".join(names[w].encode() if w in names else w
                                      for w in word.split(b"\r\n"))
                         for word in data.split(b" "))
    if b"{%d+}" in step:
        inside = put(b"b LOGIN X P\r\n")
        return put(step.replace(b"{%d+}", b"{%d+}" % len(inside)))
    return put(step)


def attack(client, steps):
    """All that is said in the end."""
    said = b""
    client.settimeout(20)
    said += client.recv(4096)
    for step in steps:
        with contextlib.suppress(OSError):
            if step is None:
                said += client.recv(4096)
            elif step == MEANWHILE:
                time.sleep(MEANWHILE)
            else:
                client.sendall(step)
    client.settimeout(SILENCE)
    with contextlib.suppress(OSError):
        while data := client.recv(4096):
            said += data
    client.close()
    return said


def nobody_learnt(world, victim, said):
    account = world.ferry.account(victim)
    equal(account, None, f"what is known of the victim after {said[-300:]!r}")


def still_well(world, victim):
    """The victim logs in as ever, and by no other password."""
    client = world.imap(victim) if world.has_imap() else None
    if client:
        true(b" OK " not in client.login(victim, CHOSEN), "the stranger's password opens")
        client.close()
        client = world.imap(victim)
        answer = client.login(victim, world.password(victim))
        true(b" OK" in answer, f"{answer!r}")
        client.close()
    world.ferry.wait_account(victim, capturable=True)  # it is written behind the answer


def run(world, port, rows, name):
    victim, stranger = world.user(2), world.user(2)
    steps = [filled(world, step, victim, stranger) if isinstance(step, bytes) else step
             for step in rows[name]]
    said = attack(world.lab.connect(port, world.address(stranger)), steps)
    nobody_learnt(world, victim, said)
    still_well(world, victim)


@table([(name, name) for name in IMAP])
def imap(world, name):
    run(world, 143, IMAP, name)


@table([(name, name) for name in POP3])
def pop3(world, name):
    run(world, pop3_world.PORT, POP3, name)


def plain(authzid, authcid, password):
    return b64(f"{authzid}\0{authcid}\0{password}".encode())


@table([("IMAP", 143, b"a AUTHENTICATE PLAIN\r\n"), ("POP3", 110, b"AUTH PLAIN\r\n")])
def a_proof_for_another_teaches_nothing(world, port, command):
    """Whoever the source takes it for: it passes, and that is all."""
    victim, stranger = world.user(2), world.user(2)
    said = attack(world.lab.connect(port, world.address(stranger)), [
        command, None, plain(victim, stranger, world.password(stranger)) + b"\r\n"])
    nobody_learnt(world, victim, said)
    equal(world.ferry.account(stranger), None, "of the stranger")
    still_well(world, victim)


@case
def a_master_name_teaches_nothing(world):
    victim, stranger = world.user(2), world.user(2)
    name = f"{victim}*{stranger}"
    attack(world.lab.connect(143, world.address(stranger)), [
        f'a LOGIN "{name}" "{world.password(stranger)}"\r\n'.encode()])
    for each in (victim, stranger, name):
        equal(world.ferry.account(each), None, each)


def main():
    options, words = pop3_world.options("--plain")
    settings = {"limits": {"connections_per_ip": 1000}}
    harness.main(lambda: pop3_world.Pop3World(settings=settings, **options), words)


main()
