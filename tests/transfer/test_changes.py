#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof at the switch, from a server that says what has changed: how often the client
has to speak, how many rows come, and what the certificate says of it.

    test_changes.py MAILFERRY_TRANSFER REGISTRY_TOOL [WORD...]
"""
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent)
from fake_interceptor import SOON  # noqa: E402
from imap_world import ImapWorld  # noqa: E402
from mini_server import CHANGES, Folder  # noqa: E402
from one_account import case, equal, main, true, wait_until  # noqa: E402

FOLDERS = 9
MESSAGES = 200


class World(ImapWorld):
    """At the quiesce, when nobody is served any more, `last_moment` happens at the source."""

    def __init__(self):
        super().__init__()
        self.server.capability += CHANGES
        for n in range(1, FOLDERS):
            self.server.folders[f"F{n}"] = Folder(uidvalidity=n + 1)
            for uid in range(1, MESSAGES + 1):
                self.server.folders[f"F{n}"].add(uid, b"%d\r\n" % uid, "\\Seen")
        self.last_moment = lambda: None
        self.rows_before = 0
        answer = self.interceptor._answer  # pylint: disable=W0212

        def answer_after(connection, kind, account, number):
            if kind == "QUIESCE" and number != SOON:
                self.last_moment()
                self.rows_before = self.server.rows
            answer(connection, kind, account, number)
        self.interceptor._answer = answer_after  # pylint: disable=W0212

    def proof(self):
        """(turns on the wire, rows of listings, commands) of the last pass."""
        commands = [c.split(" ")[0] for c in self.server.commands]
        first = len(commands) - 1 - commands[::-1].index("NAMESPACE")
        last = len(commands) - 1 - (commands[-1] == "LOGOUT")
        turns = self.server.turns[last] - self.server.turns[first] + 1
        return turns, self.server.rows - self.rows_before, self.server.commands[first:last + 1]

    def flags(self):
        return {(name, uid): flags for name, uid, flags in self.rows(
            "SELECT b.name, m.uid, m.flags FROM message m JOIN mailbox b ON b.id = m.mailbox")}


@case
def unchanged(world):
    world.run()
    world.arrived()
    turns, rows, commands = world.proof()
    equal(turns, 2, f"turns of {commands}")
    equal(rows, 0, "rows")
    opened = [c.split('"')[1] for c in commands if c.startswith("EXAMINE")]
    equal(opened, [f"F{n}" for n in range(2, FOLDERS)] + ["INBOX"],
          "F1, the first of the largest, is open since before the switch")
    certificate = world.certificate()
    equal(certificate["result"], "equal", "certificate")
    equal(certificate["folders_by_changes"], FOLDERS, "folders by changes")
    true("HIGHESTMODSEQ" in certificate["by_changes"], certificate["by_changes"])
    for folder in certificate["folders"]:
        true(folder["since"] and folder["listed"], folder)
    equal(sum(f["messages"] for f in certificate["folders"]),
          8 + (FOLDERS - 1) * MESSAGES, "messages")


@case
def changed_in_the_last_moment(world):
    """The pass that finds it, and the one that proves what it has done: 3 and 2 turns."""
    def change():
        folder = world.server.folders["F3"]
        folder.messages[7] = ("\\Flagged", *folder.messages[7][1:])
        del folder.messages[9]
        folder.add(MESSAGES + 1, b"late\r\n")
        del world.server.folders["F4"].messages[MESSAGES]
    world.last_moment = change
    world.run()
    world.arrived()
    _, rows, _ = world.proof()
    equal(rows, 2, "rows")
    fetches = [c for c in world.server.commands if "BODY.PEEK" in c]
    equal(fetches[-1].split()[2], str(MESSAGES + 1), "the last body")
    flags = world.flags()
    equal((flags["F3", 7], flags["F3", 8]), (4, 1), "flags")
    equal(world.certificate()["messages"], 8 + (FOLDERS - 1) * MESSAGES - 1, "messages")


class Growing(str):
    """What NAMESPACE says. Mail comes before each pass, while nobody is served."""

    def __format__(self, _):
        if self.world.state() == "busy/switching" and self.more:
            self.more -= 1
            folder = self.world.server.folders["F3"]
            folder.add(folder.uidnext, b"late\r\n")
        return str(self)


@case
def mail_that_still_comes(world):
    """A source that works on its queue: its user is served until it is done, and no attempt
    has failed."""
    growing = world.server.namespace = Growing(world.server.namespace)
    growing.world, growing.more = world, 6
    world.run()
    world.arrived()
    equal(growing.more, 0, "all came")
    back = world.rows("SELECT detail FROM journal WHERE event = 'switch-back'",
                      "state/registry.sqlite")
    equal(back, [("mail still comes at the source",)], "switched back")
    equal(world.account("attempts")[0], 1, "attempts")
    equal(world.certificate()["messages"], 8 + (FOLDERS - 1) * MESSAGES + 6, "messages")


@case
def the_number_goes_back(world):
    """An index that was made anew counts from 1: then everything is listed."""
    def change():
        folder = world.server.folders["F3"]
        folder.messages[7] = ("\\Flagged", *folder.messages[7][1:])
        folder.modseq = 0
        folder.seen = {uid: (m, 1) for uid, m in folder.messages.items()}
    world.last_moment = change
    world.run()
    world.arrived()
    _, rows, _ = world.proof()
    true(rows >= MESSAGES, f"{rows} rows")
    equal(world.flags()["F3", 7], 4, "flags")


@case
def another_session(world):
    """What was read in the session before counts for nothing."""
    world.interceptor.logged_in.add(b"alice")
    process = world.start()
    wait_until("the copy", lambda: world.state() == "source/catching-up")
    process.kill()
    process.communicate()
    before = len(world.server.commands)
    world.interceptor.log_off(b"alice")
    world.run()
    world.arrived()
    passes = "\n".join(world.server.commands[before:]).split("NAMESPACE")
    true("CHANGEDSINCE" not in passes[1], "it is believed")
    true("CHANGEDSINCE" in passes[2], "the proof")


@case
def shared_folders(world):
    """Flags that each reader has apart: they are listed."""
    world.server.folders["Shared/F3"] = world.server.folders.pop("F3")
    world.server.namespace = '(("" "/")) NIL (("Shared/" "/"))'
    world.run()
    world.arrived()
    equal(world.proof()[1], MESSAGES, "rows")
    equal(world.certificate()["folders_by_changes"], FOLDERS - 1, "folders by changes")


@case
def a_server_without(world):
    world.server.capability = world.server.capability.removesuffix(CHANGES)
    world.run()
    world.arrived()
    true("folders_by_changes" not in world.certificate(), "certificate")
    equal(world.proof()[1], 8 + (FOLDERS - 1) * MESSAGES, "rows")


@case
def uids_in_parts(world):
    """So many ranges that one line could not hold them."""
    folder = world.server.folders["Gaps"] = Folder(uidvalidity=77)
    for uid in range(1, 16_000, 2):
        folder.add(uid, b"x\r\n")
    world.run()
    world.arrived()
    _, rows, commands = world.proof()
    equal(rows, 0, "rows")
    equal(len([c for c in commands if c.startswith("UID SEARCH RETURN (ALL) UID")]), 3, "parts")


if __name__ == "__main__":
    main(World)
