# SPDX-License-Identifier: GPL-3.0-or-later
"""Who includes whom, against the drawing of the floors in ARCHITECTURE.md.

The drawing is the rule: a folder includes only from those that its line names, and it
names no other. Besides: no circle of includes goes through more than four modules (a .c
with its .h is one) or out of its folder, and a private header stays in its folder.
"""
import re
from pathlib import PurePosixPath

CIRCLE_MODULES_MAX = 4

# single headers that a folder may use of another on the same floor, with the reason
EXCEPTIONS = {
    # the socket marks that the rules count by
    ("interceptor/master", "nft-rules/marks.h"),
    ("interceptor/session", "nft-rules/marks.h"),
    # what a session is told that ends on its way over: the words of its login
    ("interceptor/crossing", "interceptor/login/protocol.h"),
    # the copy knows neither end: only what it asks of them
    ("transfer/write", "transfer/read/source.h"),
    ("transfer/copy", "transfer/read/source.h"),
    ("transfer/copy", "transfer/write/destination.h"),
}
# headers of packages that one folder hides from all others
HIDDEN = {
    "sqlite3.h": "database",
}
# Private headers: those named internal.h or *_parts.h, and these. Unit tests may use them.
PRIVATE = {
    "lib/net/pipes.h",
    "lib/registry/address_key.h", "lib/registry/alias_rows.h", "lib/registry/sql.h",
    "lib/registry/transition.h",
    "lib/wire/mime/continuation.h", "lib/wire/pop3/command.h",
    "mailstore/process.h",
    "mailstore/serve/imap_session.h", "mailstore/serve/output.h",
    "mailstore/store/pack.h", "mailstore/store/schema.h", "mailstore/store/sql.h",
    "nft-rules/expression.h", "nft-rules/nft_read.h", "nft-rules/nft_write.h",
    "nft-rules/plan.h", "nft-rules/policy.h", "nft-rules/ranges.h", "nft-rules/rule_build.h",
    "nft-rules/wanted.h",
    "transfer/read/imap_answers.h", "transfer/read/imap_commands.h",
    "transfer/read/imap_login.h",
    "transfer/read/pop3_drop.h", "transfer/read/pop3_listing.h", "transfer/read/spool.h",
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
PACKAGE = re.compile(r'^\s*#\s*include\s+<([^>]+)>')
DRAWN = re.compile(r'^    (?:floor (\d) )? *│ (\S+) *(?:─► *(.*))?$')


def is_private(path):
    name = PurePosixPath(path).name
    return name == "internal.h" or name.endswith("_parts.h") or path in PRIVATE


def read_drawing(text):
    """{folder: (floor, folders it uses)}. All use base, which is not drawn."""
    found, floor = {}, None
    for line in text.splitlines():
        match = DRAWN.match(line)
        if match:
            floor = int(match[1]) if match[1] else floor
            found[match[2]] = (floor, (match[3] or "").split())
    return found


class Tree:
    """The program's files, {path: lines}, and what they include."""

    def __init__(self, files, drawing):
        self.files = files
        self.drawing = drawing
        self.used = set()  # (folder, folder)
        self.modules = {}  # module -> modules

    def folder_of(self, path):
        """The longest drawn folder that path (relative, without lib/) lies in."""
        text = path[4:] if path.startswith("lib/") else path
        parts = text.split("/")[:-1]
        for n in range(len(parts), 0, -1):
            if "/".join(parts[:n]) in self.drawing:
                return "/".join(parts[:n])
        return None

    def resolve(self, included):
        return next((p for p in (included, "lib/" + included) if p in self.files), included)

    def complaints(self):
        yield from self._drawing()
        for path, lines in self.files.items():
            yield from self._file(path, lines)
        for folder, (_, uses) in self.drawing.items():
            for other in uses:
                if (folder, other) not in self.used and other in self.drawing:
                    yield (f"ARCHITECTURE.md: {folder} ─► {other} is drawn, but nothing there"
                           " includes from it")
        yield from self._circles()

    def _drawing(self):
        for folder, (floor, uses) in self.drawing.items():
            for other in uses:
                if other not in self.drawing:
                    yield f"ARCHITECTURE.md: {folder} ─► {other}: that one has no line"
                elif self.drawing[other][0] > floor:
                    yield f"ARCHITECTURE.md: {folder} ─► {other} goes to a higher floor"
        for circle in circles({f: set(uses) for f, (_, uses) in self.drawing.items()}):
            yield f"ARCHITECTURE.md: a circle of folders: {' '.join(sorted(circle))}"

    def _file(self, path, lines):
        here = self.folder_of(path)
        if here is None:
            return
        module = self.modules.setdefault(path.rsplit(".", 1)[0], set())
        for number, line in enumerate(lines, 1):
            package = PACKAGE.match(line)
            if package and HIDDEN.get(package[1], here) != here:
                yield f"{path}:{number}: <{package[1]}> belongs to {HIDDEN[package[1]]}"
            found = INCLUDE.match(line)
            if found:
                target = self.resolve(found[1])
                module.add(target.rsplit(".", 1)[0])
                yield from self._include(f"{path}:{number}", here, path, target)

    def _include(self, at, here, path, target):
        there = self.folder_of(target)
        if is_private(target) and PurePosixPath(target).parent != PurePosixPath(path).parent:
            yield f"{at}: {target} is private to its folder"
        if there is None:
            yield f"{at}: includes \"{target}\": draw its folder in ARCHITECTURE.md"
        elif (here, target) not in EXCEPTIONS and there not in (here, "base"):
            self.used.add((here, there))
            if there not in self.drawing[here][1]:
                yield f"{at}: {here} ─► {there} is not drawn in ARCHITECTURE.md"

    def _circles(self):
        for circle in circles(self.modules):
            names = " ".join(sorted(circle))
            if len(circle) > CIRCLE_MODULES_MAX:
                yield f"a circle of includes through {len(circle)} modules: {names}"
            elif len({m.rpartition("/")[0] for m in circle}) > 1:
                yield f"a circle of includes that leaves its folder: {names}"


def circles(graph):
    """The sets of nodes of which each can be reached from each (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            circle = set()
            while node not in circle:
                circle.add(stack.pop())
            if len(circle) > 1:
                found.append(circle)

    for node in list(graph):
        if node not in index:
            visit(node)
    return found
