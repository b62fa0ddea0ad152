#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboard over HTTP: who may look, what is shown, what may be done, and what a
browser or somebody else on this host cannot do to it."""
import contextlib
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import cli
import dashboard
from cli import expect, wait_until
from dashboard import Client

HOSTILE = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "--help",
           "a&b=c#d?e/../f", "' or 1=1"]


def with_accounts(house, *names):
    house.state.mkdir(exist_ok=True)
    for name in names:
        house.tool("capture", name, "secret")


def account(house, name):
    return json.loads(house.good("account", "--json", "--", name))


def web_process(house):
    """The one that browsers talk to: the only child that stays."""
    found = [pid for pid in children(house.processes[-1].pid)
             if b"--worker" in about(pid, "cmdline")]
    expect(len(found) == 1, f"its processes: {found}")
    return found[0]


def about(pid, what):
    """b"" when it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{what}").read_bytes()
    return b""


def children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text(
        encoding="ascii").split()]


# ── who may look ──────────────────────────────────────────────────────────────────────


def test_it_is_off(house):
    house.state.mkdir()
    program = house.built / "mailferry-dashboard"
    done = subprocess.run([program, "-c", house.config], capture_output=True, text=True,
                          check=False)
    expect(done.returncode == 2 and "`dashboard { listen }` is not set" in done.stderr, done)


def test_login(house):
    with_accounts(house, "alice")
    token = dashboard.start(house)
    path = house.state / "dashboard.token"
    expect(stat.S_IMODE(path.stat().st_mode) == 0o600 and len(token) == 32, "its token")
    nobody = Client()
    expect(nobody.get("/")[0] == 303 and nobody.get("/")[1]["Location"] == "/login", "in vain")
    expect(nobody.get("/json/accounts")[0] == 401, "JSON")
    status, headers, text = nobody.post("/login", token=token[:-1] + "?")
    expect(status == 403 and "not the token" in text and not headers["Set-Cookie"], "wrong")
    expect(nobody.post("/login", token=token)[0] == 429, "right, but too soon")
    wait_until(lambda: nobody.post("/login", token=token)[0] == 303, "later")
    client = Client(token)
    _, headers, _ = client.post("/login", token=token)
    expect("HttpOnly" in headers["Set-Cookie"] and "SameSite=Strict" in headers["Set-Cookie"],
           headers["Set-Cookie"])
    expect("<title>mailferry</title>" in client.page() and "alice" in client.page(), "page")
    expect(client.post("/logout")[0] == 403, "a form of nobody's")
    expect(client.post("/logout", form=client.secret())[0] == 303, "log out")
    expect(client.get("/")[0] == 303, "it is over")
    expect(token not in house.log(), "no secret in the log")


def test_bad_tokens(house):
    house.state.mkdir()
    dashboard.prepare(house)
    path = house.state / "dashboard.token"
    for text, mode, said in (("short\n", 0o600, "is shorter than 20 characters"),
                             ("", 0o600, "is shorter than 20 characters"),
                             ("x" * 256, 0o600, "is longer than 255 characters"),
                             ("0123456789abcdefghij\n", 0o640, "can read the token")):
        path.write_text(text)
        path.chmod(mode)
        process = house.start(str(house.root / "bin/mailferry-dashboard"), "-c",
                              str(house.config))
        expect(process.wait(cli.PATIENCE) == 1, "it does not start")
        expect(said in house.log(), f"{said}: {house.log()}")


def test_headers(house):
    token = start_alone(house)
    client = Client(token)
    for path in ("/", "/login", "/style.css", "/json/accounts", "/nothing"):
        _, headers, _ = client.get(path)
        policy = headers["Content-Security-Policy"]
        expect("default-src 'none'" in policy and "unsafe" not in policy and
               "frame-ancestors 'none'" in policy, f"{path}: {policy}")
        expect(headers["Cache-Control"] == "no-store" and
               headers["X-Content-Type-Options"] == "nosniff", f"{path}: {headers}")
    page = client.page()
    expect("style=" not in page and "<script>" not in page and " onclick" not in page,
           "nothing inline")
    expect(client.get("/", Host="evil.example")[0] == 403, "DNS rebinding")
    expect(client.get("/", Host="localhost:9999")[0] == 200, "a tunnel's port")
    expect(client.post("/login", {"Sec_Fetch_Site": "cross-site"}, token=token)[0] == 403,
           "another site's form")


def start_alone(house, **options):
    with_accounts(house, "alice")
    return dashboard.start(house, **options)


# ── what is shown ─────────────────────────────────────────────────────────────────────


