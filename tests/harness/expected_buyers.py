"""Who bought in a log, and who had bought before, the long way: every order by itself."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

Event = Mapping[str, Any]

_REPEAT, _MULTI, _UPSELL = 1, 2, 4


class ExpectedBuyers:
    """The customers of orders.

    Up to 8192 customers in a window: more are sampled, and not told exactly.
    """

    def __init__(self) -> None:
        self._of: dict[str, list[int]] = defaultdict(list)
        self._in: dict[str, list[Event]] = defaultdict(list)

    def add(self, event: Event, series: Iterable[str]) -> None:
        """Count a purchase in each series that it belongs to."""
        if event["type"] == "purchase" and event.get("kind", "order") == "order":
            self._of[event["customer_id"]].append(event["at_ms"])
            for name in series:
                self._in[name].append(event)

    def window(self, series: str, start_ms: int, end_ms: int) -> Counter[str]:
        """What is known of the buyers of a series in ``[start_ms, end_ms)``."""
        marks: dict[str, int] = defaultdict(int)
        lasted: dict[str, int] = {}
        by_currency: dict[str, set[str]] = defaultdict(set)
        for event in self._in.get(series, ()):
            if not start_ms <= event["at_ms"] < end_ms:
                continue
            customer = event["customer_id"]
            first_ms = min(self._of[customer])
            by_currency[event["currency"]].add(customer)
            lasted[customer] = max(lasted.get(customer, 0), event["at_ms"] - first_ms)
            marks[customer] |= _REPEAT if event["at_ms"] > first_ms else 0
            marks[customer] |= _MULTI if len(self._of[customer]) > 1 else 0
            marks[customer] |= _UPSELL if event.get("upsell") else 0
        found = Counter({f"buyers.{c}.distinct": len(who) for c, who in by_currency.items()})
        if lasted:
            found["buyers.distinct"] = found["buyers.sampled"] = len(lasted)
            found["buyers.magnitudes"] = sum(lasted.values())
        for mark in (_REPEAT, _MULTI, _UPSELL):
            found[f"buyers.marked{mark}"] = sum(bool(m & mark) for m in marks.values())
        return +found
