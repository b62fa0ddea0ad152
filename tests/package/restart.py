# SPDX-License-Identifier: GPL-3.0-or-later
"""`systemctl restart` under clients that come and go: nobody is refused, nobody is reset.
A stop, and a start that fails, refuse at once; a stop is one at any instant of a restart."""
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE, FERRY, CLIENT = "192.0.2.10", "198.51.100.1", "198.51.100.2"
# whose ports are free: connections of the load that are over are remembered for a minute
FRESH = "198.51.100.3"
USER, PASSWORD = "anna", "Anna's-pass"
# the old server: it shows what it can, knows nobody, and writes down what it is told
SERVER = r"""
import socketserver, sys, threading
heard = open(sys.argv[1], "ab", buffering=0)
class Smtp(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 old server\r\n")
        for line in self.rfile:
            heard.write(line)
            word = line.strip().upper()
            self.wfile.write({b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}.get(
                word, b"250 yes\r\n"))
            if word == b"QUIT":
                return
class Imap(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] old server\r\n")
        for line in self.rfile:
            heard.write(line)
            tag, _, word = line.strip().partition(b" ")
            if word.upper() == b"CAPABILITY":
                self.wfile.write(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n")
            known = word.upper() in (b"CAPABILITY", b"NOOP", b"LOGOUT")
            self.wfile.write(tag + (b" OK done\r\n" if known else b" NO\r\n"))
            if word.upper() == b"LOGOUT":
                return
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 256
threading.Thread(target=Server(("0.0.0.0", 25), Smtp).serve_forever, daemon=True).start()
Server(("0.0.0.0", 143), Imap).serve_forever()
"""


class World:
    """The machine as a router between a client and an old server: a network namespace each."""

    def __init__(self, machine):
        self.machine, self.places, self.links, self.server = machine, [], [], None
        self.words = tempfile.NamedTemporaryFile(prefix="mf-old-server-")

    def __enter__(self):
        try:
            self.client = self._place("client", f"{FERRY}/24", f"{CLIENT}/24", FERRY)
            self._ip(self.client, f"address add {FRESH}/24 dev eth0")
            self.source = self._place("source", "192.0.2.1/24", f"{SOURCE}/24", "192.0.2.1")
            self.server = self._begin_server()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # a namespace goes some time after its last process, and its links with it
        for router, name in self.links:
            subprocess.run(self.inside(router, "ip", "link", "delete", name), check=False,
                           stderr=subprocess.DEVNULL)
        for process in [self.server, *self.places]:
            if process:
                process.kill()
                process.wait()
        self.words.close()

    def _begin_server(self):
        return subprocess.Popen(
            self.inside(self.source, sys.executable, "-c", SERVER, self.words.name),
            stderr=subprocess.DEVNULL)

    def heard(self):
        """All that clients said to the old server."""
        return Path(self.words.name).read_text(encoding="utf-8", errors="replace")

    @staticmethod
    def inside(place, *words):
        return ["nsenter", "-t", str(place), "-n", *words]

    def _place(self, name, ours, theirs, gateway):
        holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.places.append(holder)
        self._wait_for_network(holder.pid)
        router = self.machine.init()
        for words in (
                f"link add {name} type veth peer name eth0 netns {holder.pid}",
                f"address add {ours} dev {name}", f"link set {name} up"):
            self._ip(router, words)
        self.links.append((router, name))
        for words in ("link set lo up", f"address add {theirs} dev eth0", "link set eth0 up",
                      f"route add default via {gateway}"):
            self._ip(holder.pid, words)
        return holder.pid

    @staticmethod
    def _wait_for_network(pid):
        ours, theirs = Path("/proc/self/ns/net"), Path(f"/proc/{pid}/ns/net")
        while ours.readlink() == theirs.readlink():
            time.sleep(0.01)

    def _ip(self, place, words):
        subprocess.run(self.inside(place, "ip", *words.split()), check=True)

    def load(self, own, seconds, *user):
        return subprocess.Popen(
            self.inside(self.client, sys.executable, str(HERE / "restart_load.py"), own,
                     SOURCE, str(seconds), *user), stdout=subprocess.PIPE, text=True)

    def one(self):
        """What one client sees, and how soon."""
        with self.load(FRESH, 0) as load:
            said = json.loads(load.communicate(timeout=60)[0])
        return set(said["seen"]), said["slowest"]

    @staticmethod
    def said(load):
        return json.loads(load.communicate(timeout=60)[0])["seen"]

    def login(self):
        with self.load(FRESH, 0, USER, PASSWORD) as load:
            return set(self.said(load))


def under_restarts(world, ensure, times, *user):
    """Clients come and go over that many restarts."""
    load = world.load(CLIENT, 4 * times + 2, *user)
    for _ in range(times):
        time.sleep(2)
        world.machine("systemctl", "restart", "mailferry.target")
    said = json.loads(load.communicate(timeout=60)[0])
    ensure(f"over {times} restarts: {said}",
           set(said["seen"]) <= {"ok", "bye"} and said["seen"].get("ok", 0) > 100 and
           said["seen"].get("bye", 0) <= 6 * times)


