#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the transfer logs in at the source: what servers want before, what they refuse, how
long they take.

    test_source_logins.py MAILFERRY_TRANSFER REGISTRY_TOOL [WORD...]
"""
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent)
from fake_interceptor import SOON  # noqa: E402
from imap_world import ImapWorld  # noqa: E402
from mini_pop3 import MiniPop3  # noqa: E402
from one_account import OVER, case, equal, main, true, wait_until  # noqa: E402

SLOW = 12  # s: a look-up of the client's name that fails
OUT_OF_SERVICE_MS = 8000  # a few round trips, on a busy machine, and less than that


class World(ImapWorld):
    def __init__(self):
        self.pop3 = MiniPop3()
        super().__init__()

    def __exit__(self, *arguments):
        self.pop3.close()
        super().__exit__(*arguments)

    def services(self):
        return super().services() + f"\n pop3 {{\n upstream = {self.pop3.port}\n }}"

    def words(self):
        return [command.split()[0] for command in self.server.commands]

    def proven(self):
        """Which of the passwords that were used open the mailbox here."""
        known = {"secret", "the new one", "typed wrongly", "of the phone", "of the tablet"}
        return sorted(p for p in known if self.opens("alice", p))

    def was_short(self):
        ms = self.account("out_of_service_ms")[0]
        true(ms < OUT_OF_SERVICE_MS, f"out of service for {ms} ms")


@case
def id_goes_before_the_login(world):
    world.server.capability += " ID"
    world.server.wants_id = True
    world.run()
    world.arrived()
    words = world.words()
    true(words.index("ID") < words.index("AUTHENTICATE"), words[:4])


@case
def id_is_not_said_where_nobody_knows_it(world):
    world.run()
    world.arrived()
    true("ID" not in world.words(), "ID")


@case
def login_where_authenticate_is_refused(world):
    world.server.refuses_sasl = "authentication failed"
    world.run()
    world.arrived()
    equal(world.words().count("AUTHENTICATE"), 1, "and it is remembered")


@case
def login_where_the_code_blames_the_password(world):
    world.server.refuses_sasl = "[AUTHENTICATIONFAILED] wrong"
    world.run()
    world.arrived()


@case
def a_wrong_password_is_wrong_both_ways(world):
    world.server.password = "another"
    world.run()
    equal(world.state(), "source/failed", "state")
    true("password no longer accepted" in world.error(), world.error())
    equal(world.words().count("LOGIN"), 1, "the other way was tried, once")


@case
def every_password_that_the_source_takes_opens_it_here(world):
    """App passwords: each was shown by some client, and each is proven by a login of ours."""
    world.server.passwords = {"of the phone", "of the tablet"}
    for password in ("of the phone", "typed wrongly", "of the tablet"):
        world.tool("capture", "alice", password)
    world.run()
    world.arrived()
    equal(world.proven(), ["of the phone", "of the tablet", "secret"], "proven")
    equal(world.account("(SELECT count(*) FROM password WHERE verifier IS NULL)")[0], 1,
          "candidates")
    taken = [p for p, is_taken in world.server.logins if is_taken]
    equal(sorted(taken), ["of the phone", "of the tablet", "secret"], "one login with each")


@case
def the_newest_is_tried_first_and_the_next_one_then(world):
    world.tool("capture", "alice", "typed wrongly")
    world.run()
    world.arrived()
    equal(world.proven(), ["secret"], "proven")
    equal(world.server.logins[0], ("typed wrongly", False), "first login")


@case
def a_password_that_changes_meanwhile(world):
    """What was good at the first login is not what opens the mailbox, once the source says
    no to it; the new one is, since this process logged in with it."""
    world.interceptor.logged_in.add(b"alice")
    process = world.start()
    wait_until("the copy", lambda: world.state() == "source/catching-up")
    world.server.password = "the new one"
    world.tool("capture", "alice", "the new one")
    time.sleep(2)  # a login so old is made again before the switch
    world.interceptor.log_off(b"alice")
    equal(process.wait(60), OVER, "exit code")
    process.stderr.close()
    world.arrived()
    equal(world.proven(), ["the new one"], "proven")


@case
def a_password_that_changes_and_is_not_shown(world):
    world.interceptor.logged_in.add(b"alice")
    process = world.start()
    wait_until("the copy", lambda: world.state() == "source/catching-up")
    world.server.password = "the new one"
    time.sleep(2)
    world.interceptor.log_off(b"alice")
    equal(process.wait(60), OVER, "exit code")
    process.stderr.close()
    equal(world.state(), "source/failed", "they stay until they have shown it")
    equal(world.proven(), [], "proven")


@case
def a_slow_greeting_is_no_time_out_of_service(world):
    world.server.greets_after = SLOW
    world.run()
    world.arrived()
    world.was_short()
    equal(world.words().count("AUTHENTICATE"), 1, "one login, from the copy to the switch")


@case
def a_slow_greeting_by_pop3_is_none_either(world):
    world.settings["uidls"] = "require"
    world.write_config()
    for uid, (_, _, body) in world.server.folders["INBOX"].messages.items():
        world.pop3.add(f"id{uid}", body)
    world.pop3.greets_after = SLOW
    world.run()
    world.arrived()
    equal(world.account("uidls_kept")[0], 1, "unique-ids")
    world.was_short()


@case
def one_that_was_greeted_and_not_waited_for(world):
    """The switch is taken back, and the connection for the last look is closed meanwhile."""
    world.settings["uidls"] = "require"
    world.write_config()
    for uid, (_, _, body) in world.server.folders["INBOX"].messages.items():
        world.pop3.add(f"id{uid}", body)
    world.pop3.greets_after = 0.6
    world.pop3.leaves = threading.Event()
    world.interceptor.slips_in = 1

    def before(kind, number):
        if kind == "QUIESCE" and number != SOON and not world.pop3.left:
            world.pop3.leaves.set()
            wait_until("it to leave", lambda: world.pop3.left)
            world.pop3.leaves.clear()
    world.interceptor.before = before
    world.run()
    world.arrived()
    true(world.pop3.left, "it left")
    equal(world.account("uidls_kept, attempts"), (1, 1), "unique-ids, attempts")


# ---- how fast --------------------------------------------------------------------------

@case
def no_faster_than_the_admin_says(world):
    for uid in range(100, 108):
        world.server.folders["INBOX"].add(uid, b"Subject: x\r\n\r\n" + b"x" * 49998 + b"\r\n")
    world.settings["limits"] = {"source_kilobytes": 150}
    world.write_config()
    began = time.monotonic()
    world.run()
    took = time.monotonic() - began
    world.arrived()
    true(took > 8 * 50_000 / (150 * 1024) - 1, f"400 kB in {took:.1f} s")  # the last piece is free


@case
def no_more_logins_than_the_admin_says(world):
    world.server.passwords = {"of the phone", "of the tablet"}
    for password in ("of the phone", "of the tablet"):
        world.tool("capture", "alice", password)
    world.settings["limits"] = {"source_logins": 30}
    world.write_config()
    began = time.monotonic()
    world.run()
    took = time.monotonic() - began
    world.arrived()
    true(len(world.server.logins) >= 3, world.server.logins)
    true(took > 2 * (len(world.server.logins) - 1), f"{world.server.logins} in {took:.1f} s")


@case
def a_source_that_has_too_many_is_asked_less(world):
    world.server.refuses_sasl = "[LIMIT] too many connections"
    process = world.start()
    wait_until("the second try", lambda: world.words().count("AUTHENTICATE") == 2)
    world.server.refuses_sasl = None
    _, log = process.communicate(timeout=60)
    world.arrived()
    for ms in (1000, 2000):
        true(f"next_login_ms={ms}\n" in log, log)
    equal(world.words().count("AUTHENTICATE"), 3, "logins")


@case
def each_way_to_say_not_now_counts(world):
    """None of them blames the password, and each makes the next login come later."""
    world.server.refuses_sasl = ["[LIMIT] no more", "[THROTTLED] slower", "[INUSE] locked"]
    process = world.start()
    _, log = process.communicate(timeout=60)
    world.arrived()
    for ms in (1000, 2000, 4000):
        true(f"next_login_ms={ms}\n" in log, log)
    equal(world.words().count("AUTHENTICATE"), 4, "logins")
    equal(world.words().count("LOGIN"), 0, "the other way would help nothing")
    equal(world.account("attempts")[0], 1, "attempts")
    equal(world.proven(), ["secret"], "proven")


main(World)
