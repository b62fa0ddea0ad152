#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the house that a compiler does not check.

Floors: a folder includes only from lower floors, from its own, or from the
neighbour that is named here. Files: an SPDX line first, at most 600 lines.
Functions: at most 60 lines from brace to brace.
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# folder -> the folders it may include from (besides itself)
MAY_INCLUDE = {
    "base": [],
    "settings": ["base"],
    "event": ["base"],
    "net": ["base", "event"],
    "messages": ["base", "event"],
    "wire": ["base"],
    "database": ["base"],
    "registry": ["base", "database"],
    "tls": ["base", "event", "net", "wire"],
    "nft-rules": ["base", "settings"],
    "mailstore/store": ["base", "database"],
    "mailstore/serve": ["base", "event", "net", "wire", "mailstore/store"],
    "mailstore": ["base", "event", "net", "wire", "settings", "messages", "mailstore/store", "mailstore/serve"],
    "interceptor": ["base", "event", "net", "wire", "settings", "messages", "registry"],
    "transfer/read": ["base", "event", "net", "wire", "settings"],
    "transfer/write": ["base", "mailstore/store"],
    "transfer/copy": ["base"],
    "transfer/account": ["base", "event", "net", "wire", "settings", "messages", "registry",
                         "mailstore/store", "transfer/read", "transfer/write",
                         "transfer/copy"],
    "transfer": ["base", "event", "net", "wire", "settings", "messages", "registry",
                 "mailstore/store", "transfer/account"],
    "control": ["base", "event", "net", "wire", "settings", "messages", "registry", "nft-rules",
                "mailstore/store"],
}
# single headers that a folder may use of another on the same floor, with the reason
EXCEPTIONS = {
    ("interceptor", "nft-rules/marks.h"),  # the socket marks that the rules count by
    # the copy knows neither end: only what it asks of them
    ("transfer/write", "transfer/read/source.h"),
    ("transfer/copy", "transfer/read/source.h"),
    ("transfer/copy", "transfer/write/destination.h"),
}
# headers of packages that one folder hides from all others
HIDDEN = {
    "sqlite3.h": "database",
}
LINES_MAX = 600
FUNCTION_LINES_MAX = 60
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
PACKAGE = re.compile(r'^\s*#\s*include\s+<([^>]+)>')


def folder_of(path):
    """The longest key of MAY_INCLUDE that path (relative, without lib/) lies in."""
    text = path[4:] if path.startswith("lib/") else path
    parts = text.split("/")[:-1]
    for n in range(len(parts), 0, -1):
        if "/".join(parts[:n]) in MAY_INCLUDE:
            return "/".join(parts[:n])
    return None


def check_includes(path, lines):
    here = folder_of(path)
    if here is None:
        return
    for number, line in enumerate(lines, 1):
        package = PACKAGE.match(line)
        if package and HIDDEN.get(package[1], here) != here:
            yield f"{path}:{number}: <{package[1]}> belongs to {HIDDEN[package[1]]}"
        found = INCLUDE.match(line)
        if not found or (here, found[1]) in EXCEPTIONS:
            continue
        there = folder_of(found[1])
        if there is None:
            yield f"{path}:{number}: includes \"{found[1]}\": name the folder it is in"
        elif there != here and there not in MAY_INCLUDE[here]:
            yield f"{path}:{number}: {here} may not include from {there} (a higher floor)"


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


def check_spdx(path, lines):
    if not any("SPDX-License-Identifier: GPL-3.0-or-later" in l for l in lines[:2]):
        yield f"{path}: no SPDX line at its top"


def main():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, text=True, check=True,
                            stdout=subprocess.PIPE).stdout.split("\n")
    complaints = []
    checked = 0
    for path in listed:
        if not path.endswith((".c", ".h", ".py")) or not (ROOT / path).exists():
            continue
        lines = (ROOT / path).read_text(errors="replace").splitlines()
        checked += 1
        complaints += check_spdx(path, lines)
        complaints += check_size(path, lines)
        if path.endswith((".c", ".h")):
            complaints += check_includes(path, lines)
    for complaint in complaints:
        print(complaint)
    print(f"{checked} files, {len(complaints)} complaints")
    return 1 if complaints or not checked else 0


sys.exit(main())
