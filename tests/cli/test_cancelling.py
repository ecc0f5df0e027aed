"""A task that talks to Redis ends when it is told, at whatever moment."""

import asyncio

import pytest

from processor.state.cancelling import cancel_until_done
from processor.state.keys import Keys
from processor.state.live import LiveReadings
from processor.state.redis_url import async_client
from tests.harness.waiting import PATIENCE


@pytest.mark.parametrize("turns", range(0, 60, 2))
async def test_a_reader_is_cancelled_at_any_moment(redis_url: str, turns: int) -> None:
    client = async_client(redis_url)

    async def read_for_ever() -> None:
        readings = LiveReadings(client, Keys("nobody"))
        while True:
            await readings.read()

    task = asyncio.create_task(read_for_ever())
    for _ in range(turns):
        await asyncio.sleep(0)
    await asyncio.wait_for(cancel_until_done([task]), 5 * PATIENCE)
    await client.aclose()
    assert task.cancelled()


async def test_whoever_is_cancelled_while_ending_others_leaves_none_behind() -> None:
    """As at a stop: the flush task ends its flights, and is told again to end."""
    tries = 0

    async def lose_cancellations() -> None:
        nonlocal tries
        while tries < 5:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                tries += 1

    flight = asyncio.create_task(lose_cancellations())

    async def fly() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await cancel_until_done([flight])

    task = asyncio.create_task(fly())
    await asyncio.sleep(0)
    await asyncio.wait_for(cancel_until_done([task]), 5 * PATIENCE)
    assert flight.done()
    assert task.cancelled()
