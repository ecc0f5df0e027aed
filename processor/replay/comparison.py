"""Two sets of readings compared: what only one of them says, and where they disagree.

Rows are aligned by series and end of the window. A series may speak of one window several times,
as its window stands while counts come in. Then rows that say the same in both sets meet first,
whatever their place; what is left of the two is paired in order of ``as_of`` and ``revision``, and
the rest is in one set only. So the outcome depends on the rows alone, not on how they are ordered.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Any, Final, Self

from processor.replay.comparison_outcome import Difference, FieldDifference, Kind, MetricSummary
from processor.replay.comparison_rows import (
    ALIGNING,
    NUMBERS,
    NotAReading,
    Placed,
    Row,
    normal,
    place,
)
from schemas.timestamps import parse_rfc3339

_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far numbers may be apart and still count as equal.

    Attributes:
        absolute: in the unit of the number.
        relative: as a share of the larger of the two, without its sign.

    Raises:
        ValueError: one is negative, or not a finite number.
    """

    absolute: float = 0.0
    relative: float = 0.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(bound) and bound >= 0 for bound in (self.absolute, self.relative)):
            raise ValueError("a tolerance is 0 or a finite number above it")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``0.01``, which is absolute, or ``1%``, which is relative.

        Raises:
            ValueError: it is neither.
        """
        number = text.strip()
        try:
            if number.endswith("%"):
                return cls(relative=float(number[:-1]) / _PERCENT)
            return cls(absolute=float(number))
        except ValueError:
            raise ValueError(
                f"{text!r} is no tolerance: write a number such as 0.01, or a share such as 1%"
            ) from None

    def allows(self, a: float, b: float) -> bool:
        """Whether two numbers count as equal."""
        if a == b:
            return True
        return abs(a - b) <= max(self.absolute, self.relative * max(abs(a), abs(b)))


EXACT: Final = Tolerance()


def compare(
    a: Iterable[Row],
    b: Iterable[Row],
    *,
    tolerance: Tolerance = EXACT,
    ignore: Collection[str] = (),
) -> "Comparison":
    """Compare two sets of readings that fit into memory.

    Args:
        a: rows in any order.
        b: those they are compared with.
        tolerance: for value, low, high, previous and change.
        ignore: fields that are not compared.

    Raises:
        NotAReading: a row cannot be placed; the message has its place.
        ValueError: ``ignore`` names a field that says which row it is.
    """
    sets = [sorted(_placed(rows, name)) for name, rows in (("a", a), ("b", b))]
    return Comparison(*sets, tolerance=tolerance, ignore=ignore)


def _placed(rows: Iterable[Row], name: str) -> Iterator[Placed]:
    for number, row in enumerate(rows, 1):
        try:
            yield place(row, number)
        except NotAReading as error:
            raise NotAReading(f"{name}, row {number}: {error}") from None


class Comparison:
    """The differences of two sets of readings, found as they are iterated over, once.

    Args:
        a: rows sorted by series, end of the window and place.
        b: the same.
        tolerance: for value, low, high, previous and change.
        ignore: fields that are not compared.

    Attributes:
        metrics: what became of the rows, by metric; complete when the iteration is.

    Raises:
        ValueError: ``ignore`` names a field that says which row it is.
    """

    def __init__(
        self,
        a: Iterable[Placed],
        b: Iterable[Placed],
        *,
        tolerance: Tolerance = EXACT,
        ignore: Collection[str] = (),
    ) -> None:
        if aligning := ALIGNING.intersection(ignore):
            raise ValueError(
                f"{', '.join(sorted(aligning))} cannot be ignored: it says which row it is"
            )
        self.metrics: dict[str, MetricSummary] = {}
        self._tolerance = tolerance
        self._ignored = frozenset(ignore)
        self._differences = self._find(a, b)

    def __iter__(self) -> Iterator[Difference]:
        """The differences, by series and end of the window."""
        return self._differences

    def finish(self) -> Self:
        """Compare what is left; the summary is complete then."""
        for _ in self:
            pass
        return self

    @property
    def equal(self) -> bool:
        """Whether no difference has been found so far."""
        return not any(summary.differences for summary in self.metrics.values())

    def total(self) -> MetricSummary:
        """All metrics together, as far as they are compared."""
        total = MetricSummary()
        for of_metric in self.metrics.values():
            total.equal += of_metric.equal
            total.differing += of_metric.differing
            total.only_a += of_metric.only_a
            total.only_b += of_metric.only_b
            total.largest = max(total.largest, of_metric.largest)
            total.fields.update(of_metric.fields)
        return total

    def _find(self, a: Iterable[Placed], b: Iterable[Placed]) -> Iterator[Difference]:
        for of_a, of_b in _aligned(a, b):
            summary = self._summary((of_a or of_b)[0].key)
            left_a, left_b = _without_same(of_a, of_b)
            summary.equal += len(of_a) - len(left_a)
            if not (left_a or left_b):
                continue
            yield from self._pair(self._in_order(left_a), self._in_order(left_b), summary)

    def _summary(self, key: str) -> MetricSummary:
        metric = key.partition("|")[0]
        found = self.metrics.get(metric)
        if found is None:
            found = self.metrics[metric] = MetricSummary()
        return found

    def _in_order(self, rows: Sequence[Placed]) -> list["_Parsed"]:
        return sorted((_parsed(row, self._ignored) for row in rows), key=lambda row: row.order)

    def _pair(
        self, of_a: list["_Parsed"], of_b: list["_Parsed"], summary: MetricSummary
    ) -> Iterator[Difference]:
        if len(of_a) > 1 or len(of_b) > 1:  # equal but for their spelling, or what is ignored
            before = len(of_a)
            of_a, of_b = _cancelled(of_a, of_b)
            summary.equal += before - len(of_a)
        for a, b in zip_longest(of_a, of_b):
            if a is None or b is None:
                row = a or b
                summary.only_a += b is None
                summary.only_b += a is None
                yield _difference(Kind.ONLY_A if b is None else Kind.ONLY_B, row, a, b)
                continue
            self._measure(a.row, b.row, summary)
            differing = tuple(self._fields(a.row, b.row))
            if differing:
                summary.differing += 1
                summary.fields.update(found.name for found in differing)
                yield _difference(Kind.FIELDS, a, a, b, differing)
            else:
                summary.equal += 1

    def _measure(self, a: Row, b: Row, summary: MetricSummary) -> None:
        if a["value"] is not None and b["value"] is not None:
            summary.largest = max(summary.largest, abs(a["value"] - b["value"]))

    def _fields(self, a: Row, b: Row) -> Iterator[FieldDifference]:
        for name in sorted((a.keys() | b.keys()) - self._ignored - ALIGNING):
            of_a, of_b = a.get(name), b.get(name)
            if not self._same(name, of_a, of_b):
                yield FieldDifference(name, of_a, of_b)

    def _same(self, name: str, a: Any, b: Any) -> bool:
        if name in NUMBERS and a is not None and b is not None:
            return self._tolerance.allows(a, b)
        return bool(normal(name, a) == normal(name, b))


@dataclass(frozen=True, slots=True)
class _Parsed:
    placed: Placed
    row: Row
    said: str
    """What it says, however it is written, without what is ignored."""

    @property
    def order(self) -> tuple[int, float, str]:
        as_of = self.row.get("as_of")
        return (
            0 if as_of is None else parse_rfc3339(as_of),
            self.row.get("revision", 0),
            self.said,
        )


def _parsed(placed: Placed, ignored: frozenset[str]) -> _Parsed:
    row = json.loads(placed.content) if isinstance(placed.content, bytes) else placed.content
    compared = {
        name: normal(name, value)
        for name, value in row.items()
        if name not in ignored and name not in ALIGNING and value is not None
    }
    return _Parsed(placed, row, json.dumps(compared, sort_keys=True))


def _aligned(
    a: Iterable[Placed], b: Iterable[Placed]
) -> Iterator[tuple[list[Placed], list[Placed]]]:
    """The rows of each series and window, of both sets."""
    groups_a, groups_b = (groupby(rows, lambda row: (row.key, row.end_ms)) for rows in (a, b))
    of_a, of_b = next(groups_a, None), next(groups_b, None)
    while of_a is not None or of_b is not None:
        if of_b is None or (of_a is not None and of_a[0] < of_b[0]):
            assert of_a is not None
            yield list(of_a[1]), []
            of_a = next(groups_a, None)
        elif of_a is None or of_b[0] < of_a[0]:
            yield [], list(of_b[1])
            of_b = next(groups_b, None)
        else:
            yield list(of_a[1]), list(of_b[1])
            of_a, of_b = next(groups_a, None), next(groups_b, None)


def _without_same(
    of_a: list[Placed], of_b: list[Placed]
) -> tuple[Sequence[Placed], Sequence[Placed]]:
    """What is left of both when rows that are the same to the byte are taken from each."""
    if len(of_a) == len(of_b) == 1:
        return ((), ()) if of_a[0].content == of_b[0].content and _is_raw(of_a) else (of_a, of_b)
    if not (of_a and of_b and _is_raw(of_a)):
        return of_a, of_b
    common = Counter(row.content for row in of_a) & Counter(row.content for row in of_b)
    return _left(of_a, common.copy()), _left(of_b, common.copy())


def _is_raw(rows: list[Placed]) -> bool:
    return isinstance(rows[0].content, bytes)


def _left(rows: list[Placed], taken: Counter[Any]) -> list[Placed]:
    left = []
    for row in rows:
        if taken[row.content]:
            taken[row.content] -= 1
        else:
            left.append(row)
    return left


def _cancelled(of_a: list[_Parsed], of_b: list[_Parsed]) -> tuple[list[_Parsed], list[_Parsed]]:
    common = Counter(row.said for row in of_a) & Counter(row.said for row in of_b)
    left = []
    for rows in (of_a, of_b):
        taken = common.copy()
        kept = []
        for row in rows:
            if taken[row.said]:
                taken[row.said] -= 1
            else:
                kept.append(row)
        left.append(kept)
    return left[0], left[1]


def _difference(
    kind: Kind,
    of: _Parsed | None,
    a: _Parsed | None,
    b: _Parsed | None,
    fields: tuple[FieldDifference, ...] = (),
) -> Difference:
    assert of is not None
    return Difference(
        kind=kind,
        key=of.placed.key,
        metric=of.row["metric"],
        window_end=of.row["window_end"],
        a=None if a is None else a.placed.place,
        b=None if b is None else b.placed.place,
        fields=fields,
    )
