#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Senders that ask to be told of a delivery (DSN, RFC 3461): reports for users here go by the
smart host, none is sent of what was not delivered, and none is lost behind a 250."""
import base64
import contextlib
import email
import email.policy
import json
import os
import re
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import case, equal, main, table, true  # noqa: E402
from lab.processes import Daemon, wait_until  # noqa: E402
from lab.sender_postfix import SendingPostfix  # noqa: E402
from lab.server_scripted_smtp import ScriptedSmtp  # noqa: E402
from lab.smtp import at, one  # noqa: E402
from lab.smtp_world import Mail  # noqa: E402

SENDER = "sender@example.org"


class Reports(Mail):
    """A smart host on the router, which a test holds."""

    def __init__(self):
        super().__init__()
        self.ferry.settings["smart_host"] = "127.0.0.1"
        self.smart_host = ScriptedSmtp(self.lab.router)
        self.envelopes = []  # lines of MAIL and RCPT that it was told

    def __enter__(self):
        start = self.ferry.start

        def prepared():
            self.ferry.start = start
            self.smart_host.start()
            return start()
        self.ferry.start = prepared
        self.answer()
        return super().__enter__()

    def answer(self, **answers):
        """It says that; what is missing is the ordinary answer."""
        def heard(verb):
            def note(line, _):
                self.envelopes.append(line)
                return answers.get(verb)
            return note
        self.smart_host.router = {**answers, "MAIL": heard("MAIL"), "RCPT": heard("RCPT")}

    @property
    def folder(self):
        return self.ferry.folder / "state/reports"

    def waiting(self):
        return sorted(self.folder.iterdir())

    def logged(self, event):
        return re.findall(rf" {event} (.*)", self.ferry.log.read_text(errors="replace"))

    def reports(self):
        """{ENVID: message} of all that the smart host has taken."""
        found = {}
        for recipients, text in list(self.smart_host.taken):
            report = email.message_from_bytes(text, policy=email.policy.default)
            if recipients == [SENDER] and report.get_content_type() == "multipart/report":
                _, status, *_ = report.iter_parts()
                found[status.get_payload()[0]["Original-Envelope-Id"]] = report
        return found

    def delivered(self, envid):
        """How often a message that asked so is here."""
        client = self.session(self.here)
        client.ok("EXAMINE INBOX")
        answers = client.ok(f'SEARCH HEADER X-Asked "{envid}"')
        client.logout()
        return len(one(answers, b"* SEARCH").split()) - 2

    def report(self, envid):
        return wait_until(f"the report of {envid}", lambda: self.reports().get(envid), 30, 0.1)

    def ask(self, envid, *recipients, client=None, to=None):
        """A message that asks for a report; the final answer's code, and its token."""
        token, message = self.message()
        message = b"X-Asked: " + envid.encode() + b"\r\n" + message
        mine = client or self.smtp()
        mine.ok(f"MAIL FROM:<{SENDER if to is None else to}> RET=FULL ENVID={envid}")
        for recipient in recipients:
            mine.ok(f"RCPT TO:<{recipient}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first+2B{recipient}")
        code = int(mine.data(message)[:3])
        if not client:
            mine.quit()
        return code, token


