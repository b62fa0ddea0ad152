#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""mailferry-transfer from outside, between a small IMAP server with chosen faults and an
interceptor that a test plays. All on loopback; the lab has the real ones.

    test_transfer.py MAILFERRY_TRANSFER REGISTRY_TOOL [WORD...]
"""
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent)
from fake_interceptor import FORCED, LIVE_ASKED, LOGGED_OFF, SOON, FakeInterceptor  # noqa: E402
from imap_world import ImapWorld as World  # noqa: E402
from mini_server import Folder, MiniServer  # noqa: E402
from one_account import (  # noqa: E402
    HELD, OVER, PARKED, PROGRAM, case, equal, main, true, wait_until)
from steps import kill_and_wait  # noqa: E402

@case
def a_move(world):
    world.server.folders["Entw&APw-rfe"] = Folder(uidvalidity=9, uidnext=40)
    world.server.folders["with 'quotes' and spaces"] = Folder()
    world.server.folders["INBOX"].add(99, b"x" * 300_000 + b"\r\n", "\\Seen $label1")
    world.server.subscriptions += ["Old list"]
    world.run()
    world.arrived()
    certificate = world.certificate()
    equal(certificate["result"], "equal", "certificate")
    equal(certificate["messages"], 9, "messages in it")
    equal([f["result"] for f in certificate["folders"]], ["equal"] * 3, "folders in it")
    kinds = [kind for kind, _, _ in world.interceptor.heard]
    equal(sorted(kinds), ["AWAIT_LOGOFF", "QUIESCE", "QUIESCE", "ROUTE_CHANGED", "ROUTE_CHANGED"],
          "dialogue")
    equal([n for kind, _, n in world.interceptor.heard if kind == "QUIESCE"],
          [SOON, LOGGED_OFF], "mail waits before anybody else does")
    equal(world.rows("SELECT value FROM checkpoint WHERE name = 'namespace'"),
          [(b'(("" "/")) NIL NIL',)], "namespace")


@case
def few_round_trips_while_nobody_is_served(world):
    for n in range(200):
        world.server.folders[f"F{n}"] = Folder(uidvalidity=n + 1)
        world.server.folders[f"F{n}"].add(1, b"one\r\n")
    world.run()
    world.arrived()
    out_of_service = world.account("out_of_service_ms")[0]
    true(out_of_service < 5000, f"out of service for {out_of_service} ms")


@case
def a_second_run_has_nothing_to_do(world):
    world.interceptor.logged_in.add(b"alice")
    world.run(PARKED)
    equal(world.state(), "source/catching-up", "state")
    equal(world.copied(), world.at_source(), "mail")
    before = len([c for c in world.server.commands if "BODY.PEEK" in c])
    world.run(PARKED)
    after = len([c for c in world.server.commands if "BODY.PEEK" in c])
    equal(after, before, "bodies fetched again")
    world.interceptor.log_off(b"alice")
    world.server.folders["INBOX"].add(100, b"late\r\n")
    del world.server.folders["INBOX"].messages[2]
    world.run()
    world.arrived()
    equal(world.account("attempts")[0], 1, "attempts")


@case
def his_log_off_is_awaited(world):
    world.interceptor.logged_in.add(b"alice")
    process = world.start()
    wait_until("the copy", lambda: world.state() == "source/catching-up")
    time.sleep(0.3)
    equal(world.state(), "source/catching-up", "as long as they are there")
    world.interceptor.log_off(b"alice")
    equal(process.wait(60), OVER, "exit code")
    process.stderr.close()
    world.arrived()


@case
def somebody_slips_in(world):
    world.interceptor.slips_in = 2
    world.run()
    world.arrived()
    events = [e for (e,) in world.rows("SELECT event FROM journal ORDER BY id",
                                       "state/registry.sqlite")]
    equal(events.count("switch-back"), 2, "switches in vain")


@case
def somebody_begins_to_read_it_unseen(world):
    """Behind the quiesce: just before the arrival, by a row that the registry adds then."""
    registry = "state/registry.sqlite"
    world.rows("INSERT INTO client SELECT id, '192.0.2.1', strftime('%s') * 1000 FROM account",
               registry)
    world.rows("CREATE TRIGGER slips_in AFTER UPDATE OF messages_total ON account"
               " WHEN NEW.route = 'busy' AND NOT EXISTS (SELECT 1 FROM unseen) BEGIN"
               " INSERT INTO unseen VALUES ('192.0.2.1', 'imaps', 'no key', 0,"
               " strftime('%s') * 1000, strftime('%s') * 1000, 1, 1); END", registry)
    world.run(wanted=HELD)
    equal(world.state(), "source/catching-up", "it stays")
    equal(world.rows("SELECT detail FROM journal WHERE event = 'switch-back'", registry),
          [("somebody may read it unseen",)], "journal")
    world.rows("UPDATE unseen SET open = 0, last_at = 0", registry)
    world.run()
    world.arrived()


@case
def devices_that_never_leave(world):
    world.settings["deadline"] = 1
    world.write_config()
    world.interceptor.logged_in.add(b"alice")
    world.run()
    asked = [n for kind, _, n in world.interceptor.heard if kind == "QUIESCE"]
    equal(set(asked[:-2]), {LIVE_ASKED}, "whether they could change sides")
    equal(asked[-2:], [SOON, FORCED], "at the deadline")
    world.arrived()


@case
def no_precopy(world):
    world.settings["precopy"] = False
    world.write_config()
    world.interceptor.logged_in.add(b"alice")
    world.run(PARKED)
    equal(world.server.commands, [], "commands while they are logged in")
    equal(world.state(), "source/due", "state")
    world.interceptor.log_off(b"alice")
    world.run()
    world.arrived()


@case
def the_interceptor_is_not_there(world):
    world.interceptor.close()
    world.interceptor = None
    (world.folder / "run/interceptor.sock").unlink()
    world.run(PARKED)
    world.interceptor = FakeInterceptor(world.folder / "run/interceptor.sock")
    world.run()
    world.arrived()


@case
def the_password_is_refused(world):
    world.server.password = "another"
    world.run()
    equal(world.state(), "source/failed", "state")
    true("password no longer accepted by the source" in world.error(), world.error())
    true("secret" not in world.error(), "the password is shown")
    world.server.password = "secret"
    world.run()
    world.arrived()
    equal(world.error(), "", "reason after the retry")


@case
def too_many_connections(world):
    world.server.login = "NO [LIMIT] Too many connections"

    def later():
        time.sleep(1.5)
        world.server.login = None
    threading.Thread(target=later).start()
    world.run()
    world.arrived()
    equal(world.account("attempts")[0], 1, "attempts")


@case
def logged_in_but_nothing_works(world):
    world.server.list_answer = "NO User is authenticated but not connected."
    world.run()
    equal(world.state(), "source/failed", "state")
    true("not connected" in world.error(), world.error())


@case
def the_connection_breaks(world):
    for uid in range(100, 200):
        world.server.folders["INBOX"].add(uid, b"y" * 9000)
    world.server.drops_after = 60
    world.run()
    world.arrived()
    equal(world.account("attempts")[0], 1, "attempts")


@case
def the_source_is_gone(world):
    world.server.close()
    world.run()
    equal(world.state(), "source/failed", "state")
    true("cannot connect" in world.error(), world.error())
    true(world.account("next_try_at")[0] > time.time() * 1000, "with a next try")
    world.server = MiniServer()


@case
def a_message_that_is_not_given(world):
    for answer in ("", "internal error"):
        world.server.broken = {6: answer}
        world.run()
        equal(world.state(), "source/failed", "state")
        true("UID 6" in world.error() and "INBOX" in world.error(), world.error())
        equal(world.certificate()["unreadable"][0]["uid"], 6, "certificate")
        have = world.copied()["INBOX"]
        equal(sorted(have), [2, 4, 8, 10, 12, 14, 16], "the others are here")
    del world.server.folders["INBOX"].messages[6]
    world.run()
    world.arrived()


@case
def a_folder_that_is_not_opened(world):
    world.server.folders["Locked"] = Folder()
    world.server.refuses = {"Locked": "mailbox is locked"}
    world.run()
    equal(world.state(), "source/failed", "state")
    true("Locked" in world.error() and "mailbox is locked" in world.error(), world.error())
    world.server.refuses = {}
    world.run()
    world.arrived()


@case
def a_server_that_takes_one_command_at_a_time(world):
    world.server.one_at_a_time = True
    world.server.folders["Second"] = Folder()
    world.server.folders["Second"].add(1, b"z" * 5000)
    world.run()
    world.arrived()


@case
def odd_passwords_and_plain_login(world):
    for capability in ("IMAP4rev1", "IMAP4rev1 AUTH=PLAIN"):
        password = 'a "b\\ c{5} %'
        world.server.capability = capability
        if "PLAIN" in capability:
            world.server.capability += " SASL-IR"
        world.server.password = password
        world.tool("capture", "alice", password)
        world.interceptor.logged_in.add(b"alice")
        world.run(PARKED)
        equal(world.copied(), world.at_source(), "mail")


@case
def a_name_that_needs_a_literal(world):
    world.server.folders["Entw\xfcrfe"] = Folder()
    world.interceptor.logged_in.add(b"alice")
    world.run(PARKED)
    true(any(c.startswith('EXAMINE "Entw\xfcrfe"') for c in world.server.commands), "opened")


@case
def cancelled(world):
    world.interceptor.logged_in.add(b"alice")
    process = world.start()
    wait_until("the copy", lambda: world.state() == "source/catching-up")
    world.tool("event", "alice", "cancel")
    equal(process.wait(60), OVER, "exit code")
    process.stderr.close()
    equal(world.state(), "source/idle", "state")


@case
def killed_while_busy(world):
    """Nothing but the registry says that it was in the middle of the switch."""
    world.interceptor.logged_in.add(b"alice")
    world.run(PARKED)
    world.interceptor.log_off(b"alice")
    world.tool("event", "alice", "switch")
    world.server.folders["INBOX"].add(100, b"late\r\n")
    world.run()
    world.arrived()


@case
def the_vault_ends(world):
    """With it what it lent: the next try is soon, but only once, or an account that ends the vault
    each time would do so twice a second."""
    def end_it(kind, number):
        if kind == "QUIESCE" and number == LOGGED_OFF:
            kill_and_wait(world.vault)
    world.interceptor.before = end_it
    for wait in (500, 30_000):
        world.run()
        equal(world.state(), "source/failed", "state")
        planned = world.account("next_try_at - stage_at")[0]
        true(wait <= planned < wait + 14_000, f"next try in {planned} ms: {world.error()}")
        world.vault.wait()
        (world.folder / "run/vault.sock").unlink()
        world.vault = world.start_vault()
    world.interceptor.before = lambda kind, number: None
    world.run()
    world.arrived()


@case
def killed_at_any_moment(world):
    for uid in range(100, 1300):
        world.server.folders["INBOX"].add(uid, b"k" * (uid % 3000))
    for round_number in range(12):
        process = world.start()
        time.sleep(0.05 + 0.07 * round_number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        if world.state() == "local/done":
            break
    else:
        world.run()
    world.arrived()


@case
def the_scheduler(world):
    """Starts the account's process, parks it, goes on at log-off; restarts a killed one."""
    world.interceptor.logged_in.add(b"alice")
    scheduler = subprocess.Popen([PROGRAM, "-c", world.config], env=world.environment(),
                                 stderr=subprocess.PIPE, text=True)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(scheduler.stderr), daemon=True)
    reader.start()
    try:
        wait_until("the copy", lambda: world.state() == "source/catching-up")
        child = int(subprocess.run(["pgrep", "-P", str(scheduler.pid)], check=True, text=True,
                                   stdout=subprocess.PIPE).stdout)
        os.kill(child, signal.SIGKILL)
        wait_until("the restart", lambda: sum(" begin " in x for x in lines) == 2)
        wait_until("parking", lambda: any("parked" in x for x in lines))
        world.interceptor.log_off(b"alice")
        wait_until("the switch", lambda: world.state() == "local/done")
    finally:
        scheduler.terminate()
        equal(scheduler.wait(60), 0, "exit code")
        reader.join()
    true(not any("Sanitizer" in x for x in lines), "".join(lines))
    world.arrived()


