#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TLS bench: what a handshake, a gigabyte and an idle session cost, in one run.

    tests/bench/tls.py [--build build/release] [--before BUILD] [--kinds rsa,ec] [--rounds 3]
    tests/bench/tls.py --quick       # one key, two rounds, less of all: a minute and a half

Client, router and source as in relay.py, which has the contenders' plain halves; all speak
TLS 1.3 with X25519, TLS_AES_128_GCM_SHA256 and the same certificate. They take turns;
medians are printed.

    haproxy      mode tcp, one thread a CPU; with TLS to the source, too ("both legs")
    nginx        mail proxy, two workers; it has no TLS to the source
    mailferry    rules, interceptor and vault: each full handshake is signed by the vault
    before       the same, from another build folder (--before)
    read-write   rw_relay.c without TLS: what moving the bytes costs

A handshake is connect, handshake, the first byte of the greeting, close; 32 side by side;
with a key of RSA 2048, and with one of ECDSA P-256. The rest is measured with the first.
The limit for a gigabyte is what `openssl speed` says of the cipher, once for each leg, and
read-write. What OpenSSL itself takes for records and for an idle connection, without a
network and without any of these, is in the row "OpenSSL" (tls_least.c).
"""
import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from bench.relay import ROUTER, SOURCE, Bench, ReadWrite, Routing, ended_children  # noqa: E402
from lab import tls  # noqa: E402
from lab.processes import Daemon, wait_for_port, wait_until  # noqa: E402

PLAIN, TLS = 143, 993
AT_ONCE = 32
SUITE = "TLS_AES_128_GCM_SHA256"


class Haproxy(Routing):
    name, target, legs = "haproxy", ROUTER, 1

    def start(self, bench):
        upstream = f"{SOURCE}:{PLAIN}" if self.legs == 1 else f"{SOURCE}:{TLS} ssl verify none"
        self.daemons = [bench.run_on_router("haproxy", "-db", "-f", haproxy_config(
            bench, "haproxy.cfg", os.cpu_count(), ROUTER, upstream))]


class Nginx(Routing):
    name, target, legs = "nginx", ROUTER, 1

    def start(self, bench):
        folder = bench.folder
        config = bench.write("nginx.conf", f"""
            load_module /usr/lib/nginx/modules/ngx_mail_module.so;
            daemon off; worker_processes {os.cpu_count()}; pid {folder}/nginx.pid;
            error_log {folder}/nginx.log;
            events {{ worker_connections 4096; }}
            http {{
                access_log off;
                client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2;
                fastcgi_temp_path {folder}/n3; uwsgi_temp_path {folder}/n4;
                scgi_temp_path {folder}/n5;
                server {{ listen 127.0.0.1:8099; location / {{
                    add_header Auth-Status OK; add_header Auth-Server {SOURCE};
                    add_header Auth-Port {PLAIN}; return 204; }} }}
            }}
            mail {{
                auth_http 127.0.0.1:8099/; proxy_buffer 64k;
                ssl_certificate {bench.certificate}; ssl_certificate_key {bench.key};
                ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites {SUITE};
                ssl_ecdh_curve X25519;
                server {{ listen {ROUTER}:{TLS} ssl; protocol imap; }}
            }}
            """)
        self.daemons = [bench.run_on_router("nginx", "-p", folder, "-c", config)]


class Mailferry(Routing):
    name, target, legs = "mailferry", SOURCE, 1

    def build(self, bench):
        return bench.build

    def start(self, bench):
        programs = bench.programs_without_transfer(self.build(bench))
        inside = (f'source_tls = "none" upstream = {PLAIN}' if self.legs == 1
                  else 'source_tls = "implicit"')
        config = bench.write("mailferry.conf", f"""
            source = "{SOURCE}"
            domains = {{"example.com"}}
            strategy = "after-logoff"
            state_dir = "{bench.folder}/state"
            run_dir = "{bench.folder}/run"
            services {{ pop3 {{ enabled = false }} smtp {{ enabled = false }}
                        pop3s {{ enabled = false }} smtps {{ enabled = false }}
                        imaps {{ {inside} }} }}
            tls {{ certificate = {{"{bench.certificate}"}} key = {{"{bench.key}"}}
                   source_verify = "none" }}
            limits {{ connections_per_ip = 4000 }}
            """)
        self.daemons = [bench.up(programs, config)]

    def stop(self, bench):
        super().stop(bench)
        shutil.rmtree(bench.folder / "state")


class Before(Mailferry):
    name = "before"

    def build(self, bench):
        return bench.before


class ReadWriteOfBytes(ReadWrite):
    legs = 0

    def start(self, bench):
        self.daemons = [bench.run_on_router(
            bench.program("rw_relay"), ROUTER, PLAIN, SOURCE, PLAIN)]


CONTENDERS = (ReadWriteOfBytes, Haproxy, Nginx, Before, Mailferry)


def haproxy_config(bench, name, threads, address, upstream):
    both = bench.folder / "both.pem"
    both.write_text(bench.certificate.read_text() + bench.key.read_text(), encoding="ascii")
    return bench.write(name, f"""
        global
            nbthread {threads}
            maxconn 4000
            tune.ssl.default-dh-param 2048
            ssl-default-bind-options ssl-min-ver TLSv1.3
            ssl-default-bind-ciphersuites {SUITE}
            ssl-default-bind-curves X25519
            ssl-default-server-ciphersuites {SUITE}
        defaults
            mode tcp
            timeout connect 5s
            timeout client 60s
            timeout server 60s
        listen mail
            bind {address}:{TLS} ssl crt {both}
            server source {upstream}
        """)


class TlsBench(Bench):
    def __init__(self, options, folder):
        super().__init__(options, folder)
        self.pairs = {kind: tuple(map(Path, tls.make_certificate(
            self.folder, f"shown-{kind}", kind=kind))) for kind in options.kinds}
        self.show(options.kinds[0])

    def show(self, kind):
        """The certificate of contenders that start from now on."""
        self.certificate, self.key = self.pairs[kind]

    def tls_client(self, contender, *arguments):
        program, port = (("bench_tls", TLS) if contender.legs else ("bench_client", PLAIN))
        done = self.network.client.run(self.program(program), contender.target, port, *arguments)
        if done.returncode != 0:
            logs = "".join(log.read_text(errors="replace")[-3000:]
                           for log in sorted(self.folder.glob("*.log")))
            raise SystemExit(f"{program} {arguments}: {done.stdout}\n{logs}")
        return json.loads(done.stdout)

    def cpu_of(self, contender):
        """On-CPU seconds of all its threads, the vault's too; what has ended counts as well."""
        total = ended_children(contender)
        for pid in contender.pids():
            for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                total += int(thread.read_text(encoding="ascii").split()[0]) / 1e9
        return total

    def spent(self, contender, *arguments):
        """(the client's answer, CPU seconds of the contender)"""
        time.sleep(0.2)
        before = self.cpu_of(contender)
        answer = self.tls_client(contender, *arguments)
        time.sleep(0.2)
        return answer, self.cpu_of(contender) - before

    def handshakes(self, contender, count):
        result = {}
        for kind in ("full", "resumed"):
            answer, cpu = self.spent(contender, kind, count, AT_ONCE)
            result[kind] = answer["per_s"]
            result[kind + "_us"] = cpu * 1e6 / count
        return result

    def idle_bytes(self, contender, count):
        """Memory that one idle session takes: private memory of all processes."""
        before = private_bytes(contender)
        with self.network.client.start(
                self.program("bench_tls"), contender.target, TLS, "idle", count,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            client.stdout.readline()
            time.sleep(3)  # what is kept for a moment only is given back
            each = (private_bytes(contender) - before) / count
            client.stdin.close()
        return each

    @contextlib.contextmanager
    def running(self, contender, kind):
        self.show(kind)
        contender.start(self)
        try:
            if contender.target == ROUTER:
                wait_for_port(self.network.client, ROUTER, TLS if contender.legs else PLAIN,
                              contender.daemons[0])
            self.warm(contender)
            yield
        finally:
            contender.stop(self)

    def measure(self, contender, legs, options):
        contender.legs = contender.legs and legs
        result = {}
        with self.running(contender, options.kinds[0]):
            if contender.legs == 1:
                result[options.kinds[0]] = self.handshakes(contender, options.handshakes)
                result["idle"] = self.idle_bytes(contender, options.idle)
            answer, cpu = self.spent(contender, "bulk", options.mib)
            result["mb_per_s"] = answer["mb_per_s"]
            result["cpu_s_per_gb"] = cpu / (answer["bytes"] / 1e9)
        for kind in options.kinds[1:] if contender.legs == 1 else ():
            with self.running(contender, kind):
                result[kind] = self.handshakes(contender, options.handshakes)
        return result

    def warm(self, contender):
        """The source's greeting is known by then, and the keys are there."""
        end = time.monotonic() + 10
        while True:
            try:
                self.tls_client(contender, "bulk", 1)
                return
            except SystemExit:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)


