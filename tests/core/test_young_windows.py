"""Windows that cannot be compared yet: what they are compared with began within it.

::

    window                    [ before  )[   now   )
    panes    from here on  ---|             known: before is whole
                              ..|           known: less than a tenth of it may be empty
                              ....|         young
"""

from collections.abc import Sequence

import pytest

from processor.core.panes import MINUTE_MS, SECOND_MS, plan_windows
from processor.core.totals import RollingTotals

HOUR = 60
END = 10 * HOUR


def young(minutes: Sequence[int], windows: Sequence[str] = ("1h",)) -> frozenset[str]:
    """The young windows at minute `END`, with something counted at some minutes."""
    totals = RollingTotals(plan_windows(windows))
    for minute in minutes:
        start_ms = minute * MINUTE_MS
        by_series = {"all": {"nps.9": 1}}
        panes = {totals.window.pane_ms for totals in totals.totals}
        totals.apply({(pane, start_ms // pane * pane): by_series for pane in panes})
    totals.advance(END * MINUTE_MS - SECOND_MS)
    return totals.young()


@pytest.mark.parametrize(
    ("first", "is_young"),
    [(0, False), (-1, False), (6, False), (7, True), (59, True), (60, True), (119, True)],
)
def test_a_window_is_young_where_the_one_before_begins_empty(first: int, is_young: bool) -> None:
    before = END - 2 * HOUR
    assert young([before + first, END - 1]) == ({"1h"} if is_young else frozenset())


def test_where_nothing_was_counted_all_are_young() -> None:
    assert young([], ["1h", "24h"]) == {"1h", "24h"}


def test_each_window_asks_for_its_own_past() -> None:
    assert young(range(END - 3 * HOUR, END), ["5m", "1h", "24h"]) == {"24h"}
