"""Seeded chance: the same draws for the same seed, on any machine and Python version.

Only ``random()`` and ``getrandbits()`` of :class:`random.Random` are used: their sequences are
stable, those of ``choice``, ``gauss`` and the like are not promised to be. Logarithms and
exponentials are taken once, in tables rounded to six decimals, because the last bit of a C
library's ``log`` differs between machines; drawing is then plain arithmetic, exact everywhere.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from statistics import NormalDist
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_STRATA: Final = 4096
_DECIMALS: Final = 6


def _centres() -> list[float]:
    """Returns the middles of the equally probable strata of (0, 1)."""
    return [(index + 0.5) / _STRATA for index in range(_STRATA)]


def _exponential() -> tuple[float, ...]:
    quantiles = [-math.log1p(-share) for share in _centres()]
    mean = math.fsum(quantiles) / _STRATA  # the strata cut the tail: put the mean back to 1
    return tuple(round(quantile / mean, _DECIMALS) for quantile in quantiles)


EXPONENTIAL: Final = _exponential()
"""Quantiles of the exponential distribution with mean 1."""


def lognormal(median: float, sigma: float) -> tuple[float, ...]:
    """Returns quantiles of a log-normal distribution, for :meth:`Chance.quantile`.

    Args:
        median: in the unit the draws shall have.
        sigma: standard deviation of the logarithm; 0.5 is narrow, 1.2 has a long tail.
    """
    normal = NormalDist()
    return tuple(
        round(median * math.exp(sigma * normal.inv_cdf(share)), _DECIMALS) for share in _centres()
    )


class Weighted(Generic[T]):
    """Items with weights, to be picked by one uniform number.

    Raises:
        ValueError: a weight is negative or not finite, or none is above zero.
    """

    __slots__ = ("_bounds", "_items")

    def __init__(self, weights: Mapping[T, float]) -> None:
        if any(not math.isfinite(weight) or weight < 0 for weight in weights.values()):
            raise ValueError(f"weights must be finite and not negative: {dict(weights)}")
        # Without its zero weights an item that must not occur cannot, not even at a bound.
        positive = {item: weight for item, weight in weights.items() if weight > 0}
        total = math.fsum(positive.values())
        if not positive:
            raise ValueError(f"at least one weight must be above zero: {dict(weights)}")
        self._items = tuple(positive)
        self._bounds = [bound / total for bound in accumulate(positive.values())]
        self._bounds[-1] = 1.0

    def at(self, share: float) -> T:
        """Returns the item at a share of [0, 1) of the total weight."""
        return self._items[bisect_right(self._bounds, share)]


class Chance:
    """One stream of draws.

    Args:
        seed: any integer.
        stream: which of a seed's independent streams, from 0.
    """

    __slots__ = ("_bits", "random")

    def __init__(self, seed: int, stream: int = 0) -> None:
        source = random.Random(seed + (stream << 64))  # noqa: S311 - repeatable is the point, not secret
        self.random = source.random
        self._bits = source.getrandbits

    def below(self, count: int) -> int:
        """Returns an integer of [0, count), each as likely."""
        return int(self.random() * count)

    def between(self, low: float, high: float) -> float:
        """Returns a number of [low, high), uniformly."""
        return low + (high - low) * self.random()

    def hit(self, probability: float) -> bool:
        """Returns true with a probability."""
        return self.random() < probability

    def quantile(self, table: Sequence[float]) -> float:
        """Returns a draw from a table of equally probable quantiles."""
        return table[int(self.random() * len(table))]

    def pick(self, weighted: Weighted[T]) -> T:
        """Returns an item, as likely as its weight."""
        return weighted.at(self.random())

    def choose(self, items: Sequence[T]) -> T:
        """Returns one of the items, each as likely."""
        return items[int(self.random() * len(items))]

    def uuid(self) -> str:
        """Returns an identifier in the form of a random UUID (version 4)."""
        digits = f"{self._bits(128):032x}"
        variant = "89ab"[int(digits[16], 16) & 3]
        return (
            f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
        )
