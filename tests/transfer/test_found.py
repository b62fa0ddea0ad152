#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the transfer finds at the source besides mail: kept once a day, bounded, and whatever
the source says, the account moves.

    test_found.py MAILFERRY_TRANSFER REGISTRY_TOOL [WORD...]
"""
import contextlib
import json
import sqlite3
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent)
from imap_world import ImapWorld  # noqa: E402
from mini_server import Folder  # noqa: E402
from one_account import PARKED, case, equal, main, true  # noqa: E402

STATE_MAX = 128 << 10  # FOUND_STATE_MAX
LOOKS = ("GETACL", "MYRIGHTS", "GETQUOTAROOT", "GETQUOTA", "SETACL", "SETQUOTA", "DELETEACL")
OTHERS = ('(("" "/")) (("user/" "/")) (("Public/" "/"))')


class World(ImapWorld):
    """A source that has all of it, in its usual form."""

    def __init__(self):
        super().__init__()
        server = self.server
        server.capability += " ACL QUOTA"
        server.namespace = OTHERS
        self.others = {"user/": ["user/bob", "user/bob/Plans"], "Public/": ["Public/News"]}
        self.acls = {"INBOX": "alice lrswipkxtea bob lr"}
        server.answers = {"LIST": self.list, "GETACL": self.acl, "MYRIGHTS": self.rights,
                          "GETQUOTAROOT": self.quota}

    def list(self, session, arguments):
        for prefix, names in self.others.items():
            if arguments == f'"" "{prefix}*"':
                for name in names:
                    session.connection.sendall(
                        b'* LIST () "/" "%s"\r\n' % name.encode("latin-1"))
                return "OK done"
        return None

    def acl(self, session, arguments):
        name = arguments.strip('"')
        if self.acls.get(name) is None:
            return "NO [NOPERM] not yours to see"
        session.say(f'* ACL "{name}" {self.acls[name]}')
        return "OK done"

    @staticmethod
    def rights(session, arguments):
        session.say(f"* MYRIGHTS {arguments} lrs")
        return "OK done"

    @staticmethod
    def quota(session, _):
        session.say('* QUOTAROOT INBOX "User quota"')
        session.say('* QUOTA "User quota" (STORAGE 100 1024 MESSAGE 8 500)')
        return "OK done"

    def at_source(self):
        """What the user may read there."""
        refused = self.server.refuses
        return {name: mail for name, mail in super().at_source().items() if name not in refused}

    def found(self):
        """(state, error) as the registry has it."""
        (state, error), = self.rows("SELECT state, error FROM found", "state/registry.sqlite")
        true(len(state) < STATE_MAX, f"{len(state)} bytes")
        true(all(ord(c) >= 32 and ord(c) != 127 for c in state + error), "control bytes")
        return json.loads(state), error

    def asked(self):
        return [c for c in self.server.commands
                if c.split()[0] in LOOKS or c.startswith('LIST "" "') and c != 'LIST "" "*"']

    def goes_on(self, error=""):
        """The account has moved, and the look's failure is noted: it begins so."""
        self.run()
        self.arrived()
        found, told = self.found()
        true(told.startswith(error) if error else not told, f"error: {told!r}")
        return found

    def looked(self, hours_ago, found=None):
        """There was a look, and this is what it found."""
        path = self.folder / "state/registry.sqlite"
        with contextlib.closing(sqlite3.connect(path, timeout=5)) as database, database:
            database.execute("INSERT INTO found SELECT id, ?, '', ? FROM account",
                             (int((time.time() - hours_ago * 3600) * 1000),
                              json.dumps(found or {})))


