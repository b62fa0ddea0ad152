#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's comparison of a Maildir takes for a change of dovecot-uidlist."""
import sys
import tempfile
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import compare  # noqa: E402

# as Dovecot 2.3 writes it: a line was appended, UIDNEXT in the first one is an old one
APPENDED = "3 V17 N3 Gda8\n2 :a,S=14\n3 :b,S=14\n4 :c\n"
ROWS = [
    ("written anew", "3 V17 N5 Gda8\n2 W17 :a,S=14\n3 :b,S=14\n4 :c\n", False),
    ("another UIDNEXT", "3 V17 N6 Gda8\n2 :a,S=14\n3 :b,S=14\n4 :c\n", True),
    ("another UIDVALIDITY", "3 V18 N3 Gda8\n2 :a,S=14\n3 :b,S=14\n4 :c\n", True),
    ("another UID", "3 V17 N3 Gda8\n1 :a,S=14\n3 :b,S=14\n4 :c\n", True),
    ("one is gone", "3 V17 N5 Gda8\n2 :a,S=14\n3 :b,S=14\n", True),
]


def files(text, *others):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "dovecot-uidlist").write_text(text, encoding="ascii")
        for name in others:
            (Path(folder) / name).touch()
        return compare.files(folder)


def main():
    for name, text, differs in ROWS:
        said = compare.file_differences(files(APPENDED), files(text))
        assert bool(said) == differs, (name, said)
    said = compare.file_differences(files(APPENDED), files(APPENDED, "dovecot-uidlist.lock"))
    assert not said, said
    assert compare.file_differences(files(APPENDED), files(APPENDED, "cur"))
    return 0


sys.exit(main())
