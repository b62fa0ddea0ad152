# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the interceptor, as the admission asks it, and the messages between them."""

import contextlib
import os
import re
import socket
import struct
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def types():
    """The numbers of messages, from the header."""
    with open(os.path.join(HERE, "../../lib/messages/message.h"), encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)  # they name types, too
    text = text[text.index("enum message_type {"):text.index("MESSAGE_TYPE_COUNT")]
    return {name: number for number, name in enumerate(re.findall(r"MESSAGE_[A-Z0-9_]+", text))}


TYPES = types()


def encode(kind, number=0, number2=0, text=b""):
    """text is the sixth field of seven."""
    return (bytes([1, TYPES[kind]]) + struct.pack(">QQ", number, number2) + bytes(4 * 5) +
            struct.pack(">I", len(text)) + text + bytes(4))


class Interceptor:
    """Answers how many sessions there are, or nothing at all."""

    def __init__(self, run_dir):
        self.sessions, self.accepted, self.silent = 1, 0, False
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(f"{run_dir}/interceptor.sock")
        os.chmod(f"{run_dir}/interceptor.sock", 0o666)
        self.socket.listen(8)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def close(self):
        """When its thread has ended: one that is about to accept() would do so from the next
        socket with the same number, and answer for the next test's interceptor."""
        self.silent = False
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.socket.accept()
                while message := peer.recv(4096):
                    assert message[1] == TYPES["MESSAGE_LOAD"], message
                    while self.silent:
                        time.sleep(0.02)
                    peer.send(encode("MESSAGE_LOAD_IS", self.sessions, 100,
                                     str(self.accepted).encode()))