@case
def what_there_is(world):
    world.server.folders["Sent"] = Folder()
    world.acls["Sent"] = "alice@example.com lrswipkxtea owner lr administrators lra anyone p -eve r"
    world.server.folders["Public/News"] = Folder()
    found = world.goes_on()
    equal(found["shows"], {"namespace": True, "acl": True, "quota": True}, "shows")
    equal(found["folders"], [
        {"name": "user/bob", "kind": "others", "rights": "lrs", "copied": False,
         "without_right": False},
        {"name": "user/bob/Plans", "kind": "others", "rights": "lrs", "copied": False,
         "without_right": False},
        {"name": "Public/News", "kind": "shared", "rights": "lrs", "copied": True,
         "without_right": False}], "folders")
    equal(found["folders_total"], 3, "folders_total")
    equal(found["shares"], [{"folder": "INBOX", "who": "bob", "rights": "lr"}], "shares")
    equal((found["withheld"], found["withheld_total"], found["unasked"]), ([], 0, 0), "withheld")
    equal(found["quota"], [
        {"root": "User quota", "resource": "STORAGE", "used": 100, "limit": 1024},
        {"root": "User quota", "resource": "MESSAGE", "used": 8, "limit": 500}], "quota")
    true(not any("Public" in c for c in world.asked() if c.startswith("GETACL")),
         "ACLs are asked of own folders")


@case
def two_turns_on_the_wire(world):
    world.goes_on()
    turns = {turns for command, turns in zip(world.server.commands, world.server.turns)
             if command in world.asked()}
    equal(len(turns), 2, f"turns: {turns}")


@case
def nothing_is_asked_that_is_not_announced(world):
    world.server.capability = world.server.capability.replace(" ACL QUOTA", "")
    world.server.namespace = '(("" "/")) NIL NIL'
    found = world.goes_on()
    equal(world.asked(), [], "asked")
    equal(found["shows"], {"namespace": True, "acl": False, "quota": False}, "shows")


@case
def not_twice_a_day(world):
    world.looked(23)
    equal(world.goes_on(), {}, "what was found before")
    equal(world.asked(), [], "asked")


@case
def the_last_look_counts(world):
    """Of a user, too, who never logs off."""
    world.interceptor.logged_in.add(b"alice")
    world.looked(24)
    world.run(wanted=PARKED)
    equal(world.state(), "source/catching-up", "state")
    equal(len(world.found()[0]["folders"]), 3, "folders")


@case
def an_acl_that_is_withheld(world):
    world.acls.clear()
    found = world.goes_on()
    equal(found["withheld"], [{"folder": "INBOX", "rights": "lrs"}], "withheld")
    equal((found["withheld_total"], found["shows"]["acl"]), (1, False), "total")


@case
def one_command_at_a_time(world):
    world.server.one_at_a_time = True
    found = world.goes_on()
    equal((len(found["folders"]), len(found["shares"]), len(found["quota"])), (3, 1, 2), "found")


@case
def a_prefix_inside_another_is_listed_with_it(world):
    """Cyrus: other users' below "user.", shared ones below ""."""
    world.server.namespace = '(("INBOX." ".")) (("user." ".")) (("" "."))'
    world.others = {}
    for name in ("INBOX.Sent", "user.bob", "team"):
        world.server.folders[name] = Folder()
    found = world.goes_on()
    equal([(f["name"], f["kind"], f["copied"]) for f in found["folders"]],
          [("user.bob", "others", True), ("team", "shared", True)], "folders")
    equal(world.server.commands.count('LIST "" "*"'),
          world.server.commands.count("NAMESPACE") + 1, "one LIST")


# ---- folders of others that are listed and not opened ----------------------------------------

BARRED = {"Public/A": "[NOPERM] Permission denied", "Public/B": "[CANNOT] never",
          "user/bob/C": "Permission denied"}
NO_RIGHT = "shared folder without the right to read"


def folder():
    made = Folder()
    made.add(1, b"Subject: x\r\n\r\nx\r\n")
    return made


def here(world):
    return [name for name, in world.rows("SELECT CAST(name AS TEXT) FROM mailbox")]


