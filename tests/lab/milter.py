# SPDX-License-Identifier: GPL-3.0-or-later
"""A content filter that speaks the milter protocol as a test wants."""
import contextlib
import os
import socket
import struct
import threading
import time

NAMES = {b"C": "CONNECT", b"H": "HELO", b"M": "MAIL", b"R": "RCPT", b"T": "DATA", b"L": "HEADER",
         b"N": "EOH", b"B": "BODY", b"E": "END"}
MAY_ALL = 0x1ff


def packet(command, data=b""):
    return struct.pack(">I", len(data) + 1) + command + data


CONTINUE, ACCEPT, REJECT = packet(b"c"), packet(b"a"), packet(b"r")
TEMPFAIL, DISCARD, PROGRESS = packet(b"t"), packet(b"d"), packet(b"p")
DIES = object()  # closes in the middle of a packet
HANGS = object()  # says nothing, and stays


def reply(text):
    return packet(b"y", text + b"\0")


def quarantine(reason):
    return packet(b"q", reason + b"\0")


def add(name, value):
    return packet(b"h", name + b"\0" + value + b"\0")


def insert(index, name, value):
    return packet(b"i", struct.pack(">I", index) + name + b"\0" + value + b"\0")


def change(index, name, value):
    return packet(b"m", struct.pack(">I", index) + name + b"\0" + value + b"\0")


def body(text):
    return packet(b"b", text)


def add_recipient(address):
    return packet(b"+", b"<" + address.encode() + b">\0")


def delete_recipient(address):
    return packet(b"-", b"<" + address.encode() + b">\0")


def sender(address):
    return packet(b"e", b"<" + address.encode() + b">\0")


class Seen:
    """One message as the filter saw it."""

    def __init__(self):
        self.macros, self.recipients, self.headers, self.body = {}, [], [], b""
        self.client = self.helo = self.sender = None


class Milter:
    """where: a port, or the path of a UNIX socket, in `namespace`.

    answers: by step ("CONNECT" … "END") the packets of its answer, DIES, HANGS, or a function of
    what was seen that returns one of them. steps: the flags of what it leaves out.
    """

    def __init__(self, namespace, where):
        self.namespace, self.where = namespace, where
        self.answers, self.seen, self.steps = {}, [], 0
        self.listener = None

    @property
    def name(self):
        return (f"inet:127.0.0.1:{self.where}" if isinstance(self.where, int)
                else f"unix:{self.where}")

    def start(self):
        with self.namespace.entered():
            self.listener = (socket.create_server(("127.0.0.1", self.where), backlog=64)
                             if isinstance(self.where, int) else socket.socket(socket.AF_UNIX))
        if not isinstance(self.where, int):
            self.listener.bind(self.where)
            self.listener.listen(64)
            os.chmod(self.where, 0o666)
        self.thread = threading.Thread(target=self._accept, args=(self.listener,), daemon=True)
        self.thread.start()

    def stop(self):
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.thread.join()  # it may accept() from the next socket of that number
            self.listener.close()
            self.listener = None
            if not isinstance(self.where, int):
                os.unlink(self.where)

    @contextlib.contextmanager
    def says(self, steps=0, **answers):
        self.answers, self.steps = answers, steps
        self.seen.clear()
        try:
            yield self
        finally:
            self.answers, self.steps = {}, 0

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    @staticmethod
    def _note(seen, command, data):
        texts = data.split(b"\0")
        if command == b"D":
            seen.macros.update(zip(texts[0::2], texts[1::2]))
            seen.macros[texts[0][1:]] = texts[1]  # the first name has its command before it
        elif command == b"C":
            seen.client = texts[1][3:].decode()
        elif command == b"H":
            seen.helo = texts[0].decode()
        elif command == b"M":
            seen.sender = texts[0].decode()
        elif command == b"R":
            seen.recipients.append(texts[0].decode())
        elif command == b"L":
            seen.headers.append((texts[0], texts[1]))
        elif command == b"B":
            seen.body += data

    def _answer(self, connection, seen, name):
        answer = self.answers.get(name, CONTINUE)
        if callable(answer):
            answer = answer(seen)
        if answer is DIES:
            connection.sendall(packet(b"h", b"X-Dead: 1\0")[:7])
            raise OSError
        if answer is HANGS:
            time.sleep(30)
            raise OSError
        connection.sendall(answer)

    def _converse(self, connection):
        seen = Seen()
        with connection, contextlib.suppress(OSError, EOFError):
            file = connection.makefile("rb")
            while True:
                length, = struct.unpack(">I", file.read(4) or b"\0\0\0\1")
                command, data = file.read(1), file.read(length - 1)
                if command in (b"", b"Q"):
                    return
                if command == b"O":
                    connection.sendall(packet(b"O", struct.pack(">III", 6, MAY_ALL, self.steps)))
                    continue
                if command == b"M":
                    self.seen.append(seen)
                self._note(seen, command, data)
                if command in NAMES:
                    self._answer(connection, seen, NAMES[command])