@case
def a_postfix_that_asks_is_told(world):
    """It does not say "relayed" itself, as it does where DSN is not offered."""
    sender = SendingPostfix(world.lab.folder / "sender-dsn", world.lab.client)
    sender.start()
    try:
        token, message = world.message()
        sender.submit(message, at(world.here), options=("-N", "success", "-V", "by-postfix"))
        report = world.report("by-postfix")
        world.arrives(world.here, token)
        true("sender delivery status notification" not in sender.log_text(), "its own report")
    finally:
        sender.stop()
    equal(world.envelopes[:2], [b"MAIL FROM:<>\r\n", b"RCPT TO:<%s>\r\n" % SENDER.encode()],
          "from nobody")
    equal(report.get_param("report-type"), "delivery-status", "RFC 6522")
    equal((report["To"], report["Auto-Submitted"]), (SENDER, "auto-replied"), "its header")
    equal(report.defects, [], "as Python reads it")
    words, status, header = report.iter_parts()
    true(f"<{at(world.here)}>" in words.get_content(), words.get_content())
    about, recipient = status.get_payload()
    equal(about["Reporting-MTA"], "dns;mail.example.com", "RFC 3464, 2.2.2")
    equal([(recipient[name] or "").replace(" ", "") for name in
           ("Original-Recipient", "Final-Recipient", "Action", "Status")],
          [f"rfc822;{at(world.here)}", f"rfc822;{at(world.here)}", "delivered", "2.0.0"],
          "RFC 3464, 2.3")
    equal(header.get_content_type(), "text/rfc822-headers", "RFC 3461, 4.3")
    true(f"Subject: {token.decode()}" in header.get_content(), "of that message")
    wait_until("an empty queue", lambda: not world.waiting())


@case
def one_report_for_all_here_and_the_source_reports_its_own(world):
    other = world.user(3)
    world.move(other)
    before = world.lab.postfix.log_text().count("sender delivery status notification")
    code, token = world.ask("many", at(world.here), at(world.there), at(other))
    equal(code, 250, "final answer")
    about = [part for part in world.report("many").iter_parts()][1].get_payload()
    equal([part["Original-Recipient"] for part in about[1:]],
          [f"rfc822;first+{at(user)}" for user in (world.here, other)], "those here alone")
    world.arrives(world.there, token)
    wait_until("the source's own", lambda: world.lab.postfix.log_text().count(
        "sender delivery status notification") > before)


@case
def what_a_silent_smart_host_takes_is_relayed(world):
    """RFC 3461, 5.2.2: it has no DSN, so nobody else will say anything."""
    user = world.user(3)
    world.move(user)
    done = world.lab.router.run(*world.ferry.arguments("passwd", "--only", user),
                                input="another\n", env={**os.environ, **world.ferry.environment()})
    equal(done.returncode, 0, done.stdout)
    client = world.smtp()
    client.ok(b"AUTH PLAIN " + base64.b64encode(f"\0{user}\0another".encode()))
    equal(world.ask("relayed", "b@example.net", "c@example.net", client=client)[0], 250, "away")
    equal(world.ask("both", "b@example.net", at(user), client=client)[0], 250, "both")
    client.quit()
    true(b"RCPT TO:<b@example.net>\r\n" in world.envelopes, "it is told nothing of it")
    for envid, wanted in (("relayed", {"b@example.net": "relayed", "c@example.net": "relayed"}),
                          ("both", {"b@example.net": "relayed", at(user): "delivered"})):
        status = list(world.report(envid).iter_parts())[1]
        equal({part["Final-Recipient"].split(";")[1]: part["Action"]
               for part in status.get_payload()[1:]}, wanted, envid)


@case
def one_sender_has_a_limit(world):
    """Anybody can name it: 100 in an hour, and others' reports go on."""
    client = world.smtp()
    for n in range(101):
        client.ok(f"MAIL FROM:<{'Many' if n % 2 else 'many'}@example.org> ENVID={n}")
        client.ok(f"RCPT TO:<{at(world.here)}> NOTIFY=SUCCESS")
        equal(client.data(world.message()[1])[:3], b"250", f"message {n}")
    client.quit()
    wait_until("the limit", lambda: world.logged("report-limit"))
    equal(world.ask("after-many", at(world.here))[0], 250, "another one's")
    world.report("after-many")
    wait_until("one that waits", lambda: len(world.waiting()) == 1)
    equal(len(world.logged("report-limit")), 1, "it is said once")
    for path in world.waiting():
        path.unlink()


