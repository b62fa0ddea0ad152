#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The relay bench: what a session costs through each contender, in one run.

    tests/bench/relay.py [--build build/release] [--before BUILD] [--mib 1024] [--rounds 3]
    tests/bench/relay.py --pinned [--only haproxy,limit-tproxy,transparent,mailferry]
    tests/bench/relay.py --syscalls [--only mailferry,nginx] [--names]

A client, a router and a source that answers at once, in namespaces. The contenders take
turns on the router, `rounds` times each; medians are printed, and ratios against kernel
routing (the physical limit) and against the plain read/write relay:

    routing      nobody in between
    read-write   rw_relay.c: 64 KiB read and write, one process a connection
    limit        loop_relay.c: an event loop, and one recv() and one send() each time: what
                 a relay in user space can come to for NOOP and logins
    limit-tproxy the same, put where we stand: diverted by tproxy behind connection
                 tracking, and to the source from the client's own address. It knows
                 neither names nor passwords: what a login costs there at the least
    haproxy      mode tcp, one thread, its defaults
    transparent  HAProxy where we stand; for bulk and NOOP alone: it takes the ports
                 that the client uses, and of its logins' SYNs the kernel drops some
    nginx        mail proxy, its defaults; nginx-64k: with 64 KiB buffers
    mailferry    rules, vault and interceptor, capture switched on
    before       the same, from another build folder (--before)
    moved        mailferry, and its users live here: each login goes through the vault to
                 the process of its account, of which there is none at first: starting
                 50 of them is in the figure. For logins/s and CPU alone, as the next two
    moved-warm   the same, each user having logged in a moment ago
    dovecot      nginx's mail proxy before a Dovecot on the router, auth service and
                 mailboxes included: what moved-warm does, done by others. nginx alone
                 is before a source that answers from memory and is in no figure
    dovecot-kept the same, with processes that serve one user after the other

CPU is the on-CPU time of all the contender's processes (schedstat), not the kernel's
softirq work, which is the same for all. An eighth of the 4000 logins are first ones of
their users, unless --logins says otherwise.

--pinned measures NOOP alone, with all programs on one processor and in real time: what a
NOOP takes when nobody else has the processor, and nothing waits for another processor to
wake up. A loaded machine changes it little.

