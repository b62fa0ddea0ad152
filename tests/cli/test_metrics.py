#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`metrics`: a page that OpenMetrics' grammar takes, counters that never get smaller, and one
HTTP request for each process, which has no rights by then."""
import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import cli
from cli import expect, wait_until

SAMPLE = re.compile(r'(?P<name>[a-z_]+)(?:\{(?P<labels>(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\})? '
                    r"(?P<value>[0-9.e+-]+)")
SUFFIXES = {"gauge": {""}, "counter": {"_total"}, "histogram": {"_bucket", "_sum", "_count"}}


def parse(text):
    """{name and labels: value}; each family once, its type and help before its samples."""
    lines = text.split("\n")
    expect(lines[-2:] == ["# EOF", ""], f"the end: {lines[-3:]}")
    found, families, family = {}, {}, None
    for line in lines[:-2]:
        if line.startswith("# TYPE "):
            family, kind = line[7:].split(" ")
            expect(family not in families, f"twice: {family}")
            families[family] = kind
        elif line.startswith("# HELP "):
            expect(line[7:].startswith(family + " ") and '"' not in line, line)
        else:
            sample = SAMPLE.fullmatch(line)
            expect(sample, line)
            expect(sample["name"].startswith(family) and
                   sample["name"][len(family):] in SUFFIXES[families[family]], line)
            name = line[:line.rindex(" ")]
            expect(name not in found, f"twice: {line}")
            found[name] = float(sample["value"])
    return found


def page(house):
    return parse(house.good("metrics"))


def test_nothing_runs(house):
    found = page(house)
    expect(found['mailferry_up{program="interceptor"}'] == 0, found)
    expect("mailferry_disk_reserve_bytes" not in found, "there is no state_dir yet")
    house.bad('takes http or nothing, not "ftp"', "metrics", "ftp", code=2)


def test_everything(house):
    for user in ("alice", "bob", "carol"):
        house.tool("capture", user, "secret")
    house.tool("arrive", "alice")
    house.stub("interceptor")
    house.stub("mailstore")
    house.start_real("admission")
    (house.run / "mailstore.alarms").write_text('damage|alice|"it is \\ damaged"|2|5\n')
    tally(house, accepted=7, logins_source=4, held_1=2, held_60=1, held_s=41)
    house.good("rules", "install")
    found = page(house)
    for name, value in (('up{program="interceptor"}', 1), ('up{program="transfer"}', 0),
                        ("rules_installed", 1), ('accounts{route="local"}', 1),
                        ('accounts{route="source"}', 2), ('account_stages{stage="done"}', 1),
                        ('out_of_service_seconds_bucket{le="+Inf"}', 1),
                        ("out_of_service_seconds_count", 1), ("accepted_total", 7),
                        ('logins_total{result="source"}', 4), ("connections", 3),
                        ('held_seconds_bucket{le="1.0"}', 2),
                        ('held_seconds_bucket{le="30.0"}', 2),
                        ('held_seconds_bucket{le="60.0"}', 3),
                        ('held_seconds_bucket{le="+Inf"}', 3), ("held_seconds_sum", 41),
                        ('verdicts_total{verdict="diverted"}', 0), ("queue_limit", 8192),
                        ('bytes_total{service="imap",route="source",direction="in"}', 0),
                        ('source_up{service="imap"}', 0), ('alarms{kind="damage"}', 2)):
        expect(found.get("mailferry_" + name) == value, f"{name}: {found}")
    expect(found["mailferry_disk_free_bytes"] > 0, found)


def tally(house, **numbers):
    (house.run / "interceptor.tally").write_text(json.dumps({"connections": 3, **numbers}))


def test_counters_never_get_smaller(house):
    house.tool("capture", "alice", "secret")
    house.stub("interceptor")
    seen = []
    for accepted in (10, 15, 2, 3, 0, 4):  # begun anew at 2, and at 0
        tally(house, accepted=accepted)
        seen += [page(house)["mailferry_accepted_total"]]
    expect(seen == [10, 15, 17, 18, 18, 22], seen)
    house.tool("progress", "alice", "10", "8")
    expect(page(house)["mailferry_copied_messages"] == 8, "copied")
    house.tool("progress", "alice", "10", "3")  # it is copied anew
    expect(page(house)["mailferry_copied_messages"] == 3, "a sum of accounts gets smaller")
    periods = json.loads(house.good("counters", "--since", "1h", "--by", "minute", "--json"))
    expect(not [row for row in periods if row["route"] == "program"], periods)
    (house.run / "interceptor.sock").unlink()
    expect(page(house)["mailferry_accepted_total"] == 22, "also while it does not run")


def ask(house, *pieces, wait=0.0):
    """What one process answers, as `up` starts it."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen([house.mailferry, "-c", str(house.config), "metrics", "http"],
                               stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True)
    house.processes.append(process)
    theirs.close()
    ours.settimeout(cli.PATIENCE)
    for piece in pieces:
        time.sleep(wait)
        ours.sendall(piece)
    return process, ours


