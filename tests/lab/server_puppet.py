# SPDX-License-Identifier: GPL-3.0-or-later
"""A source on strings: says OK to any login at once, then gives its socket to the test.

What a real server never does can so be shown to pass unchanged: bytes of any value, a
half-closed connection, a client or a server that does not read.
"""
import queue
import re
import socket
import threading

CAPABILITY = b"IMAP4rev1 SASL-IR LITERAL+ AUTH=PLAIN"
CLIENTS = ("192.0.2.", "2001:db8:c:")
GREETING = b"* OK [CAPABILITY " + CAPABILITY + b"] puppet ready\r\n"
LOGGED_IN = b" OK [CAPABILITY " + CAPABILITY + b" X-PUPPET] strings attached\r\n"
LITERAL = re.compile(rb"\{(\d+)(\+?)\}\r\n$")


class Puppet:
    """Serves IMAP from threads of the test itself; there is no mail in it."""

    name = "puppet"

    def __init__(self, _folder, namespace):
        self.namespace = namespace
        self.listener = None
        self.sessions = queue.Queue()  # (socket, bytes read beyond the login)
        self.users = {}

    def prepare(self):
        pass

    def add_user(self, name, password):
        self.users[name] = password  # any other is as good

    def start(self):
        with self.namespace.entered():
            self.listener = socket.create_server(("", 143), backlog=4096)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def stop(self):
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)  # an accept() that waits ends, too
            self.thread.join()  # it may accept() from the next socket of that number
            self.listener.close()
            self.listener = None

    def _accept(self):
        listener = self.listener
        while True:
            try:
                connection, (address, *_) = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection, address),
                             daemon=True).start()

    def _converse(self, connection, address):
        is_client = address.startswith(CLIENTS)
        try:
            connection.sendall(GREETING)
            reader = Reader(connection)
            while not self._command(connection, reader, is_client):
                pass
        except (OSError, EOFError):
            connection.close()
            return
        self.sessions.put((connection, bytes(reader.pending)))

    @staticmethod
    def _command(connection, reader, is_client):
        """True when they have logged in. The transfer, which comes from the router, may not:
        its sessions are no business of the tests."""
        line = reader.line(connection)
        tag, _, rest = line.partition(b" ")
        word = rest.split(None, 1)[0].upper() if rest.split() else b""
        if word == b"CAPABILITY":
            connection.sendall(b"* CAPABILITY " + CAPABILITY + b"\r\n")
        if word == b"AUTHENTICATE" and len(rest.split()) == 2:
            connection.sendall(b"+ \r\n")
            reader.line(connection)
        if word in (b"LOGIN", b"AUTHENTICATE") and not is_client:
            connection.sendall(tag + b" NO [UNAVAILABLE] not you\r\n")
            return False
        if word in (b"LOGIN", b"AUTHENTICATE"):
            connection.sendall(tag + LOGGED_IN)
            return True
        connection.sendall(tag + b" OK done\r\n")
        return False

    def session(self, timeout=10):
        """The next logged-in connection, as (socket, bytes read beyond the login)."""
        return self.sessions.get(timeout=timeout)


class Reader:
    """Lines with their literals; what is read too much stays in `pending`."""

    def __init__(self, connection):
        self.connection = connection
        self.pending = bytearray()

    def _fill(self):
        data = self.connection.recv(65536)
        if not data:
            raise EOFError
        self.pending += data

    def line(self, connection):
        whole = b""
        while True:
            while b"\n" not in self.pending:
                self._fill()
            end = self.pending.index(b"\n") + 1
            whole += bytes(self.pending[:end])
            del self.pending[:end]
            found = LITERAL.search(whole)
            if not found:
                return whole
            if not found[2]:
                connection.sendall(b"+ go on\r\n")
            while len(self.pending) < int(found[1]):
                self._fill()
            whole += bytes(self.pending[:int(found[1])])
            del self.pending[:int(found[1])]
