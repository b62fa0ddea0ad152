#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail from outside: each recipient where its user lives, in one live transaction."""
import contextlib
import os
import re
import signal
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import busy, case, equal, ferry_with, main, registry, table, true  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.sender_postfix import SendingPostfix  # noqa: E402
from lab.smtp import Smtp, at, swaks  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402


@case
def greeting_and_ehlo_are_the_sources(world):
    client = world.smtp()
    direct = Smtp(world.lab.source.connect("198.51.100.10", 25))
    equal(client.greeting, direct.greeting, "greeting")
    theirs = {line[4:] for line in direct.ok("EHLO client.example.org").split(b"\r\n")}
    ours = {line[4:] for line in client.ehlo.split(b"\r\n")}
    equal(ours - theirs, set(), "invented")
    hidden = {line.split()[0] for line in theirs - ours}
    true(hidden <= {b"ETRN", b"STARTTLS", b"DSN"}, f"hidden: {hidden}")
    true(b"PIPELINING" in client.ehlo, "PIPELINING")
    for smtp in (client, direct):
        smtp.quit()


@case
def local_recipient(world):
    token, message = world.message(b".dot\r\n..two\r\n8-bit \xff")
    client = world.smtp(world.here)
    equal(client.deliver(message, at(world.here)), 250, "final answer")
    client.quit()
    body = world.copies(world.here, token)
    equal(len(body), 1, "at once, once")
    header, rest = body[0].split(b"Subject: ", 1)
    equal(b"Subject: " + rest, message, "byte for byte")
    address = world.address(world.here).encode()
    true(re.fullmatch(
        rb"Return-Path: <sender@example\.org>\r\n"
        rb"Delivered-To: " + re.escape(at(world.here).encode()) + rb"\r\n"
        rb"Received: from client\.example\.org \(\[" + re.escape(address) + rb"\]\)\r\n"
        rb"\tby mail\.example\.com with ESMTP id [0-9a-f]+-[0-9a-f]+\.[0-9a-f]+\r\n"
        rb"\tfor <" + at(world.here).encode() + rb">;\r\n"
        rb"\t\w{3}, \d+ \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\r\n", header), f"{header!r}")
    equal(world.copies(world.here, token, source=True), [], "at the source")


@case
def a_message_that_comes_round_again(world):
    """A forward elsewhere that leads back: refused, for whomever else it is."""
    token, message = world.message()
    client = world.smtp(world.here)
    equal(client.deliver(message, at(world.here)), 250, "at first")
    forwarded = world.arrives(world.here, token)
    for users in ((world.here,), (world.here, world.there)):
        client.mail(*[at(user) for user in users])
        equal(client.data(forwarded)[:22], b"554 5.4.6 Mail forward", f"{users}")
        if len(users) == 1:
            client.ok("RSET")
    client.close()
    client = world.smtp(world.here)
    client.mail(at(world.here))
    equal(client.data(b"Received: by x\r\n" * 101 + message)[:9], b"554 5.4.6", "hops")
    client.quit()
    equal(len(world.copies(world.here, token)), 1, "here")
    equal(world.copies(world.there, token, source=True), [], "there")


@case
def recipient_at_the_source(world):
    token, message = world.message()
    client = world.smtp(world.there)
    equal(client.deliver(message, at(world.there)), 250, "final answer")
    client.quit()
    body = world.arrives(world.there, token)
    true(b"Received: from client.example.org" in body, "the source's own line")


@case
def the_source_sees_each_client(world):
    """Whichever client writes, to whomever, the source's log has that client's own address."""
    for user, who in (("user5", [world.there]), ("user6", [world.here]),
                      ("user7", [world.here, world.there])):
        seen = f"connect from unknown[{world.address(user)}]"
        before = world.lab.postfix.log_text().count(seen)
        client = world.smtp(user)
        equal(client.deliver(world.message()[1], *map(at, who)), 250, "final answer")
        client.quit()
        wait_until(f"one more \"{seen}\"",
                   lambda seen=seen, before=before:
                   world.lab.postfix.log_text().count(" " + seen) - before == 1, 30, 0.1)


