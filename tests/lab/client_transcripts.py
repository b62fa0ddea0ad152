# SPDX-License-Identifier: GPL-3.0-or-later
"""What mail programs say first, inside TLS: tests/transcripts/clients.

    # name of the program
    T: 587 1.2              the port, and the newest TLS that it speaks
    C: AUTH PLAIN {plain}   it says this: {user}, {password}, {plain}, {user64}, ...
    S: 235 ...              and reads to a line like that
    TLS                     STARTTLS is done: the handshake
"""
import base64
import re
import ssl
from pathlib import Path

from . import tls
from .harness import true

FOLDER = Path(__file__).resolve().parents[1] / "transcripts/clients"
IMPLICIT = (993, 995, 465)
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def rows(*protocols):
    """(name, path) of those of these protocols, for @table."""
    return [(path.stem, path) for path in sorted(FOLDER.glob("*.txt"))
            if path.stem.rsplit("-", 1)[1] in protocols]


def read(path):
    """(port, newest version, [(who, text)])"""
    port, version, lines = None, None, []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("T: "):
            port, version = line[3:].split()
        elif line[:3] in ("C: ", "S: ") or line == "C:":
            lines.append((line[0], line[3:]))
        elif line == "TLS":
            lines.append(("TLS", ""))
    return int(port), VERSIONS[version], lines


def pattern(text):
    return re.compile(".*".join(re.escape(part) for part in text.split("...")).encode() + rb"\r\n")


def expect(file, text, name):
    """Reads to a line like that one."""
    wanted, line, last = pattern(text), b"", b""
    while not wanted.fullmatch(line):
        last = line
        try:
            line = file.readline()
        except TimeoutError:
            line = b""
        true(line, f"{name}: nothing like {text!r} came; last came {last!r}")
        true(b" BAD " not in line[:12], f"{name}: {line!r} instead of {text!r}")


def play(world, user, path, **words):
    port, version, lines = read(path)
    context = tls.client_context(newest=version)
    if version == ssl.TLSVersion.TLSv1_2:  # a program of that time offers no curve that is younger
        context.set_ecdh_curve("prime256v1")
    connection = world.lab.connect(port, world.address(user), timeout=5)
    if port in IMPLICIT:
        connection = tls.begin(connection, context=context)
    file = connection.makefile("rb")
    password = world.password(user)
    words = {"user": user, "password": password,
             "plain": base64.b64encode(f"\0{user}\0{password}".encode()).decode(),
             "user64": base64.b64encode(user.encode()).decode(),
             "password64": base64.b64encode(password.encode()).decode(), **words}
    for who, text in lines:
        for name, value in words.items():
            text = text.replace("{%s}" % name, value)
        if who == "TLS":
            connection = tls.begin(connection, context=context)
            file = connection.makefile("rb")
        elif who == "C":
            connection.sendall(text.encode() + b"\r\n")
        else:
            expect(file, text, path.stem)
    connection.close()
