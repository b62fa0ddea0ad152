#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""POP3 across the router: captured at login, moved, served here, and nobody can tell.

test_pop3.py [--dovecot|--heir|--courier|--mailutils|--pop3-only] [WORD...]

How a client logs in is in test_pop3_login.py.
"""
import re
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare, compare_pop3, harness, pop3_clients, pop3_world  # noqa: E402
from lab.harness import Skipped, busy, case, equal, ferry_with, nothing, table, true  # noqa: E402
from lab.imap import Imap  # noqa: E402

HOLD = 8  # Courier takes a second for each login, and the transfer needs several
NEW = b"From: x@example.org\r\nSubject: new\r\n\r\nunseen\r\n.dot\r\n..\r\n"
UID = re.compile(rb"\bUID (\d+)")


@case
def a_first_login_is_passed_on_from_the_clients_own_address(world):
    for family in (4, 6):
        user = world.user(10)
        client = world.pop3_session(user, family)
        client.ok("NOOP")
        account = world.ferry.account(user)
        true(account, "the account is known once they are in")
        equal(account["route"], "source")
        world.expect_source_logins(user, world.address(user, family))
        client.quit()


@case
def nothing_is_different_after_the_move(world):
    user = world.user(200)
    world.server.deliver(user, NEW)
    drop = world.settled_maildrop(user)
    mailbox = world.at_source(user) if world.has_imap() else None
    files = compare.files(world.server.home(user))

    account = world.move_by_pop3(user)
    if mailbox:
        nothing(pop3_world.imap_differences(mailbox, world.here(user)), "IMAP")
    nothing(compare.file_differences(files, compare.files(world.server.home(user))),
            "the source's files")
    nothing(compare_pop3.differences(drop, world.maildrop_at_source(user)), "the source")
    world.expect_source_logins(user, world.address(user))
    nothing(compare_pop3.differences(drop, world.maildrop(user)), "POP3, source and here")
    equal(account["uidls_kept"], True, "uidls_kept")


@table([(client.name, client) for client in pop3_clients.CLIENTS])
def downloads_nothing_again(world, client):
    user = world.user(mailbox=pop3_world.short_mailbox(client.name))
    there = len(world.maildrop_at_source(user)["messages"])
    program = client(world.lab, user, world.password(user))
    equal(program.fetch(), there, "the first run, at the source")
    world.move_by_pop3(user)  # by hand: the program's own login may not be capturable
    logins = len(world.source_logins(user))
    equal(program.fetch(), 0, "after the move")
    equal(len(world.source_logins(user)), logins, "logins at the source")


@case
def downloads_nothing_again_though_he_was_seen_by_imap_alone(world):
    """Their POP3 program comes once a week, or by TLS: before the move we never saw it."""
    if not world.has_imap():
        raise Skipped("there is no IMAP")
    user = world.user(30)
    drop = world.settled_maildrop(user)
    mailbox = world.at_source(user)
    phone = world.session(user)
    phone.ok("SELECT INBOX")
    phone.logout()
    account = world.ferry.wait_account(user, 90, stage="done", route="local")
    equal(account["uidls_kept"], True, "uidls_kept")
    nothing(compare_pop3.differences(drop, world.maildrop(user)), "POP3, source and here")
    nothing(pop3_world.imap_differences(mailbox, world.here(user)), "IMAP")


@case
def nobody_loses_recent_for_a_guess(world):
    """A login by POP3 would drop \\Recent, and they may never have used POP3. Courier's and
    mailutils' own STATUS changes what is asked for."""
    if not world.server.name.startswith("dovecot") or not world.has_imap():
        raise Skipped("not Dovecot's IMAP")
    user = world.user(10)
    world.server.deliver(user, NEW)
    recent = compare.status(world.direct(), user, world.password(user))
    files = compare.files(world.server.home(user))
    world.session(user).logout()
    account = world.ferry.wait_account(user, 90, stage="done", route="local")
    equal(compare.status(world.direct(), user, world.password(user)), recent, "STATUS")
    nothing(compare.file_differences(files, compare.files(world.server.home(user))), "files")
    uidls = account["certificate"]["uidls"]
    equal((account["uidls_kept"], uidls["result"]), (None, "not read"))
    true("Recent on 1 message" in uidls["reason"], uidls)


@case
def what_quit_deletes_stays_deleted(world):
    user = world.user(30)
    before = world.settled_maildrop(user)
    client = world.pop3_session(user)
    for number in (1, 3, len(before["messages"])):
        client.ok(f"DELE {number}")
    client.quit()
    world.ferry.wait_account(user, 90, stage="done", route="local")
    kept = before["messages"][1:2] + before["messages"][3:-1]
    after = world.maildrop(user)
    equal(compare_pop3.uidls(after), [m["uidl"] for m in kept], "UIDLs")
    nothing(compare_pop3.differences(world.maildrop_at_source(user), after), "source and here")
    if world.has_imap():  # where some sources have what POP3 only hides
        nothing(pop3_world.imap_differences(world.at_source(user), world.here(user)), "IMAP")


