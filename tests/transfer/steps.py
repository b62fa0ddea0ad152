# SPDX-License-Identifier: GPL-3.0-or-later
"""Protocol steps of a crossing, and a kill -9 exactly at one of them.

A step is a command that has come ("> FETCH": nothing of it is done), one that is carried
out and not answered ("= APPEND"), or an answer that has left ("< FETCH"), at the source and
at our own sockets alike. While a server is in a step it does nothing else, so who is killed
there has got nothing of what follows.
"""
import array
import contextlib
import os
import signal
import socket
import threading

from fake_interceptor import decode
from mini import Listener


class Cut(OSError):
    """Ends the session in which it happened, as the end of its client does."""


class Steps:
    """take() is the `step` of a server (mini.py). From begin(n, kill) on, steps are counted;
    in the n-th, kill() is called, once, and the session ends."""

    def __init__(self):
        self.lock = threading.Lock()
        self.end()

    def begin(self, number, kill):
        with self.lock:
            self.taken, self.number, self.kill = [], number, kill

    def end(self):
        with self.lock:
            self.taken, self.number, self.kill = [], 0, None

    @property
    def fired(self):
        return bool(self.number) and len(self.taken) >= self.number

    def take(self, what):
        with self.lock:
            if self.kill is None:
                return
            if self.fired:
                raise Cut("killed")  # what was sent ahead is not carried out
            self.taken.append(what)
            if not self.fired:
                return
            self.kill()
        raise Cut("killed")


def kill_and_wait(process):
    """Of a child of ours: it is dead when this returns, and can still be waited for."""
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


class Relay(Listener):
    """Stands before the one who listens at a socket of ours, and hands on all that is said
    there, with descriptors: each message is a step."""

    def __init__(self, path):
        self.real = str(path) + "-real"
        self.step = lambda what: None
        os.rename(path, self.real)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(path))
        os.chmod(path, 0o666)
        listener.listen()
        super().__init__(listener)

    def serve(self, connection):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as real:
            real.connect(self.real)
            back = threading.Thread(target=self._hand_on, args=(real, connection, "<"), daemon=True)
            back.start()
            self._hand_on(connection, real, ">")
            back.join()

    def _hand_on(self, one, other, way):
        """The end of one is the other's, too."""
        with contextlib.suppress(OSError):
            while self._hand_on_one(one, other, way):
                pass
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _hand_on_one(self, one, other, way):
        data, rights, *_ = one.recvmsg(65536, socket.CMSG_SPACE(64))
        if not data:
            return False
        fds = array.array("i")
        for _, _, numbers in rights:
            fds.frombytes(numbers)
        try:
            if way == ">":
                self.step(f"> {decode(data)[0]}")
            other.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else [])
            if way == "<":
                self.step(f"< {decode(data)[0]}")
        finally:
            for fd in fds:
                os.close(fd)
        return True
