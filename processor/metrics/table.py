"""The catalogue as data and as a Markdown table, for the README and `cxpulse metrics`."""

from collections.abc import Mapping
from typing import Any, Final

from processor.metrics.catalogue import CATALOGUE
from processor.metrics.registry import Metric

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
