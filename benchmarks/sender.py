"""``python -m benchmarks.sender``: survey answers at a fixed rate, whatever becomes of them.

What is due is sent, by a clock that begins at a time that is given: a Kafka or a worker that is
slow for a while does not slow it down.
"""

import argparse
import asyncio
import time
from itertools import islice

from aiokafka import AIOKafkaProducer

from benchmarks.events import write
from benchmarks.workloads import survey_events

_EVERY_S = 0.02


async def send(
    bootstrap: str, prefix: str, per_s: int, count: int, *, begin_s: float, channels: int
) -> None:
    """Send so many events, so many a second, from a time on (seconds since the epoch)."""
    first_ms = int(begin_s * 1000)
    log = survey_events(count, channels=channels, first_ms=first_ms, per_second=per_s)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, compression_type="lz4", max_batch_size=256 * 1024
    )
    await producer.start()
    try:
        sent = 0
        while sent < count:
            due = min(count, int((time.time() - begin_s) * per_s))
            if due > sent:
                await write(producer, prefix, islice(log, due - sent))
                sent = due
            await asyncio.sleep(_EVERY_S)
    finally:
        await producer.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sender", description=__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("prefix")
    parser.add_argument("per_s", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("begin_s", type=float)
    parser.add_argument("--channels", type=int, default=5)
    o = parser.parse_args()
    asyncio.run(
        send(o.bootstrap, o.prefix, o.per_s, o.count, begin_s=o.begin_s, channels=o.channels)
    )


if __name__ == "__main__":
    main()
