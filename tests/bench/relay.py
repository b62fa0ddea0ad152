#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The relay bench: what a session costs through each contender, in one run.

    tests/bench/relay.py [--build build/release] [--before BUILD] [--mib 1024] [--rounds 3]

A client, a router and a source that answers at once, in namespaces. The contenders take
turns on the router, `rounds` times each; medians are printed, and ratios against kernel
routing (the physical limit) and against the plain read/write relay:

    routing      nobody in between
    read-write   rw_relay.c: 64 KiB read and write, one process a connection
    haproxy      mode tcp, one thread, its defaults
    nginx        mail proxy, its defaults; nginx-64k: with 64 KiB buffers
    mailferry    rules and interceptor, capture switched on
    before       the same, from another build folder (--before)

CPU is the on-CPU time of all the contender's processes (schedstat), not the kernel's
softirq work, which is the same for all.
"""
import argparse
import json
import shutil
import statistics
import sys
import tempfile
import textwrap
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from lab.network import SOURCE_ADDRESS, Network  # noqa: E402
from lab.processes import Daemon, descendants, wait_for_port, wait_until  # noqa: E402

ROUTER = "192.0.2.1"  # the router's own address on the client's side
SOURCE = SOURCE_ADDRESS[0]
PORT = 143
USERS = 500


class Routing:
    """Nobody in between: the limit."""
    name, target, daemon = "routing", SOURCE, None

    def start(self, bench):
        pass

    def stop(self, _bench):
        if self.daemon:
            self.daemon.stop()


class ReadWrite(Routing):
    name, target = "read-write", ROUTER

    def start(self, bench):
        self.daemon = bench.run_on_router(
            bench.program("rw_relay"), ROUTER, PORT, SOURCE, PORT)


class Haproxy(Routing):
    name, target = "haproxy", ROUTER

    def start(self, bench):
        config = bench.write("haproxy.cfg", f"""
            global
                nbthread 1
                maxconn 4000
            defaults
                mode tcp
                timeout connect 5s
                timeout client 60s
                timeout server 60s
            listen mail
                bind {ROUTER}:{PORT}
                server source {SOURCE}:{PORT}
            """)
        self.daemon = bench.run_on_router("haproxy", "-db", "-f", config)


class Nginx(Routing):
    name, target, buffer = "nginx", ROUTER, ""

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
                    add_header Auth-Status OK; add_header Auth-Server {SOURCE};
                    add_header Auth-Port {PORT}; return 204; }} }}
            }}
            mail {{
                auth_http 127.0.0.1:8099/; {self.buffer}
                server {{ listen {ROUTER}:{PORT}; protocol imap; }}
            }}
            """)
        self.daemon = bench.run_on_router("nginx", "-p", bench.folder, "-c", config)


class Nginx64k(Nginx):
    name, buffer = "nginx-64k", "proxy_buffer 64k;"


class Mailferry(Routing):
    name, target = "mailferry", SOURCE

    def build(self, bench):
        return bench.build

    def start(self, bench):
        programs = self.build(bench) / "bin"
        # the interceptor alone: it seals what it learns, but nobody moves the accounts
        config = bench.write("mailferry.conf", f"""
            source = "{SOURCE}"
            domains = {{"example.com"}}
            strategy = "after-logoff"
            state_dir = "{bench.folder}/state"
            run_dir = "{bench.folder}/run"
            services {{ pop3 {{ enabled = false }} smtp {{ enabled = false }} }}
            limits {{ connections_per_ip = 4000 }}
            """)
        for name in ("state", "run"):
            (bench.folder / name).mkdir(mode=0o700, exist_ok=True)
        self.daemon = bench.run_on_router(programs / "mailferry-interceptor", "-c", config)
        wait_until("the interceptor", (bench.folder / "run/interceptor.sock").exists, timeout=20)
        done = bench.network.router.run(programs / "mailferry", "rules", "install",
                                        "-c", config)
        if done.returncode != 0:
            raise SystemExit(done.stdout)

    def stop(self, bench):
        super().stop(bench)
        bench.network.router.run(self.build(bench) / "bin/mailferry", "rules", "remove",
                                 "-c", bench.folder / "mailferry.conf")
        shutil.rmtree(bench.folder / "state")


class Before(Mailferry):
    name = "before"

    def build(self, bench):
        return bench.before


CONTENDERS = (Routing, ReadWrite, Haproxy, Nginx, Nginx64k, Before, Mailferry)