def private_bytes(contender):
    total = 0
    for pid in contender.pids():
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue  # it has just ended
        total += sum(int(n) for n in re.findall(r"^Private_\w+:\s+(\d+)", text, re.M)) * 1024
    return total


def cipher_seconds_per_gb():
    """One core, 16 KiB at a time, by `openssl speed`."""
    done = subprocess.run(["openssl", "speed", "-seconds", "2", "-bytes", "16384", "-mr", "-evp",
                           "aes-128-gcm"], capture_output=True, text=True, check=True)
    speed = float(re.search(r"^\+F:.*:([\d.]+)$", done.stdout, re.M)[1])
    return 1e9 / speed


def least_of_openssl(bench):
    """What tls_least says: memory of an idle end, and CPU of a gigabyte in and out."""
    figures = {}
    for arguments in (("idle", 1000), ("bulk", 1024)):
        done = subprocess.run([bench.program("tls_least"), bench.certificate, bench.key,
                               *map(str, arguments)], capture_output=True, text=True, check=True)
        figures.update(json.loads(done.stdout))
    return figures


def print_handshakes(kind, results):
    print(f"\nhandshakes, {kind}")
    print(f"{'':12}{'full/s':>8}{'us CPU':>8}{'resumed/s':>11}{'us CPU':>8}")
    for name, r in results.items():
        if kind in r:
            print(f"{name:12}{r[kind]['full']:8.0f}{r[kind]['full_us']:8.0f}"
                  f"{r[kind]['resumed']:11.0f}{r[kind]['resumed_us']:8.0f}")


