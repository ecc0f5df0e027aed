"""The demo's parts, started together, watched, and ended in order."""

import asyncio
import logging
import os
import signal
import sys
import tempfile
import time
import webbrowser
from collections import deque
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from redis.exceptions import RedisError
from rich.console import Console, RenderableType
from rich.live import Live

from processor.cli.board import Pulse, as_text, board, wanted
from processor.cli.errors import CommandError
from processor.cli.parts import Part
from processor.cli.terminal import say
from processor.embedded.kafka import EmbeddedKafka
from processor.embedded.kafka import prepare as prepare_kafka
from processor.embedded.redis import EmbeddedRedis
from processor.embedded.server import EmbeddedServer, free_port, port_is_free
from processor.settings import load_settings
from processor.state.cancelling import cancel_until_done
from processor.state.keys import Keys
from processor.state.live import LiveReadings, Snapshot
from processor.state.redis_url import async_client
from schemas.timestamps import parse_rfc3339

log = logging.getLogger(__name__)

_FIRST_READING_S: Final = 120.0
_LOOK_S: Final = 0.1
_REFRESH_S: Final = 0.5
_FRAME_S: Final = 5.0
"""Between two tables where stdout is not a terminal: enough to follow, few enough to read."""

_RATE_OVER_S: Final = 5.0
_WAIT: Final = "60s"


class Demonstration:
    """Embedded Kafka and Redis, one worker, a simulator, a monitor, and the board.

    Args:
        simulation: options of ``cxpulse simulate``.
        window: the window shown.
        dimension: what the lower table is segmented by.
        duration_s: seconds to show the board; ``None`` until told to stop.
        note: what is simulated, for the heading.
        port: TCP port of the page; a free one where it is taken.
        open_page: show the page in a browser, where there is one.
    """

    def __init__(
        self,
        *,
        simulation: Sequence[str],
        window: str,
        dimension: str,
        duration_s: float | None,
        note: str,
        port: int,
        open_page: bool,
    ) -> None:
        self._simulation = simulation
        self._window = window
        self._dimension = dimension
        self._duration_s = duration_s
        self._note = note
        self._port = port
        self._open_page = open_page
        self._began = time.monotonic()
        self._seen: deque[tuple[float, int]] = deque()

    def run(self) -> None:
        """Run until the duration is over, or SIGINT or SIGTERM asks.

        Raises:
            CommandError: a part ended by itself; its log's tail is in the message.
            EmbeddedServerError: a server did not start.
        """
        # Until the loop has handlers of its own, a plain kill ends us as ctrl-c does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            prepare_kafka(say)
            asyncio.run(self._run())
        except KeyboardInterrupt:
            say("ended")

    async def _run(self) -> None:
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, told.set)
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cxpulse-demo-")))
            kafka, redis = EmbeddedKafka(), EmbeddedRedis()
            addresses = {"CX_KAFKA__BOOTSTRAP": kafka.bootstrap, "CX_REDIS__URL": redis.url}
            worker = Part("worker", ["worker", "--wait", _WAIT], folder, addresses)
            simulator = Part(
                "simulator", ["simulate", "--wait", _WAIT, *self._simulation], folder, addresses
            )
            port = self._port if self._port and port_is_free(self._port) else free_port()
            page = f"http://127.0.0.1:{port}/"
            here = {"CX_MONITOR__HOST": "127.0.0.1", "CX_MONITOR__PORT": str(port)}
            monitor = Part("monitor", ["monitor"], folder, addresses | here)
            # The servers go last, both at once; the parts first, and the worker after its events.
            stack.push_async_callback(_stop_servers, kafka, redis)
            for part in (worker, simulator, monitor):
                stack.push_async_callback(part.stop)
            # Python and Java start at the same time: the parts wait for the servers by themselves.
            await worker.start()
            await simulator.start()
            await monitor.start()
            await asyncio.gather(asyncio.to_thread(kafka.start), asyncio.to_thread(redis.start))
            self._say(f"Kafka at {kafka.bootstrap} and Redis at {redis.url} run")
            show = self._show(redis, page)
            await _first_of(
                show,
                told.wait(),
                _until_dead(worker),
                _until_dead(simulator),
                _until_dead(monitor),
                _until_gone(kafka),
                _until_gone(redis),
            )
            self._say("ending")
        say("ended: no process and no data is left behind")

    async def _show(self, redis: EmbeddedRedis, page: str) -> None:
        settings = load_settings()
        client = async_client(redis.url, repeats_timeouts=True)
        readings = LiveReadings(client, Keys(settings.redis.prefix))
        try:
            snapshot = await self._first(readings)
            self._say("first readings")
            await _until_listening(page)
            self._say(f"the page: {page}")
            heading = f"cxpulse demo · the page: {page}\n{self._note} · ctrl-c ends it"
            if sys.stdout.isatty():
                if self._open_page and has_browser():
                    await asyncio.to_thread(webbrowser.open, page)
                await self._live(readings, snapshot, heading)
            else:
                await self._frames(readings, snapshot, heading)
        finally:
            await client.aclose()

    async def _first(self, readings: LiveReadings) -> Snapshot:
        deadline = time.monotonic() + _FIRST_READING_S
        while True:
            snapshot = await self._read(readings)
            row = snapshot.rows.get(f"nps|{self._window}|all")
            if row is not None and row["value"] is not None:
                return snapshot
            if time.monotonic() > deadline:
                raise CommandError(f"no reading within {_FIRST_READING_S:.0f} s")
            await asyncio.sleep(_LOOK_S)

    async def _live(self, readings: LiveReadings, snapshot: Snapshot, heading: str) -> None:
        ends = self._ends()
        with Live(self._board(snapshot, heading), console=Console(), auto_refresh=False) as live:
            while time.monotonic() < ends:
                live.update(self._board(await self._read(readings), heading), refresh=True)
                await asyncio.sleep(_REFRESH_S)

    async def _frames(self, readings: LiveReadings, snapshot: Snapshot, heading: str) -> None:
        ends = self._ends()
        while True:
            frame = as_text(self._board(snapshot, heading))
            sys.stdout.write(f"{frame}\n\n")
            sys.stdout.flush()
            if time.monotonic() >= ends:
                return
            next_at = min(time.monotonic() + _FRAME_S, ends)
            while (missing := next_at - time.monotonic()) > 0:
                await asyncio.sleep(min(missing, _REFRESH_S))
                snapshot = await self._read(readings)

    def _ends(self) -> float:
        return float("inf") if self._duration_s is None else time.monotonic() + self._duration_s

    async def _read(self, readings: LiveReadings) -> Snapshot:
        snapshot = await readings.read(lambda key: wanted(self._window, self._dimension, key))
        now = time.monotonic()
        self._seen.append((now, snapshot.records))
        while now - self._seen[0][0] > _RATE_OVER_S:
            self._seen.popleft()
        return snapshot

    def _board(self, snapshot: Snapshot, heading: str) -> RenderableType:
        return board(
            snapshot,
            self._pulse(snapshot),
            window=self._window,
            dimension=self._dimension,
            heading=heading,
        )

    def _pulse(self, snapshot: Snapshot) -> Pulse:
        (began, before), (now, records) = self._seen[0], self._seen[-1]
        status = snapshot.status
        age = None if status is None else time.time() - parse_rfc3339(status.as_of) / 1000
        return Pulse(
            rate=(records - before) / (now - began) if now > began else 0.0,
            lag=snapshot.lag,
            watermark_age_s=age,
            open_sessions=0 if status is None else status.open_sessions,
            dead_letters=snapshot.dead_letters,
            repeats=snapshot.stats["repeats"],
        )

    def _say(self, line: str) -> None:
        say(f"{time.monotonic() - self._began:5.1f} s  {line}")


