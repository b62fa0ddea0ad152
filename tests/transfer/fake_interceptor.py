# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers on interceptor.sock as the interceptor does, with sessions that a test makes up.

The form of a message: lib/messages/message.c.
"""
import os
import socket
import struct

from mini import Listener

TYPES = ("NONE SERVE SERVE_END SESSION_BEGIN SESSION_END AWAIT_LOGOFF LOGGED_OFF QUIESCE "
         "QUIESCED ROUTE_CHANGED FLOWS FLOW FLOWS_END ACCOUNT_DUE RELEASE RELEASED FAILED "
         "FACTS_CHANGED STAGE STAGED DELIVER DELIVERED DISCARD DELIVERY_FAILED RETURN RETURNED "
         "VAULT_READY CHECK VERDICT COMPARE COMPARED LEND").split()
LOGGED_OFF, FORCED, LIVE_ASKED, SOON = 0, 1, 3, 4  # enum switch_manner
FIELDS = 7
HEAD = struct.Struct(">BBQQ")


def encode(kind, account, number=0):
    data = HEAD.pack(1, TYPES.index(kind), number, 0)
    return data + struct.pack(">I", len(account)) + account + bytes(4 * (FIELDS - 1))


def decode(data):
    _, kind, number, _ = HEAD.unpack_from(data)
    size = struct.unpack_from(">I", data, HEAD.size)[0]
    start = HEAD.size + 4
    return TYPES[kind] if kind < len(TYPES) else str(kind), data[start:start + size], number


class FakeInterceptor(Listener):
    """logged_in: accounts (bytes) with a session; quiet: what QUIESCE answers."""

    def __init__(self, path):
        self.logged_in = set()
        self.slips_in = 0      # so many QUIESCE find a session
        self.heard = []        # (type, account, number)
        self.waiting = []      # (connection, account)
        self.step = lambda what: None  # as of a Server (mini.py)
        self.before = lambda kind, number: None  # told of each question before the answer
        path = str(path)
        if os.path.exists(path):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(path)
        os.chmod(path, 0o666)  # who asks is no root
        listener.listen()
        super().__init__(listener)

    def log_off(self, account):
        with self.lock:
            self.logged_in.discard(account)
            for connection, name in self.waiting:
                if name == account:
                    self._send(connection, encode("LOGGED_OFF", account))
            self.waiting = [w for w in self.waiting if w[1] != account]

    @staticmethod
    def _send(connection, data):
        try:
            connection.send(data)
        except OSError:
            pass

    def greet(self, connection):
        """Its first message is heard before those of later connections, as it was sent."""
        connection.settimeout(5)
        try:
            if data := connection.recv(65536):
                with self.lock:
                    self._answer(connection, *decode(data))
        except OSError:
            pass
        connection.settimeout(None)

    def serve(self, connection):
        while data := connection.recv(65536):
            with self.lock:
                self._answer(connection, *decode(data))

    def _answer(self, connection, kind, account, number):
        self.heard.append((kind, account, number))
        self.step(f"> {kind}")
        self.before(kind, number)
        self._reply(connection, kind, account, number)
        self.step(f"< {kind}")

    def _reply(self, connection, kind, account, number):
        if kind == "AWAIT_LOGOFF" and account in self.logged_in:
            self.waiting.append((connection, account))
        elif kind == "AWAIT_LOGOFF":
            self._send(connection, encode("LOGGED_OFF", account))
        elif kind == "QUIESCE" and number == SOON:
            self._send(connection, encode("QUIESCED", account, 1))
        elif kind == "QUIESCE":
            quiet = number == FORCED or (account not in self.logged_in and not self.slips_in)
            self.slips_in -= self.slips_in > 0
            self._send(connection, encode("QUIESCED", account, int(quiet)))
