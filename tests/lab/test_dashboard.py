#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboard beside a real move: who is on the way and how long yet, the toggle, a
transfer now, a session ended, and an upgrade below it."""
import json
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[0] = str(TESTS)
sys.path.append(str(TESTS / "cli"))
import dashboard  # noqa: E402
from lab.harness import World, case, equal, main, true  # noqa: E402
from lab.processes import wait_until  # noqa: E402

SLOW_LINE = "20mbit"  # so that a move takes long enough to be looked at


def files(ferry):
    return ferry.folder / "run/dashboard.sock", ferry.folder / "state/dashboard.token"


class DashboardWorld(World):
    def __init__(self):
        super().__init__()
        self.ferry.settings["dashboard"] = {"listen": f"unix:{files(self.ferry)[0]}",
                                            "admin": True}

    def browser(self):
        socket, token = files(self.ferry)
        wait_until("it to listen", socket.exists, 30, 0.1)
        return dashboard.Client(token.read_text(encoding="ascii").strip(), socket)


def act(client, what, whom):
    """Presses the button and answers the question with yes."""
    page = client.page(f"/confirm?do={what}&of={whom}")
    true(f"<bdi>{whom}</bdi>?" in page, page)
    status, _, text = client.post("/do", do=what, of=whom, form=client.secret())
    equal(status, 200, text)


@case
def shows_who_moves_and_how_long_yet(world):
    user = world.user(2500)
    client = world.browser()
    world.lab.source.limit(SLOW_LINE)
    world.session(user).logout()

    def seen():
        rows = {row["name"]: row for row in json.loads(client.page("/json/transfers"))}
        return rows.get(user, {}).get("eta_s") is not None
    wait_until("its rate to be known", seen, 60, 0.1)
    page = client.page()
    moving = page[page.index('<section id="moving">'):page.index('<section id="failed">')]
    true(f'href="/account?name={user}"' in moving and "<progress" in moving, moving)
    world.lab.source.limit(None)
    world.ferry.wait_account(user, 60, stage="done", route="local")
    wait_until("it to be shown here", lambda: f'<a href="/account?name={user}"' not in
               client.page().split('<section id="moving">')[1].split("</section>")[0], 30, 0.5)


@case
def toggle(world):
    user = world.user(3)
    world.move(user)
    client = world.browser()
    logins = len(world.source_logins(user))
    act(client, "route-source", user)
    equal((world.ferry.account(user)["route"], world.ferry.account(user)["pin"]),
          ("source", "source"), "it is back")
    world.session(user).logout()
    wait_until("a login at the source", lambda: len(world.source_logins(user)) > logins)
    act(client, "route-auto", user)
    equal(world.ferry.account(user)["pin"], "auto", "pin")


@case
def transfer_now(world):
    user = world.user(3)
    stays = world.session(user)
    world.ferry.command("route", user, "source")
    client = world.browser()
    act(client, "route-auto", user)
    act(client, "transfer", user)
    stays.logout()
    world.ferry.wait_account(user, stage="done", route="local")


@case
def kicks(world):
    user = world.user(3)
    world.move(user)
    session = world.session(user)
    client = world.browser()

    def flows():
        return [f for f in json.loads(client.page("/json/flows")) if f["account"] == user]
    wait_until("its flow", flows, 30, 0.2)
    flow = flows()[0]
    true(f"do=kick&amp;of={flow['id']}" in client.page(), "its button")
    act(client, "kick", flow["id"])
    true(session.line().startswith(b"* BYE Closed by the administrator"), "with a word")
    wait_until("it to be gone", lambda: not flows(), 30, 0.2)


@case
def goes_on_after_an_upgrade(world):
    before = world.browser()
    equal(world.ferry.command("upgrade", "--wait").returncode, 0, "upgrade")

    def asks_for_a_login():
        try:
            return before.get("/")[0] == 303
        except OSError:
            return False
    wait_until("the new one", asks_for_a_login, 30, 0.2)
    true("Live flows" in world.browser().page(), "it shows")
    true(not [line for line in world.ferry.json("status")["attention"] if "dashboard" in line],
         "status")
    warned = [line for line in world.ferry.log.read_text(errors="replace").splitlines()
              if " warning - ended program=mailferry-dashboard" in line]
    true(not warned, warned)


if __name__ == "__main__":
    main(DashboardWorld)
