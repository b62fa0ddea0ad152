# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of SMTP start from: Postfix at the source, one user here and one there."""
import contextlib
import re
import threading
import time

from .harness import World, equal, true
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

    def kill_while(self, program, senders, send):
        """Six times, while so many threads run send(number, stop) again and again."""
        stop = threading.Event()

        def run(number):
            while not stop.is_set():
                with contextlib.suppress(OSError, EOFError, AssertionError):
                    send(number, stop)

        threads = [threading.Thread(target=run, args=(n,)) for n in range(senders)]
        for thread in threads:
            thread.start()
        for n in range(6):
            time.sleep(1.2)
            self.ferry.kill(program, which=lambda pids, n=n: pids[n % len(pids)])
        stop.set()
        for thread in threads:
            thread.join(60)
        wait_until("a session", self.can_log_in, 30, 0.2)

    def comes_once(self, told, sent):
        """told: by user, what got 250; it is found. No more than once is found what was sent."""
        for user, tokens in told.items():
            true(len(tokens) > 5, f"{len(tokens)} for {user}")
            wait_until(f"mail for {user}",
                       lambda user=user, tokens=tokens: set(tokens) <= set(self.subjects(user)), 30)
            found = [t for t in self.subjects(user) if t in sent]
            equal(sorted(t for t in set(found) if found.count(t) > 1), [], f"doubled for {user}")

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
        bodies = wait_until(f"{token} for {user}", lambda: self.copies(user, token, source))
        equal(len(bodies), 1, f"copies of {token} for {user}")
        return bodies[0]