def test_json_is_the_commands(house):
    client = Client(start_alone(house))
    for name in ("accounts", "transfers"):
        expect(client.page(f"/json/{name}") == house.good(name, "--json"), name)
    # its passing times differ
    told = json.loads(client.page("/json/status"))
    said = json.loads(house.good("status", "--json"))
    expect(told.keys() == said.keys() and told["accounts"] == said["accounts"], told)
    expect(json.loads(client.page("/json/account?name=alice")) == account(house, "alice"),
           "alice")
    # without `up` there is no interceptor to ask
    status, _, text = client.get("/json/flows")
    expect(status == 502 and "interceptor" in json.loads(text)["error"], text)
    status, _, text = client.get("/json/account?name=bob")
    expect(status == 502 and "bob" in json.loads(text)["error"], text)
    status, _, text = client.get("/json/account?name=%FF")
    expect(status == 502 and json.loads(text)["error"], text)
    script = Client()
    header = {"Authorization": f"Bearer {dashboard.token(house)}"}
    expect(script.get("/json/accounts", **header)[0] == 200, "a script's token")
    expect(script.get("/json/accounts", Authorization="Bearer x")[0] == 401, "and a wrong one")
    expect(script.get("/json/accounts", **header)[0] == 429, "right, but too soon")


SILENT_REPORT = """#!/bin/sh
case "$*" in *" report "*) exit 1;; esac
exec "$0.real" "$@"
"""


def test_failure_without_a_word(house):
    """It is told, and not waited for."""
    client = Client(start_alone(house))
    dashboard.stand_in(house, SILENT_REPORT)
    status, _, text = client.get("/json/report")
    expect(status == 502 and "without a word" in json.loads(text)["error"], text)
    verdict = client.page().split('id="verdict"')[1].split("</section>")[0]
    expect("without a word" in verdict and "a moment" not in verdict, verdict)


def test_hostile_names(house):
    with_accounts(house, "anna", *HOSTILE)
    client = Client(dashboard.start(house, admin=True))
    text = client.page()
    for bad in ("<script>", "<img", "' or 1=1"):
        expect(bad not in text, f"{bad} is in the page")
    for name in HOSTILE:
        path = f"/account?{dashboard.urllib.parse.urlencode({'name': name})}"
        text = client.page(path)
        expect("<dt>can be moved</dt><dd>yes</dd>" in text, name)
        expect("<script>" not in text and "<img" not in text, name)
        secret = client.secret()
        status, _, text = client.post("/do", do="route-local", of=name, form=secret)
        expect(status == 200 and account(house, name)["pin"] == "local", f"{name}: {text}")
    expect(account(house, "anna")["pin"] == "auto", "nobody else's was changed")
    found = client.page("/?search=ANN")
    expect(found.count('href="/account?name=') >= 1 and "1 to 1 of 1" in found, "search")


# ── what may be done ──────────────────────────────────────────────────────────────────


def test_only_to_look(house):
    client = Client(start_alone(house))
    expect(client.get("/confirm?do=route-local&of=alice")[0] == 403, "it only shows")
    expect(client.post("/do", do="route-local", of="alice", form=client.secret())[0] == 403,
           "nor does it")
    expect("button" not in client.page("/account?name=alice").split("</header>")[1], "no button")
    expect(account(house, "alice")["pin"] == "auto", "nothing was changed")


def test_actions(house):
    client = Client(start_alone(house, admin=True))
    expect("/confirm?do=route-local&amp;of=alice" in client.page("/account?name=alice"), "button")
    text = client.page("/confirm?do=route-local&of=alice")
    expect("Serve here from now on <bdi>alice</bdi>?" in text, text)
    expect(account(house, "alice")["pin"] == "auto", "asking changes nothing")
    secret = client.secret()
    expect(client.post("/do", do="route-local", of="alice", form="0" * 32)[0] == 403, "secret")
    status, _, text = client.post("/do", do="route-local", of="alice", form=secret)
    expect(status == 200 and "alice: pin local" in text, text)
    expect(account(house, "alice")["pin"] == "local", "it is done")
    # what is shown next is from after it
    expect(json.loads(client.page("/json/accounts"))[0]["pin"] == "local", "at once")
    status, _, text = client.post("/do", do="route-local", of="bob", form=secret)
    expect(status == 409 and "bob" in text and "role=\"alert\"" in text, text)
    status, _, text = client.post("/do", do="kick", of="1234", form=secret)
    expect(status == 409 and "interceptor" in text, text)
    expect('action name=route-local of="alice"' in house.log().replace("- action", "action"),
           "the log has it")


SLOW_ROUTE = """#!/bin/sh
case "$*" in *" route "*) exec sleep 100;; esac
exec "$0.real" "$@"
"""


def test_long_action(house):
    """A way back may carry mail for hours: the page comes, and what has begun goes on."""
    client = Client(start_alone(house, admin=True))
    secret = client.secret()
    dashboard.stand_in(house, SLOW_ROUTE)
    status, _, text = client.post("/do", do="route-source", of="alice", form=secret)
    expect(status == 202 and "It has begun and takes longer" in text, text)
    expect(client.get("/json/accounts")[0] == 200, "others were not waited for")


# ── what nobody can do ────────────────────────────────────────────────────────────────


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return dict(line.split(":\t", 1) for line in lines)


def switches(pid):
    return int(status_of(pid)["voluntary_ctxt_switches"])


