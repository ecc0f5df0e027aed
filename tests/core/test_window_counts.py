"""Counters with lazily computed values beside them."""

from collections.abc import Collection

import pytest

from processor.core.window_counts import WindowCounts
from processor.metrics.reads import families_of


class Asked:
    """A source that notes what it is asked for."""

    def __init__(self, **values: int | None) -> None:
        self.values = {name.replace("__", "."): value for name, value in values.items()}
        self.names: list[str] = []

    @property
    def families(self) -> Collection[str]:
        return {name.partition(".")[0] for name in self.values}

    def read(self, name: str) -> int | None:
        self.names.append(name)
        return self.values.get(name)


def test_a_value_is_computed_when_asked_for_and_once() -> None:
    source = Asked(buyers__distinct=180)
    counts = WindowCounts({"order.n.USD": 400}, [source])
    assert source.names == []
    assert counts["buyers.distinct"] == counts.get("buyers.distinct", 0) == 180
    assert source.names == ["buyers.distinct"]


def test_nothing_observed_is_absent_and_asked_for_once() -> None:
    source = Asked(wait_ms__p50=None)
    counts = WindowCounts({}, [source])
    assert counts.get("wait_ms.p50") is None
    assert counts.get("wait_ms.p50", 7) == 7
    assert "wait_ms.p50" not in counts
    with pytest.raises(KeyError):
        counts["wait_ms.p50"]
    assert source.names == ["wait_ms.p50"]


def test_counters_are_looked_up_first_and_iterated_alone() -> None:
    source = Asked(customers__at_start=100)
    counts = WindowCounts({"customers.left": 25}, [source])
    assert (counts["customers.left"], counts["customers.at_start"]) == (25, 100)
    assert dict(counts.items()) == {"customers.left": 25}
    assert len(counts) == 1
    assert source.names == ["customers.at_start"]


def test_only_a_source_that_knows_the_family_is_asked() -> None:
    customers, buyers = Asked(customers__at_start=1), Asked(buyers__distinct=2)
    counts = WindowCounts({}, [customers, buyers])
    assert (counts["buyers.distinct"], counts.get("clicks", 0)) == (2, 0)
    assert customers.names == []


def test_a_source_without_the_value_leaves_it_to_the_next() -> None:
    first, second = Asked(customers__x=None), Asked(customers__at_end=3)
    assert WindowCounts({}, [first, second])["customers.at_end"] == 3


def test_families_are_those_of_counters_and_sources() -> None:
    counts = WindowCounts({"nps.9": 1}, [Asked(buyers__distinct=2)])
    assert families_of(counts) == {"nps", "buyers"}
    assert families_of({"nps.9": 1}) == {"nps"}