async def _first_of(*endings: Awaitable[object]) -> None:
    """Wait for one of them, cancel the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(ending) for ending in endings]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_until_done(tasks)
    # Where a server dies, our own reader may be the first to notice: name the server.
    for task in sorted(done, key=lambda task: isinstance(task.exception(), RedisError)):
        task.result()


async def _until_dead(part: Part) -> None:
    code = await part.ended()
    raise part.failure(f"ended by itself with exit code {code}")


async def _until_listening(page: str) -> None:
    """The monitor starts beside the others, and is mostly there before the first readings."""
    parts = urlsplit(page)
    deadline = time.monotonic() + _FIRST_READING_S
    while True:
        try:
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        except ConnectionError:
            if time.monotonic() > deadline:
                raise CommandError(f"no page at {page} within {_FIRST_READING_S:.0f} s") from None
            await asyncio.sleep(_LOOK_S)
        else:
            writer.close()
            return


def has_browser() -> bool:
    """Whether a browser has a window to open; one in the terminal would take ours."""
    if sys.platform in {"darwin", "win32"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


async def _until_gone(server: EmbeddedServer) -> None:
    while server.running:  # noqa: ASYNC110 - the process is its supervisor's child, not ours
        await asyncio.sleep(_REFRESH_S)
    tail = server.log_file.read_text(errors="replace").splitlines()[-15:]
    raise CommandError("\n".join([f"{server.name} ended by itself; its log:", *tail]))


async def _stop_servers(*servers: EmbeddedServer) -> None:
    await asyncio.gather(*(asyncio.to_thread(server.stop) for server in servers))