def test_it_rests(house):
    """While nobody is connected it is not woken."""
    Client(start_alone(house)).page()
    pid = web_process(house)

    def rests():
        before = switches(pid)
        time.sleep(0.5)
        return switches(pid) - before <= 2
    wait_until(rests, "it waits for somebody")


def test_it_owns_nothing(house):
    Client(start_alone(house)).page()
    pid = web_process(house)
    told = status_of(pid)
    user = str(1900000000 + dashboard.FIRST_PLACE)
    expect(told["Uid"].split() == [user] * 4 and told["Gid"].split() == [user] * 4, told["Uid"])
    expect(not told["Groups"].strip() and int(told["CapPrm"], 16) == 0 and
           int(told["CapEff"], 16) == 0, told)
    expect(told["NoNewPrivs"] == "1" and told["Seccomp"] == "2", told)
    files = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            files.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    opened = [f for f in files if f.startswith("/") and f not in ("/dev/null",) and
              not f.startswith(str(house.root / "log"))]
    expect(not opened, f"files: {opened}")


def test_odd_requests(house):
    token = start_alone(house)
    client = Client(token)
    odd = [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 4000 + b"\r\n\r\n", b"GET\r\n\r\n",
           b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
           b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10000 + b"\r\n",
           b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
           b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
           b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
           b"ffffffff\r\n" + b"a" * 100000,
           b"GET /?a=%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
           b"GET /account?name=%00 HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    for request in odd:
        with socket.create_connection(("127.0.0.1", dashboard.PORT), cli.PATIENCE) as s:
            try:
                s.sendall(request)
                with contextlib.suppress(OSError):  # it may have been closed by then
                    s.shutdown(socket.SHUT_WR)
                answer = s.recv(100)
            except (ConnectionError, BrokenPipeError):
                answer = b""
        expect(not answer or answer.split()[1] in
               (b"400", b"403", b"404", b"405", b"413", b"414", b"431", b"501", b"303"),
               f"{request[:60]}: {answer}")
    long = http.client.HTTPConnection("127.0.0.1", dashboard.PORT)
    long.request("POST", "/login", "token=" + "x" * 5000)
    expect(long.getresponse().status == 413, "a long form")
    # as many as come, and half a request each: others are served once they are gone
    crowd = [socket.create_connection(("127.0.0.1", dashboard.PORT)) for _ in range(40)]
    for s in crowd:
        s.sendall(b"GET / HT")
    expect(client.get("/")[0] == 200, "beside a crowd")
    for s in crowd:
        s.close()
    expect(house.log().count("dashboard info - ready") == 1 and web_process(house),
           "it is still the same")
    expect("refused-call" not in house.log(), "what it does is in its list")


def test_unix_socket(house):
    path = house.run / "dashboard.sock"
    token = start_alone(house, listen=f"unix:{path}")
    about = path.stat()
    expect(stat.S_IMODE(about.st_mode) == 0o660 and about.st_uid == 0 and
           about.st_gid == 1900000000 + dashboard.FIRST_PLACE, f"{about}")
    done = subprocess.run(["curl", "-sS", "--unix-socket", path, "-H",
                           f"Authorization: Bearer {token}", "http://localhost/json/accounts"],
                          capture_output=True, text=True, check=True)
    expect(json.loads(done.stdout)[0]["name"] == "alice", done.stdout)


# ── beside the others ─────────────────────────────────────────────────────────────────


def test_with_up(house):
    with_accounts(house, "alice")
    dashboard.prepare(house, admin=True)
    house.up()
    wait_until(lambda: "dashboard info - ready" in house.log(), "it is ready")
    wait_until(lambda: "starting -> serving" in house.log(), "up serves")
    client = Client(dashboard.token(house))
    expect(isinstance(json.loads(client.page("/json/flows")), list), "flows of the interceptor")
    for pid in children(house.processes[-1].pid):
        if b"dash" in about(pid, "comm"):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: house.log().count("dashboard info - ready") == 2, "it comes again")
    expect(not [line for line in json.loads(house.good("status", "--json"))["attention"]
                if "dashboard" in line], "and nobody has to care")


def test_port_is_taken(house):
    """Mail does not wait for it."""
    with_accounts(house, "alice")
    dashboard.prepare(house)
    with socket.create_server(("127.0.0.1", dashboard.PORT)):
        house.up()
        wait_until(lambda: "starting -> serving" in house.log(), "up serves")
        wait_until(lambda: house.log().count("cannot listen at 127.0.0.1:8625: Address already "
                                             "in use") >= 6, "it tries on")
        wait_until(lambda: "the dashboard does not run; see the log of `mailferry up`" in
                   json.loads(house.good("status", "--json"))["attention"], "status says so")
        expect("serving -> stopping" not in house.log(), "up stays")


TESTS = [test_it_is_off, test_login, test_bad_tokens, test_headers, test_json_is_the_commands,
         test_failure_without_a_word, test_hostile_names, test_only_to_look, test_actions,
         test_long_action, test_it_owns_nothing, test_it_rests, test_odd_requests,
         test_unix_socket, test_with_up, test_port_is_taken]

if __name__ == "__main__":
    cli.own_network()
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
