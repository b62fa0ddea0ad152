# SPDX-License-Identifier: GPL-3.0-or-later
"""Three network namespaces in a row, and how to be inside one of them.

    mf-ID-client            mf-ID-router             mf-ID-source
      eth0 192.0.2.11.. ──── client   source ──────── eth0 198.51.100.10
           2001:db8:c::11                                  2001:db8:5::10

The client owns several addresses, so that alice and bob come from different ones. The
router forwards and is the source's default gateway, as it must be on a real site.
"""
import contextlib
import ctypes
import os
import signal
import socket
import struct
import subprocess
import time

CLIENT_GATEWAY = ("192.0.2.1", "2001:db8:c::1")
SOURCE_GATEWAY = ("198.51.100.1", "2001:db8:5::1")
SOURCE_ADDRESS = ("198.51.100.10", "2001:db8:5::10")
CLIENT_HOSTS = range(11, 31)  # last part of the client's addresses

CLONE_NEWNET = 0x40000000
NETLINK_NETFILTER = 12
CT_DELETE = 0x0102  # of ctnetlink; of no connection by name: of all
NLM_F_REQUEST_ACK = 0x05
NLMSG_ERROR = 0x02
_libc = ctypes.CDLL(None, use_errno=True)


def client_address(number, family=4):
    """The client's address of that number (11..30)."""
    return f"192.0.2.{number}" if family == 4 else f"2001:db8:c::{number}"


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns: " + os.strerror(ctypes.get_errno()))


def run(*command, check=True, **keywords):
    """A short command; its complaint becomes the exception's text."""
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, **keywords)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: "
                           f"{(done.stderr or done.stdout).strip()}")
    return done.stdout


