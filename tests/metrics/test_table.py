"""The catalogue as people and programs read it."""

import dataclasses
import json

from processor.metrics.catalogue import CATALOGUE, configured, get
from processor.metrics.table import catalogue_markdown, catalogue_rows


def test_rows_are_json_with_every_metric_in_order() -> None:
    rows = json.loads(json.dumps(catalogue_rows()))
    assert [row["name"] for row in rows] == list(CATALOGUE)
    assert rows[0] == {
        "name": "nps",
        "unit": "points",
        "what": "Net Promoter Score: promoters less detractors, of all who answered",
        "interval": "adj. Wald",
        "per_currency": False,
        "event_types": ["survey_response"],
        "formula": "100 * (promoters - detractors) / answers",
        "source": 'Reichheld 2003, "The one number you need to grow", Harvard Business Review '
        "81(12); interval: Rocks 2016, The American Statistician 70(4).",
    }


def test_markdown_has_a_line_for_each_metric() -> None:
    header, rule, *lines = catalogue_markdown().splitlines()
    assert header == "| name | unit | what | interval |"
    assert rule == "| --- | --- | --- | --- |"
    assert [line.split("`")[1] for line in lines] == list(CATALOGUE)
    assert lines[0].endswith("| adj. Wald |")
    assert any("| money, per currency |" in line for line in lines)
    assert any(line.endswith("| none |") for line in lines)


def test_markdown_keeps_a_bar_within_its_cell() -> None:
    barred = dataclasses.replace(get("nps"), summary="a|b")
    assert "a\\|b" in catalogue_markdown({"nps": barred})


def test_table_shows_the_settings_in_use() -> None:
    assert "GA4" in catalogue_markdown(configured(bounce_mode="ga4"))
    assert "GA4" not in catalogue_markdown()
