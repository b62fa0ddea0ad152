#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter for fail2ban, against lines as the interceptor writes them."""
import itertools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FILTER = Path(__file__).resolve().parents[2] / "contrib/fail2ban/filter.d/mailferry.conf"
# as stderr takes them, and as fail2ban makes them of an entry of systemd's journal
HEADS = ("2026-11-26T15:22:21.193Z interceptor info 4d2-11 ",
         "2026-11-26T15:22:21.193Z router mailferry-interceptor[712]: 4d2-11 ")
# (line, the address that is to be counted)
LINES = [
    ("refused account=alice reason=wrong-password service=imap client=192.0.2.7:4000",
     "192.0.2.7"),
    ("refused account=- by=source service=pop3 client=192.0.2.8:4000", "192.0.2.8"),
    ("refused account=alice by=source service=imap client=[2001:db8::7]:4000",
     "2001:db8::7"),
    ("refused account=alice by=source service=submission client=192.0.2.13:4000", "192.0.2.13"),
    ("refused account=- by=source service=smtp client=192.0.2.14:4000", "192.0.2.14"),
    ("refused account=x by=source service=imap client=198.51.100.9:1 reason=wrong-password "
     "service=imap client=192.0.2.9:4000", "192.0.2.9"),
    ("refused account=alice reason=busy service=imap client=192.0.2.10:4000", None),
    ("refused account=alice reason=unavailable service=imap client=192.0.2.11:4000", None),
    ("login service=imap client=192.0.2.12:4000 account=alice route=local", None),
]


def main():
    if not shutil.which("fail2ban-regex"):
        print("skipped: no fail2ban-regex here")
        sys.exit(77)
    failed = 0
    for head, (line, wanted) in itertools.product(HEADS, LINES):
        with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
            log.write(head + line + "\n")
            log.flush()
            done = subprocess.run(["fail2ban-regex", "--out", "ip", log.name, str(FILTER)],
                                  capture_output=True, text=True, timeout=60, check=False)
        found = done.stdout.split()
        if found != ([wanted] if wanted else []):
            failed += 1
            print(f"{head}{line}: {found}, not {wanted}\n{done.stderr}")
    print(f"{len(HEADS) * len(LINES)} lines, {failed} failed")
    sys.exit(1 if failed else 0)


main()