@case
def recipients_on_both_sides(world):
    token, message = world.message(b"x" * 70 + b"\r\n.\r")
    message = message.replace(b"\r\n.\r", b"\r\n.y")
    client = world.smtp()
    equal(client.deliver(message, at(world.there), at(world.here)), 250, "final answer")
    client.quit()
    here, there = world.arrives(world.here, token), world.arrives(world.there, token)
    true(here.endswith(message) and there.endswith(message), "the same on both sides")
    true(b"\tfor <" not in here.split(b"Subject")[0], "no recipient is named to another")


@case
def several_in_one_session_and_pipelined(world):
    client = world.smtp()
    tokens = []
    for who in (world.here, world.there, world.here):
        token, message = world.message()
        tokens.append((who, token))
        client.send(b"MAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\n" % at(who).encode())
        equal([client.reply()[:3] for _ in range(3)], [b"250", b"250", b"354"], "replies")
        client.send(message + b".\r\nNOOP\r\nRSET\r\n")
        equal([client.reply()[:3] for _ in range(3)], [b"250"] * 3, "replies")
    client.quit()
    for who, token in tokens:
        world.arrives(who, token)


@case
def unknown_recipient_is_the_sources_word(world):
    client = world.smtp()
    codes = client.mail(at("nobody"), at(world.here), "x@elsewhere.example")
    equal(codes[:2], [550, 250], "RCPT")
    true(codes[2] in (454, 554), f"relaying: {codes[2]}")
    token, message = world.message()
    equal(int(client.data(message)[:3]), 250, "for the one that is left")
    client.quit()
    world.arrives(world.here, token)


@case
def sub_address_and_case(world):
    client = world.smtp()
    token, message = world.message()
    name = world.here.upper()
    equal(client.deliver(message, f"{name}+news@EXAMPLE.com"), 250, "final answer")
    client.quit()
    world.arrives(world.here, token)


@case
def sub_address_chooses_a_folder_that_is_there(world):
    client = world.session(world.here)
    client.ok("CREATE Lists")
    client.logout()
    with ferry_with(world, subaddress_folder=True):
        client = world.smtp()
        for word, folder in ("Lists", "Lists"), ("lists", "Lists"), ("nobody", "INBOX"):
            token, message = world.message()
            equal(client.deliver(message, f"{world.here}+{word}@example.com", at(world.there)), 250,
                  "final answer")
            world.arrives(world.there, token)
            equal(len(world.copies(world.here, token, folder=folder)), 1, f"{word}: in {folder}")
            if folder != "INBOX":
                equal(world.copies(world.here, token), [], f"{word}: in INBOX as well")
        client.quit()


@case
def alias_leads_here(world):
    world.ferry.ok("alias", "add", "info@example.com", world.here)
    client = world.smtp()
    token, message = world.message()
    equal(client.deliver(message, "Info@example.com", at(world.here)), 250, "final answer")
    client.quit()
    world.arrives(world.here, token)  # once, though both addresses are theirs


@case
def postmaster_alone_is_that_of_the_first_domain(world):
    client = world.smtp()
    equal(client.mail("postmaster"), [250], "the source's")
    client.quit()
    world.ferry.ok("alias", "add", "postmaster@example.com", world.here)
    client = world.smtp()
    token, message = world.message()
    equal(client.deliver(message, "Postmaster"), 250, "final answer")
    client.quit()
    world.arrives(world.here, token)


@case
def success_is_reported_by_who_sends(world):
    """We do not say that we report deliveries, so the server before us says "relayed"."""
    client = world.smtp()
    true(b"DSN" not in client.ehlo, "DSN")
    client.ok("MAIL FROM:<sender@example.org> RET=HDRS ENVID=x")
    client.ok(f"RCPT TO:<{at(world.here)}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;{at(world.here)}")
    client.ok("RSET")
    client.quit()
    sender = SendingPostfix(world.lab.folder / "sender-dsn", world.lab.client)
    sender.start()
    try:
        token, message = world.message()
        sender.submit(message, at(world.here), options=("-N", "success"))
        world.arrives(world.here, token)
        wait_until("the report", lambda: "sender delivery status notification"
                   in sender.log_text())
    finally:
        sender.stop()


@case
def idle_hears_at_once(world):
    watcher = world.session(world.here)
    watcher.ok("SELECT INBOX")
    watcher.send(b"i IDLE\r\n")
    true(watcher.line().startswith(b"+ "), "IDLE")
    client = world.smtp()
    client.deliver(world.message()[1], at(world.here))
    client.quit()
    true(b"EXISTS" in watcher.line(), "EXISTS")
    watcher.close()