--syscalls counts the system calls (strace) of a login and of a NOOP instead: a figure
that the machine's load does not change.
"""
import argparse
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from bench.relay_figures import print_pings, print_table, print_verdict  # noqa: E402
from lab.network import SOURCE_ADDRESS, Network  # noqa: E402
from lab.processes import Daemon, descendants, wait_for_port, wait_until  # noqa: E402

ROUTER = "192.0.2.1"  # the router's own address on the client's side
SOURCE = SOURCE_ADDRESS[0]
PORT = 143
PINNED = ("chrt", "--fifo", "10", "taskset", "--cpu-list", "0")
USERS = 500
MOVED_USERS = 50


COUNTED = (
    ("first login", USERS, ("logins", USERS, 20, USERS)),
    ("login", 2 * USERS, ("logins", 2 * USERS, 20, USERS)),
    ("NOOP", 1000, ("ping", 1000)),
)


class Routing:
    """Nobody in between: the limit."""
    name, target, users, counted = "routing", SOURCE, USERS, COUNTED
    slower = 1  # so many logins less, or it would take the whole time

    def __init__(self):
        self.daemons = []

    def start(self, bench):
        pass

    def stop(self, _bench):
        for daemon in reversed(self.daemons):
            daemon.stop()

    def pids(self):
        return [pid for daemon in self.daemons
                for pid in [daemon.pid, *(pid for pid, _ in descendants(daemon.pid))]]


class ReadWrite(Routing):
    name, target = "read-write", ROUTER

    def start(self, bench):
        self.daemons = [bench.run_on_router(
            bench.program("rw_relay"), ROUTER, PORT, SOURCE, PORT)]


class Limit(Routing):
    name, target = "limit", ROUTER
    address, port, options = ROUTER, PORT, ()

    def start(self, bench):
        self.daemons = [bench.run_on_router(bench.program("loop_relay"), self.address, self.port,
                                            SOURCE, PORT, *self.options)]


class Haproxy(Routing):
    name, target = "haproxy", ROUTER
    bind, server = f"{ROUTER}:{PORT}", f"{SOURCE}:{PORT}"

    def start(self, bench):
        config = bench.write(f"{self.name}.cfg", f"""
            global
                nbthread 1
                maxconn 4000
            defaults
                mode tcp
                timeout connect 5s
                timeout client 60s
                timeout server 60s
            listen mail
                bind {self.bind}
                server source {self.server}
            """)
        self.daemons = [bench.run_on_router("haproxy", "-db", "-f", config)]


class Diverted:
    """Where we stand: behind tproxy and connection tracking, not at an address of its own."""
    target, diverted = SOURCE, 10143

    def start(self, bench):
        rules = bench.write("transparent.nft", f"""
            table ip transparent {{
                chain prerouting {{
                    type filter hook prerouting priority -98;
                    ct state invalid accept
                    ip daddr {SOURCE} tcp dport {PORT} tcp flags & (syn | ack) != syn \
                        socket transparent 1 meta mark set 1 accept
                    ip daddr {SOURCE} tcp dport {PORT} tproxy to :{self.diverted} \
                        meta mark set 1 accept
                    ip saddr {SOURCE} tcp sport {PORT} socket transparent 1 meta mark set 1 accept
                }}
            }}
            """)
        router = bench.network.router
        router.run("nft", "-f", rules)
        router.ip("rule", "add", "pref", "100", "fwmark", "1", "lookup", "100")
        router.ip("route", "add", "local", "default", "dev", "lo", "table", "100")
        super().start(bench)
        # what comes earlier goes past it, and is reset once it listens
        wait_until("the listener", lambda: router.run(
            "ss", "-Hltn", f"sport = :{self.diverted}").stdout)

    def stop(self, bench):
        super().stop(bench)
        router = bench.network.router
        router.run("nft", "delete", "table", "ip", "transparent")
        router.ip("rule", "del", "pref", "100")
        router.ip("route", "flush", "table", "100")


class LimitTransparent(Diverted, Limit):
    name, address = "limit-tproxy", "0.0.0.0"
    port, options = Diverted.diverted, ("transparent",)


class HaproxyTransparent(Diverted, Haproxy):
    name, counted = "transparent", COUNTED[2:]
    bind = f"0.0.0.0:{Diverted.diverted} transparent"
    server = f"{SOURCE}:{PORT} source 0.0.0.0 usesrc clientip"


class Nginx(Routing):
    name, target, buffer = "nginx", ROUTER, ""
    backend, backend_port = SOURCE, PORT

    def start(self, bench):
        config = bench.write(f"{self.name}.conf", f"""
            load_module /usr/lib/nginx/modules/ngx_mail_module.so;
            daemon off; worker_processes 2; pid {bench.folder}/nginx.pid;
            error_log {bench.folder}/nginx.log;
            events {{ worker_connections 4096; }}
            http {{
                access_log off;
                client_body_temp_path {bench.folder}/n1; proxy_temp_path {bench.folder}/n2;
                fastcgi_temp_path {bench.folder}/n3; uwsgi_temp_path {bench.folder}/n4;
                scgi_temp_path {bench.folder}/n5;
                server {{ listen 127.0.0.1:8099; location / {{
                    add_header Auth-Status OK;
                    add_header Auth-Server {self.backend};
                    add_header Auth-Port {self.backend_port}; return 204; }} }}
            }}
            mail {{
                auth_http 127.0.0.1:8099/; {self.buffer}
                server {{ listen {ROUTER}:{PORT}; protocol imap; }}
            }}
            """)
        self.daemons = [bench.run_on_router("nginx", "-p", bench.folder, "-c", config)]


class NginxDovecot(Nginx):
    """As a site runs it: an imap process for each login, which Dovecot starts beforehand,
    and its folder of the mailbox opened by nobody before SELECT."""
    name, users, target = "dovecot", MOVED_USERS, ROUTER
    backend, backend_port = "127.0.0.1", 10143
    logins_of_process, slower = 1, 8

    def start(self, bench):
        place = bench.folder / "dovecot"
        place.mkdir()
        users = bench.write("dovecot/users", "".join(
            f"u{n}:{{PLAIN}}secret{n}\n" for n in range(self.users)))
        config = bench.write("dovecot/dovecot.conf", f"""
            base_dir = {place}/run
            state_dir = {place}/run
            log_path = {place}/log
            protocols = imap
            listen = {self.backend}
            ssl = no
            disable_plaintext_auth = no
            login_trusted_networks = 127.0.0.0/8
            mail_location = maildir:{place}/mail/%n
            first_valid_uid = 1
            mail_max_userip_connections = 0
            passdb {{
              driver = passwd-file
              args = {users}
            }}
            userdb {{
              driver = static
              args = uid=mail gid=mail home={place}/mail/%n
            }}
            service imap-login {{
              service_count = 0
              process_min_avail = 2
              inet_listener imap {{
                port = {self.backend_port}
              }}
            }}
            service imap {{
              process_min_avail = 8
              service_count = {self.logins_of_process}
            }}
            """)
        (place / "mail").mkdir()
        shutil.chown(place / "mail", "mail", "mail")
        server = bench.run_on_router("dovecot", "-F", "-c", config)
        self.daemons = [server]
        wait_for_port(bench.network.router, self.backend, self.backend_port, server)
        super().start(bench)
        self.daemons.append(server)

    def stop(self, bench):
        super().stop(bench)
        shutil.rmtree(bench.folder / "dovecot")


class NginxDovecotKept(NginxDovecot):
    """One process for one user after the other, as its manual has it for speed."""
    name, logins_of_process, slower = "dovecot-kept", 256, 1


class Nginx64k(Nginx):
    name, buffer = "nginx-64k", "proxy_buffer 64k;"


class Mailferry(Routing):
    name, target = "mailferry", SOURCE

    def build(self, bench):
        return bench.build

    def prepare(self, bench, config):
        pass

    def start(self, bench):
        programs = bench.programs_without_transfer(self.build(bench))
        config = bench.write("mailferry.conf", f"""
            source = "{SOURCE}"
            domains = {{"example.com"}}
            strategy = "after-logoff"
            state_dir = "{bench.folder}/state"
            run_dir = "{bench.folder}/run"
            services {{ pop3 {{ enabled = false }} smtp {{ enabled = false }} }}
            limits {{ connections_per_ip = 4000 new_connections = 100000 }}
            """)
        self.prepare(bench, config)
        self.daemons = [bench.up(programs, config)]

    def stop(self, bench):
        super().stop(bench)
        shutil.rmtree(bench.folder / "state")


class Before(Mailferry):
    name = "before"

    def build(self, bench):
        return bench.before


class Moved(Mailferry):
    name, users = "moved", MOVED_USERS
    counted = (
        ("first login", MOVED_USERS, ("logins", MOVED_USERS, 20, MOVED_USERS)),
        ("login", 20 * MOVED_USERS, ("logins", 20 * MOVED_USERS, 20, MOVED_USERS)),
    )

    def prepare(self, bench, config):
        tool = [self.build(bench) / "bin/registry_tool", config]
        for n in range(self.users):
            for command in (("capture", f"u{n}", f"secret{n}"), ("arrive", f"u{n}")):
                subprocess.run([*tool, *command], check=True, stdout=subprocess.DEVNULL)
        self.config = config

    def stop(self, bench):
        Routing.stop(self, bench)
        bench.network.router.run(self.build(bench) / "bin/mailferry", "-c", self.config,
                                 "rules", "remove", "--yes")  # they stay where somebody lives
        shutil.rmtree(bench.folder / "state")


class MovedWarm(Moved):
    name = "moved-warm"


CONTENDERS = (Routing, ReadWrite, Limit, LimitTransparent, Haproxy, HaproxyTransparent, Nginx,
              Nginx64k, Before, Mailferry, Moved, MovedWarm, NginxDovecot, NginxDovecotKept)
LOGINS_ONLY = (Moved, NginxDovecot)
WARM = (MovedWarm, NginxDovecot)


class Bench:
    """The network, the source, and one contender at a time."""

    def __init__(self, options, folder):
        self.build, self.folder = Path(options.build).resolve(), Path(folder)
        self.before = Path(options.before or options.build).resolve()
        self.network = Network(f"bench{self.folder.name[-6:]}")
        self.pinned = PINNED if getattr(options, "pinned", False) else ()
        signal.signal(signal.SIGTERM, lambda sign, _: sys.exit(128 + sign))  # `finally` runs

    def program(self, name):
        return self.build / "bin" / name

    def write(self, name, text):
        path = self.folder / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def programs_without_transfer(self, build):
        """What is learnt is kept, but nobody moves the accounts."""
        programs = self.folder / "programs"
        shutil.rmtree(programs, ignore_errors=True)
        programs.mkdir()
        for program in (build / "bin").glob("mailferry*"):
            shutil.copy(program, programs)
        stub = programs / "mailferry-transfer"
        stub.unlink()
        stub.write_text("#!/bin/sh\nexec sleep 86400\n")
        stub.chmod(0o755)
        return programs

    def up(self, programs, config):
        log = self.folder / "contender.log"
        before = log.stat().st_size if log.exists() else 0
        daemon = self.run_on_router(programs / "mailferry", "-c", config, "up")
        wait_until("mailferry", lambda: b"-> serving" in log.read_bytes()[before:], timeout=30)
        return daemon

    def run_on_router(self, *command):
        return Daemon(self.network.router, [*self.pinned, *command],
                      self.folder / "contender.log")

    def client(self, target, *arguments):
        done = self.network.client.run(*self.pinned, self.program("bench_client"), target, PORT,
                                       *arguments)
        if done.returncode != 0:
            logs = "".join(log.read_text(errors="replace")[-3000:]
                           for log in sorted(self.folder.glob("*.log")))
            raise SystemExit(f"bench_client {arguments}: {done.stdout}\n{logs}")
        return json.loads(done.stdout)

    def cpu_seconds(self, contender):
        """On-CPU time of the contender's processes so far."""
        total = 0
        for pid in contender.pids():
            try:
                total += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
            except OSError:
                continue
        return total / 1e9 + ended_children(contender)

    def begin(self, contender):
        contender.start(self)
        if contender.target == ROUTER:
            wait_for_port(self.network.client, ROUTER, PORT, contender.daemons[0])
        if isinstance(contender, LOGINS_ONLY):
            once = contender.users if isinstance(contender, WARM) else 1
            self.client(contender.target, "logins", once, once, once)
        else:
            self.client(contender.target, "ping", 10)  # warm

    def with_cpu(self, contender, *arguments):
        time.sleep(0.1)
        before = self.cpu_seconds(contender)
        result = self.client(contender.target, *arguments)
        time.sleep(0.1)
        return {**result, "cpu": self.cpu_seconds(contender) - before}

    def measure(self, contender, options):
        """One turn: the figures of print_table()."""
        try:
            self.begin(contender)
            return self.figures(contender, options)
        finally:
            contender.stop(self)

    def figures(self, contender, options):
        figures = {}
        if options.pinned:
            return self.client(contender.target, "ping", options.pings)
        if not isinstance(contender, LOGINS_ONLY):
            bulk = self.with_cpu(contender, "bulk", options.mib)
            ping = self.client(contender.target, "ping", options.pings)
            figures = {"mb_per_s": bulk["mb_per_s"],
                       "cpu_s_per_gb": bulk["cpu"] / (bulk["bytes"] / 1e9),
                       "p50_us": ping["p50_us"], "p99_us": ping["p99_us"]}
        if isinstance(contender, HaproxyTransparent):
            return figures
        login = self.with_cpu(contender, "logins", options.logins // contender.slower, 20,
                              contender.users)
        return {**figures, "logins_per_s": login["logins_per_s"],
                "login_us": login["cpu"] / login["logins"] * 1e6}

    def count(self, contender):
        """{what: ({system call: times}, of how many)}, of all its processes."""
        counts = {}
        try:
            self.begin(contender)
            for what, n, arguments in contender.counted:
                log = self.folder / "strace"
                pids = [f"--attach={pid}" for pid in contender.pids()]
                tracer = Daemon(self.network.router, ["strace", "-f", "-qq", "-o", log, *pids],
                                self.folder / "strace.log")
                wait_until("strace", lambda: all(is_traced(p) for p in contender.pids()))
                self.client(contender.target, *arguments)
                time.sleep(0.5)  # what it still does for them
                tracer.stop()
                counts[what] = (calls_of(log.read_text(errors="replace")), n)
        finally:
            contender.stop(self)
        return counts


