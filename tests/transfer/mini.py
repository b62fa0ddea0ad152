# SPDX-License-Identifier: GPL-3.0-or-later
"""What the small servers here share: each connection is a session in a thread of its own."""
import socket
import threading


class Listener:
    """Takes connections until close(). Called last by those who derive from it: sessions
    begin at once."""

    def __init__(self, listener):
        self.socket = listener
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()  # it may accept() from the next socket of that number
        self.socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.greet(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                self.serve(connection)
            except (OSError, EOFError):
                pass

    def greet(self, connection):
        """What comes before the next connection is taken."""

    def serve(self, connection):
        """One session, from its first to its last word."""
        raise NotImplementedError


class Server(Listener):
    """By TCP. Every command that it gets is kept, so that a test can see what was asked.
    listener: to be listened on, instead of a port of the loopback. step: told of each
    protocol step (steps.py); it may end the session by raising OSError."""

    def __init__(self, port=0, listener=None):
        self.commands = []
        self.step = lambda what: None
        listener = listener or socket.create_server(("127.0.0.1", port))
        self.port = listener.getsockname()[1]
        super().__init__(listener)


class Session:
    """Lines in, lines out."""

    def __init__(self, server, connection):
        self.server, self.connection = server, connection
        self.pending = b""
        self.has_spoken = False
        self.turns = 0  # how often it was spoken to after it had spoken
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def say(self, text):
        self.has_spoken = True
        self.connection.sendall(text.encode("latin-1") + b"\r\n")

    def line(self):
        while b"\r\n" not in self.pending:
            data = self.connection.recv(65536)
            if not data:
                raise EOFError
            self.pending += data
            self.turns += self.has_spoken
            self.has_spoken = False
        line, self.pending = self.pending.split(b"\r\n", 1)
        return line.decode("latin-1")
