#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The old servers and the POP3 clients themselves, without mailferry: plain routing.

test_pop3_lab.py [--dovecot|--heir|--courier|--mailutils|--pop3-only] [WORD...]
"""
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare, compare_pop3, harness, pop3_clients, pop3_world  # noqa: E402
from lab.harness import case, equal, nothing, table, true  # noqa: E402

NEW = b"From: x@example.org\r\nSubject: new\r\n\r\nunseen\r\n"


@case
def the_source_logs_the_clients_own_address(world):
    user = world.user(5)
    for family in (4, 6):
        world.pop3_session(user, family).quit()
    world.expect_source_logins(user, world.address(user), world.address(user, 6))
    client = world.pop3(user)
    true(client.login(user, "wrong").startswith(b"-ERR"), "a wrong password")
    client.close()
    equal(len(world.source_logins(user)), 2, "logins")


@case
def it_holds_what_it_was_given(world):
    if not world.server.imap_port or world.server.storage == "mbox":
        return  # mbox keeps what it can
    mailbox = harness.mail.generate("given", 100)
    user = world.user(mailbox=mailbox)
    snap = world.at_source(user)
    equal(compare.count(snap)[1], mailbox.count(), "messages")
    inbox = snap["folders"][b"INBOX"]
    equal(inbox["uidvalidity"], mailbox.folders[0].uidvalidity, "UIDVALIDITY")
    for message in mailbox.folders[0].messages:
        found = inbox["messages"][message.uid]
        flags = {f.lower() for f in map(harness.mail.SYSTEM_FLAGS.get, message.flags)}
        equal(found["flags"], frozenset(f.encode() for f in flags | set(message.keywords)),
              f"flags of UID {message.uid}")
        equal(found["size"], len(message.data), f"size of UID {message.uid}")


@case
def a_snapshot_does_not_touch_the_source(world):
    user = world.user(100)
    world.pop3_session(user).close()  # the server makes its files
    world.server.deliver(user, NEW)
    world.maildrop_at_source(user, whole="TOP")  # it numbers the new one
    first = world.maildrop_at_source(user, whole="TOP")
    files = compare.files(world.server.home(user))
    second = world.maildrop(user, whole="TOP")
    nothing(compare_pop3.differences(first, second), "two readings of one maildrop")
    nothing(compare.file_differences(files, compare.files(world.server.home(user))), "files")
    true(len(first["messages"]) > 40, "messages")


@case
def two_readings_say_the_same(world):
    user = world.user(100)
    before = world.settled_maildrop(user)
    nothing(compare_pop3.differences(before, world.maildrop(user)), "two readings")
    names = compare_pop3.uidls(before)
    equal(len(set(names)), len(names), "different UIDLs")


@case
def each_planted_difference_is_found(world):
    user = world.user(60)
    before = world.settled_maildrop(user)
    client = world.pop3_session(user)
    client.ok("DELE 2")
    client.quit()
    world.server.deliver(user, NEW)
    lines = compare_pop3.differences(before, world.maildrop(user))
    names = compare_pop3.uidls(before)
    for wanted in ("STAT was", f"UIDL {names[1]!r} is gone", "is new", "BODY was", "LIST was"):
        true(any(wanted in line for line in lines), f"{wanted} is missing in {lines[:9]}")
    after = {**before, "messages": before["messages"][::-1]}
    true("UIDL: another order" in compare_pop3.differences(before, after), "another order")


@case
def the_maildrop_is_exclusive_or_not(world):
    """RFC 1939 wants it so (8), and so do we; of the old servers only one does."""
    user = world.user(5)
    first = world.pop3_session(user)
    second = world.pop3(user)
    answer = second.login(user, world.password(user))
    second.close()
    first.quit()
    wanted = b"-ERR [IN-USE]" if world.server.storage == "mbox" else b"+OK"
    true(answer.startswith(wanted), f"{answer!r}")


@case
def apop_logs_in(world):
    user = world.user(5)
    client = world.pop3(user)
    if b"<" not in client.greeting:
        return
    answer = client.apop(user, world.password(user))
    true(answer.startswith(b"+OK"), f"{answer!r}")
    client.quit()
    world.expect_source_logins(user, world.address(user))


@table([(client.name, client) for client in pop3_clients.CLIENTS])
def downloads_each_message_once(world, client):
    user = world.user(mailbox=pop3_world.short_mailbox(client.name))
    there = len(world.maildrop_at_source(user)["messages"])
    program = client(world.lab, user, world.password(user))
    equal(program.fetch(), there, "the first run")
    equal(program.fetch(), 0, "the second run")
    world.server.deliver(user, NEW)
    equal(program.fetch(), 1, "after one delivery")
    equal(len(world.maildrop_at_source(user)["messages"]), there + 1, "left on the server")


def main():
    options, words = pop3_world.options()
    harness.main(lambda: pop3_world.Pop3World(ferry=False, **options), words)


main()
