#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cyrus as the old server: a mailbox moves with all that it shows, by IMAP and by POP3."""
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare, compare_pop3  # noqa: E402
from lab.harness import case, equal, ferry_with, main, nothing, true  # noqa: E402
from lab.pop3_world import Pop3World, imap_differences  # noqa: E402
from lab.server_cyrus import Cyrus  # noqa: E402

NEW = b"From: x@example.org\r\nSubject: new\r\n\r\nunseen\r\n"


@case
def nothing_is_different_after_the_move(world):
    user = world.user(60)
    world.server.deliver(user, NEW)
    drop, before = world.maildrop_at_source(user), world.at_source(user)
    world.move_by_pop3(user)
    account = world.ferry.account(user)
    equal(account["uidls_kept"], True, "uidls_kept")
    equal(account["messages_copied"], compare.count(before)[1], "messages_copied")
    true(account["uids_kept"] in (True, 1, "yes"), f"uids_kept is {account['uids_kept']}")
    nothing(imap_differences(before, world.here(user)), "IMAP, source and here")
    nothing(compare_pop3.differences(drop, world.maildrop(user)), "POP3, source and here")
    nothing(imap_differences(before, world.at_source(user)), "the source, but for \\Recent")


@case
def what_happens_while_it_is_copied_is_not_lost(world):
    with ferry_with(world, live=False):
        changes_while_it_is_copied(world)


def changes_while_it_is_copied(world):
    user = world.user(30)
    client = world.session(user)
    client.ok("SELECT INBOX")
    world.ferry.wait_account(user, stage="catching-up")
    inbox = sorted(world.at_source(user)["folders"][b"INBOX"]["messages"])
    client.ok(f"UID STORE {inbox[0]} +FLAGS (\\Flagged later)")
    client.ok(f"UID STORE {inbox[1]} +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    client.ok(b"APPEND INBOX (\\Seen) \"01-Feb-2003 04:05:06 +0700\" {%d+}\r\n%s" % (len(NEW), NEW))
    for command in ('CREATE "INBOX.Made while copied"', 'RENAME "INBOX.Trash" "INBOX.Bin"',
                    'UNSUBSCRIBE "INBOX.Sent"'):
        client.ok(command)
    world.server.deliver(user, NEW)
    before = world.at_source(user)
    client.logout()
    world.ferry.wait_account(user, stage="done", route="local")
    nothing(imap_differences(before, world.here(user)), "source and here")


if __name__ == "__main__":
    main(lambda: Pop3World(server=Cyrus))