@table([("behind DELE", True), ("in the same packet", False)])
def quit_and_an_immediate_close_differ_in_nothing(world, waits):
    """Many clients do not wait for the answer of QUIT: their deletions have reached the source
    before the last catch-up all the same."""
    user = world.user(30)
    before = world.settled_maildrop(user)
    client = world.pop3_session(user)
    if waits:
        client.ok("DELE 1")
        client.ok("DELE 3")
        client.send(b"QUIT\r\n")
    else:
        client.send(b"DELE 1\r\nDELE 3\r\nQUIT\r\n")
    client.file.close()
    client.socket.close()
    world.ferry.wait_account(user, 90, stage="done", route="local")
    kept = before["messages"][1:2] + before["messages"][3:]
    after = world.maildrop(user)
    equal(compare_pop3.uidls(after), [m["uidl"] for m in kept], "UIDLs")
    nothing(compare_pop3.differences(world.maildrop_at_source(user), after), "source and here")


@case
def without_quit_nothing_is_deleted(world):
    for end in ("close", "drop"):
        user = world.user(10)
        before = world.settled_maildrop(user)
        client = world.pop3_session(user)
        client.ok("DELE 1")
        getattr(client, end)()
        world.ferry.wait_account(user, 90, stage="done", route="local")
        nothing(compare_pop3.differences(before, world.maildrop(user)), f"after {end}")


@case
def the_last_session_of_any_protocol_counts(world):
    if not world.has_imap() or world.is_exclusive():
        raise Skipped("no two sessions at once at this source")
    user = world.user(10)
    imap, pop3 = world.session(user), world.pop3_session(user)
    world.ferry.wait_account(user, stage="catching-up")
    imap.logout()
    world.ferry.settle(1.5)
    equal(world.ferry.account(user)["route"], "source", "POP3 is still in")
    pop3.quit()
    world.ferry.wait_account(user, stage="done", route="local")


@case
def our_own_reading_locks_nobody_out(world):
    """The source lets in one session only, and the transfer's must not be that one."""
    if not world.is_exclusive():
        raise Skipped("it lets several sessions in")
    user = world.user(100)
    world.lab.source.limit("8mbit")
    try:
        for _ in range(6):
            client = world.pop3(user)
            answer = client.login(user, world.password(user))
            true(answer.startswith(b"+OK"), f"{answer!r}")
            client.quit()
            world.ferry.settle(0.3)
    finally:
        world.lab.source.limit(None)
    world.ferry.wait_account(user, 90, stage="done", route="local")


# Served here ----------------------------------------------------------------------------

# What is asked of both sides: the first words of the answer, and all of a long one, are the
# same. {n} is the number of messages.
ASKED = ["STAT", "stat", "LIST", "LIST 1", "LIST {n}", "UIDL", "UIDL 2", "UIDL {n}", "TOP 1 0",
         "TOP {n} 0", "RETR 2", "RETR {n}", "NOOP", "LIST 0", "LIST {m}", "UIDL {m}", "RETR {m}",
         "TOP {m} 0", "DELE {m}", "RETR", "DELE", "DELE 2", "LIST 2", "UIDL 2", "RETR 2",
         "TOP 2 0", "STAT", "LIST", "UIDL", "RSET", "STAT", "LIST 2", "XYZZY", "USER x"]
LONG = ("LIST", "UIDL")


def ask(client, count):
    found = []
    for text in ASKED:
        command = text.format(n=count, m=count + 1)
        answer = client.command(command)
        words = answer.split()
        short = command.startswith(("STAT", "stat", "LIST", "UIDL")) and command not in LONG
        lines = []
        if words[0] == b"+OK" and (command in LONG or command.startswith(("TOP", "RETR"))):
            lines = client.rest()
        found.append((command, words[:3] if short and words[0] == b"+OK" else words[:1], lines))
    return found


@case
def each_command_is_answered_as_at_the_source(world):
    user = world.user(40)
    count = len(world.settled_maildrop(user)["messages"])
    client = world.pop3_session(user)
    there = ask(client, count)
    client.close()
    world.ferry.wait_account(user, 90, stage="done", route="local")
    client = world.pop3_session(user)
    for wanted, got in zip(there, ask(client, count)):
        equal(got, wanted, wanted[0])
    client.quit()


@case
def top_gives_as_many_lines_as_asked(world):
    user = world.user(20)
    world.move_by_pop3(user)
    client = world.pop3_session(user)
    for number in range(1, int(client.ok("STAT").split()[0]) + 1):
        whole = client.lines(f"RETR {number}")
        head = whole.index(b"\r\n") + 1 if b"\r\n" in whole else len(whole)
        for wanted in (0, 1, 3, 1000000):
            equal(client.lines(f"TOP {number} {wanted}"), whole[:head + wanted],
                  f"TOP {number} {wanted}")
    client.quit()


