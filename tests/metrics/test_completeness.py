"""Which readings say that events may be missing, and when they stop to say it.

The window is a minute, its panes are seconds; it is looked at with its end at `END`::

    -120 s              -60 s                0 = END
       [     before       )[       now         )
"""

from typing import Any, Final

import pytest

from processor.core.panes import MINUTE_MS, SECOND_MS
from processor.metrics.catalogue import CATALOGUE
from tests.metrics.test_present import START, Live

END: Final = START + SECOND_MS
"""The end of the minute that holds `START`."""

ANSWERS, PURCHASES = "survey_response", "purchase"
NEVER: Final = 1 << 60


def looked_at(complete_from: dict[str, int]) -> dict[str, dict[str, Any]]:
    """A minute with answers and orders in both windows."""
    live = Live()
    live.presenter.complete_from = complete_from
    for at_ms in (START, START - MINUTE_MS):
        live.count(at_ms, nps_9=40, nps_2=10, order_n_USD=1, order_minor_USD=500)
    return live.tick(START)


@pytest.mark.parametrize(
    ("complete_from", "incomplete", "compared"),
    [
        #             -120 s              -60 s                0
        #                [     before       )[       now         )
        pytest.param(0, False, True, id="nothing ever went"),
        #        |whole
        pytest.param(END - 3 * MINUTE_MS, False, True, id="before both"),
        #                |whole
        pytest.param(END - 2 * MINUTE_MS, False, True, id="where the window before begins"),
        #                 |whole
        pytest.param(END - 2 * MINUTE_MS + 1, False, False, id="in the window before"),
        #                                    |whole
        pytest.param(END - MINUTE_MS, False, False, id="where the window begins"),
        #                                     |whole
        pytest.param(END - MINUTE_MS + 1, True, False, id="in the window"),
        #                                                         |whole
        pytest.param(END + MINUTE_MS, True, False, id="after it"),
        pytest.param(NEVER, True, False, id="being rebuilt"),
    ],
)
def test_a_window_is_whole_from_where_all_events_are_counted(
    complete_from: int, incomplete: bool, compared: bool
) -> None:
    row = looked_at({ANSWERS: complete_from})["nps|1m|all"]
    assert (row["value"], row["n"]) == (60.0, 50)
    assert row["incomplete"] is incomplete
    if compared:
        assert (row["previous"], row["change"], row["significant"]) == (60.0, 0.0, False)
    else:
        assert (row["previous"], row["change"], row["significant"]) == (None, None, None)


def test_only_metrics_of_the_events_that_may_be_missing_say_so() -> None:
    rows = looked_at({ANSWERS: NEVER, PURCHASES: 0})
    for key, row in rows.items():
        metric = key.split("|")[0]
        assert row["incomplete"] is (metric in OF_ANSWERS), key
    assert rows["revenue|1m|all|USD"]["previous"] == 5.0


OF_ANSWERS: Final = frozenset(
    metric.name for metric in CATALOGUE.values() if ANSWERS in metric.event_types
)


def test_a_count_of_nothing_is_no_zero_before_where_events_may_be_missing() -> None:
    live = Live()
    live.presenter.complete_from = {PURCHASES: END - MINUTE_MS}
    row = live.tick(START)["orders|1m|all"]
    assert (row["value"], row["previous"], row["change"]) == (0, None, None)


def test_the_start_of_time_lacks_nothing_before_it() -> None:
    """Windows longer than the epoch is old begin before it; nothing can be missing there."""
    live = Live()
    live.presenter.complete_from = {ANSWERS: 0}
    live.count(5 * MINUTE_MS, nps_9=1)
    assert live.tick(5 * MINUTE_MS)["nps|1h|all"]["incomplete"] is False


def test_the_flag_falls_for_every_series_though_nothing_is_counted() -> None:
    """A rebuild ends: what it counted last was long ago, and still every reading says it."""
    live = Live()
    live.presenter.complete_from = {ANSWERS: NEVER}
    live.count(START, nps_9=1)
    live.count(START, series="channel=web", nps_9=1)
    flagged = live.tick(START)
    assert flagged["nps|1m|channel=web"]["incomplete"] is True
    assert live.tick(START) == {}
    live.presenter.complete_from = {ANSWERS: 0}
    rows = live.tick(START)
    assert {key for key in rows if key.startswith("nps|")} == {
        "nps|1m|all", "nps|1h|all", "nps|1m|channel=web", "nps|1h|channel=web",
    }  # fmt: skip
    assert not any(row["incomplete"] for row in rows.values())
    assert {key.split("|")[0] for key in rows} == OF_ANSWERS
    assert live.tick(START) == {}


def test_the_flag_falls_by_itself_when_the_window_has_slid_past() -> None:
    """::

    gap until    |
    0 s    [ now )             incomplete
    60 s         [ now )       whole, not compared
    120 s              [ now ) compared
    """
    live = Live()
    live.presenter.complete_from = {ANSWERS: END}
    live.count(START, series="channel=web", nps_9=1)
    live.count(START + MINUTE_MS, series="channel=web", nps_9=1)
    live.count(START + 2 * MINUTE_MS, series="channel=web", nps_9=1)
    key = "nps|1m|channel=web"
    assert live.tick(START)[key]["incomplete"] is True
    assert key not in live.tick(START + 30 * SECOND_MS)
    row = live.tick(START + MINUTE_MS)[key]
    assert (row["incomplete"], row["value"], row["previous"]) == (False, 100.0, None)
    row = live.tick(START + 2 * MINUTE_MS)[key]
    assert (row["incomplete"], row["value"], row["previous"]) == (False, 100.0, 100.0)


def test_a_new_presenter_says_so_of_what_another_published() -> None:
    live = Live()
    live.presenter.take_over(["nps|1m|channel=web"])
    live.presenter.complete_from = {ANSWERS: NEVER}
    assert live.tick(START)["nps|1m|channel=web"]["incomplete"] is True


def test_at_the_end_of_a_log_nothing_is_missing() -> None:
    live = Live()
    live.count(START, nps_9=1)
    live.totals.advance(START)
    rows = live.presenter.everything(START, 1)
    assert not any(row["incomplete"] for row in rows.values())
