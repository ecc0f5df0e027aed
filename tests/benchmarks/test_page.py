"""The page says what the figures say, and so does the chart."""

import json
from typing import Final

from benchmarks.chart import chart
from benchmarks.page import DOCS, TABLES, written

FIGURES: Final = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
PAGE: Final = (DOCS / "performance.md").read_text(encoding="utf-8")


def test_the_page_is_as_it_would_be_written() -> None:
    assert written(PAGE, FIGURES) == PAGE, "run `python -m benchmarks.page`"


def test_the_page_has_every_table() -> None:
    assert all(f"<!-- {name}: begin -->" in PAGE for name in TABLES)


def test_the_chart_is_as_it_would_be_drawn() -> None:
    drawn = chart(FIGURES["bench"])
    assert drawn == (DOCS / "performance.svg").read_bytes(), "run `python -m benchmarks.page`"
    assert b"http" not in drawn.replace(b"http://www.w3.org/2000/svg", b"")


def test_every_measured_variant_is_in_a_table() -> None:
    for name in FIGURES["bench"]["rows"]:
        row = FIGURES["bench"]["rows"][name]
        assert f"`{name}`" in PAGE or row["about"] in PAGE or row["mode"] in ("tick", "live")
