#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""./demo: three users, a thousand messages, one router. Each step says what is done, shows
the command an admin would type, and ends in ✓ or ✗; any ✗ is exit 1."""
import shlex
import subprocess
import sys
import traceback
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import DEMO_USERS, SOURCE_ADDRESS, Lab, client_address, compare, mail, tls  # noqa: E402
from lab.ferry import Ferry  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.mbsync import Mbsync  # noqa: E402

ADDRESS = {"alice": client_address(11), "bob": client_address(12), "carol": client_address(13)}
MESSAGES = {"alice": 1200, "bob": 150, "carol": 150}
SLOW_LINE = "60mbit"  # between router and source, so that there is a progress to watch


class Failure(Exception):
    """A step whose later steps make no sense."""


class Page:
    """What the reader sees."""

    def __init__(self):
        self.color = sys.stdout.isatty()
        self.failures = 0
        self.number = 0

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.color else text

    def title(self, text):
        self.number += 1
        print("\n" + self.paint("1", f"{self.number}. {text}"), flush=True)

    def say(self, text):
        print("   " + text, flush=True)

    def command(self, words):
        line = " ".join(shlex.quote(str(w)) for w in words) if not isinstance(words, str) else words
        print("   " + self.paint("36", "$ " + line), flush=True)

    def output(self, text, most=14):
        lines = text.rstrip().splitlines()
        for line in lines[:most]:
            print("     " + line)
        if len(lines) > most:
            print(f"     ... {len(lines) - most} more lines")
        sys.stdout.flush()

    def check(self, good, text, detail=""):
        """The step's result. Returns it."""
        mark = self.paint("32", "✓") if good else self.paint("31", "✗")
        print(f"   {mark} {text}" + (f": {detail}" if detail and not good else ""), flush=True)
        self.failures += not good
        return good


