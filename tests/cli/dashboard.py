# SPDX-License-Identifier: GPL-3.0-or-later
"""A dashboard in a house of its own, and a client that speaks HTTP to it."""
import http.client
import re
import socket
import time
import urllib.parse

import cli
from cli import expect, wait_until

PORT = 8625
PATIENCE = 2 * cli.PATIENCE  # an action is waited for so long
FIRST_PLACE = 8  # of the dashboard's user in uid_range (lib/users/users.c)


class FileConnection(http.client.HTTPConnection):
    """HTTP by a socket file."""

    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client:
    """One browser: it keeps its cookie. file: a socket instead of the port."""

    def __init__(self, token=None, file=None):
        self.cookie, self.file = "", file
        if token:
            status, headers, _ = self.post("/login", token=token)
            expect((status, headers["Location"]) == (303, "/"), f"login: {status}")
            self.cookie = headers["Set-Cookie"].split(";")[0]

    def ask(self, method, path, body=None, **headers):
        """(status, headers, text)"""
        http_client = FileConnection(self.file) if self.file else http.client.HTTPConnection(
            "127.0.0.1", PORT, timeout=PATIENCE)
        sent = {"Cookie": self.cookie} if self.cookie else {}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        if body is not None:
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        http_client.request(method, path, body, sent)
        answer = http_client.getresponse()
        text = answer.read().decode()
        http_client.close()
        return answer.status, answer.headers, text

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def page(self, path="/"):
        status, _, text = self.get(path)
        expect(status == 200, f"{path}: {status} {text[-400:]}")
        return text

    def post(self, path, _headers=None, **fields):
        return self.ask("POST", path, urllib.parse.urlencode(fields), **(_headers or {}))

    def secret(self):
        return re.search(r'name="form" value="([0-9a-f]{32})"', self.page())[1]


def settings(admin=False, listen=f"127.0.0.1:{PORT}"):
    return f'dashboard {{ listen = "{listen}" admin = {str(admin).lower()} }}\n'


def prepare(house, **options):
    """Its configuration."""
    house.config.write_text(house.config.read_text() + settings(**options))


def start(house, **options):
    """Runs it alone, without `up`; its token."""
    prepare(house, **options)
    house.start(str(house.root / "bin/mailferry-dashboard"), "-c", str(house.config))
    wait_until(lambda: "dashboard info - ready" in house.log(), "it is ready")
    return token(house)


def stand_in(house, script):
    """Runs in the place of `mailferry`, which is "$0.real" from now on."""
    command = house.root / "bin/mailferry"
    command.rename(f"{command}.real")
    command.write_text(script)
    command.chmod(0o755)


def token(house):
    return (house.state / "dashboard.token").read_text().strip()


def took(what):
    began = time.monotonic()
    result = what()
    return time.monotonic() - began, result
