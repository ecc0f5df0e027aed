"""What aiokafka alone takes to read the log: the least that any Python consumer on it can take.

``python aiokafka_getmany.py BOOTSTRAP TOPIC EVENTS``.
"""

import sys

import uvloop
from aiokafka import AIOKafkaConsumer
from measured import Measured


async def main() -> None:
    """Read, and do nothing with it."""
    bootstrap, topic, events = sys.argv[1], sys.argv[2], int(sys.argv[3])
    measured = Measured(events)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    measured.begin()
    try:
        read = 0
        while read < events:
            batches = await consumer.getmany(timeout_ms=1000, max_records=5000)
            read += sum(map(len, batches.values()))
        measured.end()
    finally:
        await consumer.stop()
    measured.say()


if __name__ == "__main__":
    uvloop.run(main())