def fails(world, name, text):
    world.server.refuses = {name: text}
    world.run()
    equal(world.state(), "source/failed", f"{name}: {text}")
    true(name in world.error(), world.error())


@case
def folders_without_the_right_to_read(world):
    """They are named, and are not here; the rest moves."""
    for name in (*BARRED, "Public/D"):
        world.server.folders[name] = folder()
    world.server.refuses = dict(BARRED)
    world.others = {"user/": ["user/bob/C"], "Public/": ["Public/A", "Public/B", "Public/D"]}
    found = world.goes_on()
    equal({f["name"]: (f["copied"], f["without_right"]) for f in found["folders"]},
          {"Public/D": (True, False), **{name: (False, True) for name in BARRED}}, "found")
    certificate = world.certificate()
    equal(certificate["result"], "equal", "certificate")
    equal({f["name"]: f["result"] for f in certificate["folders"]},
          {"INBOX": "equal", "Public/D": "equal", **dict.fromkeys(BARRED, NO_RIGHT)}, "folders")
    equal(sorted(here(world)), ["INBOX", "Public/D"], "here")


@case
def a_refusal_that_may_pass(world):
    world.server.folders["Public/A"] = folder()
    for text in ("[INUSE] x", "[UNAVAILABLE] x", "[SERVERBUG] x", "[LIMIT] x", "[NEW] x",
                 "[NOPERM x", "[NONEXISTENT] x"):
        fails(world, "Public/A", text)
    world.server.refuses = {}
    world.goes_on()


@case
def a_refusal_of_what_may_be_the_users_own(world):
    for name, namespace in (("Mine", OTHERS), ("Public", OTHERS),
                            ("Public/A", '(("" "/")) NIL (("" "/"))'),
                            ("Public/A", '(("" "/")("Public/" "/")) NIL (("Public/" "/"))'),
                            ("Public/A", '(("" "/")) NIL NIL'), ("Public/A", "((")):
        world.server.namespace = namespace
        world.server.folders = {"INBOX": world.server.folders["INBOX"], name: folder()}
        fails(world, name, "[NOPERM] no")


@case
def one_refusal_is_not_enough(world):
    """It is opened in the second pass; what was here once is not left."""
    opened = world.server.folders["Public/A"] = folder()
    asked = []

    def examine(_, arguments):
        asked.append(arguments)
        return "NO [NOPERM] no" if "Public/A" in arguments and len(asked) < 3 else None
    world.server.answers["EXAMINE"] = examine
    world.interceptor.logged_in.add(b"alice")
    world.run(wanted=PARKED)
    equal(sorted(here(world)), ["INBOX", "Public/A"], "here")
    true(opened.messages and len(asked) > 3, f"{asked}")
    world.server.answers.pop("EXAMINE")
    world.interceptor.logged_in.clear()
    fails(world, "Public/A", "[NOPERM] no")


# ---- a source that lies ---------------------------------------------------------------------

@case
def ten_thousand_folders(world):
    world.others["Public/"] = [f"Public/\x1b[2J\x07\xff{n}" for n in range(10000)]
    found = world.goes_on()
    equal((len(found["folders"]), found["folders_total"]), (50, 10002), "folders")


@case
def long_names_and_many_rights(world):
    long = "x" * 3000
    world.others["Public/"] = [f"Public/{long}{n}" for n in range(100)]
    world.acls["INBOX"] = " ".join(f'"\\"{n}{"q" * 200}" {"l" * 400}' for n in range(400))
    found = world.goes_on()
    equal((len(found["folders"]), found["folders_total"]), (2, 102), "folders")
    equal((len(found["shares"]), found["shares_total"]), (50, 400), "shares")


