# SPDX-License-Identifier: GPL-3.0-or-later
"""A client, a router and a source, each a network namespace, joined by veth pairs.

    client 10.71.1.2 ──── 10.71.1.1 router 10.71.2.1 ──── 10.71.2.2 source
      fd71:1::2            fd71:1::1       fd71:2::1        fd71:2::2

Everything is named with a prefix and the process id, so that two runs do not meet, and
`Network.close()` leaves nothing behind; a SIGTERM lets `finally` run, and at exit it is closed.
"""

import atexit
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading

CLIENT4, CLIENT6 = "10.71.1.2", "fd71:1::2"
SOURCE4, SOURCE6 = "10.71.2.2", "fd71:2::2"

IP_TRANSPARENT, IPV6_TRANSPARENT, SO_MARK = 19, 75, 36
IP_BIND_ADDRESS_NO_PORT = 24
CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


def run(*words, check=True, stdin=None):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, input=stdin)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done


class Namespace:
    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *words, **options):
        return run("ip", "netns", "exec", self.name, *words, **options)

    def text(self, *words):
        return self.run(*words).stdout

    def socket(self, family):
        """A TCP socket that lives in this namespace; the calling thread stays outside."""
        made = []

        def make():
            fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            try:
                if libc.setns(fd, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
                made.append(socket.socket(family, socket.SOCK_STREAM))
            finally:
                os.close(fd)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        made[0].settimeout(5)
        made[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made[0].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        return made[0]

    def close(self):
        run("ip", "netns", "del", self.name, check=False)


def transparent(sock):
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
    else:
        sock.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)


def leave(sign, _frame):
    sys.exit(128 + sign)


class Network:
    def __init__(self):
        self.spaces = []
        atexit.register(self.close)
        for sign in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, leave)
        self.client = self.add("client")
        self.router = self.add("router")
        self.source = self.add("source")
        self.join(self.client, "10.71.1", "fd71:1::")
        self.join(self.source, "10.71.2", "fd71:2::")
        for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            self.router.run("sysctl", "-qw", f"{name}=1")
        # as `up` sets it before the first client is admitted `direct`: else such a SYN is dropped
        # whose port is in TIME_WAIT here
        self.router.run("sysctl", "-qw", "net.ipv4.tcp_early_demux=0")

    def add(self, name):
        space = Namespace(f"mfnft-{os.getpid()}-{name}")
        self.spaces.append(space)
        return space

    def join(self, end, prefix4, prefix6):
        """One leg: the router has .1, the other end .2 and its default route here."""
        near, far = f"to{end.name.rsplit('-', 1)[1]}", "eth0"
        self.router.run("ip", "link", "add", near, "type", "veth", "peer", "name", far,
                        "netns", end.name)
        for space, link, last in ((self.router, near, 1), (end, far, 2)):
            # Link-local addresses would come by themselves in the middle of a test.
            space.run("ip", "link", "set", link, "addrgenmode", "none")
            space.run("ip", "addr", "add", f"fe80::{last}/64", "dev", link, "nodad")
            space.run("ip", "addr", "add", f"{prefix4}.{last}/24", "dev", link)
            space.run("ip", "addr", "add", f"{prefix6}{last}/64", "dev", link, "nodad")
            space.run("ip", "link", "set", link, "up")
        end.run("ip", "route", "add", "default", "via", f"{prefix4}.1")
        end.run("ip", "-6", "route", "add", "default", "via", f"{prefix6}1")

    def close(self):
        while self.spaces:
            self.spaces.pop().close()
