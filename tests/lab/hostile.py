# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that mean harm, and how one sees that they did none."""
import contextlib
import socket
import threading

from .harness import equal, true
from .processes import wait_until

MIB = 1 << 20
GROWTH = 8 * MIB  # of memory; what a client sends is less, or is not kept
SILENCE = 0.7     # so long after an answer nothing more comes
TLS_HELLO = bytes.fromhex("16030100a5010000a10303") + bytes(160)


def exchange(connection, data, patience, silence=SILENCE):
    """(greeting, what came back, whether it was closed): `data` goes in while the answers
    come out, for some are longer than what the sockets hold. An answer is over after a
    silence; without one `patience` seconds are waited for it."""
    connection.settimeout(patience)
    file = connection.makefile("rb")
    greeting = file.readline()

    def send():
        try:
            connection.sendall(data)
        except OSError:
            pass  # it was closed: the reader says so
    sender = threading.Thread(target=send)
    sender.start()
    got, closed = b"", False
    try:
        while True:
            connection.settimeout(silence if got else patience)
            part = connection.recv(65536)
            if not part:
                closed = True
                break
            got += part
    except TimeoutError:
        pass
    except (ConnectionResetError, BrokenPipeError):
        closed = True
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)  # close() alone would not wake the sender
    connection.close()
    sender.join(10)
    true(not sender.is_alive(), "it takes no bytes and does not close")
    return greeting, got, closed


def keeps_no_memory(world, before):
    """Since then. A process that is there for a moment, as an account's, is none of it."""
    wait_until("memory to be as before", lambda: world.ferry.memory() - before < GROWTH)


def survives(world, connection, data, patience, silence=SILENCE):
    """(greeting, answer): an answer or an end comes, and takes no memory and no process."""
    before = world.ferry.memory()
    greeting, got, closed = exchange(connection, data, patience, silence)
    true(got or closed, "neither an answer nor an end")
    keeps_no_memory(world, before)
    world.is_the_one_that_began()
    return greeting, got


class Remembers:
    """Before a World: its interceptor's processes. None may die of what clients send."""

    at_first = None

    def __enter__(self):
        super().__enter__()
        self.at_first = sorted(self.ferry.processes("interceptor"))
        return self

    def is_the_one_that_began(self):
        equal(sorted(self.ferry.processes("interceptor")), self.at_first,
              "the interceptor's processes are those that began")
