"""The map of fingerprints beside a dictionary."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from processor.core.fingerprints import ABSENT, Fingerprints

KEYS = st.one_of(
    st.integers(1, 40),  # many of one bucket, and its neighbours
    st.integers(0, 60).map(lambda n: (n << 40) | 15),  # all of one, which is the last
    st.integers(1, 2**64 - 1),
)


@given(st.lists(st.lists(KEYS, max_size=60), max_size=12), st.lists(KEYS, max_size=60))
def test_it_holds_what_a_dictionary_does(batches: list[list[int]], others: list[int]) -> None:
    table, model = Fingerprints(), dict[int, int]()
    for number, batch in enumerate(batches):
        fresh = [key for key in dict.fromkeys(batch) if key not in model]
        values = [(key + number) % 2**32 for key in fresh]
        table.add(np.array(fresh, np.uint64), np.array(values, np.uint32))
        model.update(zip(fresh, values, strict=True))
    asked = [*model, *others]
    slots = table.find(np.array(asked, np.uint64))
    assert [slot != ABSENT for slot in slots] == [key in model for key in asked]
    found = [key for key in asked if key in model]
    assert table.values(slots[slots != ABSENT]).tolist() == [model[key] for key in found]
    assert len(table) == len(model)


def test_a_million_take_less_than_fifty_bytes_each() -> None:
    table, keys = Fingerprints(), np.random.default_rng(7).integers(1, 2**63, 1_000_000, np.uint64)
    for begin in range(0, len(keys), 5_000):
        part = keys[begin : begin + 5_000]
        table.add(part, part.astype(np.uint32))
        assert table.nbytes <= max(2**15, 50 * len(table))
    assert (table.find(keys) != ABSENT).all()
    assert (table.values(table.find(keys)) == keys.astype(np.uint32)).all()
