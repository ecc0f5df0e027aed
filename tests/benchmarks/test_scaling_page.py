"""The page says what the file does, and the model what was measured."""

import json
from typing import Any

import pytest

from benchmarks.scaling_model import checks, constants
from benchmarks.scaling_page import FIGURES, PAGE, TABLES, levels, points_of, table, written
from benchmarks.scaling_workers import per_event_us

MOSTLY = 1.5
"""The model may be off by this factor where CPU time is told by event: two workers that keep both
halves of one physical core busy slow one another, which no sum of CPU times knows."""


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return found


def test_the_page_is_what_the_figures_give(figures: dict[str, Any]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert written(page, figures) == page, "python -m benchmarks.scaling_page"
    for name in TABLES:
        assert f"<!-- {name}: begin -->\n| " in page


def test_the_model_agrees_with_runs_that_it_was_not_made_from(figures: dict[str, Any]) -> None:
    points = points_of(figures)
    found = checks(points, constants(points))
    by_event = [check for check in found if "µs an event" in check.what]
    assert len(by_event) >= 3
    for check in by_event:
        assert 1 / MOSTLY < check.ratio < MOSTLY, check


def test_two_workers_take_no_more_cpu_for_an_event_than_one(figures: dict[str, Any]) -> None:
    points = points_of(figures)
    one, two = (
        sorted(per_event_us(run)["workers"] for run in points.of(count)) for count in (1, 2)
    )
    assert two[len(two) // 2] < MOSTLY * one[len(one) // 2]


def test_rounds_are_told_by_their_medians() -> None:
    rows = [
        {"settings": "s", "level": 0.5, "redis": {"p50": p50}, "values": [1, 9], "seconds": 8.0}
        for p50 in (30, 10, 20)
    ]
    (found,) = levels({"latency": {"rows": rows}})
    assert found == {**rows[0], "redis": {"p50": 20}}


def test_a_table_has_its_numbers_to_the_right() -> None:
    assert table("a | b:", [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |\n"
