"""The replay's topics and keys: made before it, and removed behind it."""

import asyncio
from collections.abc import Collection
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import UnknownTopicOrPartitionError, for_code
from redis.asyncio import Redis

from processor.settings import KafkaSettings
from processor.state.keys import Keys
from processor.streaming.kafka import client_options
from processor.streaming.refusal import explained
from processor.streaming.topics import create_missing, event_topics, topic_plans

_TRY_AGAIN_S: Final = 0.1
_REMOVED_AT_ONCE: Final = 500


async def ready_topics(kafka: KafkaSettings) -> dict[str, int]:
    """Create what is missing; the partition counts of the event topics.

    Raises:
        KafkaRefusedError: a broker does not let us in.
        aiokafka.errors.KafkaError: the broker is away or refuses.
        TimeoutError: topics that were made do not appear.
    """
    await create_missing(kafka, client_options(kafka))
    names = set(event_topics(kafka))
    async with explained(kafka), asyncio.timeout(kafka.request_timeout_s):
        admin = AIOKafkaAdminClient(**client_options(kafka))
        try:
            await admin.start()
            while True:  # a broker lists new topics a little after the controller made them
                described = await admin.describe_topics(sorted(names))
                found = {t["topic"]: len(t["partitions"]) for t in described if t["partitions"]}
                if found.keys() >= names:
                    return found
                await asyncio.sleep(_TRY_AGAIN_S)
        finally:
            await admin.close()


async def remove(kafka: KafkaSettings, redis: Redis, keys: Keys) -> None:
    """Remove the topics and keys of a replay.

    Raises:
        aiokafka.errors.KafkaError: the broker is away or refuses.
        redis.exceptions.RedisError: Redis is away or refuses.
    """
    await _remove_topics(kafka, [plan.name for plan in topic_plans(kafka)])
    found: list[bytes] = []
    async for key in redis.scan_iter(match=f"{_literally(keys.prefix)}*", count=_REMOVED_AT_ONCE):
        found.append(key)
        if len(found) == _REMOVED_AT_ONCE:
            await _unlink(redis, found)
            found = []
    await _unlink(redis, found)


async def _remove_topics(kafka: KafkaSettings, names: Collection[str]) -> None:
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await admin.start()
        response = await admin.delete_topics(list(names))
    finally:
        await admin.close()
    for name, code in response.topic_error_codes:
        if code not in (0, UnknownTopicOrPartitionError.errno):
            raise for_code(code)(name)


async def _unlink(redis: Redis, keys: Collection[bytes]) -> None:
    for key in keys:  # one at a time: in a cluster they are of many slots
        await redis.unlink(key)


def _literally(text: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]\\" else c for c in text)