def print_table(title, results):
    print(f"\n{title}")
    print(f"{'':12}{'MB/s':>7}{'CPU s/GB':>10}{'idle KiB':>10}")
    for name, r in results.items():
        idle = f"{r['idle'] / 1024:10.1f}" if "idle" in r else ""
        print(f"{name:12}{r['mb_per_s']:7.0f}{r['cpu_s_per_gb']:10.2f}{idle}")


def print_least(least):
    print(f"\nOpenSSL alone: idle {least['idle_bytes'] / 1024:.1f} KiB; CPU s/GB: "
          f"{least['write_s_per_gb']:.2f} to make records, {least['read_s_per_gb']:.2f} to "
          "take them apart")


def print_verdict(kinds, one, both, cipher, least):
    ours, nginx = one.get("mailferry"), one.get("nginx")
    print()
    for kind in kinds if ours and nginx else ():
        ratios = {key: ours[kind][key] / nginx[kind][key] for key in ours[kind]}
        print(f"handshakes/s, {kind}: {ratios['full']:.2f} of nginx, resumed "
              f"{ratios['resumed']:.2f} (target: at least 1); CPU: {ratios['full_us']:.2f}, "
              f"{ratios['resumed_us']:.2f}")
    if ours:
        print(f"idle session: {ours['idle'] / 1024:.1f} KiB (target: at most 12; OpenSSL alone: "
              f"{least['idle_bytes'] / 1024:.1f})")
    plain = one.get("read-write")
    for legs, results in ((1, one), (2, both)):
        if plain and "mailferry" in results:
            limit = legs * cipher + plain["cpu_s_per_gb"]
            cost = results["mailferry"]["cpu_s_per_gb"]
            print(f"bulk, {legs} leg(s) of TLS: {cost:.2f} CPU s/GB is {cost / limit:.2f} of the "
                  f"limit, {legs} x {cipher:.2f} + {plain['cpu_s_per_gb']:.2f} "
                  "(target: at most 1.15)")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--before", help="a build folder to compare with")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=["rsa", "ec"])
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--handshakes", type=int, default=4000)
    parser.add_argument("--idle", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.kinds, options.rounds = options.kinds[-1:], 2
        options.mib, options.handshakes, options.idle = 384, 1000, 500
    return options


def medians(turns):
    """Of numbers, and of what is in dictionaries."""
    return {key: medians([t[key] for t in turns]) if isinstance(value, dict)
            else statistics.median(t[key] for t in turns) for key, value in turns[0].items()}


def rounds(bench, options):
    """[(with one leg of TLS, with both)]: {name: medians} each."""
    wanted = options.only.split(",") if options.only else [c.name for c in CONTENDERS]
    chosen = [c for c in CONTENDERS
              if c.name in wanted and (options.before or c.name != "before")]
    turns = ({}, {})
    for turn in range(options.rounds):
        for contender in chosen:
            for legs in (1, 2):
                if legs == 2 and contender.name in ("nginx", "read-write"):
                    continue
                print(f"round {turn + 1}: {contender.name} {legs}", file=sys.stderr)
                turns[legs - 1].setdefault(contender.name, []).append(
                    bench.measure(contender(), legs, options))
    return [{name: medians(list_) for name, list_ in t.items()} for t in turns]


def main():
    options = parse()
    with tempfile.TemporaryDirectory(prefix="mf-bench-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)  # the programs have users of their own
        bench = TlsBench(options, folder)
        try:
            bench.network.create()
            plain = Daemon(bench.network.source, [bench.program("bench_source"), SOURCE, PLAIN],
                           bench.folder / "source.log")
            front = Daemon(bench.network.source, ["haproxy", "-db", "-f", haproxy_config(
                bench, "source.cfg", 1, SOURCE, f"{SOURCE}:{PLAIN}")],
                bench.folder / "front.log")
            wait_for_port(bench.network.client, SOURCE, PLAIN, plain)
            wait_for_port(bench.network.client, SOURCE, TLS, front)
            one, both = rounds(bench, options)
            least = least_of_openssl(bench)
        finally:
            bench.network.remove()
    for kind in options.kinds:
        print_handshakes(kind, one)
    print_table(f"TLS with the client ({options.kinds[0]})", one)
    print_table("TLS on both legs", both)
    print_least(least)
    print_verdict(options.kinds, one, both, cipher_seconds_per_gb(), least)


if __name__ == "__main__":
    main()
