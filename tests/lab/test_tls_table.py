#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What TLS we speak, as a table: versions, ciphers, curves, names, tickets, and what is
refused. And what must not be found: a private key outside the vault.

test_tls_table.py [--long] [WORD...]
"""
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import harness, tls  # noqa: E402
from lab.harness import case, equal, nothing, table, true  # noqa: E402
from lab.network import SOURCE_ADDRESS  # noqa: E402
from lab.processes import descendants, memory_of, wait_until  # noqa: E402
from lab.tls_world import TlsWorld, imap_inside  # noqa: E402

LONG = "--long" in sys.argv[1:]
STALLED = 1000 if LONG else 300  # handshakes that stop somewhere
OLD = "DEFAULT:@SECLEVEL=0"      # without it the client's own library refuses


def s_client(world, *options, text="", port=993, timeout=20):
    """What openssl s_client says. text: to the server, then the end."""
    done = world.lab.client.run(
        "openssl", "s_client", "-connect", f"{SOURCE_ADDRESS[0]}:{port}", "-servername", tls.NAME,
        *options, input=text, timeout=timeout)
    return done.stdout


def agreed(output):
    """(version, cipher, key for the exchange); Nones: no handshake."""
    cipher = re.search(r"^New, (\S+), Cipher is (\S+)$", output, re.M)
    group = re.search(r"^Server Temp Key: (\w+)(?:, (?:prime256v1|secp384r1|P-256|P-384))?",
                      output, re.M)
    if not cipher or cipher[2] == "(NONE)":
        return None, None, None
    version = re.search(r"^\s*Protocol\s*: (\S+)$", output, re.M)
    return (version[1] if version else cipher[1]), cipher[2], group and group[0].split(": ")[1]


# what the client offers -> version and cipher, or an alert
@table([
    ("TLS 1.0", ["-tls1"], "protocol version"),
    ("TLS 1.1", ["-tls1_1"], "protocol version"),
    ("TLS 1.2", ["-tls1_2"], ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")),
    ("TLS 1.3", ["-tls1_3"], ("TLSv1.3", "TLS_AES_256_GCM_SHA384")),
    ("1.3, ChaCha20", ["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
     ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256")),
    ("ECDSA, 128 bits", ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"],
     ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")),
    ("RSA, ChaCha20", ["-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"],
     ("TLSv1.2", "ECDHE-RSA-CHACHA20-POLY1305")),
    ("DHE", ["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"],
     ("TLSv1.2", "DHE-RSA-AES128-GCM-SHA256")),
    ("RSA without forward secrecy", ["-tls1_2", "-cipher", "AES128-GCM-SHA256"], "handshake failure"),
    ("CBC", ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256"], "handshake failure"),
    ("3DES and RC4", ["-tls1_2", "-cipher", "DES-CBC3-SHA:RC4-SHA:AES128-SHA:@SECLEVEL=0"],
     "handshake failure"),
    ("no certificate", ["-tls1_2", "-cipher", "aNULL:@SECLEVEL=0"], "handshake failure"),
])
def versions_and_ciphers(world, options, wanted):
    if options[0] in ("-tls1", "-tls1_1"):
        options = [*options, "-cipher", OLD]
    output = s_client(world, *options)
    if isinstance(wanted, tuple):
        equal(agreed(output)[:2], wanted, output[-600:])
    else:
        equal(agreed(output)[1], None, "cipher")
        true(f"alert {wanted}" in output, output[-600:])


@table([("X25519", "X25519", "X25519"), ("P-256", "P-256", "ECDH"), ("P-384", "P-384", "ECDH"),
        ("P-521", "P-521", None), ("X448", "X448", None)])
def curves(world, offered, wanted):
    for version in ("-tls1_3", "-tls1_2"):
        group = agreed(s_client(world, version, "-curves", offered, "-cipher", "ECDHE"))[2]
        true(group is None if wanted is None else (group or "").startswith(wanted),
             f"{version}: {group}")


@case
def a_retry_of_the_key_exchange(world):
    """The client's first guess is a curve that we do not speak (HelloRetryRequest)."""
    output = s_client(world, "-tls1_3", "-curves", "P-521:P-384")
    equal(agreed(output)[0], "TLSv1.3", output[-300:])


@table([("exact", tls.NAME, True), ("in capitals", tls.NAME.upper(), True),
        ("none", None, True), ("another", "other.example.com", False),
        ("below it", "x." + tls.NAME, False), ("the domain", "example.com", False)])
def names(world, name, ours):
    connection = world.secure(993, name=name)
    equal(tls.shown(connection), tls.in_file(world.ours[0]) if ours else world.source_certificate)
    connection.close()


def resumes(world, context, session):
    """(a new connection's session, whether it was resumed)"""
    raw = world.lab.connect(993)
    connection = context.wrap_socket(raw, server_hostname=tls.NAME, session=session)
    connection.recv(1)  # tickets of TLS 1.3 come before the first byte
    got = connection.session, connection.session_reused
    connection.close()
    return got


