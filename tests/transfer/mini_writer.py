# SPDX-License-Identifier: GPL-3.0-or-later
"""The small IMAP server with what changes a mailbox, for what is carried back to it.

UIDPLUS, no MULTIAPPEND; flags and keywords are kept as they come."""
import re

from mini_server import CAPABILITY, Folder, ImapSession, MiniServer

APPEND = re.compile(r'"?([^"]*?)"? \((.*?)\) "([^"]*)" "(.*)"$', re.DOTALL)
FLAGS_SHOWN = r"(\Seen \Answered \Flagged \Deleted \Draft \*)"


class WritableServer(MiniServer):
    def __init__(self, port=0):
        super().__init__(port)
        self.capability = CAPABILITY + " UIDPLUS"

    def serve(self, connection):
        WritingSession(self, connection).run()


class WritingSession(ImapSession):
    def do_SELECT(self, arguments):  # pylint: disable=C0103
        answer = self.do_EXAMINE(arguments)
        self.say(f"* OK [PERMANENTFLAGS {FLAGS_SHOWN}] x")
        return answer.replace("READ-ONLY", "READ-WRITE")

    def do_CREATE(self, name):  # pylint: disable=C0103
        folders = self.server.folders
        if name.strip('"') in folders:
            return "NO [ALREADYEXISTS] it is there"
        folders[name.strip('"')] = Folder(uidvalidity=100 + len(folders))
        return "OK done"

    def do_SUBSCRIBE(self, name):  # pylint: disable=C0103
        self.server.subscriptions = sorted({*self.server.subscriptions, name.strip('"')})
        return "OK done"

    def do_APPEND(self, arguments):  # pylint: disable=C0103
        name, flags, date, body = APPEND.match(arguments).groups()
        folder = self.server.folders[name]
        uid = folder.given_uidnext = max(folder.uidnext, 1)
        folder.add(uid, body.encode("latin-1"), flags, date.strip())
        folder.given_uidnext = uid + 1
        return f"OK [APPENDUID {folder.uidvalidity} {uid}] done"

    def do_UID_STORE(self, arguments):  # pylint: disable=C0103
        uids, how, words = re.match(r"(\S+) ([+-])FLAGS\.SILENT \((.*)\)$", arguments).groups()
        for uid, (flags, date, body) in list(self.folder.messages.items()):
            if not self._is_in(uid, uids):
                continue
            has, given = flags.split(), words.split()
            has = [f for f in has if f not in given] + (given if how == "+" else [])
            self.folder.messages[uid] = (" ".join(has), date, body)
        return "OK done"

    def do_UID_EXPUNGE(self, uids):  # pylint: disable=C0103
        messages = self.folder.messages
        self.folder.given_uidnext = self.folder.uidnext  # it stays
        for uid in [u for u in messages if self._is_in(u, uids)]:
            if "\\Deleted" in messages[uid][0].split():
                del messages[uid]
        return "OK done"
