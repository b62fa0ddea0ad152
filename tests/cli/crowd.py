# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts in a registry by the thousand, at every step of their way."""
import sqlite3
import time

FIRST = ["anna", "bert", "clara", "david", "emma", "felix", "greta", "hugo", "ida", "jonas",
         "klara", "leo", "mia", "noah", "olga", "paul", "rosa", "sven", "tina", "udo"]
LAST = ["adler", "berg", "cramer", "dorn", "eder", "fuchs", "graf", "hahn", "iser", "jung",
        "klein", "lang", "moser", "nagel", "otto", "pohl", "roth", "seidel", "thoma", "vogt"]
MOVING = [("due", 0), ("copying", 35), ("copying", 72), ("catching-up", 100)]
ERRORS = ["the source does not give message 17 of Archive",
          "the password is refused at the source", "no room: the disk is below its reserve"]


def name_of(i):
    tail = i // (len(FIRST) * len(LAST))
    return (f"{FIRST[i % len(FIRST)]}.{LAST[i // len(FIRST) % len(LAST)]}"
            f"{tail or ''}")


def way_of(i, n):
    """route, stage, why not capturable, copied per cent, error: most live here."""
    if i < len(MOVING):
        return ("source", *MOVING[i][:1], "", MOVING[i][1], "")
    if i < len(MOVING) + max(3, n // 500):
        return ("source", "failed", "", 40, ERRORS[i % len(ERRORS)])
    if i % 50 == 0:
        return ("source", "idle", "CRAM-MD5", 0, "")
    return ("local", "done", "", 100, "") if i % 3 else ("source", "idle", "", 0, "")


def fill(house, n):
    """n accounts more than there are."""
    now = int(time.time() * 1000)
    with sqlite3.connect(house.state / "registry.sqlite") as db:
        for i in range(n):
            route, stage, why, percent, error = way_of(i, n)
            total = 200 + i * 37 % 4000
            copied = total * percent // 100
            row = db.execute(
                "INSERT INTO account (name, login, route, stage, stage_at, uncapturable_why,"
                " first_login_at, last_login_at, folders, messages_total, messages_copied,"
                " bytes_copied, attempts, next_try_at, last_error) VALUES"
                " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (name_of(i), name_of(i), route, stage, now, why, now - 86400000,
                 now - i * 1000 % 86400000, 5 + i % 20, total, copied, copied * 37000,
                 bool(error) * 2, bool(error) * (now + 600000), error))
            db.execute("INSERT INTO name (key, account) VALUES (?, ?)",
                       (name_of(i), row.lastrowid))
    db.close()