def is_over(machine):
    """Each unit of it has ended."""
    return not machine("systemctl", "list-units", "--plain", "--no-legend", "--state",
                       "active,activating,deactivating,reloading", "mailferry*").strip()


def has_jobs(machine):
    """The target waits for none of its units."""
    return "mailferry" in machine("systemctl", "list-jobs", "--plain", "--no-legend")


def is_active(machine):
    return not has_jobs(machine) and machine(
        "systemctl", "is-active", "mailferry-watch", "mailferry-interceptor",
        check=False).split() == ["active"] * 2


def stop_within_restart(machine, until):
    """It is stopped while the service before it has not ended: one of its programs hangs."""
    def supervisor():
        return machine("journalctl", "--output=cat", "EVENT=supervisor",
                       "_SYSTEMD_UNIT=mailferry-mailstore.service").count("-> stopping")

    before = supervisor()
    hangs = machine("pgrep", "-o", "-f", "^/usr/sbin/mailferry-mailstore").strip()
    machine("kill", "-STOP", hangs)
    machine("systemctl", "restart", "--no-block", "mailferry.target")
    until("a restart has begun", lambda: supervisor() > before)
    machine("systemctl", "stop", "--no-block", "mailferry.target")
    machine("kill", "-CONT", hangs)
    until("and is a stop now", lambda: is_over(machine))


def check_stops(machine, until, ensure):
    """While nobody lives here: whatever a stop meets, our rules go."""
    def begin():
        machine("systemctl", "start", "mailferry.target")
        until("it serves", lambda: is_in() and is_active(machine))

    def is_in():
        return "tproxy" in machine("nft", "list", "ruleset")

    begin()
    stop_within_restart(machine, until)
    ensure("a stop within a restart takes the rules out", not is_in())
    for delay in (0, 0.1, 0.3, 0.6):
        begin()
        machine("systemctl", "restart", "--no-block", "mailferry.target")
        time.sleep(delay)
        machine("systemctl", "stop", "mailferry.target")
        until("all units have ended", lambda: is_over(machine))
        ensure(f"so does one {delay} s after it has begun", not is_in())
    for part in ("watch", "interceptor"):
        begin()
        machine("systemctl", "kill", "--kill-who=main", "-s", "KILL", f"mailferry-{part}")
        until(f"{part} has crashed, and waits for its next start", lambda part=part: machine(
            "systemctl", "show", "-P", "SubState", f"mailferry-{part}").strip() == "auto-restart")
        ensure("the crash leaves the rules", is_in())
        machine("systemctl", "stop", "mailferry.target")
        until("all units have ended", lambda: is_over(machine))
        ensure("a stop of the target then takes them out", not is_in())
    begin()
    machine("systemctl", "stop", "mailferry-rules")
    ensure("a stop of their unit takes them out", not is_in())
    begin()


def check_restart(machine, conf, until, ensure):
    def refused(what):
        seen, slowest = world.one()
        ensure(f"{what} ({seen}, {slowest} s)",
               seen == {"ConnectionRefusedError"} and slowest < 2)

    good = conf.read_text()
    check_stops(machine, until, ensure)
    with World(machine) as world:
        machine("systemctl", "restart", "mailferry.target")
        until("restarted, it serves", lambda: is_active(machine))
        until("the old server is seen", lambda: world.one()[0] == {"ok"})
        under_restarts(world, ensure, 2)
        machine("sh", "-c", f"echo \"{PASSWORD}\" | mailferry account add {USER}")
        under_restarts(world, ensure, 3, USER, PASSWORD)
        machine("systemctl", "stop", "mailferry.target")
        until("all units have ended", lambda: is_over(machine))
        refused("stopped, it refuses at once")
        machine("systemctl", "start", "mailferry.target")
        until("started, it serves", lambda: world.one()[0] == {"ok"})
        stop_within_restart(machine, until)
        refused("stopped within a restart, it refuses at once")
        machine("systemctl", "start", "mailferry.target")
        until("started, it serves", lambda: world.one()[0] == {"ok"})
        conf.write_text("no configuration\n")
        machine("systemctl", "restart", "mailferry.target")
        until("a restart that fails keeps nothing", lambda: machine(
            "systemctl", "show", "-P", "NFileDescriptorStore", "-P", "MainPID",
            "mailferry-interceptor").split() == ["0", "0"])
        refused("and refuses at once")
        conf.write_text(good)
        until("with a good configuration it serves again",
              lambda: is_active(machine) and world.one()[0] == {"ok"})
        ensure("systemd keeps nothing while it runs", machine(
            "systemctl", "show", "-P", "NFileDescriptorStore", "mailferry-interceptor").strip()
            == "0")
