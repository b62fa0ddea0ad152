# SPDX-License-Identifier: GPL-3.0-or-later
"""An upgrade from before each part had a unit: one mailferry.service, with the drop-in and
the settings of its admin, and a user who lives here and reads mail meanwhile. The units of
that time are in former/; the programs are those of now, which is what a later upgrade in that
layout would have installed."""
import subprocess
import sys
from pathlib import Path

from restart import CLIENT, PASSWORD, SOURCE, USER, World, is_over

HERE = Path(__file__).resolve().parent
UNITS = "lib/systemd/system"
DROP_IN = "etc/systemd/system/mailferry.service.d/local.conf"
# as debhelper made it then, as far as it counts: users, and the units are read again
POSTINST = """#!/bin/sh
set -e
systemd-sysusers mailferry.conf
systemctl daemon-reload
"""
SEND = """
import smtplib, sys
with smtplib.SMTP(sys.argv[1], 25, "client.example", 20) as s:
    s.sendmail("x@example.org", [sys.argv[2]], "Subject: on its way\\r\\n\\r\\nhello\\r\\n")
"""


def make_package(place, package):
    """PACKAGE with the units of before."""
    tree, made = place / "former-tree", place / "former.deb"
    subprocess.run(["rm", "-rf", tree], check=True)
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    for unit in (tree / UNITS).glob("mailferry*"):
        unit.unlink()
    for unit in (HERE / "former").iterdir():
        (tree / UNITS / unit.name).write_bytes(unit.read_bytes())
    for script in ("postinst", "prerm", "postrm"):
        (tree / "DEBIAN" / script).unlink(missing_ok=True)
    (tree / "DEBIAN/postinst").write_text(POSTINST)
    (tree / "DEBIAN/postinst").chmod(0o755)
    control = tree / "DEBIAN/control"
    control.write_text("".join("Version: 0.0.9\n" if line.startswith("Version:") else line
                               for line in control.read_text().splitlines(keepends=True)))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", tree, made], check=True,
                   stdout=subprocess.DEVNULL)
    return made


def about_user(world):
    """Logins, and mail itself: whether it takes mail from that client it is asked (RCPT), as
    always, and then the message is kept from it."""
    return [line for line in world.heard().splitlines()
            if "LOGIN" in line and USER in line or "Subject: on its way" in line]


def send(world):
    return subprocess.run(world.inside(world.client, sys.executable, "-c", SEND, SOURCE,
                                       f"{USER}@example.com"), check=False).returncode == 0


def messages(machine):
    """That came for who lives here."""
    said = machine("sqlite3", "-readonly", f"/var/lib/mailferry/mail/{USER}/index.sqlite",
                   "SELECT count(*) FROM message", check=False).strip()
    return int(said or 0)


def check_former(machine, place, package, conf, until, ensure, serves):
    machine.install(make_package(place, package))
    (machine.root / "etc/mailferry/mailferry.conf").write_text(conf)
    drop_in = machine.root / DROP_IN
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text("[Service]\nEnvironment=OF_THE_ADMIN=1\n")
    machine("systemctl", "daemon-reload")
    machine("systemctl", "enable", "--now", "mailferry.target", "mailferry-rules.service",
            "mailferry.service")
    with World(machine) as world:
        until("one unit serves", lambda: machine(
            "systemctl", "is-active", "mailferry.service", check=False).strip() == "active" and
            world.one()[0] == {"ok"})
        machine("sh", "-c", f"echo \"{PASSWORD}\" | mailferry account add {USER}")
        ensure("mail for who lives here comes", send(world))
        before = machine("systemctl", "show", "-P", "MainPID", "mailferry.service").strip()
        load = world.load(CLIENT, 12, USER, PASSWORD)
        machine.install(package)
        ensure("mail during the upgrade", send(world))
        ensure("the one unit goes on", machine(
            "ps", "-o", "comm=", "-p", before).strip() == "mailferry")
        seen = world.said(load)
        ensure(f"nobody was turned away: {seen}", set(seen) <= {"ok", "bye"} and
               seen.get("ok", 0) > 20)
        load = world.load(CLIENT, 20, USER, PASSWORD)
        machine("systemctl", "restart", "mailferry.target")
        serves(machine, "each part has its unit")
        ensure("mail by them", send(world))
        seen = world.said(load)
        # one supervisor ends before eight begin: once, for a second or two, the rules refuse
        ensure(f"their start let nobody by: {seen}", set(seen) <= {
            "ok", "bye", "ConnectionRefusedError"} and seen.get("ok", 0) > 20)
        until("all of it is here", lambda: messages(machine) == 3)
        ensure(f"the old server heard of none of it: {about_user(world)}",
               world.heard() and not about_user(world))
    ensure("the settings are the admin's", (machine.root /
           "etc/mailferry/mailferry.conf").read_text() == conf)
    ensure("so is the drop-in", "OF_THE_ADMIN=1" in machine(
        "systemctl", "show", "-P", "Environment", "mailferry-interceptor"))
    machine.stop()
    machine.start()
    serves(machine, "after a boot, too")
    with World(machine) as world:
        until("and its user logs in here", lambda: world.login() == {"ok"})
        ensure("not at the old server", not about_user(world))
    # as at the beginning, for what is tested next
    machine("systemctl", "disable", "--now", "mailferry.target")
    until("all units have ended", lambda: is_over(machine))
    machine("mailferry", "rules", "remove", "--yes")
    machine("dpkg", "--purge", "mailferry")
    drop_in.unlink()
    machine("sh", "-c", "rm -rf /var/lib/mailferry /etc/systemd/system/*.wants/mailferry*; "
            "systemctl daemon-reload")
