"""Counters by number: a few are read as all are, and watched families are noticed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from processor.core.cells import Cells

MEASURES = ("nps.9", "customers.joined", "customers.left")

flushes = st.lists(
    st.dictionaries(
        st.sampled_from(MEASURES),
        st.one_of(st.integers(-3, 9), st.integers(-(2**70), 2**70)),
        min_size=1,
    ),
    min_size=1,
    max_size=4,
)


@given(flushes, st.sets(st.sampled_from([*MEASURES, "members.left"])))
def test_a_few_counters_are_those_among_all(batches: list[dict[str, int]], names: set[str]) -> None:
    cells = Cells()
    column = np.zeros(cells.room, np.int64)
    for counters in batches:
        places, counts = cells.columns({"channel=web": counters})
        column[places] += counts
    (every,) = cells.read(("channel=web",), column)
    assert every == {m: n for m in MEASURES if (n := sum(batch.get(m, 0) for batch in batches))}
    some = cells.read_some("channel=web", names, column)
    assert some == {name: every[name] for name in names if name in every}
    assert cells.read_some("channel=app", names, column) == {}


def test_series_with_a_watched_family_are_noticed() -> None:
    cells = Cells(watched=("customers",))
    cells.columns({"all": {"customers.joined": 2**40, "nps.9": 1}, "channel=web": {"nps.9": 1}})
    assert cells.having == {"all"}
    assert cells.families("all") == {"customers", "nps"}
    cells.columns({"channel=web": {"customers.left": 1}})
    assert cells.having == {"all", "channel=web"}
