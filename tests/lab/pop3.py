# SPDX-License-Identifier: GPL-3.0-or-later
"""A raw POP3 client: it sends what it is told and returns what came, byte for byte."""
import hashlib
import re
import socket

PIPELINED = 50  # commands: far less than any socket buffer
TIMESTAMP = re.compile(rb"<[^<>]+>")


class Pop3:
    """One connection. The greeting has been read when the constructor returns."""

    def __init__(self, connection, greeting=True):
        self.socket = connection
        self.file = connection.makefile("rb")
        self.greeting = self.line() if greeting else b""

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        """The next line with its end; b"" when the server has closed."""
        return self.file.readline()

    def command(self, text):
        """Sends one command (bytes or str) and returns the first line of its answer."""
        text = text.encode() if isinstance(text, str) else text
        self.send(text + b"\r\n")
        return self.line()

    def ok(self, text):
        """command() that must succeed; returns what stands behind +OK."""
        answer = self.command(text)
        if not answer.startswith(b"+OK"):
            raise AssertionError(f"{text!r:.100}: {answer!r:.300}")
        return answer[3:].strip()

    def lines(self, text):
        """ok() of a command with a long answer, and its lines without dot-stuffing."""
        self.ok(text)
        return self.rest()

    def each(self, commands):
        """lines() of each, some at a time on their way (RFC 2449, 6.6): a server that sends
        an answer in pieces would cost a delayed ACK for every one."""
        for start in range(0, len(commands), PIPELINED):
            batch = commands[start:start + PIPELINED]
            self.send("".join(command + "\r\n" for command in batch).encode())
            for command in batch:
                answer = self.line()
                if not answer.startswith(b"+OK"):
                    raise AssertionError(f"{command}: {answer!r:.300}")
                yield self.rest()

    def rest(self):
        """The lines of a long answer, up to the dot."""
        found = []
        while True:
            line = self.line()
            if line == b".\r\n":
                return found
            if not line.endswith(b"\n"):
                raise EOFError(f"closed within an answer, after {len(found)} lines")
            found.append(line[1:] if line.startswith(b".") else line)

    def login(self, user, password):
        """USER and PASS; returns the last answer."""
        answer = self.command(b"USER " + user.encode())
        if answer.startswith(b"+OK"):
            answer = self.command(b"PASS " + password.encode())
        return answer

    def apop(self, user, password):
        """Returns the answer; AssertionError when the greeting has no timestamp."""
        stamp = TIMESTAMP.search(self.greeting)
        if not stamp:
            raise AssertionError(f"no APOP in {self.greeting!r}")
        digest = hashlib.md5(stamp[0] + password.encode()).hexdigest()
        return self.command(f"APOP {user} {digest}")

    def quit(self):
        """With what QUIT does: deletions. Returns its answer when the server has closed."""
        answer = self.command("QUIT")
        self.file.read()
        self._discard()
        return answer

    def close(self):
        """Without QUIT: what was marked as deleted stays. Returns when the server has closed,
        too, and so has unlocked the maildrop."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
            self.file.read()
        except OSError:
            pass
        self._discard()

    def _discard(self):
        self.file.close()
        self.socket.close()

    def drop(self):
        """As a phone that leaves the network: reset, no QUIT."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._discard()