class Bench:
    """The network, the source, and one contender at a time."""

    def __init__(self, options, folder):
        self.build, self.folder = Path(options.build).resolve(), Path(folder)
        self.before = Path(options.before or options.build).resolve()
        self.network = Network(f"bench{self.folder.name[-6:]}")

    def program(self, name):
        return self.build / "bin" / name

    def write(self, name, text):
        path = self.folder / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def run_on_router(self, *command):
        return Daemon(self.network.router, command, self.folder / "contender.log")

    def client(self, target, *arguments):
        done = self.network.client.run(self.program("bench_client"), target, PORT, *arguments)
        if done.returncode != 0:
            logs = "".join(log.read_text(errors="replace")[-3000:]
                           for log in sorted(self.folder.glob("*.log")))
            raise SystemExit(f"bench_client {arguments}: {done.stdout}\n{logs}")
        return json.loads(done.stdout)

    def cpu_seconds(self, contender):
        """On-CPU time of the contender's processes so far."""
        if contender.daemon is None:
            return 0.0
        pids = [contender.daemon.pid] + [pid for pid, _ in descendants(contender.daemon.pid)]
        total = 0
        for pid in pids:
            try:
                total += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
            except OSError:
                continue
        return total / 1e9 + ended_children(contender)

    def measure(self, contender, mib, pings, logins):
        """One turn: {"mb_per_s", "cpu_s_per_gb", "p50_us", "p99_us", "logins_per_s"}."""
        contender.start(self)
        try:
            if contender.target == ROUTER:
                wait_for_port(self.network.client, ROUTER, PORT, contender.daemon)
            self.client(contender.target, "ping", 10)  # warm
            time.sleep(0.1)
            before = self.cpu_seconds(contender)
            bulk = self.client(contender.target, "bulk", mib)
            time.sleep(0.1)
            bulk["cpu"] = self.cpu_seconds(contender)
            ping = self.client(contender.target, "ping", pings)
            login = self.client(contender.target, "logins", logins, 20, USERS)
            return {"mb_per_s": bulk["mb_per_s"],
                    "cpu_s_per_gb": (bulk["cpu"] - before) / (bulk["bytes"] / 1e9),
                    "p50_us": ping["p50_us"], "p99_us": ping["p99_us"],
                    "logins_per_s": login["logins_per_s"]}
        finally:
            contender.stop(self)


def ended_children(contender):
    """CPU seconds of children that the contender's first process has already buried."""
    if contender.daemon is None:
        return 0.0
    fields = Path(f"/proc/{contender.daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / 100


def print_table(results):
    base, plain = results["routing"], results["read-write"]
    print(f"{'':12}{'MB/s':>8}{'of routing':>12}{'CPU s/GB':>10}{'of r/w':>8}"
          f"{'NOOP p50':>10}{'p99':>7}{'logins/s':>10}")
    for name, r in results.items():
        cpu_ratio = r["cpu_s_per_gb"] / plain["cpu_s_per_gb"] if plain["cpu_s_per_gb"] else 0
        print(f"{name:12}{r['mb_per_s']:8.0f}{r['mb_per_s'] / base['mb_per_s']:12.2f}"
              f"{r['cpu_s_per_gb']:10.2f}{cpu_ratio:8.2f}"
              f"{r['p50_us']:8.0f}us{r['p99_us']:5.0f}us{r['logins_per_s']:10.0f}")


def print_verdict(results):
    ours = results.get("mailferry")
    if not ours:
        return
    ratio = ours["cpu_s_per_gb"] / results["read-write"]["cpu_s_per_gb"]
    print(f"CPU per GB: {ratio:.2f} of the read/write relay (target: at most 0.50)")
    if "nginx" in results:
        best = max(results[n]["logins_per_s"] for n in ("nginx", "nginx-64k") if n in results)
        print(f"logins/s:   {ours['logins_per_s'] / best:.2f} of nginx (target: at least 1)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--before", help="a build folder to compare with")
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--pings", type=int, default=3000)
    parser.add_argument("--logins", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="names, separated by commas")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else [c.name for c in CONTENDERS]
    if not options.before:
        wanted = [name for name in wanted if name != "before"]
    turns = {c.name: [] for c in CONTENDERS if c.name in wanted}
    with tempfile.TemporaryDirectory(prefix="mf-bench-", dir="/tmp") as folder:
        bench = Bench(options, folder)
        try:
            bench.network.create()
            source = Daemon(bench.network.source, [bench.program("bench_source"), SOURCE, PORT],
                            bench.folder / "source.log")
            wait_for_port(bench.network.client, SOURCE, PORT, source)
            for turn in range(options.rounds):
                for contender in CONTENDERS:
                    if contender.name in wanted:
                        print(f"round {turn + 1}: {contender.name}", file=sys.stderr)
                        turns[contender.name].append(bench.measure(
                            contender(), options.mib, options.pings, options.logins))
        finally:
            bench.network.remove()
    results = {name: {key: statistics.median(t[key] for t in list_) for key in list_[0]}
               for name, list_ in turns.items()}
    print_table(results)
    print_verdict(results)


if __name__ == "__main__":
    main()
