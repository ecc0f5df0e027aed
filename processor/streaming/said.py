"""What the readings topic already says: which series readers of it have a last word about."""

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer


async def keys_in(topic: str, options: Mapping[str, Any]) -> set[str]:
    """The keys of all committed records of a topic.

    Args:
        topic: the compacted topic of readings; empty if it was just made.
        options: of the connection, as of `kafka.client_options`.

    Raises:
        aiokafka.errors.KafkaError: the broker is away or refuses.
    """
    consumer = AIOKafkaConsumer(
        topic, **options, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    keys: set[str] = set()
    try:
        await consumer.start()  # without a group it has all partitions
        ends = await consumer.end_offsets(consumer.assignment())
        for part, end in ends.items():
            # Records of transactions' ends move the position and are not returned.
            while await consumer.position(part) < end:
                for records in (await consumer.getmany(part, timeout_ms=1_000)).values():
                    keys.update(record.key.decode() for record in records if record.key)
    finally:
        await consumer.stop()
    return keys
