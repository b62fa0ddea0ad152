# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of SMTP start from: Postfix at the source, one user here and one there."""
import contextlib
import re

from .harness import World, equal
from .imap import Imap
from .network import SOURCE_ADDRESS
from .processes import wait_until
from .smtp import Smtp, one


class Mail(World):
    """Two users: self.here lives here, self.there at the source."""

    def __init__(self, postfix=True, **options):
        super().__init__(postfix=postfix, **options)
        self.count = 0

    def __enter__(self):
        super().__enter__()
        self.here, self.there = self.user(5), self.user(5)
        client = self.session(self.there)
        self.ferry.ok("route", self.there, "source")
        client.logout()
        self.move(self.here)
        return self

    def smtp(self, user="", family=4):
        client = Smtp(self.lab.connect(25, self.address(user, family), family))
        client.ehlo = client.ok("EHLO client.example.org")
        return client

    def direct_smtp(self):
        """Past the router."""
        client = Smtp(self.lab.source.connect(SOURCE_ADDRESS[0], 25))
        client.ehlo = client.ok("EHLO client.example.org")
        return client

    def message(self, text=b"text"):
        """(token, message)"""
        self.count += 1
        token = b"token-%d-" % self.count
        return token, b"Subject: " + token + b"\r\n\r\n" + text + b"\r\n"

    def copies(self, user, token, source=False, folder="INBOX"):
        """Bodies in the folder with this token in the subject."""
        if source:
            client = Imap(self.direct())
            client.login(user, self.password(user))
        else:
            client = self.session(user)
        client.ok(f'SELECT "{folder}"')
        found = one(client.ok(b"SEARCH SUBJECT " + token), b"* SEARCH").split()[2:]
        bodies = []
        for number in found:
            answer = one(client.ok(b"FETCH " + number + b" BODY.PEEK[]"), b"* " + number)
            head, rest = answer.split(b"\r\n", 1)
            bodies.append(rest[:int(head.rsplit(b"{", 1)[1][:-1])])
        client.logout()
        return bodies

    def count_of(self, user):
        client = self.session(user)
        answer = client.ok("STATUS INBOX (MESSAGES)")[0]
        client.logout()
        return int(re.search(rb"MESSAGES (\d+)", answer)[1])

    def can_log_in(self):
        with contextlib.suppress(OSError, EOFError, AssertionError):
            self.session(self.here).logout()
            return True
        return False

    def subjects(self, user):
        """Tokens of the user's INBOX."""
        client, found = self.session(user), []
        client.ok("EXAMINE INBOX")
        for answer in client.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]"):
            found += re.findall(rb"token-\d+-", answer)
        client.logout()
        return found

    def arrives(self, user, token, source=False):
        """Waits for it; its bytes. Once, or it fails."""
        bodies = wait_until(f"{token} for {user}", lambda: self.copies(user, token, source), 20)
        equal(len(bodies), 1, f"copies of {token} for {user}")
        return bodies[0]
