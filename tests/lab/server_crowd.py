#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The old server for a crowd: any number of users with the same small mailbox and the same
password, so that it costs little and is not what a burst of logins waits for."""
import socket
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1] / "transfer")
    from mini_server import MiniServer

    class Everybody(MiniServer):
        """Listens on both families; keeps no list of what it was asked."""

        def __init__(self):
            super().__init__(listener=socket.create_server(
                ("::", 143), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096))
            for uid in range(1, 4):
                self.folders["INBOX"].add(uid, b"Subject: %d\r\n\r\nhello\r\n" % uid)

    Everybody().thread.join()

from .network import SOURCE_ADDRESS  # noqa: E402
from .processes import Daemon, wait_for_port  # noqa: E402

PASSWORD = "secret"


class Crowd:
    name = "crowd"
    imap_port = 143
    separator = "/"
    prefix = ""

    def __init__(self, folder, namespace):
        self.folder = Path(folder) / "crowd"
        self.namespace = namespace
        self.daemon = None
        self.users = {}

    def prepare(self):
        self.folder.mkdir(mode=0o755)

    def add_user(self, name, _password):
        self.users[name] = PASSWORD

    def fill(self, user, mailbox):
        pass

    def start(self):
        self.daemon = Daemon(self.namespace, ["python3", __file__], self.folder / "log")
        wait_for_port(self.namespace, SOURCE_ADDRESS[0], 143, self.daemon)

    def stop(self):
        if self.daemon:
            self.daemon.stop()
            self.daemon = None
