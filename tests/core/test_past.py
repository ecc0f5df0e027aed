"""Windows of the past against brute force: whatever panes there are, whichever are asked for."""

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from processor.core.bases import CELL
from processor.core.panes import Tier, Window
from processor.core.past import PastPanes, PastWindows, first_kept_ms, window_ends
from processor.core.sample import KEYS_MAX, Sample, pack
from processor.core.totals import RollingTotals

PANE = 1_000
WINDOW = Window("1m", 60 * PANE, PANE)
NAMES = ("nps.9", "nps.3", "clicks")

starts = st.integers(0, 200).map(lambda pane: pane * PANE)
counters = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 9), min_size=1)
panes = st.dictionaries(starts, counters, max_size=60)
ends = st.lists(st.integers(0, 300).map(lambda pane: pane * PANE), min_size=1, max_size=12).map(
    lambda found: sorted(set(found))
)


def summed(by_start: Mapping[int, Mapping[str, int]], begin: int, end: int) -> dict[str, int]:
    total: dict[str, int] = {}
    for start, found in by_start.items():
        if begin <= start < end:
            for name, n in found.items():
                total[name] = total.get(name, 0) + n
    return total


@given(panes, ends)
def test_counters_are_those_of_the_panes_within(
    by_start: dict[int, dict[str, int]], ends_ms: list[int]
) -> None:
    stored = PastPanes()
    for start, found in by_start.items():
        stored.add(start, found)
    windows = PastWindows(WINDOW, "all", stored)
    for end in ends_ms:
        assert dict(windows.at(end)) == summed(by_start, end - WINDOW.size_ms, end)


entries = st.dictionaries(
    st.integers(1, 50), st.integers(0, 9).map(lambda n: n << 8 | n % 4), min_size=1, max_size=8
)


@given(st.dictionaries(starts, st.lists(entries, min_size=1, max_size=3), max_size=40), ends)
def test_samples_are_merged_from_the_panes_within(
    by_start: dict[int, list[dict[int, int]]], ends_ms: list[int]
) -> None:
    stored = PastPanes()
    for start, parts in by_start.items():
        for part in parts:
            stored.observe(start, "buyers", pack(part))
    windows = PastWindows(WINDOW, "all", stored)
    for end in ends_ms:
        within = [
            pack(part)
            for start, parts in by_start.items()
            if end - WINDOW.size_ms <= start < end
            for part in parts
        ]
        expected = Sample.merged(within)
        counts = windows.at(end)
        assert counts.get("buyers.distinct", 0) == expected.distinct
        assert counts.get("buyers.magnitudes", 0) == expected.magnitude_sum
        assert counts.get("buyers.marked1", 0) == expected.marked(1)
        assert counts.get("buyers.p50") == expected.percentile(50)


def test_samples_too_large_to_keep_are_the_same_however_they_are_merged() -> None:
    # Multiples of a large odd number are spread over all keys.
    step = 0x9E37_79B9_7F4A_7C15
    keys = [(number * step) % (1 << 63) or 1 for number in range(1, 6 * KEYS_MAX)]
    stored = PastPanes()
    size = KEYS_MAX // 6
    chunks = [keys[i : i + size] for i in range(0, len(keys), size)]
    for number, chunk in enumerate(chunks):
        stored.observe(number * 2 * PANE, "buyers", pack(dict.fromkeys(chunk, 256)))
    windows = PastWindows(WINDOW, "all", stored)
    for end in range(60 * PANE, 90 * PANE, 3 * PANE):
        within = [
            pack(dict.fromkeys(chunk, 256))
            for number, chunk in enumerate(chunks)
            if end - WINDOW.size_ms <= number * 2 * PANE < end
        ]
        expected = Sample.merged(within)
        assert expected.level > 0
        counts = windows.at(end)
        assert counts["buyers.distinct"] == expected.distinct
        assert counts["buyers.sampled"] == len(expected)
        assert counts["buyers.distinct_low"] == expected.distinct_bounds[0]


changes = st.lists(
    st.tuples(
        st.integers(1, 180 * PANE - 1),
        st.one_of(st.sampled_from(("joined", "left")), st.integers(0, 50)),
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(changes, st.booleans(), ends)
def test_bases_are_those_of_the_rolling_totals(
    events: list[tuple[int, str | int]], of_segment: bool, ends_ms: list[int]
) -> None:
    series = "channel=web" if of_segment else "all"
    stored, totals = PastPanes(), RollingTotals([WINDOW])
    for at_ms, what in events:
        start = at_ms - at_ms % PANE
        if isinstance(what, int):
            name, n = f"customers.count.{at_ms}.{what}.", 1
            counted = {"customers.snapshots": 1}
        else:
            name, n = f"customers.net.{at_ms}.", 1 if what == "joined" else -1
            counted = {f"customers.{what}": 1}
        for one in {"all", series}:
            stored.add_bases({one: {name: n}})
            totals.apply({CELL: {one: {name: n}}, (PANE, start): {one: counted}})
        stored.add(start, counted)
    windows = PastWindows(WINDOW, series, stored)
    for end in ends_ms:
        if not end:
            continue
        totals.advance(end - 1)
        expected, found = totals.totals[0].counts(series), windows.at(end)
        for name in ("customers.at_start", "customers.at_end", "customers.unknown"):
            assert found.get(name) == expected.get(name), (name, end)


@given(st.integers(0, 400), st.integers(0, 400), st.integers(1, 50))
def test_ends_are_borders_of_panes_evenly_apart_and_the_last_is_among_them(
    first: int, last: int, points: int
) -> None:
    found = window_ends(WINDOW, first * 500, last * PANE, points)
    assert len(found) <= points
    assert all(end % PANE == 0 and first * 500 <= end <= last * PANE for end in found)
    if first * 500 <= last * PANE:
        assert found[-1] == last * PANE
        assert found.step % PANE == 0
        if found.step > PANE:  # a step less would be too many
            assert len(window_ends(WINDOW, first * 500, last * PANE, points * 2 + 1)) > len(found)
    else:
        assert not found


@given(st.integers(0, 10_000), st.integers(1, 20), st.integers(1, 300))
def test_the_first_pane_that_is_kept(clock_ms: int, pane_ms: int, panes_kept: int) -> None:
    tier = Tier(pane_ms, panes_kept * pane_ms)
    first = first_kept_ms(tier, clock_ms)
    assert first % pane_ms == 0
    assert tier.keeps(first, clock_ms)
    assert first == 0 or not tier.keeps(first - pane_ms, clock_ms)
