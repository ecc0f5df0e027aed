"""Samples over sliding windows, against all observations looked at one by one.

::

    previous window          current window           late, into any pane
    |·|·|·|·|·|·|·|·|·|·|·|·||·|·|·|·|·|·|·|·|·|·|·|·|
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.core import sample as module
from processor.core.panes import Tier, plan_windows
from processor.core.sample import note_of, pack
from processor.core.sampled_panes import PaneSamples, SampledPanes
from processor.core.totals import RollingTotals, WindowTotals
from processor.core.window_counts import Span

WINDOWS = plan_windows(["1m", "5m", "2h"])
T0 = 1_790_000_000_000 // 7_200_000 * 7_200_000

Fact = tuple[int, str, str, int, int, int]
"""(time, series, measure, key, magnitude, marks)."""

FACTS = st.tuples(
    st.integers(-400, 30),
    st.sampled_from(["all", "channel=web"]),
    st.sampled_from(["buyers", "wait_ms"]),
    st.integers(1, 40) | st.integers(1, 2**63 - 1),
    st.integers(0, 1000),
    st.sampled_from([0, 1, 2, 4]),
)
STEPS = st.lists(
    st.tuples(st.lists(FACTS, max_size=6), st.sampled_from([0, 1, 1, 2, 30, 400, 9000])),
    max_size=7,
)


def samples_of(facts: list[Fact]) -> PaneSamples:
    samples: PaneSamples = {}
    for at, series, measure, key, magnitude, marks in facts:
        for pane_ms in {window.pane_ms for window in WINDOWS}:
            pane = samples.setdefault((pane_ms, at - at % pane_ms), {})
            by_measure = pane.setdefault(series, {})
            packed = pack({key: note_of(magnitude, marks)})
            by_measure[measure] = by_measure.get(measure, b"") + packed
    return samples


def said(totals: WindowTotals, series: str, measure: str, *, previous: bool) -> list[int | None]:
    counts = totals.previous_counts(series) if previous else totals.counts(series)
    names = ("distinct", "marked1", "marked2", "magnitudes", "p50", "p90")
    return [counts.get(f"{measure}.{name}") for name in names]


def brute_force(facts: list[Fact], series: str, measure: str, start: int, end: int) -> list[object]:
    magnitudes: dict[int, int] = {}
    marks: dict[int, int] = {}
    for at, of_series, of_measure, key, magnitude, mark in facts:
        if start <= at < end and (of_series, of_measure) == (series, measure):
            magnitudes[key] = max(magnitudes.get(key, 0), magnitude)
            marks[key] = marks.get(key, 0) | mark
    if not magnitudes:
        return [None] * 6
    ranked = sorted(magnitudes.values())
    n = len(ranked)
    return [
        n,
        sum(m & 1 for m in marks.values()),
        sum(m >> 1 & 1 for m in marks.values()),
        sum(ranked),
        ranked[(n + 1) // 2 - 1],
        ranked[-(-9 * n // 10) - 1],
    ]


@settings(max_examples=60)
@given(STEPS, st.data())
def test_windows_are_those_of_all_observations(
    steps: list[tuple[list[Fact], int]], data: st.DataObject
) -> None:
    totals = RollingTotals(WINDOWS)
    now = T0
    totals.advance(now)
    known: list[Fact] = []
    for offsets, step_s in steps:
        facts = [(now + at * 1000, *rest) for at, *rest in offsets]
        totals.observe(samples_of(facts))  # type: ignore[arg-type]
        known += facts  # type: ignore[arg-type]
        now += step_s * 1000
        totals.advance(now)
        if data.draw(st.booleans()):
            continue  # what is not asked for is not merged, and must not be missed later
        for window in totals.totals:
            end = window.end_ms
            size = window.window.size_ms
            for series in ("all", "channel=web"):
                for measure in ("buyers", "wait_ms"):
                    for previous in (False, True):
                        start = end - size * (1 + previous)
                        assert said(window, series, measure, previous=previous) == brute_force(
                            known, series, measure, start, start + size
                        )


@settings(max_examples=60)
@given(STEPS)
def test_a_series_whose_window_changed_is_named(steps: list[tuple[list[Fact], int]]) -> None:
    totals = RollingTotals(WINDOWS)
    now = T0
    totals.advance(now)
    before: dict[tuple[str, str], object] = {}
    for offsets, step_s in steps:
        totals.observe(samples_of([(now + at * 1000, *rest) for at, *rest in offsets]))  # type: ignore[misc]
        now += step_s * 1000
        totals.advance(now)
        for window in totals.totals:
            for series in ("all", "channel=web"):
                place = window.window.name, series
                says = [
                    said(window, series, measure, previous=previous)
                    for measure in ("buyers", "wait_ms")
                    for previous in (False, True)
                ]
                if before.get(place, [[None] * 6] * 4) != says:
                    assert series in window.changed
                before[place] = says
            window.changed.clear()


def test_a_sampled_window_recovers_when_a_full_pane_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEYS_MAX", 16)
    panes = SampledPanes()
    many = {key << 58 | 1: 0 for key in range(1, 32)}
    panes.add(1000, T0, "all", "buyers", pack(many))
    panes.add(1000, T0 + 1000, "all", "buyers", pack({1: 0, 2: 0}))

    def distinct(start: int, end: int) -> int | None:
        source = panes.source("all", Span("1m", False, start, end, 1000))
        return None if source is None else source.read("buyers.distinct")

    both = distinct(T0 - 58_000, T0 + 2000)
    assert both is not None
    assert both > 16
    assert distinct(T0 + 1000, T0 + 61_000) == 2


def test_panes_that_no_window_needs_are_dropped() -> None:
    panes = SampledPanes()
    panes.add(1000, T0, "all", "buyers", pack({1: 0}))
    panes.add(1000, T0 + 5000, "all", "buyers", pack({1: 0}))
    panes.prune(Tier(1000, 10_000), T0 + 11_000)
    assert panes.pane_count == 1
    panes.prune(Tier(1000, 10_000), T0 + 16_000)
    assert panes.pane_count == 0
    assert list(panes.series()) == []
    assert panes.source("all", Span("1m", False, T0, T0 + 60_000, 1000)) is None


def test_a_pane_of_many_observations_of_few_stays_small() -> None:
    panes = SampledPanes()
    for _ in range(2000):
        panes.add(1000, T0, "all", "buyers", pack(dict.fromkeys(range(1, 21), 0)))
    source = panes.source("all", Span("1m", False, T0, T0 + 60_000, 1000))
    assert source is not None
    assert source.read("buyers.distinct") == 20
    assert source.read("buyers.p101") is source.read("buyers.unheard") is None
    assert source.read("sellers.distinct") is None
