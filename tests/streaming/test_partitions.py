"""The partitions of a worker when things go wrong around them; Redis is real, the log in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka.errors import IllegalStateError
from faust.types import TP
from redis.asyncio import Redis

from processor.embedded.redis import EmbeddedRedis
from processor.state.cancelling import cancel_until_done
from processor.state.keys import Keys
from processor.state.redis_url import async_client
from processor.streaming import owned
from processor.streaming import partitions as module
from processor.streaming.deadletter import DeadLetter
from tests.harness.state import StoredState
from tests.harness.waiting import PATIENCE, eventually
from tests.streaming.owning import SURVEYS, KeptLetters, LogConsumer, answer, owning


@asynccontextmanager
async def flushing(consumer: LogConsumer) -> AsyncIterator["asyncio.Task[None]"]:
    """The worker's flush task runs meanwhile."""
    task = asyncio.create_task(consumer.partitions.flush_forever())
    try:
        yield task
    finally:
        await cancel_until_done([task])


async def counted(redis: Redis, prefix: str) -> int:
    """NPS answers in the stored panes."""
    panes = await StoredState(redis, prefix).panes()
    return sum(
        counts["all"]["nps.9"] for (pane_ms, _), counts in panes.items() if pane_ms == 60_000
    )


class HeldLetters(KeptLetters):
    """A broker that takes dead letters only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        self.asked.set()
        await self.go_on.wait()
        await super().send(letters)


async def test_an_agent_that_waits_for_a_flush_goes_on_when_the_partition_is_lost(
    redis: Redis, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owned, "MAX_PENDING_EVENTS", 10)
    monkeypatch.setattr(module, "HOLD_AFTER_S", 3600.0)  # else it waits for a second only
    consumer = owning(redis, redis_prefix.rstrip(":"))
    consumer.log = [answer(n) for n in range(50)]
    await consumer.perform_seek()
    agent = asyncio.create_task(consumer.deliver())
    await eventually(_pending(consumer), lambda n: n == 50, what="the batch folded")
    assert not agent.done()
    consumer.partitions.release([SURVEYS])
    await asyncio.wait_for(agent, 5 * PATIENCE)


def _pending(consumer: LogConsumer) -> Callable[[], Awaitable[int]]:
    async def pending() -> int:
        owned = consumer.partitions.owned.get(SURVEYS)
        return 0 if owned is None else owned.engine.pending_events

    return pending


async def test_a_flush_cut_short_by_the_stop_loses_nothing(redis: Redis, redis_prefix: str) -> None:
    """What it had taken is not in the engine any more: the last flush must not step over it."""
    prefix, letters = redis_prefix.rstrip(":"), HeldLetters()
    consumer = owning(redis, prefix, letters)
    consumer.log = [b"broken", *(answer(n) for n in range(10))]
    await consumer.perform_seek()
    await consumer.deliver()
    async with flushing(consumer) as task:
        await letters.asked.wait()
        consumer.log += [answer(n) for n in range(10, 15)]
        await consumer.deliver()
        await cancel_until_done([task])
        letters.go_on.set()
        await consumer.partitions.flush_all()
        heir = owning(redis, prefix, owner="b")
        heir.log = consumer.log
        await heir.perform_seek()
        await heir.deliver()
        await heir.partitions.flush_all()
        assert await counted(redis, prefix) == 15


async def test_a_flush_waits_for_the_one_before_it(redis: Redis, redis_prefix: str) -> None:
    """They carry the same number: the one that came second would not be written at all."""
    prefix, letters = redis_prefix.rstrip(":"), HeldLetters()
    consumer = owning(redis, prefix, letters)
    consumer.log = [answer(0), b"not JSON", answer(1)]
    await consumer.perform_seek()
    await consumer.deliver(2)
    first = asyncio.create_task(consumer.partitions.flush_all())
    await letters.asked.wait()
    await consumer.deliver()
    second = asyncio.create_task(consumer.partitions.flush_all())
    await asyncio.wait([second], timeout=0.2)
    letters.go_on.set()
    await asyncio.gather(first, second)
    assert consumer.partitions.stored_offset(SURVEYS) == 3
    assert await counted(redis, prefix) == 2


async def test_a_partition_whose_dead_letters_are_refused_holds_up_no_other(
    redis: Redis, redis_prefix: str
) -> None:
    prefix, letters = redis_prefix.rstrip(":"), HeldLetters()
    consumer = owning(redis, prefix, letters)
    other = TP(SURVEYS.topic, 1)
    await consumer.assign({SURVEYS, other})
    async with flushing(consumer):
        consumer.log = [b"broken"]
        await consumer.deliver_to(SURVEYS)
        await letters.asked.wait()
        consumer.log, consumer.position = [answer(n) for n in range(5)], 0
        await consumer.deliver_to(other)
        await eventually(lambda: counted(redis, prefix), lambda n: n == 5, what="5 counted")
        assert not letters.kept


@pytest.mark.parametrize("loss", ["emptied", "offset rolled back", "claim rolled back"])
async def test_a_redis_that_lost_state_is_counted_again_from_there(
    redis: Redis, redis_prefix: str, loss: str
) -> None:
    prefix = redis_prefix.rstrip(":")
    consumer = owning(redis, prefix)
    consumer.log = [answer(n) for n in range(10)]
    meta = Keys(prefix).partition(*SURVEYS).meta
    await consumer.perform_seek()
    async with flushing(consumer):
        await consumer.deliver()
        await eventually(lambda: counted(redis, prefix), lambda n: n == 10, what="10 counted")
        if loss == "emptied":
            keys = [key async for key in redis.scan_iter(match=f"{prefix}:*")]
            await redis.delete(*keys)
        elif loss == "offset rolled back":
            await redis.hset(meta, "offset", 4)
        else:
            await redis.hset(meta, mapping={"offset": 4, "epoch": 0})
        consumer.log += [answer(n) for n in range(10, 12)]
        await consumer.deliver()
        await eventually(_seeks(consumer), lambda n: n == 2, within_s=10, what="read again")
        await consumer.deliver()
        # The ids were not rolled back: what is read again is not counted again.
        await eventually(lambda: counted(redis, prefix), lambda n: n == 12, what="12 counted")
        await eventually(
            lambda: redis.hget(meta, "offset"), lambda stored: stored == b"12", what="12 stored"
        )


def _seeks(consumer: LogConsumer) -> Callable[[], Awaitable[int]]:
    async def seeks() -> int:
        return consumer.seeks

    return seeks


async def test_a_claim_by_a_stray_is_taken_back_while_kafka_says_ours(
    redis: Redis, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust seeks, and so claims, at moments of its own: also just before it loses a partition."""
    monkeypatch.setattr(module, "RECLAIM_AFTER_S", 0.3)
    prefix = redis_prefix.rstrip(":")
    consumer, stray = owning(redis, prefix), owning(redis, prefix, owner="stray")
    consumer.log = [answer(n) for n in range(10)]
    await consumer.perform_seek()
    async with flushing(consumer):
        await consumer.deliver(5)
        await eventually(lambda: counted(redis, prefix), lambda n: n == 5, what="5 counted")
        stray.log = consumer.log
        await stray.perform_seek()
        await consumer.deliver()
        await eventually(_seeks(consumer), lambda n: n == 2, within_s=10, what="claimed again")
        await consumer.deliver()
        await eventually(lambda: counted(redis, prefix), lambda n: n == 10, what="10 counted")


