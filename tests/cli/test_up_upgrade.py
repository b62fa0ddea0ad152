#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`up` before it becomes the mailferry that follows it."""
import os
import signal
import sys

import cli
from cli import expect, wait_until
from test_up import nothing_left, serving, stop


def test_stop_during_an_upgrade(house):
    process = house.up()
    serving(house)
    os.kill(house.pid("mailstore"), signal.SIGSTOP)  # the stop takes as long as we want
    new = house.root / "new"
    new.write_text('#!/bin/sh\n[ "$MAILFERRY_RESUME" = trial ] || exit 3\n'
                   f'while ! [ -e {house.root}/go ]; do sleep 0.1; done\n')
    new.chmod(0o755)
    new.rename(house.mailferry)
    process.send_signal(signal.SIGUSR2)
    wait_until(lambda: "idle -> trying" in house.log(), "the new one is tried")
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "serving -> draining" in house.log(), "it stops")
    (house.root / "go").touch()
    wait_until(lambda: "trying -> exec" in house.log(), "it would start")
    stop(process)
    nothing_left()


def test_trial(house):
    """What would end `up` once it has become the new one is found before."""
    house.root.chmod(0o700)
    os.environ["MAILFERRY_RESUME"] = "trial"
    try:
        house.bad("cannot pass .* run: chmod", "up")
    finally:
        del os.environ["MAILFERRY_RESUME"]
        house.root.chmod(0o711)


def test_old_upgrade_is_forgotten(house):
    """Its number would be that of none of this one's for long."""
    (house.run / "upgrade.json").write_text('{"number":7,"state":"idle","retired":[]}')
    process = house.up()
    serving(house)
    expect(not (house.run / "upgrade.json").exists(), "it stays")
    stop(process)


TESTS = [test_stop_during_an_upgrade, test_trial, test_old_upgrade_is_forgotten]

if __name__ == "__main__":
    cli.own_network()
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
