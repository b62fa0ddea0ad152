#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an idle session costs: accounts with sessions in IDLE, with a process each and asleep.

    tests/bench/idle.py [--build build/release] [--accounts 50] [--sessions 1] [--messages 30]
    tests/bench/idle.py --accounts 10000 --messages 1 --asleep      # the last figure alone

A session has logged in, read the mailbox's list as a client does, and waits. Printed is the memory
that is theirs alone (PSS: what processes share is divided among them): at once, when the processes
have given back what they do not need, and when the sessions sleep and only the master is left; and
how long the first answer takes then.
"""
import argparse
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "tests" / "serve"), str(ROOT / "tests")]

from mailstore import Mailstore, wait_for  # noqa: E402

GIVEN_BACK_S = 8  # mailstore/quiet.c: 5
HIBERNATE_S = 15


def processes(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def pss_kib(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(pid)


def fill(client, messages):
    body = b"Subject: news\r\n\r\n" + b"x" * 2000 + b"\r\n"
    for _ in range(messages):
        client.ok(b"APPEND INBOX {%d+}\r\n%s" % (len(body), body))


def idle_session(store, account, messages):
    client = store.imap(account)[0]
    fill(client, messages)
    client.ok("SELECT INBOX")
    client.ok("FETCH 1:* (UID FLAGS ENVELOPE)")
    client.send(b"i IDLE\r\n")
    return client


def measure(store, options, when):
    each = [pss_kib(pid) for pid in processes(store.process.pid)]
    print(f"  {when:12} {sum(each) / len(each):7.0f} KiB an account, "
          f"{sum(each) / options.accounts / options.sessions:7.0f} KiB a session; "
          f"the master {pss_kib(store.process.pid)} KiB", flush=True)


def all_asleep(store):
    return not processes(store.process.pid)


def measure_asleep(store, options, empty):
    wait_for(lambda: all_asleep(store), 60 + options.accounts / 20)
    more = pss_kib(store.process.pid) - empty
    print(f"  {'asleep':12} {more / options.accounts:7.2f} KiB an account, "
          f"{more / options.accounts / options.sessions:7.2f} KiB a session: "
          f"the master {empty + more} KiB, {empty} before the first login", flush=True)


def measure_waking(clients):
    spent = []
    for client in clients[:50]:
        began = time.monotonic()
        client.send(b"DONE\r\n")
        while not client.line().startswith(b"i "):
            pass
        spent.append(time.monotonic() - began)
    print(f"  {'awake after':12} {1000 * statistics.median(spent):7.1f} ms (median), "
          f"{1000 * max(spent):.1f} at the most", flush=True)


def run(store, options):
    for n in range(options.accounts):
        store.add_account(f"u{n}", "/")
    empty = pss_kib(store.process.pid)
    clients = [idle_session(store, f"u{n}", options.messages if s == 0 else 0)
               for n in range(options.accounts) for s in range(options.sessions)]
    if not options.asleep:
        measure(store, options, "at once")
        time.sleep(GIVEN_BACK_S)
        measure(store, options, "later")
    measure_asleep(store, options, empty)
    measure_waking(clients)
    for client in clients:
        client.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=ROOT / "build/release", type=Path)
    for name, number in (("accounts", 50), ("sessions", 1), ("messages", 30)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--asleep", action="store_true")
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.environ["MAILFERRY_BIN"] = str(options.build / "bin")
    folder = tempfile.mkdtemp(prefix="mailferry-idle-")
    store = Mailstore(folder, options.build / "bin",
                      hibernate=1 if options.asleep else HIBERNATE_S)
    try:
        run(store, options)
    finally:
        store.close()
        shutil.rmtree(folder, True)


if __name__ == "__main__":
    main()