async def test_a_partition_that_is_not_ours_any_more_is_not_taken_back(
    redis: Redis, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECLAIM_AFTER_S", 0.1)
    prefix = redis_prefix.rstrip(":")
    zombie, heir = owning(redis, prefix), owning(redis, prefix, owner="heir")
    zombie.log = [answer(n) for n in range(10)]
    await zombie.perform_seek()
    async with flushing(zombie):
        await zombie.deliver(5)
        await eventually(lambda: counted(redis, prefix), lambda n: n == 5, what="5 counted")
        zombie.assigned = False
        heir.log = zombie.log
        await heir.perform_seek()
        await zombie.deliver()
        await eventually(_lost(zombie), what="fenced")
        await asyncio.sleep(0.5)  # five times the wait before a claim
        assert zombie.seeks == 1


def _lost(consumer: LogConsumer) -> Callable[[], Awaitable[bool]]:
    async def lost() -> bool:
        owned = consumer.partitions.owned.get(SURVEYS)
        return owned is None or owned.lost

    return lost


@pytest.mark.parametrize("asked", ["rewind", "earliest_offsets"])
async def test_a_question_that_kafka_does_not_answer_is_a_claim_again_and_ends_nothing(
    redis: Redis, redis_prefix: str, asked: str
) -> None:
    """A batch does not follow the one before it, and a rebalance or an outage just begins."""
    prefix = redis_prefix.rstrip(":")
    consumer = owning(redis, prefix)
    consumer.log = [answer(n) for n in range(10)]
    await consumer.perform_seek()
    async with flushing(consumer) as task:
        await consumer.deliver(2)
        batch = consumer.fetch()
        if asked == "rewind":
            batch.base_offset = 5
        batch.records = batch.records[3:]
        _fails_once(consumer, asked)
        await consumer.partitions.process(batch)
        await eventually(_seeks(consumer), lambda n: n == 2, within_s=10, what="claimed again")
        await consumer.deliver()
        await eventually(lambda: counted(redis, prefix), lambda n: n == 10, what="10 counted")
        assert not task.done()


def _fails_once(consumer: LogConsumer, asked: str) -> None:
    answers = getattr(consumer, asked)

    async def fail(*_: object) -> None:
        setattr(consumer, asked, answers)
        raise IllegalStateError("no current assignment")

    setattr(consumer, asked, fail)


async def test_a_claim_while_redis_is_away_is_made_when_it_is_back(redis_prefix: str) -> None:
    with EmbeddedRedis() as server:
        client = async_client(server.url, retries=0)
        prefix = redis_prefix.rstrip(":")
        consumer = owning(client, prefix)
        consumer.log = [answer(n) for n in range(3)]
        await client.ping()
        server.kill()
        claiming = asyncio.create_task(consumer.perform_seek())
        done, _ = await asyncio.wait([claiming], timeout=1)
        assert not done, claiming.exception()
        await asyncio.to_thread(server.start)
        await asyncio.wait_for(claiming, 10 * PATIENCE)
        async with flushing(consumer):
            await consumer.deliver()
            await eventually(lambda: counted(client, prefix), lambda n: n == 3, what="3 counted")
        await client.aclose()
