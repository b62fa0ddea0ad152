#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail for users who live here before OpenDKIM and rspamd as Debian has them. Not part of ./test:
both are unpacked (16 MB) and rspamd takes seconds to begin."""
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import case, equal, main, true  # noqa: E402
from lab.server_filters import OpenDkim, Rspamd  # noqa: E402
from lab.smtp import at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
FROM = b"From: Somebody <sender@example.org>\r\nTo: u@example.com\r\n" \
    b"Date: Thu, 26 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"


class Filtered(Mail):
    def __init__(self):
        super().__init__()
        self.filters = [OpenDkim(self.lab.folder, self.lab.router),
                        Rspamd(self.lab.folder, self.lab.router)]

    def __enter__(self):
        self.ferry.settings["milter"] = [f.name for f in self.filters]
        super().__enter__()
        for one in self.filters:
            self.lab.at_down.append(one.stop)
            one.start()
        return self


@case
def check_finds_them(world):
    found = world.ferry.command("check").stdout
    for one in world.filters:
        true(f"{one.name} answers" in found, found)


@case
def a_message_is_signed_and_rated(world):
    token, message = world.message(b"hello\r\n..\r\n" + b"long line " * 90)
    client = world.smtp()
    equal(client.deliver(FROM + message, at(world.here)), 250, "final answer")
    client.quit()
    got = world.arrives(world.here, token)
    header, text = got.split(b"\r\n\r\n", 1)
    true(header.startswith(b"Return-Path: <sender@example.org>\r\nDelivered-To: "), f"{header!r}")
    true(b"DKIM-Signature: v=1; a=rsa-sha256;" in header, f"{header!r}")
    true(b"\r\nX-Spam" in header, f"{header!r}")
    equal(text, message.split(b"\r\n\r\n", 1)[1], "body")


@case
def spam_is_refused(world):
    token, message = world.message(GTUBE)
    client = world.smtp()
    client.mail(at(world.here), at(world.there))
    reply = client.data(FROM + message)
    true(reply.startswith(b"554 5.7.1 Gtube pattern"), f"{reply!r}")
    client.close()
    equal(world.copies(world.here, token), [], "here")
    equal(world.copies(world.there, token, source=True), [], "there")


if __name__ == "__main__":
    main(Filtered)
