# SPDX-License-Identifier: GPL-3.0-or-later
"""An SMTP server that answers as a test wants: servers that refuse and hang up, or say why in
words alone, are many, and their packages evict one another."""
import contextlib
import os
import re
import select
import socket
import ssl
import threading

PATH = re.compile(rb"<([^>]*)>")
ORDINARY = {
    "GREETING": b"220 mail.example.com ESMTP\r\n",
    "EHLO": b"250-mail.example.com\r\n250 PIPELINING\r\n",
    "LHLO": b"250-mail.example.com\r\n250 PIPELINING\r\n",
    "STARTTLS": b"220 go on\r\n",
    "DATA": b"354 go on\r\n",
    "QUIT": b"221 bye\r\n",
}


TOO_EARLY = b"554 SMTP synchronization error\r\n"  # as Exim says it


class Answer(bytes):
    """A whole reply; hangs_up: the connection ends behind it."""

    hangs_up = False


def hang_up(reply):
    answer = Answer(reply)
    answer.hangs_up = True
    return answer


SILENT = hang_up(b"")


class ScriptedSmtp:
    """Serves port 25 of `namespace` from threads of the test itself.

    port: or the path of a UNIX socket. context: of TLS, behind STARTTLS or (implicit) from the first byte. lmtp: RFC 2033; an
    answer to "." is then one of a list, a recipient each.

    answers: by verb ("GREETING", "EHLO", "RCPT", …) bytes, or a function of the line and the
    client's address that returns bytes (None: the ordinary answer). They hold for clients
    alone: the router, which asks what the server shows, is answered by `router`.
    """

    line_max = -1  # what is longer is several lines to it

    def __init__(self, namespace, port=25, context=None, implicit=False, lmtp=False):
        self.namespace = namespace
        self.port, self.context, self.implicit, self.lmtp = port, context, implicit, lmtp
        self.answers = {}
        self.router = {}
        self.lines = []  # (address, line) of clients
        self.taken = []  # (recipients, message)
        self.listener = None
        self.patience = 0  # seconds; a client that speaks in them is refused
        self.final = []  # LMTP's answers to a message

    def start(self):
        with self.namespace.entered():
            self.listener = (
                socket.create_server(("", self.port), backlog=64) if isinstance(self.port, int)
                else socket.socket(socket.AF_UNIX))
        if not isinstance(self.port, int):
            self.listener.bind(self.port)
            self.listener.listen(64)
            os.chmod(self.port, 0o666)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def stop(self):
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)  # an accept() that waits ends, too
            self.thread.join()  # it may accept() from the next socket of that number
            self.listener.close()
            self.listener = None

    @contextlib.contextmanager
    def says(self, patience=0, **answers):
        self.answers = answers
        self.patience = patience
        self.lines.clear()
        self.taken.clear()
        try:
            yield self
        finally:
            self.answers = {}
            self.patience = 0

    def _accept(self):
        listener = self.listener
        while True:
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse,
                             args=(connection, peer[0] if peer else "a socket"),
                             daemon=True).start()

    def _answer(self, verb, line, address):
        answers = self.answers if address.startswith("192.0.2.") else self.router
        answer = answers.get(verb)
        if callable(answer):
            answer = answer(line, address)
        return ORDINARY.get(verb, b"250 Ok\r\n") if answer is None else answer

    def _converse(self, connection, address):
        with connection, contextlib.suppress(OSError):
            if self.implicit:
                connection = self.context.wrap_socket(connection, server_side=True)
            answer = self._answer("GREETING", b"", address)
            if select.select([connection], [], [], self.patience)[0]:
                answer = hang_up(TOO_EARLY)
            connection.sendall(answer)
            file = connection.makefile("rb")
            recipients = []
            while not getattr(answer, "hangs_up", False):
                line = file.readline(self.line_max)
                if not line:
                    return
                verb = line.split()[0].decode("latin-1").upper() if line.split() else ""
                if address.startswith("192.0.2."):
                    self.lines.append((address, line))
                answer = self._answer(verb, line, address)
                if verb in ("MAIL", "RSET"):
                    recipients = []
                if verb == "RCPT" and answer.startswith(b"2"):
                    recipients.append(PATH.search(line)[1].decode("latin-1"))
                if verb == ("EHLO" if self.lmtp else "LHLO"):
                    answer = b"500 not here\r\n"
                connection.sendall(answer)
                if verb == "STARTTLS" and self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                    file = connection.makefile("rb")
                if verb == "DATA" and answer.startswith(b"354"):
                    self._message(connection, file, recipients)
                if verb == "QUIT":
                    return

    def _message(self, connection, file, recipients):
        message = b""
        for line in file:
            if line == b".\r\n":
                self.taken.append((recipients, message))
                for answer in self.final if self.lmtp else [b"250 taken\r\n"]:
                    connection.sendall(answer)
                return
            message += line
