#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`up`, `rules` and `counters`, in a network namespace of the test's own, with
stand-ins for the programs that `up` starts."""
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cli
from cli import expect, wait_until

sys.path.append(str(Path(__file__).resolve().parents[1]))
import firewalls  # noqa: E402


def rules_state(house):
    return json.loads(house.good("status", "--json"))["rules"]


def serving(house):
    wait_until(lambda: "starting -> serving" in house.log(), "up serves")


def stop(process, number=signal.SIGTERM):
    process.send_signal(number)
    expect(process.wait(cli.PATIENCE) == 0, f"up ended with {process.returncode}")


def nothing_left():
    for command in (["nft", "list", "ruleset"], ["ip", "rule", "show", "priority", "1000"],
                    ["ip", "-6", "rule", "show", "priority", "1000"]):
        left = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        expect(not left.strip(), f"left behind: {left}")


def test_rules(house):
    expect(house.good("rules", "show") == "# nothing is installed\n", "nothing yet")
    house.bad("no rules are installed", "counters")
    expect(house.command("rules", "check").returncode == 1, "check before install")
    expect(house.good("rules", "install") == "installed\n", "install")
    expect("nothing to do" in house.good("rules", "install"), "twice")
    expect(house.good("rules", "check") == "as wanted\n", "check")
    expect("tproxy" in house.good("rules", "show"), "show")
    subprocess.run(["nft", "flush", "chain", "inet", "mailferry", "forward"], check=True)
    done = house.command("rules", "check", "--json")
    expect(done.returncode == 1 and json.loads(done.stdout)["differences"], done)
    expect(rules_state(house) == "differ", "status sees it")
    house.good("rules", "install")
    counters = json.loads(house.good("counters", "--json"))
    expect(all(list(c)[:4] == ["service", "route", "packets", "bytes"] for c in counters),
           counters)
    expect({c["service"] for c in counters if c["route"] != "unseen"} ==
           {"smtp", "pop3", "imap", "smtps", "submission", "imaps", "pop3s"}, counters)
    expect({c["service"] for c in counters if c["route"] == "unseen"} == set(), counters)
    expect(house.good("rules", "remove") == "removed\n", "remove")
    expect("nothing was installed" in house.good("rules", "remove"), "remove twice")
    nothing_left()


def direct_bytes(house):
    return sum(c["bytes"] for c in json.loads(house.good("counters", "--json"))
               if (c["service"], c["route"]) == ("imap", "undecided"))


def test_counters_go_on(house):
    """Over the end of `up`, over rules that are removed, over a flush by others."""
    process = house.up()
    serving(house)
    before = direct_bytes(house)
    expect(before > 0, "our own probe was counted")
    stop(process)
    nothing_left()
    house.good("rules", "install")
    expect(direct_bytes(house) >= before, "installed alone")
    house.good("rules", "remove")
    (house.root / "log").write_text("")
    process = house.up()
    serving(house)
    expect(direct_bytes(house) > before, "and the probe comes on top")
    stop(process)
    nothing_left()


def test_table_preference_and_marks(house):
    """Where they are in the way of somebody, the admin has them elsewhere."""
    house.config.write_text(house.config.read_text() +
                            "route_table = 4242\nrule_preference = 700\n"
                            "mark_mask = 0x00f00000\nmark = 0x00400000\n")
    process = house.up()
    serving(house)
    expect(rules_state(house) == "in place", "in")
    rule = subprocess.run(["ip", "rule", "show", "priority", "701"], capture_output=True, text=True,
                          check=True).stdout
    expect("fwmark 0x400000/0xe00000 lookup 4242" in rule, rule)
    expect("0x70000000" not in house.good("rules", "show"), "none of the usual bits")
    stop(process)
    nothing_left()
    base = house.config.read_text().split("route_table")[0]
    for line, word in (("route_table = 254", "route_table"), ("rule_preference = 5", "preference"),
                       ("mark_mask = 0xff", "four bits"), ("mark = 0x1", "of `mark_mask`")):
        house.config.write_text(base + line + "\n")
        house.bad(word, "rules", "install", code=2)


def test_dry_run_and_confirm(house):
    text = house.good("rules", "install", "--dry-run")
    expect("table inet mailferry {" in text and "# missing: table inet mailferry" in text, text)
    nothing_left()
    subprocess.run(["nft", "-c", "-f", "-"], input=re.sub(r"(?m)^.*queue flags.*$", "", text),
                   text=True, check=True)
    house.bad('from 1 to 3600, not "0"', "rules", "install", "--confirm", "0", code=2)
    house.bad("no rules wait", "rules", "confirm")
    # taken back by itself
    expect("rules confirm" in house.good("rules", "install", "--confirm", "1"), "says how")
    expect(house.good("rules", "check") == "as wanted\n", "in")
    wait_until(lambda: house.good("rules", "show") == "# nothing is installed\n", "taken back")
    nothing_left()
    # confirmed
    house.good("rules", "install", "--confirm", "1")
    expect("they stay" in house.good("rules", "confirm"), "confirmed")
    house.bad("no rules wait", "rules", "confirm")
    time.sleep(1.3)
    expect(house.good("rules", "check") == "as wanted\n", "still in")
    expect("has them already" in house.good("rules", "install", "--dry-run"), "no difference")
    house.good("rules", "remove")
    # once somebody lives here: back to refusing, never to open, whatever is admitted
    house.good("admit", "0.0.0.0/0", "direct")
    house.tool("capture", "alice", "secret")
    house.tool("arrive", "alice")
    house.good("rules", "install", "--confirm", "1")
    expect("admit-direct4" in kernel_rules(), "in, with what is admitted")
    wait_until(lambda: "mailferry" in kernel_rules() and "admit-direct4" not in kernel_rules(),
               "taken back to refusing")
    expect(table_is_closed(), "closed")
    remove_for_good(house)


def kernel_rules():
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True,
                          check=True).stdout


def test_admissions(house):
    expect("everybody else: divert" in house.good("admit", "--list"), "before anything else")
    expect("next `mailferry up`" in house.good("admit", "0.0.0.0/0", "direct"), "no up yet")
    text = house.config.read_text()
    house.config.write_text(text + f'state_dir = "{house.state}.new"\n')
    house.bad('"foo" is not a prefix', "admit", "foo", "direct", code=2)
    expect(not os.path.exists(f"{house.state}.new"), "a mistake makes nothing")
    house.good("admit", "0.0.0.0/0", "direct")
    expect(os.stat(f"{house.state}.new").st_mode & 0o777 == 0o711, "passable for the programs")
    house.config.write_text(text)
    house.bad('"192.0.2.1/24" is not a prefix', "admit", "192.0.2.1/24", "direct", code=2)
    house.bad('not "open"', "admit", "192.0.2.0/24", "open", code=2)
    house.bad('"nntp" is no service', "admit", "::/0", "drop", "--service", "nntp", code=2)
    house.bad("there is no entry for 10.0.0.0/8;", "admit", "--remove", "10.0.0.0/8")
    process = house.up()
    serving(house)
    expect("set admit-direct4" in kernel_rules(), "in the kernel with `up`")
    expect("from now on" in house.good("admit", "192.0.2.128/25", "divert"), "up runs")
    house.good("admit", "2001:DB8::/32", "refuse", "--service", "pop3")
    wait_until(lambda: "set admit-pop3-refuse6" in kernel_rules() and
               "0.0.0.0-192.0.2.127" in kernel_rules(), "the rules follow")
    expect(rules_state(house) == "in place", "status knows")
    rows = json.loads(house.good("admit", "--list", "--json"))
    expect([(r["prefix"], r["service"], r["verdict"]) for r in rows] ==
           [("0.0.0.0/0", "", "direct"), ("192.0.2.128/25", "", "divert"),
            ("2001:db8::/32", "pop3", "refuse")], rows)
    expect(re.search(r"2001:db8::/32 +pop3 +refuse ", house.good("admit", "--list")), "text")
    house.good("admit", "--remove", "2001:db8::/32", "--service", "pop3")
    wait_until(lambda: "admit-pop3" not in kernel_rules(), "the rules follow")
    stop(process)
    nothing_left()
    # once an account is here, its user must not meet the old mailbox by a slip
    house.tool("capture", "alice", "secret")
    house.tool("arrive", "alice")
    house.bad("--yes", "admit", "192.0.2.9", "direct")
    house.good("admit", "192.0.2.9", "direct", "--yes")
    house.good("admit", "192.0.2.9", "refuse")


def test_up_and_down(house):
    process = house.up()
    serving(house)
    expect(rules_state(house) == "in place", "rules in")
    for name in cli.STUBS:
        expect(cli.alive(house.pid(name)), f"{name} runs")
    expect(oct((house.state / "key").stat().st_mode & 0o777) == "0o600", "key")
    expect(oct(house.state.stat().st_mode & 0o777) == "0o711", "state_dir")
    house.bad(f"mailferry up \\(pid {process.pid}\\) runs in {house.state} already", "up")
    # another run_dir makes no second place of it
    other = house.root / "other.conf"
    other.write_text(house.config.read_text().replace(str(house.run), str(house.root / "r2")))
    done = subprocess.run([house.mailferry, "-c", str(other), "up"], text=True, timeout=60,
                          capture_output=True, check=False)
    expect(done.returncode == 1 and "a state_dir and a run_dir that no other has"
               in done.stderr and str(house.state) in done.stderr, done)
    expect(rules_state(house) == "in place", "the first one keeps its rules")
    stop(process)
    for name in cli.STUBS:
        expect(not cli.alive(house.pid(name)), f"{name} is gone")
    nothing_left()


def test_interrupt(house):
    process = house.up()
    serving(house)
    stop(process, signal.SIGINT)
    nothing_left()


def test_rules_wait_for_the_interceptor(house):
    (house.run / "interceptor.delay").write_text("1.5")
    process = house.up()
    wait_until(lambda: house.pid("transfer"), "the transfer runs")
    expect(rules_state(house) == "absent", "nobody listens yet")
    serving(house)
    expect(rules_state(house) == "in place", "rules in")
    stop(process)


def test_restart(house):
    process = house.up()
    serving(house)
    for name in cli.STUBS:
        first = house.pid(name)
        cli.kill(first)
        wait_until(lambda n=name, f=first: house.pid(n) not in (0, f), f"{name} is back")
        expect(rules_state(house) == "in place", "the rules stay")
    stop(process)
    nothing_left()


def test_killed_supervisor(house):
    process = house.up()
    serving(house)
    pids = [house.pid(name) for name in cli.STUBS]
    process.kill()
    process.wait()
    for pid in pids:
        wait_until(lambda p=pid: not cli.alive(p), "the programs end with it")
    expect(rules_state(house) == "in place", "rules outlive it: fail mode holds")
    (house.root / "log").write_text("")
    process = house.up()
    serving(house)
    expect(rules_state(house) == "in place", "rules in again")
    stop(process)
    nothing_left()


def test_fail_mode_follows_the_accounts(house):
    house.tool("capture", "alice", "secret")
    process = house.up()
    serving(house)
    expect(json.loads(house.good("status", "--json"))["fail"] == "open", "open at first")
    house.tool("arrive", "alice")
    wait_until(lambda: "fail=closed" in house.log(), "closed once an account lives here")
    expect(rules_state(house) == "in place", "closed is what is wanted now")
    stop(process)
    remove_for_good(house)


def moved(house):
    house.tool("capture", "alice", "secret")
    house.tool("arrive", "alice")


def walls():
    """Whether the table refuses whoever is not admitted, whether the ip rules do; the text."""
    chain = subprocess.run(["nft", "list", "chain", "inet", "mailferry", "direct"],
                           capture_output=True, text=True, check=False).stdout
    wall = subprocess.run(["ip", "route", "show", "table", "19783"], capture_output=True,
                          text=True, check=False).stdout
    closed = chain.rstrip("}\n\t ").endswith("reject with tcp reset")
    return closed, "prohibit" in wall, chain + wall


def closes():
    """Both do. They go in one after the other: until then one may be there alone."""
    return walls()[:2] == (True, True)


def table_is_closed():
    """Both do, or neither."""
    closed, wall, text = walls()
    expect(closed == wall, text)
    return closed


def remove_for_good(house):
    house.good("rules", "remove", "--yes")
    nothing_left()


def test_closed_stays_closed_at_the_end(house):
    moved(house)
    process = house.up()
    serving(house)
    stop(process)
    expect("rules-stay" in house.log(), house.log())
    expect(table_is_closed(), "they refuse")
    house.bad("no terminal; use --yes", "rules", "remove")
    expect(table_is_closed(), "still")
    remove_for_good(house)


def test_closed_before_a_start_that_fails(house):
    moved(house)
    (house.run / "interceptor.exit").write_text("1")
    process = house.up()
    wait_until(closes, "closed, whatever comes of the start")
    expect(process.wait(cli.PATIENCE) == 1, "exit 1")
    expect(table_is_closed(), "they refuse")
    (house.root / "bin" / "mailferry-transfer").unlink()
    remove_for_good(house)
    done = house.command("up")
    expect(done.returncode == 1 and "cannot run" in done.stderr, done)
    expect(table_is_closed(), "also without a program to start")
    remove_for_good(house)


def test_closed_at_boot(house):
    """Without a registry: its disk may come later."""
    house.good("rules", "install", "--closed")
    expect(table_is_closed(), "closed")
    process = house.up()
    serving(house)
    expect(not table_is_closed(), "open, since nobody lives here")
    stop(process)
    nothing_left()


TAKEN_AWAY = (["nft", "flush", "ruleset"], ["nft", "delete", "table", "inet", "mailferry"],
              ["nft", "flush", "chain", "inet", "mailferry", "prerouting"],
              ["nft", "delete", "element", "inet", "mailferry", "services", "{ 143 }"],
              ["ip", "rule", "del", "priority", "1000"], ["ip", "rule", "del", "priority", "1001"],
              ["ip", "route", "flush", "table", "19782"])


def test_status_sees_settings_that_spoil_it(house):
    process = house.up()
    serving(house)
    for path, spoilt, good in (("ip_forward", "0", "1"), ("fwmark_reflect", "1", "0")):
        for value in (spoilt, good):
            with open(f"/proc/sys/net/ipv4/{path}", "w", encoding="utf-8") as file:
                file.write(value)
            attention = json.loads(house.good("status", "--json"))["attention"]
            expect(any(f"net.ipv4.{path}=" in line for line in attention) == (value == spoilt),
                   attention)
    stop(process)


def test_no_black_hole(house):
    """A client's connection is tried; without an answer the rules do not stay."""
    (house.run / "interceptor.deaf").write_text("")
    process = house.up()
    expect(process.wait(cli.PATIENCE) == 1, "exit 1")
    expect("does not reach us (0 of 7 were answered)" in house.log(), house.log())
    nothing_left()
    moved(house)
    process = house.up()
    serving(house)
    expect("flow-probe-failed" in house.log(), house.log())
    expect(table_is_closed(), "who lives here is refused, not sent to the old mailbox")
    status = json.loads(house.good("status", "--json"))
    expect(any("does not reach us" in line for line in status["attention"]), status)
    done = house.command("check")
    expect("does not reach us" in done.stdout, done.stdout)
    stop(process)
    remove_for_good(house)


