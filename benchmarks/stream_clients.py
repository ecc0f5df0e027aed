"""Clients of the monitor's stream: its CPU and memory, and how long an update takes to reach them.

``python -m benchmarks.stream_clients`` starts a Redis and a monitor of its own, writes updates as
the publisher does, and reads them with many clients. One of them stops reading: it has to be
dropped, and the others must not notice.

The clients share the machine with the monitor, and one event loop: what they need to read is in the
delay as well.
"""

import argparse
import asyncio
import json
import math
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import time
from typing import Any, Final, cast

import psutil  # type: ignore[import-untyped] # it has no types
import uvloop

from processor.embedded.redis import EmbeddedRedis
from processor.embedded.server import free_port
from processor.state.keys import Keys
from processor.state.redis_url import async_client
from schemas.readings import reading_key

_SEED: Final = 7
_HEAD: Final = re.compile(rb"id: (\d+)-[\d-]+\nevent: readings\n")
_HEAD_MAX: Final = 100


def _reading(number: int, value: float, revision: int) -> dict[str, Any]:
    return {
        "metric": ("nps", "csat", "ctr", "bounce_rate")[number % 4],
        "window": ("1m", "1h", "24h", "7d")[number // 4 % 4],
        "segment": {"channel": f"channel-{number // 16}"},
        "value": value,
        "unit": "points",
        "n": 1000,
        "low": value - 1,
        "high": value + 1,
        "confidence": 0.95,
        "low_sample": False,
        "window_start": "2026-02-28T12:00:00Z",
        "window_end": "2026-03-01T12:00:00Z",
        "previous": 41.5,
        "change": value - 41.5,
        "significant": False,
        "provisional": True,
        "incomplete": False,
        "revision": revision,
        "as_of": "2026-03-01T11:58:00Z",
    }


class Reader(asyncio.Protocol):
    """One client: when it received which tick, whole."""

    def __init__(self) -> None:
        self.received: dict[int, float] = {}
        self.ended = False
        self._tail = b""
        self._revision: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(b"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        """Look for where updates begin and end; what is in them is not the measure."""
        data = self._tail + data
        at = 0
        while True:
            if self._revision is not None:
                at = data.find(b"\n\n", at)
                if at < 0:
                    break
                self.received[self._revision] = time.perf_counter()
                self._revision = None
            begun = _HEAD.search(data, at)
            if begun is None:
                break
            self._revision, at = int(begun[1]), begun.end()
        self._tail = data[-_HEAD_MAX:] if self._revision is None else data[-1:]

    def connection_lost(self, exc: Exception | None) -> None:
        """The stream has ended."""
        del exc
        self.ended = True


async def _connect(reader: Reader, port: int) -> None:
    await asyncio.get_running_loop().create_connection(lambda: reader, "127.0.0.1", port)


def _idle(port: int) -> socket.socket:
    """A client that never reads."""
    idle = socket.socket()
    idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    idle.connect(("127.0.0.1", port))
    idle.sendall(b"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    return idle


async def _tick(redis: Any, keys: Keys, revision: int, rows: list[dict[str, Any]]) -> None:
    now_ms = time.time_ns() // 1_000_000
    encoded = [json.dumps(row, separators=(",", ":")) for row in rows]
    by_key = {
        reading_key(row["metric"], row["window"], row["segment"], None): text
        for row, text in zip(rows, encoded, strict=True)
    }
    pipeline = redis.pipeline(transaction=True)
    status = {
        "revision": revision,
        "as_of": "2026-03-01T11:58:00Z",
        "clock": now_ms,
        "published_at": now_ms,
        "open_sessions": 0,
        "leader": "1:benchmark",
    }
    pipeline.hset(keys.status, mapping=status)
    pipeline.hset(keys.readings, mapping=by_key)
    entry = {"revision": revision, "readings": f"[{','.join(encoded)}]"}
    pipeline.xadd(keys.updates, entry, maxlen=1000)
    await pipeline.execute()


async def measure(port: int, pid: int, redis_url: str, options: argparse.Namespace) -> bool:
    """Publish for a time, and say what was received."""
    chance = random.Random(_SEED)
    keys, redis = Keys("cx"), async_client(redis_url)
    await _tick(redis, keys, 1, [_reading(n, 42.0, 1) for n in range(options.series)])
    readers = [Reader() for _ in range(options.clients)]
    for reader in readers:
        await _connect(reader, port)
    idle = await asyncio.to_thread(_idle, port)
    await asyncio.sleep(3)  # connected, with their snapshots
    process = psutil.Process(pid)
    before = process.cpu_times()
    published: dict[int, float] = {}
    began = time.perf_counter()
    for number in range(options.seconds):
        await asyncio.sleep(max(0, began + number - time.perf_counter()))
        revision = 2 + number
        rows = [
            _reading(n, round(chance.uniform(0, 80), 3), revision) for n in range(options.series)
        ]
        published[revision] = time.perf_counter()
        await _tick(redis, keys, revision, rows)
    await asyncio.sleep(2)
    elapsed_s = time.perf_counter() - began
    after = process.cpu_times()
    memory = process.memory_info().rss
    idle_dropped = _gone(pid, idle)
    delays = sorted(
        1000 * (at - published[revision])
        for reader in readers
        for revision, at in reader.received.items()
        if revision in published
    )
    missed = [len(published) - len(published.keys() & r.received.keys()) for r in readers]
    worst = [
        max((r.received[v] - published[v] for v in published if v in r.received), default=math.inf)
        for r in readers
    ]
    cpu_s = after.user + after.system - before.user - before.system
    print(
        f"seed {_SEED}; {options.clients} clients, {options.series} series a second, "
        f"{elapsed_s:.0f} s"
    )
    print(
        f"monitor: {cpu_s:.1f} CPU-s, {100 * cpu_s / elapsed_s:.0f} % of a core, "
        f"RSS {memory / 2**20:.0f} MiB"
    )
    quantiles = statistics.quantiles(delays, n=100)
    print(
        f"delay: p50 {quantiles[49]:.1f} ms, p99 {quantiles[98]:.1f} ms, most {delays[-1]:.1f} ms"
    )
    print(f"worst delay of a client: {1000 * min(worst):.1f} to {1000 * max(worst):.1f} ms")
    print(f"ticks missed by a client: {max(missed)} at most")
    print(f"clients that were dropped: {sum(r.ended for r in readers)}")
    print(f"the client that does not read: {'dropped' if idle_dropped else 'still there'}")
    for reader in readers:
        reader.transport.abort()
    idle.close()
    await redis.aclose()
    return not any(missed) and idle_dropped


def _gone(pid: int, idle: socket.socket) -> bool:
    """Whether the monitor has no connection to the client's port any more."""
    port = idle.getsockname()[1]
    connections = psutil.Process(pid).net_connections("tcp")
    return not any(c.raddr and c.raddr.port == port for c in connections)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with EmbeddedRedis() as server:
        port = free_port()
        ours = {"CX_REDIS__URL": server.url, "CX_MONITOR__PORT": str(port)}
        monitor = subprocess.Popen(
            [sys.executable, "-m", "processor.cli", "monitor", "--loglevel", "warning"],
            env={**{k: v for k, v in os.environ.items() if not k.startswith("CX_")}, **ours},
        )
        try:
            asyncio.run(_until_listening(port))
            fine = uvloop.run(measure(port, monitor.pid, server.url, options))
        finally:
            monitor.terminate()
            monitor.wait(10)
    return 0 if fine else 1


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


if __name__ == "__main__":
    raise SystemExit(main())
