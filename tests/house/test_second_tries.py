#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests .ci/second-tries names, and when it fails."""
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOG = """
    Start 1: a.good
1/5 Test  #1: a.good ...........................   Passed    0.04 sec
2/5 Test #12: b.flaky ..........................***Failed    0.03 sec
b.flaky said: 1/5 Test #9: not.a.result
3/5 Test #13: c.bad ............................***Failed    0.03 sec
    Test #12: b.flaky ..........................   Passed    0.01 sec
    Test #13: c.bad ............................***Failed    0.03 sec
4/5 Test #15: e.skip ...........................***Skipped   0.01 sec
5/5 Test #14: d.slow ...........................***Timeout   1.03 sec
    Test #14: d.slow ...........................   Passed    0.02 sec
"""
CALM = "1/1 Test #12: b.flaky ..........................   Passed    0.01 sec\n"


def run(log, record, text):
    log.write_text(text)
    done = subprocess.run([ROOT / ".ci/second-tries", log, record], capture_output=True,
                          text=True, check=False)
    return done.returncode, done.stdout


def main():
    with tempfile.TemporaryDirectory() as folder:
        log, record = Path(folder) / "log", Path(folder) / "record"
        first = run(log, record, LOG)
        assert first == (0, "second tries: b.flaky, d.slow\n"), first
        code, said = run(log, record, LOG)
        assert code == 1 and "d.slow needed a second try twice in a row" in said, said
        assert run(log, record, CALM) == (0, "second tries: none\n")
        assert run(log, record, LOG)[0] == 0, "not in a row"
    return 0


sys.exit(main())