@case
def the_maildrop_is_exclusive(world):
    user = world.user(10)
    world.move_by_pop3(user)
    first = world.pop3_session(user)
    second = world.pop3(user)
    answer = second.login(user, world.password(user))
    true(answer.startswith(b"-ERR [IN-USE]"), f"{answer!r}")
    second.close()
    first.quit()
    world.pop3_session(user).drop()
    world.ferry.settle()
    world.pop3_session(user).quit()  # a session that was cut off holds nothing


@case
def deletions_here(world):
    user = world.user(20)
    world.move_by_pop3(user)
    before = world.maildrop(user)
    client = world.pop3_session(user)
    client.ok("DELE 1")
    client.drop()
    world.ferry.settle()
    nothing(compare_pop3.differences(before, world.maildrop(user)), "after a lost connection")
    client = world.pop3_session(user)
    client.ok("DELE 1")
    client.ok("RSET")
    client.ok("DELE 2")
    client.quit()
    equal(compare_pop3.uidls(world.maildrop(user)),
          [m["uidl"] for m in before["messages"][:1] + before["messages"][2:]], "after QUIT")


@case
def what_is_new_here_comes_last(world):
    if not world.has_imap():
        raise Skipped("no way to append without IMAP")
    user = world.user(20)
    world.move_by_pop3(user)
    before = compare_pop3.uidls(world.maildrop(user))
    open_session = world.pop3_session(user)
    imap = world.session(user)
    imap.ok(b"APPEND INBOX {%d+}\r\n%s" % (len(NEW), NEW))
    equal(int(open_session.ok("STAT").split()[0]), len(before), "an open session is as it was")
    open_session.quit()
    after = world.maildrop(user)
    names = compare_pop3.uidls(after)
    equal(names[:-1], before, "the old ones")
    true(names[-1] not in before and 0 < len(names[-1]) <= 70, f"a UIDL of its own: {names[-1]}")
    client = world.pop3_session(user)
    equal(b"".join(client.lines(f"RETR {len(names)}")), NEW, "the new one")
    client.quit()
    nothing(compare_pop3.differences(after, world.maildrop(user)), "and the next time")
    imap.logout()


# Busy ------------------------------------------------------------------------------------

def uids_at_source(world, user, command):
    client = Imap(world.direct())
    true(b" OK" in client.login(user, world.password(user)), "login")
    client.ok(f"{command} INBOX")
    rows = client.ok("UID FETCH 1:* RFC822.SIZE")
    client.logout()
    return [UID.search(row)[1] for row in rows if UID.search(row)]


@case
def what_lies_in_new_keeps_its_uid(world):
    """EXAMINE shows mail that no client has seen, and that a Maildir has in new/; SELECT moves
    it to cur/. What we have copied has the UIDs that the source shows from then on."""
    user = world.user(3)
    for number in range(3):
        world.server.deliver(user, b"Subject: new\r\n\r\n%d\r\n" % number)
    world.move_by_pop3(user)
    client = world.session(user)
    client.ok("EXAMINE INBOX")
    here = [UID.search(row)[1] for row in client.ok("UID FETCH 1:* RFC822.SIZE")
            if UID.search(row)]
    client.logout()
    for command in ("EXAMINE", "SELECT", "EXAMINE"):
        equal(uids_at_source(world, user, command), here, command)


def try_login(world, user, answers):
    client = world.pop3(user)
    began = time.monotonic()
    answers.append((client.login(user, world.password(user)), time.monotonic() - began))
    client.close()


@case
def past_hold_he_is_told_to_come_back(world):
    if world.is_exclusive():
        raise Skipped("the copy does not begin before they have left")
    user = world.user(10)
    client = world.pop3()
    client.ok("CAPA")
    codes = b"RESP-CODES\r\n" in client.rest()
    client.close()
    with busy(world, user, world.pop3_session(user).quit):
        answers = []
        try_login(world, user, answers)
        answer, took = answers[0]
        true(answer.startswith(b"-ERR [SYS/TEMP]" if codes else b"-ERR [IN-USE]"), f"{answer!r}")
        true(HOLD - 1 < took < HOLD + 20, f"held for {took:.1f} s of {HOLD}")
    world.ferry.wait_account(user, stage="done", route="local")


@case
def held_then_served(world):
    if world.is_exclusive():
        raise Skipped("the copy does not begin before they have left")
    users = [world.user(10), world.user(10)]
    with ferry_with(world, hold=60):  # on a busy machine it takes longer than HOLD
        for user in users:
            answers = []
            with busy(world, user, world.pop3_session(user).quit):
                thread = threading.Thread(target=try_login, args=(world, user, answers))
                thread.start()
                time.sleep(1.5)
                equal(answers, [], "answers while busy")
            thread.join(70)
            true(answers and answers[0][0].startswith(b"+OK"), f"{answers}")
            world.expect_source_logins(user, world.address(user))


def main():
    options, words = pop3_world.options()
    harness.main(lambda: pop3_world.Pop3World(settings={"hold": HOLD}, **options), words)


main()
