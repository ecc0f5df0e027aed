"""The chart of a run: events per CPU-second, the worker beside its limits and other tools."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pygal import HorizontalBar
from pygal.style import Style

_BARS: Final = (
    "getmany",
    "confluent",
    "consume",
    "count",
    "values-1000",
    "twelve",
    "mixed",
    "sessions",
    "bytewax",
    "pathway",
    "quix",
    "faust",
)
"""What is shown if it was measured: limits, the worker, and other tools over the same log."""

_COLOURS: Final = {"worker": "#2a6f97", "limit": "#adb5bd", "other": "#e07a5f"}
_LIMITS: Final = ("getmany", "confluent", "consume")
_OTHERS: Final = ("bytewax", "pathway", "quix", "faust")
_STYLE: Final = Style(
    background="white",
    plot_background="white",
    foreground="#222",
    foreground_strong="#222",
    foreground_subtle="#666",
    font_family="system-ui, sans-serif",
    label_font_size=13,
    major_label_font_size=13,
    title_font_size=16,
    opacity="1",
)


def chart(document: Mapping[str, Any]) -> bytes:
    """An SVG of the medians in what `benchmarks.report.document` made; the same for the same."""
    rows = document["rows"]
    names = [name for name in reversed(_BARS) if name in rows]
    bars = HorizontalBar(
        js=(),  # a picture, without the script that pygal would load from elsewhere
        no_prefix=True,
        style=_STYLE,
        show_legend=False,
        title="Events per CPU-second (median)",
        width=960,
        height=120 + 36 * len(names),
        spacing=12,
        show_minor_x_labels=False,
        formatter=lambda value: f"{value:,.0f}",
        disable_xml_declaration=True,
    )
    # The numbers are beside the names: at the ends of the bars they would cross the axis.
    bars.x_labels = [
        f"{_label(rows[name]['about'])} \u2002 {rows[name]['per_cpu_s']:,.0f}" for name in names
    ]
    bars.add(
        "events per CPU-second",
        [{"value": round(rows[name]["per_cpu_s"]), "color": _colour(name)} for name in names],
    )
    drawn: str = bars.render()
    # pygal says when it drew: that alone must not make the file another one.
    return re.sub(r" on \d{4}-\d\d-\d\d(?=-->)", "", drawn).encode()


def _label(about: str) -> str:
    return about.replace("… ", "worker: ")


def _colour(name: str) -> str:
    if name in _LIMITS:
        return _COLOURS["limit"]
    return _COLOURS["other" if name in _OTHERS else "worker"]
