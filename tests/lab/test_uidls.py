#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unique-ids where the maildrop is not INBOX: what is matched, what is said of the rest, and
whether the account moves then: uidls = "best-effort" or "require"."""
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare_pop3, harness, mail, pop3_world  # noqa: E402
from lab.harness import case, equal, nothing, true  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402
from lab.pop3 import Pop3  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.server_dovecot_view import DovecotView  # noqa: E402

TWIN = b"Message-ID: <twin@example.com>\r\nSubject: twice\r\n\r\nOn purpose.\r\n"
STRANGER = b"Subject: kept elsewhere\r\n\r\nNo INBOX has this one.\r\n"


def mailbox(*bodies):
    """An INBOX of them and an empty mailbox around it; each a day later than the last."""
    made = mail.generate("uidls", 0)
    made.folders[0].messages = []
    for number, body in enumerate(bodies):
        made.folders[0].add(body, mail.EPOCH_2024 + number * 86400)
    return made


def letters(count):
    """Messages of which several are of equal size."""
    return [b"Subject: letter %03d\r\n\r\n%s\r\n" % (n, b"x" * (n % 4)) for n in range(count)]


def message(uid, data):
    return mail.Message(uid, data, mail.EPOCH_2024 + 1_000_000)


def setting(world, value):
    """mailferry with uidls = value; it is started again when that is another one."""
    if world.ferry.settings["uidls"] != value:
        world.ferry.stop()
        world.ferry.settings["uidls"] = value
        world.ferry.start()


def new_user(world, *bodies):
    made = mailbox(*bodies)
    return world.user(mailbox=made), made.folders[0].messages


def certificate(account):
    return account["certificate"]["uidls"]


def expect_equal(world, user, drop, account):
    nothing(compare_pop3.differences(drop, world.maildrop(user)), "POP3, source and here")
    equal((account["uidls_kept"], certificate(account)["result"]), (True, "equal"))
    equal(certificate(account)["messages"], len(drop["messages"]))


def failed(world, user):
    account = world.ferry.account(user)
    return account if account and account["stage"] == "failed" else None


def fails(world, user):
    """They log in and off, and their move fails: what there is to know of it."""
    world.pop3_session(user).quit()
    account = wait_until(f"{user}'s move to fail", lambda: failed(world, user), 40)
    equal(account["route"], "source", "they stay where they were")
    world.pop3_session(user).quit()
    return account


def goes_on(world, user):
    world.ferry.ok("transfer", user)
    return world.ferry.wait_account(user, stage="done", route="local")


# Proven ---------------------------------------------------------------------------------

@case
def only_the_last_days_are_shown(world):
    setting(world, "require")
    user, messages = new_user(world, *letters(30))
    world.server.show(user, messages[-7:])
    drop = world.maildrop_at_source(user)
    equal(len(drop["messages"]), 7)
    expect_equal(world, user, drop, world.move_by_pop3(user))
    equal(len(world.here(user)["folders"][b"INBOX"]["messages"]), 30, "IMAP has them all")


@case
def deleted_ones_are_hidden(world):
    """Dovecot's pop3_deleted_flag: what POP3 has deleted is still in INBOX. Twins, too."""
    setting(world, "require")
    user, _ = new_user(world, TWIN, *letters(12), TWIN, TWIN)
    world.maildrop_at_source(user)
    world.server.doveadm("flags", "add", "-u", user, "$POP3Deleted", "mailbox", "INBOX",
                         "1,4:6,14")
    drop = world.maildrop_at_source(user)
    equal(len(drop["messages"]), 10)
    expect_equal(world, user, drop, world.move_by_pop3(user))


@case
def two_messages_have_one_unique_id(world):
    setting(world, "require")
    user, messages = new_user(world, *letters(8), TWIN, TWIN)
    world.server.show(user, messages, {messages[1].uid: "same", messages[5].uid: "same",
                                       messages[8].uid: "twin", messages[9].uid: "twin"})
    drop = world.maildrop_at_source(user)
    names = compare_pop3.uidls(drop)
    equal((names.count(b"same"), names.count(b"twin")), (2, 2), "the source's own")
    expect_equal(world, user, drop, world.move_by_pop3(user))


@case
def mail_that_comes_while_he_moves(world):
    setting(world, "require")
    user, _ = new_user(world, *letters(5))
    client = world.pop3_session(user)
    world.ferry.wait_account(user, stage="catching-up")
    world.server.deliver(user, STRANGER)  # after the copy
    client.quit()
    account = world.ferry.wait_account(user, stage="done", route="local")
    expect_equal(world, user, world.maildrop_at_source(user), account)


# Not proven -----------------------------------------------------------------------------

@case
def the_maildrop_shows_what_inbox_has_not(world):
    user, messages = new_user(world, *letters(10))
    world.server.show(user, messages[4:] + [message(1000, STRANGER)])
    drop = world.maildrop_at_source(user)
    setting(world, "require")
    account = fails(world, user)
    equal(account["last_error"], "POP3 unique-ids are not proven: 1 of 7 messages of the "
                                 "maildrop match none in INBOX")
    equal((account["uidls_kept"], certificate(account)["result"]), (False, "unproven"))
    equal(account["certificate"]["result"], "unproven", "of the whole")

    setting(world, "best-effort")
    account = goes_on(world, user)
    equal((account["uidls_kept"], certificate(account)["result"]), (False, "unproven"))
    true("1 of 7" in certificate(account)["reason"], f"{certificate(account)}")
    equal(compare_pop3.uidls(world.maildrop(user)), compare_pop3.uidls(drop)[:-1],
          "the others keep theirs, and older ones stay hidden")


def lock(world, user):
    """A session at the source that somebody has forgotten; it holds their maildrop."""
    client = Pop3(world.lab.source.connect(SOURCE_ADDRESS[0], pop3_world.PORT))
    true(client.login(user, world.password(user)).startswith(b"+OK"), "a session of theirs")
    return client


@case
def the_maildrop_is_locked(world):
    setting(world, "require")
    user, _ = new_user(world, *letters(10))
    drop = world.maildrop_at_source(user)
    world.session(user).logout()  # by IMAP
    holder = lock(world, user)
    account = wait_until("a failure", lambda: failed(world, user), 40)
    true(account["last_error"].startswith("POP3 unique-ids are not proven: ") and
         "[IN-USE]" in account["last_error"], f"the reason: {account['last_error']}")
    equal((account["route"], account["uidls_kept"]), ("source", False))
    equal(certificate(account)["result"], "unproven")
    holder.close()
    expect_equal(world, user, drop, goes_on(world, user))


@case
def the_maildrop_is_locked_and_nobody_insists(world):
    setting(world, "best-effort")
    user, _ = new_user(world, *letters(10))
    world.pop3_session(user).quit()  # they are a user of POP3
    holder = lock(world, user)
    account = world.ferry.wait_account(user, 60, stage="done", route="local")
    holder.close()
    equal((account["uidls_kept"], certificate(account)["result"]), (False, "unproven"))
    reason = certificate(account)["reason"]
    true("[IN-USE]" in reason or "is somebody else in?" in reason, reason)
    equal(len(world.maildrop(user)["messages"]), 10, "all are shown, if under other names")


def main():
    settings = {"uidls": "require", "hold": 5}
    harness.main(lambda: pop3_world.Pop3World(server=DovecotView, settings=settings))


main()
