"""Events at their pace: on time, without drift, in small batches; and as compact bytes."""

import asyncio
import json
import math
from collections.abc import Iterable
from itertools import count

import pytest

from processor.simulation import SYSTEM_CLOCK, encode, paced
from processor.simulation.clock import Timestamps
from tests.simulation.streams import START_MS, Event


class HandClock:
    """A clock that moves when somebody waits, and is late each time by ``lag_s``."""

    def __init__(self, lag_s: float = 0.0) -> None:
        self.now = 1000.0
        self.lag_s = lag_s
        self.naps: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.now += seconds + self.lag_s
            self.naps.append(seconds)
        await asyncio.sleep(0)


def every(step_ms: int, events: Iterable[int]) -> list[Event]:
    stamp = Timestamps()
    return [{"occurred_at": stamp(START_MS + step_ms * index)} for index in events]


async def arrivals(
    clock: HandClock, events: list[Event], speed: float = 1.0
) -> list[tuple[float, list[Event]]]:
    """Returns each batch with the clock's seconds since the beginning."""
    return [(clock.now - 1000, batch) async for batch in paced(events, speed, clock=clock)]


async def test_all_events_come_in_their_order_and_no_batch_is_empty() -> None:
    events = every(10, range(1000))
    batches = await arrivals(HandClock(), events)
    assert [event for _, batch in batches for event in batch] == events
    assert all(batch for _, batch in batches)


@pytest.mark.parametrize("speed", [0.5, 1.0, 20.0])
async def test_no_event_is_early_nor_later_than_a_batch(speed: float) -> None:
    due_s = 0.0
    for at_s, batch in await arrivals(HandClock(), every(10, range(2000)), speed):
        for _ in batch:
            assert due_s / speed - 1e-9 <= at_s <= due_s / speed + 0.05 + 1e-9
            due_s += 0.01


async def test_a_clock_that_is_late_each_time_does_not_add_up_to_a_drift() -> None:
    clock = HandClock(lag_s=0.02)
    *_, (last_s, _) = await arrivals(clock, every(10, range(6000)))
    assert len(clock.naps) > 500  # each 20 ms late: more than 10 s, were it to add up
    assert 59.99 <= last_s <= 60.07


async def test_batches_are_about_50_ms_apart_where_events_are_dense() -> None:
    clock = HandClock()
    batches = await arrivals(clock, every(1, range(10_000)))
    assert 190 <= len(batches) <= 210
    assert max(len(batch) for _, batch in batches) <= 52


async def test_sparse_events_cost_one_wait_each() -> None:
    clock = HandClock()
    batches = await arrivals(clock, every(10_000, range(5)))
    assert [at_s for at_s, _ in batches] == pytest.approx([0, 10, 20, 30, 40])
    assert clock.naps == pytest.approx([10.0] * 4)


async def test_a_reader_that_was_slow_catches_up_at_once() -> None:
    clock = HandClock()
    seen: list[tuple[float, int]] = []
    async for batch in paced(every(10, range(1000)), clock=clock):
        if not seen:
            clock.now += 5  # the reader was busy
        seen.append((clock.now - 1000, len(batch)))
    assert seen[1][1] >= 500
    assert seen[-1][0] == pytest.approx(10, abs=0.06)


async def test_as_fast_as_it_goes_waits_for_nothing_and_still_makes_batches() -> None:
    clock = HandClock()
    batches = await arrivals(clock, every(1000, range(12_000)), math.inf)
    assert [len(batch) for _, batch in batches] == [5000, 5000, 2000]
    assert clock.naps == []


async def test_late_and_broken_times_come_with_what_is_before_them() -> None:
    first, second, third = every(1000, range(3))
    late = every(1000, [0])[0]
    naive = {"occurred_at": "2026-03-01T09:00:00"}
    events: list[Event] = [
        first, second, late, naive, {"occurred_at": 7}, {"occurred_at": "soon"}, {}, third
    ]  # fmt: skip
    batches = await arrivals(HandClock(), events)
    assert [batch for _, batch in batches] == [[first], events[1:7], [third]]


async def test_no_events_make_no_batches() -> None:
    assert await arrivals(HandClock(), []) == []


async def test_an_endless_stream_can_be_cancelled() -> None:
    stamp, read = Timestamps(), asyncio.Event()
    endless = ({"occurred_at": stamp(START_MS + index)} for index in count())

    async def reader() -> None:
        async for _ in paced(endless, math.inf):
            read.set()

    task = asyncio.create_task(reader())
    await read.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_system_clock_waits() -> None:
    events, came = every(100, range(3)), list[Event]()
    before = SYSTEM_CLOCK.monotonic()
    async for batch in paced(events):
        came += batch
        # A busy machine may be late and get several at once: none of them before its time.
        assert SYSTEM_CLOCK.monotonic() - before >= 0.1 * (len(came) - 1)
    assert came == events


@pytest.mark.parametrize(("speed", "batch_s"), [(0, 0.05), (-1, 0.05), (1, 0), (math.nan, 0.05)])
async def test_paces_out_of_range_are_refused(speed: float, batch_s: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        await anext(paced([], speed, batch_s=batch_s))


def test_events_are_one_compact_line_of_utf_8() -> None:
    event = {"comment": "とても\n便利", "score": 9, "amount": 12.5, "upsell": True, "none": None}
    line = encode(event)
    assert json.loads(line) == event
    expected = '{"comment":"とても\\n便利","score":9,"amount":12.5,"upsell":true,"none":null}'
    assert line == expected.encode()
