#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail servers of the admin's own hand over mail by LMTP (`lmtp`): a raw client, Postfix and
Exim. Each recipient is answered for itself, and what is refused for now stays in their queue."""
import contextlib
import os
import socket
import stat
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import busy, case, equal, ferry_with, main, table, true  # noqa: E402
from lab.mta_lmtp import HandingExim, HandingPostfix  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.sieve_dovecot import Sieve  # noqa: E402
from lab.smtp import Smtp, at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402

PORT = 2400
OK = b"250 2.0.0 "


class HandsOver(Mail):
    """self.here and self.other live here, self.there at the source."""

    def __init__(self):
        super().__init__()
        self.path = str(self.lab.folder / "lmtp")
        self.ferry.settings.update({
            "lmtp": [f"unix:{self.path}", f"inet:127.0.0.1:{PORT}"], "lmtp_group": "postfix"})

    def __enter__(self):
        super().__enter__()
        self.other = self.user(5)
        self.move(self.other)
        return self

    def lmtp(self, tcp=False):
        if tcp:
            connection = self.lab.router.connect("127.0.0.1", PORT)
        else:
            with self.lab.router.entered():
                connection = unix_connection(self.path)
        client = Smtp(connection)
        client.ehlo = client.ok("LHLO mta.example.com")
        return client

    def hand_over(self, message, *users, **options):
        """The answers of all users, who are all accepted."""
        client = self.lmtp(**options)
        try:
            return finish(client, client.mail(*map(at, users)), message)
        finally:
            client.close()


def unix_connection(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(path)
    return connection


def finish(client, codes, message):
    """Answers of those that were accepted."""
    first = client.data(message)
    return [first] + [client.reply() for _ in range(codes.count(250) - 1)]


@table([("UNIX", False), ("TCP", True)])
def each_recipient_has_its_answer(world, tcp):
    token, message = world.message(b"..text")
    equal(world.hand_over(message, world.here, world.other, tcp=tcp),
          [OK + b"Ok\r\n"] * 2, "answers")
    for user in (world.here, world.other):
        body = world.arrives(user, token)
        true(body.startswith(b"Return-Path: <sender@example.org>\r\nDelivered-To: "
                             + at(user).encode() + b"\r\nReceived: from mta.example.com"), body)
        true(b" with LMTP id " in body and (b"([127.0.0.1])" in body) == tcp, body)


@case
def it_says_what_it_can(world):
    client = world.lmtp()
    for word in (b"PIPELINING", b"ENHANCEDSTATUSCODES", b"8BITMIME", b"SIZE", b"CHUNKING",
                 b"SMTPUTF8"):
        true(word in client.ehlo, word)
    true(b"AUTH" not in client.ehlo and b"STARTTLS" not in client.ehlo, client.ehlo)
    equal(client.code("EHLO mta.example.com"), 500, "EHLO")
    client.quit()


@case
def a_large_message_in_chunks(world):
    token, message = world.message(b"x" * 3000000)
    client = world.lmtp()
    replies = client.chunks([at(world.here), at(world.other)], message[:100], message[100:])
    replies.append(client.reply())  # of the second recipient
    equal([reply[:4] for reply in replies], [b"250 "] * 6, "replies")
    client.quit()
    for user in (world.here, world.other):
        true(world.arrives(user, token).endswith(message), "the message, byte for byte")


@case
def who_does_not_live_here(world):
    client = world.lmtp()
    equal(client.mail(at(world.there), at("nobody"), "x@example.org", at(world.here)),
          [450, 450, 550, 250], "codes")
    token, message = world.message()
    equal(client.data(message)[:3], b"250", "the one that lives here")
    client.quit()
    world.arrives(world.here, token)
    equal(world.copies(world.there, token, source=True), [], "at the source")


@case
def one_mailbox_is_full(world):
    world.ferry.ok("quota", world.other, "--set", "1K")
    try:
        for size, refusal in ((100, b"452 4.2.2"), (5000, b"552 5.2.2")):
            token, message = world.message(b"x" * size)
            answers = world.hand_over(message, world.other, world.here)
            equal([a[:9] for a in answers], [refusal, OK[:9]], f"{size} bytes")
            world.arrives(world.here, token)
            equal(world.copies(world.other, token), [], "in the full one")
    finally:
        world.ferry.ok("quota", world.other, "--set", "none")
    token, message = world.message(b"x" * 5000)
    equal(world.hand_over(message, world.other), [OK + b"Ok\r\n"], "with room")


@case
def nobody_here_is_put_off_while_an_account_switches(world):
    moving = world.user(5)
    with busy(world, moving):
        client = world.lmtp()
        equal(client.mail(at(moving), at(world.here)), [450, 250], "codes")
        token, message = world.message()
        equal(client.data(message)[:3], b"250", "the other one")
        client.quit()
        world.arrives(world.here, token)


@case
def the_socket_is_for_its_group_alone(world):
    info = os.stat(world.path)
    equal((info.st_uid, stat.S_IMODE(info.st_mode)), (0, 0o660), "owner and mode")
    done = world.lab.router.run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                                "curl", "-s", "--unix-socket", world.path, "http://x/")
    equal(done.returncode, 7, "curl as nobody: cannot connect")


@case
def only_named_hosts_connect(world):
    address = "192.0.2.1"
    with ferry_with(world, lmtp=[f"inet:0.0.0.0:{PORT}"], lmtp_clients=["198.51.100.7"]):
        client = world.lmtp(tcp=True)
        client.quit()
        connection = world.lab.client.connect(address, PORT)
        equal(connection.recv(10), b"", "a client of the network")
        connection.close()
        world.ferry.expected = "not in `lmtp_clients`"
    with ferry_with(world, lmtp=[f"inet:0.0.0.0:{PORT}"], lmtp_clients=["192.0.2.0/24"]):
        client = Smtp(world.lab.client.connect(address, PORT))
        equal(client.greeting[:4], b"220 ", "one that is named")
        client.quit()


@case
def check_says_who_may_connect(world):
    out = world.ferry.command("check").stdout
    true(f"{world.path}: for root and group postfix" in out, out)
    true(f"127.0.0.1:{PORT}: each user of this host may write" in out, out)


@case
def a_session_is_a_flow(world):
    client = world.lmtp(tcp=True)
    flows = [f for f in world.ferry.json("flows") if f["service"] == "lmtp"]
    equal([f["client"].rsplit(":", 1)[0] for f in flows], ["127.0.0.1"], "flows")
    world.ferry.ok("flows", "--kick", flows[0]["id"])
    equal(client.reply()[:4], b"421 ", "kicked")
    client.close()


@case
def it_goes_on_over_an_upgrade(world):
    standing = world.lmtp()
    equal(world.ferry.json("upgrade")["error"], None, "upgrade")
    token, message = world.message()
    equal(standing.deliver(message, at(world.here)), 250, "the old session")
    standing.quit()
    world.arrives(world.here, token)
    token, message = world.message()
    for tcp in (False, True):
        equal(world.hand_over(message, world.other, tcp=tcp), [OK + b"Ok\r\n"], "a new session")


@table([("worker", "interceptor"), ("mailstore", "mailstore")])
def killed_in_the_middle(world, program):
    """Whoever heard 250 has the message; a recipient that heard nothing may have it, once."""
    told, sent = {world.here: [], world.other: []}, []

    def send(_, stop):
        client = world.lmtp()
        while not stop.is_set():
            token, message = world.message(b"x" * 2000)
            sent.append(token)
            users = list(told)
            codes = client.mail(*map(at, users))
            accepted = [user for user, code in zip(users, codes) if code == 250]
            for user, answer in zip(accepted, finish(client, codes, message)):
                if answer.startswith(OK):
                    told[user].append(token)

    world.kill_while(program, 4, send)
    world.comes_once(told, sent)


@contextlib.contextmanager
def mail_server(world, kind, place):
    world.count += 1
    server = kind(world.lab.folder / f"mta-{world.count}", world.lab.router, place)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def retried(server, condition):
    """Until it is so; the queue is tried now and then."""
    def reached():
        if hasattr(server, "run_queue"):
            server.run_queue()
        return condition()

    wait_until("the queue to be tried again", reached, 60, 0.5)



@table([(f"{kind.__name__} {place}", kind, place) for kind in (HandingPostfix, HandingExim)
        for place in ("unix", "inet")])
def a_mail_server_hands_over(world, kind, place):
    place = f"unix:{world.path}" if place == "unix" else f"inet:127.0.0.1:{PORT}"
    if kind is HandingExim:
        os.chmod(world.path, 0o666)  # its group is none of this machine's
    with mail_server(world, kind, place) as server:
        token, message = world.message(b".dot\r\n" + b"\xc3\xa4" * 400)
        server.submit(message, at(world.here), at(world.other), at(world.there), at("nobody"))
        for user in (world.here, world.other):
            true(b"\n.dot" in world.arrives(user, token), "the text")
        # for the user at the source, and for somebody whom the source may know
        retried(server, lambda: server.queued() == 1)
        wait_until("both refusals", lambda: "450 4.2.1" in server.log_text() and
                   "450 4.1.1" in server.log_text())
        equal(len(world.copies(world.here, token)), 1, "copies")


REDIRECTS = 10025
BY_SIEVE = """\
mydestination =
relay_domains = localhost.mailferry
transport_maps = inline:{{ {{ localhost.mailferry = lmtp:unix:{path} }} }}
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
"""


@case
def sieve_comes_before(world):
    """Postfix, Pigeonhole, Postfix, mailferry."""
    client = world.session(world.here)
    client.ok("CREATE Lists")
    client.logout()
    sieve = Sieve(world.lab.folder / "sieve", world.lab.router, REDIRECTS)
    with ferry_with(world, subaddress_folder=True):
        sieve.start()
        server = HandingPostfix(world.lab.folder / "sieving", world.lab.router,
                                f"unix:{sieve.lmtp_socket}", BY_SIEVE.format(path=world.path),
                                REDIRECTS)
        server.start()
        try:
            sieved(world, sieve, server)
        finally:
            server.stop()
            sieve.stop()


def sieved(world, sieve, server):
    sieve.script(world.here, f"""\
