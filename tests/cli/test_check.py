#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`check`, in a network namespace of the test's own, with an old server that says its lines."""
import json
import os
import re
import socket
import sys
import threading
from pathlib import Path

import cli
from cli import expect, wait_until

DIALOGUES = {
    "imap": [b"* OK Dovecot ready.\r\n",
             b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN AUTH=CRAM-MD5\r\n"
             b"mailferry1 OK done\r\n"],
    "pop3": [b"+OK hi\r\n", b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n"],
    "smtp": [b"220-mx\r\n220 ESMTP\r\n", b"250-mx\r\n250 AUTH PLAIN\r\n"],
}


def old_server(lines):
    """Says its lines, one after each of ours; returns its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        connection, _ = listener.accept()
        with connection, listener:
            for line in lines:
                for byte in line:  # one at a time: it must not matter
                    connection.send(bytes([byte]))
                connection.recv(1000)
    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()[1]


def check_findings(house, dialogues):
    services = "".join(f"{name} {{ upstream = {old_server(lines)} }} "
                       for name, lines in dialogues.items())
    text = house.config.read_text().split("services")[0]
    house.config.write_text(text + 'source_moved_to = "127.0.0.1"\n' +
                            f"services {{ {services} }}\n")
    done = house.command("check", "--json")
    found = json.loads(done.stdout)
    return done.returncode, found, {f["name"]: f for f in found["findings"]
                                    if f["area"] == "source"}


def test_check(house):
    with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="utf-8") as file:
        file.write("1\n")
    code, found, source = check_findings(house, DIALOGUES)
    expect(code == 0 and found["problems"] == 0, json.dumps(found, indent=1))
    expect("captured: PLAIN the LOGIN command; not: CRAM-MD5; STARTTLS goes" in
           source["imap"]["text"] and source["imap"]["level"] == "note", source)
    expect("captured: USER PLAIN; not: none" in source["pop3"]["text"], source)
    expect("captured: PLAIN; not: none" in source["smtp"]["text"], source)
    expect('strategy = "after-logoff"' in found["configuration"], found)
    expect(not (house.state / "key").exists(), "check changes nothing")


def test_check_where_no_report_can_wait(house):
    """sysfs has no files without a name."""
    before = house.config.read_text()

    def said(state, smart_host):
        house.config.write_text(before.replace(str(house.state), str(state)) +
                                f'smart_host = "{smart_host}"\n')
        _, found, _ = check_findings(house, DIALOGUES)
        return [(f["level"], f["text"].split(". ")[0]) for f in found["findings"]
                if f["name"] == "reports"]
    expect(said(house.state, "127.0.0.1") == [], "where it can")
    expect(said("/sys/kernel/mailferry", "") == [], "nothing is said of what is not offered")
    expect(said("/sys/kernel/mailferry", "127.0.0.1") == [(
        "note", "/sys/kernel: its file system knows no files without a name (O_TMPFILE), so "
        "delivery reports cannot be kept there")], "where it cannot")
    house.config.write_text(before)


def test_check_finds_trouble(house):
    dialogues = {
        "imap": [b"* OK hi\r\n", b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n"
                 b"mailferry1 OK done\r\n"],
        "pop3": [b"220 this is not POP3\r\n"],
        "smtp": [b""],
    }
    with socket.create_server(("0.0.0.0", 19782)):
        code, found, source = check_findings(house, dialogues)
    expect(code == 1, "exit 1")
    expect("no password before TLS" in source["imap"]["text"], source)
    expect("another protocol" in source["pop3"]["text"], source)
    expect(source["smtp"]["level"] == "problem", source)
    expect("neither IMAP nor POP3 answers" not in str(source), "IMAP did")
    ports = {f["name"]: f for f in found["findings"] if f["area"] == "port"}
    expect("19782 cannot be listened on here" in ports["imap"]["text"], ports)


def test_check_without_a_source(house):
    code, _, source = check_findings(house, {"smtp": DIALOGUES["smtp"]})
    expect(code == 1, "exit 1")
    expect(source["imap"]["level"] == "note", "a service that was never there")
    expect("neither IMAP nor POP3 answers" in source["mailboxes"]["text"], source)


def listen_findings(house, extra):
    before = house.config.read_text()
    house.config.write_text(before + extra)
    _, found, _ = check_findings(house, DIALOGUES)
    house.config.write_text(before)
    return {(f["area"], f["name"]): (f["level"], f["text"]) for f in found["findings"]
            if f["area"] in ("listen", "configuration") or f["name"] == "token_file"}


def test_check_of_what_listens(house):
    expect(listen_findings(house, "") == {}, "nothing is said of what is not set")
    token, place = house.root / "token", house.root / "sock"

    def section(where):
        return f'dashboard {{ listen = "{where}"\ntoken_file = "{token}"\n}}\n'
    port = section("127.0.0.1:8625")
    free = listen_findings(house, port)
    expect(free["listen", "dashboard"] == ("ok", "127.0.0.1:8625 is free"), free)
    expect(free["files", "token_file"] == ("ok", f"{token}, made at the first start"), free)
    with socket.create_server(("127.0.0.1", 8625)):
        taken = listen_findings(house, port)
        metrics = listen_findings(house, 'metrics = "127.0.0.1:8625"\n')
    expect(taken["listen", "dashboard"] ==
           ("problem", "127.0.0.1:8625 is in use: another program listens there"), taken)
    expect(metrics["listen", "metrics"][0] == "problem", metrics)
    with socket.socket(socket.AF_UNIX) as full, socket.socket(socket.AF_UNIX) as waiting:
        full.bind(str(place))
        full.listen(0)
        waiting.connect(str(place))
        expect(listen_findings(house, section(f"unix:{place}"))["listen", "dashboard"] ==
               ("problem", f"unix:{place} is in use: another program listens there"),
               "a program that accepts nobody")
    place.unlink()
    place.write_text("a file")
    expect(listen_findings(house, section(f"unix:{place}"))["listen", "dashboard"] ==
           ("problem", f"unix:{place} cannot be listened on: File exists"), "a file")
    expect(listen_findings(house, section("unix:/no/such/sock"))["listen", "dashboard"] ==
           ("problem", "unix:/no/such/sock cannot be listened on: No such file or directory"),
           "no folder")
    house.run.rmdir()
    for extra, area in ((section(f"unix:{house.run}/sock"), "dashboard"),
                        (f'metrics = "unix:{house.run}/sock"\n', "metrics")):
        expect(listen_findings(house, extra)["listen", area] ==
               ("ok", f"unix:{house.run}/sock is free"), "`up` makes run_dir")
    for text, mode, sentence in (("x" * 19, 0o600, "is shorter than 20 characters"),
                                 ("x" * 300, 0o600, "is longer than 255 characters"),
                                 ("x" * 32, 0o640, "others than its owner can read"),
                                 ("x" * 32, 0o600, None)):
        token.write_text(text + "\n")
        token.chmod(mode)
        level, said = listen_findings(house, port)["files", "token_file"]
        expect((level, sentence is None or sentence in said) ==
               ("problem" if sentence else "ok", True), said)
        expect(text not in said, "it is a secret")


def test_check_names_what_is_set_twice(house):
    found = listen_findings(house, "hold = 10\nlimits { transfers = 2 }\nhold = 11\n")
    lines = house.config.read_text().count("\n")
    expect(list(found) == [("configuration", "hold")], found)
    expect(found["configuration", "hold"] ==
           ("note", f"{house.config}: `hold` is set in line {lines + 1} and again in line "
                    f"{lines + 3}, which counts"), found)


def limit_of(house, name):
    """What `check` says of its descriptors."""
    _, found, _ = check_findings(house, DIALOGUES)
    return next((f["level"], f["text"]) for f in found["findings"]
                if (f["area"], f["name"]) == ("limits", name))


def test_check_of_descriptors(house):
    """A program asks for what `limits` needs, as far as its unit allows."""
    needed, before = 4 * 1000 + 512, house.config.read_text()
    house.config.write_text(before + "limits { connections = 1000 }\n")
    expect(limit_of(house, "mailstore") == ("ok", f"{needed} descriptors"), "it could")
    house.real("mailstore")
    house.state.mkdir()
    house.tool("capture", "anna", "secret")
    for start, (most, has, level) in enumerate(
            (("1024:", needed, "ok"), ("1024:2048", 2048, "note")), 1):
        # as in its unit, which has no CAP_SYS_RESOURCE
        program = house.start("prlimit", f"--nofile={most}", "setpriv",
                              "--bounding-set=-sys_resource",
                              str(house.root / "bin/mailferry-mailstore"), "-c",
                              str(house.config))
        wait_until((house.run / "mailstore.sock").exists, "it listens")
        wait_until(lambda n=start: house.log().count("mailstore info - ready") >= n,
                   "it is ready")
        limits = Path(f"/proc/{program.pid}/limits").read_text(encoding="ascii")
        expect(re.search(r"Max open files +(\d+)", limits)[1] == str(has), limits)
        said = limit_of(house, "mailstore")
        expect(said[0] == level and (level == "ok" or (
            f"needs {needed} descriptors, and the mailstore, which runs, has 2048" in said[1] and
            f"systemctl edit mailferry-mailstore`, write [Service] and LimitNOFILE={needed}"
            in said[1])), said)
        # more than it has asked for: its next start asks for that
        if level == "ok":
            house.config.write_text(before + "limits { connections = 1001 }\n")
            more = limit_of(house, "mailstore")
            expect(more == ("ok", f"{needed + 4} descriptors"), more)
            house.config.write_text(before + "limits { connections = 1000 }\n")
        program.terminate()
        program.wait()
        (house.run / "mailstore.sock").unlink(missing_ok=True)
    house.config.write_text(before + "limits { connections = 1000000 }\n")
    most = Path("/proc/sys/fs/nr_open").read_text(encoding="ascii").strip()
    said = limit_of(house, "interceptor")
    expect(int(most) >= 2000512 or (said[0] == "problem" and f"a process {most}; set fs.nr_open "
                                    "= 2000512" in said[1]), said)
    house.config.write_text(before)


TESTS = [test_check, test_check_where_no_report_can_wait, test_check_finds_trouble,
         test_check_without_a_source, test_check_of_what_listens,
         test_check_names_what_is_set_twice, test_check_of_descriptors]

if __name__ == "__main__":
    cli.own_network()
    os.environ["MAILFERRY_LOG"] = "info"
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
