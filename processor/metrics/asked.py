"""What a metric asks for, name by name: what has to be read of a series where all is too much.

A pane holds every series and measure; a metric needs a few of them. Which, it tells when it is
asked of nothing; it may ask for more when it has got something, so it is asked again until it
asks for nothing new. One that searches all counters looks for currencies.
"""

from collections.abc import ItemsView, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from processor.core.bases import BASES
from processor.core.estimate import Counts, Estimate
from processor.core.sampled_panes import is_statistic
from processor.metrics.registry import Metric

BY_CURRENCY: Final = ("order.n", "refund.n", "spend.n")
"""Counters whose names end in a currency, by which those in use are found."""

_BASE_VALUES: Final = frozenset({"at_start", "at_end", "unknown"})


@dataclass(slots=True)
class Asked:
    """Names that a metric asked for.

    Attributes:
        names: counters, statistics of samples and values of bases.
        searched: whether it looked through all counters.
    """

    names: set[str] = field(default_factory=set)
    searched: bool = False

    def needs(self, currencies: Iterable[str] = ()) -> "Needs":
        """What has to be read.

        Args:
            currencies: those in use, for a metric that searches.
        """
        counters: set[str] = set()
        samples: set[str] = set()
        bases: set[str] = set()
        for name in self.names:
            before, _, last = name.rpartition(".")
            if before in BASES and last in _BASE_VALUES:
                bases.add(before)
                continue
            counters.add(name)
            if before and is_statistic(last):
                samples.add(before)
        for base in bases:
            counters.update((f"{base}.joined", f"{base}.left"))
        if self.searched:
            counters.update(f"{name}.{currency}" for name in BY_CURRENCY for currency in currencies)
        return Needs(frozenset(counters), frozenset(samples), frozenset(bases))


@dataclass(frozen=True, slots=True)
class Needs:
    """What has to be read of a series.

    Attributes:
        counters: their names.
        samples: measures that are observed.
        bases: running bases; the counters that change them are among the counters.
    """

    counters: frozenset[str] = frozenset()
    samples: frozenset[str] = frozenset()
    bases: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.counters or self.samples or self.bases)

    def without(self, read: "Needs") -> "Needs":
        """What is needed and was not read; a base with its counters, or not at all."""
        bases = self.bases - read.bases
        again = {f"{base}.{change}" for base in bases for change in ("joined", "left")}
        return Needs(self.counters - (read.counters - again), self.samples - read.samples, bases)

    def with_(self, more: "Needs") -> "Needs":
        """Both together."""
        return Needs(
            self.counters | more.counters, self.samples | more.samples, self.bases | more.bases
        )


class Watching(Mapping[str, int]):
    """Counts, with a note of what was asked of them.

    Args:
        counts: of a window.
        asked: takes the notes.
    """

    __slots__ = ("_asked", "_counts")

    def __init__(self, counts: Counts, asked: Asked) -> None:
        self._counts = counts
        self._asked = asked

    def get(self, name: str, default: Any = None, /) -> Any:
        """The value of this name, or the default where there is none."""
        self._asked.names.add(name)
        return self._counts.get(name, default)

    def __getitem__(self, name: str) -> int:
        self._asked.names.add(name)
        return self._counts[name]

    def __contains__(self, name: object) -> bool:
        self._asked.names.add(str(name))
        return name in self._counts

    def items(self) -> ItemsView[str, int]:
        """All counters."""
        self._asked.searched = True
        return self._counts.items()

    def __iter__(self) -> Iterator[str]:
        self._asked.searched = True
        return iter(self._counts)

    def __len__(self) -> int:
        self._asked.searched = True
        return len(self._counts)


def estimate(metric: Metric, currency: str | None, counts: Counts) -> Estimate:
    """What a metric says of counts, in a currency where it is money."""
    return metric.compute(counts) if currency is None else metric.compute_for(counts, currency)


def asked_of_nothing(metric: Metric, currency: str | None) -> Asked:
    """What a metric asks first."""
    asked = Asked()
    estimate(metric, currency, Watching({}, asked))
    return asked
