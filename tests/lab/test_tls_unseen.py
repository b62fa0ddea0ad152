#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without a key TLS passes unseen, is told of, and holds the switch of whoever may read by
it."""
import json
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab import tls  # noqa: E402
from lab.harness import World, case, equal, main, table, true  # noqa: E402
from lab.imap import Imap  # noqa: E402
from lab.pop3 import Pop3  # noqa: E402
from lab.processes import wait_until  # noqa: E402

WHY = f"no key for {tls.NAME}"


def unseen(world, user, port=993, login=True):
    """A session of that user that we cannot see; the source's own certificate is shown."""
    connection = tls.begin(world.lab.connect(port, world.address(user)))
    own = tls.in_file(world.server.folder / "cert.pem")
    equal(tls.shown(connection), own, "certificate")
    client = Imap(connection) if port == 993 else Pop3(connection)
    if login and port == 993:
        true(b" OK " in client.login(user, world.password(user)), "login")
    return client


def starttls(world, user):
    client = world.imap(user)
    client.ok("STARTTLS")
    return Imap(tls.begin(client.socket), greeting=False)


def see_login(world, user):
    """The user logs in where we see it, and leaves."""
    world.session(user).logout()


def held(world, user):
    return (world.ferry.account(user) or {}).get("held", "")


@table([("POP3S", "pop3s", lambda world, user: unseen(world, user, 995)),
        ("STARTTLS", "imap", starttls)])
def an_unseen_flow_holds_the_switch(world, service, begin):
    user, other = world.user(5), world.user(3)
    client = begin(world, user)
    flows = [f for f in world.ferry.json("flows") if "unseen" in f]
    equal([(f["service"], f["route"], f["unseen"]) for f in flows],
          [(service, "source", WHY)], "flows")
    see_login(world, user)
    see_login(world, other)  # from elsewhere: nothing holds it
    world.ferry.wait_account(other, stage="done", route="local")
    world.ferry.wait_account(user, stage="catching-up")
    why = wait_until("the reason", lambda: held(world, user), 30, 0.1)
    address = world.address(user)
    true(why.startswith(address) and service in why and WHY in why
         and f"mailferry route {user} local --yes" in why, why)
    status = world.ferry.json("status")
    true(any(user in line and "is not switched" in line for line in status["attention"]), status)
    rows = [u for u in status["unseen"] if u["client"] == address and u["service"] == service]
    equal([(u["why"], u["open"]) for u in rows], [(WHY, 1)], "status")
    true(rows[0] in world.ferry.json("report")["unseen"], "report")
    equal(world.ferry.account(user)["route"], "source", "held")
    client.close()
    world.ferry.wait_account(user, stage="done", route="local")
    equal(held(world, user), "", "not any more")


@case
def check_says_what_passes(world):
    found = {f["name"]: f for f in json.loads(world.ferry.command("check", "--json").stdout)[
        "findings"] if f["area"] == "tls"}
    for service in ("imap", "imaps", "pop3s"):
        true(found[service]["level"] == "note" and "no key here" in found[service]["text"]
             and f"for {tls.NAME}" in found[service]["text"], found)


@case
def the_first_key_takes_an_upgrade(world):
    pair = tls.make_certificate(world.lab.folder, "first", name=tls.NAME)
    world.ferry.write_config(tls={"certificate": [pair[0]], "key": [pair[1]]})
    told = world.ferry.ok("reload")
    true("tls certificate: needs a restart" in told and told.count("restart") == 1, told)
    world.ferry.write_config(tls={})
    true("restart" not in world.ferry.ok("reload"), "as it runs")


@case
def the_admin_says_yes(world):
    user = world.user(3)
    client = unseen(world, user)
    see_login(world, user)
    wait_until("it is held", lambda: held(world, user), 30, 0.1)
    said = world.ferry.ok("route", user, "local")
    true("held: " in said and "local --yes" in said, said)
    world.ferry.settle(1)
    equal(world.ferry.account(user)["route"], "source", "without --yes it stays held")
    world.ferry.ok("route", user, "local", "--yes")
    world.ferry.wait_account(user, stage="done", route="local")
    client.close()


@case
def a_client_that_comes_again_holds_it_too(world):
    user = world.user(3)
    for _ in range(2):
        unseen(world, user).logout()
    see_login(world, user)
    wait_until("the reason", lambda: "comes again and again" in held(world, user), 30, 0.1)
    true("`unseen_hold` (3600 s)" in held(world, user), held(world, user))
    equal(world.ferry.account(user)["waits_for"], "", "no log-off would do")
    world.ferry.settle(1)
    equal(world.ferry.account(user)["route"], "source", "held")


@case
def whoever_reads_past_us_after_the_switch_is_told_of(world):
    user = world.user(3)
    see_login(world, user)
    world.ferry.wait_account(user, stage="done", route="local")
    client = unseen(world, user)
    true(any(user in line and "lives here" in line and WHY in line
             for line in wait_until("status", lambda: [
                 a for a in world.ferry.json("status")["attention"] if user in a], 30, 0.2)),
         "attention")
    client.close()


@case
def a_worker_that_dies_holds_nobody(world):
    user = world.user(3)
    client = unseen(world, user)
    see_login(world, user)
    wait_until("it is held", lambda: held(world, user), 30, 0.1)
    for pid in world.ferry.processes("interceptor")[1:]:
        world.ferry.kill("interceptor", lambda _, pid=pid: pid)
    equal(client.line(), b"", "its flow ends with it")
    world.ferry.wait_account(user, stage="done", route="local")


@case
def hide_and_pass(world):
    """STARTTLS by service: hidden on 143, the source's own on 110."""
    world.ferry.stop()
    world.ferry.write_config(services={"imap": {"tls": "hide"}, "pop3": {"tls": "pass"},
                                       "imaps": {"tls": "pass"}})
    world.ferry.start()
    user = world.user(3)
    client = world.imap(user)
    true("STARTTLS" not in str(client.ok("CAPABILITY")), "offered")
    client.send(b"a STARTTLS\r\n")
    true(not client.line().startswith(b"a OK"), "accepted")
    client.close()
    connection = world.lab.connect(110, world.address(user))
    pop = Pop3(connection)
    true(b"STLS" in b" ".join(pop.lines("CAPA")), "STLS is shown")
    pop.ok("STLS")
    secure = tls.begin(connection)
    equal(tls.shown(secure), tls.in_file(world.server.folder / "cert.pem"), "certificate")
    whys = [f["unseen"] for f in world.ferry.json("flows") if f["service"] == "pop3"]
    equal(whys, [f'tls = "pass" for {tls.NAME}'], "flows")
    secure.close()


if __name__ == "__main__":
    main(lambda: World(settings={"hold": 20}))
