"""The model against what it is a model of: engines, runs that were measured, and itself."""

import dataclasses
import random

import pytest

from benchmarks.scaling_costs import Counting, fields_of
from benchmarks.scaling_model import (
    LIMITS,
    Costs,
    Load,
    fitted,
    limits,
    need,
    touched,
)
from benchmarks.scaling_model import fields_of as expected_fields

NOW_MS = 1_790_000_000_000

COSTS = Costs(
    event=8e-6,
    idle=0.05,
    flush={"each": 4e-4, "events": 1e-7, "fields": 6e-7},
    redis_flush={"each": 2e-4, "events": 3e-8, "fields": 2.5e-6},
    follow={"each": 5e-5, "fields": 1.3e-6},
    tick={"each": 3e-3, "readings": 8e-5},
    redis_tick={"each": 3e-4, "readings": 8e-6},
    broker=1e-6,
    id_bytes=100.0,
)


@pytest.mark.parametrize(("events", "cells"), [(1, 10), (10, 10), (100, 10), (50, 1_000)])
def test_the_cells_that_events_touch(events: int, cells: int) -> None:
    rng = random.Random(3)
    seen = [len({rng.randrange(cells) for _ in range(events)}) for _ in range(2_000)]
    assert touched(events, cells) == pytest.approx(sum(seen) / len(seen), rel=0.03)


def test_one_cell_is_touched_by_any_event() -> None:
    assert touched(0.5, 1) == 0.5
    assert touched(7, 1) == 1


@pytest.mark.parametrize(("events", "values"), [(20, 5), (300, 5), (300, 200), (3_000, 200)])
def test_fields_of_a_flush_are_what_an_engine_makes_of_events(events: int, values: int) -> None:
    counting = Counting(values)
    found = [fields_of(counting.some(events, NOW_MS + 200 * turn)) for turn in range(20)]
    # They are of one instant, so in one pane of each tier.
    assert expected_fields(events, 0.0, (1, values)) == pytest.approx(
        sum(found) / len(found), rel=0.03
    )


def test_a_span_of_time_touches_more_panes() -> None:
    live, behind = (expected_fields(10_000, span_s, (1, 5)) for span_s in (0.2, 60.0))
    assert behind > 5 * live


def test_constants_are_found_again() -> None:
    points = [
        {"fields": f, "events": e, "s": 1e-4 + 2e-6 * f + 3e-8 * e}
        for f, e in ((10, 100), (500, 100), (500, 9_000), (9_000, 20_000))
    ]
    found = fitted(points, "s", ("fields", "events"))
    assert found == {
        "each": pytest.approx(1e-4),
        "fields": pytest.approx(2e-6),
        "events": pytest.approx(3e-8),
    }


def test_a_constant_is_never_negative() -> None:
    points = [{"fields": f, "s": 2e-6 * f - 1e-6} for f in (10.0, 100.0, 1_000.0)]
    found = fitted(points, "s", ("fields",))
    assert found["each"] == 0
    assert found["fields"] == pytest.approx(2e-6, rel=0.05)


def test_twice_the_events_take_more_and_never_twice_the_flushes() -> None:
    one, two = (need(Load(rate), COSTS) for rate in (20_000, 40_000))
    assert one.workers < two.workers < 2 * one.workers
    assert one.redis_partitions < two.redis_partitions < 2 * one.redis_partitions
    assert one.publisher == pytest.approx(two.publisher, rel=0.1)  # all series change anyway
    assert two.broker == 2 * one.broker


def test_more_partitions_cost_redis_and_divide_the_ids() -> None:
    few, many = (need(Load(50_000, partitions=n), COSTS) for n in (4, 32))
    assert many.redis_partitions > 2 * few.redis_partitions
    assert few.horizon_s < 600 == many.horizon_s
    assert few.ids == 4 * 2_000_000


@pytest.mark.parametrize("values", [(1, 9, 4), (1, 1_000, 1_000)])
def test_a_limit_is_where_it_says(values: tuple[int, ...]) -> None:
    load = Load(1.0, values=values)
    found = limits(load, COSTS)
    assert [limit.events_s for limit in found] == sorted(limit.events_s for limit in found)
    assert {limit.name for limit in found} <= LIMITS.keys()
    for limit in found:
        if limit.events_s:
            below, above = (
                dataclasses.replace(load, events_s=limit.events_s * by) for by in (0.99, 1.01)
            )
            is_over = LIMITS[limit.name]
            assert not is_over(below, need(below, COSTS)), limit
            assert is_over(above, need(above, COSTS)), limit


def test_one_redis_is_one_node_until_it_is_full() -> None:
    assert need(Load(1_000), COSTS).shards == 1
    many = need(Load(1_000_000, partitions=80, values=(1, 1_000, 1_000)), COSTS)
    assert many.shards >= 3
    assert many.processes > 10
