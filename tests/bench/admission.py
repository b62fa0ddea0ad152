#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the admission costs a new connection: from SYN to SYN-ACK, each judged by the program
behind the queue, and by the kernel alone while there is room (as it runs), beside the same rules
without a queue, in one run.

    tests/bench/admission.py [--build build/release] [--rate 20000] [--seconds 3] [--rounds 3]

A client and a router in namespaces. SYNs come at a steady rate, each of another connection,
to a listener of ours behind the rules; the admission has one processor, the sender another,
both before all else that runs on the machine. Rounds take turns; medians are printed, and the admission's CPU time. Then, a second time, at a twentieth
of the rate: what one desk feels.
"""
import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/nft"))

from interceptor import Interceptor, encode  # noqa: E402
from network import SOURCE4, Network, SO_MARK, transparent  # noqa: E402

PORT, LISTENER, MARK_LISTENER = 143, 19782, 0x20000000
ADDRESSES = 20  # of the client, 60,000 ports each
QUEUE = f"queue=xt:{os.cpu_count()}"
KINDS = {"no queue": [], "queue": [QUEUE], "kernel": [QUEUE, "room=0"]}


def on(processor):
    """Real-time and on one processor: what else runs on this machine is not measured."""
    return ("chrt", "-f", "1", "taskset", "-c", str(processor % os.cpu_count()))


class Bench:
    def __init__(self, build):
        self.bin = build / "bin"
        self.net = Network()
        for i in range(ADDRESSES):
            self.net.client.run("ip", "addr", "add", f"10.71.1.{100 + i}/24", "dev", "eth0")
        for name, value in (("net.ipv4.tcp_max_syn_backlog", 65536),
                            ("net.core.somaxconn", 65536),
                            ("net.netfilter.nf_conntrack_max", 1048576)):
            self.net.router.run("sysctl", "-qw", f"{name}={value}", check=False)
        self.listener = self.net.router.socket(socket.AF_INET)
        transparent(self.listener)
        self.listener.setsockopt(socket.SOL_SOCKET, SO_MARK, MARK_LISTENER)
        self.listener.bind(("0.0.0.0", LISTENER))
        self.listener.listen(65535)
        self.folder = tempfile.TemporaryDirectory(prefix="mf-bench-")
        config = Path(self.folder.name, "conf")
        config.write_text(f'source = "{SOURCE4}"\ndomains = {{"example.com"}}\n'
                          f'strategy = "after-logoff"\nstate_dir = "{self.folder.name}"\n'
                          f'run_dir = "{self.folder.name}"\n'
                          'limits { new_connections = 0 }\n', encoding="utf-8")
        os.chmod(self.folder.name, 0o755)  # the program has a user of its own
        self.interceptor = Interceptor(self.folder.name)
        self.admission = subprocess.Popen(
            ["ip", "netns", "exec", self.net.router.name, *on(0),
             self.bin / "mailferry-admission", "-c", config], stderr=subprocess.DEVNULL)
        while not Path(self.folder.name, "admission.sock").exists():
            time.sleep(0.05)

    def close(self):
        self.admission.terminate()
        self.admission.wait()
        self.interceptor.close()
        self.net.close()
        self.folder.cleanup()

    def rules(self, *words):
        self.net.router.run(self.bin / "rules_driver", "install", f"source={SOURCE4}",
                            f"service=imap:{PORT}:{PORT}:{LISTENER}", "fail=closed", *words)

    def cpu(self):
        """Seconds of the process on a processor."""
        return int(Path(f"/proc/{self.admission.pid}/schedstat").read_text().split()[0]) / 1e9

    def by_kernel(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.connect(f"{self.folder.name}/admission.sock")
            sock.send(encode("MESSAGE_JUDGED"))
            answer = sock.recv(65536)
        return json.loads(answer[answer.index(b"{"):])["by_kernel"]

    def run(self, rate, seconds, kind):
        self.rules(*KINDS[kind])
        time.sleep(1.5)  # it is calm for so long before it lets the kernel decide
        before, alone = self.cpu(), self.by_kernel()
        done = self.net.client.run(*on(1), self.bin / "bench_syn", "10.71.1.100", ADDRESSES, SOURCE4,
                                   PORT, rate, seconds)
        result = json.loads(done.stdout)
        result["cpu"] = (self.cpu() - before) / (result["sent"] / result["rate"])
        result["per_syn"] = (self.cpu() - before) * 1e6 / result["sent"]
        time.sleep(0.5)
        result["alone"] = (self.by_kernel() - alone) / result["sent"]
        return result


def report(bench, rate, seconds, rounds):
    runs = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind, some in runs.items():
            some.append(bench.run(rate, seconds, kind))
    middle = {kind: {key: statistics.median(run[key] for run in some) for key in some[0]}
              for kind, some in runs.items()}
    print(f"{rate} new connections a second:")
    for kind, m in middle.items():
        print(f"  {kind:10} {m['rate']:8.0f}/s sent, "
              f"{100 * m['answered'] / m['sent']:6.2f} % answered, SYN to SYN-ACK "
              f"p50 {m['p50']:6.1f} us, p90 {m['p90']:7.1f}, p99 {m['p99']:8.1f}"
              + (f"; admission {100 * m['cpu']:.0f} % of one processor, "
                 f"{m['per_syn']:.1f} us each" if KINDS[kind] else "")
              + (f", {100 * m['alone']:.1f} % by the kernel alone" if kind == "kernel" else ""))
    for kind in ("queue", "kernel"):
        print(f"  {kind}: {middle[kind]['p50'] - middle['no queue']['p50']:+.1f} us in the median")


def main():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", type=Path, default=ROOT / "build/release")
    options.add_argument("--rate", type=int, default=20000)
    options.add_argument("--seconds", type=float, default=3)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    bench = Bench(given.build.resolve())
    try:
        report(bench, given.rate, given.seconds, given.rounds)
        report(bench, given.rate // 20, given.seconds, given.rounds)
    finally:
        bench.close()


if __name__ == "__main__":
    main()
