# SPDX-License-Identifier: GPL-3.0-or-later
"""A source of many accounts that counts on its side of the wire how it is used."""
import socket
import threading
import time
from collections import deque

from mini_server import Folder, ImapSession, MiniServer

PIECE = 4096
ESTABLISHED = 1  # of TCP_INFO
TICK = 0.02  # s


class Meter:
    """What happened when; the most of it in any window of so many seconds."""

    def __init__(self):
        self.lock = threading.Lock()
        self.seen = []  # (when, how much)

    def add(self, amount=1):
        with self.lock:
            self.seen.append((time.monotonic(), amount))

    def total(self):
        return sum(amount for _, amount in self.seen)

    def most(self, seconds):
        window, now_in, most = deque(), 0, 0
        for when, amount in self.seen:
            window.append((when, amount))
            now_in += amount
            while when - window[0][0] >= seconds:
                now_in -= window.popleft()[1]
            most = max(most, now_in)
        return most


class Pulse:
    """late: the longest that this process did not run, in s. What came meanwhile is counted in
    the moment after it."""

    def __init__(self):
        self.late = 0
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self):
        while True:
            began = time.monotonic()
            time.sleep(TICK)
            self.late = max(self.late, time.monotonic() - began - TICK)


class Metered:
    """A connection whose bytes to the client are counted as they leave."""

    def __init__(self, connection, meter):
        self.connection, self.meter = connection, meter

    def __getattr__(self, name):
        return getattr(self.connection, name)

    def sendall(self, data):
        for at in range(0, len(data), PIECE):
            piece = data[at:at + PIECE]
            self.connection.sendall(piece)
            self.meter.add(len(piece))


def is_open(connection):
    """Neither end has closed it."""
    try:
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED
    except OSError:
        return False


class Account:
    """What a session sees of the server once it is one user's."""

    def __init__(self, server, user):
        self.server, self.folders = server, server.mailboxes[user]
        self.rows = 0

    def __getattr__(self, name):
        return getattr(self.server, name)


class CrowdServer(MiniServer):
    """mailboxes: user -> folders. refusals: user -> [answer of a login, ...], each used once;
    None among them: no answer at all until `silent` is set. Counted: logins (tried), messages
    (bodies), bytes, and the most connections at once."""

    def __init__(self):
        self.mailboxes = {}
        self.refusals = {}
        self.silent = threading.Event()
        self.logged_in = []  # (when, user), taken or not
        self.meters = {what: Meter() for what in ("logins", "messages", "bytes")}
        self.open_now, self.open_most = [], 0
        self.pulse = Pulse()
        super().__init__()

    def add(self, user, sizes):
        inbox, work = Folder(), Folder(uidvalidity=8)
        for uid, size in enumerate(sizes, 1):
            (work if uid % 3 == 0 else inbox).add(
                uid, b"Subject: %d\r\n\r\n%s\r\n" % (uid, user.encode().ljust(size, b".")))
        self.mailboxes[user] = {"INBOX": inbox, "Work": work}

    def greet(self, connection):
        """Who has hung up is gone, although our thread has not seen it yet."""
        self.open_now = [c for c in self.open_now if is_open(c)] + [connection]
        self.open_most = max(self.open_most, len(self.open_now))

    def serve(self, connection):
        CrowdSession(self, Metered(connection, self.meters["bytes"])).run()


class CrowdSession(ImapSession):
    def _log_in(self, user, password):
        server = self.server
        server.meters["logins"].add()
        with server.lock:
            server.logged_in.append((time.monotonic(), user))
            refusals = server.refusals.get(user)
            refusal = refusals.pop(0) if refusals else ""
        if refusal is None:
            server.silent.wait()
        if refusal:
            return "NO " + refusal
        answer = super()._log_in(user, password)
        if answer.startswith("OK"):
            self.server = Account(server, user)
        return answer

    def _message(self, number, uid, kind):
        if kind == "body":
            self.server.meters["messages"].add()
        super()._message(number, uid, kind)
