#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many passwords the vault judges a second, one worker asking, and how long one takes.

    tests/bench/vault.py build/release/bin

The account's password is sealed, as it is until the source is retired; a second run is
made with wrong ones. Neither needs more than loopback and a folder of its own.
"""
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIELDS = ("account", "session", "service", "tag", "client", "text", "payload")
CHECK, VERDICT, AHEAD, SECONDS = 27, 28, 64, 3


def encode(kind, number=0, **fields):
    """lib/messages/message.c"""
    whole = struct.pack(">BBQQ", 1, kind, number, 0)
    for name in FIELDS:
        value = fields.get(name, b"")
        whole += struct.pack(">I", len(value)) + value
    return whole


def verdict(vault):
    """The next one; what else the vault tells a worker is not counted."""
    while (answer := vault.recv(65536))[1] != VERDICT:
        assert answer, "the vault has hung up"
    return struct.unpack_from(">Q", answer, 2)[0]


def ask(vault, password, ahead):
    """(answers a second, the verdicts seen)"""
    seen, n, asked = set(), 0, 0
    began = time.monotonic()
    while time.monotonic() - began < SECONDS:
        while asked - n < ahead:
            vault.send(encode(CHECK, 1, session=b"%d" % asked, service=b"imap",
                              client=b"192.0.2.1:4000", payload=password))
            asked += 1
        seen.add(verdict(vault))
        n += 1
    took = time.monotonic() - began
    answered = n
    while n < asked:
        verdict(vault)
        n += 1
    return answered / took, seen


def main():
    programs = Path(sys.argv[1] if len(sys.argv) > 1 else "build/release/bin")
    folder = Path(tempfile.mkdtemp(prefix="mf-bench-vault-"))
    config = folder / "conf"
    (folder / "run").mkdir()
    config.write_text(f'source = "127.0.0.1"\ndomains = {{"example.com"}}\n'
                      f'state_dir = "{folder}/state"\nrun_dir = "{folder}/run"\n')
    tool = [programs / "registry_tool", config]
    subprocess.run([*tool, "capture", "alice", "secret"], check=True)
    subprocess.run([*tool, "arrive", "alice"], check=True)
    vault = subprocess.Popen([programs / "mailferry-vault", "-c", config],
                             stderr=subprocess.DEVNULL)
    try:
        door = folder / "run/vault-login.sock"
        while not door.exists():
            time.sleep(0.05)
        asker = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asker.connect(str(door))
        asker.recv(65536)
        for name, password in (("right", b"secret"), ("wrong", b"sacred")):
            rate, seen = ask(asker, password, AHEAD)
            one, _ = ask(asker, password, 1)
            print(f"{name}: {rate:,.0f}/s, one at a time {1e6 / one:.0f} us, "
                  f"verdicts {sorted(seen)}")
        cpu = Path(f"/proc/{vault.pid}/stat").read_text().rsplit(")", 1)[1].split()
        print(f"vault: {(int(cpu[11]) + int(cpu[12])) / 100:.1f} s of CPU")
    finally:
        vault.terminate()
        vault.wait()
        shutil.rmtree(folder)


main()
