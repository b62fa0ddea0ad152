#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""SMTP AUTH at a source that breaks long lines in two, as older Postfix and Sendmail do,
answers each, and takes its time. A stranger who has a mailbox there wants the OK to one line
to be taken for that to another, with the victim's name and a password of their choice."""
import base64
import contextlib
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main, table, true  # noqa: E402
from lab.server_plain import Plain  # noqa: E402
from lab.server_scripted_smtp import ScriptedSmtp  # noqa: E402
from lab.smtp import Smtp  # noqa: E402

CHOSEN = "chosen-by-a-stranger"
PIECE = 2048
PATIENCE = 0.15


def plain(user, password, acting_as=""):
    return b"AUTH PLAIN " + base64.b64encode(f"{acting_as}\0{user}\0{password}".encode())


def filled(command, size=PIECE):
    return command + b" " + b"x" * (size - len(command) - 1)


class SplitSmtp(ScriptedSmtp):
    line_max = PIECE

    def __init__(self, namespace, users):
        super().__init__(namespace)
        self.users = users
        self.answers = {"EHLO": b"250-mail.example.com\r\n250 AUTH PLAIN LOGIN\r\n",
                        "AUTH": self.auth}
        self.router = {"EHLO": self.answers["EHLO"]}

    def _answer(self, verb, line, address):
        if address.startswith("192.0.2."):
            time.sleep(PATIENCE)
        return super()._answer(verb, line, address)

    def auth(self, line, _address):
        """Whose password it is counts; whom it is for it does not look at."""
        words = line.split()
        with contextlib.suppress(ValueError):
            _, name, password = base64.b64decode(words[-1]).decode().split("\0")
            if len(words) == 3 and self.users.get(name) == password:
                return b"235 yes\r\n"
        return b"535 no\r\n"


class Split(World):
    def __init__(self):
        super().__init__(server=Plain)
        self.script = SplitSmtp(self.lab.source, self.server.users)

    def __enter__(self):
        self.lab.at_down.append(self.script.stop)
        self.lab.after_network = self.script.start
        return super().__enter__()


# own: the stranger's login, forged: the one for the victim, a whole line.
ROWS = [
    ("an AUTH that is a login from its 2049th byte on",
     lambda own, forged: filled(b"AUTH X-NONE") + own + b"\r\n" + forged * 3),
    ("the longest NOOP", lambda own, forged: filled(b"NOOP", PIECE - 1) + b"\r\n" + forged
     + own + b"\r\n" + forged * 2),
    ("and one byte more", lambda own, forged: filled(b"NOOP") + b"\r\n" + forged
     + own + b"\r\n" + forged * 2),
    ("a HELO as long", lambda own, forged: filled(b"HELO", PIECE - 1) + b"\r\n" + forged
     + own + b"\r\n" + forged * 2),
    ("a login behind a failed one", lambda own, forged: forged + own + b"\r\n" + forged),
]


@table(ROWS)
def a_stranger(world, attack):
    victim, stranger = world.user(1), world.user(1)
    client = Smtp(world.lab.connect(25, world.address(stranger)))
    client.ok("EHLO client.example.org")
    client.send(attack(plain(stranger, world.password(stranger)),
                       plain(victim, CHOSEN) + b"\r\n"))
    said = []
    with contextlib.suppress(OSError, EOFError):
        client.socket.settimeout(2)
        while True:
            said.append(client.reply())
    client.close()
    true(said, "it was answered")
    equal(world.ferry.account(victim), None, f"of the victim after {said!r}")


@case
def a_proof_for_another_teaches_nothing(world):
    victim, stranger = world.user(1), world.user(1)
    client = Smtp(world.lab.connect(25, world.address(stranger)))
    client.ok("EHLO client.example.org")
    client.ok(plain(stranger, world.password(stranger), victim))
    client.quit()
    for each in (victim, stranger):
        equal(world.ferry.account(each), None, each)


@case
def a_user_is_learnt_behind_a_failed_attempt(world):
    """Let in at once, and learnt at the next session."""
    user = world.user(1)
    for attempts in (["wrong", world.password(user)], [world.password(user)]):
        client = Smtp(world.lab.connect(25, world.address(user)))
        client.ok("EHLO client.example.org")
        said = [client.code(plain(user, password)) for password in attempts]
        equal(said, [535, 235][-len(attempts):], f"{attempts}")
        client.quit()
        if len(attempts) > 1:
            equal(world.ferry.account(user), None, "behind the wrong one")
    world.ferry.wait_account(user, capturable=True)


@case
def a_user_is_learnt(world):
    """By a login that is the first thing said; else the cases above show nothing."""
    user = world.user(1)
    client = Smtp(world.lab.connect(25, world.address(user)))
    client.ok("EHLO client.example.org")
    client.ok(plain(user, world.password(user)))
    client.quit()
    world.ferry.wait_account(user, capturable=True)


main(Split)