def answer(process, ours):
    got = b""
    while more := ours.recv(65536):
        got += more
    ours.close()
    expect(process.wait(cli.PATIENCE) == 0, process.stderr.read())
    head, _, body = got.decode().partition("\r\n\r\n")
    return head, body


def test_http(house):
    head, body = answer(*ask(house, b"GET /metr", b"ics HTTP/1.1\r\nHost: x\r", b"\n\r\n", wait=0.1))
    expect(head.startswith("HTTP/1.1 200 OK\r\n") and "openmetrics-text; version=1.0.0" in head, head)
    expect(f"Content-Length: {len(body.encode())}\r\n" in head, head)
    expect('mailferry_up{program="vault"}' in parse(body), body)
    for request, status in ((b"GET / HTTP/1.0\r\n\r\n", "404"), (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
                            (b"GET /metrics\r\n\r\n", "400"), (b"\x16\x03\x01\r\n\r\n", "400"),
                            (b"x" * 5000, "400")):
        head, body = answer(*ask(house, request))
        expect(head.startswith(f"HTTP/1.1 {status} ") and not body, (request, head))
    process, ours = ask(house, b"GET")
    ours.close()
    expect(process.wait(cli.PATIENCE) == 0, "one that leaves")


def test_no_rights_when_it_reads(house):
    process, ours = ask(house, b"GET /metrics")
    status = Path(f"/proc/{process.pid}/status")
    wait_until(lambda: re.search(r"(?m)^Seccomp:\s2$", status.read_text()), "its sandbox")
    text = status.read_text()
    expect(re.search(r"(?m)^CapEff:\s0+$", text) and re.search(r"(?m)^CapPrm:\s0+$", text), text)
    expect(not re.search(r"(?m)^Uid:\s0\s", text) and "NoNewPrivs:\t1" in text, text)
    files = [os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{process.pid}/fd")]
    expect(not any(str(house.root) in name for name in files if not name.endswith("/log")), files)
    ours.sendall(b" HTTP/1.1\r\n\r\n")
    head, _ = answer(process, ours)
    expect(" 200 " in head, head)


PORT = 9782


def get(where, request=b"GET /metrics HTTP/1.1\r\n\r\n"):
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
    ours = socket.socket(family, socket.SOCK_STREAM)
    ours.settimeout(cli.PATIENCE)
    ours.connect(where)
    ours.sendall(request)
    return ours


def whole(ours):
    got = b""
    while more := ours.recv(65536):
        got += more
    ours.close()
    return got.decode().partition("\r\n\r\n")


def test_doors_of_up(house):
    """The socket is always there, the port where it is set; those who say nothing hold up
    nobody for long, and the end of `up` waits for none of them."""
    house.config.write_text(house.config.read_text() + f'metrics = "127.0.0.1:{PORT}"\n')
    process = house.up()
    wait_until(lambda: "starting -> serving" in house.log(), "up serves")
    door, port = str(house.run / "metrics.sock"), ("127.0.0.1", PORT)
    expect(stat.S_IMODE(os.stat(door).st_mode) == 0o660, "who may connect")
    for where in (door, port):
        head, _, body = whole(get(where))
        expect(head.startswith("HTTP/1.1 200 OK"), head)
        expect(parse(body)['mailferry_up{program="vault"}'] == 1, body)
    silent = [get(door, b"GET") for _ in range(3)] + [get(port, b"GET")]  # all there are
    late = get(port)
    late.settimeout(1)
    try:
        expect(not late.recv(1), "nobody is there to answer")
    except TimeoutError:
        pass
    late.settimeout(cli.PATIENCE)
    silent.pop().close()
    expect(" 200 " in whole(late)[0], "as soon as one of them has gone")
    process.terminate()
    expect(process.wait(cli.PATIENCE) == 0, "the end of up")
    for ours in silent:
        ours.close()
    try:
        get(port).close()
        expect(False, "the port is closed")
    except ConnectionRefusedError:
        pass


def test_port_in_use(house):
    """Nobody's mail waits for it."""
    house.config.write_text(house.config.read_text() + f'metrics = "127.0.0.1:{PORT}"\n')
    with socket.create_server(("127.0.0.1", PORT)):
        process = house.up()
        wait_until(lambda: "starting -> serving" in house.log(), "up serves")
        expect(f"cannot listen at 127.0.0.1:{PORT}" in house.log(), house.log())
        expect(" 200 " in whole(get(str(house.run / "metrics.sock")))[0], "the socket does")
        process.terminate()
        expect(process.wait(cli.PATIENCE) == 0, "the end of up")


TESTS = [test_doors_of_up, test_port_in_use, test_nothing_runs, test_everything, test_counters_never_get_smaller, test_http,
         test_no_rights_when_it_reads]

if __name__ == "__main__":
    cli.own_network()
    os.environ["MAILFERRY_LOG"] = "info"
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