def command(world, *arguments):
    program = os.path.join(os.path.dirname(PROGRAM), "mailferry")
    return subprocess.run([program, *arguments, "-c", world.config], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=world.environment())


def pauses(world, lines):
    """In the middle of a copy, and what is here stays; parked, a log-off starts nothing."""
    wait_until("the first body", lambda: any("BODY.PEEK" in c for c in world.server.commands))
    equal(command(world, "transfer", "--pause").returncode, 0, "--pause")
    wait_until("its end", lambda: any(" paused " in x for x in lines) and
               any("makes-way" in x for x in lines))
    world.server.hangs.set()
    time.sleep(0.5)
    equal(world.state(), "source/copying", "it does not go on")
    equal(sum(" begin " in x for x in lines), 1, "processes")
    done = command(world, "transfer", "alice", "--wait")
    true(done.returncode == 1 and "--resume" in done.stdout, done.stdout)
    true("paused" in command(world, "transfer", "alice").stdout, "said")
    equal(command(world, "transfer", "--resume").returncode, 0, "--resume")
    wait_until("the copy", lambda: world.state() == "source/catching-up")
    equal(command(world, "transfer", "--pause").returncode, 0, "--pause again")
    world.interceptor.log_off(b"alice")
    time.sleep(0.5)
    equal(world.state(), "source/catching-up", "while it is paused")
    equal(command(world, "transfer", "--resume").returncode, 0, "--resume again")


