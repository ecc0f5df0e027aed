"""De-duplication: the horizon, its generations, conflicts, and what is stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.dedup import Deduplicator

HORIZON = 600_000
NOW = 1_700_000_000_000


def first_occurrences(
    dedup: Deduplicator, ids: list[str], clock: int = NOW, contents: list[bytes] | None = None
) -> list[str]:
    keep, repeats, _ = dedup.filter(ids, contents or [i.encode() for i in ids], clock)
    kept = ids if keep is None else [ids[i] for i in keep]
    assert len(kept) + repeats == len(ids)
    return kept


def test_repeats_in_one_batch_and_across_batches_count_once() -> None:
    dedup = Deduplicator(HORIZON)
    assert first_occurrences(dedup, ["a", "b", "a"]) == ["a", "b"]
    assert first_occurrences(dedup, ["b", "c"]) == ["c"]


def test_the_first_wins_and_other_content_is_a_conflict() -> None:
    dedup = Deduplicator(HORIZON)
    keep, repeats, conflicts = dedup.filter(["a", "a", "a"], [b"1", b"1", b"2"], NOW)
    assert (keep, repeats, conflicts) == ([0], 2, 1)


@pytest.mark.parametrize("later_ms", [0, 1, HORIZON // 2, HORIZON])
def test_an_id_is_remembered_through_the_horizon(later_ms: int) -> None:
    for phase in range(0, HORIZON, HORIZON // 7):
        dedup = Deduplicator(HORIZON)
        first_occurrences(dedup, ["a"], NOW + phase)
        assert first_occurrences(dedup, ["a"], NOW + phase + later_ms) == []


def test_it_is_forgotten_after_one_and_a_half() -> None:
    dedup = Deduplicator(HORIZON)
    first_occurrences(dedup, ["a"])
    assert first_occurrences(dedup, ["a"], NOW + HORIZON * 3 // 2) == ["a"]


def test_the_clock_never_forgets_by_going_back() -> None:
    dedup = Deduplicator(HORIZON)
    first_occurrences(dedup, ["a"], NOW)
    first_occurrences(dedup, ["b"], NOW - 10 * HORIZON)
    assert first_occurrences(dedup, ["a", "b"], NOW) == []


def test_no_horizon_means_no_memory() -> None:
    dedup = Deduplicator(0)
    assert first_occurrences(dedup, ["a", "a"]) == ["a", "a"]
    assert len(dedup) == 0


def test_memory_is_bounded_and_the_shortened_horizon_is_counted() -> None:
    dedup = Deduplicator(HORIZON, max_ids=3000)
    for i in range(100):
        first_occurrences(dedup, [f"{i}-{j}" for j in range(500)])
    assert len(dedup) <= 3000 + 3 * 500
    assert dedup.shortened > 0
    assert first_occurrences(dedup, ["99-0"]) == []


@given(
    st.lists(st.lists(st.integers(0, 40), max_size=20), max_size=10),
    st.lists(st.integers(0, 200_000), min_size=10, max_size=10),
)
def test_a_restart_between_batches_changes_nothing(
    batches: list[list[int]], steps: list[int]
) -> None:
    straight, restarted = Deduplicator(HORIZON), Deduplicator(HORIZON)
    stored: dict[int, tuple[bytes, bytes]] = {}
    clock = NOW
    for batch, step in zip(batches, steps, strict=False):
        clock += step
        ids = [str(i) for i in batch]
        assert first_occurrences(straight, ids, clock) == first_occurrences(restarted, ids, clock)
        fresh, forgotten = restarted.take_fresh()
        for part in fresh:
            known_ids, known_contents = stored.get(part.generation, (b"", b""))
            stored[part.generation] = (
                known_ids + part.ids.tobytes(),
                known_contents + part.contents.tobytes(),
            )
        for number in forgotten:
            stored.pop(number, None)
        restarted = Deduplicator(HORIZON)
        for number, (known_ids, known_contents) in sorted(stored.items()):
            restarted.restore(number, known_ids, known_contents)


def test_what_is_stored_takes_twelve_bytes_an_id() -> None:
    dedup = Deduplicator(HORIZON)
    first_occurrences(dedup, [str(i) for i in range(1000)])
    fresh, _ = dedup.take_fresh()
    assert sum(len(p.ids.tobytes()) + len(p.contents.tobytes()) for p in fresh) == 12_000
