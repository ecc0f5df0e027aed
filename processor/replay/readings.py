"""Readings as a list that finds the one that is asked for."""

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Self, SupportsIndex, overload

from pydantic_core import from_json

from processor.metrics.present import Row
from processor.replay.counting import When, instant_ms
from processor.replay.outcome import Summary
from processor.replay.output import write_readings
from schemas.readings import WHOLE, parse_segment_key, reading_key, segment_key
from schemas.timestamps import parse_rfc3339

Segment = Mapping[str, str] | str
"""A segment as readings have it, or its text: ``{"channel": "email"}``, ``"channel=email"``,
``{}``, ``"all"``."""

Asked = tuple[str] | tuple[str, str] | tuple[str, str, Segment] | tuple[str, str, Segment, str]
"""Metric, window, segment and currency; what is left out at the end is not asked for."""

_NAMED_AT_MOST: Final = 12
_PARTS_OF_A_KEY: Final = 4


class UnknownReadingError(KeyError):
    """No reading is what was asked for, or several are; the message names those there are."""

    def __str__(self) -> str:
        """The message as it is: a KeyError would show it in quotes."""
        return str(self.args[0])


class Readings(list[Row]):
    """The readings of a replay or an engine, in order: a list of dictionaries.

    Every row has the fields of the contract in its order, so that ``pandas.DataFrame(readings)``
    and ``polars.DataFrame(readings.flat())`` make tables of them.

    Args:
        rows: readings as dictionaries.
        summary: what became of the lines behind them.

    >>> rows = [{"metric": "nps", "window": "1h", "segment": {}, "value": 25.0, "n": 20}]
    >>> Readings(rows).value("nps", "1h")
    25.0
    >>> Readings(rows)["npss", "1h"]
    Traceback (most recent call last):
      ...
    processor.replay.readings.UnknownReadingError: no reading of metric 'npss'; did you mean 'nps'?
    """

    def __init__(self, rows: Iterable[Row] = (), *, summary: Summary | None = None) -> None:
        super().__init__(rows)
        self.summary = summary

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """The readings of a file, as ``cxpulse replay --out`` writes it.

        Raises:
            OSError: there is none, or it cannot be read.
            ValueError: a line of it is not JSON.
        """
        return cls(from_json(line) for line in Path(path).read_bytes().splitlines() if line)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write them to a file, a line of JSON each; it is replaced when it is complete.

        Raises:
            OSError: it cannot be written.
        """
        write_readings(self, path)

    @overload
    def __getitem__(self, asked: SupportsIndex) -> Row: ...
    @overload
    def __getitem__(self, asked: slice) -> "Readings": ...
    @overload
    def __getitem__(self, asked: str | Asked) -> Row: ...
    def __getitem__(self, asked: SupportsIndex | slice | str | Asked) -> "Row | Readings":
        """By position, or as :meth:`last` by ``metric``, or ``metric, window, segment, currency``.

        A text with bars is the key of a series, such as ``nps|24h|channel=email``.
        """
        if isinstance(asked, str):
            return self.last(*_parts(asked)) if "|" in asked else self.last(asked)
        if isinstance(asked, tuple):
            return self.last(*asked)
        if isinstance(asked, slice):
            return Readings(super().__getitem__(asked), summary=self.summary)
        return super().__getitem__(asked)

    def of(
        self,
        metric: str | None = None,
        window: str | None = None,
        segment: Segment | None = None,
        currency: str | None = None,
    ) -> "Readings":
        """Those of a metric, a window, a segment, a currency; what is left out may be any.

        There may be none.

        Args:
            metric: such as `nps`.
            window: such as `24h`.
            segment: the segment itself, not those within it; ``{}`` is everything.
            currency: ISO 4217.
        """
        text = None if segment is None else _segment_text(segment)
        return Readings(
            (
                row
                for row in self
                if (metric is None or row["metric"] == metric)
                and (window is None or row["window"] == window)
                and (text is None or segment_key(row["segment"]) == text)
                and (currency is None or row.get("currency") == currency)
            ),
            summary=self.summary,
        )

    def last(
        self,
        metric: str,
        window: str | None = None,
        segment: Segment = WHOLE,
        currency: str | None = None,
    ) -> Row:
        """The latest reading of one series.

        Args:
            metric: such as `nps`.
            window: may be left out where there is only one.
            segment: of everything where left out.
            currency: may be left out where there is only one.

        Raises:
            UnknownReadingError: there is no such series, or several; says which there are.
        """
        found = self.of(metric)
        if not found:
            raise UnknownReadingError(_none("metric", metric, self.metrics))
        if window is not None:
            found = _narrowed(found, metric, "window", window, found.windows)
        text = _segment_text(segment)
        in_segment = found.of(segment=text)
        if not in_segment:
            raise UnknownReadingError(_none("segment", text, found.segments, f"of {metric} "))
        if currency is not None:
            known = in_segment.currencies
            in_segment = _narrowed(in_segment, metric, "currency", currency, known)
        for what, names in (("window", in_segment.windows), ("currency", in_segment.currencies)):
            if len(names) > 1:
                raise UnknownReadingError(f"{metric} has {_listed(names)}: name the {what}")
        return list.__getitem__(in_segment, -1)

    def value(
        self,
        metric: str,
        window: str | None = None,
        segment: Segment = WHOLE,
        currency: str | None = None,
    ) -> float | None:
        """The value of :meth:`last`; ``None`` where nothing was observed."""
        found: float | None = self.last(metric, window, segment, currency)["value"]
        return found

    def at(self, when: When) -> "Readings":
        """Those taken at one event time.

        Raises:
            ValueError: the time is no RFC 3339 text, or a datetime without a time zone.
        """
        time_ms = instant_ms(when)
        rows = (row for row in self if parse_rfc3339(row["as_of"]) == time_ms)
        return Readings(rows, summary=self.summary)

    def flat(self) -> list[dict[str, Any]]:
        """The rows for tables: a segment is its text, and every row has a currency.

        >>> Readings([{"metric": "nps", "window": "1h", "segment": {"plan": "pro"}}]).flat()
        [{'metric': 'nps', 'window': '1h', 'segment': 'plan=pro', 'currency': None}]
        """
        return [
            {
                "metric": row["metric"],
                "window": row["window"],
                "segment": segment_key(row["segment"]),
                "currency": row.get("currency"),
            }
            | {name: value for name, value in row.items() if name not in _KEY_FIELDS}
            for row in self
        ]

    @property
    def metrics(self) -> list[str]:
        """The metrics there are readings of, in order of the first."""
        return list(dict.fromkeys(row["metric"] for row in self))

    @property
    def windows(self) -> list[str]:
        """The windows there are readings of, in order of the first."""
        return list(dict.fromkeys(row["window"] for row in self))

    @property
    def segments(self) -> list[str]:
        """The segments there are readings of, as text, in order of the first."""
        return list(dict.fromkeys(segment_key(row["segment"]) for row in self))

    @property
    def currencies(self) -> list[str]:
        """The currencies there are readings in, in order of the first."""
        return list(dict.fromkeys(row["currency"] for row in self if "currency" in row))

    @property
    def series(self) -> list[str]:
        """The keys of all series, such as ``nps|24h|channel=email``, in order of the first."""
        return list(dict.fromkeys(map(key_of, self)))

    def __repr__(self) -> str:
        """How many there are, and of what: a notebook shows it, and the rows would flood it."""
        return f"<{len(self)} readings of {len(self.series)} series>"


_KEY_FIELDS: Final = frozenset(("metric", "window", "segment", "currency"))


def key_of(row: Row) -> str:
    """The key of a reading's series, as it is on Kafka."""
    return reading_key(row["metric"], row["window"], row["segment"], row.get("currency"))


