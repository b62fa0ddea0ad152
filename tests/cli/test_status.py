#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`status` names what is wrong now, with its cure; `--exit-code` is for monitoring."""
import json
import socket
import subprocess
import sys

import cli
from cli import expect


def attention(house, *args):
    return json.loads(house.good("status", "--json", *args))["attention"]


def says(house, *words):
    told = attention(house)
    expect(any(all(word in line for word in words) for line in told), f"{words}: {told}")


def silent(house, word):
    told = attention(house)
    expect(not any(word in line for line in told), f"{word}: {told}")


def everything_runs(house):
    """A source that answers, and a stand-in for each program."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    services = " ".join(f"{name} {{ upstream = {port} }}" for name in ("smtp", "pop3", "imap"))
    house.config.write_text(house.config.read_text().replace("192.0.2.10", "127.0.0.1") +
                            f"services {{ {services} }}\n")
    for name in cli.STUBS:
        house.stub(name)
    house.start_real("admission")
    return listener


def test_nothing_is_wrong(house):
    with everything_runs(house):
        told = [line for line in attention(house) if "rules" not in line and "vault" not in line]
        expect(not told, told)


def test_exit_code(house):
    done = house.command("status", "--exit-code")
    expect(done.returncode == 1 and "mailferry does not run; start" in done.stdout, done)
    house.tool("capture", "alice", "secret")
    house.tool("arrive", "alice")
    says(house, "no rules are in place: users who have moved meet their old mailboxes", "start")
    house.good("rules", "install")
    says(house, "mailferry does not run, and the rules refuse new connections", "start")
    house.good("rules", "remove", "--yes")
    expect(house.command("status").returncode == 0, "without it")


def test_paused(house):
    house.tool("capture", "alice", "secret")
    silent(house, "paused")
    house.good("transfer", "--pause")
    says(house, "all transfers are paused", "mailferry transfer --resume")
    house.good("transfer", "--pause")
    house.good("transfer", "--resume")
    silent(house, "paused")


def test_source_is_away(house):
    listener = everything_runs(house)
    silent(house, "is away")
    listener.close()
    says(house, "the source 127.0.0.1 is away (Connection refused)", "start it")


def test_domains(house):
    with everything_runs(house):
        house.tool("capture", "alice", "x")
        house.tool("capture", "bob@example.com", "x")
        silent(house, "domains")
        house.tool("capture", "carol@other.example", "x")
        says(house, "log in with @other.example", "add it to `domains`")


def test_mail_for_other_domains(house):
    with everything_runs(house):
        for i in range(5):
            house.tool("recipient", f"user{i}@other.example", "192.0.2.1", "0", "1")
        says(house, "took mail for 5 addresses", "none is in `domains`", "other.example")
        house.tool("recipient", "alice@example.com", "192.0.2.1", "0", "1")
        silent(house, "none is in")  # the others are relayed


def test_disk(house):
    house.tool("capture", "alice", "x")
    with everything_runs(house):
        silent(house, "disk")
        house.state.rename(house.root / "state.there")
        house.state.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", house.state],
                       check=True)
        try:
            subprocess.run(f"cp -a {house.root}/state.there/. {house.state}", shell=True,
                           check=True)
            says(house, "less than the reserve of 256 MB", "make room")
            subprocess.run(["mount", "-o", "remount,ro", house.state], check=True)
            done = house.command("status")
            expect("read-only" in done.stdout + done.stderr, done)
        finally:
            subprocess.run(["umount", "-l", house.state], check=True)


def test_damaged_registry(house):
    house.tool("capture", "alice", "x")
    subprocess.run(["sqlite3", str(house.state / "registry.sqlite"),
                    "PRAGMA wal_checkpoint(TRUNCATE)"], check=True, capture_output=True)
    with open(house.state / "registry.sqlite", "r+b") as file:
        file.seek(4096 * 2 + 8)
        file.write(bytes(range(1, 200)))
    done = house.command("status", "--exit-code")
    expect(done.returncode == 1 and "registry rebuild" in done.stdout + done.stderr, done)


def test_what_the_programs_have_seen(house):
    with everything_runs(house):
        alarms = house.run / "mailstore.alarms"
        alarms.write_text("damage|alice|./bodies/0001.pack: the body is damaged|2|100\n"
                          "damage|old|x|1|90000\ndisk-full|bob|no room|1|5\n")
        says(house, "alice: ./bodies/0001.pack: the body is damaged (2 times)",
             "`mailferry account alice --again` transfers anew what is damaged")
        says(house, "bob: no room", "make room on the disk")
        silent(house, "old:")
        alarms = house.run / "interceptor.alarms"
        alarms.write_text("refused-logins|||11|5\nunanswered|||2|5\n")
        silent(house, "refused")
        alarms.write_text("refused-logins|||40|5\nunanswered|||7|5\n")
        says(house, "40 logins were refused in the last minutes", "the log has each")
        says(house, "not connections from clients' addresses (7 lately)", "gateway")
        alarms.write_text("refused-logins|||40|700\nunanswered|||7|700\n")
        silent(house, "refused")
        silent(house, "gateway")


def certificate(house, days):
    """Below 0: it has expired."""
    files = [house.root / "own.pem", house.root / "own.key"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days),
         "-subj", "/CN=x", "-addext", "subjectAltName=DNS:mail.example.com,IP:192.0.2.1",
         "-keyout", files[1], "-out", files[0]], check=True, capture_output=True)
    house.config.write_text(house.config.read_text().split("tls {")[0] +
                            'tls { certificate = {"%s"} key = {"%s"} }\n' % tuple(files))


def test_certificates(house):
    for days, attended in ((40, False), (5, True)):
        certificate(house, days)
        told = json.loads(house.good("status", "--json"))
        expect([(c["names"], c["days_left"] in (days - 1, days)) for c in told["certificates"]]
               == [("mail.example.com, 192.0.2.1", True)], told)
        expect(any("days left" in line for line in told["attention"]) == attended, told)
        expect("mail.example.com, 192.0.2.1, " in house.good("status"), "text")
        found = [f for f in json.loads(house.command("check", "--json").stdout)["findings"]
                 if f["name"] == "certificate"]
        expect([f["level"] for f in found] == ["note" if attended else "ok"], found)
    (house.root / "own.pem").unlink()
    says(house, "cannot read", "own.pem")
    house.bad("does not run here, so there is nothing to reload", "reload")


TESTS = [test_nothing_is_wrong, test_exit_code, test_source_is_away, test_domains,
         test_mail_for_other_domains, test_disk, test_damaged_registry,
         test_what_the_programs_have_seen, test_certificates]

if __name__ == "__main__":
    cli.own_network()
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
