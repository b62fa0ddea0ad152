#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an idle session costs: accounts with sessions in IDLE, each account's process by itself.

    tests/bench/idle.py [--build build/release] [--accounts 50] [--sessions 1] [--messages 30]

A session has logged in, read the mailbox's list as a client does, and waits. Printed is the memory
that is theirs alone (PSS: what processes share is divided among them), at once and when the
processes have given back what they do not need.
"""
import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "tests" / "serve"), str(ROOT / "tests")]

from mailstore import Mailstore  # noqa: E402

GIVEN_BACK_S = 8  # mailstore/quiet.c: 5


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
          f"the master {pss_kib(store.process.pid)} KiB")


def run(store, options):
    for n in range(options.accounts):
        store.add_account(f"u{n}", "/")
    clients = [idle_session(store, f"u{n}", options.messages if s == 0 else 0)
               for n in range(options.accounts) for s in range(options.sessions)]
    measure(store, options, "at once")
    time.sleep(GIVEN_BACK_S)
    measure(store, options, "later")
    for client in clients:
        client.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=ROOT / "build/release", type=Path)
    for name, number in (("accounts", 50), ("sessions", 1), ("messages", 30)):
        parser.add_argument(f"--{name}", type=int, default=number)
    options = parser.parse_args()
    os.environ["MAILFERRY_BIN"] = str(options.build / "bin")
    folder = tempfile.mkdtemp(prefix="mailferry-idle-")
    store = Mailstore(folder, options.build / "bin")
    try:
        run(store, options)
    finally:
        store.close()
        shutil.rmtree(folder, True)


if __name__ == "__main__":
    main()
