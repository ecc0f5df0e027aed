"""Partitions merged by time within bounded memory."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from processor.recording.merging import Merger

LOGS = st.lists(st.lists(st.integers(0, 30), max_size=12), min_size=1, max_size=4)


def fed(merger: Merger[int], logs: list[list[int]], turns: Iterator[int]) -> list[tuple[int, int]]:
    """Partition and place of each record in the order they come out."""
    came: list[tuple[int, int]] = []
    read = [0] * len(logs)
    while any(read[p] < len(log) for p, log in enumerate(logs)):
        hungry = [p for p, log in enumerate(logs) if read[p] < len(log) and merger.has_room(p)]
        for partition in hungry[: next(turns)] or hungry:
            place = read[partition]
            merger.add(
                partition,
                (partition, place),
                time_ms=logs[partition][place],
                size=1,
                received_s=0.0,
            )
            read[partition] += 1
        came += merger.take([p for p, log in enumerate(logs) if read[p] < len(log)])
    return came + list(merger.take())


def expected(logs: list[list[int]]) -> list[tuple[int, int]]:
    """By the latest time so far in the partition, then partition, then place."""
    keyed = [
        (max(log[: place + 1]), partition, place)
        for partition, log in enumerate(logs)
        for place in range(len(log))
    ]
    return [(partition, place) for _, partition, place in sorted(keyed)]


@given(LOGS, st.data())
def test_any_pace_of_reading_gives_one_order(logs: list[list[int]], data: st.DataObject) -> None:
    def turns() -> Iterator[int]:
        while True:
            yield data.draw(st.integers(1, 4))

    merger: Merger[int] = Merger(range(len(logs)), most_bytes=3 * len(logs))
    assert fed(merger, logs, turns()) == expected(logs)
    assert merger.held_bytes == 0


def test_without_room_the_earliest_goes_out_though_another_is_awaited() -> None:
    """::

    partition 0   ── 1 ── 2 ── 3
    partition 1   (nothing yet)
    """
    merger: Merger[int] = Merger([0, 1], most_bytes=2)
    for time_ms in (1, 2, 3):
        assert list(merger.take([1])) == []
        merger.add(0, time_ms, time_ms=time_ms, size=1, received_s=0.0)
    assert not merger.has_room(0)
    assert merger.has_room(1)
    assert list(merger.take([1])) == [1]
    assert list(merger.take([1])) == []
    assert list(merger.take()) == [2, 3]


def test_what_has_just_come_waits_for_what_may_precede_it() -> None:
    merger: Merger[int] = Merger([0, 1], most_bytes=100)
    merger.add(0, "a", time_ms=10, size=1, received_s=5.0)
    assert list(merger.take(received_before_s=4.9)) == []
    merger.add(1, "b", time_ms=9, size=1, received_s=5.5)
    assert list(merger.take(received_before_s=5.2)) == []
    assert list(merger.take(received_before_s=5.5)) == ["b", "a"]