@table([("1.2", ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3)])
def tickets_are_good_in_all_workers(world, version):
    """The kernel deals connections out to the workers."""
    true(len(world.ferry.processes("interceptor")) > 2, "several workers")
    context = tls.client_context(oldest=version, newest=version)
    session, reused = resumes(world, context, None)
    true(not reused and session.has_ticket, "the first is new and gets a ticket")
    for _ in range(12):
        session, reused = resumes(world, context, session)
        true(reused, "resumed")


@case
def a_ticket_of_somebody_else_is_no_harm(world):
    """Spoilt: a full handshake, no refusal."""
    path = world.lab.folder / "ticket.pem"
    s_client(world, "-tls1_2", "-sess_out", path)
    text = path.read_bytes()
    der = bytearray(ssl.PEM_cert_to_DER_cert(
        text.decode().replace("SSL SESSION PARAMETERS", "CERTIFICATE")))
    shown = s_client(world, "-tls1_2", "-sess_in", path)
    true("Reused, TLSv1.2" in shown, "as it is it resumes")
    at = bytes(der).rindex(b"\x04\x81") if b"\x04\x81" in der else len(der) - 60
    der[at + 40] ^= 0xff
    path.write_text(ssl.DER_cert_to_PEM_cert(bytes(der)).replace(
        "CERTIFICATE", "SSL SESSION PARAMETERS"), encoding="ascii")
    shown = s_client(world, "-tls1_2", "-sess_in", path)
    true("New, TLSv1.2" in shown, shown[-400:])


@case
def renegotiation_is_refused(world):
    shown = s_client(world, "-tls1_2", text="R\n")
    true("RENEGOTIATING" in shown and "no renegotiation" in shown, shown[-400:])


@case
def early_data_is_refused(world):
    """TLS 1.3 0-RTT: no ticket of ours allows it."""
    path = world.lab.folder / "early.pem"
    s_client(world, "-tls1_3", "-sess_out", path, "-ign_eof", text="a LOGOUT\r\n")
    shown = world.lab.client.run("openssl", "sess_id", "-in", path, "-noout", "-text").stdout
    true(re.search(r"Max Early Data: 0$", shown, re.M), shown[-300:])


