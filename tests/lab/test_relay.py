#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""After login nobody is in between: each byte, half-close, back-pressure, resets."""
import hashlib
import os
import random
import socket
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.server_puppet import LOGGED_IN, Puppet  # noqa: E402

MIB = 1 << 20


class PuppetWorld(World):
    """Its old server is a puppet."""

    def __init__(self):
        super().__init__(server=Puppet, settings={"precopy": False})

    def pair(self, user="someone", behind=b""):
        """(client's socket, source's socket) of a fresh session; both have a time-out."""
        client = Imap(self.connect(user))
        client.send(b"A LOGIN %s x\r\n%s" % (user.encode(), behind))
        answer = client.line()
        equal(answer, b"A" + LOGGED_IN, "the source's own answer under the client's tag")
        client.socket.settimeout(20)
        source, beyond = self.server.session()
        source.settimeout(20)
        return client.socket, source, beyond


def read_all(connection, size):
    data = bytearray()
    while len(data) < size:
        part = connection.recv(min(MIB, size - len(data)))
        if not part:
            break
        data += part
    return bytes(data)


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


@case
def every_byte_passes_both_ways(world):
    client, source, _ = world.pair()
    data = random.Random(1).randbytes(8 * MIB) + bytes(range(256)) * 16
    for sender, receiver in ((client, source), (source, client)):
        thread = threading.Thread(target=sender.sendall, args=(data,))
        thread.start()
        equal(digest(read_all(receiver, len(data))), digest(data))
        thread.join()


@case
def small_pieces_keep_their_order(world):
    client, source, _ = world.pair()
    rng = random.Random(2)
    for number in range(500):
        piece = b"%d " % number + rng.randbytes(rng.choice([0, 1, 63, 1500, 70_000]))
        sender, receiver = (client, source) if number % 2 else (source, client)
        sender.sendall(piece)
        equal(digest(read_all(receiver, len(piece))), digest(piece), f"piece {number}")


@case
def both_at_once(world):
    client, source, _ = world.pair()
    data = random.Random(3).randbytes(16 * MIB)
    threads = [threading.Thread(target=s.sendall, args=(data,)) for s in (client, source)]
    found = {}
    threads += [threading.Thread(target=lambda s=s, k=k: found.update({k: read_all(s, len(data))}))
                for k, s in (("client", client), ("source", source))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for side in ("client", "source"):
        equal(digest(found[side]), digest(data), f"what the {side} got")


@case
def bytes_behind_the_login_reach_the_source(world):
    behind = b"B NOOP\r\n\0\xff{9}\r\n" * 100
    _, source, beyond = world.pair(behind=behind)
    equal(beyond + read_all(source, len(behind) - len(beyond)), behind)


@case
def a_half_closed_client_still_gets_its_answer(world):
    client, source, _ = world.pair()
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    equal(read_all(source, 100), b"last words", "and then the end")
    data = random.Random(4).randbytes(4 * MIB)
    threading.Thread(target=lambda: (source.sendall(data), source.close())).start()
    equal(digest(read_all(client, len(data) + 1)), digest(data))


@case
def a_half_closed_source_still_hears(world):
    client, source, _ = world.pair()
    source.sendall(b"* BYE\r\n")
    source.shutdown(socket.SHUT_WR)
    equal(read_all(client, 100), b"* BYE\r\n", "and then the end")
    client.sendall(b"one more thing")
    client.shutdown(socket.SHUT_WR)
    equal(read_all(source, 100), b"one more thing")


@case
def who_does_not_read_stops_the_other(world):
    for way in ("down", "up"):
        client, source, _ = world.pair()
        sender, receiver = (source, client) if way == "down" else (client, source)
        before = world.ferry.memory()
        data = random.Random(5).randbytes(MIB)
        sent, hashed = 0, hashlib.sha256()
        sender.settimeout(2)
        try:
            while sent < 256 * MIB:
                count = sender.send(data)
                hashed.update(data[:count])
                sent += count
        except TimeoutError:
            pass
        true(sent < 128 * MIB, f"{way}: {sent} bytes were taken for somebody who does not read")
        grown = world.ferry.memory() - before
        true(grown < 16 * MIB, f"{way}: memory grew by {grown}")
        got = read_all(receiver, sent)
        equal(hashlib.sha256(got).hexdigest(), hashed.hexdigest(), f"{way}: the {sent} bytes")
        client.close()
        source.close()


@case
def a_reset_passes(world):
    for side in (0, 1):
        pair = world.pair()
        Imap(pair[side], greeting=False).drop()
        try:
            rest = pair[1 - side].recv(10)
        except ConnectionResetError:
            rest = b""
        equal(rest, b"", "the other side ends too")


@case
def an_idle_session_holds_no_pipe(world):
    def pipes():
        links = []
        for pid in world.ferry.processes("interceptor"):
            for fd in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    links.append(os.readlink(fd))
                except OSError:
                    continue
        return sum(link.startswith("pipe:") for link in links)
    sessions = [world.pair() for _ in range(40)]
    for client, source, _ in sessions:  # each has been bulky once
        data = bytes(2 * MIB)
        thread = threading.Thread(target=source.sendall, args=(data,))
        thread.start()
        equal(len(read_all(client, len(data))), len(data))
        thread.join()
    wait_until("fewer ends of pipes than idle sessions", lambda: pipes() < 40)


@case
def flows_and_counters(world):
    def counted(route):
        return sum(row["bytes"] for row in world.ferry.json("counters")
                   if row["service"] == "imap" and row["route"] == route)

    before, here = counted("source"), counted("local")
    began = time.time() * 1000
    client, source, _ = world.pair("flowing")
    source.sendall(bytes(MIB))
    read_all(client, MIB)
    client.sendall(bytes(MIB // 4))
    read_all(source, MIB // 4)

    def mine():
        return [f for f in world.ferry.json("flows") if f["account"] == "flowing"]
    flow = wait_until("the flow", lambda: [f for f in mine() if f["bytes_out"] >= MIB])[0]
    for key in ("id", "service", "client", "account", "route", "started", "bytes_in", "bytes_out"):
        true(key in flow, f"{key} is missing in {flow}")
    equal((flow["service"], flow["route"]), ("imap", "source"))
    for key, sent in (("bytes_in", MIB // 4), ("bytes_out", MIB)):
        true(sent <= flow[key] < sent + 1000, f"{key}: {flow[key]} of {sent}")
    true(began - 100 < flow["started"] < began + 30_000, f"started: {flow['started']} at {began}")
    true(world.address("flowing") in flow["client"], f"{flow['client']}")
    client.close()
    source.close()
    wait_until("its end", lambda: not mine())
    counters = world.ferry.json("counters")
    true(all({"service", "route", "packets", "bytes"} <= row.keys() for row in counters),
         f"{counters}")
    sent = MIB + MIB // 4  # each byte once, with the headers of its packets
    grown = counted("source") - before
    true(sent < grown < sent * 1.2, f"counters grew by {grown} at the source for {sent}")
    equal(counted("local"), here, "counters of those who live here")


main(PuppetWorld)
