# SPDX-License-Identifier: GPL-3.0-or-later
"""One account at a small IMAP server: what is there, and what has come here."""
from mini_server import MiniServer
from one_account import OneAccount, equal, true

CHANGING = ("SELECT", "STORE", "UID STORE", "EXPUNGE", "APPEND", "COPY", "CREATE", "DELETE",
            "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "CLOSE")


class ImapWorld(OneAccount):
    def __init__(self, server=None, **settings):
        server = server or MiniServer()
        for uid in range(1, 9):
            server.folders["INBOX"].add(uid * 2, b"Subject: %d\r\n\r\nhello\r\n" % uid)
        super().__init__(server, **settings)

    def services(self):
        return f" imap {{\n upstream = {self.server.port}\n }}"

    def copied(self):
        """{folder: {uid: body}} as the store has it."""
        found = {name: {} for name, in self.rows("SELECT name FROM mailbox")}
        for name, uid, *place in self.rows(
                "SELECT b.name, m.uid, m.pack, m.offset, m.len FROM message m"
                " JOIN mailbox b ON b.id = m.mailbox"):
            found[name][uid] = self.body(*place)
        return found

    def at_source(self):
        return {name: {uid: m[2] for uid, m in folder.messages.items()}
                for name, folder in self.server.folders.items()}

    def arrived(self):
        equal(self.state(), "local/done", f"state ({self.error()})")
        equal(self.copied(), self.at_source(), "mail")
        for command in self.server.commands:
            true(not command.upper().startswith(CHANGING), f"changes the source: {command}")
