"""Totals to readings: what is said, when, and what is not said again."""

import json
from typing import Any

import pytest

from processor.core.panes import MINUTE_MS, SECOND_MS, plan_windows
from processor.core.totals import RollingTotals
from processor.metrics.catalogue import CATALOGUE
from processor.metrics.present import Presenter
from schemas.readings import Reading

WINDOWS = plan_windows(["1m", "1h"])
START = 1_790_000_040_000
LATENESS = 2 * MINUTE_MS


class Live:
    """A presenter over totals that a test counts into and moves."""

    def __init__(self) -> None:
        self.totals = RollingTotals(WINDOWS)
        self.presenter = Presenter(CATALOGUE, self.totals, lateness_ms=LATENESS)
        self.revision = 0

    def count(self, at_ms: int, series: str = "all", **measures: int) -> None:
        named = {name.replace("_", "."): n for name, n in measures.items()}
        for pane_ms in (SECOND_MS, MINUTE_MS):
            self.totals.apply({(pane_ms, at_ms - at_ms % pane_ms): {series: named}})

    def tick(self, at_ms: int) -> dict[str, dict[str, Any]]:
        self.totals.advance(at_ms)
        self.revision += 1
        return self.presenter.changed(at_ms - LATENESS, self.revision)


def test_the_whole_is_there_from_the_start_and_null_where_nothing_was_observed() -> None:
    rows = Live().tick(START)
    assert rows["nps|1m|all"]["value"] is None
    assert rows["orders|1h|all"]["value"] == 0
    assert {key.split("|")[2] for key in rows} == {"all"}
    assert all(rows[key]["n"] == 0 for key in rows)


def test_only_what_changed_is_said_again() -> None:
    live = Live()
    live.tick(START)
    live.count(START, nps_9=3, nps_2=1)
    rows = live.tick(START + SECOND_MS)
    assert set(rows) == {"nps|1m|all", "nps|1h|all"}
    assert rows["nps|1m|all"]["value"] == 50.0
    assert live.tick(START + 2 * SECOND_MS) == {}  # the window slid on, and says the same


def test_a_value_that_leaves_the_window_becomes_the_value_before_it() -> None:
    live = Live()
    live.count(START, nps_9=2)
    live.tick(START)
    rows = live.tick(START + MINUTE_MS)
    left = rows["nps|1m|all"]
    assert (left["value"], left["n"], left["previous"], left["change"]) == (None, 0, 100.0, None)
    gone = live.tick(START + 2 * MINUTE_MS)["nps|1m|all"]
    assert (gone["value"], gone["previous"]) == (None, None)


def test_a_change_between_windows_is_tested_for_significance() -> None:
    live = Live()
    live.count(START, nps_9=900, nps_2=100)
    live.count(START + MINUTE_MS, nps_9=100, nps_2=900)
    row = live.tick(START + MINUTE_MS)["nps|1m|all"]
    assert (row["value"], row["previous"], row["change"]) == (-80.0, 80.0, -160.0)
    assert row["significant"] is True


def test_few_answers_are_flagged() -> None:
    live = Live()
    live.count(START, nps_9=29)
    live.count(START, series="channel=web", nps_9=30)
    rows = live.tick(START)
    assert rows["nps|1m|all"]["low_sample"] is True
    assert rows["nps|1m|channel=web"]["low_sample"] is False


def test_money_has_a_reading_for_each_currency_and_none_is_left_standing() -> None:
    live = Live()
    measures = {"order.n.USD": 2, "order.minor.USD": 5000, "order.n.JPY": 1, "order.minor.JPY": 700}
    live.totals.apply({(SECOND_MS, START): {"all": measures}})
    rows = live.tick(START)
    assert rows["average_purchase_value|1m|all|USD"]["value"] == 25.0
    assert rows["average_purchase_value|1m|all|JPY"]["value"] == 700
    assert rows["average_purchase_value|1m|all|JPY"]["currency"] == "JPY"
    left = live.tick(START + MINUTE_MS)
    assert left["average_purchase_value|1m|all|USD"]["value"] is None


def test_a_reading_is_provisional_until_the_watermark_passes_its_window_by_the_lateness() -> None:
    live = Live()
    live.count(START, nps_9=1)
    live.totals.advance(START)
    end = live.totals.totals[0].end_ms
    before = live.presenter.everything(end + LATENESS - 1, 1)
    after = live.presenter.everything(end + LATENESS, 1)
    assert before["nps|1m|all"]["provisional"] is True
    assert after["nps|1m|all"]["provisional"] is False


def test_everything_gives_an_observed_metric_in_all_windows_sorted_by_key() -> None:
    live = Live()
    live.count(START, series="channel=web", nps_9=1)
    live.totals.advance(START + 10 * MINUTE_MS)
    rows = live.presenter.everything(START, 1)
    assert list(rows) == sorted(rows)
    assert rows["nps|1m|channel=web"]["n"] == 0
    assert rows["nps|1h|channel=web"]["n"] == 1
    assert "csat|1h|channel=web" not in rows


@pytest.mark.parametrize("at_ms", [START, 5 * MINUTE_MS])
def test_every_row_is_a_reading_of_the_contract(at_ms: int) -> None:
    live = Live()
    live.count(at_ms, nps_9=3, csat5_4=2, clicks=1, impressions=3)
    for key, row in live.tick(at_ms).items():
        reading = Reading.model_validate_json(json.dumps(row))
        assert reading.key == key