if header :contains "Subject" "list-" {{
  redirect "{world.here}+Lists@localhost.mailferry";
}} elsif header :contains "Subject" "spam-" {{
  discard;
}}
""")
    tokens = []
    for kind in (b"list-", b"spam-", b""):
        token, message = world.message()
        tokens.append(token)
        message = message.replace(b"Subject: ", b"Subject: " + kind)
        server.submit(b"From: x@example.org\r\n" + message, at(world.here), at(world.other))
    for token in tokens:  # the other user has no script
        world.arrives(world.other, token)
    wait_until("an empty queue", lambda: server.queued() == 0, 30)
    equal([(len(world.copies(world.here, token)),
            len(world.copies(world.here, token, folder="Lists"))) for token in tokens],
          [(0, 1), (0, 0), (1, 0)], "INBOX and Lists")
    body = world.copies(world.here, tokens[2])[0]
    true(body.startswith(b"Return-Path: <sender@example.org>"), body)


@case
def what_waits_in_a_queue_comes_when_the_account_does(world):
    late = world.user(5)
    world.session(late).logout()
    world.ferry.ok("route", late, "source")
    with mail_server(world, HandingPostfix, f"inet:127.0.0.1:{PORT}") as server:
        token, message = world.message()
        server.submit(message, at(late), at(world.here))
        world.arrives(world.here, token)
        wait_until("the refusal", lambda: "450 4.2.1" in server.log_text())
        world.ferry.ok("route", late, "auto")
        world.move(late)
        world.arrives(late, token)
        wait_until("an empty queue", lambda: server.queued() == 0, 30)


if __name__ == "__main__":
    main(HandsOver)
