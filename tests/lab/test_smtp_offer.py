#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extensions of SMTP before anybody lives here, and afterwards; the cases build on each
other."""
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import case, equal, main, true  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.smtp import Smtp, at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402

LATE = "user17"


class Offer(Mail):
    """Two users at the source; nobody lives here until a case says so."""

    def __enter__(self):
        super(Mail, self).__enter__()  # not Mail's, which moves one of them
        self.here, self.there = self.user(5), self.user(5)
        return self


def chunks(client, recipient, *parts):
    """BDAT, all of it in one write; the replies."""
    lines = [b"MAIL FROM:<sender@example.org>\r\n", b"RCPT TO:<%s>\r\n" % recipient.encode()]
    for n, part in enumerate(parts):
        last = b" LAST" if n == len(parts) - 1 else b""
        lines.append(b"BDAT %d%s\r\n%s" % (len(part), last, part))
    client.send(b"".join(lines))
    return [client.reply() for _ in lines]


@case
def nobody_here_the_offer_is_the_sources(world):
    client, straight = world.smtp(), world.direct_smtp()
    true(b"CHUNKING" in straight.ehlo, "the source has CHUNKING")
    equal(client.ehlo, straight.ehlo, "EHLO")
    client.quit()
    straight.quit()


@case
def nobody_here_a_message_in_chunks(world):
    """Its text has commands and lines with a dot, and its last chunk is empty."""
    token, message = world.message(b"RCPT TO:<x@y>\r\n.\r\nQUIT")
    client = world.smtp()
    replies = chunks(client, at(world.there), message[:20], message[20:], b"")
    equal([reply[:3] for reply in replies], [b"250"] * 5, f"{replies}")
    equal(client.code("NOOP"), 250, "the session goes on")
    client.quit()
    true(world.arrives(world.there, token, source=True).endswith(message), "as it was sent")


@case
def nobody_here_commands_of_the_source(world):
    client = world.smtp()
    straight = world.direct_smtp()
    for words in ("ETRN nowhere.example", "XFORWARD NAME=a", "FROBNICATE", ""):
        equal(client.command(words), straight.command(words), words)
    client.quit()
    straight.quit()


@case
def an_account_moves_under_two_sessions(world):
    """One was offered CHUNKING and has to come again, one said HELO and has not."""
    late, plain = world.smtp(LATE), Smtp(world.lab.connect(25, world.address(LATE)))
    plain.ok("HELO client.example.org")
    world.move(world.here)
    token, message = world.message()
    equal(late.deliver(message, at(world.there)), 250, "there")
    late.ok("MAIL FROM:<sender@example.org>")
    equal(late.code(f"RCPT TO:<{at(world.here)}>"), 421, "here")
    wait_until("the end", lambda: late.file.read(1) == b"", 5)
    late.close()
    equal(plain.deliver(message, at(world.here)), 250, "HELO, here")
    plain.quit()
    world.arrives(world.here, token)


@case
def afterwards_what_we_speak_is_offered(world):
    client = world.smtp()
    words = [line[4:].split()[0] for line in client.ehlo.split(b"\r\n")[1:] if line]
    for word in words:
        true(word in (b"PIPELINING", b"SIZE", b"8BITMIME", b"SMTPUTF8", b"VRFY", b"AUTH",
                      b"ENHANCEDSTATUSCODES", b"STARTTLS"), f"{word!r}")
    true(b"PIPELINING" in words and b"SIZE" in words, f"{words}")
    equal(client.code("BDAT 0 LAST"), 502, "BDAT")
    equal(client.code("ETRN nowhere.example"), 502, "ETRN")
    equal(client.code("FROBNICATE"), 500, "what nobody knows")
    equal(client.code("MAIL FROM:<a@example.org> BODY=BINARYMIME"), 555, "a parameter")
    equal(client.code("MAIL FROM:<a@example.org> SIZE=100 BODY=8BITMIME"), 250, "others")
    client.quit()


if __name__ == "__main__":
    main(Offer)