@case
def size_limits(world):
    client = world.smtp()
    equal(client.code("MAIL FROM:<a@b.example> SIZE=999999999999"), 552, "the source's own")
    client.quit()
    client = world.smtp()
    token, message = world.message((b"y" * 76 + b"\r\n") * 120_000)
    equal(client.deliver(message, at(world.here)), 250, "9 MB")
    client.quit()
    true(world.arrives(world.here, token).endswith(message), "byte for byte")


@case
def source_away(world):
    world.lab.postfix.kill()
    try:
        client = world.smtp()
        true(client.greeting.startswith(b"220 mail.example.com"), f"{client.greeting!r}")
        token, message = world.message()
        equal(client.mail(at(world.there), at(world.here)), [451, 250], "RCPT")
        equal(int(client.data(message)[:3]), 250, "local ones are served")
        client.quit()
        world.arrives(world.here, token)
    finally:
        world.lab.postfix.start_again()


@case
def busy_account_alone_is_put_off(world):
    user = world.user(5)
    with busy(world, user):
        client = world.smtp()
        equal(client.mail(at(user), at(world.here), at(world.there)), [450, 250, 250], "RCPT")
        token, message = world.message()
        equal(int(client.data(message)[:3]), 250, "the others get it")
        client.quit()
        world.arrives(world.here, token)
        world.arrives(world.there, token)
    world.ferry.wait_account(user, stage="done", route="local")


@case
def auth_is_captured(world):
    user = world.user(5)
    done = swaks(world, "--from", at(user), "--to", at(world.there), "--auth", "PLAIN",
                 "--auth-user", user, "--auth-password", world.password(user))
    equal(done.returncode, 0, done.stdout[-800:])
    account = world.ferry.wait_account(user, stage="done", route="local")
    equal(account["capturable"], True, "capturable")
    bad = swaks(world, "--from", at(user), "--to", at(world.there), "--auth", "LOGIN",
                "--auth-user", user, "--auth-password", "wrong")
    true(bad.returncode != 0 and " 535 " in bad.stdout, bad.stdout[-300:])


@case
def smuggling(world):
    for trick in (b"\n.\r\n", b"\r\n.\n", b"\n.\n", b"\r.\r\n", b"\r\n.\r"):
        token, _ = world.message()
        client = world.smtp()
        client.mail(at(world.here), at(world.there))
        client.ok("DATA")
        client.send(b"Subject: " + token + b"\r\n\r\na" + trick
                    + b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: "
                    % at(world.there).encode() + token + b"evil\r\n\r\nevil\r\n.\r\n")
        with contextlib.suppress(OSError, EOFError):
            equal(client.reply()[:3], b"550", f"{trick!r}")
        client.close()
        equal(world.copies(world.here, token), [], f"{trick!r} here")
        equal(world.copies(world.there, token), [], f"{trick!r} there")


@case
def client_leaves_in_the_middle(world):
    token, message = world.message()
    client = world.smtp()
    client.mail(at(world.here), at(world.there))
    client.ok("DATA")
    client.send(message * 3)
    client.close()
    time.sleep(0.5)
    equal(world.copies(world.here, token), [], "here")
    equal(world.copies(world.there, token), [], "there")


def switch(world, user):
    """The user logs in and off: the move begins, and ends when their mail is at rest."""
    world.session(user).logout()


@case
def switch_refuses_a_transaction_that_waits(world):
    user = world.user(5)
    client = world.smtp()
    equal(client.mail(at(user), at(world.there)), [250, 250], "RCPT")
    switch(world, user)
    equal(client.reply()[:4], b"421 ", "the client is told")
    world.ferry.wait_account(user, stage="done", route="local")
    client = world.smtp()
    token, message = world.message()
    equal(client.deliver(message, at(user), at(world.there)), 250, "the second time")
    client.quit()
    world.arrives(user, token)
    equal(world.copies(user, token, source=True), [], "at the source")


