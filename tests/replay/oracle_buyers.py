"""Who buys, and who comes back, the long way: a part of the oracle."""

from collections.abc import Callable, Mapping
from fractions import Fraction

from tests.replay.oracle_relations import Asked, Event, Said, ratio

YEAR_MS = 31_557_600_000


def _orders(events: list[Event]) -> list[Event]:
    return [e for e in events if e.get("kind", "order") == "order"]


def _bought(asked: Asked) -> list[Event]:
    """The orders in the window and segment."""
    return _orders(asked.of("purchase"))


def _of(asked: Asked, customer: str) -> list[int]:
    """The times of all orders of a customer, of any segment."""
    purchases = [e for e in asked.events if e["type"] == "purchase"]
    return [e["at"] for e in _orders(purchases) if e["customer_id"] == customer]


def _buyers(asked: Asked) -> set[str]:
    return {e["customer_id"] for e in _bought(asked)}


def _repeating(asked: Asked) -> set[str]:
    return {e["customer_id"] for e in _bought(asked) if min(_of(asked, e["customer_id"])) < e["at"]}


def _number(asked: Asked) -> Said:
    buyers = len(_buyers(asked))
    return buyers, buyers


def _frequency(asked: Asked) -> Said:
    return ratio(len(_bought(asked)), len(_buyers(asked)))


def _revenue(asked: Asked) -> Fraction:
    amounts = (
        (1 if e.get("kind", "order") == "order" else -1) * Fraction(str(e["amount"]))
        for e in asked.of("purchase")
        if e["currency"] == asked.currency
    )
    return sum(amounts, Fraction())


def _value(asked: Asked) -> Said:
    buyers = {e["customer_id"] for e in _bought(asked) if e["currency"] == asked.currency}
    return ratio(_revenue(asked), len(buyers))


def _years(asked: Asked) -> list[Fraction]:
    last: dict[str, int] = {}
    for e in _bought(asked):
        last[e["customer_id"]] = max(last.get(e["customer_id"], 0), e["at"])
    return [Fraction(at - min(_of(asked, customer)), YEAR_MS) for customer, at in last.items()]


def _lifespan(asked: Asked) -> Said:
    years = _years(asked)
    return ratio(sum(years, Fraction()), len(years))


def _clv(asked: Asked) -> Said:
    years = _years(asked)
    value, n = _value(asked)
    if value is None:
        return None, n
    per_buyer = Fraction(_revenue(asked), n)
    return float(per_buyer * sum(years, Fraction()) / len(years)), n


def _repeat_rate(asked: Asked) -> Said:
    return ratio(100 * len(_repeating(asked)), len(_buyers(asked)))


def _repeat_to_one_time(asked: Asked) -> Said:
    once = [customer for customer in _buyers(asked) if len(_of(asked, customer)) == 1]
    return ratio(len(_repeating(asked)), len(once))


def _upsell(asked: Asked) -> Said:
    upsold = {e["customer_id"] for e in _bought(asked) if e.get("upsell")}
    return ratio(100 * len(upsold), len(_buyers(asked)))


BUYERS: Mapping[str, Callable[[Asked], Said]] = {
    "buying_customers": _number,
    "purchase_frequency": _frequency,
    "customer_value": _value,
    "customer_lifespan": _lifespan,
    "clv": _clv,
    "repeat_purchase_rate": _repeat_rate,
    "repeat_to_one_time_ratio": _repeat_to_one_time,
    "upsell_rate": _upsell,
}
