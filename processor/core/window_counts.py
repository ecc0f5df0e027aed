"""What a metric is given of one window: its counters, and values that are computed when asked for.

A sum of panes answers most metrics, but not how many customers there were, nor a median. Such
values come from *sources* beside the counters: samples of what was observed, running bases. A
source computes a value only when a metric asks for it, and says which families it has, so that
nobody asks in vain.
"""

from collections.abc import Collection, ItemsView, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple, Protocol

_UNASKED: Final = object()


class Span(NamedTuple):
    """The time that a window covers, or the one before it.

    Attributes:
        window: the window's name.
        previous: whether it is the window before.
        start_ms: inclusive.
        end_ms: exclusive; it only grows.
        pane_ms: the length of the panes it consists of.
    """

    window: str
    previous: bool
    start_ms: int
    end_ms: int
    pane_ms: int


class Source(Protocol):
    """Values of some families over one window and series."""

    @property
    def families(self) -> Collection[str]:
        """The families (what stands before the first dot) that it knows something of."""

    def read(self, name: str) -> int | None:
        """The value of this name, ``None`` where it has none: nothing was observed."""


class Beside(Protocol):
    """What is kept beside the counters, over all windows and series."""

    def having(self, series: AbstractSet[str]) -> AbstractSet[str]:
        """Those of these series of which anything may be known, over whichever span."""

    def source(self, series: str, span: Span) -> Source | None:
        """What is known of a series over a span, ``None`` where that is nothing."""


class WindowCounts(Mapping[str, int]):
    """Counters of one window and series, with values from sources beside them.

    A name is looked up among the counters, then in the sources that know its family. Iterating
    gives the counters alone: they are all there is to add up or to search.

    Args:
        counters: measure → count.
        sources: what else is known of the window.

    >>> class Median:
    ...     families = ("wait_ms",)
    ...     def read(self, name):
    ...         return 250 if name == "wait_ms.p50" else None
    >>> counts = WindowCounts({"nps.9": 3}, [Median()])
    >>> counts.get("wait_ms.p50"), counts.get("wait_ms.p90"), counts.get("nps.9", 0), list(counts)
    (250, None, 3, ['nps.9'])
    """

    __slots__ = ("_asked", "_counters", "_sources")

    def __init__(self, counters: Mapping[str, int], sources: Iterable[Source] = ()) -> None:
        self._counters = counters
        self._sources = tuple(sources)
        self._asked: dict[str, int | None] = {}

    @property
    def families(self) -> set[str]:
        """The families that something is known of, counted or from a source."""
        return {name.partition(".")[0] for name in self._counters} | self.families_beside

    @property
    def families_beside(self) -> set[str]:
        """The families that a source knows something of."""
        return set().union(*(source.families for source in self._sources))

    def __getitem__(self, name: str) -> int:
        value = self._find(name)
        if value is None:
            raise KeyError(name)
        return value

    def get(self, name: str, default: Any = None, /) -> Any:
        """The value of this name, or the default where there is none."""
        counted = self._counters.get(name)
        if counted is not None:
            return counted
        value = self._find_beside(name)
        return default if value is None else value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def items(self) -> ItemsView[str, int]:
        """The counters alone, as in iterating."""
        return self._counters.items()

    def __iter__(self) -> Iterator[str]:
        return iter(self._counters)

    def __len__(self) -> int:
        return len(self._counters)

    def _find(self, name: str) -> int | None:
        counted = self._counters.get(name)
        return self._find_beside(name) if counted is None else counted

    def _find_beside(self, name: str) -> int | None:
        value = self._asked.get(name, _UNASKED)
        if value is _UNASKED:
            value = self._asked[name] = self._compute(name)
        return value  # type: ignore[return-value]

    def _compute(self, name: str) -> int | None:
        family = name.partition(".")[0]
        for source in self._sources:
            if family in source.families:
                value = source.read(name)
                if value is not None:
                    return value
        return None
