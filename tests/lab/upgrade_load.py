# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that come and go all the time, and some that stay: what a gap would show them."""
import collections
import threading
import time

from .harness import true
from .imap import Imap
from .pop3 import Pop3
from .smtp import Smtp


def _imap_greeting(world):
    client = world.imap(world.there)
    client.ok("CAPABILITY")
    client.ok("LOGOUT")


def _imap_login(user):
    def run(world):
        client = world.session(getattr(world, user))
        true(client.ok("STATUS INBOX (MESSAGES)"), "an answer")
        client.ok("LOGOUT")
    run.__name__ = f"_imap_{user}"
    return run


def _imaps(world):
    client = Imap(world.secure(993, world.here))
    true(b" OK " in client.login(world.here, world.password(world.here)), "login by TLS")
    client.ok("NOOP")
    client.ok("LOGOUT")


def _pop3_greeting(world):
    client = Pop3(world.lab.connect(110, world.address(world.there)))
    client.lines("CAPA")
    true(client.quit().startswith(b"+OK"), "QUIT")


def _smtp(world):
    client = Smtp(world.lab.connect(25, world.address(world.there)))
    client.ok("EHLO client.example.org")
    true(client.mail(f"{world.here}@example.com", f"{world.there}@example.com") == [250, 250],
         "recipients")
    client.ok("RSET")
    true(client.command("QUIT").startswith(b"221"), "QUIT")


def _smtp_mail(world):
    """Acknowledged mail is counted: none is lost, none comes twice."""
    client = Smtp(world.lab.connect(25, world.address(world.here)))
    client.ok("EHLO client.example.org")
    with world.lock:
        world.sent += 1
        number = world.sent
    text = b"Subject: load-%d\r\n\r\ntext\r\n" % number
    true(client.deliver(text, f"{world.box}@example.com") == 250, "delivery")
    with world.lock:
        world.acknowledged.add(number)
    true(client.command("QUIT").startswith(b"221"), "QUIT")


KINDS = (_imap_greeting, _pop3_greeting, _smtp, _imap_login("there"), _imaps, _imap_greeting,
         _smtp_mail, _imap_login("here"))


class Load:
    """with Load(world, threads) as load: …; load.until(count). What went wrong is in
    load.failures, after the end of the block."""

    def __init__(self, world, threads=4):
        self.world = world
        self.done = 0
        self.failures = collections.Counter()
        self.slowest = 0.0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, turn):
        while not self._over.is_set():
            kind = KINDS[turn % len(KINDS)]
            turn += 1
            began = time.monotonic()
            try:
                kind(self.world)
            except (OSError, EOFError, AssertionError) as error:
                self._note(f"{kind.__name__[1:]}: {type(error).__name__}: {error}")
            with self.world.lock:
                self.done += 1
                self.slowest = max(self.slowest, time.monotonic() - began)

    def _note(self, text):
        with self.world.lock:
            self.failures[text[:300]] += 1
            print(f"  {time.strftime('%H:%M:%S')} {text[:300]}", flush=True)

    def until(self, count, timeout, each_minute):
        """each_minute(): what idle sessions need, before a server ends them."""
        begin = used = time.monotonic()
        while self.done < count:
            now = time.monotonic()
            true(now < begin + timeout, f"{self.done} connections of {count} in time")
            if now > used + 60:
                used = now
                each_minute()
            time.sleep(0.05)


class Standing:
    """Sessions that were there before, one of each kind, and are used all the time."""

    def __init__(self, world):
        self.relayed = world.session(world.there)
        self.relayed.ok("SELECT INBOX")
        self.served = world.session(world.here)
        self.served.ok("SELECT INBOX")
        self.secured = Imap(world.secure(993, world.here))
        self.secured.login(world.here, world.password(world.here))
        self.secured.ok("EXAMINE INBOX")
        self.pop3 = Pop3(world.lab.connect(110, world.address(world.pop)))
        true(self.pop3.login(world.pop, world.password(world.pop)).startswith(b"+OK"), "POP3")
        self.smtp = Smtp(world.lab.connect(25, world.address(world.there)))
        self.smtp.ok("EHLO client.example.org")
        true(self.smtp.mail(f"{world.here}@example.com", f"{world.there}@example.com") ==
             [250, 250], "an envelope that is open")
        self.silent = world.imap(world.here)  # greeted, and has said nothing yet
        self.world = world

    def use(self):
        for client in (self.relayed, self.served, self.secured):
            client.ok("NOOP")
            true(len(client.ok("UID FETCH 1:* (FLAGS)")) >= 5, "messages")
        self.pop3.ok("STAT")
        self.smtp.ok("NOOP")

    def each_minute(self):
        """In a long load: who says nothing would meet the time-out for a login, so it logs in
        now and another takes its place."""
        self.use()
        self._late_login().logout()
        self.silent = self.world.imap(self.world.here)

    def _late_login(self):
        here = self.world.here
        true(b" OK " in self.silent.login(here, self.world.password(here)), "a late login")
        return self.silent

    def end(self):
        """Each does what it was there for."""
        true(self.smtp.data(b"Subject: open\r\n\r\nlong open\r\n").startswith(b"250"), "its mail")
        self.smtp.quit()
        true(len(self.pop3.lines("RETR 1")) > 3, "a message by POP3")
        true(self.pop3.quit().startswith(b"+OK"), "QUIT")
        for client in (self._late_login(), self.relayed, self.served, self.secured):
            client.ok("LOGOUT")
            client.file.close()
            client.socket.close()