def is_traced(pid):
    return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()


def calls_of(log):
    """How often each call was begun."""
    return Counter(re.findall(r"^\d+ +(\w+)\(", log, re.MULTILINE))


def print_counts(name, counts, names):
    sums = [f"{what} {sum(calls.values()) / n:.1f}" for what, (calls, n) in counts.items()]
    print(f"{name:12}system calls: {', '.join(sums)}")
    for what, (calls, n) in counts.items() if names else ():
        each = [f"{call} {times / n:.2f}" for call, times in calls.most_common()
                if times / n >= 0.01]
        print(f"    {what}: {', '.join(each)}")


def ended_children(contender):
    """CPU seconds of children that the contender's processes have already buried."""
    total = 0
    for daemon in contender.daemons:
        fields = Path(f"/proc/{daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[13]) + int(fields[14])
    return total / 100


def take_turns(bench, options, wanted):
    turns = {}
    for turn in range(options.rounds):
        for contender in CONTENDERS:
            if contender.name in wanted and not (
                    options.pinned and issubclass(contender, LOGINS_ONLY)):
                print(f"round {turn + 1}: {contender.name}", file=sys.stderr)
                turns.setdefault(contender.name, []).append(
                    bench.measure(contender(), options))
    if options.pinned:
        print_pings(turns)
        return
    print_table({name: {key: statistics.median(t[key] for t in list_) for key in list_[0]}
                 for name, list_ in turns.items()})
    print_verdict(turns)


def count_calls(bench, options, wanted):
    for contender in CONTENDERS:
        if contender.name in wanted and contender is not Routing:
            print_counts(contender.name, bench.count(contender()), options.names)


def wanted_names(options):
    if options.only:
        return options.only.split(",")
    return [c.name for c in CONTENDERS if options.before or c is not Before]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--before", help="a build folder to compare with")
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--pings", type=int, default=3000)
    parser.add_argument("--logins", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--pinned", action="store_true", help="NOOP alone, on one processor")
    parser.add_argument("--syscalls", action="store_true", help="count them instead")
    parser.add_argument("--names", action="store_true", help="with --syscalls: each of them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mf-bench-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)  # the programs have users of their own
        bench = Bench(options, folder)
        try:
            bench.network.create()
            source = Daemon(bench.network.source,
                            [*bench.pinned, bench.program("bench_source"), SOURCE, PORT],
                            bench.folder / "source.log")
            wait_for_port(bench.network.client, SOURCE, PORT, source)
            (count_calls if options.syscalls else take_turns)(
                bench, options, wanted_names(options))
        finally:
            bench.network.remove()


if __name__ == "__main__":
    main()
