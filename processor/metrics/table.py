"""The catalogue as data and as a Markdown table, for the README and `cxpulse metrics`.

``python -m processor.metrics.table README.md`` writes the table of a page again.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from processor.metrics.catalogue import CATALOGUE
from processor.metrics.registry import Metric

BEGIN: Final = "<!-- catalogue: begin -->"
END: Final = "<!-- catalogue: end -->"

_COLUMNS: Final = ("name", "unit", "what", "interval")


def catalogue_rows(catalogue: Mapping[str, Metric] = CATALOGUE) -> list[dict[str, Any]]:
    """One JSON-ready object per metric, in the catalogue's order.

    Keys: `name`, `unit`, `what` (one sentence), `interval` (``None`` where there is none),
    `per_currency`, `event_types`, `formula`, `source`.
    """
    return [
        {
            "name": metric.name,
            "unit": metric.unit.value,
            "what": metric.summary,
            "interval": metric.interval,
            "per_currency": metric.per_currency,
            "event_types": list(metric.event_types),
            "formula": metric.formula,
            "source": metric.source,
        }
        for metric in catalogue.values()
    ]


def catalogue_markdown(catalogue: Mapping[str, Metric] = CATALOGUE) -> str:
    """The catalogue as a Markdown table of name, unit, what it says, and interval.

    Ends with a newline, so that a file may consist of it.
    """
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
    for row in catalogue_rows(catalogue):
        unit = f"{row['unit']}, per currency" if row["per_currency"] else row["unit"]
        lines.append(_line([f"`{row['name']}`", unit, row["what"], row["interval"] or "none"]))
    return "\n".join(lines) + "\n"


def _line(cells: list[str] | tuple[str, ...]) -> str:
    # A bar would end the cell.
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def with_table(page: str) -> str:
    """The page with the catalogue's table between `BEGIN` and `END`.

    Raises:
        ValueError: the page lacks one of the marks.
    """
    begin, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    return f"{page[:begin]}\n{catalogue_markdown()}{page[end:]}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
