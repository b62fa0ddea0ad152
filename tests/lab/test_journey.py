#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job: an account crosses the router, and nobody can tell.

test_journey.py [--maildir|--mdbox|--courier] [WORD...]
"""
import sys
import threading
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare, harness  # noqa: E402
from lab.command import options_of  # noqa: E402
from lab.harness import World, case, equal, ferry_with, nothing, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.mbsync import Mbsync  # noqa: E402

NEW = b"From: x@example.org\r\nSubject: new\r\n\r\nunseen\r\n"


@case
def a_first_login_is_passed_on_from_the_clients_own_address(world):
    for family in (4, 6):
        user = world.user(30)
        client = world.session(user, family)
        client.ok("NOOP")
        account = world.ferry.account(user)
        true(account, "the account is known once they are in")
        equal(account["route"], "source")
        world.expect_source_logins(user, world.address(user, family))
        client.logout()


@case
def nothing_is_different_after_the_move(world):
    user = world.user(300)
    Imap(world.direct()).login(user, world.password(user))  # Dovecot makes its files
    world.server.deliver(user, NEW)
    world.server.deliver(user, NEW, world.server.prefix +
                         "Archive/2019".replace("/", world.server.separator))
    before = world.at_source(user)
    files = compare.files(world.server.mail(user))
    status = compare.status(world.direct(), user, world.password(user))
    inbox = status[b"INBOX"]
    equal(inbox[inbox.index(b"RECENT") + 1], b"1", "RECENT")

    account = world.move(user)
    equal(account["messages_copied"], compare.count(before)[1], "messages_copied")
    true(account["uids_kept"] in (True, 1, "yes"), f"uids_kept is {account['uids_kept']}")
    nothing(compare.differences(before, world.here(user)), "source and here")
    world.expect_source_logins(user, world.address(user))

    equal(compare.status(world.direct(), user, world.password(user)), status, "the source")
    if world.server.storage == "maildir":
        nothing(compare.file_differences(files, compare.files(world.server.mail(user))),
                "the source's files")


@case
def mbsync_has_nothing_to_do_after_the_move(world):
    if world.server.prefix:
        return  # its list of boxes is for the plain layout
    user = world.user(300)
    mbsync = Mbsync(world.lab, user, world.password(user))
    first = mbsync.sync()  # a login through us: its end starts the move
    true(first[0] > 200, f"the first run copies: {first}")
    before = world.at_source(user)
    world.ferry.wait_account(user, stage="done", route="local")
    equal(mbsync.sync(), (0, 0, 0), "near: new, changed, removed")
    nothing(compare.differences(before, world.here(user)), "far")
    client = world.session(user)
    client.ok(b"APPEND INBOX {%d+}\r\n%s" % (len(NEW), NEW))
    client.ok("SELECT INBOX")
    client.ok("STORE 2 +FLAGS (\\Flagged \\Answered \\Seen)")
    client.ok("STORE 3 -FLAGS (\\Flagged \\Answered \\Seen)")
    client.logout()
    third = mbsync.sync()
    equal(third[0], 1, "the one new message is fetched")
    true(third[1] >= 1, "and flags are seen")


@case
def what_happens_while_it_is_copied_is_not_lost(world):
    with ferry_with(world, live=False):
        changes_while_it_is_copied(world)


def changes_while_it_is_copied(world):
    user = world.user(200)
    client = world.session(user)
    client.ok("SELECT INBOX")
    world.ferry.wait_account(user, stage="catching-up")  # precopy: they are still logged in
    inbox = sorted(world.at_source(user)["folders"][b"INBOX"]["messages"])
    client.ok(f"UID STORE {inbox[0]} +FLAGS (\\Flagged later)")
    client.ok(f"UID STORE {inbox[1]},{inbox[5]} +FLAGS (\\Deleted)")
    client.ok(f"UID EXPUNGE {inbox[1]},{inbox[5]}")
    client.ok(b"APPEND INBOX (\\Seen) \"01-Feb-2003 04:05:06 +0700\" {%d+}\r\n%s" % (len(NEW), NEW))
    prefix, separator = world.server.prefix, world.server.separator
    for command in (f'CREATE "{prefix}Made while copied{separator}inner"',
                    f'RENAME "{prefix}Trash" "{prefix}Bin"',
                    f'DELETE "{prefix}Empty"', f'UNSUBSCRIBE "{prefix}Sent"',
                    f'SUBSCRIBE "{prefix}sent"'):
        client.ok(command)
    world.server.deliver(user, NEW)
    equal(world.ferry.account(user)["route"], "source", "as long as they are logged in")
    before = world.at_source(user)
    client.logout()
    world.ferry.wait_account(user, stage="done", route="local")
    nothing(compare.differences(before, world.here(user)), "source and here")


@case
def the_last_of_several_sessions_counts(world):
    with ferry_with(world, live=False):
        two_sessions_end(world)


def two_sessions_end(world):
    user = world.user(20)
    phone, desk = world.session(user), world.session(user, 6)
    world.ferry.wait_account(user, stage="catching-up")
    phone.logout()
    world.ferry.settle(1.5)
    equal(world.ferry.account(user)["route"], "source")
    desk.ok("NOOP")
    desk.drop()  # no LOGOUT: the network went away
    world.ferry.wait_account(user, stage="done", route="local")


@case
def he_works_on_here(world):
    user = world.user(50)
    world.move(user)
    prefix, separator = world.server.prefix, world.server.separator
    before = world.here(user)
    one, two = world.session(user), world.session(user, 6)
    one.ok("SELECT INBOX")
    two.ok("SELECT INBOX")
    two.send(b"I IDLE\r\n")
    true(two.line().startswith(b"+"), "IDLE")
    uid = before["folders"][b"INBOX"]["uidnext"]
    one.ok(b"APPEND INBOX (\\Seen) {%d+}\r\n%s" % (len(NEW), NEW))
    answers = []
    while not any(b" EXISTS" in a for a in answers):
        answers.append(two.line())
    two.send(b"DONE\r\n")
    two.until(b"I")
    answers = one.ok(f"UID FETCH {uid} (FLAGS BODY[])")
    true(any(NEW in a for a in answers), f"the appended message has UID {uid}")
    one.ok(f'CREATE "{prefix}Sub{separator}folder"')
    one.ok(f'UID COPY {uid} "{prefix}Sub{separator}folder"')
    one.ok(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
    one.ok(f"UID EXPUNGE {uid}")
    for client in (one, two):
        client.logout()
    after = world.here(user)
    lines = compare.differences(before, after)
    nothing([x for x in lines if "Sub" not in x and "uidnext" not in x], "besides the change")
    equal(len(after["folders"][f"{prefix}Sub{separator}folder".encode()]["messages"]), 1)


@case
def names_of_one_mailbox_are_one_account(world):
    user = world.user(10)
    for name in (user, user.upper(), f"{user}@example.com"):
        client = world.imap(user)
        true(b" OK " in client.login(name, world.password(user)), f"login as {name}")
        client.logout()
        world.ferry.wait_account(user, stage="done", route="local")
    world.expect_source_logins(user, world.address(user))
    equal([a["name"] for a in world.ferry.json("accounts") if a["name"].startswith(user + "@")
           or a["name"] == user.upper()], [], "other accounts")


@case
def the_toggle(world):
    user = world.user(30)
    address = world.address(user)
    world.session(user).logout()
    world.ferry.ok("route", user, "source")  # before or after they have moved, it holds
    world.ferry.wait_account(user, pin="source", route="source")
    world.session(user).logout()
    world.ferry.settle(1)
    equal(world.ferry.account(user)["route"], "source", "pinned")
    world.expect_source_logins(user, *[address] * 2)
    world.ferry.ok("route", user, "auto")
    world.move(user)
    world.session(user).logout()
    world.ferry.settle(0.5)
    world.expect_source_logins(user, *[address] * 3)
    world.ferry.ok("route", user, "source")  # nothing is new here: it may go back
    client = world.session(user)
    world.expect_source_logins(user, *[address] * 4)
    client.logout()


@case
def transfer_now(world):
    user = world.user(100)
    world.session(user).logout()
    done = world.ferry.command("transfer", user, "--wait")
    equal(done.returncode, 0, f"transfer --wait: {done.stdout} {done.stderr}")
    equal(world.ferry.account(user)["stage"], "done")
    unknown = world.ferry.command("transfer", "nobody")
    equal(unknown.returncode, 1, "transfer of somebody unknown")
    true("nobody" in unknown.stderr, unknown.stderr)


@case
def many_move_at_once(world):
    users = [world.user(60) for _ in range(6)]
    before = {user: world.at_source(user) for user in users}
    sessions = [world.session(user) for user in users]
    threads = [threading.Thread(target=s.logout) for s in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for user in users:
        world.ferry.wait_account(user, stage="done", route="local")
        nothing(compare.differences(before[user], world.here(user)), user)


def main():
    options = [a for a in sys.argv[1:] if a.startswith("--")]
    words = [a for a in sys.argv[1:] if not a.startswith("--")]
    harness.main(lambda: World(**options_of(options)), words)


main()