class Namespace:
    """One network namespace, by name."""

    def __init__(self, name):
        self.name = name
        self.path = "/run/netns/" + name

    def create(self):
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")

    def ip(self, *arguments):
        run("ip", "-n", self.name, *arguments)

    def command(self, *command):
        """The argument list that runs `command` inside."""
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def run(self, *command, **keywords):
        """subprocess.run() inside, output as text unless told otherwise."""
        options = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        options.update(keywords)
        return subprocess.run(self.command(*command), **options)  # pylint: disable=W1510

    def start(self, *command, **keywords):
        return subprocess.Popen(self.command(*command), **keywords)

    @contextlib.contextmanager
    def entered(self):
        """This thread inside; a socket made here stays here for its whole life."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(self.path, "rb") as there:
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(home.fileno())

    def connect(self, address, port, source_address=None, timeout=30):
        """A TCP connection from inside, from `source_address` when given."""
        bound = (source_address, 0) if source_address else None
        with self.entered():
            return socket.create_connection((address, port), timeout, bound)

    def sysctl(self, key, value):
        with self.entered(), open("/proc/sys/" + key.replace(".", "/"), "w",
                                  encoding="ascii") as file:
            file.write(str(value))

    def forget_connections(self):
        """The kernel tracks none here any more: it keeps one for days whose end it has not
        seen, as when there were no rules at that moment. One that lives is found again."""
        with self.entered():
            kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        with kernel:
            kernel.send(struct.pack("=IHHIIBBH", 20, CT_DELETE, NLM_F_REQUEST_ACK, 1, 0,
                                    socket.AF_UNSPEC, 0, 0))
            _, kind, _, _, _, error = struct.unpack_from("=IHHIIi", kernel.recv(4096))
        if kind != NLMSG_ERROR or error:
            raise OSError(-error, f"{self.name}: forgetting connections: {os.strerror(-error)}")

    def limit(self, rate, device="eth0"):
        """What leaves it is slowed to `rate` ("80mbit"); None: as fast as it goes."""
        if rate:
            run(*self.command("tc", "qdisc", "replace", "dev", device, "root", "tbf",
                              "rate", rate, "burst", "256k", "latency", "200ms"))
        else:
            run(*self.command("tc", "qdisc", "del", "dev", device, "root"), check=False)

    def pids(self):
        out = run("ip", "netns", "pids", self.name, check=False)
        return [int(pid) for pid in out.split() if int(pid) != os.getpid()]

    def remove(self):
        """Kills what still runs inside, then removes the namespace. Does nothing twice."""
        if not os.path.exists(self.path):
            return
        end = time.monotonic() + 3
        while self.pids() and time.monotonic() < end:
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        run("ip", "netns", "del", self.name, check=False)


class Network:
    """client ── router ── source."""

    def __init__(self, lab_id):
        self.client = Namespace(f"mf-{lab_id}-client")
        self.router = Namespace(f"mf-{lab_id}-router")
        self.source = Namespace(f"mf-{lab_id}-source")

    def namespaces(self):
        return (self.client, self.router, self.source)

    def create(self):
        for namespace in self.namespaces():
            namespace.create()
        for side, namespace in (("client", self.client), ("source", self.source)):
            self.router.ip("link", "add", side, "type", "veth", "peer", "name", "eth0",
                           "netns", namespace.name)
        self._address(self.router, "client", CLIENT_GATEWAY)
        self._address(self.router, "source", SOURCE_GATEWAY)
        self._address(self.source, "eth0", SOURCE_ADDRESS)
        for host in CLIENT_HOSTS:
            self._address(self.client, "eth0", (client_address(host), client_address(host, 6)))
        for namespace, gateway in ((self.client, CLIENT_GATEWAY), (self.source, SOURCE_GATEWAY)):
            namespace.ip("route", "add", "default", "via", gateway[0])
            namespace.ip("-6", "route", "add", "default", "via", gateway[1])
        self.router.sysctl("net.ipv4.ip_forward", 1)
        self.router.sysctl("net.ipv6.conf.all.forwarding", 1)

    @staticmethod
    def _address(namespace, device, addresses):
        namespace.ip("link", "set", device, "up")
        namespace.ip("addr", "add", addresses[0] + "/24", "dev", device)
        # nodad: usable at once; there is nobody else on this wire
        namespace.ip("addr", "add", addresses[1] + "/64", "dev", device, "nodad")

    def remove(self):
        for namespace in self.namespaces():
            namespace.remove()


LAN_ROUTER = ("198.51.100.2", "2001:db8:5::2")    # mailferry's own
LAN_SOURCE = ("198.51.100.20", "2001:db8:5::20")  # the old server's second address


class Lan(Network):
    """The old server on a LAN with another gateway, and mailferry beside it:

        client ── gateway ──┬── router (mailferry)   198.51.100.2
                            └── source               198.51.100.10 and .20

    take_over() moves the old address from the source to the router, give_back() back."""

    def __init__(self, lab_id):
        super().__init__(lab_id)
        self.gateway = Namespace(f"mf-{lab_id}-gateway")

    def namespaces(self):
        return (self.client, self.gateway, self.router, self.source)

    def create(self):
        for namespace in self.namespaces():
            namespace.create()
        self.gateway.ip("link", "add", "lan", "type", "bridge")
        self.gateway.ip("link", "add", "client", "type", "veth", "peer", "name", "eth0",
                        "netns", self.client.name)
        for namespace in (self.router, self.source):
            side = namespace.name.rsplit("-", 1)[1]
            self.gateway.ip("link", "add", side, "type", "veth", "peer", "name", "eth0",
                            "netns", namespace.name)
            self.gateway.ip("link", "set", side, "master", "lan", "up")
        self._address(self.gateway, "client", CLIENT_GATEWAY)
        self._address(self.gateway, "lan", SOURCE_GATEWAY)
        self._address(self.router, "eth0", LAN_ROUTER)
        self._address(self.source, "eth0", LAN_SOURCE)
        self._address(self.source, "eth0", SOURCE_ADDRESS)
        for host in CLIENT_HOSTS:
            self._address(self.client, "eth0", (client_address(host), client_address(host, 6)))
        self._default(self.client, CLIENT_GATEWAY)
        for namespace in (self.router, self.source):
            self._default(namespace, SOURCE_GATEWAY)
        for namespace in (self.gateway, self.router):
            namespace.sysctl("net.ipv4.ip_forward", 1)
            namespace.sysctl("net.ipv6.conf.all.forwarding", 1)

    @staticmethod
    def _default(namespace, gateway):
        namespace.ip("route", "replace", "default", "via", gateway[0])
        namespace.ip("-6", "route", "replace", "default", "via", gateway[1])

    def source_gateway(self, through_us):
        self._default(self.source, LAN_ROUTER if through_us else SOURCE_GATEWAY)

    def _move(self, giver, taker):
        for address, length in zip(SOURCE_ADDRESS, ("/24", "/64")):
            giver.ip("addr", "del", address + length, "dev", "eth0")
        self._address(taker, "eth0", SOURCE_ADDRESS)
        for namespace, device in ((self.gateway, "lan"), (giver, "eth0"), (taker, "eth0")):
            namespace.ip("neigh", "flush", "dev", device)
            namespace.ip("-6", "neigh", "flush", "dev", device)

    def take_over(self):
        self._move(self.source, self.router)

    def give_back(self):
        self._move(self.router, self.source)


SHORE_ROUTER = ("203.0.113.1", "2001:db8:9::1")
SHORE_ADDRESS = ("203.0.113.30", "2001:db8:9::30")


class Shore(Network):
    """A server behind the router that is not the source: users move to it. Its way back to
    the clients is not by the router, it knows nobody but that."""

    def __init__(self, lab_id):
        super().__init__(lab_id)
        self.shore = Namespace(f"mf-{lab_id}-shore")

    def namespaces(self):
        return (*super().namespaces(), self.shore)

    def create(self):
        super().create()
        self.router.ip("link", "add", "shore", "type", "veth", "peer", "name", "eth0",
                       "netns", self.shore.name)
        self._address(self.router, "shore", SHORE_ROUTER)
        self._address(self.shore, "eth0", SHORE_ADDRESS)
