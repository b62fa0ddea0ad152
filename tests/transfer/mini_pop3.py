# SPDX-License-Identifier: GPL-3.0-or-later
"""A POP3 server of a page, whose faults a test chooses. Real ones are in tests/lab.

Its maildrop is one session's at a time, as RFC 1939 wants it. Every command it gets is kept
in `commands`, so that a test can see what was (not) asked.
"""
import base64
import select
import time

from mini import Server, Session

CAPABILITY = "USER UIDL TOP"


class Message:
    def __init__(self, uidl, body, size=None):
        self.uidl, self.body = uidl, body
        self.size = len(body) if size is None else size  # as LIST says it


class MiniPop3(Server):
    """Faults: refuses (command -> -ERR text), in_use (text: the maildrop is somebody else's),
    broken (UIDLs it gives no body of), drops_after (closes after so many bodies, once),
    slow (seconds for each body), grows (a body is longer once it was read), one_at_a_time
    (a second command before the answer to the first ends the session), leaves (an event that
    ends sessions without a first command)."""

    def __init__(self, port=0):
        self.messages = []
        self.capability = CAPABILITY
        self.password = "secret"
        self.passwords = set()  # further ones that it takes
        self.refuses = {}
        self.in_use = None
        self.broken = set()
        self.drops_after = None
        self.slow = 0
        self.grows = False
        self.one_at_a_time = False
        self.greets_after = 0
        self.leaves = None
        self.left = 0
        self.most_ahead = 0  # commands that came before the last answer
        self.held_by = None
        super().__init__(port)

    def add(self, uidl, body, size=None):
        self.messages.append(Message(uidl, body, size))

    def remove(self, uidl):
        self.messages = [m for m in self.messages if m.uidl != uidl]

    def count(self, word):
        with self.lock:
            return sum(c.split()[0] == word for c in self.commands)

    def serve(self, connection):
        session = Pop3Session(self, connection)
        try:
            session.run()
        finally:
            if self.held_by is session:
                self.held_by = None


class Pop3Session(Session):
    def __init__(self, server, connection):
        super().__init__(server, connection)
        self.messages = None  # as they were at the login
        self.read = []

    def run(self):
        time.sleep(self.server.greets_after)
        self.say("+OK mini")
        self.server.step("< greeting")
        while self.server.leaves and not select.select([self.connection], [], [], 0.02)[0]:
            if self.server.leaves.is_set():
                self.say("-ERR you are too slow")
                self.server.left += 1
                return
        while True:
            line = self.line()
            word, _, rest = line.partition(" ")
            with self.server.lock:
                self.server.commands.append(line)
                self.server.most_ahead = max(self.server.most_ahead,
                                             self.pending.count(b"\r\n"))
            if self.server.one_at_a_time and self.pending:
                return
            self.server.step(f"> {word}")
            if word in self.server.refuses:
                self.say(f"-ERR {self.server.refuses[word]}")
            elif word == "QUIT":
                self.say("+OK bye")
                return
            else:
                getattr(self, "do_" + word, self.unknown)(rest)
            self.server.step(f"< {word}")

    def unknown(self, _):
        self.say("-ERR unknown")

    def lines(self, lines):
        self.say("\r\n".join(["+OK", *lines, "."]))

    def do_CAPA(self, _):  # pylint: disable=C0103
        self.lines(self.server.capability.split(" ") if " " in self.server.capability else [])

    def do_USER(self, _):  # pylint: disable=C0103
        self.say("+OK")

    def do_AUTH(self, rest):  # pylint: disable=C0103
        self.do_PASS(base64.b64decode(rest.split()[1]).split(b"\0")[2].decode())

    def do_PASS(self, password):  # pylint: disable=C0103
        if password != self.server.password and password not in self.server.passwords:
            self.say("-ERR wrong")
        elif self.server.in_use or self.server.held_by:
            self.say(f"-ERR {self.server.in_use or '[IN-USE] by another one'}")
        else:
            self.server.held_by = self
            self.messages = list(self.server.messages)
            self.say("+OK in")

    def do_LIST(self, _):  # pylint: disable=C0103
        self.lines(f"{n} {m.size}" for n, m in enumerate(self.messages, 1))

    def do_UIDL(self, _):  # pylint: disable=C0103
        self.lines(f"{n} {m.uidl}" for n, m in enumerate(self.messages, 1))

    def do_RSET(self, _):  # pylint: disable=C0103
        self.say("+OK")

    def do_TOP(self, rest):  # pylint: disable=C0103
        body = self.messages[int(rest.split()[0]) - 1].body
        self.give(body.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n")

    def do_RETR(self, rest):  # pylint: disable=C0103
        message = self.messages[int(rest) - 1]
        time.sleep(self.server.slow)
        if self.server.drops_after is not None and len(self.read) >= self.server.drops_after:
            self.server.drops_after = None
            raise EOFError
        if message.uidl in self.server.broken:
            self.say("-ERR cannot be read")
            return
        self.read.append(message)
        self.give(message.body)
        if self.server.grows and not message.body.startswith(b"Status: R\r\n"):
            message.body = b"Status: R\r\n" + message.body
            message.size = len(message.body)

    def give(self, body):
        body = body.replace(b"\r\n.", b"\r\n..")
        body = b"." + body if body.startswith(b".") else body
        end = b"" if body.endswith(b"\r\n") or not body else b"\r\n"
        self.connection.sendall(b"+OK\r\n" + body + end + b".\r\n")
