#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the source refuses, we refuse: by what it says and by hanging up. What it says of a
mailbox that has moved does not count."""
import contextlib
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import case, equal, main, table, true  # noqa: E402
from lab.server_scripted_smtp import (  # noqa: E402
    ORDINARY, PATH, SILENT, TOO_EARLY, ScriptedSmtp, hang_up)
from lab.smtp import Smtp, at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402


OWN_WORDS = b"550 <%s> hat hier kein Postfach"


class Scripted(Mail):
    """self.script is the source's port 25."""

    def __init__(self):
        super().__init__(postfix=False, settings={"smtp_policy_ttl": 0})
        self.script = ScriptedSmtp(self.lab.source)
        self.script.router["RCPT"] = self.asked_by_router
        self.asked = []

    def asked_by_router(self, line, _address):
        """Our own server asks about a recipient that cannot exist."""
        self.asked.append(line)
        return None if b"<postmaster@" in line else OWN_WORDS % PATH.search(line)[1] + b"\r\n"

    def __enter__(self):
        self.lab.at_down.append(self.script.stop)
        self.lab.after_network = self.script.start
        return super().__enter__()


def everything(client, world):
    """Says all that it takes to deliver to both users, whatever it is told. All replies, up
    to the end of the connection or of the message."""
    token, message = world.message()
    got = [client.greeting] if client.greeting else []
    with contextlib.suppress(EOFError, OSError):
        for line in ("EHLO client.example.org", "MAIL FROM:<boss@example.com>",
                     f"RCPT TO:<{at(world.here)}>", f"RCPT TO:<{at(world.there)}>", "DATA"):
            got.append(client.command(line))
        client.send(message + b".\r\n")
        got.append(client.reply())
        return token, got, False
    return token, got, True


HANGS_UP = [
    ("a greeting of 554", "GREETING", b"554 5.7.1 you are not welcome\r\n"),
    ("a greeting of 521", "GREETING", b"521 no mail here\r\n"),
    ("a greeting of two lines", "GREETING", b"550-you are\r\n550 on a list\r\n"),
    ("EHLO", "EHLO", b"550 we do not like your name\r\n"),
    ("MAIL", "MAIL", b"550 we do not like this sender\r\n"),
    ("RCPT, Exim's drop", "RCPT", b"550 192.0.2.13 is not welcome\r\n"),
    ("RCPT, for now", "RCPT", b"451 come again\r\n"),
]


@table(HANGS_UP)
def refuses_and_hangs_up(world, verb, words):
    """The client, which goes on, gets these words and the end."""
    with world.script.says(**{verb: hang_up(words)}):
        client = Smtp(world.lab.connect(25, world.address("user13")))
        token, got, is_over = everything(client, world)
        equal(got[-1], words, "the last reply")
        true(is_over, "and the end")
        equal(world.script.taken, [], "at the source")
    world.ferry.settle()
    equal(world.copies(world.here, token), [], "here")


@case
def refuses_with_the_words_for_a_mailbox_and_hangs_up(world):
    """They look like the mailbox's matter, so the client was told 250; the end says that they
    are not."""
    words = b"550 5.1.1 user unknown\r\n"
    with world.script.says(RCPT=hang_up(words)):
        client = Smtp(world.lab.connect(25, world.address("user13")))
        token, got, is_over = everything(client, world)
        true(is_over or got[-1][:1] in b"45", f"not taken: {got}")
        true(words in got, f"its own words: {got}")
    world.ferry.settle()
    equal(world.copies(world.here, token), [], "here")


@table([("EHLO", b"EHLO client.example.org\r\n"), ("HELO", b"HELO client\r\n"),
        ("all at once", b"EHLO x\r\nMAIL FROM:<a@example.org>\r\n")])
def a_client_that_does_not_wait_for_the_greeting(world, words):
    """The source must see it: it refuses such clients, and only those."""
    with world.script.says(patience=3):
        connection = world.lab.connect(25, world.address("user13"))
        connection.sendall(words)
        client = Smtp(connection)
        equal(client.greeting, TOO_EARLY, "the greeting")
        true(client.file.read() == b"", "and the end")
        client.close()
        world.smtp("user13").quit()


