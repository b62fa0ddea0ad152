#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`mailferry store compact`: what is deleted and what is there twice gives its room back."""
import itertools
import json
import unittest
import zlib

from test_store import LARGE, StoreTest, append, mailbox_of, text


def with_checksum_of(message):
    """Another message of that length and CRC-32: its last four bytes are made for it."""
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0xedb88320 if number & 1 else 0)
        table.append(number)
    places = {entry >> 24: number for number, entry in enumerate(table)}
    state, last = zlib.crc32(message) ^ 0xffffffff, []
    for _ in range(4):
        last.insert(0, places[state >> 24])
        state = (state ^ table[last[0]]) << 8 & 0xffffffff
    for number in itertools.count():
        made = (b"Subject: other %d\r\n\r\n" % number + message)[:len(message) - 4]
        state = zlib.crc32(made) ^ 0xffffffff
        for place in last:
            made += bytes([place ^ state & 0xff])
            state = state >> 8 ^ table[place]
        if not set(made[-4:]) & set(b"\0\r\n"):
            assert zlib.crc32(made) == zlib.crc32(message)
            return made


class Compact(StoreTest):
    def mailboxes(self):
        return [mailbox_of(self.store.imap("alice")[0], name)
                for name in (b"INBOX", b"Sent", b"Archive")]

    def test_room_comes_back(self):
        client = self.fill()
        for number in range(10, 30):
            append(client, text(number, LARGE))
        client.ok(b"SELECT INBOX")
        client.ok(b"COPY 5 Sent")
        client.ok(b"STORE 7:22 +FLAGS (\\Deleted)")
        client.ok(b"EXPUNGE")
        client.ok(b"LOGOUT")
        before = self.mailboxes()
        size = sum(path.stat().st_size for path in self.mail.glob("bodies/*.pack"))
        done = json.loads(self.good("compact", "alice", "--json"))
        self.assertEqual((done["packs"], done["before"], done["left"]), (1, size, 0))
        self.assertLess(done["after"], size // 2)
        self.assertEqual(sum(path.stat().st_size for path in self.mail.glob("bodies/*.pack")),
                         done["after"])
        self.assertEqual(before, self.mailboxes())
        self.assertIn("all is sound", self.good("check", "alice"))
        self.assertEqual(json.loads(self.good("compact", "alice", "--json"))["packs"], 0)
        append(self.store.imap("alice")[0], text(99, LARGE))
        self.assertIn("all is sound", self.good("check", "alice"))

    def test_equal_ones_share_a_body(self):
        """Of five equal ones four go; one that only has the same length and checksum stays."""
        client = self.fill()
        again = text(40, LARGE)
        for message in (again, again, with_checksum_of(again), again, again):
            append(client, message)
        append(client, again, b"Archive")
        client.ok(b"SELECT INBOX")
        client.ok(b"COPY 4 Sent")
        client.ok(b"STORE 3 +FLAGS (\\Deleted)")
        client.ok(b"EXPUNGE")
        client.ok(b"LOGOUT")
        before = self.mailboxes()
        self.assertEqual(self.sql("SELECT count(DISTINCT offset) FROM message WHERE checksum ="
                                  f" {zlib.crc32(again)}"), "5")
        done = json.loads(self.good("compact", "alice", "--json"))
        self.assertEqual(done["shared_bytes"], 3 * len(again))
        self.assertEqual(self.sql("SELECT count(*), count(DISTINCT offset) FROM message"
                                  f" WHERE checksum = {zlib.crc32(again)}"), "6|2")
        self.assertEqual(before, self.mailboxes())
        client = self.store.imap("alice")[0]
        client.ok(b"SELECT INBOX")
        client.ok(b"STORE 1:* +FLAGS (\\Deleted)")
        client.ok(b"EXPUNGE")
        self.assertIn("all is sound", self.good("check", "alice"))
        self.assertEqual(before[1:], self.mailboxes()[1:])

    def test_a_damaged_one_stays(self):
        client = self.fill()
        append(client, text(4, 5 * LARGE))
        client.ok(b"SELECT INBOX")
        client.ok(b"STORE 3 +FLAGS (\\Deleted)")
        client.ok(b"EXPUNGE")
        place = int(self.sql("SELECT min(offset) FROM message WHERE pack <> 0"))
        with open(next(self.mail.glob("bodies/*.pack")), "r+b") as file:
            file.seek(place + 1000)
            file.write(b"?")
        done = self.command("compact", "alice", "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)["left"]), (1, 1))
        self.assertIn("not sound", done.stderr)
        self.assertEqual(len(list(self.mail.glob("bodies/*.pack"))), 2)


if __name__ == "__main__":
    unittest.main()
