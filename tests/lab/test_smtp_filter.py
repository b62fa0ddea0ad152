#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Content filters (`milter`) before mail for users who live here."""
import re
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import milter  # noqa: E402
from lab.harness import case, equal, ferry_with, main, table, true  # noqa: E402
from lab.milter import (ACCEPT, CONTINUE, DIES, DISCARD, HANGS, PROGRESS, REJECT,  # noqa: E402
                        TEMPFAIL, Milter)
from lab.processes import wait_until  # noqa: E402
from lab.smtp import at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402

PORT = 11332


class Filtered(Mail):
    """Two filters; the second one on a UNIX socket."""

    def __init__(self):
        super().__init__()
        self.first = Milter(self.lab.router, PORT)
        self.second = Milter(self.lab.router, str(self.lab.folder / "milter"))
        self.ferry.settings.update({"milter": [self.first.name, self.second.name],
                                    "milter_command_timeout": 2, "milter_content_timeout": 2})

    def __enter__(self):
        super().__enter__()
        self.other = self.user(5)
        self.move(self.other)
        self.first.start()
        self.second.start()
        return self

    def __exit__(self, *what):
        self.first.stop()
        self.second.stop()
        super().__exit__(*what)


def delivered(world, message, *users, code=250, **options):
    client = world.smtp()
    equal(client.deliver(message, *[at(user) for user in users], **options), code, "final answer")
    client.quit()


@case
def a_filter_sees_the_whole_message(world):
    token, message = world.message(b"..text\r\n" + b"x" * 200000)
    message = b"X-Folded: one\r\n two\r\n" + message
    with world.first.says(), world.second.says():
        delivered(world, message, world.here)
        seen = world.first.seen[0]
    equal(world.second.seen[0].body, seen.body, "the second one saw the same")
    equal((seen.helo, seen.sender, seen.recipients),
          ("client.example.org", "<sender@example.org>", [f"<{at(world.here)}>"]), "envelope")
    true(seen.client.startswith("192.0.2."), f"client {seen.client}")
    equal(seen.headers, [(b"X-Folded", b"one\n two"), (b"Subject", token)], "header")
    equal(seen.body, message.split(b"\r\n\r\n", 1)[1], "body")
    true(re.fullmatch(rb"[0-9a-f]+-[0-9a-f]+\.[0-9a-f]+", seen.macros[b"i"]), f"{seen.macros}")
    received = world.arrives(world.here, token)
    true(b" id " + seen.macros[b"i"] in received, f"{seen.macros}: {received[:400]}")


@case
def what_it_changes_is_delivered(world):
    token, message = world.message(b"bad")
    changes = (milter.add(b"X-Spam", b"no\n really") + milter.insert(0, b"X-First", b"1") +
               PROGRESS + milter.change(1, b"x-gone", b"") + milter.body(b"good\r\n") +
               milter.body(b"text\r\n") + milter.sender("other@example.org") + CONTINUE)
    with world.first.says(END=changes), world.second.says():
        delivered(world, b"X-Gone: 1\r\n" + message, world.here)
        seen = world.second.seen[0]
    equal([name for name, _ in seen.headers], [b"X-First", b"Subject", b"X-Spam"], "second one")
    equal((seen.body, seen.sender), (b"good\r\ntext\r\n", "<other@example.org>"), "second one")
    trace, rest = re.fullmatch(rb"(Return-Path: .*?\r\n(?:Received:|\t).*?)(X-First.*)",
                               world.arrives(world.here, token), re.DOTALL).groups()
    true(trace.startswith(b"Return-Path: <other@example.org>\r\nDelivered-To: "), f"{trace!r}")
    equal(rest, b"X-First: 1\r\nSubject: " + token +
          b"\r\nX-Spam: no\r\n really\r\n\r\ngood\r\ntext\r\n", "message")


@table([("reject", REJECT, b"550 5.7.1 Command rejected"),
        ("tempfail", TEMPFAIL, b"451 4.7.1 Service unavailable - try again later"),
        ("reply", milter.reply(b"554 5.7.1 100%% spam"), b"554 5.7.1 100% spam"),
        ("421", milter.reply(b"421 4.7.0 away"), b"451 4.7.0 away"),
        ("quarantine", milter.quarantine(b"virus") + ACCEPT,
         b"550 5.7.1 The content filter holds this message back")])
def it_refuses(world, answer, wanted):
    """At whatever step; and nothing of it is at the source, or here."""
    for step in ("END", "RCPT", "CONNECT") if b"q" not in answer else ("END",):
        token, message = world.message()
        with world.first.says(**{step: answer}):
            for users in ((world.here,), (world.here, world.there)):
                client = world.smtp()
                client.mail(*[at(user) for user in users])
                equal(client.data(message).strip(), wanted, f"{step}, {len(users)} recipients")
                client.close()
        equal(world.copies(world.here, token), [], "here")
        equal(world.copies(world.there, token, source=True), [], "there")


@case
def it_discards(world):
    """Those at the source have filters of their own."""
    token, message = world.message()
    with world.second.says(END=DISCARD):
        delivered(world, message, world.here)
        delivered(world, message, world.here, world.there)
    world.arrives(world.there, token, source=True)
    equal(world.copies(world.here, token), [], "here")


