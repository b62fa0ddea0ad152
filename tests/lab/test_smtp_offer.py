#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extensions of SMTP before anybody lives here, and afterwards; the cases build on each
other."""
import json
import re
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import case, equal, main, table, true  # noqa: E402
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
    replies = client.chunks([at(world.there)], message[:20], message[20:], b"")
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


def extensions(ehlo):
    return {line[4:].split()[0].decode() for line in ehlo.split(b"\r\n")[1:] if line}


@case
def nobody_here_check_names_what_will_go(world):
    world.shown = extensions(world.smtp().ehlo)
    done = world.ferry.command("check", "--json")
    texts = [found["text"] for found in json.loads(done.stdout)["findings"]
             if found["name"] == "smtp" and "not shown once" in found["text"]]
    equal(len(texts), 4, f"of STARTTLS and of the others, for each address: {texts}")
    world.named = set(re.findall(r"([\w-]+) \(|(STARTTLS) goes to the source unseen, and",
                                 " ".join(texts)))
    world.named = {word for pair in world.named for word in pair if word}
    true({"DSN", "ETRN"} <= world.named, f"{texts}")


@case
def an_account_moves_under_two_sessions(world):
    """One was offered DSN and has to come again, one said HELO and has not."""
    late, plain = world.smtp(LATE), Smtp(world.lab.connect(25, world.address(LATE)))
    plain.ok("HELO client.example.org")
    world.move(world.here)
    token, message = world.message()
    equal(late.deliver(message, at(world.there)), 250, "there")
    late.ok("MAIL FROM:<sender@example.org>")
    equal(late.code(f"RCPT TO:<{at(world.here)}>"), 421, "here")
    wait_until("the end", lambda: late.file.read(1) == b"")
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
                      b"ENHANCEDSTATUSCODES", b"STARTTLS", b"CHUNKING"), f"{word!r}")
    true(b"PIPELINING" in words and b"SIZE" in words, f"{words}")
    equal(client.code("BDAT 0 LAST"), 503, "BDAT without a sender")
    equal(client.code("ETRN nowhere.example"), 502, "ETRN")
    equal(client.code("FROBNICATE"), 500, "what nobody knows")
    equal(client.code("MAIL FROM:<a@example.org> BODY=BINARYMIME"), 555, "a parameter")
    equal(client.code("MAIL FROM:<a@example.org> SIZE=100 BODY=8BITMIME"), 250, "others")
    client.quit()


@case
def afterwards_what_check_had_named_is_gone(world):
    equal(world.shown - extensions(world.smtp().ehlo), world.named, "and nothing else")


@table([("here", True, False), ("there", False, True), ("on both sides", True, True)])
def afterwards_a_message_in_chunks(world, here, there):
    """As above; each gets the same bytes."""
    token, message = world.message(b"RCPT TO:<x@y>\r\n.\r\n..\r\nQUIT\xff")
    client = world.smtp()
    to = [at(world.here)] * here + [at(world.there)] * there
    replies = client.chunks(to, message[:20], message[20:], b"")
    equal([reply[:3] for reply in replies], [b"250"] * (4 + len(to)), f"{replies}")
    equal(client.code("NOOP"), 250, "the session goes on")
    client.quit()
    if here:
        copy = world.arrives(world.here, token)
        true(copy.endswith(message), f"as it was sent: {copy!r}")
    if there:
        true(world.arrives(world.there, token, source=True).endswith(message), "there as well")


@case
def afterwards_a_large_chunk(world):
    """More than any buffer, in one chunk, on both sides."""
    token, message = world.message((b"x" * 70 + b"\r\n") * 30000)
    client = world.smtp()
    replies = client.chunks([at(world.here), at(world.there)], message)
    equal([reply[:3] for reply in replies], [b"250"] * 4, f"{replies}")
    client.quit()
    true(world.arrives(world.here, token).endswith(message), "here")
    true(world.arrives(world.there, token, source=True).endswith(message), "there")


@case
def afterwards_a_message_that_is_given_up(world):
    """RSET between two chunks, the end of the client behind one: nobody has it."""
    token, message = world.message()
    both = [at(world.here), at(world.there)]
    client = world.smtp()
    client.send(b"MAIL FROM:<a@example.org>\r\n" +
                b"".join(b"RCPT TO:<%s>\r\n" % to.encode() for to in both) +
                b"BDAT %d\r\n%sRSET\r\n" % (len(message), message))
    equal([client.reply()[:3] for _ in range(5)], [b"250"] * 5, "with RSET")
    again, other = world.message()
    equal([r[:3] for r in client.chunks(both, other)], [b"250"] * 4, "another one")
    client.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<%s>\r\nBDAT %d\r\n%s" % (
        both[1].encode(), len(message), message))
    equal([client.reply()[:3] for _ in range(3)], [b"250"] * 3, "and it leaves")
    client.close()
    world.arrives(world.here, again)
    world.arrives(world.there, again, source=True)
    equal(world.copies(world.here, token), [], "here")
    equal(world.copies(world.there, token, source=True), [], "there")


if __name__ == "__main__":
    main(Offer)
