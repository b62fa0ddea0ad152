#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests .ci/second-tries names, and when it fails; .ci/run and ./test with tests of
their own."""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIRST = """
    Start 1: a.good
1/5 Test  #1: a.good ...........................   Passed    0.04 sec
2/5 Test #12: b.flaky ..........................***Failed    0.03 sec
b.flaky said: 1/5 Test #9: not.a.result
4/5 Test #15: e.skip ...........................***Skipped   0.01 sec
5/5 Test #14: d.slow ...........................***Timeout   1.03 sec

60% tests passed, 2 tests failed out of 5
"""
SECOND = """
1/2 Test #12: b.flaky ..........................   Passed    0.01 sec
2/2 Test #14: d.slow ...........................   Passed    0.02 sec

100% tests passed, 0 tests failed out of 2
"""
BAD = SECOND.replace("   Passed    0.02", "***Failed    0.02")
CALM = """
1/1 Test #12: b.flaky ..........................   Passed    0.01 sec

100% tests passed, 0 tests failed out of 1
"""
GOOD = "100% tests passed, 0 tests failed out of 5"
PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(tries NONE)
enable_testing()
"""
FLAKY = 'add_test(flaky sh -c "echo flaky >>ran; test -e tried || { touch tried; exit 1; }")\n'
SLOW = 'add_test(slow sh -c "while [ ! -e tried ]; do sleep 0.1; done; echo slow >>ran")\n'


def run(log, record, text):
    log.write_text(text)
    done = subprocess.run([ROOT / ".ci/second-tries", log, record], capture_output=True,
                          text=True, check=False)
    return done.returncode, done.stdout


def of_a_log(folder):
    log, record = folder / "log", folder / "record"
    first = run(log, record, FIRST + SECOND)
    assert first == (0, f"second tries: b.flaky, d.slow\n{GOOD}\n"), first
    code, said = run(log, record, FIRST + SECOND)
    assert code == 1 and "d.slow needed a second try twice in a row" in said, said
    code, said = run(log, record, CALM)
    assert code == 0 and said.startswith("second tries: none\n"), said
    assert run(log, record, FIRST + SECOND)[0] == 0, "not in a row"
    run(log, record, CALM)
    bad = "second tries: b.flaky\n80% tests passed, 1 tests failed out of 5\n"
    assert run(log, record, FIRST + BAD) == (1, bad)
    run(log, record, CALM)
    cut = FIRST[:FIRST.index("60%")]
    assert run(log, record, cut)[0] == 1, "the first tries came to no end"
    assert run(log, record, "")[0] == 1, "nothing was run"
    unseen = FIRST.replace("60% tests passed, 2", "40% tests passed, 3")
    assert run(log, record, unseen + SECOND)[0] == 1, "one that failed is not in the log"


class Project:
    """A project whose tests .ci/run runs with ./test: real ones but for the packages."""

    def __init__(self, folder):
        self.folder = folder
        self.build = folder / "build/dev"
        (folder / "tests").mkdir(parents=True)
        (folder / "tests/install-packages").symlink_to("/bin/true")
        for name in (".ci/run", ".ci/second-tries", "test", "CMakePresets.json"):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)

    def run(self, tests):
        """(exit status, lines)"""
        (self.folder / "CMakeLists.txt").write_text(PROJECT + tests)
        done = subprocess.run([self.folder / ".ci/run"], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, check=False,
                              env={**os.environ, "CLICOLOR_FORCE": "1"})  # as a terminal would
        return done.returncode, done.stdout.splitlines()

    def forget(self, *names):
        for name in names:
            (self.build / name).unlink(missing_ok=True)


def of_a_project(folder):
    project = Project(folder)
    code, lines = project.run(FLAKY + SLOW)
    assert code == 0 and lines[-2:] == [
        "second tries: flaky", "100% tests passed, 0 tests failed out of 2"], lines
    ran = (project.build / "ran").read_text().split()
    assert ran == ["flaky", "slow", "flaky"], f"after all others: {ran}"
    log = (project.build / "test.log").read_text()
    assert "***Failed" in log and log.count("flaky ..") == 2, "the log keeps both tries"

    project.forget("tried")
    code, lines = project.run(FLAKY)
    assert code == 1 and any("twice in a row" in line for line in lines), lines
    project.forget("tried", "second-tries")
    code, lines = project.run(FLAKY + "add_test(bad false)\n")
    assert code == 1 and lines[-2:] == [
        "second tries: flaky", "50% tests passed, 1 tests failed out of 2"], lines
    code, lines = project.run("add_test(bad false)\nmessage(FATAL_ERROR no)\n")
    assert code == 1 and "tests passed" not in lines[-1], f"it is not built: {lines}"
    code, lines = project.run("")
    assert code == 1 and "tests passed" not in lines[-1], f"no test: {lines}"
    many = "".join(f"add_test(bad{n} false)\n" for n in range(11))
    code, lines = project.run(many)
    assert code == 1 and lines[-1].startswith("0% tests passed, 11 "), lines
    assert (project.build / "test.log").read_text().count("bad7 ..") == 1, "once"
    code, lines = project.run(FLAKY)
    assert code == 0 and lines[-2] == "second tries: none", lines


def main():
    with tempfile.TemporaryDirectory() as folder:
        of_a_log(Path(folder))
        of_a_project(Path(folder) / "project")
    return 0


sys.exit(main())
