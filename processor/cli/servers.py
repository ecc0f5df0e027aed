"""Waiting for Kafka and Redis, for commands that are started together with them."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: the others start sooner

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from processor.settings import AlertingSettings, KafkaSettings, Settings

_TRY_AGAIN_S: Final = 0.1


async def await_servers(settings: "Settings", patience_s: float) -> None:
    """Return when both servers have answered.

    Raises:
        aiokafka.errors.KafkaError: Kafka did not, within the patience.
        redis.exceptions.RedisError: Redis did not, within the patience.
    """
    await asyncio.gather(
        _await(lambda: ask_kafka(settings.kafka), patience_s),
        _await(lambda: ask_redis(settings), patience_s),
    )


async def ask_kafka(kafka: "KafkaSettings") -> dict[str, int]:
    """Partition counts by topic, as Kafka says now.

    Raises:
        KafkaRefusedError: a broker does not let us in.
        SecurityFileError: a certificate or key cannot be used.
        aiokafka.errors.KafkaError: Kafka is away or refuses.
    """
    from aiokafka.admin import AIOKafkaAdminClient

    from processor.streaming.kafka import client_options
    from processor.streaming.refusal import explained

    async with explained(kafka):
        admin = AIOKafkaAdminClient(**client_options(kafka))
        try:
            await admin.start()
            described = await admin.describe_topics()
        finally:
            await admin.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


async def await_topics(
    kafka: "KafkaSettings", names: Collection[str], alerting: "AlertingSettings | None" = None
) -> None:
    """Return when a broker lists new topics, which is a little after the controller made them.

    Raises:
        aiokafka.errors.KafkaError: Kafka is away or refuses.
        TimeoutError: they do not appear.
    """
    from processor.streaming.topics import topic_plans

    plans = topic_plans(kafka, alerting)
    expected = {plan.name: plan.partitions for plan in plans if plan.name in names}
    async with asyncio.timeout(kafka.request_timeout_s):
        while not expected.items() <= (await ask_kafka(kafka)).items():  # noqa: ASYNC110 - remote
            await asyncio.sleep(_TRY_AGAIN_S)


async def ask_redis(settings: "Settings") -> None:
    """Send one command that needs no more than the right password.

    Raises:
        redis.exceptions.RedisError: Redis is away or refuses.
    """
    from processor.state.redis_url import async_client

    url = settings.redis.url.get_secret_value()
    client = async_client(url, timeout_s=settings.redis.timeout_s, retries=0)
    try:
        await client.ping()
    finally:
        await client.aclose()


async def _await(ask: Callable[[], Awaitable[object]], patience_s: float) -> None:
    from aiokafka.errors import KafkaError
    from redis.exceptions import AuthenticationError, ConnectionError, TimeoutError  # noqa: A004

    from processor.streaming.refusal import KafkaRefusedError

    def may_pass(error: Exception) -> bool:
        if isinstance(error, KafkaRefusedError):
            return error.may_pass
        return not isinstance(error, KafkaError) or error.retriable

    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while True:
        try:
            await ask()
        except AuthenticationError:
            raise  # a wrong password does not become right by waiting
        except (KafkaError, KafkaRefusedError, ConnectionError, TimeoutError) as error:
            if not may_pass(error) or loop.time() >= deadline:
                raise
            await asyncio.sleep(_TRY_AGAIN_S)
        else:
            return
