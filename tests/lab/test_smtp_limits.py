#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the old server allows each client in a while, and how long it lets one wait for its
greeting: said directly and through us, nobody moved and some moved.

    ./test_smtp_limits.py [--exim] [WORD...]

Each run comes from an address of its own, since these are counted by it. While nobody lives
here, and for users at the source, all is as it is directly; else never less for users here than
docs/handbook/smtp.md says.
"""
import contextlib
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import Skipped, case, equal, main, table, true  # noqa: E402
from lab.network import SOURCE_ADDRESS, client_address  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.server_mta import EXIM, Exim  # noqa: E402
from lab.smtp import Smtp, at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402

IS_EXIM = "--exim" in sys.argv
CONNECTIONS, AT_ONCE, MESSAGES, RECIPIENTS = 12, 6, 6, 20  # what is allowed
GREETING_AFTER = 11  # s: longer than we wait for a server that does not answer at all

ANVIL = {"anvil_rate_time_unit": "3600s", "smtpd_client_event_limit_exceptions": "",
         "smtpd_client_connection_rate_limit": CONNECTIONS,
         "smtpd_client_connection_count_limit": AT_ONCE,
         "smtpd_client_message_rate_limit": MESSAGES,
         "smtpd_client_recipient_rate_limit": RECIPIENTS}
RATELIMIT = "  defer ratelimit = {} / 1h / {} / strict\n        message = too many\n"


class LimitingExim(Exim):
    def serve(self):
        connect = RATELIMIT.format(CONNECTIONS, "per_conn")
        text = EXIM.replace("acl_smtp_mail = from\n", "acl_smtp_mail = from\n"
                            f"acl_smtp_connect = begin\nsmtp_accept_max_per_host = {AT_ONCE}\n")
        text = text.replace("begin acl\n", f"begin acl\nbegin:\n{connect}  accept\n")
        text = text.replace("from:\n", "from:\n" + RATELIMIT.format(MESSAGES, "per_mail"))
        text = text.replace("recipient:\n", "recipient:\n" +
                            RATELIMIT.format(RECIPIENTS, "per_rcpt"))
        (self.folder / "etc/exim4").mkdir()
        (self.folder / "etc/exim4/exim4.conf").write_text(text.format(folder=self.folder),
                                                          encoding="ascii")
        self.run("/usr/sbin/exim4", "-bdf", "-q1h")


class Limited(Mail):
    """Two users at the source; nobody lives here until the first case that wants it."""

    def __init__(self):
        super().__init__(postfix=not IS_EXIM)
        self.runs, self.moved, self.limits = {True: 0, False: 0}, False, {}

    def __enter__(self):
        if IS_EXIM:
            exim = LimitingExim(self.lab.folder, self.lab.source)
            self.lab.after_network = exim.start
            self.lab.at_down.append(exim.stop)
        super(Mail, self).__enter__()  # not Mail's, which moves one of them
        if not IS_EXIM:
            self.lab.postfix.configure(**ANVIL)
        self.here, self.there = self.user(5), self.user(5)
        return self

    def way(self, direct):
        """How to connect, from an address that was not used before."""
        number = self.runs[direct]
        self.runs[direct] += 1
        if direct:
            return lambda: self.lab.source.connect(SOURCE_ADDRESS[0], 25, f"127.0.1.{number}", 40)
        true(number < 20, "the client has twenty addresses")
        return lambda: self.lab.connect(25, client_address(11 + number), timeout=40)

    def some_move(self):
        if not self.moved:
            self.move(self.here)
            self.moved = True


def client_of(connect):
    client = Smtp(connect())
    client.ok("EHLO client.example.org")
    return client


def first_words(connection):
    """Its greeting, or what it says in the place of one."""
    line = connection.makefile("rb").readline()
    return line[:3].decode()


def connections(connect, _to, _sender):
    said = []
    for _ in range(CONNECTIONS + 2):
        with connect() as connection:
            said.append(first_words(connection))
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"QUIT\r\n")
                connection.recv(100)
    return said


def connections_at_once(connect, _to, _sender):
    held, said = [], []
    for _ in range(AT_ONCE + 2):
        held.append(connect())
        said.append(first_words(held[-1]))  # its turn is known then
    for connection in held:
        connection.close()
    return said


def new_sender(number):
    return f"s{number}@example.org"


def one_message(client, to, sender):
    for line in (f"MAIL FROM:<{sender}>", *[f"RCPT TO:<{one}>" for one in to], "DATA"):
        reply = client.command(line)
        if reply[:1] not in b"23":
            client.command("RSET")
            return reply[:3].decode()
    return client.command("Subject: a test\r\n\r\ntext\r\n.")[:3].decode()


def messages(connect, to, sender):
    client = client_of(connect)
    said = [one_message(client, to, sender(n)) for n in range(MESSAGES + 3)]
    client.quit()
    return said


def recipients(connect, to, sender):
    client, said = client_of(connect), []
    for n in range(3):
        client.ok(f"MAIL FROM:<{sender(n)}>")
        said += [str(client.code(f"RCPT TO:<{to[i % len(to)]}>")) for i in range(8)]
        client.ok("RSET")
    client.quit()
    return said


WHAT = {f.__name__: f for f in (connections, connections_at_once, messages, recipients)}


def allowed(said):
    """How many were taken: the first ones, and none behind them."""
    taken = [code for code in said if code[0] == "2"]
    equal(said[:len(taken)], taken, f"the first ones in {said}")
    return len(taken)


def direct(world, what):
    """What it says without us; asked once."""
    if what not in world.limits:
        said = WHAT[what](world.way(True), [at(world.here)], new_sender)
        true(0 < allowed(said) < len(said), f"a limit is met: {said}")
        world.limits[what] = said
    return world.limits[what]


def all_of(said):
    return len(said)


def each_twice(said):
    return allowed(said) // 2


def one_less(said):
    return allowed(said) - 1


# (name, who gets it, senders are new, how many pass; docs/handbook/smtp.md, "What the old server counts")
ROWS = [
    ("there: connections", "connections", "there", False, allowed),
    ("there: connections at once", "connections_at_once", "there", False, allowed),
    ("there: messages", "messages", "there", True, allowed),
    ("there: recipients", "recipients", "there", True, allowed),
    # it is asked about each
    ("here, new senders: messages", "messages", "here", True, allowed),
    # it is asked about the first
    ("here, one sender: messages", "messages", "here", False, all_of),
    ("here, one sender: recipients", "recipients", "here", False, all_of),
    # it is asked, told RSET, and told its own once more
    ("both, new senders: messages", "messages", "here there", True, each_twice),
    ("both, one sender: messages", "messages", "here there", False, one_less),
]


def compare(world, what, who, are_new, wanted):
    expected = direct(world, what)
    sender = new_sender if are_new else (lambda _: "sender@example.org")
    said = WHAT[what](world.way(False), [at(getattr(world, w)) for w in who.split()], sender)
    equal(allowed(said), wanted(expected), f"of {said}; directly {expected}")
    true(set(said) <= set(expected) | {"250"}, f"its own codes: {said}; directly {expected}")


@table([(what, what) for what in WHAT])
def nobody_moved(world, what):
    compare(world, what, "here there", True, allowed)


@table(ROWS)
def some_moved(world, *row):
    world.some_move()
    compare(world, *row)


@case
def recipients_on_both_sides(world):
    """One of each in a message of a new sender, and a limit of recipients alone: the source's
    own are told twice only where it was asked behind them."""
    if IS_EXIM:
        raise Skipped("it is Postfix's")
    world.some_move()
    world.lab.postfix.configure(**ANVIL | {"smtpd_client_message_rate_limit": 0})
    try:
        wait_until("its configuration", lambda: len(set(messages(
            world.way(True), [at(world.here)], new_sender))) == 1, 30, 0.5)
        for first, second, passing in ((world.here, world.there, RECIPIENTS // 2),
                                       (world.there, world.here, RECIPIENTS // 3)):
            client = client_of(world.way(False))
            said = [one_message(client, [at(first), at(second)], new_sender(n))
                    for n in range(RECIPIENTS // 2 + 2)]
            client.quit()
            equal(allowed(said), passing, f"first to {first}, of {said}")
    finally:
        world.lab.postfix.configure(**ANVIL)


def told(connect, to):
    """(seconds to the greeting, to the end), and the end is 250."""
    began = time.monotonic()
    client = Smtp(connect())
    greeted = time.monotonic() - began
    client.ok("EHLO client.example.org")
    equal(client.deliver(b"Subject: slow\r\n\r\ntext\r\n", *to), 250, "the message")
    return greeted, time.monotonic() - began


@case
def a_greeting_that_takes_long(world):
    """A tarpit: its clients wait no longer through us, and none is taken for refused."""
    if IS_EXIM:
        raise Skipped("it is Postfix's")
    world.some_move()
    world.lab.postfix.configure(smtpd_delay_reject="no",
                                smtpd_client_restrictions=f"sleep {GREETING_AFTER}")
    took = {}

    def run(name, connect, to):
        took[name] = told(connect, to)

    try:
        wait_until("its configuration", lambda: slow_now(world), 30, 0.2)
        to = [at(world.here), at(world.there)]
        threads = [threading.Thread(target=run, args=row) for row in (
            ("direct", world.way(True), to), ("there", world.way(False), to[1:]),
            ("here", world.way(False), to[:1]), ("both", world.way(False), to))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        world.lab.postfix.configure(**ANVIL)
    equal(sorted(took), ["both", "direct", "here", "there"], "who was served")
    for name, (greeted, whole) in took.items():
        true(GREETING_AFTER - 1 < greeted, f"{name}: {took}")
        true(whole < 1.3 * took["direct"][1], f"{name}: {took}")


def slow_now(world):
    with world.lab.source.connect(SOURCE_ADDRESS[0], 25, "127.0.1.99", 1) as connection:
        try:
            return not connection.recv(100)
        except TimeoutError:
            return True


if __name__ == "__main__":
    main(Limited, [word for word in sys.argv[1:] if not word.startswith("--")])
