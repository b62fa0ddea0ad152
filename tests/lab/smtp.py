# SPDX-License-Identifier: GPL-3.0-or-later
"""A raw SMTP client that sees every byte, and swaks for what real clients do."""
import contextlib
import re

from .network import SOURCE_ADDRESS


class Smtp:
    """Replies come as bytes with their lines; a code alone is enough for most."""

    def __init__(self, connection):
        self.socket = connection
        self.file = connection.makefile("rb")
        self.greeting = self.reply()

    def reply(self):
        lines = b""
        while True:
            line = self.file.readline()
            if not line:
                raise EOFError(f"closed after {lines!r}")
            lines += line
            if line[3:4] != b"-":
                return lines

    def send(self, data):
        self.socket.sendall(data)

    def command(self, text):
        self.send((text.encode() if isinstance(text, str) else text) + b"\r\n")
        return self.reply()

    def code(self, text):
        return int(self.command(text)[:3])

    def ok(self, text):
        reply = self.command(text)
        if reply[:1] not in (b"2", b"3"):
            raise AssertionError(f"{text}: {reply!r}")
        return reply

    def mail(self, *recipients, sender="sender@example.org"):
        """MAIL and RCPTs; the codes of the RCPTs."""
        self.ok(f"MAIL FROM:<{sender}>")
        return [self.code(f"RCPT TO:<{r}>") for r in recipients]

    def data(self, message):
        """DATA to its final answer; dots are stuffed here."""
        self.ok("DATA")
        self.send(re.sub(rb"(?m)^\.", b"..", message) + b".\r\n")
        return self.reply()

    def chunks(self, recipients, *parts, sender="sender@example.org"):
        """MAIL, RCPTs and the message by BDAT, all of it in one write; the replies."""
        lines = [f"MAIL FROM:<{sender}>\r\n".encode(),
                 *[f"RCPT TO:<{r}>\r\n".encode() for r in recipients]]
        for n, part in enumerate(parts, 1):
            lines.append(b"BDAT %d%s\r\n%s" % (len(part), b" LAST" * (n == len(parts)), part))
        self.send(b"".join(lines))
        return [self.reply() for _ in lines]

    def deliver(self, message, *recipients, **options):
        """The final answer's code; every recipient must be accepted."""
        codes = self.mail(*recipients, **options)
        if any(code // 100 != 2 for code in codes):
            raise AssertionError(f"{recipients}: {codes}")
        return int(self.data(message)[:3])

    def quit(self):
        with contextlib.suppress(OSError, EOFError):
            self.command("QUIT")
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()


def swaks(world, *arguments, source_address=None):
    """CompletedProcess of swaks in the client's namespace, to the old server's address."""
    options = ["--server", SOURCE_ADDRESS[0], "--timeout", "30"]
    if source_address:
        options += ["--local-interface", source_address]
    return world.lab.client.run("swaks", *options, *arguments)


def one(answers, start):
    """The one that begins so; others may come when mail does."""
    return next(answer for answer in answers if answer.startswith(start))


def at(user):
    return f"{user}@example.com"
