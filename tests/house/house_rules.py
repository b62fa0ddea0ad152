#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the house that a compiler does not check.

Includes: see includes.py. Files: an SPDX line first, at most 600 lines. C: lines of at most
90 columns, but for texts and what is fenced off (clang-format leaves comments and texts
alone, so that a drawing or a help text stays as it was made), functions of at most 60 lines
from brace to brace. Who copies only reads: commands that change a source are in one file.
Documents: each file that is named is there.
"""
import re
import subprocess
import sys
from pathlib import Path

import includes

ROOT = Path(__file__).resolve().parents[2]
LINES_MAX = 600
COLUMNS_MAX = 90
FUNCTION_LINES_MAX = 60


def check_size(path, lines):
    if len(lines) > LINES_MAX:
        yield f"{path}: {len(lines)} lines; more than {LINES_MAX} wants splitting"
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            if number - start - 1 > FUNCTION_LINES_MAX:
                yield (f"{path}:{start}: a function of {number - start - 1} lines;"
                       f" {FUNCTION_LINES_MAX} is the most")
            start = None


def check_columns(path, lines):
    fenced = False
    for number, line in enumerate(lines, 1):
        if "clang-format o" in line:
            fenced = "clang-format off" in line
        elif len(line.expandtabs(8)) > COLUMNS_MAX and not fenced and '"' not in line:
            yield f"{path}:{number}: more than {COLUMNS_MAX} columns"


# Invariant 4: who copies only reads. Commands that change a source are written here alone,
# and this is only used where the admin has said that an account goes back.
WRITING = re.compile(r'"(?:UID )?(?:APPEND|STORE|EXPUNGE|CREATE|DELETE|RENAME|SUBSCRIBE|'
                     r'UNSUBSCRIBE|COPY|MOVE|SETACL|DELE)(?: |\\r)')
MAY_WRITE = "transfer/back/imap_writer.c"
MAY_USE_WRITER = ("transfer/account/account_carry.c", "transfer/account/job/onward.c", MAY_WRITE)


def check_reads_only(path, lines):
    if not path.startswith("transfer/"):
        return
    for number, line in enumerate(lines, 1):
        if path != MAY_WRITE and WRITING.search(line):
            yield f"{path}:{number}: a command that changes the source"
        if "imap_writer.h" in line and path not in MAY_USE_WRITER:
            yield f"{path}:{number}: changes the source; only the way back does"


def check_spdx(path, lines):
    if not any("SPDX-License-Identifier: GPL-3.0-or-later" in l for l in lines[:2]):
        yield f"{path}: no SPDX line at its top"


# `serve/output.c`, `loop.h`: the end of a path; "<name>", "{a,b}" stand for many.
NAMED_FILE = re.compile(r"`([\w./-]+\.(?:c|h|py|pml))`")


def check_named_files(document, tracked):
    text = (ROOT / document).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        for name in NAMED_FILE.findall(line):
            if not any(("/" + path).endswith("/" + name) for path in tracked):
                yield f"{document}:{number}: there is no {name}"


def list_files(*patterns):
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, text=True,
                            check=True, stdout=subprocess.PIPE).stdout.split("\n")
    return [path for path in listed if path and (ROOT / path).exists()]


def read_files():
    return {path: (ROOT / path).read_text(errors="replace").splitlines()
            for path in list_files("*.c", "*.h", "*.py")}


def main():
    files = read_files()
    complaints = []
    for path, lines in files.items():
        complaints += check_spdx(path, lines)
        complaints += check_size(path, lines)
        if not path.endswith(".py"):
            complaints += check_columns(path, lines)
            complaints += check_reads_only(path, lines)
    tracked = list_files()
    for document in list_files("*.md"):
        complaints += check_named_files(document, tracked)
    drawing = includes.read_drawing((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    code = {path: lines for path, lines in files.items() if not path.endswith(".py")}
    complaints += includes.Tree(code, drawing).complaints()
    for complaint in complaints:
        print(complaint)
    print(f"{len(files)} files, {len(drawing)} folders, {len(complaints)} complaints")
    return 1 if complaints or not files or not drawing else 0


sys.exit(main())