@case
def hangs_up_instead_of_a_greeting(world):
    """As tcpserver denies a client: it is told to come again, and is not served."""
    with world.script.says(GREETING=SILENT):
        client = Smtp(world.lab.connect(25, world.address("user13")))
        equal(client.greeting[:4], b"421 ", "the greeting")
        true(client.file.read() == b"", "and the end")
        client.close()


@case
def a_source_that_hangs_up_later_without_a_word_is_lost(world):
    """No refusal was said: users who live here get their mail all the same."""
    with world.script.says(MAIL=hang_up(b"250 Ok\r\n")):
        client = Smtp(world.lab.connect(25, world.address("user13")))
        client.ok("EHLO client.example.org")
        token, message = world.message()
        equal(client.deliver(message, at(world.here)), 250, "final answer")
        client.quit()
    world.arrives(world.here, token)


WORDS = [
    ("the client, in words alone", b"550 192.0.2.13 is not welcome", False),
    ("the client, 551", b"551 not from there", False),
    ("a forged sender, X.1.0", b"550 5.1.0 <boss@example.com>: sender rejected", False),
    ("a forged sender who is unknown",
     b"550 5.1.0 <boss@example.com>: Sender address rejected: User unknown", False),
    ("the message's policy", b"550 5.7.1 this is not done here", False),
    ("an unknown user, in words alone", b"550 Unknown user", True),
    ("an unknown user, Exim", b"550 Unrouteable address", True),
    ("an unknown user, qmail", b"550 sorry, no mailbox here by that name. (#5.1.1)", True),
    ("an unknown user, X.7.1", b"550 5.7.1 <%s>: user unknown", True),
    ("an unknown user, as this server says it", OWN_WORDS, True),
    ("nearly so", OWN_WORDS + b" und Sie sind nicht willkommen", False),
    ("a full mailbox", b"552 mailbox full", True),
    ("no relaying", b"550 relay not permitted", True),
]


@table(WORDS)
def refusal_by_its_words(world, words, is_mailbox):
    """For a user who lives here: the client's own refusal is the answer, the mailbox's is
    not."""
    reply = words.replace(b"%s", at(world.here).encode()) + b"\r\n"
    with world.script.says(RCPT=reply):
        client = world.smtp("user13")
        client.ok("MAIL FROM:<boss@example.com>")
        got = client.command(f"RCPT TO:<{at(world.here)}>")
        if is_mailbox:
            equal(got[:3], b"250", "RCPT")
            token, message = world.message()
            equal(int(client.data(message)[:3]), 250, "final answer")
            world.arrives(world.here, token)
        else:
            equal(got, reply, "RCPT")
        equal(client.command(f"RCPT TO:<{at(world.there)}>")[:1],
              reply[:1] if not is_mailbox else b"5", "there")
        client.quit()


@case
def what_the_source_shows_is_learnt(world):
    """Whatever it does when it is asked about nobody: while it is away, its greeting is ours."""
    world.script.stop()
    try:
        client = world.smtp("user13")
        equal(client.greeting, ORDINARY["GREETING"], "the greeting")
        true(b"PIPELINING" in client.ehlo, f"{client.ehlo!r}")
        client.quit()
    finally:
        world.script.start()


@case
def the_source_is_asked_once_about_nobody(world):
    """By the router itself: postmaster, who must exist, and a name that cannot."""
    equal([PATH.search(line)[1] for line in world.asked],
          [b"postmaster@example.com", b"mailferry-asks-for-nobody@example.com"], "RCPT")
    said = world.ferry.command("check").stdout
    true('refuses unknown recipients with "hat hier kein postfach"' in said, said)


class HangsUp(Scripted):
    """Its source closes the connection on our own question."""

    def asked_by_router(self, line, address):
        answer = super().asked_by_router(line, address)
        return hang_up(answer) if answer else None


if __name__ == "__main__":
    if "--hangs-up" in sys.argv:
        main(HangsUp, words=["what_the_source_shows", "refuses_and_hangs_up"])
    main(Scripted)