def test_a_firewall_in_the_way(house):
    for theirs in (firewalls.Firewalld("192.0.2.10"), firewalls.Ufw("")):
        subprocess.run(["nft", "-f", "-"], check=True, text=True, input=theirs.rules)
        (house.root / "log").write_text("")
        process = house.up()
        expect(process.wait(cli.PATIENCE) == 1, "exit 1")
        for words in theirs.blames + theirs.cures:
            expect(words in house.log(), f"{words}: {house.log()}")
        subprocess.run(["nft", "-f", "-"], check=True, text=True, input=theirs.written)
        (house.root / "log").write_text("")
        process = house.up()
        serving(house)
        expect("a client's connection reaches us" in house.command("check").stdout, "check says so")
        stop(process)
        for table in theirs.tables:
            subprocess.run(["nft", "delete", "table", *table.split()], check=True)
        nothing_left()


def test_rules_that_are_taken_away_come_back(house):
    process = house.up()
    serving(house)
    house.bad("`mailferry up` runs and would put them back", "rules", "remove")
    for i, command in enumerate(TAKEN_AWAY):
        expect(house.command("rules", "check").returncode == 0, "in place before")
        subprocess.run(command, check=True)
        took_away = time.monotonic()
        wait_until(lambda n=i: house.log().count("rules-repaired") == n + 1, command)
        expect(time.monotonic() - took_away < 5, f"{command}: at once")
        expect(house.command("rules", "check").returncode == 0, f"{command}: as wanted again")
    status = json.loads(house.good("status", "--json"))
    expect(any(f"(times: {len(TAKEN_AWAY)};" in line for line in status["attention"]), status)
    stop(process)
    nothing_left()