class Demo:
    def __init__(self, lab, page):
        self.lab, self.page = lab, page
        self.server = lab.server
        self.ferry = Ferry(lab)
        self.before = {}
        self.laptop = None
        self.uids = ""
        self.certificate = None

    # small things --------------------------------------------------------------------

    def admin(self, *words, most=24):
        """Types a mailferry command on the router and shows what it answers."""
        self.page.command(["mailferry", *words])
        done = self.ferry.command(*words)
        self.page.output(done.stdout + done.stderr, most)
        return done

    def page_socket(self):
        """Where the dashboard waits."""
        return self.ferry.folder / "run/dashboard.sock"

    def login(self, user):
        """A mail client of that user, logged in, from their own address."""
        client = Imap(self.lab.connect(143, ADDRESS[user]))
        answer = client.login(user, DEMO_USERS[user])
        if b" OK " not in answer:
            raise Failure(f"{user} cannot log in: {answer.decode(errors='replace')}")
        return client

    def source_logins(self, user):
        return [a for _, a in self.server.logins(user) if a == ADDRESS[user]]

    def show_source_log(self, user):
        self.page.command("grep Login: /var/log/dovecot.log    # on the old server")
        lines = [line for line in self.server.log_text().splitlines()
                 if f"Login: user=<{user}>" in line and f"rip={ADDRESS[user]}" in line]
        self.page.output("\n".join(line.split(", mpid")[0] for line in lines[-2:]))

    def check_served_by_source(self, user, text):
        """One session, which must be seen in the source's log."""
        count = len(self.source_logins(user))
        client = self.login(user)
        client.ok("SELECT INBOX")
        client.logout()
        return self.page.check(len(self.source_logins(user)) == count + 1, text)

    def check_served_here(self, user, text):
        count = len(self.source_logins(user))
        client = self.login(user)
        client.ok("SELECT INBOX")
        client.logout()
        return self.page.check(len(self.source_logins(user)) == count, text)

    # the steps -----------------------------------------------------------------------

    def the_old_server(self):
        self.page.title("An old mail server, a router, and the people behind it")
        for user, count in MESSAGES.items():
            self.server.fill(user, mail.generate(user, count))
            direct = self.lab.source.connect(SOURCE_ADDRESS[0], 143)
            self.before[user] = compare.snapshot(direct, user, DEMO_USERS[user])
        self.page.say(f"client {ADDRESS['alice']} … ── router ── old server {SOURCE_ADDRESS[0]} "
                      "(Dovecot, Postfix)")
        for user, snap in self.before.items():
            folders, messages = compare.count(snap)
            self.page.say(f"{user:6} from {ADDRESS[user]}: {messages} messages in {folders} folders")
        total = sum(compare.count(s)[1] for s in self.before.values())
        self.page.check(total >= 1000, f"{total} messages lie on the old server")

    def up(self):
        self.page.title("mailferry on the router")
        # precopy would copy while alice is still logged in: here we want to watch it.
        self.certificate, key = tls.make_certificate(self.lab.folder, "mail")
        self.ferry.write_config(precopy=False, services={"smtps": {"enabled": False}}, tls={
            "certificate": [self.certificate], "key": [key]},
            # a file, since the router has a network of its own that no browser reaches
            dashboard={"listen": f"unix:{self.page_socket()}", "admin": True})
        self.page.command("cat mailferry.conf")
        self.page.output(self.ferry.config.read_text(encoding="utf-8"))
        self.page.say("It has a certificate for mail.example.com. What the old server shows us "
                      "for a key is confirmed once:")
        done = self.admin("check", "--trust-source")
        wrong = [line for line in done.stdout.splitlines() if line.startswith("problem")]
        if not self.page.check(done.returncode == 0, "it would work",
                               "; ".join(wrong) or f"exit {done.returncode}"):
            raise Failure("mailferry check found something")
        self.page.command("mailferry up &")
        self.ferry.start()
        done = self.admin("rules", "check")
        self.page.check(done.returncode == 0, "the rules are in the kernel, clients are greeted")

    def uids_by_curl(self):
        """What a program that she has always used says of her INBOX."""
        words = ["curl", "-s", "--interface", ADDRESS["alice"], "-u",
                 f"alice:{DEMO_USERS['alice']}", f"imap://{SOURCE_ADDRESS[0]}/INBOX",
                 "-X", "UID SEARCH ALL"]
        done = self.lab.client.run(*words)
        self.page.command("curl -u alice imap://… -X \"UID SEARCH ALL\"")
        found = done.stdout.strip()
        self.page.output(found[:70] + " …")
        return found

    def first_login(self):
        self.page.title("alice logs in for the first time")
        client = self.login("alice")
        client.ok("STATUS INBOX (MESSAGES)")
        self.show_source_log("alice")
        self.page.check(self.source_logins("alice") == [ADDRESS["alice"]],
                        f"passed on to the source, which saw her own address {ADDRESS['alice']}")
        self.uids = self.uids_by_curl()
        self.admin("flows")
        account = self.ferry.account("alice") or {}
        self.page.check(account.get("route") == "source", "mailferry knows her now; "
                        "as long as she is logged in, the source serves her")
        return client

    def bob_is_pinned(self):
        self.page.title("bob is to stay where they are")
        client = self.login("bob")
        done = self.admin("route", "bob", "source")
        client.logout()
        self.page.check(done.returncode == 0 and self.ferry.account("bob")["pin"] == "source",
                        "pinned to the source by the admin")

    def she_leaves(self, client):
        self.page.title("alice logs off: her mailbox moves")
        self.page.say(f"(the line to the old server is slowed to {SLOW_LINE[:-4]} Mbit/s, "
                      "so that there is something to see)")
        self.lab.source.limit(SLOW_LINE)
        client.logout()
        words = ["transfer", "alice", "--wait"]
        self.page.command(["mailferry", *words])
        sys.stdout.flush()
        done = subprocess.run(self.lab.router.command(*self.ferry.arguments(*words)), check=False)
        self.lab.source.limit(None)
        if not self.page.check(done.returncode == 0, "moved, verified, switched"):
            raise Failure(f"transfer: exit {done.returncode}")
        self.admin("account", "alice", most=30)
        account = self.ferry.account("alice")
        self.page.check(account["messages_copied"] == compare.count(self.before["alice"])[1],
                        f"{account['messages_copied']} messages; her mailbox was out of service "
                        f"for {account['out_of_service_ms']} ms")

    def she_is_back(self):
        self.page.title("alice logs in again")
        self.check_served_here("alice", "served here: no new line in the old server's log")
        uids = self.uids_by_curl()
        self.page.check(uids.startswith("* SEARCH ") and uids == self.uids,
                        "curl finds the same UIDs as before")
        here = compare.snapshot(self.lab.connect(143, ADDRESS["alice"]), "alice",
                                DEMO_USERS["alice"])
        lines = compare.differences(self.before["alice"], here)
        folders, messages = compare.count(here)
        self.page.say(f"compared: {folders} folders, {messages} messages; names, subscriptions, "
                      "UIDVALIDITY, UIDs, flags, dates, sizes, bodies")
        self.page.output("\n".join(lines))
        self.page.check(not lines, f"{len(lines)} differences")
        direct = self.lab.source.connect(SOURCE_ADDRESS[0], 143)
        lines = compare.differences(self.before["alice"], compare.snapshot(
            direct, "alice", DEMO_USERS["alice"]))
        self.page.check(not lines, "and the old server is what it was")

    def the_laptop(self, before_the_move):
        """mbsync keeps a local copy and knows each UID: it notices everything."""
        if before_the_move:
            self.page.title("carol's laptop keeps a copy with mbsync, over TLS (port 993)")
            self.laptop = Mbsync(self.lab, "carol", DEMO_USERS["carol"], self.certificate)
            self.page.command("mbsync carol")
            new, _, _ = self.laptop.sync()
            self.page.check(new > 50, f"its first run fetched {new} messages from the old server")
            self.page.say("its end was her log-off, so her mailbox moves now")
            self.ferry.wait_account("carol", stage="done", route="local")
        self.page.command("mbsync carol")
        count = len([a for u, a in self.server.logins("carol")])
        result = self.laptop.sync()
        self.page.check(result == (0, 0, 0) and count == len(self.server.logins("carol")),
                        "after the move it is served here and has nothing to transfer",
                        f"new, changed, removed: {result}")

    def bob_and_the_toggle(self):
        self.page.title("bob, and the toggle")
        self.check_served_by_source("bob", "bob's next login is served by the source: pinned")
        done = self.admin("route", "bob", "auto")
        self.page.check(done.returncode == 0, "the pin is gone")
        self.check_served_by_source("bob", "one more login there ...")
        self.ferry.wait_account("bob", stage="done", route="local")
        self.check_served_here("bob", "... and the next one here")
        done = self.admin("route", "bob", "source")
        self.page.check(done.returncode == 0, "back again: nothing is new here that they could miss")
        self.check_served_by_source("bob", "served by the source")

    def wrong_password(self):
        self.page.title("Somebody guesses alice's password")
        failures = self.server.log_text().count("Password mismatch")
        client = Imap(self.lab.connect(143, client_address(20)))
        answer = client.login("alice", "letmein").decode(errors="replace").strip()
        client.close()
        self.page.output(answer)
        self.page.check(" NO " in answer and failures == self.server.log_text().count(
            "Password mismatch"), "refused here; the old server was not even asked")

    def the_screen(self):
        self.page.title("What the admin sees")
        good = True
        for words in (["status"], ["accounts"], ["counters"]):
            good &= self.admin(*words, most=30).returncode == 0
        rows = self.ferry.json("counters")
        total = sum(row["bytes"] for row in rows if row["service"] == "imap")
        self.page.check(good and total > 0, f"{total} bytes of IMAP counted by the kernel")
        self.page.say("The same for a browser, and for scripts:")
        token = (self.ferry.folder / "state/dashboard.token").read_text().strip()
        words = ["curl", "-s", "--unix-socket", str(self.page_socket()), "-H"]
        self.page.command([*words, "Authorization: Bearer …", "http://localhost/json/accounts"])
        done = subprocess.run([*words, f"Authorization: Bearer {token}",
                               "http://localhost/json/accounts"], capture_output=True, text=True,
                              check=False)
        self.page.check(done.stdout == self.ferry.command("accounts", "--json").stdout,
                        "the dashboard says what the command says", done.stdout)

    def the_end(self):
        self.page.title("The end")
        self.page.command("kill %1    # mailferry up")
        status = self.ferry.stop()
        self.page.say("Accounts live here: the rules stay, and refuse, until the admin says so.")
        self.admin("rules", "remove", "--yes")
        rules = self.lab.router.run("nft", "list", "ruleset").stdout.strip()
        self.page.check(status == 0 and not rules, "mailferry has gone, and no rule is left",
                        f"exit {status} {rules}")

    def run(self, keep):
        self.the_old_server()
        self.up()
        alice = self.first_login()
        self.bob_is_pinned()
        self.she_leaves(alice)
        self.she_is_back()
        self.the_laptop(before_the_move=True)
        self.bob_and_the_toggle()
        self.wrong_password()
        self.the_screen()
        if not keep:
            self.the_end()


