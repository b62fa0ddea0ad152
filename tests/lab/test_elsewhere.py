#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users who have moved to another server (`destination`) are served by it through the router,
by IMAP and POP3, in clear and by TLS. The source sees nothing of them, whatever happens.

How they get there is test_destination.py. Their mailbox there has one message more, so that
it is seen who has served them.
"""
import json
import subprocess
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, equal, main, registry, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.network import SHORE_ADDRESS, Shore  # noqa: E402
from lab.pop3 import Pop3  # noqa: E402
from lab.smtp import Smtp  # noqa: E402
from lab.processes import wait_until  # noqa: E402
from lab.server_shore import DovecotShore, PostfixShore  # noqa: E402

HOME = SHORE_ADDRESS[0]
MOVED = 4


class Elsewhere(World):
    def __init__(self):
        super().__init__(network=Shore, postfix=True, settings={
            "destination": [f"imap://{HOME}", f"lmtp://{HOME}:24"], "uids": "new"})
        self.shore = DovecotShore(self.lab.folder, self.lab.network.shore)
        self.mta = PostfixShore(self.shore.folder.parent, self.lab.network.shore, self.shore)
        self.lab.after_network = self.raise_shore
        self.movers, self.stayer, self.unknown = [], None, None

    def raise_shore(self):
        self.shore.prepare()
        for n in range(1, MOVED + 1):
            self.shore.add_user(f"user{n}", f"secret-{n}")
            self.shore.home(f"user{n}").mkdir()
            self.shore.home(f"user{n}").chmod(0o777)
        self.shore.start()
        self.lab.at_down.append(self.shore.stop)

    def __enter__(self):
        super().__enter__()
        names = [self.user(3) for _ in range(MOVED)]
        *self.movers, self.stayer, self.unknown = names
        for name in names:
            self.session(name).logout()
        for name in names:
            self.ferry.wait_account(name, stage="done", route="local")
        # one who moved here, before `destination` was another place
        registry(self, "UPDATE account SET home = '' WHERE name = ?", (self.stayer,))
        self.shore.remove_user(self.unknown)
        for name in self.movers:
            self.bring(name, f"welcome {name}")
        return self

    def again(self, **settings):
        self.ferry.stop()
        self.ferry.settings.update(settings)
        self.ferry.start()

    def bring(self, user, subject):
        self.shore.deliver(user, f"Subject: {subject}\r\n\r\n{subject}\r\n".encode())

    def found(self, user, what):
        client = self.session(user)
        client.ok("SELECT INBOX")
        uids = client.ok(f"UID SEARCH {what}")[0].split()[2:]
        client.logout()
        return uids

    def at_the_source(self, user, what):
        client = Imap(self.direct())
        client.login(user, self.password(user))
        client.ok("EXAMINE INBOX")
        uids = client.ok(f"UID SEARCH {what}")[0].split()[2:]
        client.logout()
        return len(uids)

    def subjects(self, client):
        client.ok("SELECT INBOX")
        lines = client.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
        return [l for l in b"".join(lines).split(b"Subject: ")[1:]]


def told_capability(client, user, password):
    """What the server says of itself with its OK."""
    answer = client.login(user, password)
    true(b" OK " in answer, f"{user}: {answer!r}")
    return answer


@case
def by_imap(world):
    user = world.movers[0]
    before = len(world.server.logins(user))
    client = world.imap(user)
    answer = told_capability(client, user.upper(), world.password(user))
    direct = Imap(world.shore.namespace.connect(HOME, 143))
    equal(answer.split(b"]")[0].split(b"[")[1],
          told_capability(direct, user, world.password(user)).split(b"]")[0].split(b"[")[1],
          "capabilities behind the login")
    direct.close()
    found = world.subjects(client)
    equal(found[-1].split(b"\r")[0], f"welcome {user}".encode(), "its mail")
    flow, = [f for f in world.ferry.json("flows") if f["account"] == user]
    equal((flow["route"], flow["destination"], flow["service"]), ("local", HOME, "imap"), "flow")
    equal(world.ferry.account(user)["destination"], HOME, "account")
    client.send(b"i IDLE\r\n")
    true(client.line().startswith(b"+"), "IDLE")
    world.bring(user, "news")
    true(b"EXISTS" in client.line(), "IDLE is told")
    client.send(b"DONE\r\n")
    client.until(b"i")
    client.logout()
    equal(len(world.server.logins(user)), before, "logins at the source")
    true((user, world.address(user)) in world.shore.logins(user), "whose login it was there")


@case
def a_wrong_password_is_that_servers_answer(world):
    user = world.movers[0]
    tries = world.server.log_text().count(f"user=<{user}>")
    client = world.imap(user)
    answer = client.login(user, "wrong")
    true(b"NO [AUTHENTICATIONFAILED]" in answer, f"{answer!r}")
    true(b" OK " in client.login(user, world.password(user)), "the right one behind it")
    client.logout()
    equal(world.server.log_text().count(f"user=<{user}>"), tries, "lines at the source")


@case
def another_password_than_at_the_source(world):
    user = world.movers[1]
    world.shore.add_user(user, "new one")
    client = world.imap(user)
    true(b" NO " in client.login(user, world.password(user)), "the source's does not count")
    true(b" OK " in client.login(user, "new one"), "that server's does")
    client.logout()
    world.shore.add_user(user, world.password(user))


def pop3(world, user, password):
    client = Pop3(world.lab.connect(110, world.address(user)))
    return client, client.login(user, password)


@case
def by_pop3(world):
    user = world.movers[1]
    client, answer = pop3(world, user, "wrong")
    true(answer.startswith(b"-ERR"), f"{answer!r}")
    client.close()
    client, answer = pop3(world, user, world.password(user))
    true(answer.startswith(b"+OK"), f"{answer!r}")
    equal(int(client.command("STAT").split()[1]), world.at_the_source(user, "ALL") + 1, "STAT")
    client.command("QUIT")
    client.close()
    equal(world.shore.logins(user)[-1][0], user, "login there")


@case
def who_lives_in_our_store_stays_here(world):
    user = world.stayer
    before = len(world.shore.logins(user))  # the transfer's
    client = world.session(user)
    client.ok("SELECT INBOX")
    client.logout()
    equal(len(world.shore.logins(user)), before, "logins there")
    equal(world.ferry.account(user)["destination"], "store", "account")


@case
def away_is_try_again_and_never_the_source(world):
    user, other = world.movers[:2]
    before = len(world.server.logins())
    world.shore.stop()
    client = world.imap(user)
    answer = client.login(user, world.password(user))
    true(b"NO [UNAVAILABLE]" in answer, f"{answer!r}")
    again, answer = pop3(world, other, world.password(other))
    true(b"[SYS/TEMP]" in answer or b"[IN-USE]" in answer, f"{answer!r}")
    again.close()
    equal(check(world)[0][0], "problem", "check")
    world.shore.start()
    true(b" OK " in client.login(user, world.password(user)), "it is back")
    client.logout()
    equal(len(world.server.logins()), before, "logins at the source")


def smtp(world, user):
    client = Smtp(world.lab.connect(25, world.address(user)))
    client.ok("EHLO client.example.org")
    return client


def there(world, user, subject):
    """How often that server has the message."""
    folder = world.shore.mail(user)
    return sum(f"Subject: {subject}\n" in path.read_text(errors="replace").replace("\r", "")
               for where in ("new", "cur") for path in (folder / where).glob("*"))


def mail(subject):
    return f"Subject: {subject}\r\nFrom: s@example.org\r\n\r\n.dot\r\n".encode()


@case
def mail_goes_where_each_lives(world):
    """By LMTP there; one message for all three sides."""
    user, other = world.movers[:2]
    at_source = world.user(1)
    world.lab.postfix.write_tables(world.server.users, {})
    client = smtp(world, user)
    recipients = [f"{n}@example.com" for n in (user, other.upper(), world.stayer, at_source)]
    equal(client.mail(*recipients), [250] * 4, "RCPT")
    equal(int(client.data(mail("all-of-you"))[:3]), 250, "the message")
    for name in (user, other):
        wait_until(f"it at {name}'s", lambda name=name: there(world, name, "all-of-you"))
        equal(there(world, name, "all-of-you"), 1, name)
    equal(len(world.found(world.stayer, "SUBJECT all-of-you")), 1, "here")
    wait_until("it at the source", lambda: world.at_the_source(at_source, "SUBJECT all-of-you"))
    equal(world.at_the_source(user, "SUBJECT all-of-you"), 0, "the old mailbox")
    equal(client.deliver(mail("alone"), f"{user}@example.com"), 250, "one for it alone")
    wait_until("that", lambda: there(world, user, "alone"))
    codes = client.mail(f"{world.unknown}@example.com", f"{user}@example.com")
    equal(codes, [550, 250], "whom that server does not know")
    equal(int(client.data(mail("still"))[:3]), 250, "the others")
    client.quit()


@case
def mail_waits_while_that_server_is_away(world):
    user = world.movers[0]
    client = smtp(world, user)
    world.shore.stop()
    equal(client.mail(f"{user}@example.com", f"{world.stayer}@example.com"), [451, 250], "RCPT")
    equal(int(client.data(mail("half"))[:3]), 250, "the other one's")
    client.quit()
    world.shore.start()
    client = smtp(world, user)
    equal(client.deliver(mail("again"), f"{user}@example.com"), 250, "the sender tries again")
    client.quit()
    equal(there(world, user, "half"), 0, "what was refused")
    equal(there(world, user, "again"), 1, "what was taken")


def check(world, **settings):
    """What it says of the destination with these: [(level, text)]."""
    world.ferry.write_config(**settings)
    said = json.loads(world.ferry.command("check", "--json").stdout)["findings"]
    return [(f["level"], f["text"]) for f in said if f["area"] == "destination"]


@case
def by_tls_and_its_key_and_mail_by_smtp(world):
    user, other = world.movers[:2]
    world.mta.prepare()
    world.mta.write_tables(world.shore.users, {})
    world.mta.start()
    world.lab.at_down.append(world.mta.stop)
    world.mta.wait()
    found = check(world, destination=[f"imaps://{HOME}", f"pop3+starttls://{HOME}"],
                  destination_verify="pin")
    equal([level for level, _ in found], ["problem"] * 3, f"{found}")
    pin = found[0][1].split('destination_pin = "')[1].split('"')[0]
    found = check(world, destination_pin=pin)
    equal([level for level, _ in found], ["ok"] * 3, f"{found}")
    world.again(smart_host=HOME)
    client = world.imap(user)
    true(b" OK " in client.login(user, world.password(user)), "with its key")
    true(f"welcome {user}".encode() in b"".join(world.subjects(client)), "its mail")
    client.logout()
    client, answer = pop3(world, other, world.password(other))
    true(answer.startswith(b"+OK"), f"{answer!r}")
    client.command("QUIT")
    client.close()
    true("TLS" in [l for l in world.shore.log_text().splitlines()
                   if f"user=<{user}>" in l and "Login" in l][-1], "TLS there")
    client = smtp(world, user)
    equal(client.deliver(mail("by-smtp"), f"{user}@example.com", f"{other}@example.com"), 250,
          "two there")
    equal(client.mail(f"{world.unknown}@example.com"), [550], "unknown there")
    client.quit()
    for name in (user, other):
        wait_until(f"it at {name}'s", lambda name=name: there(world, name, "by-smtp"))
    client = smtp(world, user)
    client.ok(f"MAIL FROM:<{other}@example.com> RET=HDRS")
    client.ok(f"RCPT TO:<{user}@example.com> NOTIFY=SUCCESS")
    equal(client.data(mail("asked"))[:3], b"250", "one who wants to know")
    client.quit()
    wait_until("the report", lambda: there(world, other, "Relayed: your message is on its way"))
    true("TLS" in world.mta.log_text() or "STARTTLS" in world.mta.log_text(), "TLS there")


@case
def another_server_than_it_was_copied_to(world):
    found = check(world, destination=["imap://127.0.0.1"], destination_verify="ca")
    true(any(f"3 accounts moved to {HOME}" in text for _, text in found), f"{found}")


def lose_everything(world):
    """The registry and all its copies; `up` does not start then."""
    state = Path(world.ferry.settings["state_dir"])
    for path in state.glob("registry.sqlite*"):
        path.unlink()
    subprocess.run(["rm", "-rf", state / "copies"], check=True)
    done = world.ferry.command("up")
    equal(done.returncode, 1, "up")
    true("in service" in done.stderr, done.stderr)


def passwd(world, user, password):
    subprocess.run(world.lab.router.command(*world.ferry.arguments("passwd", user)),
                   input=password.encode() + b"\n", check=True, stdout=subprocess.DEVNULL,
                   env=world.ferry.environment())


@case
def the_registry_and_its_copies_are_lost(world):
    """One lives here and was never opened, one is renamed, one is elsewhere, one is half
    copied, one was not seen yet: each login goes to its side, and the source sees nothing of
    those who have moved."""
    there = world.movers[0]
    world.ferry.stop()
    for key in [k for k in world.ferry.settings if k.startswith("destination") or k == "uids"]:
        del world.ferry.settings[key]
    world.ferry.start()
    here, named, half, fresh = [world.user(3) for _ in range(4)]
    secrets = {name: world.password(name) for name in (here, named, half, fresh, there)}
    secrets["nora"] = secrets[named]
    world.move(here)
    world.move(named)
    world.ferry.ok("account", "rename", named, "nora")
    client = world.session(half)
    world.ferry.wait_account(half, stage="catching-up")
    world.ferry.kill_all()  # a stop would end the session, and so let it arrive
    client.close()
    lose_everything(world)
    said = world.ferry.ok("registry", "rebuild")
    for line in (f"{here} lives here;", "nora lives here;", f"{there} lives at {HOME}\n"):
        true(line in said, f"{line} in {said}")
    true(half not in said and fresh not in said, said)
    for name in (here, "nora"):
        passwd(world, name, secrets[name])
    world.ferry.settings.update(destination=[f"imap://{HOME}"], uids="new")
    world.ferry.start()
    moved = {name: len(world.source_logins(name)) for name in (here, named, there)}
    seen = len(world.shore.logins(there))
    for name in (here, "nora", named, there, half, fresh):
        client = Imap(world.connect(there if name == "nora" else name))
        answer = client.login(name, secrets[name])
        true(b" OK " in answer, f"{name}: {answer!r}")
        client.ok("SELECT INBOX")
        client.logout()
    for name, logins in moved.items():
        equal(len(world.source_logins(name)), logins, f"logins of {name} at the source")
    equal(len(world.source_logins("nora")), 0, "by the new name")
    equal(len(world.shore.logins(there)), seen + 1, "logins there")
    for name in (half, fresh):
        wait_until(f"{name} at the source", lambda name=name: world.source_logins(name))


if __name__ == "__main__":
    main(Elsewhere)
