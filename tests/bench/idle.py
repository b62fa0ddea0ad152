#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an idle session costs: accounts with sessions in IDLE, with a process each and asleep.

    tests/bench/idle.py [--build build/release] [--accounts 50] [--sessions 1] [--messages 30]
    tests/bench/idle.py --accounts 10000 --messages 1 --asleep      # the last figures alone (10 minutes)

A session has logged in, read the mailbox's list as a client does, and waits. Printed is the memory
that is theirs alone (PSS: what processes share is divided among them): at once, when the processes
have given back what they do not need, and when the sessions sleep and only the master is left; and
how long the first answer takes then, one by one and when many wake at once.
"""
import argparse
import os
import resource
import shutil
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "tests" / "serve"), str(ROOT / "tests")]

from mailstore import Mailstore, give, wait_for  # noqa: E402
from lab.imap import Imap  # noqa: E402

GIVEN_BACK_S = 8  # mailstore/quiet.c: 5
HIBERNATE_S = 15
TOGETHER = 100
BATCH = 16
LIST_AND_WAIT = b"s SELECT INBOX\r\nf FETCH 1:* (UID FLAGS ENVELOPE)\r\ni IDLE\r\n"


def processes(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def pss_kib(pid, kind="Pss"):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(kind + ":"):
            return int(line.split()[1])
    raise ValueError(pid)


def fill(client, messages):
    body = b"Subject: news\r\n\r\n" + b"x" * 2000 + b"\r\n"
    for _ in range(messages):
        client.ok(b"APPEND INBOX {%d+}\r\n%s" % (len(body), body))


def make_accounts(store, options):
    """The first by its server, the others as copies of it."""
    store.add_account("u0", "/")
    client = store.imap("u0")[0]
    fill(client, options.messages)
    client.logout()
    wait_for(lambda: all_asleep(store), 60)
    for n in range(1, options.accounts):
        shutil.copytree(store.account_folder("u0"), store.account_folder(f"u{n}"))
        give(store.account_folder(f"u{n}"))


def idle_sessions(store, accounts):
    """Their processes start beside one another."""
    sockets = []
    for account in accounts:
        ours, theirs = socket.socketpair()
        ours.settimeout(60)
        store.serve(account, theirs, payload=LIST_AND_WAIT)
        sockets.append(ours)
    clients = [Imap(ours) for ours in sockets]
    for client in clients:
        while not client.line().startswith(b"+ "):
            pass
    return clients


def measure(store, options, when):
    each = [pss_kib(pid) for pid in processes(store.process.pid)]
    print(f"  {when:12} {sum(each) / len(each):7.0f} KiB an account, "
          f"{sum(each) / options.accounts / options.sessions:7.0f} KiB a session; "
          f"the master {pss_kib(store.process.pid)} KiB", flush=True)


def all_asleep(store):
    return not processes(store.process.pid)


def measure_asleep(store, options, empty):
    wait_for(lambda: all_asleep(store), 60 + options.accounts / 20)
    more = pss_kib(store.process.pid, "Pss_Anon") - empty
    print(f"  {'asleep':12} {more / options.accounts:7.2f} KiB an account, "
          f"{more / options.accounts / options.sessions:7.2f} KiB a session: "
          f"of its own the master has {empty + more} KiB, {empty} before the first login", flush=True)


def children_ms(pid):
    """Processor time of those that have ended."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[13:15]
    return 1000 * sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def measure_waking(store, clients, at_once):
    before = children_ms(store.process.pid)
    began, spent = time.monotonic(), []
    if at_once:
        for client in clients:
            client.send(b"DONE\r\n")
    for client in clients:
        if not at_once:
            began = time.monotonic()
            client.send(b"DONE\r\n")
        while not client.line().startswith(b"i "):
            pass
        spent.append(time.monotonic() - began)
    print(f"  {'awake after':12} {1000 * statistics.median(spent):7.1f} ms (median), "
          f"{1000 * max(spent):.1f} at the most, {f'{len(clients)} at once' if at_once else 'one by one'}", flush=True)
    wait_for(lambda: all_asleep(store), 60)
    each = (children_ms(store.process.pid) - before) / len(clients)
    print(f"  {'':12} {each:7.1f} ms of processor time each, until it sleeps again", flush=True)


def run(store, options):
    make_accounts(store, options)
    empty = pss_kib(store.process.pid, "Pss_Anon")
    accounts, clients = [f"u{n}" for n in range(options.accounts) for _ in range(options.sessions)], []
    while accounts:
        clients += idle_sessions(store, accounts[:BATCH])
        del accounts[:BATCH]
    if not options.asleep:
        measure(store, options, "at once")
        time.sleep(GIVEN_BACK_S)
        measure(store, options, "later")
    measure_asleep(store, options, empty)
    measure_waking(store, clients[:50], False)
    if len(clients) > 50:
        measure_waking(store, clients[50:50 + TOGETHER], True)
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
