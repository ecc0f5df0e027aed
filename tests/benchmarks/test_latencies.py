"""Latencies from what generator, worker and reader noted: exact on made-up times."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from benchmarks.latencies import (
    STAGES,
    Seen,
    grows,
    passed,
    percentile,
    stage_medians,
    summary,
    tick_summary,
)

MS = 1_000_000


def seen(*readings: tuple[int, int, int]) -> Seen:
    """Readings as (partition, n, at ms)."""
    found = Seen()
    for partition, n, at_ms in readings:
        found.add(partition, n, at_ms * MS)
    return found


def probe(partition: int, offset: int, intended_ms: int, acknowledged_ms: int) -> dict[str, int]:
    return {
        "partition": partition,
        "offset": offset,
        "intended_ns": intended_ms * MS,
        "acknowledged_ns": acknowledged_ms * MS,
    }


def test_the_first_reading_with_enough_probes_is_the_one_that_counts() -> None:
    found = seen((0, 2, 10), (0, 5, 20), (1, 1, 15))
    assert [found.first(0, n) for n in (1, 2, 3, 5, 6)] == [
        10 * MS,
        10 * MS,
        20 * MS,
        20 * MS,
        None,
    ]
    assert found.last(0) == 5
    assert found.last(2) == 0


def test_a_reading_that_is_seen_again_is_not_news() -> None:
    found = seen((0, 2, 10), (0, 2, 20), (0, 1, 30), (0, 3, 40))
    assert found.counts[0] == [2, 3]
    assert found.first(0, 2) == 10 * MS


@pytest.mark.parametrize(
    ("values", "p", "expected"),
    [
        (range(1, 1001), 99.9, 999),
        (range(1, 1001), 50, 500),
        (range(1, 1001), 100, 1000),
        ([7.0], 99.9, 7.0),
        ([1, 2], 50, 1),
        ([1, 2], 50.1, 2),
    ],
)
def test_percentiles_are_by_nearest_rank(
    values: Sequence[float], p: float, expected: float
) -> None:
    assert percentile(values, p) == expected


@pytest.mark.parametrize(("values", "p"), [([], 50), ([1], 0), ([1], 100.1)])
def test_a_percentile_of_nothing_is_refused(values: Sequence[float], p: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, p)


def test_each_probe_has_the_steps_that_include_its_offset() -> None:
    noted: dict[str, list[list[Any]]] = {
        "fetches": [[0, 10, 12 * MS], [0, 20, 32 * MS], [1, 99, 1 * MS]],
        "batches": [[0, 10, 13 * MS, 14 * MS], [0, 20, 34 * MS, 35 * MS]],
        # One flush may hold several batches.
        "flushes": [[0, 20, 50 * MS, 56 * MS]],
    }
    found = passed(
        [probe(0, 9, 5, 11), probe(0, 10, 25, 31)],
        {"redis": seen((0, 4, 70), (0, 5, 170)), "kafka": seen((0, 5, 200))},
        {0: 3},
        noted,
    )
    assert [p.latency_ms(STAGES.index("in Redis")) for p in found] == [65, 145]
    assert [p.latency_ms(STAGES.index("in Kafka")) for p in found] == [195, 175]
    assert found[0].at_ns == tuple(ms * MS for ms in (11, 12, 13, 50, 56, 70, 200))
    assert found[1].at_ns == tuple(ms * MS for ms in (31, 32, 34, 50, 56, 170, 200))
    assert stage_medians(found) == {
        "acknowledged": 6,
        "fetched": 1,
        "at the agent": 1.5,
        "taken": 26.5,
        "stored": 6,
        "in Redis": 64,
        "in Kafka": 80,
    }


def test_a_probe_that_was_not_seen_is_an_error_and_no_gap() -> None:
    places = {"redis": seen((0, 1, 10)), "kafka": seen()}
    noted = {"fetches": [[0, 1, 1]], "batches": [[0, 1, 1, 1]], "flushes": [[0, 1, 1, 1]]}
    with pytest.raises(ValueError, match=r"probe 1 of partition 0 \(offset 0\) was not seen"):
        passed([probe(0, 0, 5, 6)], places, {0: 0}, noted)


@pytest.mark.parametrize(
    ("slope", "level_ms", "expected"),
    [(0.0, 100.0, False), (0.04, 100.0, False), (0.2, 100.0, True), (0.0, 5_000.0, True)],
)
def test_a_backlog_is_told_from_a_tick_by_its_growth(
    slope: float, level_ms: float, expected: bool
) -> None:
    intended_ns = [n * 5 * MS for n in range(1_200)]
    # Ticks of 100 ms: within each, who is early waits longer.
    late_ms = [level_ms - ns / MS % 100 + slope * ns / MS for ns in intended_ns]
    assert grows(intended_ns, late_ms) is expected


def test_a_stall_at_the_start_is_not_growth() -> None:
    intended_ns = [n * 5 * MS for n in range(1_200)]
    assert not grows(intended_ns, [max(100.0, 3_000 - ns / MS) for ns in intended_ns])


def test_a_summary_names_its_percentiles() -> None:
    assert summary([float(n) for n in range(1, 1001)]) == {
        "p50": 500,
        "p95": 950,
        "p99": 990,
        "p99.9": 999,
        "max": 1000,
    }


def test_ticks_are_those_that_began_in_the_time() -> None:
    ticks = [[7, n * 100 * MS, (n * 100 + 5 + n) * MS, 0] for n in range(10)]
    assert tick_summary(ticks, 200 * MS, 500 * MS) == {
        "ticks": 3,
        "tick_ms": 8,
        "tick_p99_ms": 9,
        "readings": 7,
    }
    assert tick_summary(ticks, 5_000 * MS, 6_000 * MS) == {"ticks": 0}


def test_counts_only_grow_by_partition() -> None:
    found = seen(*((p, n, 10 * n) for p, n in itertools.product((0, 1), (1, 2, 3))))
    assert all(found.first(p, 3) == 30 * MS for p in (0, 1))
