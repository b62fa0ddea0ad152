#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a real server says has changed (RFC 7162) is all that has changed: after each
round of changes a pass asks for that alone, and one that lists everything finds no difference.

    test_changes.py [--dovecot|--heir|--cyrus|--mdbox] [--rounds N] [WORD...]
"""
import random
import subprocess
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.ferry import bin_directory  # noqa: E402
from lab.harness import World, case, equal, main, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402
from lab.server_cyrus import Cyrus  # noqa: E402
from lab.server_dovecot import Dovecot  # noqa: E402
from lab.server_dovecot_heir import DovecotHeir  # noqa: E402

NEW = b"From: x@example.org\r\nSubject: new\r\n\r\nnew\r\n"
SERVERS = {"--dovecot": {"server": Dovecot}, "--heir": {"server": DovecotHeir},
           "--cyrus": {"server": Cyrus}, "--mdbox": {"storage": "mdbox"}}
ROUNDS = 12


class Passes:
    """The transfer's reader and copy, at the router."""

    def __init__(self, world, user):
        self.process = world.lab.router.start(
            bin_directory() / "pass_tool", SOURCE_ADDRESS[0], 143, user, world.password(user),
            world.lab.folder / f"passes-{user}", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)

    def one(self, kind="pass"):
        """(differences, folders by their changes, folders), in words"""
        self.process.stdin.write(kind + "\n")
        self.process.stdin.flush()
        differences, by_changes, folders, words = self.process.stdout.readline().split(" ", 3)
        return int(differences), int(by_changes), int(folders), words

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        equal(self.process.wait(10), 0, "pass_tool")


class Changes:
    """What users do, at random."""

    def __init__(self, world, user, seed):
        self.client = Imap(world.direct())
        self.client.login(user, world.password(user))
        self.world, self.user, self.random = world, user, random.Random(seed)

    def uids(self):
        self.client.ok("SELECT INBOX")
        return [int(u) for u in self.client.ok("UID SEARCH ALL")[0].split()[2:]]

    def some(self):
        uids = self.uids()
        return ",".join(map(str, sorted(self.random.sample(uids, min(3, len(uids))))))

    def flags(self):
        sign = self.random.choice("+-")
        word = self.random.choice(["\\Seen", "\\Flagged", "\\Answered", "word", "$Junk"])
        self.client.ok(f"UID STORE {self.some()} {sign}FLAGS.SILENT ({word})")

    def expunge(self):
        self.client.ok(f"UID STORE {self.some()} +FLAGS (\\Deleted)")
        self.client.ok("EXPUNGE")

    def append(self):
        self.client.ok(b"APPEND INBOX (\\Seen) {%d+}\r\n%s" % (len(NEW), NEW))

    def deliver(self):
        self.world.server.deliver(self.user, NEW)

    def copy(self):
        self.client.ok(f"UID COPY {self.some()} INBOX")

    def come_and_go(self):
        """The sum stays."""
        self.expunge()
        for _ in range(3):
            self.append()

    def nothing(self):
        pass

    def one(self):
        kind = self.random.choice([self.flags, self.flags, self.expunge, self.append,
                                   self.deliver, self.copy, self.come_and_go, self.nothing])
        kind()
        return kind.__name__


@case
def what_is_said_is_all(world):
    user = world.user(120)
    passes, changes = Passes(world, user), Changes(world, user, 7)
    true(passes.one()[0] > 100, "the first copy")
    for n in range(ROUNDS):
        done = [changes.one() for _ in range(n % 3 + 1)]
        found, by_changes, folders, words = passes.one()
        true(found or set(done) <= {"nothing", "flags"}, f"{done}: nothing was found")
        true(by_changes, f"{done}: {folders} folders were listed: {words}")
        equal(passes.one()[0], 0, f"{done}: what is left")
        if n % 3 == 2:
            found, by_changes, _, words = passes.one("anew")
            equal((found, by_changes), (0, 0), f"{done}: by listing all: {words}")
    found, by_changes, _, words = passes.one("anew")
    equal((found, by_changes), (0, 0), f"by listing all: {words}")
    passes.end()


@case
def folders(world):
    user = world.user(30)
    passes, changes = Passes(world, user), Changes(world, user, 8)
    passes.one()
    sent = next(name for name in world.at_source(user)["folders"] if b"Sent" in name).decode()
    for command in (f'CREATE "{sent}3"', f'RENAME "{sent}" "{sent}2"', f'SUBSCRIBE "{sent}2"',
                    f'DELETE "{sent}2"'):
        changes.client.ok(command)
        true(passes.one()[0] > 0, f"{command}: nothing was found")
        equal(passes.one()[0], 0, f"{command}: what is left")
        found, _, _, words = passes.one("anew")
        equal(found, 0, f"{command}: by listing all: {words}")
    passes.end()


if __name__ == "__main__":
    words = sys.argv[1:]
    if "--rounds" in words:
        at = words.index("--rounds")
        ROUNDS = int(words[at + 1])
        del words[at:at + 2]
    options = [SERVERS[word] for word in words if word in SERVERS]
    main(lambda: World(ferry=False, **(options or [{}])[0]),
         [word for word in words if word not in SERVERS])