@case
def who_does_not_ask_is_not_told(world):
    client = world.smtp()
    true(b"DSN" in client.ehlo, f"{client.ehlo!r}")
    equal(client.deliver(world.message()[1], at(world.here)), 250, "without NOTIFY")
    equal(world.ask("to-nobody", at(world.here), client=client, to="")[0], 250, "from <>")
    for line, wanted in (("MAIL FROM:<a@example.org> RET=ALL", 501),
                         ("MAIL FROM:<a@example.org> ENVID=a+0Ab", 501),
                         ("MAIL FROM:<a@example.org> BODY=BINARYMIME", 555),
                         ("MAIL FROM:<a@example.org> RET=HDRS", 250),
                         (f"RCPT TO:<{at(world.here)}> NOTIFY=NEVER,DELAY", 501),
                         (f"RCPT TO:<{at(world.here)}> NOTIFY=NEVER", 250)):
        equal(client.code(line), wanted, line)
    client.quit()
    world.ferry.settle(1.5)
    equal(("to-nobody" in world.reports(), world.waiting()), (False, []), "reports")


@case
def nothing_is_reported_that_is_not_delivered(world):
    client = world.smtp()
    token, message = world.message()
    client.ok(f"MAIL FROM:<{SENDER}> ENVID=not-here")
    client.ok(f"RCPT TO:<{at(world.here)}> NOTIFY=SUCCESS")
    loop = b"Delivered-To: " + at(world.here).encode() + b"\r\n" + message
    equal(client.data(loop)[:3], b"554", "it was here before")
    client.quit()
    equal(world.copies(world.here, token), [], "here")
    world.ferry.settle(1.5)
    equal(("not-here" in world.reports(), world.waiting()), (False, []), "reports")


@case
def a_smart_host_that_does_not_take_it_now(world):
    """It is asked again; what it refuses for good is dropped, and so is what is too old."""
    world.answer(RCPT=b"451 4.7.1 later\r\n")
    equal(world.ask("later", at(world.here))[0], 250, "mail does not wait for a report")
    wait_until("an attempt", lambda: world.logged("report-waits"))
    equal(len(world.waiting()), 1, "it waits")
    waits = world.waiting()[0]
    late = waits.with_name(f"{int(time.time() * 1000) - 7_200_000}-late")
    expired = waits.with_name(f"{int(time.time() * 1000) - 500_000_000}-expired")
    for path in (late, expired):
        path.write_bytes(waits.read_bytes().replace(b"later", path.name[14:].encode()))
        os.chown(path, waits.stat().st_uid, -1)
    wait_until("it is too old", lambda: not expired.exists())
    true(expired.name in world.logged("report-expired")[0], "the log says so")
    attention = world.ferry.json("status")["attention"]
    true(any("2 delivery reports wait for the smart host 127.0.0.1" in line
             for line in attention), f"{attention}")
    true("mailferry_reports_waiting 2\n" in world.ferry.ok("metrics"), "metrics")
    world.answer()
    world.report("later")
    world.report("late")
    wait_until("an empty queue", lambda: not world.waiting())
    world.answer(RCPT=b"550 5.7.1 not for you\r\n")
    equal(world.ask("refused", at(world.here))[0], 250, "final answer")
    wait_until("it is dropped", lambda: world.logged("report-refused"))
    wait_until("an empty queue", lambda: not world.waiting())
    world.answer()


