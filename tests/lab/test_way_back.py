#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`mailferry route USER source` of a user who lives here: acknowledged mail is where they are
served afterwards, which is the source, and nobody hears of a wrong password."""
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import case, equal, main, registry, true  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.smtp import at  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402

# s from the command's start to the last byte of what races with it: certainly before,
# around each of its steps, certainly after
OFFSETS = (-0.3, 0.5, 0.0, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2)
LATER = (0.8, 1.6, 3, 6)
LINGER = 2.5  # s: then the mailstore's process is gone
LEFT_BEHIND = 31  # s: then nobody's command is waited for any more
LOST = (OSError, EOFError)


class Racer(threading.Thread):
    """Does all but the last step of giving `user` a message; start() does that. `told`:
    it was acknowledged."""

    def __init__(self, world, user):
        super().__init__(daemon=True)
        self.world, self.user = world, user
        self.token, self.message = world.message()
        self.told, self.answer, self.moment = False, b"", 0
        self.prepare()

    def begin(self, moment):
        self.moment = moment
        self.start()

    def run(self):
        time.sleep(max(0, self.moment - time.monotonic()))
        with contextlib.suppress(*LOST):
            self.answer = self.finish()
        self.told = self.answer.startswith(b"250") or b" OK " in self.answer

    def prepare(self):
        raise NotImplementedError

    def finish(self):
        raise NotImplementedError


class Final(Racer):
    """SMTP: the final dot is left."""
    others = ()

    def prepare(self):
        self.client = self.world.smtp()
        equal(set(self.client.mail(at(self.user), *map(at, self.others))), {250}, "RCPT")
        self.client.ok("DATA")
        self.client.send(self.message)

    def finish(self):
        self.client.send(b".\r\n")
        answer = self.client.reply()
        self.client.quit()
        return answer


class FinalOfTwo(Final):
    """The same with somebody at the source: staged, and delivered when that has it."""

    def prepare(self):
        self.others = (self.world.there,)
        super().prepare()


class Whole(Racer):
    """SMTP: all of it."""

    def prepare(self):
        self.client = self.world.smtp()

    def finish(self):
        if self.client.mail(at(self.user)) != [250]:
            return b""
        answer = self.client.data(self.message)
        self.client.quit()
        return answer


class Append(Racer):
    """IMAP: the last line of an APPEND is left."""

    def prepare(self):
        self.client = self.world.session(self.user)
        self.client.send(b"X APPEND INBOX {%d}\r\n" % len(self.message))
        true(self.client.line().startswith(b"+"), "APPEND goes on")
        self.client.send(self.message)

    def finish(self):
        self.client.send(b"\r\n")
        return self.client.until(b"X")[1]


class LoginAndAppend(Racer):
    """IMAP: all of it, from the login on."""

    def prepare(self):
        self.client = self.world.imap(self.user)

    def finish(self):
        answer = self.client.login(self.user, self.world.password(self.user))
        if b" OK " not in answer:
            true(b"[UNAVAILABLE]" in answer or not answer, f"login: {answer!r}")
            return b""
        self.client.send(b"X APPEND INBOX {%d}\r\n" % len(self.message))
        if not self.client.line().startswith(b"+"):
            return b""
        self.client.send(self.message + b"\r\n")
        answer = self.client.until(b"X")[1]
        self.client.logout()
        return answer


def one_race(world, kinds, offset):
    """Where the user is afterwards."""
    user = world.user(5)
    world.move(user)
    before = world.ferry.account(user)["out_of_service_ms"]
    racers = [kind(world, user) for kind in kinds]
    start = time.monotonic() + max(0, -offset) + 0.05
    for racer in racers:
        racer.begin(start + offset)
    time.sleep(max(0, start - time.monotonic()))
    done = world.ferry.command("route", user, "source")
    for racer in racers:
        racer.join(40)
        true(not racer.is_alive(), f"{type(racer).__name__} hangs")
    account = world.ferry.account(user)
    equal((done.returncode, account["route"]), (0, "source"), done.stderr)
    for racer in racers:
        if racer.told:
            body = world.arrives(user, racer.token)
            true(racer.message.rstrip() in body, "as it was sent")
        what = f"{type(racer).__name__} {'told' if racer.told else racer.answer[:40]}"
        print(f"    {offset:+.2f} {account['route']:6} "
              f"{account['out_of_service_ms'] - before} ms {what}", flush=True)
    return account["carried"]["messages"], account["out_of_service_ms"] - before


def race(world, *kinds):
    ends = [one_race(world, kinds, offset) for offset in OFFSETS]
    for offset in LATER:  # on a busy machine the command takes that long to begin
        if not any(carried == 0 for carried, _ in ends):
            ends.append(one_race(world, kinds, offset))
    true({0} < {carried for carried, _ in ends}, f"with news and without: {ends}")
    true(sorted(ms for _, ms in ends)[len(ends) // 2] < 5000, f"out of service: {ends}")


@case
def message_races(world):
    race(world, Final, Whole)


@case
def message_for_two_races(world):
    race(world, FinalOfTwo)


@case
def append_races(world):
    race(world, Append, LoginAndAppend)


@case
def first_login_races(world):
    """Their password was not judged here before: that takes so long that the account can
    go back meanwhile."""
    race(world, LoginAndAppend)


@case
def idle_session_is_ended_and_comes_back_at_the_source(world):
    user = world.user(5)
    world.move(user)
    client = world.session(user)
    client.send(b"X IDLE\r\n")
    world.ferry.ok("route", user, "source")
    true(b"* BYE" in client.file.read(), "a farewell")
    client.close()
    before = len(world.source_logins(user))
    world.session(user).logout()
    wait_until("a login at the source",
               lambda: len(world.source_logins(user)) > before)


def on_its_way(world, user, seconds):
    """As a command that was killed leaves them, that long ago."""
    world.move(user)
    registry(world, "UPDATE account SET route='busy', busy_since=? WHERE name=?",
             (int((time.time() - seconds) * 1000), user))


def held_login(world, user):
    answers = []

    def log_in():
        client = world.imap(user)
        answers.append(client.login(user, world.password(user)))
        client.logout()
    thread = threading.Thread(target=log_in, daemon=True)
    thread.start()
    return thread, answers


@case
def left_behind_a_moment_ago_goes_on(world):
    user = world.user(5)
    on_its_way(world, user, 0)
    thread, answers = held_login(world, user)
    world.ferry.wait_account(user, stage="idle", route="source", timeout=60)
    thread.join(60)
    true(answers and b" OK " in answers[0], f"{answers}")


def goes_back_although(world, interrupt):
    """The mailstore is slow, so that the account is busy for a moment; interrupt() gets the
    command meanwhile."""
    user = world.user(5)
    world.move(user)
    master = world.ferry.processes("mailstore")[0]
    os.kill(master, signal.SIGSTOP)
    try:
        command = world.lab.router.start(*world.ferry.arguments("route", user, "source"),
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until("route busy", lambda: world.ferry.account(user)["route"] == "busy")
        time.sleep(0.5)
        equal(world.ferry.account(user)["route"], "busy", "while the mailstore sleeps")
        interrupt(command)
        thread, answers = held_login(world, user)
        time.sleep(0.5)
        equal(answers, [], "nobody is let in meanwhile")
    finally:
        os.kill(master, signal.SIGCONT)
    world.ferry.wait_account(user, stage="idle", route="source", timeout=60)
    thread.join(60)
    true(answers and b" OK " in answers[0], f"{answers}")
    command.communicate(timeout=30)
    return command.returncode


@case
def killed_command_changes_nothing(world):
    for number in (signal.SIGINT, signal.SIGKILL):
        goes_back_although(world, lambda command, n=number: command.send_signal(n))


@case
def killed_process_is_started_again(world):
    def kill_process(_):
        for pid in world.ferry.processes_with("transfer", "--return"):
            os.kill(pid, signal.SIGKILL)
    equal(goes_back_although(world, kill_process), 0, "the command hears of it")


@case
def killed_scheduler_is_started_again(world):
    def kill_all(_):
        for pid in world.ferry.processes("transfer"):
            os.kill(pid, signal.SIGKILL)
    equal(goes_back_although(world, kill_all), 0, "the command asks again")


@case
def left_behind_for_good(world):
    user = world.user(5)
    on_its_way(world, user, LEFT_BEHIND)
    thread, answers = held_login(world, user)
    world.ferry.wait_account(user, stage="done", route="local", timeout=60)
    thread.join(60)
    true(answers and b" OK " in answers[0], f"{answers}")
    client = world.session(user)
    client.ok("SELECT INBOX")
    client.logout()


@case
def straggler_finds_the_folder_closed(world):
    """What gets to the mailstore after all, for who is served by the source again."""
    user = world.user(5)
    world.move(user)
    world.session(user).logout()
    time.sleep(LINGER)
    world.ferry.ok("route", user, "source")
    index = next((Path(world.ferry.settings["state_dir"]) / "mail" / user).glob("*.sqlite"))
    with sqlite3.connect(index) as database:
        equal(database.execute("SELECT service FROM account").fetchall(), [("left",)], "mark")
    registry(world, "UPDATE account SET route='local', stage='done' WHERE name=?", (user,))
    answer = world.imap(user).login(user, world.password(user))
    true(b" NO [UNAVAILABLE]" in answer, f"{answer!r}")
    client = world.smtp()
    equal(client.mail(at(user)), [450], "RCPT")
    client.quit()
    # and when they come again by a move, it is open again
    registry(world, "UPDATE account SET route='source', stage='idle', pin='auto'"
                    " WHERE name=?", (user,))
    world.move(user)
    token, message = world.message()
    client = world.smtp()
    equal(client.deliver(message, at(user)), 250, "final answer")
    client.quit()
    world.arrives(user, token)


main(Mail)
