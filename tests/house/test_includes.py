#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small trees, and what the rules about includes say to each."""
import sys

import includes

DRAWING = """
    floor 3 │ top      ─► middle net
    floor 2 │ middle   ─► net
            │ net
    floor 1 │ base
"""
GOOD = {"top/a.c": ["top/a.h", "middle/m.h", "base/x.h"], "top/a.h": ["net/n.h"],
        "middle/m.c": ["middle/m.h", "net/n.h"], "middle/m.h": ["base/x.h"],
        "lib/net/n.h": ["base/x.h"], "lib/base/x.h": []}

# name, drawing, what is added to the tree, words of the only complaint ("": none)
ROWS = [
    ("good", DRAWING, {}, ""),
    ("upwards", DRAWING, {"lib/net/u.c": ["top/a.h"]}, "net ─► top is not drawn"),
    ("drawn upwards", DRAWING.replace("│ net", "│ net ─► top"), {"lib/net/u.c": ["top/a.h"]},
     "goes to a higher floor|a circle of folders"),
    ("drawn for nothing", DRAWING.replace("│ base", "│ base\n            │ more ─► net"), {},
     "higher floor|more ─► net is drawn, but"),
    ("a folder without a line", DRAWING, {"top/b.c": ["other/o.h"], "other/o.h": []},
     "draw its folder"),
    ("a line that leads nowhere", DRAWING.replace("middle net", "middle net attic"), {},
     "attic: that one has no line"),
    ("a private header at home", DRAWING,
     {"middle/i.c": ["middle/internal.h"], "middle/internal.h": []}, ""),
    ("a private header", DRAWING, {"top/b.c": ["middle/internal.h"], "middle/internal.h": []},
     "middle/internal.h is private"),
    ("private parts", DRAWING, {"top/b.c": ["middle/m_parts.h"], "middle/m_parts.h": []},
     "m_parts.h is private"),
    ("a circle of four", DRAWING, {f"top/{x}.h": [f"top/{y}.h"]
                                   for x, y in ("pq", "qr", "rs", "sp")}, ""),
    ("a circle of five", DRAWING, {f"top/{x}.h": [f"top/{y}.h"]
                                   for x, y in ("pq", "qr", "rs", "st", "tp")},
     "circle of includes through 5 modules"),
    ("by way of the .c files", DRAWING,
     {**{f"top/{x}.c": [f"top/{y}.h"] for x, y in ("pq", "qr", "rs", "st", "tp")},
      **{f"top/{x}.h": [] for x in "pqrst"}}, "circle of includes through 5 modules"),
    ("a circle out of the folder", DRAWING,
     {"top/in/p.h": ["top/q.h"], "top/q.h": ["top/in/p.h"]}, "leaves its folder"),
]


def main():
    failed = 0
    for name, drawing, added, wanted in ROWS:
        files = {path: [f'#include "{i}"' for i in lines]
                 for path, lines in {**GOOD, **added}.items()}
        said = list(includes.Tree(files, includes.read_drawing(drawing)).complaints())
        words = wanted.split("|") if wanted else []
        if len(said) != len(words) or not all(any(w in s for s in said) for w in words):
            print(f"{name}: wanted {words}, said {said}")
            failed += 1
    hidden = includes.Tree({"top/a.c": ["#include <sqlite3.h>"]},
                           includes.read_drawing(DRAWING.replace("─► middle net", "")
                                                 .replace("─► net", "")))
    if [c for c in hidden.complaints() if "belongs to database" in c] == []:
        print("sqlite3.h is not hidden")
        failed += 1
    print(f"{len(ROWS) + 1} trees, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