def how_to_look_around(demo, page):
    tool = Path(__file__).with_name("lab")
    ferry = f"{demo.ferry.bin}/mailferry -c {demo.ferry.config}"
    print(f"""
{page.paint("1", "It is still running.")} Look around:

  router=\"{tool} exec {demo.lab.id} router\"    # a shell there: $router bash
  mf=\"$router {ferry}\"
  $mf status
  $mf flows --watch
  {tool} exec {demo.lab.id} client curl -s --interface {ADDRESS['alice']} \\
      -u alice:{DEMO_USERS['alice']} imap://{SOURCE_ADDRESS[0]}/
  the dashboard: from your desk
    ssh -L 8625:{demo.page_socket()} root@HERE       # then http://localhost:8625
    the token is in {demo.ferry.folder}/state/dashboard.token
  tail -f {demo.server.log} {demo.ferry.log}

  users: {', '.join(f'{u} ({p})' for u, p in DEMO_USERS.items())}
  end:   {tool} down {demo.lab.id}""")


def main():
    keep = "--keep" in sys.argv[1:]
    page = Page()
    lab = Lab(postfix=True)
    with lab:
        demo = Demo(lab, page)
        try:
            demo.run(keep)
        except Failure as failure:
            page.check(False, str(failure))
        except Exception:  # pylint: disable=W0718
            page.check(False, "something unforeseen happened")
            page.output(traceback.format_exc(), 60)
        if page.failures:
            page.say("mailferry's log ends so:")
            page.output(demo.ferry.log_tail(30), 30)
        status = 1 if page.failures else 0
        if keep:
            how_to_look_around(demo, page)
            lab.detach(status)
    left = list(Path("/run/netns").glob(f"mf-{lab.id}-*")) + [p for p in [lab.folder] if p.exists()]
    page.check(not left, "the laboratory is gone, nothing is left", f"{left}")
    print("\n" + (page.paint("32", "All steps worked.") if not page.failures
                  else page.paint("31", f"{page.failures} steps failed.")))
    sys.exit(1 if page.failures else 0)


main()
