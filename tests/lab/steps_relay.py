# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands before the old server's IMAP port, in its namespace, and counts the protocol steps of
what mailferry itself says there: each command before it is handed on, each tagged answer
once it was. In the step that a test chooses, somebody is killed before anything goes on."""
import re
import socket
import threading

from .network import SOURCE_ADDRESS

PORT = 20143
OURS = re.compile(rb"m\d+ (.*)")  # the transfer's tags; a client's do not begin so


class StepsRelay:
    def __init__(self, namespace):
        self.namespace = namespace
        self.lock = threading.Lock()
        self.begin(0, None)
        with namespace.entered():
            self.listener = socket.create_server(("", PORT), backlog=256)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def begin(self, number, kill):
        """From now on steps are counted; kill(step) is called in the n-th (0: never)."""
        with self.lock:
            self.taken, self.number, self.kill = [], number, kill

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def _step(self, what):
        with self.lock:
            self.taken.append(what)
            if self.kill and len(self.taken) == self.number:
                self.kill(what)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client):
        try:
            server = self.namespace.connect(SOURCE_ADDRESS[0], 143)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        for connection in (client, server):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self._pump, args=(server, client, "<"), daemon=True)
        back.start()
        self._pump(client, server, ">")
        back.join()
        client.close()
        server.close()

    def _pump(self, one, other, way):
        try:
            with one.makefile("rb") as lines:
                while line := lines.readline():
                    ours = OURS.match(line)
                    if ours and way == ">":
                        self._step(f"> {self._word(ours[1])}")
                    other.sendall(line)
                    if ours and way == "<":
                        self._step(f"< {self._word(ours[1])}")
        except OSError:
            pass
        for connection, how in ((one, socket.SHUT_RD), (other, socket.SHUT_WR)):
            try:
                connection.shutdown(how)
            except OSError:
                pass

    @staticmethod
    def _word(rest):
        words = rest.decode("latin-1").split()[:2]
        return " ".join(words if words[:1] == ["UID"] else words[:1])
