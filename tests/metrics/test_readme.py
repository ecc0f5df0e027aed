"""The README's table of metrics is the catalogue's."""

from pathlib import Path

from processor.metrics.table import catalogue_markdown

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- catalogue: begin -->", "<!-- catalogue: end -->"


def test_the_table_in_the_readme_is_generated() -> None:
    text = README.read_text(encoding="utf-8")
    table = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
    assert table.strip() == catalogue_markdown().strip()
