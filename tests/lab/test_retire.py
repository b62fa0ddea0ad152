#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of the source: accounts here are served, nobody reaches the old server."""
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.smtp import Smtp, at  # noqa: E402


class Retired(World):
    def __enter__(self):
        super().__enter__()
        self.here, self.never = self.user(5), self.user(5)
        self.move(self.here)
        self.ferry.ok("retire", "--yes", "--force")
        self.before = wait_until("the last of their lines", self.same_logs, 60)
        return self

    def same_logs(self):
        """Those that nothing is added to in a second."""
        before = self.logs()
        time.sleep(1)
        return before if self.logs() == before else None

    def logs(self):
        """But for what Postfix says by itself, of connections before."""
        return self.server.log_text(), [line for line in self.lab.postfix.log_text().splitlines()
                                        if "postfix/anvil" not in line]


@case
def who_lives_here_is_served(world):
    client = world.session(world.here)
    true(client.ok("SELECT INBOX"), "their mailbox")
    client.logout()


@case
def everybody_else_is_nobody(world):
    client = Imap(world.lab.connect(143))
    answer = client.login(world.never, world.password(world.never))
    true(b" NO [AUTHENTICATIONFAILED]" in answer, f"{answer!r}")
    client.close()


@case
def mail_for_who_lives_here_is_taken_and_no_other(world):
    client = Smtp(world.lab.connect(25))
    true(client.greeting.startswith(b"220 mail.example.com"), f"{client.greeting!r}")
    ehlo = client.ok("EHLO client.example.org")
    true(b"SIZE" in ehlo, "as the source said it")
    true(b"AUTH" not in ehlo and b"STARTTLS" not in ehlo, f"{ehlo!r}")
    equal(client.code("AUTH PLAIN AGEAYg=="), 502, "AUTH")
    client.ok("MAIL FROM:<sender@example.org>")
    for to, wanted in ((at(world.never), b"550 5.1.1 "), (at("nobody"), b"550 5.1.1 "),
                       ("x@elsewhere.example", b"550 5.7.1 "), (at(world.here), b"250 ")):
        reply = client.command(f"RCPT TO:<{to}>")
        true(reply.startswith(wanted), f"{to}: {reply!r}")
    equal(client.data(b"Subject: retired\r\n\r\ntext\r\n")[:3], b"250", "final answer")
    client.quit()
    reader = world.session(world.here)
    reader.ok("SELECT INBOX")
    equal(len(reader.ok("SEARCH SUBJECT retired")[0].split()), 3, "one message")
    reader.logout()


@case
def what_only_the_source_could_do_is_not_announced(world):
    imap = Imap(world.lab.connect(143))
    shown = b" ".join([imap.greeting, *imap.ok("CAPABILITY")])
    true(b"IMAP4rev1" in shown and b"STARTTLS" not in shown, f"{shown!r}")
    imap.close()
    pop3 = world.lab.connect(110)
    pop3.sendall(b"CAPA\r\nQUIT\r\n")
    shown = b""
    while piece := pop3.recv(4096):
        shown += piece
    true(b"+OK" in shown and b"STLS" not in shown, f"{shown!r}")
    pop3.close()


@case
def the_source_hears_nothing(world):
    equal(world.logs(), world.before, "the old server's logs")


if __name__ == "__main__":
    main(lambda: Retired(postfix=True))
