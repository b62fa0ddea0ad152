#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queries of the dashboard and the alert rules, in a real Prometheus that scrapes a
mailferry in the lab: each is understood, and each says something.

Prometheus is Debian's, unpacked below build/, never installed.

    test_prometheus.py [WORD…]
"""
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
from lab.harness import World, case, main, nothing, true  # noqa: E402
from lab.processes import wait_until  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD, ALERTS = ROOT / "dashboards/mailferry.json", ROOT / "dashboards/alerts.yml"
PACKAGE = "prometheus"
SCRAPE_S = 1


def unpacked():
    """The folder of its binaries."""
    place = ROOT / "build/unpacked/prometheus"
    if not (place / "usr/bin/prometheus").exists():
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", PACKAGE], cwd=place, check=True, capture_output=True)
        for package in place.glob(f"{PACKAGE}_*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, place], check=True)
    return place / "usr/bin"


def answer(world, connection):
    """As `up` does it: a process for each connection."""
    with connection:
        subprocess.run(world.lab.router.command(*world.ferry.arguments("metrics", "http")),
                       stdin=connection, stdout=connection, stderr=subprocess.DEVNULL, timeout=60,
                       check=False, env={**os.environ, **world.ferry.environment()})


def serve(world, listener):
    while True:
        try:
            connection = listener.accept()[0]
        except OSError:
            return
        threading.Thread(target=answer, args=(world, connection), daemon=True).start()


@contextlib.contextmanager
def prometheus(world):
    """Inside: the port of one that scrapes."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=serve, args=(world, listener), daemon=True).start()
        stack.callback(listener.shutdown, socket.SHUT_RDWR)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        folder = world.lab.folder / "prometheus"
        folder.mkdir()
        (folder / "prometheus.yml").write_text(
            f"global: {{scrape_interval: {SCRAPE_S}s, scrape_timeout: {SCRAPE_S}s, "
            f"evaluation_interval: {SCRAPE_S}s}}\nrule_files: [{ALERTS}]\n"
            "scrape_configs:\n  - job_name: mailferry\n    static_configs:\n"
            f"      - targets: ['127.0.0.1:{listener.getsockname()[1]}']\n")
        process = subprocess.Popen(
            [unpacked() / "prometheus", f"--config.file={folder}/prometheus.yml",
             f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}",
             "--log.level=warn"], stderr=subprocess.STDOUT, stdout=open(folder / "log", "wb"))
        try:
            yield port
        finally:
            process.terminate()
            process.wait(20)


def ask(port, path, **words):
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(words)}"
    with urllib.request.urlopen(url, timeout=20) as found:
        told = json.load(found)
    true(told["status"] == "success", told)
    return told["data"]


def targets(port):
    with contextlib.suppress(OSError):
        return ask(port, "targets")["activeTargets"]
    return []


REPORTS_TEST = f"""
rule_files: [{ALERTS}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series: [{{series: mailferry_reports_waiting, values: "0x9 1x49 0x9 1x69 0x9 500x9"}}]
    alert_rule_test:
      - {{eval_time: 1h, alertname: MailferryReportsWait}}
      - {{eval_time: 2h, alertname: MailferryReportsWait}}
      - {{eval_time: 139m, alertname: MailferryReportsWait, exp_alerts: [{{exp_annotations: {{summary:
          "1 delivery reports wait for the smart host; its answers are in the log (report-waits)"}}}}]}}
      - {{eval_time: 139m, alertname: MailferryReportsMany}}
      - {{eval_time: 158m, alertname: MailferryReportsMany, exp_alerts: [{{exp_annotations: {{summary:
          "500 delivery reports wait for the smart host; from 1000 on none is written"}}}}]}}
"""


@case
def reports_that_wait_are_told_of(world):
    """A smart host that is away for less than an hour is no alert; a folder half full is one."""
    rules = world.lab.folder / "reports-test.yml"
    rules.write_text(REPORTS_TEST, encoding="ascii")
    tried = subprocess.run([unpacked() / "promtool", "test", "rules", rules], capture_output=True,
                           text=True, check=False)
    true(tried.returncode == 0, tried.stdout + tried.stderr)


@case
def every_query_says_something(world):
    rules = subprocess.run([unpacked() / "promtool", "check", "rules", ALERTS], capture_output=True,
                           text=True, check=False)
    true(rules.returncode == 0, rules.stdout + rules.stderr)
    with prometheus(world) as port:
        wait_until("a scrape", lambda: any(t["health"] == "up" for t in targets(port)), 30, 0.3)
        for _ in range(3):
            user = world.user(5)
            world.move(user)
            world.session(user).logout()
            time.sleep(SCRAPE_S)
        time.sleep(3 * SCRAPE_S)
        nothing([f"{t['health']}: {t['lastError']}" for t in targets(port) if t["health"] != "up"], "scrapes")
        queries = [(p["title"], t["expr"]) for p in json.loads(DASHBOARD.read_text())["panels"]
                   for t in p["targets"]]
        true(len(queries) > 15, "queries")
        # nothing was held, nothing is wrong, no TLS here
        silent = ("held_seconds_bucket", "certificate", "mailferry_alarms")
        nothing([f"{title}: {query}" for title, query in queries
                 if not ask(port, "query", query=query)["result"] and
                 not any(word in query for word in silent)], "queries without an answer")
        for word in silent:  # understood all the same
            true(any(word in query for _, query in queries), word)
        known = set(re.findall(r"`(mailferry_\w+)`", (ROOT / "docs/handbook/metrics.md").read_text()))
        known |= {name + end for name in known for end in ("_bucket", "_count", "_sum")}
        asked = re.findall(r"mailferry_\w+", DASHBOARD.read_text() + ALERTS.read_text())
        nothing(sorted(set(asked) - known), "names that no metric has")
        local = ask(port, "query", query='mailferry_accounts{route="local"}')["result"]
        true(local and local[0]["value"][1] == "3", local)
        firing = [a["labels"]["alertname"] for a in ask(port, "alerts")["alerts"]]
        nothing([a for a in firing if a != "MailferryCertificate"], "alerts where nothing is wrong")
        world.ferry.kill("transfer")
        os.kill(world.ferry.daemon.pid, 19)  # so that it is not started again
        try:
            wait_until("an alert", lambda: "MailferryDown" in [
                a["labels"]["alertname"] for a in ask(port, "alerts")["alerts"]], 30, 0.5)
        finally:
            os.kill(world.ferry.daemon.pid, 18)


main(World)