def hello():
    """A ClientHello as a real client says it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls.client_context().wrap_bio(incoming, outgoing, server_hostname=tls.NAME)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return client, incoming, outgoing


def answers(connection, begun):
    """Goes on with a handshake whose hello is said; the greeting."""
    client, incoming, outgoing = begun
    while True:
        try:
            client.do_handshake()
            break
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            part = connection.recv(65536)
            true(part, "closed in the handshake")
            incoming.write(part)
    connection.sendall(outgoing.read())
    while True:
        try:
            return client.read(100)
        except ssl.SSLWantReadError:
            part = connection.recv(65536)
            true(part, "closed before the greeting")
            incoming.write(part)


def in_records(message, size):
    """The same handshake message in records of that size."""
    body = message[5:]
    return b"".join(message[:3] + len(body[n:n + size]).to_bytes(2, "big") + body[n:n + size]
                    for n in range(0, len(body), size))


@table([("a byte at a time", 1, None), ("in records of 60 bytes", None, 60),
        ("both", 7, 100)])
def a_hello_in_pieces(world, piece, record):
    begun = hello()
    bytes_of_it = begun[2].read()
    if record:
        bytes_of_it = in_records(bytes_of_it, record)
    connection = world.lab.connect(993)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for n in range(0, len(bytes_of_it), piece or len(bytes_of_it)):
        connection.sendall(bytes_of_it[n:n + (piece or len(bytes_of_it))])
        time.sleep(0.001 if piece else 0)
    true(answers(connection, begun).startswith(b"* OK"), "greeting")


def rest_of(connection):
    connection.settimeout(10)
    whole = b""
    try:
        while part := connection.recv(65536):
            whole += part
    except OSError:
        pass
    return whole


@table([("a record that is too large", b"\x16\x03\x01\xff\xff" + b"x" * 70000),
        ("a message that is too large", b"\x16\x03\x01\x40\x00\x01\xff\xff\xff\x03\x03" + b"x" * 16373),
        ("SSL 2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"x" * 40),
        ("IMAP in clear", b"a LOGIN alice secret\r\n")])
def what_is_no_hello_is_the_sources_to_refuse(world, words):
    """It goes there as it is; nothing of ours answers in clear, and others do not notice."""
    connection = world.lab.connect(993)
    try:
        connection.sendall(words)
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    answer = rest_of(connection)
    true(b"* OK" not in answer and b"LOGIN" not in answer, f"{answer!r:.200}")
    equal(tls.shown(world.secure(993)), tls.in_file(world.ours[0]), "the next client")


def kill_workers(world):
    for pid in world.ferry.processes("interceptor")[1:]:
        os.kill(pid, signal.SIGKILL)


def kill_servers(world):
    """The processes of the old server that speak TLS with us."""
    for pid in world.lab.source.pids():
        with contextlib.suppress(OSError):  # it has just ended
            if Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() == "imap-login":
                os.kill(pid, signal.SIGKILL)


def kill_mailboxes(world):
    """The processes of accounts that live here."""
    for pid in world.ferry.processes("mailstore")[1:]:
        os.kill(pid, signal.SIGKILL)


def say_goodbye(world):
    del world


@table([("LOGOUT", say_goodbye, True, False), ("our worker dies", kill_workers, False, False),
        ("the old server's process dies", kill_servers, False, False),
        ("LOGOUT here", say_goodbye, True, True), ("the account's process dies", kill_mailboxes, False, True)])
def a_cut_connection_is_no_end(world, strike, ends, here):
    """close_notify says that nothing is missing; a connection that breaks has none."""
    user = world.user(3)
    if here:
        imap_inside(world, user, world.secure(993, user)).logout()
        world.ferry.wait_account(user, stage="done", route="local")
    strict = tls.client_context()
    strict.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    connection = strict.wrap_socket(world.lab.connect(993, world.address(user)),
                                    server_hostname=tls.NAME, suppress_ragged_eofs=False)
    client = imap_inside(world, user, connection)
    if ends:
        client.ok("LOGOUT")
    strike(world)
    try:
        got = connection.recv(100)
    except (ssl.SSLError, ConnectionResetError):
        got = None
    equal(got, b"" if ends else None, "an end, not a cut" if ends else "a cut, not an end")
    wait_until("new connections", lambda: works(world) and works(world), 30, 0.2)


def works(world):
    try:
        return world.secure(993).recv(4)
    except (OSError, ssl.SSLError):
        return None


def flights():
    """How far a stalled client gets: bytes of its hello, or everything but its Finished."""
    whole = hello()[2].read()
    return [whole[:n] for n in (0, 1, 4, 5, 6, 9, 11, 43, len(whole) // 2, len(whole) - 1)] + [whole]


@case
def stalled_handshakes_disturb_nobody(world):
    stalled, steps = [], flights()
    for n in range(STALLED):
        connection = world.lab.connect(993)
        connection.sendall(steps[n % len(steps)])
        stalled.append(connection)
    user = world.user(3)
    slowest = 0
    for _ in range(5):
        began = time.monotonic()
        imap_inside(world, user, world.secure(993, user)).logout()
        slowest = max(slowest, time.monotonic() - began)
    true(slowest < 10, f"a login beside them took {slowest:.1f} s")
    for connection in stalled:
        connection.close()
    equal(world.secure(993).recv(4), b"* OK", "and afterwards")


# ---- keys ----

def numbers_of(key_file):
    """The secret numbers of a key, as bytes in both orders."""
    text = subprocess.run(["openssl", "pkey", "-in", key_file, "-noout", "-text"],
                          capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(prime1|prime2|priv):\n((?:    .*\n)+)", text, re.M)
    numbers = {name: bytes.fromhex(re.sub(r"[\s:]", "", digits)).lstrip(b"\0")
               for name, digits in found}
    return {f"{name} {order}": number if order == "big" else number[::-1]
            for name, number in numbers.items() for order in ("big", "little")}


def finds(pid, needles):
    """Names of the needles in that process's memory. Half of a number is enough."""
    return {name for chunk in memory_of(pid) for name, n in needles.items()
            if n[:len(n) // 2] in chunk or n[len(n) // 2:] in chunk}


@case
def no_private_key_outside_the_vault(world):
    for context in (tls.client_context(), tls.client_context(
            newest=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-RSA-AES128-GCM-SHA256")):
        workers = [threading.Thread(target=works, args=(world,)) for _ in range(20)]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
        world.secure(993, context=context).close()
    user = world.user(3)
    imap_inside(world, user, world.secure(993, user)).logout()
    world.ferry.wait_account(user, stage="done", route="local")
    client = imap_inside(world, user, world.secure(993, user))  # its process runs
    needles = {f"{kind} {name}": number for kind, file in zip(
        ("ec", "rsa"), world.ferry.settings["tls"]["key"]) for name, number in numbers_of(file).items()}
    equal(len(needles), 6, "numbers to look for")
    seen = {}
    for pid, name in descendants(world.ferry.daemon.pid) + [(world.ferry.daemon.pid, "up")]:
        seen.setdefault(name, set()).update(finds(pid, needles))
    vault = seen.pop("mailferry-vault")
    equal({name.rsplit(" ", 1)[0] for name in vault}, {"ec priv", "rsa prime1", "rsa prime2"},
          "the search finds them where they are")
    true({"mailferry-inter", "mailferry-mails", "mailferry-trans"} <= seen.keys(), f"{set(seen)}")
    nothing([f"{name}: {sorted(found)}" for name, found in seen.items() if found], "keys elsewhere")
    client.logout()


if __name__ == "__main__":
    harness.main(lambda: TlsWorld(settings={"hold": 20}),
                 [a for a in sys.argv[1:] if not a.startswith("--")])