def _segment_text(segment: Segment) -> str:
    if not isinstance(segment, str):
        return segment_key(segment)
    try:
        return segment_key(parse_segment_key(segment))
    except ValueError:
        raise UnknownReadingError(
            f"{segment!r} is not the text of a segment: write channel=email, all, "
            'or {"channel": "e mail"}'
        ) from None


def _parts(key: str) -> tuple[str, str | None, str, str | None]:
    parts = key.split("|")
    if len(parts) > _PARTS_OF_A_KEY:
        raise UnknownReadingError(
            f"{key!r} is not the key of a series: it is metric|window|segment, and the currency "
            "behind it for money"
        )
    metric, window, segment, currency = (*parts, None, None)[:_PARTS_OF_A_KEY]
    return str(metric), window, segment or WHOLE, currency


def _narrowed(found: Readings, metric: str, what: str, name: str, known: list[str]) -> Readings:
    kept = Readings(row for row in found if row.get(what) == name)
    if not kept:
        raise UnknownReadingError(_none(what, name, known, f"of {metric} "))
    return kept


def _none(what: str, name: str, known: list[str], whose: str = "") -> str:
    if not known:
        there = "there are none at all" if not whose else f"it has no {what}"
    elif near := get_close_matches(name, known, n=2):
        there = f"did you mean {' or '.join(map(repr, near))}?"
    else:
        there = f"there is {_listed(known)}"
    return f"no reading {whose}of {what} {name!r}; {there}"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED_AT_MOST])
    more = len(names) - _NAMED_AT_MOST
    return f"{shown} and {more} more" if more > 0 else shown