@contextlib.contextmanager
def killed_at(world, word, call, path=None):
    """These processes are killed when they begin such a system call (on that file)."""
    tracers = []
    for pid in world.ferry.processes_with("interceptor", word):
        tracers.append(Daemon(world.lab.router, [
            "strace", "-qq", "-o", "/dev/null", "-p", pid, "-e", f"trace={call}",
            "-e", f"inject={call}:signal=KILL", *(["-P", path] if path else [])],
            world.lab.folder / "strace.log"))
        wait_until("strace", lambda pid=pid: "TracerPid:\t0\n" not in
                   Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    yield
    for tracer in tracers:
        tracer.stop()


@table([
    # it has delivered the message: the report's file has no name, and has one
    ("before-its-name", "linkat", False, 0),
    ("behind-its-name", "fsync", True, 1),
])
def a_worker_is_killed(world, call, in_folder, reports):
    """Without its 250 the client comes again. Nobody hears of what is not here."""
    envid = f"killed-{call}"
    with killed_at(world, "--worker", call, world.folder if in_folder else None):
        try:
            answer = world.ask(envid, at(world.here))
        except (OSError, EOFError):
            answer = None
    equal(answer, None, "the client has no answer")
    wait_until("workers", world.can_log_in)
    wait_until("an empty queue", lambda: not world.waiting())
    equal(list(world.reports()).count(envid), reports, "reports of the one that was killed")
    equal(world.delivered(envid), 1, "it is here")
    equal(world.ask(envid, at(world.here))[0], 250, "again")
    world.report(envid)


@case
def the_runner_is_killed(world):
    """Behind the smart host's 250: the report comes twice, and says so by its Message-ID."""
    wait_until("an empty queue", lambda: not world.waiting())
    before = set(world.ferry.processes_with("interceptor", "reports"))
    with killed_at(world, "reports", "unlinkat"):
        equal(world.ask("twice", at(world.here))[0], 250, "final answer")
        world.report("twice")
        wait_until("its end", lambda: not before & set(world.ferry.processes_with("interceptor", "reports")))
    wait_until("an empty queue", lambda: not world.waiting())
    ids = [email.message_from_bytes(text)["Message-ID"] for _, text in world.smart_host.taken
           if b"Original-Envelope-Id: twice\r\n" in text]
    equal((len(ids), len(set(ids))), (2, 1), "twice, with one Message-ID")


@case
def an_upgrade_hands_them_on(world):
    """The old generation's runner ends, and the new one's goes on."""
    world.answer(RCPT=b"451 4.7.1 later\r\n")
    before = set(world.ferry.processes_with("interceptor", "reports"))
    equal(world.ask("upgraded", at(world.here))[0], 250, "final answer")
    world.ferry.ok("upgrade")
    world.answer()
    world.report("upgraded")
    wait_until("an empty queue", lambda: not world.waiting())
    after = set(world.ferry.processes_with("interceptor", "reports"))
    equal((len(before), len(after), len(before & after)), (1, 1, 0), "runners")


@case
def whatever_is_killed(world):
    """What got 250 is reported, and what is reported was delivered."""
    told, made = [], {}

    def send(number, stop):
        client = world.smtp()
        while not stop.is_set():
            token, message = world.message()
            made[token.decode()] = message
            client.ok(f"MAIL FROM:<{SENDER}> ENVID={token.decode()}")
            client.ok(f"RCPT TO:<{at(world.here)}> NOTIFY=SUCCESS")
            if number % 2:
                client.code(f"RCPT TO:<{at(world.there)}> NOTIFY=NEVER")
            if client.data(message)[:3] == b"250":
                told.append(token.decode())
            time.sleep(0.02)

    world.kill_while("interceptor", 3, send)
    wait_until("an empty queue", lambda: not world.waiting(), 30, 0.2)
    reported = set(world.reports()) & set(made)
    here = {token.decode() for token in world.subjects(world.here)}
    true(len(told) > 20, f"{len(told)} messages")
    equal((sorted(set(told) - reported), sorted(reported - here)), ([], []),
          "told and not reported, reported and not here")
    print(f"  {len(told)} told, {len(reported)} reported")


@case
def without_a_smart_host_it_is_not_offered(world):
    def named():
        done = world.ferry.command("check", "--json")
        return [found["text"] for found in json.loads(done.stdout)["findings"]
                if "DSN (" in found["text"]]
    equal(named(), [], "check, with one")
    world.ferry.stop()
    world.ferry.settings["smart_host"] = ""
    world.ferry.start()  # to the end: it is the last case
    client = world.smtp()
    true(b"DSN" not in client.ehlo, f"{client.ehlo!r}")
    client.quit()
    true(any("no `smart_host`" in text for text in named()), "check")


if __name__ == "__main__":
    main(Reports)
