"""Who waits for readings: ``python -m benchmarks.watching``, a process of its own.

Reads what anybody would: ``cx.metrics`` as a consumer that sees only what is committed, and the
stream of ticks in Redis. Prints a line ``<place> <partition> <n> <monotonic ns>`` for each reading
of a probe's channel, when it has it whole; ends when its standard input does.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import uvloop
from aiokafka import AIOKafkaConsumer

from processor.state.keys import Keys
from processor.state.redis_url import async_client
from processor.state.updates import Updates

METRIC: Final = "nps"
WINDOW: Final = "24h"
PLACES: Final = ("redis", "kafka")
READY: Final = "ready"

_PATIENCE_S: Final = 60.0
"""A Redis that is slow for some seconds is part of what is measured, and no end of it."""

_KEY: Final = re.compile(rf"{METRIC}\|{WINDOW}\|channel=probe-\d+".encode())
_PROBE: Final = re.compile(r"probe-(\d+)")


def probe_of(reading: Mapping[str, Any]) -> tuple[int, int] | None:
    """The partition of a reading of a probe's channel, and its ``n``; None for other readings."""
    segment = reading["segment"]
    if reading["metric"] != METRIC or reading["window"] != WINDOW or len(segment) != 1:
        return None
    found = _PROBE.fullmatch(segment.get("channel", ""))
    return (int(found[1]), int(reading["n"])) if found else None


def _say(place: str, reading: Mapping[str, Any], at_ns: int) -> None:
    if (probe := probe_of(reading)) is not None:
        print(place, *probe, at_ns, flush=True)


async def _watch_redis(url: str, prefix: str, ready: asyncio.Event) -> None:
    redis = async_client(url, timeout_s=_PATIENCE_S)
    try:
        updates = Updates(redis, Keys(prefix))
        entry_id = (await updates.load()).entry_id
        ready.set()
        while True:
            for update in await updates.after(entry_id, wait_ms=1_000):
                at_ns = time.monotonic_ns()
                entry_id = update.entry_id
                for reading in update.readings:
                    _say("redis", reading, at_ns)
    finally:
        await redis.aclose()


async def _watch_kafka(bootstrap: str, topic: str, ready: asyncio.Event) -> None:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="latest",
    )
    await consumer.start()
    try:
        await consumer.seek_to_end()
        for part in consumer.assignment():
            await consumer.position(part)
        ready.set()
        while True:
            batches = await consumer.getmany(timeout_ms=1_000)
            at_ns = time.monotonic_ns()
            for records in batches.values():
                for record in records:
                    if record.value and _KEY.fullmatch(record.key or b""):
                        _say("kafka", json.loads(record.value), at_ns)
    finally:
        await consumer.stop()


async def _until_told() -> None:
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def _run(options: argparse.Namespace) -> None:
    ready = {place: asyncio.Event() for place in PLACES}
    watching = [
        asyncio.create_task(_watch_redis(options.redis, options.prefix, ready["redis"])),
        asyncio.create_task(_watch_kafka(options.bootstrap, options.topic, ready["kafka"])),
    ]

    async def announce() -> None:
        for event in ready.values():
            await event.wait()
        print(READY, flush=True)

    told = asyncio.create_task(_until_told())
    announcing = asyncio.create_task(announce())
    done, _ = await asyncio.wait([*watching, told], return_when=asyncio.FIRST_COMPLETED)
    for task in (*watching, announcing):
        task.cancel()
    for task in done:
        task.result()


def main() -> None:
    """Watch until the standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watching", description=main.__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True, help="of readings")
    parser.add_argument("--redis", required=True)
    parser.add_argument("--prefix", required=True, help="of Redis' keys")
    uvloop.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
