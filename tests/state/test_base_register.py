"""The register in Redis answers as the one in memory does."""

import random

import pytest
from redis.asyncio import Redis

from processor.core.base_register import Inquiry, Knot, LocalRegister
from processor.core.bases import Subject
from processor.state.base_register import BaseRegister
from processor.state.keys import Keys
from schemas.readings import WHOLE

DETAIL_MS = 1000
TOO_LATE_MS = 50_000
BEGIN_MS = 1_790_000_000_000


def register(redis: Redis, prefix: str) -> BaseRegister:
    return BaseRegister(redis, Keys(prefix), detail_ms=DETAIL_MS, too_late_ms=TOO_LATE_MS)


@pytest.mark.parametrize("seed", range(3))
async def test_it_answers_as_the_one_in_memory(redis: Redis, prefix: str, seed: int) -> None:
    rng = random.Random(seed)
    shared, local = register(redis, prefix), LocalRegister(DETAIL_MS, TOO_LATE_MS)
    subjects = [Subject(WHOLE, ""), Subject("channel=e%20mail", "ab12")]
    known: list[Knot] = []
    versions = {"customer-0": 0, "customer-1": 0}
    for step in range(60):
        partition = rng.choice(list(versions))
        new: list[Knot] = [
            (rng.choice(subjects), BEGIN_MS + rng.randrange(10**5)) for _ in range(rng.randrange(3))
        ]
        inquiry = Inquiry(
            base="customers",
            clock_ms=BEGIN_MS + 1000 * step - rng.randrange(20_000),
            announced=new,
            forgotten=rng.sample(known, min(len(known), rng.randrange(2))),
            since=versions[partition],
        )
        known += new
        answer = await shared.settle(partition, inquiry, 1)
        assert answer == local.settle(partition, inquiry)
        versions[partition] = answer.version


async def test_the_horizon_follows_the_slowest_and_never_goes_back(
    redis: Redis, prefix: str
) -> None:
    shared = register(redis, prefix)
    first = await shared.settle("a", Inquiry("customers", BEGIN_MS), 1)
    assert first.horizon_ms == BEGIN_MS - DETAIL_MS
    await shared.settle("b", Inquiry("customers", BEGIN_MS - 10_000), 1)
    behind = await shared.settle("a", Inquiry("customers", BEGIN_MS + 20_000), 1)
    assert behind.horizon_ms == first.horizon_ms
    far = await shared.settle("a", Inquiry("customers", BEGIN_MS + 100_000), 1)
    assert far.horizon_ms == BEGIN_MS + 50_000


async def test_the_horizon_waits_for_the_first_word_of_every_partition(
    redis: Redis, prefix: str
) -> None:
    shared = register(redis, prefix)
    assert (await shared.settle("a", Inquiry("customers", BEGIN_MS), 2)).horizon_ms == 0
    assert (await shared.settle("a", Inquiry("customers", BEGIN_MS), 0)).horizon_ms == 0
    both = await shared.settle("b", Inquiry("customers", BEGIN_MS - 10), 2)
    assert both.horizon_ms == BEGIN_MS - 10 - DETAIL_MS


async def test_bases_do_not_know_of_one_another(redis: Redis, prefix: str) -> None:
    shared = register(redis, prefix)
    knot = (Subject(WHOLE, ""), BEGIN_MS)
    await shared.settle("a", Inquiry("customers", BEGIN_MS, announced=[knot]), 1)
    assert (await shared.settle("a", Inquiry("followers", BEGIN_MS), 1)).knots == []
    assert (await shared.settle("a", Inquiry("customers", BEGIN_MS), 1)).knots == [knot]
