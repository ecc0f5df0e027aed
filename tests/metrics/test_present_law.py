"""What is said from tick to tick is what is said when everything is computed anew.

A presenter keeps what it said of a window before for as long as its counters stay the same; here
that meets late counts, panes that come and go, samples that begin late, and currencies.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from processor.core.panes import MINUTE_MS, SECOND_MS, plan_windows, tiers_of
from processor.core.sample import pack_one
from processor.core.totals import RollingTotals
from processor.metrics.catalogue import CATALOGUE
from processor.metrics.present import Presenter

WINDOWS = plan_windows(["1m", "5m", "1h"])
START = 1_790_000_040_000 // 3_600_000 * 3_600_000
NAMES = ("nps", "csat", "orders", "revenue", "buying_customers", "customers", "churn_rate")
METRICS = {name: CATALOGUE[name] for name in NAMES}
MEASURES = (
    "nps.9",
    "nps.2",
    "csat5.5",
    "order.n.USD",
    "order.minor.USD",
    "order.n.JPY",
    "customers.joined",
)

counts = st.tuples(
    st.integers(-90, 0),
    st.sampled_from(["all", "channel=web", "channel=app"]),
    st.one_of(st.sampled_from(MEASURES), st.integers(1, 5)),
    st.integers(1, 3),
)
steps = st.lists(
    st.tuples(st.lists(counts, max_size=6), st.sampled_from([1, 2, 30, 61, 130, 3700])),
    min_size=1,
    max_size=12,
)


def without_times(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    left_out = ("window_start", "window_end", "revision", "as_of")
    return {k: {f: v for f, v in row.items() if f not in left_out} for k, row in rows.items()}


@settings(max_examples=25, deadline=None)
@given(steps)
def test_what_is_said_is_what_everything_says(
    happened: list[tuple[list[tuple[int, str, str | int, int]], int]],
) -> None:
    totals = RollingTotals(WINDOWS)
    presenter = Presenter(METRICS, totals, lateness_ms=2 * MINUTE_MS)
    now_ms, said = START, {}
    for batch, seconds in happened:
        for ago, series, what, n in batch:
            at_ms = now_ms + ago * SECOND_MS
            for tier in tiers_of(WINDOWS):
                cell = (tier.pane_ms, at_ms - at_ms % tier.pane_ms)
                if isinstance(what, int):
                    totals.observe({cell: {series: {"buyers": pack_one(what, 256)}}})
                else:
                    totals.apply({cell: {series: {what: n}}})
        now_ms += seconds * SECOND_MS
        totals.advance(now_ms)
        said.update(presenter.changed(now_ms, 1))
        anew = Presenter(METRICS, totals, lateness_ms=2 * MINUTE_MS).everything(now_ms, 1)
        told, expected = without_times(said), without_times(anew)
        # Every reading that stands is right; one that was never made says nothing.
        for key, row in expected.items():
            assert told.get(key, row) == row
            assert key in told or not row["n"]
