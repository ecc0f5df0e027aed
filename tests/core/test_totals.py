"""Rolling totals against summing the panes again, under any order of deltas and slides."""

from hypothesis import given
from hypothesis import strategies as st

from processor.core.panes import MINUTE_MS, SECOND_MS, Window, plan_windows, tiers_of
from processor.core.rollup import PaneDeltas, Seconds, add_into, roll_up, spread
from processor.core.segments import Segmentation
from processor.core.totals import RollingTotals

WINDOWS = plan_windows(["1m", "2m", "1h"])
TIERS = tiers_of(WINDOWS)
START = 1_700_000_000_000 - 1_700_000_000_000 % (60 * MINUTE_MS)

events = st.lists(
    st.tuples(
        st.integers(0, 3 * 60 * MINUTE_MS),
        st.sampled_from(["a", "b", None]),
        st.one_of(st.integers(-3, 9), st.integers(-(2**70), 2**70)),
    ),
    max_size=60,
)


def deltas_of(batch: list[tuple[int, str | None, int]], clock: int) -> PaneDeltas:
    segmentation = Segmentation([("channel",)])
    counted = [(START + at, (channel,), [("x", n), ("y", 1)]) for at, channel, n in batch]
    segmentation.admit_locally(segmentation.unknown(d for _, d, _ in counted))
    seconds: Seconds = {}
    spread(counted, segmentation, seconds)
    return roll_up(seconds, TIERS, clock)


def brute_force(
    batch: list[tuple[int, str | None, int]], start: int, end: int, series: str
) -> dict[str, int]:
    total: dict[str, int] = {}
    for at, channel, n in batch:
        if start <= START + at < end and series in ("all", f"channel={channel}"):
            add_into(total, {"x": n, "y": 1})
    return total


@given(st.lists(st.tuples(events, st.integers(0, 4 * 60 * MINUTE_MS)), min_size=1, max_size=8))
def test_totals_equal_the_sum_of_the_events(
    steps: list[tuple[list[tuple[int, str | None, int]], int]],
) -> None:
    totals = RollingTotals(WINDOWS)
    arrived: list[tuple[int, str | None, int]] = []
    clock = 0
    for batch, time in steps:
        totals.apply(deltas_of(batch, clock))
        clock = max(clock, START + time)
        totals.advance(clock)
        # What a tier had dropped when it arrived is in no window any more.
        arrived += batch
        for window in totals.totals:
            for series in ("all", "channel=a", "channel=b"):
                size, end = window.window.size_ms, window.end_ms
                assert window.counts(series) == brute_force(arrived, end - size, end, series)
                assert window.previous_counts(series) == brute_force(
                    arrived, end - 2 * size, end - size, series
                )


def test_a_slide_marks_only_the_series_it_changes() -> None:
    totals = RollingTotals([Window("1m", MINUTE_MS, SECOND_MS)])
    totals.advance(START)
    totals.apply(
        {(SECOND_MS, START): {"all": {"x": 1}}, (SECOND_MS, START - 5000): {"b": {"x": 1}}}
    )
    (window,) = totals.totals
    window.changed.clear()
    totals.advance(START + 30 * SECOND_MS)
    assert window.changed == set()
    totals.advance(START + 57 * SECOND_MS)
    assert window.changed == {"b"}
    assert window.counts("b") == {}
    assert window.previous_counts("b") == {"x": 1}


def test_panes_that_no_window_covers_are_dropped() -> None:
    totals = RollingTotals(WINDOWS)
    totals.apply(deltas_of([(0, "a", 1)], 0))
    totals.advance(START)
    assert list(totals.series()) == ["all", "channel=a"]
    totals.advance(START + 3 * 60 * MINUTE_MS)
    assert list(totals.series()) == []
    assert totals.pane_count == 0


def test_counts_of_a_pane_ahead_of_the_window_wait_for_it() -> None:
    totals = RollingTotals(WINDOWS)
    totals.advance(START)
    totals.apply(deltas_of([(10 * SECOND_MS, "a", 2)], START))
    minute = totals.totals[0]
    assert minute.counts("all") == {}
    totals.advance(START + 10 * SECOND_MS)
    assert minute.counts("all") == {"x": 2, "y": 1}