@case
def it_changes_who_gets_it(world):
    token, message = world.message()
    with world.first.says(END=milter.add_recipient(at(world.other)) +
                          milter.add_recipient("nobody@example.net") + ACCEPT):
        delivered(world, message, world.here)
    world.arrives(world.here, token)
    world.arrives(world.other, token)
    true("does not live here, and is not sent to" in world.ferry.log.read_text(), "it is logged")
    token, message = world.message()
    with world.first.says(END=milter.delete_recipient(at(world.here).upper()) + ACCEPT):
        delivered(world, message, world.here, world.other)
        delivered(world, message, world.here)
    world.arrives(world.other, token)
    equal(world.copies(world.here, token), [], "here")


@case
def whom_it_adds_has_room(world):
    """Or the sender hears of it: there is one answer, and nobody's copy is lost in silence."""
    token, message = world.message()
    for words, code in (("0,1", 452), ("1", 552), ("default", 250)):
        world.ferry.ok("quota", world.other, "--set", words)
        with world.first.says(END=milter.add_recipient(at(world.other)) + ACCEPT):
            delivered(world, message, world.here, world.there, code=code)
        if code != 250:
            equal(world.copies(world.here, token), [], f"here, {words}")
    for user in (world.here, world.other):
        world.arrives(user, token)
    world.arrives(world.there, token, source=True)  # once


def half_a_verdict(world, answer):
    """Changes come before it breaks off."""
    before = milter.add(b"X-Half", b"1")
    return world.first.says(END=before + answer if isinstance(answer, bytes) else answer)


@table([("tempfail", 451), ("accept", 250), ("reject", 550)])
def it_gives_no_verdict(world, code):
    """It dies in the middle, is silent, speaks something else, or is not there: milter_default
    decides, and what it had changed before does not count."""
    default = {451: "tempfail", 250: "accept", 550: "reject"}[code]
    with ferry_with(world, milter_default=default):
        for answer in (DIES, HANGS, b"HTTP/1.1 400 Bad\r\n\r\n", None):
            token, message = world.message()
            with half_a_verdict(world, answer):
                if answer is None:
                    world.first.stop()
                try:
                    delivered(world, message, world.here, code=code)
                finally:
                    if answer is None:
                        world.first.start()
            if code == 250:
                true(b"X-Half" not in world.arrives(world.here, token), "unchanged")
            else:
                equal(world.copies(world.here, token), [], f"{answer}: here")


@case
def chunks_are_filtered_as_they_came(world):
    """By BDAT; and what it refuses neither side has."""
    token, message = world.message(b".\r\n..text\r\n" + b"x" * 5000)
    parts, both = (message[:30], b"", message[30:]), [at(world.here), at(world.there)]
    client = world.smtp()
    with world.first.says():
        equal([r[:3] for r in client.chunks(both, *parts)], [b"250"] * 6, "accepted")
        equal(world.first.seen[0].body, message.split(b"\r\n\r\n", 1)[1], "body")
    world.arrives(world.here, token)
    world.arrives(world.there, token, source=True)
    again, message = world.message()
    with world.first.says(END=REJECT):
        equal(client.chunks(both, message)[-1][:3], b"550", "refused")
    equal(client.code("NOOP"), 250, "the session goes on")
    client.quit()
    equal(world.copies(world.here, again), [], "here")
    equal(world.copies(world.there, again, source=True), [], "there")


@case
def the_source_gets_its_dot_after_the_verdict(world):
    """While the filter is at work the old server has all but the end."""
    token, message = world.message()
    at_source = []

    def look(_):
        at_source.append(world.copies(world.there, token, source=True))
        return REJECT
    with world.first.says(END=look):
        delivered(world, message, world.here, world.there, code=550)
    equal(at_source, [[]], "at the source")
    equal(world.copies(world.there, token, source=True), [], "there, afterwards")


@case
def nobody_is_filtered_at_the_source(world):
    token, message = world.message()
    with world.first.says(MAIL=REJECT):
        delivered(world, message, world.there)
    world.arrives(world.there, token, source=True)
    equal(world.first.seen, [], "the filter")


@case
def status_and_check_tell(world):
    found = world.ferry.command("check").stdout
    true(re.search(rf"filter.*inet:127.0.0.1:{PORT} answers", found), found)
    world.first.stop()
    try:
        found = world.ferry.command("check").stdout
        true(re.search(rf"filter.*inet:127.0.0.1:{PORT}: cannot be reached", found), found)
        _, message = world.message()
        delivered(world, message, world.here, code=451)
        wait_until("it is told", lambda: "no verdict of a content filter" in
                   world.ferry.command("status").stdout)
    finally:
        world.first.start()


@case
def without_one_it_is_told(world):
    with ferry_with(world, milter=[]):
        text = world.ferry.command("check").stdout
        true("not filtered" in text, text)
        true("not filtered" in world.ferry.command("report").stdout, "report")


if __name__ == "__main__":
    main(Filtered)
