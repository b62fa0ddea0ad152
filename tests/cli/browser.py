# SPDX-License-Identifier: GPL-3.0-or-later
"""A Chromium without a screen, driven by WebDriver (W3C), which is JSON over HTTP."""
import base64
import json
import shutil
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import cli
from cli import expect, wait_until

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # W3C WebDriver, 11
ENTER, TAB = "\ue007", "\ue004"
# as root Chromium's own sandbox does not start; it sees nothing but pages of ours
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-extensions",
             "--hide-scrollbars", "--force-device-scale-factor=1"]


def is_there():
    return shutil.which("chromedriver") is not None


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Browser:
    """with Browser() as b: b.go("http://…"); b.one("#search").type("anna")"""

    def __init__(self):
        self.home = Path(tempfile.mkdtemp(prefix="mf-browser-"))
        self.port = free_port()
        self.driver = subprocess.Popen(
            ["chromedriver", f"--port={self.port}"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"})
        self.session = ""

    def __enter__(self):
        try:
            wait_until(self._is_ready, "chromedriver answers")
            options = {"args": [*ARGUMENTS, f"--user-data-dir={self.home}/profile"]}
            answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"}}}})
            self.session = "/session/" + answer["sessionId"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.session:
            self._ask("DELETE", self.session)
        self.driver.terminate()
        self.driver.wait(cli.PATIENCE)
        shutil.rmtree(self.home, ignore_errors=True)

    def _is_ready(self):
        try:
            return self._ask("GET", "/status")["ready"]
        except OSError:
            return False

    def _ask(self, method, path, body=None):
        data = json.dumps({} if body is None else body).encode() if method == "POST" else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data,
                                         {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            raise cli.Failure(f"{method} {path} {body}: {e.read().decode()[:500]}") from e

    def ask(self, method, path, body=None):
        return self._ask(method, self.session + path, body)

    def tool(self, command, **parameters):
        """A command of the Chrome DevTools Protocol."""
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    # ---- what a person does ----

    def go(self, url):
        self.ask("POST", "/url", {"url": url})

    def all(self, selector):
        return [Element(self, e[ELEMENT]) for e in
                self.ask("POST", "/elements", {"using": "css selector", "value": selector})]

    def one(self, selector):
        found = self.all(selector)
        expect(found, f"{selector} is not in {self.run('return document.body.innerText')}")
        return found[0]

    def press(self, keys):
        """Where the focus is."""
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": [
            {"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]}]})

    def resize(self, width, height, phone=False):
        self.tool("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=phone)

    def prefer(self, scheme):
        self.tool("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme},
                            {"name": "prefers-reduced-motion", "value": "reduce"}])

    def without_scripts(self, off=True):
        self.tool("Emulation.setScriptExecutionDisabled", value=off)

    # ---- what they see ----

    def run(self, script, *arguments):
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector="body"):
        return self.one(selector).text()

    def wait_for(self, selector, text):
        def has_it():
            return any(text in e for e in self.run(
                "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)",
                selector))
        wait_until(has_it, f"\"{text}\" in {selector}")

    def url(self):
        return self.ask("GET", "/url")

    def complaints(self):
        """What its console says: errors of scripts, what the policy has stopped."""
        return [line["message"] for line in self.ask("POST", "/se/log", {"type": "browser"})
                if line["level"] in ("SEVERE", "WARNING")]

    def has_alert(self):
        try:
            self.ask("GET", "/alert/text")
            return True
        except cli.Failure:
            return False

    def picture(self, path, height=None, scale=1):
        """Of the whole page, or of so much of it."""
        size = self.tool("Page.getLayoutMetrics")["cssContentSize"]
        shot = self.tool("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                         clip={"x": 0, "y": 0, "width": size["width"], "scale": scale,
                               "height": min(size["height"], height or size["height"])})
        Path(path).write_bytes(base64.b64decode(shot["data"]))


class Element:
    def __init__(self, browser, name):
        self.browser, self.path = browser, f"/element/{name}"

    def click(self):
        self.browser.ask("POST", self.path + "/click")

    def type(self, text):
        self.browser.ask("POST", self.path + "/value", {"text": text})

    def text(self):
        return self.browser.ask("GET", self.path + "/text")