@case
def all_are_paused(world):
    world.interceptor.logged_in.add(b"alice")
    world.server.folders["INBOX"].add(90, b"x" * 3_000_000 + b"\r\n")
    world.server.hangs = threading.Event()  # in the middle of that one
    scheduler = subprocess.Popen([PROGRAM, "-c", world.config], env=world.environment(),
                                 stderr=subprocess.PIPE, text=True)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(scheduler.stderr), daemon=True)
    reader.start()
    try:
        pauses(world, lines)
        wait_until("the switch", lambda: world.state() == "local/done")
    finally:
        scheduler.terminate()
        equal(scheduler.wait(60), 0, "exit code")
        reader.join()
    true(not any("Sanitizer" in x for x in lines), "".join(lines))
    world.arrived()
    for arguments in (["--pause", "--resume"], ["--pause", "alice"], []):
        equal(command(world, "transfer", *arguments).returncode, 2, f"exit code of {arguments}")


@case
def the_scheduler_is_killed(world):
    """Its processes end with it."""
    world.interceptor.logged_in.add(b"alice")
    scheduler = subprocess.Popen([PROGRAM, "-c", world.config], env=world.environment(),
                                 stderr=subprocess.DEVNULL)
    wait_until("the copy", lambda: world.state() == "source/catching-up")
    child = int(subprocess.run(["pgrep", "-P", str(scheduler.pid)], check=True, text=True,
                               stdout=subprocess.PIPE).stdout)
    scheduler.kill()
    scheduler.wait()
    wait_until("the child's end", lambda: not os.path.exists(f"/proc/{child}/exe") or
               not Path(f"/proc/{child}/cmdline").read_bytes())


@case
def wrong_use(_):
    for arguments in (["--nonsense"], ["extra"], ["-c"]):
        done = subprocess.run([PROGRAM, *arguments], stderr=subprocess.PIPE, text=True, check=False)
        equal(done.returncode, 2, f"exit code of {arguments}")
    done = subprocess.run([PROGRAM, "-c", "/nonexistent"], stderr=subprocess.PIPE, text=True,
                          check=False)
    equal(done.returncode, 1, "exit code without a configuration")


main(World)
