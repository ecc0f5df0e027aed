"""Columns of counters against dicts of them."""

from hypothesis import given
from hypothesis import strategies as st

from processor.core.cells import Cells
from processor.core.pane_columns import PaneColumns
from processor.core.rollup import add_into

parts = st.lists(
    st.dictionaries(
        st.sampled_from(["all", "channel=a", "channel=b"]),
        st.dictionaries(st.sampled_from("xyz"), st.integers(-(2**80), 2**80), max_size=3),
    ),
    max_size=12,
)


@given(parts, st.integers(0, 12))
def test_a_pane_holds_the_sum_of_what_was_added(
    added: list[dict[str, dict[str, int]]], settled_after: int
) -> None:
    cells, pane = Cells(), PaneColumns()
    expected: dict[str, dict[str, int]] = {}
    for number, by_series in enumerate(added):
        pane.add(*cells.columns(by_series))
        for series, counters in by_series.items():
            add_into(expected.setdefault(series, {}), counters)
        if number == settled_after:
            pane.settle()
    for series in ("all", "channel=a", "channel=b"):
        assert cells.find(series, *pane.columns()) == expected.get(series, {})


def test_counts_take_as_many_bytes_as_the_largest_needs() -> None:
    cells = Cells()
    sizes = []
    for most in (100, 30_000, 2_000_000_000, 2**40):
        pane = PaneColumns()
        pane.add(*cells.columns({"all": {str(n): 1 for n in range(1000)}}))
        pane.add(*cells.columns({"all": {"0": most}}))
        pane.settle()
        sizes.append(pane.columns()[1].nbytes)
    assert sizes[:3] == [1000, 2000, 4000]
    assert sizes[3] == 1001 * 2, "its high bits are one counter more, 256 of them"


def test_panes_of_the_same_counters_share_their_cells() -> None:
    cells, first, second = Cells(), PaneColumns(), PaneColumns()
    for pane in (first, second):
        pane.add(*cells.columns({"all": {"nps.9": 1, "nps.2": 4}}))
        pane.settle(first)
    assert second.columns()[0] is first.columns()[0]


def test_what_comes_to_nothing_takes_no_room() -> None:
    cells, pane = Cells(), PaneColumns()
    pane.add(*cells.columns({"all": {"nps.9": 3}}))
    pane.add(*cells.columns({"all": {"nps.9": -3}}))
    pane.settle()
    assert pane.nbytes == 0