def test_fail_open_on_purpose(house):
    house.config.write_text(house.config.read_text() + 'fail = "open"\n')
    house.tool("capture", "alice", "secret")
    house.tool("arrive", "alice")
    process = house.up()
    serving(house)
    expect("fail=open" in house.log(), "as the admin said")
    status = json.loads(house.good("status", "--json"))
    expect(any("fail = \"open\" although" in line for line in status["attention"]), status)
    stop(process)


def test_start_that_cannot_work(house):
    (house.run / "interceptor.exit").write_text("2")
    process = house.up()
    expect(process.wait(cli.PATIENCE) == 1, "exit 1")
    expect("mailferry-interceptor does not start (exit code 2)" in house.log(),
           house.log())
    (house.run / "interceptor.exit").write_text("1")
    process = house.up()
    expect(process.wait(cli.PATIENCE) == 1, "exit 1 after some tries")
    expect("does not start (exit code 1)" in house.log(), house.log())
    nothing_left()


def test_kernel_settings_of_a_start_that_cannot_work(house):
    """The rules go in first, where somebody lives here, and with them what they need."""
    def demux():
        return Path("/proc/sys/net/ipv4/tcp_early_demux").read_text().strip()
    house.tool("capture", "alice", "secret")
    house.tool("arrive", "alice")
    house.good("admit", "203.0.113.0/24", "direct", "--yes")
    (house.root / "bin/mailferry-transfer").unlink()
    before = demux()
    process = house.up()
    expect(process.wait(cli.PATIENCE) == 1, "exit 1")
    log = house.log()
    expect("setting=tcp_early_demux set to 0" in log and "rules-in" in log, log)
    expect("setting=tcp_early_demux put back" in log and demux() == before, log)
    house.good("rules", "remove", "--yes")
    nothing_left()


