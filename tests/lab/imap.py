# SPDX-License-Identifier: GPL-3.0-or-later
"""A raw IMAP client: it sends what it is told and returns what came, byte for byte."""
import re
import socket

LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
TOKEN = re.compile(rb'\s*(?:(\()|(\))|"((?:[^"\\]|\\.)*)"|\{(\d+)\}\r\n|([^\s()"]+))', re.S)


class Imap:
    """One connection. The greeting has been read when the constructor returns."""

    def __init__(self, connection, greeting=True):
        self.socket = connection
        self.file = connection.makefile("rb")
        self.tags = 0
        self.greeting = self.line() if greeting else b""

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        """The next answer with the literals it holds; b"" when the server has closed."""
        whole = b""
        while True:
            part = self.file.readline()
            whole += part
            found = LITERAL.search(part)
            if not found:
                return whole
            whole += self.file.read(int(found[1]))

    def news(self, timeout=30):
        """The next line that a session in IDLE is told, but for an idling server's word now
        and then that it lives."""
        self.socket.settimeout(timeout)
        line = self.line()
        while line == b"* OK Still here\r\n":
            line = self.line()
        self.socket.settimeout(30)
        return line

    def until(self, tag):
        """([untagged answers], the tagged one). EOFError when it never comes."""
        untagged = []
        while True:
            line = self.line()
            if line.startswith(tag + b" "):
                return untagged, line
            if not line.endswith(b"\n"):
                raise EOFError(f"closed while waiting for {tag!r}; "
                               f"last answers {untagged[-2:] + [line]!r:.300}")
            untagged.append(line)

    def command(self, text):
        """Sends one command (bytes or str, no tag) and waits for its end."""
        self.tags += 1
        tag = b"T%d" % self.tags
        text = text.encode() if isinstance(text, str) else text
        self.send(tag + b" " + text + b"\r\n")
        return self.until(tag)

    def ok(self, text):
        """command() that must succeed; returns the untagged answers."""
        untagged, end = self.command(text)
        if end.split(b" ", 2)[1].upper() != b"OK":
            raise AssertionError(f"{text!r:.100}: {end!r}")
        return untagged

    def login(self, user, password):
        """With literals, so that any password goes through. Returns the tagged answer."""
        user, password = user.encode(), password.encode()
        self.tags += 1
        tag = b"T%d" % self.tags
        self.send(tag + b" LOGIN {%d}\r\n" % len(user))
        for after, data in ((b" {%d}\r\n" % len(password), user), (b"\r\n", password)):
            answer = self.line()
            while answer.startswith(b"* "):
                answer = self.line()
            if not answer.startswith(b"+"):
                return answer
            self.send(data + after)
        return self.until(tag)[1]

    def logout(self):
        """Returns when the server has closed, or EOF came earlier."""
        try:
            self.command("LOGOUT")
            self.file.read()
        except (OSError, EOFError):
            pass
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def drop(self):
        """As a phone that leaves the network: reset, no LOGOUT."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()


def parse(data):
    """Tokens of an answer: bytes, and lists for parentheses."""
    stack, position = [[]], 0
    while position < len(data):
        found = TOKEN.match(data, position)
        if not found:
            break
        position = found.end()
        opened, closed, quoted, literal, atom = found.groups()
        if opened:
            stack.append([])
        elif closed:
            done = stack.pop()
            stack[-1].append(done)
        elif quoted is not None:
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", quoted))
        elif literal:
            stack[-1].append(data[position:position + int(literal)])
            position += int(literal)
        else:
            stack[-1].append(atom)
    return stack[0]


def quoted(name):
    """A mailbox name (bytes) as a quoted string."""
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
