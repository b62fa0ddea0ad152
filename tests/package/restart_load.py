#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that come and go at one address: what each of them saw, as JSON.

restart_load.py FROM TO SECONDS [USER PASSWORD [CERTIFICATE]]   without them nobody logs in; with the
                                                         last by TLS, which it has to confirm
"""
import collections
import json
import socket
import ssl
import sys
import threading
import time

CLIENTS = 6
PATIENCE = 20
HOST = "mail.example.com"


class Cut(Exception):
    """The end of the connection where an answer was due."""


def line(reader):
    text = reader.readline()
    if not text:
        raise Cut
    return text


def connect(own, address, tls):
    s = socket.create_connection((address, 993 if tls else 143), PATIENCE, (own, 0))
    return tls.wrap_socket(s, server_hostname=HOST) if tls else s


def visit(own, address, user, tls):
    """What became of one connection: "ok" or "bye", or an exception."""
    with connect(own, address, tls) as s:
        reader = s.makefile("rb")
        if line(reader).startswith(b"* BYE"):
            return "bye"
        for word in ([b"LOGIN %s %s" % user] if user else []) + [b"LOGOUT"]:
            s.sendall(b"a " + word + b"\r\n")
            text = line(reader)
            while not text.startswith(b"a "):
                if text.startswith(b"* BYE") and word != b"LOGOUT":
                    return "bye"
                text = line(reader)
            if not text.startswith(b"a OK"):
                return text.decode("ascii", "replace").strip()
    return "ok"


def judge(*where):
    try:
        return visit(*where)
    except (Cut, OSError) as e:
        return type(e).__name__


def main():
    own, address, seconds = *sys.argv[1:3], float(sys.argv[3])
    user = tuple(word.encode() for word in sys.argv[4:6]) or None
    tls = ssl.create_default_context(cafile=sys.argv[6]) if sys.argv[6:] else None
    seen, slowest, lock = collections.Counter(), [0.0], threading.Lock()
    end = time.monotonic() + seconds

    def client():
        begin = 0.0
        while begin < end:
            begin = time.monotonic()
            what = judge(own, address, user, tls)
            with lock:
                seen[what] += 1
                slowest[0] = max(slowest[0], time.monotonic() - begin)
            time.sleep(0.01)

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"seen": seen, "slowest": round(slowest[0], 2)}))


if __name__ == "__main__":
    main()
