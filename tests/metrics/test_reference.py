"""The reference page is what the catalogue says of itself."""

from pathlib import Path

import pytest

from processor.metrics.catalogue import CATALOGUE, Metric, get
from processor.metrics.reference import reference_markdown

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_in_the_repository_is_generated() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_markdown(), "write it again: make docs"


@pytest.mark.parametrize("metric", CATALOGUE.values(), ids=CATALOGUE)
def test_every_metric_has_formula_source_and_a_worked_example(metric: Metric) -> None:
    entry = reference_markdown({metric.name: metric}).split(f"## `{metric.name}`")[1]
    assert metric.formula in entry
    assert metric.source in entry
    assert f"- Unit: {metric.unit}" in entry
    assert f"{metric.name}(" in entry.partition("```pycon")[2]


def test_the_definitions_that_settings_choose_are_there() -> None:
    text = reference_markdown()
    for title, said in (
        ('`bounce_rate` with `bounce_mode = "ga4"`', "GA4"),
        ("`clv` with `customer_lifespan_years = 5`", "configured lifespan"),
        ('`ces` with `survey_responses = "latest_per_customer"`', "latest answer"),
    ):
        assert said in text.split(f"## {title}\n")[1].split("## ")[0]


def test_an_entry_has_the_remarks_of_its_docstring_and_says_what_nothing_is() -> None:
    entry = reference_markdown({"nps": get("nps")})
    assert "promoters are 9-10" in entry
    assert "- With nothing observed: `null`" in entry
    assert "- With nothing observed: 0" in reference_markdown({"orders": get("orders")})
