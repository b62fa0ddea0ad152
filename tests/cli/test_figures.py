#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the commands that are looked at all day take with 10,000 accounts and 5,000 live
flows. On a quiet machine and without sanitizers: `status` and a scrape of metrics 50 ms, `top` 1 %
of a processor (the dashboard: test_browser.py). Of ours the processor's time is judged, which a
busy machine does not change much; a build with sanitizers has ten times as much."""
import os
import resource
import subprocess
import sys
import time

import cli
import crowd
from cli import expect
from test_screens import Screen

ACCOUNTS, FLOWS, TRIES = 10000, 5000, 5
COMMAND_MS, TOP_PERCENT = 50, 1
TOP_SECONDS = 10


def times(house):
    """How much more a build with sanitizers may take."""
    return 10 if b"__asan_init" in (house.built / "mailferry").read_bytes() else 1


def cost_ms(house, *words):
    """Of processor and by the clock, the best of a few."""
    best, fastest = float("inf"), float("inf")
    for _ in range(TRIES):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run([house.mailferry, "-c", str(house.config), *words], check=False,
                       stdout=subprocess.DEVNULL)
        fastest = min(fastest, time.monotonic() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best * 1000, fastest * 1000


def with_crowd(house):
    house.state.mkdir()
    house.tool("capture", "zoe", "secret")
    crowd.fill(house, ACCOUNTS)
    (house.run / "interceptor.flows").write_text(str(FLOWS))
    house.stub("interceptor")
    house.good("rules", "install")


def test_commands(house):
    with_crowd(house)
    for words in (("status",), ("metrics",)):
        cpu, clock = cost_ms(house, *words)
        print(f"        {words[0]}: {cpu:.0f} ms of a processor, {clock:.0f} ms by the clock")
        expect(cpu <= COMMAND_MS * times(house), f"{words[0]}: {cpu:.0f} ms")
    expect('mailferry_accounts{route="local"}' in house.good("metrics"), "they are counted")


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_top(house):
    with_crowd(house)
    screen = Screen(house, "top", rows=40, columns=160)
    screen.shows(r"of 10001$")
    screen.read(2)
    before, end = cpu_seconds(screen.process.pid), time.monotonic() + TOP_SECONDS
    while time.monotonic() < end:
        screen.read(0.2)
    percent = (cpu_seconds(screen.process.pid) - before) * 100 / TOP_SECONDS
    print(f"        top: {percent:.1f} % of a processor")
    expect(round(percent) <= TOP_PERCENT * times(house), f"{percent:.1f} %")
    screen.leave()


TESTS = [test_commands, test_top]

if __name__ == "__main__":
    cli.own_network()
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
