"""The live board: a snapshot as tables, the same for a terminal and for a log file."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from processor.monitor.directions import better_of
from processor.monitor.targets import level_of
from processor.settings import Target
from processor.state.live import Snapshot
from schemas.readings import WHOLE, parse_segment_key

TITLES: Final = {"nps": "NPS", "csat": "CSAT", "ctr": "CTR", "bounce_rate": "Bounce rate"}
"""The four metrics that are shown unless others are asked for, and what people call them."""

_NOTHING: Final = "–"  # noqa: RUF001 - a dash in an empty cell
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_LEVELS: Final = {"good": "green", "fair": "yellow", "poor": "red"}

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


@dataclass(frozen=True, slots=True)
class Extras:
    """What a board shows beside the readings.

    Attributes:
        past: values over time by reading key, oldest first.
        over: what time they are over, e.g. ``53 d``.
        targets: what is fair and good, by metric.
    """

    past: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    over: str = ""
    targets: Mapping[str, Target] = field(default_factory=dict)


def wanted(window: str, dimension: str, key: str, metrics: Collection[str] = TITLES) -> bool:
    """Whether the board shows the reading of this key: the whole, or a value of the dimension."""
    metric, name, segment, *_ = key.split("|")
    return (
        metric in metrics
        and name == window
        and (segment == WHOLE or (segment.startswith(f"{dimension}=") and "," not in segment))
    )


def board(
    snapshot: Snapshot,
    pulse: Pulse,
    *,
    window: str,
    dimension: str,
    heading: str,
    titles: Mapping[str, str] = TITLES,
    extras: Extras | None = None,
) -> RenderableType:
    """The whole board.

    Args:
        snapshot: readings of the window, see :func:`wanted`.
        pulse: of the processing.
        window: the window's name.
        dimension: what the lower table is segmented by; without a value of it there is none.
        heading: the line on top.
        titles: by metric what people call it, in the order shown.
        extras: what is shown beside the readings.
    """
    parts: list[RenderableType] = [
        Text(heading, style="bold"),
        _metrics(snapshot.rows, window, titles, extras),
    ]
    if dimension:
        parts.append(_segments(snapshot.rows, window, dimension, titles))
    return Group(*parts, Text(_pulse_line(pulse)))


def sparkline(values: Sequence[float | None]) -> str:
    """Values as a line of blocks, from the lowest to the highest of them; nothing is a blank.

    >>> sparkline([1, 2, None, 8]), sparkline([5, 5])
    ('▁▂ █', '▄▄')
    """
    known = [value for value in values if value is not None]
    low, high = min(known, default=0), max(known, default=0)
    top = len(_BLOCKS) - 1

    def block(value: float | None) -> str:
        if value is None:
            return " "
        if low == high:
            return _BLOCKS[top // 2]
        return _BLOCKS[round((value - low) / (high - low) * top)]

    return "".join(map(block, values))


def as_text(renderable: RenderableType, width: int = 100) -> str:
    """What is shown, as plain text for files and logs."""
    console = Console(width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _metrics(
    rows: Mapping[str, Row], window: str, titles: Mapping[str, str], extras: Extras | None
) -> Table:
    table = Table(title=f"last {window}", title_justify="left")
    for column in ("metric", "value", "95 % interval", "n", "before", "change"):
        table.add_column(column, justify="left" if column == "metric" else "right", no_wrap=True)
    if extras is not None:
        table.add_column("target", no_wrap=True)
        table.add_column(f"last {extras.over}" if extras.over else "past", no_wrap=True)
    for metric, title in titles.items():
        whole = f"{metric}|{window}|{WHOLE}"
        keys = sorted(key for key in rows if key == whole or key.startswith(f"{whole}|"))
        for key in keys or [whole]:
            row = rows.get(key)
            name = f"{title} {row['currency']}" if row and "currency" in row else title
            cells: list[RenderableType] = [*_cells(row, extras)] if row else [_NOTHING] * 5
            if extras is not None:
                cells += (_target(row, extras), sparkline(extras.past.get(key, ())))
            table.add_row(name, *cells)
    return table


def _target(row: Row | None, extras: Extras) -> Text:
    target = None if row is None else extras.targets.get(row["metric"])
    compared = None if row is None or target is None else level_of(row["value"], target)
    if compared is None:
        return Text(_NOTHING)
    return Text(compared["label"], style=_LEVELS[compared["level"]])


def _cells(row: Row, extras: Extras | None) -> Iterator[RenderableType]:
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
    yield _change(row, {} if extras is None else extras.targets)


def _change(row: Row, targets: Mapping[str, Target]) -> Text:
    change = row["change"]
    if change is None:
        return Text(_NOTHING)
    significant = row["significant"]
    if significant is None:
        return Text(f"{change:+.1f}")
    if not significant:
        return Text(f"{change:+.1f}, may be chance", style="dim")
    better = better_of(row["metric"], targets)
    style = ""
    if better is not None:
        style = "green" if (change > 0) == (better == "higher") else "red"
    return Text(f"{change:+.1f}, significant", style=style)


def _segments(
    rows: Mapping[str, Row], window: str, dimension: str, titles: Mapping[str, str]
) -> Table:
    table = Table(title=f"by {dimension}", title_justify="left")
    table.add_column(dimension, no_wrap=True)
    # A column is of one number: a metric in money has one for each currency.
    shown = sorted({_column(key) for key in rows}, key=lambda one: ([*titles].index(one[0]), one))
    shown = shown or [(metric, "") for metric in titles]
    for metric, currency in shown:
        table.add_column(f"{titles[metric]} {currency}".strip(), justify="right", no_wrap=True)
    segments = sorted({key.split("|")[2] for key in rows} - {WHOLE})
    for segment in segments:
        found = [
            rows.get("|".join(filter(None, (metric, window, segment, currency))))
            for metric, currency in shown
        ]
        table.add_row(parse_segment_key(segment)[dimension], *map(_with_margin, found))
    return table


def _column(key: str) -> tuple[str, str]:
    metric, _, _, *currency = key.split("|")
    return metric, "".join(currency)


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
    match unit:
        case "percent":
            return f"{value:.1f} %"
        case "seconds":
            return f"{value:,.1f} s"
        case "count":
            return f"{value:,}"
        case "money" | "ratio":
            return f"{value:,.2f}"
    return f"{value:.1f}"


def _pulse_line(pulse: Pulse) -> str:
    age = _NOTHING if pulse.watermark_age_s is None else f"{pulse.watermark_age_s:.0f} s"
    return (
        f"{pulse.rate:,.0f} events/s · lag {pulse.lag:,} · watermark age {age} · "
        f"open sessions {pulse.open_sessions:,} · dead letters {pulse.dead_letters:,} · "
        f"repeats {pulse.repeats:,}"
    )
