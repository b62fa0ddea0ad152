#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed beside the programs: manual pages that mandoc takes, a configuration
that says the same with every default written out, completion that knows each command, and
a handbook whose links lead somewhere.

test_docs.py BUILD SOURCE
"""
import re
import subprocess
import sys
import unittest
from pathlib import Path

BUILD, SOURCE = Path(sys.argv[1]), Path(sys.argv[2])
MAILFERRY = BUILD / "bin/mailferry"
# of the machine, not of the page
NOT_OURS = re.compile(r"referenced manual not found|mandoc\.db")


def run(*words, **more):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True,
                          check=True, timeout=60, **more).stdout


def commands():
    return re.findall(r"(?m)^  ([a-z]+)\b", run(MAILFERRY, "--help"))


class Pages(unittest.TestCase):
    def test_mandoc_takes_them(self):
        for page in [BUILD / "docs/mailferry.8", BUILD / "docs/mailferry.conf.5",
                     SOURCE / "docs/mailferry-store.5"]:
            said = subprocess.run(["mandoc", "-T", "lint", str(page)], capture_output=True,
                                  text=True, timeout=60).stdout
            lines = [x for x in said.splitlines() if not NOT_OURS.search(x)]
            self.assertEqual(lines, [], page.name)

    def test_every_command_is_there(self):
        page = (BUILD / "docs/mailferry.8").read_text()
        self.assertGreater(len(commands()), 15)
        for command in commands():
            self.assertIn(f"\n.Ss {command}\n", page)

    def test_version(self):
        self.assertRegex(run(MAILFERRY, "--version"), r"^mailferry \d+\.\d+\.\d+\n$")


class Metrics(unittest.TestCase):
    def test_the_handbook_has_the_table(self):
        self.assertIn(run(BUILD / "bin/manual", "--metrics"),
                      (SOURCE / "docs/handbook/metrics.md").read_text())


class Configuration(unittest.TestCase):
    def shown(self, text):
        path = BUILD / "docs/test.conf"
        path.write_text(text)
        try:
            return run(MAILFERRY, "check", "--print-config", "-c", path)
        finally:
            path.unlink()

    def test_comments_are_the_defaults(self):
        text = (BUILD / "docs/mailferry.conf").read_text()
        head, rest = text.split("# Every other option", 1)
        every = re.sub(r"(?m)^#(\s*[a-z_0-9]+ (=|\{)|\s*\})", r"\1", rest)
        self.assertNotEqual(every, rest)
        # what is written out may not be said to be a default any more
        every = re.sub(r"(?m)^\s*fail = .*\n", "", every)
        self.assertEqual(self.shown(head), self.shown(head + "#" + every))


class Completion(unittest.TestCase):
    def complete(self, *words):
        script = (f'. "{BUILD}/docs/mailferry.bash"; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1));'
                  ' _mailferry; printf "%s\\n" "${COMPREPLY[@]}"')
        return run("bash", "-c", script, "bash", *words).split()

    def test_words(self):
        self.assertEqual(set(commands()) - set(self.complete("mailferry", "")), set())
        self.assertEqual(self.complete("mailferry", "rou"), ["route"])
        self.assertIn("local", self.complete("mailferry", "route", ""))
        self.assertEqual(self.complete("mailferry", "-c", "f", "report", "--da"), ["--days"])


class Handbook(unittest.TestCase):
    def test_links(self):
        pages = sorted((SOURCE / "docs/handbook").glob("*.md"))
        self.assertTrue(pages)
        for page in pages:
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
                self.assertTrue((page.parent / link).exists(), f"{page.name}: {link}")

    def test_html(self):
        """Each page, with its tables; what a link or a picture names is there, to the heading."""
        pages = {page.name: page.read_text() for page in (BUILD / "docs/html").glob("*.html")}
        self.assertEqual(set(pages), {page.stem.replace("README", "index") + ".html"
                                      for page in (SOURCE / "docs/handbook").glob("*.md")})
        self.assertIn("<table>", pages["users.html"])
        links = 0
        for name, text in pages.items():
            self.assertNotIn("Untitled", text, name)
            for link in re.findall(r'(?:href|src)="([^":]+)"', text):
                path, _, heading = link.partition("#")
                links += path in pages
                self.assertTrue((BUILD / "docs/html" / path).exists(), f"{name}: {link}")
                if heading:
                    self.assertIn(f' id="{heading}"', pages[path or name], f"{name}: {link}")
        self.assertGreater(links, 20)

    def test_commands_exist(self):
        """A command that the handbook shows is one that there is."""
        known = set(commands())
        for page in (SOURCE / "docs/handbook").glob("*.md"):
            for word in re.findall(r"(?:^    |`)mailferry ([a-z]+)", page.read_text(), re.M):
                self.assertIn(word, known, page.name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