@case
def switch_waits_for_the_queue_of_the_source(world):
    """It has said 250, and has the mail in no mailbox yet: its last look would miss it."""
    user = world.user(5)
    client = world.session(user)
    world.ferry.wait_account(user, stage="catching-up")
    managers = world.lab.postfix.processes("qmgr")
    true(managers, "Postfix has a queue manager")
    for pid in managers:
        os.kill(pid, signal.SIGSTOP)
    try:
        smtp = world.smtp()
        token, message = world.message()
        equal(smtp.deliver(message, at(user)), 250, "final answer")
        client.logout()
        world.ferry.settle(0.5)
    finally:
        for pid in managers:
            os.kill(pid, signal.SIGCONT)
    smtp.quit()
    world.ferry.wait_account(user, stage="done", route="local")
    equal(len(world.copies(user, token)), 1, "it came along")


@case
def switch_waits_for_a_message_that_ends(world):
    user = world.user(5)
    token, message = world.message()
    client = world.smtp()
    client.mail(at(user))
    client.ok("DATA")
    client.send(message)
    switch(world, user)
    busy_since = wait_until("busy", lambda: (world.ferry.account(user) or {})["route"] == "busy")
    true(busy_since, "busy")
    time.sleep(0.5)
    equal(world.ferry.account(user)["route"], "busy", "it waits")
    client.send(b".\r\n")
    equal(client.reply()[:3], b"250", "the source took it")
    client.quit()
    world.ferry.wait_account(user, stage="done", route="local")
    true(world.copies(user, token) or world.copies(user, token, source=True), "it is somewhere")


@case
def switch_does_not_wait_for_ever(world):
    user = world.user(5)
    token, message = world.message()
    client = world.smtp()
    client.mail(at(user), at(world.here))
    client.ok("DATA")
    client.send(message)
    switch(world, user)
    account = world.ferry.wait_account(user, stage="done", route="local")
    true(account["out_of_service_ms"] < 20_000, f"{account['out_of_service_ms']} ms")
    with contextlib.suppress(OSError, EOFError):
        client.send(b".\r\n")
        equal(client.reply()[:4], b"421 ", "the client is told")
    client.close()
    for name in (user, world.here):
        equal(world.copies(name, token), [], f"for {name}")
    equal(world.copies(user, token, source=True), [], "at the source")


@table([("worker", "interceptor"), ("mailstore", "mailstore")])
def killed_in_the_middle(world, program):
    """A message that got 250 is found; any other may be found, once."""
    told, sent = {world.here: [], world.there: []}, []

    def send(number, stop):
        client = world.smtp()
        while not stop.is_set():
            token, message = world.message()
            who = ([world.here], [world.there], [world.here, world.there])[number % 3]
            sent.append(token)
            if client.deliver(message, *map(at, who)) == 250:
                for name in who:
                    told[name].append(token)

    world.kill_while(program, 6, send)
    world.comes_once(told, sent)


