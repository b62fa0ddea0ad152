# SPDX-License-Identifier: GPL-3.0-or-later
"""One account at a small POP3 server, whose IMAP port is closed: what is there, and what has
come here."""
import socket

from mini_pop3 import MiniPop3
from one_account import OneAccount, equal, wait_until


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Pop3World(OneAccount):
    """IMAP's port is closed."""

    def __init__(self):
        server = MiniPop3()
        for n in range(1, 9):
            server.add(f"u{n}", b"Subject: %d\r\n\r\n.hello\r\n..\r\n" % n)
        self.imap_port = closed_port()
        self.imap = ""
        super().__init__(server)

    def services(self):
        return (f" imap {{\n upstream = {self.imap_port}\n {self.imap}\n }}\n"
                f" pop3 {{\n upstream = {self.server.port}\n }}")

    def copy(self):
        """A copy, and no switch."""
        self.interceptor.slips_in = 1000000  # each time it would switch
        process = self.start()
        wait_until("the copy", lambda: self.state() == "source/catching-up")
        process.kill()
        process.communicate()
        self.interceptor.slips_in = 0

    def uids(self):
        return dict(self.rows("SELECT uidl, uid FROM message"))

    def here(self):
        """[(unique-id, LIST's size, body)] as POP3 shows it here."""
        return [(uidl, size, self.body(*place)) for uidl, size, *place in self.rows(
            "SELECT uidl, size, pack, offset, len FROM message ORDER BY pop3_order, uid")]

    def at_source(self):
        return [(m.uidl, m.size, m.body) for m in self.server.messages]

    def held(self):
        """How many seconds users waited for one switch that was taken back: as the registry
        has it, without the start and the end of the program, which a busy machine draws out."""
        at = dict(self.rows("SELECT event, at FROM journal", "state/registry.sqlite"))
        return (at["switch-back"] - at["switch"]) / 1000

    def same(self):
        equal(self.here(), self.at_source(), "the maildrop")

    def arrived(self):
        equal(self.state(), "local/done", f"state ({self.error()})")
        self.same()
        equal(self.server.count("DELE"), 0, "DELE")
        equal(self.account("attempts")[0], 1, "attempts")
