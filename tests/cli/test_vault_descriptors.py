#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vault without a free descriptor: who comes waits, and it does not spin meanwhile."""
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FREE, MANY, SECONDS = 4, 12, 1.0  # one process may have 16 connections


def active_seconds(pid):
    """That it ran, or wanted to: the same on a busy machine."""
    ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()
    return (int(ran) + int(waited)) / 1e9


def connected(door):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.connect(str(door))
    client.settimeout(0.1)
    return client


def is_greeted(client, timeout):
    client.settimeout(timeout)
    try:
        return bool(client.recv(65536))
    except TimeoutError:
        return False


def begin(program, config, log, most):
    """most: descriptors; None: as many as it likes."""
    def limit():
        if most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return subprocess.Popen([program, "-c", config], stderr=log, preexec_fn=limit)


def wait_for(vault, door):
    deadline = time.monotonic() + 30
    while not door.exists():
        assert vault.poll() is None and time.monotonic() < deadline, "it began"
        time.sleep(0.02)
    first = connected(door)
    assert is_greeted(first, 30), "the first is greeted"
    return first


def needs(vault, door):
    """Descriptors of a vault with one connection."""
    with wait_for(vault, door):
        return 1 + max(int(name) for name in os.listdir(f"/proc/{vault.pid}/fd"))


def run_out(vault, door):
    with wait_for(vault, door):
        clients = [connected(door) for _ in range(MANY)]
        greeted = [is_greeted(client, 0.1) for client in clients]
        assert not all(greeted), "all had a descriptor"
        before = active_seconds(vault.pid)
        time.sleep(SECONDS)
        took = active_seconds(vault.pid) - before
        assert took < SECONDS / 2, f"{took:.2f} s active within {SECONDS} s"
        for client, is_in in zip(clients[:-1], greeted):
            if is_in:
                client.close()
        waiting = clients[greeted.index(False)]
        assert is_greeted(waiting, 30), "it is served when there is room again"


def stop(vault, door):
    vault.terminate()
    vault.wait()
    door.unlink(missing_ok=True)


def main():
    if os.geteuid() != 0:
        sys.exit(77)
    folder = Path(tempfile.mkdtemp(prefix="mf-vault-"))
    os.chmod(folder, 0o755)
    config = folder / "conf"
    (folder / "run").mkdir()
    config.write_text(f'source = "127.0.0.1"\ndomains = {{"example.com"}}\n'
                      f'state_dir = "{folder}/state"\nrun_dir = "{folder}/run"\n',
                      encoding="ascii")
    tool = [sys.argv[2], config]
    subprocess.run([*tool, "capture", "alice", "secret"], check=True)
    door = folder / "run/vault-login.sock"
    try:
        with open(folder / "log", "wb") as log:
            vault = begin(sys.argv[1], config, log, None)
            try:
                most = needs(vault, door) + FREE
            finally:
                stop(vault, door)
            vault = begin(sys.argv[1], config, log, most)
            try:
                run_out(vault, door)
            finally:
                stop(vault, door)
    except BaseException:
        print((folder / "log").read_text(errors="replace"))
        raise
    finally:
        shutil.rmtree(folder)


main()
