#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that the grammar forbids and servers give: each row is INBOX with three messages,
one kind of oddity, and what is right. Either everything moves, or what could not be
understood is named, and only that stays behind.

    test_dialects.py MAILFERRY_TRANSFER REGISTRY_TOOL [WORD...]
"""
import re
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent)
from imap_world import ImapWorld  # noqa: E402
from mini_server import Folder  # noqa: E402
from one_account import CASES, case, equal, main, true  # noqa: E402

ROWS = ("row", "alone")
FETCHES = ROWS + ("body",)


class World(ImapWorld):
    def __init__(self, **settings):
        super().__init__(**settings)
        inbox = self.server.folders["INBOX"] = Folder()
        for uid in (1, 2, 3):
            inbox.add(uid, b"Subject: %d\r\n\r\nhi\r\n" % uid, "\\Seen")

    def copied_uids(self):
        return sorted(self.copied().get("INBOX", {}))

    def leave(self):
        self.settings["on_unreadable"] = "leave"
        self.write_config()


def moves(name, kinds, old, new, check=None):
    """What matches `old` in answers of these kinds is sent as `new`."""
    def run(world):
        changed = []

        def edit(kind, data):
            if kind not in kinds:
                return data
            edited, count = re.subn(old, new, data, flags=re.S)
            changed.append(count)
            return edited
        world.server.edit = edit
        world.run()
        true(sum(changed), "nothing was changed: the row is wrong")
        world.arrived()
        if check:
            check(world)
    run.__name__ = "moves_with_" + name.replace(" ", "_")
    CASES.append(run)


def stays(name, kinds, old, new, error, copied=(1, 3), uid=2):
    """The same for what cannot be understood: named, the others are here. And once more
    where it may be left."""
    def run(world):
        world.server.edit = lambda kind, data: \
            re.sub(old, new, data, flags=re.S) if kind in kinds else data
        world.run()
        equal(world.state(), "source/failed", "state")
        true(re.search(error, world.error()), f"{world.error()!r} names it: {error}")
        equal(world.copied_uids(), list(copied), "what is here")
        if not uid:
            return
        equal(world.certificate()["result"], "different", "certificate")
        world.leave()
        world.tool("event", "alice", "due")
        world.run()
        equal(world.state(), "local/done", f"state ({world.error()})")
        equal(world.certificate()["result"], "incomplete", "certificate")
        left = world.certificate()["unreadable"]
        equal([(row["folder"], row["uid"]) for row in left], [("INBOX", uid)], "left")
        equal(world.copied_uids(), list(copied), "what is here")
    run.__name__ = "stays_with_" + name.replace(" ", "_")
    CASES.append(run)


def flags(world):
    return dict(world.rows("SELECT uid, flags FROM message"))


def words(*wanted):
    def check(world):
        found = {word for word, in world.rows(
            "SELECT DISTINCT keywords FROM message WHERE keywords <> ''")}
        equal(found, set(wanted), "keywords")
        true(all(bits & 1 for bits in flags(world).values()), "\\Seen is kept")
    return check


SEEN = rb"FLAGS \(\\Seen\)"
moves("a blank behind the last flag", FETCHES, SEEN, rb"FLAGS (\\Seen $NotJunk )",
      words("$NotJunk"))
moves("a blank before the first flag", FETCHES, SEEN, rb"FLAGS ( \\Seen)", words())
moves("two blanks between flags", FETCHES, SEEN, rb"FLAGS (\\Seen  $Label1)", words("$Label1"))
moves("quoted flags", FETCHES, SEEN, rb'FLAGS ("\\\\Deleted" \\Seen)',
      lambda world: equal(set(flags(world).values()), {9}, "\\Seen \\Deleted"))
moves("forbidden bytes in a flag", FETCHES, SEEN, rb"FLAGS (\\Seen a]b {)", words("_ a_b"))
moves("no flags", FETCHES, SEEN, b"FLAGS NIL",
      lambda world: equal(set(flags(world).values()), {0}, "flags"))
moves("two blanks before EXISTS", ("examine",), rb"\* 3 EXISTS", b"*  3 EXISTS")
moves("two blanks before FETCH", FETCHES, rb"FETCH \(", b"FETCH  (")
moves("tabs", FETCHES, rb"FETCH \(UID (\d) ", rb"FETCH\t(UID\t\1\t")
moves("missing blanks", FETCHES, rb"FETCH \(UID (\d) FLAGS ", rb"FETCH(UID \1FLAGS")
moves("blank lines between responses", FETCHES + ("examine", "list"), rb"^\*", b"\r\n*")
moves("an empty line behind the body", ("body",), rb"\)\r\n$", b"\r\n)\r\n")
moves("no closing parenthesis", FETCHES, rb"\)\r\n$", b"\r\n")
for name, size in (("no size", b""), ("a size of NIL", b" RFC822.SIZE NIL"),
                   ("a negative size", b" RFC822.SIZE -1")):
    moves(name, FETCHES, rb" RFC822.SIZE \d+", size, lambda world: (
        equal(world.rows("SELECT DISTINCT size - len FROM message"), [(0,)], "sizes"),
        equal(world.certificate()["folders"][0]["sizes_unknown_at_source"], 3, "said")))
moves("rows in two responses", ROWS, rb"\* (\d) FETCH \(UID (\d) (FLAGS \S+) ",
      rb"* \1 FETCH (UID \2 \3)\r\n* \1 FETCH (UID \2 ")
moves("rows in two responses, one UID", ROWS, rb"\* (\d) FETCH \(UID (\d) (FLAGS \S+) ",
      rb"* \1 FETCH (UID \2 \3)\r\n* \1 FETCH (")
moves("bodies in two responses", ("body",), rb"\* (\d) FETCH \(UID (\d) (FLAGS \S+) ",
      rb"* \1 FETCH (UID \2 \3)\r\n* \1 FETCH (UID \2 ")
moves("flags behind the body", ("body",), rb"(\* \d FETCH \(UID \d )(FLAGS \S+) (.*)",
      rb"\1\3\1\2)\r\n")
moves("late flags in the listing", ("row",), rb"(\* 3 FETCH .*)",
      rb"\1* 1 FETCH (FLAGS (\\Seen))\r\n")
moves("a row that makes sense alone", ("row",), rb"\* 2 FETCH \(UID 2", b"* 2 FETCH (UID two")
moves("a row that is broken off", ("row",), rb"(\* 2 FETCH \(UID 2 FLAGS ).*", rb"\1(\r\n")
moves("a body that makes sense alone", ("body",), rb"XX|(\* 2 FETCH \(UID 2 FLAGS)", rb"\1")

stays("a body of NIL", ("body",), rb"(UID 2 .*BODY\[\]) \{\d+\}.*\)\r\n", rb"\1 NIL)\r\n",
      r'"INBOX", UID 2: no body in "\* 2 FETCH')
stays("an empty string for a body", ("body",), rb"(UID 2 .*BODY\[\]) \{\d+\}.*\)\r\n",
      rb'\1 "")\r\n', r'"INBOX", UID 2: its body is empty')
stays("an empty literal for a body", ("body",), rb"(UID 2 .*BODY\[\]) \{\d+\}.*\)\r\n",
      rb"\1 {0}\r\n)\r\n", r'"INBOX", UID 2: its body is empty')
stays("no flags in a row", ROWS, rb"UID 2 FLAGS \S+ ", b"UID 2 ",
      r'"INBOX", UID 2: message 2: no FLAGS in "\* 2 FETCH \(UID 2 INTERNALDATE')
stays("no UID in a row", ROWS, rb"UID 2 ", b"UID two ", r'"INBOX".*message 2: no UID in "\* 2',
      uid=0)
stays("a huge UIDVALIDITY", ("examine",), rb"UIDVALIDITY 7", b"UIDVALIDITY 99999999999",
      r'"INBOX": its UIDVALIDITY "99999999999" is not a number from 1 to 4294967295',
      copied=(), uid=0)
stays("a UIDVALIDITY of nothing", ("examine",), rb"UIDVALIDITY 7", b"UIDVALIDITY 0",
      r'"INBOX": its UIDVALIDITY "0"', copied=(), uid=0)
stays("a line that is none", ("row",), rb"\* 2 FETCH", b"(what 2 FETCH",
      r'a line that makes no sense in "INBOX": "\(what 2 FETCH', copied=(), uid=0)


def opens(name, line):
    """A folder whose name is written without quotes."""
    def run(world):
        world.server.folders["Reports"] = Folder(uidvalidity=8)
        world.server.folders["Reports"].add(1, b"in there\r\n")
        world.server.edit = lambda kind, data: \
            line if kind == "list" and b"Reports" in data else data
        world.run()
        world.arrived()
        true('EXAMINE "Reports"' in world.server.commands, "opened by its name")
    run.__name__ = "opens_" + name.replace(" ", "_")
    CASES.append(run)


opens("a name with a blank behind it", b'* LIST (\\HasNoChildren) "/" Reports \r\n')
opens("a name with a tab behind it", b'* LIST (\\HasNoChildren) "/" Reports\t\r\n')
opens("a name after odd blanks", b'*  LIST ( \\HasNoChildren )"/"  Reports\r\n')


def inbox_is_found(how):
    def run(world):
        world.server.folders["Sent"] = Folder(uidvalidity=8)
        world.server.hides_inbox = how
        world.run()
        world.arrived()
        equal(world.copied_uids(), [1, 2, 3], "INBOX")
    run.__name__ = f"inbox_that_list_does_not_show_{'at_all' if how == 'all' else ''}"
    CASES.append(run)


inbox_is_found("*")
inbox_is_found("all")


@case
def no_inbox_at_all(world):
    world.server.folders = {"Sent": Folder(uidvalidity=8)}
    world.server.folders["Sent"].add(1, b"in there\r\n")
    world.run()
    world.arrived()


@case
def what_is_left_is_not_erased_here(world):
    """A copy of it is here; the source does not make sense of it any more."""
    world.interceptor.logged_in.add(b"alice")
    world.run(3)
    world.leave()
    world.server.edit = lambda kind, data: data.replace(b"UID 2 FLAGS", b"UID 2 FLUGS")
    world.interceptor.log_off(b"alice")
    world.run()
    equal(world.state(), "local/done", f"state ({world.error()})")
    equal(world.copied_uids(), [1, 2, 3], "what is here")
    equal(world.certificate()["result"], "incomplete", "certificate")



GMAIL = {"[Gmail]": "\\Noselect \\HasChildren", "[Gmail]/All Mail": "\\All",
         "[Gmail]/Starred": "\\Flagged", "[Gmail]/Important": "\\Important",
         "[Gmail]/Sent Mail": "\\Sent", "Work": ""}


@case
def labels_are_folders_and_all_mail_has_everything_again(world):
    """As at Gmail: each folder has the message under a UID of its own."""
    inbox = world.server.folders["INBOX"]
    for n, (name, attributes) in enumerate(GMAIL.items()):
        folder = world.server.folders[name] = Folder(uidvalidity=10 + n, attributes=attributes)
        for uid, (flags, date, body) in inbox.messages.items():
            if "Noselect" not in attributes:
                folder.add(100 * n + uid, body, flags, date)
    world.server.refuses = {"[Gmail]": "[NONEXISTENT] Unknown Mailbox: [Gmail] (Failure)"}
    world.run()
    world.arrived()
    uses = dict(world.rows("SELECT name, special_use FROM mailbox"))
    equal([uses[name] for name in ("[Gmail]/All Mail", "[Gmail]/Starred", "Work")],
          ["\\All", "\\Flagged", ""], f"special uses {uses}")
    equal(world.certificate()["messages"], 3 * len(GMAIL), "messages")


@case
def too_much_was_read_today(world):
    """In the middle of the copy: no message is taken for one that cannot be read, and left."""
    refused = []

    def throttles(_session, arguments):
        if "BODY.PEEK[]" not in arguments or len(refused) == 2:
            return None
        refused.append(arguments)
        return "NO [THROTTLED] Account exceeded command or bandwidth limits"
    world.leave()
    world.server.answers["UID FETCH"] = throttles
    world.run()
    world.arrived()
    equal((len(refused), world.account("attempts")[0]), (2, 1), "refusals, attempts")


main(World)
