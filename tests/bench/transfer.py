#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transfer bench: one account of 20,000 messages, by each contender, in one run.

    tests/bench/transfer.py [--build build/release] [--messages 20000] [--rounds 1]
    tests/bench/transfer.py --connections 1,2,4 --rtt 0,20
    tests/bench/transfer.py --connections 1,2,4 --rtt 0,20 --messages 200000 --mean 2000

A real Dovecot holds the account (37 KB mean, four folders); the contenders copy it on
the router, one after the other, from as many milliseconds of round trip away:

    raw        raw_reader.c: everything pipelined, kept nowhere: the physical limit
    mailferry  from alice's log-off to route=local: copied, durable, verified, switched
    doveadm    doveadm backup -R from imapc: into mdbox
    mbsync     into Maildir, FSync no: not durable, no UIDs kept

All read the same warm files. Ratios count, not seconds. mailferry once for each number of
connections, with the largest memory of its transfer's processes.
"""
import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from lab import SOURCE_ADDRESS, Lab  # noqa: E402
from lab.distance import Distance  # noqa: E402
from lab.ferry import Ferry  # noqa: E402
from lab.mail import bulk  # noqa: E402
from lab.processes import descendants  # noqa: E402

SOURCE = SOURCE_ADDRESS[0]
FOLDERS = ["INBOX", "Bulk 1", "Bulk 2", "Bulk 3"]
PASSWORD = "wonderland"


class Bench:
    def __init__(self, lab, build):
        self.lab, self.build = lab, Path(build).resolve()
        self.folder = lab.folder / "bench"
        self.folder.mkdir()
        self.port, self.peak_rss, self.out_of_service_ms, self.now = 143, {}, {}, 0

    def fresh(self, name):
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        os.sync()  # nobody pays for another's dirty pages
        return place

    def timed(self, *command, **keywords):
        begin = time.monotonic()
        done = self.lab.router.run(*command, **keywords)
        took = time.monotonic() - begin
        if done.returncode != 0:
            raise SystemExit(f"{command}: exit {done.returncode}\n{done.stdout[-3000:]}")
        return took, done.stdout

    def raw(self):
        _, out = self.timed(self.build / "bin" / "raw_reader", SOURCE, self.port, "alice", PASSWORD,
                            *FOLDERS)
        return json.loads(out)["seconds"]

    def doveadm(self):
        place = self.fresh("doveadm")
        shutil.chown(place, "mail", "mail")  # Dovecot opens no mail as root
        config = place / "dovecot.conf"
        config.write_text(f"""
            base_dir = {place}/run
            log_path = {place}/log
            mail_location = mdbox:{place}/mail
            mail_home = {place}
            mail_uid = mail
            mail_gid = mail
            first_valid_uid = 1
            first_valid_gid = 1
            ssl = no
            imapc_host = {SOURCE}
            imapc_port = {self.port}
            imapc_user = alice
            imapc_password = {PASSWORD}
            mail_prefetch_count = 20
            imapc_features = fetch-headers
            namespace inbox {{
              inbox = yes
              separator = /
            }}
            """, encoding="ascii")
        return self.timed("doveadm", "-c", config, "backup", "-R", "imapc:",
                          env={**os.environ, "USER": "alice", "HOME": str(place)})[0]

    def mbsync(self):
        place = self.fresh("mbsync")
        config = place / "mbsyncrc"
        config.write_text("\n".join([
            "FSync no", "", "IMAPAccount source", f"Host {SOURCE}", f"Port {self.port}",
            "User alice", f"Pass {PASSWORD}",
            "SSLType None", "AuthMechs LOGIN", "", "IMAPStore far", "Account source", "",
            "MaildirStore near", f"Path {place}/mail/", f"Inbox {place}/mail/INBOX",
            "SubFolders Verbatim", "", "Channel all", "Far :far:", "Near :near:",
            "Patterns *", "Create Near", "Sync Pull", "SyncState *", ""]),
            encoding="ascii")
        (place / "mail").mkdir()
        took, _ = self.timed("mbsync", "-q", "-c", config, "all")
        return took

    def mailferry(self, connections):
        os.environ["MAILFERRY_BIN"] = str(self.build / "bin")
        shutil.rmtree(self.lab.folder / "ferry", ignore_errors=True)
        os.sync()
        ferry = Ferry(self.lab, limits={"source_connections": connections},
                      services={"imap": {"upstream": self.port}}).start()
        self.now = 0
        try:
            self._log_in_and_out()
            begin = time.monotonic()
            account = self._until_done(ferry)
            took = time.monotonic() - begin
        finally:
            ferry.stop()
        self.out_of_service_ms[connections] = account["out_of_service_ms"]
        self.peak_rss[connections] = self.now
        return took

    def _log_in_and_out(self):
        with self.lab.connect(143) as connection:
            connection.recv(4096)
            connection.sendall(f"a LOGIN alice {PASSWORD}\r\nb LOGOUT\r\n".encode())
            while connection.recv(4096):
                pass

    def _until_done(self, ferry):
        while True:
            account = ferry.account("alice")
            self._sample_memory(ferry)
            if account and account["stage"] == "done":
                return account
            if account and account["stage"] == "failed":
                raise SystemExit(f"the transfer failed: {account['last_error']}")
            time.sleep(0.02)

    def _sample_memory(self, ferry):
        for pid, name in descendants(ferry.daemon.pid):
            if not name.startswith("mailferry-trans"):
                continue
            try:
                text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
            except OSError:
                continue
            for line in text.splitlines():
                if line.startswith("VmHWM"):
                    self.now = max(self.now, int(line.split()[1]))


def numbers(text):
    return [int(word) for word in text.split(",")]


def run_all(bench, names, rounds):
    """{name: seconds}"""
    bench.raw()  # warm: Dovecot's caches and the kernel's
    times = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            what, _, connections = name.partition(" ")
            arguments = [int(connections)] if connections else []
            times[name].append(getattr(bench, what)(*arguments))
            print(f"{name}: {times[name][-1]:.2f} s", file=sys.stderr)
    return {name: statistics.median(values) for name, values in times.items()}


def show(bench, medians, size):
    for name, seconds in medians.items():
        of_raw = f"{medians['raw'] / seconds:6.2f} of raw" if "raw" in medians else ""
        line = f"{name:12}{seconds:8.2f} s{size / seconds / 1e6:8.0f} MB/s {of_raw}"
        if name.startswith("mailferry"):
            n = int(name.split()[1])
            line += (f"  RSS {bench.peak_rss[n] / 1024:.0f} MiB (target: at most 64), "
                     f"out of service {bench.out_of_service_ms[n]} ms")
        print(line)


def far(lab, milliseconds):
    """The source's IMAP port at that distance."""
    return Distance(lab.source, SOURCE, 143, milliseconds / 1000) if milliseconds else \
        contextlib.nullcontext(argparse.Namespace(port=143))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--mean", type=int, default=37_000, help="bytes of a message")
    parser.add_argument("--connections", type=numbers, default=[2], help="of mailferry: 1,2,4")
    parser.add_argument("--rtt", type=numbers, default=[0], help="round trips in ms: 0,20")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", help="names, separated by commas")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else ["raw", "mailferry", "doveadm", "mbsync"]
    names = [one for name in names for one in (
        [f"mailferry {n}" for n in options.connections] if name == "mailferry" else [name])]
    with Lab(users={"alice": PASSWORD}, storage="mdbox") as lab:
        lab.server.fill("alice", bulk(1, options.messages, options.mean))
        size = int(subprocess.run(["du", "-sb", lab.server.mail("alice")], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout.split()[0])
        print(f"{options.messages} messages, {size / 1e6:.0f} MB")
        bench = Bench(lab, options.build)
        for milliseconds in options.rtt:
            with far(lab, milliseconds) as there:
                bench.port = there.port
                print(f"round trip: {milliseconds} ms")
                show(bench, run_all(bench, names, options.rounds), size)


if __name__ == "__main__":
    main()
