# SPDX-License-Identifier: GPL-3.0-or-later
"""A client and a server in C, for what a client in Python would hide.

    seconds, size = read_by_c(connection, "retrieve", 5000)    # logged in; it is closed behind that
    with limit_of(lab, answers) as connect: …                  # the physical limit, in the router
"""
import contextlib
import os
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

from lab.network import CLIENT_GATEWAY, Network


class UsualNetwork(Network):
    """A congestion control that paces nothing, whatever this machine has. With BBR, on an idle
    machine, Dovecot took 2.7 times as long for RETR one by one and 2.1 times for all at once, we
    1.0 and 1.2 times, and mail_answers.c 1.0 for one by one."""

    def create(self):
        super().create()
        for namespace in self.namespaces():
            namespace.sysctl("net.ipv4.tcp_congestion_control", "reno")


def program(name):
    return Path(os.environ["MAILFERRY_BIN"]) / name


def read_by_c(connection, *arguments):
    """What mail_reader.c measures: seconds, and bytes."""
    connection.settimeout(None)
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        done = subprocess.run([program("mail_reader"), *map(str, arguments)], stdin=connection,
                              stdout=subprocess.PIPE, check=True)
    seconds, size = done.stdout.split()
    return float(seconds), int(size)


@contextlib.contextmanager
def limit_of(lab, answers, *how):
    """Gives a function that connects the lab's client to a process which has these answers in
    memory (mail_answers.c, which is told how)."""
    processes = []
    with lab.router.entered():
        listener = socket.create_server((CLIENT_GATEWAY[0], 0))
    with listener, tempfile.NamedTemporaryFile(prefix="mf-bench-") as file:
        for answer in answers:
            file.write(struct.pack("=Q", len(answer)))
            file.write(answer)
        file.flush()

        def connect():
            client = lab.client.connect(*listener.getsockname())
            with listener.accept()[0] as accepted:
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                processes.append(subprocess.Popen([program("mail_answers"), file.name, *how],
                                                  stdin=accepted))
            return client

        yield connect
        for process in processes:
            process.wait()
