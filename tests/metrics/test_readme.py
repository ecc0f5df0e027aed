"""The README's table of metrics is the catalogue's."""

from pathlib import Path

import pytest

from processor.metrics.table import BEGIN, END, catalogue_markdown, with_table

README = Path(__file__).parents[2] / "README.md"


def test_the_table_in_the_readme_is_generated() -> None:
    text = README.read_text(encoding="utf-8")
    assert text == with_table(text), "write it again: make docs"


def test_the_table_stands_between_its_marks() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert with_table(page) == f"before\n{BEGIN}\n{catalogue_markdown()}{END}\nafter\n"
    with pytest.raises(ValueError, match="not found"):
        with_table("no table")
