# SPDX-License-Identifier: GPL-3.0-or-later
"""Many users who log in within seconds from one address, as an office does at nine."""
import asyncio
import resource
import statistics
import time

from .server_crowd import PASSWORD

PATIENCE = 60  # s for an answer


class Burst:
    """What became of it. `took`: seconds from connecting to the answer, of each; `refused`:
    answers that are no OK."""

    def __init__(self):
        self.took, self.refused = [], []
        self.sessions = []

    @property
    def median(self):
        return statistics.median(self.took)

    @property
    def p99(self):
        return sorted(self.took)[max(0, len(self.took) * 99 // 100 - 1)]

    def __str__(self):
        return (f"{len(self.took)} in, {len(self.refused)} refused, median "
                f"{self.median * 1000:.0f} ms, p99 {self.p99 * 1000:.0f} ms")


async def log_in(burst, lab, address, user, at):
    await asyncio.sleep(at)
    began = time.monotonic()
    try:
        connection = lab.connect(143, address)  # a SYN waits for nobody
        connection.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=connection)
        greeting = await reader.readline()
        writer.write(b'a LOGIN "%s" "%s"\r\n' % (user.encode(), PASSWORD.encode()))
        said = await asyncio.wait_for(reader.readline(), PATIENCE)
        while said.startswith(b"* ") and not said.startswith(b"* BYE"):
            said = await asyncio.wait_for(reader.readline(), PATIENCE)
    except (OSError, asyncio.TimeoutError) as error:
        burst.refused.append((user, repr(error)))
        return
    if said.startswith(b"a OK"):
        burst.took.append(time.monotonic() - began)
        burst.sessions.append((reader, writer))
    else:
        burst.refused.append((user, greeting, said))


async def log_out(reader, writer):
    try:
        writer.write(b"z LOGOUT\r\n")
        await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
    except (OSError, asyncio.TimeoutError):
        pass


async def come_and_go(lab, address, users, seconds):
    burst = Burst()
    await asyncio.gather(*(log_in(burst, lab, address, user, seconds * n / len(users))
                           for n, user in enumerate(users)))
    await asyncio.gather(*(log_out(*session) for session in burst.sessions))
    return burst


def run(lab, address, users, seconds):
    """All log in within so many seconds, stay until the last one is in, and log out."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return asyncio.run(come_and_go(lab, address, users, seconds))
