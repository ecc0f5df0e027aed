"""The chart of a run: events per CPU-second, the worker beside its limits and other tools.

Bars with a name and a number are forty lines of SVG. The light libraries for it change how Python
imports (pygal) or are set by global variables (leather); the others bring megabytes.
"""

from collections.abc import Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

_BARS: Final = {
    "getmany": "limit",
    "confluent": "limit",
    "consume": "limit",
    "count": "worker",
    "values-1000": "worker",
    "twelve": "worker",
    "mixed": "worker",
    "sessions": "worker",
    "bytewax": "other",
    "pathway": "other",
    "quix": "other",
    "faust": "other",
}
"""What is shown if it was measured: limits, the worker, and other tools over the same log."""

_COLOURS: Final = {"worker": "#2a6f97", "limit": "#adb5bd", "other": "#e07a5f"}
_LEGEND: Final = {"limit": "only reading", "worker": "this worker", "other": "other tools"}
_WIDTH: Final = 920
_NAMES: Final = 350
_LONGEST: Final = 470
_ROW: Final = 30
_TOP: Final = 64
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', sans-serif"


def chart(document: Mapping[str, Any]) -> bytes:
    """An SVG of the medians in what `benchmarks.report.document` made; the same for the same."""
    rows = {name: document["rows"][name] for name in _BARS if name in document["rows"]}
    height = _TOP + _ROW * len(rows) + 12
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH} {height}",
            "font-family": _FONT,
            "font-size": "13",
            "role": "img",
        },
    )
    SubElement(root, "title").text = "Events per CPU-second"
    SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    _text(root, 16, 26, "Events per CPU-second, medians", weight="600")
    for place, (kind, meaning) in enumerate(_LEGEND.items()):
        _bar(root, _NAMES + 120 * place, 38, 12, _COLOURS[kind])
        _text(root, _NAMES + 120 * place + 18, 49, meaning)
    most = max((row["per_cpu_s"] for row in rows.values()), default=1.0)
    for place, (name, row) in enumerate(rows.items()):
        top, rate = _TOP + _ROW * place, row["per_cpu_s"]
        width = max(1.0, _LONGEST * rate / most)
        about = row["about"].replace("… ", "worker: ")
        _text(root, _NAMES - 10, top + 19, about, anchor="end")
        _bar(root, _NAMES, top + 4, width, _COLOURS[_BARS[name]], height=_ROW - 8)
        _text(root, _NAMES + width + 8, top + 19, f"{rate:,.0f}")
    indent(root)
    drawn: bytes = tostring(root, encoding="utf-8")
    return drawn + b"\n"


def _bar(root: Element, x: float, y: float, width: float, fill: str, *, height: float = 12) -> None:
    numbers = {"x": x, "y": y, "width": width, "height": height}
    SubElement(root, "rect", {name: f"{value:.1f}" for name, value in numbers.items()}, fill=fill)


def _text(
    root: Element, x: float, y: float, text: str, *, anchor: str = "start", weight: str = "400"
) -> None:
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, "font-weight": weight}
    SubElement(root, "text", place, fill="#222222").text = text