@case
def the_same_thing_again_and_again(world):
    def quota(session, _):
        for n in range(4900):
            session.say(f'* QUOTA "" (STORAGE {2**64 - 1} {2**64 - 1})')
            session.say(f'* QUOTA "root {n}" (STORAGE 1 2 X 99999999999999999999999 2)')
            session.say("* ACL INBOX bob l")
            session.say("* MYRIGHTS INBOX " + "l" * 100)
        return "OK done"
    world.server.answers["GETQUOTAROOT"] = quota
    found = world.goes_on()
    equal((len(found["quota"]), found["quota"][0]["limit"]), (8, 2**63 - 1), "quota")
    equal(found["shares_total"], 1, "shares")


@case
def lines_that_make_no_sense(world):
    def acl(session, _):
        for line in ("ACL", "ACL (", 'ACL "', "ACL INBOX", "ACL INBOX bob", "ACL INBOX ()",
                     "MYRIGHTS", "MYRIGHTS user/bob", "QUOTA", "QUOTA x", "QUOTA x (STORAGE",
                     "QUOTA x (STORAGE -1 2)", "LIST", "LIST ((((((", "NAMESPACE ((", "BYEBYE",
                     "5 EXISTS", "0 FETCH", "1 EXPUNGE", "OK [ALERT] x", "ACL Other bob lr"):
            session.say(f"* {line}")
        return "OK done"
    world.server.answers["GETACL"] = acl
    found = world.goes_on()
    equal(found["shares"], [], "shares")


@case
def answers_without_end(world):
    def acl(session, _):
        while True:
            session.connection.sendall(b"* LIST () \"/\" user/x\r\n" * 1000)
    world.server.answers["GETACL"] = acl
    world.goes_on("the source says more than")


@case
def a_word_now_and_then(world):
    def acl(session, _):
        while True:
            session.say("* OK [INPROGRESS] still here")
            time.sleep(0.1)
    world.server.answers["GETACL"] = acl
    began = time.monotonic()
    world.goes_on("the source says more than")
    true(time.monotonic() - began < 50, "it does not wait for ever")


@case
def wrong_tags(world):
    def acl(session, _):
        session.say("m4294967295 OK that is nobody's")
        return "OK done"
    world.server.answers["GETACL"] = acl
    world.goes_on("the source does not speak IMAP")


@case
def one_tag_twice(world):
    def acl(session, _):
        session.say(f"{session.tag} OK done")
        return "OK done"
    world.server.answers["GETACL"] = acl
    world.goes_on("the source does not speak IMAP")


@case
def it_asks_for_more(world):
    def acl(session, _):
        session.say("+ go on")
        return "OK done" if session.line() == "*" else "BAD"
    world.server.answers["GETACL"] = acl
    world.server.answers["MYRIGHTS"] = lambda *_: "OK done"
    world.goes_on()


@case
def a_literal_that_is_too_large(world):
    def acl(session, _):
        session.connection.sendall(b"* ACL {1099511627776}\r\n" + b"x" * 100000)
        return "OK done"
    world.server.answers["GETACL"] = acl
    world.goes_on("the source does not speak IMAP")


@case
def it_hangs_up(world):
    def acl(session, _):
        raise EOFError
    world.server.answers["GETACL"] = acl
    world.goes_on("the source has closed the connection")


@case
def a_look_that_fails_leaves_what_is_known(world):
    """What it saw before it failed is less. It is not made again before a day is over."""
    known = {"shares": [{"folder": "INBOX", "who": "carol", "rights": "lrs"}], "shares_total": 1}
    world.looked(24, known)

    def acl(session, _):
        raise EOFError
    world.server.answers["GETACL"] = acl
    equal(world.goes_on("the source has closed the connection"), known, "what is known")
    (at,), = world.rows("SELECT at FROM found", "state/registry.sqlite")
    true(time.time() - at / 1000 < 3600, f"looked at {at}")


@case
def it_says_bye(world):
    def acl(session, _):
        session.say("* BYE enough")
        raise EOFError
    world.server.answers["GETACL"] = acl
    world.goes_on("the source says BYE")


main(World)
