#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""mailferry-transfer reading by POP3 alone, from a small server with chosen faults. All on
loopback; the lab has the real ones.

    test_pop3_only.py MAILFERRY_TRANSFER REGISTRY_TOOL [WORD...]
"""
import signal
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent)
from mini_server import MiniServer  # noqa: E402
from one_account import PARKED, case, equal, main, true, wait_until  # noqa: E402
from pop3_world import Pop3World as World  # noqa: E402

RECEIVED = b"Received: from a by b; Tue, 5 Mar 2019 10:11:12 +0100\r\n"


@case
def a_move(world):
    world.server.add("dated", RECEIVED + b"Date: Mon, 4 Mar 2019 00:00:00 +0000\r\n\r\nx\r\n")
    world.server.add("empty", b"\r\n")
    world.server.add("long", b"Subject: l\r\n\r\n" + b"0123456789abcd\r\n" * 200_000)
    world.run()
    world.arrived()
    equal(world.rows("SELECT date, zone FROM message WHERE uidl = 'dated'"),
          [(1551777072, 60)], "the internal date")
    now = world.rows("SELECT date FROM message WHERE uidl = 'u1'")[0][0]
    true(abs(now - time.time()) < 60, f"without any date: now, not {now}")
    certificate = world.certificate()
    equal((certificate["result"], certificate["reader"], certificate["messages"]),
          ("equal", "pop3", 11), "certificate")
    equal(certificate["uidls"], {"result": "equal", "messages": 11, "last": "long"},
          "unique-ids in it")
    true("flags" in certificate["unknown"], "what it does not know")
    equal(world.account("uids_kept, uidls_kept"), (-1, 1), "kept")
    commands = world.server.commands
    for n, command in enumerate(commands):
        true(command != "QUIT" or commands[n - 1] == "RSET", f"{commands[n - 1]}, QUIT")
    equal(world.server.most_ahead, 0, "commands ahead of answers, without PIPELINING")


@case
def pipelined(world):
    world.server.capability += " PIPELINING"
    for n in range(500):
        world.server.add(f"p{n}", b"%d\r\n" % n * 50)
    world.run()
    world.arrived()
    true(world.server.most_ahead > 5, f"ahead: {world.server.most_ahead}")


@case
def nothing_is_ahead_of_its_answer(world):
    world.server.one_at_a_time = True
    world.run()
    world.arrived()


@case
def a_small_change_costs_little(world):
    world.interceptor.logged_in.add(b"alice")
    world.run(PARKED)
    equal(world.server.commands, [], "said while its owner was in")
    world.interceptor.log_off(b"alice")
    world.copy()
    read, uids = world.server.count("RETR"), world.uids()
    world.server.remove("u2")
    world.server.remove("u5")
    world.server.add("u9", b"Subject: 9\r\n\r\nnine\r\n")
    world.server.messages.insert(1, world.server.messages.pop(4))
    world.server.messages.insert(0, world.server.messages.pop())
    world.run()
    world.arrived()
    equal(world.server.count("RETR"), read + 1, "bodies read")
    equal({u: n for u, n in world.uids().items() if u != "u9"},
          {u: n for u, n in uids.items() if u not in ("u2", "u5")}, "UIDs")


@case
def one_unique_id_twice(world):
    world.server.add("twin", b"one\r\n")
    world.server.add("twin", b"two\r\n")
    world.server.add("twin", b"three\r\n")
    world.interceptor.slips_in = 1
    world.run()
    world.arrived()
    equal(world.server.count("RETR"), 11, "bodies read")


@case
def sizes_counted_wrongly(world):
    for message in world.server.messages:
        message.size = message.body.count(b"\n") * 3
    world.run()
    world.arrived()
    equal(world.server.count("RETR"), 8, "bodies read")


@case
def what_was_read_looks_different(world):
    """As with mailutils, which puts a Status line into it: what it shows at last counts."""
    world.server.grows = True
    world.run()
    world.arrived()
    equal(world.server.count("RETR"), 16, "bodies read")


@case
def without_uidl(world):
    world.server.refuses = {"UIDL": "what?"}
    world.server.add("", b"Subject: 1\r\n\r\n.hello\r\n..\r\n")  # as the first one
    world.run()
    equal(world.state(), "local/done", f"state ({world.error()})")
    equal([m[1:] for m in world.here()], [m[1:] for m in world.at_source()], "mail")
    equal(len(world.uids()), 9, "unique-ids of ours")
    equal(world.account("uidls_kept")[0], 0, "uidls_kept")
    equal(world.certificate()["uidls"]["result"], "unproven", "certificate")
    equal(world.server.count("RETR"), 9, "bodies read")


@case
def without_uidl_where_they_must_be_kept(world):
    world.settings["uidls"] = "require"
    world.write_config()
    world.server.refuses = {"UIDL": "what?"}
    world.run()
    equal(world.state(), "source/failed", "state")
    true("no UIDL: -ERR what?" in world.error(), world.error())


@case
def without_uidl_and_top(world):
    world.server.refuses = {"UIDL": "what?", "TOP": "never heard"}
    world.run()
    equal(world.state(), "source/failed", "state")
    true("no UIDL and no TOP" in world.error(), world.error())


@case
def a_message_that_is_not_given(world):
    world.server.broken = {"u3"}
    world.run()
    equal(world.state(), "source/failed", "state")
    true("message 3, u3: -ERR cannot be read" in world.error(), world.error())
    equal(sorted(world.uids()), ["u1", "u2", "u4", "u5", "u6", "u7", "u8"], "the others")
    world.server.broken = set()
    world.run()
    equal(world.state(), "local/done", f"state ({world.error()})")
    world.same()


@case
def the_connection_breaks(world):
    world.server.drops_after = 4
    world.run()
    world.arrived()


@case
def the_password_is_refused(world):
    world.server.password = "another"
    world.run()
    equal(world.state(), "source/failed", "state")
    true("refuses the login by POP3" in world.error(), world.error())
    true("secret" not in world.error(), "the password is shown")


@case
def every_password_that_the_source_takes_opens_it_here(world):
    world.server.passwords = {"of the phone"}
    for password in ("of the phone", "typed wrongly"):
        world.tool("capture", "alice", password)
    world.run()
    world.arrived()
    equal([world.opens("alice", p) for p in ("secret", "of the phone", "typed wrongly")],
          [True, True, False], "proven")


@case
def a_slow_greeting_is_no_time_out_of_service(world):
    world.server.greets_after = 12
    world.run()
    world.arrived()
    ms = world.account("out_of_service_ms")[0]
    true(ms < 8000, f"out of service for {ms} ms")


@case
def somebody_else_has_the_maildrop(world):
    world.server.in_use = "alice lock busy! Is another session active? (11)"

    def later():
        time.sleep(2)
        world.server.in_use = None
    threading.Thread(target=later).start()
    world.run()
    world.arrived()


@case
def somebody_else_has_it_when_nobody_is_served(world):
    """That is no failure: they are let in at the source again, and it goes on."""
    world.interceptor.slips_in = 1
    world.tool("event", "alice", "copy")
    world.tool("event", "alice", "catch-up")
    world.tool("event", "alice", "switch")
    world.interceptor.slips_in = 0
    world.server.in_use = "[IN-USE] by webmail"
    world.run(PARKED)
    equal(world.state(), "source/catching-up", "state")
    world.server.in_use = None
    world.run()
    world.arrived()


@case
def its_owner_comes_back(world):
    for n in range(200):
        world.server.add(f"m{n}", b"%d\r\n" % n)
    world.server.slow = 0.02
    process = world.start()
    wait_until("a part of the copy", lambda: world.server.count("RETR") > 30)
    world.interceptor.logged_in.add(b"alice")
    wait_until("the maildrop to be free", lambda: not world.server.held_by)
    read = world.server.count("RETR")
    true(read < 200, f"it was left after {read} of 200")
    _, log = process.communicate(timeout=60)
    equal(process.returncode, PARKED, f"exit code\n{log}")
    equal(world.state(), "source/copying", "state")
    true(world.server.commands[-1] != "QUIT", "it ends without QUIT")
    world.run(PARKED)
    read = world.server.count("RETR")
    world.interceptor.log_off(b"alice")
    world.server.slow = 0
    world.run()
    world.arrived()
    true(world.server.count("RETR") <= 208 + 2, f"{read} and more: read again")


@case
def devices_that_never_leave(world):
    """Nothing is read while they are in: only once they are out, and nobody is served."""
    world.copy()
    world.server.add("late", b"late\r\n")
    world.interceptor.logged_in.add(b"alice")
    world.settings["deadline"] = 2
    world.write_config()
    read = world.server.count("RETR")
    world.run()
    world.arrived()
    equal([n for kind, _, n in world.interceptor.heard if kind == "QUIESCE"][-1], 1, "forced")
    equal(world.server.count("RETR"), read + 1, "bodies read")


@case
def killed_at_any_moment(world):
    for n in range(1200):
        world.server.add(f"m{n}", b"k" * (n % 3000) + b"\r\n")
    kills = 0
    for number in range(12):
        process = world.start()
        time.sleep(0.05 + 0.07 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        if world.state() == "local/done":
            break
        kills += 1
        # its session ends a moment later
        wait_until("the maildrop to be free", lambda: not world.server.held_by)
    else:
        world.run()
    equal(world.state(), "local/done", f"state ({world.error()})")
    world.same()
    # a batch is 500 messages, of which none is here before all are
    true(world.server.count("RETR") <= 1208 + kills * 501, "what is here is not read again")


@case
def held_at_his_login(world):
    world.settings["strategy"] = "immediate"
    world.write_config()
    world.run()
    world.arrived()
    kinds = [kind for kind, _, _ in world.interceptor.heard]
    equal(kinds[:2], ["ROUTE_CHANGED", "QUIESCE"], "first of all they are off the source")
    equal(world.server.count("RETR"), 8, "bodies read")


@case
def held_no_longer_than_hold(world):
    world.settings.update(strategy="immediate", hold=2)
    world.write_config()
    for n in range(100):
        world.server.add(f"m{n}", b"%d\r\n" % n)
    world.server.slow = 0.03
    world.run(PARKED)
    held = world.held()
    true(held <= 2, f"held for {held:.1f} s")
    equal(world.state(), "source/catching-up", "state")
    world.server.slow = 0
    read = len(world.uids())
    true(read > 10, f"only {read} are kept")
    before = world.server.count("RETR")
    world.run()
    world.arrived()
    equal(world.server.count("RETR"), before + 108 - read, "bodies read")


@case
def imap_comes_back(world):
    world.interceptor.slips_in = 1
    world.server.in_use = "[IN-USE]"

    def later():
        while not world.server.count("PASS"):  # by then IMAP has been asked for in vain
            time.sleep(0.02)
        world.imap_server = MiniServer(world.imap_port)
        world.imap_server.folders["INBOX"].add(7, b"by IMAP\r\n")
        world.server.in_use = None
    threading.Thread(target=later).start()
    world.run()
    equal(world.state(), "source/failed", "state")
    true("IMAP after all" in world.error(), world.error())
    world.run()
    equal(world.state(), "local/done", f"state ({world.error()})")
    equal(world.certificate()["reader"], "imap", "reader")
    world.imap_server.close()


@case
def imap_that_was_seen_is_only_away(world):
    world.rows("INSERT INTO fact (name, value) VALUES ('imap.greeting', '* OK hello')",
               "state/registry.sqlite")
    world.run()
    equal(world.state(), "source/failed", "state")
    true(f":{world.imap_port}" in world.error(), world.error())
    equal(world.server.commands, [], "said by POP3")
    world.imap = "enabled = false"  # the admin knows better
    world.write_config()
    world.run()
    equal(world.state(), "local/done", f"state ({world.error()})")
    world.same()


main(World)
