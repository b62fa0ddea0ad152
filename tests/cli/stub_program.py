#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for one of our programs, so that the command and its supervisor are tested
without the others: listens on its socket, notes each message in <run_dir>/<name>.log and
answers as the real one would (lib/messages/message.h).

It is called by the name of the program whose part it plays, with -c FILE. What it does
besides is said by files in run_dir: <name>.exit (exit with that code at once),
<name>.delay (seconds before it listens), <name>.alarms and interceptor.flows (see there),
interceptor.deaf (it takes no clients).
"""
import os
import re
import select
import signal
import socket
import struct
import sys
import time

# of lib/messages/message.h; whoever copies this program writes them beside it
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "message-types"),
          encoding="ascii") as names:
    TYPES = names.read().split()
FIELDS = 7  # account first, payload last
FLOW = (b'{"id":"5f2c01","service":"imap","client":"192.0.2.1:40000","account":"alice",'
        b'"route":"source","started":1700000000000,"bytes_in":120,"bytes_out":3500000}')


def encode(kind, payload=b"", number=0, number2=0, account=b"", service=b"", text=b""):
    fields = [account, b"", service, b"", b"", text, payload]
    return (bytes([1, TYPES.index(kind)]) + struct.pack(">QQ", number, number2) +
            b"".join(struct.pack(">I", len(f)) + f for f in fields))


def decode(message):
    length = struct.unpack(">I", message[18:22])[0]
    return TYPES[message[1]], message[22:22 + length].decode()


ANSWERS = {
    "FLOWS": [encode("FLOW", FLOW), encode("FLOWS_END")],
    "QUIESCE": [encode("QUIESCED", number=1)],
    "RELEASE": [encode("RELEASED")],
    "KICK": [encode("KICKED", number=1)],
    "LOAD": [encode("LOAD_IS", number=1, number2=20000)],
}


def read(path, otherwise=None):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return otherwise


def alarms(base):
    """Of <name>.alarms: a line each, kind|account|text|how often|seconds ago."""
    for line in (read(base + ".alarms") or "").splitlines():
        kind, account, text, number, ago = line.split("|")
        yield encode("ALARM", service=kind.encode(), account=account.encode(),
                     text=text.encode(), number=int(number),
                     number2=int((time.time() - float(ago)) * 1000))
    yield encode("ALARMS_END")


def tally(base):
    """Of interceptor.tally, JSON, or nothing counted yet."""
    text = read(base + ".tally", '{"connections":1,"accepted":0}')
    return [encode("TALLY_IS", text.encode())]


def flows(base):
    """As many as interceptor.flows says, each of another user; else one."""
    many = read(base + ".flows")
    if many is None:
        return ANSWERS["FLOWS"]
    return [*(encode("FLOW", FLOW.replace(b"5f2c01", b"%x-1" % i).replace(b"alice", b"user%d" % i))
              for i in range(int(many))), encode("FLOWS_END")]


def serve(connection, log, base):
    """One message; False: the other end has gone."""
    message = connection.recv(131072)
    if not message:
        return False
    kind, account = decode(message)
    if kind != "LOAD":  # the admission asks all the time
        log.write(f"{kind} {account}\n")
        log.flush()
    special = {"ALARMS": alarms, "TALLY": tally, "FLOWS": flows}
    for answer in special[kind](base) if kind in special else ANSWERS.get(kind, []):
        connection.send(answer)
    return True


def serve_all(listener, log, base):
    """In the order in which they connected."""
    connections = []
    while True:
        for ready in select.select([listener, *connections], [], [])[0]:
            if ready is listener:
                connections.append(listener.accept()[0])
                continue
            try:
                stays = serve(ready, log, base)
            except OSError:
                stays = False
            if not stays:
                connections.remove(ready)
                ready.close()


IP_TRANSPARENT = 19
LISTEN_PORTS = range(19780, 19787)  # of the seven services, as settings give them


def listen_for_clients():
    """What the rules divert comes to somebody, so that `up` gets an answer to its probe."""
    listeners = []
    for port in LISTEN_PORTS:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
        except PermissionError:
            return listeners
        listener.bind(("0.0.0.0", port))
        listener.listen(8)
        listeners.append(listener)
    return listeners


def main():
    name = os.path.basename(sys.argv[0]).removeprefix("mailferry-")
    config = read(sys.argv[sys.argv.index("-c") + 1])
    run_dir = re.search(r'run_dir *= *"([^"]+)"', config)[1]
    base = f"{run_dir}/{name}"
    if (code := read(base + ".exit")) is not None:
        print(f"{name}: the stub was told to exit", file=sys.stderr)
        sys.exit(int(code))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    time.sleep(float(read(base + ".delay", "0")))
    deaf = os.path.exists(base + ".deaf")
    _clients = listen_for_clients() if name == "interceptor" and not deaf else []
    if os.path.exists(base + ".sock"):
        os.unlink(base + ".sock")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(base + ".sock")
    os.chmod(base + ".sock", 0o666)  # who asks is no root
    listener.listen(64)
    with open(base + ".pid", "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    with open(base + ".log", "a", encoding="utf-8") as log:
        serve_all(listener, log, base)


main()
