# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that is far away: a relay beside it hands on each piece half a round trip later, in
both directions, as much as comes. (The test machines' kernel has no netem.)

    with Distance(lab.source, SOURCE_ADDRESS[0], 143, 0.020) as far: ... far.port ...
"""
import asyncio
import contextlib
import sys
from pathlib import Path

PIECE = 1 << 18
IN_FLIGHT = 64 << 20  # of one direction: 400 MB/s over 160 ms
FIRST_PORT = 20000


class Distance:
    """namespace: where the server is. Connections to `port` of its address are `seconds` of a
    round trip away, and come to it from that address."""

    def __init__(self, namespace, address, port, seconds):
        self.namespace, self.address, self.server_port = namespace, address, port
        self.seconds, self.port, self.process = seconds, FIRST_PORT + port, None

    def __enter__(self):
        from .processes import wait_until  # pylint: disable=C0415  # the relay needs no package
        self.process = self.namespace.start(
            sys.executable, Path(__file__).resolve(), self.address, str(self.port), str(self.server_port),
            str(self.seconds / 2))
        wait_until("the relay", self._listens)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)

    def _listens(self):
        with contextlib.suppress(OSError), self.namespace.connect(self.address, self.port):
            return True
        return False


async def _pump(reader, writer, delay):
    """Until its end, which is handed on as late as everything."""
    loop = asyncio.get_running_loop()
    queue, room, space = asyncio.Queue(), IN_FLIGHT, asyncio.Event()

    async def take():
        nonlocal room
        while data := await reader.read(PIECE):
            room -= len(data)
            queue.put_nowait((loop.time() + delay, data))
            while room <= 0:
                space.clear()
                await space.wait()
        queue.put_nowait((loop.time() + delay, None))

    taking = asyncio.create_task(take())
    with contextlib.suppress(OSError):
        while (piece := await queue.get())[1]:
            await asyncio.sleep(piece[0] - loop.time())
            writer.write(piece[1])
            await writer.drain()
            room += len(piece[1])
            space.set()
        await asyncio.sleep(piece[0] - loop.time())
        writer.write_eof()
    taking.cancel()


async def _relay(client, answers, address, port, delay):
    with contextlib.suppress(OSError):
        server, questions = await asyncio.open_connection(address, port)
        await asyncio.gather(_pump(client, questions, delay), _pump(server, answers, delay),
                             return_exceptions=True)
        questions.close()
    answers.close()


async def _serve(address, port, server_port, delay):
    async def relay(client, answers):
        await _relay(client, answers, address, server_port, delay)
    server = await asyncio.start_server(relay, address, port, limit=PIECE)
    await server.serve_forever()


def main():
    address, port, server_port, delay = sys.argv[1:]
    asyncio.run(_serve(address, int(port), int(server_port), float(delay)))


if __name__ == "__main__":
    main()
