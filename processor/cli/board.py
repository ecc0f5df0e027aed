"""The live board: a snapshot as tables, the same for a terminal and for a log file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from processor.state.live import Snapshot
from schemas.readings import WHOLE, parse_segment_key

SHOWN: Final = ("nps", "csat", "ctr", "bounce_rate")
"""The four metrics of the board."""

_TITLES: Final = {"nps": "NPS", "csat": "CSAT", "ctr": "CTR", "bounce_rate": "Bounce rate"}
_LESS_IS_BETTER: Final = frozenset({"bounce_rate"})
_NOTHING: Final = "–"  # noqa: RUF001 - a dash in an empty cell

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the processing itself is doing.

    Attributes:
        rate: records counted per second, lately.
        lag: records not counted yet.
        watermark_age_s: seconds from the watermark to now; ``None`` before the first tick.
        open_sessions: sessions that are not closed.
        dead_letters: events refused since the start.
        repeats: events dropped as repeats since the start.
    """

    rate: float
    lag: int
    watermark_age_s: float | None
    open_sessions: int
    dead_letters: int
    repeats: int


def wanted(window: str, dimension: str, key: str) -> bool:
    """Whether the board shows the reading of this key: the whole, or a value of the dimension."""
    metric, _, rest = key.partition("|")
    name, _, segment = rest.partition("|")
    return (
        metric in SHOWN
        and name == window
        and (segment == WHOLE or (segment.startswith(f"{dimension}=") and "," not in segment))
    )


def board(
    snapshot: Snapshot, pulse: Pulse, *, window: str, dimension: str, heading: str
) -> RenderableType:
    """The whole board.

    Args:
        snapshot: readings of the window, see :func:`wanted`.
        pulse: of the processing.
        window: the window's name.
        dimension: what the lower table is segmented by.
        heading: the line on top.
    """
    return Group(
        Text(heading, style="bold"),
        _metrics(snapshot.rows, window),
        _segments(snapshot.rows, window, dimension),
        Text(_pulse_line(pulse)),
    )


def as_text(renderable: RenderableType, width: int = 100) -> str:
    """What is shown, as plain text for files and logs."""
    console = Console(width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _metrics(rows: Mapping[str, Row], window: str) -> Table:
    table = Table(title=f"last {window}", title_justify="left")
    for column in ("metric", "value", "95 % interval", "n", "before", "change"):
        table.add_column(column, justify="left" if column == "metric" else "right", no_wrap=True)
    for metric in SHOWN:
        row = rows.get(f"{metric}|{window}|{WHOLE}")
        table.add_row(_TITLES[metric], *(_cells(row) if row else [_NOTHING] * 5))
    return table


def _cells(row: Row) -> Iterator[RenderableType]:
    n = f"{row['n']:,}" + (" (few)" if row["low_sample"] else "")
    interval = _NOTHING
    if row["low"] is not None and row["high"] is not None:
        interval = f"{row['low']:.1f} … {row['high']:.1f}"
    value = _number(row["value"], row["unit"])
    # A row that an earlier version published does not say.
    yield Text(f"{value} (incomplete)" if row.get("incomplete") else value, style="bold")
    yield interval
    yield n
    yield _number(row["previous"], row["unit"])
    yield _change(row)


def _change(row: Row) -> Text:
    change = row["change"]
    if change is None:
        return Text(_NOTHING)
    significant = row["significant"]
    if significant is None:
        return Text(f"{change:+.1f}")
    if not significant:
        return Text(f"{change:+.1f}, may be chance", style="dim")
    better = (change > 0) != (row["metric"] in _LESS_IS_BETTER)
    return Text(f"{change:+.1f}, significant", style="green" if better else "red")


def _segments(rows: Mapping[str, Row], window: str, dimension: str) -> Table:
    table = Table(title=f"by {dimension}", title_justify="left")
    table.add_column(dimension, no_wrap=True)
    for metric in SHOWN:
        table.add_column(_TITLES[metric], justify="right", no_wrap=True)
    segments = sorted(
        {key.split("|")[2] for key in rows if not key.endswith(f"|{WHOLE}")},
    )
    for segment in segments:
        found = [rows.get(f"{metric}|{window}|{segment}") for metric in SHOWN]
        table.add_row(parse_segment_key(segment)[dimension], *map(_with_margin, found))
    return table


def _with_margin(row: Row | None) -> str:
    if row is None or row["value"] is None:
        return _NOTHING
    value = _number(row["value"], row["unit"])
    if row["low"] is None or row["high"] is None:
        return value
    return f"{value} ± {(row['high'] - row['low']) / 2:.1f}"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return _NOTHING
    return f"{value:.1f} %" if unit == "percent" else f"{value:.1f}"


def _pulse_line(pulse: Pulse) -> str:
    age = _NOTHING if pulse.watermark_age_s is None else f"{pulse.watermark_age_s:.0f} s"
    return (
        f"{pulse.rate:,.0f} events/s · lag {pulse.lag:,} · watermark age {age} · "
        f"open sessions {pulse.open_sessions:,} · dead letters {pulse.dead_letters:,} · "
        f"repeats {pulse.repeats:,}"
    )