def test_keys(house):
    house.tool("capture", "alice", "secret")
    key = house.state / "key"
    key.chmod(0o644)
    house.bad("can be read by others; run: chmod 600", "up")
    key.chmod(0o600)
    kept = key.read_bytes()
    key.unlink()
    house.bad("is missing, but passwords .* restore it from your backup", "up")
    key.write_bytes(b"x" * 32)
    key.chmod(0o600)
    house.bad("is not the one that the passwords", "up")
    done = house.command("check")
    expect(done.returncode == 1 and "is not the one" in done.stdout, "check says it too")
    expect("state_dir =" not in done.stdout, "options are what --print-config prints")
    key.write_bytes(kept)
    process = house.up()
    serving(house)
    stop(process)


def test_no_privileges(house):
    for args in (["rules", "install"], ["up"], ["counters"]):
        done = subprocess.run(["setpriv", "--bounding-set=-net_admin", house.mailferry, "-c",
                               str(house.config), *args], text=True, capture_output=True,
                              check=False)
        expect(done.returncode == 1, f"{args}: {done.returncode}")
        expect(re.fullmatch("mailferry: this needs CAP_NET_ADMIN .*; run it as root\n",
                            done.stderr), done.stderr)


def test_bad_places(house):
    text = house.config.read_text()
    for setting, sentence in [
            ('key_file = "/nonexistent/folder/key"', "cannot make the key file /nonexistent"),
            ('state_dir = "/etc/hostname"', "/etc/hostname: Not a directory|make the directory")]:
        house.config.write_text(text + setting + "\n")
        house.bad(sentence, "up")
        done = house.command("check")
        expect(done.returncode == 1 and re.search(sentence, done.stdout), done.stdout)


TESTS = [test_rules, test_counters_go_on, test_table_preference_and_marks,
             test_dry_run_and_confirm, test_admissions, test_up_and_down, test_interrupt, test_rules_wait_for_the_interceptor,
         test_restart, test_killed_supervisor, test_fail_mode_follows_the_accounts,
         test_closed_stays_closed_at_the_end, test_closed_before_a_start_that_fails,
         test_closed_at_boot, test_status_sees_settings_that_spoil_it, test_no_black_hole,
         test_a_firewall_in_the_way, test_rules_that_are_taken_away_come_back,
         test_fail_open_on_purpose, test_start_that_cannot_work,
         test_kernel_settings_of_a_start_that_cannot_work, test_keys,
         test_no_privileges, test_bad_places]

if __name__ == "__main__":
    cli.own_network()
    os.environ["MAILFERRY_LOG"] = "info"
    sys.exit(cli.run_all(TESTS, sys.argv[1], sys.argv[2]))
