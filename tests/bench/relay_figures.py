# SPDX-License-Identifier: GPL-3.0-or-later
"""What relay.py prints of its rounds: a table, and the ratios that are aimed at."""
import math
import statistics


def print_table(results):
    base, plain = (results.get(name, {}) for name in ("routing", "read-write"))
    print(f"{'':12}{'MB/s':>8}{'of routing':>12}{'CPU s/GB':>10}{'of r/w':>8}"
          f"{'NOOP p50':>10}{'p99':>7}{'logins/s':>10}{'CPU':>8}")
    for name, r in results.items():
        if "p50_us" not in r:
            print(f"{name:12}{'':57}{r['logins_per_s']:10.0f}{r['login_us']:6.0f}us")
            continue
        cpu_ratio = r["cpu_s_per_gb"] / plain.get("cpu_s_per_gb", math.inf)
        print(f"{name:12}{r['mb_per_s']:8.0f}"
              f"{r['mb_per_s'] / base.get('mb_per_s', math.inf):12.2f}"
              f"{r['cpu_s_per_gb']:10.2f}{cpu_ratio:8.2f}"
              f"{r['p50_us']:8.0f}us{r['p99_us']:5.0f}us", end="")
        print(f"{r['logins_per_s']:10.0f}{r['login_us']:6.0f}us" if "login_us" in r else "")


def print_pings(turns):
    print(f"{'':14}NOOP p50")
    for name, list_ in turns.items():
        p50 = statistics.median(t["p50_us"] for t in list_)
        print(f"{name:14}{p50:6.2f} us")
    if "limit-tproxy" not in turns or "haproxy" not in turns:
        return
    least = ratio(turns, "p50_us", "limit-tproxy", ("haproxy",))
    print(f"the least loop where we stand: {least:.2f} of haproxy: the goal of 0.95 "
          + ("lies below the physical limit of this place" if least > 0.95
             else "is not below the physical limit of this place"))


def ratio(turns, key, ours, others):
    """The median over the rounds: what loads the machine loads both of a round."""
    return statistics.median(
        mine[key] / (sum(theirs[key] for theirs in row) / len(row))
        for mine, *row in zip(turns[ours], *(turns[name] for name in others), strict=True))


def print_verdict(turns):
    targets = (
        ("CPU per GB", "cpu_s_per_gb", "mailferry", ("read-write",), "at most 0.50"),
        ("NOOP p50", "p50_us", "mailferry", ("haproxy",), "at most 0.95"),
        ("NOOP p50", "p50_us", "mailferry", ("transparent",), "at most 0.95"),
        ("NOOP p50", "p50_us", "mailferry", ("limit-tproxy",), "the least is 1.00"),
        ("NOOP p50 of the least loop where we stand", "p50_us", "limit-tproxy", ("haproxy",),
         "above 0.95, ours lies below the physical limit of this place"),
        ("logins/s", "logins_per_s", "mailferry", ("nginx", "nginx-64k"), "at least 1.10"),
        ("CPU of a login", "login_us", "mailferry", ("nginx", "nginx-64k"), "at most 0.90"),
        ("logins/s of the least", "logins_per_s", "limit-tproxy", ("nginx", "nginx-64k"),
         "what is there to reach"),
        ("CPU of the least login", "login_us", "limit-tproxy", ("nginx", "nginx-64k"),
         "what is there to reach"),
        ("CPU of a login", "login_us", "mailferry", ("limit-tproxy",), "the least is 1.00"),
        ("logins/s through the vault", "logins_per_s", "moved", ("nginx", "nginx-64k"),
         "at least 1.00"),
        ("the same, no process to start", "logins_per_s", "moved-warm", ("nginx", "nginx-64k"),
         "at least 1.00"),
        *((what, key, "moved-warm", (name,), target)
          for name in ("dovecot", "dovecot-kept")
          for what, key, target in (
              ("logins/s into a mailbox", "logins_per_s", "at least 1.00"),
              ("CPU of a login into a mailbox", "login_us", "at most 1.00"))),
    )
    for what, key, ours, names, target in targets:
        others = [name for name in names if name in turns]
        if others and ours in turns:
            print(f"{what}: {ratio(turns, key, ours, others):.2f} "
                  f"of {others[0]} (target: {target})")
