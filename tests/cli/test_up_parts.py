#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`mailferry up PART`, as systemd's units have it: each part a process of its own."""
import json
import os
import signal
import stat
import sys
import time

import cli
import dashboard
from cli import alive, expect, wait_until
from dashboard import Client
from test_metrics import get, whole
from test_up import closes, moved, nothing_left, stop, table_is_closed

PARTS = ["vault", "state", "mailstore", "transfer", "admission", "interceptor", "dashboard",
         "rules"]


# what its unit has not
WITHOUT = {"dashboard": "net_admin"}


def begin(house, part):
    """Runs, and has come as far as its unit says so."""
    before = house.log().count("starting -> serving") if (house.root / "log").exists() else 0
    lacks = ["setpriv", f"--bounding-set=-{WITHOUT[part]}"] if part in WITHOUT else []
    process = house.start(*lacks, house.mailferry, "-c", str(house.config), "up", part)
    wait_until(lambda: house.log().count("starting -> serving") > before, f"{part} serves")
    return process


def begin_all(house):
    return {part: begin(house, part) for part in PARTS}


def stop_all(processes):
    for part in reversed(PARTS):
        stop(processes[part])


def test_each_has_its_own(house):
    expect("nobody" in house.good("rules", "begin"), "nobody has ever been here")
    nothing_left()
    house.bad("there is no part", "up", "everything", code=2)
    processes = begin_all(house)
    expect("tproxy" in house.good("rules", "show"), "rules are in")
    for part in (["vault"], ["rules"], []):
        house.bad("runs in .* already", "up", *part)
    house.bad("ends them when it ends", "rules", "end")
    # the end of one, whatever kind of end, is no other's
    for part in PARTS:
        cli.kill(processes[part].pid)
        processes[part].wait()
        wait_until(lambda: not house.command("status", "--json").stderr, "it is settled")
        expect(all(process.poll() is None for other, process in processes.items()
                   if other != part), f"{part} ends others")
        wait_until(lambda part=part: part not in cli.STUBS or not alive(house.pid(part)),
                   f"the program of {part} ends with it")
        processes[part] = begin(house, part)
    expect("tproxy" in house.good("rules", "show"), "rules are in")
    stop_all(processes)
    expect("tproxy" in house.good("rules", "show"), "no part ends the rules")
    house.good("rules", "end")
    nothing_left()


def test_order(house):
    """Nothing is served before what lies on the disk was looked at."""
    processes = {"vault": begin(house, "vault")}
    house.bad("up state. has not looked", "up", "mailstore")
    processes["state"] = begin(house, "state")
    processes["mailstore"] = begin(house, "mailstore")
    # nor with settings that do not fit those of the others
    text = house.config.read_text()
    house.config.write_text(text.replace("192.0.2.10", "192.0.2.11"))
    house.bad("source has changed", "up", "transfer")
    stop(processes["state"])
    house.bad("source has changed", "up", "state")
    house.config.write_text(text)
    stop(processes["mailstore"])
    stop(processes["vault"])


def test_closed(house):
    """Once somebody lives here, no end of anything opens."""
    moved(house)
    expect("installed" in house.good("rules", "begin"), "before all others")
    expect(table_is_closed(), "closed")
    processes = begin_all(house)
    stop_all(processes)
    expect(table_is_closed(), "closed")
    house.good("rules", "end")
    expect(table_is_closed(), "closed")
    house.good("rules", "remove", "--yes")
    nothing_left()


def test_unwatched(house):
    """Of the first accounts none moves while nobody would close the rules behind it."""
    house.real("transfer")
    processes = {part: begin(house, part) for part in PARTS[:-1]}
    wait_until(lambda: "transfer info - waits" in house.log(), "nobody moves")
    expect("`mailferry up rules` does not run" in house.command("status").stdout, "status")
    processes["rules"] = begin(house, "rules")
    wait_until(lambda: "transfer info - goes-on" in house.log(), "they move")
    expect("up rules" not in house.command("status").stdout, "status")
    stop(processes["rules"])
    # whoever moves while it starts: closed before the others answer
    stop(processes["interceptor"])
    stop(processes["transfer"])  # it would take alice's store before her move is noted
    since = len(house.log())
    house.start(house.mailferry, "-c", str(house.config), "up", "rules")
    time.sleep(0.5)  # it looks ten times a second
    expect(not table_is_closed(), "nobody lives here")
    moved(house)
    wait_until(closes, "closed while it starts")
    expect("-> serving" not in house.log()[since:], "it serves without the interceptor")


def test_questions(house):
    """What speaks with browsers and scrapers may not ask the kernel: the watch does."""
    dashboard.prepare(house, admin=True)
    processes = begin_all(house)
    ready = "dashboard info - ready"
    wait_until(lambda: ready in house.log(), "the dashboard has found the watch")
    client = Client(dashboard.token(house))

    def counters():
        status, _, text = client.get("/json/counters")
        return status == 200 and {(row["service"], row["route"]) for row in json.loads(text)}

    wanted = {(row["service"], row["route"])
              for row in json.loads(house.good("counters", "--json"))}
    expect(wanted and counters() == wanted, (wanted, counters()))
    expect(client.get("/json/metrics")[0] in (400, 404), client.get("/json/metrics"))
    door = str(house.run / "metrics.sock")
    expect(" 200 " in (answer := whole(get(door)))[0] and
           "mailferry_rules_installed 1" in answer[2], answer)
    expect(stat.S_IMODE(os.stat(house.run / "questions.sock").st_mode) == 0o600, "who may ask")
    # one that hangs costs the scraper no more than its patience
    os.kill(processes["rules"].pid, signal.SIGSTOP)
    before = time.monotonic()
    expect("mailferry_up" in (answer := whole(get(door)))[2] and
           "mailferry_rules_installed" not in answer[2], answer)
    expect(time.monotonic() - before < 30, f"{time.monotonic() - before} s")
    os.kill(processes["rules"].pid, signal.SIGCONT)
    # without it no word of the kernel; and it is found again
    stop(processes["rules"])
    expect("mailferry_up" in (answer := whole(get(door)))[2] and
           "mailferry_rules_installed" not in answer[2], answer)
    processes["rules"] = begin(house, "rules")
    wait_until(lambda: house.log().count(ready) == 2, "it has found the new one")
    client = Client(dashboard.token(house))
    expect(counters() == wanted, (wanted, counters()))
    stop_all(processes)
    house.good("rules", "end")
    nothing_left()


def test_upgrade(house):
    for name in cli.STUBS:
        house.real(name)
    processes = begin_all(house)
    done = json.loads(house.good("upgrade", "--wait", "--json"))
    expect(done["state"] == "idle" and not done["error"] and not done["retired"], done)
    for part, process in processes.items():
        expect(process.poll() is None, f"{part} goes on")
        expect((house.run / f"upgrade-{part}.json").exists(), f"{part} was upgraded")
    processes["vault"].send_signal(signal.SIGHUP)
    stop_all(processes)
    house.good("rules", "end")
    nothing_left()


TESTS = [test_each_has_its_own, test_order, test_closed, test_unwatched, test_questions,
         test_upgrade]

if __name__ == "__main__":
    cli.own_network()
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
