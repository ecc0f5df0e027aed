"""Laws of samples: a function of the set of what was observed, and right about the whole."""

import math
import random

import datasketches
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.core import sample as module
from processor.core.sample import (
    EMPTY,
    KEY_BITS,
    KEYS_MAX,
    Sample,
    bound_of,
    key_of,
    note_of,
    pack,
)

SMALL = 16
"""So few keys are kept here that a few dozen observations are sampled."""

KEYS = st.integers(1, 2**KEY_BITS - 1) | st.integers(1, 30)
NOTES = st.builds(note_of, st.integers(0, 2**55 - 1), st.integers(0, 255))
OBSERVED = st.lists(st.tuples(KEYS, NOTES), max_size=120)


@pytest.fixture
def few_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEYS_MAX", SMALL)


def brute_force(observed: list[tuple[int, int]], most: int) -> tuple[int, dict[int, int]]:
    """Level and entries, from the definition."""
    entries: dict[int, int] = {}
    for key, note in observed:
        magnitude, marks = divmod(entries.get(key, 0), 256)
        entries[key] = max(magnitude, note // 256) * 256 + (marks | note % 256)
    level = 0
    while sum(key < 2 ** (63 - level) for key in entries) > most:
        level += 1
    return level, {k: n for k, n in sorted(entries.items()) if k < 2 ** (63 - level)}


def contents(sample: Sample) -> tuple[int, dict[int, int]]:
    return sample.level, dict(zip(sample.keys.tolist(), sample.notes.tolist(), strict=True))


@pytest.mark.usefixtures("few_keys")
@given(OBSERVED, st.data())
def test_a_sample_follows_from_the_set_however_it_is_merged(
    observed: list[tuple[int, int]], data: st.DataObject
) -> None:
    expected = brute_force(observed, SMALL)
    shuffled = data.draw(st.permutations(observed))
    parts: list[bytes] = []
    while shuffled:
        size = data.draw(st.integers(1, 60))
        part = b"".join(pack({key: note}) for key, note in shuffled[:size])
        parts.append(Sample.merged((part,)).packed() if data.draw(st.booleans()) else part)
        shuffled = shuffled[size:]
    while len(parts) > 1 and data.draw(st.booleans()):
        first, second, *rest = parts
        parts = [*rest, Sample.merged((second, first)).packed()]
    assert contents(Sample.merged(parts)) == expected


@pytest.mark.usefixtures("few_keys")
@given(OBSERVED)
def test_merging_what_is_there_already_changes_nothing(observed: list[tuple[int, int]]) -> None:
    packed = Sample.merged((b"".join(pack({k: n}) for k, n in observed),)).packed()
    assert Sample.merged((packed, packed)).packed() == packed


@given(st.lists(NOTES, min_size=1, max_size=5))
def test_notes_of_a_key_join_to_the_largest_magnitude_and_all_marks(notes: list[int]) -> None:
    sample = Sample.merged(pack({7: note}) for note in notes)
    (note,) = sample.notes.tolist()
    marks = 0
    for one in notes:
        marks |= one % 256
    assert divmod(note, 256) == (max(one // 256 for one in notes), marks)


def test_nothing_observed() -> None:
    assert len(EMPTY) == EMPTY.distinct == EMPTY.level == 0
    assert EMPTY.percentile(50) is None
    assert EMPTY.percentile_bounds(50) is None
    assert EMPTY.distinct_bounds == (0, 0)
    assert EMPTY.packed() == b""


def test_keys_are_63_bits_and_never_0() -> None:
    assert key_of(bytes(8)) == 1
    assert key_of(b"\xff" * 8) == 2**63 - 1
    assert bound_of(0) == 2**63


def population(n: int, seed: int = 1) -> dict[int, int]:
    chance = random.Random(seed)
    return {chance.getrandbits(63) or 1: note_of(i % 1000, i % 4) for i in range(n)}


def test_up_to_its_size_a_sample_is_exact() -> None:
    sample = Sample.merged((pack(population(KEYS_MAX)),))
    assert (sample.level, sample.distinct, sample.distinct_bounds) == (
        0,
        KEYS_MAX,
        (KEYS_MAX, KEYS_MAX),
    )
    assert sample.marked(1) == KEYS_MAX // 2


@pytest.mark.parametrize("n", [KEYS_MAX + 1, 60_000])
def test_beyond_it_the_whole_is_told_within_its_bounds(n: int) -> None:
    hits = 0
    for seed in range(20):
        sample = Sample.merged((pack(population(n, seed)),))
        assert KEYS_MAX / 4 < len(sample) <= KEYS_MAX
        low, high = sample.distinct_bounds
        assert low < sample.distinct < high
        assert abs(sample.distinct - n) < 0.08 * n  # five standard errors
        assert high - low < 0.08 * n
        hits += low <= n <= high
    assert hits >= 16  # 19 of 20 expected


def test_datasketches_reads_the_keys_as_a_theta_sketch() -> None:
    sample = Sample.merged((pack(population(30_000)),))
    assert sample.theta.num_retained == len(sample)
    assert sample.theta.get_estimate() == sample.distinct
    assert sorted(sample.theta) == sample.keys.tolist()
    union = datasketches.theta_union(20)
    union.update(sample.theta)
    assert union.get_result().get_estimate() == sample.distinct


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.integers(1, 99))
@settings(max_examples=200)
def test_a_percentile_is_the_least_that_so_many_do_not_exceed(
    magnitudes: list[int], percent: int
) -> None:
    entries = {key: note_of(m, 0) for key, m in enumerate(magnitudes, start=1)}
    sample = Sample.merged((pack(entries),))
    value = sample.percentile(percent)
    assert value == min(
        m for m in magnitudes if sum(x <= m for x in magnitudes) * 100 >= percent * len(magnitudes)
    )
    bounds = sample.percentile_bounds(percent)
    assert bounds is not None
    assert bounds[0] <= value <= bounds[1]


def test_the_bounds_of_a_median_of_a_hundred() -> None:
    # 100 * 0.5 ± 1.96 * sqrt(100 * 0.25) = 40.2 … 59.8
    sample = Sample.merged((pack({key: note_of(key, 0) for key in range(1, 101)}),))
    assert sample.percentile(50) == 50
    assert sample.percentile_bounds(50) == (41, 60)
    assert sample.magnitude_sum == 5050


def test_percentiles_of_a_sample_are_near_those_of_the_whole() -> None:
    sample = Sample.merged((pack(population(200_000)),))
    for percent in (10, 50, 90):
        value, bounds = sample.percentile(percent), sample.percentile_bounds(percent)
        assert value is not None
        assert bounds is not None
        assert math.isclose(value, 10 * percent, abs_tol=40)
        assert bounds[1] - bounds[0] < 40