@case
def garbage_gets_an_answer(world):
    client = world.smtp()
    equal(client.code(b"x" * 65536), 500, "64 KiB")
    equal(client.code(b"NO\0OP"), 500, "a NUL")
    equal(client.code(b"NOOP\rRCPT"), 500, "a bare CR")
    true(client.code(b"\xff\xfe") // 100 == 5, "8-bit")
    equal(client.code("BDAT 7 LAST\r\nhello"), 503, "BDAT")
    equal(client.code("XCLIENT ADDR=1.2.3.4"), 502, "XCLIENT")
    client.ok("NOOP")
    equal(client.code(b"MAIL FROM:<\xfc@example.org>"), 500, "no UTF-8: the source's word")
    client.ok("MAIL FROM:<>")
    true(client.code("RCPT TO:<\u00fc@example.com>") // 100 == 5, "8-bit local part")
    client.quit()


@case
def very_many_recipients(world):
    client = world.smtp()
    client.ok("MAIL FROM:<a@example.org>")
    codes = [client.code(f"RCPT TO:<{world.here}+{n}@example.com>") for n in range(1001)]
    equal(set(codes[:1000]), {250}, "the first 1,000")
    equal(codes[1000], 452, "one more")
    token, message = world.message()
    equal(int(client.data(message)[:3]), 250, "final answer")
    client.quit()
    world.arrives(world.here, token)  # once


@case
def address_of_the_client_counts_at_the_source(world):
    """A rule of the source for one client address bites that one alone."""
    client = world.smtp("user7", 6)
    equal(client.mail(at(world.there)), [250], "IPv6")
    client.quit()
    wait_until("IPv6 address in its log", lambda: f"connect from unknown[{world.address('user7', 6)}]"
               in world.lab.postfix.log_text())


@contextlib.contextmanager
def quota(world, user, words):
    world.ferry.ok("quota", user, "--set", words)
    try:
        yield
    finally:
        world.ferry.ok("quota", user, "--set", "default")


@case
def one_mailbox_is_full(world):
    """It is said at RCPT, for it alone: the others get the message."""
    full = world.user(5)
    world.move(full)
    token, message = world.message(b"x" * 70 + b"\r\n" * 3000)
    client = world.smtp(full)
    with quota(world, full, "0,1"):
        client.ok("MAIL FROM:<sender@example.org>")
        equal(client.command(f"RCPT TO:<{at(full)}>")[:9], b"452 4.2.2", "full")
        for user in (world.here, world.there):
            equal(client.code(f"RCPT TO:<{at(user)}>"), 250, user)
        equal(client.data(message)[:3], b"250", "answer")
    world.arrives(world.here, token)
    world.arrives(world.there, token, source=True)
    equal(world.copies(full, token), [], "in the full mailbox")
    with quota(world, full, "1K"):
        client.ok(f"MAIL FROM:<sender@example.org> SIZE={len(message)}")
        equal(client.command(f"RCPT TO:<{at(full)}>")[:9], b"552 5.2.2", "too large")
        equal(client.code(f"RCPT TO:<{at(world.here)}>"), 250, "for another one")
        client.ok("RSET")
    client.quit()


@case
def what_fills_a_mailbox_is_delivered_to_all(world):
    """Its size was not said. Alone it is refused; what several get is nobody's loss."""
    small = world.user(5)
    world.move(small)
    held = {row["account"]: row["bytes"] for row in world.ferry.json("quota")}[small]
    token, message = world.message(b"x" * 7000)
    client = world.smtp(small)
    with quota(world, small, str(held + 5000)):
        client.mail(at(small))
        equal(client.data(message)[:9], b"452 4.2.2", "alone")
        equal(client.deliver(message, at(small), at(world.here), at(world.there)), 250, "to all")
        equal(client.mail(at(small), at(world.here)), [452, 250], "it is full then")
        client.ok("RSET")
    client.quit()
    for user in (small, world.here):
        world.arrives(user, token)
    world.arrives(world.there, token, source=True)


@case
def postfix_sends_again_by_itself(world):
    """A mail server that meets a busy account: its queue is empty soon after."""
    user = world.user(5)
    folder = world.lab.folder / "sender"
    sender = SendingPostfix(folder, world.lab.client)
    sender.start()
    try:
        with busy(world, user):
            tokens_sent = []
            for _ in range(5):
                token, message = world.message()
                sender.submit(message, at(user), at(world.here))
                tokens_sent.append(token)
            for token in tokens_sent:
                world.arrives(world.here, token)
            wait_until("deferred mail", lambda: sender.queued() == 5, 30, 0.2)
        world.ferry.wait_account(user, stage="done", route="local")
        wait_until("an empty queue", lambda: sender.queued() == 0, 60, 0.5)
        for token in tokens_sent:
            world.arrives(user, token)
    finally:
        sender.stop()


@case
def smtp_source_with_twenty_sessions(world):
    before = world.count_of(world.here)
    done = world.lab.client.run("smtp-source", "-s", "20", "-m", "400", "-l", "4096", "-f",
                                "a@example.org", "-t", at(world.here), "198.51.100.10:25")
    equal((done.returncode, done.stdout), (0, ""), "smtp-source")
    equal(world.count_of(world.here) - before, 400, "messages")


@case
def recipients_at_the_source_are_counted(world):
    def count(user):
        return registry(world, "SELECT ifnull(sum(count), 0) FROM recipient WHERE address=?"
                               " AND client=? AND day=?", (at(user), world.address("user9"),
                                                           int(time.time() // 86400)))[0][0]

    before = count(world.there)
    client = world.smtp("user9")
    for _ in range(3):
        client.deliver(world.message()[1], at(world.there), at(world.here))
    client.quit()
    wait_until("the count", lambda: count(world.there) == before + 3, 30, 0.5)
    equal(count(world.here), 0, "a user who lives here is not the source's")
    row = [row for row in world.ferry.json("report")["addresses"]
           if row["address"] == at(world.there)]
    true(row and row[0]["count"] >= before + 3, f"reported: {row}")


if __name__ == "__main__":
    main(Mail)
